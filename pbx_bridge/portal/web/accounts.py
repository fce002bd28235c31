"""Accounts of the pages: a passphrase's hash and a second factor's secret, one small file each.

An account only opens a session in the browser. Who a person is, and what they may, is the keeper's: everything private
also needs the key that lies in their browser. So whoever writes into these files gets past the sign-in and no further.
No name stands in a file's name (P17). It decides nothing about recordings.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

import pyotp
import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pbx_bridge.durable import sync_folder, write_once, write_whole
from pbx_bridge.portal.web.passphrases import normal
from pbx_bridge.wire_json import (
    Hex,
    Malformed,
    Text,
    Whole,
    canonical,
    read_fields,
    read_object,
    write_fields,
)
from pbx_bridge.wire_portal import NAME, UNIX

log = structlog.get_logger()

TOTP_CHARS: Final = 32
"""160 bits, as RFC 4226 recommends."""
STEP_S: Final = 30
STEPS_BESIDE: Final = 1
"""A telephone's clock may be half a minute off."""
MAX_FILE_BYTES: Final = 4_096
_SUFFIX: Final = ".account"


@dataclass(frozen=True, slots=True)
class Account:
    name: Annotated[str, NAME]
    passphrase: Annotated[str, Text(200)]
    """Argon2id, in its own text form."""
    totp: Annotated[str, Text(TOTP_CHARS, TOTP_CHARS, "[A-Z2-7]{32}")]
    used_step: Annotated[int, Whole(0, 1 << 40)]
    """The last step of time whose code signed in: no code serves twice (RFC 6238, 5.2)."""
    made_at: Annotated[int, UNIX]
    entry: Annotated[bytes, Hex(8)]
    """Drawn whenever it is made anew: sessions of an earlier one end."""


def new_totp_secret() -> str:
    return pyotp.random_base32(TOTP_CHARS)


def totp_step(secret: str, code: str, now: int) -> int | None:
    """The step of time this code belongs to, near `now`; None when it is wrong."""
    totp, found = pyotp.TOTP(secret, interval=STEP_S), None
    for step in range(now // STEP_S - STEPS_BESIDE, now // STEP_S + STEPS_BESIDE + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode("utf-8", "replace")):
            found = step
    return found


class Accounts:
    """The folder of accounts. Its methods block: hashing takes a tenth of a second."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        with suppress(FileExistsError):
            write_once(folder / "names.key", secrets.token_bytes(32))
        self._key = (folder / "names.key").read_bytes()
        # RFC 9106's second recommended choice, on one lane: the machine also carries live calls
        self._hasher = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
        self._nobody = self._hasher.hash(secrets.token_urlsafe(32))
        self._turn = threading.Lock()

    def make(self, name: str, passphrase: str, totp: str, step: int, now: int) -> Account:
        """A new account, or a new beginning for an old one."""
        hashed = self._hasher.hash(normal(passphrase))
        account = Account(name, hashed, totp, step, now, secrets.token_bytes(8))
        with self._turn:
            self._keep(account)
        return account

    def check(self, name: str, passphrase: str, code: str, now: int) -> Account | None:
        """The account when both factors are right; the code is used up then. As slow for a name that is none."""
        with self._turn:
            account = self.find(name)
            hashed = account.passphrase if account else self._nobody
            try:
                self._hasher.verify(hashed, normal(passphrase))
            except (VerificationError, InvalidHashError):
                return None
            if account is None:
                return None
            step = totp_step(account.totp, code, now)
            if step is None or step <= account.used_step:
                return None
            if self._hasher.check_needs_rehash(hashed):
                hashed = self._hasher.hash(normal(passphrase))
            if self.find(name) != account:
                return None  # a command ended it, or the person joined anew, while it was hashed
            account = replace(account, used_step=step, passphrase=hashed)
            self._keep(account)
            return account

    def change(
        self, account: Account, *, passphrase: str = "", totp: tuple[str, int] | None = None
    ) -> Account | None:
        """The account with another passphrase, or another second factor and the step whose code proved it. Sessions of it
        as it was end. None when it is another by now, or gone."""
        hashed = self._hasher.hash(normal(passphrase)) if passphrase else ""
        with self._turn:
            found = self.find(account.name)
            if found is None or found.entry != account.entry:
                return None
            if hashed:
                found = replace(found, passphrase=hashed)
            if totp is not None:
                found = replace(found, totp=totp[0], used_step=totp[1])
            found = replace(found, entry=secrets.token_bytes(8))
            self._keep(found)
            return found

    def end_sessions(self, name: str) -> bool:
        """Every open session of this account ends with its next request; False when there is no such account."""
        account = self.find(name)
        if account is not None:
            self.change(account)
        return account is not None

    def find(self, name: str) -> Account | None:
        return self._read(self._path(name))

    def stands(self, name: str, entry: bytes) -> bool:
        """Whether this very account is still there."""
        found = self.find(name)
        return found is not None and found.entry == entry

    def remove(self, name: str) -> bool:
        """False when there was none. Open sessions of it end with their next request."""
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            return False
        sync_folder(self._folder)
        return True

    def __iter__(self) -> Iterator[Account]:
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if (account := self._read(path)) is not None:
                yield account

    def _read(self, path: Path) -> Account | None:
        try:
            with path.open("rb") as file:
                return read_fields(Account, read_object(file.read(MAX_FILE_BYTES)))
        except FileNotFoundError:
            return None
        except Malformed as error:
            log.error(
                "an account's file is damaged: invite that person again", file=path.name, fault=str(error)
            )
            return None

    def _keep(self, account: Account) -> None:
        path = self._path(account.name)
        write_whole(path, canonical(write_fields(account)))
        if os.geteuid() == 0:
            owner = self._folder.stat()
            os.chown(path, owner.st_uid, owner.st_gid)

    def _path(self, name: str) -> Path:
        digest = hashlib.blake2b(name.encode(), key=self._key, digest_size=16).hexdigest()
        return self._folder / f"{digest}{_SUFFIX}"
