"""Who may open what: every pair of persons and recordings, at every instant that matters (P18, P20, P22, P24)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.archive.manifest import Assignment, Manifest, State
from pbx_bridge.archive.release import (
    TECHNICAL,
    Answer,
    Asker,
    Granted,
    Holding,
    Refusal,
    Refused,
    may_hand_over,
    may_know,
    may_list,
    may_open,
    may_review,
    states_session,
)
from pbx_bridge.archive.rules import (
    DAY_S,
    HOUR_S,
    KEEP_CEILING_DAYS,
    End,
    Keeping,
    destroyed_from,
    ends_at,
    not_after,
)
from pbx_bridge.archive.sentences import sentence
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import RecordingId, TraineeId
from pbx_bridge.wire_portal import Role

START = 1_790_000_000
TALK_S = 600
SEALED = Manifest(
    recording=RecordingId("a" * 26),
    trainee=TraineeId("alice"),
    plan="5a" * 32,
    trainers=(Assignment("bruno", START - DAY_S, START + 400 * DAY_S),),
    applications=("orders",),
    start=START,
    not_after=not_after(START, Keeping()),
    state=State.SEALED,
    payload="b6" * 32,
    payload_bytes=1,
    duration_ms=TALK_S * 1000,
)
HELD = Holding(SEALED)
HANDED = Holding(SEALED, handed_over_at=START + TALK_S + 60)
BRUNO = Asker("bruno", Role.TRAINER, confirmed=True)
ALICE = Asker("alice", Role.TRAINEE, confirmed=True)
LATER = START + TALK_S + HOUR_S
GRANTED = Granted()
UNKNOWN = Refused(Refusal.UNKNOWN)


def ask(asker: Asker, holding: Holding | None, now: int = LATER, first_h: int = 24) -> Answer:
    return may_open(asker, holding, now, Keeping(trainee_first_h=first_h))


def test_the_trainee_first_then_the_trainer() -> None:
    alone_until = START + TALK_S + 24 * HOUR_S
    assert ask(ALICE, HELD) == GRANTED
    assert ask(BRUNO, HELD) == Refused(Refusal.TRAINEE_FIRST, until=alone_until)
    assert ask(BRUNO, HELD, alone_until - 1) == Refused(Refusal.TRAINEE_FIRST, until=alone_until)
    assert ask(BRUNO, HELD, alone_until) == GRANTED
    assert ask(BRUNO, HANDED) == GRANTED


@pytest.mark.parametrize("first_h", [1, 72])
def test_the_first_hours_are_as_configured(first_h: int) -> None:
    alone_until = START + TALK_S + first_h * HOUR_S
    assert ask(BRUNO, HELD, alone_until - 1, first_h) == Refused(Refusal.TRAINEE_FIRST, until=alone_until)
    assert ask(BRUNO, HELD, alone_until, first_h) == GRANTED


@pytest.mark.parametrize("hours", [-1, 0, 73])
def test_first_hours_beyond_the_ceiling_are_refused(hours: int) -> None:
    with pytest.raises(ValueError, match="P18"):
        Keeping(trainee_first_h=hours)


@pytest.mark.parametrize("days", [-1, 0, KEEP_CEILING_DAYS + 1])
def test_keeping_beyond_the_ceiling_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="P20"):
        Keeping(keep_days=days)


REVIEWED = replace(HANDED, reviewed_at=START + 3 * DAY_S)


@pytest.mark.parametrize(
    ("holding", "keep_days", "end_days"),
    [
        (HANDED, 30, 14),  # nobody discussed it
        (HANDED, 13, 13),
        (REVIEWED, 30, 3 + 7),
        (REVIEWED, 9, 9),
        (replace(REVIEWED, reviewed_at=START), 30, 7),
        (replace(REVIEWED, reviewed_at=START + 14 * DAY_S - 1), 30, 21 - 1 / DAY_S),
        (replace(REVIEWED, reviewed_at=START + 14 * DAY_S), 30, 14),  # too late to count
        (replace(REVIEWED, reviewed_at=START + 400 * DAY_S), 30, 14),
    ],
)
def test_nobody_opens_what_has_ended(holding: Holding, keep_days: int, end_days: float) -> None:
    keeping, end = Keeping(keep_days), START + round(end_days * DAY_S)
    for asker in (ALICE, BRUNO):
        assert may_open(asker, holding, end - 1, keeping) == GRANTED
        for later in (end, end + 1, end + 400):
            assert may_open(asker, holding, later, keeping) == Refused(Refusal.EXPIRED, until=end)


def test_the_end_says_why() -> None:
    assert HANDED.end(Keeping()) == End(START + 14 * DAY_S, Reason.UNREVIEWED)
    assert REVIEWED.end(Keeping()) == End(START + 10 * DAY_S, Reason.REVIEWED)
    assert REVIEWED.end(Keeping(2)) == End(START + 2 * DAY_S, Reason.EXPIRED)
    assert replace(HANDED, manifest=replace(SEALED, not_after=START + 5)).end(Keeping()).at == START + 5


@given(
    st.integers(1, 400 * DAY_S),
    st.none() | st.integers(-DAY_S, 400 * DAY_S),
    st.integers(1, KEEP_CEILING_DAYS),
    st.none() | st.integers(0, 400 * DAY_S),
)
def test_nothing_outlives_the_ceiling(
    signed_s: int, reviewed_s: int | None, days: int, suspended_s: int | None
) -> None:
    """Whatever was signed, reviewed, configured or suspended: P20's ceiling, and P15's fourteen days without a review."""
    reviewed = None if reviewed_s is None else START + reviewed_s
    suspended = None if suspended_s is None else START + suspended_s
    end = ends_at(START, START + signed_s, reviewed, Keeping(days))
    assert end.at <= START + min(signed_s, days * DAY_S, (14 + 7) * DAY_S, KEEP_CEILING_DAYS * DAY_S)
    assert reviewed is not None or end.at <= START + 14 * DAY_S
    gone = destroyed_from(end, START, suspended)
    assert end.at <= gone <= START + KEEP_CEILING_DAYS * DAY_S
    assert gone == end.at or (suspended is not None and gone <= suspended)


def test_a_suspended_destruction_ends_with_its_reason_or_at_the_ceiling() -> None:
    end = HANDED.end(Keeping())
    assert destroyed_from(end, START, None) == end.at
    assert destroyed_from(end, START, START + 3) == end.at
    assert destroyed_from(end, START, end.at + 5) == end.at + 5
    assert destroyed_from(end, START, START + 9_999 * DAY_S) == START + KEEP_CEILING_DAYS * DAY_S


def test_only_a_trainer_who_may_open_it_marks_it_reviewed() -> None:
    alone = Refused(Refusal.TRAINEE_FIRST, until=START + TALK_S + 24 * HOUR_S)
    assert may_review(BRUNO, HANDED, LATER, Keeping()) == GRANTED
    assert may_review(BRUNO, HELD, LATER, Keeping()) == alone
    for asker in (ALICE, Asker("carla", Role.TRAINER, confirmed=True)):
        assert may_review(asker, HANDED, LATER, Keeping()) == UNKNOWN
    unconfirmed = replace(BRUNO, confirmed=False)
    assert may_review(unconfirmed, HANDED, LATER, Keeping()) == Refused(Refusal.KEY_UNCONFIRMED)


@pytest.mark.parametrize(
    "assignment",
    [
        Assignment("carla", START - DAY_S, START + DAY_S),
        Assignment("bruno", START + 1, START + DAY_S),  # it began after the recording
        Assignment("bruno", START - DAY_S, START),  # it had ended before the recording
        Assignment("bruno", START - DAY_S, LATER),  # it has ended now
    ],
)
def test_a_trainer_who_is_not_assigned_then_and_now_learns_nothing(assignment: Assignment) -> None:
    other = replace(SEALED, trainers=(assignment,))
    for holding in (
        Holding(other),
        Holding(other, handed_over_at=START),
        Holding(other, destroyed="disk"),
        None,
    ):
        assert ask(BRUNO, holding) == UNKNOWN


def test_a_key_that_is_not_confirmed_opens_nothing() -> None:
    for asker in (ALICE, BRUNO):
        assert ask(replace(asker, confirmed=False), HANDED) == Refused(Refusal.KEY_UNCONFIRMED)
    for holding in (None, HELD, replace(HANDED, destroyed="disk")):  # and cannot tell one from another
        for name in ("alice", "bruno", "carla"):
            for role in Role:
                asker = Asker(name, role, confirmed=False)
                assert ask(asker, holding) == Refused(Refusal.KEY_UNCONFIRMED)
                assert not may_know(asker, SEALED, LATER)


def test_a_name_in_the_other_role_is_another_person() -> None:
    """A trainer called like a trainee, and the reverse, get nothing of theirs."""
    assert ask(Asker("alice", Role.TRAINER, confirmed=True), HANDED) == UNKNOWN
    assert ask(Asker("bruno", Role.TRAINEE, confirmed=True), HANDED) == UNKNOWN


@pytest.mark.parametrize("reason", list(Reason))
def test_a_trainer_sees_technical_reasons_only(reason: Reason) -> None:
    gone = replace(HANDED, destroyed=reason.value)
    assert ask(ALICE, gone) == Refused(Refusal.NOT_KEPT, detail=reason.value)
    seen = ask(BRUNO, gone)
    assert isinstance(seen, Refused)
    technical = reason.value in TECHNICAL
    assert seen == Refused(Refusal.NOT_KEPT, detail=reason.value if technical else "")
    assert may_list(BRUNO, gone) is technical
    assert may_list(ALICE, gone)
    assert technical or reason.value not in sentence(seen)


@pytest.mark.parametrize(
    "reason",
    [Reason.PRIVATE, Reason.OBJECTION, Reason.NOT_DRAWN, Reason.NOT_ACKNOWLEDGED, Reason.INDICATOR_GONE],
)
def test_what_comes_from_a_person_is_never_technical(reason: Reason) -> None:
    assert reason.value not in TECHNICAL


def test_only_the_trainee_hands_over_and_only_what_is_finished() -> None:
    assert may_hand_over("alice", HELD, LATER, Keeping()) == GRANTED
    assert may_hand_over("alice", HANDED, LATER, Keeping()) == GRANTED
    assert may_hand_over("bruno", HELD, LATER, Keeping()) == UNKNOWN
    assert may_hand_over("alice", None, LATER, Keeping()) == UNKNOWN
    assert may_hand_over("alice", Holding(SEALED.begun()), LATER, Keeping()) == Refused(Refusal.ON_ITS_WAY)


PEOPLE = ("alice", "bruno", "carla", "denis")
instants = st.integers(START - 2 * DAY_S, START + 200 * DAY_S)
assignments = st.builds(
    lambda trainer, start, length: Assignment(trainer, start, start + length),
    st.sampled_from(PEOPLE),
    instants,
    st.integers(1, 200 * DAY_S),
)
manifests = st.builds(
    lambda trainee, trainers, days, state, first: replace(
        SEALED,
        trainee=TraineeId(trainee),
        trainers=tuple(trainers),
        not_after=START + days * DAY_S,
        state=state,
        duration_ms=first,
    ),
    st.sampled_from(PEOPLE),
    st.lists(assignments, max_size=3),
    st.integers(1, 400),
    st.sampled_from(State),
    st.integers(0, 3_600_000),
)
holdings = st.builds(
    Holding,
    manifests,
    st.none() | instants,
    st.none() | instants,
    st.none() | st.sampled_from([r.value for r in Reason]),
)
askers = st.builds(Asker, st.sampled_from(PEOPLE), st.sampled_from(Role), st.booleans())


@given(
    asker=askers,
    holding=st.none() | holdings,
    now=instants,
    first_h=st.integers(1, 72),
    days=st.integers(1, 173),
)
def test_a_grant_means_every_condition_holds(
    asker: Asker, holding: Holding | None, now: int, first_h: int, days: int
) -> None:
    """The promise, written down a second time: whoever opens has every right to, and whoever has every right opens."""
    answer = may_open(asker, holding, now, Keeping(days, first_h))
    if not asker.confirmed:
        assert answer == Refused(Refusal.KEY_UNCONFIRMED)
        return
    if holding is None:
        assert answer == UNKNOWN
        return
    manifest = holding.manifest
    own = asker.role is Role.TRAINEE and asker.name == manifest.trainee
    assigned = asker.role is Role.TRAINER and any(
        a.trainer == asker.name and a.start <= START < a.end and a.start <= now < a.end
        for a in manifest.trainers
    )
    reviewed = holding.reviewed_at is not None and holding.reviewed_at < START + 14 * DAY_S
    ends = START + 14 * DAY_S if not reviewed else (holding.reviewed_at or 0) + 7 * DAY_S
    kept = holding.destroyed is None and now < min(manifest.not_after, ends, START + days * DAY_S)
    sealed = manifest.state is not State.RECORDING
    waited = now >= START + manifest.duration_ms // 1000 + first_h * HOUR_S
    first = own or holding.handed_over_at is not None or waited
    may = (own or assigned) and kept and sealed and first
    assert (answer == GRANTED) is may
    assert (answer == UNKNOWN) is not (own or assigned)


@pytest.mark.parametrize("session", ["", " ", "\n\t"])
def test_whoever_opens_anothers_recording_says_for_which_session(session: str) -> None:
    """P21. A trainee's own needs none; demonstration mode asks nobody."""
    for role in Role:
        asker = Asker("somebody", role, confirmed=True)
        assert states_session(asker, session, needed=True) is (role is Role.TRAINEE)
        assert states_session(asker, session, needed=False)
        assert states_session(asker, "24 November, with alice", needed=True)
