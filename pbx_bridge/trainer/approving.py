"""An approver's commands: proposals, approve, refuse, withdraw, confirm (P13, P22).

What is approved is the text this machine showed: its digest is taken here, and the deed is proven to the keeper by the
approver's own key. A fingerprint is never shown to the approver: it is typed as its holder reads it out, so that
nobody confirms a key by nodding. It knows texts and keys; it decides nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pbx_bridge.access.approvals import Kind
from pbx_bridge.access.proposals import read_proposal
from pbx_bridge.errors import OperatorError
from pbx_bridge.trainer.arguments import Add
from pbx_bridge.trainer.bridge import Bridge
from pbx_bridge.training.plans import Trainer, text_digest
from pbx_bridge.training.rules import PLAN_CEILING_DAYS
from pbx_bridge.wire_office import Ground
from pbx_bridge.wire_portal import Act, Days, Deed, Waiting, fingerprint, said

Visit: TypeAlias = Callable[[argparse.Namespace], Bridge]
"""The bridge this profile joined, as its person."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One text that waits. `about`: the plan's name, or the trainer's whose capacity it is."""

    kind: Kind
    about: str
    digest: str
    text: str


def add_commands(add: Add, visit: Visit) -> None:
    """Adds the five commands."""
    listing = add(
        "proposals",
        lambda arguments: _list(arguments, visit),
        "What waits for you as the approver: plans and capacities to read, keys to confirm.",
        "pbx-bridge proposals",
    )
    listing.add_argument("--json", action="store_true", help="for scripts")
    approving = add(
        "approve",
        lambda arguments: _approve(arguments, visit),
        "Read a plan, or a trainer's capacity, and approve it: from then on it holds.",
        "pbx-bridge approve alice-orders",
    )
    approving.add_argument(
        "name", metavar="NAME", help="the plan's or trainer's name, as `proposals` shows it"
    )
    approving.add_argument(
        "--digest", metavar="HEX", help="approve without a question, but only the text with this digest"
    )
    refusing = add(
        "refuse",
        lambda arguments: _refuse(arguments, visit),
        "Refuse a plan, or a trainer's capacity, with a reason: it waits for you no more, and whoever entered it sees why.",
        "pbx-bridge refuse alice-orders --because volume",
    )
    refusing.add_argument(
        "name", metavar="NAME", help="the plan's or trainer's name, as `proposals` shows it"
    )
    refusing.add_argument(
        "--because", metavar="WORD", required=True, choices=[ground.value for ground in Ground],
        help=", ".join(ground.value for ground in Ground),
    )  # fmt: skip
    withdrawing = add(
        "withdraw",
        lambda arguments: _withdraw(arguments, visit),
        "Take an approval back: what it allowed is not recorded from then on.",
        "pbx-bridge withdraw 9f86d081884c…",
    )
    withdrawing.add_argument("digest", metavar="DIGEST", help="as `approve` printed it")
    confirming = add(
        "confirm",
        lambda arguments: _confirm(arguments, visit),
        "Confirm a person's new key by the fingerprint they read out to you: from then on it opens recordings.",
        "pbx-bridge confirm bruno --fingerprint ABCD-EFGH-IJKL-MNOP-QRST",
    )
    confirming.add_argument("name", metavar="NAME", help="whose key it is")
    confirming.add_argument(
        "--fingerprint",
        metavar="TEXT",
        help="what `pbx-bridge join` showed them, by telephone or face to face",
    )


def _list(arguments: argparse.Namespace, visit: Visit) -> int:
    with visit(arguments) as bridge:
        found = bridge.proposals()
    waiting = [_proposal(text) for text in found.texts]
    if arguments.json:
        texts = [
            {
                "kind": p.kind.value,
                "about": p.about,
                "digest": p.digest,
                "text": p.text,
                "days": [
                    {"application": d.application, "before": d.before, "after": d.after}
                    for d in found.days
                    if d.digest == p.digest
                ],
            }
            for p in waiting
        ]
        keys = [
            {"name": k.name, "roles": [role.value for role in k.roles], "joined_at": k.joined_at}
            for k in found.keys
        ]
        print(json.dumps({"proposals": texts, "keys": keys}, indent=2))
        return 0
    for proposal in waiting:
        print(f"{proposal.text}{_months(proposal, found.days)}-> pbx-bridge approve {proposal.about}\n")
    for key in found.keys:
        joined = datetime.fromtimestamp(key.joined_at).astimezone().strftime("%Y-%m-%d %H:%M")
        print(f"a key of {key.name} ({said(key.roles)}), joined {joined}: let them read you its fingerprint")
        print(f"-> pbx-bridge confirm {key.name}\n")
    if not waiting and not found.keys:
        print("nothing waits for you")
    return 0


def _approve(arguments: argparse.Namespace, visit: Visit) -> int:
    with visit(arguments) as bridge:
        waiting = bridge.proposals()
        found = [p for p in map(_proposal, waiting.texts) if p.about == arguments.name]
        if arguments.digest is not None:
            found = [proposal for proposal in found if proposal.digest == arguments.digest]
        if not found:
            raise OperatorError(
                "nothing with this name (and digest) waits for you",
                where=arguments.name[:80],
                do="Look again: pbx-bridge proposals",
            )
        for proposal in found:
            if arguments.digest is None:
                print(f"{proposal.text}{_months(proposal, waiting.days)}")
                _agreed(f"Type {proposal.about} to approve this: ", proposal.about, "--digest")
            bridge.prove(act=Act(Deed.APPROVE, proposal.about, proposal.text))
            print(f"approved: {proposal.kind.value} {proposal.about}\ndigest: {proposal.digest}")
    return 0


def _refuse(arguments: argparse.Namespace, visit: Visit) -> int:
    with visit(arguments) as bridge:
        found = [p for p in map(_proposal, bridge.proposals().texts) if p.about == arguments.name]
        if not found:
            raise OperatorError(
                "nothing with this name waits for you",
                where=arguments.name[:80],
                do="Look again: pbx-bridge proposals",
            )
        for proposal in found:
            bridge.prove(act=Act(Deed.REFUSE, arguments.because, proposal.text))
            print(f"refused: {proposal.kind.value} {proposal.about}\ndigest: {proposal.digest}")
    return 0


def _withdraw(arguments: argparse.Namespace, visit: Visit) -> int:
    with visit(arguments) as bridge:
        bridge.prove(act=Act(Deed.WITHDRAW, "", arguments.digest[:80]))
    print("withdrawn")
    return 0


def _confirm(arguments: argparse.Namespace, visit: Visit) -> int:
    with visit(arguments) as bridge:
        waiting = [key for key in bridge.proposals().keys if key.name == arguments.name]
        if not waiting:
            raise OperatorError("no key of this person waits", where=arguments.name[:80])
        read_out = arguments.fingerprint or _asked(
            f"The fingerprint, as {arguments.name} reads it to you: ", "--fingerprint"
        )
        key = _with_fingerprint(waiting, read_out)
        bridge.prove(act=Act(Deed.CONFIRM, key.name, key.recipient))
    print(f"confirmed: {key.name} ({said(key.roles)})")
    return 0


def _with_fingerprint(waiting: list[Waiting], read_out: str) -> Waiting:
    """P22: the key whose fingerprint its holder read out. Raises: OperatorError when none has it."""
    wanted = read_out.replace("-", "").replace(" ", "").upper()
    for key in waiting:
        if fingerprint(key.recipient).replace("-", "") == wanted:
            return key
    raise OperatorError(
        "the key that waits has another fingerprint",
        do="Let them read it again; if it stays so, somebody else joined in their name: tell the auditor",
    )


def _months(proposal: Proposal, days: tuple[Days, ...]) -> str:
    """P13: what the approver has to know beside the text: the days this trainee has already of six months in any 24."""
    return "".join(
        f"({one.application}: this person has {one.before} days of 24 months by what was approved before, {one.after} with "
        f"this plan; at most {PLAN_CEILING_DAYS})\n"
        for one in days
        if one.digest == proposal.digest
    )


def _proposal(text: str) -> Proposal:
    """Raises: NoProposal."""
    found = read_proposal(text)
    digest = text_digest(text)
    return Proposal(Kind.CAPACITY if isinstance(found, Trainer) else Kind.PLAN, found.id, digest, text)


def _agreed(question: str, word: str, instead: str) -> None:
    if _asked(question, instead).strip() != word:
        raise OperatorError("not approved", do="Nothing was changed")


def _asked(question: str, instead: str) -> str:
    if not sys.stdin.isatty():
        raise OperatorError("nobody can be asked here", do=f"Give {instead}, or run this in a terminal")
    return input(question)
