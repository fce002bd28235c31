"""A desktop as a trainee has one: Xvfb, openbox and, when wanted, picom, all under an ordinary user made for it.

Every wait has a deadline; everything started here is ended here, by its process id. Needs root, to become that user;
in a container, where nobody is root, it all runs as whoever starts it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeVar

import xcffib
import xcffib.xproto

from tests.rig.accounts import account

USER = "pbx-trainee"
"""The ordinary user of demo and tests; no program file is theirs."""
START_S = 20.0
"""Deadline for a server or window manager to be ready, on a busy two-core machine."""
END_S = 5.0
"""Between SIGTERM and SIGKILL."""

_SERVER_OPTIONS = ("-nolisten", "tcp", "+extension", "Composite", "-dpi", "96", "-noreset")

T = TypeVar("T")


class RigError(Exception):
    """The rig itself is unfit: a program missing, no root, a deadline missed."""


def ordinary_user(name: str = USER) -> pwd.struct_passwd:
    """The user, made when there is none. Raises: RigError without root."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(name)
    if os.geteuid() != 0:
        raise RigError(f"making the user {name} needs root: run this with sudo")
    return account(name, "--create-home", "--shell", "/bin/bash")


def until(what: str, condition: Callable[[], T | None], within_s: float = START_S) -> T:
    """The first value of `condition` that is neither None nor False. Raises: RigError naming `what` at the deadline."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise RigError(f"{what}: not within {within_s:g} s")
        select.select([], [], [], 0.01)


class Desktop:
    """Use as a context manager. `display` is the name for DISPLAY, `user` the account everything runs under."""

    def __init__(
        self,
        *,
        size: tuple[int, int] = (1280, 800),
        compositor: bool = False,
        window_manager: bool = True,
        desktops: int = 2,
        user: str | None = USER,
        where: Path | None = None,
    ) -> None:
        """`user`: None for whoever runs this. `where`: below which its folder is made, /tmp else."""
        if user is not None and os.geteuid() != 0:
            raise RigError("the desktop rig becomes an ordinary user: run this with sudo")
        self.user = pwd.getpwuid(os.geteuid()) if user is None else ordinary_user(user)
        self._as_user: dict[str, Any] = {}
        """For Popen: root's alone to say."""
        if user is not None:
            self._as_user = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        self.size = size
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folder = Path(tempfile.mkdtemp(prefix="pbx-bridge-desktop-", dir=where))
        self._folder.chmod(0o755)
        self.runtime = self._folder / "runtime"
        self.runtime.mkdir(mode=0o700)
        os.chown(self.runtime, self.user.pw_uid, self.user.pw_gid)
        self.log = (self._folder / "log").open("wb")
        self.display = ""
        try:
            self.display = self._start_server()
            self.connection: Any = xcffib.connect(self.display)
            if window_manager:
                self._start_window_manager(desktops)
            if compositor:
                self.spawn(["picom", "--backend", "xrender", "--config", "/dev/null"])
                until("picom takes the screen", self._composited)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Desktop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def environment(self) -> dict[str, str]:
        """What the user's session gives its programs; nothing of root's own environment."""
        return {
            "DISPLAY": self.display,
            "HOME": self.user.pw_dir,
            "USER": self.user.pw_name,
            "LOGNAME": self.user.pw_name,
            "SHELL": "/bin/bash",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(self.runtime),
            "XDG_SESSION_TYPE": "x11",
        }

    def spawn(
        self,
        arguments: Sequence[str | Path],
        *,
        environment: dict[str, str] | None = None,
        folder: str | Path | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a program as the user, in a session of its own. It is ended with the desktop."""
        program = shutil.which(str(arguments[0]), path="/usr/local/bin:/usr/bin:/bin:/usr/sbin")
        if program is None:
            raise RigError(f"{arguments[0]} is not installed; apt-get install it")
        process = subprocess.Popen(
            [str(word) for word in arguments],
            executable=program,
            env={**self.environment, **(environment or {})},
            cwd=folder or self.user.pw_dir,
            stdin=stdin,
            stdout=self.log if stdout is None else stdout,
            stderr=self.log if stderr is None else stderr,
            start_new_session=True,
            umask=0o077,
            **self._as_user,
        )
        self._processes.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End one program and what it started, whatever state it is in."""
        for number in (signal.SIGCONT, signal.SIGTERM):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process in self._processes:
            self._processes.remove(process)

    def close(self) -> None:
        """End everything in the reverse order of its start."""
        if getattr(self, "connection", None) is not None:
            self.connection.disconnect()
            self.connection = None
        for process in reversed(list(self._processes)):
            self.end(process)
        self.log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start_server(self) -> str:
        sockets = Path("/tmp/.X11-unix")
        if not sockets.exists():  # an ordinary user's server would not be let make it
            sockets.mkdir()
            sockets.chmod(0o1777)
        reader, writer = os.pipe()
        os.set_inheritable(writer, True)
        width, height = self.size
        process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24", *_SERVER_OPTIONS],
            env={**self.environment, "DISPLAY": ""},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
            pass_fds=[writer],
            **self._as_user,
        )
        os.close(writer)
        self._processes.append(process)
        self.server_pid = process.pid
        try:
            number = b""
            while not number.endswith(b"\n"):  # closed before its line's end, the server would die of SIGPIPE
                if not select.select([reader], [], [], START_S)[0]:
                    raise RigError(f"Xvfb is not ready within {START_S:g} s")
                piece = os.read(reader, 16)
                if not piece:
                    raise RigError(f"Xvfb did not start: {self.tail()}")
                number += piece
        finally:
            os.close(reader)
        return f":{int(number)}"

    def _start_window_manager(self, desktops: int) -> None:
        settings = self._folder / "openbox.xml"
        settings.write_text(_OPENBOX.format(desktops=desktops))
        self.spawn(["openbox", "--config-file", settings])
        until("openbox manages the screen", lambda: self.root_property("_NET_SUPPORTING_WM_CHECK"))

    def _composited(self) -> bool:
        atom = self.connection.core.InternAtom(False, len("_NET_WM_CM_S0"), "_NET_WM_CM_S0").reply().atom
        return bool(self.connection.core.GetSelectionOwner(atom).reply().owner)

    def root_property(self, name: str) -> tuple[int, ...]:
        """The 32-bit values of a property of the root window."""
        core = self.connection.core
        root = self.connection.get_setup().roots[0].root
        atom = core.InternAtom(False, len(name), name).reply().atom
        answer = core.GetProperty(False, root, atom, 0, 0, 1024).reply()
        return tuple(answer.value.to_atoms()) if answer.format == 32 and answer.value_len else ()

    def tail(self) -> str:
        """The end of what the programs wrote."""
        return (self._folder / "log").read_text(errors="replace")[-800:]


_OPENBOX = """<?xml version="1.0"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <focus><focusNew>yes</focusNew></focus>
  <placement><policy>Smart</policy></placement>
  <desktops><number>{desktops}</number><popupTime>0</popupTime></desktops>
  <theme><animateIconify>no</animateIconify></theme>
</openbox_config>
"""
