"""The commands as an administrator types them: what they print, their exit codes, and that a slip changes nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.cli import main

CONFIG = """
[bridge]
demonstration = true
state_dir = "{folder}/state"
run_dir = "{folder}"
[asterisk]
ami_secret_file = "/etc/pbx-bridge/ami.secret"
ari_secret_file = "/etc/pbx-bridge/ari.secret"
"""
ORDERS = "application add orders --executable /opt/orders/orders --wm-class Orders"
PLAN = "plan add alice-orders --trainee alice --application orders --need new-in-post --trainer bruno --approver carla"
STARTED_WITHIN_S = 120
"""Three interpreters with all the server's libraries, on a machine that runs every other test too."""
ENROL = ("trainee add alice --endpoint PJSIP/201 --login amartin", "trainer add bruno", ORDERS, PLAN)


class Site:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys
        self._config = folder / "config.toml"
        self._config.write_text(CONFIG.format(folder=folder))

    def does(self, line: str, *more: str, code: int = 0) -> str:
        """Types one line; what it printed."""
        found = main(["--config", str(self._config), *line.split(), *more])
        said = self._capsys.readouterr()
        assert found == code, said.err
        return said.out if code == 0 else said.err

    def takes(self, catalogue: Path) -> None:
        """Everything of another catalogue."""
        shutil.copytree(catalogue, self._folder / "state/catalogue")

    def json(self, line: str, *more: str) -> Any:
        return json.loads(self.does(line, *more, "--json"))

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue.open(self._folder / "state/catalogue", dry_run=True)


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue of a site in which ENROL was typed."""
    folder = tmp_path_factory.mktemp("enrolled")
    (folder / "config.toml").write_text(CONFIG.format(folder=folder))
    for line in ENROL:
        assert main(["--config", str(folder / "config.toml"), *line.split()]) == 0
    return folder / "state/catalogue"


@pytest.fixture
def site(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    return Site(tmp_path, capsys)


def test_from_nothing_to_a_plan_that_waits_for_its_approver(site: Site) -> None:
    for line in ENROL[:-1]:
        assert "added" in site.does(line)
    assert "carla has approved" in site.does(PLAN)
    (plan,) = site.catalogue.plans()
    assert (plan.rate, plan.recordings_per_week, plan.minutes_per_week) == (0.05, 2, 20)
    assert (plan.last_day - plan.first_day).days == 6 * 7 - 1, "P13: six weeks when nothing else is said"
    assert site.json("plan list")[0]["need"] == "new-in-post"
    shown = site.json("plan show alice-orders")
    assert f"digest: {shown['digest']}" in site.does("plan show alice-orders")
    assert shown["text"].startswith('plan: "alice-orders"\n')


def test_who_changes_a_persons_devices_is_told_that_their_plan_waits(
    site: Site, enrolled: Path, tmp_path: Path
) -> None:
    """P13, P22: only who has a plan, and only when something by which they are told apart is different."""
    site.takes(enrolled)
    before = site.json("plan show alice-orders")["digest"]
    assert site.does("trainee change alice --login amartin") == "trainee alice: changed\n"
    assert site.json("plan show alice-orders")["digest"] == before
    assert "their plan waits" in site.does("trainee change alice --endpoint PJSIP/202")
    assert site.json("plan show alice-orders")["digest"] != before
    staff = tmp_path / "staff.csv"
    for device, says in (
        ("PJSIP/202", "0 trainees added, 1 changed\n"),
        ("PJSIP/203", "1 plans of theirs wait"),
    ):
        staff.write_text(f"id,endpoints,login\nalice,{device},amartin\n")
        assert says in site.does("trainee import --update", str(staff))
    site.does("trainee add bea --login bea")
    assert site.does("trainee change bea --login bmartin") == "trainee bea: changed\n"


def test_an_empty_site_lists_nothing_and_makes_no_file(site: Site, tmp_path: Path) -> None:
    for group in ("trainee", "trainer", "application", "capacity", "plan"):
        assert site.json(f"{group} list") == []
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "line",
    [
        "trainee add bea --login bea",
        "trainee change alice --no-endpoints",
        "trainee retire alice",
        "trainer add berta",
        "application change orders --title ^Order",
        "capacity set bruno 60",
        "plan change alice-orders --rate 0.1",
        "plan end alice-orders",
        "plan slot alice-orders --start 2100-01-01T09:00",
    ],
)
def test_a_dry_run_says_so_and_changes_nothing(site: Site, enrolled: Path, line: str) -> None:
    site.takes(enrolled)
    site.does("plan change alice-orders --minutes 60")
    before = site.catalogue.read()
    if "2100" in line:
        assert "does not hold then" in site.does(line, "--dry-run", code=2)
        line = f"plan slot alice-orders --start {before[0].plans[0].last_day}T09:00"
    assert "nothing was changed" in site.does(line, "--dry-run")
    assert site.json(line, "--dry-run")["changed"] is False
    assert site.catalogue.read() == before
    assert site.json(line)["changed"] is True
    assert site.catalogue.read() != before


def test_what_is_not_given_is_kept_and_what_is_empty_is_cleared(site: Site) -> None:
    site.does(
        ORDERS, "--title", "^Order", "--mask", "0,-40,100,40", "--pause-title", "^Pay", "--sha256", "ab" * 32
    )
    site.does("application change orders --wm-class Desk")
    (found,) = site.json("application list")
    assert (found["title"], found["pause_titles"], found["wm_class"]) == ("^Order", ["^Pay"], "Desk")
    assert found["masks"] == [{"x": 0, "y": -40, "width": 100, "height": 40}]
    site.does("application change orders --no-masks --no-pause-titles", "--title", "", "--sha256", "")
    (found,) = site.json("application list")
    assert (found["title"], found["pause_titles"], found["masks"], found["sha256"]) == (None, [], [], None)
    site.does("trainee add alice --endpoint PJSIP/201 --endpoint PJSIP/204 --login a", "--member", "Alice M")
    site.does("trainee change alice --login b")
    assert site.json("trainee list") == [
        {"id": "alice", "endpoints": ["PJSIP/201", "PJSIP/204"], "member": "Alice M", "login": "b"}
    ]


def test_people_come_from_a_spreadsheet_whole_or_not_at_all(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "staff.csv"
    file.write_text("id;endpoints;login\nalice;PJSIP/201;amartin\nbea;PJSIP/202;bea\n")
    assert "2 trainees added, 0 changed, if" in site.does("trainee import", str(file), "--dry-run")
    assert "2 trainees added, 0 changed" in site.does("trainee import", str(file))
    file.write_text("id;endpoints;login\ncora;PJSIP/203;cora\nbea;PJSIP/209;bea\n")
    assert "already" in site.does("trainee import", str(file), code=2)
    assert "1 trainees added, 1 changed" in site.does("trainee import --update", str(file))
    assert [t.endpoints for t in site.catalogue.trainees()] == [
        ("PJSIP/201",),
        ("PJSIP/209",),
        ("PJSIP/203",),
    ]
    site.does("trainee change bea --member Bea")
    site.does("trainee import --update", str(file), code=0)
    assert [t.member for t in site.catalogue.trainees()] == ["", "Bea", ""]
    file.write_text("id;endpoints;login\ndora;PJSIP/203;dora\n")
    assert "same endpoint" in site.does("trainee import", str(file), code=2)
    assert "cannot read" in site.does("trainee import", str(tmp_path / "none.csv"), code=2)
    assert "cannot read" in site.does("trainee import", str(tmp_path), code=2)


SLIPS = [
    ("trainee add alice --login x", "already"),
    ("trainee add ../etc/passwd", "a name is"),
    ("trainee add " + "a" * 5000, "a name is"),
    ("trainee add bea --endpoint PJSIP/201", "same endpoint"),
    ("trainee add bruno", "P22"),
    ("trainee change nobody --login x", "none of this name"),
    ("trainee remove alice", "names it"),
    ("trainer remove bruno", "names it"),
    ("application remove orders", "names it"),
    ("application add sh --executable /bin/bash --wm-class X", "P3"),
    ("application change orders --mask 1,2,3", "P7"),
    ("application change orders --mask 1,2,3,4e9", "P7"),
    ("application change orders --pause-title (", "P7"),
    ("trainer add berta --review-minutes 601", "P15"),
    ("capacity set bruno 601", "P15"),
    ("capacity set nobody 60", "none of this name"),
    ("plan change alice-orders --rate 0.26", "P11"),
    ("plan change alice-orders --rate nan", "P11"),
    ("plan change alice-orders --rate inf", "P11"),
    ("plan change alice-orders --recordings 6", "P15"),
    ("plan change alice-orders --recordings 99999999999999999999", "too large"),
    ("plan change alice-orders --minutes 61", "P15"),
    ("plan change alice-orders --approver bruno", "P13"),
    ("plan change alice-orders --approver alice", "P22"),
    ("plan change alice-orders --last-day 2030-01-01", "P13"),
    ("plan change alice-orders --last-day tomorrow", "is not a day"),
    ("plan change alice-orders --need because", "because"),
    ("plan end alice-orders --on 2020-01-01", "past"),
    ("plan remove alice-orders", "P13"),
    ("plan slot alice-orders --start soon", "is not a time"),
    ("plan slot alice-orders --start 2026-11-24T09:00 --minutes 121", "minutes"),
    ("plan show nothing", "none of this name"),
    ("plan", "Usage"),
    ("nonsense", "nonsense"),
]


@pytest.mark.parametrize(("line", "said"), SLIPS)
def test_a_slip_is_told_and_changes_nothing(site: Site, enrolled: Path, line: str, said: str) -> None:
    site.takes(enrolled)
    before = site.catalogue.read()
    assert said in site.does(line, code=2) or said == "Usage"
    assert site.catalogue.read() == before


def test_bytes_that_are_no_text_are_told(site: Site) -> None:
    site.does("trainer add bruno")
    for line in ("trainee add \udcff", "trainee add bea --login \udcff", "trainer remove \udcff"):
        assert "Correct it" in site.does(line, code=2)


def test_two_commands_at_once_both_hold(site: Site, tmp_path: Path) -> None:
    site.does("trainer add bruno")
    command = [
        sys.executable,
        "-P",
        "-m",
        "pbx_bridge",
        "--config",
        str(tmp_path / "config.toml"),
        "trainee",
        "add",
    ]
    both = [subprocess.Popen([*command, name, "--login", name]) for name in ("alice", "bea", "cora")]
    assert [process.wait(STARTED_WITHIN_S) for process in both] == [0, 0, 0]
    assert [trainee.id for trainee in site.catalogue.trainees()] == ["alice", "bea", "cora"]
