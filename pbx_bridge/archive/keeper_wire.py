"""What is said to the keeper over its socket: one JSON object per line, one answer per line, both strictly typed.

A request is `{"do": WORD, ...fields}`, an answer `{"ok": {...fields}}` or `{"no": WORD, "text": SENTENCE}`. It knows
forms and limits, and which user of the machine may say which word; what they do stands in keeper.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final, TypeVar

from pbx_bridge import wire_notes
from pbx_bridge.archive import rights_wire
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_access import MAX_ACCESSES, AccessLine
from pbx_bridge.wire_audit import Looked
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
from pbx_bridge.wire_portal import (
    DIGEST,
    HEX_BLOB,
    MAX_ACT_CHARS,
    MAX_APPROVED,
    MAX_SESSION_CHARS,
    NAME,
    RECIPIENT,
    RECORDING,
    TOKEN,
    UNIX,
    WORD,
    Act,
    Prove,
    Refused,
    Role,
    SignedManifest,
    read_refusal,
    write_refusal,
)

MAX_REQUEST_BYTES: Final = 64 * 1024
"""The longest, `finish`, has under 20 KiB."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Introduce:
    """The recorder shows the public half of its signing key and asks for the keeper's recipient."""

    recorder: Annotated[bytes, Hex(32)]


@dataclass(frozen=True, slots=True)
class KeeperFacts:
    recipient: Annotated[str, RECIPIENT]


@dataclass(frozen=True, slots=True)
class Put:
    """A recording begins: its own identity sealed to the keeper, and the first manifest."""

    signed: SignedManifest
    key: Annotated[str, HEX_BLOB]
    """An age file to the keeper that holds the identity's text, hex."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The file is sealed."""

    signed: SignedManifest
    header: Annotated[str, HEX_BLOB]
    """The file's age header, hex."""


@dataclass(frozen=True, slots=True)
class Destroy:
    recording: Annotated[RecordingId, RECORDING]
    reason: Annotated[str, WORD]


MAX_PURGED: Final = 20
"""Of one answer: each destruction takes some syncs of the disk, and others wait meanwhile."""
MAX_HELD: Final = 10_000
IDENTITY_CHANGED: Final = "identity-changed"
"""The word of a refused `Put`: the recorder asks for the keeper's recipient again."""
MAX_ASKED: Final = 1_000


@dataclass(frozen=True, slots=True)
class Purge:
    """P20: destroy what has ended."""

    dry_run: bool
    by_hand: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """A recording that ended, why, since when it was due, and who was given its key."""

    recording: Annotated[RecordingId, RECORDING]
    reason: Annotated[str, WORD]
    since: Annotated[int, UNIX]
    copies: Annotated[tuple[Annotated[str, NAME], ...], Many(64)]


@dataclass(frozen=True, slots=True)
class Purged:
    gone: Annotated[tuple[Gone, ...], Many(MAX_PURGED)]
    more: bool
    """Ask again: not all that has ended is destroyed yet."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """The bridge asks whether the clock is in doubt, and says when it last ran itself (0: unknown)."""

    seen_at: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class Beat:
    """`doubt`: a word of clock.Doubt, "" when the clock is believed; `high`: the latest time that was."""

    doubt: Annotated[str, Text(32, 0)]
    high: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class Ended:
    """What was destroyed since then, other than by time: what a restored keeper would not know again by itself."""

    since: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class End:
    at: Annotated[int, UNIX]
    recording: Annotated[RecordingId, RECORDING]
    reason: Annotated[str, WORD]


@dataclass(frozen=True, slots=True)
class AllEnded:
    ended: Annotated[tuple[End, ...], Many(MAX_HELD)]


@dataclass(frozen=True, slots=True)
class ConfirmClock:
    """P20: a person compared the clock with another one."""


@dataclass(frozen=True, slots=True)
class Reconcile:
    """Count: recorded - destroyed = present."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    recorded: Annotated[int, Whole(0)]
    destroyed: Annotated[int, Whole(0)]
    present: Annotated[int, Whole(0)]
    missing: Annotated[int, Whole(0)]
    risen: Annotated[int, Whole(0)]
    unknown: Annotated[int, Whole(0)]


class Stands(Enum):
    """Whether a recording's file may lie on a disk."""

    KEPT = "kept"
    DESTROYED = "destroyed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ask:
    """How these recordings stand, in this order."""

    recordings: Annotated[tuple[Annotated[RecordingId, RECORDING], ...], Many(MAX_ASKED)]


@dataclass(frozen=True, slots=True)
class Standing:
    stands: Annotated[tuple[Stands, ...], Many(MAX_ASKED)]


@dataclass(frozen=True, slots=True)
class Held:
    """The finished recordings whose id comes after this one; "" begins."""

    after: Annotated[str, Text(26, 0, "([a-z2-7]{26})?")]


@dataclass(frozen=True, slots=True)
class AllHeld:
    recordings: Annotated[tuple[Annotated[RecordingId, RECORDING], ...], Many(MAX_HELD)]


class Left(Enum):
    """What a crash left of a recording: which open files come with the request, in this order."""

    PART = "part"
    """The part; the new file."""
    PART_AND_TAIL = "part-and-tail"
    """The part; its tail; the new file."""
    SEALED = "sealed"
    """The finished file, which was never registered."""


@dataclass(frozen=True, slots=True)
class Recover:
    """Make a whole file of what is left, under a new key."""

    recording: Annotated[RecordingId, RECORDING]
    left: Left


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the recorder is to sign and to finish with."""

    signed: SignedManifest
    """The manifest as it was put."""
    recovered: bool
    """False for a finished file: it is complete."""
    payload: Annotated[str, DIGEST]
    payload_bytes: Annotated[int, Whole(0, 1 << 40)]
    duration_ms: Annotated[int, Whole(0, 1 << 32)]
    header: Annotated[str, HEX_BLOB]


@dataclass(frozen=True, slots=True)
class HandOver:
    """The trainee ends their own first hours (P18)."""

    recording: Annotated[RecordingId, RECORDING]
    trainee: Annotated[str, NAME]
    signature: Annotated[bytes, Hex(64)] | None = None
    """The device key's, over `wire_proof.hand_over_statement`; needed when the manifest names a device key."""


@dataclass(frozen=True, slots=True)
class TraineesOwn:
    """What is held of this trainee, for their own workstation."""

    trainee: Annotated[str, NAME]


@dataclass(frozen=True, slots=True)
class Begin:
    """A person wants to prove who they are; with a code: wants to join."""

    recipient: Annotated[str, RECIPIENT]
    client_nonce: Annotated[bytes, Hex(32)]
    certificate: Annotated[bytes, Hex(32)]
    code: Annotated[bytes, Hex(16)] | None = None
    act: Act | None = None


@dataclass(frozen=True, slots=True)
class List:
    token: Annotated[bytes, TOKEN]


@dataclass(frozen=True, slots=True)
class Open:
    """The asker wants the file key, wrapped for their own registered key."""

    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]
    session: Annotated[str, Text(MAX_SESSION_CHARS, 0)]
    fetch: bool = False
    """To have the whole sealed file, not to watch it: the record says so."""


@dataclass(frozen=True, slots=True)
class Review:
    """A trainer says that this recording was discussed in this training session with the trainee (P15)."""

    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]
    session: Annotated[str, Text(MAX_SESSION_CHARS, 0)]


MAX_PARTS_CHARS: Final = 500
"""Some sixty spans that do not touch, of one minute."""


class Broke(Enum):
    """Why the asker's browser stopped: the recording is not what it should be. The audit log has the word."""

    DAMAGED = "damaged"
    """A part is not as it was sealed, or is not there."""
    UNVOUCHED = "unvouched"
    """What its recorder signed does not fit: the signature, its signer, or what of the file it names."""


@dataclass(frozen=True, slots=True)
class Viewed:
    """P19: which parts of a recording's ciphertext went to the asker since it was last told."""

    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]
    parts: Annotated[str, Text(MAX_PARTS_CHARS, 0, "[0-9,/. -]*")]
    """As `0-17,120-131/352`: of 352 parts of 64 KiB; "" when only what broke it off is told."""
    broke: Broke | None


@dataclass(frozen=True, slots=True)
class Invite:
    name: Annotated[str, NAME]
    roles: Annotated[tuple[Role, ...], Many(len(Role))]


@dataclass(frozen=True, slots=True)
class Invited:
    code: Annotated[bytes, Hex(16)]
    expires_at: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class Desk:
    """An approver asks what waits for them."""

    token: Annotated[bytes, TOKEN]


@dataclass(frozen=True, slots=True)
class Book:
    """A trainer books a slot: who is it? The bridge keeps slots; the keeper knows people and keeps the log."""

    token: Annotated[bytes, TOKEN]
    plan: Annotated[str, NAME]
    cancel: bool


@dataclass(frozen=True, slots=True)
class Training:
    """A trainer looks at their week: who is it?"""

    token: Annotated[bytes, TOKEN]


@dataclass(frozen=True, slots=True)
class Week:
    """The trainer who visits, and what waits for their review of all their trainees (P15)."""

    trainer: Annotated[str, NAME]
    waiting_ms: Annotated[int, Whole(0)]


@dataclass(frozen=True, slots=True)
class Booker:
    trainer: Annotated[str, NAME]


@dataclass(frozen=True, slots=True)
class Approvals:
    """The bridge asks what is approved."""


@dataclass(frozen=True, slots=True)
class EndPlan:
    """The bridge tells that this plan was ended before its last day: it only narrows, and nobody turns it back alone."""

    digest: Annotated[str, DIGEST]


@dataclass(frozen=True, slots=True)
class Approved:
    digests: Annotated[tuple[Annotated[str, DIGEST], ...], Many(MAX_APPROVED)]


@dataclass(frozen=True, slots=True)
class PlansApproved:
    """The bridge asks which plans are approved now, to tell which of them are gone (P13)."""


@dataclass(frozen=True, slots=True)
class ApprovedPlan:
    plan: Annotated[str, NAME]
    entry: Annotated[str, Text(32, 0)]
    """Which entering of it was approved."""
    digest: Annotated[str, DIGEST]


@dataclass(frozen=True, slots=True)
class ApprovedPlans:
    plans: Annotated[tuple[ApprovedPlan, ...], Many(MAX_APPROVED)]


@dataclass(frozen=True, slots=True)
class Months:
    """An approver asks which days a plan's trainee has already of six months in any 24 (P13)."""

    token: Annotated[bytes, TOKEN]
    text: Annotated[str, Text(MAX_ACT_CHARS, lines=True)]
    """The plan's."""


@dataclass(frozen=True, slots=True)
class Weigh:
    """An approver reads a proposal: what the keeper knows beside it (P13, P22)."""

    token: Annotated[bytes, TOKEN]
    text: Annotated[str, Text(MAX_ACT_CHARS, lines=True)]


@dataclass(frozen=True, slots=True)
class SeeTurnedDown:
    """Which proposals were refused, and why: for whoever shows them."""


@dataclass(frozen=True, slots=True)
class SeeRetained:
    """An approver or auditor reads the report: what became of each month's recordings, without a person (P20, P23)."""

    token: Annotated[bytes, TOKEN]


@dataclass(frozen=True, slots=True)
class Everyone:
    """The administrator asks who joined."""


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """One key of one person, without the key."""

    name: Annotated[str, NAME]
    roles: Annotated[tuple[Role, ...], Many(len(Role))]
    joined_at: Annotated[int, UNIX]
    state: Annotated[str, WORD]
    """`confirmed`, `waiting` or `revoked`."""


@dataclass(frozen=True, slots=True)
class People:
    people: Annotated[tuple[KnownPerson, ...], Many(10_000)]


@dataclass(frozen=True, slots=True)
class Revoke:
    name: Annotated[str, NAME]


@dataclass(frozen=True, slots=True)
class Backlog:
    """P15: what waits for its review."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What one trainer has still to review of one trainee; a recording with two trainers waits for both."""

    trainee: Annotated[str, NAME]
    trainer: Annotated[str, Text(64, 0)]
    recordings: Annotated[int, Whole(0)]
    duration_ms: Annotated[int, Whole(0)]


@dataclass(frozen=True, slots=True)
class AllWaiting:
    waiting: Annotated[tuple[Waiting, ...], Many(10_000)]


@dataclass(frozen=True, slots=True)
class Status:
    pass


@dataclass(frozen=True, slots=True)
class KeeperStatus:
    recipient: Annotated[str, RECIPIENT]
    recordings: Annotated[int, Whole(0)]
    unfinished: Annotated[tuple[Annotated[RecordingId, RECORDING], ...], Many(10_000)]
    """Put and neither finished nor destroyed: live calls, or what a crash left."""
    audit_records: Annotated[int, Whole(0)]
    audit_head: Annotated[str, DIGEST]
    identity_days: Annotated[int, Whole(0)]
    """P20: since when the keeper uses its identity."""


@dataclass(frozen=True, slots=True)
class Writable:
    """P19: can the next access be recorded? The bridge asks each second: if not, it records nothing."""


@dataclass(frozen=True, slots=True)
class WritableNow:
    fault: Annotated[str, Text(500, 0)]
    """Why not, for the operator; "" when it can."""


@dataclass(frozen=True, slots=True)
class Done:
    pass


class For(Enum):
    """P19: what the auditor reads the log for; it stands in the record of the reading."""

    COPY = "copy"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Audit:
    """P19: the auditor reads the log, from the record after this number on."""

    token: Annotated[bytes, TOKEN]
    after: Annotated[int, Whole(0)]
    purpose: For = For.COPY


@dataclass(frozen=True, slots=True)
class AuditLooked:
    """P19: the auditor looks at some of it."""

    token: Annotated[bytes, TOKEN]
    wanted: Looked


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """P19: the newest checkpoint, for a second place. It names nobody."""


@dataclass(frozen=True, slots=True)
class TokenChanged:
    """P22: the administrator makes or removes a program's token; the log has it by its name, with what it is for."""

    name: Annotated[str, NAME]
    purpose: Annotated[str, WORD]
    made: bool


@dataclass(frozen=True, slots=True)
class Accesses:
    """P19: a trainee at their own workstation sees accesses to their own; older than number `before` (0: the newest)."""

    trainee: Annotated[str, NAME]
    before: Annotated[int, Whole(0)]


@dataclass(frozen=True, slots=True)
class AccessesOf:
    """P23: the same for the administrator who answers that trainee's request."""

    trainee: Annotated[str, NAME]
    before: Annotated[int, Whole(0)]


@dataclass(frozen=True, slots=True)
class AccessesFound:
    accesses: Annotated[tuple[AccessLine, ...], Many(MAX_ACCESSES)]
    """Newest first."""
    more: bool


RECORDER: Final[dict[str, type[Any]]] = {
    **rights_wire.RECORDER,
    "introduce": Introduce,
    "put": Put,
    "finish": Finish,
    "destroy": Destroy,
    "recover": Recover,
    "hand-over": HandOver,
    "trainees-own": TraineesOwn,
    "begin": Begin,
    "prove": Prove,
    "list": List,
    "open": Open,
    "review": Review,
    "viewed": Viewed,
    "read-notes": wire_notes.ReadNotes,
    "write-note": wire_notes.WriteNote,
    "erase-note": wire_notes.EraseNote,
    "backlog": Backlog,
    "desk": Desk,
    "book": Book,
    "training": Training,
    "approvals": Approvals,
    "plans-approved": PlansApproved,
    "end-plan": EndPlan,
    "months": Months,
    "weigh": Weigh,
    "retained": SeeRetained,
    "turned-down": SeeTurnedDown,
    "audit": Audit,
    "checkpoint": Checkpoint,
    "audit-look": AuditLooked,
    "accesses": Accesses,
    "writable": Writable,
    "purge": Purge,
    "pulse": Pulse,
    "ended": Ended,
    "reconcile": Reconcile,
    "ask": Ask,
    "held": Held,
    "status": Status,
}
"""What the bridge's own process may say."""
ADMINISTRATOR: Final[dict[str, type[Any]]] = {
    **rights_wire.ADMINISTRATOR,
    "invite": Invite,
    "everyone": Everyone,
    "approvals": Approvals,
    "turned-down": SeeTurnedDown,
    "plans-approved": PlansApproved,
    "revoke": Revoke,
    "accesses-of": AccessesOf,
    "token-changed": TokenChanged,
    "writable": Writable,
    "backlog": Backlog,
    "purge": Purge,
    "pulse": Pulse,
    "confirm-clock": ConfirmClock,
    "reconcile": Reconcile,
    "ask": Ask,
    "held": Held,
    "status": Status,
}
"""What the administrator's commands may say."""
_WORDS: Final = {kind: word for word, kind in (RECORDER | ADMINISTRATOR).items()}


def write_request(request: Any) -> bytes:
    return canonical({"do": _WORDS[type(request)], **write_fields(request)}) + b"\n"


def read_request(line: bytes, allowed: dict[str, type[Any]]) -> Any:
    """Raises: Malformed; Refused when the peer may not say this."""
    value = read_object(line)
    word = value.pop("do", None)
    if not isinstance(word, str) or word not in RECORDER | ADMINISTRATOR:
        raise Malformed("do: not one of the words allowed")
    if word not in allowed:
        raise Refused("not-yours", f"{word}: this user of the machine may not ask the keeper for that")
    return read_fields(allowed[word], value)


def write_answer(answer: Any) -> bytes:
    if isinstance(answer, Refused):
        return write_refusal(answer) + b"\n"
    return canonical({"ok": write_fields(answer)}) + b"\n"


def read_answer(line: bytes, kind: type[T]) -> T:
    """Raises: Refused; Malformed."""
    value = read_object(line)
    if "ok" in value:
        return read_fields(kind, value["ok"])
    raise read_refusal(value)
