"""P9: holds and consultations are a neutral card and silence of true length; whoever gives a call away is out of it.

Where bea receives a call she is a trainee herself: the call is her own from the moment she talks with the customer.
"""

from __future__ import annotations

from dataclasses import replace

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live import plays
from tests.live.house import ALICE, BEA, House
from tests.live.lanes import scene
from tests.live.watched import first_heard_ns, judge, talk_of
from tests.rig import scenarios
from tests.rig.scenarios import CUSTOMER_HERTZ

HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)
TRANSFERRED = (ALICE, Outcome.RECORDED, Reason.TRANSFERRED)
CONSULTATION = (ALICE, Outcome.NOT_RECORDED, Reason.NO_NOTICE)
"""A colleague is asked: a call of its own, whose other party has heard no notice."""
BEA_TAKES = (Outcome.RECORDED, Reason.HUNG_UP)


@scene(lasts_s=8)
async def test_the_agent_holds_and_resumes(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.agent_holds(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=8)
async def test_the_customer_holds_and_resumes(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.customer_holds(stage, hold_s=2.2)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene()
async def test_a_hold_nobody_resumes_is_not_in_the_file(house: House) -> None:
    async with house.stage() as stage:
        truth = await plays.hang_up_on_hold(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=7)
async def test_a_blind_transfer(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.blind_transfer(stage)
    line, _ = await house.ledger(TRANSFERRED, house.bea(*BEA_TAKES))
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=8)
async def test_an_attended_transfer_by_the_trainee(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.attended_transfer(stage)
    line, _, _ = await house.ledger(TRANSFERRED, CONSULTATION, house.bea(*BEA_TAKES))
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=9)
async def test_an_attended_transfer_to_the_trainee(house: House) -> None:
    """The consultation is not recorded; the customer, once there, is."""
    async with house.stage() as stage:
        # the customer is heard a moment after the transfer: in 1.5 s of it there might be the middle of no second
        truth = await scenarios.attended_transfer_to_trainee(stage, talk_s=1.9)
    beas = house.bea(Outcome.RECORDED, Reason.TRANSFERRED)
    line, _, _ = await house.ledger(HUNG_UP, beas, (BEA, Outcome.NOT_RECORDED, Reason.NO_NOTICE))
    joined_ns = first_heard_ns(truth.agent[0], CUSTOMER_HERTZ)
    judge(await house.film(line), replace(talk_of(truth), began_ns=joined_ns))


@scene(lasts_s=9)
async def test_a_blind_transfer_by_feature_code(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.feature_transfer_blind(stage)
    line, _ = await house.ledger(TRANSFERRED, house.bea(*BEA_TAKES))
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=10)
async def test_an_attended_transfer_by_feature_code(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.feature_transfer_attended(stage)
    line, _ = await house.ledger(TRANSFERRED, house.bea(*BEA_TAKES))
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=7)
async def test_parking(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.parking(stage)
    line, _ = await house.ledger((ALICE, Outcome.RECORDED, Reason.PARKED), house.bea(*BEA_TAKES))
    judge(await house.film(line), talk_of(truth))


@scene()
async def test_another_application_redirects_the_customer(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.redirect(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene()
async def test_another_application_takes_the_agent_away(house: House) -> None:
    """P8: the agent's channel lives on, with nobody."""
    async with house.stage() as stage:
        truth = await plays.redirected_agent(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=10)
async def test_a_consultation_and_back_to_the_customer(house: House) -> None:
    async with house.stage() as stage:
        truth = await plays.consultation(stage)
    line, _, _ = await house.ledger(HUNG_UP, CONSULTATION, (BEA, Outcome.NOT_RECORDED, Reason.NO_NOTICE))
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=10)
async def test_a_second_call_of_the_same_agent(house: House) -> None:
    """The first is held meanwhile and goes on afterwards; the second is not recorded beside it."""
    async with house.stage() as stage:
        truth = await plays.second_call(stage)
    line, _ = await house.ledger(HUNG_UP, (ALICE, Outcome.NOT_RECORDED, Reason.BUSY_STATION))
    judge(await house.film(line), talk_of(truth))
