"""Six answers make a site with the strict defaults, and a slip in one of them makes nothing."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pbx_bridge.app_child import keeper_running
from pbx_bridge.app_folders import readable_by_all
from pbx_bridge.app_init import ANSWER_LIMIT, Answers, PbxKind, read_answers, ready
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.cli import main
from pbx_bridge.cli_init import QUESTIONS
from pbx_bridge.config import load, read_secret
from pbx_bridge.errors import OperatorError
from pbx_bridge.training.plans import Trainee
from pbx_bridge.wire_portal import KeeperUnreachable

GOOD = Answers(
    "pbx.example",
    'Example "SA", 1 rue Exemple; privacy@example.fr',
    "DPIA-2026-04, Paris, 2026-03-03",
    "consulted, minutes of 3 March 2026",
    "bruno, carla",
    "alice PJSIP/201 amartin",
)
STATE, RUN = Path("/var/lib/pbx-bridge"), Path("/run/pbx-bridge")


def test_six_questions_and_no_more() -> None:
    assert len(QUESTIONS) == 6
    assert [name for name, _ in QUESTIONS] == list(Answers.__slots__)


def test_good_answers_take_the_strict_defaults(tmp_path: Path) -> None:
    site = read_answers(GOOD, tmp_path, STATE, RUN, "fr")
    config = site.config
    assert not config.bridge.demonstration, "there is no relaxed mode"
    assert config.compliance is not None
    assert (config.compliance.impact_assessment, str(config.compliance.dated)) == (
        "DPIA-2026-04, Paris",
        "2026-03-03",
    )
    assert config.controller is not None
    assert (config.controller.name, config.controller.contact) == (
        'Example "SA", 1 rue Exemple',
        "privacy@example.fr",
    )
    assert (config.recording.retention_days, config.recording.trainee_first_hours) == (30, 24)
    assert config.pbx.foreign_recorders == "refuse"
    assert config.stations.names == ("pbx.example", "localhost", "127.0.0.1")
    assert (site.trainer, site.approver, site.trainee) == (
        "bruno",
        "carla",
        Trainee("alice", ("PJSIP/201",), "", "amartin"),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ({"host": ""}, "--host"),
        ({"host": "pbx example"}, "--host"),
        ({"host": "https://pbx.example"}, "--host"),
        ({"host": "x" * 254}, "--host"),
        ({"controller": "Example SA"}, "--controller"),
        ({"controller": "; privacy@example.fr"}, "--controller"),
        ({"controller": "Example SA;"}, "--controller"),
        ({"controller": 'Example\n[bridge]"; x'}, "--controller"),
        ({"controller": f"{'x' * ANSWER_LIMIT}; x"}, "--controller"),
        ({"controller": f"{'x' * 250}; x"}, "controller.name"),
        ({"assessment": "DPIA-2026-04"}, "--assessment"),
        ({"assessment": "DPIA, soon"}, "--assessment"),
        ({"assessment": ", 2026-03-03"}, "impact_assessment"),
        ({"works_council": ""}, "--works-council"),
        ({"people": "bruno"}, "--people"),
        ({"people": "bruno bruno"}, "P22"),
        ({"people": "bruno carla dora"}, "P22"),
        ({"people": "bruno ../carla"}, "--people"),
        ({"trainee": "alice"}, "--trainee"),
        ({"trainee": "alice 201 amartin"}, "endpoint"),
        ({"trainee": "bruno PJSIP/201 bruno"}, "P22"),
        ({"trainee": "carla PJSIP/201 carla"}, "P22"),
        ({"trainee": "../a PJSIP/201 bruno"}, "a name is"),
    ],
)
def test_a_slip_is_told(tmp_path: Path, slip: dict[str, str], said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        read_answers(replace(GOOD, **slip), tmp_path, STATE, RUN, "fr")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that the keeper's user may pass, too."""
    with tempfile.TemporaryDirectory(prefix="pbxb-init-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


def words(folder: Path) -> list[str]:
    at = ["--state-dir", str(folder / "state"), "--run-dir", str(folder / "run")]
    return ["--config", str(folder / "config.toml"), "init", *at]


def test_a_site_is_made_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [getattr(GOOD, name) for name, _ in QUESTIONS]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(typed) + "\n"))
    assert main(words(folder)) == 0
    said = capsys.readouterr()
    assert said.err.count(": ") >= len(QUESTIONS)
    assert len(re.findall(r"pbx-bridge join https://pbx\.example:7444 --code \S+", said.out)) == 2
    assert re.search(r"workstation-client enrol wss://pbx\.example:7443 --code \S+", said.out)
    config = load(folder / "config.toml")
    assert config.asterisk is not None
    for file in (config.asterisk.ami_secret_file, config.asterisk.ari_secret_file):
        assert read_secret(file) not in said.out + said.err + (folder / "config.toml").read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    catalogue = Catalogue.open(config.catalogue)
    assert [trainee.id for trainee in catalogue.trainees()] == ["alice"]
    assert [trainer.id for trainer in catalogue.trainers()] == ["bruno"]
    assert catalogue.plans() == ()
    before = (folder / "config.toml").read_bytes()
    options = [f"--{name.replace('_', '-')}={text}" for (name, _), text in zip(QUESTIONS, typed, strict=True)]
    assert main([*words(folder), *options]) == 2
    assert "already" in capsys.readouterr().err
    assert (folder / "config.toml").read_bytes() == before


def test_no_answer_makes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("pbx.example\n"))
    assert main(words(folder)) == 2
    assert "--controller" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_a_dry_run_prints_what_would_be_configured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"--{name.replace('_', '-')}={getattr(GOOD, name)}" for name, _ in QUESTIONS]
    assert main([*words(folder), *options, "--dry-run"]) == 0
    (folder / "config.toml").write_text(capsys.readouterr().out)
    assert load(folder / "config.toml").stations.names[0] == "pbx.example"
    assert [file.name for file in folder.iterdir()] == ["config.toml"]
    (folder / "config.toml").unlink()
    assert main([*words(folder), *options, "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"config", "trainer", "approver", "station"}


def test_a_site_with_freeswitch_has_its_section_and_one_password(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = replace(GOOD, trainee="alice user/201@pbx.example amartin")
    options = [f"--{name.replace('_', '-')}={getattr(answers, name)}" for name, _ in QUESTIONS]
    assert main([*words(folder), *options, "--pbx", "freeswitch"]) == 0
    said = capsys.readouterr().out
    assert "dialplan/freeswitch" in said
    assert "Asterisk" not in said
    config = load(folder / "config.toml")
    assert config.asterisk is None
    assert config.freeswitch is not None
    assert config.freeswitch.pipe_dir == folder / "run/pipes"
    assert read_secret(config.freeswitch.esl_secret_file) not in said
    assert [file.name for file in folder.glob("*.secret")] == ["esl.secret"]
    assert read_answers(GOOD, folder, STATE, RUN, "fr").config.freeswitch is None


def test_the_pbx_that_is_installed_is_taken(tmp_path: Path) -> None:
    assert PbxKind.here(tmp_path) is PbxKind.ASTERISK
    (tmp_path / "freeswitch").mkdir()
    assert PbxKind.here(tmp_path) is PbxKind.FREESWITCH
    (tmp_path / "asterisk").mkdir()
    assert PbxKind.here(tmp_path) is PbxKind.ASTERISK


async def test_a_keeper_that_ends_at_once_is_said_at_once(tmp_path: Path) -> None:
    """And not after the minutes a busy keeper may take. The control: one that lives and does not answer is waited for."""
    gone = subprocess.Popen("false")  # noqa: ASYNC220 - nobody asks yet how it ended, so that its id stays its own
    async with asyncio.timeout(20):
        with pytest.raises(KeeperUnreachable, match="as soon as it was started"):
            await ready(KeeperLink(tmp_path / "keeper.sock"), gone.pid)
    gone.wait()
    living = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        with pytest.raises(KeeperUnreachable, match="did not start within"):
            await ready(KeeperLink(tmp_path / "keeper.sock"), living.pid, within_s=0.1)
    finally:
        living.kill()
        await living.wait()


def test_the_keeper_is_this_program_wherever_root_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A folder of somebody else's, with a program of the same name in it, as `/tmp` may be."""
    (tmp_path / "pbx_bridge").mkdir()
    (tmp_path / "pbx_bridge/__init__.py").touch()
    (tmp_path / "pbx_bridge/__main__.py").write_text("print('theirs')\n")
    monkeypatch.chdir(tmp_path)
    with keeper_running(tmp_path / "none.toml") as keeper:
        os.waitid(os.P_PID, keeper, os.WEXITED | os.WNOWAIT)
    said = capfd.readouterr()
    assert "none.toml" in said.err, "the control: this program did run"
    assert "theirs" not in said.out


@pytest.mark.parametrize("hidden", ["", "lib", "lib/os.py"])
def test_a_python_the_bridges_users_cannot_read_is_said_before_anything_runs(hidden: str) -> None:
    """As pyenv's below /root; modules that are loaded later would be missing then."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        file = Path(folder, "lib/os.py")
        file.parent.mkdir(mode=0o755)
        file.touch(0o644)
        readable_by_all(file)
        Path(folder, hidden).chmod(0o600)
        with pytest.raises(OperatorError, match=re.escape(str(Path(folder, hidden)))):
            readable_by_all(file)
