"""P7, P8, P9, P10: when a call may be filmed. Pure questions; the session asks them and nobody else answers.

The circumstances are what the PBX and the workstation last said; in doubt the answer is no.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pbx_bridge.calls.events import PauseBy, StationSeen
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import ChannelId

CEILING_NS = 60 * 60 * 10**9
"""P10: no recording is longer than an hour."""
PICTURE_EVERY_NS = 1 * 10**9
"""P2: one picture each second of call time; so a film may go on as long after its last one, and a recording cut off
from its station ends there."""
APART_LIMIT_NS = 2 * 10**9
"""How long a recording waits for the same party to come back (a transfer's swap, a Local channel's optimisation)."""
START_LIMIT_NS = 2 * 10**9
"""Pictures and both voices must have begun this soon after the order (P10: unknown stops within 2 s)."""
STOP_LIMIT_NS = 1 * 10**9
"""How long the last pictures of a stopped capture are waited for."""
SILENT_PAUSE_NS = 10 * 10**9
"""No RTP from the agent's phone for this long: paused. Measured: a dead phone is reported by nothing else."""
SILENT_END_NS = 30 * 10**9
PAYMENT_DEFAULT_S, PAYMENT_CEILING_S = 300, 900
"""P7: how long a payment may keep a recording paused; longer, somebody forgot to end it, and the recording ends."""


PAYMENT_TAIL_NS = 500 * 10**6
"""P7: how long a payment lasts after its end was announced: what was said before is still on its way through the PBX.
Measured on a busy machine: 50 ms; audio that a late phone sent at once waits in the PBX's queues for longer."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known about one leg right now."""

    party: ChannelId | None = None
    """The one outside party, None when there is none or more than one."""
    notice: str = ""
    """Hash of the notice that party heard, "" if none."""
    held: bool = False
    silent: bool = False
    """The agent's phone has sent nothing for SILENT_PAUSE_NS."""
    paying: frozenset[PauseBy] = frozenset()
    """Who says that a secret is being told."""
    trailing: bool = False
    """The last of them took it back less than PAYMENT_TAIL_NS ago."""


def may_film(now: Circumstances, with_party: ChannelId | None) -> bool:
    """P8, P9: true only while the agent talks with one party that heard the notice (P16), neither on hold nor cut off.

    `with_party` is the party the recording began with, None before it began: it is never filmed with another.
    """
    if now.party is None or now.held or now.silent or not now.notice or is_secret(now):
        return False
    return with_party is None or now.party == with_party


def is_secret(now: Circumstances) -> bool:
    """P7: a payment or another secret goes on until everyone who announced one has taken it back, and its sound came."""
    return bool(now.paying) or now.trailing


def longest_ns(minutes_left: float) -> int:
    """P10, P15: how long a recording may be at most: an hour, and what the week still allows."""
    return min(CEILING_NS, int(minutes_left * 60 * 10**9))


def choose_station(stations: Iterable[StationSeen]) -> StationSeen | Reason:
    """P10: the one workstation that may film: exactly one is active and unlocked, and it is not filming already."""
    live = list(stations)
    if not live:
        return Reason.NO_STATION
    usable = [station for station in live if station.active and not station.locked]
    if not usable:
        return Reason.STATION_LOCKED
    if len(usable) > 1:
        return Reason.SEVERAL_STATIONS
    if usable[0].recording:
        return Reason.BUSY_STATION
    return usable[0]
