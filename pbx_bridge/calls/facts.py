"""What any PBX tells, in words no PBX owns: channels, bridges, pairs, holds, transfers, notices.

One table per PBX turns its bytes into these (telephony/*/translate.py); the switchboard eats them. They carry ids and
times, never a number, a name or a digit. Every `at_ns` is the bridge's CLOCK_MONOTONIC in nanoseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pbx_bridge.calls.events import PauseBy
from pbx_bridge.ids import ChannelId


@dataclass(frozen=True, slots=True)
class ChannelBorn:
    """A channel exists. `endpoint` is technology and name without the instance ("PJSIP/201"), "" for Local halves."""

    at_ns: int
    channel: ChannelId
    endpoint: str
    local_half: bool
    context: str
    """The dialplan context it entered or was made in; never an extension dialled."""
    dialled: tuple[str, ...] = ()
    """Keyed hashes of what was dialled (telephony/numbers.py); empty when not wanted (P12)."""
    numbers: tuple[str, ...] = ()
    """Keyed hashes of its party's number; empty when it is withheld or not known yet (P12, P16)."""
    named: str = ""
    """A person's name the site put on the channel (queue member's name or a variable), "" if none."""


@dataclass(frozen=True, slots=True)
class NumberSeen:
    """The party on `channel` turns out to have this number, hashed (Asterisk: NewCallerid)."""

    at_ns: int
    channel: ChannelId
    numbers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueueJoined:
    """`channel` waits in this queue, by the PBX's name for it."""

    at_ns: int
    channel: ChannelId
    queue: str


@dataclass(frozen=True, slots=True)
class ChannelRinging:
    at_ns: int
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class ChannelUp:
    at_ns: int
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class Dialled:
    """`caller` began to dial `callee` (Asterisk DialBegin). `caller` is "" for an originated call."""

    at_ns: int
    caller: ChannelId
    callee: ChannelId


@dataclass(frozen=True, slots=True)
class LocalPaired:
    """`one` and `two` are the halves of one Local channel (Asterisk LocalBridge). They are followed, never parties."""

    at_ns: int
    one: ChannelId
    two: ChannelId


@dataclass(frozen=True, slots=True)
class BridgeEntered:
    at_ns: int
    channel: ChannelId
    bridge: str
    endpoint: str = ""
    """Who the channel is *now*: call pickup gives a ringing channel another phone's name. "" when not said."""


@dataclass(frozen=True, slots=True)
class BridgeLeft:
    at_ns: int
    channel: ChannelId
    bridge: str


@dataclass(frozen=True, slots=True)
class Held:
    """`channel`'s phone put its peer on hold."""

    at_ns: int
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class Unheld:
    """`channel`'s phone resumed; may come without a Held (Asterisk: before a blind transfer)."""

    at_ns: int
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class Transferred:
    """`by` gave its call away (blind, attended, by feature code)."""

    at_ns: int
    by: tuple[ChannelId, ...]


@dataclass(frozen=True, slots=True)
class Parked:
    at_ns: int
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class ChannelGone:
    """The channel hung up. `cause` is the Q.850 number."""

    at_ns: int
    channel: ChannelId
    cause: int


@dataclass(frozen=True, slots=True)
class PickedUp:
    """`picker` took the call that rang at `target`."""

    at_ns: int
    picker: ChannelId
    target: ChannelId


@dataclass(frozen=True, slots=True)
class PersonNamed:
    """Who sits at `channel`, which may be a Local half on the way to the phone; the endpoint is only a device."""

    at_ns: int
    channel: ChannelId
    person: str
    by_site: bool = False
    """The dialplan says so on purpose. Otherwise it is a queue member's name, which a site may use for anything."""


@dataclass(frozen=True, slots=True)
class ForeignRecorder:
    """A recorder that is not ours runs on `channel` (P17)."""

    at_ns: int
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class NoticeHeard:
    """The party on `channel` heard the notice to its end (P16). `notice` is the text's hash as the dialplan knows it."""

    at_ns: int
    channel: ChannelId
    notice: str


@dataclass(frozen=True, slots=True)
class CallerObjected:
    """The party on `channel` pressed the key that objects, in the notice or during the call (P16)."""

    at_ns: int
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class AgentObjected:
    """Whoever sits at `channel` pressed the key of a private call (P16)."""

    at_ns: int
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class NeverRecord:
    """The dialplan refuses any recording of `channel`'s call (P12)."""

    at_ns: int
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class PaymentBegan:
    """`channel`'s call comes to a payment or another secret (P7), says the dialplan or the site's payment software."""

    at_ns: int
    channel: ChannelId
    by: PauseBy = PauseBy.DIALPLAN


@dataclass(frozen=True, slots=True)
class PaymentEnded:
    """It is over, says the one that announced it."""

    at_ns: int
    channel: ChannelId
    by: PauseBy = PauseBy.DIALPLAN


@dataclass(frozen=True, slots=True)
class LegSilent:
    """No RTP packet came from `channel`'s phone for `for_ns` (RTCP counter poll)."""

    at_ns: int
    channel: ChannelId
    for_ns: int


@dataclass(frozen=True, slots=True)
class LegHeard:
    """RTP from `channel`'s phone came back after a LegSilent."""

    at_ns: int
    channel: ChannelId


@dataclass(frozen=True, slots=True)
class LinkUp:
    """The PBX link works and this is all that lives there: calls found here are never armed (ledger: link-lost)."""

    at_ns: int
    channels: tuple[ChannelBorn, ...]


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The PBX link is lost: every recording ends (P10)."""

    at_ns: int
    why: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event of a kind we follow that could not be read: what it touches must stop (P10)."""

    at_ns: int
    channel: ChannelId | None
    kind: str


Fact: TypeAlias = (
    ChannelBorn
    | NumberSeen
    | QueueJoined
    | ChannelRinging
    | ChannelUp
    | Dialled
    | LocalPaired
    | BridgeEntered
    | BridgeLeft
    | Held
    | Unheld
    | Transferred
    | Parked
    | ChannelGone
    | PickedUp
    | PersonNamed
    | ForeignRecorder
    | NoticeHeard
    | CallerObjected
    | AgentObjected
    | NeverRecord
    | PaymentBegan
    | PaymentEnded
    | LegSilent
    | LegHeard
    | LinkUp
    | LinkDown
    | Unreadable
)

LegName: TypeAlias = Literal["agent", "customer"]


@dataclass(frozen=True, slots=True)
class VoiceChunk:
    """Samples of one leg as the tap delivered them."""

    leg: LegName
    arrived_ns: int
    index: int
    """Number of this chunk's first sample since that leg's tap began."""
    pcm: bytes
    """Signed 16-bit little-endian mono."""
    rate: int
    """Samples per second."""
