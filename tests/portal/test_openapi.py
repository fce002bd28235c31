"""schemathesis over the document that is served, against the real portal and a real keeper, as everybody there is."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.portal import api, guard
from pbx_bridge.portal.operations import OPERATIONS, Needs
from tests.archive.house import house, manifest
from tests.portal.test_api_routes import PROGRAMS, tokens
from tests.portal.web.test_signing_in import Unlimited
from tests.trainer.test_portal import CONTENT, Site

ROOT = Path(__file__).resolve().parents[2]
ASKED = ("nobody", "alice", "bruno", "dan", "eve", *PROGRAMS)
"""One of each role; who else gets what is test_api_routes' table."""
WHOLE = ("alice", *PROGRAMS)
"""They get furthest: as them every case there is of every field (`coverage`); as the others a few drawn ones."""
AT_ONCE = 2


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    for module in (guard, api):
        monkeypatch.setattr(module, "RateLimit", lambda **_: Unlimited())
    async with house(tmp_path) as home:
        yield Site(home, home.tls.ca_cert.read_text())


async def test_whatever_is_sent_as_whomever_is_answered_as_the_document_says(
    site: Site, tmp_path: Path
) -> None:
    people, places = await tokens(site), asyncio.Semaphore(AT_ONCE)

    async def attack(who: str) -> tuple[int, str]:
        recording = (await site.home.record(CONTENT, manifest())).recording
        config = tmp_path / f"{who}.toml"
        config.write_text(
            f'[parameters]\n"path.recording" = "{recording}"\n[checks]\npositive_data_acceptance.enabled = false\n'
        )
        async with places:
            return await asyncio.to_thread(attacked, site, config, who, people[who])

    found = dict(zip(ASKED, await asyncio.gather(*map(attack, ASKED)), strict=True))
    wrong = {who: said for who, (code, said) in found.items() if code or "Tested" not in said}
    assert not wrong, "\n".join(f"as {who}: {said}" for who, said in wrong.items())


def left_out(who: str) -> list[str]:
    """Operations that are the same for everybody are asked as alice and as nobody; a program's as programs."""
    return [
        one.name
        for one in OPERATIONS
        if (who in PROGRAMS and one.needs is not Needs.TOKEN)
        or (who not in (*PROGRAMS, "nobody") and one.needs is Needs.TOKEN)
        or (who not in ("alice", "nobody") and one.needs is Needs.NOTHING)
    ]


def attacked(site: Site, config: Path, who: str, token: str) -> tuple[int, str]:
    """The exit code, and what it found."""
    line = [
        str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config), "run",
        site.home.url + words.OPENAPI_PATH, "--tls-verify", str(site.home.tls.ca_cert),
        "--phases", "coverage,fuzzing" if who in WHOLE else "fuzzing", "--max-examples", "3",
        "--generation-deterministic", "--no-shrink", "--warnings", "off",
    ]  # fmt: skip
    for name in left_out(who):
        line += ["--exclude-operation-id", name]
    if token:
        line += ["--header", f"Authorization:Bearer {token}"]
    said = subprocess.run(
        line,
        cwd=config.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.portal.openapi_checks"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return said.returncode, said.stdout + said.stderr
