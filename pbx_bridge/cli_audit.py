"""`pbx-bridge audit`: whether the log of all accesses is whole, and checkpoints of it for a second place (P19).

Reads the keeper's folder beside a keeper at work, so it needs root; it changes nothing there and shows no record.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from pbx_bridge.access import audit_folder as places
from pbx_bridge.access.audit import SEED
from pbx_bridge.access.audit_check import Broken, Whole, check, key_of, read_second
from pbx_bridge.access.checkpoint import verifier_key
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_proof import public_key

BROKEN_CODE: Final = 1

Folder = Annotated[
    Path | None, typer.Option(help="A copy of the keeper's audit folder, instead of the live one.")
]


def add_to(app: typer.Typer, config: Callable[[], Config]) -> None:
    """Adds the commands; `config` loads the configuration that was chosen."""
    audit = typer.Typer(help="The audit log: verify, checkpoint.", no_args_is_help=True)
    app.add_typer(audit, name="audit")

    @audit.command()
    def verify(
        against: Annotated[
            Path | None,
            typer.Option(help="What a second place kept: checkpoints, or a copy of the log.", metavar="FILE"),
        ] = None,
        folder: Folder = None,
        as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
    ) -> None:
        """Find the first bad record; exit code 1 if there is one. Example: pbx-bridge audit verify --against /mnt/kept"""
        at = folder or config().bridge.state_dir / "keeper" / "audit"
        try:
            keepers = _keepers_key(at.parent / SEED) if folder is None else None
            second = read_second(against, key_of(at)) if against is not None else None
            found = check(at, second, keepers)
        except Broken as broken:
            if as_json:
                print(
                    json.dumps(
                        {"whole": False, "record": broken.number, "where": broken.where, "what": broken.what}
                    )
                )
            else:
                print(f"BROKEN {broken}", file=sys.stderr)
            raise typer.Exit(BROKEN_CODE) from None
        _tell(found, against, as_json=as_json)

    @audit.command()
    def checkpoint(
        to: Annotated[
            Path | None, typer.Option(help="Add it to this file instead of printing it.", metavar="FILE")
        ] = None,
        folder: Folder = None,
        key: Annotated[bool, typer.Option("--key", help="Print the verifier key instead.")] = False,
    ) -> None:
        """The newest checkpoint, a signed note, for a second place. Example: pbx-bridge audit checkpoint --to /mnt/kept"""
        at = folder or config().bridge.state_dir / "keeper" / "audit"
        public = key_of(at)
        if key:
            print(verifier_key(public))
            return
        try:
            note = (at / places.HEAD).read_bytes().decode().rstrip("\n") + "\n"
        except FileNotFoundError:
            raise OperatorError(
                "there is no checkpoint", where=str(at / places.HEAD), do=places.MEND
            ) from None
        if to is None:
            print(note, end="")
            return
        try:
            with open(to, "a", encoding="utf-8") as file:
                file.write(f"{note}\n")
        except OSError as error:
            raise OperatorError(f"cannot write: {error.strerror}", where=str(to)) from None


def _keepers_key(path: Path) -> bytes:
    """The public half of the keeper's own key. Raises: OperatorError."""
    try:
        return public_key(path.read_bytes())
    except FileNotFoundError:
        raise OperatorError("there is no audit log", where=str(path), do="Has the bridge run yet?") from None
    except ValueError:
        raise OperatorError("the audit log's key is damaged", where=str(path), do=places.MEND) from None


def _tell(found: Whole, against: Path | None, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"whole": True, **asdict(found)}))
        return
    if not found.segments:
        print("whole: no record yet")
        return
    kept = f"{found.head.number - found.first + 1} records, {found.segments[0]} to {found.segments[-1]}"
    print(f"whole: {kept}; record {found.head.number} is {found.head.digest}")
    if against is None:
        print("a roll-back of the whole machine shows only against a second place: --against FILE")
    else:
        print(f"{found.compared} of the second place agree")
