"""The keeper's two doubts, a clock that was set and a log that cannot be written: each ends what is recorded (P10)."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import structlog

from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.calls import commands as co
from pbx_bridge.calls.desk import Desk
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.wire_portal import KeeperUnreachable

log = structlog.get_logger()

AUDIT_LOOK_S = 1.0
"""P10: in doubt everything stops within 2 s."""


class Doubts:
    """`obey` does what the desk then orders."""

    def __init__(self, desk: Desk, obey: Callable[[list[co.Command]], None]) -> None:
        self._desk, self._obey = desk, obey

    def clock(self, doubt: bool) -> None:
        """P20: a clock that was set ends what is recorded, and nothing begins until it is confirmed."""
        says = "the clock is in doubt, nothing is recorded: compare it, then pbx-bridge clock confirm"
        self._freeze(Reason.CLOCK, doubt, says, "")

    def audit(self, fault: str) -> None:
        """P19: while the keeper cannot record an access, nothing is recorded. "" when it can."""
        says = "nothing is recorded or released until the audit log can be written"
        self._freeze(Reason.AUDIT, bool(fault), says, fault)

    async def watch_audit(self, keeper: KeeperLink) -> None:
        """P19: asks the keeper each second."""
        while True:
            with contextlib.suppress(KeeperUnreachable):  # a slow one answers later
                self.audit(await keeper.audit_fault())
            await asyncio.sleep(AUDIT_LOOK_S)

    def _freeze(self, reason: Reason, doubt: bool, says: str, why: str) -> None:
        if not doubt:
            self._desk.thaw(reason)
        elif reason not in self._desk.frozen_for:
            log.error(says, why=why)
            self._desk.freeze(reason)
            self._obey(self._desk.end_all(reason, time.monotonic_ns()))
