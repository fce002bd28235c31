"""One FreeSWITCH channel as its events describe it: who it is, what led to it, what it was dialled with. Pure.

What must be there and cannot be read raises `Missing`, which the table turns into `Unreadable`. A number is read only
to be hashed, a caller's name never.
Source: developer.signalwire.com/freeswitch, "Channel Variables"; the recorded streams in tests/vectors/freeswitch.
"""

from __future__ import annotations

import re
from typing import Protocol

from pbx_bridge.calls.facts import ChannelBorn
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.numbers import NumberHashes, hashes

PERSON_LIMIT = 128
"""Names of queue members are what an administrator typed."""

_ID = re.compile(r"[\x21-\x7e]{1,150}\Z")
_NAME = re.compile(r"[a-z0-9_.]{1,40}/[^\x00-\x1f]{1,200}\Z", re.IGNORECASE)
_WORD = re.compile(r"[\x21-\x7e]{0,150}\Z")
_USER = re.compile(r"[^\x00-\x20@]{1,100}\Z")
_DIRECTION = re.compile(r"(inbound|outbound)\Z")
_MICROSECONDS = re.compile(r"[0-9]{1,17}\Z")

LOOPBACK = "loopback/"
"""Names of the two halves of a loopback channel begin so; they are followed, never parties."""
CAUSES = {
    "NORMAL_CLEARING": 16,
    "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18,
    "NO_ANSWER": 19,
    "SUBSCRIBER_ABSENT": 20,
    "CALL_REJECTED": 21,
    "LOSE_RACE": 26,
}
UNSPECIFIED = 31
"""Q.850's number for whatever else FreeSWITCH calls a cause, most of them its own."""


class Missing(Exception):
    """A header that this kind must have is absent or malformed."""


class Headers(Protocol):
    """One event, decoded; a header is decoded when it is asked for."""

    def get(self, name: str, /) -> object:
        """The value, None when there is none."""


class Event:
    """One event, read header by header. What must be there and is not raises: Missing."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def text(self, name: str, shape: re.Pattern[str]) -> str:
        value = self._headers.get(name)
        if not isinstance(value, str) or not shape.match(value):
            raise Missing
        return value

    def channel(self, name: str = "Unique-ID") -> ChannelId:
        return ChannelId(self.text(name, _ID))

    def person(self, name: str) -> str:
        value = self._headers.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= PERSON_LIMIT or not value.isprintable():
            raise Missing
        return value

    def outbound(self) -> bool:
        """FreeSWITCH calls this channel's phone; else the phone called FreeSWITCH."""
        return self.text("Call-Direction", _DIRECTION) == "outbound"

    def answered(self, header: str = "Caller-Channel-Answered-Time") -> bool:
        """Microseconds since 1970, 0 while it is not; not said is not answered. Never raises."""
        return int(self.maybe(header, _MICROSECONDS) or "0") > 0

    def maybe(self, name: str, shape: re.Pattern[str] = _WORD) -> str:
        """ "" for what is absent or not so shaped."""
        value = self._headers.get(name)
        return value if isinstance(value, str) and shape.match(value) else ""

    def numbers(self, key: bytes, name: str) -> NumberHashes:
        """Of a header that may hold a number, or a word for none."""
        value = self._headers.get(name)
        return hashes(key, value) if isinstance(value, str) else ()


def identity(event: Event) -> ChannelId | None:
    """Which channel an event is about, if that much can be read."""
    return ChannelId(event.maybe("Unique-ID", _ID)) or None


def born(event: Event, at_ns: int, digest_key: bytes) -> ChannelBorn:
    """The channel that a CHANNEL_CREATE or a uuid_dump describes. Raises: Missing."""
    local = event.text("Channel-Name", _NAME).startswith(LOOPBACK)
    return ChannelBorn(
        at_ns=at_ns,
        channel=event.channel(),
        endpoint="" if local else _endpoint(event),
        local_half=local,
        context=event.text("Caller-Context", _WORD),
        dialled=event.numbers(digest_key, "Caller-Destination-Number"),
        numbers=numbers_of(event, digest_key),
        named=_member(event),
    )


def numbers_of(event: Event, digest_key: bytes) -> NumberHashes:
    """The number of the party at this channel: who calls, or who is called."""
    if event.outbound():
        return event.numbers(digest_key, "Caller-Callee-ID-Number")
    return event.numbers(digest_key, "Caller-Caller-ID-Number")


def caller_of(event: Event) -> ChannelId:
    """The channel for which this outbound one was made; "" when nobody dialled (an originated call)."""
    if event.maybe("Other-Type") == "originator":
        return event.channel("Other-Leg-Unique-ID")
    return ChannelId(event.maybe("variable_cc_member_session_uuid", _ID))


def other_half(event: Event) -> ChannelId | None:
    """The other end of a loopback channel, once FreeSWITCH says it."""
    return ChannelId(event.maybe("variable_other_loopback_leg_uuid", _ID)) or None


def cause(event: Event) -> int:
    """The Q.850 number."""
    return CAUSES.get(event.maybe("Hangup-Cause"), UNSPECIFIED)


def _endpoint(event: Event) -> str:
    """`user/NAME@DOMAIN` as the directory has it: in another tenant's domain the same name is another phone.

    The user that was dialled stays on the caller's channel too, so it counts only where FreeSWITCH dialled. A line
    without a user is its technology and profile: what follows in its name may be a number.
    """
    user, domain = (
        ("variable_dialed_user", "variable_dialed_domain")
        if event.outbound()
        else ("variable_user_name", "variable_domain_name")
    )
    if name := event.maybe(user, _USER):
        return "@".join(filter(None, (f"user/{name}", event.maybe(domain, _USER))))
    return "/".join(event.text("Channel-Name", _NAME).split("/")[:-1])


def _member(event: Event) -> str:
    """The callcenter agent this leg was made for; the caller's channel has the name too, later."""
    if event.maybe("variable_cc_side") != "agent" or not event.maybe("variable_cc_agent"):
        return ""
    return event.person("variable_cc_agent")
