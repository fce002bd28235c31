"""Which tests call which function that holds a rule: seen once, while nothing is broken, and kept in a cache.

Every such function is given a first statement that calls its name out, also in the processes a test starts; a pytest plugin
writes down which test was running. A test that never runs a function cannot catch what is broken in it, so these are the
tests that are asked. A function that was called while no test ran may not be exchanged after collecting.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.mutate.rules import PACKAGES, functions

HOOK: Final = "rule_called"
CACHE: Final = Path(os.environ.get("PBX_BRIDGE_CACHE", "/var/cache/pbx-bridge")) / "mutate"
KEPT: Final = 400
"""Files of the cache; the oldest go first."""
_TESTS_IMPORTED: Final = re.compile(rb"^from (tests\.[\w.]*\btest_\w+) import", re.M)
ELSEWHERE: Final = ".elsewhere"
"""Beside the notes: what other processes call out."""
BEFORE: Final = ""
"""The name of no test: while files were imported and tests collected."""


def calling_out(source: str, path: str, names: set[str], elsewhere: Path) -> str:
    """The module, each function of `names` (qualified) saying `path::name` when it is called.

    It says it to the plugin; in a process of its own, where nobody listens, to the file `elsewhere`.
    """
    tree = ast.parse(source)
    for name, node in functions(tree):
        if name in names:
            written = f"lambda said: print(said, file=open({str(elsewhere)!r}, 'a'), flush=True)"
            said = f"getattr(__import__('builtins'), {HOOK!r}, {written})({f'{path}::{name}'!r})"
            node.body[1:1] = ast.parse(f"try:\n    {said}\nexcept OSError:\n    pass").body
    return ast.unparse(tree)


class Noted:
    """The plugin. Writes `{test: [seconds, function, ...]}` to a file at the end."""

    def __init__(self, to: Path, elsewhere: Path) -> None:
        self._to, self._elsewhere = to, elsewhere
        self._pid = os.getpid()
        self._test = BEFORE
        self._called: dict[str, set[str]] = {BEFORE: set()}
        self._seconds: dict[str, float] = {}
        setattr(builtins, HOOK, self._note)

    def _note(self, function: str) -> None:
        if os.getpid() == self._pid:
            self._called.setdefault(self._test, set()).add(function)
        else:
            with self._elsewhere.open("a") as file:
                print(function, file=file)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._test = item.nodeid
        try:
            return (yield)
        finally:
            if self._elsewhere.exists():
                for function in self._elsewhere.read_text().split():
                    self._note(function)
                os.truncate(self._elsewhere, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] = self._seconds.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        self._to.write_text(
            json.dumps(
                {
                    test: [self._seconds.get(test, 0.0), *sorted(called)]
                    for test, called in self._called.items()
                }
            )
        )


class Callers:
    """What was noted of all files so far."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, float]] = {}
        self._before: set[str] = set()

    def take(self, noted: Path) -> bool:
        """What one file's tests called; False when their process ended before the end."""
        if not noted.exists():
            return False
        for test, (seconds, *called) in json.loads(noted.read_text()).items():
            if test == BEFORE:
                self._before.update(called)
                continue
            for function in called:
                self._of.setdefault(function, {})[test] = seconds
        return True

    def of(self, function: str, files: list[str]) -> list[str]:
        """The tests of these files that call it, the quickest first."""
        found = {
            test: s for test, s in self._of.get(function, {}).items() if test.partition("::")[0] in files
        }
        return sorted(found, key=lambda test: found[test])

    def before(self, function: str) -> bool:
        """Something called it before any test ran: its sound answer is kept somewhere."""
        return function in self._before


class Kept:
    """Where the notes of a file's tests lie, by all that they were made of: the product, the file, what tests share."""

    def __init__(self, root: Path, folder: Path = CACHE) -> None:
        self._root, self._folder = root, folder
        sources = {
            str(path.relative_to(root)): path.read_bytes()
            for top in (*PACKAGES, "tests")
            for path in (root / top).rglob("*.py")
            if path.parent.name != "mutate" or path.name == Path(__file__).name
        }
        imported = {name for source in sources.values() for name in _TESTS_IMPORTED.findall(source)}
        shared = hashlib.sha256()
        for path, source in sorted(sources.items()):
            module = path.removesuffix(".py").replace("/", ".").encode()
            if not module.rpartition(b".")[2].startswith(b"test_") or module in imported:
                shared.update(path.encode() + b"\0" + hashlib.sha256(source).digest())
        self._shared = shared.digest()
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)

    def of(self, file: str) -> Path:
        """The notes of this file's tests, whether or not they are there."""
        source = (self._root / file).read_bytes()
        name = hashlib.sha256(self._shared + f"{file}\0".encode() + source).hexdigest()[:32]
        return self._folder / f"{name}.json"
