"""What decisions are taken from follows the ledger line by line, the week, and the keeper; what is not known is no room."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pbx_bridge.app_standing import Standings, refresh
from pbx_bridge.archive.opening_wire import Waiting
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import RecordingId, TraineeId
from pbx_bridge.ledger import Ledger
from pbx_bridge.training.plans import Plan, Trainer, Used
from pbx_bridge.wire_portal import KeeperUnreachable
from tests.calls.story import ALICE, BOB, plan

RECORDING = RecordingId("a" * 26)
PLANS = (plan(), replace(plan(BOB), trainer="berta"))
TRAINERS = (Trainer("bruno", 60), Trainer("berta", 120))
APPROVED = frozenset({"digest"})


class World:
    """A ledger, a catalogue, and what is made of them."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder)
        self.plans: tuple[Plan, ...] = PLANS
        self.today = datetime.now().astimezone().date()
        self.standings = self.started()

    def started(self) -> Standings:
        return Standings(self.ledger, lambda: self.plans, lambda: TRAINERS, lambda: self.today)

    def recorded(self, call: str, trainee: TraineeId = ALICE, seconds: float = 60) -> None:
        line = self.ledger.write(
            call,
            trainee,
            Outcome.RECORDED,
            Reason.HUNG_UP,
            recording=RECORDING,
            seconds=seconds,
            plan=f"{trainee}-orders",
        )
        self.standings.note(line)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_day_that_came_or_went_behind_its_back_counts(world: World, tmp_path: Path) -> None:
    """Somebody put a ledger back, or away."""
    world.recorded("one")
    assert world.standings.now().used[ALICE].recordings == 1
    (day,) = tmp_path.glob("*.jsonl")
    kept = day.read_bytes()
    day.unlink()
    assert world.standings.now().used == {}
    day.write_bytes(kept)
    assert world.standings.now().used[ALICE].recordings == 1


def test_the_week_of_the_ledger(world: World) -> None:
    world.recorded("one")
    world.standings.note(world.ledger.write("two", ALICE, Outcome.NOT_RECORDED, Reason.NOT_DRAWN))
    world.recorded("three", BOB, 90)
    for standings in (world.standings, world.started()):
        now = standings.now()
        assert now.used == {ALICE: Used(1, 1.0), BOB: Used(1, 1.5)}
        assert now.recorded_minutes == {"bruno": 1.0, "berta": 1.5}
        assert now.trainers == {trainer.id: trainer for trainer in TRAINERS}
    world.recorded("four")
    assert world.standings.now().used[ALICE] == Used(2, 2.0)
    world.standings.note(world.ledger.write("one", ALICE, Outcome.DISCARDED, Reason.OBJECTION))
    assert world.standings.now().used[ALICE] == Used(1, 1.0)
    assert world.standings.now().recorded_minutes["bruno"] == 1.0


def test_a_new_week_begins_on_monday(world: World) -> None:
    world.recorded("one")
    assert world.standings.now().used[ALICE] == Used(1, 1.0)
    world.today += timedelta(days=7 - world.today.weekday())
    assert world.standings.now().used == {}
    assert world.standings.now().recorded_minutes == {}
    world.today -= timedelta(days=1)
    assert world.standings.now().used[ALICE] == Used(1, 1.0), "a clock put back finds its week again"


def test_what_nobody_rebuilt_yet_counts_with_all_it_may_be(world: World) -> None:
    world.ledger.began("one", ALICE, RECORDING, "alice-orders")
    standings = world.started()
    assert standings.now().used[ALICE] == Used(1, 60.0)
    standings.note(
        world.ledger.write(
            "one", ALICE, Outcome.RECORDED, Reason.BRIDGE_FAULT, recording=RECORDING, seconds=30
        )
    )
    assert standings.now().used[ALICE] == Used(1, 0.5)


def test_what_this_run_records_is_the_desks_to_count(world: World) -> None:
    """Otherwise the first recording of a day, which makes the day's file, would count twice while it runs."""
    assert world.standings.now().used == {}
    world.ledger.began("one", ALICE, RECORDING, "alice-orders")
    assert world.standings.now().used == {}
    assert world.started().now().used[ALICE].recordings == 1, "a control: a new run finds it"


def test_what_the_keeper_did_not_say_is_no_room(world: World) -> None:
    assert world.standings.now().backlog_minutes is None
    assert world.standings.now().approved is None
    world.standings.take(world.standings.asking(), APPROVED, [Waiting(ALICE, "bruno", 1, 90_000)])
    assert world.standings.now().backlog_minutes == {"bruno": 1.5}
    assert world.standings.now().approved == APPROVED
    world.standings.lost()
    assert world.standings.now().backlog_minutes is None
    assert world.standings.now().approved is None


def test_what_is_sealed_while_the_keeper_is_asked_waits_too(world: World) -> None:
    world.standings.take(world.standings.asking(), APPROVED, [])
    world.recorded("one")
    assert world.standings.now().backlog_minutes == {"bruno": 1.0}
    asked = world.standings.asking()
    world.recorded("two")
    answer = [Waiting(ALICE, "bruno", 1, 60_000), Waiting(BOB, "berta", 1, 30_000)]
    world.standings.take(asked, APPROVED, answer)
    assert world.standings.now().backlog_minutes == {"bruno": 2.0, "berta": 0.5}


def test_a_plan_that_changed_hands_or_is_gone(world: World) -> None:
    world.recorded("one")
    world.plans = (replace(PLANS[0], trainer="berta"),)
    assert world.standings.now().recorded_minutes == {"berta": 1.0}
    world.plans = (replace(PLANS[0], id="other"),)
    assert world.standings.now().recorded_minutes == {"bruno": 1.0}
    world.plans = ()
    assert world.standings.now().recorded_minutes == {"": 1.0}


class Answers:
    """A keeper that answers, or does not."""

    def __init__(self, world: World) -> None:
        self.world, self.dead, self.approved = world, False, APPROVED

    async def approvals(self) -> frozenset[str]:
        if self.dead:
            raise KeeperUnreachable("gone")
        self.world.recorded("meanwhile")
        return self.approved

    async def backlog(self) -> tuple[Waiting, ...]:
        return (Waiting(ALICE, "bruno", 1, 60_000),)


def test_the_keeper_is_asked_and_a_mute_one_leaves_nothing(world: World) -> None:
    keeper = Answers(world)
    asyncio.run(refresh(world.standings, keeper))
    assert world.standings.now().approved == APPROVED
    assert world.standings.now().backlog_minutes == {"bruno": 2.0}
    keeper.approved = frozenset()
    asyncio.run(refresh(world.standings, keeper))
    assert world.standings.now().approved == frozenset(), "what was withdrawn holds no longer"
    keeper.dead = True
    asyncio.run(refresh(world.standings, keeper))
    assert world.standings.now().backlog_minutes is None
