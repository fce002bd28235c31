"""What is said to the keeper about persons, plans and their approval (P13, P22); its other words: keeper_wire.py.

It knows forms, and which user of the machine may say which word; what they do stands in keeper_people.py,
keeper_approvals.py and keeper_report.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

from pbx_bridge.wire_json import Hex, Many, Text, Whole
from pbx_bridge.wire_portal import (
    DIGEST,
    MAX_ACT_CHARS,
    MAX_APPROVED,
    NAME,
    TOKEN,
    UNIX,
    WORD,
    Role,
)


@dataclass(frozen=True, slots=True)
class Invite:
    name: Annotated[str, NAME]
    roles: Annotated[tuple[Role, ...], Many(len(Role))]


@dataclass(frozen=True, slots=True)
class Invited:
    code: Annotated[bytes, Hex(16)]
    expires_at: Annotated[int, UNIX]


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
class Booker:
    trainer: Annotated[str, NAME]


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
class Approvals:
    """The bridge asks what is approved."""


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
class EndPlan:
    """The bridge tells that this plan was ended before its last day: it only narrows, and nobody turns it back alone."""

    digest: Annotated[str, DIGEST]


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


RECORDER: Final[dict[str, type[Any]]] = {
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
}
"""What the bridge's own process may say."""
ADMINISTRATOR: Final[dict[str, type[Any]]] = {
    "invite": Invite,
    "everyone": Everyone,
    "approvals": Approvals,
    "turned-down": SeeTurnedDown,
    "plans-approved": PlansApproved,
    "revoke": Revoke,
}
"""What the administrator's commands may say."""
