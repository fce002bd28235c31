"""P23, P24: the monthly figures: how many calls had which answer, and never whose.

Pure. It eats the ledger's answers and gives counts per month; the trainee of an answer is used for one thing, to see how
many different persons a count comes from, and is not kept. No count is told that rests on fewer than FEWEST_PERSONS: among
three colleagues "one private call" has a name. Nor can one be found by taking others from their sum: counts of too few
persons are told together with the smallest of those that could stand alone. A month that is not over is not told at all,
because two reports of two days would differ by one person's call. What became of the recordings is told in quarters and
without what a person had destroyed, so that no table taken from another tells how many that was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Final, Protocol

from pbx_bridge.calls.reasons import Outcome

FEWEST_PERSONS: Final = 5
"""From how many persons on a count says nothing about one of them: the usual least cell of official statistics."""


class Answer(Protocol):
    """What a ledger line says (ledger.Line)."""

    @property
    def at(self) -> str: ...
    @property
    def trainee(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def seconds(self) -> float: ...


OTHER: Final = "other"
"""Counts of too few persons, told together."""
ALL: Final = ""
"""Everybody who had a call that month."""


@dataclass(frozen=True, slots=True)
class Month:
    """What is kept of one month: counts alone."""

    persons: Mapping[str, int] = field(default_factory=dict)
    """How many different trainees stand behind ALL, "outcome" and "outcome/reason"; it only decides what is told."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """"outcome/reason" to how many calls."""
    seconds: float = 0.0
    """Recorded time."""

    def plus(self, other: Month) -> Month:
        """The sum; of the persons, who may be the same ones, the greater number."""
        calls = dict(Counter(self.calls) + Counter(other.calls))
        persons = dict(Counter(self.persons) | Counter(other.persons))
        return Month(persons, calls, round(self.seconds + other.seconds, 3))


class Hidden(Enum):
    """Why a month's figures are not told."""

    FEW = "few"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Shown:
    """One month as a report shows it. What is missing in a count, or has none, may stand in OTHER."""

    month: str
    """YYYY-MM."""
    hidden: Hidden | None
    calls: int | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    minutes: float | None = None
    """None where too few persons were recorded."""
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording, as the keeper's books have it."""

    month: str
    """YYYY-MM of its beginning."""
    trainee: str
    """"" where nobody knows any more; all such count as one person."""
    destroyed: str
    """YYYY-MM of its destruction; "" while it is there."""
    by_time: bool = True
    """Destroyed because its time was over; else because of a person: an objection, an erasure, a private call."""


@dataclass(frozen=True, slots=True)
class Kept:
    """P20: how far a month's recordings had come to the end of their time when the last whole month ended."""

    month: str
    percent: int
    """Destroyed: 0 (none, or of too few persons to tell), about 25, 50 or 75, 100 (all, or all but those of too few)."""


QUARTER: Final = 25
"""As coarse as this, because the calls that were recorded stand exactly beside it: a number of those destroyed and of those
there, rounded or not, had a sum, and what that is more than those calls, month after month, was taken back by somebody."""


def day_of(answer: Answer) -> date:
    """The local day on which the answer was written."""
    return date.fromisoformat(answer.at[:10])


def count(answers: Iterable[Answer], *, after: date = date.min, before: date = date.max) -> dict[str, Month]:
    """P24: the counts of each month's calls answered on days in (after, before), without persons."""
    calls: dict[str, Counter[str]] = {}
    seconds: dict[str, float] = {}
    persons: dict[str, dict[str, set[str]]] = {}
    known = {outcome.value for outcome in Outcome}
    for answer in answers:
        if answer.outcome not in known:  # announced, and not answered yet
            continue
        month, cell = answer.at[:7], f"{answer.outcome}/{answer.reason}"
        for what in (ALL, answer.outcome, cell):
            persons.setdefault(month, {}).setdefault(what, set()).add(answer.trainee)
        if after < day_of(answer) < before:
            calls.setdefault(month, Counter())[cell] += 1
            if answer.outcome == Outcome.RECORDED.value:
                seconds[month] = seconds.get(month, 0.0) + answer.seconds
    return {
        month: Month(
            {what: len(who) for what, who in persons[month].items()},
            dict(cells),
            round(seconds.get(month, 0.0), 3),
        )
        for month, cells in calls.items()
    }


def together(one: Mapping[str, Month], other: Mapping[str, Month]) -> dict[str, Month]:
    """The sums of both, month by month, oldest first."""
    months = sorted({*one, *other})
    return {month: one.get(month, Month()).plus(other.get(month, Month())) for month in months}


def merged(cells: Iterable[str], persons: Mapping[str, int]) -> frozenset[str]:
    """P24: which cells of one sum are not told alone: those of fewer than FEWEST_PERSONS persons, and with them the smallest
    other one, so that what is left of the sum rests on enough."""
    cells = set(cells)
    few = {cell for cell in cells if persons.get(cell, 0) < FEWEST_PERSONS}
    if not few:
        return frozenset()
    enough = sorted(cells - few, key=lambda cell: (persons[cell], cell))
    return frozenset(few | set(enough[:1]))


def telling(month: Month) -> Month:
    """P24: the month with every count resting on FEWEST_PERSONS persons at least, and nothing left of the others."""
    everybody = month.persons.get(ALL, 0)
    if everybody < FEWEST_PERSONS:
        return Month({ALL: everybody})
    hides = merged(month.calls, month.persons)
    calls: Counter[str] = Counter()
    for cell, number in month.calls.items():
        calls[OTHER if cell in hides else cell] += number
    recorded = month.persons.get(Outcome.RECORDED.value, 0)
    persons = {ALL: everybody, Outcome.RECORDED.value: recorded} | dict.fromkeys(calls, FEWEST_PERSONS)
    if recorded < FEWEST_PERSONS:
        return Month(persons | {Outcome.RECORDED.value: 0}, dict(calls))
    return Month(persons, dict(calls), month.seconds)


def shown(name: str, month: Month, running: str) -> Shown:
    """P24: what may be told of a month; `running` (YYYY-MM) is the one that is not over."""
    if name >= running:
        return Shown(name, Hidden.RUNNING)
    told = telling(month)
    if not told.calls:
        return Shown(name, Hidden.FEW)
    outcomes: Counter[str] = Counter()
    for cell, calls in told.calls.items():
        outcomes[cell.partition("/")[0]] += calls
    minutes = round(told.seconds / 60, 1) if told.persons[Outcome.RECORDED.value] else None
    reasons = dict(sorted(told.calls.items()))
    return Shown(name, None, outcomes.total(), dict(sorted(outcomes.items())), minutes, reasons)


def retained(recordings: Iterable[Recorded], running: str) -> tuple[Kept, ...]:
    """P20, P24: for each whole month before `running`, from the first with a recording, how much of it had come to the end
    of its time when `running` began. What a person had destroyed before then is in nothing of it."""
    months: dict[str, tuple[list[str], list[str]]] = {}
    for one in recordings:
        if one.month >= running:
            continue
        there, gone = months.setdefault(one.month, ([], []))
        if not one.destroyed or one.destroyed >= running:
            there.append(one.trainee)
        elif one.by_time:
            gone.append(one.trainee)
    if not months:
        return ()
    names = [min(months)]
    while (after := _next(names[-1])) < running:
        names.append(after)
    return tuple(Kept(name, _percent(*months.get(name, ([], [])))) for name in names)


def _percent(there: Sequence[str], gone: Sequence[str]) -> int:
    """P24: to quarters; of fewer than FEWEST_PERSONS persons as if there were none. Whose a destroyed recording was is
    forgotten after a while (P24): each such counts as a person's."""
    if len(set(gone)) + max(gone.count("") - 1, 0) < FEWEST_PERSONS:
        return 0
    if len(set(there)) < FEWEST_PERSONS:
        return 100
    return QUARTER * round(len(gone) / (len(there) + len(gone)) * 100 / QUARTER)


def _next(month: str) -> str:
    year, number = map(int, month.split("-"))
    return f"{year + number // 12:04}-{number % 12 + 1:02}"
