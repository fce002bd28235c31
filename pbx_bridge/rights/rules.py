"""The time of a request: by when it must be answered, and how long it keeps what it is about.

Pure. It knows P23's deadlines (GDPR art. 12(3), 18) and P20's suspension; it never knows a person, a key or a clock.
"""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from pbx_bridge.archive.rules import DAY_S, KEEP_CEILING_DAYS
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_rights import Closing, Party, Right, RightsRequest

ANSWER_MONTHS: Final = 1
"""GDPR art. 12(3): without undue delay, at the latest one month after it was received."""
EXTENSION_MONTHS: Final = 2
"""GDPR art. 12(3): further months, once, told to the person with the reason within the first."""
SOON_DAYS: Final = 7
"""From then on a list warns."""


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or that month's last (Regulation 1182/71, art. 3(2)(c))."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def due_at(opened_at: int, *, extended: bool) -> int:
    """P23: the Unix second by which a request must be answered: the end of the day one month, or three, after it came."""
    opened = datetime.fromtimestamp(opened_at, UTC).date()
    last = months_after(opened, ANSWER_MONTHS + (EXTENSION_MONTHS if extended else 0))
    return int(datetime.combine(last + timedelta(days=1), time(), UTC).timestamp())


def check_restriction(until: int, now: int) -> None:
    """P23: a restriction has an end, and none later than anything may be kept. Raises: OperatorError."""
    if not now < until <= now + KEEP_CEILING_DAYS * DAY_S:
        raise OperatorError(
            f"a restriction ends after now and within {KEEP_CEILING_DAYS} days (P20, P23)",
            where="--until",
            do="Choose a day in that time",
        )


def keeps_until(request: RightsRequest) -> int:
    """P20, P23: until when an open request suspends destruction: access until it is due, restriction until its end; 0 for
    all others and for what is closed. The ceiling is the purge's (archive/rules.py `destroyed_from`)."""
    if request.closed_at is not None:
        return 0
    match request.right:
        case Right.ACCESS:
            return request.due_at
        case Right.RESTRICTION:
            return request.until or 0
        case Right.ERASURE | Right.OBJECTION:
            return 0


def erases(request: RightsRequest) -> bool:
    """P16, P23 (art. 17, 21): whether what it is about is to go: an erasure, and a customer's objection after the call."""
    return request.right is Right.ERASURE or (
        request.right is Right.OBJECTION and request.party is Party.CUSTOMER
    )


def objects(requests: Iterable[RightsRequest], trainee: str, at: int) -> bool:
    """P16, P23: whether this trainee's objection (GDPR art. 18, 21) stands against what was approved or begun `at`: from the
    moment it came, while nobody answered it against everything, once it was accepted against all of before. Refused or
    taken back, it stands against nothing."""
    return any(
        one.right is Right.OBJECTION
        and one.party is Party.TRAINEE
        and one.trainee == trainee
        and one.closing in (None, Closing.ANSWERED)
        and (one.closed_at is None or at <= one.closed_at)
        for one in requests
    )


def erased_from(requests: Iterable[RightsRequest], recording: RecordingId) -> int | None:
    """P23: since when somebody concerned wants `recording` gone; None when nobody does. However that request was closed:
    an administrator takes nobody's objection back."""
    return min(
        (one.opened_at for one in requests if erases(one) and recording in one.recordings), default=None
    )


def state_of(request: RightsRequest, now: int) -> str:
    """P23: how a request stands: its closing's word, or `open`, `due soon`, `overdue`."""
    if request.closing is not None:
        return request.closing.value
    if now >= request.due_at:
        return "overdue"
    return "due soon" if request.due_at - now <= SOON_DAYS * DAY_S else "open"


def requests_say(requests: Iterable[RightsRequest], now: int) -> tuple[bool, str]:
    """P23: whether nobody waits too long, and a sentence without a name."""
    counts = Counter(state_of(one, now) for one in requests if one.closing is None)
    if not counts:
        return True, "nobody waits for an answer"
    told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    return not counts["overdue"], f"{told}: pbx-bridge request list"


def suspended_until(
    requests: Iterable[RightsRequest], recording: RecordingId, gone_from: int | None = None
) -> int | None:
    """P20: the latest end among the requests about `recording`; None when nothing suspends its destruction.

    `gone_from`: since when somebody concerned wants it gone. What was asked after that keeps it no longer.
    """
    about = (one for one in requests if recording in one.recordings)
    before = (one for one in about if gone_from is None or one.opened_at <= gone_from)
    return max(map(keeps_until, before), default=0) or None


def restricted_until(requests: Iterable[RightsRequest], recording: RecordingId) -> int | None:
    """P23 (art. 18): until when `recording` is stored and nothing else; None when it is not restricted."""
    ends = (
        keeps_until(one) for one in requests if one.right is Right.RESTRICTION and recording in one.recordings
    )
    return max(ends, default=0) or None
