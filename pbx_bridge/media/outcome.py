"""What a recording tells about itself, in words the session understands. No content, no name, no path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


class Failure(Enum):
    """Why there will be no complete file."""

    NO_PICTURES = "no-pictures"
    """P2: nothing was shown, or not each second."""
    LATE_FACT = "late-fact"
    """P8: the end of the talk became known after what follows it was written."""
    BAD_PICTURES = "bad-pictures"
    """The station sent what is no picture of this recording."""
    BAD_VOICE = "bad-voice"
    """The tap delivers another rate than announced."""
    OVERFLOW = "overflow"
    """The disk or this machine was too slow for longer than memory may hold."""
    STORAGE = "storage"
    """The file could not be written."""
    NOT_ERASED = "not-erased"
    """Had to be discarded, but the disk refused: its key must go."""
    DEFECT = "defect"
    """Ours."""

    @property
    def discards(self) -> bool:
        """True: nothing may be kept (P2, P8). False: what was written stays as it is, for the keeper to
        recover."""
        return self in (
            Failure.NO_PICTURES,
            Failure.LATE_FACT,
            Failure.BAD_PICTURES,
            Failure.NOT_ERASED,
        )


@dataclass(frozen=True, slots=True)
class Safe:
    """Pictures up to `seq` lie in the sealed file or its tail, or are not wanted: the station may forget
    them."""

    seq: int


@dataclass(frozen=True, slots=True)
class Facts:
    """A finished recording in figures."""

    start_ns: int
    end_ns: int
    """May lie before the end that was told: a pause at the end is not kept, nor a second without a picture
    (P2)."""
    talked_ns: int
    size: int
    """Bytes of the WebM."""
    pictures: int
    dropped: Mapping[str, int]
    """Pictures left out, by reason."""
    max_error_ns: int
    """The largest clock error bound of a picture shown."""
    voice_ms: Mapping[str, int]
    """Per leg, how much the tap delivered in all."""
    voice_late_ms: Mapping[str, int]
    """Per leg, how much of it came too late or too early to be used."""

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class Sealed:
    """The file is complete under its name. `digest`: what the sink's `finish` returned."""

    facts: Facts
    digest: object


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no complete file; `failure.discards` says whether anything is left. `why` is for the log."""

    failure: Failure
    why: str


@dataclass(frozen=True, slots=True)
class Discarded:
    """Discarded as ordered; nothing is left."""


RecordingEvent: TypeAlias = Safe | Sealed | Failed | Discarded
