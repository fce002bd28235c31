"""Every route of the portal against everybody there is: who gets what is written here, and nowhere else.

The table names each route; a route that is added and not written here fails. So does an answer nobody expected.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from starlette.routing import Route

from pbx_bridge.ids import parse_recording_id
from pbx_bridge.portal.web import own_account, signing_in
from pbx_bridge.portal.web.rendering import HEADERS
from pbx_bridge.portal.web.site import Site
from pbx_bridge.training.plans import plan_text
from pbx_bridge.wire_portal import Role
from tests.archive.house import House, house, manifest, plan_behind
from tests.portal.web.client import Answer, Client
from tests.portal.web.test_signing_in import CONTENT, Unlimited, later

WHO = ("nobody", "signed-in", "unconfirmed", "alice", "bea", "bruno", "carla", "dan", "eve")
"""Nobody; alice's session without her key; a trainee's key nobody confirmed; the recording's trainee; another trainee;
its trainer; another trainer; an approver; an auditor."""
FIRST, KEY, HERE = "to /sign-in", "to /key", "200"
EVERYBODY = dict.fromkeys(WHO, HERE)
SIGNED_IN = {"nobody": FIRST}
PRIVATE = {"nobody": FIRST, "signed-in": KEY, "unconfirmed": "403"}
OF_TRAINEES = PRIVATE | {
    "alice": HERE,
    "bea": HERE,
    "bruno": "403",
    "carla": "403",
    "dan": "403",
    "eve": "403",
}
OF_ALICE = PRIVATE | {"alice": HERE} | dict.fromkeys(("bea", "bruno", "carla", "dan", "eve"), "404")
OF_DAN = PRIVATE | dict.fromkeys(("alice", "bea", "bruno", "carla", "eve"), "403") | {"dan": HERE}
OF_EVE = PRIVATE | dict.fromkeys(("alice", "bea", "bruno", "carla", "dan"), "403") | {"eve": HERE}
OF_BOTH = OF_DAN | {"eve": HERE}
PROPOSED = plan_text(replace(plan_behind("alice", "bruno", 1_800_000_000), approver="dan"))
OTHERS = plan_text(plan_behind("alice", "bruno", 1_800_000_000))
GETS: dict[str, dict[str, str]] = {
    "/join": EVERYBODY,
    "/sign-in": EVERYBODY,
    "/language": dict.fromkeys(WHO, "to /"),
    "/key": dict.fromkeys(WHO, HERE) | SIGNED_IN,
    "/account": dict.fromkeys(WHO, HERE) | SIGNED_IN,
    "/account/passphrase": dict.fromkeys(WHO, HERE) | SIGNED_IN,
    "/account/second-factor": dict.fromkeys(WHO, HERE) | SIGNED_IN,
    "/": dict.fromkeys(WHO, "to /account")
    | {"nobody": FIRST, "signed-in": KEY}
    | dict.fromkeys(("unconfirmed", "alice", "bea"), "to /recordings")
    | dict.fromkeys(("bruno", "carla"), "to /trainees")
    | {"dan": "to /proposals", "eve": "to /audit"},
    "/trainees": PRIVATE
    | dict.fromkeys(("alice", "bea", "dan", "eve"), "403")
    | dict.fromkeys(("bruno", "carla"), HERE),
    "/recordings/{recording}/review": OF_ALICE | {"alice": "404", "bruno": HERE},
    "/recordings": PRIVATE | dict.fromkeys(("alice", "bea", "bruno", "carla", "dan", "eve"), HERE),
    "/recordings/{recording}/hand-over": OF_ALICE,
    "/recordings/{recording}/erase": OF_ALICE,
    "/recordings/{recording}/watch": OF_ALICE | {"bruno": HERE},
    "/recordings/{recording}/payload/{grant}": dict.fromkeys(WHO, "404") | SIGNED_IN | {"signed-in": KEY},
    "/recordings/{recording}/notes": OF_ALICE | {"bruno": "403"},
    "/plan": OF_TRAINEES,
    "/notice": OF_TRAINEES,
    "/calls": OF_TRAINEES,
    "/accesses": OF_TRAINEES,
    "/rights": OF_TRAINEES,
    "/rights/objection": OF_TRAINEES,
    "/proposals": OF_DAN,
    "/proposals/{digest}": OF_DAN,
    "/audit": OF_EVE,
    "/audit/verify": OF_EVE,
    "/audit/copy": OF_EVE,
    "/report": OF_BOTH,
    "/report/record": OF_BOTH,
    "/report/file": OF_BOTH,
}
POSTS: dict[str, dict[str, str]] = {
    "/recordings/{recording}/erase": PRIVATE
    | {"unconfirmed": "404", "alice": "to /recordings"}
    | dict.fromkeys(("bea", "bruno", "carla", "dan", "eve"), "404"),
    "/recordings/{recording}/open": PRIVATE
    | {"unconfirmed": "400"}
    | dict.fromkeys(("alice", "bea", "bruno", "carla", "dan", "eve"), "400"),
    "/recordings/{recording}/fetch": PRIVATE
    | {"alice": HERE, "bruno": "403"}
    | dict.fromkeys(("bea", "carla", "dan", "eve"), "404"),
    "/recordings/{recording}/left": dict.fromkeys(WHO, "404") | SIGNED_IN,
    "/recordings/{recording}/review": PRIVATE
    | dict.fromkeys(("unconfirmed", "alice", "bea", "carla", "dan", "eve"), "404")
    | {"bruno": "403"},
    "/rights/access": OF_TRAINEES | dict.fromkeys(("alice", "bea"), "to /rights"),
    "/rights/everything": OF_TRAINEES,
    "/recordings/{recording}/copy": PRIVATE
    | dict.fromkeys(("unconfirmed", "bea", "bruno", "carla", "dan", "eve"), "404")
    | {"alice": "403"},
    "/recordings/{recording}/notes": PRIVATE
    | {"unconfirmed": "400"}
    | dict.fromkeys(("alice", "bea", "bruno", "carla", "dan", "eve"), "400"),
    "/recordings/{recording}/notes/{note}/erase": PRIVATE
    | {"bruno": "403"}
    | dict.fromkeys(("alice", "bea", "carla", "dan", "eve"), "404"),
    "/slots": PRIVATE
    | {"unconfirmed": "400"}
    | dict.fromkeys(("alice", "bea", "bruno", "carla", "dan", "eve"), "400"),
    "/audit/part": PRIVATE
    | {"unconfirmed": "400"}
    | dict.fromkeys(("alice", "bea", "bruno", "carla", "dan", "eve"), "400"),
    "/account/end": dict.fromkeys(WHO, "to /account") | SIGNED_IN,
    "/account/passphrase": dict.fromkeys(WHO, "400") | SIGNED_IN,
    "/account/second-factor": dict.fromkeys(WHO, "400") | SIGNED_IN,
    "/join": dict.fromkeys(WHO, "400"),
    "/join/begin": dict.fromkeys(WHO, "400"),
    "/sign-in": dict.fromkeys(WHO, "401"),
    "/key/begin": dict.fromkeys(WHO, "400") | SIGNED_IN,
    "/key/prove": dict.fromkeys(WHO, "400") | SIGNED_IN,
    "/rights/objection": OF_TRAINEES | dict.fromkeys(("alice", "bea"), "to /rights"),
    "/sign-out": dict.fromkeys(WHO, "to /sign-in") | SIGNED_IN,
}
"""Bodies that are none for what a script sends: here it is asked who gets that far."""


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    for module in (signing_in, own_account):
        monkeypatch.setattr(module, "RateLimit", lambda **_: Unlimited())
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as found:
        found.proposed = [PROPOSED, OTHERS]
        yield found


async def everybody(home: House) -> dict[str, Client]:
    roles = {
        "alice": Role.TRAINEE, "bea": Role.TRAINEE, "unconfirmed": Role.TRAINEE, "bruno": Role.TRAINER,
        "carla": Role.TRAINER, "dan": Role.APPROVER, "eve": Role.AUDITOR,
    }  # fmt: skip
    found = {name: Client(home) for name in WHO}
    for name, role in roles.items():
        code = (await home.link.invite(name, role)).code
        joined = await asyncio.to_thread(found[name].join, code)
        assert joined.status == 200, joined.text
        if name != "unconfirmed":
            await home.confirm(name)
        assert (await asyncio.to_thread(found[name].prove)).status == 200
    code = (await home.link.invite("zoe", Role.TRAINEE)).code
    await asyncio.to_thread(found["signed-in"].join, code)
    # a session of its own accord: the account stands, the key was never proven in it
    signed_in = Client(home, totp=found["signed-in"].totp)
    answer = await asyncio.to_thread(signed_in.sign_in, "zoe", code=later(found["signed-in"]))
    assert answer.status == 303
    found["signed-in"] = signed_in
    return found


def answered(answer: Answer) -> dict[str, str]:
    """Its headers, by the names the pages give them."""
    return {name: answer.headers.get(name.lower(), "") for name in HEADERS}


def outcome(answer: Answer) -> str:
    if answer.status == 303:
        return "to " + answer.headers["location"].partition("?")[0]
    return str(answer.status)


async def test_every_page_for_everybody(home: House) -> None:
    recording = (await home.record(CONTENT, manifest())).recording
    people = await everybody(home)
    digest = hashlib.sha256(PROPOSED.encode()).hexdigest()
    for path, wanted in GETS.items():
        for who, expected in wanted.items():
            asked = path.format(recording=recording, grant="00" * 16, digest=digest)
            answer = await asyncio.to_thread(people[who].get, asked)
            assert outcome(answer) == expected, (path, who)
            assert HEADERS.items() <= answered(answer).items(), (path, who)
            if (expected != HERE or who in ("bea", "carla", "dan", "eve")) and path != "/audit/copy":
                assert recording not in answer.text.replace(asked, ""), (path, who)


async def test_a_part_of_the_log_goes_to_the_auditor_alone(home: House) -> None:
    """P19: asked as the page's script asks."""
    people = await everybody(home)
    for who, client in people.items():
        answer = await asyncio.to_thread(client.json, "/audit/part", b'{"after":0}')
        if who == "eve":
            assert b64decode(json.loads(answer.body)["lines"]).splitlines() != []
        else:
            assert answer.word == (
                "session" if who == "nobody" else "visit-ended" if who == "signed-in" else "role"
            ), who


async def test_another_approvers_plan_is_none_of_this_ones(home: House) -> None:
    people = await everybody(home)
    digest = hashlib.sha256(OTHERS.encode()).hexdigest()
    answer = await asyncio.to_thread(people["dan"].get, f"/proposals/{digest}")
    assert answer.status == 409


async def test_every_deed_for_everybody(home: House) -> None:
    people = await everybody(home)
    for path, wanted in POSTS.items():
        for who, expected in wanted.items():
            recording = (await home.record(CONTENT, manifest())).recording if "{" in path else "x"
            fields = {"session": "0" * 16, "name": who, "passphrase": "x", "code": "1"}
            client = people[who]
            cookies = dict(client.cookies)
            send = partial(client.form, path.format(recording=recording, note="a" * 8), **fields)
            answer = await asyncio.to_thread(send)
            client.cookies = cookies
            undone = "401"  # a form is not sent on to the key's page: nobody would know that it did nothing
            assert outcome(answer) == (undone if expected == KEY else expected), (path, who)
            assert HEADERS.items() <= answered(answer).items(), (path, who)
            if "{" in path and who != "alice":
                states = {item.recording: item.state for item in await home.link.trainees_own("alice")}
                assert states[parse_recording_id(recording)] == "open", (path, who)
            if path == "/sign-out" and who != "nobody":
                assert (await asyncio.to_thread(client.get, "/account")).status == 303


async def test_no_route_is_forgotten(home: House) -> None:
    portal = home.portal._config.loaded_app.routes
    pages = [
        route
        for route in portal
        if isinstance(route, Route) and not route.path.startswith(("/api/", "/static/", "/ca.pem"))
    ]
    known = {("GET", path) for path in GETS} | {("POST", path) for path in POSTS}
    there = {(m, route.path) for route in pages for m in (route.methods or ()) if m != "HEAD"}
    assert there == known
