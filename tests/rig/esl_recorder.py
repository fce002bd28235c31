"""What `uuid_record` does at the double: both voices into the named pipe, every 20 ms in real time, as FreeSWITCH does.

A tone for each party, silence while masked, RECORD_START and RECORD_STOP as events. On demand it refuses, begins late,
never writes, dries up, closes, or writes no whole samples. A writer without a reader is kept as a fault: the test reads it.
"""

from __future__ import annotations

import asyncio
import math
import os
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

RATE, CHUNK = 8000, 160
AGENT_HERTZ, CUSTOMER_HERTZ = 440, 880
LOUD = 8000


def frame(number: int) -> bytes:
    """20 ms of both tones, interleaved; agent left."""
    both = array("h")
    for sample in range(number * CHUNK, (number + 1) * CHUNK):
        for hertz in (AGENT_HERTZ, CUSTOMER_HERTZ):
            both.append(round(LOUD * math.sin(2 * math.pi * hertz * sample / RATE)))
    return both.tobytes()


FRAMES = [frame(number) for number in range(50)]
"""Both tones come round within a second."""
SILENCE = bytes(4 * CHUNK)


@dataclass
class Running:
    """One recording."""

    leg: str
    path: str
    wanted: dict[str, str]
    masked: bool = False
    task: asyncio.Task[None] | None = None


@dataclass
class Recorder:
    """`tell(kind, leg, path)` says an event; what was asked stays in `asked`."""

    tell: Callable[[str, str, str], None] = lambda kind, leg, path: None
    refuses: bool = False
    late_s: float = 0.0
    frames: int | None = None
    """So many 20 ms at most, then nothing more: 0 never writes a byte."""
    closes: bool = False
    """After `frames` it closes its end, as when the leg hangs up or FreeSWITCH dies."""
    running: dict[str, Running] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def answer(self, arguments: str) -> str:
        """What the command prints."""
        if len(arguments.split(" ")) < 3:
            return "-USAGE: <uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]\n"
        leg, action, path, *rest = arguments.split(" ")
        self.asked.append(f"{action} {path.rpartition('/')[2]}")
        match action:
            case "start" if self.refuses:
                return "-ERR Cannot record session!\n"
            case "start":
                wanted = dict(one.split("=", 1) for one in rest[1].strip("{}").split(",")) if rest[1:] else {}
                self.running[path] = one = Running(leg, path, wanted)
                one.task = asyncio.create_task(self._write(one))
                self.tell("RECORD_START", leg, path)
                return "+OK Success\n"
            case "stop" if path in self.running:
                self._end(path)
                return "+OK Success\n"
            case "mask" | "unmask" if path in self.running:
                self.running[path].masked = action == "mask"
                return "+OK Success\n"
            case _:
                return f"-ERR Cannot {action} record session!\n"

    def hung_up(self, leg: str) -> None:
        """All of this leg's recordings end."""
        for path in [path for path, one in self.running.items() if one.leg == leg]:
            self._end(path)

    def _end(self, path: str) -> None:
        one = self.running.pop(path)
        if one.task is not None:
            one.task.cancel()
        self.tell("RECORD_STOP", one.leg, path)

    async def _write(self, one: Running) -> None:
        try:
            pipe = os.open(
                one.path, os.O_WRONLY | os.O_NONBLOCK
            )  # ENXIO without a reader, where FreeSWITCH waits
        except OSError as error:
            self.faults.append(f"open: {error.strerror}")
            return
        try:
            loop = asyncio.get_running_loop()
            began = loop.time() + self.late_s
            number = 0
            while self.frames is None or number < self.frames:
                await asyncio.sleep(max(began + (number + 1) * CHUNK / RATE - loop.time(), 0))
                os.write(pipe, SILENCE if one.masked else FRAMES[number % len(FRAMES)])
                number += 1
            if not self.closes:
                await asyncio.Event().wait()
        except OSError as error:
            self.faults.append(f"write: {error.strerror}")
        finally:
            os.close(pipe)
