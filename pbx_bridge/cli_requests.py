"""`pbx-bridge request`: what persons concerned asked for, with its deadline; erasure, restriction and copies (P23).

A customer is found by number and day; the number leaves here only as a keyed hash. A copy for a customer is sealed to
their own key and needs an approver's grant: nobody here can listen to it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pbx_bridge.app_own import erased
from pbx_bridge.app_places import catalogue_of, number_lists_of
from pbx_bridge.archive.catalogue import Shelf
from pbx_bridge.archive.retention_wire import Stands
from pbx_bridge.archive.rights_wire import OpenRequest
from pbx_bridge.archive.witness import Witness
from pbx_bridge.cli_person import Ask
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, parse_recording_id
from pbx_bridge.rights.rules import erases, state_of
from pbx_bridge.telephony.numbers import hashes, number_hash
from pbx_bridge.wire_json import write_fields
from pbx_bridge.wire_portal import fingerprint
from pbx_bridge.wire_rights import Closing, Party, Right, RightsRequest

Request = Annotated[str, typer.Argument(help="Its id, as `pbx-bridge request list` shows it.")]
AsJson = Annotated[bool, typer.Option("--json", help="For a script.")]


def commands(config: Callable[[], Config], ask: Ask) -> typer.Typer:
    """The group `pbx-bridge request`."""
    group = typer.Typer(
        help="Requests of persons concerned: open, list, answer, extend, close.", no_args_is_help=True
    )

    @group.command("open")
    def open_(
        right: Annotated[Right, typer.Argument(help="What they ask for.")],
        trainee: Annotated[str, typer.Option(help="The trainee who asks.")] = "",
        number: Annotated[str, typer.Option(help="The number of the customer who asks; - asks for it.")] = "",
        day: Annotated[str, typer.Option(help="The day of the customer's call, as 2026-11-24.")] = "",
        recording: Annotated[list[str] | None, typer.Option(help="Or the recording's id.")] = None,
        key: Annotated[str, typer.Option(help="The customer's own age key, age1…: copies go to it.")] = "",
        until: Annotated[str, typer.Option(help="The last day of a restriction.")] = "",
        as_json: AsJson = False,
    ) -> None:
        """Note a request; erasure is done at once. Example: pbx-bridge request open access --trainee alice"""
        site = config()
        given = [_recording(one) for one in recording or ()]
        if bool(trainee) == bool(number or given):
            raise OperatorError(
                "who asks?", where="request open", do="Give --trainee, or --number and --day, or --recording"
            )
        if number:
            on, written = _day(day, "--day"), _written(number)
            if right is Right.OBJECTION:
                _opt_out(site, written)
            given += _customers(site, written, on)
        party = Party.TRAINEE if trainee else Party.CUSTOMER
        if party is Party.CUSTOMER and right is Right.ACCESS and not key:
            raise OperatorError(
                "a customer's copy is sealed to their own key",
                where="--key",
                do="Let them make one (age-keygen) and give you the public half, age1…",
            )
        end = _end(_day(until, "--until")) if until else None
        asked = OpenRequest(right, party, trainee, tuple(dict.fromkeys(given)), key, end)
        request = ask(site, lambda link: link.open_request(asked))
        gone = _remove_erased(site, ask, request.recordings) if erases(request) else []
        if as_json:
            print(json.dumps(write_fields(request) | {"destroyed": gone}))
        else:
            _say(request, gone)

    @group.command("list")
    def list_(as_json: AsJson = False) -> None:
        """The next due first, closed ones last; exit code 1 when one is overdue. Example: pbx-bridge request list"""
        found = sorted(
            ask(config(), lambda link: link.all_requests()),
            key=lambda one: (one.closed_at is not None, one.due_at),
        )
        now = int(datetime.now(UTC).timestamp())
        if as_json:
            print(json.dumps([write_fields(one) | {"state": state_of(one, now)} for one in found]))
        else:
            table = Table("id", "asked", "right", "by", "recordings", "answer by", "state", "granted by")
            for one in found:
                by = one.trainee or one.party.value
                due = _date(one.due_at - 1)
                row = (one.id, _date(one.opened_at), one.right.value, by, str(len(one.recordings)), due)
                table.add_row(*row, state_of(one, now), one.granted_by)
            Console(width=None if os.isatty(1) else 140).print(table)
        if any(state_of(one, now) == "overdue" for one in found):
            raise typer.Exit(1)

    @group.command("answer")
    def answer(
        request: Request,
        to: Annotated[Path, typer.Option(help="The folder for the copies; made if it is not there.")],
    ) -> None:
        """Make the copies, sealed to the requester's key. Example: pbx-bridge request answer abcdefgh --to /root/copy"""
        site = config()
        known = {one.id: one for one in ask(site, lambda link: link.all_requests())}
        if request not in known:
            raise OperatorError("there is no such request", where=request[:20], do="pbx-bridge request list")
        try:
            to.mkdir(mode=0o700, parents=True, exist_ok=True)
            for one in known[request].recordings:
                print(_copy(site, ask, request, one, to))
        except OSError as error:
            raise OperatorError(f"it cannot be written: {error.strerror}", where=str(to)) from error

    @group.command("extend")
    def extend(request: Request) -> None:
        """Two more months: tell the person why (GDPR art. 12(3)). Example: pbx-bridge request extend abcdefgh"""
        _say(ask(config(), lambda link: link.extend_request(request)), [])

    @group.command("close")
    def close(request: Request, how: Annotated[Closing, typer.Argument(help="How it ended.")]) -> None:
        """End a request; what it kept is kept no longer. Example: pbx-bridge request close abcdefgh answered"""
        site = config()
        gone = _remove_erased(site, ask, ask(site, lambda link: link.close_request(request, how)).recordings)
        print(f"{request}: {how.value}" + (f"; destroyed: {' '.join(gone)}" if gone else ""))

    return group


def _copy(site: Config, ask: Ask, request: str, recording: RecordingId, to: Path) -> Path:
    path = to / f"{recording}.age"
    with _shelf(site).path(recording).open("rb") as sealed:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            files = (sealed.fileno(), handle)
            ask(site, lambda link: link.export_requested(request, recording, files))
        except BaseException:
            path.unlink()
            raise
        finally:
            os.close(handle)
    return path


def _written(number: str) -> str:
    return str(typer.prompt("Number", hide_input=True)) if number == "-" else number


def _opt_out(site: Config, written: str) -> None:
    """P16: who objects afterwards is left alone in later calls, as if they had pressed the key. Raises: OperatorError."""
    lists = number_lists_of(site)
    try:
        lists.opt_out(number_hash(lists.key, written), site.recording.opt_out_months)
    except ValueError as error:
        raise OperatorError(
            f"this is no telephone number: {error}", where="--number", do="Write digits"
        ) from None
    lists.keep()


def _customers(site: Config, written: str, day: date) -> list[RecordingId]:
    """The recordings of this day's calls with a number, by its keyed hashes. Raises: OperatorError when there are none."""
    recordings = catalogue_of(site).recordings
    readings = hashes(number_lists_of(site).key, written)
    found = [noted.recording for reading in readings for noted in recordings.of_customer(reading, day)]
    if not found:
        raise OperatorError(
            "no recording of a call with this number on this day",
            do="Check both; what was destroyed is found no more: then answer that nothing is kept",
        )
    return found


def _remove_erased(site: Config, ask: Ask, recordings: Sequence[RecordingId]) -> list[RecordingId]:
    """The bytes of what the keeper has destroyed of these (P20, P23); which those are."""
    stands = ask(site, lambda link: link.standing(recordings)) if recordings else ()
    gone = [one for one, at in zip(recordings, stands, strict=True) if at is Stands.DESTROYED]
    for one in gone:
        erased(one, Witness(site.bridge.state_dir / "retention"), catalogue_of(site))
        _shelf(site).remove(one)
    return gone


def _say(request: RightsRequest, gone: Sequence[RecordingId]) -> None:
    print(
        f"request {request.id}: {len(request.recordings)} recording(s); answer by {_date(request.due_at - 1)}"
    )
    if not request.recordings:
        print(
            "no recording of theirs is kept"
            + (f": is {request.trainee} the right name?" if request.trainee else "")
        )
    if erases(request):
        kept = [one for one in request.recordings if one not in gone]
        print("destroyed: " + (" ".join(gone) or ("nothing yet" if kept else "nothing was kept")))
        if kept:
            print(
                "closed for everybody, destroyed when the open request that keeps it ends: " + " ".join(kept)
            )
    if request.right is Right.ACCESS and request.party is Party.CUSTOMER and not request.granted_by:
        print(f"the key's fingerprint: {fingerprint(request.recipient)}")
        print(f"next: an approver compares it with the customer: pbx-bridge grant {request.id}")
    if request.right is Right.OBJECTION and request.party is Party.TRAINEE:
        print("from now on nothing new of them is recorded, and what there is opens for them alone")
        print(
            f"next: answer them; accepted: pbx-bridge request close {request.id} answered, and pbx-bridge plan end;"
        )
        print(
            f"refused, with the reason: pbx-bridge request close {request.id} refused, and recording goes on"
        )
    elif request.right is Right.OBJECTION:
        print(
            "so that nothing new is recorded: found by --number, their number is opted out; else pbx-bridge number optout"
        )


def _recording(text: str) -> RecordingId:
    try:
        return parse_recording_id(text)
    except ValueError as error:
        raise OperatorError(
            str(error), where=f"--recording {text[:40]}", do="As in: pbx-bridge ledger --json"
        ) from None


def _shelf(site: Config) -> Shelf:
    return Shelf(site.bridge.state_dir / "sealed")


def _day(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise OperatorError("write the day as 2026-11-24", where=where) from None


def _end(day: date) -> int:
    return int(datetime.combine(day + timedelta(days=1), time()).astimezone().timestamp())


def _date(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d")
