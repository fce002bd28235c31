"""A whole site for the live tests: a real PBX, a real bridge with its keeper, trainees at real desktops.

It stays up for many scenes; what one scene leaves in the ledger is put away before the next (P15 allows five recordings
a week). It knows the product by its commands and files alone, and it hands out what was written: the ledger's lines and
the opened recordings.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.training.plans import Mask
from tests.rig import sdp
from tests.rig.asterisk import Asterisk
from tests.rig.bridge import TRAINEE, Bridge, Colleague, Site
from tests.rig.desktop import USER
from tests.rig.install import Installed
from tests.rig.pbx import RigPbx
from tests.rig.proof import Film, decode
from tests.rig.rtp_voices import Voice, tone
from tests.rig.scenarios import AGENT_HERTZ, CUSTOMER_HERTZ, NUMBER, OTHER_HERTZ, Stage
from tests.rig.vault import has_key, open_as_keeper, sealed_file
from tests.rig.workstation import Workstation

ALICE, BEA = TRAINEE, "bea"
"""The trainees: alice's phones are 201, 204 (keys by INFO) and 205 (direct media), bea's is 202."""
RING_GROUP = """
[from-trunk]
exten => 191,1,Gosub(pbxb-entry,s,1)
 same => n,Dial(PJSIP/201&PJSIP/202,10)
 same => n,Hangup()
"""
SECOND_USER = "pbx-trainee-2"
SHORT_NOTICE = "Recorded for training. Nine objects."
"""Callers hear it before every scene: long enough to count as played (one second), no longer."""
SETTLE_S = 10.0
"""From the last hang-up to the ledger's line: one second for the last pictures, some for a machine that does more."""
REDIALS_S = 20.0
"""A bridge or a PBX that was started again: reconnects, first heartbeat, the station's link."""
PAYMENT_PAUSE_S = 25
"""Time-out of a payment's pause: longer than any of the scenes needs, short enough to wait for."""
PAUSE_TITLE = "Card payment"
"""A window of the order desk with this title pauses everything (P7)."""
MASK = -160, -60, 150, 50
"""x, y, width, height of the part of the order desk that is never filmed; nothing stands there by itself."""
REPORTED_LINES = 15
LOOKS_NICE = 5
"""A film is looked at while phones of other scenes speak."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the ledger, as far as a scene's truth decides it."""

    trainee: str
    outcome: Outcome
    reason: Reason
    recording: str = ""

    def __str__(self) -> str:
        return f"{self.trainee} {self.outcome.value} {self.reason.value}"


class House:
    """`async with House(installed) as house:` with alice at her desk; bea has one too when `two_stations`."""

    def __init__(
        self, programs: Installed, *, two_stations: bool = False,
        pbx: contextlib.AbstractAsyncContextManager[RigPbx] | None = None,
    ) -> None:  # fmt: skip
        """`pbx`: an Asterisk of its own, if none is given."""
        self._programs = programs
        self._pbx = pbx or Asterisk(extra_dialplan=RING_GROUP)
        self._stack = contextlib.AsyncExitStack()
        self._users = (USER, SECOND_USER) if two_stations else (USER,)
        self._log_start = 0
        self.pbx: RigPbx
        self.bridge: Bridge
        self.site: Site
        self.stations: list[Workstation] = []

    async def __aenter__(self) -> Self:
        # this process plays the phones of other houses too: each decoded picture would hold their packets up
        spawning = multiprocessing.get_context("spawn")
        self._looking = ProcessPoolExecutor(1, spawning, initializer=os.nice, initargs=(LOOKS_NICE,))
        self._stack.callback(self._looking.shutdown)
        try:
            await self._build()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _build(self) -> None:
        enter = self._stack.enter_async_context
        self.pbx = await enter(self._pbx)
        for user in self._users:
            self.stations.append(await enter(Workstation(self._programs, user=user)))
        bea = self.stations[1].login if len(self.stations) > 1 else "nobody-there"
        self.site = Site(
            login=self.alice.login, phones=("201", "204", "205"), recordings_per_week=5,
            colleagues=(Colleague(BEA, ("202",), bea),), payment_pause_s=PAYMENT_PAUSE_S,
            pause_titles=(f"^{PAUSE_TITLE}$",), masks=(Mask(*MASK),),
        )  # fmt: skip
        self.bridge = await enter(Bridge(self.pbx, self._programs, self.site))
        await asyncio.to_thread(self.pbx.speak_notice, "en", SHORT_NOTICE, words_per_minute=320)
        await asyncio.gather(*(self._move_in(station) for station in self.stations))

    async def _move_in(self, station: Workstation) -> None:
        invitation = await self.bridge.invite_station(f"desk-{self.stations.index(station) + 1}")
        opening = asyncio.ensure_future(station.open_business_app())
        await station.enrol(invitation.url, invitation.code)
        await station.start_client()
        await station.accept_notice()
        await opening

    @property
    def alice(self) -> Workstation:
        return self.stations[0]

    # ------------------------------------------------------------ one scene

    @contextlib.asynccontextmanager
    async def scene(self) -> AsyncIterator[None]:
        """A week with nothing in it; afterwards, nothing but what the scene asked for may have been left behind."""
        await self.until_listening()
        await self.pbx.forget_phones()
        await until(self._quiet, "the scene before is over", SETTLE_S)
        self.forget_week()
        self._log_start = len(self.bridge.log)
        yield
        await until(self._quiet, "", SETTLE_S, raising=False)
        assert not self._unfinished(), f"unfinished files: {self._unfinished()}"
        for name, text in (("bridge", self.bridge.log), *((s.login, s.log) for s in self.stations)):
            assert NUMBER not in text, f"the customer's number is in the log of {name}"

    async def _quiet(self) -> bool:
        """Nothing is being recorded or sealed, and every call has its last word in the ledger."""
        return not self._unfinished() and all(line["outcome"] != "began" for line in self._raw())

    def _unfinished(self) -> list[str]:
        return [file.name for file in (self.bridge.state / "sealed").iterdir() if file.suffix != ".age"]

    def forget_week(self) -> None:
        """The ledger and the objections start anew: the next call is the first of the week."""
        for file in (self.bridge.state / "ledger").glob("*.jsonl"):
            file.unlink()
        (self.bridge.state / "numbers/lists").unlink(missing_ok=True)

    @contextlib.asynccontextmanager
    async def stage(self, codec: sdp.Codec = sdp.PCMU, **voices: Voice) -> AsyncIterator[Stage]:
        """The phones of a scene, at this house's PBX. Their voices are made beforehand: other phones are speaking."""
        for hertz in (AGENT_HERTZ, CUSTOMER_HERTZ, OTHER_HERTZ):
            await asyncio.to_thread(tone, codec, hertz)
        async with Stage(self.pbx, codec=codec, **voices) as stage:
            yield stage

    async def until_listening(self) -> None:
        """Returns when a caller would hear the notice and each client is connected."""
        await until(self.pbx.knows_bridge, "the bridge's heartbeat", REDIALS_S)

    async def until_connected(self) -> None:
        """Returns when every trainee's client is connected again."""
        for station in self.stations:
            await station.until_connected()

    def bea(self, outcome: Outcome, reason: Reason) -> tuple[str, Outcome, Reason]:
        """What the ledger says of bea's call, if it would be recorded: in the house where she has no desk, why not."""
        if len(self.stations) > 1:
            return BEA, outcome, reason
        return BEA, Outcome.NOT_RECORDED, Reason.NO_STATION

    def said(self) -> str:
        """What the bridge logged in this scene."""
        return self.bridge.log[self._log_start :]

    def report(self) -> str:
        """For a failed scene: the last words of the bridge and of the PBX in it."""
        lines = (self.said().splitlines()[-REPORTED_LINES:], self.pbx.last_words[-REPORTED_LINES:])
        return "\n".join(("bridge:", *lines[0], "PBX:", *(line[:200] for line in lines[1])))

    # ------------------------------------------------------------ what was written

    async def ledger(self, *wanted: tuple[str, Outcome, Reason]) -> list[Line]:
        """Waits until the PBX is quiet and the ledger has as many final lines as wanted; they must be these and no more.

        They come in the order of `wanted`, with their recordings.
        """
        found, expected = await self._settled_lines(len(wanted)), [Line(*line) for line in wanted]
        shown = sorted(map(str, found)), sorted(map(str, expected))
        assert shown[0] == shown[1], f"{shown[0]} instead of {shown[1]}"
        return [
            found.pop(next(i for i, have in enumerate(found) if str(have) == str(line))) for line in expected
        ]

    async def final_lines(self, count: int) -> list[Line]:
        """Waits until the PBX is quiet and the ledger has `count` lines and no more, all final; in the order written."""
        found = await self._settled_lines(count)
        assert len(found) == count, f"{sorted(map(str, found))} instead of {count} lines"
        return found

    async def film(self, line: Line) -> Film:
        """The recording of this line, opened as its keeper could."""
        assert line.recording, f"no recording: {line}"
        looking = asyncio.get_running_loop()
        return await looking.run_in_executor(self._looking, _opened, self.bridge.state, line.recording)

    def kept(self) -> list[str]:
        """Ids of the sealed recordings that exist, whatever the ledger says."""
        return [file.stem for file in (self.bridge.state / "sealed").glob("*.age")]

    def keys(self) -> list[str]:
        """Ids of the recordings whose key exists."""
        return [file.stem for file in (self.bridge.state / "keeper/keystore").glob("*.key")]

    def noted(self) -> list[str]:
        """Ids of the recordings an objection would find, read where they lie."""
        connection = sqlite3.connect(self.bridge.state / "catalogue/catalogue.db")
        with contextlib.closing(connection):
            return [row[0] for row in connection.execute("SELECT recording FROM recordings")]

    def is_gone(self, recording: str) -> bool:
        """Neither file nor key."""
        state = self.bridge.state
        return not sealed_file(state, recording).exists() and not has_key(state, recording)

    async def _settled_lines(self, count: int) -> list[Line]:
        await self.pbx.no_channels()
        await until(self._settled(count), "", SETTLE_S, raising=False)
        return self._lines()

    def _settled(self, count: int) -> Callable[[], Awaitable[bool]]:
        async def settled() -> bool:
            lines = self._raw()
            return len(lines) >= count and all(line["outcome"] != "began" for line in lines)

        return settled

    def _raw(self) -> list[dict[str, Any]]:
        """The last line of each call. Read where it lies: the command costs half a second each time."""
        calls: dict[str, dict[str, Any]] = {}
        for file in sorted((self.bridge.state / "ledger").glob("*.jsonl")):
            for text in file.read_text().splitlines():
                line = json.loads(text)
                calls[line["call"]] = line
        return list(calls.values())

    def _lines(self) -> list[Line]:
        return [
            Line(one["trainee"], Outcome(one["outcome"]), Reason(one["reason"]), one["recording"])
            for one in self._raw()
        ]


def _opened(state: Path, recording: str) -> Film:
    return decode(open_as_keeper(state, recording))


async def until(
    holds: Callable[[], Awaitable[bool]], what: str, within_s: float, *, raising: bool = True
) -> None:
    """Returns when `holds`; other processes' states give nothing to wait on. Raises: TimeoutError naming `what`."""
    try:
        async with asyncio.timeout(within_s):
            while not await holds():  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.05)
    except TimeoutError:
        if raising:
            raise TimeoutError(f"{what}: not within {within_s:g} s") from None
