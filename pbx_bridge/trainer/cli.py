"""The commands on a person's own machine: join, list, fetch, play, review, and those of approving.py.

Nobody names themselves: the bridge says who they are, by the key they joined with. Exit codes: 0 done, 1 the bridge
refused or cannot be asked, 2 something to mend here.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from pbx_bridge.access.audit_chain import AuditBroken
from pbx_bridge.access.proposals import NoProposal
from pbx_bridge.age import AgeError, Reader, X25519Identity, X25519Recipient
from pbx_bridge.archive.manifest import State
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, parse_recording_id
from pbx_bridge.trainer import profile as profiles
from pbx_bridge.trainer.approving import add_commands
from pbx_bridge.trainer.arguments import SESSION_ENV, parser
from pbx_bridge.trainer.auditing import add_commands as add_auditing
from pbx_bridge.trainer.booking import add_commands as add_booking
from pbx_bridge.trainer.bridge import Bridge, BridgeError, pinned_ca
from pbx_bridge.trainer.fetch import fetch, vouched
from pbx_bridge.trainer.play import Player
from pbx_bridge.trainer.profile import Profile, Where
from pbx_bridge.trainer.remote import RemotePayload
from pbx_bridge.trainer.rights import add_commands as add_rights
from pbx_bridge.wire_json import write_fields
from pbx_bridge.wire_portal import MAX_SESSION_CHARS, Broke, Item, Refused, fingerprint, said
from pbx_bridge.wire_proof import parse_invite


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code."""
    approver = partial(add_commands, visit=_bridge)
    auditor = partial(add_auditing, visit=_bridge)
    booker = partial(add_booking, visit=_bridge)
    concerned = partial(add_rights, visit=_bridge, key=_own_key)
    subjects = (approver, auditor, booker, concerned)
    arguments = parser(_join, _list, _fetch, _play, _review, *subjects).parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except OperatorError as error:
        print(f"pbx-bridge: {error}", file=sys.stderr)
        return 2
    except (BridgeError, Refused, AgeError, NoProposal, AuditBroken) as error:
        print(f"pbx-bridge: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("pbx-bridge: stopped", file=sys.stderr)
        return 1


def _join(arguments: argparse.Namespace) -> int:
    try:
        invite = parse_invite(arguments.code)
    except ValueError as error:
        raise OperatorError(str(error), where="--code") from None
    at = profiles.folder(arguments.profile)
    if (at / "profile.json").exists() and not arguments.replace:
        known = profiles.load(at)
        raise OperatorError(
            f"this machine has already joined {known.url} as {known.name}",
            do="Use --profile DIR for a second bridge, or --replace to give this one up",
        )
    where = profiles.choose_where(plain=arguments.identity_file is not None, passphrase=arguments.passphrase)
    path = Path(arguments.identity_file or at / "identity.age").absolute()
    if where is not Where.KEYRING and path.exists() and not arguments.replace:
        raise OperatorError("this file is already there", where=str(path), do="Name another one")
    url = arguments.url.rstrip("/")
    ca_pem = pinned_ca(url, invite.ca_sha256)
    identity = X25519Identity.generate()
    profiles.keep_identity(identity, where, path)
    try:
        with Bridge(url, ca_pem, identity) as bridge:
            proven = bridge.prove(invite.secret)
    except BaseException:
        profiles.forget_identity(identity, where, path)
        raise
    identity_file = "" if where is Where.KEYRING else str(path)
    recipient = str(identity.recipient())
    profiles.save(
        at, Profile(url, ca_pem, proven.name, proven.roles, recipient, proven.recorders, where, identity_file)
    )
    print(f"joined {url} as {proven.name} ({said(proven.roles)})")
    print(f"your key's fingerprint: {fingerprint(recipient)}")
    if not proven.confirmed:
        print(
            "it works once the approver has compared it with you: read it to them, by telephone or face to face"
        )
    print({Where.KEYRING: "identity: in the keyring"}.get(where, f"identity: {path}"))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    with _bridge(arguments) as bridge:
        items = bridge.recordings()
    if arguments.json:
        print(json.dumps([write_fields(item) for item in items], indent=2))
        return 0
    if not items:
        print("no recordings for you")
    for item in items:
        began = datetime.fromtimestamp(item.start).astimezone().strftime("%Y-%m-%d %H:%M")
        seconds = item.duration_ms // 1000
        applications = ", ".join(item.applications)
        print(
            f"{item.recording}  {began}  {seconds // 60:3}:{seconds % 60:02}  {item.trainee}  {applications}  {_state(item)}"
        )
    return 0


def _fetch(arguments: argparse.Namespace) -> int:
    recording = _recording(arguments.id)
    known = profiles.load(profiles.folder(arguments.profile))
    identity = profiles.identity(known)
    to = Path(arguments.to).absolute()
    with Bridge(known.url, known.ca_pem, identity) as bridge:
        recorders = frozenset(known.recorders)
        manifest = fetch(bridge, identity, recording, _session(arguments), recorders, to, _progress())
    print(f"fetched: {to}")
    if manifest.state is State.RECOVERED:
        print("note: the recording was cut by a fault; what precedes it is complete")
    if known.where is not Where.KEYRING:
        print(
            f"open it with: pbx-bridge play {to}   or: age -d -i {known.identity_file} {to} > recording.webm"
        )
    else:
        print(f"open it with: pbx-bridge play {to}")
    return 0


def _play(arguments: argparse.Namespace) -> int:
    known = profiles.load(profiles.folder(arguments.profile))
    path = Path(arguments.what)
    if path.is_file():
        with open(path, "rb") as file:
            reader = Reader(file, [profiles.identity(known)])
            return _shown(Player(reader, path.name), arguments.no_browser)
    if path.suffix or len(path.parts) > 1:
        raise OperatorError("there is no such file", where=arguments.what[:200])
    recording = _recording(arguments.what)
    identity = profiles.identity(known)
    with Bridge(known.url, known.ca_pem, identity) as bridge:
        opened = bridge.open(recording, _session(arguments))

        def left(broke: Broke | None = None) -> None:
            """P19: told at once; else the bridge knows within a minute what it gave."""
            with suppress(BridgeError, Refused):
                bridge.left(opened.grant, broke)

        try:
            manifest = vouched(opened, recording, frozenset(known.recorders))
        except BridgeError:
            left(Broke.UNVOUCHED)
            raise
        payload = RemotePayload(bridge, opened.grant, opened.payload_bytes)
        began = datetime.fromtimestamp(manifest.start).astimezone().strftime("%Y-%m-%d %H:%M")
        try:
            reader = Reader(payload, [identity], header=bytes.fromhex(opened.header))
        except AgeError:  # it opens the last part
            left(Broke.DAMAGED)
            raise
        text = f"{manifest.trainee}, {began}. For training only."
        player = Player(reader, text, lambda: left(Broke.DAMAGED))
        try:
            return _shown(player, arguments.no_browser)
        finally:
            if player.at_rest:  # one connection, one question
                left()


def _review(arguments: argparse.Namespace) -> int:
    recording = _recording(arguments.id)
    session = _session(arguments)
    with _bridge(arguments) as bridge:
        bridge.review(recording, session)
    print(f"{recording}: reviewed; it is destroyed in 7 days at the latest")
    return 0


def _shown(player: Player, no_browser: bool) -> int:
    """Plays until Ctrl-C or SIGTERM."""
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print(f"watch it at {player.start()}", flush=True)
    print("Ctrl-C ends it", flush=True)
    try:
        if not no_browser and not webbrowser.open(player.url):
            print("no browser could be started: open the address yourself", file=sys.stderr)
        ended.wait()
    except KeyboardInterrupt:
        pass
    finally:
        player.close()
    return 1 if player.fault else 0


def _bridge(arguments: argparse.Namespace) -> Bridge:
    known = profiles.load(profiles.folder(arguments.profile))
    return Bridge(known.url, known.ca_pem, profiles.identity(known))


def _own_key(arguments: argparse.Namespace) -> X25519Recipient:
    return X25519Recipient.parse(profiles.load(profiles.folder(arguments.profile)).recipient)


def _recording(text: str) -> RecordingId:
    try:
        return parse_recording_id(text)
    except ValueError as error:
        raise OperatorError(f"{error}; `pbx-bridge list` shows yours", where=text[:80]) from None


def _session(arguments: argparse.Namespace) -> str:
    """P21: the training session this opening serves; the bridge says when it needs one."""
    given = arguments.session or os.environ.get(SESSION_ENV, "")
    if not given and sys.stdin.isatty():
        given = input("Which training session is this for (date, with whom)? ")
    session = " ".join(given.split())
    if len(session) > MAX_SESSION_CHARS or not session.isprintable():
        raise OperatorError(
            f"the training session is said in at most {MAX_SESSION_CHARS} printable characters",
            where="--session",
        )
    return session


def _state(item: Item) -> str:
    match item.state:
        case "open":
            return "ready"
        case "trainee-first":
            until = datetime.fromtimestamp(item.until).astimezone().strftime("%Y-%m-%d %H:%M")
            return f"the trainee's alone until handed over, or {until}"
        case "not-kept":
            return f"not recorded ({item.reason})" if item.reason else "not recorded"
        case other:
            return other.replace("-", " ")


def _progress() -> Callable[[int, int], None]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda there, total: None

    def show(there: int, total: int) -> None:
        share = there / total if total else 1.0
        bar = "#" * int(share * 30)
        end = "\n" if there == total else ""
        print(
            f"\r[{bar:<30}] {share:4.0%}  {there / 1e6:.1f} of {total / 1e6:.1f} MB",
            end=end,
            file=sys.stderr,
            flush=True,
        )

    return show
