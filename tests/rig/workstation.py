"""A trainee's workstation: X's desktop, the installed client, the order desk, and what the trainee does with them.

Everything runs as the desktop's ordinary user, from root-owned program files, with a home of its own that is thrown
away. It knows the client's commands, none of its Python.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.rig.deadlines import within
from tests.rig.desktop import USER, Desktop, RigError
from tests.rig.install import SYSTEM_PYTHON, Installed

COMMAND_DEADLINE_S = 30.0
CONNECTED_DEADLINE_S = 20.0
SHOWN_DEADLINE_S = 20.0


class WorkstationError(Exception):
    """A step at the desktop did not do what it should; carries what the program printed."""


class Workstation:
    """`async with Workstation(installed) as workstation:` a desktop with nothing open yet."""

    def __init__(
        self,
        programs: Installed,
        *,
        compositor: bool = False,
        size: tuple[int, int] = (1280, 800),
        user: str | None = USER,
        where: Path | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._programs, self._told = programs, told
        self._compositor, self._size, self._user, self._where = compositor, size, user, where
        self.desktop: Desktop
        self.client: subprocess.Popen[bytes] | None = None
        self.app: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        try:
            self.desktop = Desktop(
                size=self._size, compositor=self._compositor, user=self._user, where=self._where
            )
        except RigError as error:
            raise WorkstationError(f"the desktop does not start: {error}") from error
        self.home = self.desktop.runtime / "home"
        self.home.mkdir(mode=0o700)
        os.chown(self.home, self.desktop.user.pw_uid, self.desktop.user.pw_gid)
        self._log_path = self.desktop.runtime.parent / "client.log"
        self._log = self._log_path.open("ab")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        self._log.close()
        await asyncio.to_thread(self.desktop.close)

    @property
    def login(self) -> str:
        return self.desktop.user.pw_name

    @property
    def display(self) -> str:
        return self.desktop.display

    @property
    def control(self) -> Path:
        """The order desk's socket: see business_app.py."""
        return self.desktop.runtime / "order-desk.sock"

    @property
    def log(self) -> str:
        """What the client said."""
        return self._log_path.read_text(errors="replace")

    async def command(self, *words: str) -> str:
        """What `workstation-client WORDS` prints, typed by the trainee. Raises: WorkstationError."""
        process = self._spawn([self._programs.client, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = await asyncio.to_thread(process.communicate, timeout=COMMAND_DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise WorkstationError(f"`workstation-client {words[0]}` does not end") from None
        finally:
            self.desktop.end(process)
        if process.returncode != 0:
            raise WorkstationError(
                f"`workstation-client {' '.join(words[:2])}` ended with {process.returncode}:\n"
                f"{out.decode()}{err.decode()}{self.log[-1500:]}"
            )
        return out.decode()

    async def lock(self) -> None:
        """The trainee locks the screen, as xscreensaver tells of it, until the client has seen it."""
        await self._save_screen(self._atom("LOCK"))

    async def unlock(self) -> None:
        await self._save_screen(0)

    async def _save_screen(self, state: int) -> None:
        core, root = self.desktop.connection.core, self.desktop.connection.get_setup().roots[0].root
        kind = self._atom("INTEGER")
        core.ChangeProperty(0, root, self._atom("_SCREENSAVER_STATUS"), kind, 32, 3, [state, 0, 0])
        core.GetInputFocus().reply()

        async def seen() -> bool:
            status = json.loads(await self.command("status", "--json"))
            return bool(status["desktop"]["locked"]) is bool(state)

        await self._until(
            seen, SHOWN_DEADLINE_S, "the client does not see that the screen is locked, or is not"
        )

    def _atom(self, name: str) -> int:
        return int(self.desktop.connection.core.InternAtom(False, len(name), name).reply().atom)

    async def private(self) -> None:
        """The trainee says that the present call is private (P16)."""
        await self.command("private")

    async def enrol(self, url: str, code: str) -> None:
        await self.command("enrol", url, "--code", code)

    async def start_client(self, *command: str | Path) -> None:
        """`workstation-client run` (or another command in its place), as autostart would, until it is connected."""
        words = list(command) or [self._programs.client, "run"]
        self.client = self._spawn(words, stdout=self._log, stderr=self._log)
        await self.until_connected()

    async def until_connected(self) -> None:
        """Returns when the client says that it is. Raises: WorkstationError."""
        await self._until(self._connected, CONNECTED_DEADLINE_S, "the client is not connected to the bridge")

    async def end_client(self) -> None:
        """As a log-out ends it."""
        if self.client is not None:
            await asyncio.to_thread(self.desktop.end, self.client)
            self.client = None

    async def _connected(self) -> bool:
        try:
            await self.command("status")
        except WorkstationError:
            if self.client is not None and self.client.poll() is not None:
                raise
            return False
        return True

    async def accept_notice(self) -> str:
        """Reads the notice, accepts it, and returns its text."""
        text = await self.command("notice", "show")
        await self.command("notice", "accept")
        return text

    async def hand_over(self, recording: str) -> None:
        await self.command("hand-over", recording)

    async def open_business_app(self, *options: str) -> None:
        """The order desk, until its window is on the screen."""
        self.app = await self._open(
            "business_app.py", "order desk: ready", "--control", str(self.control), *options
        )

    async def open_mail(self, seconds: float, *options: str) -> subprocess.Popen[bytes]:
        """The private mail in front of everything, until it is on the screen; it goes away by itself."""
        return await self._open("mail_window.py", "mail: shown", "--seconds", str(seconds), *options)

    async def prepare_mail(self, seconds: float, *options: str) -> Callable[[], Awaitable[None]]:
        """Starts the private mail out of sight; what is returned brings it to the front, at once."""
        words = ("--seconds", str(seconds), "--wait", *options)
        process = await self._open("mail_window.py", "mail: waiting", *words, stdin=subprocess.PIPE)
        assert process.stdin is not None
        stdin = process.stdin

        async def show() -> None:
            stdin.write(b"now\n")
            stdin.flush()
            await self._said(process, "mail: shown", "mail_window.py")

        return show

    async def order(self, line: str) -> int:
        """Tells the order desk something; CLOCK_MONOTONIC (ns) when it was on the screen. Raises: WorkstationError."""
        reader, writer = await asyncio.open_unix_connection(self.control)
        try:
            writer.write(line.encode() + b"\n")
            answer = (await within(reader.readline(), SHOWN_DEADLINE_S)).decode().split()
        finally:
            writer.close()
        if answer[:1] != ["ok"]:
            raise WorkstationError(f"order desk: {' '.join(answer)}")
        return int(answer[1])

    def _spawn(
        self,
        arguments: list[str | Path],
        *,
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        stdin: int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        return self.desktop.spawn(
            arguments,
            environment={"HOME": str(self.home), "PYTHONUNBUFFERED": "1"},
            folder="/",
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    async def _open(
        self, program: str, word: str, *options: str, stdin: int = subprocess.DEVNULL
    ) -> subprocess.Popen[bytes]:
        arguments: list[str | Path] = [SYSTEM_PYTHON, self._programs.program(program), *options]
        process = self._spawn(arguments, stdin=stdin, stdout=subprocess.PIPE, stderr=self._log)
        await self._said(process, word, program)
        return process

    async def _said(self, process: subprocess.Popen[bytes], word: str, program: str) -> None:
        """Returns when the program printed `word`. Raises: WorkstationError when it ends or stays silent."""
        assert process.stdout is not None
        said = b""
        try:
            async with asyncio.timeout(SHOWN_DEADLINE_S):
                while word.encode() not in said:
                    line = await asyncio.to_thread(process.stdout.readline)
                    if not line:
                        raise WorkstationError(f"{program} ended at once: {said.decode()}{self.log[-1500:]}")
                    said += line
        except TimeoutError:
            self.desktop.end(process)
            raise WorkstationError(f"{program} does not show its window") from None

    async def _until(self, holds: Callable[[], Awaitable[bool]], within_s: float, otherwise: str) -> None:
        try:
            async with asyncio.timeout(within_s):
                while True:
                    if await holds():
                        return
                    await asyncio.sleep(0.1)  # another process's state: nothing to wait on
        except TimeoutError:
            raise WorkstationError(f"{otherwise}:\n{self.log[-3000:]}") from None
