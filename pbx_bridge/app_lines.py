"""The ledger's lines as the bridge writes them: in order, owed while the disk has no room, under a keyed name of the call.

While a line is owed, or a file could not be written, nothing is recorded. What a line says is decided elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from functools import partial

import structlog

from pbx_bridge.app_recordings import RETRY_S
from pbx_bridge.calls import commands as co
from pbx_bridge.calls.desk import Desk
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import ChannelId, RecordingId, TraineeId
from pbx_bridge.ledger import Ledger, Line, shown

log = structlog.get_logger()


class Lines:
    """`noted` is told each line that was written; `key` names calls."""

    def __init__(self, ledger: Ledger, desk: Desk, noted: Callable[[Line], None], key: bytes) -> None:
        self._ledger, self._desk, self._noted, self._key = ledger, desk, noted, key
        self._owed: deque[Callable[[], Line]] = deque()
        """Lines that could not be written yet."""
        self._plans: dict[RecordingId, str] = {}
        self.settled = asyncio.Event()
        """Set with every answer a call gets."""

    def call(self, leg: ChannelId, trainee: TraineeId) -> str:
        """The ledger's name for a call: keyed, so that it joins nothing, and the same after a restart."""
        return hashlib.blake2b(f"{trainee} {leg}".encode(), key=self._key, digest_size=8).hexdigest()

    def began(self, call: str, trainee: TraineeId, recording: RecordingId, plan: str) -> None:
        """Before the first sample: a crash leaves this line to find. Raises: OperatorError when it cannot be written."""
        self._plans[recording] = plan
        self._ledger.began(call, trainee, recording, plan)

    def write(self, order: co.WriteLedger) -> None:
        """P24: the call's answer."""
        call = self.call(order.leg, order.trainee)
        if order.reason is Reason.LINK_LOST and order.recording is None and self._ledger.has(call):
            return  # found again after a restart or a cut: it has its answer
        recording = order.recording if order.outcome is Outcome.RECORDED else None
        plan = self._plans.pop(order.recording, "") if order.recording else ""
        self.owe(
            partial(
                self._ledger.write,
                call,
                order.trainee,
                order.outcome,
                order.reason,
                recording=recording,
                seconds=order.duration_ns / 1e9,
                plan=plan,
            )
        )
        self.settled.set()

    def destroyed(self, call: str, trainee: TraineeId, reason: Reason) -> None:
        """A recording of an earlier run is gone."""
        self.owe(partial(self._ledger.write, call, trainee, Outcome.DISCARDED, reason))

    def owe(self, write: Callable[[], Line]) -> None:
        self._owed.append(write)
        self._pay()

    def no_room(self, why: str) -> None:
        """P24: what cannot be answered for is not begun; looked at again until all is written."""
        log.error("nothing is recorded until the disk has room", why=why)
        self._desk.freeze(Reason.DISK)
        asyncio.get_running_loop().call_later(RETRY_S, self._look_for_room)

    def _pay(self) -> None:
        """P24: writes what the ledger is owed, in order, now or when its disk has room again. The log, which more people
        read, says of it what the trainer may know."""
        try:
            while self._owed:
                line = self._owed[0]()
                self._noted(line)
                self._owed.popleft()
                told = shown(line)
                log.info("call", outcome=told.outcome, reason=told.reason, recording=told.recording)
        except OperatorError as error:
            self.no_room(str(error))

    def _look_for_room(self) -> None:
        self._pay()
        if not self._owed:
            self._desk.thaw(Reason.DISK)
