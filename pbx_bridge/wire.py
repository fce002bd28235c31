"""What a workstation and the bridge say to each other: the words, their limits, their bytes. Shared with the client.

Every control message is one JSON object `{"n": count, "type": word, ...fields}`; `n` counts from 0 in each direction of
each connection, so a repeated, missing or swapped message is seen. Pictures are binary packets, in wire_picture.py.
docs/formats.md ("Wire") is the description for others; tests/vectors/wire holds the same as examples.

It knows no connection, clock or file, and it decides nothing. All `*_ns` are CLOCK_MONOTONIC: of the workstation in what
the workstation says, except where the field's text says otherwise.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Annotated, Any, Final, TypeAlias

from pbx_bridge.errors import PeerError
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_access import MAX_ACCESSES, AccessLine
from pbx_bridge.wire_json import (
    Hex,
    Malformed,
    Many,
    Text,
    Whole,
    canonical,
    read_fields,
    read_object,
    write_fields,
)

WIRE_VERSION: Final = 1
STATION_PATH: Final = "/station"
ENROL_PATH: Final = "/enrol"
CA_PATH: Final = "/ca.pem"

MAX_CONTROL_BYTES: Final = 64 * 1024
"""A notice of 8,000 characters with its applications fits; nothing else comes near."""
MAX_APPLICATIONS: Final = 16
"""Windows of the one application a person is trained on (P3): a handful of programs."""
MAX_MASKS: Final = 16
"""Fields and columns of one window that hold secrets (P7)."""
MAX_PAUSE_TITLES: Final = 8
MAX_MASK_EDGE: Final = 16_384
"""Pixels: windows on several screens are larger than any canvas."""
MAX_SPOOLED: Final = 8
"""Recordings a workstation may still hold unacknowledged packets of: it makes one at a time."""
MAX_RECORDINGS_LISTED: Final = 200
"""P15 allows 5 a week for at most 173 days: 125."""
MIN_FPS: Final = 5
"""P2."""
MAX_FPS: Final = 30
MAX_CANVAS: Final = 4096
"""Pixels a side: a 4K window; larger ones are scaled by the client."""
MAX_CEILING_S: Final = 3600
"""P10."""

RENEW_EVERY_S: Final = 0.5
LEASE_S: Final = 2.0
"""P10: without a lease renewed within this time the workstation stops by itself."""

Name: TypeAlias = Annotated[str, Text(64, pattern=r"[A-Za-z0-9][A-Za-z0-9._-]*")]
Login: TypeAlias = Annotated[str, Text(64)]
"""The account of a desktop session."""
Slug: TypeAlias = Annotated[str, Text(40, pattern=r"[a-z0-9-]+")]
Path: TypeAlias = Annotated[str, Text(1024, pattern=r"/.*")]
Recording: TypeAlias = Annotated[RecordingId, Text(26, 26, pattern=r"[a-z2-7]{25}[aeimquy4]")]
"""The last character carries 3 bits only, so that text and 128 bits stand for each other exactly."""
Count: TypeAlias = Annotated[int, Whole(0, 2**48)]
Instant: TypeAlias = Annotated[int, Whole()]
Key: TypeAlias = Annotated[bytes, Hex(32)]
Nonce: TypeAlias = Annotated[bytes, Hex(32)]
Signature: TypeAlias = Annotated[bytes, Hex(64)]
Digest: TypeAlias = Annotated[str, Text(64, 64, pattern=r"[0-9a-f]*")]


class CaptureEnd(StrEnum):
    """Why a capture stopped, or did not start. Closed: a new reason is a new protocol version."""

    ORDERED = "ordered"
    LEASE_LOST = "lease-lost"
    CEILING = "ceiling"
    CLOCK = "clock"
    """The workstation slept or its clock stepped (P10)."""
    NO_DESKTOP = "no-desktop"
    """No active, unlocked session, or the X server is gone."""
    WAYLAND = "wayland"
    NOT_ACKNOWLEDGED = "not-acknowledged"
    """No notice acknowledged here, or not the one the order names (P14)."""
    NOT_ALLOWED = "not-allowed"
    """An application, a rate or a length outside what the user acknowledged (P14)."""
    BUSY = "busy"
    INDICATOR_GONE = "indicator-gone"
    TOO_SLOW = "too-slow"
    """The working rate of P2 could not be kept."""
    GUARD = "guard"
    """The identity of windows could not be established at all (P3)."""
    CAPTURE_FAILED = "capture-failed"
    ENCODER_FAILED = "encoder-failed"
    SPOOL_FULL = "spool-full"
    SWAP = "swap"
    """Memory could reach an unencrypted swap (P17)."""
    CLIENT_STOPPED = "client-stopped"
    CLIENT_GONE = "client-gone"
    """Said by the bridge: the client was started anew and knows nothing of it."""


class DesktopKind(StrEnum):
    """What the session's pictures would come from."""

    X11 = "x11"
    REMOTE_X11 = "remote-x11"
    """RDP, VDI, x2go, SSH: the X server runs for somebody sitting elsewhere."""
    WAYLAND = "wayland"
    NONE = "none"


class FarewellReason(StrEnum):
    """Why a side ends the link; the sentence beside it is for people."""

    STOPPING = "stopping"
    VERSION = "version"
    UNKNOWN_KEY = "unknown-key"
    """Not enrolled, revoked before, or the proof does not fit: one word, so that nothing can be tried out."""
    REVOKED = "revoked"
    CLONED = "cloned"
    LOGIN = "login"
    """The station is bound to another login (P18)."""
    INVITATION = "invitation"
    """Unknown, used or expired."""
    PROTOCOL = "protocol"
    SILENT = "silent"
    CROWDED = "crowded"
    """More connections or packets than the named limits allow."""
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Mask:
    """A part of the window that is always neutral (P7), in its pixels; negative x, y count from its far edge."""

    x: Annotated[int, Whole(-MAX_MASK_EDGE, MAX_MASK_EDGE)]
    y: Annotated[int, Whole(-MAX_MASK_EDGE, MAX_MASK_EDGE)]
    width: Annotated[int, Whole(1, MAX_MASK_EDGE)]
    height: Annotated[int, Whole(1, MAX_MASK_EDGE)]


@dataclass(frozen=True, slots=True)
class ApplicationRule:
    """Which windows belong to one application (P3). All given parts must hold at once."""

    name: Name
    executable: Path
    """Resolved path of the program's file."""
    main_program: Annotated[str, Text(1024, pattern=r"(/|https?://).*")] | None
    """For interpreters, runtimes and terminals: the resolved path of the program they run; for a browser: its address."""
    wm_class: Annotated[str, Text(128)]
    title: Annotated[str, Text(256)] | None
    """A regular expression that narrows further; never the whole match."""
    sha256: Digest | None
    """Of the executable, or of the main program where there is one."""
    masks: Annotated[tuple[Mask, ...], Many(MAX_MASKS)] = ()
    pause_titles: Annotated[tuple[Annotated[str, Text(256)], ...], Many(MAX_PAUSE_TITLES)] = ()
    """Regular expressions: while a window of the application has such a title, everything pauses (P7)."""


@dataclass(frozen=True, slots=True)
class Canvas:
    width: Annotated[int, Whole(16, MAX_CANVAS)]
    height: Annotated[int, Whole(16, MAX_CANVAS)]


@dataclass(frozen=True, slots=True)
class Desktop:
    """The operating system's session the client runs in."""

    active: bool
    locked: bool
    kind: DesktopKind


@dataclass(frozen=True, slots=True)
class Spooled:
    """What the workstation still holds of one recording: entries `first_seq` <= seq < `next_seq`."""

    recording: Recording
    first_seq: Count
    next_seq: Count


@dataclass(frozen=True, slots=True)
class Resume:
    """The bridge has every entry below `next_seq` and wants the rest."""

    recording: Recording
    next_seq: Count


@dataclass(frozen=True, slots=True)
class Heard:
    """When an earlier Lease arrived: closes the clock exchange."""

    number: Count
    received_ns: Instant


@dataclass(frozen=True, slots=True)
class RecordingLine:
    """One of the trainee's own recordings (P18), as the list shows it."""

    recording: Recording
    started_at: Annotated[int, Whole(0, 2**40)]
    """Unix seconds."""
    duration_s: Annotated[int, Whole(0, MAX_CEILING_S)]
    state: Slug


# ---- the workstation says


@dataclass(frozen=True, slots=True)
class Hello:
    version: Annotated[int, Whole(0, 2**16 - 1)]
    key: Key
    """The device's Ed25519 public key."""
    nonce: Nonce
    run: Annotated[bytes, Hex(16)]
    """Drawn when the client process starts: tells a reconnect from a second machine with the same key."""
    software: Annotated[str, Text(32, pattern=r"[0-9A-Za-z.+-]+")]


@dataclass(frozen=True, slots=True)
class Proof:
    signature: Signature
    """Over wire_proof.station_statement."""


@dataclass(frozen=True, slots=True)
class Enrol:
    """Answers the Challenge on the enrolment path."""

    version: Annotated[int, Whole(0, 2**16 - 1)]
    secret: Annotated[bytes, Hex(16)]
    """The invitation's 128 bits."""
    key: Key
    nonce: Nonce
    signature: Signature
    """Over wire_proof.enrol_statement."""


@dataclass(frozen=True, slots=True)
class Presence:
    """The state the client is in when a link begins."""

    login: Login
    desktop: Desktop
    acknowledged: Digest | None
    """`notice_hash` of the notice its user acknowledged."""
    spooled: Annotated[tuple[Spooled, ...], Many(MAX_SPOOLED)]


@dataclass(frozen=True, slots=True)
class Renew:
    """Asks for the lease."""

    number: Count
    sent_ns: Instant
    heard: Heard | None


@dataclass(frozen=True, slots=True)
class DesktopNow:
    desktop: Desktop


@dataclass(frozen=True, slots=True)
class CaptureStarted:
    recording: Recording
    seq: Count
    at_ns: Instant


@dataclass(frozen=True, slots=True)
class CaptureStopped:
    recording: Recording
    seq: Count
    at_ns: Instant
    reason: CaptureEnd


@dataclass(frozen=True, slots=True)
class PaymentBegan:
    """A window of the application says by its title that a secret is being told: nothing is filmed, the bridge shall keep
    no voice either (P7)."""

    recording: Recording
    seq: Count
    at_ns: Instant


@dataclass(frozen=True, slots=True)
class PaymentEnded:
    """No title says so any more. The window is filmed again when the bridge says resume."""

    recording: Recording
    seq: Count
    at_ns: Instant


@dataclass(frozen=True, slots=True)
class CaptureRefused:
    recording: Recording
    reason: CaptureEnd


@dataclass(frozen=True, slots=True)
class NoticeAccepted:
    notice_hash: Digest
    accepted_at: Annotated[int, Whole(0, 2**40)]
    """Unix seconds, by the workstation's wall clock."""
    signature: Signature
    """Over wire_proof.acknowledgement_statement."""


@dataclass(frozen=True, slots=True)
class AskRecordings:
    request: Count


@dataclass(frozen=True, slots=True)
class AskAccesses:
    """P19: who opened, or tried to open, what is mine."""

    request: Count
    before: Count
    """Older than this record's number; 0: the newest."""


@dataclass(frozen=True, slots=True)
class AskHandOver:
    request: Count
    recording: Recording
    signature: Signature
    """Over wire_proof.hand_over_statement."""


@dataclass(frozen=True, slots=True)
class AskPrivate:
    """The person wants the present call not to be recorded (P16)."""

    request: Count


# ---- the bridge says


@dataclass(frozen=True, slots=True)
class Challenge:
    nonce: Nonce


@dataclass(frozen=True, slots=True)
class Enrolled:
    station: Name


@dataclass(frozen=True, slots=True)
class Welcome:
    station: Name
    resumes: Annotated[tuple[Resume, ...], Many(MAX_SPOOLED)]
    """Every recording the bridge knows of this station; whatever else the workstation holds or makes it erases."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Answers the Renew of the same number: the lease lasts LEASE_S from the moment the workstation *asked*."""

    number: Count
    asked_ns: Instant
    """`sent_ns` of the Renew: the workstation's clock."""
    received_ns: Instant
    """The bridge's clock."""
    sent_ns: Instant
    """The bridge's clock."""


@dataclass(frozen=True, slots=True)
class GetReady:
    """A call that was drawn rings here: make the encoder ready. Nothing is captured by it."""


@dataclass(frozen=True, slots=True)
class StartCapture:
    recording: Recording
    notice_hash: Digest
    """The acknowledged notice the permit rests on (P14)."""
    applications: Annotated[tuple[Name, ...], Many(MAX_APPLICATIONS)]
    fps: Annotated[int, Whole(MIN_FPS, MAX_FPS)]
    canvas: Canvas | None
    ceiling_s: Annotated[int, Whole(1, MAX_CEILING_S)]


@dataclass(frozen=True, slots=True)
class PauseCapture:
    recording: Recording


@dataclass(frozen=True, slots=True)
class ResumeCapture:
    recording: Recording


@dataclass(frozen=True, slots=True)
class StopCapture:
    recording: Recording
    reason: Slug
    discard: bool = False
    """The workstation erases at once what it still holds (P16)."""


@dataclass(frozen=True, slots=True)
class Received:
    """Entries up to and including `seq` are safe at the bridge; the workstation erases them."""

    recording: Recording
    seq: Count


@dataclass(frozen=True, slots=True)
class Notice:
    """What the person at the workstation is told and acknowledges (P14), with the rules that follow from it."""

    language: Annotated[str, Text(8, pattern=r"[a-z]{2}(-[A-Z]{2})?")]
    text: Annotated[str, Text(8000, lines=True)]
    applications: Annotated[tuple[ApplicationRule, ...], Many(MAX_APPLICATIONS)]
    fps: Annotated[int, Whole(MIN_FPS, MAX_FPS)]
    """The highest rate."""
    ceiling_s: Annotated[int, Whole(1, MAX_CEILING_S)]
    """The longest recording of one call."""


@dataclass(frozen=True, slots=True)
class RecordingsList:
    request: Count
    recordings: Annotated[tuple[RecordingLine, ...], Many(MAX_RECORDINGS_LISTED)]


@dataclass(frozen=True, slots=True)
class AccessesList:
    request: Count
    accesses: Annotated[tuple[AccessLine, ...], Many(MAX_ACCESSES)]
    """Newest first."""
    more: bool
    detail: Annotated[str, Text(200, 0)]
    """A sentence for the person when they cannot be had, else ""."""


@dataclass(frozen=True, slots=True)
class HandOverResult:
    request: Count
    done: bool
    detail: Annotated[str, Text(200, 0)]
    """A sentence for the person, "" when done."""


@dataclass(frozen=True, slots=True)
class PrivateResult:
    request: Count
    done: bool
    detail: Annotated[str, Text(200, 0)]


# ---- either side


@dataclass(frozen=True, slots=True)
class Farewell:
    reason: FarewellReason
    text: Annotated[str, Text(200, 0)]


ToBridge: TypeAlias = (
    Hello
    | Proof
    | Enrol
    | Presence
    | Renew
    | DesktopNow
    | CaptureStarted
    | CaptureStopped
    | PaymentBegan
    | PaymentEnded
    | CaptureRefused
    | NoticeAccepted
    | AskRecordings
    | AskAccesses
    | AskHandOver
    | AskPrivate
    | Farewell
)
Order: TypeAlias = (
    GetReady
    | StartCapture
    | PauseCapture
    | ResumeCapture
    | StopCapture
    | Notice
    | RecordingsList
    | AccessesList
    | HandOverResult
    | PrivateResult
)
"""What the bridge's core may send through StationServer.send; the rest the link says by itself."""
ToStation: TypeAlias = Order | Challenge | Enrolled | Welcome | Lease | Received | Farewell


class Side(Enum):
    """Who speaks: each side accepts only what the other may say."""

    BRIDGE = "bridge"
    STATION = "station"


def _words(union: Any) -> dict[str, type[Any]]:
    return {re.sub(r"(?<!^)([A-Z])", r"-\1", k.__name__).lower(): k for k in union.__args__}


WORDS: Final[dict[Side, dict[str, type[Any]]]] = {
    Side.STATION: _words(ToBridge),
    Side.BRIDGE: _words(ToStation),
}
"""The `type` of every message, by its speaker: the class name in kebab-case."""


class Writer:
    """Numbers and writes what one side says on one connection."""

    def __init__(self, speaker: Side) -> None:
        self._words = {kind: word for word, kind in WORDS[speaker].items()}
        self._next = 0

    def write(self, message: ToBridge | ToStation) -> str:
        """The text to send. Raises: Malformed when the message breaks its own limits (ours to mend)."""
        text = canonical(
            {"n": self._next, "type": self._words[type(message)]} | write_fields(message)
        ).decode()
        if len(text.encode()) > MAX_CONTROL_BYTES:
            raise Malformed(f"{type(message).__name__} is longer than {MAX_CONTROL_BYTES} bytes")
        self._next += 1
        return text


class Reader:
    """Reads what the other side says on one connection."""

    def __init__(self, speaker: Side) -> None:
        self._words = WORDS[speaker]
        self._next = 0

    def read(self, text: str) -> Any:
        """The message in `text`. Raises: PeerError, after which the connection is to be ended."""
        if len(text) > MAX_CONTROL_BYTES or len(text.encode(errors="replace")) > MAX_CONTROL_BYTES:
            raise PeerError(f"a control message is longer than {MAX_CONTROL_BYTES} bytes")
        try:
            fields = read_object(text)
            number, word = fields.pop("n", None), fields.pop("type", None)
            if type(number) is not int or number != self._next:
                raise Malformed(f"message number {self._next} is due, not {str(number)[:20]}")
            kind = self._words.get(word) if isinstance(word, str) else None
            if kind is None:
                raise Malformed("unknown type of message")
            message = read_fields(kind, fields)
        except Malformed as error:
            raise PeerError(f"control message {self._next}: {error}") from None
        self._next += 1
        return message


def notice_hash(notice: Notice) -> str:
    """What an acknowledgement names: SHA-256 over the whole notice, rules included, so none can change silently (P14)."""
    return hashlib.sha256(canonical(write_fields(notice))).hexdigest()


def notice_text(notice: Notice) -> str:
    """The notice as the client stores it beside the signature."""
    return json.dumps(write_fields(notice), ensure_ascii=False, indent=1)


def read_notice(text: str) -> Notice:
    """Back from `notice_text`. Raises: Malformed."""
    return read_fields(Notice, read_object(text))
