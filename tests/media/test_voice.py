"""Two voices on one grid: true length, exact silence outside the talk, in time in spite of jitter, gaps and
drift."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.calls.facts import LegName, VoiceChunk
from pbx_bridge.media.leg import SLACK_NS, TAP_LAG_NS, WAITING_S, Leg
from pbx_bridge.media.spans import Spans
from pbx_bridge.media.timeline import HOLD_NS
from pbx_bridge.media.voice import Frame, Voices, WrongVoice
from tests.media.rig import MS, T0, S
from tests.rig.proof import Said, _find
from tests.rig.speech import conversation

LEGS: tuple[LegName, ...] = get_args(LegName)
RAMP = 20_000
"""Every sample says its own place on the grid, modulo this; never 0."""


@dataclass(frozen=True, slots=True)
class Tap:
    """One leg's way to the bridge."""

    first_ms: int
    """When its first sample is spoken, of the file."""
    chunk_ms: int
    jitter_ms: tuple[int, ...]
    """Delay of each chunk in turn; the stream keeps its order."""
    ppm: int = 0
    """How much faster the PBX's sample clock runs."""
    lost: frozenset[int] = frozenset()
    """Chunks that never come."""

    def chunks(self, leg: LegName, rate: int, until_ms: int) -> list[VoiceChunk]:
        chunks, arrived_ns, size = list[VoiceChunk](), 0, rate * self.chunk_ms // 1000
        for number in range((until_ms - self.first_ms) // self.chunk_ms + 1):
            index = number * size
            spoken_ns = self.spoken_ns(index, rate)
            first = (spoken_ns - T0) * rate // S
            ramp = array("h", (1 + (first + k) % RAMP for k in range(size)))
            delay_ns = self.jitter_ms[number % len(self.jitter_ms)] * MS
            arrived_ns = max(arrived_ns, spoken_ns + TAP_LAG_NS + delay_ns)
            if number not in self.lost:
                chunks.append(VoiceChunk(leg, arrived_ns, index, ramp.tobytes(), rate))
        return chunks

    def least_delay_ns(self, chunks: list[VoiceChunk], rate: int) -> int:
        """How late the least delayed of the first chunks was: as well as anybody can know when it begins."""
        soon_ns = chunks[0].arrived_ns + 250 * MS if chunks else 0
        first = [chunk for chunk in chunks if chunk.arrived_ns <= soon_ns]
        return min((c.arrived_ns - self.spoken_ns(c.index, rate) - TAP_LAG_NS for c in first), default=0)

    def spoken_ns(self, index: int, rate: int) -> int:
        return T0 + self.first_ms * MS + index * S * 1_000_000 // (rate * (1_000_000 + self.ppm))


def recorded(chunks: list[VoiceChunk], spans: Spans, end_ns: int, rate: int) -> list[Frame]:
    """All frames of a recording that goes on tick by tick and ends at `end_ns`."""
    voices, frames, waiting = (
        Voices(T0, rate),
        list[Frame](),
        sorted(chunks, key=lambda chunk: chunk.arrived_ns),
    )
    for now_ns in range(T0, end_ns + HOLD_NS, 20 * MS):
        while waiting and waiting[0].arrived_ns <= now_ns:
            voices.feed(waiting.pop(0))
        frames += voices.take(min(now_ns - HOLD_NS, end_ns), spans)
    return [*frames, *voices.rest(end_ns, spans)]


def sides(frames: list[Frame]) -> tuple[array[int], array[int]]:
    samples = array("h")
    for frame in frames:
        samples.frombytes(frame.pcm)
    return samples[0::2], samples[1::2]


taps = st.builds(
    Tap,
    first_ms=st.integers(-500, 300),
    chunk_ms=st.sampled_from([10, 20, 30, 60]),
    jitter_ms=st.lists(st.sampled_from([0, 5, 40, 200]), min_size=1, max_size=5).map(lambda more: (0, *more)),
    ppm=st.sampled_from([0, -300, 300]),
    lost=st.frozensets(st.integers(0, 60), max_size=8),
)


@st.composite
def talks(draw: st.DrawFn) -> Spans:
    spans, at_ns = Spans(T0), T0
    for number in range(draw(st.integers(0, 4))):
        at_ns += draw(st.integers(1, 900 * MS))
        (spans.pause, spans.talk)[number % 2](at_ns)
    spans.close(at_ns + draw(st.integers(1, 900 * MS)))
    return spans


@given(taps, taps, talks(), st.sampled_from([8000, 16000]))
def test_frames_are_whole_silent_outside_the_talk_and_in_time_inside(
    agent: Tap, customer: Tap, spans: Spans, rate: int
) -> None:
    end_ns = spans.end_ns
    assert end_ns is not None
    until_ms = (end_ns - T0) // MS + 100
    chunks = [*agent.chunks("agent", rate, until_ms), *customer.chunks("customer", rate, until_ms)]
    frames = recorded(chunks, spans, end_ns, rate)
    places = [frame.place for frame in frames]
    assert places == [number * (rate // 50) for number in range(len(frames))]
    assert sum(frame.count for frame in frames) == (end_ns - T0) * rate // S
    for tap, leg, samples in zip((agent, customer), LEGS, sides(frames), strict=True):
        late_ns = tap.least_delay_ns([chunk for chunk in chunks if chunk.leg == leg], rate)
        for place, value in enumerate(samples):
            at_ns = T0 + place * S // rate
            if not any(a <= at_ns < b for a, b in spans.inside(T0, end_ns)):
                assert value == 0, "sound outside the talk (P8, P9)"
            elif value:
                off = (value - 1 - place + RAMP // 2) % RAMP - RAMP // 2
                assert -late_ns - SLACK_NS - 2 * MS <= off * S // rate <= SLACK_NS + 2 * MS, "out of time"


@given(talks(), st.sampled_from([8000, 16000]))
def test_of_two_taps_that_deliver_nothing_is_missing(spans: Spans, rate: int) -> None:
    assert spans.end_ns is not None
    tap = Tap(first_ms=-100, chunk_ms=20, jitter_ms=(0, 120, 30))
    until_ms = (spans.end_ns - T0) // MS + 100
    chunks = [chunk for leg in LEGS for chunk in tap.chunks(leg, rate, until_ms)]
    frames = recorded(chunks, spans, spans.end_ns, rate)
    talked = sum(
        -(-(b - T0) * rate // S) - -(-(a - T0) * rate // S) for a, b in spans.inside(T0, spans.end_ns)
    )
    for samples in sides(frames):
        assert abs(sum(1 for value in samples if value) - talked) <= len(spans.all)


@pytest.mark.parametrize("ppm", [-400, 400])
def test_ten_minutes_of_drift_stay_in_time_and_make_no_click(ppm: int) -> None:
    """The PBX's samples come 0.24 s apart from the clock in the end; no neighbouring samples show it."""
    rate, minutes, hz, level = 8000, 10, 440, 10_000
    tap = Tap(first_ms=0, chunk_ms=20, jitter_ms=(0, 10, 20), ppm=ppm)
    wave = [round(level * math.sin(2 * math.pi * hz * n / rate)) for n in range(rate)]
    voices, spans, last, steepest = Voices(T0, rate), Spans(T0), 0, 0
    for number in range(minutes * 60 * 50):
        index = number * 160
        pcm = array("h", wave[index % rate : index % rate + 160]).tobytes()
        now_ns = tap.spoken_ns(index, rate) + TAP_LAG_NS + tap.jitter_ms[number % 3] * MS
        for leg in LEGS:
            voices.feed(VoiceChunk(leg, now_ns, index, pcm, rate))
        for frame in voices.take(now_ns - HOLD_NS, spans):
            left = array("h", frame.pcm)[0::2]
            steepest = max(steepest, abs(left[0] - last), *(abs(b - a) for a, b in pairwise(left)))
            last = left[-1]
            if number % 1000 == 0:
                truth_ns = tap.spoken_ns(voices.legs["agent"].number_at(frame.place), rate)
                assert abs(truth_ns - (T0 + frame.place * S // rate)) <= 10 * MS
    assert steepest <= 2 * math.pi * hz / rate * level * 1.05
    assert voices.legs["agent"].stretched == pytest.approx(minutes * 60 * rate * abs(ppm) / 1e6, rel=0.05)


def test_a_tap_that_begins_anew_goes_on_where_it_is_now() -> None:
    rate, spans = 8000, Spans(T0)
    spans.close(T0 + 3 * S)
    first = Tap(first_ms=0, chunk_ms=20, jitter_ms=(0,)).chunks("agent", rate, 1_000)
    anew = Tap(first_ms=1_500, chunk_ms=20, jitter_ms=(40, 0, 0, 0)).chunks("agent", rate, 3_000)
    left, right = sides(recorded([*first, *anew], spans, T0 + 3 * S, rate))
    assert not any(right)
    assert offsets(left, 0, 1_000) == offsets(left, 1_500, 2_950) == {0}
    assert not any(left[1_025 * 8 : 1_495 * 8])


def test_time_that_a_tap_lost_is_made_up_for_within_two_seconds() -> None:
    """Its numbers go on as if nothing were missing, but everything comes 1 s later."""
    rate, spans = 8000, Spans(T0)
    spans.close(T0 + 6 * S)
    tap = Tap(first_ms=0, chunk_ms=20, jitter_ms=(0,)).chunks("agent", rate, 6_000)
    chunks = [*tap[:100], *(replace(chunk, arrived_ns=chunk.arrived_ns + S) for chunk in tap[100:])]
    left, _ = sides(recorded(chunks, spans, T0 + 6 * S, rate))
    assert offsets(left, 0, 1_900) == {0}
    assert offsets(left, 5_000, 5_900) == {-rate}


def test_a_pause_is_used_to_get_in_time_again() -> None:
    """What would be stretched into place over seconds in talk is put right unheard."""
    rate, spans = 8000, Spans(T0)
    spans.pause(T0 + S)
    spans.talk(T0 + 2 * S)
    spans.close(T0 + 4 * S)
    tap = Tap(first_ms=0, chunk_ms=20, jitter_ms=(0,)).chunks("agent", rate, 4_000)
    slow = [replace(chunk, arrived_ns=chunk.arrived_ns + 40 * MS) for chunk in tap[:60]]
    left, _ = sides(recorded([*slow, *tap[60:]], spans, T0 + 4 * S, rate))
    assert offsets(left, 100, 900) == {-320}
    assert offsets(left, 2_000, 3_950) == {0}


class Speaker:
    """Speaks (a loud ramp) but from 1 s to 1.2 s; its chunks come 20 ms late until `late_ms`, then in time."""

    def __init__(self, late_ms: int, quiet_ms: range) -> None:
        self.voices, spans, out = Voices(T0, 8000), Spans(T0), array("h")
        for number in range(600):
            spoken = [self.sample(number * 160 + k, quiet_ms) for k in range(160)]
            arrived_ns = T0 + number * 20 * MS + TAP_LAG_NS + (20 * MS if number * 20 < late_ms else 0)
            for leg in LEGS:
                self.voices.feed(
                    VoiceChunk(leg, arrived_ns, number * 160, array("h", spoken).tobytes(), 8000)
                )
            for frame in self.voices.take(arrived_ns - HOLD_NS, spans):
                out.extend(array("h", frame.pcm)[0::2])
        self.said = out

    @staticmethod
    def sample(number: int, quiet_ms: range) -> int:
        return 100 if number // 8 in quiet_ms else 1000 + number % 8000

    def off_ms(self, at_ms: int) -> float:
        """How much later what stands at that time was spoken; to the wrap of the ramp, 1 s."""
        value = self.said[at_ms * 8] - 1000
        return ((value - at_ms * 8 + 4000) % 8000 - 4000) / 8


def test_what_came_late_at_first_is_put_in_time_in_the_speakers_next_pause() -> None:
    """Not by stretching what is being said: it waits for the silence between two phrases."""
    heard = Speaker(late_ms=700, quiet_ms=range(1_000, 1_300))
    while_speaking = {heard.off_ms(ms) for ms in range(300, 980, 20)}
    assert while_speaking == {-20}, "before it was known, and while they speak"
    assert {heard.off_ms(ms) for ms in range(1_300, 11_000, 20)} == {0}, "from the phrase after the pause on"
    assert set(heard.said[8 * 1_040 : 8 * 1_180]) == {100}, "faded from silence to silence"
    assert heard.voices.legs["agent"].stretched == 0


def test_a_comma_is_no_pause() -> None:
    heard = Speaker(late_ms=700, quiet_ms=range(1_000, 1_150))
    assert {heard.off_ms(ms) for ms in range(1_200, 2_300, 20)} == {-20}


def test_who_never_pauses_is_stretched_into_time_after_some_patience() -> None:
    heard = Speaker(late_ms=700, quiet_ms=range(0))
    assert {heard.off_ms(ms) for ms in range(300, 2_300, 20)} == {-20}
    assert {round(heard.off_ms(ms)) for ms in range(7_000, 11_000, 20)} == {0}
    assert heard.voices.legs["agent"].stretched == 160, "20 ms, one sample a frame"


def test_a_last_frame_of_one_sample_ends_a_voice_that_is_being_stretched() -> None:
    leg, loud = Leg(T0, 8000), array("h", [1_000] * 160)
    for number in range(200):
        late_ns = 20 * MS if number < 35 else 0
        leg.feed(number * 160, loud, T0 + number * 20 * MS + TAP_LAG_NS + late_ns)
        if number >= 15:
            leg.read((number - 15) * 160, 160, heard=True)
    assert 0 < leg.stretched < 160, "on its way"
    assert leg.read(185 * 160, 1, heard=True) == array("h", [1_000])


def offsets(samples: array[int], from_ms: int, to_ms: int) -> set[int]:
    """By how many places the samples stand later than they were spoken (8 kHz)."""
    places = range(from_ms * 8, to_ms * 8)
    return {(samples[place] - 1 - place + RAMP // 2) % RAMP - RAMP // 2 for place in places}


def test_a_rate_that_was_not_announced_is_refused() -> None:
    with pytest.raises(WrongVoice, match="16000 samples/s where 8000"):
        Voices(T0, 8000).feed(VoiceChunk("agent", T0, 0, b"\0\0", 16000))
    with pytest.raises(ValueError, match="8000 or 16000"):
        Voices(T0, 44100)


def test_a_tap_gone_wild_keeps_a_bounded_number_of_samples() -> None:
    voices = Voices(T0, 8000)
    for number in range(WAITING_S * 60):
        voices.feed(VoiceChunk("agent", T0, number * 1600, bytes(3200), 8000))
    assert voices.legs["agent"].waiting <= WAITING_S * 8000


@pytest.mark.parametrize("side", [0, 1], ids=["agent", "customer"])
@pytest.mark.parametrize("until_ms", range(1_000, 9_000, 400))
def test_no_phrase_is_moved_within_itself(side: int, until_ms: int) -> None:
    """Two people's real phrases, commas in them; the first chunks come 11 ms late, as after a PBX was replaced."""
    speech = conversation(14)[side]
    said, place, leg = array("h", speech.pcm()), 0, Leg(T0, 8000)
    heard = array("h")
    for number in range(len(said) // 160):
        arrived_ns = T0 + number * 20 * MS + TAP_LAG_NS + (11 * MS if number * 20 < until_ms else 0)
        leg.feed(number * 160, said[number * 160 : number * 160 + 160], arrived_ns)
        while T0 + place * S // 8000 + HOLD_NS < arrived_ns:
            heard.extend(leg.read(place, 160, heard=True))
            place += 160
    film = (np.frombuffer(heard.tobytes(), np.int16) / 32768).astype(np.float32)
    for word in speech.words:
        if word.start_s + 1.2 < len(film) / 8000:
            likeness, _ = _find(film, Said(word.start_s, word.samples))
            assert likeness > 0.99, word.text
    assert leg.stretched == 0
