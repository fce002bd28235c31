"""Promises that hold for any order of facts, however unlikely: nothing breaks, and nothing is filmed outside a talk."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge.calls import commands as co
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.desk import Desk
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import ChannelId, RecordingId
from tests.calls.story import AGENT, CALLER_NOTICE, CUSTOMER, OTHER, STATION, Story, answers, rings

CHANNELS = [ChannelId(name) for name in ("a1", "a2", "b1", "c1", "c2", "l1", "l2")]
ENDPOINTS = {
    "a1": "PJSIP/201",
    "a2": "PJSIP/211",
    "b1": "PJSIP/202",
    "c1": "PJSIP/trunk",
    "c2": "PJSIP/trunk",
}
channel = st.sampled_from(CHANNELS)
bridge = st.sampled_from(["x", "y"])


def born(at_ns: int, name: ChannelId) -> fa.ChannelBorn:
    return fa.ChannelBorn(at_ns, name, ENDPOINTS.get(name, ""), name.startswith("l"), "any")


steps = st.one_of(
    st.builds(lambda c: lambda t: born(t, c), channel),
    st.builds(lambda c: lambda t: fa.ChannelRinging(t, c), channel),
    st.builds(lambda c, d: lambda t: fa.Dialled(t, c, d), channel, channel),
    st.builds(lambda: lambda t: fa.LocalPaired(t, ChannelId("l1"), ChannelId("l2"))),
    st.builds(lambda c, b: lambda t: fa.BridgeEntered(t, c, b), channel, bridge),
    st.builds(lambda c, b: lambda t: fa.BridgeLeft(t, c, b), channel, bridge),
    st.builds(lambda c: lambda t: fa.Held(t, c), channel),
    st.builds(lambda c: lambda t: fa.Unheld(t, c), channel),
    st.builds(lambda c: lambda t: fa.ChannelGone(t, c, 16), channel),
    st.builds(lambda c: lambda t: fa.Transferred(t, (c,)), channel),
    st.builds(lambda c: lambda t: fa.Parked(t, c), channel),
    st.builds(lambda c: lambda t: fa.NoticeHeard(t, c, CALLER_NOTICE), channel),
    st.builds(lambda c: lambda t: fa.CallerObjected(t, c), channel),
    st.builds(lambda c: lambda t: fa.ForeignRecorder(t, c), channel),
    st.builds(lambda c: lambda t: fa.PaymentBegan(t, c), channel),
    st.builds(lambda c: lambda t: fa.PaymentEnded(t, c), channel),
    st.builds(lambda c: lambda t: fa.PersonNamed(t, c, "Bob"), channel),
    st.builds(lambda c, n: lambda t: fa.LegSilent(t, c, n * 10**10), channel, st.integers(1, 3)),
    st.builds(lambda c: lambda t: fa.LegHeard(t, c), channel),
    st.builds(lambda c: lambda t: fa.Unreadable(t, c, "any"), st.one_of(st.none(), channel)),
    st.just(lambda t: fa.LinkDown(t, "eof")),
    st.just(lambda t: fa.LinkUp(t, ())),
    st.sampled_from(
        [
            "capture",
            "audio",
            "ended",
            "lease",
            "sealed",
            "apart",
            "ceiling",
            "start",
            "stop",
            "payment",
            "title",
            "no title",
            "locked",
        ]
    ),
)


class Watcher:
    """What adapters would have done so far; checks each order against it."""

    def __init__(self) -> None:
        self.filming: dict[RecordingId, bool] = {}
        self.ended: set[RecordingId] = set()
        self.legs: dict[RecordingId, ChannelId] = {}
        self.lines: list[co.WriteLedger] = []

    def see(self, orders: list[co.Command], at_ns: int) -> None:
        for order in orders:
            match order:
                case co.StartCapture():
                    assert not any(self.filming.values()), "one station films one call at a time"
                    assert order.permit.notice.notice, "P16"
                    self.filming[order.recording] = True
                case co.OpenRecording():
                    self.legs[order.recording] = order.leg
                    assert order.start_ns == at_ns, "P8: the file starts with the fact that began the talk"
                case co.PauseCapture():
                    assert self.filming[order.recording]
                    self.filming[order.recording] = False
                case co.ResumeCapture():
                    assert not self.filming[order.recording]
                    assert not any(self.filming.values())
                    self.filming[order.recording] = True
                case co.StopCapture():
                    self.filming[order.recording] = False
                case co.CloseRecording():
                    assert order.end_ns <= at_ns, "P8: never into the future"
                    assert order.recording not in self.ended
                    self.ended.add(order.recording)
                case co.DiscardRecording():
                    self.ended.add(order.recording)
                    self.filming[order.recording] = False
                case co.WriteLedger():
                    assert (order.outcome is Outcome.RECORDED) == (order.duration_ns > 0)
                    self.lines.append(order)


def own(desk: Desk, word: str, recording: RecordingId, leg: ChannelId, at_ns: int) -> list[co.Command]:
    """A word of our own parts: station, tap, file, timer."""
    match word:
        case "capture":
            return desk.capture_started(recording, at_ns)
        case "audio":
            return desk.audio_started(leg, at_ns)
        case "ended":
            return desk.capture_ended(recording, at_ns, None)
        case "lease":
            return desk.lease_lost(STATION, at_ns)
        case "locked":
            return desk.desktop_locked(STATION, at_ns)
        case "title" | "no title":
            return desk.payment_shown(recording, at_ns, began=word == "title")
        case "sealed":
            return desk.sealed(recording, at_ns, 1)
        case timer:
            return desk.timer(leg, timer, at_ns)


@settings(max_examples=500, deadline=None)
@given(st.booleans(), st.lists(steps, max_size=40))
def test_any_order_of_facts(talking: bool, script: list[object]) -> None:
    story, watcher, at_ns = Story(), Watcher(), 0
    begin: list[fa.Fact] = [*rings(), *answers(0)] if talking else []
    for fact in begin:
        watcher.see(story.desk.fact(fact), fact.at_ns)
    for step in script:
        at_ns += 10**8
        recording = next(reversed(watcher.legs), RecordingId("none"))
        leg = watcher.legs.get(recording, ChannelId("none"))
        if callable(step):
            watcher.see(story.desk.fact(step(at_ns)), at_ns)
        elif step != "sealed" or recording in watcher.ended:
            watcher.see(own(story.desk, str(step), recording, leg, at_ns), at_ns)
    watcher.see(story.desk.fact(fa.LinkDown(at_ns + 1, "eof")), at_ns + 1)
    assert not any(watcher.filming.values()), "nothing is filmed once the PBX link is down (P10)"
    for recording in list(watcher.legs):
        watcher.see(story.desk.capture_ended(recording, at_ns + 2, None), at_ns + 2)
    assert set(watcher.legs) == watcher.ended, "every file that was opened is closed or destroyed"


class Objections:
    """What of whom exists, and who objected: each recording by the party whose call it holds."""

    def __init__(self) -> None:
        self.of: dict[RecordingId, ChannelId] = {}
        self.there: set[ChannelId] = set()
        self.objected: set[ChannelId] = set()

    def see(self, fact: fa.Fact | None, orders: list[co.Command]) -> None:
        match fact:
            case fa.ChannelBorn():
                self.there.add(fact.channel)
            case fa.ChannelGone():
                self.there.discard(fact.channel)
                self.objected.discard(fact.channel)
                self.of = {one: party for one, party in self.of.items() if party != fact.channel}
            case fa.LinkDown() | fa.LinkUp():  # nobody lives there any more
                self.of.clear()
                self.there.clear()
                self.objected.clear()
            case fa.CallerObjected() if fact.channel in self.there:
                self.objected.add(fact.channel)
        for order in orders:
            match order:
                case co.OpenRecording():
                    self.of[order.recording] = order.permit.notice.party
                case co.DiscardRecording():
                    self.of.pop(order.recording, None)
        left = self.objected & set(self.of.values())
        assert not left, f"P16: {left} objected, and a recording of theirs exists or began"


objects = st.just(lambda t: fa.CallerObjected(t, CUSTOMER))
WHOLE_CALL: list[fa.Fact] = [*rings(), *answers(0)]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from((0, 3, 5, 8, 8, 8)), st.lists(steps | objects, max_size=12))
def test_nothing_of_whoever_objected_is_left_or_begins(so_far: int, script: list[object]) -> None:
    """P16: whatever happened before and happens after, as long as that caller is there."""
    story, seen, at_ns = Story(), Objections(), 0
    for fact in WHOLE_CALL[:so_far]:
        seen.see(fact, story.desk.fact(fact))
    for step in script:
        at_ns += 10**8
        if callable(step):
            told = step(at_ns)
            seen.see(told, story.desk.fact(told))
        elif (recording := next(reversed(seen.of), None)) is not None:
            seen.see(None, own(story.desk, str(step), recording, AGENT, at_ns))
    at_last = [fa.CallerObjected(at_ns, name) for name in (CUSTOMER, OTHER)]
    for fact in [*WHOLE_CALL[so_far:], *at_last]:
        later = replace(fact, at_ns=at_ns)
        seen.see(later, story.desk.fact(later))


def test_the_promise_can_fail() -> None:
    """The watcher sees a capture that is never stopped."""
    story = Story()
    story >> [
        born(0, ChannelId("c1")),
        fa.NoticeHeard(0, ChannelId("c1"), CALLER_NOTICE),
        born(0, ChannelId("a1")),
    ]
    story >> [fa.BridgeEntered(1, ChannelId("a1"), "x"), fa.BridgeEntered(1, ChannelId("c1"), "x")]
    watcher = Watcher()
    watcher.see(story.orders, 1)
    assert any(watcher.filming.values())
    assert Reason.HUNG_UP not in {line.reason for line in watcher.lines}
