"""What FreeSWITCH is asked of one recording (mod_commands: `uuid_record`), and whether a leg leaves anything to record.

It knows commands and their order of words; when to begin, to mask and to end it does not know.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from enum import Enum

from pbx_bridge.errors import PeerError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.esl_connection import CommandRefused
from pbx_bridge.telephony.freeswitch.esl_link import EslLink, one_word
from pbx_bridge.telephony.freeswitch.media_stats import media_stats
from pbx_bridge.telephony.freeswitch.stereo import RATE

LIMIT_S = 3900
"""P10: FreeSWITCH ends it by itself, should nobody else; above the ceiling of a recording."""
WANTED = {
    "RECORD_STEREO": "true",
    "RECORD_STEREO_SWAP": "false",
    "RECORD_READ_ONLY": "false",
    "RECORD_WRITE_ONLY": "false",
    "RECORD_APPEND": "false",
    "RECORD_ANSWER_REQ": "false",
    "RECORD_BRIDGE_REQ": "false",
    "RECORD_CHECK_BRIDGE": "false",
    "RECORD_TOGGLE_ON_REPEAT": "false",
    "RECORD_HANGUP_ON_ERROR": "false",  # the call goes on, whatever becomes of its recording
    "RECORD_USE_THREAD": "true",  # a reader that stalls stalls a thread of its own, never the call
    "RECORD_PRE_BUFFER_FRAMES": "1",  # else the first half second comes late
    "enable_file_write_buffering": "false",  # else 64 KiB at once: two seconds
    "record_sample_rate": str(RATE),
}
"""Given with the command: what the site set on the leg for recordings of its own holds for those only.
Source: FreeSWITCH 1.11 src/switch_ivr_async.c, switch_ivr_record_session_event."""
_RECORDED = re.compile(r"<function>session_record</function>\s*<target>([^<]*)</target>")
BYPASSES = ("bypass_media", "bypass_media_after_bridge", "proxy_media")
"""Variables by which a dialplan sends the voices past FreeSWITCH, or through it unread."""
HIDES_HOLDS = "rtp_disable_hold"
"""A variable by which a dialplan keeps a phone's holds to itself: they would be filmed."""
TRUE = frozenset({"true", "yes", "on", "t", "enabled", "active", "allow", "1"})
"""FreeSWITCH's own words for it (switch_true)."""
BOND = "signal_bond"
"""The leg this one talks with."""
NOT_DONE = (CommandRefused, OSError, TimeoutError, ValueError)
"""What each of these raises: a leg that is gone, a link that is down, an id that is none."""


class Hindrance(Enum):
    """Why a leg is not to be recorded."""

    BYPASSED = "bypassed"
    HOLDS_HIDDEN = "holds-hidden"


async def start(link: EslLink, leg: ChannelId, path: str) -> None:
    """Both voices into `path`. In the background: FreeSWITCH opens the pipe, and would wait there without a reader."""
    how = ",".join(f"{name}={value}" for name, value in WANTED.items())
    await link.bgapi("uuid_record", f"{one_word(leg)} start {path} {LIMIT_S} {{{how}}}")


async def mask(link: EslLink, leg: ChannelId, path: str, *, masked: bool) -> None:
    """Silence for both voices, or no longer; its time goes on."""
    await link.api("uuid_record", f"{one_word(leg)} {'mask' if masked else 'unmask'} {path}")


async def stop(link: EslLink, leg: ChannelId, path: str) -> None:
    """Returns when FreeSWITCH has closed its end. In the background: it waits for the thread that writes."""
    await link.bgapi("uuid_record", f"{one_word(leg)} stop {path}")


async def stop_all(link: EslLink, leg: ChannelId, is_own: Callable[[str], bool]) -> None:
    """Ends all recordings of a leg, if all are our own. What FreeSWITCH moved here from another leg it has forgotten by its
    path (measured), so that nothing else ends it. Raises: as `stop`."""
    paths = _RECORDED.findall(await link.api("uuid_buglist", one_word(leg)))
    if paths and all(map(is_own, paths)):
        await link.bgapi("uuid_record", f"{one_word(leg)} stop all")


async def hindrance(link: EslLink, leg: ChannelId) -> Hindrance | None:
    """P9: why this leg cannot be recorded as it should; what cannot be asked hinders nothing.

    There are no media here, or the dialplan wants them away on either leg: that comes true some time after the two were
    joined, where a notice was played before (measured). Or holds are kept from us on either.
    """
    with contextlib.suppress(*NOT_DONE, PeerError):
        if await media_stats(link, leg) is None:
            return Hindrance.BYPASSED
        partner = ChannelId(await link.getvar(leg, BOND))
        asked = [(one, name) for one in filter(None, (leg, partner)) for name in (*BYPASSES, HIDES_HOLDS)]
        said = await asyncio.gather(*(link.getvar(one, name) for one, name in asked))
        found = {name for (_, name), word in zip(asked, said, strict=True) if word.lower() in TRUE}
        if found:
            return Hindrance.HOLDS_HIDDEN if found == {HIDES_HOLDS} else Hindrance.BYPASSED
    return None
