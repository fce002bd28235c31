"""Marks on the time line: standard tools read them, so does our own reader, and a file without stays as it was."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.media.chapters import MAX_BYTES, Chapter, chapters, of_pauses
from pbx_bridge.media.spans import Pause
from pbx_bridge.media.webm import Webm
from tests.media.test_webm import OPUS_HEAD, S1

S = 1_000_000_000


def reading(file: bytes) -> Callable[[int, int], bytes]:
    return lambda at, size: file[at : at + size]


def file_with(*marks: Chapter) -> bytes:
    """A second of two voices with these marks."""
    webm = Webm(0, 0, OPUS_HEAD)
    data = bytearray(webm.head)
    data += webm.sound(0, S1) + webm.sound(980, S1)
    rest, patches = webm.finish(1_000, marks)
    data += rest
    for patch in patches:
        assert patch.at + len(patch.data) <= len(webm.head)
        data[patch.at : patch.at + len(patch.data)] = patch.data
    return bytes(data)


def test_talk_and_pauses_in_turn_from_the_start_to_the_end() -> None:
    pauses = [Pause(2 * S, 5 * S, hold=True), Pause(9 * S, 9 * S + 1_500_000, hold=False)]
    assert of_pauses(pauses, 12 * S) == (
        Chapter(0, 2_000, "talk"),
        Chapter(2_000, 5_000, "hold"),
        Chapter(5_000, 9_000, "talk"),
        Chapter(9_000, 9_001, "pause"),
        Chapter(9_001, 12_000, "talk"),
    )
    assert of_pauses([], 12 * S) == ()
    assert of_pauses([Pause(0, S, hold=True)], 2 * S)[0] == Chapter(0, 1_000, "hold")


def told(path: Path, *marks: Chapter) -> list[tuple[str, str, str]]:
    """What ffprobe says of them: begin, end, title."""
    path.write_bytes(file_with(*marks))
    asked = ["ffprobe", "-v", "warning", "-show_chapters", "-of", "json", str(path)]
    done = subprocess.run(asked, capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    found = json.loads(done.stdout)["chapters"]
    return [(one["start_time"], one["end_time"], one["tags"]["title"]) for one in found]


def test_a_standard_tool_names_them_and_has_nothing_to_complain_of(tmp_path: Path) -> None:
    marks = (Chapter(0, 400, "talk"), Chapter(400, 700, "hold"), Chapter(700, 1_000, "talk"))
    assert told(tmp_path / "marked.webm", *marks) == [
        ("0.000000", "0.400000", "talk"), ("0.400000", "0.700000", "hold"), ("0.700000", "1.000000", "talk"),
    ]  # fmt: skip


@given(
    st.lists(
        st.builds(Chapter, st.integers(0, 9_000), st.integers(9_000, 9_999), st.text(max_size=40)), max_size=9
    )
)
def test_what_is_written_is_read_again(marks: list[Chapter]) -> None:
    file = file_with(*marks)
    assert list(chapters(reading(file), len(file))) == sorted(marks, key=lambda one: one.begin_ms)


def test_two_at_one_moment_both_stay(tmp_path: Path) -> None:
    """Readers leave out a chapter that begins where another began."""
    marks = (Chapter(0, 900, "talk"), Chapter(300, 300, "a"), Chapter(300, 300, "b"))
    assert [title for _, _, title in told(tmp_path / "marked.webm", *marks)] == ["talk", "a", "b"]


def test_a_file_without_marks_is_what_it_was_and_reads_as_none() -> None:
    assert file_with() == file_with(*of_pauses([], S))
    assert chapters(reading(file_with()), len(file_with())) == ()
    assert b"\x10\x43\xa7\x70" not in file_with()


@pytest.mark.parametrize("cut", [0, 10, 60, 200, 330])
def test_what_is_cut_or_no_film_has_none(cut: int) -> None:
    file = file_with(Chapter(0, 1_000, "talk"))
    assert chapters(reading(file[:cut]), cut) == ()
    assert chapters(reading(file[:-1]), len(file) - 1) == ()


def test_only_head_and_marks_are_read() -> None:
    file, read = file_with(Chapter(0, 1_000, "talk")), BytesIO()
    at = file.index(b"\x1f\x43\xb6\x75")
    behind = file.rindex(b"\x10\x43\xa7\x70")

    def watched(start: int, size: int) -> bytes:
        read.write(b"x")
        assert start <= at or start >= behind
        return file[start : start + size]

    assert chapters(watched, len(file)) == (Chapter(0, 1_000, "talk"),)
    assert read.tell() > 0
    assert MAX_BYTES > 1_000
