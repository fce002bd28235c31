"""When nothing may be recorded: no call is drawn, what runs ends, and one cause's end does not lift another."""

from __future__ import annotations

import pytest

from pbx_bridge.calls import commands as co
from pbx_bridge.calls.reasons import Outcome, Reason
from tests.calls.story import AGENT, ALICE, SECOND_NS, Story, answers, customer_hangs_up, rings
from tests.calls.test_session import REC, ends, recording

FREEZING = (Reason.AUDIT, Reason.CLOCK, Reason.DISK)


@pytest.mark.parametrize("reason", FREEZING)
def test_a_frozen_desk_records_nothing_and_says_why(reason: Reason) -> None:
    story = Story()
    story.desk.freeze(reason)
    story >> rings() >> answers(1) >> customer_hangs_up(5)
    assert story.rolls == 0
    (line,) = story.ledger()
    assert (line.outcome, line.reason) == (Outcome.NOT_RECORDED, reason)


def test_one_cause_does_not_lift_another() -> None:
    story = Story()
    for reason in FREEZING:
        story.desk.freeze(reason)
    for reason, next_one in zip(FREEZING, (*FREEZING[1:], None), strict=True):
        assert story.desk.frozen is reason
        story.desk.thaw(reason)
        assert story.desk.frozen is next_one
    story >> rings() >> answers(1)
    assert "OpenRecording" in story.kinds()


def test_what_runs_ends_and_what_precedes_is_kept() -> None:
    story = recording()
    story.also(story.desk.end_all(Reason.AUDIT, 3 * SECOND_NS))
    story << ends(3 * SECOND_NS, Reason.AUDIT)
    story.also(story.desk.end_all(Reason.AUDIT, 4 * SECOND_NS)) << []
    story.also(story.desk.capture_ended(REC, 5 * SECOND_NS, None))
    story << [co.CancelTimer(AGENT, "stop"), co.CloseRecording(REC, 3 * SECOND_NS, Reason.AUDIT)]
    story.also(story.desk.sealed(REC, 6 * SECOND_NS, 2 * SECOND_NS))
    story << [co.WriteLedger(AGENT, ALICE, REC, Outcome.RECORDED, Reason.AUDIT, 2 * SECOND_NS)]


def test_a_call_that_rang_when_it_froze_is_not_recorded() -> None:
    story = Story() >> rings()
    story.orders.clear()
    story.also(story.desk.end_all(Reason.CLOCK, 0)) >> answers(1) >> customer_hangs_up(5)
    assert [(order.outcome, order.reason) for order in story.ledger()] == [
        (Outcome.NOT_RECORDED, Reason.CLOCK)
    ]
