"""Keys as text, base64 and armor: one value, one text, and every other text a clear error."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge import age
from pbx_bridge.age_text import base64_bytes, base64_text, bech32_bytes, bech32_text
from tests.age.samples import TRAINER

PUBLIC = str(TRAINER.recipient())
SECRET = str(TRAINER)


@given(st.binary(max_size=90), st.sampled_from(["age", "age-secret-key-", "x"]))
def test_bech32_returns_what_it_was_given(raw: bytes, prefix: str) -> None:
    assert bech32_bytes(bech32_text(prefix, raw)) == (prefix, raw)


@pytest.mark.parametrize(
    "text",
    [
        "A12UEL5L",
        "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
    ],
)
def test_bech32_knows_the_standards_own_examples(text: str) -> None:
    assert bech32_bytes(text) == (text.lower().rpartition("1")[0], b"")


def test_a_known_key_has_its_known_text() -> None:
    """Debian's `age-keygen -y` makes the same pair."""
    identity = age.X25519Identity.parse(
        "AGE-SECRET-KEY-1EGTZVFFV20835NWYV6270LXYVK2VKNX2MMDKWYKLMGR48UAWX40Q2P2LM0"
    )
    assert str(age.X25519Identity.parse(str(identity))) == str(identity)
    assert str(identity.recipient()) == "age1xmwwc06ly3ee5rytxm9mflaz2u56jjj36s0mypdrwsvlul66mv4q47ryef"


@given(st.integers(0, len(PUBLIC) - 1), st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l1bio"))
def test_any_changed_letter_of_a_key_is_noticed(at: int, letter: str) -> None:
    changed = PUBLIC[:at] + letter + PUBLIC[at + 1 :]
    if changed != PUBLIC:
        with pytest.raises(age.KeyTextError):
            age.X25519Recipient.parse(changed)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (SECRET, "private key"),
        (SECRET.lower(), "private key"),
        (PUBLIC.upper(), "lower case"),
        (PUBLIC[:10] + PUBLIC[10:].upper(), "all in lower case or all in upper"),
        (PUBLIC[:-1], "checksum"),
        (PUBLIC + "q" * 200, "at most"),
        ("", "no key"),
        ("age1", "no key"),
        ("ssh-ed25519 AAAA", "no key|checksum|lower case"),
        ("agé1" + PUBLIC[4:], "ASCII"),
        (bech32_text("age", bytes(31)), "32 bytes"),
        (bech32_text("age", bytes(33)), "32 bytes"),
        (bech32_text("age1pq", bytes(32)), "other kinds"),
    ],
)
def test_what_is_no_recipient_is_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(age.KeyTextError, match=says):
        age.X25519Recipient.parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PUBLIC, "public key"),
        (SECRET.lower(), "upper case"),
        (SECRET[:-1], "checksum"),
        (bech32_text("age-secret-key-", bytes(31)).upper(), "32 bytes"),
        (bech32_text("age-secret-key-pq-", bytes(32)).upper(), "other kinds"),
    ],
)
def test_what_is_no_identity_is_refused_without_repeating_it(text: str, says: str) -> None:
    with pytest.raises(age.KeyTextError, match=says) as refusal:
        age.X25519Identity.parse(text)
    assert text[20:] not in str(refusal.value)


def test_white_space_around_a_pasted_key_is_no_fault() -> None:
    assert age.X25519Recipient.parse(f" {PUBLIC}\n") == TRAINER.recipient()
    assert age.X25519Identity.parse(f"{SECRET}\r\n") == TRAINER


def test_an_identity_is_not_shown_by_accident() -> None:
    shown = f"{TRAINER!r} {[TRAINER]} {age.ScryptRecipient('geheim')!r} {age.ScryptIdentity('geheim')!r}"
    assert SECRET[15:30] not in shown.upper()
    assert "geheim" not in shown


@given(st.binary(max_size=100))
def test_base64_returns_what_it_was_given(raw: bytes) -> None:
    assert base64_bytes(base64_text(raw)) == raw


@pytest.mark.parametrize("text", [b"A", b"QQ==", b"QR", b"Q-", b"QQ\n", b"Q Q", b"QQB"])
def test_base64_that_is_not_canonical_is_refused(text: bytes) -> None:
    with pytest.raises(age.HeaderError, match="base64"):
        base64_bytes(text)


@given(st.binary(max_size=500))
def test_armor_returns_what_it_was_given_with_any_line_ends(raw: bytes) -> None:
    text = age.armor(raw)
    assert age.is_armored(text)
    assert age.dearmor(text) == raw
    assert age.dearmor(b"\r\n \t" + text.replace(b"\n", b"\r\n") + b"\n\n") == raw


GOOD = age.armor(bytes(range(200)))
LINES = GOOD.splitlines()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "BEGIN or END"),
        (GOOD.replace(b"BEGIN", b"Begin"), "BEGIN or END"),
        (b"\n".join(LINES[:-1]), "BEGIN or END"),
        (b"x\n" + GOOD, "BEGIN or END"),
        (GOOD + b"x", "BEGIN or END"),
        (b"\n".join([LINES[0], LINES[1][:-1], *LINES[2:]]), "64 characters"),
        (b"\n".join([LINES[0], b"", *LINES[1:]]), "64 characters"),
        (b"\n".join([*LINES[:-1], b"", LINES[-1]]), "64 characters"),
        (b"\n".join([LINES[0], b"QR==", LINES[-1]]), "canonical"),
        (b"\n".join([LINES[0], b"QQ", LINES[-1]]), "base64"),
        (b"\n".join([LINES[0], b"Q*==", LINES[-1]]), "base64"),
        (b"\n".join([LINES[0], b"QQ=\r=", LINES[-1]]), "base64"),
    ],
)
def test_armor_that_is_not_canonical_is_refused_with_a_reason(text: bytes, says: str) -> None:
    with pytest.raises(age.ArmorError, match=says):
        age.dearmor(text)


def test_armor_beyond_its_limit_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(age.ArmorError, match=re.escape(str(age.MAX_ARMOR_BYTES))):
        age.dearmor(bytes(age.MAX_ARMOR_BYTES + 1))


def test_empty_armor_is_no_age_file() -> None:
    with pytest.raises(age.HeaderError, match="cut short"):
        age.open_bytes(age.armor(b""), [TRAINER])
