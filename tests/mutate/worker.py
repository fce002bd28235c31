"""One copy of the repository, and a process in it that runs chosen tests against one broken version after the other."""

from __future__ import annotations

import compileall
import importlib.util
import json
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.mutate.callers import Callers, calling_out
from tests.mutate.mutants import Mutant
from tests.mutate.rules import ROOT, RuleFunction

WITHIN_S: Final = 240
"""A broken version that hangs its tests is caught by that; the longest list takes a minute on an idle machine."""
LIVE_WITHIN_S: Final = 300


def copied(to: Path) -> Path:
    """What git knows of the repository, with its byte code; `to` itself."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    # Never looked at the source's time: a version that is replaced within a second would be missed.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for package in ("pbx_bridge", "workstation_client", "tests"):
        compileall.compile_dir(str(to / package), quiet=2, invalidation_mode=mode)
    to.chmod(0o755)
    return to


class Unsound(Exception):
    """This test fails although nothing is broken: what it catches proves nothing."""


class Worker:
    """Ask it from one thread at a time."""

    def __init__(self, copy: Path, callers: Callers | None = None) -> None:
        self._copy = copy
        self._callers = callers or Callers()
        self._sound: set[str] = set()
        """Tests that were seen to pass when nothing is broken."""
        environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
        self._server = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.mutate.server"],
            cwd=copy,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def killer(self, function: RuleFunction, mutant: Mutant, tests: list[str]) -> str:
        """The test that catches it; "" when all pass. Raises: Unsound when that test fails on the sound product too."""
        killer = self._broken(function, mutant, tests)
        if "::" in killer and killer not in self._sound and not killer.endswith(")"):
            if self._asked([killer]):
                raise Unsound(killer)
            self._sound.add(killer)
        return killer

    def learn(self, holding: list[RuleFunction], files: list[str]) -> None:
        """Which test of these files calls which of these functions."""
        kept = {path: (self._copy / path).read_text() for path in {one.path for one in holding}}
        with ExitStack() as restored:
            for path, source in kept.items():
                names = {one.name for one in holding if one.path == path}
                restored.enter_context(self._written(path, calling_out(source, path, names)))
            for file in files:
                noted = self._copy / "called.json"
                noted.unlink(missing_ok=True)
                self._asked([file], noted)
                self._callers.take(noted)

    def _broken(self, function: RuleFunction, mutant: Mutant, tests: list[str]) -> str:
        with self._written(function.path, mutant.source):
            callers = self._callers.of(function.key, tests)
            return (self._asked(callers) if callers else "") or self._asked(tests)

    @contextmanager
    def _written(self, name: str, source: str) -> Iterator[None]:
        path = self._copy / name
        byte_code = Path(importlib.util.cache_from_source(str(path)))
        kept, kept_code = path.read_bytes(), byte_code.read_bytes()
        path.write_text(source)
        byte_code.unlink()
        try:
            yield
        finally:
            path.write_bytes(kept)
            byte_code.write_bytes(kept_code)

    def _asked(self, tests: list[str], notes: Path | None = None) -> str:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        live = any(one.startswith(("tests/live", "tests/faults", "tests/asterisk")) for one in tests)
        question = {
            "tests": tests,
            "within_s": LIVE_WITHIN_S if live else WITHIN_S,
            "notes": str(notes) if notes else None,
        }
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        if not answer:
            raise RuntimeError("the process that runs the tests ended")
        return str(json.loads(answer))

    def close(self) -> None:
        """Ends the process."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()
