"""The lanes of `./run test`: what starts a PBX, a screen or a network of its own is in one, and who stands back does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shares import BY_THE_CLOCK, LANES, Processor, lane_of

TESTS = Path(__file__).resolve().parent
STARTS = re.compile(
    r"tests\.rig\.(asterisk|workstation|bridge|cable|window_hand) import (?!PRODUCT_DIALPLAN)"
    r"|tests\.asterisk\.line|tests\.(live|faults)\.house|tests\.bridge\.whole|tests\.capture\.filming"
)
FILES = sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py"))


@pytest.mark.parametrize(
    "path", [path for path in FILES if STARTS.search((TESTS / path).read_text())] + ["docker/test_compose.py"]
)
def test_what_starts_real_programs_is_in_a_lane(path: str) -> None:
    assert lane_of(path)


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith(("live/test_", "faults/"))])
def test_whole_calls_are_judged_by_the_clock(path: str) -> None:
    others = ("live/test_init.py", "live/test_watched.py")
    assert (BY_THE_CLOCK.match(path) is not None) is (path not in others)


def test_each_lane_has_tests_and_most_tests_have_none() -> None:
    found = [lane_of(path) for path in FILES]
    assert set(found) == {"", *LANES}
    assert found.count("") > len(FILES) / 2


PLACED = """
import os, sys, time
from tests.shares import Processor
processor = Processor()
processor.give_way(7) if sys.argv[1] == "behind" else processor.take()
if os.fork():
    os.wait()
    sys.exit()
os.setsid()
os.sched_setaffinity(0, {int(sys.argv[2])})
print(os.getpriority(os.PRIO_PROCESS, 0), flush=True)
if sys.stdin.readline() != "go\\n":
    sys.exit()
began, end = time.process_time(), time.monotonic() + 1.0
while time.monotonic() < end:
    pass
print(time.process_time() - began, flush=True)
"""


def placed() -> list[subprocess.Popen[str]]:
    """Two programs that stand ready, each in a session of its own: one stands back, one does not; both on one processor."""
    processor = str(max(os.sched_getaffinity(0)))
    return [
        subprocess.Popen(
            [sys.executable, "-c", PLACED, place, processor],
            cwd=TESTS.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for place in ("behind", "front")
    ]  # fmt: skip


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_who_stands_back_is_nice_and_who_does_not_is_not() -> None:
    behind, front = placed()
    assert [first_line(one) for one in (behind, front)] == ["7\n", "0\n"]
    for one in (behind, front):
        one.communicate()


if Processor().behind is not None:

    def test_who_stands_back_leaves_the_processor_to_another_session() -> None:
        """Niceness alone would halve it (sched(7))."""
        both = placed()
        for one in both:
            first_line(one)
        for one in both:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        behind, front = (float(one.communicate()[0]) for one in both)
        assert front > 1.5 * behind, (front, behind)
