"""Errors that help: each says what it is and what to do, bears the headers, and repeats nothing that was sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from http.client import IncompleteRead
from pathlib import Path

import pytest

from pbx_bridge.archive.catalogue import Shelf
from pbx_bridge.ids import RecordingId
from pbx_bridge.portal.limits import RateLimit
from pbx_bridge.portal.web import asked as asked_module
from pbx_bridge.portal.web import own_account, signing_in
from pbx_bridge.portal.web.sessions import Session, Sessions
from pbx_bridge.portal.web.site import Site
from pbx_bridge.wire_portal import Role
from tests.archive.house import house
from tests.portal.web.client import Answer, Client
from tests.portal.web.test_signing_in import Town, Unlimited, beside


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    for module in (signing_in, own_account):
        monkeypatch.setattr(module, "RateLimit", lambda **_: Unlimited())
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        yield Town(home)


def helps(answer: Answer, status: int, says: str) -> None:
    assert (answer.status, says in answer.text) == (status, True), (answer.status, answer.text[-900:])
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert '<a href="/">' in answer.text


async def test_each_error_says_what_to_do(
    town: Town, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    alice = await town.joined("alice", Role.TRAINEE)
    for path in (
        "/nowhere/secret-word",
        "/recordings/",
        "/sign-in/",
    ):  # none is sent on to the like without a slash
        helps(await beside(partial(alice.get, path)), 404, "There is no such page")
    wrong = await beside(lambda: alice.form("/plan"))
    helps(wrong, 405, "use its buttons")
    assert "GET" in wrong.headers["allow"]
    helps(await beside(lambda: alice.form("/account/end", session="x" * 17_000)), 413, "16 KiB")
    helps(await beside(lambda: alice.form("/account/end", csrf="secret-word")), 403, "Open the page again")
    helps(await beside(lambda: alice.get("/accesses?before=secret-word")), 400, "cannot be read")

    def broken(sessions: Sessions, name: str) -> list[Session]:
        raise RuntimeError("secret-word of " + name)

    with monkeypatch.context() as patched:
        patched.setattr(Sessions, "of", broken)
        helps(await beside(lambda: alice.get("/account")), 500, "tell the administrator when it was")
    town.home.end_keeper()
    down = await beside(lambda: alice.get("/recordings"))
    helps(down, 503, "does not answer")
    assert 'href="/recordings">Try again' in down.text
    out, err = capfd.readouterr()
    assert "RuntimeError" in out + err
    assert "secret-word" not in out + err
    assert "alice" not in out + err


async def test_who_asks_too_often_is_told_how_long_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked_module, "RateLimit", lambda **_: RateLimit(burst=1, per_s=0.01))
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        somebody = Client(home)
        await beside(lambda: somebody.get("/sign-in"))
        answer = await beside(lambda: somebody.get("/sign-in"))
        helps(answer, 429, "Try again in")
        assert 90 <= int(answer.headers["retry-after"]) <= 101


async def test_a_host_that_is_none_is_refused_like_anything_else(
    town: Town, capfd: pytest.CaptureFixture[str]
) -> None:
    """And stands in no log as a fault of ours."""
    somebody = Client(town.home)
    for host in ("[", "a b", "evil.example/x?y=", "x" * 300, ""):
        said = {"Host": host}
        for path in ("/sign-in", "/join"):
            helps(await beside(partial(somebody.ask, "GET", path, None, said)), 400, "cannot be read")
        helps(await beside(partial(somebody.ask, "GET", "/nowhere", None, said)), 404, "no such page")
        api = await beside(partial(somebody.ask, "GET", "/api/v1/openapi.json", None, said))
        assert api.status == 200
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    assert "portal:" not in out + err


async def test_what_peers_send_wrong_fills_no_log_and_a_broken_answer_has_one_line(
    town: Town, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """uvicorn's own words came raw, with a whole traceback where an answer broke off, whose last line is anybody's."""
    alice = await town.joined("alice", Role.TRAINEE)
    recording = (await town.home.record(bytes(100))).recording

    def broken(shelf: Shelf, recording: RecordingId, position: int, size: int) -> bytes:
        raise OSError("secret-word")

    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
    await beside(lambda: alice.ask("GET", "/sign-in", headers=upgrade))
    wrong = {"Content-Length": "many"}
    assert (await beside(lambda: alice.ask("GET", "/sign-in", headers=wrong))).status == 400
    out, err = capfd.readouterr()
    assert "Unsupported" not in out + err
    assert "Invalid" not in out + err
    monkeypatch.setattr(Shelf, "read", broken)
    with pytest.raises(IncompleteRead):
        await beside(lambda: alice.form(f"/recordings/{recording}/fetch", session=""))
    out, err = capfd.readouterr()
    (line,) = (out + err).splitlines()
    assert "an answer broke off" in line
    assert "OSError" in line
    assert "secret-word" not in line


async def test_a_form_that_came_too_late_says_that_it_did_nothing(town: Town) -> None:
    """Sent on to a list or to the sign-in page without a word, people believed that it was done."""
    alice = await town.joined("alice", Role.TRAINEE)
    await beside(lambda: alice.get("/key?again=yes"))
    helps(await beside(lambda: alice.form("/rights/access")), 401, "this was not done")
    await beside(lambda: alice.form("/sign-out"))
    late = await beside(lambda: alice.form("/rights/access"))
    assert (late.status, late.headers["location"]) == (303, "/sign-in?next=/&undone=yes")
    assert "was not done" in (await beside(lambda: alice.get(late.headers["location"]))).text
    again = await beside(lambda: alice.form("/sign-out"))
    assert again.headers["location"] == "/sign-in?next=/", "which was done already"


async def test_who_waits_for_the_approver_is_led_to_the_fingerprint(town: Town) -> None:
    """Their first page is refused as this one is."""
    alice = await town.joined("alice", Role.TRAINEE, confirmed=False)
    await beside(alice.prove)
    for path in ("/recordings", "/plan"):
        found = await beside(partial(alice.get, path))
        assert found.status == 403
        assert '<a class="button" href="/account">My account</a>' in found.text
        assert '<a href="/">' not in found.text
    assert "Your name to sign in with: alice" in (await beside(lambda: alice.get("/account"))).text


async def test_people_behind_one_address_do_not_use_up_each_others_proofs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every key is proven every quarter of an hour, and two requests are one proof."""
    monkeypatch.setattr(signing_in, "PROOFS_AT_ONCE", 4)
    monkeypatch.setattr(signing_in, "PROOFS_PER_S", 0.001)
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        both = [await Town(home).joined(name, Role.TRAINEE, confirmed=False) for name in ("alice", "bea")]
        for _ in range(2):
            assert (await beside(both[0].prove)).status == 200
        slowed = await beside(both[0].prove)
        assert (slowed.status, slowed.word) == (429, "too-often")
        assert (await beside(both[1].prove)).status == 200
