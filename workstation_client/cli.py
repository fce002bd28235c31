"""The commands of `workstation-client`. Exit codes: 0 done, 1 not so (status, doctor), 2 a mistake or a fault to mend."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pbx_bridge.errors import OperatorError
from workstation_client import control, identity
from workstation_client.link import software


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        code: int = arguments.command(arguments)
    except OperatorError as error:
        print(f"workstation-client: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workstation-client",
        description="Records the one window you are trained on, during the calls drawn for training, and nothing else.",
        epilog="example: workstation-client enrol https://bridge.example:7443 --code K7...",
    )
    parser.add_argument("--version", action="version", version=software())
    parser.add_argument("--state-dir", type=Path, default=identity.state_dir(), help=argparse.SUPPRESS)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, what: Any, text: str, example: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name, help=text, description=text, epilog=f"example: workstation-client {example}"
        )
        sub.set_defaults(command=what)
        return sub

    sub = add(
        "enrol", _enrol, "enrol this desktop with a one-time code", "enrol https://bridge:7443 --code K7..."
    )
    sub.add_argument("url", metavar="URL", help="the bridge, as https://HOST:7443")
    sub.add_argument("--code", required=True, help="the invitation from: pbx-bridge station invite NAME")
    sub.add_argument(
        "--key-in-file", action="store_true", help="keep the device key in a 0600 file, not the keyring"
    )
    add("run", _run, "run the client in this session (the autostart does it)", "run")
    sub = add("status", _status, "say what the running client does", "status --json")
    sub.add_argument("--json", action="store_true", help="for scripts")
    sub = add("notice", _notice, "read or acknowledge the information notice", "notice show")
    sub.add_argument("what", choices=("show", "accept"))
    sub = add("recordings", _recordings, "list your own recordings", "recordings --json")
    sub.add_argument("--json", action="store_true", help="for scripts")
    sub = add("hand-over", _hand_over, "hand a recording of yours over to your trainer", "hand-over abcd...")
    sub.add_argument("id", metavar="ID", help="from: workstation-client recordings")
    add("private", _private, "do not record the present call; what was recorded of it is erased", "private")
    return parser


def _ask(question: dict[str, object]) -> dict[str, Any]:
    return control.ask(control.runtime_dir() / "client.sock", question)


def _enrol(arguments: argparse.Namespace) -> int:
    from workstation_client.enrol import enrol

    found, place = enrol(
        arguments.url, arguments.code, arguments.state_dir, key_in_file=arguments.key_in_file
    )
    print(f"enrolled as {found.station}; the device key is in {place}")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from workstation_client import client, memory
    from workstation_client.recorder import Recorder

    memory.no_core_dumps()
    found = identity.load(arguments.state_dir)
    lock = control.OneInstance(control.runtime_dir())
    if not lock.take():
        print("workstation-client: it runs already", file=sys.stderr)
        return 0
    asyncio.run(client.run(found, arguments.state_dir, Recorder))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    answer = _ask({"do": "status"})
    if arguments.json:
        print(json.dumps(answer))
    else:
        for name in ("station", "bridge", "link", "lease", "desktop", "notice", "recording"):
            print(f"{name}: {answer[name]}")
    return 0 if answer["lease"] else 1


def _notice(arguments: argparse.Namespace) -> int:
    shown = _ask({"do": "notice"})
    if arguments.what == "show":
        print(shown["text"])
        return 0
    if not shown["acknowledged"]:
        _ask({"do": "accept", "notice_hash": shown["notice_hash"]})
    print("acknowledged")
    return 0


def _recordings(arguments: argparse.Namespace) -> int:
    found = _ask({"do": "recordings"})["recordings"]
    if arguments.json:
        print(json.dumps(found))
    else:
        for line in found:
            print(f"{line['id']}  {line['started_at']}  {line['duration_s']} s  {line['state']}")
    return 0


def _hand_over(arguments: argparse.Namespace) -> int:
    _ask({"do": "hand-over", "recording": arguments.id})
    print("handed over")
    return 0


def _private(_: argparse.Namespace) -> int:
    _ask({"do": "private"})
    print("this call is not recorded")
    return 0
