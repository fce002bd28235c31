"""P14, P19: what a trainee reads, agrees to or declines in their own terminal, against a real client and bridge."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pbx_bridge import wire
from pbx_bridge.ids import StationId, new_recording_id
from pbx_bridge.stations import events
from pbx_bridge.wire_access import AccessLine
from pbx_bridge.wire_json import write_fields
from tests.stations.rig import NOTICE, Bridge, Desk, bridge, desk, until
from workstation_client import cli

RECORDING = new_recording_id()
AT = 1_790_000_000
OPENED = AccessLine(12, AT, "bruno", "open", "granted", "", RECORDING, "T-4", "")
REFUSED = AccessLine(9, AT - 60, "carla", "open", "refused", "role", RECORDING, "", "dora")
LATER = replace(NOTICE, fps=12)
_LOGGED = re.compile(r"^[-\d]{10} [:\d]{8} \[.*\n", re.MULTILINE)
"""The bridge's own lines, of the same process here."""


@dataclass
class Terminal:
    """One person's terminal: the commands, and what they printed."""

    there: Bridge
    here: Desk
    station: StationId
    capsys: pytest.CaptureFixture[str]

    async def said(self, *words: str, code: int = 0) -> str:
        assert await asyncio.to_thread(cli.main, list(words)) == code
        out, err = self.capsys.readouterr()
        return _LOGGED.sub("", out) or err

    async def accesses(self, answer: wire.AccessesList, *words: str, code: int = 0, before: int = 0) -> str:
        count = len(self.there.told.of(events.AccessesAsked)) + 1
        typed = asyncio.create_task(self.said("accesses", *words, code=code))
        asked = await self.there.told.wait(events.AccessesAsked, count)
        assert asked.before == before
        assert self.there.server.send(self.station, replace(answer, request=asked.request))
        return await typed

    async def offered(self, text: wire.Notice) -> None:
        assert self.there.server.send(self.station, text)
        await until(lambda: self.here.client.agent.offered == text)

    def acknowledged(self) -> wire.Notice | None:
        known = self.here.client.agent.acknowledged
        return known.notice if known else None


@asynccontextmanager
async def terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, ready: bool = False
) -> AsyncIterator[Terminal]:
    (folder / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
    monkeypatch.setenv("LC_ALL", "C")
    async with bridge(folder / "bridge") as there:
        identity = await there.enrol("desk-1", folder / "desk")
        async with desk(identity, folder / "desk", ready=ready) as here:
            up = await there.told.wait(events.StationUp)
            yield Terminal(there, here, up.station, capsys)


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> list[str]:
    """A person sits there and types these; what they are asked is in the list."""
    asked: list[str] = []
    waiting = list(lines)

    def answer(question: str) -> str:
        asked.append(question)
        return waiting.pop(0)

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    return asked


async def test_a_person_who_says_no_has_acknowledged_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with terminal(tmp_path, monkeypatch, capsys) as here:
        await here.offered(NOTICE)
        asked = typed(monkeypatch, "n", "", "  YES ")
        for _ in range(2):
            printed = await here.said("notice", "accept", code=1)
            assert NOTICE.text in printed
            assert "nothing is recorded" in printed
            assert here.acknowledged() is None
        assert NOTICE.text in await here.said("notice", "accept")
        assert here.acknowledged() == NOTICE
        assert len(asked) == 3
        assert "acknowledged" in await here.said("notice", "accept"), "known already: nothing is asked"
        assert len(asked) == 3


async def test_reading_is_not_agreeing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with terminal(tmp_path, monkeypatch, capsys) as here:
        assert "there is no notice yet" in await here.said("notice", "show", code=2)
        asked = typed(monkeypatch)
        await here.offered(NOTICE)
        assert "To acknowledge: workstation-client notice accept" in await here.said("notice", "show")
        assert here.acknowledged() is None
        assert asked == []


async def test_a_script_is_asked_nothing_and_reads_only_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with terminal(tmp_path, monkeypatch, capsys) as here:
        await here.offered(NOTICE)
        asked = typed(monkeypatch)
        shown = json.loads(await here.said("notice", "show", "--json"))
        expected = {"notice_hash": wire.notice_hash(NOTICE), **write_fields(NOTICE)}
        assert shown == {**expected, "acknowledged": False}
        assert here.acknowledged() is None
        assert json.loads(await here.said("notice", "accept", "--json")) == {**expected, "acknowledged": True}
        assert json.loads(await here.said("notice", "show", "--json"))["acknowledged"] is True
        assert here.acknowledged() == NOTICE
        assert asked == []


async def test_without_a_terminal_accepting_is_the_command_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with terminal(tmp_path, monkeypatch, capsys) as here:
        await here.offered(NOTICE)
        asked = typed(monkeypatch)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
        assert (await here.said("notice", "accept")).rstrip().endswith("acknowledged")
        assert here.acknowledged() == NOTICE
        shown = await here.said("notice", "show")
        assert shown.rstrip().endswith("acknowledged")
        assert "To acknowledge" not in shown
        assert asked == []


async def test_a_changed_notice_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was accepted before stays what the workstation obeys until the new one is."""
    async with terminal(tmp_path, monkeypatch, capsys, ready=True) as here:
        assert here.acknowledged() == NOTICE
        await here.offered(LATER)
        assert json.loads(await here.said("notice", "show", "--json"))["acknowledged"] is False
        assert here.here.client.agent.offered == LATER
        await here.said("notice", "accept", "--json")
        assert here.acknowledged() == LATER
        told = here.there.told
        await until(lambda: told.of(events.NoticeAcknowledged)[-1].notice_hash == wire.notice_hash(LATER))


# ---- P19


async def test_accesses_are_listed_with_who_when_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with terminal(tmp_path, monkeypatch, capsys) as here:
        both = wire.AccessesList(0, (OPENED, REFUSED), False, "")
        at = [time.strftime("%Y-%m-%d %H:%M", time.localtime(line.at)) for line in (OPENED, REFUSED)]
        assert (await here.accesses(both)).splitlines() == [
            f"{at[0]}  bruno  open granted  {RECORDING}  T-4",
            f"{at[1]}  carla  open refused role dora  {RECORDING}",
        ]
        older = (await here.accesses(replace(both, more=True), "--before", "20", before=20)).splitlines()
        assert len(older) == 3
        assert older[-1] == "Older ones: workstation-client accesses --before 9"
        told = json.loads(await here.accesses(replace(both, more=True), "--json"))
        assert told == {"accesses": [write_fields(OPENED), write_fields(REFUSED)], "more": True}
        assert len((await here.accesses(both, "--before", "-7")).splitlines()) == 2


async def test_no_access_is_said_and_a_fault_is_no_empty_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with terminal(tmp_path, monkeypatch, capsys) as here:
        none = wire.AccessesList(0, (), False, "")
        assert (await here.accesses(none)).splitlines() == [
            "Nobody opened or tried to open a recording of yours."
        ]
        assert json.loads(await here.accesses(none, "--json")) == {"accesses": [], "more": False}
        faulty = replace(none, detail="the keeper cannot be asked now")
        for words in ((), ("--json",)):
            assert "the keeper cannot be asked" in await here.accesses(faulty, *words, code=2)
