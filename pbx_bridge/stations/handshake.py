"""How a device proves its key at the start of a connection. Pure: nonces, registry answers and the certificate come in.

    station: Hello(version, key, nonce, run)   bridge: Challenge(nonce)   station: Proof(signature), Presence
    enrolment: bridge: Challenge(nonce)        device: Enrol(secret, key, nonce, signature)   bridge: Enrolled

An unknown key and a wrong signature are answered alike, and both only after the proof.
"""

from __future__ import annotations

from pbx_bridge import wire
from pbx_bridge.wire_proof import enrol_statement, is_signed, station_statement


class Turned(Exception):
    """The device is turned away; the sentence is sent to it."""

    def __init__(self, reason: wire.FarewellReason, text: str) -> None:
        super().__init__(text)
        self.reason, self.text = reason, text


def check_version(version: int) -> None:
    """Raises: Turned when the other side speaks another version."""
    if version != wire.WIRE_VERSION:
        raise Turned(
            wire.FarewellReason.VERSION,
            f"the bridge speaks version {wire.WIRE_VERSION}, the workstation {version}: install the same release",
        )


def check_proof(
    hello: wire.Hello, proof: wire.Proof, *, server_nonce: bytes, certificate_sha256: bytes, enrolled: bool
) -> None:
    """Raises: Turned unless the signature fits this very connection and the key is enrolled and not revoked."""
    statement = station_statement(
        version=hello.version,
        key=hello.key,
        run=hello.run,
        client_nonce=hello.nonce,
        server_nonce=server_nonce,
        certificate_sha256=certificate_sha256,
    )
    if not is_signed(hello.key, statement, proof.signature) or not enrolled:
        raise Turned(wire.FarewellReason.UNKNOWN_KEY, "this device is not enrolled here")


def check_enrolment(enrol: wire.Enrol, *, server_nonce: bytes, certificate_sha256: bytes) -> None:
    """Raises: Turned unless the device holds the key it offers."""
    check_version(enrol.version)
    statement = enrol_statement(
        version=enrol.version,
        key=enrol.key,
        secret=enrol.secret,
        client_nonce=enrol.nonce,
        server_nonce=server_nonce,
        certificate_sha256=certificate_sha256,
    )
    if not is_signed(enrol.key, statement, enrol.signature):
        raise Turned(wire.FarewellReason.PROTOCOL, "the device's signature does not fit its key")
