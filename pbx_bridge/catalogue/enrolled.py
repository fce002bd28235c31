"""Everything the catalogue says at one moment, and what is wrong with it: each value alone, and all of them together.

Pure. It asks the rules their ceilings (training/rules.py) and programs.py what identifies a program; it never knows
where the values came from, so a command, an import and a row edited by hand are all held to the same.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import parse_name
from pbx_bridge.programs import pause_title_fault, rule_fault
from pbx_bridge.training.plans import Application, Mask, Plan, Trainee, Trainer, plan_text
from pbx_bridge.training.rules import check_capacity, check_history, check_plan, last_day
from pbx_bridge.wire import MAX_MASK_EDGE, MAX_MASKS, MAX_PAUSE_TITLES, ApplicationRule
from pbx_bridge.wire_portal import MAX_ACT_CHARS

ENDPOINTS_LIMIT = 16
"""Devices of one person: nobody has more phones on a desk."""
LOGIN_LIMIT = 128
"""Characters of an operating system's login, the domain included."""
MEMBER_LIMIT = 80
"""Characters of a queue member's name: Asterisk's own limit for a caller's name (AST_MAX_EXTENSION)."""
PATH_LIMIT, CLASS_LIMIT = 1024, 128
"""Characters of a program's path and of a window's class: those of the wire."""
SLOTS_LIMIT = 200
"""Slots of one plan: every working day of its longest time, and room."""

_ENDPOINT = re.compile(r"[A-Za-z0-9]{2,16}/[A-Za-z0-9._+@-]{1,64}\Z")


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Persons, applications and plans, each sorted by its name."""

    trainees: tuple[Trainee, ...] = ()
    trainers: tuple[Trainer, ...] = ()
    applications: tuple[Application, ...] = ()
    plans: tuple[Plan, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, where, and what to do."""

    where: str
    what: str
    do: str

    def error(self) -> OperatorError:
        return OperatorError(self.what, where=self.where, do=self.do)


def faults(enrolled: Enrolled) -> tuple[Fault, ...]:
    """All that is wrong, in the order persons, applications, plans. Empty: every rule is kept."""
    return tuple(
        itertools.chain(
            _names(enrolled),
            *map(_trainee, enrolled.trainees),
            _shared(enrolled.trainees),
            *map(_trainer, enrolled.trainers),
            *map(_application, enrolled.applications),
            *(_plan(plan, enrolled) for plan in enrolled.plans),
            _overlaps(enrolled.plans),
            _histories(enrolled.plans),
        )
    )


def sound(enrolled: Enrolled) -> Enrolled:
    """What may be used of a catalogue somebody may have edited by hand: plans and persons no fault is in.

    A person whose device, member or login is doubtful is left out, and so is every plan that names what is left out.
    """
    wrong = {fault.where for fault in faults(enrolled)}
    trainees = tuple(t for t in enrolled.trainees if _at("trainee", t.id) not in wrong)
    trainers = tuple(t for t in enrolled.trainers if _at("trainer", t.id) not in wrong)
    applications = tuple(a for a in enrolled.applications if _at("application", a.name) not in wrong)
    known = {t.id for t in trainees}, {t.id for t in trainers}, {a.name for a in applications}
    plans = tuple(
        plan
        for plan in enrolled.plans
        if _at("plan", plan.id) not in wrong
        and plan.trainee in known[0]
        and plan.trainer in known[1]
        and {a.name for a in plan.applications} <= known[2]
    )
    return replace(enrolled, trainees=trainees, trainers=trainers, applications=applications, plans=plans)


def _at(kind: str, name: str) -> str:
    return f"{kind} {name[:64]!r}"


def _names(enrolled: Enrolled) -> Iterator[Fault]:
    """P22: nobody is trainee and trainer at once, and every name is one that may be written down."""
    kinds = (
        ("trainee", [trainee.id for trainee in enrolled.trainees]),
        ("trainer", [trainer.id for trainer in enrolled.trainers]),
        ("application", [application.name for application in enrolled.applications]),
        ("plan", [plan.id for plan in enrolled.plans]),
        ("plan", [plan.approver for plan in enrolled.plans]),
    )
    for kind, names in kinds:
        for name in names:
            try:
                parse_name(name)
            except ValueError as error:
                yield Fault(_at(kind, name), str(error), "Choose a short name")
    for name in {trainee.id for trainee in enrolled.trainees} & {t.id for t in enrolled.trainers}:
        for kind in ("trainee", "trainer"):
            yield Fault(_at(kind, name), "a trainee can have no other role (P22)", "Choose another name")


def _trainee(trainee: Trainee) -> Iterator[Fault]:
    where = _at("trainee", trainee.id)
    if len(trainee.endpoints) > ENDPOINTS_LIMIT:
        yield Fault(where, f"more than {ENDPOINTS_LIMIT} endpoints", "Name this person's own devices only")
    for endpoint in trainee.endpoints:
        if not _ENDPOINT.match(endpoint):
            yield Fault(
                where, f"endpoint {endpoint[:64]!r} is not TECHNOLOGY/NAME", 'Write it as in "PJSIP/201"'
            )
    for name, text, limit in (
        ("member", trainee.member, MEMBER_LIMIT),
        ("login", trainee.login, LOGIN_LIMIT),
    ):
        if len(text) > limit or not text.isprintable() or text != text.strip():
            yield Fault(
                where,
                f"{name} must be at most {limit} printable characters without spaces around them",
                f"Correct --{name}",
            )


def _shared(trainees: tuple[Trainee, ...]) -> Iterator[Fault]:
    """P13: a device, a member's name and a login each lead to one person, or nobody is recorded by them."""
    devices = Counter(device for t in trainees for device in set(t.endpoints))
    members = Counter(t.member for t in trainees if t.member)
    logins = Counter(t.login for t in trainees if t.login)
    for trainee in trainees:
        where = _at("trainee", trainee.id)
        if not trainee.member and any(devices[device] > 1 for device in trainee.endpoints):
            yield Fault(
                where,
                "another trainee has the same endpoint, and this one has no member name",
                "Give each trainee of a shared device the name the PBX calls them by: --member",
            )
        if members[trainee.member] > 1:
            yield Fault(where, "another trainee has the same member name", "Give each their own --member")
        if logins[trainee.login] > 1:
            yield Fault(where, "another trainee has the same login", "Give each their own --login")


def _trainer(trainer: Trainer) -> Iterator[Fault]:
    yield from _asked(_at("trainer", trainer.id), lambda: check_capacity(trainer))


def _application(application: Application) -> Iterator[Fault]:
    """P3, P5, P7: a rule the workstation would refuse is refused here."""
    where = _at("application", application.name)
    for name, text, limit in (
        ("executable", application.executable, PATH_LIMIT),
        ("main_program", application.main_program or "", PATH_LIMIT),
        ("wm_class", application.wm_class, CLASS_LIMIT),
    ):
        if len(text) > limit or not text.isprintable():
            yield Fault(where, f"{name} must be at most {limit} printable characters", "Correct it")
            return
    if fault := rule_fault(
        ApplicationRule(
            application.name,
            application.executable,
            application.main_program,
            application.wm_class,
            application.title,
            application.sha256,
        )
    ):
        yield Fault(where, f"{fault} (P3)", "Correct it")
    if len(application.masks) > MAX_MASKS or len(application.pause_titles) > MAX_PAUSE_TITLES:
        what = f"more than {MAX_MASKS} masks or {MAX_PAUSE_TITLES} pause titles (P7)"
        yield Fault(where, what, "Join some of them")
    for mask in application.masks:
        if not _is_mask(mask):
            yield Fault(
                where,
                f"a mask is X,Y,WIDTH,HEIGHT in pixels, at most {MAX_MASK_EDGE} each, width and height over 0 (P7)",
                "Correct --mask",
            )
    for pattern in application.pause_titles:
        if fault := pause_title_fault(pattern):
            yield Fault(where, f"{fault} (P7)", "Correct --pause-title")


def _is_mask(mask: Mask) -> bool:
    inside = abs(mask.x) <= MAX_MASK_EDGE and abs(mask.y) <= MAX_MASK_EDGE
    return inside and 0 < mask.width <= MAX_MASK_EDGE and 0 < mask.height <= MAX_MASK_EDGE


def _plan(plan: Plan, enrolled: Enrolled) -> Iterator[Fault]:
    where = _at("plan", plan.id)
    known: tuple[tuple[str, str, set[str]], ...] = (
        ("trainee", plan.trainee, {str(t.id) for t in enrolled.trainees}),
        ("trainer", plan.trainer, {t.id for t in enrolled.trainers}),
        *(("application", a.name, {a.name for a in enrolled.applications}) for a in plan.applications),
    )
    for kind, name, names in known:
        if name not in names:
            yield Fault(
                where, f"{kind} {name[:64]!r} is not known", f"Add it first: pbx-bridge {kind} add --help"
            )
    if plan.approver in {t.id for t in enrolled.trainees}:
        yield Fault(where, f"the approver {plan.approver!r} is a trainee (P22)", "Name another approver")
    if len(plan.slots) > SLOTS_LIMIT:
        yield Fault(where, f"more than {SLOTS_LIMIT} slots", "Remove those that are over")
    if len(plan_text(plan)) > MAX_ACT_CHARS:
        yield Fault(
            where,
            f"what its approver has to read is longer than {MAX_ACT_CHARS} characters (P13)",
            "Name fewer applications, masks or pause titles",
        )
    yield from _asked(where, lambda: check_plan(plan))


def _asked(where: str, rule: Callable[[], None]) -> Iterator[Fault]:
    try:
        rule()
    except OperatorError as error:
        yield Fault(where, error.what, error.do)


def _overlaps(plans: Iterable[Plan]) -> Iterator[Fault]:
    """P13, P14: at most one plan of a trainee holds on any day, so that one notice tells all that may happen."""
    by_trainee = sorted(plans, key=lambda plan: (plan.trainee, plan.first_day, plan.id))
    for _, group in itertools.groupby(by_trainee, key=lambda plan: plan.trainee):
        latest: Plan | None = None
        for plan in (plan for plan in group if last_day(plan) >= plan.first_day):
            if latest is not None and plan.first_day <= last_day(latest):
                for one, other in ((latest, plan), (plan, latest)):
                    yield Fault(
                        _at("plan", one.id),
                        f"it overlaps plan {other.id!r} of the same trainee (P14)",
                        "End one before the other begins",
                    )
            latest = plan if latest is None else max(latest, plan, key=last_day)


def _histories(plans: Iterable[Plan]) -> Iterator[Fault]:
    """P13: six months per person and application in any 24; the later plan is the one too many."""
    by_trainee = defaultdict[str, list[Plan]](list)
    for plan in plans:
        by_trainee[plan.trainee].append(plan)
    for theirs in by_trainee.values():
        for plan in theirs:
            yield from _asked(_at("plan", plan.id), partial(check_history, plan, theirs))
