"""What a program's token is good for, until when, and that it is kept nowhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pbx_bridge.errors import OperatorError
from pbx_bridge.portal.operations import OPERATIONS, Needs
from pbx_bridge.portal.tokens import (
    DAY_S,
    MAX_TOKENS,
    MOST_DAYS,
    NO_TOKENS,
    SCOPES,
    USUAL_DAYS,
    Held,
    Purpose,
    Scope,
    Tokens,
)
from pbx_bridge.wire_json import canonical, read_object


class Site:
    """The clock is turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 1_000_000.0
        self.folder = folder / "tokens"
        self.tokens = Tokens(self.folder, now=lambda: self.now_s)

    def holder(self, token: str) -> Held | None:
        return self.tokens.holder(bytes.fromhex(token))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_token_has_the_scopes_of_its_purpose_or_fewer(site: Site, purpose: Purpose) -> None:
    held = site.holder(site.tokens.make("whole", purpose))
    assert held is not None
    assert (held.name, held.token.purpose, held.token.scopes) == ("whole", purpose, SCOPES[purpose])
    fewer = site.holder(site.tokens.make("fewer", purpose, SCOPES[purpose][-1:]))
    assert fewer is not None
    assert fewer.token.scopes == SCOPES[purpose][-1:]
    for number, scope in enumerate(set(Scope) - set(SCOPES[purpose])):
        with pytest.raises(OperatorError, match="has no scope"):
            site.tokens.make(f"other-{number}", purpose, [scope])
    assert {held.name for held in site.tokens.all()} == {"whole", "fewer"}


def test_no_scope_reaches_what_is_a_persons() -> None:
    """P18, P22: what a token may ask, a person's visit may not, and the other way round; and no scope is left over."""
    by_token = [one for one in OPERATIONS if one.needs is Needs.TOKEN]
    assert {one.name for one in by_token} == {"payment", "health", "audit-checkpoint"}
    assert {scope for one in by_token for scope in one.scopes} == set(Scope)
    assert all(not one.scopes for one in OPERATIONS if one.needs is not Needs.TOKEN)
    assert {scope for scopes in SCOPES.values() for scope in scopes} == set(Scope)
    assert sum(map(len, SCOPES.values())) == len(Scope)


@pytest.mark.parametrize("purpose", Purpose)
def test_no_token_lives_longer_than_its_ceiling(site: Site, purpose: Purpose) -> None:
    most = MOST_DAYS[purpose] * DAY_S
    site.tokens.make("longest", purpose, lasts_s=most)
    assert USUAL_DAYS[purpose] <= MOST_DAYS[purpose] <= 1_096
    for wrong in (most + 1, 0, -1):
        with pytest.raises(OperatorError, match="lives 1 to"):
            site.tokens.make("other", purpose, lasts_s=wrong)


def test_a_token_ends_to_the_second(site: Site) -> None:
    token = site.tokens.make("command", Purpose.PAYMENTS, lasts_s=60)
    site.now_s += 59.9
    assert site.holder(token) is not None
    site.now_s += 0.1
    assert site.holder(token) is None
    assert [(held.name, site.tokens.ends(held)) for held in site.tokens.all()] == [("command", True)]


def test_nobody_holds_any_other_token(site: Site) -> None:
    token = site.tokens.make("shop", Purpose.PAYMENTS)
    for other in ("00" * 32, token[:-2] + f"{int(token[-2:], 16) ^ 1:02x}"):
        assert site.holder(other) is None
    site.tokens.remove("shop")
    assert site.holder(token) is None
    assert NO_TOKENS.holder(bytes.fromhex(token)) is None


def test_what_a_hand_wrote_past_the_ceilings_is_nobodys_token(site: Site) -> None:
    token = site.tokens.make("shop", Purpose.PAYMENTS)
    kept = read_object((site.folder / "shop").read_bytes())
    for change in (
        {"ends_at": int(site.now_s) + 10_000 * DAY_S},
        {"scopes": ["health", "payment-begin"]},
        {"purpose": "monitoring"},
        {"purpose": "everything"},
        {"scopes": ["list"]},
        {"more": 1},
    ):
        (site.folder / "shop").write_bytes(canonical(kept | change))
        assert site.holder(token) is None, change
    (site.folder / "shop").write_bytes(canonical(kept))
    assert site.holder(token) is not None


def test_a_damaged_file_is_nobodys_token(site: Site) -> None:
    token = site.tokens.make("shop", Purpose.PAYMENTS)
    file = site.folder / "shop"
    for damage in (b"", b"\xff\xfe", file.read_bytes()[:-1], b"x" * 100_000):
        file.write_bytes(damage)
        assert site.holder(token) is None
    site.tokens.remove("shop")


def test_the_token_itself_is_kept_nowhere(site: Site) -> None:
    token = site.tokens.make("shop", Purpose.PAYMENTS)
    (file,) = site.folder.iterdir()
    assert token not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(site.folder.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_makes_the_bridge_can_read(site: Site) -> None:
    site.folder.mkdir()
    os.chown(site.folder, 12345, 12345)  # as `serve` does at its start
    site.tokens.make("shop", Purpose.PAYMENTS)
    assert (site.folder / "shop").stat().st_uid == 12345


def test_mistakes_are_told(site: Site) -> None:
    for name in ("../x", "", ".hidden", "a/b"):
        with pytest.raises(OperatorError):
            site.tokens.make(name, Purpose.PAYMENTS)
    site.tokens.make("shop", Purpose.PAYMENTS)
    with pytest.raises(OperatorError, match="there is one"):
        site.tokens.make("shop", Purpose.PAYMENTS)
    with pytest.raises(OperatorError, match="no such token"):
        site.tokens.remove("../shop")
    for number in range(MAX_TOKENS - 1):
        site.tokens.make(f"more-{number}", Purpose.PAYMENTS)
    with pytest.raises(OperatorError, match="there are"):
        site.tokens.make("one-too-many", Purpose.PAYMENTS)
