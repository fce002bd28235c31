"""The timers a call's session asks for, on the bridge's clock. What one means, only the session knows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pbx_bridge.calls import commands as co
from pbx_bridge.ids import ChannelId


class Timers:
    """`fired` is told the leg and the timer's name, once; a timer set again begins anew."""

    def __init__(self, fired: Callable[[ChannelId, str], None]) -> None:
        self._fired = fired
        self._handles: dict[tuple[ChannelId, str], asyncio.TimerHandle] = {}

    def set(self, order: co.SetTimer) -> None:
        self.cancel(order.leg, order.timer)
        delay_s = max(0.0, (order.at_ns - time.monotonic_ns()) / 1e9)
        handle = asyncio.get_running_loop().call_later(delay_s, self._fire, order.leg, order.timer)
        self._handles[order.leg, order.timer] = handle

    def cancel(self, leg: ChannelId, timer: str) -> None:
        if (handle := self._handles.pop((leg, timer), None)) is not None:
            handle.cancel()

    def _fire(self, leg: ChannelId, timer: str) -> None:
        self._handles.pop((leg, timer), None)
        self._fired(leg, timer)
