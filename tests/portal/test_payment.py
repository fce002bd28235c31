"""P7: who may announce a payment at the portal, and what they learn by it: a token is good for this and nothing else."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import ssl
import stat
from pathlib import Path
from typing import cast

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.archive.catalogue import Shelf
from pbx_bridge.errors import OperatorError
from pbx_bridge.portal.api import Keeper, PortalSettings
from pbx_bridge.portal.payment import MAX_TOKENS, NO_PAYMENTS, Payments, PaymentTokens
from pbx_bridge.portal.server import make_portal
from pbx_bridge.stations.ca import ensure_ca
from pbx_bridge.wire_json import Malformed

BEGIN = words.PaymentAsked("alice", words.Moment.BEGIN)
END = words.PaymentAsked("alice", words.Moment.END)


class Site:
    """A trainee called alice is in a call; the clock is turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 1_000_000.0
        self.told: list[tuple[str, bool]] = []
        self.tokens = PaymentTokens(folder / "payment", now=lambda: self.now_s)
        self.payments = Payments(self.tokens, self._announce)

    def _announce(self, trainee: str, begins: bool) -> bool:
        self.told.append((trainee, begins))
        return trainee == "alice"

    def refused(self, token: str, asked: words.PaymentAsked = BEGIN) -> str:
        with pytest.raises(words.Refused) as refusal:
            self.payments.asked(bytes.fromhex(token), asked)
        return refusal.value.word


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_token_announces_and_takes_back(site: Site) -> None:
    token = bytes.fromhex(site.tokens.make("shop"))
    site.payments.asked(token, BEGIN)
    site.payments.asked(token, END)
    assert site.told == [("alice", True), ("alice", False)]


def test_who_is_not_in_a_call_and_who_is_not_enrolled_get_the_same_answer(site: Site) -> None:
    token = site.tokens.make("shop")
    assert site.refused(token, words.PaymentAsked("bruno", words.Moment.BEGIN)) == "no-call"


def test_nothing_is_announced_with_any_other_token(site: Site) -> None:
    token = site.tokens.make("shop")
    for other in ("00" * 32, token[:-2] + f"{int(token[-2:], 16) ^ 1:02x}"):
        assert site.refused(other) == "payment-token"
    site.tokens.revoke("shop")
    assert site.refused(token) == "payment-token"
    with pytest.raises(words.Refused):
        NO_PAYMENTS.asked(bytes.fromhex(token), BEGIN)
    assert site.told == []


def test_a_token_that_ends_ends_to_the_second(site: Site) -> None:
    token = site.tokens.make("command", lasts_s=60)
    site.now_s += 59.9
    assert site.tokens.holder(bytes.fromhex(token)) == "command"
    site.now_s += 0.1
    assert site.tokens.holder(bytes.fromhex(token)) is None
    assert site.tokens.names() == []


def test_the_token_itself_is_kept_nowhere(site: Site, tmp_path: Path) -> None:
    token = site.tokens.make("shop")
    (file,) = (tmp_path / "payment").iterdir()
    assert token not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "payment").stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_the_bridge_can_read(tmp_path: Path) -> None:
    folder = tmp_path / "payment"
    folder.mkdir()
    os.chown(folder, 12345, 12345)  # as `serve` does at its start
    Site(tmp_path).tokens.make("shop")
    assert (folder / "shop").stat().st_uid == 12345


def test_mistakes_are_told(site: Site) -> None:
    for name in ("../x", "", ".hidden", "a/b"):
        with pytest.raises(OperatorError):
            site.tokens.make(name)
    site.tokens.make("shop")
    with pytest.raises(OperatorError, match="there is one"):
        site.tokens.make("shop")
    with pytest.raises(OperatorError, match="no such token"):
        site.tokens.revoke("../shop")
    for number in range(MAX_TOKENS - 1):
        site.tokens.make(f"more-{number}")
    with pytest.raises(OperatorError, match="there are"):
        site.tokens.make("one-too-many")


def test_a_damaged_file_is_nobodys_token(site: Site, tmp_path: Path) -> None:
    token = site.tokens.make("shop")
    file = tmp_path / "payment" / "shop"
    for damage in (b"", b"\xff\xfe", file.read_bytes()[:-1], b"x" * 100_000):
        file.write_bytes(damage)
        assert site.refused(token) == "payment-token"


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
    portal = make_portal(settings, keeper, shelf, payments=site.payments)
    port, token = await portal.start(), site.tokens.make("shop")
    begin = words.write_body(BEGIN)
    try:

        async def asked(token: str, body: bytes) -> tuple[int, dict[str, object]]:
            return await asyncio.to_thread(post, port, tls.ca_cert, token, body)

        assert await asked(token, begin) == (200, {})
        assert site.told == [("alice", True)]
        for sent, body, status, word in (
            ("0" * 64, begin, 401, "payment-token"),
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
