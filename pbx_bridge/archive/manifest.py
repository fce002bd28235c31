"""The manifest: what the recorder signs about one recording, and the keeper decides from.

age says nothing about who sealed a file. The recorder's Ed25519 signature over this text does, and the payload's
digest in it (`payload_digest`) survives every rewrap of the header. The text is canonical JSON; any
other spelling of the same content is refused, so one content has one signature. It knows ids, dates, digests; never
a number, a customer, a title, or a person's real name (P17).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, Final

from pbx_bridge.age import NONCE_SIZE, SEALED_CHUNK_SIZE, Source, read_exactly
from pbx_bridge.archive.rules import latest_not_after
from pbx_bridge.ids import RecordingId, TraineeId
from pbx_bridge.wire_json import (
    Malformed,
    Many,
    Text,
    Whole,
    canonical,
    read_fields,
    read_object,
    write_fields,
)
from pbx_bridge.wire_portal import DIGEST, MAX_MANIFEST_CHARS, NAME, RECORDING, UNIX, SignedManifest
from pbx_bridge.wire_proof import is_signed, public_key, sign

CONTEXT: Final = b"pbx-bridge manifest v1\n"
"""Signed before the text, so that no other signature of the same key can pass for a manifest's."""

DIGEST_OR_EMPTY: Final = Text(64, 0, "([0-9a-f]{64})?")


class ManifestError(ValueError):
    """The text is no manifest, or not the one that was signed. The sentence names the field."""


class State(Enum):
    """How far a recording is."""

    RECORDING = "recording"
    """Put when the file was opened; no payload digest yet."""
    SEALED = "sealed"
    RECOVERED = "recovered"
    """Rebuilt by the keeper after a crash; what precedes the crash is complete."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One trainer of this trainee and the time of the assignment, in Unix seconds, the end excluded."""

    trainer: Annotated[str, NAME]
    start: Annotated[int, UNIX]
    end: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the recorder vouches for. `payload` is "" while the state is RECORDING."""

    recording: Annotated[RecordingId, RECORDING]
    trainee: Annotated[TraineeId, NAME]
    plan: Annotated[str, DIGEST]
    """SHA-256 of the plan's canonical text, hex."""
    trainers: Annotated[tuple[Assignment, ...], Many(16)]
    applications: Annotated[tuple[Annotated[str, Text(80)], ...], Many(16)]
    """Names the configuration gives the filmed applications; never a window's title."""
    start: Annotated[int, UNIX]
    """Unix seconds, UTC."""
    not_after: Annotated[int, UNIX]
    """Unix seconds; from then on it opens for nobody (P20)."""
    device_key: Annotated[str, DIGEST_OR_EMPTY] = ""
    """Ed25519 public key, hex, of the workstation that filmed: the trainee hands over with it. "" when unknown."""
    state: State = State.RECORDING
    payload: Annotated[str, DIGEST_OR_EMPTY] = ""
    """`payload_digest`, hex."""
    payload_bytes: Annotated[int, Whole(0, 1 << 40)] = 0
    duration_ms: Annotated[int, Whole(0, 1 << 32)] = 0
    version: Annotated[int, Whole(1, 1)] = 1

    def sealed(
        self, payload: str, payload_bytes: int, duration_ms: int, *, recovered: bool = False
    ) -> Manifest:
        """The manifest of the finished file: all else stays as it was put."""
        state = State.RECOVERED if recovered else State.SEALED
        return replace(
            self, state=state, payload=payload, payload_bytes=payload_bytes, duration_ms=duration_ms
        )

    def begun(self) -> Manifest:
        """The manifest as it was put when the file was opened: without the finished file's facts."""
        return replace(self, state=State.RECORDING, payload="", payload_bytes=0, duration_ms=0)


class RecorderKey:
    """The recorder's Ed25519 signing key. It signs manifests and nothing else."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 random bytes, kept 0600 by the recorder."""
        self._seed = seed
        self.public = public_key(seed)

    def sign(self, manifest: Manifest) -> SignedManifest:
        """Raises: ManifestError when the manifest breaks a limit, so that nothing unreadable is ever signed."""
        text = encode(manifest)
        return SignedManifest(text, self.public, sign(self._seed, CONTEXT + text.encode()))


def verify(signed: SignedManifest, recorders: frozenset[bytes]) -> Manifest:
    """The manifest a known recorder signed. Raises: ManifestError."""
    if signed.recorder not in recorders:
        raise ManifestError("recorder: this key is not one of this bridge's recorders")
    if not is_signed(signed.recorder, CONTEXT + signed.text.encode(), signed.signature):
        raise ManifestError("signature: the manifest is not what the recorder signed")
    return decode(signed.text)


def encode(manifest: Manifest) -> str:
    """The canonical text. Raises: ManifestError when a field is out of its range."""
    try:
        text = canonical(write_fields(manifest)).decode()
    except Malformed as error:
        raise ManifestError(str(error)) from None
    decode(text)
    return text


def decode(text: str) -> Manifest:
    """The manifest this canonical text spells. Raises: ManifestError for every other text."""
    if len(text) > MAX_MANIFEST_CHARS:
        raise ManifestError(f"a manifest has at most {MAX_MANIFEST_CHARS} characters")
    try:
        document = read_object(text)
        manifest = read_fields(Manifest, document)
    except Malformed as error:
        raise ManifestError(str(error)) from None
    if canonical(document) != text.encode():
        raise ManifestError("not in canonical form")
    if not manifest.start < manifest.not_after <= latest_not_after(manifest.start):
        raise ManifestError("not_after: after the start and within the ceiling of 173 days (P20)")
    if any(a.start >= a.end for a in manifest.trainers):
        raise ManifestError("trainers: an assignment ends after it starts")
    if (manifest.state is State.RECORDING) != (manifest.payload == ""):
        raise ManifestError("payload: a finished recording has a digest, an unfinished one has none")
    return manifest


def payload_digest(source: Source) -> bytes:
    """The digest a recorder signs, of a sealed payload read from `source`, which stands after the header.

    SHA-256(nonce || chunk 0 || SHA-256(chunks 1, 2, ...)), chunks as sealed. Nested because chunk 0 is sealed last: so
    the recorder needs no second reading of the file, and a reader still computes it in one pass. It is injective: when
    there is a chunk 1, chunk 0 is full, and without one the inner hash is that of nothing.
    """
    outer = hashlib.sha256(read_exactly(source, NONCE_SIZE + SEALED_CHUNK_SIZE))
    inner = hashlib.sha256()
    while block := read_exactly(source, SEALED_CHUNK_SIZE):
        inner.update(block)
    outer.update(inner.digest())
    return outer.digest()
