"""What `pbx-bridge doctor` says of approvers: whether there is one, and which plans, capacities and keys wait (P13, P22).

It asks the keeper and the catalogue; it decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date

from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.office_wire import ApprovedPlan, KnownPerson
from pbx_bridge.catalogue.catalogue import Entered
from pbx_bridge.training.plans import Plan, Trainer, capacity_digest, plan_digest
from pbx_bridge.training.rules import last_day
from pbx_bridge.wire_portal import Role


def of_use(plans: Iterable[Plan], today: date) -> list[Plan]:
    """P13: what may still record, today or later, and so needs an approval."""
    return [plan for plan in plans if last_day(plan) >= max(today, plan.first_day)]


async def end_approvals(keeper: KeeperLink, entered: Callable[[], Iterable[Entered]], today: date) -> None:
    """P13, P22: tells the keeper which approvals are of plans that are gone. Turned back in the catalogue, by a hand or a
    restored backup, they record nothing until they are approved again. `entered` is asked in a thread and after the keeper,
    so what is approved meanwhile is not ended. Raises: Refused, KeeperUnreachable, OperatorError.
    """
    approved = await keeper.approved_plans()
    for digest in gone(approved, await asyncio.to_thread(entered), today):
        await keeper.end_plan(digest)


def gone(approved: Iterable[ApprovedPlan], entered: Iterable[Entered], today: date) -> list[str]:
    """P13, P22: the approvals whose plan was removed, entered anew, or ended early: by its row, not by its words, so one
    that was only changed keeps the approval of what it was."""
    there = {(one.plan, one.entry) for one in entered if one.ended_on is None or one.ended_on > today}
    return [one.digest for one in approved if (one.plan, one.entry) not in there]


def approvals_say(
    people: Sequence[KnownPerson],
    approved: frozenset[str],
    plans: Iterable[Plan],
    trainers: Iterable[Trainer],
    refused: Collection[str] = (),
) -> tuple[bool, str]:
    """P22: whether all is well, and a sentence. Names of plans and of people with keys only."""
    approvers = sorted(p.name for p in people if Role.APPROVER in p.roles and p.state == "confirmed")
    if not approvers:
        return False, "nobody can approve: pbx-bridge person invite NAME --role approver --role auditor"
    decided = approved | set(refused)
    plans, trainers = list(plans), list(trainers)
    waiting = [f"plan {plan.id} for {plan.approver}" for plan in plans if plan_digest(plan) not in decided]
    waiting += [f"capacity of {t.id}" for t in trainers if capacity_digest(t) not in decided]
    waiting += [f"key of {person.name}" for person in people if person.state == "waiting"]
    turned_down = [f"plan {plan.id}" for plan in plans if plan_digest(plan) in refused]
    turned_down += [f"capacity of {t.id}" for t in trainers if capacity_digest(t) in refused]
    if not waiting and turned_down:
        return (
            False,
            f"refused: {', '.join(turned_down[:5])}: change or remove them (pbx-bridge plan list says why)",
        )
    if not waiting:
        return True, f"nothing waits; approvers: {', '.join(approvers)}"
    shown = "; ".join(waiting[:5]) + (f"; {len(waiting) - 5} more" if len(waiting) > 5 else "")
    return False, f"waits: {shown}. The approver: pbx-bridge proposals"
