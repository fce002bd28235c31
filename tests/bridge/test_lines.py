"""The ledger's lines while its disk has no room (P24), and the keeper's doubts (P10): nothing begins meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pbx_bridge.app_doubts import Doubts
from pbx_bridge.app_lines import Lines
from pbx_bridge.calls import commands as co
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.ids import ChannelId, RecordingId
from pbx_bridge.ledger import Ledger, Line
from tests.calls.story import AGENT, ALICE, SECOND, Story, answers, rings
from tests.stations.rig import until

RECORDING = RecordingId("rec1")
KEY = b"k" * 32


class Book:
    """The lines of one bridge on a ledger of its own; `full()` until `empty()`."""

    def __init__(self, folder: Path) -> None:
        self.story, self.told = Story(), list[Line]()
        self.ledger = Ledger(folder)
        self.lines = Lines(self.ledger, self.story.desk, self.told.append, KEY)
        self._in_the_way = folder / f"{datetime.now().astimezone().date().isoformat()}.jsonl"

    def full(self) -> None:
        self._in_the_way.mkdir()

    def empty(self) -> None:
        self._in_the_way.rmdir()

    def written(self) -> list[tuple[str, str]]:
        return [(line.call, line.reason) for line in self.ledger.lines()]

    def frozen(self) -> Reason | None:
        return self.story.desk.frozen

    def call(self, leg: ChannelId = AGENT) -> str:
        return self.lines.call(leg, ALICE)


@pytest.fixture
async def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


def answer(reason: Reason, leg: ChannelId = AGENT, recording: RecordingId | None = None) -> co.WriteLedger:
    outcome = Outcome.RECORDED if recording else Outcome.NOT_RECORDED
    return co.WriteLedger(leg, ALICE, recording, outcome, reason, 3_000_000_000 if recording else 0)


async def test_an_answer_is_written_once_under_a_keyed_name(book: Book) -> None:
    book.lines.began(book.call(), ALICE, RECORDING, "alice-orders")
    book.lines.write(answer(Reason.HUNG_UP, recording=RECORDING))
    (line,) = book.ledger.lines()
    assert book.told == [line]
    assert (line.recording, line.plan, line.seconds) == (RECORDING, "alice-orders", 3.0)
    assert AGENT not in line.call
    assert book.lines.settled.is_set()
    book.lines.write(answer(Reason.LINK_LOST))
    assert book.written() == [(book.call(), "hung-up")], "found again after a cut: it has its answer"
    book.lines.write(answer(Reason.LINK_LOST, SECOND))
    assert (book.call(SECOND), "link-lost") in book.written(), "a control: another call has none yet"


async def test_the_log_says_no_more_of_a_call_than_the_trainer_may_know(book: Book) -> None:
    """P24: what comes from a person stands in the ledger, for the trainee, and in no journal."""
    with capture_logs() as logged:
        book.lines.write(replace(answer(Reason.OBJECTION), recording=RECORDING, outcome=Outcome.DISCARDED))
        book.lines.write(answer(Reason.NO_NOTICE, SECOND))
    assert [reason for _, reason in book.written()] == ["objection", "no-notice"]
    said = {"event": "call", "log_level": "info", "outcome": "not-recorded", "reason": "", "recording": ""}
    assert logged == [said, said]


async def test_a_full_disk_owes_the_lines_in_order_and_nothing_begins_until_it_paid(book: Book) -> None:
    assert book.frozen() is None
    book.full()
    book.lines.write(answer(Reason.NOT_DRAWN))
    book.lines.write(answer(Reason.LEASE_LOST, SECOND))
    assert book.told == []
    assert book.frozen() is Reason.DISK
    book.story >> [*rings(), *answers(1)]
    assert "OpenRecording" not in book.story.kinds()
    book.empty()
    await until(lambda: book.frozen() is None)
    assert book.written() == [(book.call(), "not-drawn"), (book.call(SECOND), "lease-lost")]
    assert [line.call for line in book.told] == [book.call(), book.call(SECOND)]


async def test_a_file_that_found_no_room_freezes_too(book: Book) -> None:
    """And thaws by itself, when nothing is owed at the next look."""
    book.lines.no_room("a recording could not be written")
    assert book.frozen() is Reason.DISK
    await until(lambda: book.frozen() is None)


def test_each_doubt_ends_what_runs_once_and_ends_by_itself() -> None:
    """P10, P19, P20."""
    story, obeyed = Story(), list[list[co.Command]]()
    doubts = Doubts(story.desk, obeyed.append)
    story >> [*rings(), *answers(1)]
    assert "StartCapture" in story.kinds()
    doubts.clock(True)
    doubts.clock(True)
    assert story.desk.frozen_for == {Reason.CLOCK}
    assert len(obeyed) == 1
    assert any(isinstance(order, co.StopCapture) for order in obeyed[0])
    doubts.audit("the disk is full")
    assert story.desk.frozen_for == {Reason.CLOCK, Reason.AUDIT}
    doubts.clock(False)
    assert story.desk.frozen_for == {Reason.AUDIT}, "one doubt's end is not the other's"
    doubts.audit("")
    assert story.desk.frozen is None
