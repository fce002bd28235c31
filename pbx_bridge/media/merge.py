"""Pictures and voices into one WebM while the call runs. It never decodes a picture.

It has the voices encoded (opus.py), lets webm.py lay out the file and writes it to a sink that seals; it knows no
call, no person and no clock. The file is appended to in whole clusters, so a file cut at any point plays up
to half a second before the cut; only its head, the first few hundred bytes, is written again at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from pbx_bridge.media.chapters import Chapter
from pbx_bridge.media.opus import Encoder
from pbx_bridge.media.voice import FRAME_MS, Frame
from pbx_bridge.media.webm import OPUS_RATE, Webm

_PACKET = OPUS_RATE * FRAME_MS // 1000


class Sink(Protocol):
    """Where the file goes: positions of plain bytes; only the first 64 KiB may be written twice."""

    def write(self, data: bytes, /) -> int: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...


class Film:
    """One WebM being written. Not thread-safe: one thread owns it."""

    def __init__(self, sink: Sink, width: int, height: int, rate: int) -> None:
        self._sink, self._rate = sink, rate
        self._opus = Encoder(rate)
        self._delay = int.from_bytes(self._opus.head[10:12], "little")
        self._webm = Webm(width, height, self._opus.head)
        self._samples = self._sounds = 0
        self.packets = 0
        """How many there are, sound and picture."""
        self.size = 0
        """Bytes handed to the sink."""
        self._append(self._webm.head)

    @property
    def written(self) -> int:
        """So many packets, counted from the first, lie in the sink."""
        return self.packets - self._webm.waiting

    def picture(self, ms: int, data: bytes, *, keyframe: bool, duration_ms: int = 0) -> None:
        """Show `data` from `ms` on; `duration_ms` 0: until the next picture."""
        self.packets += 1
        self._append(self._webm.picture(ms, data, keyframe=keyframe, duration_ms=duration_ms))

    def voice(self, frame: Frame) -> None:
        """The frames follow each other without a gap; only the last may be short."""
        self._samples += frame.count
        for packet in self._opus.encode(frame.place, frame.pcm):
            self._sound(packet)

    def finish(self, chapters: Iterable[Chapter] = ()) -> None:
        """Write what is left, the index, the chapters and the head."""
        wanted = self._samples * OPUS_RATE // self._rate + self._delay
        for packet in self._opus.rest():
            if self._sounds * _PACKET < wanted:
                self._sound(packet, max(0, (self._sounds + 1) * _PACKET - wanted))
        duration_ms = self._samples * 1000 / self._rate
        rest, patches = self._webm.finish(duration_ms, chapters)
        self._append(rest)
        for patch in patches:
            self._sink.seek(patch.at)
            self._sink.write(patch.data)

    def _sound(self, packet: bytes, cut: int = 0) -> None:
        self.packets += 1
        self._append(
            self._webm.sound(self._sounds * FRAME_MS, packet, cut_ns=cut * 1_000_000_000 // OPUS_RATE)
        )
        self._sounds += 1

    def _append(self, data: bytes) -> None:
        if data:
            self._sink.write(data)
            self.size += len(data)
