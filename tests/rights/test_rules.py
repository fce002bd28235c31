"""P23: deadlines by the calendar; what an open request keeps, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.archive.rules import DAY_S, KEEP_CEILING_DAYS
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import new_recording_id
from pbx_bridge.rights.rules import (
    check_restriction,
    due_at,
    erased_from,
    erases,
    keeps_until,
    months_after,
    requests_say,
    restricted_until,
    state_of,
    suspended_until,
)
from pbx_bridge.wire_rights import Closing, Party, Right, RightsRequest

RECORDING, OTHER = new_recording_id(), new_recording_id()
NOON = 1_790_000_000
ASKED = RightsRequest(
    id="abcdefgh",
    right=Right.ACCESS,
    party=Party.TRAINEE,
    trainee="alice",
    recordings=(RECORDING,),
    recipient="",
    opened_at=NOON,
    due_at=NOON + 30 * DAY_S,
)
RESTRICTED = replace(ASKED, id="restrict", right=Right.RESTRICTION, until=NOON + 40 * DAY_S)


@pytest.mark.parametrize(
    ("day", "months", "due"),
    [
        (date(2026, 11, 24), 1, date(2026, 12, 24)),
        (date(2026, 12, 31), 1, date(2027, 1, 31)),
        (date(2027, 1, 31), 1, date(2027, 2, 28)),
        (date(2028, 1, 30), 1, date(2028, 2, 29)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
    ],
)
def test_a_month_is_a_months_same_day_or_its_last(day: date, months: int, due: date) -> None:
    assert months_after(day, months) == due


@given(opened=st.integers(1_600_000_000, 2_600_000_000))
def test_the_day_it_is_due_is_whole(opened: int) -> None:
    due, longer = due_at(opened, extended=False), due_at(opened, extended=True)
    last = datetime.fromtimestamp(due - 1, UTC).date()
    assert due % DAY_S == 0
    assert last == months_after(datetime.fromtimestamp(opened, UTC).date(), 1)
    assert 28 * DAY_S <= due - opened <= 32 * DAY_S
    assert 58 * DAY_S <= longer - due <= 62 * DAY_S


def test_what_an_open_request_keeps() -> None:
    assert keeps_until(ASKED) == ASKED.due_at
    assert keeps_until(RESTRICTED) == RESTRICTED.until
    for right in (Right.ERASURE, Right.OBJECTION):
        assert keeps_until(replace(ASKED, right=right)) == 0
    for request in (ASKED, RESTRICTED):
        assert keeps_until(replace(request, closed_at=NOON, closing=Closing.ANSWERED)) == 0


def test_the_longest_of_several_counts_and_only_for_its_recordings() -> None:
    asked = (ASKED, RESTRICTED)
    assert suspended_until(asked, RECORDING) == RESTRICTED.until
    assert suspended_until((ASKED,), RECORDING) == ASKED.due_at
    assert suspended_until(asked, OTHER) is None
    assert restricted_until(asked, RECORDING) == RESTRICTED.until
    assert restricted_until((ASKED,), RECORDING) is None


@pytest.mark.parametrize("days", [-1, 0, KEEP_CEILING_DAYS + 1])
def test_a_restriction_ends_and_not_beyond_the_ceiling(days: int) -> None:
    check_restriction(NOON + 1, NOON)
    check_restriction(NOON + KEEP_CEILING_DAYS * DAY_S, NOON)
    with pytest.raises(OperatorError, match="P23"):
        check_restriction(NOON + days * DAY_S, NOON)


def test_a_list_says_who_waits_too_long() -> None:
    due = ASKED.due_at
    closed = replace(ASKED, closed_at=NOON, closing=Closing.REFUSED)
    assert [state_of(ASKED, now) for now in (NOON, due - 7 * DAY_S, due - 1, due)] == [
        "open",
        "due soon",
        "due soon",
        "overdue",
    ]
    assert state_of(ASKED, due - 7 * DAY_S - 1) == "open"
    assert state_of(closed, due) == "refused"
    assert requests_say([closed], due) == (True, "nobody waits for an answer")
    assert requests_say([ASKED, closed], NOON)[0]
    good, says = requests_say([ASKED, RESTRICTED, closed], due)
    assert (good, says.startswith("2 overdue")) == (False, True)


GONE = replace(ASKED, id="gonegone", right=Right.OBJECTION, party=Party.CUSTOMER, trainee="")


@pytest.mark.parametrize("right", Right)
@pytest.mark.parametrize("party", Party)
def test_erasure_and_a_customers_objection_end_a_recording(right: Right, party: Party) -> None:
    """A trainee's objection ends their plan; nothing is destroyed that they do not ask for."""
    wanted = right is Right.ERASURE or (right is Right.OBJECTION and party is Party.CUSTOMER)
    assert erases(replace(ASKED, right=right, party=party)) is wanted


def test_the_first_who_wants_it_gone_counts_and_no_closing_changes_that() -> None:
    later = replace(GONE, opened_at=NOON + 5, right=Right.ERASURE)
    assert erased_from([ASKED, later, GONE], RECORDING) == NOON
    assert erased_from([ASKED, later], RECORDING) == NOON + 5
    assert erased_from([replace(GONE, closed_at=NOON, closing=Closing.WITHDRAWN)], RECORDING) == NOON
    assert erased_from([GONE], OTHER) is None
    assert erased_from([ASKED, RESTRICTED], RECORDING) is None


def test_what_is_asked_after_it_keeps_it_no_longer() -> None:
    assert suspended_until([ASKED], RECORDING, NOON) == ASKED.due_at
    assert suspended_until([ASKED], RECORDING, NOON - 1) is None
    assert suspended_until([ASKED, RESTRICTED], RECORDING, NOON) == RESTRICTED.until
