"""Sounds for the test PBX, made by espeak-ng: the spoken notice and the music a waiting caller hears."""

from __future__ import annotations

import audioop
import io
import math
import struct
import subprocess
import wave
from pathlib import Path

RATE = 8000
"""Samples per second: what the PBX plays on G.711 without resampling."""
NOTICES = {
    "en": "This call may be recorded for training. Press nine to object.",
    "fr": "Cet appel peut être enregistré pour la formation. Tapez neuf pour refuser.",
}


def spoken(language: str, text: str, words_per_minute: int = 200) -> bytes:
    """s16le at 8 kHz."""
    said = subprocess.run(
        ["espeak-ng", "-v", language, "-s", str(words_per_minute), "--stdout", text],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    with wave.open(io.BytesIO(said)) as wav:
        # espeak-ng writes to a pipe and leaves the header's length open
        pcm, rate = wav.readframes(wav.getnframes()), wav.getframerate()
    return audioop.ratecv(pcm[: len(pcm) // 2 * 2], 2, 1, rate, RATE, None)[0]


def music(hertz: int = 300, seconds: int = 5) -> bytes:
    """A quiet tone, easy to tell from the phones' voices."""
    return b"".join(
        struct.pack("<h", int(2000 * math.sin(2 * math.pi * hertz * i / RATE))) for i in range(RATE * seconds)
    )


def write_wav(file: Path, pcm: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(pcm)
