"""A real Chromium at the real portal: joins, waits, reads, hands over, erases, signs out and in; and every page by axe."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pbx_bridge.portal.rights import Behind, Told
from pbx_bridge.training.plans import plan_text
from pbx_bridge.wire_portal import Role, fingerprint
from pbx_bridge.wire_rights import Acknowledged, Own, OwnCall, Visitor
from tests.archive.house import plan_behind
from tests.portal.web.person import Pages, Person, pages

CONTENT = bytes(range(256)) * 1_000
AXE = "axe-core@4.14.1"
INSTALL_WITHIN_S = 300
NOTICE = "a" * 64
SHIFTED = """new Promise((done) => { let sum = 0; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
}).observe({ type: "layout-shift", buffered: true }); setTimeout(() => done(sum), 150); })"""
"""Cumulative layout shift of the page so far, as Chromium measures it."""


def known(visitor: Visitor) -> Own:
    """What a bridge would have gathered of this trainee."""
    plan = plan_behind(visitor.name, "bruno", int(time.time()))
    calls = (
        OwnCall("2026-11-29T10:00:00.000+01:00", "not-recorded", "not-drawn", "", 0, ""),
        OwnCall("2026-11-30T09:20:00.000+01:00", "discarded", "objection", "", 0, plan.id),
    )
    given = (Acknowledged(NOTICE, 1_790_000_000, "desk-12"),)
    return Own(visitor.name, ("PJSIP/201",), "", "login", (plan_text(plan),), given, calls, visitor.requests)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Pages]:
    behind = Behind(known=known, told=lambda name, language: Told(f"The notice of {name}.", NOTICE))
    async with pages(tmp_path, behind) as found:
        yield found


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The checker's source."""
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "install", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", str(folder), AXE]
    subprocess.run(command, capture_output=True, timeout=INSTALL_WITHIN_S, check=True)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


async def violations(person: Person, axe: str) -> list[str]:
    """What axe finds by WCAG 2.2 A and AA on the page that is open."""
    await person.script(axe + ";0")
    tags = '["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]'
    run = f"axe.run({{runOnly: {{type: 'tag', values: {tags}}}}})"
    found = await person.script(
        f"{run}.then((r) => r.violations.map((v) => v.id + ' ' + v.nodes.map((n) => n.target).join(' ')))"
    )
    assert isinstance(found, list)
    return found


async def test_a_trainees_whole_way(site: Pages, axe: str) -> None:
    kept = (await site.home.record(CONTENT)).recording
    gone = (await site.home.record(CONTENT)).recording
    alice = Person(site, "alice")
    link = await site.invited("alice", Role.TRAINEE)
    with alice.browser:
        await alice.join(link)
        await alice.until("document.querySelector('[data-fingerprint]').textContent.length > 10")
        shown = str(await alice.script("document.querySelector('[data-fingerprint]').textContent"))
        assert "Not confirmed yet" in (await alice.reads())
        recipient = await waiting_key(site, "alice")
        assert shown == fingerprint(recipient), "what alice reads out is what the approver types"
        await alice.go("/recordings")
        assert "not confirmed" in (await alice.reads())

        await site.home.confirm("alice")
        await alice.go("/account")
        await alice.press("main .card a")
        await alice.until("document.querySelector('main .note')")
        assert "Confirmed by an approver" in (await alice.reads())
        pages = ("/plan", "/notice", "/calls", "/accesses", "/rights", "/nowhere", "/account/passphrase")
        for path in (*pages, "/account/second-factor", "/account", "/recordings"):
            await alice.go(path)
            assert await violations(alice, axe) == [], path
            assert await alice.script(SHIFTED) == 0, f"{path}: what stood there moved"
        await alice.script("document.querySelector('header').style.height = '300px'")
        assert float(await alice.script(SHIFTED)) > 0, "the control: what is pushed down counts"
        assert (await alice.reads()).count("Hand over") == 2
        await alice.go("/calls")
        assert "the caller objected" in (await alice.reads())

        await alice.go(f"/recordings/{kept}/hand-over")
        assert await violations(alice, axe) == []
        await alice.press("main form button")
        await alice.at("/recordings")
        await alice.go(f"/recordings/{gone}/erase")
        assert await violations(alice, axe) == []
        await alice.press("main form button")
        await alice.at("/recordings")
        assert (await alice.reads()).count("Hand over") == 1
        await alice.go("/accesses")
        assert "handed over" in (await alice.reads())
        assert "erased" in (await alice.reads())

        await alice.press("#sign-out button")
        await alice.at("/sign-in")
        assert await violations(alice, axe) == []
        await alice.fill(name="alice", passphrase="wrong words", code="123456")
        await alice.press("main form button")
        await alice.until("document.querySelector('main .alarm[role=alert]:not([hidden])')")
        assert await violations(alice, axe) == []
        await alice.go("/join")
        assert await violations(alice, axe) == []
        assert "holds no invitation" in (await alice.reads())


async def waiting_key(site: Pages, name: str) -> str:
    proven = await site.home._prove()
    (key,) = [key for key in (await site.home.link.desk(proven.token)).keys if key.name == name]
    return key.recipient


async def test_the_key_cannot_be_taken_out_of_the_browser(site: Pages) -> None:
    alice = Person(site, "alice")
    link = await site.invited("alice", Role.TRAINEE)
    with alice.browser:
        await alice.join(link)
        script = "import('/static/key.js').then(async (keys) => { const key = await keys.keyOf('alice'); "
        kept = script + "return [key.type, key.extractable, key.algorithm.name]; })"
        assert await alice.script(kept) == ["private", False, "X25519"]
        export = "return crypto.subtle.exportKey('jwk', key).then(() => 'out', (no) => no.name); })"
        assert await alice.script(script + export) == "InvalidAccessError"
        await locks_when_nobody_is_there(alice)


async def locks_when_nobody_is_there(alice: Person) -> None:
    """The page ends the session after 15 minutes in which nobody was at any of its tabs."""
    await alice.script("HTMLFormElement.prototype.submit = function () { window.locked = this.id; }; 0")
    await alice.script("const now = Date.now; Date.now = () => now() + 20 * 60_000; 0")
    looked = "localStorage.setItem('present', Date.now() - %d * 60_000); "
    looked += "document.dispatchEvent(new Event('visibilitychange')); window.locked ?? ''"
    assert await alice.script(looked % 14) == "", "somebody was at another tab"
    assert await alice.script(looked % 16) == "sign-out"


async def test_a_browser_without_the_key_is_told_and_nothing_else_happens(site: Pages) -> None:
    alice = Person(site, "alice")
    link = await site.invited("alice", Role.TRAINEE)
    with alice.browser:
        await alice.join(link)
        await site.home.confirm("alice")
        forget = "new Promise((d) => { const r = indexedDB.deleteDatabase('pbx-bridge'); r.onsuccess = d; }).then(() => 1)"
        assert await alice.script(forget) == 1
        await alice.go("/key?next=/recordings")
        prove = "import('/static/site.js').then((s) => { document.body.dataset.visitEnds = 0; return s.renewed(); })"
        said = await alice.script(prove + ".then(() => 'proven', (no) => no.message)")
        assert "holds no key of yours" in said


async def test_french_is_one_click_away(site: Pages) -> None:
    somebody = Person(site, "somebody")
    with somebody.browser:
        await somebody.open(site.url + "/sign-in")
        await somebody.press("footer a[lang=fr]")
        await somebody.until("document.documentElement.lang === 'fr' && document.readyState === 'complete'")
        assert "Phrase de passe" in (await somebody.reads())


@pytest.mark.parametrize("width", [390, 1280])
async def test_no_page_is_wider_than_its_window(site: Pages, width: int) -> None:
    await site.home.record(CONTENT)
    alice = Person(site, "alice")
    link = await site.invited("alice", Role.TRAINEE)
    with alice.browser:
        await alice.join(link)
        await site.home.confirm("alice")
        for path in (
            "/recordings",
            "/plan",
            "/notice",
            "/calls",
            "/accesses",
            "/account",
            "/join",
            "/sign-in",
        ):
            await alice.go(path)
            await asyncio.to_thread(alice.browser.picture, width)
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await alice.script(wide) <= 0, path
