"""P23: the report is made from the live configuration and ledger, in both languages, and no person is in it."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.cli import main
from pbx_bridge.ids import RecordingId, TraineeId
from pbx_bridge.ledger import Ledger
from pbx_bridge.rights.words import ASSESSMENT, PHRASES, RECORD, TITLES
from pbx_bridge.training.plans import Application, Need, Plan, Trainee, Trainer

SITE = """
[bridge]
state_dir = "{state}"
language = "fr"
[compliance]
impact_assessment = "DPIA-2026-04"
works_council = "consulted, minutes of 3 March 2026"
dated = 2026-03-03
[controller]
name = "Example <SA>"
contact = "privacy@example.fr"
data_protection_officer = "dpo@example.fr"
[asterisk]
ami_secret_file = "/etc/pbx-bridge/ami.secret"
ari_secret_file = "/etc/pbx-bridge/ari.secret"
[recording]
retention_days = 21
opt_out_months = 7
payment_pause_s = 90
"""
RECORDING = RecordingId("z" * 26)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site whose plan holds today, with a recorded and a private call."""
    today = datetime.now().astimezone().date()
    orders = Application("orders", "/opt/orders/orders", None, "Orderdesk")
    trainee = Trainee(TraineeId("zz-trainee"), ("PJSIP/zz-device",), "Zz Member", "zz-login")
    catalogue = Catalogue.open(tmp_path / "state" / "catalogue")
    with catalogue.change() as change:
        change.add_application(orders)
        change.add_trainee(trainee)
        change.add_trainer(Trainer("zz-trainer", 55))
        change.add_plan(
            Plan(
                "zz-plan", trainee.id, (orders,), Need.NEW_IN_POST, "zz-trainer", "zz-approver",
                today - timedelta(days=3), today + timedelta(days=3), 0.05, 2, 20,
            )
        )  # fmt: skip
    catalogue.close()
    path = tmp_path / "config.toml"
    path.write_text(SITE.format(state=tmp_path / "state"))
    ledger = Ledger(tmp_path / "state" / "ledger")
    who = TraineeId("zz-trainee")
    ledger.write(
        "zz-call", who, Outcome.RECORDED, Reason.HUNG_UP, recording=RECORDING, seconds=90, plan="zz-plan"
    )
    ledger.write("zz-other", who, Outcome.NOT_RECORDED, Reason.PRIVATE)
    return path


def reported(site: Path, to: Path, *more: str) -> tuple[str, dict[str, Any]]:
    assert main(["--config", str(site), "report", "--to", str(to), *more]) == 0
    html = (to / "pbx-bridge-report.html").read_text()
    return html, json.loads((to / "pbx-bridge-report.json").read_text())


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_report_says_what_is_configured_and_names_nobody(
    site: Path, tmp_path: Path, language: str
) -> None:
    html, whole = reported(site, tmp_path, "--language", language)
    text = html + json.dumps(whole)
    for known in (
        "privacy@example.fr",
        "dpo@example.fr",
        "DPIA-2026-04",
        "orders",
        "Orderdesk",
        "21 ",
        "7 m",
        "90 s",
        "55 min",
    ):
        assert known in text
    assert "zz-trainee" in str(Catalogue.open(tmp_path / "state" / "catalogue").trainees())
    assert not re.search("zz-|zzz|Zz Member|private", text)
    assert (tmp_path / "pbx-bridge-report.json").stat().st_mode & 0o077 == 0
    (month,) = whole["figures"]
    assert month["hidden"] == "running"
    assert (month["calls"], month["outcomes"], month["minutes"], month["reasons"]) == (None, {}, None, {})


MONTHS = {
    "2025-08": {"persons": {"": 3}, "calls": {}, "seconds": 0.0},
    "2025-09": {
        "persons": {
            "": 9,
            "recorded": 6,
            "recorded/hung-up": 6,
            "not-recorded/not-drawn": 9,
            "not-recorded/private": 1,
        },
        "calls": {"recorded/hung-up": 61, "not-recorded/not-drawn": 713, "not-recorded/private": 1},
        "seconds": 3678.0,
    },
}


def test_a_month_that_is_over_is_told_without_counts_of_few_persons(site: Path, tmp_path: Path) -> None:
    kept = {"through": "2025-10-01", "months": MONTHS}
    (tmp_path / "state" / "ledger" / "months.json").write_text(json.dumps(kept))
    html, whole = reported(site, tmp_path / "not there yet" / "nor this", "--language", "en")
    few, september, running = whole["figures"]
    assert (few["hidden"], few["calls"], running["hidden"]) == ("few", None, "running")
    assert september == {
        "month": "2025-09", "hidden": None, "calls": 775, "outcomes": {"not-recorded": 713, "other": 62},
        "minutes": 61.3, "reasons": {"not-recorded/not-drawn": 713, "other": 62},
    }  # fmt: skip
    table = html[html.index("Monthly figures") :]
    assert re.findall("<td[^>]*>([^<]*)</td>", table)[1:7] == ["775", "–", "713", "–", "62", "61.3"]
    assert "not-drawn: 713" in table
    assert "Fewer than 5 persons that month" in table
    assert "This month is not over" in table
    assert not re.search("private|>1<|>61<", table)


def test_the_page_is_whole_and_fetches_nothing(site: Path, tmp_path: Path) -> None:
    html, _ = reported(site, tmp_path)
    opened: list[str] = []

    class Checks(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "img", "link", "iframe", "object")
            assert not {"src", "href"} & {name for name, _ in attrs}
            if tag not in ("meta",):
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Checks().feed(html)
    assert opened == []
    assert "Example &lt;SA&gt;" in html


def test_what_the_controller_has_not_said_is_asked_for(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = site.read_text()
    begin = text.index("[controller]")
    site.write_text(text[:begin] + text[text.index("[asterisk]") :])
    assert main(["--config", str(site), "report", "--json"]) == 1
    told = capsys.readouterr()
    assert "[controller]" in told.err
    assert json.loads(told.out)["missing"]
    assert list(tmp_path.glob("pbx-bridge-report*")) == []


def test_another_language_is_refused(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", str(site), "report", "--language", "de"]) == 2
    assert "fr or en" in capsys.readouterr().err


def test_both_languages_say_the_same_things() -> None:
    for words in (TITLES, PHRASES, RECORD, ASSESSMENT):
        assert list(words["fr"]) == list(words["en"])
    for labels in (RECORD, ASSESSMENT):
        for key, (_, text) in labels["fr"].items():
            assert sorted(re.findall(r"{\w+}", text)) == sorted(re.findall(r"{\w+}", labels["en"][key][1]))
