"""An objection finds every recording of that customer's call, and a note lives no longer than its recording."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from pbx_bridge.app_notes import Notes
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.recordings import Noted, Recordings
from pbx_bridge.ids import ChannelId, RecordingId, TraineeId, new_recording_id
from tests.calls.story import ALICE, BOB, OTHER

DAY = date(2026, 11, 23)
KEY = bytes(32)
CUSTOMER = ChannelId("pbx-1763900000.17")


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    catalogue = Catalogue.open(tmp_path / "catalogue")
    yield catalogue.recordings
    catalogue.close()


def at(day: date, hour: time = time(12)) -> int:
    return int(datetime.combine(day, hour).astimezone().timestamp())


def noted(
    party: str, *, trainee: TraineeId = ALICE, customer: str = "", started_unix: int = at(DAY)
) -> Noted:
    return Noted(new_recording_id(), trainee, "call", party, customer, started_unix)


def test_a_party_is_found_in_every_recording_and_nobody_elses(recordings: Recordings) -> None:
    first, second, other = noted("p"), noted("p", trainee=BOB, started_unix=at(DAY) + 1), noted("q")
    for one in (second, other, first):
        recordings.note(one)
        recordings.note(one)
    assert recordings.of_party("p") == (first, second)
    assert recordings.of_trainee(BOB) == (second,)
    recordings.forget([first.recording])
    assert recordings.of_party("p") == (second,)
    assert set(recordings.all()) == {second, other}


def test_a_customer_is_found_by_day_and_one_without_a_number_by_none(recordings: Recordings) -> None:
    day = timedelta(days=1)
    edges = [at(DAY, time()), at(DAY + day, time()) - 1]
    mine = [noted(f"p{number}", customer="c", started_unix=edge) for number, edge in enumerate(edges)]
    for one in (
        *mine,
        noted("a", customer="c", started_unix=edges[0] - 1),
        noted("b", customer="d"),
        noted("x"),
    ):
        recordings.note(one)
    assert recordings.of_customer("c", DAY) == tuple(mine)
    assert len(recordings.of_customer("c", DAY - day)) == 1
    assert recordings.of_customer("c", DAY + day) == ()
    assert recordings.of_customer("", DAY) == ()


async def test_notes_are_written_in_order_and_go_with_their_recording(
    recordings: Recordings, tmp_path: Path
) -> None:
    folder = tmp_path / "sealed"
    folder.mkdir()
    kept, torn, new, gone = (new_recording_id() for _ in range(4))
    (folder / f"{kept}.age").touch()
    (folder / f"{torn}.part").touch()
    notes = Notes(recordings, folder, KEY, lambda _: None)
    for recording in (kept, torn, new, gone):
        notes.began(recording, ALICE, "call", CUSTOMER, at(DAY))
    destroyed = new_recording_id()
    notes.began(destroyed, ALICE, "call", CUSTOMER, at(DAY))
    notes.gone(destroyed)
    assert {one.recording for one in await notes.of_party(CUSTOMER)} == {kept, torn, new, gone}
    assert await notes.of_party(OTHER) == ()
    notes.tidy([new])
    assert {one.recording for one in await notes.of_party(CUSTOMER)} == {kept, torn, new}
    notes.close()
    again = Notes(recordings, folder, KEY, lambda _: None)
    assert {one.recording for one in await again.of_party(CUSTOMER)} == {kept, torn, new}
    again.close()
    assert CUSTOMER.encode() not in (tmp_path / "catalogue/catalogue.db").read_bytes()
    assert new.encode() in (tmp_path / "catalogue/catalogue.db").read_bytes(), "the control"


async def test_a_recording_that_cannot_be_noted_is_told(tmp_path: Path) -> None:
    catalogue = Catalogue.open(tmp_path / "catalogue")
    lost: asyncio.Queue[RecordingId] = asyncio.Queue()
    notes = Notes(catalogue.recordings, tmp_path, KEY, lost.put_nowait)
    good, bad = new_recording_id(), new_recording_id()
    notes.began(good, ALICE, "call", CUSTOMER, at(DAY))
    await notes.of_party(ChannelId("none"))
    (tmp_path / "catalogue/catalogue.db").write_bytes(b"not a database any more" * 400)
    notes.began(bad, ALICE, "call", CUSTOMER, at(DAY))
    async with asyncio.timeout(5):
        assert await lost.get() == bad
    notes.close()
