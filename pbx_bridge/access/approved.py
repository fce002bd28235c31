"""The keeper's own book of what was approved, by whom and when: `approvals.json`, 0600 in its folder.

It keeps what access/approvals.py decided; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final

from pbx_bridge.access.approvals import FOR_EVER, Approval, Kind, Past, is_over, is_remembered, past
from pbx_bridge.access.books import read_book, write_book
from pbx_bridge.access.in_force import InForce
from pbx_bridge.training.plans import Enrolment, Plan
from pbx_bridge.wire_json import Many
from pbx_bridge.wire_portal import MAX_APPROVED

MAX_PAST: Final = 20_000
"""The enrolments of two years of the largest site. Beyond it nothing new is approved, and what goes is still remembered."""


@dataclass(frozen=True, slots=True)
class _Book:
    approvals: Annotated[tuple[Approval, ...], Many(MAX_APPROVED)] = ()
    past: Annotated[tuple[Past, ...], Many(MAX_PAST + 2 * MAX_APPROVED)] = ()


class Approved:
    """Read whole at start; replaced atomically."""

    def __init__(self, path: Path, key: bytes = b"") -> None:
        """`key` closes the file (books.py). Raises: OperatorError when it is not as the keeper left it."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path, self._key = path, key
        self._book = read_book(path, _Book, key) or _Book()
        self._texts = InForce(path.with_name("in-force.json"), key)

    def __iter__(self) -> Iterator[Approval]:
        return iter(self._book.approvals)

    @property
    def digests(self) -> frozenset[str]:
        """Of what may record: an ended plan's stays in the book for the recordings it covers."""
        return frozenset(approval.digest for approval in self._book.approvals if not approval.ended)

    def in_force(self, kind: Kind, about: str) -> str:
        """The text approved now for this plan or trainer; "" where there is none, or it was not kept."""
        found = (one for one in self._book.approvals if (one.kind, one.about, one.ended) == (kind, about, 0))
        return next((self._texts.text(one.digest) for one in found), "")

    @property
    def is_full(self) -> bool:
        """P13: whether no more days can be remembered: nothing is forgotten to make room."""
        return len(self._book.past) >= MAX_PAST

    def enrolments(self, plan: Plan, at: int) -> list[Enrolment]:
        """P13: every day the trainee of `plan` had or has by an approval. One in force of that plan itself counts to `at`,
        when another text of it would end it."""
        kept = (one for one in self._book.approvals if one.trainee == plan.trainee and one.kind is Kind.PLAN)
        days = (past(known, at if known.about == plan.id else FOR_EVER) for known in kept)
        before = (one for one in self._book.past if one.trainee == plan.trainee)
        return [one.enrolment() for one in (*before, *days)]

    def add(self, approval: Approval, text: str = "") -> None:
        """Keeps it, with the text that was read, in place of an earlier one of the same text. Another text of the same plan
        or trainer ends: going back to it needs a second person again (P22). Of what can cover nothing any more, and of the
        oldest beyond the limit, the days stay.
        """
        subject = (approval.kind, approval.about)
        others = [
            replace(known, ended=approval.at)
            if (known.kind, known.about) == subject and not known.ended
            else known
            for known in self._book.approvals
            if known.digest != approval.digest
        ]
        again = [known for known in self._book.approvals if known.digest == approval.digest]
        kept = [known for known in others if not is_over(known, approval.at)][-(MAX_APPROVED - 1) :]
        gone = [known for known in others if known not in kept]
        self._keep((*kept, approval), (*gone, *again), approval.at, text)

    def end(self, digest: str, at: int) -> Approval | None:
        """P13: it covers nothing that begins later, until it is approved again; None when it was not approved."""
        found = next(
            (known for known in self._book.approvals if known.digest == digest and not known.ended), None
        )
        if found is not None:
            ended = replace(found, ended=at)
            self._keep(tuple(ended if known is found else known for known in self._book.approvals), (), at)
        return found

    def withdraw(self, digest: str, at: int) -> Approval | None:
        """Forgets it, all but the days it had; what it was."""
        found = next((known for known in self._book.approvals if known.digest == digest), None)
        if found is not None:
            self._keep(tuple(known for known in self._book.approvals if known is not found), (found,), at)
        return found

    def _keep(
        self, approvals: tuple[Approval, ...], gone: Iterable[Approval], at: int, text: str = ""
    ) -> None:
        """P13: the days of what goes are remembered for as long as six months in any 24 are counted from them."""
        days = (past(known, at) for known in gone if known.kind is Kind.PLAN)
        known = {*self._book.past, *(one for one in days if one.first_day <= one.last_day)}
        remembered = sorted((one for one in known if is_remembered(one, at)), key=lambda one: one.last_day)
        book = _Book(approvals, tuple(remembered))
        self._texts.keep((one.digest for one in approvals if not one.ended), text)
        write_book(self._path, book, self._key)
        self._book = book
