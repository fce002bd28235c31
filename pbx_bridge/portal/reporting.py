"""The report of the site for approver and auditor, for pages and API alike (P23).

The keeper says who may read it, and what became of the recordings; the bridge's own figures hold no person. It decides
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pbx_bridge.rights.record import Report
from pbx_bridge.wire_office import Retained

Reported: TypeAlias = Callable[[str], Report]
"""The report in this language, "fr" or "en". Called in a thread. Raises: OperatorError."""


def no_report(language: str) -> Report:
    """For a portal without a bridge."""
    return Report("fr" if language == "fr" else "en", "", (), (), (), ())


@dataclass(frozen=True, slots=True)
class Monthly:
    """All of it."""

    report: Report
    retained: Retained


class Keeper(Protocol):
    """Raises: words.Refused, KeeperUnreachable."""

    async def retained(self, token: bytes) -> Retained: ...


class Reporting:
    def __init__(self, keeper: Keeper, reported: Reported) -> None:
        self._keeper, self._reported = keeper, reported

    async def monthly(self, token: bytes, language: str) -> Monthly:
        """P23: the keeper first: it refuses, and records. Raises: words.Refused, OperatorError."""
        retained = await self._keeper.retained(token)
        return Monthly(await asyncio.to_thread(self._reported, language), retained)
