"""What went out of a recording is told to the keeper: once for many ranges, at the end of each viewing, and late rather than
never (P19). Without a browser: real keeper, real ranges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pbx_bridge import wire_portal as words
from pbx_bridge.portal import viewing
from pbx_bridge.portal.web import asked
from pbx_bridge.portal.web.site import Site
from pbx_bridge.wire_access import AccessLine
from pbx_bridge.wire_portal import Broke, Role
from tests.access.logs import records_of
from tests.archive.house import House, house
from tests.portal.web.client import Answer, Client
from tests.portal.web.test_signing_in import CONTENT, Town, beside, no_pause

__all__ = ["no_pause"]
WITHIN_S = 20


@dataclass
class Viewer:
    home: House
    alice: Client
    recording: str

    async def opens(self) -> str:
        """The grant."""
        path = f"/recordings/{self.recording}/open"
        answer = await beside(lambda: self.alice.json(path, words.OpenAsked("")))
        return words.read_body(words.Opened, answer.body).grant.hex()

    async def reads(self, grant: str, first: int = 0) -> Answer:
        headers = {"Range": f"bytes={first}-{first + 99}", "Accept": "application/json"}
        path = f"/recordings/{self.recording}/payload/{grant}"
        return await beside(lambda: self.alice.ask("GET", path, headers=headers))

    async def leaves(self, grant: str, **more: str) -> int:
        path = f"/recordings/{self.recording}/left"
        return (await beside(lambda: self.alice.form(path, grant=grant, **more))).status

    async def views(self, until: Callable[[list[AccessLine]], bool]) -> list[AccessLine]:
        async with asyncio.timeout(WITHIN_S):
            while True:
                lines = (await self.home.link.accesses("alice")).accesses
                if until(found := [line for line in lines if line.act == "view"]):
                    return found
                await asyncio.sleep(0.05)


@pytest.fixture
async def viewer(tmp_path: Path) -> AsyncIterator[Viewer]:
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        recording = (await home.record(CONTENT)).recording
        yield Viewer(home, await Town(home).joined("alice", Role.TRAINEE), recording)


async def test_many_ranges_are_one_record_for_each_viewing_when_it_ends(viewer: Viewer) -> None:
    """Two tabs are two openings, each recorded before, and each told of once; leaving twice adds nothing."""
    grants = [await viewer.opens(), await viewer.opens()]
    for grant in grants:
        for n in range(5):
            assert (await viewer.reads(grant, n * 60_000)).status == 206
    assert await viewer.views(lambda found: True) == []
    for grant in grants * 2:
        assert await viewer.leaves(grant) == 200
    assert len(await viewer.views(lambda found: len(found) >= 2)) == 2
    lines = (await viewer.home.link.accesses("alice")).accesses
    assert [line.act for line in lines if line.act in ("open", "view")] == ["view", "view", "open", "open"]


@pytest.mark.parametrize("broke", Broke)
async def test_why_the_browser_stopped_is_recorded_in_its_own_word(viewer: Viewer, broke: Broke) -> None:
    grant = await viewer.opens()
    assert await viewer.leaves(grant, broke=broke.value) == 200
    (view,) = await viewer.views(lambda found: bool(found))
    assert (view.outcome, view.reason) == ("refused", broke.value)
    assert await viewer.leaves(grant, broke="true") == 400, "no word of the list"


async def test_what_went_out_is_told_after_its_viewer_signed_out(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewing, "EVERY_S", 0.2)
    await viewer.reads(await viewer.opens())
    await beside(lambda: viewer.alice.form("/sign-out"))
    (view,) = await viewer.views(lambda found: bool(found))
    assert (view.who, view.outcome) == ("alice", "granted")


async def test_nothing_goes_out_under_a_visit_that_ends_before_it_could_be_told(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant = await viewer.opens()
    with monkeypatch.context() as soon:
        soon.setitem(asked.LEFT_S, asked.Needs.VIEWING, 16 * 60)  # a visit lives 15 minutes
        refused = await viewer.reads(grant)
        assert (refused.status, refused.word) == (401, "visit-ended")
    assert (await viewer.reads(grant)).status == 206, "a control"


async def test_what_could_not_be_told_ends_the_viewing_and_is_told_as_soon_as_it_can_be(
    viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the keeper ends, and knows nobody when it is back, until their key is proven anew."""
    monkeypatch.setattr(viewing, "EVERY_S", 0.5)
    grant = await viewer.opens()
    with capture_logs() as logs:
        await viewer.reads(grant, 70_000)
        viewer.home.end_keeper()
        async with asyncio.timeout(WITHIN_S):
            while not any(entry["event"].startswith("a view could not be recorded") for entry in logs):  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.05)
    await viewer.home.restart_keeper()
    await beside(viewer.alice.prove)
    await viewer.views(lambda found: len(found) == 1)
    told = [line["subject"] for line in records_of(viewer.home.folder / "keeper") if line["act"] == "view"]
    assert told == ["1/4"]
    assert (await viewer.reads(grant)).status == 404
