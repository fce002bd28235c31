"""P24: calls that are not recorded, each with the reason an operator can act on, and nothing of them anywhere."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live import plays
from tests.live.house import ALICE, BEA, REDIALS_S, House, until
from tests.live.lanes import scene
from tests.live.watched import judge, talk_of
from tests.rig import scenarios
from tests.rig.bridge import APPLICATION, TRAINER

HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)


async def _refused(house: House, reason: Reason, extension: str = "101") -> None:
    """A call like any other is not recorded for this reason."""
    kept = house.kept()
    async with house.stage() as stage:
        await scenarios.customer_hangs_up(stage, 1.0, extension)
    await house.ledger((ALICE, Outcome.NOT_RECORDED, reason))
    assert house.kept() == kept


async def _recorded(house: House) -> None:
    """A call like any other is recorded."""
    async with house.stage() as stage:
        truth = await scenarios.customer_hangs_up(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene()
async def test_a_caller_who_heard_no_notice(house: House) -> None:
    await _refused(house, Reason.NO_NOTICE, "171")


@scene()
async def test_a_caller_who_objects_in_the_notice(house: House) -> None:
    """P16: the objection goes with the caller, to whomever they are transferred."""
    kept = house.kept()
    async with house.stage() as stage:
        await plays.caller_objects(stage)
    await house.ledger(*((who, Outcome.NOT_RECORDED, Reason.OBJECTION) for who in (ALICE, BEA)))
    assert house.kept() == kept


@scene()
async def test_a_customer_who_objects_in_the_outbound_notice(house: House) -> None:
    kept = house.kept()
    async with house.stage() as stage:
        await plays.customer_objects(stage)
    await house.ledger((ALICE, Outcome.NOT_RECORDED, Reason.OBJECTION))
    assert house.kept() == kept


@scene()
async def test_a_line_that_is_never_recorded(house: House) -> None:
    await _refused(house, Reason.NEVER_RECORD, "161")


@scene()
async def test_the_sites_own_recorder_on_the_leg(house: House) -> None:
    await _refused(house, Reason.FOREIGN_RECORDER, "151")


@scene()
async def test_another_trainee_at_the_phone(house: House) -> None:
    """The site says that bea sits there, the phone is alice's: nobody's guess is recorded."""
    await _refused(house, Reason.PERSON_CONFLICT, "181")


@scene(lasts_s=12)
async def test_a_trainee_who_is_not_logged_in(house: House) -> None:
    await house.alice.end_client()
    try:
        await _refused(house, Reason.NO_STATION)
    finally:
        await house.alice.start_client()


@scene(lasts_s=9)
async def test_a_trainee_whose_screen_is_locked(house: House) -> None:
    await house.alice.lock()
    try:
        await _refused(house, Reason.STATION_LOCKED)
    finally:
        await house.alice.unlock()


@scene(lasts_s=9)
async def test_a_customer_who_is_gone_before_the_agent_could_speak(house: House) -> None:
    """The agent answered; the PBX had not joined the two yet."""
    kept = house.kept()
    async with house.stage() as stage:
        await plays.gone_before_the_first_word(stage)
    await house.ledger((ALICE, Outcome.NOT_RECORDED, Reason.NO_TALK))
    assert house.kept() == kept


@scene(lasts_s=18)
async def test_a_notice_that_changed_and_is_not_acknowledged_yet(house: House) -> None:
    """P14: the retention is another now; nothing is recorded until the trainee has accepted that."""
    await house.bridge.stop()
    house.site = replace(house.site, retention_days=house.site.retention_days + 1)
    house.bridge.configure(house.site)
    await house.bridge.start()
    await house.until_connected()
    try:
        await _refused(house, Reason.NOT_ACKNOWLEDGED)
        house.forget_week()
    finally:
        for station in house.stations:
            await station.accept_notice()
    await _recorded(house)


@scene(lasts_s=25)
async def test_a_plan_that_is_not_approved_any_more(house: House) -> None:
    """P13, P22: its approver takes her word back, and gives it again."""
    plan, approver = f"{ALICE}-{APPLICATION}", house.bridge.approver
    seen = len(house.said())
    await approver.withdraw(plan)
    await _said(house, seen, "approvals")
    await _refused(house, Reason.NOT_APPROVED)
    house.forget_week()
    seen = len(house.said())
    await approver.approve()
    await _said(house, seen, "approvals")
    await _recorded(house)


@scene(lasts_s=25)
async def test_a_plan_that_somebody_edited_in_the_catalogue(house: House) -> None:
    """P22: another trainer is written into the row by hand; nothing is recorded by it until it is as it was approved."""
    for trainer, good in (("mallory", False), (TRAINER, True)):
        seen = len(house.said())
        with sqlite3.connect(house.bridge.state / "catalogue" / "catalogue.db") as database:
            database.execute("INSERT OR IGNORE INTO trainers VALUES (?, 600)", (trainer,))
            database.execute("UPDATE plans SET trainer = ? WHERE trainee = ?", (trainer, ALICE))
        database.close()
        await _said(house, seen, "the catalogue is read")
        await house.alice.accept_notice()
        if good:
            await _recorded(house)
        else:
            await _refused(house, Reason.NOT_APPROVED)
        house.forget_week()


async def _said(house: House, seen: int, what: str) -> None:
    """Returns once the bridge has logged this after what was seen."""

    async def logged() -> bool:
        return what in house.said()[seen:]

    await until(logged, f"the bridge's word {what!r}", REDIALS_S)
