"""Approver and auditor at their pages, without a browser: real keeper, real proofs; what is shown, done and refused."""

from __future__ import annotations

import asyncio
import hashlib
import html
import json
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit_check import check, key_of, read_second
from pbx_bridge.access.checkpoint import parse_notes
from pbx_bridge.age import X25519Identity
from pbx_bridge.archive.rights_wire import OpenRequest
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId
from pbx_bridge.portal.rights import Behind
from pbx_bridge.portal.web import signing_in
from pbx_bridge.portal.web.site import Site
from pbx_bridge.rights.facts import Settings, facts
from pbx_bridge.rights.figures import Month
from pbx_bridge.rights.record import Report, report
from pbx_bridge.training.plans import Trainer, capacity_text, plan_digest, plan_text
from pbx_bridge.wire_portal import Act, Deed, Purpose, Role, fingerprint
from pbx_bridge.wire_rights import Party, Right, grant_text
from tests.access.logs import lines_of, records_of
from tests.archive.house import House, house, plan_behind
from tests.portal.web.client import Client
from tests.portal.web.test_signing_in import Unlimited

NOW = int(datetime.now(UTC).timestamp())
PLAN = replace(plan_behind("alice", "bruno", NOW), approver="carla")
WIDER = replace(PLAN, rate=0.2, last_day=PLAN.last_day + timedelta(days=5))
CAPACITY = Trainer("bruno", 90)
SETTINGS = Settings(
    "Example", "dpo@example.org", "DPO", "AIPD 3", "CSE 4", date(2026, 9, 1), False, 8, 30, 24, ("en",), False, 12, 120, 2
)  # fmt: skip
PERSONS = {"": 9, "recorded": 8, "recorded/hung-up": 8, "not-recorded": 9, "not-recorded/not-drawn": 9}
MONTHS = {
    "2026-08": Month({"": 3}, {"recorded/hung-up": 2}, 60.0),
    "2026-09": Month(PERSONS, {"recorded/hung-up": 20, "not-recorded/not-drawn": 380}, 6_000.0),
    "2026-10": Month(
        PERSONS
        | {"discarded": 1, "discarded/objection": 1, "not-recorded/private": 6, "not-recorded/weekly-cap": 5},
        {
            "recorded/hung-up": 31,
            "not-recorded/not-drawn": 410,
            "discarded/objection": 1,
            "not-recorded/private": 17,
            "not-recorded/weekly-cap": 3,
        },
        9_000.0,
    ),
}


def reported(language: str) -> Report:
    made = facts(SETTINGS, [PLAN], [CAPACITY], date(2026, 11, 30))
    return report(made, MONTHS, "fr" if language == "fr" else "en", ledger_days=30)


@dataclass
class Office:
    home: House
    carla: Client
    """Approver and auditor."""

    async def get(self, path: str) -> str:
        found = await asyncio.to_thread(self.carla.get, path)
        assert found.status == 200, (path, found.status, found.text[-900:])
        return found.text

    async def do(self, act: Act) -> str:
        """The refusal's word; "" when it was done."""
        found = await asyncio.to_thread(self.carla.prove, act)
        return "" if found.status == 200 else found.word

    async def recorded(self) -> RecordingId:
        """A recording by a plan of dora's, whom carla confirms."""
        dora = self.home._dora = X25519Identity.generate()
        code = (await self.home.link.invite("dora", Role.APPROVER)).code
        await self.home._prove_with(dora, Purpose.JOIN, code, None)
        assert await self.do(Act(Deed.CONFIRM, "dora", str(dora.recipient()))) == ""
        return (await self.home.record(b"call")).recording

    async def refusal(self, path: str) -> tuple[int, str]:
        found = await asyncio.to_thread(self.carla.get, path)
        return found.status, html.unescape(found.text)


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setattr(signing_in, "RateLimit", lambda **_: Unlimited())
    behind = Behind(reported=reported)
    async with house(tmp_path, behind, Site(tmp_path / "accounts", "en")) as home:
        carla = Client(home)
        code = (await home.link.invite("carla", Role.APPROVER, Role.AUDITOR)).code
        assert (await asyncio.to_thread(carla.join, code)).status == 200
        home.proposed = [plan_text(PLAN), capacity_text(CAPACITY)]
        yield Office(home, carla)


def page_of(text: str) -> str:
    return f"/proposals/{hashlib.sha256(text.encode()).hexdigest()}"


def shown_text(page: str) -> str:
    """What the page's script would have approved: the text of its element."""
    found = re.search(r'<pre class="text exact" id="text">(.*?)</pre>', page, re.DOTALL)
    assert found
    return html.unescape(found[1])


def approve(text: str, about: str = PLAN.id) -> Act:
    return Act(Deed.APPROVE, about, text)


# -- the approver


async def test_the_first_approver_may_join_at_a_browser_and_sees_what_waits(office: Office) -> None:
    page = await office.get("/proposals")
    assert page.count('href="/proposals/') == 2
    assert "alice-orders" in page
    assert "Review capacity of bruno" in page
    assert "No key waits" in page
    office.home.proposed = []
    assert "No proposal waits for you" in await office.get("/proposals")


async def test_what_stands_on_the_page_is_what_is_approved(office: Office) -> None:
    text = shown_text(await office.get(page_of(plan_text(PLAN))))
    assert text == plan_text(PLAN)
    assert await office.do(approve(text)) == ""
    assert await office.home.link.approvals() == {plan_digest(PLAN)}
    page = await office.get(page_of(text))
    assert 'data-deed="withdraw"' in page
    assert 'data-deed="approve"' not in page
    assert await office.do(Act(Deed.WITHDRAW, "", plan_digest(PLAN))) == ""
    assert await office.home.link.approvals() == frozenset()


async def test_an_approver_sees_what_it_widens_and_the_months_that_are_used(office: Office) -> None:
    """P13, P22: beside the whole text."""
    new = await office.get(page_of(plan_text(PLAN)))
    assert "all of it is new" in new
    assert "widens</span>" not in new
    await office.do(approve(plan_text(PLAN)))
    office.home.proposed = [plan_text(WIDER)]
    page = await office.get(page_of(plan_text(WIDER)))
    assert page.count("widens</span>") == 2
    for told in ("5 %", "20 %", "PJSIP" if PLAN.seat.endpoints else "–", "at most 184 in any 24 months"):
        assert told in page, told
    days = (WIDER.last_day - WIDER.first_day).days + 1
    assert f'class="num">{days}</td>' in page
    assert f"{PLAN.first_day:%Y-%m-%d} – {PLAN.last_day:%Y-%m-%d}" in page


async def test_a_plan_that_was_changed_meanwhile_is_not_approved(office: Office) -> None:
    old = shown_text(await office.get(page_of(plan_text(PLAN))))
    office.home.proposed = [plan_text(WIDER)]
    for act in (approve(old), Act(Deed.REFUSE, "need", old)):
        assert await office.do(act) == "changed"
    status, text = await office.refusal(page_of(old))
    assert status == 409
    assert "changed or removed meanwhile" in text
    assert await office.home.link.approvals() == frozenset()
    for digest in ("0" * 64, "x"):
        assert (await office.refusal(f"/proposals/{digest}"))[0] == 409
    assert await office.do(approve(plan_text(WIDER))) == "", "a control"


async def test_a_refused_plan_is_shown_with_its_reason_and_can_be_approved_after_all(office: Office) -> None:
    assert await office.do(Act(Deed.REFUSE, "he is slow", plan_text(PLAN))) == "ground"
    assert await office.do(Act(Deed.REFUSE, "volume", plan_text(PLAN))) == ""
    page = await office.get("/proposals")
    assert "more is recorded than the need asks for · carla" in page
    page = await office.get(page_of(plan_text(PLAN)))
    assert "carla refused it on" in page
    ((digest, ground),) = [(one.digest, one.ground.value) for one in await office.home.link.turned_down()]
    assert (digest, ground) == (plan_digest(PLAN), "volume")
    assert await office.do(approve(plan_text(PLAN))) == ""
    assert await office.home.link.turned_down() == ()
    assert await office.do(Act(Deed.REFUSE, "volume", plan_text(PLAN))) == "approved"


async def test_why_somebody_cannot_decide_stands_on_the_page_and_at_the_deed(office: Office) -> None:
    """P13, P22: never one's own, never beyond six months."""
    own = capacity_text(Trainer("carla", 60))
    longest = replace(PLAN, last_day=PLAN.first_day + timedelta(days=183))
    again = replace(PLAN, id="alice-again", first_day=longest.last_day + timedelta(days=9))
    again = replace(again, last_day=again.first_day + timedelta(days=9))
    await office.do(approve_now(office, plan_text(longest)))
    office.home.proposed = [own, plan_text(again)]
    for text, word, told, may_refuse in (
        (own, "own", "Nobody decides about themselves", False),
        (plan_text(again), "months", "more days of 24 months", True),
    ):
        page = await office.get(page_of(text))
        assert told in page
        assert 'data-deed="approve"' not in page
        assert ('data-deed="refuse"' in page) is may_refuse
        assert await office.do(approve(text)) == word


def approve_now(office: Office, text: str) -> Act:
    office.home.proposed = [text]
    return approve(text)


async def test_a_key_is_confirmed_by_the_fingerprint_that_is_typed_and_none_is_shown(office: Office) -> None:
    """P22: the page holds the public keys that wait, and not what their holders read out."""
    alice = Client(office.home)
    code = (await office.home.link.invite("alice", Role.TRAINEE)).code
    assert (await asyncio.to_thread(alice.join, code)).status == 200
    recipient = str(alice.identity.recipient())
    page = await office.get("/proposals")
    assert f'data-keys="{recipient}"' in page
    assert fingerprint(recipient) not in page
    assert await office.do(Act(Deed.CONFIRM, "alice", recipient)) == ""
    assert "No key waits" in await office.get("/proposals")


async def test_a_customers_copy_waits_for_the_comparison_and_then_no_more(office: Office) -> None:
    """P23: what is granted is the text on the page."""
    recording = await office.recorded()
    key = str(X25519Identity.generate().recipient())
    asked = OpenRequest(Right.ACCESS, Party.CUSTOMER, recordings=(recording,), recipient=key)
    request = await office.home.link.open_request(asked)
    page = await office.get("/proposals")
    found = re.search(
        r'data-deed="grant" data-about="([a-z2-7]{8})" data-text="([^"]*)" data-keys="([^"]*)"', page
    )
    assert found
    assert (found[1], html.unescape(found[2]), found[3]) == (request.id, grant_text(request), key)
    assert await office.do(Act(Deed.GRANT, found[1], html.unescape(found[2]))) == ""
    assert 'data-deed="grant"' not in await office.get("/proposals")


async def test_a_text_nobody_can_read_is_left_out(office: Office) -> None:
    office.home.proposed = ["x", plan_text(PLAN)]
    assert (await office.get("/proposals")).count('href="/proposals/') == 1


# -- the auditor


async def test_the_record_is_shown_by_kind_and_time_and_the_look_is_in_it(office: Office) -> None:
    await office.do(approve(plan_text(PLAN)))
    page = await office.get("/audit")
    assert "joined with a new key" in page
    (note,) = parse_notes(
        html.unescape(re.findall(r'aria-label="Checkpoint">(.*?)</pre>', page, re.DOTALL)[0])
    )
    assert note.number == len(lines_of(office.home.folder / "keeper"))
    only = await office.get("/audit?act=approve")
    assert only.count("<tr><td") == 1
    assert "alice" in only
    last = records_of(office.home.folder / "keeper")[-1]
    assert (last["who"], last["act"], last["reason"]) == ("carla", "audit", "look")
    today = datetime.now().astimezone().date()
    assert "<tr><td" in await office.get(f"/audit?day={today}")
    assert "No entry of this kind" in await office.get(f"/audit?day={today - timedelta(days=2)}")
    assert "<tr><td" in await office.get(f"/audit?month={today:%Y-%m}")
    assert "No entry" in await office.get("/audit?month=2019-01")
    for strange in ("?day=2026-99-99", "?month=2026-77"):
        assert (await office.refusal(f"/audit{strange}"))[0] == 400
    assert "<tr><td" in await office.get("/audit?who=alice&act=DROP&before=x&month=&day="), (
        "no such field: left out"
    )


async def test_older_entries_come_page_by_page(office: Office) -> None:
    for n in range(120):
        await office.home.link.accesses(f"alice{n}")
    seen: list[int] = []
    path = "/audit?act=accesses"
    while path:
        page = html.unescape(await office.get(path))
        seen += [
            int(number) for number in re.findall(r'<tr><td data-label="No." class="num">(\d+)</td>', page)
        ]
        older = re.search(r'href="(/audit\?[^"]*before=\d+)"', page)
        path = older[1] if older else ""
    assert len(seen) == len(set(seen)) == 120
    assert seen == sorted(seen, reverse=True)


async def test_a_copy_is_the_command_lines_copy_and_is_recorded(office: Office, tmp_path: Path) -> None:
    await office.recorded()
    found = await asyncio.to_thread(office.carla.get, "/audit/copy")
    assert found.status == 200
    assert re.fullmatch(
        r'attachment; filename="accesses-\d{4}-\d\d-\d\d\.jsonl"', found.headers["content-disposition"]
    )
    assert found.body.splitlines(keepends=True) == lines_of(office.home.folder / "keeper")
    last = json.loads(found.body.splitlines()[-1])
    assert (last["act"], last["reason"]) == ("audit", "copy")
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(found.body)
    folder = office.home.folder / "keeper" / "audit"
    assert check(folder, read_second(copy, key_of(folder))).compared == len(found.body.splitlines())


async def test_a_copy_of_many_parts_ends_where_it_began(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part's reading adds a record: the copy is up to the first one's, and whole."""
    for n in range(30):
        await office.home.link.accesses(f"alice{n}")
    real, asked = office.home.link.audit, list[int]()

    async def small(token: bytes, after: int, *purpose: object) -> words.AuditPage:
        asked.append(after)
        page = await real(token, after)
        lines = b64decode(page.lines).splitlines(keepends=True)[:10]
        return replace(page, lines=b64encode(b"".join(lines)).decode())

    monkeypatch.setattr(office.home.link, "audit", small)
    body = (await asyncio.to_thread(office.carla.get, "/audit/copy")).body
    whole = lines_of(office.home.folder / "keeper")
    assert len(asked) > 3
    assert body.splitlines(keepends=True) == whole[: len(body.splitlines())]
    assert len(body.splitlines()) == len(whole) - (len(asked) - 1)


# -- the report


async def test_the_figures_of_a_month_hold_no_person(office: Office) -> None:
    page = await office.get("/report")
    assert "Calls in 2026-10" in page
    assert [int(n) for n in re.findall(r"<dd class=\"num\">(\d+)</dd>", page)][:2] == [462, 31]
    assert "told together: too few persons each" in page
    assert "objected" not in page, "one person's objection is told with others"
    assert "the trainee called it private" in await office.get("/report?month=2026-10")
    for name in ("alice", "bruno", "dora"):
        assert name not in page
    few = await office.get("/report?month=2026-08")
    assert "Fewer than 5 persons" in few
    assert "not told" in few
    assert "90 minutes a week together" in page
    last = records_of(office.home.folder / "keeper")[-1]
    assert (last["who"], last["act"], last["outcome"]) == ("carla", "report", "done")
    assert "Calls in 2026-10" in await office.get("/report?month=1999-01"), "the newest instead"


async def test_no_month_yet_says_what_to_do(tmp_path: Path) -> None:
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        eve = Client(home)
        code = (await home.link.invite("eve", Role.APPROVER)).code
        assert (await asyncio.to_thread(eve.join, code)).status == 200
        page = (await asyncio.to_thread(eve.get, "/report")).text
        assert "No whole month so far" in page
        assert "Nothing is configured here" in (await asyncio.to_thread(eve.get, "/report/record")).text


async def test_the_record_of_processing_is_that_of_the_command(office: Office) -> None:
    page = html.unescape(await office.get("/report/record"))
    for row in (*reported("en").record, *reported("en").assessment):
        assert row.label in page
        assert row.text in page
    found = await asyncio.to_thread(office.carla.get, "/report/file")
    assert found.headers["content-disposition"].startswith("attachment; ")
    assert "AIPD 3" in found.text


async def test_a_report_that_cannot_be_made_says_so_and_names_nothing(tmp_path: Path) -> None:
    def broken(language: str) -> Report:
        raise OperatorError("the monthly figures cannot be read", where="/secret/place")

    async with house(tmp_path, Behind(reported=broken), Site(tmp_path / "accounts", "en")) as home:
        eve = Client(home)
        code = (await home.link.invite("eve", Role.APPROVER)).code
        assert (await asyncio.to_thread(eve.join, code)).status == 200
        found = await asyncio.to_thread(eve.get, "/report")
        assert found.status == 503
        assert "secret" not in found.text
