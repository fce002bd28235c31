"""A trainer's week for the portal: their own plans and capacity, what was recorded, and technical faults (P15, P24).

Who asks was proven to the keeper; only plans that name that very trainer are taken, and only lines of their trainees.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from pbx_bridge.app_ledger import LedgerTail
from pbx_bridge.archive.release import TECHNICAL
from pbx_bridge.calls.reasons import Outcome
from pbx_bridge.catalogue.enrolled import Enrolled
from pbx_bridge.ledger import shown
from pbx_bridge.portal.training import Fault, Week


def week_of(trainer: str, enrolled: Enrolled, ledger: LedgerTail, today: date) -> Week:
    """P24: of calls that were not recorded only those with a technical fault; of the others not even that there were any."""
    mine = [plan for plan in enrolled.plans if plan.trainer == trainer]
    now = tuple(
        plan for plan in mine if plan.last_day >= today and (plan.ended_on is None or today < plan.ended_on)
    )
    names, plans = {str(plan.trainee) for plan in now}, {plan.id for plan in mine}
    seconds, faults = 0.0, []
    monday = today - timedelta(days=today.weekday())
    lines = [line for name in {str(plan.trainee) for plan in mine} for line in ledger.of(name, since=monday)]
    for line in sorted(lines, key=lambda line: line.at):
        if line.outcome == Outcome.RECORDED.value and line.plan in plans:
            seconds += line.seconds
        told = shown(line)
        if line.trainee in names and told.outcome == Outcome.NOT_RECORDED.value and told.reason in TECHNICAL:
            faults.append(Fault(line.trainee, datetime.fromisoformat(line.at), told.reason))
    declared = next((one.review_minutes_per_week for one in enrolled.trainers if one.id == trainer), 0)
    return Week(now, declared, round(seconds / 60), tuple(reversed(faults[-50:])))
