"""One proven station: its lease, its clock, its recordings. Pure core; server.py carries the bytes.

It lives as long as the station's lease, across connections: a reconnect of the same client run within LEASE_S goes on
where the last one ended (P10: a shorter cut resumes), anything longer ends every open recording. States:

    connected --cut--> waiting --same run within the lease--> connected
    connected or waiting --lease over, farewell, fault, revoked, clock stepped--> ended (for good)

Whatever comes in is checked against the state it must fit; what does not fit raises PeerError, and the link ends. Facts
come with the time they came at; orders go out as `Say`, `Tell` and `Cut`. No clock, socket, file or log here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from pbx_bridge import wire
from pbx_bridge.errors import PeerError
from pbx_bridge.ids import RecordingId, StationId
from pbx_bridge.stations import events
from pbx_bridge.stations.clockmap import ClockMap, ClockStepped, Exchange, Mapped
from pbx_bridge.stations.inflow import Inflow
from pbx_bridge.stations.meter import Meter
from pbx_bridge.wire_picture import Picture
from pbx_bridge.wire_proof import acknowledgement_statement, hand_over_statement, is_signed

LEASE_NS: Final = int(wire.LEASE_S * 1e9)
_OPEN_LEASES: Final = 8
"""Leases whose arrival may still be told: 2 s hold four."""
_REMEMBERED: Final = 32
"""Recordings that ended, whose last packets may still be under way."""


@dataclass(frozen=True, slots=True)
class Say:
    """Send this to the station."""

    message: wire.ToStation


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the bridge's core."""

    event: events.StationEvent


@dataclass(frozen=True, slots=True)
class Cut:
    """End the connection, saying why; the link is over."""

    reason: wire.FarewellReason
    text: str


Out: TypeAlias = Say | Tell | Cut


class StationLink:
    """The bridge's side of one client run."""

    def __init__(self, station: StationId, key: bytes, run: bytes, software: str) -> None:
        self.station, self.key, self.run = station, key, run
        self.ended = False
        self._software = software
        self._connected = False
        self._up = False
        self._presence: wire.Presence | None = None
        self._clock = ClockMap()
        self._recordings: dict[RecordingId, Inflow] = {}
        self._gone: deque[RecordingId] = deque(maxlen=_REMEMBERED)
        self._renewed_ns = 0
        self._next_renew = 0
        self._leases: dict[int, tuple[int, int]] = {}
        self._messages = Meter(burst=100, per_s=50)
        self._pictures = Meter(burst=400, per_s=2 * wire.MAX_FPS)
        self._bytes = Meter(burst=64 * 1024 * 1024, per_s=16 * 1024 * 1024)

    @property
    def is_connected(self) -> bool:
        """A connection stands; without one the link only waits for the same run to come back."""
        return self._connected and not self.ended

    @property
    def is_up(self) -> bool:
        """Orders given now will reach the station, or its lease ends."""
        return self._up and not self.ended

    def lease_ends_ns(self) -> int:
        """When `tick` must be called at the latest."""
        return self._renewed_ns + LEASE_NS

    # ---- facts of the connection

    def connected(self, now_ns: int, presence: wire.Presence) -> list[Out]:
        """The key was proven and the station told its state. Raises: PeerError."""
        self._connected = True
        self._renewed_ns = now_ns
        self._next_renew, self._leases = 0, {}
        held = {s.recording: s for s in presence.spooled}
        outs: list[Out] = []
        lost = [r for r, flow in self._recordings.items() if flow.started and r not in held]
        for recording in lost:
            outs += self._drop(recording, now_ns, wire.CaptureEnd.CLIENT_GONE)
        resumes = []
        for recording, flow in self._recordings.items():
            if there := held.get(recording):
                if flow.discard:
                    flow.next_seq = max(flow.next_seq, there.first_seq)
                if not there.first_seq <= flow.next_seq <= there.next_seq:
                    raise PeerError("the station does not hold what is still to be sent")
            resumes.append(wire.Resume(recording, flow.next_seq))
        outs.append(Say(wire.Welcome(self.station, tuple(resumes))))
        for recording, flow in self._recordings.items():
            outs += [Say(order) for order in _orders_again(recording, flow, known=recording in held)]
        before, self._presence = self._presence, presence
        if self._up and before and before.desktop != presence.desktop:
            outs += self._desktop_changed(presence.desktop)
        return outs

    def disconnected(self, now_ns: int) -> list[Out]:
        """The connection broke without a word; the lease decides what that means."""
        self._connected = False
        return self.tick(now_ns)

    def tick(self, now_ns: int) -> list[Out]:
        """P10: a lease not renewed within LEASE_S ends every open recording of this station."""
        if self.ended or now_ns < self.lease_ends_ns():
            return []
        return self.end(wire.FarewellReason.SILENT, "no renewal of the lease within 2 s")

    def end(self, reason: wire.FarewellReason, text: str) -> list[Out]:
        """It is over for good: revoked, cloned, faulty, silent or stopping."""
        if self.ended:
            return []
        self.ended = True
        outs: list[Out] = []
        if any(not flow.over for flow in self._recordings.values()):
            outs.append(Tell(events.LeaseLost(self.station)))
        if self._up:
            outs.append(Tell(events.StationDown(self.station, reason.value)))
        self._recordings.clear()
        return [*outs, Cut(reason, text)]

    # ---- what the station says

    def received(self, now_ns: int, message: wire.ToBridge) -> list[Out]:
        """One control message. Raises: PeerError."""
        if self.ended:
            return []
        if not self._messages.take(now_ns):
            raise PeerError("more control messages than 50 a second")
        match message:
            case wire.Renew():
                return self._renew(now_ns, message)
            case wire.DesktopNow(desktop):
                return self._desktop_changed(desktop)
            case wire.CaptureStarted():
                return self._started(message)
            case wire.PaymentBegan() | wire.PaymentEnded():
                return self._payment(message, now_ns)
            case wire.CaptureStopped():
                return self._stopped(message, now_ns)
            case wire.CaptureRefused(recording, reason):
                return self._refused(recording, reason)
            case wire.NoticeAccepted(digest, at, signature):
                if not is_signed(self.key, acknowledgement_statement(digest, at), signature):
                    raise PeerError("an acknowledgement is not signed by the station's key")
                return [Tell(events.NoticeAcknowledged(self.station, digest, signature, at))]
            case wire.AskHandOver(request, recording, signature):
                if not is_signed(self.key, hand_over_statement(recording), signature):
                    raise PeerError("a hand-over is not signed by the station's key")
                return [Tell(events.HandOverAsked(self.station, request, recording, signature))]
            case wire.AskRecordings(request):
                return [Tell(events.RecordingsAsked(self.station, request))]
            case wire.AskAccesses(request, before):
                return [Tell(events.AccessesAsked(self.station, request, before))]
            case wire.AskPrivate(request):
                return [Tell(events.PrivateAsked(self.station, request))]
            case wire.Farewell(reason, text):
                return self.end(reason, text)
            case wire.Hello() | wire.Proof() | wire.Presence() | wire.Enrol():
                raise PeerError(f"{type(message).__name__} has no place once the link stands")
            case _:
                assert_never(message)

    def picture(self, now_ns: int, picture: Picture) -> list[Out]:
        """One picture packet. Raises: PeerError."""
        if self.ended:
            return []
        if not (self._pictures.take(now_ns) and self._bytes.take(now_ns, len(picture.data))):
            raise PeerError("more pictures than the limits allow")
        flow = self._flow(picture.recording)
        if flow is None or flow.discard:
            return []
        mapped = self._map(picture.pts_ns)
        at_ns = flow.take_picture(picture, mapped, now_ns)
        return [
            Tell(
                events.PictureArrived(
                    self.station,
                    picture.recording,
                    picture.seq,
                    at_ns,
                    mapped.error_ns,
                    max(at_ns, mapped.at_ns + picture.late_us * 1000),
                    picture.keyframe,
                    picture.card,
                    picture.width,
                    picture.height,
                    picture.data,
                )
            )
        ]

    # ---- what the bridge's core orders

    def send(self, order: wire.Order) -> list[Out] | None:
        """None when it cannot be done: the station is not up, or it does not know the recording."""
        if not self.is_up:
            return None
        match order:
            case wire.StartCapture(recording):
                if recording in self._recordings or recording in self._gone:
                    return None
                self._make_room()
                self._recordings[recording] = Inflow(order)
            case wire.PauseCapture(recording) | wire.ResumeCapture(recording) | wire.StopCapture(recording):
                flow = self._recordings.get(recording)
                if flow is None or flow.wanted == "stopped":
                    return None
                if isinstance(order, wire.StopCapture):
                    flow.wanted, flow.stop_reason, flow.discard = "stopped", order.reason, order.discard
                else:
                    flow.wanted = "paused" if isinstance(order, wire.PauseCapture) else "talking"
            case (
                wire.GetReady()
                | wire.Notice()
                | wire.RecordingsList()
                | wire.AccessesList()
                | wire.HandOverResult()
                | wire.PrivateResult()
            ):
                if not self._connected:
                    return None
            case _:
                assert_never(order)
        # During a cut the state above is what counts: connected() says it again.
        return [Say(order)] if self._connected else []

    def acknowledge(self, recording: RecordingId, seq: int) -> list[Out]:
        """Entries up to `seq` are safe."""
        flow = self._recordings.get(recording)
        if flow is None:
            return []
        safe = min(seq, flow.next_seq - 1)
        if flow.stopped_seq is not None and safe >= flow.last_picture_seq:
            return self._forget(recording, flow.stopped_seq)
        return [Say(wire.Received(recording, safe))] if safe >= 0 and self._connected else []

    # ---- inside

    def _renew(self, now_ns: int, renew: wire.Renew) -> list[Out]:
        if renew.number != self._next_renew:
            raise PeerError(f"renewal {self._next_renew} is due, not {renew.number}")
        try:
            self._clock.check(renew.sent_ns, now_ns)
            if renew.heard is not None:
                self._compare(renew.heard)
        except ClockStepped as error:
            return self.end(wire.FarewellReason.CLOCK, str(error))
        self._next_renew += 1
        self._renewed_ns = now_ns
        self._leases[renew.number] = (renew.sent_ns, now_ns)
        for number in [n for n in self._leases if n <= renew.number - _OPEN_LEASES]:
            del self._leases[number]
        outs: list[Out] = [Say(wire.Lease(renew.number, renew.sent_ns, now_ns, now_ns))]
        if not self._up and self._presence and self._clock.to_bridge(renew.sent_ns):
            self._up = True
            said = self._presence
            outs.append(
                Tell(
                    events.StationUp(
                        self.station,
                        said.login,
                        said.desktop.active,
                        said.desktop.locked,
                        said.desktop.kind,
                        said.acknowledged,
                        self._software,
                    )
                )
            )
        return outs

    def _compare(self, heard: wire.Heard) -> None:
        """Raises: PeerError, ClockStepped."""
        lease = self._leases.pop(heard.number, None)
        if lease is None:
            raise PeerError("the arrival of a lease was told that was not given, or twice")
        asked_ns, answered_ns = lease
        self._clock.add(Exchange(asked_ns, answered_ns, answered_ns, heard.received_ns))

    def _desktop_changed(self, desktop: wire.Desktop) -> list[Out]:
        if self._presence:
            said = self._presence
            self._presence = wire.Presence(said.login, desktop, said.acknowledged, said.spooled)
        if not self._up:
            return []
        return [Tell(events.DesktopChanged(self.station, desktop.active, desktop.locked))]

    def _started(self, message: wire.CaptureStarted) -> list[Out]:
        flow = self._flow(message.recording)
        if flow is None:
            return []
        flow.take_start(message.seq)
        mapped = self._map(message.at_ns)
        at_ns = flow.settle(mapped.at_ns)
        return [Tell(events.CaptureStarted(self.station, message.recording, at_ns, mapped.error_ns))]

    def _payment(self, message: wire.PaymentBegan | wire.PaymentEnded, now_ns: int) -> list[Out]:
        """P7: whatever the clocks' doubt, no less is kept out."""
        flow = self._flow(message.recording)
        if flow is None or flow.discard:
            return []
        mapped = self._map(message.at_ns)
        flow.take_payment(message.seq)
        if isinstance(message, wire.PaymentBegan):
            began_ns = min(now_ns, mapped.at_ns - mapped.error_ns)
            return [Tell(events.PaymentBegan(self.station, message.recording, began_ns))]
        ended_ns = min(now_ns, mapped.at_ns + mapped.error_ns)
        return [Tell(events.PaymentEnded(self.station, message.recording, ended_ns))]

    def _stopped(self, message: wire.CaptureStopped, now_ns: int) -> list[Out]:
        flow = self._flow(message.recording)
        if flow is None:
            return []
        flow.take_stop(message.seq)
        at_ns = min(now_ns, flow.settle(self._map(message.at_ns).at_ns))
        outs: list[Out] = [
            Tell(events.CaptureStopped(self.station, message.recording, at_ns, message.reason))
        ]
        if flow.discard or message.seq == 1:
            outs += self._forget(message.recording, message.seq)
        return outs

    def _refused(self, recording: RecordingId, reason: wire.CaptureEnd) -> list[Out]:
        flow = self._flow(recording)
        if flow is None:
            return []
        if flow.started:
            raise PeerError("a recording cannot be refused after it started")
        self._remove(recording)
        return [Tell(events.CaptureRefused(self.station, recording, reason))]

    def _drop(self, recording: RecordingId, now_ns: int, reason: wire.CaptureEnd) -> list[Out]:
        over = self._recordings[recording].over
        self._remove(recording)
        return [] if over else [Tell(events.CaptureStopped(self.station, recording, now_ns, reason))]

    def _flow(self, recording: RecordingId) -> Inflow | None:
        """The recording's inflow; None when it ended here while the packet was under way. Raises: PeerError."""
        flow = self._recordings.get(recording)
        if flow is None and recording not in self._gone:
            raise PeerError("a recording was named that this station was not told to make")
        return flow

    def _map(self, workstation_ns: int) -> Mapped:
        mapped = self._clock.to_bridge(workstation_ns)
        if mapped is None:
            raise PeerError("a time was named before the clocks were compared")
        return mapped

    def _forget(self, recording: RecordingId, seq: int) -> list[Out]:
        self._remove(recording)
        return [Say(wire.Received(recording, seq))] if self._connected else []

    def _remove(self, recording: RecordingId) -> None:
        del self._recordings[recording]
        self._gone.append(recording)

    def _make_room(self) -> None:
        """The oldest recording that is over but was never acknowledged as safe makes place."""
        while len(self._recordings) >= wire.MAX_SPOOLED:
            over = (r for r, flow in self._recordings.items() if flow.over)
            self._remove(next(over, next(iter(self._recordings))))


def _orders_again(recording: RecordingId, flow: Inflow, *, known: bool) -> list[wire.Order]:
    """What a station must hear after a cut, so that it does what is wanted now; it ignores what it does already."""
    if flow.over:
        return []
    if flow.wanted == "stopped":
        return [wire.StopCapture(recording, flow.stop_reason, flow.discard)]
    orders: list[wire.Order] = [] if known else [flow.start]
    return [
        *orders,
        wire.PauseCapture(recording) if flow.wanted == "paused" else wire.ResumeCapture(recording),
    ]
