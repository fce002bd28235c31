"""What the workstation does with the bridge's orders: the lease, the acknowledged list, the ceilings. Pure core.

It obeys the bridge only inside what its user acknowledged (P14) and only under a lease it asked for itself (P10): the
lease counts from the moment of asking, so no delay on the way can lengthen it. Facts come in by methods, each with the
workstation's CLOCK_MONOTONIC; orders to the recorder and the link come out. No socket, thread, clock or file here.

    idle --StartCapture, all conditions hold--> starting --recorder started--> running --stop--> stopping --> idle

Any of: lease over, ceiling, desktop gone, clock stepped, spool full, client stopping, leads from starting or running to
stopping by the workstation's own decision; the reason goes to the bridge as the recording's last entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias, assert_never

from pbx_bridge import wire
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire import CaptureEnd, DesktopKind
from pbx_bridge.wire_picture import MAX_LATE_US, Picture
from workstation_client.spool import Spool

LEASE_NS: Final = int(wire.LEASE_S * 1e9)
RENEW_NS: Final = int(wire.RENEW_EVERY_S * 1e9)
ANSWER_DUE_NS: Final = 800_000_000
"""A renewal unanswered for so long means a cut: a new connection, tried while the lease still runs, is quicker than
TCP's own doubling waits (RFC 6298: 0.2, 0.6, 1.4, 3.0 s)."""
STAY_WARM_NS: Final = 180_000_000_000
"""A ready encoder takes 110 MB: kept while a call rings, and for the next call soon after one."""
SPOOL_KEEP_NS: Final = 60_000_000_000
"""After a cut of a minute nobody will ask for the rest."""
_OPEN_RENEWALS: Final = 8


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The notice the user acknowledged here, and the signature that binds it to this device (P14)."""

    notice: wire.Notice
    notice_hash: str
    accepted_at: int
    """Unix seconds."""
    signature: bytes


# ---- orders


@dataclass(frozen=True, slots=True)
class Say:
    """Send this to the bridge."""

    message: wire.ToBridge


@dataclass(frozen=True, slots=True)
class Record:
    """Start the recorder."""

    recording: RecordingId
    rules: tuple[wire.ApplicationRule, ...]
    fps: int
    canvas: wire.Canvas | None


@dataclass(frozen=True, slots=True)
class Warm:
    """Make the recorder ready, or let its memory go again."""

    warm: bool


@dataclass(frozen=True, slots=True)
class Pause:
    recording: RecordingId


@dataclass(frozen=True, slots=True)
class Unpause:
    recording: RecordingId


@dataclass(frozen=True, slots=True)
class Cease:
    """Stop the recorder."""

    recording: RecordingId
    reason: CaptureEnd


@dataclass(frozen=True, slots=True)
class Lock:
    """Show the neutral card while the session is locked or away (P4)."""

    locked: bool


@dataclass(frozen=True, slots=True)
class SendEntries:
    """The spool has something to send."""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """The connection does not answer; make a new one."""


@dataclass(frozen=True, slots=True)
class Show:
    """Tell the user that a notice waits for them."""

    notice: wire.Notice


@dataclass(frozen=True, slots=True)
class Answer:
    """What the user asked of the bridge was answered."""

    message: wire.RecordingsList | wire.AccessesList | wire.HandOverResult | wire.PrivateResult


Order: TypeAlias = (
    Say | Record | Warm | Pause | Unpause | Cease | Lock | SendEntries | Reconnect | Show | Answer
)


class Phase(Enum):
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(slots=True)
class _Capture:
    order: wire.StartCapture
    ceiling_ns: int
    phase: Phase = Phase.STARTING
    paused: bool = False
    secret: bool = False
    """P7: the window says so itself; the bridge's word to resume counts only afterwards."""
    discard: bool = False
    """P16: nothing of it is kept from now on."""
    unwanted: bool = False
    """The bridge no longer knows it: nothing is said of it."""


class Agent:
    """The workstation's decisions."""

    def __init__(self, login: str, desktop: wire.Desktop, acknowledged: Acknowledged | None) -> None:
        self.spool = Spool()
        self.desktop = desktop
        self.acknowledged = acknowledged
        self.offered: wire.Notice | None = None
        """A notice of the bridge that differs from the one acknowledged."""
        self._login = login
        self._linked = False
        self._lease_ends_ns = 0
        self._open: dict[int, int] = {}
        self._next_renew = 0
        self._renew_due_ns = 0
        self._answered_ns = 0
        self._heard: wire.Heard | None = None
        self._capture: _Capture | None = None
        self._warm_until_ns: int | None = None

    # ---- what others may ask

    @property
    def recording(self) -> RecordingId | None:
        return self._capture.order.recording if self._capture else None

    @property
    def paused(self) -> bool:
        return bool(self._capture and self._capture.paused)

    def has_lease(self, now_ns: int) -> bool:
        return now_ns < self._lease_ends_ns

    def presence(self) -> wire.Presence:
        """What is told when a connection begins."""
        known = self.acknowledged.notice_hash if self.acknowledged else None
        return wire.Presence(self._login, self.desktop, known, self.spool.held())

    def wake_ns(self, now_ns: int) -> int:
        """When `tick` wants to be called."""
        times = [now_ns + RENEW_NS]
        if self._linked:
            times += [self._renew_due_ns, self._answered_ns + RENEW_NS + ANSWER_DUE_NS]
        if self._capture and self._capture.phase is not Phase.STOPPING:
            times += [self._lease_ends_ns, self._capture.ceiling_ns]
        return min(times)

    # ---- the link

    def linked(self, now_ns: int, welcome: wire.Welcome) -> list[Order]:
        """The bridge knows this device and goes on with it."""
        self._linked = True
        self._open, self._next_renew, self._heard = {}, 0, None
        self._answered_ns = now_ns
        orders: list[Order] = []
        wanted = {r.recording for r in welcome.resumes}
        if self._capture and self._capture.order.recording not in wanted:
            self._capture.discard = self._capture.unwanted = True
            orders += self._cease(CaptureEnd.LEASE_LOST)
        self.spool.resume(welcome.resumes)
        orders += self._renew(now_ns)
        if self.acknowledged:
            told = self.acknowledged
            orders.append(Say(wire.NoticeAccepted(told.notice_hash, told.accepted_at, told.signature)))
        return [*orders, SendEntries()]

    def unlinked(self, now_ns: int) -> list[Order]:
        """The connection is gone; a running capture goes on as long as its lease."""
        self._linked = False
        return self.tick(now_ns)

    def told(self, now_ns: int, message: wire.ToStation) -> list[Order]:
        """A message of the bridge."""
        match message:
            case wire.Lease():
                return self._leased(now_ns, message)
            case wire.GetReady():
                return self._get_warm(now_ns)
            case wire.StartCapture():
                return self._start(now_ns, message)
            case wire.PauseCapture(recording) | wire.ResumeCapture(recording):
                return self._set_paused(recording, isinstance(message, wire.PauseCapture))
            case wire.StopCapture(recording, _, discard):
                return self._stop(recording, discard)
            case wire.Received(recording, seq):
                self.spool.safe(recording, seq)
                return []
            case wire.Notice():
                return self._offer(message)
            case wire.RecordingsList() | wire.AccessesList() | wire.HandOverResult() | wire.PrivateResult():
                return [Answer(message)]
            case wire.Challenge() | wire.Enrolled() | wire.Welcome() | wire.Farewell():
                return []  # the link's own business
            case _:
                assert_never(message)

    # ---- the workstation

    def tick(self, now_ns: int) -> list[Order]:
        """Time passed. P10: no lease, no capture; ceiling 60 min."""
        orders: list[Order] = []
        if self._capture and now_ns >= self._lease_ends_ns:
            orders += self._cease(CaptureEnd.LEASE_LOST)
        if self._capture and now_ns >= self._capture.ceiling_ns:
            orders += self._cease(CaptureEnd.CEILING)
        if self._warm_until_ns is not None and now_ns >= self._warm_until_ns and not self._capture:
            self._warm_until_ns = None
            orders.append(Warm(False))
        if not self._linked and not self._capture:
            self.spool.erase_older(now_ns - SPOOL_KEEP_NS)
        if self._linked and self._open and now_ns - self._answered_ns >= RENEW_NS + ANSWER_DUE_NS:
            self._linked = False
            orders.append(Reconnect())
        elif self._linked and now_ns >= self._renew_due_ns:
            orders += self._renew(now_ns)
        return orders

    def desktop_changed(self, desktop: wire.Desktop) -> list[Order]:
        """P4, P10: locked, unlocked, left or taken up again. A recording ends there, and does not go on afterwards."""
        if desktop == self.desktop:
            return []
        self.desktop = desktop
        orders: list[Order] = [Lock(not is_usable(desktop))]
        if not is_usable(desktop):
            orders += self._cease(CaptureEnd.NO_DESKTOP)
        if self._linked:
            orders.append(Say(wire.DesktopNow(desktop)))
        return orders

    def clock_stepped(self) -> list[Order]:
        """The machine slept or its clock stood still: nothing known about time holds (P10)."""
        self._lease_ends_ns = 0
        self._linked = False
        return [*self._cease(CaptureEnd.CLOCK), Reconnect()]

    def accepted(self, acknowledged: Acknowledged) -> list[Order]:
        """The user acknowledged the notice that was offered."""
        self.acknowledged, self.offered = acknowledged, None
        if not self._linked:
            return []
        return [
            Say(
                wire.NoticeAccepted(
                    acknowledged.notice_hash, acknowledged.accepted_at, acknowledged.signature
                )
            )
        ]

    def stopping(self) -> list[Order]:
        """The client is being ended."""
        return self._cease(CaptureEnd.CLIENT_STOPPED)

    # ---- the recorder

    def started(self, now_ns: int, recording: RecordingId, at_ns: int) -> list[Order]:
        if not self._is_current(recording):
            return []
        assert self._capture is not None
        if self._capture.phase is Phase.STARTING:
            self._capture.phase = Phase.RUNNING
        self.spool.add(wire.CaptureStarted(recording, self.spool.next_seq(recording), at_ns), now_ns)
        return [SendEntries()]

    def picture(
        self,
        now_ns: int,
        recording: RecordingId,
        pts_ns: int,
        taken_ns: int,
        data: bytes,
        *,
        keyframe: bool,
        card: bool,
        width: int,
        height: int,
    ) -> list[Order]:
        """One picture of the recorder. P10: none is kept that was taken without a lease."""
        if not self._is_current(recording):
            return []
        if taken_ns >= self._lease_ends_ns:
            return self._cease(CaptureEnd.LEASE_LOST)
        seq = self.spool.next_seq(recording)
        late_us = min(MAX_LATE_US, -(-max(0, taken_ns - pts_ns) // 1000))
        picture = Picture(recording, seq, pts_ns, keyframe, card, width, height, data, late_us)
        kept = self.spool.add(picture, now_ns)
        return [SendEntries()] if kept else self._cease(CaptureEnd.SPOOL_FULL)

    def payment(self, now_ns: int, recording: RecordingId, at_ns: int, *, began: bool) -> list[Order]:
        """P7: the recorder paused itself by a window's title, or could go on. The bridge pauses the voices, and resumes."""
        if not self._is_current(recording):
            return []
        assert self._capture is not None
        self._capture.secret = began
        self._capture.paused |= began
        word = wire.PaymentBegan if began else wire.PaymentEnded
        self.spool.add(word(recording, self.spool.next_seq(recording), at_ns), now_ns)
        return [SendEntries()]

    def stopped(self, now_ns: int, recording: RecordingId, at_ns: int, reason: CaptureEnd) -> list[Order]:
        capture = self._capture
        if capture is None or capture.order.recording != recording:
            return []
        self._capture = None
        orders = self._get_warm(now_ns)  # the next call may come at once
        if capture.unwanted:
            return orders
        if not self.spool.holds(recording):
            return [*orders, *self._say_refused(recording, reason)]
        seq = self.spool.next_seq(recording)
        self.spool.add(wire.CaptureStopped(recording, seq, at_ns, reason), now_ns)
        return [*orders, SendEntries()]

    def refused(self, recording: RecordingId, reason: CaptureEnd) -> list[Order]:
        if self._capture is None or self.recording != recording:
            return []
        unwanted, self._capture = self._capture.unwanted, None
        return [] if unwanted else self._say_refused(recording, reason)

    # ---- inside

    def _get_warm(self, now_ns: int) -> list[Order]:
        self._warm_until_ns = now_ns + STAY_WARM_NS
        return [] if self._capture else [Warm(True)]

    def _renew(self, now_ns: int) -> list[Order]:
        number, self._next_renew = self._next_renew, self._next_renew + 1
        self._open[number] = now_ns
        for old in [n for n in self._open if n <= number - _OPEN_RENEWALS]:
            del self._open[old]
        self._renew_due_ns = now_ns + RENEW_NS
        heard, self._heard = self._heard, None
        return [Say(wire.Renew(number, now_ns, heard))]

    def _leased(self, now_ns: int, lease: wire.Lease) -> list[Order]:
        asked_ns = self._open.pop(lease.number, None)
        if asked_ns is None or asked_ns != lease.asked_ns:
            return []
        first = self._next_renew == 1
        self._answered_ns = now_ns
        self._heard = wire.Heard(lease.number, now_ns)
        self._lease_ends_ns = max(self._lease_ends_ns, asked_ns + LEASE_NS)
        # At once again the first time: the exchange closes, and the bridge knows this clock.
        return self._renew(now_ns) if first else []

    def _start(self, now_ns: int, order: wire.StartCapture) -> list[Order]:
        if self.recording == order.recording or self.spool.holds(order.recording):
            return []  # said again after a cut
        refusal = self._refusal(now_ns, order)
        if refusal:
            return self._say_refused(order.recording, refusal)
        assert self.acknowledged is not None
        notice = self.acknowledged.notice
        ceiling_s = min(order.ceiling_s, notice.ceiling_s, wire.MAX_CEILING_S)
        self._capture = _Capture(order, now_ns + ceiling_s * 1_000_000_000)
        rules = tuple(rule for rule in notice.applications if rule.name in order.applications)
        return [Record(order.recording, rules, order.fps, order.canvas)]

    def _refusal(self, now_ns: int, order: wire.StartCapture) -> CaptureEnd | None:
        """P10, P14: why this order is not obeyed; None when it is."""
        if self.desktop.kind is DesktopKind.WAYLAND:
            return CaptureEnd.WAYLAND
        if not is_usable(self.desktop):
            return CaptureEnd.NO_DESKTOP
        if not self.has_lease(now_ns):
            return CaptureEnd.LEASE_LOST
        known = self.acknowledged
        if known is None or known.notice_hash != order.notice_hash or self.offered is not None:
            return CaptureEnd.NOT_ACKNOWLEDGED
        allowed = {rule.name for rule in known.notice.applications}
        if not order.applications or not set(order.applications) <= allowed:
            return CaptureEnd.NOT_ALLOWED
        if order.fps > known.notice.fps or order.ceiling_s > known.notice.ceiling_s:
            return CaptureEnd.NOT_ALLOWED
        return CaptureEnd.BUSY if self._capture else None

    def _set_paused(self, recording: RecordingId, paused: bool) -> list[Order]:
        if not self._is_current(recording):
            return []
        assert self._capture is not None
        if self._capture.paused == paused or (self._capture.secret and not paused):
            return []
        self._capture.paused = paused
        return [Pause(recording) if paused else Unpause(recording)]

    def _stop(self, recording: RecordingId, discard: bool) -> list[Order]:
        if discard:
            self.spool.strip(recording)
        if self._capture and self._capture.order.recording == recording:
            self._capture.discard = self._capture.discard or discard
            return self._cease(CaptureEnd.ORDERED)
        if self.spool.holds(recording):
            return [SendEntries()]
        return self._say_refused(recording, CaptureEnd.ORDERED)

    def _cease(self, reason: CaptureEnd) -> list[Order]:
        if self._capture is None or self._capture.phase is Phase.STOPPING:
            return []
        self._capture.phase = Phase.STOPPING
        return [Cease(self._capture.order.recording, reason)]

    def _offer(self, notice: wire.Notice) -> list[Order]:
        if self.acknowledged and wire.notice_hash(notice) == self.acknowledged.notice_hash:
            self.offered = None
            return []
        before, self.offered = self.offered, notice
        return [] if notice == before else [Show(notice)]

    def _is_current(self, recording: RecordingId) -> bool:
        """Whether what is said of `recording` still counts: it runs here and is not to be erased."""
        return self.recording == recording and not (self._capture and self._capture.discard)

    def _say_refused(self, recording: RecordingId, reason: CaptureEnd) -> list[Order]:
        return [Say(wire.CaptureRefused(recording, reason))] if self._linked else []


def is_usable(desktop: wire.Desktop) -> bool:
    """Only an active, unlocked X session may record."""
    return desktop.active and not desktop.locked and desktop.kind in (DesktopKind.X11, DesktopKind.REMOTE_X11)
