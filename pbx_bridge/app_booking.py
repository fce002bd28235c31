"""A trainer's slots: the keeper said who asks, the catalogue keeps them, by the rules an administrator has too (P11, P15).

It joins the two; the rules stand in training/rules.py and catalogue/.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.errors import OperatorError
from pbx_bridge.training.plans import Slot
from pbx_bridge.wire_portal import Refused, SlotAsked


def book(catalogue: Catalogue, trainer: str, asked: SlotAsked) -> None:
    """P11: books or cancels a slot of a plan that names this trainer. Raises: Refused.

    A plan of somebody else's and one that is not there are told alike.
    """
    start = datetime.fromtimestamp(asked.start).astimezone()
    slot = Slot(start, start + timedelta(minutes=asked.minutes))
    try:
        if not any(plan.id == asked.plan and plan.trainer == trainer for plan in catalogue.plans()):
            raise Refused("slot", "no plan with this name has you as its trainer")
        with catalogue.change() as change:
            if asked.cancel:
                change.cancel_slot(asked.plan, slot)
            else:
                change.book_slot(asked.plan, slot)
    except OperatorError as error:
        raise Refused("slot", str(error)) from None
