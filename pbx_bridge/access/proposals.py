"""P13, P22: a proposal's text, read back: the plan or capacity it spells, in the one spelling there is.

What an approver's machine shows and what the keeper keeps come from this reading and from nothing else. Pure; who may
approve it stands in approvals.py.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields
from datetime import date
from typing import Any

from pbx_bridge.access.approvals import approval
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId, parse_name
from pbx_bridge.training.plans import Application, Mask, Need, Plan, Seat, Trainer, capacity_text, plan_text
from pbx_bridge.training.rules import check_capacity, check_plan
from pbx_bridge.wire_json import Malformed, write_fields


class NoProposal(ValueError):
    """The text is no plan and no capacity, or one that no rule allows. The sentence is for the approver."""


def read_proposal(text: str) -> Plan | Trainer:
    """The plan or capacity this text spells; only the one spelling is taken. Raises: NoProposal."""
    try:
        lines = [line.split(": ", 1) for line in text.removesuffix("\n").split("\n")]
        facts = [(name, json.loads(value)) for name, value in lines]
        found = _capacity(facts) if len(facts) == 2 else _plan(facts)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise NoProposal(
            "this is no proposal that can be read: update this program, or tell the administrator"
        ) from None
    if text != (capacity_text(found) if isinstance(found, Trainer) else plan_text(found)):
        raise NoProposal("this proposal is not written in the one form there is")
    try:
        check_plan(found) if isinstance(found, Plan) else check_capacity(found)
        write_fields(approval(found, "nobody", 0))
    except OperatorError as error:
        raise NoProposal(str(error)) from None
    except Malformed:
        raise NoProposal("a name or path in this proposal cannot be kept: tell the administrator") from None
    return found


def _capacity(facts: list[tuple[str, Any]]) -> Trainer:
    (_, trainer), (_, minutes) = facts
    return Trainer(parse_name(trainer), _whole(minutes))


def _plan(facts: list[tuple[str, Any]]) -> Plan:
    one = {name: value for name, value in facts if name != "application"}
    return Plan(
        id=parse_name(one["plan"]),
        entry=_text(one["entry"], least=0),
        trainee=TraineeId(parse_name(one["trainee"])),
        seat=Seat(
            tuple(_text(device) for device in one["devices"]),
            _text(one["member"], least=0),
            _text(one["login"], least=0),
        ),
        applications=tuple(_application(value) for name, value in facts if name == "application"),
        need=Need(one["need"]),
        trainer=parse_name(one["trainer"]),
        approver=parse_name(one["approver"]),
        first_day=date.fromisoformat(one["first day"]),
        last_day=date.fromisoformat(one["last day"]),
        rate=_number(one["rate"]),
        recordings_per_week=_whole(one["recordings a week"]),
        minutes_per_week=_whole(one["minutes a week"]),
    )


def _application(value: dict[str, Any]) -> Application:
    if value.keys() != {field.name for field in fields(Application)}:
        raise ValueError("an application's facts")
    title, main_program, sha256 = (
        None if value[name] is None else _text(value[name]) for name in ("title", "main_program", "sha256")
    )
    return Application(
        name=_text(value["name"]),
        executable=_text(value["executable"]),
        main_program=main_program,
        wm_class=_text(value["wm_class"]),
        title=title,
        sha256=sha256,
        masks=tuple(
            Mask(**{side: _whole(pixels) for side, pixels in mask.items()}) for mask in value["masks"]
        ),
        pause_titles=tuple(_text(one) for one in value["pause_titles"]),
    )


def _text(value: object, *, least: int = 1) -> str:
    if not isinstance(value, str) or len(value) < least:
        raise ValueError("a text")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a number")
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise ValueError("a whole number")
    return value
