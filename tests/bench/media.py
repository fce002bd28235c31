"""How long after the hang-up a recording's sealed file is ready, and what a long call costs (`./run bench media`).

    python -m tests.bench.media [--rounds N] [--long-rounds N]

Calls of 10 and 60 minutes with a busy 1920x1080 window (about 500 MB an hour: one encoder's packets, over and over) go
through the real recording into a real sealed file on a real disk, as fast as the machine can; the clock turns with them
and runs in real time from the hang-up on. Beside it the usual way: the same file in clear, made whole by ffmpeg at the
hang-up and sealed by `age`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import threading
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av

from pbx_bridge import age
from pbx_bridge.archive.sealed import SealedFile
from pbx_bridge.calls.facts import LegName, VoiceChunk
from pbx_bridge.ids import new_recording_id
from pbx_bridge.media.leg import TAP_LAG_NS
from pbx_bridge.media.outcome import RecordingEvent, Safe, Sealed
from pbx_bridge.media.recording import Recording
from tests.bench.figures import Figure, table

WIDTH, HEIGHT, FPS, RATE = 1920, 1080, 10, 8000
HOUR_BYTES = 500_000_000
PICTURE_BYTES = HOUR_BYTES // (3600 * FPS)
PACKETS = 100
T0 = 10**12
TICK_NS = 20_000_000
BEHIND = 60
"""Pictures that may wait before the caller does: six seconds, as a bridge in trouble would have."""
DEADLINE_S = 120


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture as the station's link hands it over."""

    seq: int
    at_ns: int
    keyframe: bool
    data: bytes
    error_ns: int = 1_000_000
    card: bool = False
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def taken_ns(self) -> int:
        return self.at_ns


@dataclass(slots=True)
class Measured:
    """What the calls of one length showed."""

    sealed_ms: list[float] = field(default_factory=list)
    silent_ms: list[float] = field(default_factory=list)
    """The same when the station sends nothing any more, so that the hold runs out."""
    usual_ms: list[float] = field(default_factory=list)
    cpu_s_per_hour: list[float] = field(default_factory=list)
    rss_mb: dict[int, float] = field(default_factory=dict)
    """By minute of the call."""
    size: int = 0


def busy_packets(keyframe_every: int = 50) -> list[tuple[bytes, bool]]:
    """Ten seconds of a scrolling, busy window, about 14 kB a picture; (packet, keyframe)."""
    encoder = av.CodecContext.create("libvpx-vp9", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 1000), Fraction(FPS)
    encoder.bit_rate = PICTURE_BYTES * FPS * 8 * 115 // 100  # it stays below what it is told
    encoder.options = {
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "g": str(keyframe_every),
    }
    packets: list[tuple[bytes, bool]] = []
    source = av.open(f"testsrc2=size={WIDTH}x{HEIGHT}:rate={FPS}", format="lavfi")
    for number, shown in enumerate(source.decode(video=0)):
        if number == PACKETS:
            break
        picture = shown.reformat(format="yuv420p")
        picture.pts, picture.time_base = number * 1000 // FPS, Fraction(1, 1000)
        picture.pict_type = av.video.frame.PictureType.I if number == 0 else av.video.frame.PictureType.NONE
        packets += [(bytes(packet), bool(packet.is_keyframe)) for packet in encoder.encode(picture)]
    return packets


class Call:
    """One call driven through a recording."""

    def __init__(self, folder: Path, packets: list[tuple[bytes, bool]], speech: bytes) -> None:
        self._packets, self._speech = packets, speech
        self.identity = age.X25519Identity.generate()
        self.path = folder / f"{(recording := new_recording_id())}.age"
        self._told = threading.Condition()
        self._safe = -1
        self._end: RecordingEvent | None = None
        self._now_ns, self._real_ns = T0, 0
        sink = SealedFile(folder, recording, self.identity.recipient())
        self.recording = Recording(sink, T0, self._on_event, rate=RATE, clock=self._clock)

    def talk(self, minutes: int, measured: Measured) -> None:
        """Drive it to the last tick before the hang-up; nothing is left waiting then."""
        samples = RATE // 50
        for tick in range(minutes * 60 * 50):
            self._now_ns = T0 + tick * TICK_NS
            self._voice("agent", tick, samples)
            self._voice("customer", tick, samples)
            if tick % (50 // FPS) == 0:
                self._picture(tick // (50 // FPS))
            if tick % 3000 == 2999:
                measured.rss_mb[(tick + 1) // 3000] = rss_mb()
        self._now_ns += TICK_NS
        self._until_safe(minutes * 60 * FPS - BEHIND // 3)

    def hang_up(self, *, station_answers: bool) -> float:
        """Milliseconds from the end's being told to the file's having its name."""
        self._real_ns = begin_ns = time.monotonic_ns()
        ticks = (self._now_ns - T0) // TICK_NS
        self.recording.close(self._now_ns)
        if station_answers:
            self._voice("agent", ticks, RATE // 50)
            self._voice("customer", ticks, RATE // 50)
            self._picture(ticks // (50 // FPS))
        with self._told:
            assert self._told.wait_for(lambda: self._end is not None, DEADLINE_S)
        took_ms = (time.monotonic_ns() - begin_ns) / 1e6
        assert isinstance(self._end, Sealed), self._end
        assert self.path.exists()
        return took_ms

    def _clock(self) -> int:
        return self._now_ns + (time.monotonic_ns() - self._real_ns if self._real_ns else 0)

    def _voice(self, leg: LegName, tick: int, samples: int) -> None:
        at = tick * samples * 2 % (len(self._speech) - samples * 2)
        pcm = self._speech[at : at + samples * 2]
        self.recording.voice(VoiceChunk(leg, self._now_ns + TAP_LAG_NS, tick * samples, pcm, RATE))

    def _picture(self, number: int) -> None:
        data, keyframe = self._packets[number % len(self._packets)]
        self._until_safe(number - BEHIND)
        self.recording.picture(Sent(number, self._now_ns + 1_000_000, keyframe, data))

    def _until_safe(self, seq: int) -> None:
        with self._told:
            ready = self._told.wait_for(lambda: self._safe >= seq or self._end is not None, DEADLINE_S)
        assert ready, "the recording stands still"
        assert self._end is None, self._end

    def _on_event(self, event: RecordingEvent) -> None:
        with self._told:
            if isinstance(event, Safe):
                self._safe = event.seq
            else:
                self._end = event
            self._told.notify_all()


def rss_mb() -> float:
    """This process's memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def usual_way(folder: Path, clear: Path, recipient: age.X25519Recipient) -> float:
    """Milliseconds to make the recorded file whole with ffmpeg and to seal it with age."""
    whole, sealed = folder / "whole.webm", folder / "usual.age"
    begin_ns = time.monotonic_ns()
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-i", str(clear), "-c", "copy", str(whole)],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        ["age", "-r", str(recipient), "-o", str(sealed), str(whole)], check=True, capture_output=True
    )
    with sealed.open("rb") as file:
        os.fsync(file.fileno())
    took_ms = (time.monotonic_ns() - begin_ns) / 1e6
    whole.unlink()
    sealed.unlink()
    return took_ms


def measure(
    folder: Path, minutes: int, rounds: int, packets: list[tuple[bytes, bool]], speech: bytes
) -> Measured:
    """`rounds` calls of `minutes`."""
    measured = Measured()
    for number in range(rounds):
        call = Call(folder, packets, speech)
        cpu_s = time.process_time()
        call.talk(minutes, measured)
        measured.cpu_s_per_hour.append((time.process_time() - cpu_s) * 60 / minutes)
        answers = number % 3 != 2
        (measured.sealed_ms if answers else measured.silent_ms).append(call.hang_up(station_answers=answers))
        measured.size = call.path.stat().st_size
        clear = folder / "clear.webm"
        with call.path.open("rb") as source, clear.open("wb") as sink:
            for chunk in age.open_stream(source, [call.identity]):
                sink.write(chunk)
        call.path.unlink()
        measured.usual_ms.append(usual_way(folder, clear, call.identity.recipient()))
        clear.unlink()
    return measured


def figures(measured: dict[int, Measured]) -> Iterator[Figure]:
    """The table's lines."""
    for minutes, found in measured.items():
        aim = {10: "p95 <= 1000", 60: "p95 <= 2000"}[minutes]
        call = f"{minutes}-minute call, {found.size / 1e6:.0f} MB: hang-up -> sealed"
        yield Figure(call, "ms", found.sealed_ms, aim)
        yield Figure("  the same, station silent", "ms", found.silent_ms, aim)
        yield Figure("  the usual way: ffmpeg -c copy, then age", "ms", found.usual_ms, "-")
        yield Figure("  bridge's CPU for one recorded hour", "s", found.cpu_s_per_hour, "-")
    rss = measured[60].rss_mb
    grown = [rss[minute] - rss[5] for minute in sorted(rss) if minute >= 10]
    yield Figure("bridge RSS, minute 10 to 60 against minute 5", "MB", grown, "does not grow")


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="From the hang-up to the sealed file; memory over a long call."
    )
    parser.add_argument("--rounds", type=int, default=9, help="10-minute calls (default %(default)s)")
    parser.add_argument("--long-rounds", type=int, default=3, help="60-minute calls (default %(default)s)")
    chosen = parser.parse_args(arguments)
    packets = busy_packets()
    speech = array(
        "h", (int.from_bytes(os.urandom(2), "little", signed=True) // 8 for _ in range(RATE * 7))
    ).tobytes()
    with tempfile.TemporaryDirectory(prefix="pbx-bridge-bench-") as folder:
        measured = {
            60: measure(Path(folder), 60, chosen.long_rounds, packets, speech),
            10: measure(Path(folder), 10, chosen.rounds, packets, speech),
        }
    print(table("from the hang-up to the sealed file", figures(measured)))


if __name__ == "__main__":
    main()
