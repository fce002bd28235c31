"""P9, P16: a trainee on two lines of a phone, which may join them by itself: the PBX then tells of two talks, not of one."""

from __future__ import annotations

import pytest

from pbx_bridge.calls import commands as co
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.reasons import Reason
from tests.calls.story import (
    AGENT,
    CALLER_NOTICE,
    CUSTOMER,
    OTHER,
    SECOND,
    SECOND_NS,
    Story,
    answers,
    rings,
)
from tests.calls.test_session import REC, recording


def asks(at: int) -> list[fa.Fact]:
    """Alice calls somebody on her phone's second line while the customer is on hold."""
    ns = at * SECOND_NS
    return [
        fa.Held(ns, AGENT),
        fa.ChannelBorn(ns, SECOND, "PJSIP/201", False, "internal"),
        fa.ChannelUp(ns, SECOND),
        fa.ChannelBorn(ns, OTHER, "PJSIP/999", False, "internal"),
        fa.Dialled(ns, SECOND, OTHER),
        fa.ChannelUp(ns + 1, OTHER),
        fa.BridgeEntered(ns + 1, SECOND, "b2"),
        fa.BridgeEntered(ns + 1, OTHER, "b2"),
    ]


def test_a_conference_in_the_phone_itself_is_a_third_party() -> None:
    """P9, P16: the phone joins its two lines: whom Alice asked is heard on the first, and heard no notice."""
    story = recording() >> asks(3)
    story.kinds()
    story >> fa.Unheld(5 * SECOND_NS, AGENT)
    assert "ResumeCapture" not in story.kinds()
    story.also(story.desk.timer(AGENT, "apart", 7 * SECOND_NS))
    assert "StopCapture" in story.kinds()
    story.also(story.desk.capture_ended(REC, 7 * SECOND_NS, None))
    (close,) = [order for order in story.orders if isinstance(order, co.CloseRecording)]
    assert (close.end_ns, close.reason) == (3 * SECOND_NS, Reason.THIRD_PARTY)


def test_a_second_line_that_is_gone_without_a_word_of_its_bridge_is_gone() -> None:
    story = recording() >> asks(3) >> fa.Unheld(5 * SECOND_NS, AGENT)
    story.kinds()
    story >> fa.ChannelGone(5 * SECOND_NS, SECOND, 16)
    assert "ResumeCapture" in story.kinds()


@pytest.mark.parametrize("first", ["customer", "colleague"])
def test_the_second_line_ends_and_the_talk_with_the_customer_goes_on(first: str) -> None:
    """Whichever the phone says first: the customer is back, or the colleague gone."""
    story = recording() >> asks(3)
    back: list[fa.Fact] = [fa.Unheld(5 * SECOND_NS, AGENT)]
    gone: list[fa.Fact] = [
        fa.ChannelGone(5 * SECOND_NS, OTHER, 16),
        fa.ChannelGone(5 * SECOND_NS, SECOND, 16),
    ]
    story.kinds()
    story >> (back if first == "customer" else gone)
    assert "ResumeCapture" not in story.kinds()
    story >> (gone if first == "customer" else back)
    assert "ResumeCapture" in story.kinds()


def test_a_swap_between_two_lines_records_the_first_alone() -> None:
    """Each line is on hold while she talks on the other."""
    story = recording() >> asks(3)
    story.kinds()
    for at in (5, 9):
        story >> fa.Held(at * SECOND_NS, SECOND) >> fa.Unheld(at * SECOND_NS, AGENT)
        assert "ResumeCapture" in story.kinds()
        story >> fa.Held((at + 2) * SECOND_NS, AGENT) >> fa.Unheld((at + 2) * SECOND_NS, SECOND)
        kinds = story.kinds()
        assert "PauseCapture" in kinds
        assert "ResumeCapture" not in kinds


def test_the_line_of_whoever_heard_no_notice_keeps_its_reason() -> None:
    """P24: that she asked a colleague, however the phone takes the two lines down, is no-notice."""
    story = recording() >> asks(3) >> fa.Unheld(5 * SECOND_NS, AGENT)
    story.kinds()
    story >> fa.ChannelGone(5 * SECOND_NS, OTHER, 16) >> fa.ChannelGone(5 * SECOND_NS, SECOND, 16)
    assert [line.reason for line in story.ledger()] == [Reason.NO_NOTICE]


def test_a_notice_that_is_heard_while_both_lines_talk_begins_nothing() -> None:
    """The customer of the first line would be in it."""
    story = Story() >> rings() >> answers(1)
    story.also(story.desk.timer(AGENT, "ceiling", 2 * SECOND_NS))
    (recording,) = story.desk.open_recordings
    story.also(story.desk.capture_ended(recording, 2 * SECOND_NS, None))
    story.also(story.desk.sealed(recording, 2 * SECOND_NS, SECOND_NS))
    story >> asks(3)[1:]
    story.kinds()
    story >> fa.NoticeHeard(4 * SECOND_NS, OTHER, CALLER_NOTICE)
    assert "StartCapture" not in story.kinds()
    story >> fa.ChannelGone(5 * SECOND_NS, CUSTOMER, 16)
    assert "StartCapture" in story.kinds(), "a control: alone with the one who heard it, it does"
