"""How much recorded time waits for its review, for each trainee and trainer (P15).

Pure: it is told of every entry that changes and keeps sums, so that asking costs nothing however many recordings there
are. It knows short names and lengths; never a key, a file or a clock. What has ended but is not purged yet still counts.
"""

from __future__ import annotations

from typing import Final

from pbx_bridge.archive.manifest import Manifest, State
from pbx_bridge.ids import RecordingId, TraineeId

Pair = tuple[TraineeId, str]
"""A trainee and one of their recording's trainers; "" where it has none."""
NOBODY: Final = ""


class Backlog:
    """Milliseconds and number of recordings that are sealed and neither reviewed nor destroyed."""

    def __init__(self) -> None:
        self._waiting: dict[RecordingId, tuple[frozenset[Pair], int]] = {}
        self._sums: dict[Pair, tuple[int, int]] = {}
        self._of_trainer: dict[str, int] = {}

    def note(self, manifest: Manifest, *, over: bool) -> None:
        """A recording as it stands now; `over`: reviewed or destroyed."""
        self.forget(manifest.recording)
        if over or manifest.state is State.RECORDING:
            return
        trainers = {assignment.trainer for assignment in manifest.trainers} or {NOBODY}
        pairs = frozenset((manifest.trainee, trainer) for trainer in trainers)
        self._waiting[manifest.recording] = pairs, manifest.duration_ms
        self._add(pairs, 1, manifest.duration_ms)

    def forget(self, recording: RecordingId) -> None:
        """It waits no more."""
        pairs, duration_ms = self._waiting.pop(recording, (frozenset(), 0))
        self._add(pairs, -1, -duration_ms)

    def sums(self) -> dict[Pair, tuple[int, int]]:
        """Recordings and milliseconds of each pair that has any; a recording with two trainers counts for both."""
        return dict(self._sums)

    def of_trainer(self, trainer: str) -> int:
        """Milliseconds that wait for this trainer."""
        return self._of_trainer.get(trainer, 0)

    def _add(self, pairs: frozenset[Pair], recordings: int, duration_ms: int) -> None:
        for pair in pairs:
            number, total_ms = self._sums.get(pair, (0, 0))
            self._sums[pair] = number + recordings, total_ms + duration_ms
            self._of_trainer[pair[1]] = self.of_trainer(pair[1]) + duration_ms
            if number + recordings == 0:
                del self._sums[pair]
