"""P20: wrong clocks and restored backups. Both clocks are turned by hand; nothing waits."""

from __future__ import annotations

import ctypes
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge import wire_portal as words
from pbx_bridge.archive import clock, opening_wire, recording_wire, retention_wire
from pbx_bridge.archive.clock import Doubt, Known, Reading
from pbx_bridge.archive.retention import Origin, Stamp, origin
from pbx_bridge.archive.rules import DAY_S, HOUR_S
from pbx_bridge.archive.timekeeper import machine_synchronised
from pbx_bridge.archive.witness import Witness
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import new_recording_id
from pbx_bridge.wire_portal import Refused, Role
from tests.archive.house import manifest
from tests.archive.test_keeper import ALICE, BRUNO, NOON, Desk

PURGE = retention_wire.Purge(dry_run=False, by_hand=False)
FIRST = clock.first(Reading(NOON, 100, "first"))
WEEK_S = 7 * DAY_S


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.log.close()


# -- the rule


@pytest.mark.parametrize("passed_s", [0, 1, HOUR_S, 400 * DAY_S])
@pytest.mark.parametrize(
    ("set_by_s", "doubt"),
    [
        (0, None),
        (300, None),
        (-300, None),
        (301, Doubt.STEP),
        (-301, Doubt.STEP),
        (-400 * DAY_S, Doubt.STEP),
        (HOUR_S, Doubt.STEP),
    ],
)
def test_a_clock_that_was_set_is_in_doubt(passed_s: int, set_by_s: int, doubt: Doubt | None) -> None:
    known = clock.looked(FIRST, Reading(NOON + passed_s + set_by_s, 100 + passed_s, "first"))
    assert known.doubt is doubt
    assert clock.now(known) == (max(NOON, NOON + passed_s + set_by_s) if doubt is None else None)
    assert known.high >= NOON


def test_many_small_steps_are_one_large_one() -> None:
    known = FIRST
    for minute in range(1, 7):
        known = clock.looked(known, Reading(NOON + 60 * minute, 100, "first"))
        assert (known.doubt is None) is (minute <= 5)


def test_a_clock_set_right_again_stays_in_doubt_until_confirmed() -> None:
    known = clock.looked(FIRST, Reading(NOON + HOUR_S, 100, "first"))
    known = clock.looked(known, Reading(NOON + 5, 105, "first"))
    assert (known.doubt, known.high) == (Doubt.STEP, NOON)
    sure = clock.confirmed(known, Reading(NOON + 6, 106, "first"))
    assert sure is not None
    assert clock.now(clock.looked(sure, Reading(NOON + 7, 107, "first"))) == NOON + 7


@pytest.mark.parametrize(
    ("wall", "doubt"),
    [
        (NOON - 301, Doubt.BACK),
        (NOON - 300, None),
        (NOON, None),
        (NOON + WEEK_S, None),
        (NOON + WEEK_S + 1, Doubt.GAP),
        (0, Doubt.BACK),
    ],
)
@pytest.mark.parametrize("boot", ["first", "second"])
def test_a_start_looks_at_the_time_it_was_away(wall: int, doubt: Doubt | None, boot: str) -> None:
    up = 100 + wall - NOON if boot == "first" else 3
    known = clock.started(FIRST, Reading(wall, max(0, up), boot, synchronised=True))
    if doubt is None and boot == "first":
        assert known.doubt is None
    else:
        assert known.doubt is doubt
    assert clock.now(known) is None or known.high >= NOON


def test_time_noted_between_two_syncs_counts() -> None:
    """A killed keeper left `clock.now` ahead of `clock.json`: time does not go back behind it; a gap shows all the same."""
    known = clock.started(FIRST, Reading(NOON + 10, 110, "first"), NOON + 50)
    assert (known.doubt, clock.now(known)) == (None, NOON + 50)
    assert clock.started(FIRST, Reading(NOON, 100, "first"), NOON + 301).doubt is Doubt.BACK
    later = NOON + WEEK_S + 1
    assert clock.started(FIRST, Reading(later, 100 + WEEK_S + 1, "first"), later).doubt is Doubt.GAP


def test_a_step_while_the_keeper_was_down_shows_when_the_machine_was_not() -> None:
    assert clock.started(FIRST, Reading(NOON + HOUR_S, 200, "first")).doubt is Doubt.STEP
    restarted = Reading(NOON + HOUR_S, 200, "second", synchronised=True)
    assert clock.started(FIRST, restarted).doubt is None
    for same_boot in (100 + HOUR_S, 100 + HOUR_S + 300):
        reading = Reading(NOON + HOUR_S, same_boot, "first")
        assert clock.started(FIRST, reading).doubt is None, (
            "a control: nothing else is asked within one start"
        )


@pytest.mark.parametrize("synchronised", [True, False])
@pytest.mark.parametrize(
    ("wall", "latest", "alone"),
    [
        (NOON - 300, 0, None),
        (NOON + 300, 0, None),
        (NOON + 301, 0, Doubt.RESTARTED),
        (NOON + 340, NOON + 40, None),
        (NOON + 341, NOON + 40, Doubt.RESTARTED),
        (NOON + WEEK_S, 0, Doubt.RESTARTED),
    ],
)
def test_a_restart_of_the_machine_needs_a_second_witness(
    wall: int, latest: int, alone: Doubt | None, synchronised: bool
) -> None:
    known = clock.started(FIRST, Reading(wall, 5, "second", synchronised), latest)
    assert known.doubt is (None if synchronised else alone)
    believed = max(NOON, latest, wall if known.doubt is None else 0)
    assert known.high == believed
    assert clock.now(known) == (believed if known.doubt is None else None)


def test_a_restarts_doubt_goes_when_a_source_of_time_vouches() -> None:
    """The kernel is asked again; what it vouches for is held to what any start is held to."""
    waits = clock.started(FIRST, Reading(NOON + 3 * DAY_S, 5, "second"))
    assert clock.looked(waits, Reading(NOON + 3 * DAY_S + 60, 65, "second")) == waits
    for wall, doubt in (
        (NOON + 2 * HOUR_S, None),
        (NOON, None),
        (NOON - 301, Doubt.BACK),
        (NOON + WEEK_S + 1, Doubt.GAP),
    ):
        known = clock.looked(waits, Reading(wall, 90, "second", synchronised=True))
        assert known.doubt is doubt
        if doubt is None:
            later = clock.looked(known, Reading(wall + 60, 150, "second"))
            assert clock.now(later) == wall + 60, "from then on this start's two clocks are compared"
            assert clock.looked(known, Reading(wall + 400, 120, "second")).doubt is Doubt.STEP
    again = clock.started(waits, Reading(NOON + 3 * DAY_S + 90, 3, "third"))
    assert again.doubt is Doubt.RESTARTED
    sure = clock.confirmed(waits, Reading(NOON + 3 * DAY_S, 70, "second"))
    assert sure is not None
    assert clock.now(sure) == NOON + 3 * DAY_S


@pytest.mark.parametrize("doubt", [Doubt.STEP, Doubt.BACK, Doubt.GAP, Doubt.RESTORED])
def test_no_source_of_time_settles_another_doubt(doubt: Doubt) -> None:
    known = replace(FIRST, doubt=doubt)
    reading = Reading(NOON + 10, 5, "second", synchronised=True)
    assert clock.looked(known, reading).doubt is doubt
    assert clock.started(known, reading).doubt is doubt


def test_the_kernel_is_only_asked() -> None:
    before = time.time()
    assert machine_synchronised() in (True, False)
    assert abs(time.time() - before) < 5
    reported = ctypes.create_string_buffer(208)
    state = ctypes.CDLL(None).adjtimex(reported)
    assert machine_synchronised() is (0 <= state < 5)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10 * DAY_S),
            st.integers(-2 * DAY_S, 2 * DAY_S),
            st.sampled_from(["look", "start", "confirm"]),
        ),
        max_size=12,
    )
)
def test_retention_time_never_runs_backwards(steps: list[tuple[int, int, str]]) -> None:
    known: Known = FIRST
    latest, wall, up = NOON, NOON, 100
    for passed_s, set_by_s, how in steps:
        wall, up = max(0, wall + passed_s + set_by_s), up + passed_s
        reading = Reading(wall, up, "first")
        if how == "confirm":
            known = clock.confirmed(known, reading) or known
        else:
            known = (clock.started if how == "start" else clock.looked)(known, reading)
        now = clock.now(known)
        assert now is None or now >= latest
        latest = now or latest


def test_a_restored_keeper_is_known_by_what_the_bridge_remembers() -> None:
    assert clock.witnessed(FIRST, 0) == FIRST
    assert clock.witnessed(FIRST, NOON + WEEK_S) == FIRST
    known = clock.witnessed(FIRST, NOON + WEEK_S + 1)
    assert known.doubt is Doubt.RESTORED
    assert clock.confirmed(known, Reading(NOON, 100, "first")) is None
    assert clock.confirmed(replace(known, doubt=Doubt.GAP), Reading(NOON, 100, "first")) is not None


@pytest.mark.parametrize(
    ("inside", "last", "empty", "found"),
    [
        (None, 0, False, Origin.OURS),  # from before there were stamps
        (None, 5, True, Origin.OURS),  # begun anew
        (None, 5, False, Origin.OLD_BACKUP),
        (Stamp(5, NOON), 5, False, Origin.OURS),
        (Stamp(6, NOON), 5, False, Origin.OURS),  # a crash between the two
        (Stamp(5, NOON - 90 * DAY_S), 5, False, Origin.OURS),  # the machine was off
        (Stamp(4, NOON), 5, False, Origin.BACKUP),
        (Stamp(4, NOON - WEEK_S - HOUR_S), 5, False, Origin.BACKUP),
        (Stamp(4, NOON - WEEK_S - HOUR_S - 1), 5, False, Origin.OLD_BACKUP),
        (Stamp(4, NOON - 8 * DAY_S), 5, True, Origin.OLD_BACKUP),
    ],
)
def test_a_key_store_from_day_eight_is_refused(
    inside: Stamp | None, last: int, empty: bool, found: Origin
) -> None:
    assert origin(inside, last, NOON, empty=empty) is found


# -- the keeper


def test_in_doubt_nothing_begins_opens_or_ends(desk: Desk) -> None:
    """The clock is set to next month: what would be due is not destroyed, and nobody opens, marks, hands over, records."""
    recording = desk.record().recording
    bruno = desk.join("bruno", Role.TRAINER, BRUNO).token
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    under_way = manifest(start=desk.now)
    desk.put(under_way)
    desk.now += 301
    desk.set_by_s = 301
    for request in (
        opening_wire.Open(bruno, recording, "review"),
        opening_wire.Open(bruno, new_recording_id(), "review"),
        opening_wire.Open(alice, recording, "own"),
        opening_wire.Review(bruno, recording, "review"),
        recording_wire.HandOver(recording, "alice"),
        PURGE,
    ):
        assert desk.refused(request).word == "clock"
    with pytest.raises(Refused, match="clock"):
        desk.put(manifest(start=desk.now))
    assert ("bruno", "open", "refused", "clock") in desk.audited()
    assert desk.ask(retention_wire.Pulse(0), retention_wire.Beat) == retention_wire.Beat("step", NOON)
    desk.now, desk.set_by_s = NOON + 60 * DAY_S, 60 * DAY_S
    assert desk.refused(PURGE).word == "clock"
    assert desk.store.has_key(recording)
    # what must not wait does not
    desk.keeper.handle(recording_wire.Destroy(under_way.recording, "objection"))
    assert not desk.store.has_key(under_way.recording)


def test_a_confirmed_clock_goes_on_and_the_confirmation_is_audited(desk: Desk) -> None:
    recording = desk.record().recording
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    desk.now, desk.set_by_s = NOON + HOUR_S, HOUR_S
    assert desk.ask(retention_wire.Pulse(0), retention_wire.Beat).doubt == "step"
    desk.now, desk.set_by_s = NOON + 10, 0
    assert desk.refused(opening_wire.Open(alice, recording, "own")).word == "clock"
    desk.open()
    assert desk.ask(retention_wire.Pulse(0), retention_wire.Beat).doubt == "step"
    desk.keeper.handle(retention_wire.ConfirmClock())
    assert desk.audited()[-1] == ("(administrator)", "confirm-clock", "done", "step")
    desk.ask(opening_wire.Open(desk.prove(ALICE).token, recording, "own"), words.Released)
    desk.now = NOON + 14 * DAY_S
    assert [one.recording for one in desk.ask(PURGE, retention_wire.Purged).gone] == [recording]


def test_time_set_back_lets_nothing_live_longer(desk: Desk) -> None:
    """The wall clock goes back by five minutes at each restart of the machine: believed time stands still meanwhile."""
    recording = desk.record().recording
    desk.join("alice", Role.TRAINEE, ALICE)
    desk.now = NOON + 14 * DAY_S - 1
    desk.open()
    desk.keeper.handle(retention_wire.ConfirmClock())
    desk.ask(opening_wire.Open(desk.prove(ALICE).token, recording, "own"), words.Released)
    desk.now += 1
    assert desk.ask(retention_wire.Pulse(0), retention_wire.Beat) == retention_wire.Beat("", desk.now)
    for number, word in enumerate(("expired", "clock", "clock")):
        desk.now -= 300
        desk.boot = f"boot {number}"
        desk.open()
        assert desk.refused(opening_wire.Open(desk.prove(ALICE).token, recording, "own")).word == word
    desk.keeper.handle(retention_wire.ConfirmClock())
    assert desk.refused(opening_wire.Open(desk.prove(ALICE).token, recording, "own")).word == "expired"


def test_a_keeper_that_was_away_for_long_asks_first(desk: Desk) -> None:
    """Off over the holidays, or started with a clock a year ahead: nothing is purged before a person looked."""
    recording = desk.record().recording
    desk.now = NOON + 365 * DAY_S
    desk.open()
    assert desk.refused(PURGE).word == "clock"
    assert desk.ask(retention_wire.Pulse(0), retention_wire.Beat).doubt == "gap"
    desk.keeper.handle(retention_wire.ConfirmClock())
    assert [one.recording for one in desk.ask(PURGE, retention_wire.Purged).gone] == [recording]


def test_a_machine_restarted_with_a_clock_ahead_ends_nobodys_first_hours(desk: Desk) -> None:
    """P18, P20: two days ahead after a restart: the trainee's first day is not over, what seems unreviewed is not destroyed.
    The control: the same restart on a machine that is synchronised."""
    recording = desk.record().recording
    desk.join("bruno", Role.TRAINER, BRUNO)
    desk.boot, desk.synchronised, desk.now = "second", False, NOON + 2 * DAY_S
    desk.open()
    asked = opening_wire.Open(desk.prove(BRUNO).token, recording, "review")
    assert desk.ask(retention_wire.Pulse(0), retention_wire.Beat) == retention_wire.Beat("restart", NOON)
    assert [desk.refused(one).word for one in (asked, PURGE)] == ["clock", "clock"]
    desk.now = NOON + 60
    desk.synchronised = True
    assert desk.ask(retention_wire.Pulse(0), retention_wire.Beat) == retention_wire.Beat("", NOON + 60)
    assert (
        desk.refused(opening_wire.Open(desk.prove(BRUNO).token, recording, "review")).word == "trainee-first"
    )
    desk.boot, desk.now = "third", NOON + 2 * DAY_S
    desk.open()
    desk.ask(opening_wire.Open(desk.prove(BRUNO).token, recording, "review"), words.Released)


def test_a_machine_without_a_source_of_time_asks_a_person_after_a_restart(desk: Desk) -> None:
    desk.record()
    desk.boot, desk.synchronised, desk.now = "second", False, NOON + HOUR_S
    desk.open()
    assert desk.refused(PURGE).word == "clock"
    desk.keeper.handle(retention_wire.ConfirmClock())
    assert desk.audited()[-1] == ("(administrator)", "confirm-clock", "done", "restart")
    desk.open()
    assert desk.ask(retention_wire.Pulse(0), retention_wire.Beat) == retention_wire.Beat("", NOON + HOUR_S)


# -- restored backups


def back_up(desk: Desk, name: str) -> Path:
    kept = desk.folder.parent / f"{desk.folder.name}-backup-{name}"
    shutil.copytree(desk.folder / name, kept)
    return kept


def restore(desk: Desk, name: str, kept: Path) -> None:
    shutil.rmtree(desk.folder / name)
    shutil.copytree(kept, desk.folder / name)


def test_a_key_store_of_seven_days_is_taken_and_one_of_eight_refused(desk: Desk) -> None:
    recording = desk.record().recording
    desk.ask(PURGE, retention_wire.Purged)
    kept = back_up(desk, "keystore")
    for day in range(1, 8):
        desk.now = NOON + day * DAY_S
        desk.ask(PURGE, retention_wire.Purged)
    restore(desk, "keystore", kept)
    desk.open()
    assert ("(keeper)", "restored", "done", "key-store") in desk.audited()
    assert desk.store.has_key(recording)
    desk.now = NOON + 8 * DAY_S
    desk.ask(PURGE, retention_wire.Purged)
    restore(desk, "keystore", kept)
    with pytest.raises(OperatorError, match="older than 7 days"):
        desk.open()
    shutil.rmtree(desk.folder / "keystore")
    desk.open()
    token = desk.join("alice", Role.TRAINEE, ALICE).token
    assert desk.refused(opening_wire.Open(token, recording, "own")).word == "unknown"


def test_a_keeper_restored_whole_is_found_by_the_bridges_memory(desk: Desk, tmp_path: Path) -> None:
    """The whole folder is put back as it was on day 0: by day 8 the bridge remembers a later time than the keeper can."""
    desk.record()
    state = tmp_path / "state"
    state.mkdir()
    witness = Witness(state)
    assert witness.seen_at() == 0
    backup = tmp_path.parent / f"{tmp_path.name}-whole"
    shutil.copytree(desk.folder, backup, ignore=shutil.ignore_patterns("state", "audit"))
    desk.now = NOON + 8 * DAY_S
    witness.saw(desk.ask(retention_wire.Pulse(0), retention_wire.Beat).high)
    for name in ("keystore", "clock.json", "clock.now", "book.jsonl"):
        path = desk.folder / name
        if path.is_dir():
            restore(desk, name, backup / name)
        else:
            shutil.copy(backup / name, path)
    desk.open()
    assert desk.ask(retention_wire.Pulse(witness.seen_at()), retention_wire.Beat).doubt == "restored"
    assert desk.refused(retention_wire.ConfirmClock()).word == "restored"
    assert desk.refused(PURGE).word == "clock"


def test_a_key_store_that_remembers_a_keeper_who_forgot_is_not_believed(desk: Desk) -> None:
    desk.record()
    (desk.folder / "clock.json").unlink()
    desk.open()
    assert desk.ask(retention_wire.Pulse(0), retention_wire.Beat).doubt == "restored"


def test_the_bridge_learns_what_was_destroyed_other_than_by_time(desk: Desk) -> None:
    by_time, erased, before = (desk.record().recording for _ in range(3))
    desk.keeper.handle(recording_wire.Destroy(before, "objection"))
    desk.now += 1
    desk.keeper.handle(recording_wire.Destroy(erased, "erased"))
    desk.now = NOON + 14 * DAY_S
    desk.ask(PURGE, retention_wire.Purged)
    assert not desk.store.has_key(by_time)
    assert desk.ask(retention_wire.Ended(NOON + 1), retention_wire.AllEnded).ended == (
        retention_wire.End(NOON + 1, erased, "erased"),
    )
    assert [one.recording for one in desk.ask(retention_wire.Ended(NOON), retention_wire.AllEnded).ended] == [
        before,
        erased,
    ]


def test_what_the_bridge_had_destroyed_is_remembered_for_eight_days(tmp_path: Path) -> None:
    witness = Witness(tmp_path)
    assert witness.recent(NOON) == []
    made = [retention_wire.End(NOON + day * DAY_S, new_recording_id(), "objection") for day in range(4)]
    for one in made:
        witness.note(one)
    assert witness.recent(NOON + 3 * DAY_S) == made
    witness.learn(
        [made[0], more := retention_wire.End(NOON + 3 * DAY_S, new_recording_id(), "erased")],
        NOON + 3 * DAY_S,
    )
    made.append(more)
    assert witness.recent(NOON + 3 * DAY_S) == made
    with open(tmp_path / "destroyed.jsonl", "ab") as file:
        file.write(b'{"at":1')
    assert Witness(tmp_path).recent(NOON + 8 * DAY_S) == made[1:]
    assert len((tmp_path / "destroyed.jsonl").read_bytes().splitlines()) == 4


def test_a_start_after_a_confirmation_is_held_to_what_was_confirmed() -> None:
    """Believed time had run ahead: the next start with the right time needs no second confirmation, an earlier one does."""
    ran_ahead = replace(FIRST, high=NOON + HOUR_S, doubt=Doubt.BACK)
    sure = clock.confirmed(ran_ahead, Reading(NOON, 100, "first"))
    assert sure is not None
    again = clock.started(sure, Reading(NOON + 60, 5, "second"))
    assert (again.doubt, again.high, again.ahead) == (None, NOON + HOUR_S, HOUR_S)
    assert clock.looked(sure, Reading(NOON + HOUR_S - 1, 99 + HOUR_S, "first")).ahead == HOUR_S
    assert clock.looked(sure, Reading(NOON + HOUR_S, 100 + HOUR_S, "first")).ahead == 0
    assert clock.started(again, Reading(NOON - HOUR_S, 5, "third")).doubt is Doubt.BACK
    caught_up = clock.looked(again, Reading(NOON + 2 * HOUR_S, 2 * HOUR_S - 55, "second"))
    assert (caught_up.doubt, caught_up.ahead) == (None, 0)
    assert clock.started(caught_up, Reading(NOON + HOUR_S, 5, "third")).doubt is Doubt.BACK
