"""The commands of `workstation-client`. Exit codes: 0 done, 1 no (status, doctor, autostart status), 2 a mistake to mend.

It reads what a person typed, asks or starts the one who does it, and prints; the rest is elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from pbx_bridge.errors import OperatorError
from workstation_client import autostart, control, identity
from workstation_client.link import software
from workstation_client.notice_page import page
from workstation_client.speech import say

_LOGOUT_S: Final = 6.0
"""A client whose display is gone notices within two readings and says farewell."""
Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("websockets").setLevel(logging.WARNING)
    command: Command = arguments.command
    try:
        return command(arguments)
    except OperatorError as error:
        print(f"workstation-client: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workstation-client",
        description=say(
            "Films the one window you are trained on, during calls drawn for training, and nothing else."
        ),
        epilog=f"{say('example')}: workstation-client enrol https://bridge.example:7443 --code KXCZ2-...",
    )
    parser.add_argument("--version", action="version", version=software())
    parser.add_argument("--state-dir", type=Path, default=identity.state_dir(), help=argparse.SUPPRESS)
    commands = parser.add_subparsers(title=say("commands"), required=True, metavar=say("COMMAND"))

    def add(
        name: str, command: Command, text: str, *examples: str, json_too: bool = False
    ) -> argparse.ArgumentParser:
        shown = "\n".join(f"  workstation-client {e}" for e in examples)
        sub = commands.add_parser(
            name,
            help=text,
            description=text,
            epilog=f"{say('examples')}:\n{shown}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(command=command)
        if json_too:
            sub.add_argument("--json", action="store_true", help=say("for scripts"))
        return sub

    sub = add(
        "enrol",
        _enrol,
        say("enrol this desktop with a one-time code"),
        "enrol https://bridge.example:7443 --code KXCZ2-6JAAE-...",
    )
    sub.add_argument("url", metavar="URL", help=say("the bridge, as https://HOST:7443"))
    sub.add_argument("--code", required=True, help=say("the code from: pbx-bridge station invite NAME"))
    sub.add_argument(
        "--key-in-file",
        action="store_true",
        help=say("keep the device key in a file (0600) even where there is a keyring"),
    )
    add("run", _run, say("run the client in this session (the autostart does it)"), "run")
    add(
        "status",
        _status,
        say("say what the running client does; exit code 1 without a lease of the bridge"),
        "status",
        "status --json",
        json_too=True,
    )
    sub = add(
        "notice",
        _notice,
        say("read or acknowledge the information notice"),
        "notice show",
        "notice show --json",
        "notice accept",
        json_too=True,
    )
    sub.add_argument("what", choices=("show", "accept"))
    add("recordings", _recordings, say("list your own recordings"), "recordings --json", json_too=True)
    sub = add(
        "accesses",
        _accesses,
        say("list who opened, or tried to open, a recording of yours"),
        "accesses",
        "accesses --json",
        json_too=True,
    )
    sub.add_argument(
        "--before", metavar="N", type=int, default=0, help=say("only those older than number N of this list")
    )
    sub = add(
        "hand-over",
        _hand_over,
        say("hand a recording of yours over to your trainer"),
        "hand-over mfrggzdfmztwq2lknnwg23tpoa",
    )
    sub.add_argument("id", metavar="ID", help=say("from: workstation-client recordings"))
    add(
        "private",
        _private,
        say("do not record the present call; what exists of it is erased"),
        "private",
    )
    sub = add(
        "autostart",
        _autostart,
        say("start the client at login, or no longer"),
        "autostart install",
        "autostart status --json",
        "autostart remove",
        json_too=True,
    )
    sub.add_argument("what", choices=("install", "remove", "status"))
    sub.add_argument(
        "--kind",
        choices=("systemd", "xdg", "both"),
        help=say("instead of what fits this desktop"),
    )
    add(
        "doctor",
        _doctor,
        say("look at everything a recording needs; exit code 1 when something is missing"),
        "doctor",
        "doctor --json",
        json_too=True,
    )
    return parser


def _ask(question: dict[str, object]) -> dict[str, Any]:
    return control.ask(control.runtime_dir() / "client.sock", question)


def _enrol(arguments: argparse.Namespace) -> int:
    from workstation_client.enrol import enrol

    found, place = enrol(
        arguments.url, arguments.code, arguments.state_dir, key_in_file=arguments.key_in_file
    )
    print(
        say("Enrolled as {station}. The device key is in {place}.").format(station=found.station, place=place)
    )
    print(say("Next: workstation-client autostart install, then log in anew (or: workstation-client run)"))
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from pbx_bridge import memory
    from workstation_client import client
    from workstation_client.desktop_session import DesktopSession
    from workstation_client.recorder import Recorder

    memory.no_core_dumps()
    found = identity.load(arguments.state_dir)
    lock = control.OneInstance(control.runtime_dir())
    if not lock.take(_LOGOUT_S):
        print(say("The client runs already."), file=sys.stderr)
        return 0
    asyncio.run(client.run(found, arguments.state_dir, Recorder, DesktopSession()))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    try:
        answer = _ask({"do": "status"})
    except control.NotRunning as error:
        if arguments.json:
            print(json.dumps({"running": False}))
        else:
            print(f"workstation-client: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(answer))
        return 0 if answer["lease"] else 1
    desktop = answer["desktop"]
    state = "locked" if desktop["locked"] else "active" if desktop["active"] else "not active"
    recording = "no"
    if answer["recording"]:
        recording = "paused" if answer["paused"] else "yes, this call"
    lines = (
        ("station", answer["station"]),
        ("bridge", f"{answer['bridge']}, {answer['link']}"),
        ("session", f"{desktop['kind']}, {say(state)}"),
        ("notice", say(answer["notice"])),
        ("recording", say(recording)),
    )
    for name, value in lines:
        print(f"{say(name)}: {value}")
    return 0 if answer["lease"] else 1


def _notice(arguments: argparse.Namespace) -> int:
    """P14: what is acknowledged is what was printed, by the hash of all of it."""
    from pbx_bridge import wire
    from pbx_bridge.wire_json import read_fields

    said = _ask({"do": "notice"})
    shown, known = read_fields(wire.Notice, said["notice"]), bool(said["acknowledged"])
    digest = wire.notice_hash(shown)

    def tell(text: str) -> None:
        if not arguments.json:
            print(text)

    tell(page(shown) + "\n")
    if arguments.what == "show":
        tell(say("acknowledged") if known else say("To acknowledge: workstation-client notice accept"))
    elif not known:
        if sys.stdin.isatty() and not arguments.json and not _agreed():
            print(say("Not acknowledged; nothing is recorded."))
            return 1
        _ask({"do": "accept", "notice_hash": digest})
        known = True
    if arguments.json:
        print(json.dumps({"notice_hash": digest, "acknowledged": known, **said["notice"]}))
    elif arguments.what == "accept":
        print(say("acknowledged"))
    return 0


def _agreed() -> bool:
    return input(say("I have read this and acknowledge it [y/N]: ")).strip().lower() in say("y yes").split()


def _recordings(arguments: argparse.Namespace) -> int:
    found = _ask({"do": "recordings"})["recordings"]
    if arguments.json:
        print(json.dumps(found))
        return 0
    if not found:
        print(say("There are no recordings of yours."))
    for line in found:
        began = time.strftime("%Y-%m-%d %H:%M", time.localtime(line["started_at"]))
        print(
            f"{line['id']}  {began}  {line['duration_s'] // 60:3d}:{line['duration_s'] % 60:02d}  {line['state']}"
        )
    return 0


def _accesses(arguments: argparse.Namespace) -> int:
    """P19: the newest first; the last line says how to see older ones."""
    answer = _ask({"do": "accesses", "before": max(0, arguments.before)})
    found = answer["accesses"]
    if arguments.json:
        print(json.dumps({"accesses": found, "more": answer["more"]}))
        return 0
    if not found:
        print(say("Nobody opened or tried to open a recording of yours."))
    for line in found:
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(line["at"]))
        told = " ".join(filter(None, (line["act"], line["outcome"], line["reason"], line["person"])))
        print("  ".join(filter(None, (at, line["who"], told, line["recording"], line["session"]))))
    if answer["more"]:
        print(
            say("Older ones: workstation-client accesses --before {number}").format(
                number=found[-1]["number"]
            )
        )
    return 0


def _hand_over(arguments: argparse.Namespace) -> int:
    _ask({"do": "hand-over", "recording": arguments.id})
    print(say("Handed over: your trainer can watch it now."))
    return 0


def _private(_: argparse.Namespace) -> int:
    _ask({"do": "private"})
    print(say("This call is not recorded."))
    return 0


def _autostart(arguments: argparse.Namespace) -> int:
    kinds = {
        None: None,
        "systemd": (autostart.Kind.SYSTEMD,),
        "xdg": (autostart.Kind.XDG,),
        "both": (autostart.Kind.SYSTEMD, autostart.Kind.XDG),
    }[arguments.kind]
    match arguments.what:
        case "install":
            found = autostart.install(kinds)
        case "remove":
            removed = autostart.remove()
            found = autostart.status()
            if not arguments.json:
                print(say("Removed.") if removed else say("It was not installed."))
                return 0
        case _:
            found = autostart.status()
    if arguments.json:
        print(json.dumps([{"kind": i.kind.value, "path": str(i.path)} for i in found]))
    else:
        for way in found:
            print(f"{way.kind.value}: {way.path}")
        if not found:
            print(say("not installed"))
    return 0 if found or arguments.what == "remove" else 1


def _doctor(arguments: argparse.Namespace) -> int:
    from workstation_client import doctor

    found = doctor.examine(arguments.state_dir)
    if arguments.json:
        print(json.dumps([{"name": f.name, "ok": f.good, "what": f.what} for f in found]))
    else:
        for finding in found:
            print(f"{say('good') if finding.good else say('FAULT'):6} {finding.name}: {finding.what}")
    return 0 if all(f.good for f in found) else 1
