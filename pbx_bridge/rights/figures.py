"""P23, P24: the monthly figures: how many calls had which answer, and never whose.

Pure. It eats the ledger's answers and gives counts per month; the trainee of an answer is used for one thing, to see how
many different persons a month's counts come from, and is not kept. Below FEWEST_PERSONS a month shows no reasons: among
three colleagues "one private call" has a name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
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


@dataclass(frozen=True, slots=True)
class Month:
    """What is kept of one month: counts alone."""

    persons: int = 0
    """How many different trainees had a call; it only decides what is shown."""
    calls: Mapping[str, int] = field(default_factory=dict)
    """"outcome/reason" to how many calls."""
    seconds: float = 0.0
    """Recorded time."""

    def plus(self, other: Month) -> Month:
        """The sum; of the persons, who may be the same ones, the greater number."""
        calls = dict(Counter(self.calls) + Counter(other.calls))
        return Month(max(self.persons, other.persons), calls, round(self.seconds + other.seconds, 3))


@dataclass(frozen=True, slots=True)
class Shown:
    """One month as a report shows it."""

    month: str
    """YYYY-MM."""
    calls: int
    outcomes: Mapping[str, int]
    minutes: float
    reasons: Mapping[str, int] | None
    """None where there are too few persons to show them."""


def day_of(answer: Answer) -> date:
    """The local day on which the answer was written."""
    return date.fromisoformat(answer.at[:10])


def count(answers: Iterable[Answer], *, after: date = date.min, before: date = date.max) -> dict[str, Month]:
    """P24: the counts of each month's calls answered on days in (after, before), without persons."""
    calls: dict[str, Counter[str]] = {}
    seconds: dict[str, float] = {}
    persons: dict[str, set[str]] = {}
    known = {outcome.value for outcome in Outcome}
    for answer in answers:
        if answer.outcome not in known:  # announced, and not answered yet
            continue
        month = answer.at[:7]
        persons.setdefault(month, set()).add(answer.trainee)
        if after < day_of(answer) < before:
            calls.setdefault(month, Counter())[f"{answer.outcome}/{answer.reason}"] += 1
            if answer.outcome == Outcome.RECORDED.value:
                seconds[month] = seconds.get(month, 0.0) + answer.seconds
    return {m: Month(len(persons[m]), dict(c), round(seconds.get(m, 0.0), 3)) for m, c in calls.items()}


def together(one: Mapping[str, Month], other: Mapping[str, Month]) -> dict[str, Month]:
    """The sums of both, month by month, oldest first."""
    months = sorted({*one, *other})
    return {month: one.get(month, Month()).plus(other.get(month, Month())) for month in months}


def shown(name: str, month: Month) -> Shown:
    """P24: what may be told of a month: reasons only when at least FEWEST_PERSONS persons stand behind them."""
    outcomes: Counter[str] = Counter()
    for word, calls in month.calls.items():
        outcomes[word.partition("/")[0]] += calls
    enough = month.persons >= FEWEST_PERSONS
    reasons = dict(sorted(month.calls.items())) if enough else None
    return Shown(
        name, sum(month.calls.values()), dict(sorted(outcomes.items())), round(month.seconds / 60, 1), reasons
    )
