"""What those whom a refused plan concerns are told of the refusal (P13, P22).

Pure: digests and words of the closed list in, the same out. It names no approver: who decides stands in the plan.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pbx_bridge.training.plans import text_digest
from pbx_bridge.wire_office import Ground, PlanRefused, TurnedDown
from pbx_bridge.wire_portal import Role

NOT_TOLD: Final = {Role.TRAINEE: frozenset({Ground.TRAINER})}
"""What is about another person than the reader: a trainee's trainer, or how much they can review."""


def refused_for(
    role: Role, plans: Iterable[str], turned_down: Iterable[TurnedDown]
) -> tuple[PlanRefused, ...]:
    """P13, P22: which of these texts (`plan_text`) were refused, and why as far as their reader may know."""
    said = {one.digest: one for one in turned_down}
    digests = map(text_digest, plans)
    return tuple(_told(role, said[digest]) for digest in digests if digest in said)


def _told(role: Role, one: TurnedDown) -> PlanRefused:
    hidden = one.ground in NOT_TOLD.get(role, frozenset())
    return PlanRefused(one.digest, None if hidden else one.ground, one.at)
