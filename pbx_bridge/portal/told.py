"""The monthly report in the words of the API."""

from __future__ import annotations

from collections.abc import Mapping

from pbx_bridge.portal.reporting import Monthly
from pbx_bridge.rights.figures import Shown
from pbx_bridge.wire_report import Counted, MonthTold, ReportTold


def report_words(found: Monthly) -> ReportTold:
    """What the page tells, and nothing it does not."""
    report = found.report
    months = tuple(map(_month, report.figures))
    return ReportTold(report.made_on, report.capacity_minutes, months, found.retained.months)


def _month(month: Shown) -> MonthTold:
    return MonthTold(
        month.month,
        month.hidden.value if month.hidden else "",
        month.calls,
        None if month.minutes is None else round(month.minutes),
        _counts(month.outcomes),
        _counts(month.reasons),
    )


def _counts(counts: Mapping[str, int]) -> tuple[Counted, ...]:
    return tuple(Counted(what, calls) for what, calls in counts.items())
