"""The notice's page: what is in force, whether this very one was acknowledged, and which were before (P14)."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx_bridge.portal.rights import Behind, Told
from pbx_bridge.portal.web.site import Site
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_rights import Acknowledged, Own
from tests.archive.house import house
from tests.portal.web.test_signing_in import Town, beside

NOW, BEFORE, AT = "a" * 64, "b" * 64, 1_790_000_000


@pytest.mark.parametrize(
    ("told", "given", "says"),
    [
        (NOW, (), "You have not acknowledged this notice yet"),
        (NOW, (NOW,), "You acknowledged it on"),
        (NOW, (BEFORE,), "It has changed since you acknowledged one"),
        (NOW, (BEFORE, NOW), "You acknowledged it on"),
        (None, (BEFORE,), "No notice is in force for you"),
    ],
)
async def test_it_says_how_this_notice_stands(
    tmp_path: Path, told: str | None, given: tuple[str, ...], says: str
) -> None:
    acknowledged = tuple(Acknowledged(one, AT + n, "desk-12") for n, one in enumerate(given))
    behind = Behind(
        known=lambda visitor: Own(visitor.name, (), "", "", (), acknowledged, (), ()),
        told=lambda name, language: Told("What you have to know.", told) if told else None,
    )
    async with house(tmp_path, behind, Site(tmp_path / "accounts", "en")) as home:
        alice = await Town(home).joined("alice", Role.TRAINEE)
        page = (await beside(lambda: alice.get("/notice"))).text
    assert says in page
    others = (
        "You have not acknowledged",
        "You acknowledged it on",
        "It has changed since",
        "No notice is in force",
    )
    assert [one for one in others if one in page] == [
        one for one in others if one in says or says.startswith(one)
    ]
    assert ("bbbbbbbbbbbb" in page) == (BEFORE in given), "an earlier one is listed by its mark"
