"""A figure of the benchmark and the table it stands in: median, 95th percentile, number of values, the aim."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """Values of one measurement, all in `unit`."""

    what: str
    unit: str
    values: list[float]
    aim: str


def p95(values: list[float]) -> float:
    """The value that 95 of 100 do not pass; the largest of fewer than twenty."""
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.95))]


def table(title: str, figures: Iterable[Figure]) -> str:
    """Readable columns, one line per figure."""
    rows: list[tuple[str, ...]] = [("", "median", "p95", "max", "n", "aim")]
    for figure in figures:
        if not figure.values:
            rows.append((figure.what, "-", "-", "-", "0", figure.aim))
            continue
        median, high, most = statistics.median(figure.values), p95(figure.values), max(figure.values)
        shown = (f"{value:.1f} {figure.unit}" for value in (median, high, most))
        rows.append((figure.what, *shown, str(len(figure.values)), figure.aim))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([title, "", *(line.rstrip() for line in lines)])
