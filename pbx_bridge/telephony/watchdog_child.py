"""The watchdog's own process: standard library only, no loop, nothing that could hang with the bridge.

Reads beats from its standard input. None for the deadline: kills its parent. End of input: the bridge ended, so does
it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

OVERSLEPT_S = 0.5
"""Waking this much later than asked means that this process was stopped too (a suspended machine): the bridge gets a
new term."""


def watch(parent: int, deadline_s: float) -> None:
    """Returns when the bridge ended, by itself or by our hand."""
    while os.getppid() == parent:
        asked = time.monotonic()
        ready, _, _ = select.select([0], [], [], deadline_s)
        if ready:
            if not os.read(0, 4096):
                return
        elif time.monotonic() - asked < deadline_s + OVERSLEPT_S and os.getppid() == parent:
            sys.stderr.write(f"pbx-bridge hung for {deadline_s} s and was ended\n")
            os.kill(parent, signal.SIGKILL)
            return


if __name__ == "__main__":
    watch(int(sys.argv[1]), float(sys.argv[2]))
