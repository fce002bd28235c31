"""The proof itself is put to the proof: a good film passes, and each kind of bad one fails by its own check."""

from __future__ import annotations

import io
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from tests.rig.business_app import BLOCK_PX, code_bits
from tests.rig.proof import Film, Said, Truth, decode, judge, open_sealed, read_code, table
from tests.rig.speech import RATE, Samples, Speech, conversation

WIDTH, HEIGHT, FPS = 800, 480, 5
LENGTH_S = 12.0
HOLD = (5.0, 8.0)
ZERO_NS = 1_234_700_000_000
TIMES = [*(number / FPS for number in range(round(LENGTH_S * FPS))), LENGTH_S - 0.02]
"""When the pictures begin; the last one lasts one frame of 1/50 s, which ends the film."""

Pixels = npt.NDArray[np.uint8]


def screen(now_ns: int) -> Pixels:
    """A grey window with the strip that the order desk would paint at this time."""
    picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    for index, bit in enumerate(code_bits(now_ns // 1_000_000_000)):
        left = 40 + index * BLOCK_PX
        picture[60 : 60 + 2 * BLOCK_PX, left : left + BLOCK_PX] = 255 if bit else 0
    return picture


CARD: Pixels = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)


def truth_of(sides: tuple[Speech, Speech]) -> Truth:
    agent, customer = (tuple(Said(word.start_s, word.samples) for word in side.words) for side in sides)
    return Truth(ZERO_NS, LENGTH_S, (HOLD,), agent, customer)


def film_of(pictures: list[tuple[float, Pixels]], legs: Samples) -> bytes:
    """A WebM as the bridge would make it: VP9, Opus in two legs, with an index."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm") as out:
        video = out.add_stream(
            "libvpx-vp9", rate=50, options={"deadline": "realtime", "cpu-used": "8", "crf": "32"}
        )
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = out.add_stream("libopus", rate=48000, layout="stereo")

        for at_s, pixels in pictures:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base, frame.duration = round(at_s * 1000), Fraction(1, 1000), 1
            out.mux(video.encode(frame))
        out.mux(video.encode())
        wide = np.repeat(legs, 48000 // RATE, axis=1)
        sound = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(wide.T.reshape(1, -1)), format="flt", layout="stereo"
        )
        sound.sample_rate, sound.pts = 48000, 0
        out.mux(audio.encode(sound))
        out.mux(audio.encode())
    return buffer.getvalue()


def held(at_s: float) -> bool:
    return HOLD[0] <= at_s < HOLD[1]


@pytest.fixture(scope="module")
def sides() -> tuple[Speech, Speech]:
    return conversation(LENGTH_S)


@pytest.fixture(scope="module")
def legs(sides: tuple[Speech, Speech]) -> Samples:
    """What the phones said, silent while on hold."""
    both = np.stack([side.samples for side in sides])
    both[:, round(HOLD[0] * RATE) : round(HOLD[1] * RATE)] = 0
    return both


@pytest.fixture(scope="module")
def pictures() -> list[tuple[float, Pixels]]:
    return [(at_s, CARD if held(at_s) else screen(ZERO_NS + round(at_s * 1e9))) for at_s in TIMES]


@pytest.fixture(scope="module")
def good(pictures: list[tuple[float, Pixels]], legs: Samples) -> Film:
    return decode(film_of(pictures, legs))


def failed(film: Film, truth: Truth) -> set[str]:
    return {check.what for check in judge(film, truth) if not check.holds}


def test_a_true_film_is_proven(good: Film, sides: tuple[Speech, Speech]) -> None:
    checks = judge(good, truth_of(sides))
    assert all(check.holds for check in checks), table(checks)
    assert sum(picture.code is not None for picture in good.pictures) > 30


def test_a_red_patch_is_found(
    pictures: list[tuple[float, Pixels]], legs: Samples, sides: tuple[Speech, Speech]
) -> None:
    leaked = [(at_s, pixels.copy()) for at_s, pixels in pictures]
    leaked[20][1][300:316, 100:116] = (255, 0, 0)
    assert failed(decode(film_of(leaked, legs)), truth_of(sides)) == {"red pixels of the private window"}


def test_neutral_cards_alone_fail(legs: Samples, sides: tuple[Speech, Speech]) -> None:
    cards = [(at_s, CARD) for at_s in TIMES]
    assert failed(decode(film_of(cards, legs)), truth_of(sides)) == {
        "per-second codes read back at their time"
    }


def test_swapped_legs_fail(good: Film, sides: tuple[Speech, Speech]) -> None:
    swapped = replace(good, voices=good.voices[::-1])
    assert {"agent's phrases on the left leg", "customer's phrases on the right leg"} <= failed(
        swapped, truth_of(sides)
    )


def test_a_voice_that_is_heard_on_both_legs_fails(good: Film, sides: tuple[Speech, Speech]) -> None:
    leaky = replace(good, voices=good.voices + 0.02 * good.voices[::-1])
    assert failed(leaky, truth_of(sides)) == {"cross-talk of the agent", "cross-talk of the customer"}


def test_a_voice_80_ms_late_fails(good: Film, sides: tuple[Speech, Speech]) -> None:
    late = replace(good, voices=np.roll(good.voices, round(0.08 * RATE), axis=1))
    assert "agent's phrases, worst offset" in failed(late, truth_of(sides))


def test_a_film_of_another_time_fails(good: Film, sides: tuple[Speech, Speech]) -> None:
    truth = replace(truth_of(sides), zero_ns=ZERO_NS + 1_000_000_000)
    assert failed(good, truth) == {
        "per-second codes read back at their time",
        "pictures that show another time",
    }


def test_the_window_on_hold_and_after_the_call_fails(good: Film, sides: tuple[Speech, Speech]) -> None:
    moved = replace(truth_of(sides), pauses=((2.0, 4.0),), length_s=LENGTH_S - 1)
    assert {
        "pictures of the window while on hold",
        "pictures after hang-up (P8)",
        "voices while on hold",
    } <= failed(good, moved)


def test_a_stretch_without_pictures_fails(good: Film, sides: tuple[Speech, Speech]) -> None:
    torn = replace(good, pictures=tuple(p for p in good.pictures if not 2.0 < p.at_s < 3.4))
    assert "longest time without a picture (P2)" in failed(torn, truth_of(sides))


def test_the_strip_is_read_wherever_it_lies_and_never_guessed() -> None:
    rng = np.random.default_rng(7)
    for second in (0, 1, 4711, 65535):
        canvas = rng.integers(0, 255, (300, 900), np.uint8)
        left, top = int(rng.integers(0, 200)), int(rng.integers(0, 250))
        strip = np.repeat(np.array(code_bits(second), np.uint8) * 255, BLOCK_PX)
        canvas[top : top + 2 * BLOCK_PX, left : left + len(strip)] = strip
        assert read_code(canvas, None)[0] == second
        canvas[:, left + 20 * BLOCK_PX : left + 21 * BLOCK_PX] ^= 255
        assert read_code(canvas, None)[0] is None


def test_a_sealed_file_is_opened_by_debians_age(tmp_path: Path) -> None:
    identity = tmp_path / "key"
    subprocess.run(["age-keygen", "-o", identity], check=True, capture_output=True)
    recipient = subprocess.run(
        ["age-keygen", "-y", identity], check=True, capture_output=True, text=True
    ).stdout.strip()
    sealed = tmp_path / "film.age"
    subprocess.run(["age", "-r", recipient, "-o", sealed], input=b"film", check=True)
    assert open_sealed(sealed, identity) == b"film"
    sealed.write_bytes(sealed.read_bytes()[:-1])
    with pytest.raises(ValueError, match="age cannot open it"):
        open_sealed(sealed, identity)
