"""P11, P13, P15 at the desk: one decision a call, told when it is taken; the room is asked again when the talk begins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from pbx_bridge.calls import commands as co
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import ChannelId, RecordingId, StationId
from pbx_bridge.training.plans import Draw, Slot, Trainer, Used
from pbx_bridge.training.standing import Standing
from tests.calls.story import (
    AGENT,
    ALICE,
    BOB,
    CUSTOMER,
    NOTICE,
    OTHER,
    PLANS,
    SECOND,
    SECOND_NS,
    Story,
    agent_hangs_up,
    answers,
    rings,
    standing,
)

BOBS = StationId("desk-2")


def reason_of(story: Story) -> Reason:
    story.kinds()
    story >> rings(1) >> answers(2) >> agent_hangs_up(9)
    (line,) = story.ledger()
    assert line.outcome is Outcome.NOT_RECORDED
    return line.reason


@pytest.mark.parametrize(
    ("stand", "reason"),
    [
        (replace(standing(), approved=frozenset()), Reason.NOT_APPROVED),
        (replace(standing(), used={ALICE: Used(2, 3.0)}), Reason.WEEKLY_CAP),
        (replace(standing(), recorded_minutes={"bruno": 600.0}), Reason.CAPACITY),
        (replace(standing(), backlog_minutes={"bruno": 600.0}), Reason.BACKLOG),
        (replace(standing(), backlog_minutes=None), Reason.BACKLOG),
    ],
)
def test_what_there_is_no_room_or_leave_for(stand: Standing, reason: Reason) -> None:
    story = Story()
    story.standing = stand
    assert reason_of(story) is reason
    story.standing = standing()
    story >> rings(11, ChannelId("a3"), ChannelId("c3"))
    assert "PrepareCapture" in story.kinds(), "a control: with room and leave the next call is drawn"


def test_what_changed_between_the_ring_and_the_answer_counts() -> None:
    for stand, reason in (
        (replace(standing(), approved=frozenset()), Reason.NOT_APPROVED),
        (replace(standing(), used={ALICE: Used(2, 3.0)}), Reason.WEEKLY_CAP),
    ):
        story = Story() >> rings()
        story.standing = stand
        story.kinds()
        story >> answers(1) >> agent_hangs_up(5)
        assert [line.reason for line in story.ledger()] == [reason]


def test_a_desk_frozen_while_the_phone_rings_begins_nothing() -> None:
    story = Story() >> rings()
    story.desk.freeze(Reason.AUDIT)
    story >> answers(1) >> agent_hangs_up(5)
    assert [line.reason for line in story.ledger()] == [Reason.AUDIT]


def test_two_recordings_at_once_share_the_trainers_room() -> None:
    """Alice's may become 20 minutes of the 25 there are: Bob's gets the five that are left."""
    story = Story()
    story.standing = standing(trainer=Trainer("bruno", 25))
    story.desk.station_seen(BOBS, BOB, active=True, locked=False, acknowledged=NOTICE)
    story >> rings() >> answers(0)
    story.kinds()
    story >> rings(1, SECOND, OTHER, "PJSIP/202") >> answers(1, SECOND, OTHER, "b2")
    (ceiling,) = [
        order for order in story.orders if isinstance(order, co.SetTimer) and order.timer == "ceiling"
    ]
    assert ceiling.at_ns == 301 * SECOND_NS


def test_a_recording_ends_with_its_room_even_when_the_timer_is_late() -> None:
    story = Story()
    story.standing = replace(standing(), used={ALICE: Used(1, 19.0)})
    story >> rings() >> answers(0)
    story.kinds()
    story.also(story.desk.timer(AGENT, "ceiling", 64 * SECOND_NS))
    story.also(story.desk.timer(AGENT, "stop", 65 * SECOND_NS))
    (close,) = [order for order in story.orders if isinstance(order, co.CloseRecording)]
    assert close.end_ns == 60 * SECOND_NS
    assert close.reason is Reason.CEILING


def test_each_call_is_decided_once_and_it_is_said_before_anything_is_captured() -> None:
    told: list[tuple[ChannelId, object]] = []
    story = Story(decided=lambda leg, _, decision: told.append((leg, decision)))
    story >> rings()
    (first,) = told
    assert first[0] == AGENT
    assert isinstance(first[1], Draw)
    assert not any(isinstance(order, co.StartCapture) for order in story.orders)
    story >> answers(1) >> fa.LinkDown(SECOND_NS, "eof")
    assert len(told) == story.rolls == 1


def test_the_person_at_the_phone_and_at_the_workstation_are_one() -> None:
    """P13: Bob called to Alice's desk takes a call there; only Alice's workstation is up: nothing is recorded."""
    story = Story()
    story >> fa.ChannelBorn(0, AGENT, "PJSIP/999", False, "internal") >> fa.PersonNamed(0, AGENT, "Bob")
    story.kinds()
    named = [
        fact
        for fact in rings(1, to="PJSIP/999")
        if not isinstance(fact, fa.ChannelBorn) or fact.channel != AGENT
    ]
    story >> named >> answers(2) >> agent_hangs_up(9)
    (line,) = story.ledger()
    assert (line.trainee, line.reason) == (BOB, Reason.NO_STATION)
    story.desk.station_seen(BOBS, BOB, active=True, locked=False, acknowledged=NOTICE)
    desk, customer = ChannelId("a3"), ChannelId("c3")
    story >> fa.ChannelBorn(20 * SECOND_NS, desk, "PJSIP/999", False, "internal")
    story >> fa.PersonNamed(20 * SECOND_NS, desk, "Bob")
    again = [
        fact
        for fact in rings(21, desk, customer, "PJSIP/999")
        if not isinstance(fact, fa.ChannelBorn) or fact.channel != desk
    ]
    story >> again >> answers(22, desk, customer, "b3")
    (start,) = [order for order in story.orders if isinstance(order, co.StartCapture)]
    assert start.station == BOBS


def test_hanging_up_and_calling_again_draws_nothing_new() -> None:
    """P11: the same two within ten minutes find the number drawn before; others, and later, a new one."""

    def call(at: int, number: int, customers: tuple[str, ...], to: str = "PJSIP/201") -> None:
        agent, customer = ChannelId(f"a{number}x"), ChannelId(f"c{number}x")
        first, *others = rings(at, agent, customer, to)
        assert isinstance(first, fa.ChannelBorn)
        story >> replace(first, numbers=customers) >> others
        gone = at * SECOND_NS + 1
        story >> [fa.ChannelGone(gone, agent, 16), fa.ChannelGone(gone, customer, 16)]

    told: list[object] = []
    story = Story(roll=0.99, decided=lambda leg, trainee, decision: told.append(decision))
    call(1, 1, ("known",))
    story.roll = 0.0
    call(60, 2, ("known", "another reading"))
    assert told == [Reason.NOT_DRAWN, Reason.NOT_DRAWN]
    call(61, 3, ("somebody else",))
    call(62, 4, ())
    call(63, 5, ("known",), "PJSIP/202")
    call(60 + 599, 6, ("known",))
    call(659 + 600, 7, ("known",))
    new, old = Draw, Reason
    assert ([type(one) for one in told], story.rolls) == ([old, old, new, new, new, old, new], 5)


def consults(at: int, number: int) -> tuple[ChannelId, ChannelId, list[fa.Fact]]:
    """Bob, a trainee himself, asks Alice: his channel, hers, and what the PBX says until they talk."""
    his, hers = ChannelId(f"b{number}"), ChannelId(f"a{number}x")
    ns = at * SECOND_NS
    asked: list[fa.Fact] = [
        fa.ChannelBorn(ns, his, "PJSIP/202", False, "internal", numbers=("202",)),
        fa.ChannelUp(ns, his),
        fa.ChannelBorn(ns, hers, "PJSIP/201", False, "internal"),
        fa.Dialled(ns, his, hers),
        fa.ChannelRinging(ns, hers),
    ]
    return his, hers, [*asked, *answers(at + 1, hers, his, f"ask{number}")]


def hands_over(at: int, his: ChannelId, number: int) -> list[fa.Fact]:
    """The customer takes Bob's place beside Alice."""
    ns = at * SECOND_NS
    return [
        fa.BridgeLeft(ns, CUSTOMER, "b1"),
        fa.BridgeLeft(ns, his, f"ask{number}"),
        fa.BridgeEntered(ns, CUSTOMER, f"ask{number}"),
        fa.ChannelGone(ns, his, 16),
    ]


def test_asking_a_colleague_again_draws_nothing_new() -> None:
    """P11: else whoever hands a customer over asks until the draw falls as wished."""
    told: list[tuple[object, object]] = []
    story = Story(roll=0.99, decided=lambda leg, trainee, decision: told.append((trainee, decision)))
    story >> rings(0, SECOND, to="PJSIP/202") >> answers(1, SECOND)
    for number in range(3):
        his, hers, asked = consults(10 * number + 2, number)
        story >> asked
        if number < 2:
            gone = (10 * number + 5) * SECOND_NS
            story >> [fa.ChannelGone(gone, hers, 16), fa.ChannelGone(gone, his, 16)]
        story.roll = 0.0
    story >> hands_over(30, his, 2)
    assert [decision for trainee, decision in told if trainee == ALICE] == [Reason.NOT_DRAWN] * 3
    assert "StartCapture" not in story.kinds()


@pytest.mark.parametrize("first", [0.0, 0.99])
def test_a_customer_who_comes_back_in_a_consultation_is_the_call_that_was_drawn(first: float) -> None:
    """P11: Alice's call is not drawn; she gives it to Bob, who asks her and hands it back: his asking is drawn."""
    story = Story(roll=first) >> rings() >> answers(1)
    story >> [
        fa.Transferred(2 * SECOND_NS, (AGENT,)),
        fa.BridgeLeft(2 * SECOND_NS, AGENT, "b1"),
        fa.ChannelGone(2 * SECOND_NS, AGENT, 16),
    ]
    if first == 0.0:
        recording = next(iter(story.desk.open_recordings))
        story.also(story.desk.capture_ended(recording, 3 * SECOND_NS, None))
        story.also(story.desk.sealed(recording, 3 * SECOND_NS, SECOND_NS))
    story.roll = 0.0
    his, hers, asked = consults(3, 1)
    story >> asked
    story.kinds()
    story >> hands_over(6, his, 1)
    recorded = first == 0.0
    assert ("StartCapture" in story.kinds()) is recorded, "drawn once, it may be recorded again"
    story >> fa.ChannelGone(9 * SECOND_NS, CUSTOMER, 16) >> fa.ChannelGone(9 * SECOND_NS, hers, 16)
    if not recorded:
        assert [line.reason for line in story.ledger()] == [Reason.NOT_DRAWN]


def test_a_decision_goes_with_the_channels_it_is_about() -> None:
    """P11: an id that the PBX uses again is another call."""
    story = Story(roll=0.99) >> rings() >> answers(1) >> agent_hangs_up(2)
    story.roll = 0.0
    story >> rings(3, ChannelId("a3")) >> answers(4, ChannelId("a3"))
    assert "StartCapture" in story.kinds()


@pytest.mark.parametrize("change", ["ended", "changed", "withdrawn", "notice", "nothing", "mute", "slot"])
def test_what_changes_while_it_is_recorded_ends_it(change: str) -> None:
    notice = [NOTICE]
    story = Story(notice_of=lambda _: notice[0]) >> rings() >> answers(0)
    story.also(story.desk.capture_started(RecordingId("rec1"), 1))
    story.kinds()
    expected: Reason | None = Reason.PLAN_ENDED
    match change:
        case "ended":
            story.plans = (replace(story.plans[0], ended_on=date(2026, 11, 23)), story.plans[1])
        case "changed":
            story.plans = (replace(story.plans[0], rate=0.1), story.plans[1])
            story.standing = standing((*story.plans, PLANS[0]))
        case "withdrawn":
            story.standing, expected = replace(standing(), approved=frozenset()), Reason.NOT_APPROVED
        case "notice":
            notice[0], expected = "another text", Reason.NOT_ACKNOWLEDGED
        case "slot":
            now = datetime(2026, 11, 23, 10, tzinfo=UTC)
            story.plans = (
                replace(story.plans[0], slots=(Slot(now, now + timedelta(hours=1)),)),
                story.plans[1],
            )
            expected = None
        case "mute":
            story.standing, expected = replace(standing(), approved=None), None
        case _:
            expected = None
    story.also(story.desk.recheck(5 * SECOND_NS))
    stops = [order.reason for order in story.orders if isinstance(order, co.StopCapture)]
    assert stops == ([expected] if expected else [])
    assert not [order for order in story.orders if isinstance(order, co.DiscardRecording)], (
        "what precedes is kept"
    )
    story.kinds()
    story.also(story.desk.recheck(6 * SECOND_NS))
    assert story.orders == [], "it ends once"


def test_a_file_that_waits_to_be_sealed_counts_with_what_it_came_to() -> None:
    told: list[object] = []
    story = Story(decided=lambda leg, trainee, decision: told.append(decision))
    story.standing = replace(standing(), used={ALICE: Used(0, 15.0)})
    story >> rings() >> answers(0)
    story.desk.capture_started(RecordingId("rec1"), 1)
    story >> agent_hangs_up(300) >> rings(302, SECOND, OTHER)
    assert told[-1] is Reason.WEEKLY_CAP
