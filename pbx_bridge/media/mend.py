"""Makes a WebM that a crash cut whole again: ends it after its last complete cluster, with length, duration and index.

Pure: it reads an exact prefix of what merge.py writes (Matroska, RFC 9559; EBML, RFC 8794) and says which bytes of
the head to replace, where to end, and what to append. webm.py reserves the head's room for the duration and for
the way to the index, so no cluster moves. It decodes nothing and knows no call.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from pbx_bridge.media.ebml import Element, Read, children, element_at, number

LAST_BLOCK_MS: Final = 20
"""How long the last block lasts: one frame of sound."""
MAX_CLUSTER_BYTES: Final = 64 * 1024 * 1024
"""Half a second of any recording is far below; more is no file of ours."""
MAX_HEAD_BYTES: Final = 16 * 1024

_EBML, _SEGMENT, _VOID = 0x1A45DFA3, 0x18538067, 0xEC
_SEEK_HEAD, _SEEK, _SEEK_ID, _SEEK_POSITION = 0x114D9B74, 0x4DBB, 0x53AB, 0x53AC
_INFO, _SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _TRACK, _TRACK_NUMBER, _TRACK_TYPE = 0x1654AE6B, 0xAE, 0xD7, 0x83
_CLUSTER, _TIME, _SIMPLE_BLOCK, _GROUP, _BLOCK, _REFERENCE = 0x1F43B675, 0xE7, 0xA3, 0xA0, 0xA1, 0xFB
_CUES, _CUE, _CUE_TIME, _CUE_PLACES, _CUE_TRACK, _CUE_CLUSTER = 0x1C53BB6B, 0xBB, 0xB3, 0xB7, 0xF7, 0xF1
_MILLISECONDS = 1_000_000
_VIDEO = 1


class NotWebm(Exception):
    """There is no complete cluster in it, or it is not what merge.py writes."""


@dataclass(frozen=True, slots=True)
class Mended:
    """The whole file is `head`, then the prefix from len(head) to `end`, then `index`."""

    head: bytes
    end: int
    index: bytes
    duration_ms: int


@dataclass(frozen=True, slots=True)
class _Cluster:
    last_ms: int
    keyframe_ms: int | None
    """Time of its first keyframe of the picture."""


def mend(read: Read, size: int) -> Mended:
    """What to do with a prefix of `size` bytes. Raises: NotWebm."""
    ebml = element_at(read, 0, size)
    if ebml is None or ebml.id != _EBML or ebml.end is None:
        raise NotWebm("it does not begin as WebM")
    segment = element_at(read, ebml.end, size)
    if segment is None or segment.id != _SEGMENT:
        raise NotWebm("it has no segment")
    room, duration, video = _head(read, segment.body, size)
    if isinstance(duration, int):
        return Mended(b"", size, b"", duration)
    end, last_ms, cues = segment.body, -1, b""
    for element in children(read, segment.body, size):
        if element.id in (_CUES, _SEEK_HEAD) and element.at > segment.body + MAX_HEAD_BYTES:
            break
        if element.id == _CLUSTER and element.end is not None:
            cluster = _cluster(read, element, video)
            last_ms = max(last_ms, cluster.last_ms)
            end = element.end
            if cluster.keyframe_ms is not None:
                cues += _cue(cluster.keyframe_ms, video, element.at - segment.body)
    if last_ms < 0:
        raise NotWebm("it has no complete cluster")
    index = _written(_CUES, cues)
    duration_ms = last_ms + LAST_BLOCK_MS
    head = bytearray(read(0, duration.end or 0))
    _replace(head, room, _seek_head(end - segment.body))
    _replace(head, duration, _written(_DURATION, struct.pack(">d", duration_ms)))
    segment_size = end + len(index) - segment.body
    head[segment.body - 8 : segment.body] = (1 << 56 | segment_size).to_bytes(8, "big")
    return Mended(bytes(head), end, index, duration_ms)


def _head(read: Read, start: int, size: int) -> tuple[Element, Element | int, int]:
    """The room for the way to the index, the room for the duration (or the duration that stands there), the picture's
    track."""
    room: Element | None = None
    duration: Element | int | None = None
    video: int | None = None
    for element in children(read, start, min(size, start + MAX_HEAD_BYTES)):
        if element.end is None:
            break
        if element.id == _VOID and room is None:
            room = element
        elif element.id == _INFO:
            duration = _duration(read, element, element.end)
        elif element.id == _TRACKS:
            video = _video_track(read, element, element.end)
    if duration is None or video is None or (room is None and not isinstance(duration, int)):
        raise NotWebm("its head is not complete")
    return room or Element(_VOID, 0, 0, 0), duration, video


def _duration(read: Read, info: Element, end: int) -> Element | int | None:
    found: Element | int | None = None
    for child in children(read, info.body, end):
        body = read(child.body, (child.end or child.body) - child.body)
        if child.id == _SCALE and int.from_bytes(body, "big") != _MILLISECONDS:
            raise NotWebm("its times are not milliseconds")
        if child.id == _DURATION and len(body) == 8:
            found = round(struct.unpack(">d", body)[0])
        elif child.id == _VOID and child.end is not None and child.end - child.at == 11:
            found = child
    return found


def _video_track(read: Read, tracks: Element, end: int) -> int | None:
    for track in children(read, tracks.body, end):
        if track.id == _TRACK and track.end is not None:
            fields = {
                c.id: number(read, c) for c in children(read, track.body, track.end) if c.end is not None
            }
            if fields.get(_TRACK_TYPE) == _VIDEO:
                return fields.get(_TRACK_NUMBER)
    return None


def _cluster(read: Read, cluster: Element, video: int) -> _Cluster:
    end = cluster.end or cluster.body
    if end - cluster.body > MAX_CLUSTER_BYTES:
        raise NotWebm("a cluster is larger than any of ours")
    body = read(cluster.body, end - cluster.body)

    def within(at: int, count: int) -> bytes:
        return body[at : at + count]

    base = 0
    last_ms, keyframe_ms = -1, None
    for child in children(within, 0, len(body)):
        if child.id == _TIME:
            base = number(within, child)
        block, key = child, False
        if child.id == _GROUP and child.end is not None:
            parts = {part.id: part for part in children(within, child.body, child.end)}
            block, key = parts.get(_BLOCK, child), _REFERENCE not in parts
        if block.id in (_SIMPLE_BLOCK, _BLOCK):
            start = within(block.body, 4)
            ms = base + int.from_bytes(start[1:3], "big", signed=True)
            last_ms = max(last_ms, ms)
            key = key or (block.id == _SIMPLE_BLOCK and bool(start[3] & 0x80))
            if key and start[0] & 0x7F == video and keyframe_ms is None:
                keyframe_ms = ms
    return _Cluster(last_ms, keyframe_ms)


def _written(id_: int, body: bytes) -> bytes:
    name = id_.to_bytes((id_.bit_length() + 7) // 8, "big")
    return name + ((0x80 | len(body)).to_bytes(1, "big") if len(body) < 127 else _long(len(body))) + body


def _long(size: int) -> bytes:
    return (1 << 56 | size).to_bytes(8, "big")


def _cue(ms: int, track: int, cluster: int) -> bytes:
    place = _written(_CUE_TRACK, bytes([track])) + _written(_CUE_CLUSTER, cluster.to_bytes(8, "big"))
    return _written(_CUE, _written(_CUE_TIME, ms.to_bytes(8, "big")) + _written(_CUE_PLACES, place))


def _seek_head(cues: int) -> bytes:
    entry = _written(_SEEK_ID, _CUES.to_bytes(4, "big")) + _written(_SEEK_POSITION, cues.to_bytes(8, "big"))
    return _written(_SEEK_HEAD, _written(_SEEK, entry))


def _replace(head: bytearray, room: Element, element: bytes) -> None:
    """Puts `element` in place of a void, with a void for what is left."""
    end = room.end or room.at
    left = end - room.at - len(element)
    if left and left < 9:
        raise NotWebm("its head has no room")
    rest = bytes([_VOID]) + _long(left - 9) + bytes(left - 9) if left else b""
    head[room.at : end] = element + rest
