"""`./run demo`: one real call becomes one sealed file, from the SIP phone's 200 OK to a trainer's player.

It plays every part a site would have (PBX, phones, administrator, trainee at a desktop, trainer) with the product's own
commands, proves the result against what really happened, and ends all it started. It exits with 0 only when proven.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rig.asterisk import Asterisk
from tests.rig.bridge import TRAINEE, Bridge, Site
from tests.rig.call import Plan, hold_a_call
from tests.rig.commands import BridgeError
from tests.rig.install import Installed, install, install_base
from tests.rig.proof import Truth, decode, judge, open_sealed, table
from tests.rig.speech import SpeechError
from tests.rig.trainer import PersonsMachine
from tests.rig.workstation import Workstation, WorkstationError

SHORTEST_S, LONGEST_S = 10, 900
"""Shorter leaves no room for a hold and the mail; the trainee's plan allows 20 minutes a week (P15)."""
MAIL_S = 4.0
SESSION = "demonstration"
Told = Callable[[str], None]


class DemoError(Exception):
    """A step did not do what it should; says which and what it said."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the trainer has in hand at the end."""

    id: str
    recording: Path
    identity: Path
    proven: bool


class Progress:
    """One line per step, with the seconds since the start."""

    def __init__(self) -> None:
        self._start_s = time.monotonic()

    def __call__(self, text: str) -> None:
        print(f"[{time.monotonic() - self._start_s:5.1f} s] {text}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Exit codes: 0 proven, 1 not, 2 bad input, 130 Ctrl-C."""
    args = _arguments(argv)
    if os.geteuid() != 0:
        print("demo: it needs root: run it as ./run demo", file=sys.stderr)
        return 2
    try:
        out = _out_folder(args.out)
    except OSError as error:
        print(f"demo: --out {args.out}: {error.strerror}; name a folder that can be written", file=sys.stderr)
        return 2
    try:
        return asyncio.run(_until_told(args, out))
    except KeyboardInterrupt:
        print("demo: ended by Ctrl-C; everything it started is ended too", file=sys.stderr)
        return 130
    except (DemoError, BridgeError, WorkstationError, SpeechError, RuntimeError, TimeoutError) as error:
        print(f"demo: {error or type(error).__name__}", file=sys.stderr)
        return 1
    finally:
        if args.out is None:  # ours, and nothing came of it
            with contextlib.suppress(OSError):
                out.rmdir()


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run demo",
        description="One real call on a real Asterisk becomes one sealed file that its trainer can watch.",
        epilog="example: ./run demo --out /tmp/first-call --seconds 30",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the file and the key go (default: a new one in /tmp)"
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=20,
        metavar="N",
        help=f"length of the call, {SHORTEST_S} to {LONGEST_S} (default 20)",
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave everything running until Ctrl-C, and play the recording"
    )
    return parser.parse_args(argv)


def _seconds(text: str) -> int:
    if not text.isdigit() or not SHORTEST_S <= int(text) <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {SHORTEST_S} to {LONGEST_S}")
    return int(text)


def _out_folder(wanted: Path | None) -> Path:
    """Makes it; what lies in it afterwards belongs to whoever asked for sudo."""
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="pbx-bridge-demo-"))
    wanted = wanted.absolute()
    wanted.mkdir(parents=True, exist_ok=True)
    (wanted / ".probe").touch()
    (wanted / ".probe").unlink()
    return wanted


async def _until_told(args: argparse.Namespace, out: Path) -> int:
    """Runs the demo as one task that SIGTERM ends as Ctrl-C does."""
    task = asyncio.ensure_future(_demo(args, out))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _demo(args: argparse.Namespace, out: Path) -> int:
    told = Progress()
    async with contextlib.AsyncExitStack() as stack:
        told("installing the product from this clone, as a site would")
        programs = await asyncio.to_thread(install)
        trainer_programs = asyncio.create_task(asyncio.to_thread(install_base))
        stack.callback(trainer_programs.cancel)
        told("starting a real Asterisk 22 (the first time it is fetched from Debian)")
        pbx = await stack.enter_async_context(Asterisk(told=told))
        told("starting a desktop with a window manager, as an ordinary user")
        workstation = await stack.enter_async_context(Workstation(programs, told=told))
        told("starting the bridge: its own CA, TLS for stations and trainers, the keeper as a second process")
        bridge = await stack.enter_async_context(
            Bridge(pbx, programs, Site(login=workstation.login), told=told)
        )
        await enrol(bridge, workstation, told)
        truth = await call_with_mail(pbx, workstation, args.seconds, told)
        recording = await recorded(bridge, told)
        machine = _new_machine(await trainer_programs, out)
        result = await hand_over_and_fetch(bridge, workstation, machine, recording, truth, out, told)
        if args.keep:
            await _keep(stack, pbx, bridge, workstation, machine, result, told)
        _print_end(result, machine)
        if args.keep:
            with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C is how this ends, and no fault
                await asyncio.Event().wait()
        return 0 if result.proven else 1


async def enrol(bridge: Bridge, workstation: Workstation, told: Told, *client: str | Path) -> None:
    """From the invitation to the open order desk. `client` replaces the installed client's `run`, in tests."""
    told("the approver, at her own machine, has read and approved the trainee's plan")
    told("the administrator invites the workstation; the trainee enrols it and starts the client")
    invitation = await bridge.invite_station("desk-1")
    await workstation.enrol(invitation.url, invitation.code)
    await workstation.start_client(*client)
    told("the trainee reads the notice and accepts it")
    await workstation.accept_notice()
    told("the trainee opens the order desk")
    await workstation.open_business_app()


async def call_with_mail(pbx: Asterisk, workstation: Workstation, seconds: int, told: Told) -> Truth:
    """The call of the demo: held and resumed once, then a private mail in front of the business window."""

    show_mail = await workstation.prepare_mail(MAIL_S)

    async def mail() -> None:
        await show_mail()
        told("a private mail jumps in front of the order desk")

    held_s = 0.25 * seconds, 0.25 * seconds + min(3.0, max(2.0, seconds / 8))
    plan = Plan(seconds, hold_s=held_s, moments=((held_s[1] + 1.0, mail),))
    with tempfile.TemporaryDirectory(prefix="pbx-bridge-speech-") as folder:
        return await hold_a_call(pbx.ports.sip, plan, Path(folder), told)


async def recorded(bridge: Bridge, told: Told) -> str:
    """Waits for the call's ledger line, prints it, and returns the recording's id."""
    line = await bridge.ledger_line()
    told("the ledger's line:")
    print(await bridge.command("ledger"), end="")
    if line["outcome"] != "recorded":
        raise DemoError(f"the call was not recorded: {line['reason']}\n{bridge.log[-3000:]}")
    return str(line["recording"])


async def hand_over_and_fetch(
    bridge: Bridge,
    workstation: Workstation,
    machine: PersonsMachine,
    recording: str,
    truth: Truth,
    out: Path,
    told: Told,
) -> Result:
    told(
        "the trainer joins on a machine of their own, and reads the key's fingerprint to the approver, who confirms it"
    )
    await bridge.admit_trainer(machine)
    told("for 24 h the recording is the trainee's alone; the trainee hands it over")
    await workstation.hand_over(recording)
    sealed = out / f"{recording}.age"
    told("the trainer fetches it: rule, audit record, then a header wrapped for the trainer's key")
    await machine.fetch(recording, sealed, SESSION)
    _give_back(out)
    told("the proof: opened with the trainer's identity by Debian's age, held against what really happened")
    checks = await asyncio.to_thread(lambda: judge(decode(open_sealed(sealed, machine.identity)), truth))
    print(table(checks))
    proven = all(check.holds for check in checks)
    told("proven" if proven else "NOT proven: see the lines marked FAIL")
    return Result(recording, sealed, machine.identity, proven)


def _new_machine(programs: Installed, out: Path) -> PersonsMachine:
    """A trainer's machine of this run's own: an earlier run's key in the same folder still opens its recording."""
    names = ["trainer", *(f"trainer-{number}" for number in range(2, 1000))]
    name = next(name for name in names if not (out / name).exists() and not (out / f"{name}.key").exists())
    return PersonsMachine(programs, out / name, out / f"{name}.key")


async def _keep(
    stack: contextlib.AsyncExitStack,
    pbx: Asterisk,
    bridge: Bridge,
    workstation: Workstation,
    machine: PersonsMachine,
    result: Result,
    told: Told,
) -> None:
    process, url = await machine.play(str(result.recording), SESSION)

    async def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()

    stack.push_async_callback(end)
    approver = bridge.approver.machine
    profile = shlex.quote(approver.environment["PBX_BRIDGE_PROFILE"])
    confirm = shlex.join(approver.words("confirm", TRAINEE))
    invite = bridge.words("person", "invite", TRAINEE, "--role", "trainee", "--browser")
    told("everything keeps running until Ctrl-C")
    for what, where in (
        ("play it in a browser", url),
        ("trainers' portal", bridge.portal_url),
        ("stations", bridge.stations_url),
        ("Asterisk SIP", f"127.0.0.1:{pbx.ports.sip}/udp"),
        ("desktop", f"DISPLAY={workstation.display} (user {workstation.login})"),
        ("bridge's configuration", str(bridge.config)),
        ("portal's CA to trust", str(bridge.state / "tls" / "ca.pem")),
        (f"a link for {TRAINEE}", shlex.join(invite)),
        ("her key, confirmed", f"PBX_BRIDGE_PROFILE={profile} {confirm}"),
    ):
        print(f"    {what:24} {where}")


def _print_end(result: Result, machine: PersonsMachine) -> None:
    """The last lines are for a script: each with a key of its own."""
    profile = shlex.quote(machine.environment["PBX_BRIDGE_PROFILE"])
    play = shlex.join(machine.words("play", str(result.recording)))
    opened = f"age -d -i {shlex.quote(str(result.identity))} {shlex.quote(str(result.recording))}"
    print(f"watch it:  PBX_BRIDGE_PROFILE={profile} {play}")
    print(f"or with standard tools:  {opened} | {_player()}")
    print(f"recording: {result.recording}")
    print(f"identity: {result.identity}")
    print(f"id: {result.id}", flush=True)


def _player() -> str:
    """A player that reads its standard input: one that is there, else the usual one."""
    known = {"mpv": "mpv -", "vlc": "vlc -", "ffplay": "ffplay -autoexit -"}
    return next((command for name, command in known.items() if shutil.which(name)), known["mpv"])


def _give_back(out: Path) -> None:
    """With sudo, the files belong to whoever typed it."""
    if user := os.environ.get("SUDO_UID"):
        subprocess.run(
            ["chown", "-R", "--", f"{user}:{os.environ.get('SUDO_GID', user)}", str(out)], check=False
        )


if __name__ == "__main__":
    sys.exit(main())
