"""What the stations tell the bridge's core. Times are the bridge's CLOCK_MONOTONIC unless the text says otherwise.

Words only: ids, times, states and sealed-to-be bytes; never a title, a name of a person, or text from a screen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from pbx_bridge.ids import RecordingId, StationId
from pbx_bridge.wire import CaptureEnd, DesktopKind


@dataclass(frozen=True, slots=True)
class StationUp:
    """The station proved its key and told its state."""

    station: StationId
    trainee_login: str
    """The account of the desktop session the client runs in."""
    active: bool
    locked: bool
    kind: DesktopKind
    acknowledged: str | None
    """`wire.notice_hash` of the notice acknowledged there."""
    version: str
    """The client's software version."""


@dataclass(frozen=True, slots=True)
class StationDown:
    """Nothing more comes from this station until the next StationUp."""

    station: StationId
    reason: str


@dataclass(frozen=True, slots=True)
class DesktopChanged:
    station: StationId
    active: bool
    locked: bool


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """No renewal within LEASE_S while a recording was open: it ends, what came before is kept (P10)."""

    station: StationId


@dataclass(frozen=True, slots=True)
class CaptureStarted:
    station: StationId
    recording: RecordingId
    at_ns: int
    error_ns: int


@dataclass(frozen=True, slots=True)
class PictureArrived:
    """One encoded picture; within a recording `seq` grows by 1 and `at_ns` never goes back."""

    station: StationId
    recording: RecordingId
    seq: int
    at_ns: int
    error_ns: int
    """The truth lies within this of `at_ns`, either way; of `taken_ns` too."""
    taken_ns: int
    """Nothing painted later is in it; not before `at_ns`."""
    keyframe: bool
    card: bool
    width: int
    height: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PaymentBegan:
    """A window's title says that a secret is being told; the station paused itself (P7). Surely not earlier."""

    station: StationId
    recording: RecordingId
    at_ns: int


@dataclass(frozen=True, slots=True)
class PaymentEnded:
    """No title says so any more. Surely not later."""

    station: StationId
    recording: RecordingId
    at_ns: int


@dataclass(frozen=True, slots=True)
class CaptureStopped:
    """The last word on a recording that had started."""

    station: StationId
    recording: RecordingId
    at_ns: int
    reason: CaptureEnd


@dataclass(frozen=True, slots=True)
class CaptureRefused:
    """The last word on a recording that did not start."""

    station: StationId
    recording: RecordingId
    reason: CaptureEnd


@dataclass(frozen=True, slots=True)
class NoticeAcknowledged:
    """The person at the station acknowledged the notice; the signature was checked (P14)."""

    station: StationId
    notice_hash: str
    signature: bytes
    """By the device's key, over `wire_proof.acknowledgement_statement(notice_hash, at)`."""
    at: int
    """Unix seconds, by the workstation's clock."""


@dataclass(frozen=True, slots=True)
class HandOverAsked:
    """The person hands a recording over (P18). The signature was checked."""

    station: StationId
    request: int
    recording: RecordingId
    signature: bytes
    """By the device's key, over `wire_proof.hand_over_statement(recording)`."""


@dataclass(frozen=True, slots=True)
class RecordingsAsked:
    station: StationId
    request: int


@dataclass(frozen=True, slots=True)
class AccessesAsked:
    """The person wants to see the accesses to their own (P19), older than record `before` (0: the newest)."""

    station: StationId
    request: int
    before: int


@dataclass(frozen=True, slots=True)
class PrivateAsked:
    """The person wants the present call not to be recorded (P16)."""

    station: StationId
    request: int


@dataclass(frozen=True, slots=True)
class KeyCloned:
    """A second live connection came with the same key: both were closed. Somebody must look."""

    station: StationId


StationEvent: TypeAlias = (
    StationUp
    | StationDown
    | DesktopChanged
    | LeaseLost
    | CaptureStarted
    | PictureArrived
    | PaymentBegan
    | PaymentEnded
    | CaptureStopped
    | CaptureRefused
    | NoticeAcknowledged
    | HandOverAsked
    | RecordingsAsked
    | AccessesAsked
    | PrivateAsked
    | KeyCloned
)
