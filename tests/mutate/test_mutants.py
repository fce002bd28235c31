"""The broken versions are broken, each in one place; and every function that holds a rule has tests to ask."""

from __future__ import annotations

import ast
import builtins
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.mutate.callers import HOOK, Callers, Kept, calling_out
from tests.mutate.mapping import EQUIVALENT, TESTS, chosen_tests
from tests.mutate.mutants import mutants
from tests.mutate.rules import ROOT, rule_functions
from tests.mutate.worker import Process, Worker, copied

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
    elsewhere = tmp_path / "elsewhere"
    source = calling_out(SAMPLE, "rule.py", {"Rule.may"}, elsewhere)
    exec(source, module)
    module["Rule"].note = lambda self, age: None
    assert module["Rule"]().may(20, frozenset({"x"})) is True
    assert heard == ["rule.py::Rule.may"]
    calls = "Rule.note = print\nRule().may(20, frozenset())"
    subprocess.run([sys.executable, "-c", f"{source}\n{calls}"], check=True, capture_output=True)
    assert elsewhere.read_text().split() == heard

    noted = tmp_path / "called.json"
    callers = Callers()
    assert not callers.take(noted)  # a process that ended before it wrote: nothing is known
    assert callers.of(heard[0], ["tests/a.py"]) == []
    noted.write_text(json.dumps({"tests/a.py::slow": [2.0, *heard], "tests/a.py::quick": [0.1, *heard]}))
    callers.take(noted)
    noted.write_text(json.dumps({"tests/b.py::other": [0.0, *heard], "tests/a.py::apart": [0.0, "b.py::f"]}))
    callers.take(noted)
    assert callers.of(heard[0], ["tests/a.py"]) == ["tests/a.py::quick", "tests/a.py::slow"]


def test_every_function_that_holds_a_rule_has_tests_to_ask() -> None:
    unasked = {function.key for function in rule_functions() if not chosen_tests(function)}
    assert not unasked, "name their tests in tests/mutate/mapping.py"


def test_the_tests_that_are_named_are_there() -> None:
    named = {name for _, tests in TESTS for name in tests}
    assert not {name for name in named if not Path(ROOT / name).exists()}


FIRST = '''
def may(age: int) -> bool:
    """P18: only who is old enough."""
    return age >= 18

def asked() -> bool:
    def may() -> bool:
        """P18: within another."""
        return False
    return may()
'''
TEST = """
import os
from rule import asked, may

def test_the_young() -> None:
    assert not may(17)

def test_the_old() -> None:
    assert may(18)

def test_within() -> None:
    os.write(1, b"not an answer")
    assert not asked()

def test_hangs() -> None:
    while may(0):
        pass
"""


@pytest.fixture
def collected(tmp_path: Path) -> Iterator[Callable[..., str | None]]:
    """A sound product of one file, collected once; asks the broken ones."""
    (tmp_path / "rule.py").write_text(FIRST)
    (tmp_path / "test_rule.py").write_text(TEST)
    tests = Path(__file__).resolve().parents[2]
    process = Process(tmp_path, "tests.mutate.collected", "test_rule.py", path=[tmp_path, tests])
    assert process.wait() is None

    def ask(name: str, source: str | None, *named: str, within_s: float = 60) -> str | None:
        asked = [f"test_rule.py::{test}" for test in named] or ["test_rule.py"]
        path = str(tmp_path / "rule.py")
        return process.ask(path=path, name=name, source=source, tests=asked, within_s=within_s)

    yield ask
    process.close()


def test_a_collected_test_meets_the_broken_code_and_the_next_one_the_sound(
    collected: Callable[..., str | None],
) -> None:
    broken = {mutant.change: mutant.source for mutant in mutants(FIRST, "may")}
    assert collected("may", None) == ""
    assert collected("may", broken["age >= 18: GtE -> Gt"]) == "test_rule.py::test_the_old"
    assert collected("may", broken["answers False at once"], "test_the_young") == ""
    (within,) = (one for one in mutants(FIRST, "asked.<locals>.may") if one.change == "answers True at once")
    assert collected("asked.<locals>.may", within.source) == "test_rule.py::test_within"
    assert collected("nothing", None) == ""


def test_a_test_that_hangs_is_named(collected: Callable[..., str | None]) -> None:
    broken = {mutant.change: mutant.source for mutant in mutants(FIRST, "may")}
    for_ever = collected("may", broken["answers True at once"], "test_the_old", "test_hangs", within_s=1)
    assert for_ever == "test_rule.py::test_hangs (no answer in time)"


def test_what_is_not_there_cannot_be_exchanged(collected: Callable[..., str | None]) -> None:
    assert collected("other", FIRST) is None
    assert collected("may", FIRST.replace("def may(age", "def more(age")) is None


def test_what_ran_before_any_test_is_known(tmp_path: Path) -> None:
    """P-functions that make a constant have their sound answer in it: they are asked from anew."""
    callers = Callers()
    (tmp_path / "called.json").write_text(
        json.dumps({"": [0.0, "a.py::f"], "tests/a.py::t": [0.1, "a.py::g"]})
    )
    assert callers.take(tmp_path / "called.json")
    assert [callers.before(name) for name in ("a.py::f", "a.py::g")] == [True, False]


def test_notes_are_kept_until_what_they_were_made_of_changes(tmp_path: Path) -> None:
    product, test, other = (
        tmp_path / name for name in ("pbx_bridge/a.py", "tests/test_a.py", "tests/test_b.py")
    )
    for path in (product, test, other):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")

    def where(file: str = "tests/test_a.py") -> Path:
        return Kept(tmp_path, tmp_path / "cache").of(file)

    first = where()
    other.write_text("# a test nobody imports")
    assert where() == first != where("tests/test_b.py")
    test.write_text("from tests.test_b import b\\n")
    imports = where()
    assert imports != first
    other.write_text("# imported")
    assert where() != imports
    imports = where()
    product.write_text("f = 1\\n")
    assert where() != imports


def test_what_breaks_nothing_is_still_a_way_to_break() -> None:
    """A change that is excused is made: its function, and it, are there."""
    by_key = {function.key: function for function in rule_functions()}
    for key, excused in EQUIVALENT.items():
        made = {one.change for one in mutants((ROOT / by_key[key].path).read_text(), by_key[key].name)}
        assert not set(excused) - made, key


@pytest.mark.parametrize("quick", [True, False])
def test_a_broken_rule_is_caught_and_a_sound_one_is_not(tmp_path: Path, quick: bool) -> None:
    """On a copy of this repository, by the quick way and by the slow one."""
    (function,) = (one for one in rule_functions() if one.key == "pbx_bridge/ledger.py::shown")
    files, source = ["tests/test_ledger.py"], (ROOT / function.path).read_text()
    worker = Worker(copied(tmp_path / "copy"))
    worker.learn([function], files)
    if quick:
        worker.collect(files)
    broken = mutants(source, function.name)[0]
    assert worker.killer(function, broken, files).startswith("tests/test_ledger.py::")
    assert worker.killer(function, replace(broken, source=source), files) == ""
    assert (tmp_path / "copy" / function.path).read_text() == source
    worker.close()
