"""Which tests call which function that holds a rule: seen once, while nothing is broken.

Every such function is given a first statement that calls its name out; a pytest plugin writes down which test was running.
Only the order of asking rests on it: when none of these tests catches a broken version, all the files are asked.
"""

from __future__ import annotations

import ast
import builtins
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.mutate.rules import functions

HOOK: Final = "rule_called"
MOST: Final = 60
"""Tests asked by name, the quickest; the files are asked after them."""


def calling_out(source: str, path: str, names: set[str]) -> str:
    """The module, each function of `names` (qualified) saying `path::name` when it is called."""
    tree = ast.parse(source)
    for name, node in functions(tree):
        if name in names:
            # `len` where nobody listens: the product also runs in processes of its own.
            said = f"getattr(__import__('builtins'), {HOOK!r}, len)({f'{path}::{name}'!r})"
            node.body[1:1] = ast.parse(said).body
    return ast.unparse(tree)


class Noted:
    """The plugin. Writes `{test: [seconds, function, ...]}` to a file at the end."""

    def __init__(self, to: Path) -> None:
        self._to = to
        self._test = ""
        self._called: dict[str, set[str]] = {}
        self._seconds: dict[str, float] = {}
        setattr(builtins, HOOK, self._note)

    def _note(self, function: str) -> None:
        if self._test:
            self._called.setdefault(self._test, set()).add(function)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._test = item.nodeid
        return (yield)

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

    def take(self, noted: Path) -> None:
        """What one file's tests called; nothing when their process ended before the end."""
        if not noted.exists():
            return
        for test, (seconds, *called) in json.loads(noted.read_text()).items():
            for function in called:
                self._of.setdefault(function, {})[test] = seconds

    def of(self, function: str, files: list[str]) -> list[str]:
        """The quickest tests of these files that call it, the quickest first."""
        found = {
            test: s for test, s in self._of.get(function, {}).items() if test.partition("::")[0] in files
        }
        return sorted(found, key=lambda test: found[test])[:MOST]
