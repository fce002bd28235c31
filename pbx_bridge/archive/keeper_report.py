"""The keeper's side for the report: what became of the recordings, month by month, without a person (P20, P23, P24).

Only here is it known whose each recording was, and so on how many persons a number rests; no name leaves it. The reading
is recorded before it is answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access
from pbx_bridge.access.roles import report_refusal
from pbx_bridge.archive import office_wire
from pbx_bridge.archive.keeper_people import PeopleSide
from pbx_bridge.archive.keeper_retention import BY_TIME
from pbx_bridge.archive.keeper_room import Room
from pbx_bridge.rights.figures import Recorded, retained
from pbx_bridge.wire_office import KeptMonth, Retained

MONTHS: Final = 11
"""Whole months of which the book still has everything: it forgets a destruction after a year."""


class ReportSide:
    def __init__(self, room: Room, people: PeopleSide) -> None:
        self._room, self._people = room, people

    def retained(self, request: office_wire.SeeRetained) -> Retained:
        """P22, P23: for approver and auditor. Raises: words.Refused."""
        person = self._people.person(request.token)
        if why := report_refusal(person):
            self._room.record(Access(person.name, "report", outcome="refused", reason="role"))
            raise words.Refused("role", why)
        self._room.record(Access(person.name, "report"))
        found = retained(self._recorded(), _month(self._room.parts.time.known.high))
        return Retained(tuple(KeptMonth(one.month, one.percent) for one in found[-MONTHS:]))

    def _recorded(self) -> Iterator[Recorded]:
        book, store = self._room.parts.book, self._room.parts.store
        for recording, at in book.recorded.items():
            gone, known = book.destroyed.get(recording), store.find(recording)
            trainee = str(known[1].trainee) if known is not None else ""
            if gone is None:
                yield Recorded(_month(at), trainee, "")
            else:
                yield Recorded(_month(at), trainee, _month(gone.at), by_time=gone.reason in BY_TIME)


def _month(at: int) -> str:
    """In the server's zone, as the ledger's months are."""
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m")
