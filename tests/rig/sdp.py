"""The little of SDP (RFC 4566, RFC 3264) that a test phone needs: one audio stream, one codec, keys, direction."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Codec:
    """How one voice travels. `clock` is RTP's, which for G.722 is 8000 although it carries 16000 samples per second."""

    name: str
    payload: int
    clock: int
    rate: int
    """Samples per second of the voice inside."""
    ptime_ms: int

    @property
    def ticks(self) -> int:
        """RTP timestamp steps per packet."""
        return self.clock * self.ptime_ms // 1000

    @property
    def samples(self) -> int:
        """Voice samples per packet."""
        return self.rate * self.ptime_ms // 1000

    @property
    def rtpmap(self) -> str:
        return f"{self.payload} {'opus/48000/2' if self.name == 'opus' else f'{self.name}/{self.clock}'}"


PCMU = Codec("PCMU", 0, 8000, 8000, 20)
PCMU_30MS = Codec("PCMU", 0, 8000, 8000, 30)
G722 = Codec("G722", 9, 8000, 16000, 20)
OPUS = Codec("opus", 107, 48000, 48000, 20)
KEYS_PAYLOAD = 101
"""telephone-event (RFC 4733)."""


class Direction(Enum):
    BOTH = "sendrecv"
    SENDS = "sendonly"
    RECEIVES = "recvonly"
    NONE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.BOTH, Direction.SENDS)


@dataclass(frozen=True, slots=True)
class Remote:
    """Where the other side wants its packets, under which payload numbers."""

    address: tuple[str, int]
    payloads: dict[str, int]
    direction: Direction


def offer(
    version: int, address: tuple[str, int], codec: Codec, direction: Direction, numbers: dict[str, int]
) -> str:
    """A session description. `numbers` are payload numbers the other side already chose."""
    payload = numbers.get(codec.name.lower(), codec.payload)
    keys = numbers.get("telephone-event", KEYS_PAYLOAD)
    lines = [
        "v=0", f"o=- 1 {version} IN IP4 {address[0]}", "s=rig", f"c=IN IP4 {address[0]}", "t=0 0",
        f"m=audio {address[1]} RTP/AVP {payload} {keys}",
        f"a=rtpmap:{payload} {codec.rtpmap.split(' ')[1]}",
        f"a=rtpmap:{keys} telephone-event/8000", f"a=fmtp:{keys} 0-16",
        f"a=ptime:{codec.ptime_ms}", f"a={direction.value}",
    ]  # fmt: skip
    return "\r\n".join(lines) + "\r\n"


def parse(body: str) -> Remote | None:
    """What the other side described; None when it has no audio address."""
    host = re.search(r"^c=IN IP4 (\S+)", body, re.M)
    media = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", body, re.M)
    if not host or not media:
        return None
    payloads = {
        name.lower(): int(number)
        for number, name, rate in re.findall(r"^a=rtpmap:(\d+) ([^/\s]+)/?(\d*)", body, re.M)
        if name.lower() != "telephone-event" or rate in ("", "8000")  # beside Opus it is there at 48000 too
    }
    way = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)", body, re.M)
    direction = Direction(way.group(1)) if way else Direction.BOTH
    return Remote((host.group(1), int(media.group(1))), payloads, direction)
