"""All that lives on FreeSWITCH when a link comes up: every leg as `uuid_dump` shows it, and who talks with whom.

`show calls as json` names the legs (single ones too: a caller in a queue) and the pairs; it reads a table that lags the
truth a little. `uuid_dump` is the truth of now: a leg that is gone meanwhile is left out, its partner stays. What must
happen to calls that are found (never armed again, P10) it does not know.
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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What lived when the link came up."""

    legs: tuple[Mapping[str, str], ...]
    """Each leg's headers by the names its events have (`Unique-ID`, `Answer-State`, `variable_...`), oldest first."""
    pairs: tuple[tuple[ChannelId, ChannelId], ...]
    """(A leg, B leg) of each call in which both live."""


Api = Callable[[str, str], Awaitable[str]]
"""Command and arguments; raises as `EslLink.api`."""


async def snapshot(api: Api) -> Snapshot:
    """Asks FreeSWITCH for all of it. Raises: PeerError, and as `api` except CommandRefused for one leg."""
    pairs = calls_of(await api("show", "calls as json"))
    uuids = list(dict.fromkeys(uuid for pair in pairs for uuid in pair if uuid))
    room = asyncio.Semaphore(AT_ONCE)

    async def dump(uuid: str) -> Mapping[str, str] | None:
        async with room:
            try:
                return leg_of(await api("uuid_dump", f"{uuid} json"))
            except CommandRefused:
                return None  # it hung up meanwhile

    found = [leg for leg in await asyncio.gather(*map(dump, uuids)) if leg is not None]
    living = {leg["Unique-ID"] for leg in found}
    return Snapshot(
        tuple(sorted(found, key=_created)),
        tuple((ChannelId(one), ChannelId(two)) for one, two in pairs if {one, two} <= living),
    )


def calls_of(text: str) -> list[tuple[str, str]]:
    """(uuid, b_uuid or "") of each row of `show calls as json`. Raises: PeerError."""
    rows = _object(text, "show calls").get("rows", [])  # no calls: only a row_count
    if not isinstance(rows, list) or len(rows) * 2 > LEGS_LIMIT:
        raise PeerError("FreeSWITCH's list of calls is none, or longer than any PBX's")
    return list(_uuids(rows))


def _uuids(rows: list[object]) -> Iterator[tuple[str, str]]:
    for row in rows:
        if not isinstance(row, dict):
            raise PeerError("a row of FreeSWITCH's list of calls is none")
        uuid, other = row.get("uuid"), row.get("b_uuid") or ""
        if not _is_uuid(uuid) or not (other == "" or _is_uuid(other)):
            raise PeerError("a row of FreeSWITCH's list of calls names no leg")
        yield str(uuid), str(other)


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
