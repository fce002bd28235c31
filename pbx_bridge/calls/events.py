"""What a session can be told, as facts in the past tense, about one leg of an enrolled agent.

The switchboard makes the first group out of the PBX's facts; stations, tap, recording and timers make the others.
`at_ns` is the bridge's CLOCK_MONOTONIC in nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import ChannelId, StationId, TraineeId


@dataclass(frozen=True, slots=True)
class CallOffered:
    """The agent's leg began to ring, or the agent began to dial: the moment of the draw (P11)."""

    at_ns: int
    leg: ChannelId
    trainee: TraineeId
    outbound: bool
    origin: ChannelId
    """The channel that started the call (the customer's, or the leg itself): one draw per trainee and origin (P11)."""
    dialled: ChannelId | None = None
    """Outbound: the channel being rung for the agent."""
    forbidden: Reason | None = None
    """Why this call is not even drawn: found at a resync, or never to be recorded (P10, P12)."""


@dataclass(frozen=True, slots=True)
class PartyJoined:
    """The agent is in one conversation with exactly one outside party."""

    at_ns: int
    leg: ChannelId
    party: ChannelId
    notice: str
    """Hash of the notice this party heard to its end; "" when it heard none (P16)."""


@dataclass(frozen=True, slots=True)
class PartyLeft:
    """The agent is alone. `gone` says that the party's channel hung up, so it cannot come back."""

    at_ns: int
    leg: ChannelId
    gone: bool


@dataclass(frozen=True, slots=True)
class ThirdPartyJoined:
    at_ns: int
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class CallHeld:
    at_ns: int
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class CallResumed:
    at_ns: int
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class CallTransferred:
    """The agent gave the call away."""

    at_ns: int
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class CallParked:
    at_ns: int
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The agent's leg hung up."""

    at_ns: int
    leg: ChannelId
    answered: bool
    """The agent's phone was picked up."""
    talked: bool
    """It was in a conversation."""


@dataclass(frozen=True, slots=True)
class CallForbidden:
    """Something about this call forbids recording it from now on: objection, never-record list, a foreign recorder,
    two persons on one device, an event that could not be read."""

    at_ns: int
    leg: ChannelId
    reason: Reason
    erase: bool
    """True when what exists of the call must be destroyed as well (P16)."""


class PauseBy(Enum):
    """Who says that a secret is being told (P7). Each takes back only its own word."""

    DIALPLAN = "dialplan"
    REQUEST = "request"
    """The site's payment software over the API, or a command."""
    WINDOW = "window"
    """The workstation: the window's title is one of the application's pause titles."""


@dataclass(frozen=True, slots=True)
class PaymentBegan:
    """A payment or another secret begins: nothing of it may be recorded (P7)."""

    at_ns: int
    leg: ChannelId
    by: PauseBy


@dataclass(frozen=True, slots=True)
class PaymentEnded:
    at_ns: int
    leg: ChannelId
    by: PauseBy


@dataclass(frozen=True, slots=True)
class OriginGone:
    """The channel that started the call hung up: nobody can be rung for it any more."""

    at_ns: int
    origin: ChannelId


@dataclass(frozen=True, slots=True)
class AgentSilent:
    """No RTP from the agent's phone for `for_ns`."""

    at_ns: int
    leg: ChannelId
    for_ns: int


@dataclass(frozen=True, slots=True)
class AgentHeard:
    at_ns: int
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The PBX link is down: nothing is known of this leg any more."""

    at_ns: int
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class CaptureStarted:
    at_ns: int
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class CaptureEnded:
    """The station stopped: `reason` is None when it did so because it was told to."""

    at_ns: int
    leg: ChannelId
    reason: Reason | None
    last_picture_ns: int | None
    """Time of the last picture that arrived, None when none did."""


@dataclass(frozen=True, slots=True)
class AudioStarted:
    """Both voices arrive."""

    at_ns: int
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class AudioLost:
    at_ns: int
    leg: ChannelId


@dataclass(frozen=True, slots=True)
class RecordingSealed:
    at_ns: int
    leg: ChannelId
    duration_ns: int


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """The recording cannot go on. `kept` is False when a rule demands that it be destroyed (P2)."""

    at_ns: int
    leg: ChannelId
    reason: Reason
    kept: bool


@dataclass(frozen=True, slots=True)
class TimerFired:
    at_ns: int
    leg: ChannelId
    timer: str


@dataclass(frozen=True, slots=True)
class ShutdownAsked:
    at_ns: int
    leg: ChannelId


CallEvent: TypeAlias = (
    CallOffered
    | PartyJoined
    | PartyLeft
    | ThirdPartyJoined
    | CallHeld
    | CallResumed
    | CallTransferred
    | CallParked
    | CallEnded
    | CallForbidden
    | PaymentBegan
    | PaymentEnded
    | OriginGone
    | AgentSilent
    | AgentHeard
    | LinkLost
)
SessionEvent: TypeAlias = (
    CallEvent
    | CaptureStarted
    | CaptureEnded
    | AudioStarted
    | AudioLost
    | RecordingSealed
    | RecordingFailed
    | TimerFired
    | ShutdownAsked
)


@dataclass(frozen=True, slots=True)
class StationSeen:
    """One live station as the desk knows it."""

    station: StationId
    trainee: TraineeId
    active: bool
    locked: bool
    acknowledged: str
    """Hash of the notice its user acknowledged there, "" if none."""
    recording: bool
