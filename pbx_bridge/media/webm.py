"""The WebM file as bytes: a head, clusters as they fill, an index at the end (Matroska, RFC 9559; EBML, RFC
8794). Pure.

It knows VP9 and Opus packets and their milliseconds; it never decodes one and knows no call. FFmpeg's own
muxer is not used for writing: it keeps every sound back until the next picture (libavformat's interleaver,
for VP9 alone), so that on a still screen a crash would cost two seconds of voices instead of one.

    head:     EBML | Segment, size unknown until the end | room for the way to the index | Info with room for
    the
              duration | Tracks: 1 picture, 2 sound
    cluster:  time | blocks in the order of time; a keyframe begins one
    index:    one cue for each keyframe of the picture; without pictures one for each cluster
    chapters: talk and pauses, where there was a pause (chapters.py)

Only the head is written twice, within its own length: its rooms are filled by `finish`, or by mend.py after a
crash. No date, no name, no random id: two files of the same packets are the same bytes (P17).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from pbx_bridge.media.chapters import CHAPTERS, Chapter, written

PICTURE, SOUND = 1, 2
"""Track numbers."""
CLUSTER_MS = 500
"""How much a cluster spans: what a crash may cost of the file, for it waits in memory until it is whole."""
LATE_MS = 10_000
"""How far before its cluster's other blocks one may lie: far above any lease, below what a block's time can
say."""
OPUS_RATE = 48_000
"""Opus counts in this, whatever went in (RFC 7845)."""
SEEK_PRE_ROLL_NS = 80_000_000
"""How much a player decodes before a place it seeks (RFC 7845, 4.6)."""
_ROOM_BYTES = 80
"""For the way to the index and to the chapters; 62 are needed at most."""
_DURATION_BYTES = 11
_UNKNOWN = (1 << 56) - 1
_BT709, _LIMITED = 1, 1


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes to write over the head."""

    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class _Block:
    track: int
    ms: int
    packet: bytes
    keyframe: bool
    duration_ms: int
    cut_ns: int


class Webm:
    """Packets in, bytes to append out."""

    def __init__(self, width: int, height: int, opus_head: bytes) -> None:
        """`width` 0: a file of voices alone, without a picture track."""
        ebml, room, info = _ebml(), _void(_ROOM_BYTES), _info(_void(_DURATION_BYTES))
        self._index_by = PICTURE if width else SOUND
        picture = _picture_track(width, height) if width else b""
        tracks = _element(0x1654AE6B, picture, _sound_track(opus_head))
        self._start = len(ebml) + 12
        """Where the segment's content begins; the index counts from here."""
        self._duration_at = self._start + len(room) + len(info) - _DURATION_BYTES
        self.head = ebml + _segment(_UNKNOWN) + room + info + tracks
        self._size = len(self.head)
        self._blocks: list[_Block] = []
        self._cues: list[bytes] = []

    @property
    def waiting(self) -> int:
        """Packets in no cluster yet."""
        return len(self._blocks)

    def picture(self, ms: int, packet: bytes, *, keyframe: bool, duration_ms: int = 0) -> bytes:
        """Returns the cluster that this packet closes, or nothing. `duration_ms` 0: until the next
        picture."""
        return self._add(_Block(PICTURE, ms, packet, keyframe, duration_ms, 0))

    def sound(self, ms: int, packet: bytes, *, cut_ns: int = 0) -> bytes:
        """As `picture`. `ms` counts the codec's delay; `cut_ns` of the packet's end are not to be heard."""
        return self._add(_Block(SOUND, ms, packet, True, 0, cut_ns))

    def finish(self, duration_ms: float, chapters: Iterable[Chapter] = ()) -> tuple[bytes, tuple[Patch, ...]]:
        """The last bytes to append, then what to write over the head."""
        last = self._cluster()
        index, marks = _element(0x1C53BB6B, *self._cues), written(chapters)
        seeks = [_seek(0x1C53BB6B, self._size - self._start)]
        if marks:
            seeks.append(_seek(CHAPTERS, self._size + len(index) - self._start))
        way = _element(0x114D9B74, *seeks)
        self._size += len(index) + len(marks)
        return last + index + marks, (
            Patch(self._start - 12, _segment(self._size - self._start)),
            Patch(self._start, way + _void(_ROOM_BYTES - len(way))),
            Patch(self._duration_at, _float(0x4489, duration_ms)),
        )

    def _add(self, block: _Block) -> bytes:
        first_ms = self._blocks[0].ms if self._blocks else block.ms
        full = not first_ms - LATE_MS <= block.ms < first_ms + CLUSTER_MS
        done = self._cluster() if full or (block.track == PICTURE and block.keyframe) else b""
        self._blocks.append(block)
        return done

    def _cluster(self) -> bytes:
        """What waits, as a cluster. A picture may be late, so its blocks are put in order and the earliest is
        its time."""
        if not self._blocks:
            return b""
        blocks, self._blocks = sorted(self._blocks, key=lambda block: block.ms), []
        begin_ms = blocks[0].ms
        cluster = _element(
            0x1F43B675, _number(0xE7, begin_ms), *(_block(block, begin_ms) for block in blocks)
        )
        keys = [block for block in blocks if block.track == self._index_by and block.keyframe]
        for block in keys if self._index_by == PICTURE else keys[:1]:
            place = _element(0xB7, _number(0xF7, block.track), _number(0xF1, self._size - self._start))
            self._cues.append(_element(0xBB, _number(0xB3, block.ms), place))
        self._size += len(cluster)
        return cluster


def _block(block: _Block, begin_ms: int) -> bytes:
    head = bytes([0x80 | block.track]) + struct.pack(">h", block.ms - begin_ms)
    if not block.duration_ms and not block.cut_ns:
        return _element(0xA3, head, b"\x80" if block.keyframe else b"\0", block.packet)
    parts = [_element(0xA1, head, b"\0", block.packet)]
    if block.duration_ms:
        parts.append(_number(0x9B, block.duration_ms))
    if not block.keyframe:
        parts.append(_element(0xFB, b"\xff"))  # refers to the picture before
    if block.cut_ns:
        parts.append(_element(0x75A2, struct.pack(">q", block.cut_ns)))
    return _element(0xA0, *parts)


def _seek(name: int, position: int) -> bytes:
    return _element(0x4DBB, _element(0x53AB, name.to_bytes(4)), _number(0x53AC, position))


def _ebml() -> bytes:
    """Version 4 for the codec's delay and the cut at the end, readable from 2 on."""
    limits = _number(0x4286, 1) + _number(0x42F7, 1) + _number(0x42F2, 4) + _number(0x42F3, 8)
    return _element(0x1A45DFA3, limits, _element(0x4282, b"webm"), _number(0x4287, 4), _number(0x4285, 2))


def _info(duration: bytes) -> bytes:
    app = b"pbx-bridge"
    return _element(
        0x1549A966, _number(0x2AD7B1, 1_000_000), _element(0x4D80, app), _element(0x5741, app), duration
    )


def _picture_track(width: int, height: int) -> bytes:
    colour = _element(
        0x55B0,
        _number(0x55B1, _BT709),
        _number(0x55B9, _LIMITED),
        _number(0x55BA, _BT709),
        _number(0x55BB, _BT709),
    )
    video = _element(0xE0, _number(0xB0, width), _number(0xBA, height), _number(0x9A, 2), colour)
    return _track(PICTURE, 1, b"V_VP9", video)


def _sound_track(opus_head: bytes) -> bytes:
    delay_ns = int.from_bytes(opus_head[10:12], "little") * 1_000_000_000 // OPUS_RATE
    audio = _element(0xE1, _float(0xB5, OPUS_RATE), _number(0x9F, opus_head[9]))
    times = _number(0x56AA, delay_ns) + _number(0x56BB, SEEK_PRE_ROLL_NS)
    return _track(SOUND, 2, b"A_OPUS", times, audio, _element(0x63A2, opus_head))


def _track(number: int, kind: int, codec: bytes, *parts: bytes) -> bytes:
    ids = _number(0xD7, number) + _number(0x73C5, number) + _number(0x83, kind) + _number(0x9C, 0)
    return _element(0xAE, ids, _element(0x22B59C, b"und"), _element(0x86, codec), *parts)


def _segment(size: int) -> bytes:
    return b"\x18\x53\x80\x67" + (1 << 56 | size).to_bytes(8)


def _element(name: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return name.to_bytes((name.bit_length() + 7) // 8) + _length(len(body)) + body


def _length(size: int) -> bytes:
    """A variable-length number (RFC 8794, 4); all ones mean unknown, so they are never a length."""
    width = -(-(size + 1).bit_length() // 7)
    return (1 << 7 * width | size).to_bytes(width)


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, (value.bit_length() + 7) // 8)))


def _float(name: int, value: float) -> bytes:
    return _element(name, struct.pack(">d", value))


def _void(size: int) -> bytes:
    """Exactly `size` bytes of nothing."""
    return b"\xec\x01" + (size - 9).to_bytes(7) + bytes(size - 9)
