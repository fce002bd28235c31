"""The keeper's process, as the one that starts it sees it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

log = structlog.get_logger()

KEEPER_START_S = 180.0
"""A hundred thousand recordings take it some ten seconds, a minute on a starved machine (`./run bench release`)."""
KEEPER_STOP_S = 10.0


@contextmanager
def keeper_running(path: Path) -> Iterator[int]:
    """The keeper's process (its id), alive while the block runs; it also ends by itself when this process dies."""
    # -P: never the code of whatever folder root happens to stand in
    command = [sys.executable, "-P", "-m", "pbx_bridge", "--config", str(path), "keeper"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    assert child.stdin is not None
    try:
        yield child.pid
    finally:
        child.stdin.close()
        try:
            child.wait(KEEPER_STOP_S)
        except subprocess.TimeoutExpired:
            log.error("the keeper did not end", pid=child.pid)
