"""One party's samples on the file's sample grid, whatever the way they came by did to them.

It knows chunks of samples with a running number and the time they arrived; it never knows what is said. A
sample's true time is estimated as the number over the rate, counted from an origin: the least of (arrival -
number / rate) over the last seconds, since a way can only delay. The origin moves slowly when the PBX's
sample clock and the bridge's differ, or at once when a chunk is less delayed than all before it; the grid follows
where the party is quiet. Who speaks on and on is stretched by one sample a frame (inaudible, no click to add up).
"""

from __future__ import annotations

from array import array
from collections import deque

from pbx_bridge.media.samples import WaitingSamples

S = 1_000_000_000
TAP_LAG_NS = 8_000_000
"""Half a frame and a bit: a sample is spoken -18 to +3 ms around the arrival of its chunk (measured on ARI
snoop + AudioSocket)."""
WINDOW_S = 10
"""Over how long the least arrival is sought: long enough to meet an undelayed chunk, short enough to follow a
drifting clock."""
SLACK_NS = 5_000_000
"""Offsets up to here are left alone: below what anybody hears against a picture, above the arrival's own
noise."""
PATIENCE_S = 2
"""So long an offset waits for the speaker to be quiet, before the speech itself is stretched: people breathe."""
QUIET_PEAK = 256
"""No sample is above this (-42 dB of full scale): a voice's pause, with what a line hums in it."""
PAUSE_MS = 200
"""So long no sample is louder: between two sentences, not within a word, nor at a comma (140 ms, measured)."""
JUMP_NS = 60_000_000
"""An offset this large is no drift but a gap: taken at once."""
LOST_NS = 250_000_000
"""Where for a whole second nothing came by less than this late, it is no delay: the tap lost time."""
WAITING_S = 10
"""Samples that may wait for their turn; more is a tap gone wild."""


class Leg:
    """Samples in by number, samples out by place on the grid."""

    def __init__(self, start_ns: int, rate: int) -> None:
        self._start_ns, self._rate = start_ns, rate
        self._waiting = WaitingSamples()
        self._base = 0
        """Added to the numbers of a tap that began anew, so that ours go on."""
        self._next = 0
        """Number after the last sample that came."""
        self._least: deque[tuple[int, int]] = deque()
        """(second, least origin in it), oldest first."""
        self._shift: int | None = None
        """Place on the grid of sample number 0."""
        self._off_for = 0
        """For how many samples the offset has waited for quiet; without end while it is being stretched away."""
        self.came = self.late = self.stretched = 0

    @property
    def waiting(self) -> int:
        """Samples kept for later."""
        return self._next - self._waiting.first if self._waiting else 0

    def feed(self, index: int, samples: array[int], arrived_ns: int) -> None:
        """Samples `index`.. arrived. Number 0 again is a new tap; others that came before are ignored."""
        if index == 0 and self._next > 0:
            spoken_ns = arrived_ns - TAP_LAG_NS - self._origin_ns()
            self._base = max(self._next, spoken_ns * self._rate // S)
        index += self._base
        if index < self._next:
            samples, index = samples[self._next - index :], self._next
        if not samples:
            return
        self._observe(arrived_ns // S, arrived_ns - index * S // self._rate - TAP_LAG_NS)
        self._next = index + len(samples)
        self.came += len(samples)
        self._waiting.put(index, samples)
        while self.waiting > WAITING_S * self._rate:
            self.late += self._waiting.leave_out()

    def _observe(self, second: int, origin_ns: int) -> None:
        if self._least and self._least[-1][0] >= second:
            self._least[-1] = (self._least[-1][0], min(self._least[-1][1], origin_ns))
            return
        if self._least and self._least[-1][1] - self._origin_ns() > LOST_NS:
            self._least = deque([self._least[-1]])
        self._least.append((second, origin_ns))
        while self._least[0][0] <= second - WINDOW_S:
            self._least.popleft()

    def number_at(self, place: int) -> int:
        """The number of the sample that is at `place`, as far as is known now."""
        return place - (self._shift or 0)

    def read(self, place: int, count: int, *, heard: bool) -> array[int]:
        """The `count` samples from `place` on; zeros where none came. `heard`: they go into the file, so a
        small offset is put right in a pause, or stretched away."""
        if not self._least:
            return array("h", bytes(2 * count))
        target = self._target()
        shift = target if self._may_jump(target, place + count, heard) else self._shift
        assert shift is not None
        off = abs(target - shift) * S
        if off == 0 or (off <= SLACK_NS * self._rate and not self._stretching):
            self._shift, self._off_for = shift, 0
            return self._take(place - shift, count)
        if self._quiet(place - max(shift, target), place - min(shift, target) + count):
            self._shift, self._off_for = target, 0
            before = self._waiting.look(place - shift, count)
            return _faded(before, self._take(place - target, count))
        self._off_for += count
        if not self._stretching or count == 1:  # a file's last frame may be one sample
            return self._take(place - shift, count)
        step = 1 if target > shift else -1
        self._shift = shift + step
        self.stretched += 1
        return _resampled(self._take(place - shift, count - step), count)

    @property
    def _stretching(self) -> bool:
        return self._off_for > PATIENCE_S * self._rate

    def _quiet(self, begin: int, end: int) -> bool:
        """Nobody would hear a cut anywhere in the samples `begin`..`end`: they are silent, and what follows is."""
        samples = self._waiting.look(begin, end - begin + PAUSE_MS * self._rate // 1000)
        return max(samples) <= QUIET_PEAK and min(samples) >= -QUIET_PEAK

    def _may_jump(self, target: int, end_place: int, heard: bool) -> bool:
        if self._shift is None or not heard or abs(target - self._shift) * S > JUMP_NS * self._rate:
            return True
        return not self._waiting or self._waiting.first + self._shift >= end_place

    def forget(self, place: int) -> None:
        """Nothing before `place` is wanted any more."""
        if self._least:
            self._waiting.forget(place - self._target())

    def passed(self, place: int) -> bool:
        """The sample before `place` came."""
        return bool(self._least) and self._next + self._target() >= place

    def _target(self) -> int:
        return (self._origin_ns() - self._start_ns) * self._rate // S

    def _origin_ns(self) -> int:
        return min(origin for _, origin in self._least)

    def _take(self, index: int, count: int) -> array[int]:
        samples, left_out = self._waiting.take(index, count)
        self.late += left_out
        return samples


def _faded(before: array[int], after: array[int]) -> array[int]:
    """From one sound over to the other within their length: no click."""
    count = len(before)
    pairs = enumerate(zip(before, after, strict=True))
    return array("h", (round((old * (count - i) + new * i) / count) for i, (old, new) in pairs))


def _resampled(samples: array[int], count: int) -> array[int]:
    """The same sound in `count` samples, one more or less than given."""
    scale = (len(samples) - 1) / (count - 1)
    out = array("h", bytes(2 * count))
    for i in range(count):
        at = min(int(i * scale), len(samples) - 2)
        part = i * scale - at
        out[i] = round(samples[at] * (1 - part) + samples[at + 1] * part)
    return out
