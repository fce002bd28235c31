"""A call becomes a file that plays: right lengths, right sides, right times, true pauses."""

from __future__ import annotations

from pbx_bridge.media.outcome import Sealed
from tests.media.rig import MS, T0, Call, S, play, tone, vp9


def test_ten_seconds_of_talk_become_a_file_that_plays() -> None:
    packets = vp9(tuple(60 + n for n in range(100)))
    call = Call()
    for tick in range(500):
        call.now_ns = T0 + tick * 20 * MS
        call.chunk("agent", tone(8000, tick * 160, 160, 440))
        call.chunk("customer", tone(8000, tick * 160, 160, 1000))
        if tick % 5 == 0:
            call.picture(packets[tick // 5], keyframe=tick == 0)
    call.now_ns = T0 + 10 * S
    call.recording.close(T0 + 10 * S)
    call.now_ns += 400 * MS
    end = call.end()
    assert isinstance(end, Sealed)
    assert end.facts.duration_ns == 10 * S
    assert end.facts.pictures == 100
    played = play(bytes(call.sink.data))
    assert played.pictures == [*((n * 100, 60 + n) for n in range(100)), (9999, 159)]
    assert abs(played.sound_ms - 10_000) <= 20
