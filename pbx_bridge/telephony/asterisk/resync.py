"""All that lives on the PBX when a link comes up, told as facts.

Status names the channels and their bridges, BridgeList says which bridges are no conversation. It knows these two
lists; what must happen to calls that are found (never armed again, P10) it does not know.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk.ami_protocol import FencedProtocol
from pbx_bridge.telephony.asterisk.translate import HOLDING, born, said

SAID = "PBXB_SAID"
"""The dialplan's global: which channels pressed a key of theirs, until the bridge has done what follows (P16)."""
DEADLINE_S = 5.0
"""A list of a thousand channels takes some tens of milliseconds."""


async def snapshot(protocol: FencedProtocol, digest_key: bytes) -> list[Fact]:
    """LinkUp with every channel, what cannot be read of them, which are up, who shares a bridge, and who objected.

    Raises: as `FencedProtocol.ask`.
    """
    bridges = await protocol.ask({"Action": "BridgeList"}, DEADLINE_S)
    holding = frozenset(
        str(one.get("BridgeUniqueid")) for one in bridges if one.get("BridgeTechnology") == HOLDING
    )
    answers = await protocol.ask({"Action": "Status"}, DEADLINE_S)
    now_ns = time.monotonic_ns()
    channels: list[facts.ChannelBorn] = []
    more: list[Fact] = []
    for event in answers:
        if event.get("Event") != "Status":
            continue
        try:
            if (channel := born(event, now_ns, digest_key)) is not None:
                channels.append(channel)
                more += _standing(event, channel.channel, now_ns, holding)
        except ValueError:
            more.append(facts.Unreadable(now_ns, None, "Status"))
    (noted, *_) = await protocol.ask({"Action": "Getvar", "Variable": SAID}, DEADLINE_S)
    value = noted.get("Value")
    return [
        facts.LinkUp(now_ns, tuple(channels)),
        *more,
        *said(value if isinstance(value, str) else "", now_ns),
    ]


def _standing(
    event: Mapping[str, object], channel: ChannelId, at_ns: int, holding: frozenset[str]
) -> list[Fact]:
    if event.get("ChannelStateDesc") != "Up":
        return []
    said: list[Fact] = [facts.ChannelUp(at_ns, channel)]
    bridge = event.get("BridgeID")
    if isinstance(bridge, str) and bridge and bridge not in holding:
        said.append(facts.BridgeEntered(at_ns, channel, bridge))
    return said
