"""A FreeSWITCH that somebody else runs here, with the site of `freeswitch_site`: a `RigPbx` that is found, not booted.

No package of FreeSWITCH exists, so there is none of our own to boot: the environment names the event socket of one
(tests/live/freeswitch/README.md). All else it is asked itself: ports, folders, process. The bridge reaches it through a
line that can be cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rig import asterisk_sounds
from tests.rig.asterisk_proxy import Proxy
from tests.rig.freeswitch_socket import EventSocket

ADDRESS, SECRET = "PBX_BRIDGE_FREESWITCH", "PBX_BRIDGE_FREESWITCH_SECRET_FILE"
"""The environment: host:port of the event socket, and the file with its password."""
MEMORY = Path("/dev/shm")
BOOT_DEADLINE_S = 60.0
COMES_BACK_S = 2.0
"""A killed one that a service keeps running is back by then; else it is started as it was."""
TRUNK = "127.0.0.2"
"""Where the customers' phones are."""


@dataclass(frozen=True, slots=True)
class _Process:
    """How it was started, to do it again."""

    pid: int
    command: tuple[str, ...]
    user: int
    group: int
    folder: str


class Freeswitch:
    """`async with Freeswitch.from_environment() as pbx:`"""

    name = "FreeSWITCH"
    info_key_ns = 10_000_000

    def __init__(self, host: str, port: int, password: str, driver: str = "asyncio") -> None:
        """`driver`: the bridge's, as in its configuration."""
        self.socket = EventSocket(host, port, password)
        self.driver = driver
        self.phone_password = ""
        self.pipes = MEMORY / f"pbxb-pipes-{secrets.token_hex(4)}"
        """Where the bridge's named pipes are."""
        self._line = Proxy(port)
        self._globals: dict[str, str] = {}
        self._process: _Process

    @classmethod
    def from_environment(cls, driver: str = "asyncio") -> Self:
        """Raises: KeyError, OSError, ValueError when the environment names none that can be read."""
        host, _, port = os.environ[ADDRESS].rpartition(":")
        return cls(host, int(port), Path(os.environ[SECRET]).read_text().strip(), driver)

    async def __aenter__(self) -> Self:
        await self._learn()
        await self._line.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._line.__aexit__(None, None, None)
        shutil.rmtree(self.pipes, ignore_errors=True)

    async def api(self, command: str) -> str:
        """What fs_cli -x prints."""
        return await self.socket.api(command)

    # ------------------------------------------------------------ what it is

    async def _learn(self) -> None:
        """Raises: RuntimeError when the site is not there."""
        for line in (await self.api("global_getvar")).splitlines():
            name, _, value = line.partition("=")
            self._globals[name] = value
        if "pbxb_site_sip" not in self._globals:
            raise RuntimeError("this FreeSWITCH has another site: see tests/live/freeswitch/README.md")
        self.phone_password = self._globals["pbxb_site_password"]
        self._process = _process(self._folder("run_dir") / "freeswitch.pid")

    def _folder(self, name: str) -> Path:
        return Path(self._globals[name])

    @property
    def pid(self) -> int:
        return self._process.pid

    def files(self) -> set[Path]:
        """Every file in the folders FreeSWITCH writes to."""
        folders = {
            self._folder(f"{name}_dir")
            for name in ("log", "db", "run", "storage", "temp", "cache", "recordings")
        }
        return {file for folder in folders if folder.is_dir() for file in folder.rglob("*") if file.is_file()}

    @property
    def sip_port(self) -> int:
        return int(self._globals["pbxb_site_sip"])

    @property
    def log(self) -> str:
        file = self._folder("log_dir") / "freeswitch.log"
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def last_words(self) -> list[str]:
        return self.log.splitlines()

    def endpoint(self, phone: str) -> str:
        return f"user/{phone}@{self._globals['domain']}"

    def section(self, folder: Path, ports: tuple[int, int]) -> str:
        secret = folder / "esl.secret"
        secret.touch(0o600)
        secret.write_text(self.socket.password)
        group = Path(f"/proc/{self.pid}").group()
        return f"""[freeswitch]
esl = "127.0.0.1:{self._line.port}"
esl_secret_file = "{secret}"
driver = "{self.driver}"
pipe_dir = "{self.pipes}"
group = "{group}"
pause_code = "*71"
resume_code = "*72"
config_dir = "{self._globals["conf_dir"]}"
"""

    def notice_file(self, language: str) -> Path:
        return self._folder("sounds_dir") / f"pbxb/notice-{language}.wav"

    def speak_notice(self, language: str, text: str, *, words_per_minute: int = 200) -> float:
        file = self.notice_file(language)
        file.parent.mkdir(parents=True, exist_ok=True)
        pcm = asterisk_sounds.spoken(language, text, words_per_minute)
        asterisk_sounds.write_wav(file, pcm)
        return len(pcm) / 2 / asterisk_sounds.RATE

    # ------------------------------------------------------------ its end and its beginning

    async def killed(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        while _cmdline(self.pid):  # noqa: ASYNC110 - not our child
            await asyncio.sleep(0.02)

    async def start(self) -> None:
        old = self._process
        if not await self._answers(COMES_BACK_S):
            await asyncio.create_subprocess_exec(
                "setpriv", "--reuid", str(old.user), "--regid", str(old.group), "--init-groups", "--",
                *old.command, cwd=old.folder, start_new_session=True, stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
        if not await self._answers(BOOT_DEADLINE_S):
            raise RuntimeError(f"FreeSWITCH is not back after {BOOT_DEADLINE_S:.0f} s")
        await self._learn()

    async def _answers(self, within_s: float) -> bool:
        """Its SIP is up too."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    with contextlib.suppress(OSError, EOFError):
                        if "RUNNING" in await self.api("sofia status"):
                            return True
                    await asyncio.sleep(0.1)
        return False

    # ------------------------------------------------------------ the site's hands

    async def no_channels(self, deadline_s: float = 10.0) -> None:
        left: list[str] = []
        try:
            async with asyncio.timeout(deadline_s):
                while left := [row["name"] for row in await self._channels()]:  # noqa: ASYNC110 - as Asterisk
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(f"channels left behind: {left}") from None

    async def _channels(self) -> list[dict[str, Any]]:
        rows = json.loads(await self.api("show channels as json")).get("rows", [])
        assert isinstance(rows, list)
        return rows

    async def _leg_of(self, phone: str) -> str:
        """The channel of this phone's call; the customer's is the one from the trunk."""
        for row in await self._channels():
            ours = row["ip_addr"] == TRUNK if phone == "trunk" else f"/{phone}@" in row["name"]
            if ours:
                return str(row["uuid"])
        raise LookupError(f"phone {phone} has no call")

    async def forget_phones(self) -> None:
        """It does so when it gets to it: a phone that registers meanwhile would be forgotten too."""
        async with asyncio.timeout(BOOT_DEADLINE_S):
            if await self._registered():
                await self.api("sofia profile internal flush_inbound_reg")
            while await self._registered():  # noqa: ASYNC110 - as Asterisk
                await asyncio.sleep(0.1)

    async def _registered(self) -> bool:
        return "sip:" in await self.api("sofia status profile internal reg")

    async def take_away(self, phone: str) -> int:
        leg = await self._leg_of(phone)
        at_ns = time.monotonic_ns()
        await self._done(f"uuid_transfer {leg} sleep:30000 inline")
        return at_ns

    async def record(self, phone: str) -> None:
        leg = await self._leg_of(phone)
        await self._done(f"uuid_record {leg} start {self._folder('temp_dir')}/site-{leg}.wav")

    async def listen_to(self, phone: str, by: str) -> None:
        """A supervisor's phone is called and hears this phone's call."""
        await self._done(f"bgapi originate {self.endpoint(by)} &eavesdrop({await self._leg_of(phone)})")

    async def to_conference(self, phone: str) -> int:
        """Moves both parties of this phone's call into the site's conference; when, by CLOCK_MONOTONIC."""
        leg = await self._leg_of(phone)
        at_ns = time.monotonic_ns()
        await self._done(f"uuid_transfer {leg} -both conference:pbxb@default inline")
        return at_ns

    async def record_conference(self) -> int:
        """The site's conference records itself; when, by CLOCK_MONOTONIC."""
        at_ns = time.monotonic_ns()
        said = await self.api(f"conference pbxb record {self._folder('temp_dir')}/site-conference.wav")
        assert "Record file" in said, said
        return at_ns

    async def consult(self, phone: str, to: str) -> int:
        """As a feature code does (bind_meta_app, bind_digit_action): this phone's channel has the other phone called while
        its customer hears music; when, by CLOCK_MONOTONIC."""
        leg = await self._leg_of(phone)
        at_ns = time.monotonic_ns()
        await self._done(f"uuid_broadcast {leg} att_xfer::{self.endpoint(to)} aleg+holdb")
        return at_ns

    async def _done(self, command: str) -> None:
        said = await self.api(command)
        assert said.startswith("+OK"), f"FreeSWITCH on {command.split()[0]}: {said}"

    async def cut_link(self) -> None:
        self._line.cut()

    async def knows_bridge(self) -> bool:
        found = re.match(r"(\d{10}):[0-9a-f]{32}", await self.api("global_getvar pbxb_alive"))
        return found is not None and int(found.group(1)) > time.time()

    async def notes_left(self) -> bool:
        return re.search(r"^pbxb_said[\w-]*=\S", await self.api("global_getvar"), re.M) is not None

    @contextlib.asynccontextmanager
    async def log_at(self, level: str) -> AsyncIterator[list[str]]:
        """What FreeSWITCH writes down meanwhile, at a finer level than the site's."""
        lines: list[str] = []
        await self.api(f"fsctl loglevel {level}")
        try:
            async with self.socket.log(level, lines.append):
                yield lines
        finally:
            await self.api("fsctl loglevel notice")

    @contextlib.asynccontextmanager
    async def keys_received(self) -> AsyncIterator[list[str]]:
        keys: list[str] = []

        def key(event: str) -> None:
            if found := re.search(r"^DTMF-Digit: (\S+)", event, re.M):
                keys.append(found.group(1).replace("%23", "#").replace("%2A", "*"))

        async with self.socket.events("DTMF", key):
            yield keys


def _process(pid_file: Path) -> _Process:
    pid = int(pid_file.read_text().split()[0])
    proc = Path(f"/proc/{pid}")
    command = tuple(_cmdline(pid).decode().rstrip("\0").split("\0"))
    owner = proc.stat()
    return _Process(pid, command, owner.st_uid, owner.st_gid, os.readlink(proc / "cwd"))


def _cmdline(pid: int) -> bytes:
    """Empty once it is a zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
