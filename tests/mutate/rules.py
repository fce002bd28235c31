"""Which functions hold a rule: those whose docstring begins with the rule's number, `P8:` or `P8, P14:`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("pbx_bridge", "workstation_client")
_RULE: Final = re.compile(r"P\d{1,2}(, P\d{1,2})*:")
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class RuleFunction:
    """One function that holds a rule."""

    path: str
    """Of its file, below the root."""
    name: str
    """Qualified: `Class.method`."""
    rules: str
    """`P8, P14`."""

    @property
    def key(self) -> str:
        return f"{self.path}::{self.name}"


def rule_functions(root: Path = ROOT) -> list[RuleFunction]:
    """Every one of both packages, in the order of files and lines."""
    found = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            for name, node in functions(ast.parse(path.read_text())):
                if (rules := rules_of(node)) and not is_declaration(node):
                    found.append(RuleFunction(str(path.relative_to(root)), name, rules))
    return found


def functions(tree: ast.AST, within: str = "") -> Iterator[tuple[str, Function]]:
    """Each function with its qualified name, as `co_qualname` writes it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield within + node.name, node
            yield from functions(node, f"{within}{node.name}.<locals>.")
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{within}{node.name}.")
        else:
            yield from functions(node, within)


def rules_of(node: Function) -> str:
    """`P8, P14` of a docstring that begins so; "" of any other."""
    match = _RULE.match(ast.get_docstring(node) or "")
    return match.group().removesuffix(":") if match else ""


def is_declaration(node: Function) -> bool:
    """A protocol's method: a docstring and nothing to break."""
    rest = node.body[1:]
    return not rest or all(
        isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and one.value.value is ...
        for one in rest
    )
