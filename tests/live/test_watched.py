"""The judgement of a recording can fail: one true film, and films with one fault each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.live.watched import Talk, judge
from tests.rig.proof import Film, Picture
from tests.rig.rtp_voices import LOUDNESS
from tests.rig.scenarios import AGENT_HERTZ, CUSTOMER_HERTZ, OTHER_HERTZ
from tests.rig.speech import RATE, Samples

SECOND = 10**9
BEGAN_NS = 5_000 * SECOND
LENGTH_S = 5.9
PAUSE_S = 1.9, 3.1
TALK = Talk(
    BEGAN_NS,
    BEGAN_NS + int(LENGTH_S * SECOND),
    ((BEGAN_NS + int(PAUSE_S[0] * SECOND), BEGAN_NS + int(PAUSE_S[1] * SECOND)),),
)
Fault = Callable[[Film], Film]


def in_pause(at_s: float) -> bool:
    return PAUSE_S[0] <= at_s < PAUSE_S[1]


def voice(hertz: int) -> Samples:
    at_s = np.arange(int(LENGTH_S * RATE)) / RATE
    tone = LOUDNESS / 32768 * np.sin(2 * np.pi * hertz * at_s)
    tone[int(PAUSE_S[0] * RATE) : int(PAUSE_S[1] * RATE)] = 0
    return tone.astype(np.float32)


def true_film() -> Film:
    times = [number / 10 for number in range(int(LENGTH_S * 10))]
    pictures = tuple(Picture(t, None if in_pause(t) else 5_000 + int(t), 0, 0) for t in times)
    voices = np.stack([voice(AGENT_HERTZ), voice(CUSTOMER_HERTZ)])
    return Film(pictures, voices, LENGTH_S, 640, 480, ("libvpx-vp9", "libopus"), (), True)


def with_picture(at_s: float, code: int | None, red_px: int = 0) -> Fault:
    def change(film: Film) -> Film:
        kept = [picture for picture in film.pictures if picture.at_s != at_s]
        added = [*kept, Picture(at_s, code, red_px, 0)]
        return replace(film, pictures=tuple(sorted(added, key=lambda picture: picture.at_s)))

    return change


def without_pictures(from_s: float, to_s: float) -> Fault:
    return lambda film: replace(film, pictures=tuple(p for p in film.pictures if not from_s < p.at_s < to_s))


def with_tone(leg: int, hertz: int, from_s: float, to_s: float, loudness: int = LOUDNESS) -> Fault:
    def change(film: Film) -> Film:
        voices = film.voices.copy()
        part = np.arange(int(from_s * RATE), int(to_s * RATE))
        voices[leg, part] += (loudness / 32768 * np.sin(2 * np.pi * hertz * part / RATE)).astype(np.float32)
        return replace(film, voices=voices)

    return change


FAULTS: dict[str, Fault] = {
    "half a second too long": lambda film: replace(film, length_s=LENGTH_S + 0.5),
    "half a second of voice too much": lambda film: replace(
        film, voices=np.pad(film.voices, ((0, 0), (0, RATE // 2)))
    ),
    "a picture after the end": with_picture(6.1, 5_006),
    "a second that came after the talk": with_picture(5.8, 5_006),
    "a second of the pause": with_picture(1.9, 5_002),
    "pictures of the second before": lambda film: with_picture(1.65, 5_000)(with_picture(1.55, 5_000)(film)),
    "the window in the pause": with_picture(2.8, 5_002),
    "a card while they talk": with_picture(1.3, None),
    "a red pixel": with_picture(1.3, 5_001, red_px=4),
    "more than a second without a picture": without_pictures(4.0, 5.2),
    "a colleague for a tenth of a second": with_tone(0, OTHER_HERTZ, 4.0, 4.1),
    "the customer softly on the agent's side": with_tone(0, CUSTOMER_HERTZ, 0.0, 5.9, LOUDNESS // 50),
    "a voice in the pause": with_tone(1, CUSTOMER_HERTZ, 2.4, 2.6, LOUDNESS // 20),
    "the legs the wrong way round": lambda film: replace(film, voices=film.voices[::-1]),
    "no voice": lambda film: replace(film, voices=np.zeros_like(film.voices)),
    "only cards": lambda film: replace(
        film, pictures=tuple(replace(picture, code=None) for picture in film.pictures)
    ),
}


def test_a_true_film_holds() -> None:
    judge(true_film(), TALK)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_film_with_a_fault_does_not(fault: Fault) -> None:
    with pytest.raises(AssertionError, match="FAIL"):
        judge(fault(true_film()), TALK)
