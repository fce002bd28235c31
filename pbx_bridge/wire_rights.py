"""Requests of persons concerned, as they are kept and told: what was asked, of which recordings, by when it is due.

Values with their limits, for the keeper, the portal and a person's own machine. A customer is never named here: only the
recordings that were found for them, and the key their copy is sealed to.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Final

from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_access import AccessLine
from pbx_bridge.wire_json import Many, Text, Whole
from pbx_bridge.wire_office import PlanRefused
from pbx_bridge.wire_portal import API, DIGEST, MAX_ACT_CHARS, NAME, RECORDING, UNIX

EXPORT_PATH: Final = API + "/recordings/{recording}/export"
ERASE_PATH: Final = API + "/recordings/{recording}/erase"
OWN_PATH: Final = API + "/own"
REQUESTS_PATH: Final = API + "/requests"

MAX_RECORDINGS: Final = 200
"""Of one request: a trainee has at most 5 a week, none older than 25 weeks."""
MAX_REQUESTS: Final = 1_000
"""Told at once; closed ones are forgotten after a year."""

MAX_OWN_ACCESSES: Final = 2_000
"""The newest; older ones the auditor has."""
MAX_CALLS: Final = 8_000
"""Of a trainee's thirty days: 260 a day."""

REQUEST: Final = Text(8, 8, "[a-z2-7]{8}")
NAME_OR_EMPTY: Final = Text(64, 0, "([A-Za-z0-9][A-Za-z0-9._-]*)?")
RECIPIENT_OR_EMPTY: Final = Text(62, 0, "(age1[02-9ac-hj-np-z]{58})?")


class Right(Enum):
    """GDPR art. 15, 17, 18, 21."""

    ACCESS = "access"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    OBJECTION = "objection"


class Party(Enum):
    """Who asks."""

    TRAINEE = "trainee"
    CUSTOMER = "customer"


class Closing(Enum):
    """How a request ended."""

    ANSWERED = "answered"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class RightsRequest:
    """One request, as the keeper keeps it."""

    id: Annotated[str, REQUEST]
    right: Right
    party: Party
    trainee: Annotated[str, NAME_OR_EMPTY]
    """Who asks, where it is a trainee."""
    recordings: Annotated[tuple[Annotated[RecordingId, RECORDING], ...], Many(MAX_RECORDINGS)]
    recipient: Annotated[str, RECIPIENT_OR_EMPTY]
    """The key a customer's copies are sealed to; "" where there are none."""
    opened_at: Annotated[int, UNIX]
    due_at: Annotated[int, UNIX]
    """By when it must be answered (art. 12(3))."""
    until: Annotated[int, UNIX] | None = None
    """When a restriction ends."""
    extended: bool = False
    granted_by: Annotated[str, NAME_OR_EMPTY] = ""
    """The second person who compared the requester's key, where a copy goes to a customer."""
    closed_at: Annotated[int, UNIX] | None = None
    closing: Closing | None = None


@dataclass(frozen=True, slots=True)
class RequestAsked:
    """What a trainee asks for themselves: `access` (a copy) or `objection`; the keeper refuses the others here."""

    right: Right


@dataclass(frozen=True, slots=True)
class RightsRequests:
    requests: Annotated[tuple[RightsRequest, ...], Many(MAX_REQUESTS)]


@dataclass(frozen=True, slots=True)
class Exported:
    """What a copy is, for whoever hands it on."""

    recording: Annotated[RecordingId, RECORDING]
    size: Annotated[int, Whole(0, 1 << 40)]
    digest: Annotated[str, DIGEST]
    """SHA-256 of the sealed file."""
    duration_ms: Annotated[int, Whole(0, 1 << 32)]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks for what is known of them, proven by the keeper, and their requests."""

    name: Annotated[str, NAME]
    requests: Annotated[tuple[RightsRequest, ...], Many(MAX_REQUESTS)]
    recipient: Annotated[str, RECIPIENT_OR_EMPTY] = ""
    """The key they proved to hold: what is made for them is sealed to it."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One text the trainee acknowledged (P14)."""

    notice: Annotated[str, DIGEST]
    at: Annotated[int, UNIX]
    station: Annotated[str, Text(64)]


@dataclass(frozen=True, slots=True)
class OwnCall:
    """One of the trainee's calls, as the ledger answers it to them (P24)."""

    at: Annotated[str, Text(40)]
    outcome: Annotated[str, Text(32)]
    reason: Annotated[str, Text(32, 0)]
    recording: Annotated[str, Text(26, 0)]
    duration_ms: Annotated[int, Whole(0, 1 << 32)]
    plan: Annotated[str, Text(80, 0)]


@dataclass(frozen=True, slots=True)
class Own:
    """What the bridge keeps of one trainee beside their recordings (art. 15)."""

    name: Annotated[str, NAME]
    endpoints: Annotated[tuple[Annotated[str, Text(100)], ...], Many(100)]
    member: Annotated[str, Text(80, 0)]
    login: Annotated[str, Text(128, 0)]
    plans: Annotated[tuple[Annotated[str, Text(MAX_ACT_CHARS, lines=True)], ...], Many(200)]
    """`plan_text` of each (training/plans.py)."""
    acknowledgements: Annotated[tuple[Acknowledged, ...], Many(2_000)]
    calls: Annotated[tuple[OwnCall, ...], Many(MAX_CALLS)]
    requests: Annotated[tuple[RightsRequest, ...], Many(MAX_REQUESTS)]
    accesses: Annotated[tuple[AccessLine, ...], Many(MAX_OWN_ACCESSES)] = ()
    """Newest first (P19)."""
    refused: Annotated[tuple[PlanRefused, ...], Many(200)] = ()
    """Which of the plans an approver refused (P22)."""


@dataclass(frozen=True, slots=True)
class Erased:
    pass


def take_back_text(request: RightsRequest) -> str:
    """P23: what a trainee takes back: this very request of theirs."""
    return f"request: {request.id}\nright: {request.right.value}\n"


def grant_text(request: RightsRequest) -> str:
    """P22, P23: what an approver reads and grants: everything of the request that decides which copy goes to which key."""
    return "".join(
        f"{line}\n"
        for line in (
            f"request: {request.id}",
            f"right: {request.right.value}",
            f"asked by: {request.party.value}",
            f"key: {request.recipient}",
            *(f"recording: {recording}" for recording in request.recordings),
        )
    )
