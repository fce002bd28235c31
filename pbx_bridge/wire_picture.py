"""One encoded picture as a binary websocket message. Shared with the workstation client.

Big-endian header of 42 bytes, then the codec's packet (VP9) to the end of the message:

    u8  kind        1: picture
    u8  flags       bit 0 keyframe, bit 1 neutral card; the others are 0
    u16 width       of the canvas, pixels
    u16 height
    16  recording   the recording id's 128 bits
    u64 seq         number of this entry in the recording, counted by the workstation from 0
    i64 pts_ns      the workstation's CLOCK_MONOTONIC at the change the picture shows
    u32 late_us     microseconds after that at which it was read from the window: nothing painted later is in it (P8)

It knows the bytes and never looks into the packet.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import Final

from pbx_bridge.errors import PeerError
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire import MAX_CANVAS

_HEADER: Final = struct.Struct("!BBHH16sQqI")
_KIND_PICTURE: Final = 1
_KEYFRAME, _CARD = 1, 2
MAX_PICTURE_BYTES: Final = 4 * 1024 * 1024
"""A keyframe of dense text on a 4K canvas was below 3 MiB; a 1080p one is about 0.4 MiB."""
MAX_PACKET_BYTES: Final = MAX_PICTURE_BYTES + _HEADER.size
MAX_SEQ: Final = 2**48
MAX_LATE_US: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture with its place in the recording."""

    recording: RecordingId
    seq: int
    pts_ns: int
    keyframe: bool
    card: bool
    """The neutral card instead of the window (P4)."""
    width: int
    height: int
    data: bytes
    late_us: int = 0
    """The picture was read from the window this much after `pts_ns`, rounded up: P8 asks about that instant too."""


def write_picture(picture: Picture) -> bytes:
    """The packet. Raises: ValueError when it breaks a limit (ours to mend)."""
    if not 0 < len(picture.data) <= MAX_PICTURE_BYTES:
        raise ValueError(f"a picture of {len(picture.data)} bytes does not fit a packet")
    flags = (_KEYFRAME if picture.keyframe else 0) | (_CARD if picture.card else 0)
    raw = base64.b32decode(picture.recording.upper() + "======")
    try:
        header = _HEADER.pack(
            _KIND_PICTURE,
            flags,
            picture.width,
            picture.height,
            raw,
            picture.seq,
            picture.pts_ns,
            picture.late_us,
        )
    except struct.error as error:
        raise ValueError(f"a picture's header does not fit: {error}") from None
    return header + picture.data


def read_picture(packet: bytes) -> Picture:
    """The picture in `packet`. Raises: PeerError."""
    if len(packet) <= _HEADER.size:
        raise PeerError(f"a binary packet of {len(packet)} bytes is too short for a picture")
    if len(packet) > MAX_PACKET_BYTES:
        raise PeerError(f"a binary packet is longer than {MAX_PACKET_BYTES} bytes")
    kind, flags, width, height, raw, seq, pts_ns, late_us = _HEADER.unpack_from(packet)
    if kind != _KIND_PICTURE:
        raise PeerError(f"unknown kind of binary packet: {kind}")
    if flags & ~(_KEYFRAME | _CARD):
        raise PeerError("unknown flags in a picture packet")
    if not (16 <= width <= MAX_CANVAS and 16 <= height <= MAX_CANVAS):
        raise PeerError(f"a picture's sides must be 16 to {MAX_CANVAS}")
    if seq > MAX_SEQ:
        raise PeerError("a picture's sequence number is out of range")
    recording = RecordingId(base64.b32encode(raw).decode().rstrip("=").lower())
    return Picture(
        recording,
        seq,
        pts_ns,
        bool(flags & _KEYFRAME),
        bool(flags & _CARD),
        width,
        height,
        packet[_HEADER.size :],
        late_us,
    )
