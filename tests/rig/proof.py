"""Judges a sealed recording against what the rig knows really happened: the demo's and the live tests' last word.

The file is opened by Debian's own `age` (an outside reader, not ours), decoded by PyAV, and both stay in memory. What
was on the screen and in the phones is a `Truth`: the call's length, its pauses, the monotonic clock at the file's zero,
and each phrase each side really said. A check compares a figure with a limit; a recording is proven when all hold, so
a film of neutral cards, a red pixel, swapped legs or a wrong length each fail by name.
"""

from __future__ import annotations

import io
import itertools
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from tests.rig.business_app import BLOCK_PX, CODE_BLOCKS, SYNC, code_bits
from tests.rig.speech import RATE, Samples

Plane = npt.NDArray[np.uint8]
Place = tuple[int, int]
"""Left and top of the code strip in the picture."""

RED_CR, RED_CB = 170, 130
"""A picture element is red at Cr >= 170 and Cb <= 130: pure red is Cr 240, and a third of it blended in still counts."""
EDGE_S = 0.15
"""Around a pause or a second's change the rig's clock and the picture's may differ by this much: not judged there."""
SYNC_LIMIT_S = 0.040
CROSSTALK_LIMIT_DB = -40.0
SILENCE_DB = -60.0
LIKENESS = 0.6
"""Correlation of a phrase with what the leg carries: over .8 through G.711 and Opus, under .3 for another phrase."""
METADATA_ALLOWED = frozenset({"encoder", "duration"})


@dataclass(frozen=True, slots=True)
class Said:
    """A phrase one side really said; `at_s` counts from the file's zero and may lie in a pause or outside the call."""

    at_s: float
    samples: Samples

    @property
    def end_s(self) -> float:
        """When its last sample was said."""
        return self.at_s + len(self.samples) / RATE


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happened, from the side of the screen and of the phones."""

    zero_ns: int
    """CLOCK_MONOTONIC of the workstation when the call was answered, which is where the file begins."""
    length_s: float
    pauses: tuple[tuple[float, float], ...]
    agent: tuple[Said, ...]
    customer: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded picture: its time, the second it shows (None: no readable strip), and how much red is in it."""

    at_s: float
    code: int | None
    red_px: int
    green_px: int


@dataclass(frozen=True, slots=True)
class Film:
    """A decoded recording. `voices` is (2, samples) at RATE from the file's zero: left the agent, right the customer."""

    pictures: tuple[Picture, ...]
    voices: Samples
    length_s: float
    width: int
    height: int
    codecs: tuple[str, ...]
    metadata: tuple[str, ...]
    indexed: bool


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison, in words a person reads."""

    what: str
    found: str
    wanted: str
    holds: bool


def open_sealed(sealed: Path, identity: Path) -> bytes:
    """The clear WebM in memory, opened by Debian's `age`. Raises: ValueError with age's own words."""
    opened = subprocess.run(["age", "-d", "-i", str(identity), str(sealed)], capture_output=True, check=False)
    if opened.returncode != 0:
        raise ValueError(f"{sealed}: age cannot open it: {opened.stderr.decode(errors='replace').strip()}")
    return opened.stdout


def decode(webm: bytes) -> Film:
    """Every picture and every sample of a clear recording. Raises: av.FFmpegError when it is not one."""
    pictures: list[Picture] = []
    left: list[tuple[int, npt.NDArray[np.float32]]] = []
    place: Place | None = None
    with av.open(io.BytesIO(webm), "r") as film:
        video, audio = film.streams.video[0], film.streams.audio[0]
        for frame in film.decode(video, audio):
            if isinstance(frame, av.VideoFrame):
                picture, place = _judge_picture(frame, place)
                pictures.append(picture)
            elif isinstance(frame, av.AudioFrame) and frame.pts is not None and frame.time_base is not None:
                at = round(float(frame.pts * frame.time_base) * frame.sample_rate)
                left.append((at, _planar(frame)))
        keys = [*film.metadata, *video.metadata, *audio.metadata]
        return Film(
            pictures=tuple(pictures),
            voices=_to_rate(left, audio.rate or 48000),
            length_s=(film.duration or 0) / av.time_base,
            width=video.width,
            height=video.height,
            codecs=(video.codec_context.name, audio.codec_context.name),
            metadata=tuple(sorted({key.lower() for key in keys})),
            indexed=b"\x1c\x53\xbb\x6b" in webm[64:],  # Matroska's Cues
        )


def _judge_picture(frame: av.VideoFrame, place: Place | None) -> tuple[Picture, Place | None]:
    if frame.format.name != "yuv420p":
        frame = frame.reformat(format="yuv420p")
    luma, blue, red = (_plane(frame, index) for index in range(3))
    code, place = read_code(luma, place)
    at_s = (
        float(frame.pts * frame.time_base) if frame.pts is not None and frame.time_base is not None else 0.0
    )
    reds = int(np.count_nonzero((red >= RED_CR) & (blue <= RED_CB)))
    greens = int(np.count_nonzero((red <= 80) & (blue <= 90)))
    return Picture(at_s, code, 4 * reds, 4 * greens), place


def _plane(frame: av.VideoFrame, index: int) -> Plane:
    plane = frame.planes[index]
    rows: Plane = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
        : plane.height, : plane.width
    ]
    return rows


def _planar(frame: av.AudioFrame) -> npt.NDArray[np.float32]:
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, len(frame.layout.channels)).T
    scale = 1.0 if samples.dtype.kind == "f" else 32768.0
    return (samples / scale).astype(np.float32)


def _to_rate(parts: Iterable[tuple[int, npt.NDArray[np.float32]]], rate: int) -> Samples:
    """Puts each decoded piece at its own time (a gap stays a gap), low-passes and thins to RATE."""
    pieces = list(parts)
    if not pieces:
        return np.zeros((2, 0), np.float32)
    whole = np.zeros(
        (pieces[0][1].shape[0], max(0, *(at + piece.shape[1] for at, piece in pieces))), np.float32
    )
    for at, piece in pieces:
        start = max(0, at)
        whole[:, start : at + piece.shape[1]] = piece[:, start - at :]
    step = rate // RATE
    taps = np.sinc((np.arange(16 * step + 1) - 8 * step) / step) * np.hamming(16 * step + 1)
    thin = [np.convolve(leg, taps / taps.sum(), "same")[::step] for leg in whole]
    return np.asarray(thin, np.float32)


def read_code(luma: Plane, place: Place | None) -> tuple[int | None, Place | None]:
    """The second that the strip in this picture shows, and where the strip is: first where it was, then everywhere."""
    if place is not None:
        code = _code_in_row(luma[place[1]], place[0])
        if code is not None:
            return code, place
    for top in range(BLOCK_PX // 2, luma.shape[0], BLOCK_PX):
        row = luma[top]
        for left in _starts(row):
            code = _code_in_row(row, left)
            if code is not None:
                return code, (left, top)
    return None, place


def _starts(row: Plane) -> Iterator[int]:
    """Where in a row of luma the strip's fixed start may lie, by the middles of its first blocks."""
    reach = len(row) - CODE_BLOCKS * BLOCK_PX
    if reach <= 0:
        return
    fits = np.ones(reach, bool)
    for index, bit in enumerate(SYNC):
        middle = BLOCK_PX // 2 + index * BLOCK_PX
        part = row[middle : middle + reach]
        fits &= part > 170 if bit else part < 80
    yield from (int(left) for left in np.flatnonzero(fits)[::3])


def _code_in_row(row: Plane, left: int) -> int | None:
    """The checked counter in one line of the picture. The canvas is never scaled, so the blocks keep their size."""
    middles = row[left + BLOCK_PX // 2 : left + CODE_BLOCKS * BLOCK_PX : BLOCK_PX]
    if len(middles) != CODE_BLOCKS or bool(np.any((middles >= 80) & (middles <= 170))):
        return None
    bits = tuple(int(value > 128) for value in middles)
    second = int("".join(map(str, bits[len(SYNC) : len(SYNC) + 16])), 2)
    return second if bits == code_bits(second) else None


def judge(film: Film, truth: Truth) -> list[Check]:
    """All checks of one recording. It is proven when every one holds."""
    return [*_container(film, truth), *_pictures(film, truth), *_voices(film, truth)]


def _container(film: Film, truth: Truth) -> Iterator[Check]:
    yield Check(
        "container",
        " + ".join(film.codecs),
        "vp9 + opus",
        film.codecs[0].endswith("vp9") and "opus" in film.codecs[1],
    )
    yield _near("length of the file", film.length_s, truth.length_s, 0.1)
    yield Check("index to seek by", "present" if film.indexed else "none", "present", film.indexed)
    strange = sorted(set(film.metadata) - METADATA_ALLOWED)
    yield Check("metadata", ", ".join(strange) or "no person, no number", "no person, no number", not strange)


def _pictures(film: Film, truth: Truth) -> Iterator[Check]:
    last = film.pictures[-1].at_s if film.pictures else 0.0
    yield _near("length of the video", last, truth.length_s, 0.1)
    times = [0.0, *(picture.at_s for picture in film.pictures), truth.length_s]
    gap = max(after - before for before, after in itertools.pairwise(times))
    yield Check("longest time without a picture (P2)", f"{gap:.2f} s", "<= 1.10 s", gap <= 1.1)
    seconds = list(_seconds_to_see(truth))
    seen = sum(_shown(film, at_s) == code for at_s, code in seconds)
    yield Check(
        "per-second codes read back at their time",
        f"{seen} of {len(seconds)}",
        "all, at least 3",
        seen == len(seconds) >= 3,
    )
    wrong = sum(picture.code is not None and not _code_fits(picture, truth) for picture in film.pictures)
    yield Check("pictures that show another time", str(wrong), "0", wrong == 0)
    held = [p for p in film.pictures if any(a + EDGE_S < p.at_s < b - EDGE_S for a, b in truth.pauses)]
    shown = sum(picture.code is not None for picture in held)
    yield Check("pictures of the window while on hold", f"{shown} of {len(held)}", "0", shown == 0)
    late = sum(picture.at_s > truth.length_s + 0.1 for picture in film.pictures)
    yield Check("pictures after hang-up (P8)", str(late), "0", late == 0)
    red = sum(picture.red_px for picture in film.pictures)
    yield Check("red pixels of the private window", f"{red:,}", "0", red == 0)


def _seconds_to_see(truth: Truth) -> Iterator[tuple[float, int]]:
    """The middle of each whole second inside the talk, and the code the window showed then."""
    zero_s = truth.zero_ns / 1e9
    for second in range(int(zero_s), int(zero_s + truth.length_s) + 1):
        at_s = second + 0.5 - zero_s
        inside = EDGE_S < at_s < truth.length_s - EDGE_S
        if inside and not any(start - EDGE_S <= at_s <= end + 0.5 for start, end in truth.pauses):
            yield at_s, second & 0xFFFF


def _shown(film: Film, at_s: float) -> int | None:
    """What a viewer sees at this time: the newest picture that is not later."""
    before = [picture for picture in film.pictures if picture.at_s <= at_s]
    return before[-1].code if before else None


def _code_fits(picture: Picture, truth: Truth) -> bool:
    now_s = truth.zero_ns / 1e9 + picture.at_s
    return picture.code in {int(now_s + skew) & 0xFFFF for skew in (-EDGE_S, 0, EDGE_S)}


def _voices(film: Film, truth: Truth) -> Iterator[Check]:
    yield _near("length of the voices", film.voices.shape[1] / RATE, truth.length_s, 0.1)
    legs = (("agent", "left", 0, truth.agent), ("customer", "right", 1, truth.customer))
    for who, side, leg, said in legs:
        words = [word for word in said if _in_talk(word, truth)]
        found = [_find(film.voices[leg], word) for word in words]
        unlike = [
            f"at {word.at_s:.1f} s only {likeness:.2f}"
            for word, (likeness, _) in zip(words, found, strict=True)
            if likeness < LIKENESS
        ]
        alike = len(words) - len(unlike)
        yield Check(
            f"{who}'s phrases on the {side} leg",
            "; ".join((f"{alike} of {len(words)}", *unlike)),
            "all, at least 2",
            alike == len(words) >= 2,
        )
        offset = max((abs(at) for _, at in found), default=1.0)
        yield Check(
            f"{who}'s phrases, worst offset", f"{offset * 1000:.0f} ms", "<= 40 ms", offset <= SYNC_LIMIT_S
        )
        cross = max((_crosstalk_db(film.voices, leg, word) for word in words), default=0.0)
        yield Check(f"cross-talk of the {who}", f"{cross:.0f} dB", "< -40 dB", cross < CROSSTALK_LIMIT_DB)
    quiet = max((_level_db(film.voices, a + EDGE_S, b - EDGE_S) for a, b in truth.pauses), default=-120.0)
    if truth.pauses:
        yield Check("voices while on hold", f"{quiet:.0f} dB", f"< {SILENCE_DB:.0f} dB", quiet < SILENCE_DB)


def _in_talk(word: Said, truth: Truth) -> bool:
    inside = word.at_s > EDGE_S and word.end_s < truth.length_s - EDGE_S
    return inside and not any(
        start - EDGE_S < word.end_s and word.at_s < end + EDGE_S for start, end in truth.pauses
    )


def _find(leg: Samples, word: Said) -> tuple[float, float]:
    """How alike the leg is to the phrase where they fit best within half a second, and how far off that is, in s."""
    reach = RATE // 2
    start = round(word.at_s * RATE)
    padded = np.concatenate(
        [np.zeros(reach, np.float32), leg, np.zeros(reach + len(word.samples), np.float32)]
    )
    part = padded[start : start + 2 * reach + len(word.samples)]
    size = len(part) + len(word.samples)
    fits = np.fft.irfft(np.fft.rfft(part, size) * np.conj(np.fft.rfft(word.samples, size)), size)[
        : 2 * reach + 1
    ]
    best = int(np.argmax(fits))
    heard = part[best : best + len(word.samples)]
    norm = float(np.linalg.norm(heard) * np.linalg.norm(word.samples))
    return (float(fits[best]) / norm if norm > 1e-6 else 0.0), (best - reach) / RATE


def _crosstalk_db(voices: Samples, leg: int, word: Said) -> float:
    """The other leg's level while only this side speaks, against this leg's."""
    own, other = (_power(voices[side], word.at_s, word.end_s) for side in (leg, 1 - leg))
    return float(10 * np.log10((other + 1e-12) / (own + 1e-12)))


def _level_db(voices: Samples, start_s: float, end_s: float) -> float:
    return max(float(10 * np.log10(_power(leg, start_s, end_s) + 1e-12)) for leg in voices)


def _power(leg: Samples, start_s: float, end_s: float) -> float:
    part = leg[max(0, round(start_s * RATE)) : max(0, round(end_s * RATE))]
    return float(np.mean(part.astype(np.float64) ** 2)) if len(part) else 0.0


def _near(what: str, found_s: float, wanted_s: float, slack_s: float) -> Check:
    near = abs(found_s - wanted_s) <= slack_s
    return Check(what, f"{found_s:.2f} s", f"{wanted_s:.2f} s +- {slack_s:.2f}", near)


def table(checks: Iterable[Check]) -> str:
    """The checks for a person: one line each, the failed ones marked."""
    rows = [("", "check", "found", "wanted")]
    rows += [("ok" if check.holds else "FAIL", check.what, check.found, check.wanted) for check in checks]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
