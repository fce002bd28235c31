"""docs/privacy.md is true of the code: each rule has one row, and every function, module and test it names is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RULES = [f"P{number}" for number in range(1, 25)]
FUNCTIONS = [rule for rule in RULES if rule not in ("P1", "P5", "P6", "P17")]
"""P1 and P6 are kept by there being no code for what they forbid, P5 and P17 by whole modules."""


@cache
def rows() -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for line in (ROOT / "docs/privacy.md").read_text().splitlines():
        if match := re.match(r"\| (P\d+) \|", line):
            found.setdefault(match[1], []).append([cell.strip() for cell in line.strip("|").split("|")])
    return found


@cache
def functions() -> dict[str, list[str]]:
    """Every function's and constant's name, with the docstrings it has in the places where it stands."""
    found: dict[str, list[str]] = {}
    for package in ("pbx_bridge", "workstation_client"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    found.setdefault(node.name, []).append(ast.get_docstring(node) or "")
                elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    found.setdefault(node.id, []).append("")
    return found


@cache
def pbx_words() -> str:
    """What the dialplan and the configuration of a PBX are made of."""
    files = [path for path in (ROOT / "dialplan").rglob("*") if path.is_file()]
    return "\n".join(path.read_text() for path in files)


def test_each_rule_has_one_row_of_five_cells() -> None:
    assert list(rows()) == RULES
    for rule, (row, *others) in rows().items():
        assert not others, rule
        assert len(row) == 5, rule
        assert all(row[:4]), rule


@pytest.mark.parametrize("rule", RULES)
def test_what_a_row_names_is_there(rule: str) -> None:
    ((_, _, home, tests, _),) = rows()[rule]
    for name in re.findall(r"`([A-Za-z0-9_.-]+)`", home):
        if not name.endswith(".py") and "/" not in name:
            assert name.rpartition(".")[2] in functions() or name in pbx_words(), f"{rule}: {name}"
    for path in re.findall(r"`([a-z0-9_/]+\.py)`", home + tests):
        assert list(ROOT.glob(f"**/{path}")), f"{rule}: {path}"
    folders = re.findall(r"`(tests/[a-z_/]+)`", tests)
    assert all((ROOT / folder).is_dir() for folder in folders), rule
    assert folders or ".py`" in tests, f"{rule}: no test"


@pytest.mark.parametrize("rule", FUNCTIONS)
def test_a_rules_home_says_its_number(rule: str) -> None:
    """A function of the row whose docstring begins with the rule's number: `./run mutate` breaks those."""
    ((_, _, home, _, _),) = rows()[rule]
    begins = re.compile(rf"(P\d+, )*{rule}\b")
    named = [name for name in re.findall(r"`([A-Za-z0-9_]+)`", home) if name in functions()]
    assert any(begins.match(text) for name in named for text in functions()[name]), f"{rule}: {named}"
