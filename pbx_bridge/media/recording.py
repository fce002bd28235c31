"""One recorded call's file being made, in a thread of its own: takes pictures, voices and stamps, never makes
the caller wait.

It joins timeline, voices and film with a sink that seals; it decides nothing about the call. What it is given
waits in a bounded queue; events are told from its thread (the caller brings them home with
`loop.call_soon_threadsafe`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from pbx_bridge.calls.facts import VoiceChunk
from pbx_bridge.media import merge
from pbx_bridge.media.heard import Heard
from pbx_bridge.media.outcome import Discarded, Facts, Failed, Failure, RecordingEvent, Safe, Sealed
from pbx_bridge.media.spans import LateFact
from pbx_bridge.media.timeline import HOLD_NS, MS, PICTURE_EVERY_NS, Picture, PicturesMissing, Show, Timeline
from pbx_bridge.media.voice import Frame, Voices, WrongVoice
from pbx_bridge.media.vp9 import NotVp9, read_head

QUEUE_ITEMS = 20_000
"""Three minutes of voices: a disk that stands still longer than that is broken."""
QUEUE_BYTES = 64 * 1024 * 1024
"""Some hundred full-screen keyframes: memory one call may take while its disk stands still."""
TICK_S = 0.05
"""How often the thread looks at the clock when nothing comes."""


class SealSink(merge.Sink, Protocol):
    """The sealed file (`archive.sealed.SealedFile`)."""

    def checkpoint(self) -> None: ...
    def finish(self) -> object: ...
    def discard(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Stamp:
    kind: Literal["talk", "pause", "close"]
    at_ns: int


_Item: TypeAlias = Picture | VoiceChunk | _Stamp


class _BadPicture(Exception):
    def __str__(self) -> str:
        return "a picture has another size than the recording's, or is no keyframe where it says so"


class Recording:
    """The talk began at `start_ns`: the first span is open from the start. `talk` is only needed after a
    `pause`."""

    def __init__(
        self,
        sink: SealSink,
        start_ns: int,
        on_event: Callable[[RecordingEvent], None],
        *,
        rate: int = 8000,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._sink, self._start_ns, self._on_event, self._clock = sink, start_ns, on_event, clock
        self._timeline = Timeline(start_ns)
        self._voices = Voices(start_ns, rate)
        self._heard = Heard(start_ns)
        self._film: merge.Film | None = None
        self._canvas = (0, 0)
        self._repeat: bytes | None = None
        self._last_ms = 0
        self._unsafe: deque[tuple[int, int]] = deque()
        """(packet's number, picture's number) of pictures not yet known to be in the sink."""
        self._told_safe: int | None = None
        self._kept = 0
        """Bytes that the last checkpoint covered."""
        self._closed_ns: int | None = None
        self._queue: deque[tuple[int, int, _Item]] = deque()
        self._queued_bytes = 0
        self._ordered_discard = self._overflown = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def picture(self, picture: Picture) -> None:
        self._put(picture, len(picture.data))

    def voice(self, chunk: VoiceChunk) -> None:
        self._put(chunk, len(chunk.pcm))

    def talk(self, at_ns: int) -> None:
        self._put(_Stamp("talk", at_ns), 0)

    def pause(self, at_ns: int) -> None:
        self._put(_Stamp("pause", at_ns), 0)

    def close(self, at_ns: int) -> None:
        """The talk ended at `at_ns`. Sealed or Failed follows; pictures and voices under way are still taken
        for 300 ms."""
        self._put(_Stamp("close", at_ns), 0)

    def discard(self) -> None:
        """Erase everything, at once. Discarded follows."""
        with self._changed:
            self._ordered_discard = True
            self._changed.notify()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread's end; True when it ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _put(self, item: _Item, size: int) -> None:
        with self._changed:
            if len(self._queue) >= QUEUE_ITEMS or self._queued_bytes + size > QUEUE_BYTES:
                self._overflown = True
            else:
                self._queue.append((self._clock(), size, item))
                self._queued_bytes += size
            self._changed.notify()

    def _run(self) -> None:
        try:
            event = self._work()
        except (PicturesMissing, LateFact, _BadPicture, NotVp9, WrongVoice, OSError) as error:
            event = self._fail(_FAILURES.get(type(error), Failure.STORAGE), str(error))
        except Exception as error:
            # One call's file fails, the others go on; only the kind is told, a message may carry content.
            event = self._fail(Failure.DEFECT, type(error).__name__)
        self._on_event(event)

    def _work(self) -> RecordingEvent:
        while True:
            now_ns = self._clock()
            if self._overflown:
                return self._fail(Failure.OVERFLOW, "the disk did not keep up")
            if self._ordered_discard:
                self._give_up()
                self._sink.discard()
                return Discarded()
            for item in self._drain():
                self._take(item)
            over = self._closed_ns is not None and now_ns >= self._closed_ns + HOLD_NS
            if over or (
                self._timeline.spans.end_ns is not None and self._complete(self._timeline.spans.end_ns)
            ):
                return self._finish()
            self._write(
                self._timeline.advance(self._heard.until_ns, now_ns),
                self._voices.take(self._timeline.edge_ns, self._timeline.spans),
            )
            if not self._timeline.spans.talking:
                self._voices.forget(self._heard.until_ns - HOLD_NS)
            self._checkpoint()

    def _drain(self) -> Iterable[_Item]:
        with self._changed:
            if not self._queue and not self._ordered_discard and not self._overflown:
                self._changed.wait(TICK_S)
            items, self._queue, self._queued_bytes = self._queue, deque(), 0
        for spoke_ns, _, item in items:
            self._heard.spoke(spoke_ns)
            if isinstance(item, _Stamp) and item.kind == "close":
                self._closed_ns = spoke_ns
            yield item

    def _take(self, item: _Item) -> None:
        spans = self._timeline.spans
        match item:
            case _Stamp(kind="talk"):
                spans.talk(item.at_ns)
            case _Stamp(kind="pause"):
                spans.pause(item.at_ns)
            case _Stamp():
                spans.close(item.at_ns)
            case VoiceChunk():
                self._voices.feed(item)
            case _:
                self._timeline.picture(item)

    def _complete(self, end_ns: int) -> bool:
        """Nothing of the time before the end can still come."""
        return self._timeline.passed(end_ns) and self._voices.passed(end_ns)

    def _write(self, shows: Iterable[Show], frames: Iterator[Frame]) -> None:
        """In the order of file time, as far as a picture is not late."""
        waiting = next(frames, None)
        for show in shows:
            while waiting is not None and waiting.place * 1000 < show.ms * self._voices.rate:
                self._open().voice(waiting)
                waiting = next(frames, None)
            self._show(show)
        while waiting is not None:
            self._open().voice(waiting)
            waiting = next(frames, None)

    def _open(self) -> merge.Film:
        assert self._film is not None
        return self._film

    def _show(self, show: Show) -> None:
        picture = show.picture
        head = read_head(picture.data)
        if self._film is None:
            self._canvas = picture.width, picture.height
            self._film = merge.Film(self._sink, *self._canvas, self._voices.rate)
        if (picture.width, picture.height) != self._canvas or picture.keyframe != head.keyframe:
            raise _BadPicture
        self._film.picture(show.ms, picture.data, keyframe=picture.keyframe)
        self._unsafe.append((self._film.packets, picture.seq))
        self._repeat, self._last_ms = head.repeat, show.ms
        if show.until_ms is not None:
            for ms in range(show.ms + PICTURE_EVERY_NS // MS, show.until_ms, PICTURE_EVERY_NS // MS):
                self._again(ms)

    def _again(self, ms: int, duration_ms: int = 0) -> None:
        if self._repeat is not None and ms > self._last_ms:
            self._open().picture(ms, self._repeat, keyframe=False, duration_ms=duration_ms)
            self._last_ms = ms

    def _checkpoint(self) -> None:
        if self._film is None:
            return
        if self._film.size > self._kept:
            self._kept = self._film.size
            self._sink.checkpoint()
        while self._unsafe and self._unsafe[0][0] <= self._film.written:
            self._unsafe.popleft()
        safe = self._unsafe[0][1] - 1 if self._unsafe else self._timeline.decided_seq
        if safe is not None and (self._told_safe is None or safe > self._told_safe):
            self._told_safe = safe
            self._on_event(Safe(safe))

    def _finish(self) -> RecordingEvent:
        timeline, voices = self._timeline, self._voices
        shows = timeline.finish()
        end_ns = timeline.edge_ns
        if end_ns == self._start_ns:
            return self._fail(Failure.NO_PICTURES, "no picture came before the end of the talk (P2)")
        self._write(shows, voices.rest(end_ns, timeline.spans))
        self._again((end_ns - self._start_ns) // MS - 1, duration_ms=1)
        film = self._open()
        film.finish()
        digest = self._sink.finish()
        facts = Facts(
            start_ns=self._start_ns,
            end_ns=end_ns,
            talked_ns=timeline.spans.talked_ns(end_ns),
            size=film.size,
            pictures=timeline.tally.shown,
            dropped={why.value: count for why, count in timeline.tally.dropped.items()},
            max_error_ns=timeline.tally.max_error_ns,
            voice_ms={name: leg.came * 1000 // voices.rate for name, leg in voices.legs.items()},
            voice_late_ms={name: leg.late * 1000 // voices.rate for name, leg in voices.legs.items()},
        )
        return Sealed(facts, digest)

    def _give_up(self) -> None:
        if self._film is not None:
            self._film.give_up()

    def _fail(self, failure: Failure, why: str) -> Failed:
        self._give_up()
        if failure.discards:
            self._sink.discard()
        return Failed(failure, why)


_FAILURES: dict[type[Exception], Failure] = {
    PicturesMissing: Failure.NO_PICTURES,
    LateFact: Failure.LATE_FACT,
    _BadPicture: Failure.BAD_PICTURES,
    NotVp9: Failure.BAD_PICTURES,
    WrongVoice: Failure.BAD_VOICE,
}
