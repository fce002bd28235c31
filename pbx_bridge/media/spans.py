"""When the two parties talk, by the PBX's stamps: the only times of which a picture or a sample may be kept
(P8, P9).

It knows instants on the bridge's monotonic clock and nothing else: no picture, no sample, no file. A doubtful
order of stamps always makes the talk shorter: a pause or an end stamped earlier than one already known takes
back everything after it, a talk stamped earlier than the last instant known begins at that instant. What was
already released to the file cannot be taken back, so a stamp that would have to is a `LateFact` and the file
must go.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise


class LateFact(Exception):
    """A pause or end arrived after what lies behind it had been released (P8): nothing but discarding
    helps."""

    def __init__(self, by_ns: int) -> None:
        super().__init__(by_ns)
        self.by_ns = by_ns

    def __str__(self) -> str:
        return f"the PBX's stamp came {self.by_ns / 1e6:.0f} ms after what follows it had been written"


@dataclass(slots=True)
class Talk:
    """One span of talk: [start_ns, end_ns); open while `end_ns` is None."""

    start_ns: int
    end_ns: int | None = None
    held: bool = False
    """It ended by a hold."""


@dataclass(frozen=True, slots=True)
class Pause:
    """What lies between two spans of talk, counted from the recording's start."""

    from_ns: int
    to_ns: int
    hold: bool


class Spans:
    """The talk spans of one recording. The first begins with the recording; `talk` opens further ones."""

    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.end_ns: int | None = None
        """The end of the recording once it was told."""
        self.all = [Talk(start_ns)]
        self.released_ns = start_ns
        """Everything before this instant may already lie in the file."""

    @property
    def talking(self) -> bool:
        return self.all[-1].end_ns is None

    def talk(self, at_ns: int) -> None:
        """They talk (again) from `at_ns`. Already talking or already over: nothing changes."""
        last = self.all[-1].end_ns
        if last is None or self.end_ns is not None:
            return
        self.all.append(Talk(max(at_ns, last, self.released_ns)))

    def pause(self, at_ns: int, *, hold: bool = False) -> None:
        """P9: nothing from `at_ns` on counts until the next `talk`. Raises: LateFact."""
        at_ns = max(at_ns, self.start_ns)
        taken = sum(_overlap(span, at_ns, self.released_ns) for span in self.all)
        if taken:
            raise LateFact(taken)
        while len(self.all) > 1 and self.all[-1].start_ns >= at_ns:
            self.all.pop()
        last = self.all[-1]
        if last.end_ns is None or at_ns < last.end_ns:
            last.end_ns, last.held = at_ns, hold

    def close(self, at_ns: int) -> None:
        """P8: the recording ends at `at_ns`; a second, earlier end counts, a later one does not. Raises:
        LateFact."""
        at_ns = max(at_ns, self.start_ns)
        self.pause(at_ns)
        self.end_ns = at_ns if self.end_ns is None else min(at_ns, self.end_ns)

    def forget(self, number: int) -> None:
        """The talk span of that number counts as pause."""
        del self.all[number]

    def inside(self, from_ns: int, to_ns: int) -> list[tuple[int, int]]:
        """The parts of [from_ns, to_ns) in which they talk, in order."""
        parts = []
        for span in self.all:
            end_ns = to_ns if span.end_ns is None else min(to_ns, span.end_ns)
            begin_ns = max(from_ns, span.start_ns)
            if begin_ns < end_ns:
                parts.append((begin_ns, end_ns))
        return parts

    def pauses(self, until_ns: int) -> list[Pause]:
        """The pauses that ended before `until_ns`."""
        return [
            Pause(before.end_ns - self.start_ns, after.start_ns - self.start_ns, before.held)
            for before, after in pairwise(self.all)
            if before.end_ns is not None and before.end_ns < after.start_ns < until_ns
        ]

    def talked_ns(self, until_ns: int) -> int:
        """How long they talked before `until_ns`."""
        return sum(end - begin for begin, end in self.inside(self.start_ns, until_ns))


def _overlap(span: Talk, from_ns: int, to_ns: int) -> int:
    end_ns = to_ns if span.end_ns is None else min(to_ns, span.end_ns)
    return max(0, end_ns - max(from_ns, span.start_ns))
