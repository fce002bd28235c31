"""One's own account: another passphrase, another second factor, sessions that end; over real TLS."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyotp
import pytest

from pbx_bridge.portal.web import own_account, signing_in, site
from pbx_bridge.portal.web.accounts import STEP_S, Accounts
from pbx_bridge.portal.web.attempts import FREE_FAILURES
from pbx_bridge.portal.web.site import Site
from pbx_bridge.wire_portal import Role
from tests.archive.house import House, house
from tests.portal.web.client import PASSPHRASE, Client
from tests.portal.web.test_signing_in import Unlimited

T = TypeVar("T")
NEW = "velvet gravel pioneer candle seventeen"


@dataclass
class Town:
    home: House
    now: int

    async def alice(self) -> Client:
        client = Client(self.home)
        code = (await self.home.link.invite("alice", Role.TRAINEE)).code
        assert (await beside(lambda: client.join(code, totp_code=self.code(client)))).status == 200
        return client

    def code(self, client: Client, secret: str = "") -> str:
        return pyotp.TOTP(secret or client.totp, interval=STEP_S).at(self.now)

    def later(self) -> None:
        """The telephone shows the next code."""
        self.now += STEP_S


async def beside(work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work)


@pytest.fixture
async def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    made: list[Town] = []
    monkeypatch.setattr(site, "_clock", lambda: made[0].now)
    for module in (signing_in, own_account):
        monkeypatch.setattr(module, "RateLimit", lambda **_: Unlimited())
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        made.append(Town(home, int(time.time())))
        yield made[0]


async def elsewhere(town: Town, alice: Client, passphrase: str = PASSPHRASE) -> tuple[Client, int]:
    """Alice at another browser."""
    town.later()
    other = Client(town.home, totp=alice.totp)
    answer = await beside(lambda: other.sign_in("alice", passphrase, town.code(alice)))
    return other, answer.status


async def test_another_passphrase_takes_both_factors_and_ends_every_other_session(town: Town) -> None:
    alice = await town.alice()
    other, status = await elsewhere(town, alice)
    assert status == 303
    used = town.code(alice)
    for fields, says in (
        ({"new": NEW, "again": NEW + "x", "passphrase": PASSPHRASE, "code": used}, "differ"),
        ({"new": "Password1!", "again": "Password1!", "passphrase": PASSPHRASE, "code": used}, "guessed"),
        ({"new": NEW, "again": NEW, "passphrase": "wrong words", "code": used}, "wrong"),
        ({"new": NEW, "again": NEW, "passphrase": PASSPHRASE, "code": used}, "used already"),
    ):
        answer = await beside(lambda f=fields: alice.form("/account/passphrase", **f))  # type: ignore[misc]
        assert (answer.status, says in answer.text) == (400, True), fields
    assert (await beside(lambda: other.get("/account"))).status == 200
    town.later()
    code = town.code(alice)
    done = await beside(
        lambda: alice.form("/account/passphrase", new=NEW, again=NEW, passphrase=PASSPHRASE, code=code)
    )
    assert done.status == 303
    assert (
        "Every other session of yours has ended"
        in (await beside(lambda: alice.get("/account?changed=yes"))).text
    )
    assert (await beside(lambda: other.get("/account"))).status == 303
    assert (await elsewhere(town, alice))[1] == 401
    assert (await elsewhere(town, alice, NEW))[1] == 303


async def test_another_second_factor_takes_its_own_code_and_both_factors_of_now(town: Town) -> None:
    alice = await town.alice()
    town.later()
    page = await beside(lambda: alice.get("/account/second-factor"))
    secret = re.search(r'name="secret" value="([A-Z2-7]{32})"', page.text)
    assert secret is not None
    fields = {"secret": secret[1], "passphrase": PASSPHRASE, "code": town.code(alice)}
    wrong = await beside(lambda: alice.form("/account/second-factor", **fields, **{"new-code": "000000"}))
    assert (wrong.status, secret[1] in wrong.text) == (400, True), "the picture that was scanned stays"
    new = {"new-code": town.code(alice, secret[1])}
    short = await beside(lambda: alice.form("/account/second-factor", **fields | {"secret": "A"}, **new))
    assert short.status == 400
    done = await beside(lambda: alice.form("/account/second-factor", **fields, **new))
    assert done.status == 303
    assert (await elsewhere(town, alice))[1] == 401
    alice.totp = secret[1]
    assert (await elsewhere(town, alice))[1] == 303


async def test_guessing_inside_a_session_is_slowed_as_at_the_door(town: Town) -> None:
    alice = await town.alice()
    guess = {"new": NEW, "again": NEW, "passphrase": "wrong words", "code": "000000"}
    for _ in range(FREE_FAILURES):
        assert (await beside(lambda: alice.form("/account/passphrase", **guess))).status == 400
    town.later()
    right = {"new": NEW, "again": NEW, "passphrase": PASSPHRASE, "code": town.code(alice)}
    assert (await beside(lambda: alice.form("/account/passphrase", **right))).status == 429
    assert (await elsewhere(town, alice))[1] == 429


async def test_the_administrator_ends_every_session_and_the_account_stays(town: Town) -> None:
    alice = await town.alice()
    accounts = Accounts(town.home.folder / "accounts")
    assert await beside(lambda: accounts.end_sessions("alice"))
    assert not await beside(lambda: accounts.end_sessions("nobody"))
    assert (await beside(lambda: alice.get("/account"))).status == 303
    assert (await elsewhere(town, alice))[1] == 303


async def test_passphrases_are_judged_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may send one that takes a second, to the machine that carries the calls."""
    inside: list[str] = []
    done: list[str] = []
    another = threading.Event()

    def judged(passphrase: str) -> bool:
        inside.append(passphrase)
        if len(inside) > len(done) + 1:
            another.set()
        another.wait(0.02)  # for one more to come in, were it let
        done.append(passphrase)
        return True

    monkeypatch.setattr(own_account, "is_strong", judged)
    gate = own_account.Gate(Accounts(tmp_path), time.monotonic, lambda: 0)
    assert await asyncio.gather(*(gate.is_strong("x") for _ in range(4))) == [True] * 4
    assert not another.is_set()
