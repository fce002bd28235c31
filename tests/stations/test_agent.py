"""The workstation's decisions, told as conversations; the clock is turned by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pbx_bridge import wire
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire import CaptureEnd, DesktopKind
from pbx_bridge.wire_picture import Picture
from workstation_client import agent as core
from workstation_client import notice
from workstation_client.agent import Agent, Order, Say

MS = 1_000_000
S = 1_000_000_000
ONE, TWO = RecordingId("a" * 26), RecordingId("e" * 26)
CRM = wire.ApplicationRule("crm", "/usr/bin/crm", None, "Crm", None, None)
MAIL = wire.ApplicationRule("mail", "/usr/bin/mail", None, "Mail", None, None)
NOTICE = wire.Notice("fr", "Texte", (CRM, MAIL), 10, 600)
SEED = bytes(range(32))
KNOWN = notice.acknowledge(NOTICE, SEED, 1_764_000_000)
AWAKE = wire.Desktop(active=True, locked=False, kind=DesktopKind.X11)


def start(recording: RecordingId = ONE, **changes: Any) -> wire.StartCapture:
    order = wire.StartCapture(recording, KNOWN.notice_hash, ("crm",), 10, None, 600)
    return replace(order, **changes)


class Story:
    def __init__(
        self, *, acknowledged: core.Acknowledged | None = KNOWN, desktop: wire.Desktop = AWAKE
    ) -> None:
        self.now = 50 * S
        self.agent = Agent("eva", desktop, acknowledged)
        self.orders: Sequence[Order] = []

    def linked(self, *resumes: wire.Resume) -> Story:
        self.orders = self.agent.linked(self.now, wire.Welcome("desk-1", resumes))
        return self

    def answer(self) -> Story:
        """The bridge answers the renewal just sent."""
        (renew,) = [
            o.message for o in self.orders if isinstance(o, Say) and isinstance(o.message, wire.Renew)
        ]
        return self.told(wire.Lease(renew.number, renew.sent_ns, 1, 1))

    def leased(self) -> Story:
        return self.linked().answer()

    def told(self, message: wire.ToStation) -> Story:
        self.orders = self.agent.told(self.now, message)
        return self

    def wait(self, ns: int) -> Story:
        self.now += ns
        self.orders = self.agent.tick(self.now)
        return self

    def started(self, recording: RecordingId = ONE) -> Story:
        self.orders = self.agent.started(self.now, recording, self.now)
        return self

    def running(self) -> Story:
        return self.leased().told(start()).started()

    def picture(
        self, recording: RecordingId = ONE, *, size: int = 10, pts: int | None = None, late_ns: int = 0
    ) -> Story:
        pts = self.now if pts is None else pts
        self.orders = self.agent.picture(
            self.now,
            recording,
            pts,
            pts + late_ns,
            bytes(size),
            keyframe=False,
            card=False,
            width=64,
            height=64,
        )
        return self

    def stopped(self, reason: CaptureEnd, recording: RecordingId = ONE) -> Story:
        self.orders = self.agent.stopped(self.now, recording, self.now, reason)
        return self

    def entries(self) -> list[object]:
        found: list[object] = []
        while entry := self.agent.spool.to_send():
            found.append(entry)
        return found


def refused(reason: CaptureEnd, recording: RecordingId = ONE) -> list[Order]:
    return [Say(wire.CaptureRefused(recording, reason))]


def test_a_lease_begins_with_two_renewals() -> None:
    story = Story().linked()
    assert story.orders == [
        Say(wire.Renew(0, story.now, None)),
        Say(wire.NoticeAccepted(KNOWN.notice_hash, KNOWN.accepted_at, KNOWN.signature)),
        core.SendEntries(),
    ]
    assert not story.agent.has_lease(story.now)
    story.answer()
    assert story.orders == [Say(wire.Renew(1, story.now, wire.Heard(0, story.now)))]
    assert story.agent.has_lease(story.now + 2 * S - 1)
    assert not story.agent.has_lease(story.now + 2 * S)
    assert story.agent.wake_ns(story.now) == story.now + S // 2
    assert story.wait(S // 2).orders == [Say(wire.Renew(2, story.now, None))]


def test_a_lease_counts_from_the_moment_of_asking() -> None:
    """A delayed answer lengthens nothing; an answer never asked for gives nothing."""
    story = Story().linked()
    asked = story.now
    answer = wire.Lease(0, asked, 1, 1)
    story.now += 1900 * MS
    story.told(answer)
    assert story.agent.has_lease(asked + 2 * S - 1)
    assert not story.agent.has_lease(asked + 2 * S)
    story.told(wire.Lease(0, asked + 10 * S, 1, 1)).told(wire.Lease(77, story.now, 1, 1)).told(answer)
    assert not story.agent.has_lease(asked + 2 * S)


def test_one_recording() -> None:
    story = Story().leased().told(start())
    assert story.orders == [core.Record(ONE, (CRM,), 10, None)]
    story.started().picture().picture()
    assert story.told(wire.PauseCapture(ONE)).orders == [core.Pause(ONE)]
    assert story.told(wire.PauseCapture(ONE)).orders == []
    assert story.told(wire.ResumeCapture(ONE)).orders == [core.Unpause(ONE)]
    assert story.told(wire.StopCapture(ONE, "call-ended")).orders == [core.Cease(ONE, CaptureEnd.ORDERED)]
    assert story.told(wire.StopCapture(ONE, "call-ended")).orders == []
    story.stopped(CaptureEnd.ORDERED)
    assert [type(e).__name__ for e in story.entries()] == [
        "CaptureStarted",
        "Picture",
        "Picture",
        "CaptureStopped",
    ]
    assert story.agent.recording is None
    story.told(wire.Received(ONE, 3))
    assert story.agent.spool.held() == ()


def test_a_payment_in_the_window_is_told_once_and_only_the_bridge_ends_its_pause() -> None:
    """P7: an order to resume that crossed the news is not obeyed; the one after the end is."""
    story = Story().running().picture()
    began = story.agent.payment(story.now, ONE, story.now, began=True)
    assert began == [core.SendEntries()]
    assert story.agent.paused
    assert story.told(wire.ResumeCapture(ONE)).orders == []
    assert story.told(wire.PauseCapture(ONE)).orders == [], "it has paused itself"
    story.agent.payment(story.now, ONE, story.now + 1, began=False)
    assert story.agent.paused
    assert story.told(wire.ResumeCapture(ONE)).orders == [core.Unpause(ONE)]
    kinds = [type(e).__name__ for e in story.entries()]
    assert kinds == ["CaptureStarted", "Picture", "PaymentBegan", "PaymentEnded"]


def test_a_payment_during_a_hold_does_not_end_the_hold() -> None:
    story = Story().running().told(wire.PauseCapture(ONE))
    for began in (True, False):
        story.agent.payment(story.now, ONE, story.now, began=began)
    assert story.agent.paused
    assert story.told(wire.ResumeCapture(ONE)).orders == [core.Unpause(ONE)]


def test_nothing_is_said_of_a_payment_once_the_recording_is_to_be_erased() -> None:
    story = Story().running().told(wire.StopCapture(ONE, "objection", discard=True))
    assert story.agent.payment(story.now, ONE, story.now, began=True) == []


def test_no_lease_no_capture() -> None:
    """P10."""
    story = Story().running().picture()
    story.wait(2 * S - 1)
    assert not [o for o in story.orders if isinstance(o, core.Cease)]
    assert core.Cease(ONE, CaptureEnd.LEASE_LOST) in story.wait(1).orders
    assert Story().linked().told(start()).orders == refused(CaptureEnd.LEASE_LOST)


def test_no_picture_is_kept_that_was_taken_without_a_lease() -> None:
    """P10: whatever order the timer and the recorder's thread come in."""
    for pts, late_ns in ((52 * S, 0), (52 * S - 1, 1)):
        story = Story().running().picture(pts=pts, late_ns=late_ns)
        assert story.orders == [core.Cease(ONE, CaptureEnd.LEASE_LOST)]
        assert [type(e).__name__ for e in story.entries()] == ["CaptureStarted"]


def test_a_picture_says_how_much_later_than_its_change_it_was_read() -> None:
    story = Story().running().picture(late_ns=1_500_001)
    assert [entry.late_us for entry in story.entries() if isinstance(entry, Picture)] == [1501]


def test_the_ceiling_is_the_workstations_own() -> None:
    """P10, P14: 60 min at most, or what the notice says."""
    story = Story().running()
    ends = story.now + 600 * S
    while story.now < ends - S:
        story.wait(S // 2).answer()
    assert story.agent.recording == ONE
    assert core.Cease(ONE, CaptureEnd.CEILING) in story.wait(S).orders


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"notice_hash": "1" * 64}, CaptureEnd.NOT_ACKNOWLEDGED),
        ({"applications": ()}, CaptureEnd.NOT_ALLOWED),
        ({"applications": ("crm", "browser")}, CaptureEnd.NOT_ALLOWED),
        ({"fps": 11}, CaptureEnd.NOT_ALLOWED),
        ({"ceiling_s": 601}, CaptureEnd.NOT_ALLOWED),
    ],
)
def test_nothing_beyond_what_was_acknowledged(change: dict[str, Any], reason: CaptureEnd) -> None:
    """P14: a compromised bridge cannot widen it."""
    story = Story().leased().told(start(**change))
    assert story.orders == refused(reason)
    assert story.told(start()).orders == [core.Record(ONE, (CRM,), 10, None)]


def test_without_an_acknowledgement_nothing_is_recorded() -> None:
    """P14."""
    assert Story(acknowledged=None).leased().told(start()).orders == refused(CaptureEnd.NOT_ACKNOWLEDGED)


def test_a_changed_notice_suspends_recording_until_it_is_acknowledged() -> None:
    """P14."""
    story = Story().leased()
    assert story.told(NOTICE).orders == []
    wider = replace(NOTICE, fps=12)
    assert story.told(wider).orders == [core.Show(wider)]
    assert story.told(start()).orders == refused(CaptureEnd.NOT_ACKNOWLEDGED)
    story.orders = story.agent.accepted(notice.acknowledge(wider, SEED, 1))
    assert story.told(start(notice_hash=wire.notice_hash(wider), fps=12)).orders == [
        core.Record(ONE, (CRM,), 12, None)
    ]


@pytest.mark.parametrize(
    ("desktop", "reason"),
    [
        (replace(AWAKE, active=False), CaptureEnd.NO_DESKTOP),
        (replace(AWAKE, locked=True), CaptureEnd.NO_DESKTOP),
        (replace(AWAKE, kind=DesktopKind.WAYLAND), CaptureEnd.WAYLAND),
        (replace(AWAKE, kind=DesktopKind.NONE), CaptureEnd.NO_DESKTOP),
        (replace(AWAKE, kind=DesktopKind.REMOTE_X11), None),
    ],
)
def test_only_an_active_unlocked_x_session_records(desktop: wire.Desktop, reason: CaptureEnd | None) -> None:
    orders = Story(desktop=desktop).leased().told(start()).orders
    assert orders == (refused(reason) if reason else [core.Record(ONE, (CRM,), 10, None)])


def test_a_lock_shows_the_card_and_is_told() -> None:
    """P4."""
    story = Story().leased()
    locked = replace(AWAKE, locked=True)
    assert story.agent.desktop_changed(locked) == [core.Lock(True), Say(wire.DesktopNow(locked))]
    assert story.agent.desktop_changed(locked) == []
    assert story.agent.desktop_changed(AWAKE) == [core.Lock(False), Say(wire.DesktopNow(AWAKE))]


@pytest.mark.parametrize(
    "away", [replace(AWAKE, locked=True), replace(AWAKE, active=False), replace(AWAKE, kind=DesktopKind.NONE)]
)
@pytest.mark.parametrize("linked", [True, False])
def test_a_desktop_that_is_left_ends_the_recording_for_good(away: wire.Desktop, linked: bool) -> None:
    """P4, P8: it never films on after the unlock, whether or not the bridge hears of it."""
    story = Story().running().picture()
    if not linked:
        story.agent.unlinked(story.now)
    told = [Say(wire.DesktopNow(away))] if linked else []
    ceased = core.Cease(ONE, CaptureEnd.NO_DESKTOP)
    assert story.agent.desktop_changed(away) == [core.Lock(True), ceased, *told]
    assert story.told(wire.StopCapture(ONE, "station-locked")).orders == []
    back = story.agent.desktop_changed(AWAKE)
    assert not [o for o in back if isinstance(o, core.Record | core.Cease)]
    story.stopped(CaptureEnd.NO_DESKTOP)
    assert story.agent.recording is None
    assert story.entries()[-1] == wire.CaptureStopped(ONE, 2, story.now, CaptureEnd.NO_DESKTOP)


def test_a_ringing_call_makes_ready_and_a_silent_phone_lets_go() -> None:
    """Idle, a workstation keeps no encoder."""
    story = Story().leased()
    assert story.told(wire.GetReady()).orders == [core.Warm(True)]
    assert core.Warm(False) not in story.wait(179 * S).orders
    assert core.Warm(False) in story.wait(S).orders
    assert core.Warm(False) not in story.wait(200 * S).orders


def test_the_encoder_stays_for_the_call_and_a_while_after_it() -> None:
    story = Story().leased().told(wire.GetReady()).told(start()).started()
    for _ in range(800):
        assert core.Warm(False) not in story.wait(S // 2).orders
        story.answer()
    story.told(wire.StopCapture(ONE, "x"))
    assert core.Warm(True) in story.stopped(CaptureEnd.ORDERED).orders
    assert core.Warm(False) in story.wait(180 * S).orders


def test_one_at_a_time() -> None:
    assert Story().running().told(start(TWO)).orders == refused(CaptureEnd.BUSY, TWO)


def test_a_start_said_again_starts_nothing_twice() -> None:
    story = Story().running()
    assert story.told(start()).orders == []
    story.told(wire.StopCapture(ONE, "x")).stopped(CaptureEnd.ORDERED)
    assert story.told(start()).orders == []


def test_a_full_spool_ends_the_capture() -> None:
    story = Story().running()
    while story.picture(size=4 * 1024 * 1024 - 100).orders == [core.SendEntries()]:
        pass
    assert story.orders == [core.Cease(ONE, CaptureEnd.SPOOL_FULL)]
    assert story.agent.spool.size_bytes <= 32 * 1024 * 1024
    story.stopped(CaptureEnd.SPOOL_FULL)
    assert isinstance(story.entries()[-1], wire.CaptureStopped)


def test_an_objection_erases_at_once() -> None:
    """P16."""
    story = Story().running().picture().picture()
    assert story.told(wire.StopCapture(ONE, "objection", discard=True)).orders == [
        core.Cease(ONE, CaptureEnd.ORDERED)
    ]
    assert story.agent.spool.size_bytes == 0
    assert story.picture().orders == []
    story.stopped(CaptureEnd.ORDERED)
    assert story.entries() == [wire.CaptureStopped(ONE, 3, story.now, CaptureEnd.ORDERED)]


def test_an_objection_after_the_end_leaves_only_the_stop() -> None:
    story = Story().running().picture().told(wire.StopCapture(ONE, "x")).stopped(CaptureEnd.ORDERED)
    story.told(wire.StopCapture(ONE, "objection", discard=True))
    assert story.entries() == [wire.CaptureStopped(ONE, 2, story.now, CaptureEnd.ORDERED)]


def test_a_link_that_does_not_answer_is_made_anew_while_the_lease_runs() -> None:
    story = Story().leased()
    answered = story.now
    while core.Reconnect() not in story.wait(100 * MS).orders:
        assert story.now - answered < 2 * S
    assert story.now - answered == 1300 * MS
    assert story.agent.has_lease(story.now)


def test_a_cut_shorter_than_the_lease_changes_nothing_for_the_recorder() -> None:
    story = Story().running().picture()
    assert story.agent.unlinked(story.now) == []
    story.wait(S).picture()
    assert story.agent.presence().spooled == (wire.Spooled(ONE, 0, 3),)
    story.linked(wire.Resume(ONE, 2))
    assert not [o for o in story.orders if isinstance(o, core.Cease)]
    assert [getattr(e, "seq", None) for e in story.entries()] == [2]


def test_a_bridge_that_forgot_the_recording_ends_it_in_silence() -> None:
    story = Story().running().picture().linked()
    assert core.Cease(ONE, CaptureEnd.LEASE_LOST) in story.orders
    assert story.agent.spool.held() == ()
    assert story.stopped(CaptureEnd.LEASE_LOST).orders == [core.Warm(True)]
    assert story.entries() == []


def test_a_capture_forgotten_while_it_started_is_not_mentioned() -> None:
    story = Story().leased().told(start()).linked()
    assert core.Cease(ONE, CaptureEnd.LEASE_LOST) in story.orders
    assert story.agent.refused(ONE, CaptureEnd.CAPTURE_FAILED) == []


def test_a_machine_that_slept_records_no_more() -> None:
    """P10: clock."""
    story = Story().running()
    assert story.agent.clock_stepped() == [core.Cease(ONE, CaptureEnd.CLOCK), core.Reconnect()]
    assert not story.agent.has_lease(story.now)


def test_a_stop_for_something_unknown_is_answered() -> None:
    assert Story().leased().told(wire.StopCapture(ONE, "x")).orders == refused(CaptureEnd.ORDERED)


def test_a_minute_without_a_bridge_erases_what_is_left() -> None:
    story = Story().running().picture()
    story.agent.unlinked(story.now)
    story.wait(2 * S).stopped(CaptureEnd.LEASE_LOST)
    assert story.wait(59 * S).agent.spool.held()
    assert not story.wait(2 * S).agent.spool.held()
