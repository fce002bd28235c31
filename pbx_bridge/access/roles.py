"""P22: which roles one person may hold together, and whose word makes a key work.

Pure. It knows roles and what the keeper noted of two people; it never knows a recording, a file or a clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final

from pbx_bridge.wire_json import Many
from pbx_bridge.wire_portal import NAME, RECIPIENT, UNIX, Role

COMPATIBLE: Final = frozenset(
    {frozenset({Role.APPROVER, Role.AUDITOR}), frozenset({Role.APPROVER, Role.TRAINER})}
)
"""All other pairs are refused. A trainer may approve for colleagues, never what they train themselves (approvals.py)."""
OPENS: Final = frozenset({Role.TRAINEE, Role.TRAINER})
"""Roles that may be given a recording's key."""


@dataclass(frozen=True, slots=True)
class Person:
    """One key of one person. A new key stands beside the one in force until it is confirmed."""

    name: Annotated[str, NAME]
    roles: Annotated[tuple[Role, ...], Many(len(Role))]
    recipient: Annotated[str, RECIPIENT]
    joined_at: Annotated[int, UNIX]
    confirmed: bool
    """P22: whether an approver compared the key's fingerprint with its holder."""
    revoked: bool = False

    @property
    def approves(self) -> bool:
        """Whether this key speaks for an approver."""
        return Role.APPROVER in self.roles and self.confirmed and not self.revoked


def roles_refusal(roles: Iterable[Role]) -> str:
    """P22: why one person cannot hold these roles together; "" when they can."""
    held = sorted(set(roles), key=lambda role: role.value)
    if not held:
        return "a person has at least one role (P22)"
    for one, other in itertools.combinations(held, 2):
        if frozenset({one, other}) not in COMPATIBLE:
            return f"nobody can be {one.value} and {other.value} at once (P22)"
    return ""


def is_first_approver(roles: Iterable[Role], before: Iterable[Person]) -> bool:
    """P22: whether a joining approver's key works by itself: the first one ever, and only one that opens nothing.

    Somebody has to be the first. It happens once in a keeper's life, also after that key was revoked.
    """
    wanted = set(roles)
    return (
        Role.APPROVER in wanted
        and not wanted & OPENS
        and not any(Role.APPROVER in person.roles and person.confirmed for person in before)
    )


def audit_refusal(person: Person) -> str:
    """P19: why this person may not read the audit log; "" when they may. Only the auditor does, with a confirmed key."""
    if Role.AUDITOR not in person.roles:
        return "only the auditor reads the audit log (P19)"
    if not person.confirmed or person.revoked:
        return "this key is not confirmed: an approver has to compare its fingerprint with you (P22)"
    return ""


def report_refusal(person: Person) -> str:
    """P22, P23: why this person may not read the figures and the record of processing; "" when they may. Who watches over
    the processing does: approver and auditor, with a confirmed key."""
    if not {Role.APPROVER, Role.AUDITOR} & set(person.roles):
        return "only approver and auditor read the report (P22)"
    if not person.confirmed or person.revoked:
        return "this key is not confirmed: an approver has to compare its fingerprint with you (P22)"
    return ""


def confirm_refusal(by: Person, key: Person) -> str:
    """P22: why `by` cannot confirm `key`; "" when they can. `by` has proven their own key.

    Nobody makes a key work that opens recordings for themselves. An approver who opens nothing may carry on with a new
    key that their old one confirms.
    """
    if not by.approves:
        return "only an approver whose own key is confirmed can confirm a key (P22)"
    if key.revoked:
        return f"{key.name}'s key was revoked: invite them again"
    if by.recipient == key.recipient or (by.name == key.name and set(key.roles) & OPENS):
        return "nobody confirms their own key: another approver has to (P22)"
    return ""
