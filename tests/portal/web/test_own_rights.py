"""A trainee's rights in the browser: a copy that any age program opens, objecting, taking it back (P16, P23)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pyrage

from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_rights import Closing, Right
from tests.archive.house import manifest
from tests.media.test_excerpt import AGENT_HZ, CUSTOMER_HZ, legs, original, tone_db
from tests.portal.web.person import Person, pages
from tests.portal.web.test_browser import axe, violations
from tests.rights.test_exports import AGENT_S, CUSTOMER_S

__all__ = ["axe"]
CAUGHT = """window.caught = null; const make = URL.createObjectURL.bind(URL);
URL.createObjectURL = (blob) => { window.caught = blob; return make(new Blob([])); }; 0"""
TAKEN = """caught.arrayBuffer().then((held) => { const at = new Uint8Array(held); let text = '';
for (let n = 0; n < at.length; n += 4096) text += String.fromCharCode(...at.subarray(n, n + 4096));
window.caught = null; return btoa(text); })"""


async def fetched(alice: Person, selector: str) -> bytes:
    """What the page would have saved."""
    await alice.press(selector)
    await alice.until("window.caught || !document.getElementById('alarm').hidden")
    return base64.b64decode(str(await alice.script(TAKEN)))


async def test_a_copy_from_the_browser_is_opened_by_any_age_and_an_objection_holds_at_once(
    tmp_path: Path, axe: str
) -> None:
    async with pages(tmp_path) as site:
        made = await site.home.record(original(), manifest())
        alice = Person(site, "alice")
        link = await site.invited("alice", Role.TRAINEE)
        with alice.browser:
            await alice.join(link)
            await site.home.confirm("alice")
            await alice.go("/rights")
            await alice.until("document.getElementById('words').textContent.length > 10")
            assert await violations(alice, axe) == []
            passphrase = str(await alice.script("document.getElementById('words').textContent"))
            await alice.script(CAUGHT)
            clear = pyrage.passphrase.decrypt(
                await fetched(alice, f"[data-fetch*='{made.recording}']"), passphrase
            )
            heard = legs(clear)
            assert tone_db(heard[0], AGENT_HZ, *AGENT_S) > -20
            for leg in heard:
                assert tone_db(leg, CUSTOMER_HZ, *CUSTOMER_S) < -75
            rest = pyrage.passphrase.decrypt(await fetched(alice, "[data-fetch$=everything]"), passphrase)
            assert json.loads(rest)["name"] == "alice"

            await alice.sends("form[action='/rights/access'] button")
            assert "a copy" in (await alice.reads())
            await alice.go("/rights/objection")
            assert await violations(alice, axe) == []
            assert len(await site.home.link.approvals()) == 1
            await alice.sends("form[action='/rights/objection'] button")
            await alice.at("/rights")
            assert "no call of yours is recorded" in (await alice.reads())
            assert await violations(alice, axe) == []
            assert await site.home.link.approvals() == frozenset()

            await alice.sends("form[data-text*=objection] button")
            requests = {one.right: one.closing for one in await site.home.link.all_requests()}
            assert requests == {Right.ACCESS: None, Right.OBJECTION: Closing.WITHDRAWN}
            assert len(await site.home.link.approvals()) == 1
            assert "taken back" in (await alice.reads())
