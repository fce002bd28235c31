"""The test phones' answer to a PBX that asks for a password, held against the standard's own example."""

from __future__ import annotations

import pytest

from tests.rig import phone_sip as sip

CHALLENGE = (
    "SIP/2.0 401 Unauthorized\r\nCSeq: 1 REGISTER\r\n"
    'WWW-Authenticate: Digest realm="testrealm@host.com", qop="auth,auth-int", '
    'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"\r\n\r\n'
)
"""RFC 2617, section 3.5."""


def test_the_example_of_rfc_2617() -> None:
    said = sip.credentials(
        sip.parse(CHALLENGE), "GET", "/dir/index.html", "Mufasa", "Circle Of Life", "0a4f113b"
    )
    assert said.startswith('Authorization: Digest username="Mufasa", realm="testrealm@host.com"')
    assert said.endswith('response="6629fae49393a05397450978507c4ef1"')


def test_a_challenge_without_qop() -> None:
    """RFC 2617, section 3.2.2.1: the form of RFC 2069."""
    without = sip.parse(CHALLENGE.replace('qop="auth,auth-int", ', ""))
    said = sip.credentials(without, "GET", "/dir/index.html", "Mufasa", "Circle Of Life")
    assert said.endswith('response="670fd8c2df070c60b045671b8b24ff02"')
    assert "qop" not in said


def test_a_proxys_challenge_is_answered_to_the_proxy() -> None:
    challenged = sip.parse(CHALLENGE.replace("401", "407").replace("WWW-", "Proxy-"))
    assert sip.credentials(challenged, "INVITE", "sip:1@a", "a", "b").startswith(
        "Proxy-Authorization: Digest "
    )


@pytest.mark.parametrize("said", ["Basic realm=x", 'Digest realm="r", nonce="n", algorithm=SHA-256'])
def test_no_other_scheme(said: str) -> None:
    with pytest.raises(ValueError, match="no digest"):
        sip.credentials(
            sip.parse(f"SIP/2.0 401 No\r\nCSeq: 1 REGISTER\r\nWWW-Authenticate: {said}\r\n\r\n"),
            "REGISTER", "sip:a", "a", "b",
        )  # fmt: skip
