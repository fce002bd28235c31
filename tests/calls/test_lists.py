"""P12, P16: with whom, and where, no call is recorded; told as questions and as conversations with the desk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx_bridge.calls import commands as co
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.lists import Lists, Traits, refused
from pbx_bridge.calls.reasons import Outcome, Reason
from tests.calls.story import (
    AGENT,
    ALICE,
    BOB,
    CUSTOMER,
    SECOND,
    SECOND_NS,
    Story,
    agent_hangs_up,
    answers,
    rings,
)

DOCTOR, ANGRY, ALICES, FIRE = "hash-doctor", "hash-angry", "hash-201", "hash-18"
LISTS = Lists(
    never=frozenset({DOCTOR}),
    emergency=frozenset({FIRE}),
    opted_out=frozenset({ANGRY, ALICES}),
    contexts=frozenset({"from-doctor"}),
    queues=frozenset({"works-council"}),
)


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        (Traits(), None),
        (Traits(("x",), ("y",), "from-trunk", "support"), None),
        (Traits(numbers=("x", DOCTOR)), Reason.NEVER_RECORD),
        (Traits(dialled=(DOCTOR,)), Reason.NEVER_RECORD),
        (Traits(numbers=(DOCTOR,), enrolled=True), Reason.NEVER_RECORD),
        (Traits(context="from-doctor"), Reason.NEVER_RECORD),
        (Traits(queue="works-council"), Reason.NEVER_RECORD),
        (Traits(numbers=(ANGRY,)), Reason.OPTED_OUT),
        (Traits(numbers=("x", ANGRY), outbound=True), Reason.OPTED_OUT),
        (Traits(numbers=(ALICES,), enrolled=True), None),
        (Traits(dialled=(ANGRY,)), None),
        (Traits(dialled=("x", FIRE), outbound=True), Reason.NEVER_RECORD),
        (Traits(numbers=(FIRE,), outbound=True), Reason.NEVER_RECORD),
        (Traits(numbers=(FIRE,), dialled=(FIRE,)), None),
        (Traits(numbers=(DOCTOR, ANGRY)), Reason.NEVER_RECORD),
    ],
)
def test_who_is_refused(traits: Traits, expected: Reason | None) -> None:
    assert refused(traits, LISTS) is expected
    assert refused(traits, Lists()) is None


def test_lists_nobody_can_read_refuse_everything() -> None:
    assert refused(Traits(), Lists(unknown=True)) is Reason.BRIDGE_FAULT


def calls_from(*numbers: str, context: str = "from-trunk") -> list[fa.Fact]:
    """Rings, from a known number."""
    (born, *others) = rings()
    assert isinstance(born, fa.ChannelBorn)
    return [replace(born, numbers=numbers, context=context), *others]


def refused_with(story: Story) -> Reason:
    """Nothing was ordered but the one line."""
    (line,) = story.orders
    assert isinstance(line, co.WriteLedger)
    assert line.outcome is Outcome.NOT_RECORDED
    return line.reason


def test_an_objection_keeps_the_callers_number_for_their_later_calls() -> None:
    story = Story() >> calls_from("known", "reading") >> answers(1)
    story.orders.clear()
    story >> fa.CallerObjected(2 * SECOND_NS, CUSTOMER)
    assert co.OptOut("known") in story.orders


def test_whoever_withholds_their_number_objects_for_this_call_only() -> None:
    story = Story() >> calls_from() >> answers(1) >> fa.CallerObjected(2 * SECOND_NS, CUSTOMER)
    assert not [order for order in story.orders if isinstance(order, co.OptOut)]
    assert any(isinstance(order, co.DiscardRecording) for order in story.orders)


def test_an_objection_after_the_link_came_back_still_keeps_the_number() -> None:
    living = fa.ChannelBorn(0, CUSTOMER, "PJSIP/trunk", False, "from-trunk", numbers=("known",))
    story = Story() >> fa.LinkUp(0, (living,)) >> fa.CallerObjected(SECOND_NS, CUSTOMER)
    assert co.OptOut("known") in story.orders


def test_who_opted_out_is_not_drawn() -> None:
    story = Story(lists=LISTS) >> calls_from(ANGRY) >> answers(1) >> agent_hangs_up(2)
    assert refused_with(story) is Reason.OPTED_OUT
    assert story.rolls == 0


def test_a_number_that_is_told_while_it_rings_counts() -> None:
    facts = calls_from()
    story = Story(lists=LISTS) >> facts[:1] >> fa.NumberSeen(0, CUSTOMER, (ANGRY,)) >> facts[1:]
    story >> answers(1) >> agent_hangs_up(2)
    assert refused_with(story) is Reason.OPTED_OUT


def test_a_number_that_is_told_during_the_talk_destroys_what_exists() -> None:
    story = Story(lists=LISTS) >> calls_from() >> answers(1)
    story.also(story.desk.capture_started(next(iter(story.desk.open_recordings)), SECOND_NS))
    story >> fa.NumberSeen(2 * SECOND_NS, CUSTOMER, (DOCTOR,))
    assert [line.reason for line in story.ledger()] == [Reason.NEVER_RECORD]


@pytest.mark.parametrize("how", ["queue", "context"])
def test_a_queue_and_a_context_that_are_never_recorded(how: str) -> None:
    facts = calls_from(context="from-doctor" if how == "context" else "from-trunk")
    queued = [fa.QueueJoined(0, CUSTOMER, "works-council" if how == "queue" else "support")]
    story = Story(lists=LISTS) >> facts[:2] >> queued >> facts[2:] >> answers(1) >> agent_hangs_up(2)
    assert refused_with(story) is Reason.NEVER_RECORD


def test_it_goes_with_the_customer_to_the_next_agent() -> None:
    story = Story(lists=LISTS) >> calls_from(ANGRY) >> answers(1) >> fa.Transferred(2 * SECOND_NS, (AGENT,))
    story >> agent_hangs_up(2)[:2]
    second: list[fa.Fact] = [
        fa.ChannelBorn(0, SECOND, "PJSIP/202", False, "internal"),
        fa.Dialled(0, CUSTOMER, SECOND),
        fa.ChannelRinging(0, SECOND),
    ]
    story >> second >> answers(3, agent=SECOND) >> agent_hangs_up(4, agent=SECOND)
    assert [(line.trainee, line.reason) for line in story.ledger()] == [
        (ALICE, Reason.OPTED_OUT),
        (BOB, Reason.OPTED_OUT),
    ]


def dials(*numbers: str, dialled: tuple[str, ...] = ()) -> list[fa.Fact]:
    """Alice calls out."""
    return [
        fa.ChannelBorn(0, AGENT, "PJSIP/201", False, "internal", dialled=dialled, numbers=(ALICES,)),
        fa.ChannelBorn(0, CUSTOMER, "PJSIP/trunk", False, "from-trunk"),
        fa.NumberSeen(0, CUSTOMER, numbers),
        fa.Dialled(0, AGENT, CUSTOMER),
    ]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (dials(ANGRY), Reason.OPTED_OUT),
        (dials(DOCTOR), Reason.NEVER_RECORD),
        (dials("x", dialled=(DOCTOR,)), Reason.NEVER_RECORD),
        (dials("0-and-18", FIRE), Reason.NEVER_RECORD),
        (dials("x", dialled=("y", FIRE)), Reason.NEVER_RECORD),
    ],
)
def test_whom_an_agent_calls_counts_before_the_draw(facts: list[fa.Fact], expected: Reason) -> None:
    story = Story(lists=LISTS) >> facts >> answers(1) >> agent_hangs_up(2)
    assert refused_with(story) is expected


def test_another_number_is_drawn() -> None:
    story = Story(lists=LISTS) >> dials("x", dialled=("y",))
    assert story.rolls == 1
