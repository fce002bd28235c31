"""What `pbx-bridge doctor` finds about the machine and what lies on it, by a configuration and a keeper of its own."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pbx_bridge.app_doctor import _approvals, _catalogue, _counted, _given, _requests, _tokens, examine_keeper
from pbx_bridge.app_finding import Finding, may_read
from pbx_bridge.app_retention import Count
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.database import FILE
from pbx_bridge.config import Config, load
from pbx_bridge.portal.tokens import DAY_S, Purpose, Tokens
from pbx_bridge.training.plans import Trainee, Trainer
from pbx_bridge.wire_json import canonical, write_fields
from tests.archive.house import config_beside, house, plan_behind
from tests.calls.story import plan
from tests.portal.test_given import certificate, key_of

PACKAGE = Path(__file__).resolve().parents[2]
AGREES = Count(
    at=1_800_000_000,
    recorded=3,
    destroyed=1,
    present=2,
    missing=0,
    risen=0,
    unknown=0,
    files_missing=0,
    files_unknown=0,
)


def test_the_doctor_locks_memory_as_the_bridge_will() -> None:
    """P17: first asks for the right to lock, for a root without it. A process of its own is locked, and tells the limit."""
    program = (
        "import resource\n"
        "resource.setrlimit = lambda *limit: print(limit)\n"
        "from pbx_bridge import app_doctor\n"
        "print(app_doctor._swap())\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=PACKAGE, timeout=60, check=False
    )
    assert said.stdout.splitlines() == [
        str((resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))),
        "Finding(subject='swap', good=True, says='memory is locked')",
    ], said.stderr


def configured(folder: Path) -> Config:
    """A bridge that keeps everything in this folder."""
    site = folder / "site.toml"
    site.write_text(
        f'[bridge]\nstate_dir = "{folder}"\ndemonstration = true\n'
        f'[asterisk]\nami_secret_file = "{folder}/ami"\nari_secret_file = "{folder}/ari"\n'
    )
    return load(site)


def test_what_a_hand_wrote_into_the_catalogue_is_said(tmp_path: Path) -> None:
    """P13: and to look makes no catalogue where there is none."""
    config, ours = configured(tmp_path), plan()
    assert _catalogue(config) == Finding("catalogue", True, "0 plans, 0 trainees")
    assert not config.catalogue.exists()
    catalogue = Catalogue.open(config.catalogue)
    with catalogue.change() as change:
        change.add_application(ours.applications[0])
        change.add_trainer(Trainer(ours.trainer, 60))
        change.add_trainee(Trainee(ours.trainee, ("PJSIP/201",), "Alice", "alice"))
        change.add_plan(ours)
    catalogue.close()
    assert _catalogue(config) == Finding("catalogue", True, "1 plans, 1 trainees")
    with closing(sqlite3.connect(config.catalogue / FILE)) as database, database:
        database.execute("UPDATE plans SET rate = 0.9")
    found = _catalogue(config)
    assert not found.good
    assert found.says.startswith("not used: ")
    assert "P11" in found.says
    (config.catalogue / FILE).write_bytes(b"no database")
    assert not _catalogue(config).good


def test_the_count_is_told_as_it_was_taken(tmp_path: Path) -> None:
    """P20: each thing that does not agree by its name, and nothing that agrees."""
    config = configured(tmp_path)
    assert (_counted(config).good, _counted(config).says[:13]) == (True, "not taken yet")
    kept = tmp_path / "retention" / "count.json"
    kept.parent.mkdir()
    kept.write_bytes(canonical(write_fields(AGREES)))
    assert _counted(config).good
    assert _counted(config).says.startswith("3 recorded - 1 destroyed = 2 present")
    kept.write_bytes(canonical(write_fields(replace(AGREES, missing=4, files_unknown=7))))
    assert not _counted(config).good
    assert _counted(config).says.startswith("4 keys are missing; 7 files belong to no known recording: ")
    kept.write_bytes(b"{")
    assert not _counted(config).good
    assert "cannot be read" in _counted(config).says


async def test_who_waits_is_asked_of_the_keeper(tmp_path: Path) -> None:
    """P22, P23: and where it cannot be asked, that is what is said."""
    async with house(tmp_path) as home:
        config = load(config_beside(home))
        assert (await _requests(config)).good
        assert (await _approvals(config)).says.startswith("nobody can approve")
        assert not config.catalogue.exists()  # to look makes none
        await home.approve(plan_behind("alice", "bruno", 1_800_000_000))  # dora joins for it
        assert (await _approvals(config)).good
        assert (await examine_keeper(config)).good
        home.end_keeper()
        for finding in (await _requests(config), await _approvals(config), await examine_keeper(config)):
            assert not finding.good
            assert "the keeper cannot be asked" in finding.says


async def test_a_token_that_ends_soon_is_named(tmp_path: Path) -> None:
    """P7: payment software whose token has ended announces nothing any more."""
    async with house(tmp_path) as home:
        config = load(config_beside(home))
        assert _tokens(config).good
        Tokens(tmp_path / "tokens").make("watch", Purpose.MONITORING, lasts_s=31 * DAY_S)
        assert _tokens(config).good
        Tokens(tmp_path / "tokens").make("shop", Purpose.PAYMENTS, lasts_s=29 * DAY_S)
        found = _tokens(config)
        assert not found.good
        assert "shop" in found.says
        assert "watch" not in found.says


def test_the_certificate_browsers_get_is_looked_at_as_serve_will(tmp_path: Path) -> None:
    """What is wrong with it, and whether the bridge's own user may read it."""
    config = configured(tmp_path)
    assert _given(config) == []
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    portal = config.portal.model_copy(update={"certificate": cert, "key": key})
    named = {"portal": portal, "stations": config.stations.model_copy(update={"names": ("portal.example",)})}
    config = config.model_copy(update=named)
    (missing,) = _given(config)
    assert (missing.good, "No such file" in missing.says) == (False, True)
    until = datetime.now(UTC) + timedelta(days=90)
    cert.write_bytes(certificate(key_of(key), "portal.example", until=until, issuer="portal"))
    (found,) = _given(config)
    assert found.good, found.says
    somebody = {"bridge": config.bridge.model_copy(update={"user": "nobody"})}
    key.chmod(0o600)
    (closed,) = _given(config.model_copy(update=somebody))
    assert (closed.good, "nobody may not read it" in closed.says) == (False, True)
    for mode, may in ((0o604, True), (0o640, False), (0o600, False)):
        key.chmod(mode)
        assert may_read(key, "nobody") is may, oct(mode)
    assert may_read(key, "no-such-user-here")
