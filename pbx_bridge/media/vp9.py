"""The first bits of a VP9 packet: is it a keyframe, is it shown, and how to show it again in one byte.

It knows the uncompressed header as far as `refresh_frame_flags` (VP9 Bitstream & Decoding Process
Specification v0.6, 6.2 and 7.2) and never looks at a picture's content.
"""

from __future__ import annotations

from dataclasses import dataclass

_MARKER = 0b10
_SUPERFRAME_MASK, _SUPERFRAME = 0xE0, 0xC0


class NotVp9(Exception):
    """Not one VP9 frame: the station's encoder and the bridge do not agree."""

    def __str__(self) -> str:
        return "a picture is not a VP9 frame; update the workstation client or the bridge, whichever is older"


@dataclass(frozen=True, slots=True)
class Head:
    keyframe: bool
    shown: bool
    repeat: bytes | None
    """A packet that shows this picture once more, later (`show_existing_frame`); None when no reference keeps
    it."""


def read_head(packet: bytes) -> Head:
    """What the packet's first bits say. Raises: NotVp9."""
    bits = _Bits(packet)
    if bits.take(2) != _MARKER:
        raise NotVp9
    profile = bits.take(1) | bits.take(1) << 1
    if profile == 3 and bits.take(1):
        raise NotVp9
    if bits.take(1):
        return Head(keyframe=False, shown=True, repeat=packet)
    keyframe, shown, resilient = not bits.take(1), bool(bits.take(1)), bits.take(1)
    if keyframe:
        return Head(True, shown, _repeat(profile, 0))
    if (packet[-1] & _SUPERFRAME_MASK) == _SUPERFRAME:
        return Head(
            False, True, None
        )  # several frames in one packet: the first one's references say nothing of the last
    intra = 0 if shown else bits.take(1)
    if not resilient:
        bits.take(2)
    if intra:
        return Head(False, shown, None)
    refreshed = bits.take(8)
    slot = (refreshed & -refreshed).bit_length() - 1
    return Head(False, shown, _repeat(profile, slot) if refreshed else None)


def _repeat(profile: int, slot: int) -> bytes:
    """`show_existing_frame` of that reference slot."""
    low, high = profile & 1, profile >> 1
    start = _MARKER << 2 | low << 1 | high
    if profile == 3:
        return (((start << 2 | 1) << 3 | slot) << 7).to_bytes(2)
    return ((start << 1 | 1) << 3 | slot).to_bytes(1)


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:4].ljust(4, b"\0"))
        self._left, self._taken = 8 * min(len(data), 4), 0

    def take(self, count: int) -> int:
        if count > self._left:
            raise NotVp9
        self._left -= count
        self._taken += count
        return self._value >> 32 - self._taken & (1 << count) - 1
