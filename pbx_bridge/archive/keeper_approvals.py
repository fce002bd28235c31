"""The keeper's side for approvers: plans and capacities they approve, keys they confirm (P13, P22).

Every deed comes with a proof of its own (access/proof.py): neither the portal nor the bridge can make one, nor change it
on the way. The record comes first, of the refused ones too.
"""

from __future__ import annotations

import hashlib
from typing import NoReturn

from pbx_bridge import wire_portal as words
from pbx_bridge.access.approvals import (
    FOR_EVER,
    Bar,
    Barred,
    Kind,
    approval,
    barred,
    months,
    months_refusal,
)
from pbx_bridge.access.audit import Access
from pbx_bridge.access.proposals import NoProposal, read_proposal
from pbx_bridge.access.roles import Person, confirm_refusal
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import office_wire
from pbx_bridge.archive.keeper_room import BRIDGE, Room
from pbx_bridge.training.plans import Enrolment, Plan, Trainer
from pbx_bridge.training.rules import PLAN_CEILING_DAYS
from pbx_bridge.wire_office import MAX_SPANS, AllTurnedDown, Ground, Span, TurnedDown, Weighed
from pbx_bridge.wire_portal import Act, Deed


class ApprovalSide:
    def __init__(self, room: Room) -> None:
        self._room, self._people, self._approved = room, room.parts.people, room.parts.approved
        self._turned_down = room.parts.turned_down

    def do(self, person: Person, act: Act) -> None:
        """One proven deed of `person`. Raises: words.Refused."""
        match act.do:
            case Deed.APPROVE:
                self._approve(person, act.text)
            case Deed.REFUSE:
                self._turn_down(person, act.about, act.text)
            case Deed.WITHDRAW:
                self._withdraw(person, act.text)
            case Deed.CONFIRM:
                self._confirm(person, act.about, act.text)

    def approvals(self, request: office_wire.Approvals) -> office_wire.Approved:
        """Digests of everything that is approved now, for the bridge; none of a trainee who objects (P23)."""
        return office_wire.Approved(
            tuple(sorted({one.digest for one in self._room.in_force() if not one.ended}))
        )

    def plans(self, request: office_wire.PlansApproved) -> office_wire.ApprovedPlans:
        """The plans among them, by the names and entries they were approved with."""
        return office_wire.ApprovedPlans(
            tuple(
                office_wire.ApprovedPlan(one.about, one.entry, one.digest)
                for one in self._approved
                if one.kind is Kind.PLAN and not one.ended
            )
        )

    def end_plan(self, request: office_wire.EndPlan) -> wire.Done:
        """P13, P22: an end nobody can take back in the catalogue alone: to record again it must be approved again."""
        known = next((one for one in self._approved if one.digest == request.digest and not one.ended), None)
        if known is not None and known.kind is Kind.PLAN:
            self._room.record(
                Access(
                    BRIDGE, "end-plan", reason=known.kind.value, person=known.trainee, subject=known.digest
                )
            )
            self._approved.end(known.digest, self._now())
        return wire.Done()

    def desk(self, person: Person) -> words.ApproversDesk:
        """What an approver has to know of what waits. Raises: words.Refused."""
        self._allow(person)
        keys = tuple(
            words.Waiting(known.name, known.roles, known.recipient, known.joined_at)
            for known in self._people.everyone()
            if not known.confirmed and not known.revoked
        )
        return words.ApproversDesk(person.name, tuple(sorted(self._approved.digests)), keys[:1_000])

    def turned_down(self, request: office_wire.SeeTurnedDown) -> AllTurnedDown:
        """Which proposals were refused, for whoever shows them."""
        return AllTurnedDown(tuple(self._turned_down))

    def weigh(self, person: Person, text: str) -> Weighed:
        """P13, P22: what an approver has to know before they decide. Raises: words.Refused."""
        self._allow(person)
        try:
            proposal = read_proposal(text)
        except NoProposal as error:
            raise words.Refused("unreadable", str(error)) from None
        found = self._barred(proposal, person)
        bar = "" if found is None else found.bar.value
        if isinstance(proposal, Trainer):
            in_force = self._approved.in_force(Kind.CAPACITY, proposal.id)
            return Weighed((), (), in_force, bar, PLAN_CEILING_DAYS)
        known = self._approved.enrolments(proposal, FOR_EVER)
        history = sorted(known, key=lambda one: one.first_day, reverse=True)[:MAX_SPANS]
        days = self.months(person, text).days
        in_force = self._approved.in_force(Kind.PLAN, proposal.id)
        return Weighed(days, tuple(map(_span, history)), in_force, bar, PLAN_CEILING_DAYS)

    def _allow(self, person: Person) -> None:
        """P22: what waits is for approvers with a confirmed key alone; the attempt is recorded. Raises: words.Refused."""
        if not person.approves:
            self._room.record(Access(person.name, "proposals", outcome="refused", reason="role"))
            raise words.Refused("role", "only an approver whose key is confirmed sees proposals (P22)")

    def months(self, person: Person, text: str) -> words.Months:
        """P13: what an approver has to know beside this plan; nothing of what is no plan. Raises: words.Refused."""
        self._allow(person)
        try:
            plan = read_proposal(text)
        except NoProposal:
            return words.Months(())
        if not isinstance(plan, Plan):
            return words.Months(())
        known = self._approved.enrolments(plan, self._now())
        digest = hashlib.sha256(text.encode()).hexdigest()
        days = months(plan, known).items()
        return words.Months(tuple(words.Days(digest, program.name, *both) for program, both in days))

    def _approve(self, person: Person, text: str) -> None:
        try:
            proposal = read_proposal(text)
        except NoProposal as error:
            self._refuse(person, "approve", "", "", str(error), "unreadable")
        made = approval(proposal, person.name, self._now())
        about = made.trainee or made.trainer
        if (found := self._barred(proposal, person)) is not None:
            self._refuse(person, "approve", about, made.digest, found.why, found.bar.value)
        self._room.record(
            Access(person.name, "approve", reason=made.kind.value, person=about, subject=made.digest)
        )
        self._approved.add(made, text)
        self._turned_down.drop(made.digest)

    def _turn_down(self, person: Person, ground: str, text: str) -> None:
        """P22: whoever decides about it refuses it, by a word of the closed list. What is approved is withdrawn instead."""
        try:
            proposal = read_proposal(text)
        except NoProposal as error:
            self._refuse(person, "refuse", "", "", str(error), "unreadable")
        made = approval(proposal, person.name, self._now())
        about = made.trainee or made.trainer
        if (found := barred(proposal, person, self._people.everyone())) is not None:
            self._refuse(person, "refuse", about, made.digest, found.why, found.bar.value)
        if made.digest in self._approved.digests:
            why = "this is approved: withdraw the approval instead"
            self._refuse(person, "refuse", about, made.digest, why, "approved")
        known = {one.value: one for one in Ground}
        if ground not in known:
            self._refuse(person, "refuse", about, made.digest, "say why, by a word of the list", "ground")
        self._room.record(Access(person.name, "refuse", reason=ground, person=about, subject=made.digest))
        self._turned_down.add(TurnedDown(made.digest, made.about, person.name, known[ground], made.at))

    def _barred(self, proposal: Plan | Trainer, person: Person) -> Barred | None:
        """P13, P22: why this person cannot approve this; None when they can."""
        found = barred(proposal, person, self._people.everyone())
        if found is None and isinstance(proposal, Plan) and (why := self._months_refusal(proposal)):
            found = Barred(Bar.MONTHS, why)
        return found

    def _now(self) -> int:
        """P13, P20: the latest believed time. A clock set back for an hour takes no day from what was used."""
        return self._room.parts.time.known.high

    def _months_refusal(self, plan: Plan) -> str:
        """P13: why six months in any 24 are in the way of this plan; "" when they are not."""
        if self._approved.is_full:
            return "more enrolments than can be remembered for 24 months (P13): tell the administrator"
        return months_refusal(plan, self._approved.enrolments(plan, self._now()))

    def _withdraw(self, person: Person, digest: str) -> None:
        """By any approver: it only narrows."""
        known = next((one for one in self._approved if one.digest == digest), None)
        if not person.approves or known is None:
            why = "only an approver whose key is confirmed withdraws (P22)" if not person.approves else ""
            self._refuse(person, "withdraw", "", "", why or "nothing like this is approved")
        about = known.trainee if known.kind is Kind.PLAN else known.trainer
        self._room.record(
            Access(person.name, "withdraw", reason=known.kind.value, person=about, subject=digest)
        )
        self._approved.withdraw(digest, self._now())

    def _confirm(self, person: Person, name: str, recipient: str) -> None:
        """P22: this very key, not whichever the person has now."""
        key = self._people.holding(recipient)
        if key is None or key.name != name:
            self._refuse(person, "confirm", "", "", f"{name} has not joined with this key")
        if why := confirm_refusal(person, key):
            self._refuse(person, "confirm", name, "", why)
        subject = words.fingerprint(recipient)
        self._room.record(
            Access(person.name, "confirm", reason=key.roles[0].value, person=name, subject=subject)
        )
        self._people.confirm(name, recipient)

    def _refuse(
        self, person: Person, act: str, about: str, subject: str, why: str, reason: str = "role"
    ) -> NoReturn:
        self._room.record(
            Access(person.name, act, outcome="refused", reason=reason, person=about, subject=subject)
        )
        raise words.Refused(reason, why)


def _span(one: Enrolment) -> Span:
    names = tuple(program.name for program in one.programs)
    return Span(one.first_day.isoformat(), one.last_day.isoformat(), names)
