"""Every operation of the API against everybody there is: who gets what is written here, and nowhere else.

The table names each operation; one that is added and not written here fails. So does an answer nobody expected.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from starlette.routing import Route

from pbx_bridge import wire_portal as words
from pbx_bridge import wire_rights as rights
from pbx_bridge.age import X25519Identity
from pbx_bridge.portal import guard, openapi
from pbx_bridge.portal.operations import OPERATIONS, Operation
from pbx_bridge.portal.tokens import Purpose
from pbx_bridge.wire_audit import Looked
from pbx_bridge.wire_notes import NoteAsked
from pbx_bridge.wire_office import WeighAsked
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_problem import PROBLEM_TYPE
from tests.archive.house import house, manifest
from tests.portal.web.test_signing_in import Unlimited
from tests.trainer.test_portal import CONTENT, Site

PROGRAMS = tuple(purpose.value for purpose in Purpose)
PERSONS = ("unconfirmed", "alice", "bea", "bruno", "carla", "dan", "eve")
WHO = ("nobody", "stranger", *PROGRAMS, *PERSONS)
"""Without a token; with one that never was; programs with all that their purpose allows; a trainee's key nobody
confirmed; the recording's trainee; another trainee; its trainer; another trainer; an approver; an auditor."""
ROLES = {
    "alice": Role.TRAINEE,
    "bea": Role.TRAINEE,
    "bruno": Role.TRAINER,
    "carla": Role.TRAINER,
    "dan": Role.APPROVER,
    "eve": Role.AUDITOR,
}
OF_A_PROGRAM = dict.fromkeys(WHO, "token") | {"nobody": "visit-ended"} | dict.fromkeys(PROGRAMS, "scope")
EVERYBODY = dict.fromkeys(WHO, "200")
VISITORS = dict.fromkeys(("nobody", "stranger", *PROGRAMS), "visit-ended")
NOBODY_ELSE = VISITORS | dict.fromkeys(PERSONS, "unknown")
OF_A_ROLE = VISITORS | dict.fromkeys(PERSONS, "role")
OF_THE_RECORDING = NOBODY_ELSE | {"unconfirmed": "key-unconfirmed", "bruno": "trainee-first"}
CONFIRMED = VISITORS | {"unconfirmed": "key-unconfirmed"} | dict.fromkeys(ROLES, "200")
WANTED: dict[str, dict[str, str]] = {
    "openapi": EVERYBODY,
    "begin": dict.fromkeys(WHO, "not-joined"),
    "prove": dict.fromkeys(WHO, "proof"),
    "list": CONFIRMED,
    "open": OF_THE_RECORDING | {"alice": "200"},
    "fetch": OF_THE_RECORDING | {"alice": "200"},
    "payload": dict.fromkeys(WHO, "visit-ended"),
    "left": dict.fromkeys(WHO, "visit-ended"),
    "review": NOBODY_ELSE | {"bruno": "trainee-first"},
    "export": NOBODY_ELSE | {"alice": "unreadable"},  # hers, and no video: tests/rights has real ones
    "erase": NOBODY_ELSE | {"alice": "200"},
    "own": OF_A_ROLE | {"alice": "200", "bea": "200"},
    "notice": OF_A_ROLE | {"alice": "200", "bea": "200"},
    "requests": CONFIRMED,  # an approver's, a trainee's own, nobody else's
    "request": OF_A_ROLE | {"alice": "200", "bea": "200"},
    "notes": OF_THE_RECORDING | {"alice": "200"},
    "write-note": OF_THE_RECORDING | {"unconfirmed": "unknown"},
    "erase-note": OF_THE_RECORDING | {"alice": "note-unknown"},
    "week": OF_A_ROLE | {"bruno": "200", "carla": "200"},
    "slots": OF_A_ROLE | {"bruno": "slot", "carla": "slot"},  # this house has no catalogue
    "proposals": OF_A_ROLE | {"dan": "200"},
    "weigh": OF_A_ROLE | {"dan": "changed"},  # no proposal has this digest
    "report": OF_A_ROLE | {"dan": "200", "eve": "200"},
    "audit-look": OF_A_ROLE | {"eve": "200"},
    "audit": OF_A_ROLE | {"eve": "200"},
    "payment": OF_A_PROGRAM | {"payments": "no-call"},
    "health": OF_A_PROGRAM | {"monitoring": "200"},
    "audit-checkpoint": OF_A_PROGRAM | {"audit-copy": "200"},
}
BODIES: dict[str, Callable[[], object]] = {
    "begin": lambda: words.BeginAsked(str(X25519Identity.generate().recipient()), bytes(32)),
    "prove": lambda: words.Prove(bytes(16), bytes(32)),
    "open": lambda: words.OpenAsked("review of Friday"),
    "fetch": lambda: words.OpenAsked("review of Friday"),
    "left": lambda: words.LeftAsked(words.Broke.DAMAGED),
    "review": lambda: words.ReviewAsked("review of Friday"),
    "request": lambda: rights.RequestAsked(rights.Right.ACCESS),
    "write-note": lambda: NoteAsked("review of Friday", "00"),
    "weigh": lambda: WeighAsked("0" * 64),
    "audit-look": lambda: Looked(0, 1 << 40, "", 0),
    "slots": lambda: words.SlotAsked("alice-orders", int(time.time()) + 86_400, 60),
    "payment": lambda: words.PaymentAsked("alice", words.Moment.BEGIN),
}
BY_NAME = {operation.name: operation for operation in OPERATIONS}


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setattr(guard, "RateLimit", lambda **_: Unlimited())
    async with house(tmp_path) as home:
        yield Site(home, home.tls.ca_cert.read_text())


async def tokens(site: Site) -> dict[str, str]:
    """Everybody's token, "" for nobody."""
    found = {"nobody": "", "stranger": "5" * 64}
    for purpose in Purpose:
        found[purpose.value] = site.home.tokens.make(f"the-{purpose.value}", purpose)
    for name, role in ROLES.items():
        found[name] = (await site.join(name, role)).token.hex()
    found["unconfirmed"] = (await site.join("unconfirmed", Role.TRAINEE, confirmed=False)).token.hex()
    return found


async def test_every_operation_for_everybody(site: Site) -> None:
    people = await tokens(site)
    seen: dict[str, dict[str, str]] = {}
    for operation in OPERATIONS:
        for who in WHO:
            recording = ""
            if "{recording}" in operation.path:
                recording = (await site.home.record(CONTENT, manifest())).recording
            seen.setdefault(operation.name, {})[who] = await outcome(site, operation, people[who], recording)
    others = {
        (name, who): outcome
        for name, outcomes in seen.items()
        for who, outcome in outcomes.items()
        if WANTED[name][who] != outcome
    }
    assert others == {}


async def outcome(site: Site, operation: Operation, token: str, recording: str) -> str:
    """`200`, or the problem's word."""
    path = operation.path.format(recording=recording, grant="00" * 16, after="0", language="en", note="a" * 8)
    body = words.write_body(BODIES[operation.name]()) if operation.asked else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    status, answered, content = await site.raw(operation.method, path, body, headers)
    if status == 200:
        return "200"
    problem = json.loads(content)
    assert answered["content-type"] == PROBLEM_TYPE
    assert problem["status"] == status
    assert problem["type"].endswith(problem["word"])
    assert answered["cache-control"] == "no-store"
    return str(problem["word"])


def test_no_operation_is_forgotten() -> None:
    assert WANTED.keys() == BY_NAME.keys() == {operation.name for operation in OPERATIONS}
    assert len(BY_NAME) == len(OPERATIONS)
    assert BODIES.keys() == {operation.name for operation in OPERATIONS if operation.asked}


async def test_what_is_mounted_is_what_the_document_says(site: Site) -> None:
    """And the document that is served is the one that was made of the table."""
    status, headers, content = await site.raw("GET", words.OPENAPI_PATH)
    assert (status, headers["content-type"]) == (200, "application/json")
    served = json.loads(content)
    assert served == openapi.document(OPERATIONS)
    said = {(method.upper(), path) for path, methods in served["paths"].items() for method in methods}
    app = site.home.portal._config.loaded_app
    mounted = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route) and route.path != words.CA_PATH
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert mounted == said
