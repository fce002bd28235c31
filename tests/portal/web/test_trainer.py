"""A trainer at a real Chromium: what waits, marking it reviewed, booking a slot; and what of a week they may know (P24)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pbx_bridge.app_ledger import LedgerTail
from pbx_bridge.app_training import week_of
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.catalogue.enrolled import Enrolled
from pbx_bridge.ids import TraineeId, new_recording_id
from pbx_bridge.ledger import Ledger
from pbx_bridge.portal.rights import Behind
from pbx_bridge.portal.training import Fault, Week
from pbx_bridge.portal.web.site import Site
from pbx_bridge.training.plans import Slot, Trainer
from pbx_bridge.wire_portal import Refused, Role, SlotAsked
from tests.archive.house import house, plan_behind
from tests.portal.web.person import pages
from tests.portal.web.test_browser import axe, violations
from tests.portal.web.test_player import ready
from tests.portal.web.test_signing_in import Town, no_pause

__all__ = ["axe", "no_pause"]
CONTENT = bytes(range(256)) * 1_000
PLAN = plan_behind("alice", "bruno", int(datetime.now(UTC).timestamp()))
TODAY = datetime.now().astimezone().date()


def enrolled(*others: tuple[str, str]) -> Enrolled:
    plans = (
        PLAN,
        *(plan_behind(trainee, trainer, int(datetime.now(UTC).timestamp())) for trainee, trainer in others),
    )
    return replace(Enrolled(), plans=plans, trainers=(Trainer("bruno", 90), Trainer("carla", 30)))


def test_a_week_tells_faults_and_nothing_a_person_decided(tmp_path: Path) -> None:
    """P24: neither the objection, nor the private call, nor the draw, nor how many calls there were."""
    ledger = Ledger(tmp_path / "ledger")
    alice = TraineeId("alice")
    for n, reason in enumerate(Reason):
        if reason not in (Reason.HUNG_UP, Reason.TRANSFERRED):
            ledger.write(f"call-{n}", alice, Outcome.NOT_RECORDED, reason)
    ledger.write("objected", alice, Outcome.DISCARDED, Reason.OBJECTION, seconds=50, plan=PLAN.id)
    ledger.write(
        "kept",
        alice,
        Outcome.RECORDED,
        Reason.HUNG_UP,
        recording=new_recording_id(),
        seconds=300,
        plan=PLAN.id,
    )
    ledger.write("hers", TraineeId("bea"), Outcome.NOT_RECORDED, Reason.DISK)
    week = week_of("bruno", enrolled(("bea", "carla")), LedgerTail(tmp_path / "ledger"), TODAY)
    assert (week.capacity_minutes, week.recorded_minutes) == (90, 5)
    assert [plan.id for plan in week.plans] == [PLAN.id]
    assert {fault.trainee for fault in week.faults} == {"alice"}
    told = {fault.reason for fault in week.faults}
    assert Reason.DISK.value in told
    secret = {
        Reason.OBJECTION, Reason.PRIVATE, Reason.OPTED_OUT, Reason.NOT_DRAWN, Reason.NO_NOTICE, Reason.NOT_ACKNOWLEDGED,
        Reason.NEVER_RECORD, Reason.STATION_LOCKED, Reason.NO_STATION, Reason.ERASED,
    }  # fmt: skip
    assert not told & {reason.value for reason in secret}


def test_a_stranger_and_a_plan_that_is_over_have_an_empty_week(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.write("one", TraineeId("alice"), Outcome.NOT_RECORDED, Reason.DISK)
    assert week_of("nobody", enrolled(), LedgerTail(tmp_path / "ledger"), TODAY) == Week()
    over = replace(enrolled(), plans=(replace(PLAN, ended_on=TODAY),))
    assert week_of("bruno", over, LedgerTail(tmp_path / "ledger"), TODAY) == Week(capacity_minutes=90)


async def test_a_trainers_whole_way(tmp_path: Path, axe: str) -> None:
    start = datetime.now().astimezone().replace(second=0, microsecond=0) + timedelta(days=1)
    fault = Fault("alice", start - timedelta(days=1), Reason.DISK.value)
    booked: list[tuple[str, SlotAsked]] = []
    plan = replace(PLAN, slots=(Slot(start, start + timedelta(minutes=30)),))
    asked: list[str] = []

    def trained(trainer: str) -> Week:
        asked.append(trainer)
        return Week((plan,), 90, 5, (fault,))

    def book(trainer: str, wanted: SlotAsked) -> None:
        if wanted.minutes > 100:
            raise Refused("slot", "too long")
        booked.append((trainer, wanted))

    async with pages(tmp_path, Behind(trained=trained)) as site:
        site.home.book = book
        recording = (await site.home.record(CONTENT)).recording
        await site.home.link.hand_over(recording, "alice")
        bruno = await ready(site, "bruno", Role.TRAINER)
        with bruno.browser:
            await bruno.go("/")
            await bruno.at("/trainees")
            assert await violations(bruno, axe) == []
            text = await bruno.reads()
            assert asked == ["bruno"]
            for shown in ("alice", "ready", "90 minutes", "the server's disk was full", "1 minutes"):
                assert shown in text, shown

            await bruno.fill(**{"start-1": start.strftime("%Y-%m-%dT%H:%M"), "minutes-1": "45"})
            await bruno.sends("form.slot button")
            await bruno.at("/trainees")
            await bruno.sends("form.inline button")
            await bruno.at("/trainees")
            await bruno.fill(**{"start-1": start.strftime("%Y-%m-%dT%H:%M"), "minutes-1": "110"})
            await bruno.sends("form.slot button")
            await bruno.at("/slots")
            assert "cannot be booked" in await bruno.reads()
            at = int(start.timestamp())
            assert booked == [
                ("bruno", SlotAsked(plan.id, at, 45)),
                ("bruno", SlotAsked(plan.id, at, 30, cancel=True)),
            ]

            await bruno.go(f"/recordings/{recording}/review")
            assert await violations(bruno, axe) == []
            await bruno.fill(session="coaching of 30 November")
            await bruno.sends("main form button")
            await bruno.at("/trainees")
            assert not any(one.recordings for one in await site.home.link.backlog())
        lines = (await site.home.link.accesses("alice")).accesses
        assert [line.session for line in lines if line.act == "review"] == ["coaching of 30 November"]


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_trainers_page_is_no_wider_than_its_window(tmp_path: Path, width: int) -> None:
    async with pages(tmp_path, Behind(trained=lambda trainer: Week((PLAN,), 90, 5))) as site:
        await site.home.record(CONTENT)
        bruno = await ready(site, "bruno", Role.TRAINER)
        with bruno.browser:
            await bruno.go("/trainees")
            await asyncio.to_thread(bruno.browser.picture, width)
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await bruno.script(wide) <= 0


async def test_a_slot_that_cannot_be_meant_is_asked_of_nobody(tmp_path: Path) -> None:
    booked: list[SlotAsked] = []
    async with house(tmp_path, Behind(), site=Site(tmp_path / "accounts", "en")) as home:

        def book(_: str, wanted: SlotAsked) -> None:
            booked.append(wanted)

        home.book = book
        bruno = await Town(home).joined("bruno", Role.TRAINER)
        whole = {"plan": str(PLAN.id), "start": "2026-12-01T10:00", "minutes": "30", "cancel": ""}

        async def status(**wrong: str) -> int:
            return (await asyncio.to_thread(bruno.form, "/slots", **{**whole, **wrong})).status

        wrongs = ({"plan": "a b"}, {"plan": ""}, {"start": "soon"}, {"minutes": "-1"}, {"minutes": "999"})
        assert [await status(**wrong) for wrong in wrongs] == [400] * len(wrongs)
        assert booked == []
        assert await status() == 303
        assert len(booked) == 1
