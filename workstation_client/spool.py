"""What was captured and is not yet safe at the bridge: in memory only, bounded, in order, each entry once.

A recording's entries are its start, its pictures and payments, and its stop, numbered from 0. The spool knows how far
each was sent on the present connection and how far it is safe; it never looks into a picture and writes nothing anywhere
(P17). Pure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pbx_bridge import wire
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_picture import Picture

MAX_SPOOL_BYTES: Final = 32 * 1024 * 1024
"""A lease lasts 2 s and acknowledgements lag 1 s: three seconds of the busiest window took 8 MiB."""
MAX_SPOOL_ENTRIES: Final = 2000
"""A minute at the highest rate."""
_ENTRY_BYTES: Final = 200
"""What an entry costs besides its data."""

Entry: TypeAlias = wire.CaptureStarted | Picture | wire.PaymentBegan | wire.PaymentEnded | wire.CaptureStopped


@dataclass(slots=True)
class _Held:
    entries: deque[Entry] = field(default_factory=deque)
    next_seq: int = 0
    """The number the next entry gets."""
    send_seq: int = 0
    """The next entry to send on this connection."""
    touched_ns: int = 0

    @property
    def first_seq(self) -> int:
        return self.entries[0].seq if self.entries else self.next_seq


class Spool:
    """Entries of all recordings not yet safe."""

    def __init__(self) -> None:
        self._held: dict[RecordingId, _Held] = {}
        self._bytes = 0
        self._entries = 0

    @property
    def size_bytes(self) -> int:
        return self._bytes

    def next_seq(self, recording: RecordingId) -> int:
        """The number the recording's next entry will get."""
        held = self._held.get(recording)
        return held.next_seq if held else 0

    def holds(self, recording: RecordingId) -> bool:
        return recording in self._held

    def add(self, entry: Entry, now_ns: int) -> bool:
        """Keeps `entry`, whose seq is `next_seq`. False when the spool is full: then nothing was kept.

        Starts and stops are always taken: they are small, and few recordings are held.
        """
        size = _size(entry)
        full = self._bytes + size > MAX_SPOOL_BYTES or self._entries >= MAX_SPOOL_ENTRIES
        if full and isinstance(entry, Picture):
            return False
        while entry.recording not in self._held and len(self._held) >= wire.MAX_SPOOLED:
            self.erase(next(iter(self._held)))
        held = self._held.setdefault(entry.recording, _Held())
        assert entry.seq == held.next_seq
        held.entries.append(entry)
        held.next_seq += 1
        held.touched_ns = now_ns
        self._bytes += size
        self._entries += 1
        return True

    def held(self) -> tuple[wire.Spooled, ...]:
        """What the bridge is told when a connection begins."""
        return tuple(wire.Spooled(r, h.first_seq, h.next_seq) for r, h in self._held.items())

    def resume(self, resumes: tuple[wire.Resume, ...]) -> None:
        """The bridge wants these, from these numbers on; the rest is erased."""
        wanted = {r.recording: r.next_seq for r in resumes}
        for recording in [r for r in self._held if r not in wanted]:
            self.erase(recording)
        for recording, held in self._held.items():
            held.send_seq = wanted[recording]

    def to_send(self) -> Entry | None:
        """The next entry to send on this connection; it counts as sent."""
        for held in self._held.values():
            if held.send_seq < held.next_seq:
                held.send_seq = max(held.send_seq, held.first_seq) + 1
                return held.entries[held.send_seq - 1 - held.first_seq]
        return None

    def safe(self, recording: RecordingId, seq: int) -> None:
        """Entries up to `seq` are safe at the bridge; with its stop the recording is forgotten."""
        held = self._held.get(recording)
        while held and held.entries and held.entries[0].seq <= seq:
            entry = held.entries.popleft()
            self._count_out(entry)
            if isinstance(entry, wire.CaptureStopped):
                del self._held[recording]

    def strip(self, recording: RecordingId) -> None:
        """P16: erases at once all but the stop, which must still be told."""
        if held := self._held.get(recording):
            for entry in held.entries:
                self._count_out(entry)
            stop = held.entries[-1] if held.entries else None
            held.entries.clear()
            if isinstance(stop, wire.CaptureStopped):
                held.entries.append(stop)
                self._bytes += _size(stop)
                self._entries += 1

    def erase(self, recording: RecordingId) -> None:
        """Nobody wants it any more."""
        held = self._held.pop(recording, None)
        for entry in held.entries if held else ():
            self._count_out(entry)

    def erase_older(self, before_ns: int) -> None:
        """Erases recordings to which nothing was added since."""
        for recording in [r for r, h in self._held.items() if h.touched_ns < before_ns]:
            self.erase(recording)

    def _count_out(self, entry: Entry) -> None:
        self._bytes -= _size(entry)
        self._entries -= 1


def _size(entry: Entry) -> int:
    return _ENTRY_BYTES + (len(entry.data) if isinstance(entry, Picture) else 0)
