"""What trainee and trainer are told when an approver refused a plan (P13, P22)."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from pbx_bridge.access.refused import refused_for
from pbx_bridge.training.plans import plan_digest, plan_text
from pbx_bridge.wire_office import Ground, PlanRefused, TurnedDown
from pbx_bridge.wire_portal import Role
from tests.archive.house import plan_behind

PLAN = plan_behind("alice", "bruno", int(time.time()))
OTHER = replace(PLAN, id="alice-later", rate=0.01)
AT = 1_790_000_000


def turned_down(ground: Ground, plan: str = plan_digest(PLAN)) -> TurnedDown:
    return TurnedDown(plan, PLAN.id, "dora", ground, AT)


@pytest.mark.parametrize("ground", Ground)
@pytest.mark.parametrize("role", [Role.TRAINEE, Role.TRAINER])
def test_each_reads_why_but_a_trainee_not_what_is_about_their_trainer(role: Role, ground: Ground) -> None:
    hidden = role is Role.TRAINEE and ground is Ground.TRAINER
    said = PlanRefused(plan_digest(PLAN), None if hidden else ground, AT)
    assert refused_for(role, [plan_text(OTHER), plan_text(PLAN)], [turned_down(ground)]) == (said,)


def test_only_the_text_that_was_refused_is_told_as_refused() -> None:
    """Changed, it waits anew; and nothing is told of other people's plans."""
    refused = [turned_down(Ground.NEED), turned_down(Ground.NEED, "0" * 64)]
    assert refused_for(Role.TRAINEE, [plan_text(replace(PLAN, rate=0.02))], refused) == ()
    assert refused_for(Role.TRAINER, [], refused) == ()
    assert len(refused_for(Role.TRAINER, [plan_text(PLAN)], refused)) == 1, "a control"
