"""All that lives on FreeSWITCH when a link comes up: every leg as `uuid_dump` shows it, and who talks with whom.

`show calls as json` only names legs: it reads a table that lags the truth by half a second, which shows calls that are over
and shows two that talk as two that do not (measured). `uuid_dump` is the truth of now: a leg that is gone is left out,
and the `signal_bond` of two answered legs that name each other says that they talk. A leg that the table does not show yet
is found through its partner's; one without a partner shows itself by its next event. What must happen to calls that are
found (never armed again, P10) this does not know.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from pbx_bridge.errors import PeerError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.esl_connection import CommandRefused

LEGS_LIMIT = 20_000
"""Two legs of ten thousand calls."""
AT_ONCE = 256
"""Dumps under way together; FreeSWITCH makes them one after the other, at some hundred microseconds each."""
UUID_LIMIT = 64
"""FreeSWITCH's have 36 characters; `origination_uuid` lets a site choose."""


SAID = "pbxb_said_"
"""A leg's uuid follows: the dialplan's global for each leg whose key asked for something, until the bridge has done it."""
BOND = "variable_signal_bond"
"""The partner's uuid, on both legs of a bridge, for as long as it lasts."""
ROUNDS = 3
"""Partners of partners: a third look finds a transfer that happened between the first two."""


@dataclass(frozen=True, slots=True)
class Said:
    """A key of this leg asked for something; the leg may be gone meanwhile."""

    leg: ChannelId
    private: bool
    """The trainee's key; else the one that objects."""

    @property
    def variable(self) -> str:
        """Where the dialplan notes it (dialplan/freeswitch)."""
        return f"{SAID}{self.leg}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What lived when the link came up."""

    legs: tuple[Mapping[str, str], ...]
    """Each leg's headers by the names its events have (`Unique-ID`, `Answer-State`, `variable_...`), oldest first."""
    pairs: tuple[tuple[ChannelId, ChannelId], ...]
    """Who talks with whom, the older leg first."""
    said: tuple[Said, ...] = ()
    """What the keys of calls asked for while no bridge listened, in no order (P16)."""


Api = Callable[[str, str], Awaitable[str]]
"""Command and arguments; raises as `EslLink.api`."""


async def snapshot(api: Api) -> Snapshot:
    """Asks FreeSWITCH for all of it. Raises: PeerError, and as `api` except CommandRefused for one leg."""
    room = asyncio.Semaphore(AT_ONCE)

    async def dump(uuid: str) -> Mapping[str, str] | None:
        async with room:
            try:
                return leg_of(await api("uuid_dump", f"{uuid} json"))
            except CommandRefused:
                return None  # it hung up meanwhile

    found: dict[str, Mapping[str, str]] = {}
    asked, wanted = set[str](), uuids_of(await api("show", "calls as json"))
    for _ in range(ROUNDS):
        asked |= set(wanted)
        for leg in await asyncio.gather(*map(dump, wanted)):
            if leg is not None:
                found[leg["Unique-ID"]] = leg
        wanted = [bond for bond in dict.fromkeys(map(_bond, found.values())) if bond and bond not in asked]
    legs = sorted(found.values(), key=_created)
    said = said_in(await api("global_getvar", ""))
    return Snapshot(tuple(legs), tuple(_pairs(legs)), said)


def said_in(text: str) -> tuple[Said, ...]:
    """What the keys of calls asked for, among all global variables as `global_getvar` prints them, `name=value` each."""
    found = []
    for line in text.splitlines():
        name, _, value = line.partition("=")
        leg = name.removeprefix(SAID)
        if leg != name and _is_uuid(leg) and value in ("objection", "private"):
            found.append(Said(ChannelId(leg), value == "private"))
    return tuple(found)


def uuids_of(text: str) -> list[str]:
    """Every leg that `show calls as json` names, each once. Raises: PeerError."""
    rows = _object(text, "show calls").get("rows", [])  # no calls: only a row_count
    if not isinstance(rows, list) or len(rows) * 2 > LEGS_LIMIT:
        raise PeerError("FreeSWITCH's list of calls is none, or longer than any PBX's")
    uuids: list[str] = []
    for row in rows:
        if not isinstance(row, dict) or not _is_uuid(row.get("uuid")):
            raise PeerError("a row of FreeSWITCH's list of calls names no leg")
        other = row.get("b_uuid") or ""
        if other and not _is_uuid(other):
            raise PeerError("a row of FreeSWITCH's list of calls names no leg")
        uuids += [row["uuid"], *([other] if other else [])]
    return list(dict.fromkeys(uuids))


def _pairs(legs: list[Mapping[str, str]]) -> Iterator[tuple[ChannelId, ChannelId]]:
    answered = {leg["Unique-ID"]: leg for leg in legs if leg.get("Answer-State") == "answered"}
    places = {leg["Unique-ID"]: place for place, leg in enumerate(legs)}
    for place, leg in enumerate(legs):
        uuid, bond = leg["Unique-ID"], _bond(leg)
        if (
            places.get(bond, -1) > place
            and uuid in answered
            and bond in answered
            and _bond(answered[bond]) == uuid
        ):
            yield ChannelId(uuid), ChannelId(bond)


def _bond(leg: Mapping[str, str]) -> str:
    bond = leg.get(BOND, "")
    return bond if _is_uuid(bond) else ""


def leg_of(text: str) -> Mapping[str, str]:
    """The headers `uuid_dump U json` shows. Raises: PeerError."""
    headers = {name: _plain(value) for name, value in _object(text, "uuid_dump").items()}
    if not _is_uuid(headers.get("Unique-ID")):
        raise PeerError("FreeSWITCH's dump of a leg names no leg")
    return headers


def _plain(value: object) -> str:
    """A value as the plain format writes it: a list is `ARRAY::one|:two`."""
    if isinstance(value, list):
        return "ARRAY::" + "|:".join(map(str, value))
    return value if isinstance(value, str) else ""


def _object(text: str, what: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise PeerError(f"FreeSWITCH's answer to {what} is no JSON") from None
    if not isinstance(found, dict):
        raise PeerError(f"FreeSWITCH's answer to {what} is no JSON object")
    return found


def _is_uuid(text: object) -> bool:
    return (
        isinstance(text, str)
        and 0 < len(text) <= UUID_LIMIT
        and all(letter.isalnum() or letter in "-_.:@" for letter in text)
        and text.isascii()
    )


def _created(leg: Mapping[str, str]) -> int:
    text = leg.get("Caller-Channel-Created-Time", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
