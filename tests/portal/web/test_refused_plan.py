"""A refused plan on its trainee's and its trainer's page, and gone from both when it is approved after all."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from pbx_bridge.portal.rights import Behind
from pbx_bridge.portal.training import Week
from pbx_bridge.portal.web.site import Site
from pbx_bridge.training.plans import plan_text
from pbx_bridge.wire_portal import Act, Deed, Role
from pbx_bridge.wire_rights import Own
from tests.archive.house import house, plan_behind
from tests.portal.web.test_signing_in import Town, no_pause

__all__ = ["no_pause"]
PLAN = plan_behind("alice", "bruno", int(time.time()))
TEXT = plan_text(PLAN)
REFUSED = "Its approver refused it on"


@pytest.mark.parametrize(
    ("ground", "trainee", "trainer"),
    [
        ("volume", "more is recorded than the need asks for", "more is recorded than the need asks for"),
        ("trainer", "a reason that is about another person", "another trainer, or less capacity"),
    ],
)
async def test_a_refusal_is_told_to_those_it_concerns(
    tmp_path: Path, ground: str, trainee: str, trainer: str
) -> None:
    behind = Behind(
        known=lambda visitor: Own(visitor.name, (), "", "", (TEXT,), (), (), ()),
        trained=lambda name: Week((PLAN,), 90),
    )
    async with house(tmp_path, behind, Site(tmp_path / "accounts", "en")) as home:
        town = Town(home)
        alice, bruno = await town.joined("alice", Role.TRAINEE), await town.joined("bruno", Role.TRAINER)
        pages = ((alice, "/plan", trainee), (bruno, "/trainees", trainer))

        async def shown() -> list[str]:
            return [(await asyncio.to_thread(client.get, path)).text for client, path, _ in pages]

        before = await shown()
        assert not any(REFUSED in page for page in before)
        assert "in its dates" in before[0]
        assert "Book a slot" in before[1]
        await home.deed(Act(Deed.REFUSE, ground, TEXT))
        for page, (*_, why) in zip(await shown(), pages, strict=True):
            assert REFUSED in page
            assert f": {why}. Nothing is recorded under it." in page
            assert "in its dates" not in page
            assert "Book a slot" not in page
        await home.deed(Act(Deed.APPROVE, PLAN.id, TEXT))
        assert not any(REFUSED in page for page in await shown())
