"""What the recorder is ordered and what it tells. Words only; times are this workstation's CLOCK_MONOTONIC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pbx_bridge.wire import ApplicationRule, CaptureEnd


@dataclass(frozen=True, slots=True)
class RecordOrder:
    """What to record. The canvas is chosen from the window when none is given."""

    recording: str
    rules: tuple[ApplicationRule, ...]
    fps: int
    canvas: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Started:
    recording: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Picture:
    """One VP9 packet, shown until the next one's time."""

    recording: str
    pts_ns: int
    """When what it shows anew was painted (`capture.base.time_of`)."""
    taken_ns: int
    """When its pixels were read: nothing painted later is in it."""
    keyframe: bool
    card: bool
    """The neutral card, not a window."""
    width: int
    height: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Stopped:
    recording: str
    at_ns: int
    reason: CaptureEnd


@dataclass(frozen=True, slots=True)
class PaymentBegan:
    """A title says that a secret is being told: the recorder paused by itself and stays so until it is resumed (P7)."""

    recording: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class PaymentEnded:
    """No title says so any more: it may be resumed."""

    recording: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing of this recording was or will be captured."""

    recording: str
    reason: CaptureEnd


class EncoderFailed(Exception):
    """The codec refused; the recording cannot go on."""


RecorderEvent: TypeAlias = Started | Picture | PaymentBegan | PaymentEnded | Stopped | Refused
