"""A house in which things may break: all its files on one small real disk, its workstation at the end of a real cable.

It is a `House` of the live tests with hands on what a fault needs: the processes, the cable, the disk. `judge_kept` holds
what was saved of a talk against the moment of the fault.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.archive.disk import SmallDisk
from tests.live.house import ALICE, SETTLE_S, SHORT_NOTICE, House, Line, until
from tests.live.watched import Talk, judge, talk_of
from tests.rig import scenarios
from tests.rig.asterisk import Asterisk
from tests.rig.bridge import Bridge, Site
from tests.rig.cable import Cable
from tests.rig.install import Installed
from tests.rig.proof import Film
from tests.rig.scenarios import Stage
from tests.rig.speech import RATE
from tests.rig.workstation import COMMAND_DEADLINE_S, Workstation

LOST_AT_MOST_S = 1.0
"""Issue 2, part 9: what had been recorded up to one second before a fault is kept."""
SHOWN_ON_S = 1.0
"""P2: the last picture stands for one second at most; that much of a file may lie behind a workstation's end."""
MACHINE_S = 0.15
"""What two processes on a busy machine may differ by when both look at one event."""


class FarWorkstation(Workstation):
    """Its client runs in the cable's far end; screen, programs and the trainee's own commands need no network."""

    def __init__(self, programs: Installed, cable: Cable, where: Path) -> None:
        super().__init__(programs, where=where)
        self._cable = cable
        self.client_program = programs.client

    def _spawn(self, arguments: list[str | Path], **how: Any) -> subprocess.Popen[bytes]:
        far = self._cable.inside() if arguments[-1] == "run" else contextlib.nullcontext()
        with far:
            return super()._spawn(arguments, **how)

    async def status(self) -> dict[str, Any]:
        """What the client says of itself, connected or not."""
        process = self._spawn(
            [self._programs.client, "status", "--json"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        out, _ = await asyncio.to_thread(process.communicate, timeout=COMMAND_DEADLINE_S)
        self.desktop.end(process)
        found = json.loads(out)
        assert isinstance(found, dict)
        return found


class FaultHouse(House):
    """`async with FaultHouse(installed, disk, cable) as house:`"""

    pbx: Asterisk

    def __init__(self, programs: Installed, disk: SmallDisk, cable: Cable) -> None:
        super().__init__(programs)
        self.disk, self.cable = disk, cable
        self.desk: FarWorkstation
        self.bridge_program = programs.bridge
        self.losses: dict[str, float] = {}
        """Test -> seconds of talk before its fault that are in no file."""

    async def _build(self) -> None:
        enter, where = self._stack.enter_async_context, self.disk.folder
        self.pbx = await enter(Asterisk(where=where))
        self.desk = await enter(FarWorkstation(self._programs, self.cable, where))
        self.stations.append(self.desk)
        self.site = Site(
            login=self.alice.login,
            recordings_per_week=5,
            host=self.cable.address,
            names=(self.cable.address,),
        )
        self.bridge = await enter(Bridge(self.pbx, self._programs, self.site, where=where))
        await asyncio.to_thread(self.pbx.speak_notice, "en", SHORT_NOTICE, words_per_minute=320)
        await self._move_in(self.alice)

    async def repair(self) -> None:
        """Whatever the last test left: everything runs and is connected again."""
        self.cable.mend()
        if not is_running(self.bridge.pid):
            await self.bridge.start()
        client = self.alice.client
        if client is None or client.poll() is not None:
            await self.alice.start_client()
        await self.alice.until_connected()

    # ------------------------------------------------------------ faults

    @property
    def client_pid(self) -> int:
        assert self.alice.client is not None
        return self.alice.client.pid

    @property
    def keeper_pid(self) -> int:
        """The keeper's process: the child of the bridge that was told so."""
        children = Path(f"/proc/{self.bridge.pid}/task/{self.bridge.pid}/children").read_text().split()
        found = [int(pid) for pid in children if b"\0keeper\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(found) == 1, f"the bridge has {len(found)} keepers"
        return found[0]

    async def until_gone(self, pid: int, within_s: float = 5.0) -> int:
        """Monotonic nanoseconds when it was seen to be gone."""

        async def gone() -> bool:
            return not is_running(pid)

        await until(gone, f"process {pid} ends", within_s)
        return time.monotonic_ns()

    # ------------------------------------------------------------ what is left

    def lost(self, seconds: float) -> None:
        """Notes how much of the talk before a fault is missing, for the figures of the whole run."""
        name = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition("::")[2].removesuffix(" (call)")
        self.losses[name] = seconds

    def answered_once(self) -> None:
        """P24: whatever died meanwhile, each call has one line that says what became of it."""
        files = (self.bridge.state / "ledger").glob("*.jsonl")
        lines = [json.loads(text) for file in files for text in file.read_text().splitlines()]
        answers = Counter(line["call"] for line in lines if line["outcome"] != "began")
        assert {line["call"] for line in lines} == set(answers), "a call without an answer"
        assert set(answers.values()) <= {1}, "a call with several answers"

    async def only_line(self) -> Line:
        """The one call's answer, whatever it is."""
        await self.pbx.no_channels()
        await until(self._settled(1), "the ledger's line", SETTLE_S)
        (line,) = self._lines()
        return line

    async def next_call_works(self) -> None:
        """A short call from its beginning to its sealed film."""
        await self.alice.until_connected()
        await self.until_listening()
        self.forget_week()
        async with self.stage() as stage:
            truth = await scenarios.agent_hangs_up(stage)
        (line,) = await self.ledger((ALICE, Outcome.RECORDED, Reason.HUNG_UP))
        judge(await self.film(line), talk_of(truth))


def is_running(pid: int) -> bool:
    """A process that is there and no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def kill(pid: int) -> int:
    """kill -9; the moment just before it."""
    at_ns = time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    return at_ns


def assert_talking(stage: Stage) -> None:
    """Neither phone was hung up on."""
    ended = [leg for leg in (*stage.truth.agent, *stage.truth.customer) if leg.ended.is_set()]
    assert not ended, "the call did not outlive the fault"


def judge_kept(film: Film, began_ns: int, fault_ns: int, over_ns: int = 0) -> float:
    """What was talked until the fault is there and right, all but the last second. Returns the seconds that are missing.

    `over_ns`: when the call ended, for faults that let the recording go on as long as it can.
    """
    fault_s, over_s = (fault_ns - began_ns) / 1e9, (max(fault_ns, over_ns) - began_ns) / 1e9
    assert fault_s - LOST_AT_MOST_S - MACHINE_S <= film.length_s <= over_s + SHOWN_ON_S + MACHINE_S, (
        f"the film has {film.length_s:.2f} s; the fault came after {fault_s:.2f} s, the end after {over_s:.2f} s"
    )
    end_s = min(film.length_s, over_s)
    until_then = replace(
        film,
        length_s=end_s,
        pictures=tuple(picture for picture in film.pictures if picture.at_s <= end_s),
        voices=film.voices[:, : round(end_s * RATE)],
    )
    judge(until_then, Talk(began_ns, began_ns + round(end_s * 1e9)))
    return max(0.0, fault_s - film.length_s)
