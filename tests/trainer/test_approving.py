"""An approver at their own machine, with the commands they type: real keeper, real portal, real proofs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from pbx_bridge.app_approvals import approvals_say, end_approvals
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.cli_server import run
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import (
    Plan,
    Trainee,
    Trainer,
    capacity_digest,
    capacity_text,
    plan_digest,
    plan_text,
)
from pbx_bridge.wire_portal import Role
from tests.archive.house import Done, House, Machine, config_beside, house
from tests.calls.story import plan
from tests.catalogue.test_commands import CONFIG, ENROL

PLAN = replace(plan(), trainee=TraineeId("alice"), trainer="bruno", approver="carla")
CAPACITY = Trainer("bruno", 90)


@dataclass
class Site:
    home: House
    folder: Path

    async def join(self, name: str, *roles: Role) -> tuple[Machine, Done]:
        machine = Machine(self.folder / f"machine-{len(list(self.folder.iterdir()))}")
        code = await self.home.invite(name, *roles)
        done = await self.do(
            machine, "join", self.home.url, "--code", code, "--identity-file", str(machine.identity)
        )
        assert done.code == 0, done.err
        return machine, done

    async def do(self, machine: Machine, *words: str) -> Done:
        return await asyncio.to_thread(machine.run, *words)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with house(tmp_path) as home:
        home.proposed = [plan_text(PLAN), capacity_text(CAPACITY), plan_text(replace(PLAN, approver="dora"))]
        yield Site(home, tmp_path)


async def test_an_approver_reads_and_approves(site: Site) -> None:
    carla, done = await site.join("carla", Role.APPROVER, Role.AUDITOR)
    assert "as carla (approver and auditor)" in done.out
    assert "works once" not in done.out
    shown = await site.do(carla, "proposals")
    assert plan_text(PLAN) in shown.out
    assert "dora" not in shown.out
    listed = json.loads((await site.do(carla, "proposals", "--json")).out)["proposals"]
    assert [(one["kind"], one["about"], one["digest"]) for one in listed] == [
        ("plan", PLAN.id, plan_digest(PLAN)),
        ("capacity", "bruno", capacity_digest(CAPACITY)),
    ]
    span = (PLAN.last_day - PLAN.first_day).days + 1
    assert [one["days"] for one in listed] == [[{"application": "orders", "before": 0, "after": span}], []]
    assert (
        f"(orders: this person has 0 days of 24 months by what was approved before, {span} with this plan"
        in shown.out
    )
    for one in listed:
        done = await site.do(carla, "approve", one["about"], "--digest", one["digest"])
        assert (done.code, done.err) == (0, "")
    assert await site.home.link.approvals() == {plan_digest(PLAN), capacity_digest(CAPACITY)}
    assert (await site.do(carla, "proposals")).out == "nothing waits for you\n"
    site.home.proposed[0] = plan_text(replace(PLAN, rate=0.2))  # somebody edited the catalogue
    assert "rate: 0.2\n" in (await site.do(carla, "proposals")).out
    assert (await site.do(carla, "withdraw", plan_digest(PLAN))).code == 0
    assert await site.home.link.approvals() == {capacity_digest(CAPACITY)}


async def test_each_plan_is_shown_with_its_own_days(site: Site) -> None:
    """P13: beside the text, not those of another plan."""
    carla, _ = await site.join("carla", Role.APPROVER)
    short = replace(PLAN, id="bea-orders", trainee=TraineeId("bea"), last_day=PLAN.first_day)
    site.home.proposed = [plan_text(PLAN), plan_text(short)]
    first, second = (await site.do(carla, "proposals")).out.split("-> pbx-bridge approve alice-orders")
    span = (PLAN.last_day - PLAN.first_day).days + 1
    assert [part.count("(orders:") for part in (first, second)] == [1, 1]
    assert f"{span} with this plan" in first
    assert " 1 with this plan" in second


@pytest.mark.parametrize("seen", [True, False])
async def test_a_plan_that_was_removed_is_not_approved_when_it_is_entered_again(
    site: Site, seen: bool
) -> None:
    """P13, P22: word for word the same, whether the bridge saw it gone or was down; a change keeps its approval."""
    catalogue = Catalogue.open(site.folder / "catalogue", today=lambda: PLAN.first_day - timedelta(days=9))
    with catalogue.change() as change:
        for application in PLAN.applications:
            change.add_application(application)
        change.add_trainer(CAPACITY)
        change.add_trainee(Trainee(PLAN.trainee, ("PJSIP/201",), "", "alice"))
        first = change.add_plan(PLAN)
    carla, _ = await site.join("carla", Role.APPROVER)

    async def approve(plan: Plan) -> None:
        site.home.proposed = [plan_text(plan)]
        done = await site.do(carla, "approve", plan.id, "--digest", plan_digest(plan))
        assert (done.code, done.err) == (0, "")

    async def the_bridge_looks() -> frozenset[str]:
        await end_approvals(site.home.link, catalogue.entered, PLAN.first_day)
        return await site.home.link.approvals()

    await approve(first)
    assert await the_bridge_looks() == {plan_digest(first)}
    with catalogue.change() as change:
        change.change_plan(replace(first, rate=0.1))
    assert await the_bridge_looks() == {plan_digest(first)}
    with catalogue.change() as change:
        change.change_plan(first)
        change.remove_plan(first.id)
    if seen:
        assert await the_bridge_looks() == frozenset()
    with catalogue.change() as change:
        second = change.add_plan(first)
    assert await the_bridge_looks() == frozenset()
    site.home.proposed = [plan_text(second)]
    assert plan_text(second) in (await site.do(carla, "proposals")).out
    await approve(second)
    assert await the_bridge_looks() == {plan_digest(second)}
    catalogue.close()


async def test_the_administrator_sees_what_is_approved(site: Site) -> None:
    """P22: by the keeper's word; while it does not answer, nobody claims to know."""
    socket = site.folder / "site/keeper/keeper.sock"
    socket.parent.mkdir(parents=True)
    config = site.folder / "config.toml"
    config.write_text(CONFIG.format(folder=site.folder / "site"))

    async def does(line: str) -> str:
        command = [sys.executable, "-m", "pbx_bridge", "--config", str(config), *line.split()]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def listed() -> bool | None:
        (plan,) = json.loads(await does("plan list --json"))
        approved: bool | None = plan["approved"]
        return approved

    for line in ENROL:
        await does(line)
    assert await listed() is None
    socket.symlink_to(site.home.socket)
    assert await listed() is False
    carla, _ = await site.join("carla", Role.APPROVER)
    shown = json.loads(await does("plan show alice-orders --json"))
    site.home.proposed = [shown["text"]]
    assert (await site.do(carla, "approve", "alice-orders", "--digest", shown["digest"])).code == 0
    assert await listed() is True
    assert "yes" in (await does("plan list")).splitlines()[-2]
    assert "records nothing until carla" in await does("plan change alice-orders --rate 0.1")
    assert await listed() is False
    assert "has approved already: it holds" in await does("plan change alice-orders --rate 0.05")
    assert await listed() is True
    assert "is as it was" in await does("plan change alice-orders --rate 0.05")


async def test_only_what_was_read_is_approved(site: Site) -> None:
    carla, _ = await site.join("carla", Role.APPROVER)
    site.home.proposed[0] = plan_text(replace(PLAN, rate=0.1))
    for words, said in (
        (("approve", PLAN.id, "--digest", plan_digest(PLAN)), "nothing with this name"),
        (("approve", "nothing"), "nothing with this name"),
        (("approve", PLAN.id), "nobody can be asked"),
    ):
        done = await site.do(carla, *words)
        assert done.code == 2, done
        assert said in done.err
    assert await site.home.link.approvals() == frozenset()


async def test_others_see_and_approve_nothing(site: Site) -> None:
    bruno, done = await site.join("bruno", Role.TRAINER)
    for words in (
        ("proposals",),
        ("approve", PLAN.id, "--digest", plan_digest(PLAN)),
        ("withdraw", "00" * 32),
    ):
        done = await site.do(bruno, *words)
        assert done.code == 1, done
        assert "P22" in done.err


async def test_a_key_is_confirmed_by_what_its_holder_reads_out(site: Site) -> None:
    carla, _ = await site.join("carla", Role.APPROVER)
    dora, done = await site.join("dora", Role.APPROVER)
    (read_out,) = [line.split(": ")[1] for line in done.out.splitlines() if "fingerprint" in line]
    shown = await site.do(carla, "proposals")
    assert read_out not in shown.out
    assert "dora" in shown.out
    done = await site.do(carla, "confirm", "dora", "--fingerprint", "AAAA" + read_out[4:])
    assert done.code == 2
    assert "another fingerprint" in done.err
    assert (await site.do(dora, "proposals")).code == 1
    done = await site.do(carla, "confirm", "dora", "--fingerprint", read_out.lower().replace("-", " "))
    assert done.out == "confirmed: dora (approver)\n"
    assert (await site.do(dora, "proposals")).code == 0
    assert (await site.do(carla, "confirm", "dora", "--fingerprint", read_out)).code == 2


async def test_an_approver_refuses_with_a_reason_and_it_waits_no_more(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """P22: whoever entered the plan sees it in the list of plans; a changed text waits anew."""
    carla, _ = await site.join("carla", Role.APPROVER)
    for because, code in ((("--because", "slow"), 2), ((), 2), (("--because", "volume"), 0)):
        assert (await site.do(carla, "refuse", PLAN.id, *because)).code == code
    assert PLAN.id not in (await site.do(carla, "proposals")).out
    assert "nothing with this name" in (await site.do(carla, "refuse", PLAN.id, "--because", "need")).err
    refused = {one.digest for one in await site.home.link.turned_down()}
    assert refused == {plan_digest(PLAN)}
    people = await site.home.link.everyone()
    well, said = approvals_say(people, frozenset(), [PLAN], [], refused)
    assert (well, "refused: plan alice-orders" in said) == (False, True)
    assert approvals_say(people, frozenset(), [replace(PLAN, rate=0.01)], [], refused)[1].startswith(
        "waits: plan"
    )
    config = config_beside(site.home)
    catalogue = Catalogue.open(site.folder / "catalogue", today=lambda: PLAN.first_day - timedelta(days=9))
    with catalogue.change() as change:
        for application in PLAN.applications:
            change.add_application(application)
        change.add_trainer(CAPACITY)
        change.add_trainee(Trainee(PLAN.trainee, ("PJSIP/201",), "", "alice"))
        entered = change.add_plan(PLAN)
    catalogue.close()
    site.home.proposed = [plan_text(entered)]
    assert (await site.do(carla, "refuse", PLAN.id, "--because", "papers")).code == 0
    capsys.readouterr()
    for words in (("list",), ("show", PLAN.id), ("list", "--json")):
        assert await asyncio.to_thread(run, ["--config", str(config), "plan", *words]) == 0
        assert "papers" in capsys.readouterr().out, words
