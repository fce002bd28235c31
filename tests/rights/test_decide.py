"""P18, P20, P22, P23: the decisions about copies and erasure, each condition alone, at its boundary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx_bridge.archive.manifest import Manifest
from pbx_bridge.archive.release import Answer, Asker, Granted, Holding, Refusal, Refused
from pbx_bridge.archive.rules import DAY_S, KEEP_CEILING_DAYS, Keeping
from pbx_bridge.ids import TraineeId, new_recording_id
from pbx_bridge.rights.decide import may_erase, may_export_own, may_export_requested
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_rights import Closing, Party, Right, RightsRequest
from tests.archive.house import manifest

START = 1_790_000_000
MANIFEST: Manifest = manifest(start=START).sealed("ab" * 32, 1_000, 60_000)
HELD = Holding(MANIFEST)
ALICE = Asker("alice", Role.TRAINEE, confirmed=True)
KEEPING = Keeping()
CEILING = START + KEEP_CEILING_DAYS * DAY_S
UNREVIEWED = START + 14 * DAY_S
ASKED = RightsRequest(
    id="abcdefgh",
    right=Right.ACCESS,
    party=Party.CUSTOMER,
    trainee="",
    recordings=(MANIFEST.recording,),
    recipient="age1" + "q" * 58,
    opened_at=START,
    due_at=START + 30 * DAY_S,
    granted_by="carla",
)


def word(answer: Answer) -> str:
    return "granted" if isinstance(answer, Granted) else answer.refusal.value


def own(
    asker: Asker = ALICE, held: Holding | None = HELD, now: int | None = START + 60, kept: int = 0
) -> str:
    return word(may_export_own(asker, held, now, KEEPING, kept))


def test_a_trainee_has_a_copy_of_their_own_and_nobody_else() -> None:
    assert own() == "granted"
    assert own(replace(ALICE, name="bea")) == "unknown"
    assert own(replace(ALICE, role=Role.TRAINER)) == "unknown"
    assert own(held=None) == "unknown"
    assert own(replace(ALICE, confirmed=False)) == "key-unconfirmed"
    assert own(now=None) == "clock"


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (replace(HELD, destroyed="erased"), "not-kept"),
        (Holding(MANIFEST.begun()), "on-its-way"),
        (replace(HELD, restricted_until=START + 61), "restricted"),
        (replace(HELD, restricted_until=START + 60), "granted"),
        (replace(HELD, suspended_until=START + 61), "granted"),
    ],
)
def test_a_copy_is_made_of_what_is_there(held: Holding, said: str) -> None:
    assert own(held=held) == said


@pytest.mark.parametrize(
    ("now", "kept", "said"),
    [
        (UNREVIEWED - 1, 0, "granted"),
        (UNREVIEWED, 0, "expired"),
        (UNREVIEWED, UNREVIEWED + 1, "granted"),
        (UNREVIEWED + 1, UNREVIEWED + 1, "expired"),
        (CEILING - 1, CEILING + DAY_S, "granted"),
        (CEILING, CEILING + DAY_S, "expired"),
    ],
)
def test_a_copy_has_its_time(now: int, kept: int, said: str) -> None:
    assert own(now=now, kept=kept) == said


def asked(
    request: RightsRequest | None = ASKED, held: Holding | None = HELD, now: int | None = START + 60
) -> str:
    return word(may_export_requested(request, MANIFEST.recording, held, now))


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (ASKED, "granted"),
        (None, "unknown"),
        (replace(ASKED, recordings=(new_recording_id(),)), "unknown"),
        (replace(ASKED, granted_by=""), "not-granted"),
        (replace(ASKED, recipient=""), "not-granted"),
        (replace(ASKED, right=Right.RESTRICTION), "not-granted"),
        (replace(ASKED, closed_at=START, closing=Closing.ANSWERED), "not-granted"),
        (replace(ASKED, due_at=START + 60), "expired"),
        (replace(ASKED, due_at=START + 61), "granted"),
        (replace(ASKED, party=Party.TRAINEE, trainee="alice", granted_by=""), "granted"),
        (replace(ASKED, party=Party.TRAINEE, trainee="bea"), "unknown"),
    ],
)
def test_a_request_is_answered_only_as_it_was_granted(request_: RightsRequest | None, said: str) -> None:
    assert asked(request_) == said


@pytest.mark.parametrize(
    ("held", "now", "said"),
    [
        (None, START, "unknown"),
        (HELD, None, "clock"),
        (replace(HELD, destroyed="expired"), START, "not-kept"),
        (Holding(MANIFEST.begun()), START, "on-its-way"),
        (replace(HELD, restricted_until=CEILING), START, "granted"),
        (HELD, CEILING - 1, "granted"),
        (HELD, CEILING, "expired"),
    ],
)
def test_a_request_makes_nothing_of_what_is_gone(held: Holding | None, now: int | None, said: str) -> None:
    """Storing it alone does not keep the person from their own copy (art. 18(2))."""
    assert asked(replace(ASKED, due_at=CEILING + DAY_S), held, now) == said


@pytest.mark.parametrize(
    ("asker", "held", "said"),
    [
        (ALICE, HELD, "granted"),
        (ALICE, None, "unknown"),
        (replace(ALICE, name="bea"), HELD, "unknown"),
        (replace(ALICE, role=Role.TRAINER), HELD, "unknown"),
        (replace(ALICE, confirmed=False), HELD, "key-unconfirmed"),
        (ALICE, replace(HELD, destroyed="erased"), "not-kept"),
        (ALICE, replace(HELD, suspended_until=START + 61), "kept-for-request"),
        (ALICE, replace(HELD, suspended_until=START + 60), "granted"),
        (ALICE, Holding(MANIFEST.begun()), "on-its-way"),
    ],
)
def test_a_trainee_erases_their_own_unless_a_request_keeps_it(
    asker: Asker, held: Holding | None, said: str
) -> None:
    assert word(may_erase(asker, held, START + 60)) == said


def test_a_refusal_says_until_when() -> None:
    kept = may_erase(ALICE, replace(HELD, suspended_until=START + 61), START)
    assert kept == Refused(Refusal.KEPT_FOR_REQUEST, until=START + 61)
    assert may_export_own(ALICE, HELD, UNREVIEWED, KEEPING, 0) == Refused(Refusal.EXPIRED, until=UNREVIEWED)
    assert MANIFEST.trainee == TraineeId("alice")
