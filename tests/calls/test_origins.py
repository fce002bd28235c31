"""P11, P24: phones that ring for one call are one call, in whatever order the PBX tells who dials and who rings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest

from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import ChannelId
from tests.calls.story import AGENT, CALLER_NOTICE, CUSTOMER, SECOND, SECOND_NS, Story, answers

ONE, TWO = ChannelId("l1"), ChannelId("l2")
BORN = (
    fa.ChannelBorn(0, CUSTOMER, "PJSIP/trunk", False, "from-trunk"),
    fa.NoticeHeard(0, CUSTOMER, CALLER_NOTICE),
    fa.ChannelBorn(0, AGENT, "PJSIP/201", False, "internal"),
    fa.ChannelBorn(0, SECOND, "PJSIP/211", False, "internal"),
)
LOCAL = (
    fa.ChannelBorn(0, ONE, "", True, "agents"),
    fa.ChannelBorn(0, TWO, "", True, "agents"),
    fa.LocalPaired(0, ONE, TWO),
)


@pytest.mark.parametrize(
    "told",
    [
        *permutations(
            (
                fa.Dialled(0, CUSTOMER, AGENT),
                fa.Dialled(0, CUSTOMER, SECOND),
                fa.ChannelRinging(0, AGENT),
                fa.ChannelRinging(0, SECOND),
            )
        )
    ],
)
def test_two_phones_are_one_call_though_one_rings_before_it_is_known_who_dials(
    told: Sequence[fa.Fact],
) -> None:
    """Asterisk told `Ringing` before `DialBegin` on a busy machine."""
    story = Story() >> BORN >> told
    assert story.rolls == 1
    assert story.kinds().count("OfferPrivate") == 2
    story >> fa.ChannelGone(SECOND_NS, SECOND, 26) >> fa.ChannelGone(SECOND_NS, AGENT, 26)
    assert story.ledger() == [], "the customer may still be put through to somebody"
    story >> fa.ChannelGone(2 * SECOND_NS, CUSTOMER, 16)
    assert [(line.outcome, line.reason) for line in story.ledger()] == [
        (Outcome.NOT_RECORDED, Reason.NO_ANSWER)
    ]


@pytest.mark.parametrize(
    "told",
    [
        *permutations(
            (
                fa.Dialled(0, CUSTOMER, ONE),
                fa.Dialled(0, TWO, AGENT),
                fa.Dialled(0, CUSTOMER, SECOND),
                fa.ChannelRinging(0, AGENT),
            )
        )
    ],
)
def test_a_phone_behind_a_local_channel_waits_until_it_is_known_who_dialled_that(
    told: Sequence[fa.Fact],
) -> None:
    story = Story() >> BORN >> LOCAL >> told
    assert story.rolls == 1
    assert story.kinds().count("OfferPrivate") == 2


def test_a_local_channel_that_nobody_dials_is_the_beginning_once_it_is_in_a_bridge() -> None:
    """A transfer by feature code makes one (tests/vectors/asterisk/feature_transfer_attended)."""
    story = Story() >> BORN >> LOCAL >> fa.BridgeEntered(0, ONE, "outer")
    story >> fa.Dialled(0, TWO, AGENT)
    assert story.kinds() == ["PrepareCapture", "OfferPrivate"]


def test_a_phone_that_nobody_was_said_to_dial_is_drawn_when_it_enters_a_bridge() -> None:
    story = Story() >> BORN >> fa.ChannelRinging(0, AGENT)
    assert (story.rolls, story.kinds()) == (0, [])
    story >> answers(1)
    assert story.rolls == 1
    assert "StartCapture" in story.kinds()
