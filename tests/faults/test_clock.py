"""Clocks that jump in mid-call: the workstation's, and the bridge's own. Debian's libfaketime stands in for its kernel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.faults.house import FaultHouse, assert_talking, judge_kept
from tests.live.house import ALICE
from tests.live.watched import judge, talk_of
from tests.rig.commands import BridgeError

pytestmark = pytest.mark.asyncio(loop_scope="package")

TALK_S = 2.0
HOUR_S = 3600
ENDED_WITHIN_NS = 3_000_000_000
"""P10: two seconds, and one in which the faked clock is read again."""
JUMPED = (Reason.CLOCK, Reason.LEASE_LOST)
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def turn(file: Path, to: str) -> None:
    """At one instant: the library ends a program that finds half a line."""
    new = file.with_suffix(".new")
    new.write_text(f"{to}\n")
    new.rename(file)


def environment(file: Path, *options: str) -> list[str]:
    """What makes a program's clock as wrong as the file said a second ago at most: it cannot be read at each look."""
    return [
        "/usr/bin/env", f"LD_PRELOAD={LIBRARY}", f"FAKETIME_TIMESTAMP_FILE={file}", "FAKETIME_CACHE_DURATION=1", *options,
    ]  # fmt: skip


@asynccontextmanager
async def clock(house: FaultHouse, *options: str) -> AsyncIterator[Path]:
    """The client on such a clock."""
    file = house.disk.folder / "clock"
    turn(file, "+0")
    await house.desk.end_client()
    await house.desk.start_client(*environment(file, *options), house.desk.client_program, "run")
    try:
        yield file
    finally:
        await house.desk.end_client()
        file.unlink()
        await house.desk.start_client()


async def shown(file: Path) -> float:
    """What time it is by that clock."""
    words = [*environment(file), "date", "+%s"]
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 10)
    return float(out)


async def test_the_wall_clock_jumps(house: FaultHouse) -> None:
    """An hour ahead, an hour back: it is no witness of anything, pictures and lease go by the monotonic clock."""
    async with clock(house, "DONT_FAKE_MONOTONIC=1") as file:
        async with house.stage() as stage:
            talking, calling = await stage.connect(await stage.agent(), await stage.customer())
            for jump in ("+1h", "-1h"):
                await stage.talk(TALK_S)
                turn(file, jump)
                assert abs(await shown(file) - time.time()) > HOUR_S - 60, (
                    "the control: another program's clock"
                )
            await stage.talk(TALK_S)
            talking.hang_up()
            stage.over(talking.ended_ns)
            await calling.until_ended()
        (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.HUNG_UP))
        judge(await house.film(line), talk_of(stage.truth))


async def test_the_monotonic_clock_jumps(house: FaultHouse) -> None:
    """No kernel does that, a virtual machine that is put back does. The recording ends there; what was before is kept.

    The client stops because its lease ran out, or the bridge because the clock went ahead: whoever sees it first gives the
    reason.
    """
    async with clock(house) as file:
        async with house.stage() as stage:
            talking, calling = await stage.connect(await stage.agent(), await stage.customer())
            await stage.talk(TALK_S)
            fault_ns = time.monotonic_ns()
            turn(file, "+1h")
            await stage.talk(TALK_S)
            assert_talking(stage)
            talking.hang_up()
            await calling.until_ended()
        line = await house.only_line()
        assert (line.outcome, line.reason in JUMPED) == (Outcome.RECORDED, True), line
        house.lost(judge_kept(await house.film(line), stage.truth.answered_ns, fault_ns, talking.ended_ns))


async def test_the_bridges_own_clock_is_set(house: FaultHouse) -> None:
    """P20: ten minutes ahead in mid-call: what precedes is kept, the call goes on, nothing more is recorded or purged until
    the administrator confirmed the clock."""
    bridge, file = house.bridge, house.bridge.folder / "clock"
    turn(file, "+0")
    file.chmod(0o644)
    faked = {"LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_CACHE_DURATION": "1"}
    await bridge.stop()
    await bridge.start(**faked, DONT_FAKE_MONOTONIC="1")
    try:
        await house.alice.until_connected()
        async with house.stage() as stage:
            talking, calling = await stage.connect(await stage.agent(), await stage.customer())
            await stage.talk(TALK_S)
            fault_ns = time.monotonic_ns()
            turn(file, "+10m")
            await stage.talk(2 * TALK_S)
            assert_talking(stage)
            talking.hang_up()
            await calling.until_ended()
        line = await house.only_line()
        assert (line.outcome, line.reason) == (Outcome.RECORDED, Reason.CLOCK)
        house.lost(
            judge_kept(await house.film(line), stage.truth.answered_ns, fault_ns, fault_ns + ENDED_WITHIN_NS)
        )
        with pytest.raises(BridgeError, match="in doubt"):
            await bridge.command("purge")
        async with house.stage() as stage:
            talking, calling = await stage.connect(await stage.agent(), await stage.customer())
            await stage.talk(TALK_S)
            talking.hang_up()
            await calling.until_ended()
        await house.ledger(
            (ALICE, Outcome.RECORDED, Reason.CLOCK), (ALICE, Outcome.NOT_RECORDED, Reason.CLOCK)
        )
        await bridge.command("clock", "confirm")
        assert "Nothing has ended" in await bridge.command("purge")
        await house.next_call_works()
    finally:
        await bridge.stop()
        file.unlink()
        await bridge.start()
        await bridge.command("clock", "confirm")
