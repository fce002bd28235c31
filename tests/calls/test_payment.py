"""P7: a payment pauses both tracks at once, whoever announces it; nobody's silence ends it, only the time-out ends all."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.calls import commands as co
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.events import PauseBy
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.calls.rules import PAYMENT_DEFAULT_S, PAYMENT_TAIL_NS
from pbx_bridge.ids import ChannelId, RecordingId
from tests.calls.story import (
    AGENT,
    ALICE,
    BOB,
    CUSTOMER,
    SECOND_NS,
    STATION,
    Story,
    agent_hangs_up,
    answers,
    rings,
)
from tests.calls.test_session import REC, ends, recording

AT = 3 * SECOND_NS
LIMIT_NS = PAYMENT_DEFAULT_S * SECOND_NS


def paused_at(at_ns: int, until_ns: int) -> list[co.Command]:
    return [
        co.SetTimer(AGENT, "payment", until_ns),
        co.PauseCapture(STATION, REC),
        co.MarkPause(REC, at_ns),
        co.CancelTimer(AGENT, "apart"),
    ]


def sound_passes(story: Story, ended_ns: int) -> None:
    """The end was announced; what was said before it is still on its way, then it is resumed."""
    at_ns = ended_ns + PAYMENT_TAIL_NS
    story << [co.SetTimer(AGENT, "payment", at_ns), co.CancelTimer(AGENT, "apart")]
    story.also(story.desk.timer(AGENT, "payment", at_ns))
    story << [co.CancelTimer(AGENT, "apart"), co.MarkTalk(REC, at_ns), co.ResumeCapture(STATION, REC)]


def fires(story: Story, leg: ChannelId = AGENT) -> list[str]:
    """What the payment's timer orders when it fires as it was set last."""
    at_ns = [
        order.at_ns for order in story.orders if isinstance(order, co.SetTimer) and order.timer == "payment"
    ][-1]
    story.orders.clear()
    story.also(story.desk.timer(leg, "payment", at_ns))
    return story.kinds()


def test_either_channel_may_announce_it_and_take_it_back() -> None:
    for begins in (AGENT, CUSTOMER):
        for ends_it in (AGENT, CUSTOMER):
            story = recording() >> fa.PaymentBegan(AT, begins)
            story << paused_at(AT, AT + LIMIT_NS)
            story >> fa.PaymentEnded(2 * AT, ends_it)
            sound_passes(story, 2 * AT)


def test_saying_it_again_changes_nothing_and_does_not_lengthen_it() -> None:
    story = recording() >> fa.PaymentBegan(AT, AGENT)
    story << paused_at(AT, AT + LIMIT_NS)
    story >> fa.PaymentBegan(2 * AT, AGENT)
    story << []
    story >> fa.PaymentEnded(3 * AT, AGENT)
    sound_passes(story, 3 * AT)
    story >> fa.PaymentEnded(4 * AT, AGENT)
    story << []


def test_a_payment_that_begins_again_before_the_last_ones_sound_passed_goes_on() -> None:
    story = recording() >> fa.PaymentBegan(AT, AGENT) >> fa.PaymentEnded(2 * AT, AGENT)
    again_ns = 2 * AT + PAYMENT_TAIL_NS - 1
    story.orders.clear()
    story >> fa.PaymentBegan(again_ns, AGENT)
    story << [co.SetTimer(AGENT, "payment", again_ns + LIMIT_NS), co.CancelTimer(AGENT, "apart")]
    story.also(story.desk.timer(AGENT, "payment", again_ns + LIMIT_NS))
    assert "StopCapture" in story.kinds()


def test_a_payment_nobody_ends_ends_the_recording_where_it_was_paused() -> None:
    story = recording() >> fa.PaymentBegan(AT, AGENT)
    story.orders.clear()
    story.also(story.desk.timer(AGENT, "payment", AT + LIMIT_NS))
    story << ends(AT + LIMIT_NS, Reason.PAUSE_TIMEOUT)
    story.also(story.desk.capture_ended(REC, AT + LIMIT_NS, None))
    story << [co.CancelTimer(AGENT, "stop"), co.CloseRecording(REC, AT, Reason.PAUSE_TIMEOUT)]
    story >> fa.PaymentEnded(AT + LIMIT_NS + 1, AGENT)
    story << []  # it is over for this call: nothing is armed again (P11)


def test_a_timer_that_fires_late_ends_nothing() -> None:
    story = recording() >> fa.PaymentBegan(AT, AGENT) >> fa.PaymentEnded(2 * AT, AGENT)
    story.also(story.desk.timer(AGENT, "payment", 3 * AT))
    story.orders.clear()
    story.also(story.desk.timer(AGENT, "payment", AT + LIMIT_NS))
    story << []


def test_the_end_of_a_hold_does_not_end_a_payment() -> None:
    story = recording() >> fa.Held(AT, AGENT) >> fa.PaymentBegan(AT + 1, AGENT)
    story.orders.clear()
    story >> fa.Unheld(AT + 2, AGENT)
    assert "ResumeCapture" not in story.kinds()
    story >> fa.PaymentEnded(AT + 3, AGENT)
    assert "ResumeCapture" in fires(story)


def test_announced_before_the_agent_answers_nothing_begins_until_it_is_over() -> None:
    story = Story() >> rings()[:2] >> fa.PaymentBegan(0, CUSTOMER) >> rings()[2:] >> answers(1)
    story << [co.PrepareCapture(ALICE), co.OfferPrivate(AGENT), co.SetTimer(AGENT, "payment", LIMIT_NS)]
    story >> fa.PaymentEnded(AT, CUSTOMER)
    assert fires(story)[0] == "StartCapture"


def test_a_call_that_is_payment_to_its_end_is_not_recorded() -> None:
    story = Story() >> rings() >> fa.PaymentBegan(0, CUSTOMER) >> answers(1) >> agent_hangs_up(9)
    assert [(line.outcome, line.reason) for line in story.ledger()] == [
        (Outcome.NOT_RECORDED, Reason.PAUSE_TIMEOUT)
    ]
    story = Story() >> rings() >> fa.PaymentBegan(0, CUSTOMER) >> answers(1)
    story.also(story.desk.timer(AGENT, "payment", LIMIT_NS))
    story >> fa.PaymentEnded(LIMIT_NS + 1, CUSTOMER)
    assert "StartCapture" not in story.kinds()


def test_the_workstation_announces_it_by_a_title() -> None:
    story = recording()
    story.also(story.desk.payment_shown(REC, AT, began=True))
    story << paused_at(AT, AT + LIMIT_NS)
    story.also(story.desk.payment_shown(REC, 2 * AT, began=False))
    sound_passes(story, 2 * AT)
    story.also(story.desk.payment_shown(RecordingId("unknown"), 2 * AT, began=True))
    story << []


def test_each_takes_back_only_its_own_word() -> None:
    story = recording() >> fa.PaymentBegan(AT, AGENT)
    story.also(story.desk.payment_shown(REC, AT + 1, began=True))
    story.orders.clear()
    story.also(story.desk.payment_shown(REC, AT + 2, began=False))
    assert story.kinds() == ["CancelTimer"]
    story >> fa.PaymentEnded(AT + 3, AGENT)
    assert "ResumeCapture" in fires(story)


def test_it_follows_the_customer_through_a_transfer() -> None:
    """Announced on the first agent's channel: whoever gets the call next is not filmed during it either."""
    story = Story() >> rings(to="PJSIP/202") >> answers(1) >> fa.PaymentBegan(AT, AGENT)
    second = ChannelId("a9")
    story.orders.clear()
    story >> [
        fa.ChannelBorn(AT, second, "PJSIP/201", False, "internal"),
        fa.ChannelRinging(AT, second),
        fa.BridgeLeft(AT, AGENT, "b1"),
        fa.BridgeLeft(AT, CUSTOMER, "b1"),
        fa.ChannelGone(AT, AGENT, 16),
        fa.BridgeEntered(AT, CUSTOMER, "b2"),
        fa.BridgeEntered(AT, second, "b2"),
    ]
    assert "StartCapture" not in story.kinds()
    story >> fa.PaymentEnded(2 * AT, second)
    assert "StartCapture" in fires(story, second)


def test_payment_software_announces_it_for_a_trainees_call_and_takes_back_only_its_own_word() -> None:
    story = recording()
    story.also(story.desk.payment_asked(ALICE, AT, began=True) or [])
    story << paused_at(AT, AT + LIMIT_NS)
    story >> fa.PaymentBegan(AT + 1, CUSTOMER)
    story.also(story.desk.payment_asked(ALICE, AT + 2, began=False) or [])
    assert set(story.kinds()) == {"CancelTimer"}
    story >> fa.PaymentEnded(2 * AT, CUSTOMER)
    sound_passes(story, 2 * AT)
    assert story.desk.payment_asked(BOB, 3 * AT, began=True) is None, "bob has no call; alice's goes on"
    story << []
    assert Story().desk.payment_asked(ALICE, AT, began=True) is None


def test_what_is_announced_while_it_rings_is_the_customers_too() -> None:
    """Nobody answers there, and the customer is put through to somebody else: it is still that payment."""
    story = Story() >> rings(to="PJSIP/202")
    assert story.desk.payment_asked(BOB, AT, began=True) is not None
    second = ChannelId("a9")
    story >> [
        fa.ChannelGone(AT, AGENT, 19),
        fa.ChannelBorn(AT, second, "PJSIP/201", False, "internal"),
        fa.Dialled(AT, CUSTOMER, second),
        fa.ChannelRinging(AT, second),
        fa.BridgeEntered(AT, CUSTOMER, "b2"),
        fa.BridgeEntered(AT, second, "b2"),
    ]
    assert "StartCapture" not in story.kinds()
    story.also(story.desk.payment_asked(ALICE, 2 * AT, began=False) or [])
    assert "StartCapture" in fires(story, second)


def test_what_software_announced_follows_the_customer_too() -> None:
    story = Story() >> rings(to="PJSIP/202") >> answers(1)
    assert story.desk.payment_asked(BOB, AT, began=True) is not None
    second = ChannelId("a9")
    story >> [
        fa.ChannelBorn(AT, second, "PJSIP/201", False, "internal"),
        fa.ChannelRinging(AT, second),
        fa.ChannelGone(AT, AGENT, 16),
        fa.BridgeEntered(AT, CUSTOMER, "b2"),
        fa.BridgeEntered(AT, second, "b2"),
    ]
    assert "StartCapture" not in story.kinds()
    story.also(story.desk.payment_asked(ALICE, 2 * AT, began=False) or [])
    assert "StartCapture" in fires(story, second)


class Clockwork:
    """A recorded call whose timers fire when they are due; what is ordered is what is done."""

    def __init__(self) -> None:
        self.story, self.now_ns = recording(), AT
        self.filming, self.stopped = True, False
        self.due: dict[str, int] = {}
        self.sources: set[PauseBy] = set()
        self.silent_until_ns = 0

    def _obey(self) -> None:
        for order in self.story.orders:
            match order:
                case co.SetTimer(_, timer, at_ns):
                    self.due[timer] = at_ns
                case co.CancelTimer(_, timer):
                    self.due.pop(timer, None)
                case co.PauseCapture():
                    self.filming = False
                case co.ResumeCapture():
                    self.filming = True
                case co.StopCapture():
                    self.filming, self.stopped = False, True
        self.story.orders.clear()
        if self.sources or self.now_ns < self.silent_until_ns:
            assert not self.filming, "P7"

    def say(self, by: PauseBy, began: bool) -> None:
        if self.sources == {by} and not began:
            self.silent_until_ns = self.now_ns + PAYMENT_TAIL_NS
        (self.sources.add if began else self.sources.discard)(by)
        if by is PauseBy.WINDOW:
            self.story.also(self.story.desk.payment_shown(REC, self.now_ns, began=began))
        elif by is PauseBy.REQUEST:
            self.story.also(self.story.desk.payment_asked(ALICE, self.now_ns, began=began) or [])
        else:
            self.story >> (fa.PaymentBegan if began else fa.PaymentEnded)(self.now_ns, CUSTOMER)
        self._obey()

    def hold(self, held: bool) -> None:
        self.story >> (fa.Held if held else fa.Unheld)(self.now_ns, AGENT)
        self._obey()

    def wait(self, ns: int) -> None:
        until_ns = self.now_ns + ns
        while due := sorted((at, timer) for timer, at in self.due.items() if at <= until_ns):
            self.now_ns, timer = due[0]
            del self.due[timer]
            self.story.also(self.story.desk.timer(AGENT, timer, self.now_ns))
            self._obey()
        self.now_ns = until_ns
        self._obey()


steps = st.one_of(
    st.tuples(st.just("say"), st.sampled_from(list(PauseBy)), st.booleans()),
    st.tuples(st.just("hold"), st.booleans()),
    st.tuples(st.just("wait"), st.integers(0, 2 * PAYMENT_TAIL_NS)),
    st.tuples(st.just("wait"), st.integers(0, 2 * LIMIT_NS)),
)


@given(st.lists(steps, max_size=30))
def test_whoever_says_what_in_any_order_nothing_is_filmed_while_anybody_says_payment(
    script: list[tuple[str, Any]],
) -> None:
    """And once nobody does, it is filmed again, or was ended by the time-out."""
    call = Clockwork()
    for do, *what in script:
        getattr(call, do)(*what)
    for by in PauseBy:
        call.say(by, False)
    call.hold(False)
    call.wait(PAYMENT_TAIL_NS)
    assert call.filming is not call.stopped
