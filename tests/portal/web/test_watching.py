"""P19: no byte of a recording goes out that is not on record soon, whatever becomes of the viewer's visit, key or keeper."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.ids import RecordingId
from pbx_bridge.portal.viewing import Viewing, Viewings
from pbx_bridge.portal.views import PART_BYTES
from pbx_bridge.portal.web import player
from pbx_bridge.portal.web.site import Site
from pbx_bridge.wire_access import AccessLine
from pbx_bridge.wire_portal import Broke, Role
from tests.archive.house import house
from tests.portal.web.client import Answer, Client
from tests.portal.web.test_signing_in import CONTENT, Town, beside, no_pause

__all__ = ["no_pause"]


@dataclass
class Watching:
    """A recording of alice's, opened by somebody."""

    town: Town
    who: Client
    recording: RecordingId
    grant: str = ""

    async def opens(self) -> Answer:
        base = f"/recordings/{self.recording}"
        answer = await beside(lambda: self.who.json(f"{base}/open", words.OpenAsked("coaching")))
        if answer.status == 200:
            self.grant = words.read_body(words.Opened, answer.body).grant.hex()
        return answer

    async def reads(self, first: int = 0) -> Answer:
        """A hundred bytes, as the player's script asks."""
        how = {"Range": f"bytes={first}-{first + 99}", "Accept": "application/json"}
        path = f"/recordings/{self.recording}/payload/{self.grant}"
        return await beside(lambda: self.who.ask("GET", path, headers=how))

    async def leaves(self) -> None:
        path = f"/recordings/{self.recording}/left"
        await beside(lambda: self.who.form(path, grant=self.grant, broke=""))

    async def record(self) -> list[AccessLine]:
        """What alice reads of openings and views, the oldest first."""
        found = (await self.town.home.link.accesses("alice")).accesses
        return [line for line in reversed(found) if line.act in ("open", "view")]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        yield Town(home)


async def watching(town: Town) -> Watching:
    recording = (await town.home.record(CONTENT)).recording
    found = Watching(town, await town.joined("alice", Role.TRAINEE), recording)
    assert (await found.opens()).status == 200
    assert (await found.reads()).status == 206
    return found


async def test_without_a_visit_nothing_goes_out_and_what_did_is_recorded(town: Town) -> None:
    """A page that asks for another proof ends the visit: it took the name with it under which the bytes had gone out."""
    it = await watching(town)
    await beside(lambda: it.who.get("/key?again=yes"))
    assert (await it.reads()).word == "visit-ended"
    await it.leaves()
    assert [(line.act, line.outcome) for line in await it.record()] == [
        ("open", "granted"),
        ("view", "granted"),
    ]


async def test_a_file_that_was_cut_is_recorded_before_and_while_it_is_watched(town: Town) -> None:
    """ "Opened" alone would say that it was seen."""
    it = await watching(town)
    path = town.home.archive / f"{it.recording}.age"
    path.write_bytes(path.read_bytes()[:-1_000])
    assert (await it.reads()).word == "file"
    first = await it.record()
    assert (first[-1].act, first[-1].outcome, first[-1].reason) == ("view", "refused", "damaged")
    assert (await it.opens()).word == "file"
    path.unlink()
    fetch = f"/recordings/{it.recording}/fetch"
    assert "missing or damaged" in (await beside(lambda: it.who.form(fetch, session=""))).text
    said = [(line.act, line.reason) for line in await it.record()]
    assert said[-3:] == [("open", ""), ("view", "damaged"), ("view", "damaged")]


async def test_a_key_revoked_while_its_holder_watched_is_still_named(town: Town) -> None:
    recording = (await town.home.record(CONTENT)).recording
    await town.home.link.hand_over(recording, "alice")
    it = Watching(town, await town.joined("bruno", Role.TRAINER), recording)
    assert (await it.opens()).status == 200
    assert (await it.reads()).status == 206
    await town.home.link.revoke("bruno")
    await it.leaves()
    assert (await it.reads()).status == 404
    said = [(line.who, line.act, line.outcome, line.reason) for line in await it.record()]
    assert said[-1] == ("bruno", "view", "refused", "key-unconfirmed")
    with pytest.raises(words.Refused) as refused:
        await town.home.link.viewed(bytes(32), recording, "0/4")
    assert refused.value.word == "visit-ended", "nobody's visit is nobody's view"


async def test_what_went_out_while_the_keeper_hung_is_told_once_it_is_back(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tellings at a time: what the second took stood where the first put its own back, and that was lost."""
    it, told, asked = await watching(town), list[str](), town.home.link.viewed
    asking, both, tells = asyncio.Event(), asyncio.Event(), Viewings.tell

    async def heard(token: bytes, recording: RecordingId, parts: str, *, broke: Broke | None = None) -> None:
        told.append(parts)
        asking.set()
        await asked(token, recording, parts, broke=broke)

    async def counted(all_of_them: Viewings, viewing: Viewing, broke: Broke | None = None) -> None:
        if asking.is_set():
            both.set()
        await tells(all_of_them, viewing, broke)

    monkeypatch.setattr(town.home.link, "viewed", heard)
    monkeypatch.setattr(Viewings, "tell", counted)
    assert town.home.keeper is not None
    os.kill(town.home.keeper.pid, signal.SIGSTOP)
    async with asyncio.timeout(20):
        first = asyncio.create_task(it.leaves())
        await asking.wait()
        assert (await it.reads(3 * PART_BYTES)).status == 206
        second = asyncio.create_task(it.leaves())
        await both.wait()
    await town.home.restart_keeper()
    await asyncio.gather(first, second)
    assert (await it.reads()).status == 404, "a view that cannot be recorded ends"
    del told[:]
    await beside(it.who.prove)
    await town.home.portal.close()
    assert told == ["0,2-3/4"], "at the portal's end too"
    assert [(line.act, line.outcome) for line in await it.record()][-1] == ("view", "granted")


async def test_viewers_behind_one_address_do_not_stop_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(player, "SEEKS", {"burst": 1, "per_s": 0.001})
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        alices = await watching(Town(home))
        await home.link.hand_over(alices.recording, "alice")
        brunos = replace(alices, who=await alices.town.joined("bruno", Role.TRAINER))
        await brunos.opens()
        assert (await brunos.reads()).status == 206
        assert (await alices.reads()).status == 429
