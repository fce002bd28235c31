"""A fork that runs tests, and its parent that waits for the answer: the first test that failed, "" when all passed.

The fork says on a pipe which test runs, so that each test has its own deadline: a broken version that hangs is caught by the
test it hangs in, however long the list and however busy the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Iterator

import pytest


class Told:
    """The plugin in the fork. Quiet until it has a pipe."""

    def __init__(self) -> None:
        self._pipe: int | None = None

    def begin(self, pipe: int) -> None:
        """In the fork: a session of its own, so that all it starts can be ended with it."""
        os.setsid()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        self._pipe = pipe

    @property
    def is_fork(self) -> bool:
        return self._pipe is not None

    def end(self, code: int) -> None:
        """The fork's last words."""
        self._say("ended", str(code))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._say("runs", item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._say("failed", report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._say("failed", f"{report.nodeid} (cannot be imported)")

    def _say(self, word: str, of: str) -> None:
        if self._pipe is not None:
            os.write(self._pipe, json.dumps([word, of]).encode() + b"\n")


def waited(child: int, reading: int, within_s: float) -> str:
    """The fork's answer; it and all it started are gone when this returns. `within_s`: for each test."""
    runs = failed = ""
    ended = None
    left = b""
    deadline = time.monotonic() + within_s
    try:
        while ended is None:
            ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
            said = os.read(reading, 65_536) if ready else b""
            if not said:
                ended = "its process ended" if ready else "no answer in time"
                break
            *lines, left = (left + said).split(b"\n")
            for line in lines:
                word, of = json.loads(line)
                if word == "runs":
                    runs, deadline = of, time.monotonic() + within_s
                elif word == "failed":
                    failed = failed or of
                else:
                    ended = "" if of == "0" else f"pytest ends with {of}"
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return failed or (f"{runs} ({ended})".lstrip() if ended else "")
