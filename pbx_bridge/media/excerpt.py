"""P23: one party's copy of a recording: their own voice, the other's silenced; the pictures copied, or left out.

The pictures are copied as they are, never decoded. The voices are decoded, one leg is set to zero and they are encoded
anew, so that no sample and no packet of the other voice is in the copy. It knows packets and samples; it knows no person,
key or right.

A codec that couples two channels leaves a shadow of one in the other, 60 dB below (opus.py). Where the kept leg is silent
that shadow would be all there is to hear, so a kept leg that lies SHADOW_DB below the other is silence too.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Final

from pbx_bridge.media.chapters import Chapter, chapters
from pbx_bridge.media.ebml import Read
from pbx_bridge.media.mend import NotWebm, mend
from pbx_bridge.media.merge import Film, Sink
from pbx_bridge.media.opus import BadSound, Decoder
from pbx_bridge.media.packets import Packet, packets, tracks
from pbx_bridge.media.voice import FRAME_MS, Frame, Side
from pbx_bridge.media.webm import OPUS_RATE

SHADOW_DB: Final = 40
"""Speech of both parties differs by less than this; the shadow lies 20 dB further down."""
_FRAME: Final = OPUS_RATE * FRAME_MS // 1000
_BLOCK: Final = OPUS_RATE // 200
"""5 ms: how finely the two legs are compared."""
_AROUND: Final = 8
"""How many blocks before and after are heard too: the codec smears a sound over its window and the one before."""


def excerpt(
    read: Read, size: int, sink: Sink, keep: Side, *, pictures: bool, notes: tuple[Chapter, ...] = ()
) -> int:
    """Writes the copy of a whole file of `size` bytes to `sink`; its playing time in milliseconds. `notes` stand in it as
    further marks on its time line.

    Raises: NotWebm; what `read` and `sink` raise.
    """
    known = tracks(read, size)
    duration_ms = mend(read, size).duration_ms
    shown = pictures and known.picture != 0
    film = Film(sink, known.width if shown else 0, known.height if shown else 0, OPUS_RATE)
    decoder, one = Decoder(known.opus_head), OneVoice(keep, duration_ms * OPUS_RATE // 1000)
    for packet in packets(read, size):
        if packet.track == known.sound:
            for frame in one.feed(_decoded(decoder, packet)):
                film.voice(frame)
        elif shown and packet.track == known.picture:
            film.picture(packet.ms, packet.data, keyframe=packet.keyframe, duration_ms=packet.duration_ms)
    for frame in one.rest():
        film.voice(frame)
    film.finish((*chapters(read, size), *notes))
    return duration_ms


def _decoded(decoder: Decoder, packet: Packet) -> bytes:
    try:
        return decoder.decode(packet.data)
    except BadSound as error:
        raise NotWebm(f"a sound in it is no Opus: {error}") from None


class OneVoice:
    """Stereo in, frames of stereo with one leg out, as long as the recording to the sample."""

    def __init__(self, keep: Side, samples: int) -> None:
        self._keep, self._left = keep, samples
        self._waiting = array("h")
        self._place = 0
        self._blocks: list[tuple[array[int], bool]] = []
        """Blocks of the kept leg that wait for what comes after them, and whether they are more than a shadow."""
        self._before = [False] * _AROUND
        self._ready = array("h")

    def feed(self, pcm: bytes) -> Iterator[Frame]:
        """The frames that are whole by now."""
        self._waiting.frombytes(pcm)
        while len(self._waiting) >= 2 * _BLOCK:
            self._take(self._waiting[: 2 * _BLOCK])
            del self._waiting[: 2 * _BLOCK]
        while len(self._ready) >= _FRAME and self._left >= _FRAME:
            yield self._frame(_FRAME)

    def rest(self) -> Iterator[Frame]:
        """What is left; silence where the file has less than it says."""
        if self._waiting:
            self._take(self._waiting + array("h", bytes(2 * (2 * _BLOCK - len(self._waiting)))))
        for _ in range(_AROUND):
            self._take(array("h", bytes(4 * _BLOCK)))
        while self._left:
            count = min(_FRAME, self._left)
            self._ready.extend(array("h", bytes(2 * max(0, count - len(self._ready)))))
            yield self._frame(count)

    def _take(self, block: array[int]) -> None:
        kept, other = block[self._keep.value :: 2], block[1 - self._keep.value :: 2]
        self._blocks.append((kept, not is_shadow(kept, other)))
        if len(self._blocks) > _AROUND:
            samples, own = self._blocks.pop(0)
            heard = own or any(self._before) or any(later for _, later in self._blocks)
            self._ready.extend(samples if heard else array("h", bytes(2 * len(samples))))
            self._before = [*self._before[1:], own]

    def _frame(self, count: int) -> Frame:
        out = array("h", bytes(4 * count))
        out[self._keep.value :: 2] = self._ready[:count]
        del self._ready[:count]
        place, self._place = self._place, self._place + count
        self._left -= count
        return Frame(place, count, out.tobytes())


def is_shadow(kept: array[int], other: array[int]) -> bool:
    """Whether `kept` is no more than what the codec leaves of `other`: SHADOW_DB below it, or nothing at all."""
    own, theirs = (max(max(leg), -min(leg)) for leg in (kept, other))
    return own == 0 or own < theirs * 10 ** (-SHADOW_DB / 20)
