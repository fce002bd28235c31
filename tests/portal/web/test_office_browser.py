"""An approver-auditor at a real Chromium: the deed proven by the browser's own key, the record verified in the browser."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pbx_bridge.access.checkpoint import note, signature
from pbx_bridge.portal.rights import Behind
from pbx_bridge.training.plans import Trainer, capacity_digest, capacity_text, plan_digest, plan_text
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_proof import public_key
from tests.access.logs import begun
from tests.archive.house import plan_behind
from tests.portal.web.person import Pages, Person, pages
from tests.portal.web.test_browser import axe, violations
from tests.portal.web.test_office import reported

__all__ = ["axe"]
PLAN = replace(plan_behind("alice", "bruno", int(datetime.now(UTC).timestamp())), approver="carla")
WIDER, CAPACITY = replace(PLAN, rate=0.2), Trainer("bruno", 90)
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def path_of(text: str) -> str:
    return f"/proposals/{hashlib.sha256(text.encode()).hexdigest()}"


async def approve(carla: Person, text: str, name: str) -> None:
    """As a person does: to the end of the text, the name, the button."""
    await carla.go(path_of(text))
    await carla.script("document.getElementById('text-end').scrollIntoView({ block: 'center' })")
    await carla.until("!document.querySelector('form[data-deed=approve] fieldset').disabled")
    await carla.fill(typed=name)
    await carla.sends("form[data-deed=approve] button")
    await carla.at("/proposals")


async def looked_at(carla: Person, axe: str, *paths: str) -> None:
    """Each page by axe, and none wider than its window."""
    for path in paths:
        await carla.go(path)
        assert await violations(carla, axe) == [], path
        for width in (390, 1280):
            await asyncio.to_thread(carla.browser.picture, width)
            assert await carla.script(WIDE) <= 0, (path, width)


async def verified(carla: Person, against: str) -> str:
    """What the page says in the end."""
    await carla.go("/audit/verify")
    await carla.until("!document.querySelector('#verify fieldset').disabled")
    await carla.fill(against=against)
    await carla.press("#verify button")
    await carla.until("document.querySelector('#outcome p') || !document.getElementById('alarm').hidden")
    said = "document.getElementById('outcome').innerText + document.getElementById('alarm').innerText"
    return str(await carla.script(said))


async def test_an_approver_and_auditors_whole_way(tmp_path: Path, axe: str) -> None:
    async with pages(tmp_path, Behind(reported=reported)) as site:
        site.home.proposed = [plan_text(PLAN), capacity_text(CAPACITY)]
        carla = Person(site, "carla")
        link = await site.invited("carla", Role.APPROVER, Role.AUDITOR)
        with carla.browser:
            await carla.join(link)
            await carla.go("/")
            await carla.at("/proposals")
            await decides(site, carla, axe)
            await confirms(site, carla)
            await audits(site, carla, axe)
            await looked_at(carla, axe, "/report", "/report?month=2026-08", "/report/record")


async def decides(site: Pages, carla: Person, axe: str) -> None:
    """P13, P22: read first; what is approved is the text of the page; what was changed meanwhile is not."""
    await carla.go(path_of(plan_text(PLAN)))
    await carla.script("document.getElementById('typed').value = 'alice-orders'")
    assert await carla.script("document.querySelector('form[data-deed=approve] button').matches(':disabled')")
    await approve(carla, plan_text(PLAN), PLAN.id)
    assert await site.home.link.approvals() == {plan_digest(PLAN)}

    await carla.go(path_of(capacity_text(CAPACITY)))
    site.home.proposed = [plan_text(WIDER), capacity_text(CAPACITY)]
    await carla.go(path_of(plan_text(WIDER)))
    site.home.proposed = [plan_text(replace(WIDER, rate=0.25)), capacity_text(CAPACITY)]
    await carla.script("document.getElementById('ground').value = 'volume'")
    await carla.press("form[data-deed=refuse] button")
    await carla.until("!document.getElementById('alarm').hidden")
    assert "changed or removed meanwhile" in await carla.reads()
    assert await site.home.link.turned_down() == ()

    site.home.proposed = [plan_text(WIDER), capacity_text(CAPACITY)]
    await looked_at(carla, axe, "/proposals", path_of(plan_text(WIDER)), path_of(capacity_text(CAPACITY)))
    await carla.go(path_of(plan_text(WIDER)))
    await carla.script("document.getElementById('ground').value = 'volume'")
    await carla.sends("form[data-deed=refuse] button")
    assert "more is recorded than the need asks for" in await carla.reads()
    await approve(carla, capacity_text(CAPACITY), "bruno")
    assert await site.home.link.approvals() == {plan_digest(PLAN), capacity_digest(CAPACITY)}


async def confirms(site: Pages, carla: Person) -> None:
    """P22: by what its holder reads out, in whatever case; another fingerprint confirms nothing."""
    link = await site.invited("bruno", Role.TRAINER)
    bruno = Person(site, "bruno")
    with bruno.browser:
        await bruno.join(link)
        await bruno.until("document.querySelector('[data-fingerprint]').textContent.length > 10")
        read_out = str(await bruno.script("document.querySelector('[data-fingerprint]').textContent"))
    await carla.go("/proposals")
    await carla.fill(**{"print-1": "ABCD-EFGH-IJKL-MNOP-QRST"})
    await carla.press("form[data-deed=confirm] button")
    await carla.until("!document.getElementById('alarm').hidden")
    assert "has another fingerprint" in await carla.reads()
    await carla.fill(**{"print-1": read_out.lower().replace("-", " ")})
    await carla.sends("form[data-deed=confirm] button")
    assert {one.name: one.state for one in await site.home.link.everyone()}["bruno"] == "confirmed"


async def audits(site: Pages, carla: Person, axe: str) -> None:
    await looked_at(carla, axe, "/audit", "/audit?act=approve", "/audit/verify")
    await verifies(site, carla)
    assert await violations(carla, axe) == []


async def verifies(site: Pages, carla: Person) -> None:
    """P19: whole, against what was pasted and what the browser saw before; a forged second place is told."""
    assert "Whole: " in await verified(carla, "")
    keeper = site.home.folder / "keeper"
    assert "2 of what you kept agree" in await verified(carla, begun(keeper, 3).decode())
    seed = (keeper / "audit.key").read_bytes()
    other = "ab" * 32  # the keeper's own key signed another third record: the log was set back and continued
    forged = note(public_key(seed), 3, other, signature(seed, 3, other))
    said = await verified(carla, forged)
    assert said.startswith("Entry 1: "), said
    assert "set back and continued" in said
    assert "no checkpoint" in await verified(carla, "it was fine on Friday")
