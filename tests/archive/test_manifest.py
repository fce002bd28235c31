"""The manifest: one content, one text, one signature; every edit is seen."""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.archive.manifest import (
    Assignment,
    Manifest,
    ManifestError,
    RecorderKey,
    State,
    decode,
    encode,
    payload_digest,
    verify,
)
from pbx_bridge.archive.rules import DAY_S, KEEP_CEILING_DAYS
from pbx_bridge.ids import TraineeId
from pbx_bridge.wire_portal import SignedManifest
from tests.archive.house import manifest

KEY = RecorderKey(b"\7" * 32)
KNOWN = frozenset({KEY.public})
PLAIN = manifest(start=1_790_000_000)
SIGNED = KEY.sign(PLAIN)
FIELDS = json.loads(SIGNED.text)


def edited(**changes: Any) -> str:
    """The text with fields changed, still canonical; the signature is not made anew."""
    return json.dumps({**FIELDS, **changes}, sort_keys=True, separators=(",", ":"))


def test_what_was_signed_is_read() -> None:
    assert verify(SIGNED, KNOWN) == PLAIN
    finished = PLAIN.sealed("ab" * 32, 77, 61_000)
    assert verify(KEY.sign(finished), KNOWN) == finished
    assert finished.begun() == PLAIN


@given(at=st.integers(0, len(SIGNED.text) - 1), letter=st.sampled_from('a0"{}:,z9 '))
def test_every_changed_letter_is_seen(at: int, letter: str) -> None:
    text = SIGNED.text[:at] + letter + SIGNED.text[at + 1 :]
    if text != SIGNED.text:
        with pytest.raises(ManifestError, match="signature"):
            verify(replace(SIGNED, text=text), KNOWN)


@given(bit=st.integers(0, 511))
def test_every_changed_bit_of_the_signature_is_seen(bit: int) -> None:
    signature = bytearray(SIGNED.signature)
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ManifestError, match="signature"):
        verify(replace(SIGNED, signature=bytes(signature)), KNOWN)


@pytest.mark.parametrize(
    "changes",
    [
        {"trainee": "bruno"},
        {"trainers": [{"trainer": "carla", "start": 0, "end": 2_000_000_000}]},
        {"not_after": PLAIN.not_after + 1},
        {"start": PLAIN.start - DAY_S},
        {"plan": "00" * 32},
        {"state": "sealed", "payload": "00" * 32},
    ],
)
def test_an_edited_right_is_not_signed(changes: dict[str, Any]) -> None:
    assert decode(edited(**changes)) != PLAIN
    with pytest.raises(ManifestError, match="signature"):
        verify(replace(SIGNED, text=edited(**changes)), KNOWN)


def test_a_stranger_signs_nothing_here() -> None:
    stranger = RecorderKey(os.urandom(32))
    with pytest.raises(ManifestError, match="recorder"):
        verify(stranger.sign(PLAIN), KNOWN)
    with pytest.raises(ManifestError, match="signature"):
        verify(replace(stranger.sign(PLAIN), recorder=KEY.public), KNOWN)
    with pytest.raises(ManifestError, match="signature"):
        verify(SignedManifest(SIGNED.text, b"\0" * 32, SIGNED.signature), frozenset({b"\0" * 32}))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "JSON"),
        ("[]", "object"),
        ("[" * 5_000, "JSON"),
        (SIGNED.text + " ", "canonical"),
        (SIGNED.text.replace(":", ": ", 1), "canonical"),
        (SIGNED.text.replace('"version":1', '"version":1,"version":1'), "twice"),
        (edited(extra=1), "extra"),
        (json.dumps({k: v for k, v in FIELDS.items() if k != "plan"}), "plan"),
        (edited(recording="A" * 26), "recording"),
        (edited(trainee="alice smith"), "trainee"),
        (edited(trainee=""), "trainee"),
        (edited(start="now"), "start"),
        (edited(start=1.5), "start"),
        (edited(start=True), "start"),
        (edited(start=-1), "start"),
        (edited(not_after=PLAIN.start), "not_after"),
        (edited(not_after=PLAIN.start + KEEP_CEILING_DAYS * DAY_S + 1), "not_after"),
        (edited(state="open"), "state"),
        (edited(state="sealed"), "payload"),
        (edited(payload="00" * 32), "payload"),
        (edited(version=2), "version"),
        (edited(trainers=[{"trainer": "bruno", "start": 5, "end": 5}]), "trainers"),
        (edited(trainers=[{"trainer": "bruno", "start": 5, "end": 6}] * 17), "trainers"),
        (edited(applications=["x" * 81]), "applications"),
        (edited(applications=["a\nb"]), "applications"),
        (edited(device_key="0" * 63), "device_key"),
        ("x" * 9_000, "characters"),
    ],
)
def test_what_is_no_manifest_is_refused_by_its_field(text: str, field: str) -> None:
    with pytest.raises(ManifestError, match=field):
        decode(text)


def test_nothing_unreadable_is_ever_signed() -> None:
    for wrong in (
        replace(PLAIN, trainee=TraineeId("alice smith")),
        replace(PLAIN, not_after=PLAIN.start + 174 * DAY_S),
        replace(PLAIN, applications=("",)),
        replace(PLAIN, state=State.SEALED),
    ):
        with pytest.raises(ManifestError):
            KEY.sign(wrong)


names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
printable = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=80)


@given(trainee=names, trainers=st.lists(names, max_size=16), applications=st.lists(printable, max_size=4))
def test_any_content_is_read_back(trainee: str, trainers: list[str], applications: list[str]) -> None:
    said: Manifest = replace(
        PLAIN,
        trainee=TraineeId(trainee),
        trainers=tuple(Assignment(name, 1, 2) for name in trainers),
        applications=tuple(applications),
    )
    assert decode(encode(said)) == said
    assert verify(KEY.sign(said), KNOWN) == said


def test_the_documented_vectors_hold() -> None:
    """docs/formats.md: a key, and the payload's digest spelled out once more."""
    assert KEY.public.hex() == "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c"
    chunk = 64 * 1024 + 16
    for size in (16, 17, 16 + chunk, 16 + chunk + 1, 16 + 3 * chunk - 1):
        payload = os.urandom(size)
        inner = hashlib.sha256(payload[16 + chunk :]).digest()
        outer = hashlib.sha256(payload[: 16 + chunk] + inner).digest()
        assert payload_digest(io.BytesIO(payload)) == outer
