"""The sealed file for a person's own key, from the pages: without a browser, which could not open it outside anyway."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pbx_bridge.age import NoIdentityMatches, open_bytes
from pbx_bridge.portal.web.site import Site
from pbx_bridge.wire_portal import Role
from tests.archive.house import house
from tests.portal.web.test_signing_in import CONTENT, Town, no_pause

__all__ = ["no_pause"]


async def test_the_sealed_file_is_fetched_for_ones_own_key_and_said_to_be(tmp_path: Path) -> None:
    """P18, P19, P21: an age file that the person's registered key opens and no other; never without the record."""
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        town = Town(home)
        recording = (await home.record(CONTENT)).recording
        alice, bruno = await town.joined("alice", Role.TRAINEE), await town.joined("bruno", Role.TRAINER)
        path = f"/recordings/{recording}/fetch"
        fetched = await asyncio.to_thread(lambda: alice.form(path))
        assert (fetched.status, fetched.headers["content-disposition"]) == (
            200,
            f'attachment; filename="{recording}.age"',
        )
        assert fetched.headers["cache-control"] == "no-store"
        assert open_bytes(fetched.body, [alice.identity]) == CONTENT
        with pytest.raises(NoIdentityMatches):
            open_bytes(fetched.body, [bruno.identity])
        assert (await asyncio.to_thread(lambda: bruno.form(path, session="coaching"))).status == 403
        await home.link.hand_over(recording, "alice")
        assert (await asyncio.to_thread(lambda: bruno.form(path))).status == 400, "no session"
        assert (await asyncio.to_thread(lambda: bruno.form(path, session="coaching"))).status == 200
        lines = (await home.link.accesses("alice")).accesses
        assert [(line.who, line.outcome, line.reason) for line in lines if line.act == "fetch"] == [
            ("bruno", "granted", ""),
            ("bruno", "refused", "no-session"),
            ("bruno", "refused", "trainee-first"),
            ("alice", "granted", ""),
        ]
        (home.archive / f"{recording}.age").write_bytes(b"cut")
        assert (await asyncio.to_thread(lambda: alice.form(path))).status == 403
