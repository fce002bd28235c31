"""A certificate the site gives for browsers, beside the bridge's own, which programs pin: `[portal] certificate` and `key`.

Which of the two a connection gets is chosen by the name it asks for. A file that was renewed is used from the next
connection on; one that is wrong by then leaves the former in use, and the log says so. It knows files, names and dates.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID

from pbx_bridge.errors import OperatorError

log = structlog.get_logger()

SOON: Final = timedelta(days=14)
"""From then on `doctor` warns: renewals come a month before the end."""
MAX_FILE_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """The two PEM files."""

    cert: Path
    """The server's own certificate first, then those of its issuers (a "full chain")."""
    key: Path


@dataclass(frozen=True, slots=True)
class Read:
    """What they hold."""

    names: frozenset[str]
    """Lower case; `*.example` stands for one more label."""
    until: datetime
    issuer: str
    lone: bool
    """No issuer's certificate follows, and it has not issued itself: browsers that do not know the issuer refuse it."""

    def is_for(self, name: str) -> bool:
        name = name.lower().rstrip(".")
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names


def read_given(given: Given, names: tuple[str, ...], now: datetime) -> Read:
    """What is given, checked. `names`: by which browsers reach the portal ([stations] names). Raises: OperatorError."""
    chain = _certificates(given.cert)
    try:
        key = serialization.load_pem_private_key(_read(given.key), None)
    except (ValueError, TypeError) as error:
        raise OperatorError(
            f"it is no private key that can be used: {str(error)[:100]}",
            where=str(given.key),
            do="Give the PEM file of the key, without a passphrase",
        ) from None
    mine = chain[0]
    if _public(mine.public_key()) != _public(key.public_key()):
        raise OperatorError(
            "certificate and key do not belong together",
            where=f"{given.cert} and {given.key}",
            do="Give the key the certificate was asked for with; the server's own certificate stands first in its file",
        )
    first, last = mine.not_valid_before_utc, mine.not_valid_after_utc
    if not first <= now < last:
        raise OperatorError(
            f"the certificate holds from {first:%Y-%m-%d} to {last:%Y-%m-%d}, not now",
            where=str(given.cert),
            do="Renew it, or check the clock",
        )
    issued_itself = mine.issuer == mine.subject
    found = Read(
        _names(mine),
        mine.not_valid_after_utc,
        mine.issuer.rfc4514_string(),
        lone=not issued_itself and not any(one.subject == mine.issuer for one in chain[1:]),
    )
    if not any(found.is_for(name) for name in names):
        for_whom = ", ".join(sorted(found.names)) or "no name"
        raise OperatorError(
            f"the certificate is for {for_whom}, the portal is reached as {', '.join(names)}",
            where=str(given.cert),
            do="Give one for a name in [stations] names, or add the name there",
        )
    return found


def given_says(found: Read, now: datetime) -> tuple[bool, str]:
    """For `doctor`: whether browsers will take it for a while yet, and a sentence."""
    if found.until - now < SOON:
        return (
            False,
            f"it ends on {found.until:%Y-%m-%d}: renew it; the bridge takes a renewed file by itself",
        )
    if found.lone:
        return False, (
            f"it comes without its issuer's certificate ({found.issuer[:80]}): append it (the full chain), or hand that "
            "certificate out to every browser"
        )
    return True, f"for {', '.join(sorted(found.names))}, until {found.until:%Y-%m-%d}"


class Chosen:
    """The context of what is given, read anew when its files change."""

    def __init__(self, given: Given, names: tuple[str, ...]) -> None:
        """Raises: OperatorError."""
        self._given, self._names = given, names
        self._stamp = self._stamped()
        self._read, self._context = self._made()

    def choose(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        """An `sni_callback`: who asks for one of its names gets it, everybody else the bridge's own."""
        self._renew()
        if name is not None and self._read.is_for(name):
            connection.context = self._context

    def _renew(self) -> None:
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._read, self._context = self._made()
            log.info("the portal's certificate was renewed", until=self._read.until.isoformat())
        except OperatorError as error:
            log.error("the renewed certificate cannot be used: the former stays", why=str(error))

    def _made(self) -> tuple[Read, ssl.SSLContext]:
        found = read_given(self._given, self._names, datetime.now(UTC))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self._given.cert, self._given.key)
        return found, context

    def _stamped(self) -> tuple[tuple[int, int], ...]:
        """Of both files; a missing one has none."""
        return tuple(_stamp(path) for path in (self._given.cert, self._given.key))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return 0, 0
    return found.st_ino, found.st_mtime_ns


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise OperatorError(
            f"it cannot be read: {error.strerror}",
            where=str(path),
            do="The bridge's own user has to read it: chgrp pbx-bridge, chmod 640",
        ) from None


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(path))
    except ValueError:
        raise OperatorError(
            "it holds no certificate in PEM form",
            where=str(path),
            do="Give the file that begins with BEGIN CERTIFICATE",
        ) from None


def _names(certificate: x509.Certificate) -> frozenset[str]:
    try:
        found = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return frozenset()
    assert isinstance(found, x509.SubjectAlternativeName)
    return frozenset(name.lower() for name in found.get_values_for_type(x509.DNSName))


def _public(key: object) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.DER, form))  # type: ignore[attr-defined]
