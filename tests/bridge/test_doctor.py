"""What `pbx-bridge doctor` finds about the machine and what lies on it, by a configuration and a keeper of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from pbx_bridge.app_doctor import _approvals, _counted, _requests
from pbx_bridge.app_retention import Count
from pbx_bridge.config import load
from pbx_bridge.wire_json import canonical, write_fields
from tests.archive.house import config_beside, house, plan_behind

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


def test_the_count_is_told_as_it_was_taken(tmp_path: Path) -> None:
    """P20: each thing that does not agree by its name, and nothing that agrees."""
    site = tmp_path / "site.toml"
    site.write_text(
        f'[bridge]\nstate_dir = "{tmp_path}"\ndemonstration = true\n'
        f'[asterisk]\nami_secret_file = "{tmp_path}/ami"\nari_secret_file = "{tmp_path}/ari"\n'
    )
    config = load(site)
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
        await home.approve(plan_behind("alice", "bruno", 1_800_000_000))  # dora joins for it
        assert (await _approvals(config)).good
        home.end_keeper()
        for finding in (await _requests(config), await _approvals(config)):
            assert not finding.good
            assert "the keeper cannot be asked" in finding.says
