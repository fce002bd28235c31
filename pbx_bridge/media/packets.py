"""Takes a WebM that merge.py wrote apart again: its pictures and sounds in the order of the file, undecoded (RFC 9559).

Pure. It knows the elements webm.py writes and nothing of what a packet shows or says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pbx_bridge.media.ebml import Element, Read, children, element_at, number
from pbx_bridge.media.mend import MAX_CLUSTER_BYTES, MAX_HEAD_BYTES, NotWebm

_SEGMENT, _TRACKS, _TRACK, _CLUSTER = 0x18538067, 0x1654AE6B, 0xAE, 0x1F43B675
_TRACK_NUMBER, _CODEC, _PRIVATE, _VIDEO, _WIDTH, _HEIGHT = 0xD7, 0x86, 0x63A2, 0xE0, 0xB0, 0xBA
_TIME, _SIMPLE_BLOCK, _GROUP, _BLOCK = 0xE7, 0xA3, 0xA0, 0xA1
_DURATION, _REFERENCE, _DISCARD = 0x9B, 0xFB, 0x75A2


@dataclass(frozen=True, slots=True)
class Tracks:
    """What both tracks are."""

    picture: int
    sound: int
    width: int
    height: int
    opus_head: bytes


@dataclass(frozen=True, slots=True)
class Packet:
    track: int
    ms: int
    data: bytes
    keyframe: bool
    duration_ms: int
    """How long a picture is shown; 0: until the next one."""
    cut_ns: int
    """How much of a sound's end is not to be heard."""


def tracks(read: Read, size: int) -> Tracks:
    """The tracks of a whole file of `size` bytes. Raises: NotWebm."""
    for element in children(read, _segment(read, size).body, min(size, MAX_HEAD_BYTES)):
        if element.id == _TRACKS:
            return _tracks(read, element)
    raise NotWebm("it has no tracks")


def packets(read: Read, size: int) -> Iterator[Packet]:
    """Every packet, cluster by cluster: only one cluster is in memory. Raises: NotWebm."""
    for element in children(read, _segment(read, size).body, size):
        if element.id == _CLUSTER and element.end is not None:
            if element.end - element.body > MAX_CLUSTER_BYTES:
                raise NotWebm("a cluster is larger than any of ours")
            yield from _cluster(read(element.body, element.end - element.body))


def _segment(read: Read, size: int) -> Element:
    ebml = element_at(read, 0, size)
    segment = element_at(read, ebml.end, size) if ebml is not None and ebml.end is not None else None
    if segment is None or segment.id != _SEGMENT:
        raise NotWebm("it has no segment")
    return segment


def _tracks(read: Read, element: Element) -> Tracks:
    picture = sound = width = height = 0
    opus_head = b""
    for track in children(read, element.body, element.end or element.body):
        fields = {child.id: child for child in children(read, track.body, track.end or track.body)}
        if track.id != _TRACK or _TRACK_NUMBER not in fields or _CODEC not in fields:
            continue
        codec = _body(read, fields[_CODEC])
        if codec == b"V_VP9" and _VIDEO in fields:
            picture, video = number(read, fields[_TRACK_NUMBER]), fields[_VIDEO]
            sizes = {c.id: number(read, c) for c in children(read, video.body, video.end or video.body)}
            width, height = sizes.get(_WIDTH, 0), sizes.get(_HEIGHT, 0)
        elif codec == b"A_OPUS" and _PRIVATE in fields:
            sound, opus_head = number(read, fields[_TRACK_NUMBER]), _body(read, fields[_PRIVATE])
    if not opus_head:
        raise NotWebm("it has no voices")
    return Tracks(picture, sound, width, height, opus_head)


def _cluster(body: bytes) -> Iterator[Packet]:
    def read(at: int, count: int) -> bytes:
        return body[at : at + count]

    base = 0
    for child in children(read, 0, len(body)):
        if child.id == _TIME:
            base = number(read, child)
        elif child.id == _SIMPLE_BLOCK:
            track, ms, flags, data = _block(_body(read, child))
            yield Packet(track, base + ms, data, bool(flags & 0x80), 0, 0)
        elif child.id == _GROUP and child.end is not None:
            parts = {part.id: part for part in children(read, child.body, child.end)}
            if _BLOCK in parts:
                track, ms, _, data = _block(_body(read, parts[_BLOCK]))
                shown_ms = number(read, parts[_DURATION]) if _DURATION in parts else 0
                cut_ns = number(read, parts[_DISCARD]) if _DISCARD in parts else 0
                yield Packet(track, base + ms, data, _REFERENCE not in parts, shown_ms, cut_ns)


def _block(body: bytes) -> tuple[int, int, int, bytes]:
    """Track, time within the cluster, flags, packet: no lacing, track numbers below 128, as webm.py writes."""
    if len(body) < 4 or not body[0] & 0x80:
        raise NotWebm("a block is none of ours")
    return body[0] & 0x7F, int.from_bytes(body[1:3], "big", signed=True), body[3], body[4:]


def _body(read: Read, element: Element) -> bytes:
    return read(element.body, (element.end or element.body) - element.body)
