"""What goes into the file next: stamps, pictures and voices in, packets and frames in file order out. Pure.

It joins timeline and voices and knows how a packet is shown again; it has no thread, clock, file or codec.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from pbx_bridge.calls.facts import VoiceChunk
from pbx_bridge.media.chapters import Chapter, of_pauses
from pbx_bridge.media.heard import Heard
from pbx_bridge.media.outcome import Facts
from pbx_bridge.media.pictures import MS, PICTURE_EVERY_NS, Picture, Show
from pbx_bridge.media.timeline import HOLD_NS, Timeline
from pbx_bridge.media.voice import Frame, Voices
from pbx_bridge.media.vp9 import read_head


class Mark(Enum):
    """What the PBX's stamp says of the talk."""

    TALK = "talk"
    PAUSE = "pause"
    HOLD = "hold"
    """A pause of which is known that the caller is on hold."""
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Stamp:
    mark: Mark
    at_ns: int


@dataclass(frozen=True, slots=True)
class Packet:
    """A VP9 packet at its place in the file."""

    ms: int
    data: bytes
    keyframe: bool
    seq: int | None = None
    """The station's number; None when it only shows the picture before once more."""
    duration_ms: int = 0
    """0: until the next one."""


Item: TypeAlias = Picture | VoiceChunk | Stamp
Piece: TypeAlias = Packet | Frame


class BadPicture(Exception):
    def __str__(self) -> str:
        return "a picture has another size than the recording's, or is no keyframe where it says so"


class Montage:
    """Feed with `take`; `due` gives what is ripe; when `over`, `finish` gives the rest."""

    def __init__(self, start_ns: int, rate: int) -> None:
        self._start_ns = start_ns
        self._timeline = Timeline(start_ns)
        self._spans = self._timeline.spans
        self._voices = Voices(start_ns, rate)
        self._heard = Heard(start_ns)
        self._close_told_ns: int | None = None
        self.canvas: tuple[int, int] | None = None
        """Width and height, known before the first piece."""
        self._again: bytes | None = None
        self._last_ms = -1

    @property
    def decided_seq(self) -> int | None:
        """Of every picture up to here it is decided whether it is shown."""
        return self._timeline.decided_seq

    def take(self, item: Item, told_ns: int) -> None:
        """Something was told at `told_ns`. Raises: LateFact, WrongVoice."""
        self._heard.spoke(told_ns)
        match item:
            case Stamp(mark=Mark.TALK):
                self._spans.talk(item.at_ns)
            case Stamp(mark=Mark.PAUSE | Mark.HOLD):
                self._spans.pause(item.at_ns, hold=item.mark is Mark.HOLD)
            case Stamp():
                self._spans.close(item.at_ns)
                self._close_told_ns = told_ns
            case VoiceChunk():
                self._voices.feed(item)
            case _:
                self._timeline.picture(item)

    def due(self, now_ns: int) -> Iterator[Piece]:
        """What is ripe at `now_ns`. Raises: PicturesMissing, BadPicture, NotVp9."""
        heard_ns = self._heard.until_ns
        shows = self._timeline.advance(heard_ns, now_ns)
        yield from self._woven(shows, self._voices.take(self._timeline.edge_ns, self._spans))
        if not self._spans.talking:
            self._voices.forget(heard_ns - HOLD_NS)

    def over(self, now_ns: int) -> bool:
        """The end was told and nothing of the time before it can still come, or not within the hold."""
        end_ns = self._spans.end_ns
        if end_ns is None:
            return False
        waited = self._close_told_ns is None or now_ns >= self._close_told_ns + HOLD_NS
        return waited or (self._timeline.passed(end_ns) and self._voices.passed(end_ns))

    def finish(self) -> Iterator[Piece]:
        """The rest, up to the end; nothing when there never was a picture."""
        shows = self._timeline.finish()
        yield from self._woven(shows, self._voices.rest(self._timeline.edge_ns, self._spans))
        last_ms = (self._timeline.edge_ns - self._start_ns) // MS - 1
        yield from self._repeat(last_ms, duration_ms=1)

    def chapters(self) -> tuple[Chapter, ...]:
        """Talk and pauses of the whole file, after `finish`, for who looks at its time line; none without a pause."""
        return of_pauses(self._spans.pauses(self._timeline.edge_ns), self._timeline.edge_ns - self._start_ns)

    def facts(self, size: int) -> Facts:
        """The finished recording in figures."""
        end_ns, tally, legs = self._timeline.edge_ns, self._timeline.tally, self._voices.legs.items()
        return Facts(
            start_ns=self._start_ns,
            end_ns=end_ns,
            talked_ns=self._spans.talked_ns(end_ns),
            size=size,
            pictures=tally.shown,
            dropped={why.value: count for why, count in tally.dropped.items()},
            max_error_ns=tally.max_error_ns,
            voice_ms={name: leg.came * 1000 // self._voices.rate for name, leg in legs},
            voice_late_ms={name: leg.late * 1000 // self._voices.rate for name, leg in legs},
        )

    def _woven(self, shows: list[Show], frames: Iterator[Frame]) -> Iterator[Piece]:
        """In the order of file time, as far as a picture is not late. The first one is looked at before any
        voice goes out."""
        waiting = next(frames, None)
        for packet in (packet for show in shows for packet in self._shown(show)):
            while waiting is not None and waiting.place * 1000 < packet.ms * self._voices.rate:
                yield waiting
                waiting = next(frames, None)
            yield packet
        if waiting is not None:
            yield waiting
            yield from frames

    def _shown(self, show: Show) -> Iterator[Packet]:
        picture = show.picture
        head = read_head(picture.data)
        self.canvas = self.canvas or (picture.width, picture.height)
        if (picture.width, picture.height) != self.canvas or picture.keyframe != head.keyframe:
            raise BadPicture
        self._again, self._last_ms = head.repeat, show.ms
        yield Packet(show.ms, picture.data, picture.keyframe, picture.seq)
        if show.until_ms is not None:
            for ms in range(show.ms + PICTURE_EVERY_NS // MS, show.until_ms, PICTURE_EVERY_NS // MS):
                yield from self._repeat(ms)

    def _repeat(self, ms: int, duration_ms: int = 0) -> Iterator[Packet]:
        if self._again is not None and ms > self._last_ms:
            self._last_ms = ms
            yield Packet(ms, self._again, False, duration_ms=duration_ms)
