"""The report as pages: a month's figures with plots, and the record of processing with the assessment's inputs (P23, P24).

No person stands in it: what a number rests on is decided in rights/figures.py and at the keeper. Who may read it, the
keeper says.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from starlette.responses import Response
from starlette.routing import Route

from pbx_bridge.portal.reporting import Monthly, Reporting
from pbx_bridge.portal.web import plots
from pbx_bridge.portal.web.asked import Asked, Door
from pbx_bridge.portal.web.rendering import HEADERS
from pbx_bridge.portal.web.sentences import FIGURES, N_, OUTCOMES, REASONS, word
from pbx_bridge.rights.figures import FEWEST_PERSONS, OTHER, Hidden, Shown
from pbx_bridge.rights.page import page as as_one_page

MONTHS: Final = 12
"""So many stand in the plot of volume."""
ORDER: Final = ("recorded", "not-recorded", "discarded", OTHER)
TOGETHER: Final = N_("told together: too few persons each")
DESTROYED: Final = {
    0: N_("none, or of too few persons to tell"),
    25: N_("about a quarter"),
    50: N_("about half"),
    75: N_("about three quarters"),
    100: N_("all, or all but those of too few persons"),
}


class ReportPages:
    def __init__(self, door: Door, reporting: Reporting) -> None:
        self._door, self._reporting = door, reporting

    def routes(self) -> list[Route]:
        route = self._door.route
        return [
            route("/report", self._figures),
            route("/report/record", self._record),
            route("/report/file", self._file),
        ]

    async def _figures(self, asked: Asked) -> Response:
        found = await self._monthly(asked)
        known = {one.month: one for one in found.report.figures}
        told = [one for one in known.values() if one.hidden is not Hidden.RUNNING]
        last = told[-1] if told else None
        chosen = known.get(asked.request.query_params.get("month", ""), last)
        cells = plots.cells(chosen) if chosen is not None else []
        labels = {(cell.outcome, cell.reason): _label(cell, asked) for cell in cells}
        recent = told[-MONTHS:]
        return asked.page(
            "report.html",
            report=found.report,
            months=[one.month for one in reversed(told)],
            chosen=chosen,
            hidden=chosen.hidden.value if chosen is not None and chosen.hidden else "",
            outcomes=_outcomes(chosen, asked),
            recent=recent,
            volume=plots.volume(recent, found.report.capacity_minutes),
            cells=[(cell, labels[cell.outcome, cell.reason]) for cell in cells],
            reasons=plots.reasons(cells, labels),
            retained=[(one, asked.say(DESTROYED[one.destroyed_percent])) for one in found.retained.months],
            kept=plots.kept(found.retained.months),
            fewest=FEWEST_PERSONS,
        )

    async def _record(self, asked: Asked) -> Response:
        return asked.page("report_record.html", report=(await self._monthly(asked)).report)

    async def _file(self, asked: Asked) -> Response:
        """The page that `pbx-bridge report` writes, to keep or to print."""
        text = as_one_page((await self._monthly(asked)).report)
        name = f"pbx-bridge-report-{datetime.now().astimezone():%Y-%m-%d}.html"
        headers = HEADERS | {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(text, headers=headers, media_type="text/html")

    async def _monthly(self, asked: Asked) -> Monthly:
        return await self._reporting.monthly(asked.visit, asked.language)


def _label(cell: plots.Cell, asked: Asked) -> str:
    if cell.outcome == OTHER:
        return asked.say(TOGETHER)
    reason = word(REASONS | FIGURES, cell.reason, asked.say)
    return f"{word(OUTCOMES, cell.outcome, asked.say)}: {reason}"


def _outcomes(month: Shown | None, asked: Asked) -> list[tuple[str, int]]:
    if month is None or month.hidden is not None:
        return []
    return [
        (asked.say(TOGETHER) if outcome == OTHER else word(OUTCOMES, outcome, asked.say), calls)
        for outcome, calls in sorted(month.outcomes.items(), key=lambda pair: ORDER.index(pair[0]))
    ]
