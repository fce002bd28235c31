"""The keeper's side for approvers: plans and capacities they approve, keys they confirm (P13, P22).

Every deed comes with a proof of its own (access/proof.py): neither the portal nor the bridge can make one, nor change it
on the way. The record comes first, of the refused ones too.
"""

from __future__ import annotations

import hashlib
from typing import NoReturn

from pbx_bridge import wire_portal as words
from pbx_bridge.access.approvals import (
    Kind,
    approval,
    approve_refusal,
    months,
    months_refusal,
)
from pbx_bridge.access.audit import Access
from pbx_bridge.access.proposals import NoProposal, read_proposal
from pbx_bridge.access.roles import Person, confirm_refusal
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive.keeper_room import BRIDGE, Room
from pbx_bridge.training.plans import Plan
from pbx_bridge.wire_portal import Act, Deed


class ApprovalSide:
    def __init__(self, room: Room) -> None:
        self._room, self._people, self._approved = room, room.parts.people, room.parts.approved

    def do(self, person: Person, act: Act) -> None:
        """One proven deed of `person`. Raises: words.Refused."""
        match act.do:
            case Deed.APPROVE:
                self._approve(person, act.text)
            case Deed.WITHDRAW:
                self._withdraw(person, act.text)
            case Deed.CONFIRM:
                self._confirm(person, act.about, act.text)

    def approvals(self, request: wire.Approvals) -> wire.Approved:
        """Digests of everything that is approved now, for the bridge; none of a trainee who objects (P23)."""
        return wire.Approved(tuple(sorted({one.digest for one in self._room.in_force() if not one.ended})))

    def plans(self, request: wire.PlansApproved) -> wire.ApprovedPlans:
        """The plans among them, by the names and entries they were approved with."""
        return wire.ApprovedPlans(
            tuple(
                wire.ApprovedPlan(one.about, one.entry, one.digest)
                for one in self._approved
                if one.kind is Kind.PLAN and not one.ended
            )
        )

    def end_plan(self, request: wire.EndPlan) -> wire.Done:
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
        if not person.approves:
            self._room.record(Access(person.name, "proposals", outcome="refused", reason="role"))
            raise words.Refused("role", "only an approver whose key is confirmed sees proposals (P22)")
        keys = tuple(
            words.Waiting(known.name, known.roles, known.recipient, known.joined_at)
            for known in self._people.everyone()
            if not known.confirmed and not known.revoked
        )
        return words.ApproversDesk(person.name, tuple(sorted(self._approved.digests)), keys[:1_000])

    def months(self, person: Person, text: str) -> words.Months:
        """P13: what an approver has to know beside this plan; nothing of what is no plan. Raises: words.Refused."""
        if not person.approves:
            raise words.Refused("role", "only an approver whose key is confirmed sees proposals (P22)")
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
            self._refuse(person, "approve", "", "", str(error))
        made = approval(proposal, person.name, self._now())
        about = made.trainee or made.trainer
        if why := approve_refusal(proposal, person, self._people.everyone()):
            self._refuse(person, "approve", about, made.digest, why)
        if isinstance(proposal, Plan) and (why := self._months_refusal(proposal, made.at)):
            self._refuse(person, "approve", about, made.digest, why, "months")
        self._room.record(
            Access(person.name, "approve", reason=made.kind.value, person=about, subject=made.digest)
        )
        self._approved.add(made)

    def _now(self) -> int:
        """P13, P20: the latest believed time. A clock set back for an hour takes no day from what was used."""
        return self._room.parts.time.known.high

    def _months_refusal(self, plan: Plan, at: int) -> str:
        """P13: why six months in any 24 are in the way of this plan; "" when they are not."""
        if self._approved.is_full:
            return "more enrolments than can be remembered for 24 months (P13): tell the administrator"
        return months_refusal(plan, self._approved.enrolments(plan, at))

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
        raise words.Refused("role", why)
