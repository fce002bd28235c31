"""One recorded call's file being made, in a thread of its own: it never makes the caller wait.

It carries what it is given to the montage and the montage's pieces to the film, and tells when they are safe;
it decides nothing. What waits, waits in a bounded queue. Events are told from its thread (the caller brings
them home with `loop.call_soon_threadsafe`).
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pbx_bridge.calls.facts import VoiceChunk
from pbx_bridge.errors import OperatorError
from pbx_bridge.media import merge
from pbx_bridge.media.montage import BadPicture, Item, Mark, Montage, Packet, Piece, Stamp
from pbx_bridge.media.outcome import Discarded, Failed, Failure, RecordingEvent, Safe, Sealed
from pbx_bridge.media.pictures import Picture, PicturesMissing
from pbx_bridge.media.spans import LateFact
from pbx_bridge.media.voice import WrongVoice
from pbx_bridge.media.vp9 import NotVp9

QUEUE_ITEMS = 20_000
"""Three minutes of voices: a disk that stands still longer than that is broken."""
QUEUE_BYTES = 64 * 1024 * 1024
"""Some hundred full-screen keyframes: memory one call may take while its disk stands still."""
BATCH = 200
"""Items taken before what is ripe is written: two seconds of voices, far below what a leg keeps waiting."""
TICK_S = 0.05
"""How often the thread looks at the clock when nothing comes."""
_FAILURES: dict[type[Exception], Failure] = {
    PicturesMissing: Failure.NO_PICTURES,
    LateFact: Failure.LATE_FACT,
    BadPicture: Failure.BAD_PICTURES,
    NotVp9: Failure.BAD_PICTURES,
    WrongVoice: Failure.BAD_VOICE,
}


class SealSink(merge.Sink, Protocol):
    """The sealed file (`archive.sealed.SealedFile`)."""

    def checkpoint(self) -> None: ...
    def finish(self) -> object: ...
    def discard(self) -> None: ...
    def close(self) -> None: ...


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
        self._sink, self._on_event, self._clock, self._rate = sink, on_event, clock, rate
        self._montage = Montage(start_ns, rate)
        self._film: merge.Film | None = None
        self._unsafe: deque[tuple[int, int]] = deque()
        """(packet's number in the film, picture's seq) of pictures not yet known to be in the sink."""
        self._told_safe = -1
        self._covered = 0
        """Bytes of the film at the last checkpoint."""
        self._queue: deque[tuple[int, Item]] = deque()
        self._queued_bytes = 0
        self._discarding = self._overflown = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._thread.start()

    def picture(self, picture: Picture) -> None:
        self._put(picture)

    def voice(self, chunk: VoiceChunk) -> None:
        self._put(chunk)

    def talk(self, at_ns: int) -> None:
        """They talk again from `at_ns`. Say it before the station is told to resume."""
        self._put(Stamp(Mark.TALK, at_ns))

    def pause(self, at_ns: int, *, hold: bool = False) -> None:
        """P9: hold, consultation or another doubt from `at_ns` on. Say it before the station is told to
        pause."""
        self._put(Stamp(Mark.HOLD if hold else Mark.PAUSE, at_ns))

    def close(self, at_ns: int) -> None:
        """The talk ended at `at_ns`. Sealed or Failed follows, after what is under way came or the hold is
        over."""
        self._put(Stamp(Mark.CLOSE, at_ns))

    def discard(self) -> None:
        """Erase everything, at once. Discarded follows; Sealed instead when the file had just got its
        name."""
        with self._changed:
            self._discarding = True
            self._changed.notify()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the thread's end; True when it ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _put(self, item: Item) -> None:
        size = _size(item)
        with self._changed:
            if len(self._queue) >= QUEUE_ITEMS or self._queued_bytes + size > QUEUE_BYTES:
                self._overflown = True
            else:
                self._queue.append((self._clock(), item))
                self._queued_bytes += size
            self._changed.notify()

    def _run(self) -> None:
        try:
            event = self._work()
        except (PicturesMissing, LateFact, BadPicture, NotVp9, WrongVoice) as error:
            event = self._fail(_FAILURES[type(error)], str(error))
        except (OSError, OperatorError) as error:
            event = self._fail(Failure.STORAGE, str(error))
        except Exception as error:
            # One call's file fails, the others go on; only kind and place are told, a message may carry
            # content.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            event = self._fail(Failure.DEFECT, f"{type(error).__name__} at {where}")
        self._on_event(event)

    def _work(self) -> RecordingEvent:
        while True:
            now_ns, items = self._next_items()
            for told_ns, item in items:
                self._montage.take(item, told_ns)
            if self._discarding:
                return self._erase(Discarded())
            if self._overflown:
                return self._fail(Failure.OVERFLOW, "the disk did not keep up with this call")
            if self._montage.over(now_ns):
                return self._finish()
            self._write(self._montage.due(now_ns))
            self._make_safe()

    def _next_items(self) -> tuple[int, list[tuple[int, Item]]]:
        """The next ones in the queue, and the time up to which everything told is among them or came
        before."""
        with self._changed:
            now_ns = self._clock()
            if not (self._queue or self._discarding or self._overflown):
                self._changed.wait(TICK_S)
            items = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            self._queued_bytes -= sum(_size(item) for _, item in items)
            return (items[-1][0] if self._queue else now_ns), items

    def _write(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if self._film is None:
                assert self._montage.canvas is not None
                self._film = merge.Film(self._sink, *self._montage.canvas, self._rate)
            match piece:
                case Packet():
                    self._film.picture(
                        piece.ms, piece.data, keyframe=piece.keyframe, duration_ms=piece.duration_ms
                    )
                    if piece.seq is not None:
                        self._unsafe.append((self._film.packets, piece.seq))
                case _:
                    self._film.voice(piece)

    def _make_safe(self) -> None:
        film = self._film
        if film is not None and film.size > self._covered:
            self._covered = film.size
            self._sink.checkpoint()
            while self._unsafe and self._unsafe[0][0] <= film.written:
                self._unsafe.popleft()
        safe = self._unsafe[0][1] - 1 if self._unsafe else self._montage.decided_seq
        if safe is not None and safe > self._told_safe:
            self._told_safe = safe
            self._on_event(Safe(safe))

    def _finish(self) -> RecordingEvent:
        self._write(self._montage.finish())
        film = self._film
        if film is None:
            return self._fail(Failure.NO_PICTURES, "no picture came before the end of the talk (P2)")
        film.finish(self._montage.chapters())
        if self._discarding:
            return self._erase(Discarded())
        digest = self._sink.finish()
        return Sealed(self._montage.facts(film.size), digest)

    def _fail(self, failure: Failure, why: str) -> RecordingEvent:
        failed = Failed(failure, why)
        if failure.discards:
            return self._erase(failed)
        with suppress(OSError, OperatorError):
            self._sink.close()
        return failed

    def _erase(self, then: RecordingEvent) -> RecordingEvent:
        try:
            self._sink.discard()
        except (OSError, OperatorError) as error:
            return Failed(Failure.NOT_ERASED, str(error))
        return then


def _size(item: Item) -> int:
    match item:
        case Stamp():
            return 0
        case VoiceChunk():
            return len(item.pcm)
        case _:
            return len(item.data)
