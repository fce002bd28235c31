"""A real Asterisk 22 of its own for a test or the demo: on the loopback, in a temporary directory, ended by its pid.

It includes the product's own dialplan/asterisk files as an administrator would. It knows nothing of the bridge but the
settings the bridge needs to reach it (`ami`, `ari` fields). Several may run at once: each takes a slot of ports.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import re
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tests.rig import asterisk_sounds
from tests.rig.asterisk_root import AsteriskRoot, asterisk_root
from tests.rig.deadlines import within

PRODUCT_DIALPLAN = Path(__file__).parents[2] / "dialplan/asterisk"
SITE = Path(__file__).parent / "asterisk_site"
MEMORY = Path("/dev/shm")
BOOT_DEADLINE_S = 60.0
"""It boots in one second; a machine that compiles beside it takes longer."""
STOP_DEADLINE_S = 10.0
SLOTS = 40
SLOT_PORTS = 400
FIRST_PORT = 12000
"""Below the kernel's range for outgoing connections (32768), so that no client socket sits on a slot."""


@dataclass(frozen=True, slots=True)
class Ports:
    """One slot: what this Asterisk listens on, all on 127.0.0.1."""

    sip: int
    ami: int
    http: int
    rtp_first: int
    rtp_last: int


class Asterisk:
    """`async with Asterisk() as pbx:` boots it and ends it. After `kill()`, `start()` boots it again on the same ports.

    A `RigPbx`, and what only tests of Asterisk need.
    """

    name = "Asterisk"
    phone_password = ""
    info_key_ns = 120_000_000  # it plays each key out, 100 ms

    def __init__(
        self, *, extra_dialplan: str = "", where: Path = MEMORY, told: Callable[[str], None] = lambda _: None
    ) -> None:
        """`where`: below which its directory is made; nothing of it lies anywhere else."""
        self._extra_dialplan, self._where, self._told = extra_dialplan, where, told
        self._process: asyncio.subprocess.Process | None = None
        self._slot_lock: IO[str] | None = None
        self._said_before = 0
        """Characters of the log by earlier starts: an Asterisk that still boots would not hear of a SIGTERM."""
        self._root: AsteriskRoot | None = None
        self.work = Path()
        """Its directory: etc, log, spool, data/sounds."""
        self.ports = Ports(0, 0, 0, 0, 0)
        self.ami_user, self.ami_secret = "pbxb", secrets.token_hex(16)
        self.ari_user, self.ari_password = "pbxb", secrets.token_hex(16)
        self.rig_secret = secrets.token_hex(16)
        """Of the AMI user `rig`, who may do everything: the site's other applications."""

    async def __aenter__(self) -> Self:
        self._root = await asterisk_root(self._told)
        self._take_slot()
        self._write()
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pid(self) -> int:
        assert self._process is not None, "Asterisk was not started"
        return self._process.pid

    @property
    def log(self) -> str:
        file = self.work / "log/full"
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def sip_port(self) -> int:
        return self.ports.sip

    @property
    def last_words(self) -> list[str]:
        return [line for line in self.log.splitlines() if "][C-" in line and "@pbxb-entry" not in line]

    @property
    def sounds(self) -> Path:
        """Where a notice sound goes: `sounds/pbxb/notice-en.wav` plays as `pbxb/notice-en`."""
        return self.work / "data/sounds"

    def speak(self, name: str, language: str, text: str, *, words_per_minute: int = 200) -> float:
        """Makes `text` the sound `name` (as Playback() names it); returns its length in seconds."""
        pcm = asterisk_sounds.spoken(language, text, words_per_minute)
        asterisk_sounds.write_wav(self.sounds / f"{name}.wav", pcm)
        return len(pcm) / 2 / asterisk_sounds.RATE

    def speak_notice(self, language: str, text: str, *, words_per_minute: int = 200) -> float:
        return self.speak(f"pbxb/notice-{language}", language, text, words_per_minute=words_per_minute)

    def endpoint(self, phone: str) -> str:
        return f"PJSIP/{phone}"

    def section(self, folder: Path, ports: tuple[int, int]) -> str:
        for name, secret in (("ami.secret", self.ami_secret), ("ari.secret", self.ari_password)):
            (folder / name).touch(0o600)
            (folder / name).write_text(secret)
        return f"""[asterisk]
ami = "127.0.0.1:{self.ports.ami}"
ami_user = "{self.ami_user}"
ami_secret_file = "{folder}/ami.secret"
ari = "http://127.0.0.1:{self.ports.http}"
ari_user = "{self.ari_user}"
ari_secret_file = "{folder}/ari.secret"
fastagi_listen = "127.0.0.1:{ports[0]}"
audiosocket_listen = "127.0.0.1:{ports[1]}"
config_dir = "{self.work}/etc"
"""

    async def start(self) -> None:
        """Boots and waits until AMI and ARI answer. Raises: RuntimeError with the log when it does not come up whole."""
        assert self._root is not None
        self._said_before = len(self.log)
        self._process = await asyncio.create_subprocess_exec(
            # however this process ends, Asterisk ends with it
            *("setpriv", "--pdeathsig", "KILL", "--"),
            *self._root.command("-C", str(self.work / "etc/asterisk.conf"), "-f"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=(self.work / "log/out").open("ab"),
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.work,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(BOOT_DEADLINE_S):
                while not await self._booted():
                    if self._process.returncode is not None:
                        raise RuntimeError(f"Asterisk ended at boot:\n{self._last_words()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise RuntimeError(
                f"Asterisk did not boot in {BOOT_DEADLINE_S} s:\n{self._last_words()}"
            ) from None
        missing = re.findall(
            r"(?:Error loading module|Module '\S+' could not be loaded|declined to load).*", self.log
        )
        if missing:
            raise RuntimeError("Asterisk lacks modules: " + "; ".join(missing))

    async def stop(self) -> None:
        """Ends it as `asterisk -rx "core stop now"` would."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            await within(self._process.wait(), STOP_DEADLINE_S)
        except TimeoutError:
            self.kill()
            await self._process.wait()

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def killed(self) -> None:
        """kill -9, and waits until it is gone."""
        self.kill()
        if self._process is not None:
            await self._process.wait()

    async def close(self) -> None:
        await self.stop()
        if self._slot_lock is not None:
            self._slot_lock.close()
        shutil.rmtree(self.work, ignore_errors=True)

    async def cli(self, command: str) -> str:
        """What `asterisk -rx` prints."""
        assert self._root is not None
        process = await asyncio.create_subprocess_exec(
            *self._root.command("-C", str(self.work / "etc/asterisk.conf"), "-rx", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await within(process.communicate(), BOOT_DEADLINE_S)
        return said.decode(errors="replace")

    async def act(self, **fields: str) -> str:
        """One AMI action as the site's own application would send it (user `rig`); returns the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports.ami)
        try:
            async with asyncio.timeout(BOOT_DEADLINE_S):
                await reader.readline()
                login = {"Action": "Login", "Username": "rig", "Secret": self.rig_secret, "Events": "off"}
                for action in (login, fields):
                    writer.write(
                        "".join(f"{name}: {value}\r\n" for name, value in action.items()).encode() + b"\r\n"
                    )
                    answer = (await reader.readuntil(b"\r\n\r\n")).decode()
                    if "Response: Success" not in answer:
                        raise RuntimeError(f"AMI refused {action['Action']}: {answer.strip()}")
                return answer
        finally:
            writer.close()

    @contextlib.asynccontextmanager
    async def keys_received(self) -> AsyncIterator[list[str]]:
        """The keys that phones press, as the PBX shows them to those who may see them (AMI class `dtmf`), growing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports.ami)
        keys: list[str] = []

        async def collect() -> None:
            while block := (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace"):
                if "Event: DTMFEnd" in block and "Direction: Received" in block:
                    keys.extend(re.findall(r"^Digit: (.)", block, re.MULTILINE))

        login = f"Action: Login\r\nUsername: rig\r\nSecret: {self.rig_secret}\r\nEvents: dtmf\r\n\r\n"
        writer.write(login.encode())
        collecting = asyncio.create_task(collect())
        try:
            yield keys
        finally:
            collecting.cancel()
            writer.close()

    async def channels(self) -> list[str]:
        """Names of the channels that live now."""
        said = await self.cli("core show channels concise")
        return [line.split("!")[0] for line in said.splitlines() if "!" in line]

    async def no_channels(self, deadline_s: float = 10.0) -> None:
        """Waits until nothing is left. Raises: TimeoutError naming what is."""
        left: list[str] = []
        try:
            async with asyncio.timeout(deadline_s):
                while left := await self.channels():  # noqa: ASYNC110 - the command line has no events
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(f"channels left behind: {left}") from None

    async def forget_phones(self) -> None:
        await self.cli("database deltree registrar")

    async def take_away(self, phone: str) -> int:
        channel = await self._channel_of(phone)
        at_ns = time.monotonic_ns()
        await self.act(Action="Redirect", Channel=channel, Context="elsewhere", Exten="s", Priority="1")
        return at_ns

    async def listen_to(self, phone: str, by: str) -> None:
        heard = await self._channel_of(phone)
        await self.act(
            Action="Originate", Channel=f"PJSIP/{by}", Application="ChanSpy", Data=f"{heard},q", Async="true"
        )

    async def record(self, phone: str) -> None:
        await self.act(
            Action="MixMonitor", Channel=await self._channel_of(phone), File="/dev/null", options=""
        )

    async def _channel_of(self, phone: str) -> str:
        return next(name for name in await self.channels() if name.startswith(f"PJSIP/{phone}"))

    async def cut_link(self) -> None:
        shown = await self.cli("manager show connected")
        name = re.escape(self.ami_user)
        session = re.search(rf"^\s*{name}\s+\S+\s+\d+\s+\d+\s+(\d+)", shown, re.M)
        assert session is not None, shown
        await self.cli(f"manager kick session {session.group(1)}")

    async def knows_bridge(self) -> bool:
        found = re.search(r"PBXB_ALIVE=(\d{10}):[0-9a-f]{32}", await self.cli("dialplan show globals"))
        return found is not None and int(found.group(1)) > time.time()

    async def notes_left(self) -> bool:
        return re.search(r"PBXB_SAID=[ \t]*\S", await self.cli("dialplan show globals")) is not None

    async def _booted(self) -> bool:
        for port in (self.ports.ami, self.ports.http):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return False
            writer.close()
        return "Asterisk Ready" in self.log[self._said_before :]

    def _last_words(self) -> str:
        out = self.work / "log/out"
        return (self.log + (out.read_text(errors="replace") if out.exists() else ""))[-3000:]

    def _take_slot(self) -> None:
        for slot in range(SLOTS):
            lock = open(f"/tmp/pbx-bridge-rig-{slot}.lock", "w")  # noqa: SIM115 - held as long as the slot
            first = FIRST_PORT + slot * SLOT_PORTS
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _refuse_taken(first)
            except OSError:
                lock.close()
                continue
            self._slot_lock = lock
            for left in self._where.glob(f"pbxb-asterisk-{slot}-*"):
                shutil.rmtree(left, ignore_errors=True)  # its owner was killed: the lock is free
            self.work = Path(tempfile.mkdtemp(prefix=f"pbxb-asterisk-{slot}-", dir=self._where))
            self.ports = Ports(first, first + 1, first + 2, first + 10, first + SLOT_PORTS - 1)
            return
        raise RuntimeError(f"all {SLOTS} slots of ports from {FIRST_PORT} on are taken")

    def _write(self) -> None:
        assert self._root is not None
        for name in ("etc/pbxb", "lib", "data/sounds/pbxb", "data/moh", "agi", "spool", "run", "log/cdr-csv"):
            (self.work / name).mkdir(parents=True)
        for name in ("documentation", "rest-api"):
            (self.work / "data" / name).symlink_to(self._root.data / name)
        # the prompts of transfers and parking
        (self.work / "data/sounds/en").symlink_to(next((self._root.data / "sounds").glob("en_*")))
        values = {
            "WORK": str(self.work), "MODULES": str(self._root.modules), "SYSTEM": f"pbx{self.ports.sip}",
            "SIP": str(self.ports.sip), "AMI": str(self.ports.ami), "HTTP": str(self.ports.http),
            "RTP_FIRST": str(self.ports.rtp_first), "RTP_LAST": str(self.ports.rtp_last), "SECRET": self.rig_secret,
        }  # fmt: skip
        asterisk_sounds.write_wav(self.work / "data/moh/music.wav", asterisk_sounds.music())
        for source in sorted(SITE.glob("*.conf")):
            text = re.sub(r"@([A-Z_]+)@", lambda found: values[found.group(1)], source.read_text())
            if source.name == "extensions.conf":
                text += "\n" + self._extra_dialplan
            (self.work / "etc" / source.name).write_text(text)
        for source in sorted(PRODUCT_DIALPLAN.glob("*.conf")):
            secret = self.ami_secret if source.name.startswith("manager") else self.ari_password
            text = source.read_text().replace("CHANGE-ME", secret)
            (self.work / "etc/pbxb" / source.name).write_text(text)


def _refuse_taken(first: int) -> None:
    """Raises: OSError when somebody outside the rig listens on this slot."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        sip.bind(("127.0.0.1", first))
    for port in (first + 1, first + 2):
        with socket.socket() as tcp:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind(("127.0.0.1", port))
