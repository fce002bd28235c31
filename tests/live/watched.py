"""Holds a recording against what the phones know of its call: short calls with tones, so that every moment counts.

`Talk` is the truth by CLOCK_MONOTONIC; `judge` compares. It shares the decoded `Film` with the demo's proof, whose own
judgement wants long speech. Nothing may be in the file before the talk, after it, or in a pause of it.
"""

from __future__ import annotations

import audioop
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.rig.phone import Leg
from tests.rig.proof import SILENCE_DB, Check, Film, Picture, table
from tests.rig.rtp_voices import LOUDNESS
from tests.rig.scenarios import AGENT_HERTZ, CUSTOMER_HERTZ, OTHER_HERTZ, Truth
from tests.rig.speech import RATE, Samples

LENGTH_SLACK_S = 0.3
EDGE_S = 0.25
"""Around a begin, an end and a change of second, phones, PBX and picture may differ by this much: not judged there."""
MISPLACED_ALLOWED = 1
"""A picture has the time of a change it shows; read late on a busy machine, it may show the next second already."""
PBX_S = 0.05
"""How much later than the phone the PBX may have seen the end."""
WINDOW_S = 0.1
"""Whole cycles of every tone used, so that they do not show in each other's measure."""
TONE_DB = 20 * math.log10(LOUDNESS / 32768)
LOUD_DB, ABSENT_DB, TRACE_DB = TONE_DB - 9, TONE_DB - 40, TONE_DB - 30
"""A tone that is there; one that is not, in the middle of all windows; and in a window with a codec's or a cut's clicks."""
GAPS_ALLOWED = 0.34
"""Part of the windows in which a tone may be missing: one process plays all the phones, and keys take their time."""


@dataclass(frozen=True, slots=True)
class Talk:
    """When the trainee talked with the customer. All times are the machine's monotonic clock."""

    began_ns: int
    over_ns: int
    pauses: tuple[tuple[int, int], ...] = ()
    quiet: tuple[tuple[int, int], ...] = ()
    """Spans of the talk in which neither phone sent a packet."""
    tones: tuple[int, int] = (AGENT_HERTZ, CUSTOMER_HERTZ)
    """What the agent's and the customer's phones said, in hertz."""

    def at_s(self, at_ns: int) -> float:
        """Seconds from the file's zero."""
        return (at_ns - self.began_ns) / 1e9

    @property
    def length_s(self) -> float:
        return self.at_s(self.over_ns)

    def talking(self, at_s: float, edge_s: float = EDGE_S) -> bool:
        """Surely inside the talk and in no pause."""
        return edge_s < at_s < self.length_s - edge_s and not self.paused(at_s, -edge_s)

    def paused(self, at_s: float, edge_s: float = EDGE_S) -> bool:
        """Inside a pause, `edge_s` away from its ends (negative: or that near to it)."""
        return any(self.at_s(a) + edge_s < at_s < self.at_s(b) - edge_s for a, b in self.pauses)

    def silent(self, at_s: float, edge_s: float = EDGE_S) -> bool:
        return any(self.at_s(a) + edge_s < at_s < self.at_s(b) - edge_s for a, b in self.quiet)


def talk_of(truth: Truth) -> Talk:
    """As the scenario told it."""
    return Talk(truth.answered_ns, truth.over_ns, tuple(truth.pauses))


def first_heard_ns(leg: Leg, hertz: int, *, after_ns: int = 0) -> int:
    """When this leg's phone (G.711) first heard the tone, by its own clock. Raises: AssertionError when it never did."""
    for packet in leg.rtp.heard:
        if packet.at_ns >= after_ns:
            pcm = np.frombuffer(audioop.ulaw2lin(packet.payload, 2), np.int16).astype(np.float32)
            if len(pcm) and _amplitude_db(pcm / np.float32(32768), hertz) > LOUD_DB:
                return packet.at_ns
    raise AssertionError(f"the phone never heard {hertz} Hz")


def loudest_db(film: Film, hertz: int) -> float:
    """How loud this tone is in the loudest tenth of a second of either side."""
    return max(_amplitude_db(part, hertz) for leg in film.voices for _, part in _windows(leg))


def heard_at(film: Film, hertz: int, level_db: float) -> list[str]:
    """Side and second of each tenth in which this tone is louder."""
    return [
        f"{side} {at_s:.1f} s"
        for side, leg in zip(("left", "right"), film.voices, strict=True)
        for at_s, part in _windows(leg)
        if _amplitude_db(part, hertz) > level_db
    ]


def judge(film: Film, talk: Talk) -> None:
    """Raises: AssertionError with the whole table when anything in the file is not as it was."""
    checks = [*_lengths(film, talk), *_pictures(film, talk), *_voices(film, talk)]
    shown = " ".join(f"{picture.at_s:.2f}:{picture.code or '-'}" for picture in film.pictures)
    assert all(check.holds for check in checks), (
        f"\n{table(checks)}\npictures, with the second they show: {shown}"
    )


def _lengths(film: Film, talk: Talk) -> Iterator[Check]:
    last = max((picture.at_s for picture in film.pictures), default=0.0)
    voices_s = film.voices.shape[1] / RATE
    for what, found in (("length of the file", film.length_s), ("length of the voices", voices_s)):
        near = abs(found - talk.length_s) <= LENGTH_SLACK_S
        yield Check(what, f"{found:.2f} s", f"{talk.length_s:.2f} s +- {LENGTH_SLACK_S}", near)
    yield Check("last picture", f"{last:.2f} s", f"<= {film.length_s:.2f} s", last <= film.length_s)
    times = [0.0, *(picture.at_s for picture in film.pictures), film.length_s]
    gap = max(after - before for before, after in itertools.pairwise(times))
    yield Check("longest time without a picture (P2)", f"{gap:.2f} s", "<= 1.10 s", gap <= 1.1)


def _pictures(film: Film, talk: Talk) -> Iterator[Check]:
    seconds = list(_seconds(talk))
    seen = sum(_shown(film, at_s) == code for at_s, code in seconds)
    yield Check(
        "seconds of the business window at their time", f"{seen} of {len(seconds)}", "all, at least 1",
        seen == len(seconds) >= 1,
    )  # fmt: skip
    coded = [picture for picture in film.pictures if picture.code is not None]
    wrong = sum(not _fits(picture, talk) for picture in coded)
    limit = f"at most {MISPLACED_ALLOWED}"
    yield Check("pictures of another time", str(wrong), limit, wrong <= MISPLACED_ALLOWED)
    outside = sum(picture.code not in _talked(talk) for picture in coded)
    yield Check("pictures of a time without talk (P8)", str(outside), "0", outside == 0)
    held = [picture for picture in film.pictures if talk.paused(picture.at_s)]
    shown = sum(picture.code is not None for picture in held)
    yield Check("pictures of the window in pauses", f"{shown} of {len(held)}", "0", shown == 0)
    hidden = sum(picture.code is None for picture in film.pictures if talk.talking(picture.at_s))
    yield Check("cards while talking", str(hidden), "0", hidden == 0)
    red = sum(picture.red_px for picture in film.pictures)
    yield Check("red pixels", f"{red:,}", "0", red == 0)


def _seconds(talk: Talk) -> Iterator[tuple[float, int]]:
    """The middle of each whole second of the talk, and the code the business window showed then."""
    began_s = talk.began_ns / 1e9
    for second in range(int(began_s), int(began_s + talk.length_s) + 1):
        at_s = second + 0.5 - began_s
        if talk.talking(at_s):
            yield at_s, second & 0xFFFF


def _shown(film: Film, at_s: float) -> int | None:
    before = [picture for picture in film.pictures if picture.at_s <= at_s]
    return before[-1].code if before else None


def _fits(picture: Picture, talk: Talk) -> bool:
    now_s = talk.began_ns / 1e9 + picture.at_s
    return picture.code in {int(now_s + skew) & 0xFFFF for skew in (-EDGE_S, 0, EDGE_S)}


def _talked(talk: Talk) -> set[int]:
    """The codes the window showed at some time of the talk, as the PBX may have seen its ends."""
    edges = [talk.began_ns, *itertools.chain(*talk.pauses), talk.over_ns]
    spans = [(start / 1e9, end / 1e9 + PBX_S) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return {second & 0xFFFF for start, end in spans for second in range(int(start), int(end) + 1)}


def _voices(film: Film, talk: Talk) -> Iterator[Check]:
    everybody = {AGENT_HERTZ, CUSTOMER_HERTZ, OTHER_HERTZ}
    sides = zip(("agent", "customer"), ("left", "right"), talk.tones, film.voices, strict=True)
    for who, side, own, leg in sides:
        windows = list(_windows(leg))
        heard = [_amplitude_db(part, own) > LOUD_DB for at_s, part in windows if _speaks(talk, at_s)]
        missing = heard.count(False)
        yield Check(
            f"{who}'s tone on the {side}", f"{missing} of {len(heard)} windows without",
            f"at most {GAPS_ALLOWED:.0%}", missing <= GAPS_ALLOWED * len(heard) and len(heard) >= 3,
        )  # fmt: skip
        for hertz in sorted(everybody - {own}):
            levels = sorted((_amplitude_db(part, hertz), at_s) for at_s, part in windows) or [(-120.0, 0.0)]
            (middle, _), (loudest, at_s) = levels[len(levels) // 2], levels[-1]
            absent = middle < ABSENT_DB and loudest < TRACE_DB
            yield Check(
                f"another's {hertz} Hz on the {side}", f"{middle:.0f} dB, {loudest:.0f} dB at {at_s:.1f} s",
                f"< {ABSENT_DB:.0f} dB, {TRACE_DB:.0f} dB", absent,
            )  # fmt: skip
        still = [part for at_s, part in windows if _still(talk, at_s)]
        level = max((_level_db(part) for part in still), default=-120.0)
        if talk.pauses or talk.quiet:
            yield Check(
                f"{side} while nobody speaks, {len(still)} windows", f"{level:.0f} dB", f"< {SILENCE_DB:.0f} dB",
                level < SILENCE_DB and bool(still),
            )  # fmt: skip


def _speaks(talk: Talk, at_s: float) -> bool:
    """The whole window from `at_s` on lies where both phones speak."""
    return all(talk.talking(t) and not talk.silent(t, -EDGE_S) for t in (at_s, at_s + WINDOW_S))


def _still(talk: Talk, at_s: float) -> bool:
    return all(talk.paused(t) or talk.silent(t) for t in (at_s, at_s + WINDOW_S))


def _windows(leg: Samples) -> Iterator[tuple[float, Samples]]:
    size = round(WINDOW_S * RATE)
    for start in range(0, len(leg) - size + 1, size):
        yield start / RATE, leg[start : start + size]


def _amplitude_db(part: Samples, hertz: int) -> float:
    turn = np.exp(-2j * np.pi * hertz * np.arange(len(part)) / RATE)
    return float(20 * np.log10(2 * abs(np.dot(part, turn)) / len(part) + 1e-9))


def _level_db(part: Samples) -> float:
    return float(10 * np.log10(np.mean(part.astype(np.float64) ** 2) + 1e-12))
