"""The one built file: what stands in the repository is what its pinned sources make, byte by byte."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from pbx_bridge.portal.web.rendering import HERE

SOURCES = HERE / "assets"
INSTALL_WITHIN_S = 300


def test_the_bundle_is_made_of_its_pinned_sources(tmp_path: Path) -> None:
    folder = tmp_path / "assets"
    shutil.copytree(SOURCES, folder)
    (tmp_path / "static").mkdir()
    for command in (["npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit"], ["npm", "run", "build"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=INSTALL_WITHIN_S, check=False)
        assert done.returncode == 0, done.stderr.decode()
    built = (tmp_path / "static" / "age.js").read_bytes()
    assert built == (HERE / "static" / "age.js").read_bytes()
    licences = (HERE / "static" / "age.licences.txt").read_text()
    for package in (folder / "node_modules").glob("@[ns]*/*"):
        assert f"== {package.parent.name}/{package.name} " in licences
    assert "== age-encryption 0.3.1" in licences
