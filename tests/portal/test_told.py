"""The report a program reads: the page's figures, and nothing where too few persons stand behind one."""

from __future__ import annotations

from pbx_bridge.portal.reporting import Monthly
from pbx_bridge.portal.told import report_words
from pbx_bridge.rights.figures import Hidden, Shown
from pbx_bridge.rights.record import Report
from pbx_bridge.wire_json import read_fields, write_fields
from pbx_bridge.wire_office import KeptMonth, Retained
from pbx_bridge.wire_report import Counted, MonthTold, ReportTold

FIGURES = (
    Shown("2026-09", Hidden.FEW),
    Shown("2026-10", None, 120, {"recorded": 9, "not-recorded": 111}, 41.6, {"not-recorded/no-talk": 100}),
    Shown("2026-11", Hidden.RUNNING),
)


def test_the_figures_are_told_as_they_are() -> None:
    kept = Retained((KeptMonth("2026-10", 25),))
    told = report_words(Monthly(Report("en", "2026-11-30", (), (), FIGURES, (), 240), kept))
    assert told == ReportTold(
        "2026-11-30",
        240,
        (
            MonthTold("2026-09", "few", None, None, (), ()),
            MonthTold(
                "2026-10",
                "",
                120,
                42,
                (Counted("recorded", 9), Counted("not-recorded", 111)),
                (Counted("not-recorded/no-talk", 100),),
            ),
            MonthTold("2026-11", "running", None, None, (), ()),
        ),
        kept.months,
    )
    assert read_fields(ReportTold, write_fields(told)) == told
