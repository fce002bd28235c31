"""Part 9: a process of the product ends or stands still in mid-call. The call goes on; what was recorded is kept."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.faults.house import FaultHouse, assert_talking, judge_kept, kill
from tests.live.house import ALICE
from tests.live.watched import judge, talk_of
from tests.rig.install import Installed
from tests.rig.phone import OnRing
from tests.rig.proof import decode, open_sealed
from tests.rig.scenarios import NUMBER
from tests.rig.trainer import PersonsMachine

pytestmark = pytest.mark.asyncio(loop_scope="package")

TALK_S = 2.0
HELD_S = 2.0
"""P16, DESIGN decision 2: no state of the bridge holds a caller for longer."""
WATCHED_S = 2.0
"""A bridge that stands still is ended so soon."""
AT_ONCE_S = 0.3
"""From one side's BYE to the other's."""


async def test_the_workstations_client_is_killed(house: FaultHouse) -> None:
    """P10: the lease is lost within two seconds; until then is kept."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk(TALK_S)
        fault_ns = kill(house.client_pid)
        await stage.talk(2.5)
        assert_talking(stage)
        talking.hang_up()
        await calling.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.LEASE_LOST))
    house.lost(judge_kept(await house.film(line), stage.truth.answered_ns, fault_ns))
    await house.alice.start_client()
    await house.next_call_works()


async def test_the_bridge_is_killed(house: FaultHouse, trainer_machine: Installed, tmp_path: Path) -> None:
    """Its next start finds what was being recorded, lets the keeper rebuild it, and leaves the rest of the call alone."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk(TALK_S)
        fault_ns = kill(house.bridge.pid)
        await stage.talk(0.5)
        await house.bridge.start()
        assert_talking(stage)
        talking.hang_up()
        await calling.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.BRIDGE_FAULT))
    film = await house.film(line)
    house.lost(judge_kept(film, stage.truth.answered_ns, fault_ns))
    trainer = PersonsMachine(trainer_machine, tmp_path / "trainer", tmp_path / "trainer/identity.txt")
    await house.bridge.admit_trainer(trainer)
    await house.desk.until_connected()
    await house.desk.hand_over(line.recording)
    await trainer.fetch(line.recording, tmp_path / "fetched.age", "first week, with alice")
    fetched = decode(open_sealed(tmp_path / "fetched.age", trainer.identity))
    assert (fetched.length_s, fetched.pictures) == (film.length_s, film.pictures)
    seen = await house.desk.command("accesses")  # P19: the trainee sees it, and why
    assert any("fetch granted" in row and "first week, with alice" in row for row in seen.splitlines()), seen
    await house.next_call_works()


async def test_the_bridge_stands_still(house: FaultHouse) -> None:
    """SIGSTOP: calls go on, a caller who comes waits two seconds at most, and the watchdog makes an end of it."""
    async with house.stage() as stage:
        agent, customer = await stage.agent(), await stage.customer()
        talking, _ = await stage.connect(agent, customer)
        colleague = await stage.colleague(on_ring=OnRing.RING)
        await stage.talk(TALK_S)
        fault_ns = time.monotonic_ns()
        os.kill(house.bridge.pid, signal.SIGSTOP)
        waiting = customer.call("102", number=NUMBER)
        ringing = await colleague.next_call()
        assert ringing.invited_ns - waiting.invited_ns < HELD_S * 1e9
        ended_ns = await house.until_gone(house.bridge.pid)
        assert ended_ns - fault_ns < WATCHED_S * 1e9
        assert_talking(stage)
        ringing.answer()
        await ringing.until_answered()
        await stage.talk(0.5)  # a BYE on the heels of the 200 OK would overtake its ACK
        ringing.hang_up()
        await waiting.until_ended()
        talking.hang_up()
        await stage.truth.customer[0].until_ended()
    await house.bridge.start()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.BRIDGE_FAULT))
    house.lost(judge_kept(await house.film(line), stage.truth.answered_ns, fault_ns))


async def test_the_keeper_stands_still(house: FaultHouse) -> None:
    """Neither the call nor its recording waits for it, only the ledger's line."""
    async with house.stage() as stage:
        agent, customer = await stage.agent(), await stage.customer()
        talking, calling = await stage.connect(agent, customer)
        await stage.talk(TALK_S / 2)
        keeper = house.keeper_pid
        os.kill(keeper, signal.SIGSTOP)
        await stage.talk(TALK_S / 2)
        talking.hang_up()
        stage.over(talking.ended_ns)
        await calling.until_ended()
        assert calling.ended_ns - talking.ended_ns < AT_ONCE_S * 1e9
        await stage.talk(1.0)
        os.kill(keeper, signal.SIGCONT)
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.HUNG_UP))
    judge(await house.film(line), talk_of(stage.truth))


async def test_the_keeper_is_killed(house: FaultHouse) -> None:
    """Without a keeper nothing could be released: the bridge ends too, and its next start goes on where it was."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk(TALK_S)
        fault_ns = kill(house.keeper_pid)
        await house.until_gone(house.bridge.pid)
        assert_talking(stage)
        talking.hang_up()
        await calling.until_ended()
    await house.bridge.start()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.BRIDGE_FAULT))
    house.lost(judge_kept(await house.film(line), stage.truth.answered_ns, fault_ns))
