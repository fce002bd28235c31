"""What approvers ask of the portal, for its pages and its API alike: words in, words out (P13, P22).

What waits is what the catalogue has now, as texts; what was decided, and who may decide, the keeper says. A deed itself
is proven to the keeper by the approver's own key. It decides nothing: it shows texts and refuses those that are gone.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pbx_bridge import wire_portal as words
from pbx_bridge.access.approvals import Kind
from pbx_bridge.access.proposals import NoProposal, read_proposal
from pbx_bridge.portal.desks import Proposed
from pbx_bridge.training.plans import Plan, Trainer
from pbx_bridge.wire_office import TurnedDown, Weighed
from pbx_bridge.wire_portal import Act, Deed, Refused
from pbx_bridge.wire_rights import RightsRequest, RightsRequests


class Keeper(Protocol):
    """The questions that are carried on. Raises: words.Refused, KeeperUnreachable."""

    async def desk(self, token: bytes) -> words.ApproversDesk: ...

    async def months(self, token: bytes, text: str) -> tuple[words.Days, ...]: ...

    async def weigh(self, token: bytes, text: str) -> Weighed: ...

    async def turned_down(self) -> tuple[TurnedDown, ...]: ...

    async def requests_seen(self, token: bytes) -> RightsRequests: ...


class State(Enum):
    WAITING = "waiting"
    REFUSED = "refused"
    APPROVED = "approved"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One text of this approver's."""

    text: str
    digest: str
    read: Plan | Trainer
    state: State
    refused: TurnedDown | None
    """Who refused it and why, where somebody did."""

    @property
    def kind(self) -> Kind:
        return Kind.CAPACITY if isinstance(self.read, Trainer) else Kind.PLAN


@dataclass(frozen=True, slots=True)
class Desk:
    """All an approver has before them."""

    name: str
    proposals: tuple[Proposal, ...]
    keys: tuple[words.Waiting, ...]
    copies: tuple[RightsRequest, ...]
    """Requests for a copy whose key nobody has compared yet (P23)."""

    def of(self, state: State) -> tuple[Proposal, ...]:
        return tuple(one for one in self.proposals if one.state is state)


class Office:
    def __init__(self, keeper: Keeper, proposed: Proposed) -> None:
        self._keeper, self._proposed = keeper, proposed

    async def desk(self, token: bytes) -> Desk:
        """What waits for this approver, and what they decided. Raises: words.Refused."""
        known = await self._keeper.desk(token)
        refused = {one.digest: one for one in await self._keeper.turned_down()}
        asked = (await self._keeper.requests_seen(token)).requests
        copies = tuple(one for one in asked if one.recipient and not one.granted_by)
        texts = await asyncio.to_thread(lambda: list(self._proposed()))
        found = (_proposal(text, frozenset(known.approved), refused) for text in texts)
        mine = tuple(one for one in found if one is not None and _concerns(one.read, known.name))
        return Desk(known.name, mine, known.keys, copies)

    async def proposals(self, token: bytes) -> words.Proposals:
        """What waits for this approver, as texts. The digest that counts is taken on the approver's own machine."""
        desk = await self.desk(token)
        texts = tuple(one.text for one in desk.of(State.WAITING))[: words.MAX_PROPOSED]
        days = [one for text in texts for one in await self._keeper.months(token, text)]
        return words.Proposals(texts, tuple(days), desk.keys)

    async def proposal(self, token: bytes, digest: str) -> tuple[Proposal, Weighed]:
        """One text with what the keeper knows beside it. Raises: words.Refused; when it is not what stands there now."""
        desk = await self.desk(token)
        found = next((one for one in desk.proposals if one.digest == digest), None)
        if found is None:
            raise gone()
        return found, await self._keeper.weigh(token, found.text)

    async def check_current(self, act: Act | None) -> None:
        """Before a deed is begun: the text it is about is the one that stands there now. The keeper cannot know; an approval
        of another text would record nobody, but its approver would believe it did. Raises: words.Refused."""
        if act is None or act.do not in (Deed.APPROVE, Deed.REFUSE):
            return
        if act.text not in await asyncio.to_thread(lambda: set(self._proposed())):
            raise gone()


def gone() -> Refused:
    return Refused("changed", "this was changed or removed meanwhile: read what stands there now")


def _proposal(text: str, approved: frozenset[str], refused: dict[str, TurnedDown]) -> Proposal | None:
    try:
        read = read_proposal(text)
    except NoProposal:
        return None
    digest = hashlib.sha256(text.encode()).hexdigest()
    said = refused.get(digest)
    state = State.APPROVED if digest in approved else State.REFUSED if said else State.WAITING
    return Proposal(text, digest, read, state, said)


def _concerns(read: Plan | Trainer, name: str) -> bool:
    """A plan names its approver; a capacity is any approver's."""
    return isinstance(read, Trainer) or read.approver == name
