"""Runs chosen tests, each time in a fork of this process: what they all need is loaded once, the product in each anew.

A question per line on standard input, `{"tests": [...], "within_s": N, "notes": PATH or null}`; the answer is the first
test that failed, "" when all passed. With `notes` all of them run, and who called what is written there.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.mutate.callers import Noted

LOADED: Final = (
    "aiohttp", "alembic", "cryptography.x509", "Crypto.PublicKey.ECC", "hypothesis", "numpy", "pydantic", "pytest_asyncio",
    "rich.console", "sqlalchemy.orm", "starlette.applications", "structlog", "typer", "uvicorn", "websockets",
)  # fmt: skip


class _First:
    """Notes the first test that failed."""

    def __init__(self) -> None:
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid} (cannot be imported)"


def _child(tests: list[str], notes: str | None, answer: int) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    first = _First()
    plugins: list[object] = [first, *([Noted(Path(notes))] if notes else [])]
    every = [] if notes else ["-x"]
    code = pytest.main([*every, "-q", "-p", "no:cacheprovider", *tests], plugins=plugins)
    failed = first.failed or ("" if code == 0 else f"pytest ends with {int(code)}")
    os.write(answer, json.dumps(failed).encode())


def answered(tests: list[str], within_s: float, notes: str | None = None) -> str:
    """The first test that fails, in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _child(tests, notes, writing)
        finally:
            os._exit(0)
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], within_s)
        said = os.read(reading, 65_536) if ready else b""
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if not ready:
        return f"no answer within {within_s:.0f} s"
    return str(json.loads(said)) if said else "the tests' process ended"


def main() -> None:
    for name in LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        question: dict[str, Any] = json.loads(line)
        print(json.dumps(answered(**question)), flush=True)


if __name__ == "__main__":
    main()
