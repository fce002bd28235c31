"""What comes from a leg's phone, in FreeSWITCH's own count of packets (mod_commands: `json`, mediaStats)."""

from __future__ import annotations

import json

from pbx_bridge.errors import PeerError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.esl_connection import CommandRefused
from pbx_bridge.telephony.freeswitch.esl_link import EslLink, one_word

COUNT_LIMIT = 2**64
"""FreeSWITCH counts in 64 bits."""


async def media_stats(link: EslLink, leg: ChannelId) -> int | None:
    """RTP packets that came from the leg's phone so far; None when its voice does not pass through FreeSWITCH.

    Raises: CommandRefused for a leg that is gone, and as `EslLink.api`.
    """
    asked = json.dumps({"command": "mediaStats", "data": {"uuid": one_word(leg)}}, separators=(",", ":"))
    return packets_in(await link.api("json", asked))


def packets_in(text: str) -> int | None:
    """Of what `json` printed. Raises: CommandRefused for a leg that is gone, PeerError for what is no such answer."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise PeerError("FreeSWITCH's media stats are no JSON") from None
    if not isinstance(found, dict):
        raise PeerError("FreeSWITCH's media stats are no object")
    if found.get("status") != "success":
        raise CommandRefused("mediaStats", "the leg is gone")
    response = found.get("response")
    if not isinstance(response, dict):
        raise PeerError("FreeSWITCH's media stats are no object")
    audio = response.get("audio")
    if audio is None:
        return None
    count = audio.get("in_packet_count") if isinstance(audio, dict) else None
    if isinstance(count, bool) or not isinstance(count, int | float) or not 0 <= count < COUNT_LIMIT:
        raise PeerError("FreeSWITCH's media stats count no packets")
    return int(count)
