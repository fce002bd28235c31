"""`pbx-bridge token`, and what the programs then get from the portal: the whole way, with a real keeper."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pbx_bridge import wire_program as program
from pbx_bridge.access.checkpoint import is_true_note, parse_notes, parse_verifier_key
from pbx_bridge.cli_server import run
from pbx_bridge.errors import OperatorError
from pbx_bridge.portal.rights import Behind
from pbx_bridge.portal.tokens import Purpose
from pbx_bridge.wire_json import read_fields, read_object
from tests.access.logs import records_of
from tests.archive.house import config_beside, house
from tests.trainer.test_portal import Site as Portal
from tests.trainer.test_portal import word


@dataclass
class Site:
    portal: Portal
    config: Path
    frozen: set[str]

    async def say(self, *words: str) -> None:
        """One command of the administrator."""
        line = ["--config", str(self.config), "token", *words]
        assert await asyncio.to_thread(run, line) == 0

    async def refused(self, *words: str) -> str:
        with pytest.raises(OperatorError) as no:
            await self.say(*words)
        return str(no.value)

    def audited(self) -> list[tuple[str, str, str, str]]:
        found = records_of(self.portal.home.folder / "keeper")
        return [
            (one["who"], one["act"], one["reason"], one["subject"]) for one in found if "token" in one["act"]
        ]

    async def get(self, path: str, token: str) -> tuple[int, bytes]:
        status, _, content = await self.portal.raw("GET", path, headers={"Authorization": f"Bearer {token}"})
        return status, content


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    frozen: set[str] = set()
    async with house(tmp_path, Behind(frozen=lambda: frozen)) as home:
        yield Site(Portal(home, home.tls.ca_cert.read_text()), config_beside(home), frozen)


async def test_a_token_is_made_and_noted_used_listed_and_ended(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await site.say("add", "second-place", "--for", "audit-copy", "--days", "30", "--json")
    made = json.loads(capsys.readouterr().out)
    token = made.pop("token")
    assert made == {
        "name": "second-place",
        "for": "audit-copy",
        "scopes": ["checkpoint"],
        "made_at": made["made_at"],
        "ends_at": made["made_at"] + 30 * 86_400,
        "ended": False,
    }
    assert site.audited() == [("(administrator)", "token-add", "audit-copy", "second-place")]

    status, content = await site.get(program.CHECKPOINT_PATH, token)
    assert status == 200
    shown = read_fields(program.AuditCheckpoint, read_object(content))
    (note,) = parse_notes(shown.checkpoint)
    assert is_true_note(parse_verifier_key(shown.key), note)
    assert note.number == len(list(records_of(site.portal.home.folder / "keeper")))

    await site.say("list", "--json")
    assert json.loads(capsys.readouterr().out) == [made]
    await site.say("list")
    assert token not in capsys.readouterr().out
    await site.say("remove", "second-place")
    status, content = await site.get(program.CHECKPOINT_PATH, token)
    assert (status, word(content)) == (401, "token")
    assert site.audited()[1:] == [("(administrator)", "token-remove", "audit-copy", "second-place")]


async def test_monitoring_is_told_what_stands_in_the_way_and_no_count(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await site.say("add", "watch", "--for", "monitoring", "--json")
    token = json.loads(capsys.readouterr().out)["token"]

    async def health() -> object:
        status, content = await site.get(program.HEALTH_PATH, token)
        assert status == 200
        return json.loads(content)

    well = {"keeper": True, "pbx": True, "clock": True, "audit": True, "nothing_recorded": []}
    assert await health() == well
    site.frozen |= {"link-lost"}
    assert await health() == well | {"pbx": False, "nothing_recorded": ["link-lost"]}
    site.frozen.clear()
    site.frozen |= {"clock", "audit"}
    doubt = well | {"clock": False, "nothing_recorded": ["audit", "clock"]}
    assert await health() == doubt
    site.portal.home.end_keeper()
    assert await health() == doubt | {"keeper": False, "audit": False}


def test_a_word_that_is_none_is_answered_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    """By the command line's own reader, and in no library's words."""
    assert run(["token", "add", "shop", "--for", "everything"]) == 2
    said = capsys.readouterr().err
    assert "'everything' is not one of 'payments', 'monitoring', 'audit-copy'" in said
    assert "Value error" not in said


async def test_while_the_log_cannot_be_told_no_token_is_made_and_one_can_still_be_ended(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    await site.say("add", "shop", "--for", "payments", "--scope", "payment-begin")
    assert "shown only now" in capsys.readouterr().out
    site.portal.home.end_keeper()
    assert "keeper" in await site.refused("add", "other", "--for", "monitoring")
    assert [held.name for held in site.portal.home.tokens.all()] == ["shop"]
    assert "the audit log was not told" in await site.refused("remove", "shop")
    assert site.portal.home.tokens.all() == []


async def test_what_cannot_be_made_is_not_noted(site: Site) -> None:
    assert "has no scope" in await site.refused("add", "x", "--for", "monitoring", "--scope", "checkpoint")
    assert "lives 1 to 400" in await site.refused("add", "x", "--for", "audit-copy", "--days", "401")
    assert "no such token" in await site.refused("remove", "x")
    assert site.audited() == []


async def test_a_token_is_slowed_and_who_guesses_is_slowed_sooner(site: Site) -> None:
    token = site.portal.home.tokens.make("watch", Purpose.MONITORING)
    guesses = [(await site.get(program.HEALTH_PATH, f"{number:064x}"))[0] for number in range(25)]
    assert guesses[:20] == [401] * 20
    assert guesses[-1] == 429
    assert (await site.get(program.HEALTH_PATH, token))[0] == 200
    uses = [(await site.get(program.HEALTH_PATH, token))[0] for _ in range(3)]
    assert uses == [200] * 3
