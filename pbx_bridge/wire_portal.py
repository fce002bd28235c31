"""What a person's machine and the bridge's portal say to each other, with the limits of both.

JSON bodies over HTTPS, strictly typed, bytes as lower-case hex; the API refuses with a problem (wire_problem.py), keeper
and pages with `{"no": WORD, "text": SENTENCE, "until": UNIX}`; the sealed payload travels raw, by ranges. The portal hands
these words on to the keeper as they are (archive/keeper_wire.py has the others). It knows forms; it decides nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Final, TypeVar

from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Hex, Many, Text, Whole, canonical, read_fields, read_object, write_fields

CA_PATH: Final = "/ca.pem"
PROGRAMS_NAME: Final = "programs.pbx-bridge.invalid"
"""Which server a program asks for in TLS: the one with the bridge's own certificate, whose CA it pinned. A browser asks for
the host's name and may get a certificate the site gave. `.invalid` is nobody's (RFC 6761)."""
API: Final = "/api/v1"
OPENAPI_PATH: Final = API + "/openapi.json"
BEGIN_PATH: Final = API + "/begin"
PROVE_PATH: Final = API + "/prove"
SLOTS_PATH: Final = API + "/slots"
PROPOSALS_PATH: Final = API + "/proposals"
LIST_PATH: Final = API + "/recordings"
OPEN_PATH: Final = API + "/recordings/{recording}/open"
FETCH_PATH: Final = API + "/recordings/{recording}/fetch"
REVIEW_PATH: Final = API + "/recordings/{recording}/review"
AUDIT_PATH: Final = API + "/audit/{after}"
PAYMENT_PATH: Final = API + "/payment"
PAYLOAD_PATH: Final = API + "/grants/{grant}/payload"
LEFT_PATH: Final = API + "/grants/{grant}/left"

MAX_BODY_BYTES: Final = 16 * 1024
"""Every request's body; the longest, an approval, has at most 8 KiB and its line ends."""
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""A list of MAX_LISTED recordings has under 1 MiB."""
MAX_LISTED: Final = 2_000
"""P15 lets a trainee have 5 recordings a week: nobody may open more than a few hundred at a time."""
MAX_SESSION_CHARS: Final = 200
MAX_MANIFEST_CHARS: Final = 8_192
"""A manifest with 16 trainers and 16 applications has under 6 KiB."""

MAX_ACT_CHARS: Final = 8_192
"""A plan with three applications has under 2 KiB."""
MAX_APPROVED: Final = 10_000
MAX_PROPOSED: Final = 400
"""Those of one approver that still wait; 400 of the longest make 3.2 MiB."""

AUDIT_PAGE_BYTES: Final = 1 << 20
"""Some 2,000 records."""

RECORDING: Final = Text(26, 26, "[a-z2-7]{26}")
NAME: Final = Text(64, 1, "[A-Za-z0-9][A-Za-z0-9._-]*")
"""A trainee's or trainer's short name, as `ids.parse_name` takes it."""
DIGEST: Final = Text(64, 64, "[0-9a-f]{64}")
UNIX: Final = Whole(0, 1 << 40)
"""Seconds, UTC."""
WORD: Final = Text(32, 1, "[a-z][a-z-]*")
"""One of a closed list."""
RECIPIENT: Final = Text(62, 62, "age1[02-9ac-hj-np-z]{58}")
HEX_BLOB: Final = Text(8_192, 2, "([0-9a-f]{2})+")
TOKEN: Final = Hex(32)
T = TypeVar("T")


class Role(Enum):
    """P22: what a person does here; which of these go together stands in access/roles.py."""

    TRAINER = "trainer"
    TRAINEE = "trainee"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"


def said(roles: Iterable[Role]) -> str:
    """Roles for a person to read."""
    return " and ".join(sorted(role.value for role in roles))


def fingerprint(recipient: str) -> str:
    """P22: what two people compare of a key, by telephone or face to face: 100 bits of its SHA-256, 5 groups of 4."""
    text = base64.b32encode(hashlib.sha256(b"pbx-bridge key 1\0" + recipient.encode()).digest()).decode()
    return "-".join(re.findall("....", text[:20]))


class Purpose(Enum):
    """What a proof is for."""

    JOIN = "join"
    SESSION = "session"
    ACT = "act"


class Deed(Enum):
    """What an approver does (P13, P22), and what of a trainee's deeds widens who may open (P18)."""

    APPROVE = "approve"
    """`text` is what was read: `plan_text` or `capacity_text` of training/plans.py."""
    WITHDRAW = "withdraw"
    """`text` is the digest of what was approved."""
    CONFIRM = "confirm"
    """`about` is the person, `text` the recipient whose fingerprint was compared."""
    REFUSE = "refuse"
    """`about` is a word of `wire_office.Ground`, `text` is what was read."""
    GRANT = "grant"
    """`about` is the request, `text` what was read of it: `grant_text` of wire_rights.py (P23)."""
    TAKE_BACK = "take-back"
    """A trainee takes back their own request `about`; `text` is `take_back_text` of wire_rights.py (P23)."""
    HAND_OVER = "hand-over"
    """A trainee ends their own first hours of the recording whose id is `text` (P18)."""


@dataclass(frozen=True, slots=True)
class Act:
    """One deed. It is proven by itself, end to end: what carries it to the keeper can lose it, not change it."""

    do: Deed
    about: Annotated[str, Text(80, 0)]
    text: Annotated[str, Text(MAX_ACT_CHARS, lines=True)]

    def digest(self) -> str:
        """SHA-256, hex: what the proof names."""
        return hashlib.sha256(b"pbx-bridge act 1\0" + canonical(write_fields(self))).hexdigest()


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A manifest's text with the recorder's public key and signature over it (archive/manifest.py reads it)."""

    text: Annotated[str, Text(MAX_MANIFEST_CHARS)]
    recorder: Annotated[bytes, Hex(32)]
    signature: Annotated[bytes, Hex(64)]


@dataclass(frozen=True, slots=True)
class BeginAsked:
    """A person wants to prove who they are; with a code: wants to join."""

    recipient: Annotated[str, RECIPIENT]
    client_nonce: Annotated[bytes, Hex(32)]
    code: Annotated[bytes, Hex(16)] | None = None
    act: Act | None = None
    """What the proof is to bring about."""


@dataclass(frozen=True, slots=True)
class Begun:
    challenge: Annotated[bytes, Hex(16)]
    """Names the challenge in the answer to it."""
    sealed: Annotated[str, HEX_BLOB]


@dataclass(frozen=True, slots=True)
class Prove:
    challenge: Annotated[bytes, Hex(16)]
    answer: Annotated[bytes, Hex(32)]


@dataclass(frozen=True, slots=True)
class Proven:
    """`token` speaks for the person until `expires_at`."""

    token: Annotated[bytes, TOKEN]
    expires_at: Annotated[int, UNIX]
    name: Annotated[str, NAME]
    roles: Annotated[tuple[Role, ...], Many(len(Role))]
    confirmed: bool
    purpose: Purpose
    recorders: Annotated[tuple[Annotated[bytes, Hex(32)], ...], Many(64)]
    """Public keys of this bridge's recorders, to check manifests with."""


@dataclass(frozen=True, slots=True)
class Item:
    """One recording as the asker may know it."""

    recording: Annotated[RecordingId, RECORDING]
    state: Annotated[str, WORD]
    """`open`, or the refusal's word."""
    trainee: Annotated[str, NAME]
    start: Annotated[int, UNIX]
    duration_ms: Annotated[int, Whole(0, 1 << 32)]
    not_after: Annotated[int, UNIX]
    """When it ends as things stand: earlier than its signed end while unreviewed, and after its review."""
    applications: Annotated[tuple[Annotated[str, Text(80)], ...], Many(16)]
    until: Annotated[int, UNIX]
    """When the trainee's first hours end; 0 when that is not what it waits for."""
    reason: Annotated[str, Text(32, 0)]


@dataclass(frozen=True, slots=True)
class Items:
    items: Annotated[tuple[Item, ...], Many(MAX_LISTED)]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A key that works once an approver has confirmed it (P22)."""

    name: Annotated[str, NAME]
    roles: Annotated[tuple[Role, ...], Many(len(Role))]
    recipient: Annotated[str, RECIPIENT]
    joined_at: Annotated[int, UNIX]


@dataclass(frozen=True, slots=True)
class ApproversDesk:
    """What waits for the approver who asks, as the keeper knows it."""

    name: Annotated[str, NAME]
    approved: Annotated[tuple[Annotated[str, DIGEST], ...], Many(MAX_APPROVED)]
    keys: Annotated[tuple[Waiting, ...], Many(1_000)]


@dataclass(frozen=True, slots=True)
class SlotAsked:
    """A trainer books, or cancels, a span in which a trainee's calls are recorded without the draw (P11, P15)."""

    plan: Annotated[str, NAME]
    start: Annotated[int, UNIX]
    minutes: Annotated[int, Whole(1, 120)]
    """P15: two hours a day."""
    cancel: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """It was done."""


@dataclass(frozen=True, slots=True)
class Days:
    """Of one application of a plan: days of 24 months on which its trainee can be recorded in it (P13)."""

    digest: Annotated[str, DIGEST]
    """The plan's."""
    application: Annotated[str, Text(64)]
    before: Annotated[int, Whole(0, 1_000)]
    """By what was approved for this trainee up to now, by plans of other names and earlier texts of this one."""
    after: Annotated[int, Whole(0, 1_000)]
    """With this plan."""


@dataclass(frozen=True, slots=True)
class Months:
    days: Annotated[tuple[Days, ...], Many(64)]


@dataclass(frozen=True, slots=True)
class Proposals:
    """What waits for the approver: plans and capacities as texts to read, and keys to compare."""

    texts: Annotated[tuple[Annotated[str, Text(MAX_ACT_CHARS, lines=True)], ...], Many(MAX_PROPOSED)]
    days: Annotated[tuple[Days, ...], Many(64 * MAX_PROPOSED)]
    keys: Annotated[tuple[Waiting, ...], Many(1_000)]


@dataclass(frozen=True, slots=True)
class OpenAsked:
    session: Annotated[str, Text(MAX_SESSION_CHARS, 0)]
    """P21: the training session this opening serves."""


class Broke(Enum):
    """Why the asker's browser stopped: the recording is not what it should be. The audit log has the word."""

    DAMAGED = "damaged"
    """A part is not as it was sealed, or is not there."""
    UNVOUCHED = "unvouched"
    """What its recorder signed does not fit: the signature, its signer, or what of the file it names."""


@dataclass(frozen=True, slots=True)
class LeftAsked:
    """P19: the viewer of an opened recording leaves, or what shows it stopped."""

    broke: Broke | None


@dataclass(frozen=True, slots=True)
class ReviewAsked:
    session: Annotated[str, Text(MAX_SESSION_CHARS, 0)]
    """P15: the training session in which the recording was discussed with the trainee."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """It is marked."""


class Moment(Enum):
    BEGIN = "begin"
    END = "end"


@dataclass(frozen=True, slots=True)
class PaymentAsked:
    """The site's payment software: a payment begins or ends in this trainee's call (P7)."""

    trainee: Annotated[str, NAME]
    moment: Moment


@dataclass(frozen=True, slots=True)
class PaymentNoted:
    """It is paused, or no longer for this reason. Whether anything is being recorded is not said."""


@dataclass(frozen=True, slots=True)
class Released:
    """What the keeper gives: the header wrapped for the asker's own key."""

    header: Annotated[str, HEX_BLOB]
    payload_at: Annotated[int, Whole(0, 1 << 20)]
    """Where the payload starts in the file at rest."""
    signed: SignedManifest


@dataclass(frozen=True, slots=True)
class Opened:
    """What the portal gives: the same, with leave to read the payload."""

    grant: Annotated[bytes, Hex(16)]
    header: Annotated[str, HEX_BLOB]
    payload_bytes: Annotated[int, Whole(0, 1 << 40)]
    signed: SignedManifest


@dataclass(frozen=True, slots=True)
class AuditPage:
    """P19: a part of the audit log as it lies at the keeper."""

    lines: Annotated[str, Text(2 * AUDIT_PAGE_BYTES, 0, "[A-Za-z0-9+/]*={0,2}")]
    """Whole lines, in base64; "" at the end."""
    checkpoint: Annotated[str, Text(512, lines=True)]
    """The newest, a signed note."""
    key: Annotated[str, Text(200)]
    """The verifier key of the notes."""


class KeeperUnreachable(Exception):
    """No answer: not running, hung, or not the keeper. Nothing may be assumed about what was asked."""


class Refused(Exception):
    """A request was refused: `word` for programs, `text` for people."""

    def __init__(self, word: str, text: str, until: int = 0) -> None:
        super().__init__(word, text, until)
        self.word, self.text, self.until = word, text, until

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class _No:
    no: Annotated[str, WORD]
    text: Annotated[str, Text(1_000)]
    until: Annotated[int, UNIX]


def write_refusal(refused: Refused) -> bytes:
    return canonical(write_fields(_No(refused.word, refused.text, refused.until)))


def read_refusal(value: dict[str, object]) -> Refused:
    """Raises: Malformed."""
    no = read_fields(_No, value)
    return Refused(no.no, no.text, no.until)


def write_body(value: Any) -> bytes:
    return canonical(write_fields(value))


def read_body(kind: type[T], text: bytes) -> T:
    """Raises: Malformed."""
    return read_fields(kind, read_object(text))
