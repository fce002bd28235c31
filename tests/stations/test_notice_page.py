"""P14: what the person is shown is what the workstation obeys, whatever the bridge writes beside it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pbx_bridge import wire
from pbx_bridge.stations import events
from tests.stations.rig import bridge, desk, until
from workstation_client import cli
from workstation_client.notice_page import page

MAIL = wire.ApplicationRule(
    "orders",
    "/usr/bin/python3.11",
    "/opt/mail/main.py",
    "Thunderbird",
    "Inbox|Sent",
    "0123456789abcdef" * 4,
    (wire.Mask(-200, 40, 180, 25),),
    ("^Card payment",),
)
LYING = wire.Notice("fr", "Seule l'application « commandes » (/opt/orders) est filmée.", (MAIL,), 12, 754)


@pytest.fixture(params=["fr_FR.UTF-8", "en_GB.UTF-8"])
def tongue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("LC_ALL", request.param)
    return str(request.param)


RULES = [
    *(
        "orders",
        "/usr/bin/python3.11",
        "/opt/mail/main.py",
        "Thunderbird",
        "Inbox|Sent",
        "0123456789abcdef" * 4,
        "-200, 40, 180 x 25",
        "^Card payment",
    ),
    *(" 12 ", "12 min 34 s"),
]


def test_the_page_shows_every_rule_field(tongue: str) -> None:
    text, rules = page(LYING).split(" :" if tongue.startswith("fr") else "above:", 1)
    assert LYING.text in text
    assert [part for part in RULES if part not in rules] == []
    assert ("programme" in rules) == tongue.startswith("fr")


def test_two_notices_that_differ_in_a_rule_differ_on_the_page(tongue: str) -> None:
    other = wire.ApplicationRule("o", "/o", None, "o", None, None)
    changed = [
        replace(LYING, applications=(replace(MAIL, **{name: getattr(other, name)}),))
        for name in wire.ApplicationRule.__dataclass_fields__
    ]
    changed += [replace(LYING, fps=10), replace(LYING, ceiling_s=600), replace(LYING, applications=())]
    assert len({page(notice) for notice in (LYING, *changed)}) == 1 + len(changed)


async def test_the_commands_print_the_rules_and_not_only_the_bridges_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a terminal and for a script; what is accepted is the notice that was printed, by its own hash."""
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("LC_ALL", "C")

    async def said(*words: str) -> str:
        assert await asyncio.to_thread(cli.main, ["notice", *words]) == 0
        return capsys.readouterr().out

    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk-1", tmp_path / "desk")
        async with desk(identity, tmp_path / "desk", ready=False) as here:
            up = await there.told.wait(events.StationUp)
            there.server.send(up.station, LYING)
            await until(lambda: here.client.agent.offered is not None)
            shown = await said("show")
            assert [part for part in RULES if part not in shown] == []
            told = json.loads(await said("show", "--json"))
            assert told["applications"] == [
                {
                    "name": "orders",
                    "executable": "/usr/bin/python3.11",
                    "main_program": "/opt/mail/main.py",
                    "wm_class": "Thunderbird",
                    "title": "Inbox|Sent",
                    "sha256": "0123456789abcdef" * 4,
                    "masks": [{"x": -200, "y": 40, "width": 180, "height": 25}],
                    "pause_titles": ["^Card payment"],
                }
            ]
            assert (told["fps"], told["ceiling_s"], told["acknowledged"]) == (12, 754, False)
            accepted = await said("accept")
            assert [part for part in RULES if part not in accepted] == []
            assert here.client.agent.acknowledged is not None
            assert here.client.agent.acknowledged.notice == LYING
            assert json.loads(await said("accept", "--json"))["notice_hash"] == wire.notice_hash(LYING)
