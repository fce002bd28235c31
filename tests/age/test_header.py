"""Headers: who opens a file, what rewrapping changes, and every malformed header a clear error within the limits."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge import age
from pbx_bridge.age_text import base64_text
from tests.age.samples import STRANGER, TRAINER

FILE_KEY = bytes(range(16))
SEALED = age.seal_bytes(b"two voices and a window", [TRAINER.recipient()])
HEADER = SEALED[: age.read_header(io.BytesIO(SEALED)).size]
VERSION, STANZA, BODY, MAC, _ = HEADER.split(b"\n")
CHEAP = 1
"""log2 of scrypt's work factor, for tests that are not about its cost."""


def refused(header: bytes, says: str, *identities: age.Identity) -> None:
    with pytest.raises(age.HeaderError, match=says):
        age.open_bytes(header + bytes(48), identities or [TRAINER])


def lines(*parts: bytes) -> bytes:
    return b"\n".join(parts) + b"\n"


def test_a_header_for_one_key_has_168_bytes() -> None:
    assert len(HEADER) == 168


def test_several_people_open_the_same_file_and_a_stranger_does_not() -> None:
    people = [age.X25519Identity.generate() for _ in range(3)]
    sealed = age.seal_bytes(b"x", [person.recipient() for person in people])
    for person in people:
        assert age.open_bytes(sealed, [STRANGER, person]) == b"x"
    with pytest.raises(age.NoIdentityMatches, match="not sealed to any"):
        age.open_bytes(sealed, [STRANGER])
    with pytest.raises(age.NoIdentityMatches):
        age.open_bytes(sealed, [])


def test_a_passphrase_opens_what_it_sealed_and_another_does_not() -> None:
    sealed = age.seal_bytes(b"x", [age.ScryptRecipient("Grüße", log_n=CHEAP)])
    assert age.open_bytes(sealed, [TRAINER, age.ScryptIdentity("Grüße")]) == b"x"
    with pytest.raises(age.NoIdentityMatches, match="passphrase is wrong"):
        age.open_bytes(sealed, [age.ScryptIdentity("Gruesse")])


def test_the_default_work_factor_is_ages_own() -> None:
    assert age.ScryptRecipient("x").wrap(FILE_KEY).arguments[2] == b"18"


@given(st.integers(0, 3 * age.CHUNK_SIZE))
def test_rewrapping_changes_who_opens_the_file_and_not_one_byte_of_its_payload(size: int) -> None:
    sealed = age.seal_bytes(bytes(size), [TRAINER.recipient()])
    fresh = age.rewrap_header(io.BytesIO(sealed), [TRAINER], [STRANGER.recipient()])
    released = fresh.header + sealed[fresh.payload_at :]
    assert age.open_bytes(released, [STRANGER]) == bytes(size)
    with pytest.raises(age.NoIdentityMatches):
        age.open_bytes(released, [TRAINER])


def test_rewrapping_reads_nothing_but_the_header() -> None:
    source = io.BytesIO(SEALED)
    fresh = age.rewrap_header(source, [TRAINER], [STRANGER.recipient()])
    assert source.tell() == fresh.payload_at == len(HEADER)
    assert age.rewrap_header(HEADER, [TRAINER], [STRANGER.recipient()]).payload_at == len(HEADER)


def test_rewrapping_is_refused_to_who_cannot_open_the_file() -> None:
    with pytest.raises(age.NoIdentityMatches):
        age.rewrap_header(HEADER, [STRANGER], [STRANGER.recipient()])


def test_two_sealings_of_one_text_share_neither_key_nor_share_nor_nonce() -> None:
    again = age.seal_bytes(b"two voices and a window", [TRAINER.recipient()])
    assert not {SEALED[at : at + 16] for at in range(40, len(SEALED) - 15)} & {
        again[at : at + 16] for at in range(40, len(again) - 15)
    }


@pytest.mark.parametrize(
    ("recipients", "says"),
    [
        ([], "1 to 64 recipients, not 0"),
        ([TRAINER.recipient()] * 65, "not 65"),
        ([age.ScryptRecipient("x", log_n=CHEAP), TRAINER.recipient()], "only recipient"),
        ([age.ScryptRecipient("x", log_n=CHEAP)] * 2, "only recipient"),
    ],
)
def test_a_file_is_not_made_for_nobody_or_too_many(recipients: list[age.Recipient], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        age.seal_bytes(b"", recipients)


def test_a_file_key_has_one_size() -> None:
    with pytest.raises(ValueError, match="16 bytes, not 32"):
        age.make_header(bytes(32), [TRAINER.recipient()])


@pytest.mark.parametrize("log_n", [0, -1, 21, 64])
def test_a_passphrase_is_not_stretched_beyond_reason(log_n: int) -> None:
    with pytest.raises(age.KeyTextError, match="work factor"):
        age.ScryptRecipient("x", log_n=log_n)


def test_an_empty_passphrase_seals_nothing() -> None:
    with pytest.raises(age.KeyTextError, match="empty"):
        age.ScryptRecipient("")


def test_a_passphrase_that_is_no_valid_text_is_refused_without_repeating_it() -> None:
    for make in (age.ScryptRecipient, age.ScryptIdentity):
        with pytest.raises(age.KeyTextError, match="not valid text") as refusal:
            make("geheim\udc80")
        assert "geheim" not in str(refusal.value)


# The points of small order on Curve25519 (https://cr.yp.to/ecdh.html#validate), also with the ignored top bit set.
LOW_ORDER = [
    bytes(32),
    bytes([1, *bytes(31)]),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("0000000000000000000000000000000000000000000000000000000000000080"),
]


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_low_order_point_is_neither_sealed_to_nor_opened_by(point: bytes) -> None:
    with pytest.raises(age.KeyTextError, match="low-order"):
        age.X25519Recipient(point).wrap(FILE_KEY)
    refused(lines(VERSION, b"-> X25519 " + base64_text(point), BODY, MAC), "low-order")


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"\x1aE\xdf\xa3 some WebM", "not an age v1 file"),
        (b"age-encryption.org/v2\n", "not an age v1 file"),
        (HEADER.replace(b"\n", b"\r\n"), "not an age v1 file"),
        pytest.param(lines(VERSION, MAC), "no recipient", id="no recipient"),
        (lines(VERSION, STANZA + b"\r", BODY, MAC), "not allowed"),
        (lines(VERSION, STANZA, BODY + b"\r", MAC), "not base64"),
        (lines(VERSION, STANZA, BODY, MAC + b"\r"), "not its MAC"),
        (lines(VERSION, b"->X25519", BODY, MAC), "does not start"),
        (lines(VERSION, b"-> ", BODY, MAC), "empty argument"),
        (lines(VERSION, STANZA + b" ", BODY, MAC), "empty argument"),
        (lines(VERSION, STANZA.replace(b" ", b"  "), BODY, MAC), "empty argument"),
        (lines(VERSION, STANZA + b" x", BODY, MAC), "exactly one argument"),
        (lines(VERSION, b"-> X25519", BODY, MAC), "exactly one argument"),
        (lines(VERSION, STANZA + b" \xc3\xa9", BODY, MAC), "not allowed"),
        (lines(VERSION, STANZA[:-1], BODY, MAC), "base64|share of 32"),
        (lines(VERSION, b"-> X25519 " + base64_text(bytes(31)), BODY, MAC), "share of 32"),
        (lines(VERSION, b"-> X25519 " + base64_text(bytes(33)), BODY, MAC), "share of 32"),
        (lines(VERSION, STANZA + b"=", BODY, MAC), "not unpadded base64"),
        (lines(VERSION, STANZA, base64_text(bytes(31)), MAC), "body of 32"),
        (lines(VERSION, STANZA, base64_text(bytes(33)), MAC), "body of 32"),
        (lines(VERSION, STANZA, BODY + b"A" * 64, MAC), "not base64 in lines of 64"),
        (lines(VERSION, STANZA, base64_text(bytes(48)), MAC), "not base64 in lines"),
        (lines(VERSION, STANZA, BODY), "cut short|does not start"),
        (lines(VERSION, STANZA, BODY, MAC[:-1]), "not its MAC"),
        (lines(VERSION, STANZA, BODY, MAC + b"A"), "not its MAC"),
        (lines(VERSION, STANZA, BODY, MAC.replace(b"--- ", b"---x")), "not its MAC"),
        (lines(VERSION, b"-> scrypt AAAA 1", BODY, MAC), "salt of 16"),
        (lines(VERSION, STANZA, BODY, b"-> scrypt AAAA 1", BODY, MAC), "only recipient"),
    ],
)
def test_a_malformed_header_is_refused_with_a_reason(header: bytes, says: str) -> None:
    refused(header, says, TRAINER, age.ScryptIdentity("x"))


@pytest.mark.parametrize("size", range(len(HEADER)))
def test_a_header_cut_anywhere_says_so(size: int) -> None:
    with pytest.raises(age.HeaderError, match=r"cut short|not its MAC"):
        age.open_bytes(HEADER[:size], [TRAINER])


def last_letter_spared(text: bytes) -> bytes:
    """The same bytes written with a bit set that canonical base64 leaves at zero."""
    return text[:-1] + bytes([text[-1] + 1])


@pytest.mark.parametrize("which", [1, 2, 3])
def test_base64_that_is_not_canonical_is_refused_anywhere(which: int) -> None:
    parts = [VERSION, STANZA, BODY, MAC]
    parts[which] = last_letter_spared(parts[which])
    with pytest.raises(age.HeaderError, match=r"base64"):
        age.open_bytes(lines(*parts) + bytes(48), [TRAINER])


@pytest.mark.parametrize(
    "factor", [b"0", b"00", b"01", b"+1", b"1 ", b"-1", b"1e1", b"21", b"99", b"100", b"9" * 500]
)
def test_a_scrypt_work_factor_is_refused_before_any_work(factor: bytes) -> None:
    stanza = b"-> scrypt " + base64_text(bytes(16)) + b" " + factor
    refused(lines(VERSION, stanza, BODY, MAC), "work factor|empty argument", age.ScryptIdentity("x"))


def test_a_stricter_work_factor_may_be_asked_for_and_a_looser_one_not() -> None:
    sealed = age.seal_bytes(b"", [age.ScryptRecipient("x", log_n=5)])
    with pytest.raises(age.HeaderError, match="1 to 4"):
        age.open_bytes(sealed, [age.ScryptIdentity("x", max_log_n=4)])
    costly = lines(VERSION, b"-> scrypt " + base64_text(bytes(16)) + b" 21", BODY, MAC)
    refused(costly, "1 to 20", age.ScryptIdentity("x", max_log_n=30))


@pytest.mark.parametrize("at", range(len(VERSION) + 1, len(HEADER)))
def test_a_changed_byte_of_the_header_never_opens(at: int) -> None:
    changed = bytearray(SEALED)
    changed[at] ^= 1
    with pytest.raises((age.HeaderError, age.NoIdentityMatches)):
        age.open_bytes(bytes(changed), [TRAINER])


def test_a_stanza_added_by_somebody_else_is_noticed() -> None:
    other = STRANGER.recipient().wrap(FILE_KEY)
    added = lines(b"-> " + b" ".join(other.arguments), base64_text(other.body))
    with pytest.raises(age.HeaderMacError, match="changed after it was made"):
        age.open_bytes(lines(VERSION, STANZA, BODY) + added + SEALED[SEALED.index(b"--- ") :], [TRAINER])


def test_limits_hold_exactly() -> None:
    stanza = b"-> x\n\n"
    longest = b"-> " + b"x" * (age.MAX_LINE_BYTES - 4) + b"\n"
    assert len(age.read_header(io.BytesIO(lines(VERSION, STANZA, BODY, MAC))).stanzas) == 1
    most = VERSION + b"\n" + stanza * age.MAX_STANZAS + MAC + b"\n"
    assert len(age.read_header(io.BytesIO(most)).stanzas) == age.MAX_STANZAS
    refused(VERSION + b"\n" + stanza * (age.MAX_STANZAS + 1) + MAC + b"\n", "more than 64 recipients")
    assert age.read_header(io.BytesIO(VERSION + b"\n" + longest + b"\n" + MAC + b"\n")).stanzas
    refused(VERSION + b"\n" + longest[:-1] + b"x\n\n" + MAC + b"\n", "line beyond 4096")


def test_a_header_has_a_size_limit_that_holds_exactly() -> None:
    body_lines = (b"A" * 64 + b"\n") * 70
    stanza = b"-> x\n" + body_lines + b"\n"
    start = VERSION + b"\n" + stanza * 57
    spare = age.MAX_HEADER_BYTES - len(start) - len(MAC) - 1 - len(b"-> \n\n")
    exact = start + b"-> " + b"x" * spare + b"\n\n" + MAC + b"\n"
    assert len(exact) == age.MAX_HEADER_BYTES
    assert age.read_header(io.BytesIO(exact)).size == age.MAX_HEADER_BYTES
    refused(start + b"-> " + b"x" * (spare + 1) + b"\n\n" + MAC + b"\n", f"beyond {age.MAX_HEADER_BYTES}")


class Endless:
    """A source that never ends: only a limit ends reading it."""

    def __init__(self, line: bytes) -> None:
        self._line = line
        self.given = 0

    def readline(self, size: int = -1, /) -> bytes:
        line = self._line[: size if size >= 0 else None] if self.given else VERSION + b"\n"
        self.given += len(line)
        return line


@pytest.mark.parametrize("line", [b"x" * 10_000, b"-> x\n", b"A" * 64 + b"\n"])
def test_a_header_without_end_is_given_up(line: bytes) -> None:
    source = Endless(line)
    with pytest.raises(age.HeaderError):
        age.read_header(source)
    assert source.given <= age.MAX_HEADER_BYTES + age.MAX_LINE_BYTES
