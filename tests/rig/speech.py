"""Two people talking, made by espeak-ng: different voices, different words, each phrase at a known sample.

The sides take turns and never speak at once, so a leg's level while the other side speaks *is* the cross-talk. 8 kHz
mono, what a G.711 phone sends. Needs Debian's espeak-ng; knows nothing of phones or files of recordings.
"""

from __future__ import annotations

import io
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
RATE = 8000
"""Samples per second."""
TURN_S = 1.4
"""Length of one turn; a phrase and the pause after it fit in."""
LONGEST_S = 1.2
LEVEL = 0.1
"""Root mean square of a spoken phrase, full scale being 1: loud, and never clipped."""
AGENT_VOICE, CUSTOMER_VOICE = "en-gb+m3", "fr+f2"
AGENT_SAYS = ("article {n} is in stock", "{n} boards, noted", "delivery at {n}", "I wrote down {n}")
CUSTOMER_SAYS = ("je prends {n} planches", "commande {n}, merci", "rue Pasteur, {n}", "plutôt le {n} mai")


class SpeechError(Exception):
    """espeak-ng is missing or refused."""


@dataclass(frozen=True, slots=True)
class Word:
    """One marked phrase: what is said and where its sound begins in the speech."""

    text: str
    start_s: float
    samples: Samples


@dataclass(frozen=True, slots=True)
class Speech:
    """One side of a conversation."""

    voice: str
    samples: Samples
    words: tuple[Word, ...]

    def pcm(self) -> bytes:
        """Signed 16-bit little-endian mono at RATE."""
        return np.clip(np.round(self.samples * 32767), -32768, 32767).astype("<i2").tobytes()

    def write_wav(self, path: Path) -> Path:
        """The whole speech as a WAV file, for a phone to play."""
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(self.pcm())
        return path


def conversation(seconds: float) -> tuple[Speech, Speech]:
    """The agent's and the customer's side, in turns of TURN_S each, beginning 0.4 s after the start with the agent."""
    turns = max(2, int((seconds - 0.4) / TURN_S))
    agent = _side(AGENT_VOICE, AGENT_SAYS, range(0, turns, 2), seconds)
    customer = _side(CUSTOMER_VOICE, CUSTOMER_SAYS, range(1, turns, 2), seconds)
    return agent, customer


def _side(voice: str, phrases: tuple[str, ...], turns: range, seconds: float) -> Speech:
    whole = np.zeros(round(seconds * RATE), np.float32)
    words = []
    for number, turn in enumerate(turns):
        text = phrases[number % len(phrases)].format(n=11 + number % 89)
        start = round((0.4 + turn * TURN_S) * RATE)
        said = say(voice, text)[: max(0, len(whole) - start)]
        if len(said) < RATE // 5:  # cut off by the end: nothing that could be marked
            continue
        whole[start : start + len(said)] = said
        words.append(Word(text, start / RATE, said))
    return Speech(voice, whole, tuple(words))


_said: dict[tuple[str, str], Samples] = {}


def say(voice: str, text: str) -> Samples:
    """`text` spoken, without silence at its ends, at most LONGEST_S long, at LEVEL. Raises: SpeechError."""
    if (voice, text) not in _said:
        try:
            made = subprocess.run(
                ["espeak-ng", "-v", voice, "-s", "185", "--stdout", text],
                capture_output=True,
                check=True,
                timeout=20,
            )
        except FileNotFoundError:
            raise SpeechError("espeak-ng is not installed: apt-get install espeak-ng") from None
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise SpeechError(f"espeak-ng did not speak with voice {voice}: {error}") from error
        with wave.open(io.BytesIO(made.stdout)) as sound:
            rate = sound.getframerate()
            raw = np.frombuffer(sound.readframes(1 << 24), "<i2").astype(np.float64) / 32768
        _said[voice, text] = _level(_trim(_resample(raw, rate)))
    return _said[voice, text]


def _resample(sound: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.float64]:
    """To RATE by cutting the spectrum: exact for a short sound with silent ends. Kept below 3.4 kHz, as a phone does."""
    length = round(len(sound) * RATE / rate)
    spectrum = np.fft.rfft(sound)[: length // 2 + 1]
    hz = np.arange(len(spectrum)) * rate / len(sound)
    spectrum[(hz > 3400) | (hz < 150)] = 0
    return np.asarray(np.fft.irfft(spectrum, length) * length / len(sound))


def _trim(sound: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1][: round(LONGEST_S * RATE)]


def _level(sound: npt.NDArray[np.float64]) -> Samples:
    level = sound * (LEVEL / np.sqrt(np.mean(sound**2)))
    fade = min(40, len(level) // 4)
    level[:fade] *= np.linspace(0, 1, fade)
    level[-fade:] *= np.linspace(1, 0, fade)
    return np.asarray(np.clip(level, -0.95, 0.95), np.float32)
