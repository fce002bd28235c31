"""Numbers as keyed hashes, and the file of those with whom no call is recorded: expiry, two writers, damage, a full disk."""

from __future__ import annotations

import os
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.calls.lists import OPT_OUT_CEILING_MONTHS
from pbx_bridge.errors import OperatorError
from pbx_bridge.telephony.number_lists import Entry, Kind, NumberLists, listed
from pbx_bridge.telephony.numbers import EMERGENCY, emergency_hashes, hashes, number_hash

KEY = b"k" * 32
NUMBER = "0612345678"
TODAY = date(2026, 11, 24)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize(
    "written",
    [
        "06 12 34 56 78",
        "06.12.34.56.78",
        "+33612345678",
        "+33 (0)6 12-34-56-78",
        "0033612345678",
        "00612345678",
    ],
)
def test_one_line_has_one_hash_however_it_is_written(written: str) -> None:
    assert hashes(KEY, written)[0] == number_hash(KEY, NUMBER)


@pytest.mark.parametrize("other", ["0612345679", "0712345678", "12345678", "3312345678"])
def test_other_lines_have_others(other: str) -> None:
    assert hashes(KEY, NUMBER)[0] not in hashes(KEY, other)


@pytest.mark.parametrize(
    "none",
    ["", "s", "h", "<unknown>", "anonymous", "Restricted", "alice", "0", "1" * 33, "06123x5678", "06\r\n12"],
)
def test_what_is_no_number_has_none(none: str) -> None:
    assert hashes(KEY, none) == ()
    with pytest.raises(ValueError, match="digits"):
        number_hash(KEY, none)


def test_the_digit_for_an_outside_line_is_a_reading_of_a_short_number_only() -> None:
    assert number_hash(KEY, "112") in hashes(KEY, "0112")
    assert number_hash(KEY, "15") not in hashes(KEY, "215")
    assert len(hashes(KEY, NUMBER)) == 1


@pytest.mark.parametrize("number", EMERGENCY)
def test_emergency_numbers_are_found_with_and_without_the_outside_line(number: str) -> None:
    for dialled in (number, f"0{number}"):
        assert emergency_hashes(KEY).intersection(hashes(KEY, dialled)), dialled


def test_without_the_key_nothing_can_be_told() -> None:
    assert hashes(b"", NUMBER) == ()
    assert hashes(b"another key", NUMBER) != hashes(KEY, NUMBER)


@given(st.text())
def test_no_digit_of_it_comes_back(text: str) -> None:
    for found in hashes(KEY, text):
        assert len(found) == 32
        assert set(found) <= set("0123456789abcdef")


# ---------------------------------------------------------------- the file


class Days:
    """A calendar turned by hand."""

    def __init__(self) -> None:
        self.today = TODAY

    def __call__(self) -> date:
        return self.today


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
def lists(tmp_path: Path, days: Days) -> NumberLists:
    return NumberLists(tmp_path / "numbers", today=days)


def again(tmp_path: Path, days: Days) -> NumberLists:
    """As another process, or after a restart."""
    return NumberLists(tmp_path / "numbers", today=days)


def test_an_objection_holds_at_once_and_after_a_restart_and_ends_by_itself(
    lists: NumberLists, tmp_path: Path, days: Days
) -> None:
    hashed = number_hash(lists.key, NUMBER)
    assert hashed not in lists.lists().opted_out
    lists.opt_out(hashed, 12)
    assert hashed in lists.lists().opted_out
    assert hashed not in again(tmp_path, days).lists().opted_out
    lists.keep()
    assert hashed in lists.lists().opted_out
    other = again(tmp_path, days)
    assert hashed in other.lists().opted_out
    days.today = TODAY + timedelta(days=365)
    assert hashed in other.lists().opted_out
    days.today += timedelta(days=1)
    assert hashed not in other.lists().opted_out
    assert other.entries() == ()
    other.add(Kind.QUEUE, "vip")
    assert hashed not in (tmp_path / "numbers/lists").read_text()


def test_a_file_that_is_taken_away_takes_its_objections_along(lists: NumberLists, tmp_path: Path) -> None:
    """As before it was there, though nobody looked in between."""
    assert lists.lists().opted_out == frozenset()
    lists.opt_out("a" * 32, 12)
    lists.keep()
    (tmp_path / "numbers/lists").unlink()
    assert lists.lists().opted_out == frozenset()


def test_a_later_objection_prolongs_and_never_shortens(lists: NumberLists) -> None:
    for months in (12, 1, 36):
        lists.opt_out("a" * 32, months)
        lists.keep()
        before = lists.entries()[0].until
        lists.opt_out("a" * 32, 1)
        lists.keep()
        assert [entry.until for entry in lists.entries()] == [before]


def test_a_shorter_objection_before_the_first_is_written_does_not_shorten_it(lists: NumberLists) -> None:
    lists.opt_out("a" * 32, 36)
    lists.opt_out("a" * 32, 1)
    lists.keep()
    (entry,) = lists.entries()
    assert entry.until is not None
    assert entry.until > TODAY + timedelta(days=3 * 364)


@pytest.mark.parametrize("months", [0, -1, OPT_OUT_CEILING_MONTHS + 1])
def test_an_objection_is_kept_three_years_at_most(lists: NumberLists, months: int) -> None:
    with pytest.raises(OperatorError, match="P16"):
        lists.opt_out("a" * 32, months)
    lists.opt_out("a" * 32, OPT_OUT_CEILING_MONTHS)


def test_what_another_process_writes_holds_at_the_next_look(
    lists: NumberLists, tmp_path: Path, days: Days
) -> None:
    lists.lists()
    command = again(tmp_path, days)
    command.add(Kind.NEVER, number_hash(command.key, NUMBER))
    command.add(Kind.CONTEXT, "from-doctor")
    command.add(Kind.QUEUE, "works-council")
    now = lists.lists()
    assert now.never == {number_hash(lists.key, "+33612345678")}
    assert now.contexts == {"from-doctor"}
    assert now.queues == {"works-council"}
    assert command.forget("from-doctor") == 1
    assert lists.lists().contexts == frozenset()


def test_the_file_holds_no_number_and_is_the_owners_alone(lists: NumberLists, tmp_path: Path) -> None:
    lists.opt_out(number_hash(lists.key, NUMBER), 12)
    lists.keep()
    for file in (tmp_path / "numbers").iterdir():
        assert file.stat().st_mode & 0o077 == 0
        assert not any(digits.encode() in file.read_bytes() for digits in (NUMBER, NUMBER[1:], NUMBER[-6:]))


def test_two_writers_lose_nothing(lists: NumberLists, tmp_path: Path, days: Days) -> None:
    both = (lists, again(tmp_path, days))

    def write(which: int) -> None:
        for number in range(20):
            both[which].add(Kind.NEVER, f"{which}{number:031}")

    threads = [threading.Thread(target=write, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lists.lists().never) == 40


@pytest.mark.parametrize("damage", [b"nonsense\n", b"never\n", b"never x maybe\n", b"\xff\xfe\n"])
def test_a_file_nobody_can_read_refuses_every_call(lists: NumberLists, tmp_path: Path, damage: bytes) -> None:
    assert not lists.lists().unknown
    (tmp_path / "numbers/lists").write_bytes(damage)
    assert lists.lists().unknown
    with pytest.raises(OperatorError, match="read"):
        lists.entries()
    with pytest.raises(OperatorError, match="read"):
        lists.add(Kind.QUEUE, "vip")
    (tmp_path / "numbers/lists").write_text("queue vip -\n")
    assert not lists.lists().unknown


def test_an_objection_that_cannot_be_written_holds_and_is_written_later(
    lists: NumberLists, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: Days
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    lists.opt_out("a" * 32, 12)
    with monkeypatch.context() as patched:
        patched.setattr("pbx_bridge.telephony.number_lists.write_whole", full)
        with pytest.raises(OperatorError, match="cannot be written"):
            lists.keep()
        assert "a" * 32 in lists.lists().opted_out
    lists.keep()
    assert "a" * 32 in again(tmp_path, days).lists().opted_out


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "x" * 129])
def test_a_name_that_would_break_the_file_is_refused(lists: NumberLists, name: str) -> None:
    with pytest.raises(OperatorError, match="name"):
        lists.add(Kind.QUEUE, name)
    lists.add(Kind.QUEUE, "x" * 128)
    assert lists.entries() == (Entry(Kind.QUEUE, "x" * 128),)


def test_a_person_who_asks_is_told_the_lists(lists: NumberLists) -> None:
    assert listed(lists.lists(), hashes(lists.key, "0112")) == ("emergency",)
    lists.add(Kind.NEVER, number_hash(lists.key, NUMBER))
    lists.opt_out(number_hash(lists.key, NUMBER), 1)
    assert listed(lists.lists(), hashes(lists.key, NUMBER)) == ("never", "opted-out")
    assert listed(lists.lists(), ()) == ()
