"""The workstation's own surroundings: session, memory, stored identity, control socket, commands, languages."""

from __future__ import annotations

import ast
import asyncio
import gettext
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import workstation_client
from pbx_bridge import memory, wire
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire import Desktop as State
from pbx_bridge.wire import DesktopKind
from pbx_bridge.wire_proof import new_seed
from tests.rig.desktop import Desktop
from tests.rig.screen_saver import become_saver
from tests.stations.rig import DESKTOP, NOTICE
from workstation_client import cli, control, desktop_session, identity, notice
from workstation_client.desktop_session import DesktopSession, judge, kind_of

PACKAGE = Path(workstation_client.__file__).parent

# ---- the session


@pytest.mark.parametrize(
    ("environment", "facts", "kind"),
    [
        ({}, None, DesktopKind.NONE),
        ({"DISPLAY": ":0"}, None, DesktopKind.X11),
        ({"DISPLAY": ":0"}, {"Type": "x11", "Remote": "no"}, DesktopKind.X11),
        ({"DISPLAY": ":0"}, {"Type": "wayland"}, DesktopKind.WAYLAND),
        ({"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, None, DesktopKind.WAYLAND),
        ({"DISPLAY": ":0", "XDG_SESSION_TYPE": "wayland"}, None, DesktopKind.WAYLAND),
        ({"DISPLAY": ":10", "XRDP_SESSION": "1"}, None, DesktopKind.REMOTE_X11),
        ({"DISPLAY": ":10"}, {"Type": "x11", "Remote": "yes"}, DesktopKind.REMOTE_X11),
        ({"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "x"}, {"Type": "tty"}, DesktopKind.REMOTE_X11),
        ({"DISPLAY": ":50", "X2GO_SESSION": "eva-50-1"}, None, DesktopKind.REMOTE_X11),
    ],
)
def test_kinds_of_session(
    environment: dict[str, str], facts: dict[str, str] | None, kind: DesktopKind
) -> None:
    assert kind_of(environment, facts) is kind


GOOD = {"Active": "yes", "State": "active", "LockedHint": "no"}


@pytest.mark.parametrize(
    ("facts", "saver_on", "away", "active", "locked"),
    [
        (None, False, False, True, False),
        (None, True, False, True, True),
        (None, None, False, False, False),
        (GOOD, False, False, True, False),
        (GOOD, False, True, True, True),
        (GOOD, None, False, False, False),
        (GOOD | {"LockedHint": "yes"}, False, False, True, True),
        (GOOD | {"Active": "no", "State": "online"}, False, False, False, False),
        (GOOD | {"State": "closing"}, False, False, False, False),
        ({}, False, False, False, False),
    ],
)
def test_active_and_locked(
    facts: dict[str, str] | None, saver_on: bool | None, away: bool, active: bool, locked: bool
) -> None:
    """P10: what is not known is not active."""
    assert judge(DesktopKind.X11, facts, saver_on=saver_on, away=away) == State(
        active, locked, DesktopKind.X11
    )
    assert not judge(DesktopKind.WAYLAND, facts, saver_on=False, away=False).active


def test_a_disconnected_xrdp_session_is_known_by_its_socket(tmp_path: Path) -> None:
    """xorgxrdp listens at .../xrdp_display_N; whoever looks is connected to it."""
    environment = {"XRDP_SESSION": "1", "DISPLAY": ":10.0"}
    away = desktop_session.is_disconnected
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as viewer:
        path = tmp_path / "xrdp_display_10"
        listening.bind(str(path))
        listening.listen()
        assert away(environment)
        viewer.connect(str(path))
        accepted, _ = listening.accept()
        assert not away(environment)
        assert away(environment | {"DISPLAY": ":1"})
        accepted.close()
        viewer.close()
        assert away(environment)


def test_a_suspended_x2go_session_is_known_by_its_state(tmp_path: Path) -> None:
    environment = {"X2GO_SESSION": "eva-50-1_stDXFCE_dp24", "USER": "eva"}
    folder = tmp_path / "tmp/.x2go-eva/C-eva-50-1_stDXFCE_dp24"
    folder.mkdir(parents=True)
    assert desktop_session.is_disconnected(environment, tmp_path)
    for word, away in (("RUNNING\n", False), ("SUSPENDED\n", True), ("RESUMING", False), ("", True)):
        (folder / "state").write_text(word)
        assert desktop_session.is_disconnected(environment, tmp_path) is away


def test_other_sessions_are_never_disconnected() -> None:
    assert not desktop_session.is_disconnected({"DISPLAY": ":0"})


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    with Desktop(window_manager=False) as found:
        yield found


def test_screensavers_lock_and_a_dead_display_is_a_logout(desktop: Desktop, tmp_path: Path) -> None:
    """On a real X server, with the extension's own calls."""
    session = DesktopSession({"DISPLAY": desktop.display}, tmp_path)
    assert session.read() == DESKTOP
    display = desktop.connection

    def force(*, on: bool) -> None:
        display.core.ForceScreenSaverChecked(1 if on else 0).check()

    force(on=True)
    assert not session.read().locked, "the server's own blanking is no lock"
    force(on=False)
    become_saver(display)
    force(on=True)
    assert session.read().locked
    force(on=False)
    assert session.read() == DESKTOP
    subprocess.run(
        ["xprop", "-root", "-f", "_SCREENSAVER_STATUS", "32a", "-set", "_SCREENSAVER_STATUS", "LOCK"],
        env=os.environ | {"DISPLAY": desktop.display},
        check=True,
    )
    assert session.read().locked
    assert not session.is_over
    desktop.end(desktop._processes[0])
    assert not session.read().active
    session.read()
    assert session.is_over


# ---- memory


def _machine(root: Path, swaps: str, **files: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n" + swaps)
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


PLAIN = "/dev/sda2 partition 100 0 -2\n"


def test_swap_that_is_encrypted_or_memory_is_no_matter(tmp_path: Path) -> None:
    """P17."""
    unencrypted = memory.unencrypted_swap
    assert unencrypted(_machine(tmp_path / "none", "")) == []
    assert unencrypted(_machine(tmp_path / "plain", PLAIN)) == ["/dev/sda2"]
    crypt = {"sys__block__dm-1__dm__uuid": "CRYPT-PLAIN-swap"}
    assert unencrypted(_machine(tmp_path / "crypt", "/dev/dm-1 partition 1 0 -2\n", **crypt)) == []
    lvm = {"sys__block__dm-1__dm__uuid": "LVM-abc"}
    assert unencrypted(_machine(tmp_path / "lvm", "/dev/dm-1 partition 1 0 -2\n", **lvm)) == ["/dev/dm-1"]
    assert unencrypted(_machine(tmp_path / "zram", "/dev/zram0 partition 1 0 5\n")) == []
    backed = {"sys__block__zram0__backing_dev": "/dev/sda3"}
    assert unencrypted(_machine(tmp_path / "backed", "/dev/zram0 partition 1 0 5\n", **backed)) == [
        "/dev/zram0"
    ]
    assert unencrypted(_machine(tmp_path / "file", "/swapfile file 1 0 -2\n")) == ["/swapfile"]


def test_a_control_group_that_may_not_swap_is_enough(tmp_path: Path) -> None:
    group = {"proc__self__cgroup": "0::/user.slice/app.service\n"}
    limit = "sys__fs__cgroup__user.slice__app.service__memory.swap.max"
    assert "control group" in memory.keep_off_swap(_machine(tmp_path / "0", PLAIN, **group, **{limit: "0\n"}))
    above = "sys__fs__cgroup__user.slice__memory.swap.max"
    assert "control group" in memory.keep_off_swap(
        _machine(tmp_path / "up", PLAIN, **group, **{above: "0\n"})
    )


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder every user can read; pytest's own is the owner's alone."""
    with tempfile.TemporaryDirectory(prefix="pbx-bridge-desk-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_otherwise_memory_is_locked_or_nothing_is_recorded(readable: Path) -> None:
    """In a process of its own: root may lock, an ordinary user with the usual limit may not and is told what to do."""
    root = _machine(readable / "m", PLAIN, proc__self__cgroup="0::/a\n")
    program = (
        "import os, resource, sys; from pathlib import Path; from pbx_bridge import memory\n"
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (8 << 20, 8 << 20))\n"
        "if sys.argv[2] == 'user': os.setuid(65534)\n"
        "print(memory.keep_off_swap(Path(sys.argv[1])))\n"
        "print(open('/proc/self/status').read())\n"
    )

    def run(who: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, str(root), who],
            capture_output=True,
            text=True,
            cwd=PACKAGE.parent,
            timeout=30,
            check=False,
        )

    locked = run("root")
    assert "memory is locked" in locked.stdout, locked.stderr
    (size,) = re.findall(r"VmLck:\s+(\d+) kB", locked.stdout)
    assert int(size) > 1000
    refused = run("user")
    assert "/dev/sda2" in refused.stderr
    assert "swapoff" in refused.stderr


def test_no_core_dump_is_left(tmp_path: Path) -> None:
    """With its control: without the call the same process is dumpable, and dumps where this machine writes cores."""
    program = (
        "import ctypes, os, resource, signal, sys; from pbx_bridge import memory\n"
        "most = resource.getrlimit(resource.RLIMIT_CORE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (most, most))\n"
        "if sys.argv[1] == 'closed': memory.no_core_dumps()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)[0], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    said, dumped = {}, {}
    for what in ("open", "closed"):
        child = subprocess.Popen(
            [sys.executable, "-c", program, what],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
            stdout=subprocess.PIPE,
        )
        assert child.stdout
        said[what] = child.stdout.read().decode().split()
        _, status = os.waitpid(child.pid, 0)
        child.returncode = 0
        assert os.WTERMSIG(status) == signal.SIGSEGV
        dumped[what] = os.WCOREDUMP(status)
    assert said["open"][0] == "1"
    assert said["closed"] == ["0", "0"]
    assert not dumped["closed"]


# ---- what is stored


def _identity() -> identity.Identity:
    return identity.Identity("https://h:1", "-----BEGIN\n", "desk", new_seed())


def test_an_identity_comes_back_and_is_ones_own(tmp_path: Path) -> None:
    mine = _identity()
    folder = tmp_path / "state"
    place = identity.save(mine, folder, in_file=True)
    assert identity.load(folder) == mine
    assert str(folder / "key.json") in place
    assert mine.seed.hex() not in repr(mine)
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for name in ("key.json", "station.json"):
        (folder / name).chmod(0o644)
        with pytest.raises(OperatorError, match="chmod 600"):
            identity.load(folder)
        (folder / name).chmod(0o600)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"seed":"00"}', "x" * 100_000])
def test_a_damaged_identity_is_named(tmp_path: Path, content: str) -> None:
    for name in ("key.json", "station.json"):
        folder = tmp_path / name
        identity.save(_identity(), folder, in_file=True)
        (folder / name).write_text(content)
        with pytest.raises(OperatorError, match="Enrol anew"):
            identity.load(folder)


def test_another_devices_key_is_noticed(tmp_path: Path) -> None:
    identity.save(_identity(), tmp_path / "a", in_file=True)
    identity.save(_identity(), tmp_path / "b", in_file=True)
    (tmp_path / "a/key.json").replace(tmp_path / "b/key.json")
    with pytest.raises(OperatorError, match="not the one enrolled"):
        identity.load(tmp_path / "b")


def test_without_enrolment_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="workstation-client enrol URL --code CODE"):
        identity.load(tmp_path)


def test_a_changed_acknowledgement_counts_as_none(tmp_path: Path) -> None:
    """P14: neither the rules nor the time can be changed on the disk, nor another device's taken over."""
    seed = new_seed()
    known = notice.acknowledge(NOTICE, seed, 1_764_000_000)
    notice.store(known, tmp_path)
    assert notice.load(tmp_path, seed) == known
    assert notice.load(tmp_path, new_seed()) is None
    path = tmp_path / "acknowledged.json"
    text = path.read_text()
    for old, new in (
        ("/usr/bin/crm", "/usr/bin/all"),
        ("1764000000", "1764000001"),
        ('"fps": 10', '"fps": 30'),
    ):
        assert old in text
        path.write_text(text.replace(old, new))
        assert notice.load(tmp_path, seed) is None
    for broken in ("", "{", text[:-5]):
        path.write_text(broken)
        assert notice.load(tmp_path, seed) is None
    path.unlink()
    assert notice.load(tmp_path, seed) is None


# ---- the control socket


async def test_the_control_socket_is_ones_own_and_survives_nonsense(tmp_path: Path) -> None:
    async def handler(question: dict[str, object]) -> dict[str, object]:
        if question.get("do") == "fail":
            raise OperatorError("no", do="Try again")
        return {"ok": True, "did": question["do"]}

    path = tmp_path / "client.sock"
    path.touch()  # left by a killed client
    async with await control.serve(path, handler):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

        async def ask(question: dict[str, object]) -> dict[str, object]:
            return await asyncio.to_thread(control.ask, path, question)

        assert (await ask({"do": "x"}))["did"] == "x"
        with pytest.raises(OperatorError, match="Try again"):
            await ask({"do": "fail"})
        for nonsense in (
            b"\n",
            b"[]\n",
            b"\xff\xfe\n",
            b"{" * 5000 + b"\n",
            b"",
            b"x" * (control.MAX_LINE_BYTES + 10),
        ):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(nonsense)
            writer.write_eof()
            answer = await reader.read()
            assert b'"ok": false' in answer or not answer
            writer.close()
        assert (await ask({"do": "y"}))["did"] == "y"
    with pytest.raises(control.NotRunning):
        await asyncio.to_thread(control.ask, tmp_path / "none.sock", {"do": "x"})


def test_one_instance(tmp_path: Path) -> None:
    first, second = control.OneInstance(tmp_path), control.OneInstance(tmp_path)
    assert first.take()
    assert not second.take()
    threading.Timer(0.2, first._file.close).start()
    assert second.take(5)


def test_a_runtime_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert stat.S_IMODE(control.runtime_dir().stat().st_mode) == 0o700
    (tmp_path / "pbx-bridge").chmod(0o777)
    with pytest.raises(OperatorError, match="not yours alone"):
        control.runtime_dir()


# ---- commands and languages

COMMANDS = ("enrol", "run", "status", "notice", "recordings", "hand-over", "private", "autostart", "doctor")


@pytest.mark.parametrize("tongue", ["fr_FR.UTF-8", "en_GB.UTF-8", "C"])
def test_every_command_has_help_with_examples(
    tongue: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LC_ALL", tongue)
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            cli.main([command, "--help"])
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert ("exemples" if tongue.startswith("fr") else "examples") in shown
        assert f"  workstation-client {command}" in shown


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["enrol", "https://h", "--code", "x"],
        ["enrol", "ftp://h", "--code", "x"],
        ["notice", "show"],
        ["recordings"],
        ["hand-over", "x"],
        ["private"],
    ],
)
def test_mistakes_get_a_sentence_and_exit_code_2(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(memory, "no_core_dumps", lambda: None)
    assert cli.main(["--state-dir", str(tmp_path / "state"), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("workstation-client: ")
    assert "Traceback" not in error


def test_bad_words_exit_with_2() -> None:
    for words in (
        [],
        ["nonsense"],
        ["enrol"],
        ["notice", "burn"],
        ["autostart", "install", "--kind", "cron"],
    ):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == 2


def test_status_and_doctor_without_a_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)
    assert cli.main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"running": False}
    assert cli.main(["--state-dir", str(tmp_path / "state"), "doctor", "--json"]) == 1
    found = {f["name"]: f["ok"] for f in json.loads(capsys.readouterr().out)}
    assert found["enrolment"] is found["session"] is found["client"] is False


def _sentences() -> set[str]:
    """Every literal given to say() or show() in the client's sources."""
    found = set()
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in (
                "say",
                "show",
            ):
                found |= {
                    a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)
                }
    return found


def _po() -> dict[str, str]:
    text = (PACKAGE / "fr.po").read_text()
    pairs = re.findall(r'^msgid "(.*)"\nmsgstr "(.*)"$', text, re.MULTILINE)
    return {json.loads(f'"{k}"'): json.loads(f'"{v}"') for k, v in pairs if k}


def test_french_is_complete_and_compiled() -> None:
    po = _po()
    assert len(_sentences()) > 30
    assert _sentences() <= po.keys()
    assert {
        "locked",
        "active",
        "not active",
        "no",
        "paused",
        "yes, this call",
        "waiting",
        "none",
        "station",
    } <= po.keys()
    assert all(po.values())
    with (PACKAGE / "fr.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert {key: compiled.gettext(key) for key in po} == po, "run: msgfmt -o fr.mo fr.po"
    for key, value in po.items():
        assert re.findall(r"\{\w+\}", key) == re.findall(r"\{\w+\}", value)


def test_a_long_notice_still_fits_one_message() -> None:
    rule = wire.ApplicationRule("n" * 64, "/" + "é" * 200, "/" + "p" * 200, "w" * 128, "t" * 100, "0" * 64)
    notice_ = wire.Notice("fr", "é" * 8000, (rule,) * wire.MAX_APPLICATIONS, 10, 3600)
    assert wire.Writer(wire.Side.BRIDGE).write(notice_)


def test_the_device_key_goes_into_a_real_keyring(tmp_path: Path) -> None:
    """GNOME's, unlocked as at a login. Nothing of the key is on the disk in clear, and it is found again."""
    program = (
        "import sys; from pathlib import Path; from workstation_client import identity\n"
        "from pbx_bridge.wire_proof import new_seed\n"
        "folder = Path(sys.argv[1]); mine = identity.Identity('https://h:1', '-----', 'desk', new_seed())\n"
        "print(identity.save(mine, folder)); assert identity.load(folder) == mine; print(mine.seed.hex())\n"
    )
    login = 'printf password | gnome-keyring-daemon --unlock --components=secrets >&2; exec "$@"'
    done = subprocess.run(
        [
            "dbus-run-session",
            "--",
            "sh",
            "-c",
            login,
            "sh",
            sys.executable,
            "-c",
            program,
            str(tmp_path / "state"),
        ],
        env=os.environ
        | {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data"), "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    place, seed = done.stdout.splitlines()
    assert place == "the desktop's keyring"
    kept = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert [p.name for p in kept if "state" in p.parts] == ["station.json"]
    assert not [p for p in kept if seed.encode() in p.read_bytes() or bytes.fromhex(seed) in p.read_bytes()]
