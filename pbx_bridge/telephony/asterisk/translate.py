"""AMI events to facts: the one table of what Asterisk's words mean here. Pure; no clock, no socket, no state.

Keyed by full Uniqueid (two channels of one second differ only after its dot; `systemname` in asterisk.conf prefixes
it). An event of a kind we follow that cannot be read becomes `Unreadable`, never silence and never an exception: what
it touches must stop (P10). Names of callers are read nowhere; numbers, called or dialled, leave only as keyed hashes.
Source: docs.asterisk.org, Asterisk 22 "AMI Events"; the recorded streams in tests/vectors/asterisk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.numbers import NumberHashes, hashes

OWN_SNOOP = "pbxb-"
"""Uniqueids of our own snoop channels start so; a snoop channel that does not is somebody else's recorder."""
HOLDING = "holding_bridge"
"""The technology of bridges whose members do not hear each other."""
PERSON_LIMIT = 128
"""Queue member names are what an administrator typed."""

_ID = re.compile(r"[\x21-\x7e]{1,150}\Z")
_CHANNEL = re.compile(r"[A-Za-z0-9_]{1,40}/[^\x00-\x1f]{1,150}-[0-9a-f]{8,16}(;[12])?\Z")
_WORD = re.compile(r"[\x21-\x7e]{0,150}\Z")
_HASH = re.compile(r"[0-9a-f]{8,128}\Z")
_CAUSE = re.compile(r"[0-9]{1,3}\Z")


class _Missing(Exception):
    """A field that this kind must have is absent or malformed."""


class _Event:
    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = fields

    def text(self, name: str, shape: re.Pattern[str]) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str) or not shape.match(value):
            raise _Missing
        return value

    def word(self, name: str) -> str:
        return self.text(name, _WORD)

    def channel(self, name: str = "Uniqueid") -> ChannelId:
        return ChannelId(self.text(name, _ID))

    def numbers(self, key: bytes, name: str) -> NumberHashes:
        """Of a field that may hold a number, or a word for none."""
        value = self._fields.get(name, "")
        return hashes(key, value) if isinstance(value, str) else ()

    def person(self, name: str) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= PERSON_LIMIT or not value.isprintable():
            raise _Missing
        return value


def translate(event: Mapping[str, object], at_ns: int, digest_key: bytes = b"") -> list[Fact]:
    """The facts in one AMI event, in order; none when its kind says nothing of a call.

    `at_ns` is the event's stamp on the bridge's monotonic clock. Never raises.
    """
    kind = event.get("Event")
    if not isinstance(kind, str):
        return []
    read = _FOLLOWED.get(kind)
    if read is None:
        return []
    try:
        return read(_Event(event), at_ns, digest_key)
    except _Missing:
        named = event.get("Uniqueid")
        channel = ChannelId(named) if isinstance(named, str) and _ID.match(named) else None
        return [facts.Unreadable(at_ns, channel, kind)]


def born(event: Mapping[str, object], at_ns: int, digest_key: bytes = b"") -> facts.ChannelBorn | None:
    """The channel that a Newchannel or Status event describes; None for our own snoop. Raises: ValueError."""
    try:
        return _channel_born(_Event(event), at_ns, digest_key)
    except _Missing:
        raise ValueError("a channel without readable name, context or Uniqueid") from None


def said(noted: str, at_ns: int) -> list[Fact]:
    """What the keys of calls said while nobody listened: the dialplan's PBXB_SAID, `objection/ID` or `private/ID` each."""
    told: list[Fact] = []
    for word in noted.split():
        what, _, channel = word.partition("/")
        if not _ID.match(channel):
            continue
        if what == "objection":
            told.append(facts.CallerObjected(at_ns, ChannelId(channel)))
        elif what == "private":
            told.append(facts.AgentObjected(at_ns, ChannelId(channel)))
    return told


def noted_as(fact: Fact) -> str:
    """The word PBXB_SAID has for what a key said; "" for any other fact."""
    match fact:
        case facts.CallerObjected():
            return f"objection/{fact.channel}"
        case facts.AgentObjected():
            return f"private/{fact.channel}"
        case _:
            return ""


def not_told(noted: str, told: Set[str]) -> str:
    """P16: what PBXB_SAID must go on saying: keys nobody here was told of yet."""
    return " ".join(noted_as(fact) for fact in said(noted, 0) if noted_as(fact) not in told)


def _channel_born(event: _Event, at_ns: int, digest_key: bytes) -> facts.ChannelBorn | None:
    if _is_snoop(event):
        return None
    return facts.ChannelBorn(
        at_ns=at_ns,
        channel=event.channel(),
        endpoint=_endpoint(event),
        local_half=event.text("Channel", _CHANNEL).startswith("Local/"),
        context=event.word("Context"),
        dialled=event.numbers(digest_key, "Exten"),
        numbers=event.numbers(digest_key, "CallerIDNum"),
    )


def _endpoint(event: _Event) -> str:
    """Technology and name without the instance; "" for Local halves, which are no parties."""
    name = event.text("Channel", _CHANNEL)
    return "" if name.startswith("Local/") else name.rpartition("-")[0]


def _newchannel(event: _Event, at_ns: int, digest_key: bytes) -> list[Fact]:
    new = _channel_born(event, at_ns, digest_key)
    if new is None:
        return _snooped(event, at_ns)
    return [new, *_state(event, at_ns)]


def _snooped(event: _Event, at_ns: int) -> list[Fact]:
    """A snoop channel is named after the Uniqueid of the one it listens to."""
    if event.channel().startswith(OWN_SNOOP):
        return []
    return [facts.ForeignRecorder(at_ns, ChannelId(_endpoint(event).removeprefix("Snoop/")))]


def _state(event: _Event, at_ns: int) -> list[Fact]:
    match event.text("ChannelStateDesc", re.compile(r"[A-Za-z -]{1,40}\Z")):
        case "Ringing":
            return [facts.ChannelRinging(at_ns, event.channel())]
        case "Up":
            return [facts.ChannelUp(at_ns, event.channel())]
        case _:
            return []


def _newstate(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    return [] if _is_snoop(event) else _state(event, at_ns)


def _is_snoop(event: _Event) -> bool:
    return event.text("Channel", _CHANNEL).startswith("Snoop/")


def _new_caller_id(event: _Event, at_ns: int, digest_key: bytes) -> list[Fact]:
    channel, numbers = event.channel(), event.numbers(digest_key, "CallerIDNum")
    return [facts.NumberSeen(at_ns, channel, numbers)] if numbers and not _is_snoop(event) else []


def _queue_join(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    return [facts.QueueJoined(at_ns, event.channel(), event.person("Queue"))]


def _dial_begin(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    callee = event.channel("DestUniqueid")
    try:
        caller = event.channel()
    except _Missing:
        caller = ChannelId("")  # an originated call: nobody dialled
    return [facts.Dialled(at_ns, caller, callee)]


def _local_bridge(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    return [facts.LocalPaired(at_ns, event.channel("LocalOneUniqueid"), event.channel("LocalTwoUniqueid"))]


def _holding(event: _Event) -> bool:
    """Parked callers and the like share a holding bridge and hear music, not each other: nobody talks there."""
    return event.word("BridgeTechnology") == HOLDING


def _bridge_enter(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    if _holding(event):
        return []
    return [facts.BridgeEntered(at_ns, event.channel(), event.channel("BridgeUniqueid"), _endpoint(event))]


def _bridge_leave(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    if _holding(event):
        return []
    return [facts.BridgeLeft(at_ns, event.channel(), event.channel("BridgeUniqueid"))]


def _hold(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    return [facts.Held(at_ns, event.channel())]


def _unhold(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    return [facts.Unheld(at_ns, event.channel())]


def _blind_transfer(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    if event.text("Result", re.compile(r"[A-Za-z ]{1,40}\Z")) != "Success":
        return []
    return [facts.Transferred(at_ns, (event.channel("TransfererUniqueid"),))]


def _attended_transfer(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    if event.text("Result", re.compile(r"[A-Za-z ]{1,40}\Z")) != "Success":
        return []
    both = (event.channel("OrigTransfererUniqueid"), event.channel("SecondTransfererUniqueid"))
    return [facts.Transferred(at_ns, both)]


def _parked(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    return [facts.Parked(at_ns, event.channel("ParkeeUniqueid"))]


def _pickup(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    return [facts.PickedUp(at_ns, picker=event.channel(), target=event.channel("TargetUniqueid"))]


def _hangup(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    if _is_snoop(event):
        return []
    return [facts.ChannelGone(at_ns, event.channel(), int(event.text("Cause", _CAUSE)))]


def _agent_called(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    return [facts.PersonNamed(at_ns, event.channel("DestUniqueid"), event.person("MemberName"))]


def _mix_monitor(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    """We never start one: whoever did records to a disk (P17)."""
    return [facts.ForeignRecorder(at_ns, event.channel())]


def _chan_spy(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    """Somebody listens in, or speaks beside the bridge (ChanSpy, ExtenSpy); our own snoop says so too."""
    if event.channel("SpyerUniqueid").startswith(OWN_SNOOP):
        return []
    return [facts.ForeignRecorder(at_ns, event.channel("SpyeeUniqueid"))]


def _user_event(event: _Event, at_ns: int, _key: bytes) -> list[Fact]:
    """What dialplan/asterisk/extensions_pbxb.conf reports; everybody else's user events say nothing here."""
    match event.text("UserEvent", re.compile(r"[^\x00-\x1f]{1,200}\Z")):
        case "PbxbNotice":
            return [facts.NoticeHeard(at_ns, event.channel(), event.text("Notice", _HASH))]
        case "PbxbObjection":
            return [facts.CallerObjected(at_ns, event.channel())]
        case "PbxbPrivate":
            return [facts.AgentObjected(at_ns, event.channel())]
        case "PbxbNever":
            return [facts.NeverRecord(at_ns, event.channel())]
        case "PbxbPayment":
            begins = event.text("Moment", re.compile(r"(begin|end)\Z")) == "begin"
            return [(facts.PaymentBegan if begins else facts.PaymentEnded)(at_ns, event.channel())]
        case "PbxbPerson":
            return [facts.PersonNamed(at_ns, event.channel(), event.person("Person"), by_site=True)]
        case _:
            return []


_FOLLOWED: Mapping[str, Callable[[_Event, int, bytes], list[Fact]]] = {
    "Newchannel": _newchannel,
    "Newstate": _newstate,
    "NewCallerid": _new_caller_id,
    "QueueCallerJoin": _queue_join,
    "DialBegin": _dial_begin,
    "LocalBridge": _local_bridge,
    "BridgeEnter": _bridge_enter,
    "BridgeLeave": _bridge_leave,
    "Hold": _hold,
    "Unhold": _unhold,
    "BlindTransfer": _blind_transfer,
    "AttendedTransfer": _attended_transfer,
    "ParkedCall": _parked,
    "Pickup": _pickup,
    "Hangup": _hangup,
    "AgentCalled": _agent_called,
    "MixMonitorStart": _mix_monitor,
    "ChanSpyStart": _chan_spy,
    "UserEvent": _user_event,
}
FOLLOWED_KINDS = frozenset(_FOLLOWED)
