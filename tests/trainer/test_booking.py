"""A trainer books slots at their own machine, in a real catalogue: their own plans only, within the rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from pbx_bridge.app_booking import book
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.training.plans import Trainee, Trainer, plan_digest
from pbx_bridge.wire_portal import Role
from tests.access.logs import records_of
from tests.archive.house import Done, House, Machine, house, plan_behind

TOMORROW = (datetime.now().astimezone() + timedelta(days=1)).replace(
    hour=9, minute=0, second=0, microsecond=0
)
PLANS = [
    replace(plan_behind(trainee, trainer, int(TOMORROW.timestamp())), id=f"{trainee}-orders")
    for trainee, trainer in (("alice", "bruno"), ("bea", "berta"))
]


@dataclass
class Site:
    home: House
    catalogue: Catalogue
    folder: Path

    async def joined(self, name: str, role: Role = Role.TRAINER, *, confirmed: bool = True) -> Machine:
        machine = Machine(self.folder / name)
        code = await self.home.invite(name, role)
        words = ("join", self.home.url, "--code", code, "--identity-file", str(machine.identity))
        assert (await self.do(machine, *words)).code == 0
        if confirmed:
            await self.home.confirm(name)
        return machine

    async def do(self, machine: Machine, *words: str) -> Done:
        return await asyncio.to_thread(machine.run, *words)

    def slots(self) -> list[tuple[str, datetime, datetime]]:
        return [(plan.id, s.start, s.end) for plan in self.catalogue.plans() for s in plan.slots]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    catalogue = Catalogue.open(tmp_path / "catalogue")
    with catalogue.change() as change:
        change.add_application(PLANS[0].applications[0])
        for plan in PLANS:
            change.add_trainer(Trainer(plan.trainer, 60))
            change.add_trainee(Trainee(plan.trainee, (), "", plan.trainee))
            change.add_plan(plan)
    async with house(tmp_path) as home:
        home.book = partial(book, catalogue)
        yield Site(home, catalogue, tmp_path)
    catalogue.close()


async def test_a_trainer_books_and_cancels_a_slot(site: Site) -> None:
    bruno = await site.joined("bruno")
    digests = [plan_digest(plan) for plan in site.catalogue.plans()]
    done = await site.do(
        bruno, "book", "alice-orders", "--start", f"{TOMORROW:%Y-%m-%dT%H:%M%z}", "--minutes", "90"
    )
    assert (done.code, done.err) == (0, "")
    assert site.slots() == [("alice-orders", TOMORROW, TOMORROW + timedelta(minutes=90))]
    assert [
        plan_digest(plan) for plan in site.catalogue.plans()
    ] == digests  # nothing needs to be approved again
    last = records_of(site.home.folder / "keeper")[-1]
    assert (last["who"], last["act"], last["subject"]) == ("bruno", "book-slot", "alice-orders")
    done = await site.do(bruno, "book", "alice-orders", "--start", f"{TOMORROW:%Y-%m-%dT%H:%M%z}", "--cancel")
    assert (done.code, site.slots()) == (0, [])


async def test_two_hours_a_day_and_no_more(site: Site) -> None:
    bruno = await site.joined("bruno")
    for hour, minutes, code in ((9, 120, 0), (14, 1, 1), (9, 30, 1)):
        start = TOMORROW.replace(hour=hour).isoformat()
        done = await site.do(bruno, "book", "alice-orders", "--start", start, "--minutes", str(minutes))
        assert done.code == code, done
    done = await site.do(bruno, "book", "alice-orders", "--start", TOMORROW.isoformat(), "--minutes", "121")
    assert done.code == 2
    assert len(site.slots()) == 1


async def test_others_book_nothing(site: Site) -> None:
    """Another's plan, one that is not there, an approver, a key that waits."""
    bruno = await site.joined("bruno")
    waiting = await site.joined("berta", confirmed=False)
    carla = await site.joined("carla", Role.APPROVER)
    said = []
    for machine, plan in (
        (bruno, "bea-orders"),
        (bruno, "nothing"),
        (waiting, "bea-orders"),
        (carla, "alice-orders"),
    ):
        done = await site.do(machine, "book", plan, "--start", TOMORROW.isoformat())
        assert done.code == 1, done
        said.append(done.err)
    assert said[0] == said[1]
    assert "P22" in said[2]
    assert "P22" in said[3]
    assert site.slots() == []
    assert (await site.do(bruno, "book", "alice-orders", "--start", "tomorrow")).code == 2
