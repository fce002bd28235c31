"""How things stand at the moment of a decision: what was approved, declared, recorded and reviewed so far (P15, P22).

Values only, in units a rule can add up; whoever keeps them current (app_standing.py) tells nothing about a call here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Plan, Trainer, Used


@dataclass(frozen=True, slots=True)
class Held:
    """One recording that is not sealed yet, with all the minutes it may still come to: they are spoken for."""

    trainee: TraineeId
    trainer: str
    minutes: float


@dataclass(frozen=True, slots=True)
class Standing:
    """Read-only for who decides. What a table does not know is nothing used, nothing declared, nothing approved."""

    approved: frozenset[str] | None
    """Digests of the plans and capacities whose approver confirmed them (plan_digest, capacity_digest). None: the keeper
    does not answer."""
    used: Mapping[TraineeId, Used]
    """Each trainee's current week: what is sealed."""
    trainers: Mapping[str, Trainer]
    """Each trainer with the capacity they declared."""
    recorded_minutes: Mapping[str, float]
    """For each trainer: what is sealed of their trainees in the current week."""
    backlog_minutes: Mapping[str, float] | None
    """For each trainer: what is sealed and neither reviewed nor destroyed. None: the keeper has not said it."""


def held(plan: Plan, minutes: float) -> Held:
    """What a recording under `plan` speaks for."""
    return Held(plan.trainee, plan.trainer, minutes)
