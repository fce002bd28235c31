"""The bridge's core for one station, told as conversations. Time stands still unless the story moves it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pbx_bridge import wire
from pbx_bridge.errors import PeerError
from pbx_bridge.ids import RecordingId, StationId
from pbx_bridge.stations import events
from pbx_bridge.stations.link import Cut, Out, Say, StationLink, Tell
from pbx_bridge.wire import CaptureEnd, FarewellReason
from pbx_bridge.wire_picture import Picture
from pbx_bridge.wire_proof import (
    acknowledgement_statement,
    hand_over_statement,
    new_seed,
    public_key,
    sign,
)

MS = 1_000_000
S = 1_000_000_000
SEED = new_seed()
DESK = StationId("desk-1")
ONE, TWO = RecordingId("a" * 26), RecordingId("e" * 26)
SKEW = 7 * S
"""The workstation's clock is so much ahead."""
AWAKE = wire.Desktop(active=True, locked=False, kind=wire.DesktopKind.X11)
HASH = "0" * 64
LATE_US = 1_500


def start(recording: RecordingId = ONE) -> wire.StartCapture:
    return wire.StartCapture(recording, HASH, ("crm",), 10, None, 3600)


class Story:
    """A station and the bridge's link for it; `outs` is what the last step brought."""

    def __init__(self) -> None:
        self.now = 100 * S
        self.link = StationLink(DESK, public_key(SEED), b"r" * 16, "1")
        self.outs: list[Out] = []
        self.renewed = 0
        self.heard: wire.Heard | None = None

    def connect(self, *spooled: wire.Spooled) -> Story:
        self.renewed, self.heard = 0, None
        self.outs = self.link.connected(self.now, wire.Presence("eva", AWAKE, None, spooled))
        return self

    def renew(self) -> Story:
        here = self.now + SKEW
        said = self.hear(wire.Renew(self.renewed, here, self.heard)).outs
        self.heard = wire.Heard(self.renewed, here)
        self.renewed += 1
        self.outs = said
        return self

    def up(self) -> Story:
        return self.connect().renew().renew()

    def hear(self, message: wire.ToBridge) -> Story:
        self.outs = self.link.received(self.now, message)
        return self

    def order(self, order: wire.Order) -> Story:
        outs = self.link.send(order)
        assert outs is not None, "the order was refused"
        self.outs = outs
        return self

    def picture(
        self, seq: int, *, recording: RecordingId = ONE, pts: int | None = None, width: int = 640
    ) -> Story:
        pts = self.now + SKEW if pts is None else pts
        self.outs = self.link.picture(
            self.now, Picture(recording, seq, pts, seq == 1, False, width, 480, b"%d" % seq, LATE_US)
        )
        return self

    def wait(self, ns: int) -> Story:
        self.now += ns
        self.outs = self.link.tick(self.now)
        return self

    def recording(self) -> Story:
        return self.up().order(start()).hear(wire.CaptureStarted(ONE, 0, self.now + SKEW))

    @property
    def told(self) -> list[events.StationEvent]:
        return [o.event for o in self.outs if isinstance(o, Tell)]

    @property
    def said(self) -> list[wire.ToStation]:
        return [o.message for o in self.outs if isinstance(o, Say)]


def test_a_station_is_up_once_the_clocks_are_compared() -> None:
    story = Story().connect()
    assert story.outs == [Say(wire.Welcome(DESK, ()))]
    first = story.renew().outs
    assert first == [Say(wire.Lease(0, story.now + SKEW, story.now, story.now))]
    assert story.link.send(start()) is None
    story.renew()
    assert story.told == [events.StationUp(DESK, "eva", True, False, wire.DesktopKind.X11, None, "1")]
    assert story.link.is_up


def test_one_recording() -> None:
    story = Story().up().order(start())
    assert story.outs == [Say(start())]
    story.hear(wire.CaptureStarted(ONE, 0, story.now + SKEW))
    (told,) = story.told
    assert isinstance(told, events.CaptureStarted)
    assert abs(told.at_ns - story.now) <= told.error_ns < MS
    for seq in (1, 2, 3):
        story.picture(seq)
        (picture,) = story.told
        assert isinstance(picture, events.PictureArrived)
        assert (picture.seq, picture.data) == (seq, b"%d" % seq)
        assert picture.taken_ns - picture.at_ns == LATE_US * 1000
    assert story.link.acknowledge(ONE, 2) == [Say(wire.Received(ONE, 2))]
    assert story.order(wire.StopCapture(ONE, "call-ended")).said == [wire.StopCapture(ONE, "call-ended")]
    story.hear(wire.CaptureStopped(ONE, 4, story.now + SKEW, CaptureEnd.ORDERED))
    assert [type(e) for e in story.told] == [events.CaptureStopped]
    # The last picture's safety takes the stop entry with it: then both sides forget the recording.
    assert story.link.acknowledge(ONE, 3) == [Say(wire.Received(ONE, 4))]
    assert story.link.acknowledge(ONE, 3) == []
    assert story.link.send(start()) is None, "an id serves once"


def test_a_payment_begins_at_the_earliest_and_ends_at_the_latest_the_clocks_allow() -> None:
    """P7."""
    story = Story().recording().picture(1)
    story.hear(wire.PaymentBegan(ONE, 2, story.now + SKEW - 100 * MS))
    (began,) = story.told
    assert isinstance(began, events.PaymentBegan)
    assert began.at_ns <= story.now - 100 * MS
    story.picture(3).hear(wire.PaymentEnded(ONE, 4, story.now + SKEW - 50 * MS))
    (ended,) = story.told
    assert isinstance(ended, events.PaymentEnded)
    assert story.now - 50 * MS <= ended.at_ns <= story.now
    story.hear(wire.CaptureStopped(ONE, 5, story.now + SKEW, CaptureEnd.ORDERED))
    assert story.link.acknowledge(ONE, 3) == [Say(wire.Received(ONE, 5))], (
        "what follows the last picture goes with it"
    )


def test_a_payment_that_ended_just_now_did_not_end_later_than_now() -> None:
    """P7: the clocks' doubt reaches beyond the present; no fact may."""
    story = Story().recording().picture(1)
    story.hear(wire.PaymentEnded(ONE, 2, story.now + SKEW))
    (ended,) = story.told
    assert isinstance(ended, events.PaymentEnded)
    assert ended.at_ns == story.now


def test_nothing_is_told_of_a_payment_in_a_recording_that_is_to_be_erased() -> None:
    story = Story().recording().picture(1).order(wire.StopCapture(ONE, "objection", discard=True))
    assert story.hear(wire.PaymentBegan(ONE, 2, story.now + SKEW)).outs == []
    story.hear(wire.CaptureStopped(ONE, 7, story.now + SKEW, CaptureEnd.ORDERED))
    assert story.hear(wire.PaymentEnded(ONE, 8, story.now + SKEW)).outs == [], "its last words were under way"


def test_no_renewal_for_two_seconds_ends_the_recording() -> None:
    """P10."""
    story = Story().recording()
    assert story.wait(2 * S - 1).outs == []
    assert story.wait(1).told == [events.LeaseLost(DESK), events.StationDown(DESK, "silent")]
    assert isinstance(story.outs[-1], Cut)
    assert story.link.send(wire.PauseCapture(ONE)) is None
    assert story.renew().outs == story.picture(1).outs == story.wait(S).outs == []


def test_an_idle_station_that_falls_silent_loses_no_lease() -> None:
    assert Story().up().wait(2 * S).told == [events.StationDown(DESK, "silent")]


def test_a_short_cut_resumes_with_the_orders_given_meanwhile() -> None:
    story = Story().recording().picture(1).picture(2)
    assert story.link.disconnected(story.now) == []
    assert story.wait(S).outs == []
    assert story.order(wire.PauseCapture(ONE)).outs == []
    story.connect(wire.Spooled(ONE, 1, 9))
    assert story.said == [wire.Welcome(DESK, (wire.Resume(ONE, 3),)), wire.PauseCapture(ONE)]
    assert story.renew().told == []
    assert [type(e) for e in story.picture(3).told] == [events.PictureArrived]


def test_a_start_lost_in_a_cut_is_said_again() -> None:
    story = Story().up()
    story.link.disconnected(story.now)
    story.order(start())
    story.connect()
    assert story.said == [wire.Welcome(DESK, (wire.Resume(ONE, 0),)), start(), wire.ResumeCapture(ONE)]


def test_a_stop_lost_in_a_cut_is_said_again() -> None:
    story = Story().recording()
    story.link.disconnected(story.now)
    story.order(wire.StopCapture(ONE, "call-ended"))
    story.connect(wire.Spooled(ONE, 1, 5))
    assert story.said[1:] == [wire.StopCapture(ONE, "call-ended")]


def test_a_recording_the_client_no_longer_has_is_over() -> None:
    story = Story().recording()
    story.link.disconnected(story.now)
    story.connect()
    assert [(type(e), getattr(e, "reason", None)) for e in story.told] == [
        (events.CaptureStopped, CaptureEnd.CLIENT_GONE)
    ]


def test_after_an_objection_nothing_more_arrives() -> None:
    """P16: what was on its way is thrown away, and the gap it leaves is no fault."""
    story = Story().recording().picture(1)
    story.order(wire.StopCapture(ONE, "objection", discard=True))
    assert story.picture(2).outs == []
    story.hear(wire.CaptureStopped(ONE, 17, story.now + SKEW, CaptureEnd.ORDERED))
    assert [type(e) for e in story.told] == [events.CaptureStopped]
    assert story.said == [wire.Received(ONE, 17)]


def test_a_refused_recording_is_forgotten() -> None:
    story = Story().up().order(start()).hear(wire.CaptureRefused(ONE, CaptureEnd.NOT_ALLOWED))
    assert story.told == [events.CaptureRefused(DESK, ONE, CaptureEnd.NOT_ALLOWED)]
    assert story.hear(wire.CaptureRefused(ONE, CaptureEnd.NOT_ALLOWED)).outs == []


def test_times_never_go_back() -> None:
    """Better knowledge of the clocks may move the map back; a recording's pictures still follow each other."""
    story = Story().recording().picture(1)
    (first,) = story.told
    story.picture(2, pts=story.now + SKEW)
    (second,) = story.told
    assert isinstance(first, events.PictureArrived)
    assert isinstance(second, events.PictureArrived)
    assert first.at_ns <= second.at_ns


FAULTS: dict[str, Callable[[Story], object]] = {
    "a picture nobody asked for": lambda s: s.up().picture(1),
    "a picture before the start": lambda s: s.up().order(start()).picture(0),
    "a start that is not entry 0": lambda s: s.up().order(start()).hear(wire.CaptureStarted(ONE, 1, s.now)),
    "a payment before the start": lambda s: s.up().order(start()).hear(wire.PaymentBegan(ONE, 0, s.now)),
    "a payment out of turn": lambda s: s.recording().hear(wire.PaymentEnded(ONE, 2, s.now)),
    "a start told twice": lambda s: s.recording().hear(wire.CaptureStarted(ONE, 1, s.now)),
    "a picture left out": lambda s: s.recording().picture(2),
    "a picture repeated": lambda s: s.recording().picture(1).picture(1),
    "pictures swapped": lambda s: s.recording().picture(1).picture(3).picture(2),
    "a picture older than the last": lambda s: s.recording().picture(1).picture(2, pts=s.now + SKEW - 1),
    "a picture from the future": lambda s: s.recording().picture(1, pts=s.now + SKEW + S),
    "a canvas that changes": lambda s: s.recording().picture(1).picture(2, width=800),
    "a picture after the stop": lambda s: (
        s.recording()
        .picture(1)
        .hear(wire.CaptureStopped(ONE, 2, s.now + SKEW, CaptureEnd.CEILING))
        .picture(3)
    ),
    "a stop before the start": lambda s: (
        s.up().order(start()).hear(wire.CaptureStopped(ONE, 0, s.now, CaptureEnd.CEILING))
    ),
    "a refusal after the start": lambda s: s.recording().hear(wire.CaptureRefused(ONE, CaptureEnd.BUSY)),
    "a renewal repeated": lambda s: s.up().hear(wire.Renew(1, s.now, None)),
    "a renewal left out": lambda s: s.up().hear(wire.Renew(3, s.now, None)),
    "a lease heard twice": lambda s: s.up().hear(wire.Renew(2, s.now, wire.Heard(0, s.now))),
    "a lease never given": lambda s: s.up().hear(wire.Renew(2, s.now, wire.Heard(77, s.now))),
    "another hello": lambda s: s.up().hear(wire.Hello(1, bytes(32), bytes(32), bytes(16), "1")),
    "another presence": lambda s: s.up().hear(wire.Presence("eva", AWAKE, None, ())),
    "an acknowledgement unsigned": lambda s: s.up().hear(wire.NoticeAccepted(HASH, 1, bytes(64))),
    "a hand-over of another id signed": lambda s: s.up().hear(
        wire.AskHandOver(1, ONE, sign(SEED, hand_over_statement(TWO)))
    ),
    "a flood of messages": lambda s: [s.up().hear(wire.AskRecordings(n)) for n in range(200)],
    "a flood of pictures": lambda s: [s.recording()] + [s.picture(n) for n in range(1, 600)],
    "a spool with a hole": lambda s: s.recording().picture(1).connect(wire.Spooled(ONE, 5, 9)),
    "a spool that ends too soon": lambda s: (
        s.recording().picture(1).picture(2).connect(wire.Spooled(ONE, 0, 2))
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str) -> None:
    with pytest.raises(PeerError):
        FAULTS[fault](Story())


def test_what_the_key_signed_is_believed() -> None:
    story = Story().up()
    signature = sign(SEED, acknowledgement_statement(HASH, 5))
    story.hear(wire.NoticeAccepted(HASH, 5, signature))
    assert story.told == [events.NoticeAcknowledged(DESK, HASH, signature, 5)]
    signature = sign(SEED, hand_over_statement(ONE))
    story.hear(wire.AskHandOver(4, ONE, signature))
    assert story.told == [events.HandOverAsked(DESK, 4, ONE, signature)]


def test_a_stepped_clock_ends_the_link() -> None:
    """P10: clock unknown."""
    story = Story().recording().renew()
    assert story.heard is not None
    story.now += S // 2
    story.hear(wire.Renew(3, story.now + SKEW + 3600 * S, wire.Heard(2, story.now + SKEW + 3600 * S)))
    assert [type(e) for e in story.told] == [events.LeaseLost, events.StationDown]
    (cut,) = [o for o in story.outs if isinstance(o, Cut)]
    assert cut.reason is FarewellReason.CLOCK


def test_recordings_never_acknowledged_make_room() -> None:
    story = Story().up()
    for n in range(wire.MAX_SPOOLED + 3):
        recording = RecordingId("abcdefghijklmnopqrstuvwxyz"[n] * 25 + "a")
        story.order(start(recording)).hear(wire.CaptureStarted(recording, 0, story.now + SKEW))
        story.picture(1, recording=recording)
        story.hear(wire.CaptureStopped(recording, 2, story.now + SKEW, CaptureEnd.ORDERED))
        story.wait(S // 2).renew()
    assert len(story.link._recordings) == wire.MAX_SPOOLED
