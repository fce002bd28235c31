"""A certificate the site gives browsers: what is wrong with it is said, who gets it, and that a renewed one is taken."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pbx_bridge.archive.catalogue import Shelf
from pbx_bridge.errors import OperatorError
from pbx_bridge.portal.api import PortalSettings
from pbx_bridge.portal.given import SOON, Given, given_says, read_given
from pbx_bridge.portal.server import make_portal
from pbx_bridge.wire_portal import PROGRAMS_NAME
from tests.archive.house import House, house

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
NAMES = ("10.0.0.7", "portal.example")


def key_of(path: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    pem, bare = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(pem, bare, serialization.NoEncryption()))
    return key


def certificate(
    key: ec.EllipticCurvePrivateKey,
    *names: str,
    until: datetime = NOW + timedelta(days=90),
    issuer: str = "an issuer",
) -> bytes:
    """Signed by nobody known: only its words are read here."""
    who, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in ("portal", issuer))
    made = x509.CertificateBuilder(by, who, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(NOW - timedelta(days=400)).not_valid_after(until)
    made = made.add_extension(
        x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False
    )
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def given(tmp_path: Path) -> Given:
    made = Given(tmp_path / "cert.pem", tmp_path / "key.pem")
    made.cert.write_bytes(certificate(key_of(made.key), "portal.example", issuer="portal"))
    return made


def fault(given: Given, names: tuple[str, ...] = NAMES, now: datetime = NOW) -> str:
    with pytest.raises(OperatorError) as refused:
        read_given(given, names, now)
    return str(refused.value)


def test_each_thing_that_is_wrong_is_said(given: Given, tmp_path: Path) -> None:
    assert read_given(given, NAMES, NOW).names == {"portal.example"}
    assert "is for portal.example, the portal is reached as other.example" in fault(given, ("other.example",))
    assert "not now" in fault(given, now=NOW + timedelta(days=90))
    assert "not now" in fault(given, now=NOW - timedelta(days=401))
    other = tmp_path / "other.pem"
    key_of(other)
    assert "do not belong together" in fault(Given(given.cert, other))
    assert "no certificate in PEM form" in fault(Given(given.key, given.key))
    assert "no private key" in fault(Given(given.cert, given.cert))
    assert "cannot be read: No such file" in fault(Given(given.cert, tmp_path / "none"))
    assert "cannot be read: No such file" in fault(Given(tmp_path / "none", given.key))
    locked = serialization.BestAvailableEncryption(b"a passphrase")
    key = ec.generate_private_key(ec.SECP256R1())
    other.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    )
    assert "without a passphrase" in fault(Given(given.cert, other))


def test_a_name_with_a_star_stands_for_one_more_label(given: Given) -> None:
    given.cert.write_bytes(certificate(key_of(given.key), "*.example", issuer="portal"))
    found = read_given(given, NAMES, NOW)
    assert [found.is_for(name) for name in ("portal.example", "PORTAL.example.", "a.portal.example", "example")] == [
        True, True, False, False,
    ]  # fmt: skip


def test_doctor_is_told_of_a_missing_issuer_and_of_the_end(given: Given) -> None:
    assert given_says(read_given(given, NAMES, NOW), NOW) == (True, "for portal.example, until 2027-02-28")
    soon = NOW + timedelta(days=90) - SOON
    assert given_says(read_given(given, NAMES, NOW), soon + timedelta(seconds=1))[0] is False
    key = key_of(given.key)
    given.cert.write_bytes(certificate(key, "portal.example"))
    good, says = given_says(read_given(given, NAMES, NOW), NOW)
    assert (good, "CN=an issuer" in says) == (False, True)


def shown(port: int, name: str | None) -> bytes:
    """The certificate a connection is shown that asks for this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def der(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


async def test_browsers_get_what_is_given_and_programs_the_bridges_own(home: House, tmp_path: Path) -> None:
    given = Given(tmp_path / "cert.pem", tmp_path / "key.pem")
    far = datetime.now(UTC) + timedelta(days=60)
    first = certificate(key_of(given.key), "portal.example", until=far)
    given.cert.write_bytes(first)
    tls = home.tls
    settings = PortalSettings("127.0.0.1", 0, tls.ca_cert, tls.cert, tls.key, given, NAMES)
    portal = make_portal(settings, home.link, Shelf(home.archive))
    port = await portal.start()
    try:
        own = der(tls.cert.read_bytes())
        for name in (PROGRAMS_NAME, "localhost", None):
            assert await asyncio.to_thread(shown, port, name) == own, name
        assert await asyncio.to_thread(shown, port, "portal.example") == der(first)

        given.cert.write_bytes(b"half a file")
        os.utime(given.cert, ns=(1, 1))
        assert await asyncio.to_thread(shown, port, "portal.example") == der(first)
        renewed = certificate(key_of(given.key), "portal.example", until=far)
        given.cert.write_bytes(renewed)
        assert await asyncio.to_thread(shown, port, "portal.example") == der(renewed)
    finally:
        await portal.close()


async def test_a_pair_that_is_wrong_keeps_the_portal_from_starting(home: House, tmp_path: Path) -> None:
    given = Given(tmp_path / "cert.pem", tmp_path / "key.pem")
    tls = home.tls
    settings = PortalSettings("127.0.0.1", 0, tls.ca_cert, tls.cert, tls.key, given, NAMES)
    with pytest.raises(OperatorError, match="cannot be read"):
        make_portal(settings, home.link, Shelf(home.archive))
