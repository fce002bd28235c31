"""The broken versions are broken, each in one place; and every function that holds a rule has tests to ask."""

from __future__ import annotations

import ast
import builtins
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.mutate.callers import HOOK, Callers, calling_out
from tests.mutate.mapping import LIVE, TESTS, chosen_tests
from tests.mutate.mutants import mutants
from tests.mutate.rules import ROOT, rule_functions

SAMPLE = '''
class Rule:
    def may(self, age: int, known: frozenset[str]) -> bool:
        """P18: only who is old enough and known."""
        if age < 18:
            raise ValueError("too young")
        self.note(age)
        if age > 90 and not self.old:
            log.info("asked", age=age + 1)
        return age <= 99 and "x" in known
'''
BROKEN = {
    "gutted: answers True at once",
    "gutted: answers False at once",
    "comparison: age < 18: Lt -> LtE",
    "comparison: age <= 99: LtE -> Lt",
    "comparison: 'x' in known: In -> NotIn",
    "condition: if not (age < 18)",
    "raise: without: raise ValueError('too young')",
    "deed: without: self.note(age)",
    "answer: return not (age <= 99 and 'x' in known)",
    "boolean: age <= 99 and 'x' in known: the other of and/or",
}


def test_every_way_to_break_a_function() -> None:
    made = mutants(SAMPLE, "Rule.may")
    assert {f"{mutant.kind}: {mutant.what.partition(': ')[2]}" for mutant in made} == BROKEN
    sources = {mutant.source for mutant in made} | {ast.unparse(ast.parse(SAMPLE))}
    assert len(sources) == len(made) + 1
    assert all(compile(source, "sample", "exec") for source in sources)


def test_a_few_are_of_as_many_kinds_as_there_are() -> None:
    assert len({mutant.kind for mutant in mutants(SAMPLE, "Rule.may", 6)}) == 6
    with pytest.raises(KeyError):
        mutants(SAMPLE, "Rule.nothing")


def test_the_quickest_test_that_calls_a_function_is_asked_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(builtins, HOOK, heard.append, raising=False)
    module: dict[str, Any] = {"log": logging.getLogger("tests.mutate")}
    exec(calling_out(SAMPLE, "rule.py", {"Rule.may"}), module)
    module["Rule"].note = lambda self, age: None
    assert module["Rule"]().may(20, frozenset({"x"})) is True
    assert heard == ["rule.py::Rule.may"]

    noted = tmp_path / "called.json"
    callers = Callers()
    callers.take(noted)  # a process that ended before it wrote: nothing is known
    assert callers.of(heard[0], ["tests/a.py"]) == []
    noted.write_text(json.dumps({"tests/a.py::slow": [2.0, *heard], "tests/a.py::quick": [0.1, *heard]}))
    callers.take(noted)
    noted.write_text(json.dumps({"tests/b.py::other": [0.0, *heard], "tests/a.py::apart": [0.0, "b.py::f"]}))
    callers.take(noted)
    assert callers.of(heard[0], ["tests/a.py"]) == ["tests/a.py::quick", "tests/a.py::slow"]


def test_every_function_that_holds_a_rule_has_tests_to_ask() -> None:
    unasked = {function.key for function in rule_functions() if not chosen_tests(function).ids}
    assert not unasked, "name their tests in tests/mutate/mapping.py"


def test_the_tests_that_are_named_are_there() -> None:
    named = {name for _, tests in (*TESTS, *LIVE) for name in tests}
    assert not {name for name in named if not Path(ROOT / name).exists()}
