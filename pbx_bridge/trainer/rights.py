"""A person's own rights from their own machine: export, erase, requests; and an approver's grant (P22, P23).

What comes is sealed to this machine's key and is written as it came: `age -d`, or `pbx-bridge play`, opens it. It decides
nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pbx_bridge.age import X25519Recipient, seal_bytes
from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import parse_recording_id
from pbx_bridge.trainer.approving import Visit
from pbx_bridge.trainer.arguments import Add
from pbx_bridge.trainer.bridge import Bridge
from pbx_bridge.wire_json import write_fields
from pbx_bridge.wire_portal import Act, Deed, Refused, fingerprint
from pbx_bridge.wire_rights import Own, RightsRequest, grant_text

OWN_FILE = "own.json.age"
Key = Callable[[argparse.Namespace], X25519Recipient]
"""The key this profile joined with."""


def add_commands(add: Add, visit: Visit, key: Key) -> None:
    """Adds the four commands."""
    exporting = add(
        "export",
        lambda arguments: _export(arguments, visit, key),
        "Take a copy of all that is kept of you: your recordings with the customer silenced, plans, acknowledgements, "
        "calls, requests. Every file is sealed to your key.",
        "pbx-bridge export --to my-copy",
    )
    exporting.add_argument("--to", metavar="FOLDER", required=True, help="made if it is not there")
    erasing = add(
        "erase",
        lambda arguments: _erase(arguments, visit),
        "Have a recording of yourself destroyed, at once and for everybody.",
        "pbx-bridge erase kq3v…",
    )
    erasing.add_argument("id", metavar="ID", help="as `pbx-bridge list` shows it")
    listing = add(
        "requests",
        lambda arguments: _requests(arguments, visit),
        "Your requests and by when they must be answered; for an approver: all that are open.",
        "pbx-bridge requests",
    )
    listing.add_argument("--json", action="store_true", help="for scripts")
    granting = add(
        "grant",
        lambda arguments: _grant(arguments, visit),
        "As an approver: let a customer's copy go to the key whose fingerprint the customer read to you.",
        "pbx-bridge grant abcdefgh --fingerprint ABCD-EFGH-IJKL-MNOP-QRST",
    )
    granting.add_argument("id", metavar="ID", help="as `pbx-bridge requests` shows it")
    granting.add_argument("--fingerprint", metavar="TEXT", help="of the requester's key, by another way")


def _export(arguments: argparse.Namespace, visit: Visit, key: Key) -> int:
    to = Path(arguments.to)
    failed = 0
    with visit(arguments) as bridge:
        own = bridge.own()
        try:
            to.mkdir(mode=0o700, parents=True, exist_ok=True)
            failed = sum([not _copied(bridge, item.recording, to) for item in bridge.recordings()])
            write_whole(to / OWN_FILE, seal_bytes(_text(own), [key(arguments)]))
        except OSError as error:
            raise OperatorError(f"it cannot be written: {error.strerror}", where=str(to)) from None
    print(to / OWN_FILE)
    return 1 if failed else 0


def _copied(bridge: Bridge, recording: str, to: Path) -> bool:
    """Whether the copy is there; what is gone, or not whole yet, is said."""
    try:
        copy = bridge.export(parse_recording_id(recording))
    except Refused as refused:
        print(f"{recording}: {refused}", file=sys.stderr)
        return refused.word in ("not-kept", "expired")
    write_whole(to / f"{recording}.age", copy)
    print(to / f"{recording}.age")
    return True


def _text(own: Own) -> bytes:
    return (json.dumps(write_fields(own), ensure_ascii=False, indent=2) + "\n").encode()


def _erase(arguments: argparse.Namespace, visit: Visit) -> int:
    try:
        recording = parse_recording_id(arguments.id)
    except ValueError as error:
        raise OperatorError(f"{error}; `pbx-bridge list` shows yours", where=arguments.id[:80]) from None
    with visit(arguments) as bridge:
        bridge.erase(recording)
    print("destroyed")
    return 0


def _requests(arguments: argparse.Namespace, visit: Visit) -> int:
    with visit(arguments) as bridge:
        found = bridge.rights_requests()
    if arguments.json:
        print(json.dumps([write_fields(request) for request in found], indent=2))
        return 0
    for request in found:
        print(line(request))
    if not found:
        print("no requests")
    return 0


def line(request: RightsRequest) -> str:
    """One request for a person."""
    state = f"answer by {_day(request.due_at - 1)}" + (" (extended)" if request.extended else "")
    if request.closed_at is not None and request.closing is not None:
        state = f"{request.closing.value} {_day(request.closed_at)}"
    elif request.until is not None:
        state += f", restricted until {_day(request.until)}"
    asked = f"{request.right.value} by {request.trainee or 'a ' + request.party.value}"
    granted = f", granted by {request.granted_by}" if request.granted_by else ""
    count = len(request.recordings)
    return f"{request.id}  {_day(request.opened_at)}  {asked}, {count} recording(s): {state}{granted}"


def _grant(arguments: argparse.Namespace, visit: Visit) -> int:
    with visit(arguments) as bridge:
        found = next((one for one in bridge.rights_requests() if one.id == arguments.id), None)
        if found is None or not found.recipient:
            raise OperatorError(
                "no open request with this name asks for a copy",
                where=arguments.id[:20],
                do="Look again: pbx-bridge requests",
            )
        if arguments.fingerprint is None and not sys.stdin.isatty():
            raise OperatorError(
                "nobody can be asked here", do="Give --fingerprint, or run this in a terminal"
            )
        print(line(found))
        read_out = arguments.fingerprint or input("The fingerprint of their key, as they read it to you: ")
        if "".join(read_out.upper().replace("-", " ").split()) != fingerprint(found.recipient).replace(
            "-", ""
        ):
            raise OperatorError(
                "the key of this request has another fingerprint",
                do="Let them read it again; if it stays so, the copy would go to somebody else: tell the auditor",
            )
        bridge.prove(act=Act(Deed.GRANT, found.id, grant_text(found)))
    print("granted")
    return 0


def _day(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d")
