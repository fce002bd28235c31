"""Enrolment: from an invitation code to a stored identity. The CA is fetched without trust and believed only by its hash."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pbx_bridge.errors import OperatorError
from pbx_bridge.wire import CA_PATH
from pbx_bridge.wire_proof import new_seed, parse_invite
from workstation_client import identity
from workstation_client.link import enrol_device

_MAX_CA_BYTES: Final = 8000
_FETCH_S: Final = 10.0


def enrol(
    url: str, code_text: str, folder: Path, *, key_in_file: bool = False
) -> tuple[identity.Identity, str]:
    """Enrols this user's workstation; the identity and where its key lies. Raises: OperatorError."""
    check_url(url)
    try:
        code = parse_invite(code_text)
    except ValueError as error:
        raise OperatorError(str(error), where="--code") from None
    ca_pem = fetch_ca(url, code.ca_sha256)
    seed = new_seed()
    station = asyncio.run(enrol_device(url, ca_pem, code.secret, seed))
    found = identity.Identity(url, ca_pem, station, seed)
    return found, identity.save(found, folder, in_file=key_in_file)


def check_url(url: str) -> None:
    """Raises: OperatorError unless it is https://HOST[:PORT]."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("https", "wss") and parts.hostname and parts.path in ("", "/")
        _ = parts.port
    except ValueError:
        good = None
    if not good or parts.username or parts.query or parts.fragment or len(url) > 300:
        raise OperatorError(
            f"{url[:80]!r} is not the bridge's address",
            where="URL",
            do="Write it as https://bridge.example:7443",
        )


def fetch_ca(url: str, ca_sha256: bytes) -> str:
    """The bridge's CA certificate (PEM), if it is the one the code names. Raises: OperatorError."""
    parts = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing secret is sent, and what comes is compared with the code
    connection = http.client.HTTPSConnection(
        parts.hostname or "", parts.port or 443, timeout=_FETCH_S, context=context
    )
    try:
        connection.request("GET", CA_PATH)
        answer = connection.getresponse()
        text = answer.read(_MAX_CA_BYTES).decode()
        if answer.status != 200:
            raise ValueError(f"answer {answer.status}")
        der = ssl.PEM_cert_to_DER_cert(text)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise OperatorError(
            f"no bridge answers there ({error})",
            where=url,
            do="Check the address and the port (7443 by default)",
        ) from None
    finally:
        connection.close()
    if hashlib.sha256(der).digest() != ca_sha256:
        raise OperatorError(
            "the bridge there is not the one that made this code, or somebody is in between",
            where=url,
            do="Do not go on; ask the administrator to compare address and code",
        )
    return ssl.DER_cert_to_PEM_cert(der)
