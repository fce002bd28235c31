"""The protocol's bytes: vectors for others, every message there and back, and everything malformed refused."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge import wire, wire_proof
from pbx_bridge.errors import PeerError
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Malformed
from pbx_bridge.wire_picture import MAX_PICTURE_BYTES, Picture, read_picture, write_picture
from tests.stations.wire_vectors import MESSAGES, PICTURES, STATEMENTS

VECTORS = Path(__file__).parents[1] / "vectors" / "wire"
ONE = RecordingId("a" * 26)


def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text())
    return found


def test_every_type_of_message_has_a_vector() -> None:
    for side, words in wire.WORDS.items():
        assert set(words) == {
            json.loads(v["text"])["type"] for v in vectors("messages.json") if v["from"] == side.value
        }


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m[1]).__name__)
def test_messages_are_written_as_the_vectors_say(message: tuple[wire.Side, Any]) -> None:
    side, value = message
    text = wire.Writer(side).write(value)
    assert text in [v["text"] for v in vectors("messages.json") if v["from"] == side.value]
    assert wire.Reader(side).read(text) == value


def test_pictures_are_written_as_the_vectors_say() -> None:
    assert [write_picture(p).hex() for p in PICTURES] == [v["packet"] for v in vectors("pictures.json")]
    assert [read_picture(bytes.fromhex(v["packet"])) for v in vectors("pictures.json")] == PICTURES


def test_statements_and_signatures_are_as_the_vectors_say() -> None:
    for (name, statement), vector in zip(STATEMENTS, vectors("statements.json"), strict=True):
        assert (vector["name"], vector["statement"]) == (name, statement.hex())
        seed = bytes.fromhex(vector["seed"])
        assert wire_proof.public_key(seed).hex() == vector["key"]
        assert wire_proof.sign(seed, statement).hex() == vector["signature"]


def read(side: wire.Side, text: str) -> Any:
    return wire.Reader(side).read(text)


GOOD = '{"n":0,"type":"received","recording":"aaaaaaaaaaaaaaaaaaaaaaaaaa","seq":5}'
BAD = {
    "empty": "",
    "not JSON": "hello",
    "a list": "[]",
    "cut": GOOD[:-1],
    "two objects": GOOD + GOOD,
    "no number": GOOD.replace('"n":0,', ""),
    "another number": GOOD.replace('"n":0', '"n":1'),
    "a number as text": GOOD.replace('"n":0', '"n":"0"'),
    "true for 0": GOOD.replace('"n":0', '"n":false'),
    "unknown type": GOOD.replace("received", "recieved"),
    "a type of the other side": '{"n":0,"type":"renew","number":0,"sent_ns":0,"heard":null}',
    "a type that is no text": GOOD.replace('"received"', "[]"),
    "a field missing": GOOD.replace(',"seq":5', ""),
    "a field too many": GOOD.replace('"seq":5', '"seq":5,"more":1'),
    "a field twice": GOOD.replace('"seq":5', '"seq":5,"seq":5'),
    "a fraction": GOOD.replace('"seq":5', '"seq":5.0'),
    "negative": GOOD.replace('"seq":5', '"seq":-1'),
    "beyond 64 bits": GOOD.replace('"seq":5', '"seq":99999999999999999999999'),
    "very many digits": GOOD.replace('"seq":5', '"seq":' + "9" * 5000),
    "not a number": GOOD.replace('"seq":5', '"seq":NaN'),
    "a bad id": GOOD.replace("aaaaaaaaaaaaaaaaaaaaaaaaaa", "../../../../../etc/passwd1"),
    "an id with spare bits": GOOD.replace("aaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaab"),
    "too long": GOOD + " " * wire.MAX_CONTROL_BYTES,
    "too deep": '{"n":0,"type":"received","recording":' + "[" * 30000 + "]" * 30000 + ',"seq":1}',
    "half a surrogate": GOOD.replace("received", "\\ud800"),
}


@pytest.mark.parametrize("what", BAD)
def test_malformed_messages_are_refused(what: str) -> None:
    assert read(wire.Side.BRIDGE, GOOD) == wire.Received(ONE, 5)
    with pytest.raises(PeerError) as caught:
        read(wire.Side.BRIDGE, BAD[what])
    assert len(str(caught.value)) < 250


def test_a_message_repeated_or_left_out_is_refused() -> None:
    writer, reader = wire.Writer(wire.Side.BRIDGE), wire.Reader(wire.Side.BRIDGE)
    texts = [writer.write(wire.PauseCapture(ONE)) for _ in range(3)]
    reader.read(texts[0])
    for wrong in (texts[0], texts[2]):
        with pytest.raises(PeerError):
            reader.read(wrong)
    reader.read(texts[1])


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m[1]).__name__)
def test_every_message_cut_anywhere_or_changed_is_refused_or_read_whole(
    message: tuple[wire.Side, Any],
) -> None:
    """No input raises anything but PeerError."""
    side, value = message
    text = wire.Writer(side).write(value)
    chance = random.Random(text)
    for end in range(len(text)):
        with pytest.raises(PeerError):
            read(side, text[:end])
    for _ in range(300):
        at = chance.randrange(len(text))
        changed = text[:at] + chance.choice('{}[]",:0189eE-+.ntf\\ é\x00') + text[at + 1 :]
        try:
            found = read(side, changed)
        except PeerError:
            continue
        assert isinstance(found, tuple(wire.WORDS[side].values()))


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["n", "type", "seq", "recording", "x"]), inner, max_size=5)
        ),
        max_leaves=20,
    ).map(json.dumps)
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(PeerError):
        read(wire.Side.STATION, text)


PICTURE = Picture(ONE, 7, -3, True, False, 640, 480, b"vp9")


@pytest.mark.parametrize("size", [1, 2, MAX_PICTURE_BYTES - 1, MAX_PICTURE_BYTES])
def test_pictures_up_to_the_limit_pass(size: int) -> None:
    picture = Picture(ONE, 7, -(2**63), False, True, 4096, 16, bytes(size))
    assert read_picture(write_picture(picture)) == picture


@pytest.mark.parametrize("size", [0, MAX_PICTURE_BYTES + 1])
def test_pictures_beyond_the_limits_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        write_picture(Picture(ONE, 7, 0, False, True, 640, 480, bytes(size)))
    with pytest.raises(PeerError):
        read_picture(write_picture(PICTURE)[:42] + bytes(size))


def test_a_picture_header_is_checked_field_by_field() -> None:
    packet = write_picture(PICTURE)
    for end in range(43):
        with pytest.raises(PeerError):
            read_picture(packet[:end])
    for at, value in ((0, 0), (0, 2), (1, 4), (1, 255), (2, 0xFF), (4, 0xFF), (22, 0xFF)):
        with pytest.raises(PeerError):
            read_picture(packet[:at] + bytes([value]) + packet[at + 1 :])


def test_what_breaks_its_own_limits_is_not_written() -> None:
    for wrong in (
        wire.Received(ONE, -1),
        wire.Received(RecordingId("short"), 1),
        wire.StartCapture(ONE, "0" * 64, ("crm",), 4, None, 60),
        wire.StartCapture(ONE, "0" * 64, ("crm",), 10, None, 3601),
        wire.Farewell(wire.FarewellReason.STOPPING, "x" * 201),
    ):
        with pytest.raises(Malformed):
            wire.Writer(wire.Side.BRIDGE).write(wrong)


def test_a_notice_hash_covers_every_rule() -> None:
    """P14: nothing that widens what is recorded keeps the acknowledgement."""
    rule = wire.ApplicationRule("crm", "/usr/bin/crm", None, "Crm", None, None)
    notice = wire.Notice("fr", "Texte", (rule,), 10, 3600)
    changed = [
        wire.Notice("en", "Texte", (rule,), 10, 3600),
        wire.Notice("fr", "Texte.", (rule,), 10, 3600),
        wire.Notice("fr", "Texte", (), 10, 3600),
        wire.Notice(
            "fr", "Texte", (wire.ApplicationRule("crm", "/usr/bin/x", None, "Crm", None, None),), 10, 3600
        ),
        wire.Notice("fr", "Texte", (rule,), 11, 3600),
        wire.Notice("fr", "Texte", (rule,), 10, 3599),
    ]
    assert len({wire.notice_hash(n) for n in [notice, *changed]}) == 7
    assert wire.read_notice(wire.notice_text(notice)) == notice


def test_invitation_codes() -> None:
    code = wire_proof.new_invite(bytes(range(32)))
    text = str(code)
    assert wire_proof.parse_invite(text) == wire_proof.parse_invite(f"  {text.lower()} \n") == code
    assert text not in repr(code)
    for at in range(0, len(text), 7):
        wrong = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        with pytest.raises(ValueError, match="invitation"):
            wire_proof.parse_invite(wrong)
    for short in ("", text[:-1], text + "A", "0" * 80):
        with pytest.raises(ValueError, match="16 groups"):
            wire_proof.parse_invite(short)


def test_a_signature_serves_one_purpose_on_one_connection() -> None:
    seed = wire_proof.new_seed()
    key = wire_proof.public_key(seed)
    parts: dict[str, Any] = {
        "version": 1,
        "key": key,
        "run": bytes(16),
        "client_nonce": bytes(32),
        "server_nonce": b"\x01" * 32,
        "certificate_sha256": b"\x02" * 32,
    }
    statement = wire_proof.station_statement(**parts)
    signature = wire_proof.sign(seed, statement)
    assert wire_proof.is_signed(key, statement, signature)
    for name, value in {
        "version": 2,
        "run": b"\x01" * 16,
        "client_nonce": b"\x01" * 32,
        "server_nonce": bytes(32),
        "certificate_sha256": bytes(32),
    }.items():
        assert not wire_proof.is_signed(
            key, wire_proof.station_statement(**(parts | {name: value})), signature
        )
    for bad_key in (bytes(32), b"\xff" * 32, b"", bytes(33)):
        assert not wire_proof.is_signed(bad_key, statement, signature)
    for bad in (b"", signature[:-1], signature + b"x", bytes(64)):
        assert not wire_proof.is_signed(key, statement, bad)
