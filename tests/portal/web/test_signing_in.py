"""Joining, signing in and proving, over real TLS and with a real keeper: what it takes, and what it never lets through."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyotp
import pytest

from pbx_bridge.access import proof as proofs
from pbx_bridge.portal.web import signing_in
from pbx_bridge.portal.web.attempts import FREE_FAILURES
from pbx_bridge.portal.web.site import Site
from pbx_bridge.wire_portal import Act, Deed, Purpose, Role
from tests.archive.house import House, house, manifest
from tests.portal.web.client import PASSPHRASE, Client

T = TypeVar("T")
CONTENT = bytes(range(256)) * 1_000


@dataclass
class Town:
    home: House

    async def joined(self, name: str, role: Role, *, confirmed: bool = True) -> Client:
        client = Client(self.home)
        code = (await self.home.link.invite(name, role)).code
        done = await beside(lambda: client.join(code))
        assert done.status == 200, done.text
        if confirmed:
            await self.home.confirm(name)
            assert (await beside(client.prove)).status == 200
        return client


async def beside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        yield Town(home)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests come from one address and are quick."""
    monkeypatch.setattr(signing_in, "RateLimit", lambda **_: Unlimited())


class Unlimited:
    def wait_s(self, address: str, now_s: float) -> float:
        return 0.0


async def test_an_invitation_makes_one_account_and_one_only(town: Town) -> None:
    code = (await town.home.link.invite("alice", Role.TRAINEE)).code
    alice, mallory = Client(town.home), Client(town.home)
    joined = await beside(lambda: alice.join(code))
    assert (joined.status, json.loads(joined.body)) == (200, {"confirmed": False, "name": "alice"})
    again = await beside(lambda: mallory.join(code))
    assert (again.status, again.word) == (403, "code")
    guess = await beside(lambda: mallory.join(os.urandom(16)))
    assert (guess.status, guess.word) == (403, "code")
    assert (await beside(lambda: mallory.get("/account"))).status == 303


async def test_a_weak_passphrase_or_a_wrong_code_uses_nothing_up(town: Town) -> None:
    code = (await town.home.link.invite("alice", Role.TRAINEE)).code
    alice = Client(town.home)
    assert (await beside(lambda: alice.join(code, passphrase="Password1!"))).word == "passphrase"
    assert (await beside(lambda: alice.join(code, totp_code="000000"))).word == "second-factor"
    assert (await beside(lambda: alice.join(code))).status == 200


async def test_the_session_cookie_is_as_closed_as_browsers_know(town: Town) -> None:
    alice = await town.joined("alice", Role.TRAINEE, confirmed=False)
    page = await beside(lambda: alice.get("/account"))
    assert page.status == 200
    alice.cookies.clear()
    assert (await beside(lambda: alice.get("/account"))).status == 303
    code = (await town.home.link.invite("bea", Role.TRAINEE)).code
    bea = Client(town.home)
    joined = await beside(lambda: bea.join(code))
    (cookie,) = joined.cookies
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert cookie.startswith("__Host-session=")
    assert parts == {"path=/", "secure", "httponly", "samesite=strict"}


async def test_every_answer_bears_the_headers(town: Town) -> None:
    alice = await town.joined("alice", Role.TRAINEE)
    for path in (
        "/sign-in",
        "/join",
        "/account",
        "/recordings",
        "/key",
        "/",
        "/recordings/x/erase",
        "/plan",
        "/nowhere",
    ):
        headers = (await beside(lambda path=path: alice.get(path))).headers  # type: ignore[misc]
        assert headers["cache-control"] == "no-store", path
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in policy
        assert "camera=()" in headers["permissions-policy"]
    nowhere = await beside(lambda: alice.get("/nowhere"))
    assert (nowhere.status, "There is no such page" in nowhere.text) == (404, True)
    assert json.loads((await beside(lambda: alice.get("/api/v1/nowhere"))).body)["word"] == "not-found"
    style = await beside(lambda: alice.get("/static/site.css"))
    assert (style.status, style.headers["cache-control"]) == (200, "no-cache")
    tag = {"If-None-Match": style.headers["etag"]}
    assert (await beside(lambda: alice.ask("GET", "/static/site.css", headers=tag))).status == 304


async def test_a_form_of_another_site_or_without_the_token_does_nothing(town: Town) -> None:
    recording = (await town.home.record(CONTENT)).recording
    alice = await town.joined("alice", Role.TRAINEE)
    path = f"/recordings/{recording}/erase"
    evil = "https://evil.example"
    refused = [
        await beside(lambda: alice.form(path, origin=evil)),
        await beside(lambda: alice.form(path, origin="null")),
        await beside(lambda: alice.form(path, origin="")),
        await beside(lambda: alice.form(path, csrf="x")),
        await beside(lambda: alice.form(path, csrf="")),
        await beside(lambda: alice.json("/key/begin", b"{}", origin=evil)),
        await beside(lambda: alice.json("/key/begin", b"{}", csrf="x")),
        await beside(lambda: alice.form("/sign-in", origin=evil, name="alice")),
    ]
    assert {answer.status for answer in refused} == {403}
    assert await beside(lambda: alice.get("/recordings")) is not None
    assert "/erase" in (await beside(lambda: alice.get("/recordings"))).text
    assert (await beside(lambda: alice.form(path))).status == 303
    assert "/erase" not in (await beside(lambda: alice.get("/recordings"))).text


async def test_signing_in_says_nothing_of_what_was_wrong_and_is_slowed(town: Town) -> None:
    await town.joined("alice", Role.TRAINEE)
    eve = Client(town.home)
    seen = []
    for name in ("alice", "nobody"):
        for _ in range(FREE_FAILURES):
            answer = await beside(lambda name=name: eve.sign_in(name, "wrong words"))  # type: ignore[misc]
            seen.append((answer.status, answer.text.replace(f'value="{name}"', "")))
    assert len(set(seen)) == 1
    assert seen[0][0] == 401
    for name in ("alice", "nobody"):
        answer = await beside(lambda name=name: eve.sign_in(name))  # type: ignore[misc]
        assert answer.status == 429, "the right passphrase has to wait too"


async def test_a_code_signs_in_once_and_a_session_without_the_key_sees_nothing(town: Town) -> None:
    alice = await town.joined("alice", Role.TRAINEE)
    elsewhere = Client(town.home, totp=alice.totp)
    reused = await beside(lambda: elsewhere.sign_in("alice", code=alice.code_used))
    assert reused.status == 401, "the code that joined"
    next_code = await beside(lambda: later(alice))
    signed_in = await beside(lambda: elsewhere.sign_in("alice", code=next_code))
    assert (signed_in.status, signed_in.headers["location"]) == (303, "/key?next=/")
    for path in ("/recordings", "/plan", "/accesses", "/calls", "/notice"):
        answer = await beside(lambda path=path: elsewhere.get(path))  # type: ignore[misc]
        assert answer.status == 303
        assert answer.headers["location"].startswith("/key")
    unknown = await beside(elsewhere.prove)
    assert unknown.word == "not-joined"


def later(client: Client) -> str:
    """The code of the step after this one, which a telephone half a minute ahead shows."""
    return pyotp.TOTP(client.totp).at(int(time.time()) + 30)


async def test_the_key_of_somebody_else_opens_nothing_in_my_session(town: Town) -> None:
    alice = await town.joined("alice", Role.TRAINEE)
    bea = await town.joined("bea", Role.TRAINEE)
    alice.identity = bea.identity
    answer = await beside(alice.prove)
    assert (answer.status, answer.word) == (403, "stranger")


async def test_a_key_nobody_confirmed_sees_nothing(town: Town) -> None:
    await town.home.record(CONTENT)
    alice = await town.joined("alice", Role.TRAINEE, confirmed=False)
    for path, status in (("/recordings", 403), ("/plan", 403), ("/accesses", 403), ("/account", 200)):
        assert (await beside(lambda path=path: alice.get(path))).status == status  # type: ignore[misc]


async def test_a_trainee_sees_whose_key_was_confirmed(town: Town) -> None:
    """P22: the key of whoever may open what is theirs, by name; and the administrator by a word."""
    await town.home.record(CONTENT)
    alice = await town.joined("alice", Role.TRAINEE)
    await town.joined("bruno", Role.TRAINER)
    page = (await beside(lambda: alice.get("/accesses"))).text
    assert re.search(r'confirmed a key <span class="soft">\(bruno\)</span>', page)
    assert re.search(r'confirmed a key <span class="soft">\(you\)</span>', page)
    assert 'data-label="Who">the administrator</td>' in page


async def test_handing_over_takes_the_key_for_this_very_recording(town: Town) -> None:
    """P18: the portal holds a session and a visit; neither hands anything over."""
    recording = (await town.home.record(CONTENT)).recording
    other = (await town.home.record(CONTENT, manifest(trainee="bea"))).recording
    alice = await town.joined("alice", Role.TRAINEE)
    bruno = await town.joined("bruno", Role.TRAINER)
    assert (await beside(lambda: bruno.prove(Act(Deed.HAND_OVER, "", recording)))).status == 404
    assert (await beside(lambda: alice.prove(Act(Deed.HAND_OVER, "", other)))).status == 404
    assert (await beside(lambda: alice.prove(Act(Deed.HAND_OVER, "", "../x")))).status == 404
    begun, proof = await beside(lambda: alice.answered("/key/begin", None, Act(Deed.HAND_OVER, "", other)))
    proof["answer"] = "00" * 32
    assert (await beside(lambda: alice.json("/key/prove", json.dumps(proof).encode()))).word == "proof"
    before = (await town.home.link.trainees_own("alice"))[0]
    done = await beside(lambda: alice.prove(Act(Deed.HAND_OVER, "", recording)))
    assert done.status == 200, begun.text
    assert before.recording == recording
    token = await visit_of(town, bruno)
    states = {item.recording: item.state for item in await town.home.link.recordings(token)}
    assert states == {recording: "open", other: "trainee-first"}


async def visit_of(town: Town, client: Client) -> bytes:
    """A visit of the same person's key, straight at the keeper."""
    nonce = os.urandom(32)
    begun = await town.home.link.begin(str(client.identity.recipient()), nonce, bytes(32))
    proof = proofs.answer(bytes.fromhex(begun.sealed), client.identity, Purpose.SESSION, nonce, bytes(32))
    return (await town.home.link.prove(begun.challenge, proof)).token


async def test_joining_anew_ends_every_session_and_the_old_passphrase(town: Town) -> None:
    alice = await town.joined("alice", Role.TRAINEE)
    code = (await town.home.link.invite("alice", Role.TRAINEE)).code
    renewed = Client(town.home)
    await beside(lambda: renewed.join(code, passphrase=PASSPHRASE + " zebra"))
    assert (await beside(lambda: alice.get("/account"))).status == 303
    stale = await beside(lambda: alice.sign_in("alice", code=later(alice)))
    assert stale.status == 401


async def test_one_ends_ones_own_sessions(town: Town) -> None:
    alice = await town.joined("alice", Role.TRAINEE)
    page = await beside(lambda: alice.get("/account"))
    session = page.text.split('name="session" value="')[1][:16]
    assert (await beside(lambda: alice.form("/account/end", session=session))).status == 303
    assert (await beside(lambda: alice.get("/account"))).status == 303


async def test_a_person_is_never_sent_on_to_another_site(town: Town) -> None:
    alice = await town.joined("alice", Role.TRAINEE)
    for ahead in ("//evil.example/", "https://evil.example/", "/\\evil.example", "/%2f/evil", "/a?b=//c", ""):
        for path in ("/key", "/language"):
            name = "next" if path == "/key" else "back"
            answer = await beside(lambda p=path, n=name, a=ahead: alice.get(f"{p}?{n}={a}&to=fr"))  # type: ignore[misc]
            assert "evil" not in answer.headers.get("location", "") + answer.text


async def test_nothing_of_a_person_is_in_a_log(town: Town, capfd: pytest.CaptureFixture[str]) -> None:
    alice = await town.joined("alice-martin", Role.TRAINEE)
    await beside(lambda: alice.get("/recordings"))
    await beside(lambda: alice.form("/sign-in", name="alice-martin", passphrase="wrong", code="1"))
    out, err = capfd.readouterr()
    assert "alice-martin" not in out + err
    assert "wrong" not in out + err
