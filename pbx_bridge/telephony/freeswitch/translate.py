"""FreeSWITCH events to facts: the one table of what its words mean here. Pure; no clock, no socket.

FreeSWITCH has no bridges with names, so the table keeps who is in which pair (`translate_rooms.py`) and which numbers a
channel was born with; all of it is forgotten when the link is. An event of a kind we follow that cannot be read becomes
`Unreadable`, never silence and never an exception: what it touches must stop (P10). Names of callers are read nowhere;
numbers, called or dialled, leave only as keyed hashes.
Source: developer.signalwire.com/freeswitch, "Event List"; the recorded streams in tests/vectors/freeswitch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.translate_channel import (
    Event,
    Headers,
    Missing,
    born,
    caller_of,
    cause,
    identity,
    numbers_of,
    other_half,
)
from pbx_bridge.telephony.freeswitch.translate_holds import PHONE, PLAYED, Holds
from pbx_bridge.telephony.freeswitch.translate_rooms import Rooms
from pbx_bridge.telephony.numbers import NumberHashes

OWN = "pbx_bridge::"
"""What dialplan/freeswitch reports: CUSTOM events of these subclasses."""
HARMLESS_BUGS = re.compile(
    r"(session_record|displace|preprocess|inband_dtmf(_generate)?|tone_detect|fax_tone_detect|spandsp_[A-Za-z0-9_]+"
    r"|fsk_detect|a?vmd)\Z"
)
"""Media bugs that keep nothing and let nobody listen. A recording is one too: its own event says where it goes."""
GIVEN_AWAY = frozenset({"BLIND_TRANSFER", "ATTENDED_TRANSFER"})
MOVED = re.compile(r"(blind|s?att):[\x21-\x7e]{1,150}\Z")
"""`transfer_to` of a leg whose phone gave its call away. In an attended transfer both legs may hang up before the BRIDGE
that shows it (measured), and the leg that held the customer has no other word for it."""

_HASH = re.compile(r"[0-9a-f]{8,128}\Z")
_MOMENT = re.compile(r"(begin|end)\Z")
_LINE = re.compile(r"[^\x00-\x1f]{1,500}\Z")
_SUBCLASS = re.compile(r"[\x21-\x7e]{1,100}\Z")


class Translator:
    """One link's table and memory. Feed it every event in order."""

    def __init__(self, digest_key: bytes = b"", own_pipes: str = "") -> None:
        """`own_pipes`: the folder of the bridge's own pipes; a recording that goes elsewhere is foreign (P17)."""
        self._key, self._own_pipes = digest_key, own_pipes
        self._rooms, self._holds = Rooms(), Holds()
        self._numbers: dict[ChannelId, NumberHashes] = {}
        self._paired: set[ChannelId] = set()

    def learn(self, headers: Headers, at_ns: int) -> list[Fact]:
        """The facts in one event, in order; none when its kind says nothing of a call. Never raises.

        `at_ns` is the event's stamp on the bridge's monotonic clock.
        """
        event = Event(headers)
        kind = event.maybe("Event-Name", _SUBCLASS)
        if kind == "CUSTOM":
            kind = event.maybe("Event-Subclass", _SUBCLASS)
        read = _FOLLOWED.get(kind)
        if read is None:
            return []
        try:
            return read(self, event, at_ns)
        except Missing:
            return [facts.Unreadable(at_ns, identity(event), kind)]

    def found(self, channels: Iterable[Headers], pairs: Iterable[tuple[str, str]], at_ns: int) -> list[Fact]:
        """All that lives when a link comes up: `channels` as uuid_dump describes them, `pairs` as `show calls` does.

        What was known before is forgotten.
        """
        self._rooms, self._holds, self._numbers, self._paired = Rooms(), Holds(), {}, set()
        living: list[facts.ChannelBorn] = []
        more: list[Fact] = []
        for headers in channels:
            event = Event(headers)
            try:
                new = self._born(event, at_ns)
                living.append(new)
                more += self._halves(event, at_ns)
                if event.answered():
                    more += self._answered(event, at_ns)
            except Missing:
                more.append(facts.Unreadable(at_ns, None, "uuid_dump"))
        for first, second in pairs:
            more += self._rooms.bridged(ChannelId(first), ChannelId(second), at_ns)
        return [facts.LinkUp(at_ns, tuple(living)), *more]

    # -- channels -----------------------------------------------------------------------------------------------

    def _born(self, event: Event, at_ns: int) -> facts.ChannelBorn:
        new = born(event, at_ns, self._key)
        self._rooms.born(new.channel)
        self._numbers[new.channel] = new.numbers
        return new

    def _create(self, event: Event, at_ns: int) -> list[Fact]:
        new = self._born(event, at_ns)
        out: list[Fact] = [new, *self._halves(event, at_ns)]
        if event.outbound():
            caller = caller_of(event)
            out.append(facts.Dialled(at_ns, caller, new.channel))
            if self._rooms.talks(caller):
                out += self._holds.consults(caller, new.channel, at_ns)
        return out

    def _halves(self, event: Event, at_ns: int) -> list[Fact]:
        """A loopback channel's two ends, when either first names the other."""
        one, two = event.channel(), other_half(event)
        if two is None or one in self._paired or not self._rooms.knows(two):
            return []
        self._paired |= {one, two}
        return [facts.LocalPaired(at_ns, one, two)]

    def _progress(self, event: Event, at_ns: int) -> list[Fact]:
        """A caller's channel says it too, when it hears ringing."""
        channel = event.channel()
        return [facts.ChannelRinging(at_ns, channel)] if event.outbound() else []

    def _answered(self, event: Event, at_ns: int) -> list[Fact]:
        channel = event.channel()
        up = facts.ChannelUp(at_ns, channel)
        return [
            *self._halves(event, at_ns),
            up,
            *self._number(event, at_ns),
            *self._rooms.answered(channel, at_ns),
        ]

    def _number(self, event: Event, at_ns: int) -> list[Fact]:
        """The dialplan may have found out who calls."""
        channel, numbers = event.channel(), numbers_of(event, self._key)
        if not numbers or numbers == self._numbers.get(channel):
            return []
        self._numbers[channel] = numbers
        return [facts.NumberSeen(at_ns, channel, numbers)]

    def _hangup(self, event: Event, at_ns: int) -> list[Fact]:
        """Told once: CHANNEL_HANGUP_COMPLETE is the net under CHANNEL_HANGUP."""
        channel = event.channel()
        consulted = self._holds.consulted(channel, at_ns)
        self._holds.gone(channel)
        if not self._rooms.knows(channel):
            return []
        why = {event.maybe("Hangup-Cause"), event.maybe("variable_endpoint_disposition")}
        moved = why & GIVEN_AWAY or event.maybe("variable_transfer_to", MOVED)
        out: list[Fact] = self._rooms.gave_away((channel,), at_ns) if moved else []
        self._numbers.pop(channel, None)
        self._paired.discard(channel)
        return [
            *out,
            facts.ChannelGone(at_ns, channel, cause(event)),
            *self._rooms.gone(channel, at_ns),
            *consulted,
        ]

    def _renamed(self, event: Event, at_ns: int) -> list[Fact]:
        """A channel whose id changes while it lives is lost to us: what it was in must stop (P10)."""
        old = event.channel("Old-Unique-ID")
        return [facts.Unreadable(at_ns, old, "CHANNEL_UUID")] if self._rooms.knows(old) else []

    # -- conversations ------------------------------------------------------------------------------------------

    def _bridge(self, event: Event, at_ns: int) -> list[Fact]:
        """Said on the first channel only; in an attended transfer no answer precedes it."""
        first, second = event.channel("Bridge-A-Unique-ID"), event.channel("Bridge-B-Unique-ID")
        out = self._number(event, at_ns) if first == event.channel() else []
        up = ((first, "Caller-Channel-Answered-Time"), (second, "Other-Leg-Channel-Answered-Time"))
        for channel, header in up:
            if event.answered(header):
                out += self._rooms.answered(channel, at_ns)
        out += self._rooms.bridged(first, second, at_ns)
        return [*out, *self._holds.consulted(first, at_ns), *self._holds.consulted(second, at_ns)]

    def _unbridge(self, event: Event, at_ns: int) -> list[Fact]:
        first, second = event.channel("Bridge-A-Unique-ID"), event.channel("Bridge-B-Unique-ID")
        return self._rooms.unbridged(first, second, at_ns)

    def _hold(self, event: Event, at_ns: int) -> list[Fact]:
        return self._holds.begins(event.channel(), PHONE, at_ns)

    def _unhold(self, event: Event, at_ns: int) -> list[Fact]:
        return self._holds.ends(event.channel(), PHONE, at_ns)

    def _plays(self, event: Event, at_ns: int) -> list[Fact]:
        channel = event.channel()
        return self._holds.begins(channel, PLAYED, at_ns) if self._rooms.knows(channel) else []

    def _played(self, event: Event, at_ns: int) -> list[Fact]:
        return self._holds.ends(event.channel(), PLAYED, at_ns)

    def _conference(self, event: Event, at_ns: int) -> list[Fact]:
        """P17: a conference records itself without a word of `RECORD_START`."""
        match event.text("Action", _SUBCLASS):
            case "add-member":
                return self._rooms.entered(event.channel(), event.channel("Conference-Unique-ID"), at_ns)
            case "del-member":
                return self._rooms.left(event.channel(), event.channel("Conference-Unique-ID"), at_ns)
            case "start-recording":
                return self._rooms.recorded(event.channel("Conference-Unique-ID"), at_ns)
            case "stop-recording" if event.maybe("Other-Recordings") == "true":
                return []
            case "stop-recording" | "conference-destroy":
                self._rooms.recorded_no_more(event.channel("Conference-Unique-ID"))
                return []
            case _:
                return []

    def _valet(self, event: Event, at_ns: int) -> list[Fact]:
        if event.text("Action", _SUBCLASS) != "hold":
            return []
        return [facts.Parked(at_ns, event.channel())]

    def _callcenter(self, event: Event, at_ns: int) -> list[Fact]:
        match event.text("CC-Action", _SUBCLASS):
            case "member-queue-start":
                return [
                    facts.QueueJoined(
                        at_ns, event.channel("CC-Member-Session-UUID"), event.person("CC-Queue")
                    )
                ]
            case "bridge-agent-start":  # an agent who waits on an open line has no leg of the queue's making
                return [facts.PersonNamed(at_ns, event.channel("CC-Agent-UUID"), event.person("CC-Agent"))]
            case _:
                return []

    # -- recorders ----------------------------------------------------------------------------------------------

    def _record(self, event: Event, at_ns: int) -> list[Fact]:
        """P17: we record only into our own pipes."""
        path = event.text("Record-File-Path", _LINE)
        folder, _, name = path.rpartition("/")
        if self._own_pipes and folder == self._own_pipes and name:
            return []
        return [facts.ForeignRecorder(at_ns, event.channel())]

    def _media_bug(self, event: Event, at_ns: int) -> list[Fact]:
        """P17: whoever listens and is not known to keep nothing."""
        if HARMLESS_BUGS.match(event.text("Media-Bug-Function", _LINE)):
            return []
        return [facts.ForeignRecorder(at_ns, event.channel())]

    # -- what the dialplan says ---------------------------------------------------------------------------------

    def _notice(self, event: Event, at_ns: int) -> list[Fact]:
        return [facts.NoticeHeard(at_ns, event.channel(), event.text("Notice", _HASH))]

    def _objection(self, event: Event, at_ns: int) -> list[Fact]:
        return [facts.CallerObjected(at_ns, event.channel())]

    def _private(self, event: Event, at_ns: int) -> list[Fact]:
        return [facts.AgentObjected(at_ns, event.channel())]

    def _never(self, event: Event, at_ns: int) -> list[Fact]:
        return [facts.NeverRecord(at_ns, event.channel())]

    def _payment(self, event: Event, at_ns: int) -> list[Fact]:
        begins = event.text("Moment", _MOMENT) == "begin"
        return [(facts.PaymentBegan if begins else facts.PaymentEnded)(at_ns, event.channel())]

    def _person(self, event: Event, at_ns: int) -> list[Fact]:
        return [facts.PersonNamed(at_ns, event.channel(), event.person("Person"), by_site=True)]


_FOLLOWED: Mapping[str, Callable[[Translator, Event, int], list[Fact]]] = {
    "CHANNEL_CREATE": Translator._create,
    "CHANNEL_PROGRESS": Translator._progress,
    "CHANNEL_PROGRESS_MEDIA": Translator._progress,
    "CHANNEL_ANSWER": Translator._answered,
    "CHANNEL_BRIDGE": Translator._bridge,
    "CHANNEL_UNBRIDGE": Translator._unbridge,
    "CHANNEL_HOLD": Translator._hold,
    "CHANNEL_UNHOLD": Translator._unhold,
    "PLAYBACK_START": Translator._plays,
    "PLAYBACK_STOP": Translator._played,
    "CHANNEL_HANGUP": Translator._hangup,
    "CHANNEL_HANGUP_COMPLETE": Translator._hangup,
    "CHANNEL_UUID": Translator._renamed,
    "RECORD_START": Translator._record,
    "MEDIA_BUG_START": Translator._media_bug,
    "callcenter::info": Translator._callcenter,
    "conference::maintenance": Translator._conference,
    "valet_parking::info": Translator._valet,
    f"{OWN}notice": Translator._notice,
    f"{OWN}objection": Translator._objection,
    f"{OWN}private": Translator._private,
    f"{OWN}never": Translator._never,
    f"{OWN}payment": Translator._payment,
    f"{OWN}person": Translator._person,
}
EVENTS = tuple(kind for kind in _FOLLOWED if "::" not in kind)
"""To be asked of the event socket."""
SUBCLASSES = tuple(kind for kind in _FOLLOWED if "::" in kind)
"""To be asked of it after CUSTOM, which comes last."""
