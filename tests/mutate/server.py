"""Runs chosen tests, each time in a fork of this process: what they all need is loaded once, the product in each anew.

    python -m tests.mutate.server FD_IN FD_OUT

A question per line, `{"tests": [...], "within_s": N, "notes": PATH or null}`; the answer is the first test that failed, ""
when all passed. With `notes` all of them run, and who called what is written there.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.mutate.asking import Told, waited
from tests.mutate.callers import ELSEWHERE, Noted

LOADED: Final = (
    "aiohttp", "alembic", "cryptography.x509", "Crypto.PublicKey.ECC", "hypothesis", "numpy", "pydantic", "pytest_asyncio",
    "rich.console", "sqlalchemy.orm", "starlette.applications", "structlog", "typer", "uvicorn", "websockets",
)  # fmt: skip


def _child(tests: list[str], notes: str | None, pipe: int) -> None:
    told = Told()
    told.begin(pipe)
    plugins: list[object] = [told, *([Noted(Path(notes), Path(f"{notes}{ELSEWHERE}"))] if notes else [])]
    every = [] if notes else ["-x"]
    told.end(pytest.main([*every, "-q", "-p", "no:cacheprovider", *tests], plugins=plugins))


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
    return waited(child, reading, within_s)


def main(questions: int, answers: int) -> None:
    for name in LOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    with os.fdopen(questions) as asked:
        for line in asked:
            question: dict[str, Any] = json.loads(line)
            os.write(answers, json.dumps(answered(**question)).encode() + b"\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
