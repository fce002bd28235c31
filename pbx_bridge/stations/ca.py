"""The bridge's own certificate authority: one CA per installation, one server certificate made from it.

Workstations and trainers pin the CA by the fingerprint in their invitation, so no public authority is involved and the
server certificate can be renewed without anybody noticing. It makes files and never opens a connection.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pbx_bridge.errors import OperatorError

_CA_DAYS: Final = 3650
_SERVER_DAYS: Final = 397
"""The longest that browsers accept (CA/Browser Forum ballot SC31)."""
_RENEW_DAYS: Final = 60
_BACKDATE: Final = datetime.timedelta(hours=1)
"""A workstation's clock may be a little behind."""


@dataclass(frozen=True, slots=True)
class TlsPaths:
    """PEM files for a TLS server."""

    ca_cert: Path
    cert: Path
    key: Path

    def ca_sha256(self) -> bytes:
        """The fingerprint that invitations carry: SHA-256 of the CA certificate in DER."""
        return _sha256_of(self.ca_cert)

    def cert_sha256(self) -> bytes:
        """What connections are bound to: SHA-256 of the server certificate in DER."""
        return _sha256_of(self.cert)


def ensure_ca(folder: Path, names: Iterable[str]) -> TlsPaths:
    """The CA and a server certificate for `names` (host names and addresses), made or renewed where needed.

    Raises: OperatorError.
    """
    wanted = [_general_name(n) for n in dict.fromkeys(names)]
    if not wanted:
        raise OperatorError(
            "the bridge needs at least one name", where="stations.names", do="Add its host name"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths = TlsPaths(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    ca_key_path = folder / "ca.key"
    if not paths.ca_cert.exists():
        _make_ca(paths.ca_cert, ca_key_path)
    try:
        ca = x509.load_pem_x509_certificate(paths.ca_cert.read_bytes())
        if not _still_good(paths, ca, wanted):
            ca_key = serialization.load_pem_private_key(ca_key_path.read_bytes(), None)
            if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
                raise ValueError("not an elliptic-curve key")
            _make_server(paths, ca, ca_key, wanted)
    except (ValueError, FileNotFoundError) as error:
        raise OperatorError(
            f"the certificate authority cannot be read ({error})",
            where=str(folder),
            do="Restore it from the backup; without it every workstation must enrol anew",
        ) from None
    return paths


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        pass
    try:
        return x509.DNSName(name.encode("idna").decode())
    except (UnicodeError, ValueError):
        raise OperatorError(
            f"{name[:80]!r} is no host name or address", where="stations.names", do="Write it as a URL would"
        ) from None


def _still_good(paths: TlsPaths, ca: x509.Certificate, wanted: list[x509.GeneralName]) -> bool:
    if not (paths.cert.exists() and paths.key.exists()):
        return False
    cert = x509.load_pem_x509_certificate(paths.cert.read_bytes())
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    left = cert.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    return cert.issuer == ca.subject and list(names) == wanted and left > datetime.timedelta(days=_RENEW_DAYS)


def _make_ca(cert_path: Path, key_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    # The serial in the name keeps two installations' authorities apart in a trust store.
    serial = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"pbx-bridge CA {serial:x}"[:64])])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + datetime.timedelta(days=_CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_path, _pem(key), 0o600)
    _write(cert_path, cert.public_bytes(serialization.Encoding.PEM), 0o644)


def _make_server(
    paths: TlsPaths, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, names: list[x509.GeneralName]
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pbx-bridge")])
    cert = (
        x509.CertificateBuilder(ca.subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(min(now + datetime.timedelta(days=_SERVER_DAYS), ca.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(paths.key, _pem(key), 0o600)
    _write(paths.cert, cert.public_bytes(serialization.Encoding.PEM), 0o644)


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(new, owner.st_uid, owner.st_gid)
    new.replace(path)


def _sha256_of(path: Path) -> bytes:
    cert = x509.load_pem_x509_certificate(path.read_bytes())
    return hashlib.sha256(cert.public_bytes(serialization.Encoding.DER)).digest()
