"""Accounts on the disk and sessions in memory: both factors, each code once, and every end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher

from pbx_bridge.portal.web.accounts import STEP_S, Account, Accounts, new_totp_secret, totp_step
from pbx_bridge.portal.web.sessions import IDLE_S, LONGEST_S, MAX_SESSIONS, OF_ONE_PERSON, Sessions

NOW = 1_800_000_000
SECRET = "A" * 32


def code(step: int = 0) -> str:
    return pyotp.TOTP(SECRET).at(NOW + step * STEP_S)


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    found = Accounts(tmp_path / "accounts")
    found.make("alice", "right words", SECRET, NOW // STEP_S - 5, NOW)
    return found


def test_both_factors_are_needed_and_a_code_serves_once(accounts: Accounts) -> None:
    assert accounts.check("alice", "wrong words", code(), NOW) is None
    assert accounts.check("alice", "right words", "000000", NOW) is None
    assert accounts.check("alice", "right words", "", NOW) is None
    assert accounts.check("bruno", "right words", code(), NOW) is None
    assert accounts.check("alice", "right words", code(), NOW) is not None
    assert accounts.check("alice", "right words", code(), NOW) is None
    assert accounts.check("alice", "right words", code(-1), NOW) is None, "an older one neither"
    assert accounts.check("alice", "right words", code(1), NOW) is not None


def test_a_code_is_good_for_its_time_and_half_a_minute_beside() -> None:
    assert [totp_step(SECRET, code(n), NOW) is not None for n in (-2, -1, 0, 1, 2)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_the_disk_holds_no_name_and_no_passphrase(accounts: Accounts, tmp_path: Path) -> None:
    files = list((tmp_path / "accounts").iterdir())
    assert len(files) == 2
    for path in files:
        assert "alice" not in path.name
        assert b"right words" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0
    assert [one.name for one in accounts] == ["alice"]
    assert "$argon2id$" in next(iter(accounts)).passphrase


class Meddled:
    """A hasher in whose time somebody else does something to the account."""

    def __init__(self, real: PasswordHasher, meddle: Callable[[], object]) -> None:
        self._real, self._meddle = real, meddle

    def verify(self, hashed: str, passphrase: str) -> bool:
        self._meddle()
        return self._real.verify(hashed, passphrase)

    def hash(self, passphrase: str) -> str:
        self._meddle()
        return self._real.hash(passphrase)

    def check_needs_rehash(self, hashed: str) -> bool:
        return self._real.check_needs_rehash(hashed)


def test_an_account_that_ends_while_it_is_checked_or_changed_stays_ended(
    accounts: Accounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pbx-bridge account remove` and `end-sessions` are another process: what was read before must not be written after."""
    command, real, known = Accounts(tmp_path / "accounts"), accounts._hasher, accounts.find("alice")
    assert known is not None
    monkeypatch.setattr(accounts, "_hasher", Meddled(real, lambda: command.end_sessions("alice")))
    assert accounts.check("alice", "right words", code(), NOW) is None
    assert not accounts.stands("alice", known.entry), "its sessions have ended"
    monkeypatch.setattr(accounts, "_hasher", Meddled(real, lambda: command.remove("alice")))
    assert accounts.check("alice", "right words", code(), NOW) is None
    assert accounts.find("alice") is None
    monkeypatch.undo()
    account = accounts.make("alice", "right words", SECRET, NOW // STEP_S - 5, NOW)
    monkeypatch.setattr(accounts, "_hasher", Meddled(real, lambda: command.remove("alice")))
    assert accounts.change(account, passphrase="other words") is None
    assert accounts.find("alice") is None


def test_two_changes_at_a_time_do_not_undo_each_other(accounts: Accounts) -> None:
    account = accounts.find("alice")
    assert account is not None
    assert accounts.change(account, totp=("B" * 32, NOW // STEP_S)) is not None
    assert accounts.change(account, passphrase="other words") is None, "the lost telephone's"
    assert [one.totp for one in accounts] == ["B" * 32]


def test_a_damaged_account_is_none(accounts: Accounts, tmp_path: Path) -> None:
    (path,) = (tmp_path / "accounts").glob("*.account")
    path.write_bytes(b"{}")
    assert accounts.find("alice") is None
    assert accounts.check("alice", "right words", code(), NOW) is None
    assert accounts.remove("alice")
    assert not accounts.remove("alice")


def test_secrets_are_160_bits_and_never_the_same() -> None:
    found = {new_totp_secret() for _ in range(100)}
    assert len(found) == 100
    assert {len(one) for one in found} == {32}


class House:
    """Sessions with a clock turned by hand."""

    def __init__(self) -> None:
        self.now_s, self.standing = 0.0, {b"12345678"}
        self.sessions = Sessions(lambda: self.now_s, lambda name, entry: entry in self.standing)

    def open(self, name: str = "alice", entry: bytes = b"12345678") -> str:
        account = Account(name, "x", SECRET, 0, NOW, entry)
        return self.sessions.open(account, "Firefox, Linux", NOW)[0]


def test_a_session_ends_idle_or_after_a_day_of_work() -> None:
    house = House()
    secret = house.open()
    house.now_s = IDLE_S - 1
    assert house.sessions.find(secret)
    house.now_s += IDLE_S
    assert house.sessions.find(secret) is None
    secret = house.open()
    began = house.now_s
    while house.now_s - began < LONGEST_S - IDLE_S:
        house.now_s += IDLE_S / 2
        assert house.sessions.find(secret)
    house.now_s = began + LONGEST_S
    assert house.sessions.find(secret) is None


def test_a_session_ends_with_its_account_and_by_its_holder_alone() -> None:
    house = House()
    mine, theirs = house.open(), house.open("bruno")
    session = house.sessions.find(mine)
    assert session is not None
    house.sessions.end("bruno", session.id)
    assert house.sessions.find(mine)
    house.sessions.end("alice", session.id)
    assert house.sessions.find(mine) is None
    assert house.sessions.find(theirs)
    house.standing.clear()
    assert house.sessions.find(theirs) is None


def test_sessions_are_bounded() -> None:
    house = House()
    secrets = [house.open() for _ in range(OF_ONE_PERSON + 2)]
    assert [house.sessions.find(one) is not None for one in secrets] == [False] * 2 + [True] * OF_ONE_PERSON
    for n in range(MAX_SESSIONS):
        house.open(f"p{n}")
    assert len(house.sessions._sessions) == MAX_SESSIONS
    assert house.sessions.find(secrets[-1]) is None
    assert house.sessions.find("") is None
