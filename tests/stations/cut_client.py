"""A client with a recorder that makes 20 pictures a second, for tests that cut its network.

python -m tests.stations.cut_client FOLDER: prints a JSON line for each order the recorder got and, at the end (SIGTERM),
how many pictures it made. Each picture's data begins with its number and its true time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pbx_bridge import wire
from tests.stations.rig import ScriptedRecorder, ScriptedSession
from workstation_client import client, identity
from workstation_client.events import Picture, RecorderEvent, RecordOrder

_PERIOD_S = 0.05


def _print(**facts: object) -> None:
    print(json.dumps(facts | {"at_ns": time.monotonic_ns()}), flush=True)


class _Ticking(ScriptedRecorder):
    total = 0

    def start(self, order: RecordOrder) -> None:
        _print(did="start", recording=order.recording)
        super().start(order)
        self._loop = asyncio.get_running_loop()
        self._tick()

    def _tick(self) -> None:
        if self.recording:
            now_ns = time.monotonic_ns()
            data = self.made.to_bytes(4, "big") + now_ns.to_bytes(8, "big") + bytes(3000)
            self._on_event(Picture(self.recording, now_ns, now_ns, self.made == 0, False, 640, 480, data))
            self.made += 1
            self.total += 1
            self._loop.call_later(_PERIOD_S, self._tick)

    def stop(self, reason: wire.CaptureEnd) -> None:
        _print(did="stop", reason=reason, made=self.made)
        super().stop(reason)


async def _main(folder: Path) -> None:
    made: list[_Ticking] = []

    def make(on_event: Callable[[RecorderEvent], None]) -> _Ticking:
        made.append(_Ticking(on_event))
        return made[0]

    await client.run(identity.load(folder), folder, make, ScriptedSession())
    _print(did="end", total=made[0].total)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
