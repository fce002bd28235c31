"""One copy of the repository, and the processes in it that run chosen tests against one broken version after the other.

The quick one has all tests collected (`collected.py`); the slow one loads the product and the tests anew (`server.py`), for
functions that cannot be exchanged once they are loaded.
"""

from __future__ import annotations

import compileall
import importlib.util
import json
import os
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from tests.mutate.callers import ELSEWHERE, Callers, Kept, calling_out
from tests.mutate.mutants import Mutant
from tests.mutate.rules import ROOT, RuleFunction

WITHIN_S: Final = 90
"""For one test: a broken version that hangs it is caught by that. The longest takes 7 s on an idle machine."""


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


class Worker:
    """Ask it from one thread at a time."""

    def __init__(self, copy: Path, callers: Callers | None = None) -> None:
        self._copy = copy
        self._callers = callers or Callers()
        self._sound: set[str] = set()
        """Tests that were seen to pass when nothing is broken."""
        self._server = Process(copy, "tests.mutate.server")
        self._collected: Process | None = None

    def killer(self, function: RuleFunction, mutant: Mutant, tests: list[str]) -> str:
        """The test that catches it; "" when all pass.

        It has to fail twice, once alone, and to pass when nothing is broken: a busy machine makes a test fail now and then.
        """
        asked = self._callers.of(function.key, tests) or tests
        while asked:
            with self._written(function.path, mutant.source):
                killer = self._asked(function, mutant.source, asked)
                test = killer.partition(" (")[0]
                again = "::" not in test or self._asked(function, mutant.source, [test])
            if not killer or (again and self._is_sound(function, test)):
                return killer
            asked = asked[asked.index(test) + 1 :] if test in asked else []
        return ""

    def _is_sound(self, function: RuleFunction, test: str) -> bool:
        if test not in self._sound and "::" in test:
            if self._asked(function, None, [test]):
                print(f"mutate: {test} fails although nothing is broken", file=sys.stderr, flush=True)
                return False
            self._sound.add(test)
        return True

    def learn(self, holding: list[RuleFunction], files: list[str], kept: Kept | None = None) -> None:
        """Which test of these files calls which of these functions."""
        unknown = [file for file in files if kept is None or not self._callers.take(kept.of(file))]
        noted = self._copy / "called.json"
        elsewhere = self._copy / f"called.json{ELSEWHERE}"
        sound = {path: (self._copy / path).read_text() for path in {one.path for one in holding}}
        with ExitStack() as restored:
            for path, source in sound.items() if unknown else ():
                names = {one.name for one in holding if one.path == path}
                restored.enter_context(self._written(path, calling_out(source, path, names, elsewhere)))
            for file in unknown:
                elsewhere.unlink(missing_ok=True)
                noted.unlink(missing_ok=True)
                failed = self._server.ask(tests=[file], within_s=WITHIN_S, notes=str(noted)) or ""
                if failed:
                    print(f"mutate: {failed} fails although nothing is broken", file=sys.stderr, flush=True)
                if (not failed or "::" in failed) and self._callers.take(noted) and kept is not None:
                    shutil.copyfile(noted, kept.of(file))

    def collect(self, files: list[str]) -> None:
        """Loads these files' tests once, for the quick way; returns when they are loaded: nothing may be broken before."""
        self._collected = Process(self._copy, "tests.mutate.collected", *files)
        self._collected.wait()

    def _asked(self, function: RuleFunction, source: str | None, tests: list[str]) -> str:
        """Which of these tests fails; `source` None: although nothing is broken."""
        if self._collected is not None and not self._callers.before(function.key):
            path = str(self._copy / function.path)
            question = {"path": path, "name": function.name, "source": source, "tests": tests}
            failed = self._collected.ask(**question, within_s=WITHIN_S)
            if failed is not None:
                return failed
        return self._server.ask(tests=tests, within_s=WITHIN_S) or ""

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

    def close(self) -> None:
        """Ends the processes."""
        self._server.close()
        if self._collected is not None:
            self._collected.close()


class Process:
    """One that answers a question per line; what its tests print goes nowhere."""

    def __init__(self, copy: Path, module: str, *arguments: str, path: Sequence[Path] = ()) -> None:
        questions, asking = os.pipe()
        answered, answers = os.pipe()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, path or [copy])),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, str(questions), str(answers), *arguments],
            cwd=copy,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(questions, answers),
        )
        os.close(questions)
        os.close(answers)
        self._questions, self._answers = os.fdopen(asking, "w"), os.fdopen(answered)

    def ask(self, **question: Any) -> str | None:
        """The first test that fails; None when it cannot be asked here."""
        with suppress(BrokenPipeError):
            print(json.dumps(question), file=self._questions, flush=True)
        return self.wait()

    def wait(self) -> str | None:
        """Its next answer."""
        answer = self._answers.readline()
        if not answer:
            raise RuntimeError("the process that runs the tests ended: can ./run test collect them all?")
        found: str | None = json.loads(answer)
        return found

    def close(self) -> None:
        """Ends it."""
        with suppress(BrokenPipeError):
            self._questions.close()
        self._process.wait()
        self._answers.close()
