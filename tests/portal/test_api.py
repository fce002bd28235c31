"""What no program should send: the API says what, where and what to do, and repeats nothing of it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge import wire_rights as rights
from pbx_bridge.age import X25519Identity
from pbx_bridge.ids import new_recording_id
from pbx_bridge.portal.rights import Behind, Told
from pbx_bridge.portal.training import Fault, Week
from pbx_bridge.training.plans import Slot
from pbx_bridge.wire_json import read_fields, read_object
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_problem import PROBLEM_TYPE, Problem
from pbx_bridge.wire_week import NOTICE_PATH, WEEK_PATH
from tests.archive.house import house, plan_behind
from tests.archive.test_keeper import NOON
from tests.trainer.test_portal import Site

JSON = "Content-Type: application/json"
BEARER = f"Authorization: Bearer {'5' * 64}"
PROVE = b'{"challenge":"' + b"0" * 32 + b'","answer":"' + b"0" * 64 + b'"}'
SECRET = "alice-martin"
"""What a person might have sent: it stands in no answer."""
OPEN = words.OPEN_PATH.format(recording=new_recording_id())
ERASE = rights.ERASE_PATH.format(recording=new_recording_id())
PAYLOAD = words.PAYLOAD_PATH.format(grant="00" * 16)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with house(tmp_path) as home:
        yield Site(home, home.tls.ca_cert.read_text())


async def sent(site: Site, method: str, path: str, body: bytes, *lines: str) -> tuple[int, str, bytes]:
    """One request as it stands: the answer's status, its whole head, its body."""
    where = urlsplit(site.home.url)
    context = ssl.create_default_context(cadata=site.ca_pem)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=context)
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines]
    if not any(line.startswith("Transfer-Encoding") for line in lines):
        head.append(f"Content-Length: {len(body)}")
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    first, _, content = answer.partition(b"\r\n\r\n")
    return int(first.split()[1]), first.decode().lower(), content


REFUSED = [
    # how it is encoded
    ("POST", words.PROVE_PATH, PROVE, (), 415, "media-type", "Content-Type"),
    ("POST", words.PROVE_PATH, PROVE, ("Content-Type: text/plain",), 415, "media-type", "Content-Type"),
    (
        "POST", words.PROVE_PATH, PROVE.decode().encode("utf-16"),
        ("Content-Type: application/json; charset=utf-16",), 415, "media-type", "Content-Type",
    ),
    ("POST", words.PROVE_PATH, PROVE, (JSON, "Content-Encoding: gzip"), 415, "media-type", "Content-Encoding"),
    ("POST", words.PROVE_PATH, PROVE.decode().encode("utf-16"), (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, PROVE.decode().encode("utf-32-le"), (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, b"\xef\xbb\xbf" + PROVE, (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, PROVE[:-1], (JSON,), 400, "malformed", "body"),
    # what it is
    ("POST", words.PROVE_PATH, b'{"a":' * 2_000 + b"1" + b"}" * 2_000, (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, b"[" * 10_000, (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, b"1" * 10_000, (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, b'{"challenge":NaN}', (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, b'{"answer":"' + b"0" * 64 + b'",' + PROVE[1:], (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, f'{{"{SECRET}":1}}'.encode(), (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, b'{"\\ud800\\u0000":1}', (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, f'{{"challenge":"{SECRET}","answer":1}}'.encode(), (JSON,), 400, "malformed", "body"),
    ("POST", words.PROVE_PATH, b" " * (words.MAX_BODY_BYTES + 1), (JSON,), 413, "too-large", "body"),
    ("POST", words.PROVE_PATH, b"zz\r\n" + PROVE, (JSON, "Transfer-Encoding: chunked"), 400, None, ""),
    ("POST", OPEN, f'{{"session":"{SECRET}\\u0007"}}'.encode(), (JSON, BEARER), 400, "malformed", "body"),
    # what does not belong there
    ("POST", ERASE, b"{}", (JSON, BEARER), 400, "malformed", "body"),
    ("GET", words.LIST_PATH, b"{}", (JSON, BEARER), 400, "malformed", "body"),
    ("GET", f"{words.LIST_PATH}?trainee={SECRET}", b"", (BEARER,), 400, "malformed", "query"),
    ("GET", words.AUDIT_PATH.format(after="-1"), b"", (BEARER,), 400, "malformed", "path"),
    ("GET", words.AUDIT_PATH.format(after="9" * 19), b"", (BEARER,), 400, "malformed", "path"),
    # who asks
    ("GET", words.LIST_PATH, b"", (BEARER, BEARER), 401, "visit-ended", ""),
    ("GET", words.LIST_PATH, b"", (f"Authorization: Bearer {'A' * 64}",), 401, "visit-ended", ""),
    ("GET", words.LIST_PATH, b"", (f"Authorization: Basic {SECRET}",), 401, "visit-ended", ""),
    ("GET", words.LIST_PATH, b"", (BEARER.upper(),), 401, "visit-ended", ""),
    ("GET", PAYLOAD, b"", (BEARER, "Range: bytes=5-4"), 401, "visit-ended", ""),
    # where it goes
    ("DELETE", words.LIST_PATH, b"", (BEARER,), 405, "method", "method"),
    ("PUT", ERASE, b"", (BEARER,), 405, "method", "method"),
    ("GET", ERASE, b"", (BEARER,), 405, "method", "method"),
    ("TRACE", words.OPENAPI_PATH, b"", (), 405, "method", "method"),
    ("GET", f"{words.API}/{SECRET}", b"", (), 404, "not-found", "path"),
    ("GET", "/v1/recordings", b"", (BEARER,), 404, "not-found", "path"),
    ("POST", words.OPEN_PATH.format(recording=SECRET), b'{"session":"x"}', (JSON, BEARER), 404, "unknown", ""),
    ("POST", words.OPEN_PATH.format(recording="%00"), b'{"session":"x"}', (JSON, BEARER), 404, "unknown", ""),
    ("POST", words.OPEN_PATH.format(recording="%ff"), b'{"session":"x"}', (JSON, BEARER), 404, "unknown", ""),
]  # fmt: skip


async def test_each_is_told_what_and_where(site: Site) -> None:
    for method, path, body, lines, wanted, word, where in REFUSED:
        status, head, content = await sent(site, method, path, body, *lines)
        case = (method, path, body[:60], lines)
        assert status == wanted, case
        assert SECRET.encode() not in content, case
        if word is None:  # not HTTP: no handler of ours sees it
            continue
        problem = read_fields(Problem, read_object(content))
        assert (problem.word, problem.where, problem.status) == (word, where, wanted), case
        assert f"content-type: {PROBLEM_TYPE}" in head, case
        assert len(problem.detail) > 20, case
        assert ("allow: " in head) == (wanted == 405), case
        assert ("www-authenticate: bearer" in head) == (wanted == 401), case


async def test_a_path_with_several_methods_names_them_all(site: Site) -> None:
    for path, methods in ((rights.REQUESTS_PATH, "get, head, post"), (ERASE, "post")):
        status, head, _ = await sent(site, "PUT", path, b"", BEARER)
        assert status == 405
        assert f"\r\nallow: {methods}\r\n" in head


async def test_the_scheme_may_be_written_in_any_case(site: Site) -> None:
    """RFC 9110, 11.1. The token itself has one form."""
    bruno = await site.join("bruno")
    for scheme in ("Bearer", "bearer", "BEARER"):
        status, _, content = await sent(
            site, "GET", words.LIST_PATH, b"", f"Authorization: {scheme} {bruno.token.hex()}"
        )
        assert (status, json.loads(content)) == (200, {"items": []})


async def test_a_fault_of_the_bridge_is_a_problem_too(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing of what went wrong is told, and the log says where it is, not what was in it."""

    async def broken(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(site.home.link, "recordings", broken)
    status, _, content = await sent(site, "GET", words.LIST_PATH, b"", BEARER)
    problem = json.loads(content)
    assert (status, problem["word"]) == (500, "fault")
    assert SECRET not in content.decode()
    out, err = capfd.readouterr()
    assert "RuntimeError" in out + err
    assert "guard.py" in out + err
    assert SECRET not in out + err


def told(trainee: str, language: str) -> Told | None:
    return Told(f"{language}: what is recorded of {trainee}", "7" * 64) if trainee == "alice" else None


def week(trainer: str) -> Week:
    """Of bruno alone: a plan with a slot, and a fault."""
    if trainer != "bruno":
        return Week()
    start = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    plan = replace(plan_behind("alice", "bruno", NOON), slots=(Slot(start, start + timedelta(minutes=45)),))
    return Week((plan,), 120, 30, (Fault("alice", start, "disk"),))


async def test_a_notice_and_a_week_are_those_of_who_asks(tmp_path: Path) -> None:
    async with house(tmp_path, Behind(told=told, trained=week)) as home:
        site = Site(home, home.tls.ca_cert.read_text())
        people = {
            name: (await site.join(name, role)).token.hex()
            for name, role in (
                ("alice", Role.TRAINEE), ("bea", Role.TRAINEE), ("bruno", Role.TRAINER), ("carla", Role.TRAINER),
            )
        }  # fmt: skip

        async def asked(who: str, path: str) -> dict[str, Any]:
            status, _, content = await sent(site, "GET", path, b"", f"Authorization: Bearer {people[who]}")
            assert status == 200
            found: dict[str, Any] = json.loads(content)
            return found

        notice = NOTICE_PATH.format(language="fr")
        assert await asked("alice", notice) == {"text": "fr: what is recorded of alice", "notice": "7" * 64}
        assert await asked("bea", notice) == {"text": "", "notice": ""}
        bruno = await asked("bruno", WEEK_PATH)
        (plan,) = bruno.pop("plans")
        assert plan["text"].startswith('plan: "alice-orders"\n')
        assert (plan["plan"], plan["slots"]) == ("alice-orders", [{"start": 1_796_115_600, "minutes": 45}])
        assert bruno == {
            "capacity_minutes": 120,
            "recorded_minutes": 30,
            "waiting_minutes": 0,
            "faults": [{"trainee": "alice", "at": 1_796_115_600, "reason": "disk"}],
        }
        none = await asked("carla", WEEK_PATH)
        assert none == dict.fromkeys(("capacity_minutes", "recorded_minutes", "waiting_minutes"), 0) | {
            "plans": [],
            "faults": [],
        }


async def test_who_has_no_key_here_does_not_learn_what_is_proposed(site: Site) -> None:
    """A plan names people: nobody guesses at one."""
    site.home.proposed = ["what is proposed"]
    words_said = []
    for text in ("what is proposed", "what is not"):
        recipient = str(X25519Identity.generate().recipient())
        asked = words.BeginAsked(recipient, bytes(32), None, words.Act(words.Deed.APPROVE, "x", text))
        body = words.write_body(asked)
        words_said.append(json.loads((await sent(site, "POST", words.BEGIN_PATH, body, JSON))[2])["word"])
    assert words_said == ["not-joined"] * 2
