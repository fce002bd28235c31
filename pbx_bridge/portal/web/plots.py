"""Plots as rows of bars: what stands beside each, and how long it is in hundredths of the row. Pure; it knows numbers.

The page writes each bar as a small SVG of the server's own, without a script or a style of its own (the CSP allows
none), and a table beside it says the same in numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from pbx_bridge.rights.figures import OTHER, Shown
from pbx_bridge.wire_office import KeptMonth


@dataclass(frozen=True, slots=True)
class Part:
    kind: str
    """A class of the style sheet."""
    at: float
    width: float
    """Per cent of the row."""


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: str
    """"" where nothing is told."""
    parts: tuple[Part, ...] = ()
    mark: float | None = None
    """Where a limit stands, per cent of the row."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One count of a month."""

    outcome: str
    """OTHER for those that are told together."""
    reason: str
    calls: int


def volume(months: Iterable[Shown], capacity_a_week: int) -> list[Bar]:
    """Minutes recorded in each month; the mark is what could be reviewed in a month of that length, as declared today."""
    months = list(months)
    limits = {one.month: capacity_a_week * _days(one.month) / 7 for one in months}
    most = max((*limits.values(), *(one.minutes or 0 for one in months)), default=0)
    return [
        Bar(
            one.month,
            "" if one.minutes is None else f"{one.minutes:g}",
            () if not one.minutes else (Part("volume", 0, _share(one.minutes, most)),),
            _share(limits[one.month], most) if capacity_a_week else None,
        )
        for one in months
    ]


def kept(months: Iterable[KeptMonth]) -> list[Bar]:
    """Of each month's recordings the share still there, then the share destroyed."""
    found = []
    for one in months:
        parts = (
            Part("present", 0, there := 100.0 - one.destroyed_percent),
            Part("gone", there, 100.0 - there),
        )
        found.append(
            Bar(one.month, f"≈ {one.destroyed_percent} %", tuple(part for part in parts if part.width))
        )
    return found


def cells(month: Shown) -> list[Cell]:
    """What is told of a month, most calls first; those told together last."""
    found = [_cell(word, calls) for word, calls in month.reasons.items()]
    return sorted(found, key=lambda cell: (cell.outcome == OTHER, -cell.calls, cell.outcome, cell.reason))


def reasons(told: Iterable[Cell], labels: Mapping[tuple[str, str], str]) -> list[Bar]:
    """One bar for each; `labels`: what each is called."""
    told = list(told)
    most = max((cell.calls for cell in told), default=0)
    return [
        Bar(
            labels[cell.outcome, cell.reason],
            str(cell.calls),
            (Part("volume" if cell.outcome == "recorded" else "other", 0, _share(cell.calls, most)),),
        )
        for cell in told
    ]


def _cell(word: str, calls: int) -> Cell:
    outcome, _, reason = word.partition("/")
    return Cell(outcome, reason, calls)


def _share(number: float, most: float) -> float:
    """Per cent, to a tenth."""
    return round(100 * number / most, 1) if most else 0.0


def _days(month: str) -> int:
    year, number = map(int, month.split("-"))
    after = (year + number // 12, number % 12 + 1)
    return (date(*after, 1) - date(year, number, 1)).days
