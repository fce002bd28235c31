"""What a session orders. Adapters obey; they never decide. Times are the bridge's CLOCK_MONOTONIC in nanoseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pbx_bridge.calls.permit import Permit
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import ChannelId, RecordingId, StationId, TraineeId


@dataclass(frozen=True, slots=True)
class StartCapture:
    """Film the windows the permit names. Without a Permit this order cannot be written down (DESIGN 10)."""

    station: StationId
    recording: RecordingId
    permit: Permit


@dataclass(frozen=True, slots=True)
class PrepareCapture:
    """A call that was drawn is offered: this trainee's stations make their encoders ready. Nothing is captured."""

    trainee: TraineeId


@dataclass(frozen=True, slots=True)
class PauseCapture:
    station: StationId
    recording: RecordingId


@dataclass(frozen=True, slots=True)
class ResumeCapture:
    station: StationId
    recording: RecordingId


@dataclass(frozen=True, slots=True)
class StopCapture:
    station: StationId
    recording: RecordingId
    reason: Reason


@dataclass(frozen=True, slots=True)
class StartAudio:
    """Tap both voices of this leg into the recording."""

    leg: ChannelId
    recording: RecordingId


@dataclass(frozen=True, slots=True)
class StopAudio:
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class WatchLeg:
    """Poll whether the agent's phone still sends RTP."""

    leg: ChannelId


@dataclass(frozen=True, slots=True)
class UnwatchLeg:
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class PlayOutboundNotice:
    """This outbound call was drawn: the dialplan shall play the notice to the customer before the bridge."""

    leg: ChannelId
    customer: ChannelId


@dataclass(frozen=True, slots=True)
class OfferPrivate:
    """A call that was drawn is offered: from its first word on the trainee may call it private by a key (P16)."""

    leg: ChannelId


@dataclass(frozen=True, slots=True)
class EraseNoted:
    """Destroy every recording that is noted for this customer's channel: those of before a restart, too (P16)."""

    customer: ChannelId


@dataclass(frozen=True, slots=True)
class EraseCall:
    """Destroy what an earlier run of the bridge recorded of this trainee's leg: the call is private (P16)."""

    leg: ChannelId
    trainee: TraineeId | None
    """None: whoever sat there, in a call that is over."""


@dataclass(frozen=True, slots=True)
class OptOut:
    """Whoever calls from or is called at this number (hashed) objected: later calls are not recorded either (P16)."""

    number: str


@dataclass(frozen=True, slots=True)
class OpenRecording:
    """Open the sealed file. File time 0 is `start_ns`."""

    recording: RecordingId
    leg: ChannelId
    permit: Permit
    start_ns: int


@dataclass(frozen=True, slots=True)
class MarkPause:
    recording: RecordingId
    at_ns: int
    hold: bool = False
    """The caller is on hold; else another doubt about the talk. It only names the mark on the time line."""


@dataclass(frozen=True, slots=True)
class MarkTalk:
    recording: RecordingId
    at_ns: int


@dataclass(frozen=True, slots=True)
class CloseRecording:
    """Nothing at or after `end_ns` may be in the file (P8)."""

    recording: RecordingId
    end_ns: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class DiscardRecording:
    """Destroy what exists of it, key first (P2, P16)."""

    recording: RecordingId
    reason: Reason


@dataclass(frozen=True, slots=True)
class SetTimer:
    leg: ChannelId
    timer: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    leg: ChannelId
    timer: str


@dataclass(frozen=True, slots=True)
class WriteLedger:
    """The one answer for this call (P24)."""

    leg: ChannelId
    trainee: TraineeId
    recording: RecordingId | None
    outcome: Outcome
    reason: Reason
    duration_ns: int
    """Length of the file; 0 when there is none."""


Command: TypeAlias = (
    PrepareCapture
    | StartCapture
    | PauseCapture
    | ResumeCapture
    | StopCapture
    | StartAudio
    | StopAudio
    | WatchLeg
    | UnwatchLeg
    | PlayOutboundNotice
    | OfferPrivate
    | OptOut
    | EraseNoted
    | EraseCall
    | OpenRecording
    | MarkPause
    | MarkTalk
    | CloseRecording
    | DiscardRecording
    | SetTimer
    | CancelTimer
    | WriteLedger
)
