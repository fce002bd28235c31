"""P7: who may announce a payment at the portal, and what they learn by it: a token is good for this and nothing else."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
from pathlib import Path
from typing import cast

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.archive.catalogue import Shelf
from pbx_bridge.portal.api import Keeper, PortalSettings
from pbx_bridge.portal.payment import NO_PAYMENTS, Payments
from pbx_bridge.portal.server import make_portal
from pbx_bridge.portal.tokens import Held, Purpose, Scope, Tokens
from pbx_bridge.stations.ca import ensure_ca
from pbx_bridge.wire_json import Malformed

BEGIN = words.PaymentAsked("alice", words.Moment.BEGIN)
END = words.PaymentAsked("alice", words.Moment.END)


class Site:
    """A trainee called alice is in a call."""

    def __init__(self, folder: Path) -> None:
        self.told: list[tuple[str, bool]] = []
        self.tokens = Tokens(folder / "tokens")
        self.payments = Payments(self._announce)

    def _announce(self, trainee: str, begins: bool) -> bool:
        self.told.append((trainee, begins))
        return trainee == "alice"

    def held(self, *scopes: Scope) -> Held:
        made = self.tokens.make(f"shop-{len(self.tokens.all())}", Purpose.PAYMENTS, scopes)
        found = self.tokens.holder(bytes.fromhex(made))
        assert found is not None
        return found

    def refused(self, held: Held, asked: words.PaymentAsked = BEGIN) -> str:
        with pytest.raises(words.Refused) as refusal:
            self.payments.asked(held, asked)
        return refusal.value.word


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_token_announces_and_takes_back(site: Site) -> None:
    held = site.held()
    site.payments.asked(held, BEGIN)
    site.payments.asked(held, END)
    assert site.told == [("alice", True), ("alice", False)]


def test_who_may_only_begin_takes_nothing_back(site: Site) -> None:
    """And the other way round."""
    begins, ends = site.held(Scope.PAYMENT_BEGIN), site.held(Scope.PAYMENT_END)
    assert site.refused(begins, END) == site.refused(ends, BEGIN) == "scope"
    assert site.told == []
    site.payments.asked(begins, BEGIN)
    site.payments.asked(ends, END)
    assert site.told == [("alice", True), ("alice", False)]


def test_who_is_not_in_a_call_and_who_is_not_enrolled_get_the_same_answer(site: Site) -> None:
    assert site.refused(site.held(), words.PaymentAsked("bruno", words.Moment.BEGIN)) == "no-call"
    with pytest.raises(words.Refused):
        NO_PAYMENTS.asked(site.held(), BEGIN)


@pytest.mark.parametrize(
    "body", [b"{}", b'{"trainee":"alice","moment":"later"}', b'{"trainee":"../a","moment":"begin"}', b"[]"]
)
def test_anything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        words.read_body(words.PaymentAsked, body)


class NoKeeper:
    """The portal asks it nothing here."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"the keeper was asked: {name}")


def post(port: int, ca: Path, token: str, body: bytes) -> tuple[int, dict[str, object]]:
    link = http.client.HTTPSConnection(
        "localhost", port, timeout=10, context=ssl.create_default_context(cafile=str(ca))
    )
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        link.request("POST", words.PAYMENT_PATH, body, headers)
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        link.close()


async def test_over_https_as_the_payment_software_does_it(site: Site, tmp_path: Path) -> None:
    tls = ensure_ca(tmp_path / "tls", ["localhost"])
    settings = PortalSettings("127.0.0.1", 0, tls.ca_cert, tls.cert, tls.key)
    keeper, shelf = cast(Keeper, NoKeeper()), Shelf(tmp_path)
    portal = make_portal(settings, keeper, shelf, tokens=site.tokens, payments=site.payments)
    port, token = await portal.start(), site.tokens.make("shop", Purpose.PAYMENTS)
    other = site.tokens.make("health", Purpose.MONITORING)
    begin = words.write_body(BEGIN)
    try:

        async def asked(token: str, body: bytes) -> tuple[int, dict[str, object]]:
            return await asyncio.to_thread(post, port, tls.ca_cert, token, body)

        assert await asked(token, begin) == (200, {})
        assert site.told == [("alice", True)]
        for sent, body, status, word in (
            ("0" * 64, begin, 401, "token"),
            (other, begin, 403, "scope"),
            (other, b"{}", 403, "scope"),
            ("nonsense", begin, 401, "visit-ended"),
            (token, b"{}", 400, "malformed"),
            (token, b" " * (words.MAX_BODY_BYTES + 1), 413, "too-large"),
            (token, words.write_body(words.PaymentAsked("bruno", words.Moment.END)), 409, "no-call"),
        ):
            found, answer = await asked(sent, body)
            assert (found, answer["word"]) == (status, word)
    finally:
        await portal.close()
    assert site.told == [("alice", True), ("bruno", False)]
