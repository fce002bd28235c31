"""A recording's conduct: what it tells and when, what is left after each fault, and that its caller never
waits."""

from __future__ import annotations

import errno
import gc
import os
import threading
import time
from pathlib import Path

import pytest

from pbx_bridge import age
from pbx_bridge.archive.recovery import recover
from pbx_bridge.archive.sealed import SealedDigest, SealedFile
from pbx_bridge.ids import new_recording_id
from pbx_bridge.media.outcome import Discarded, Failed, Failure, RecordingEvent, Sealed
from pbx_bridge.media.recording import QUEUE_BYTES, QUEUE_ITEMS, SealSink
from tests.media.rig import CARD_LUMA, MS, T0, Call, MemorySink, S, play, tone, vp9

PACKETS = vp9(tuple(60 + n for n in range(100)), frozenset(range(0, 100, 25)))


def talk(call: Call, seconds: float) -> None:
    """Both speak, the window changes ten times a second."""
    for tick in range(round(seconds * 50)):
        call.chunk("agent", tone(call.rate, tick * 160, 160, 440))
        call.chunk("customer", tone(call.rate, tick * 160, 160, 1000))
        if tick % 5 == 0:
            call.picture(PACKETS[tick // 5], keyframe=tick // 5 % 25 == 0)
        call.now_ns += 20 * MS


def ended(call: Call) -> RecordingEvent:
    """After the end was told and the hold went by."""
    call.now_ns += 400 * MS
    return call.end()


def sealed(call: Call) -> Sealed:
    event = ended(call)
    assert isinstance(event, Sealed), event
    return event


def failed(event: RecordingEvent, failure: Failure) -> str:
    assert isinstance(event, Failed), event
    assert event.failure is failure
    return event.why


def test_ten_seconds_of_talk_become_a_file_that_plays() -> None:
    call = Call()
    talk(call, 10)
    call.recording.close(call.now_ns)
    facts = sealed(call).facts
    assert (facts.start_ns, facts.end_ns, facts.talked_ns) == (T0, T0 + 10 * S, 10 * S)
    assert (facts.pictures, sum(facts.dropped.values()), facts.size) == (100, 0, len(call.memory.data))
    assert facts.voice_ms == {"agent": 10_000, "customer": 10_000}
    assert facts.voice_late_ms == {"agent": 0, "customer": 0}
    played = play(bytes(call.memory.data))
    assert len(played.pictures) == 101
    assert played.sound_ms == pytest.approx(10_000, abs=10)
    assert call.memory.finished
    assert not call.memory.discarded


def test_a_picture_at_or_after_the_end_ends_the_waiting() -> None:
    """Pictures come in order and both voices are complete: nothing of the call is under way, no hold is
    needed."""
    call = Call()
    talk(call, 2)
    call.chunk("agent", bytes(640))
    call.chunk("customer", bytes(640))
    call.picture(PACKETS[1], keyframe=False)
    call.recording.close(T0 + 2 * S)
    event = call.end()
    assert isinstance(event, Sealed)
    assert event.facts.duration_ns == 2 * S
    assert event.facts.dropped["after the talk, or in doubt"] == 1


def test_a_recording_that_ends_in_a_pause_ends_where_the_pause_began() -> None:
    call = Call()
    talk(call, 2)
    call.recording.pause(call.now_ns)
    call.picture(vp9((CARD_LUMA,))[0], keyframe=True, card=True)
    call.now_ns += 30 * S
    call.recording.close(call.now_ns)
    assert sealed(call).facts.end_ns == T0 + 2 * S


def test_a_resumed_call_has_pause_and_talk_of_true_length() -> None:
    call = Call()
    talk(call, 2)
    call.recording.pause(call.now_ns)
    call.picture(vp9((CARD_LUMA,))[0], keyframe=True, card=True)
    for _ in range(15 * 50):
        call.chunk("agent", bytes(320))
        call.chunk("customer", tone(8000, 0, 160))
        call.now_ns += 20 * MS
    call.recording.talk(call.now_ns)
    talk(call, 2)
    call.recording.close(call.now_ns)
    facts = sealed(call).facts
    assert (facts.duration_ns, facts.talked_ns) == (19 * S, 4 * S)
    assert facts.voice_late_ms == {"agent": 0, "customer": 0}, "what was said in the pause was kept"


def test_without_a_picture_nothing_is_kept() -> None:
    """P2."""
    call = Call()
    call.chunk("agent", bytes(320))
    call.recording.close(T0 + 2 * S)
    assert "no picture" in failed(ended(call), Failure.NO_PICTURES)
    assert call.memory.discarded


def test_talk_that_is_no_longer_filmed_is_discarded() -> None:
    """P2."""
    call = Call()
    talk(call, 2)
    for _ in range(250):
        call.chunk("agent", bytes(320))
        call.now_ns += 20 * MS
    assert "P2" in failed(call.end(), Failure.NO_PICTURES)
    assert call.memory.discarded


def test_a_pause_that_comes_to_light_after_it_was_written_is_discarded() -> None:
    """P8."""
    call = Call()
    talk(call, 5)
    call.until_safe(20)
    call.recording.pause(T0 + S)
    assert "after what follows it" in failed(call.end(), Failure.LATE_FACT)
    assert call.memory.discarded


@pytest.mark.parametrize("wrong", ["noise", "flag", "canvas"])
def test_what_is_no_picture_of_this_recording_ends_it(wrong: str) -> None:
    call = Call()
    call.picture(PACKETS[0], keyframe=True)
    call.now_ns += 100 * MS
    if wrong == "canvas":
        call.picture(PACKETS[1], keyframe=False, width=640)
    else:
        call.picture(b"no picture" if wrong == "noise" else PACKETS[1], keyframe=True)
    call.recording.close(call.now_ns + 100 * MS)
    failed(ended(call), Failure.BAD_PICTURES)
    assert call.memory.discarded


def test_a_tap_of_another_rate_is_refused_and_what_came_before_is_left() -> None:
    call = Call()
    talk(call, 2)
    call.rate = 16_000
    call.chunk("agent", bytes(640))
    assert "16000 samples/s where 8000" in failed(call.end(), Failure.BAD_VOICE)
    assert call.memory.closed
    assert not call.memory.discarded


def test_discarding_leaves_nothing_even_while_it_runs() -> None:
    """P16."""
    call = Call()
    talk(call, 3)
    call.recording.discard()
    assert call.end() == Discarded()
    assert call.memory.discarded


class Faulty(MemorySink):
    """A disk that refuses one kind of work after so many bytes."""

    def __init__(self, refuses: str, after: int = 0) -> None:
        super().__init__()
        self._refuses, self._after = refuses, after

    def _work(self, what: str) -> None:
        if what == self._refuses and len(self.data) >= self._after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, data: bytes) -> int:
        self._work("write")
        return super().write(data)

    def checkpoint(self) -> None:
        self._work("checkpoint")

    def finish(self) -> object:
        self._work("finish")
        return super().finish()

    def discard(self) -> None:
        self._work("discard")
        super().discard()


@pytest.mark.parametrize("refuses", ["write", "checkpoint", "finish"])
def test_a_full_disk_ends_the_recording_and_leaves_what_was_written(refuses: str) -> None:
    sink = Faulty(refuses, after=4_000)
    call = Call(sink=sink)
    talk(call, 3)
    if refuses == "finish":
        call.recording.close(call.now_ns)
        call.now_ns += 400 * MS
    assert "No space left" in failed(call.end(), Failure.STORAGE)
    assert sink.closed
    written = bytes(sink.data)
    assert len(written) >= 4_000
    del call
    gc.collect()
    assert sink.data == written, "something was written after the fault"


def test_a_disk_that_will_not_erase_is_told() -> None:
    call = Call(sink=Faulty("discard"))
    call.recording.discard()
    assert "No space left" in failed(call.end(), Failure.NOT_ERASED)


class Stuck(MemorySink):
    """A disk that stands still until told."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go = threading.Event(), threading.Event()

    def checkpoint(self) -> None:
        self.reached.set()
        assert self.go.wait(20)


def test_a_disk_that_stands_still_never_makes_the_caller_wait_and_costs_bounded_memory() -> None:
    sink = Stuck()
    call = Call(sink=sink)
    talk(call, 3)
    assert sink.reached.wait(20)
    longest = 0.0
    for _ in range(QUEUE_ITEMS + 1):
        begin = time.perf_counter()
        call.chunk("agent", b"\0\0")
        longest = max(longest, time.perf_counter() - begin)
    sink.go.set()
    assert "did not keep up" in failed(call.end(), Failure.OVERFLOW)
    assert longest < 0.5
    assert sink.closed


def test_what_was_written_no_longer_counts_as_waiting() -> None:
    """More goes through in all than may ever wait at once."""
    call, packet = Call(), PACKETS[0] + bytes(4 * 1024 * 1024)
    for number in range(2 * QUEUE_BYTES // len(packet)):
        call.picture(packet, keyframe=True)
        for _ in range(30):
            call.chunk("agent", bytes(320))
            call.now_ns += 20 * MS
        call.until_safe(number - 2)
    call.recording.close(call.now_ns)
    assert sealed(call).facts.size > QUEUE_BYTES


def test_safe_pictures_lie_in_what_the_checkpoint_covers() -> None:
    """The station forgets them; whoever cuts the power then must still find them."""
    sink = MemorySink()
    sink.keep_checkpoints = True
    call = Call(sink=sink)
    covered: list[tuple[int, bytes]] = []
    call.on_safe = lambda seq: covered.append((seq, sink.checkpoints[-1] if sink.checkpoints else b""))
    talk(call, 5)
    call.until_safe(40)
    call.recording.close(call.now_ns)
    sealed(call)
    assert covered
    for seq, file in covered:
        assert seq == 0 or len(play(file).pictures) >= seq


def sealed_file(folder: Path) -> tuple[SealSink, str, age.X25519Identity]:
    recording, identity = new_recording_id(), age.X25519Identity.generate()
    return SealedFile(folder, recording, identity.recipient()), recording, identity


def test_into_a_real_sealed_file(tmp_path: Path) -> None:
    """Opened again, it is a whole WebM; its digest is that of what lies on the disk."""
    sink, recording, identity = sealed_file(tmp_path)
    call = Call(sink=sink)
    talk(call, 8)
    call.recording.close(call.now_ns)
    done = sealed(call)
    assert [path.name for path in tmp_path.iterdir()] == [f"{recording}.age"]
    plain = age.open_bytes((tmp_path / f"{recording}.age").read_bytes(), [identity])
    assert isinstance(done.digest, SealedDigest)
    assert len(plain) == done.digest.plain_size == done.facts.size
    assert len(play(plain).pictures) == 81


def test_after_a_fault_the_keeper_finds_a_file_that_plays(tmp_path: Path) -> None:
    sink, recording, identity = sealed_file(tmp_path)
    call = Call(sink=sink)
    talk(call, 5)
    call.until_safe(40)
    call.rate = 16_000
    call.chunk("agent", bytes(640))
    failed(call.end(), Failure.BAD_VOICE)
    with recover(tmp_path, recording, identity) as prefix:
        played = play(prefix.read(prefix.size))
    assert len(played.pictures) >= call.safe
    assert played.sound_ms > 4_000


def test_discarding_a_real_file_leaves_an_empty_folder(tmp_path: Path) -> None:
    call = Call(sink=sealed_file(tmp_path)[0])
    talk(call, 3)
    call.recording.discard()
    assert call.end() == Discarded()
    assert not list(tmp_path.iterdir())


def test_two_recordings_share_nothing() -> None:
    calls = Call(), Call()
    for call in calls:
        talk(call, 2)
    calls[0].recording.discard()
    calls[1].recording.close(calls[1].now_ns)
    assert calls[0].end() == Discarded()
    assert sealed(calls[1]).facts.duration_ns == 2 * S
