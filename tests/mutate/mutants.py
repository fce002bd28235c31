"""Every way in which one function is broken, at the level of its syntax tree: pure, source in, sources out.

The whole body replaced by a fixed answer; a comparison moved by one or turned round; a condition or an answer negated;
"and" for "or"; a check, a call or a raise left out; a flag turned.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Final, TypeAlias

from tests.mutate.rules import Function, functions

Change: TypeAlias = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One broken version of a module."""

    kind: str
    what: str
    """For a person: the line, and what became of it."""
    source: str

    @property
    def change(self) -> str:
        """What became of it, wherever its line stands."""
        return self.what.partition(": ")[2]


Make: TypeAlias = Callable[[], Mutant]
COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
FIXED: Final = {
    "bool": ("True", "False"),
    "str": ("''",),
    "int": ("0",),
    "float": ("0.0",),
    "bytes": ("b''",),
    "tuple": ("()",),
    "list": ("[]",),
    "dict": ("{}",),
    "frozenset": ("frozenset()",),
    "set": ("set()",),
}
"""By the annotation: what a function without a body answers; None for all others."""
_LOGGING: Final = frozenset({"debug", "info", "warning", "error", "critical", "exception"})
"""What only says something to the operator is no rule; nor is how long a loop waits before it asks again."""


def mutants(
    source: str, name: str, most: int | None = None, but: frozenset[str] = frozenset()
) -> list[Mutant]:
    """Of the function `name`; at most so many, of as many kinds as there are; none whose `change` is in `but`.

    Raises: KeyError when the function is not there.
    """
    kinds: dict[str, list[Make]] = {}
    for kind, make in chain(_gutted(source, name), _changed(source, name)):
        kinds.setdefault(kind, []).append(make)
    seen = {ast.unparse(ast.parse(source))}
    found: list[Mutant] = []
    for make in chain.from_iterable(zip_longest(*kinds.values())):
        if len(found) == most:
            break
        if make is None:
            continue
        mutant = make()
        if mutant.source not in seen and mutant.change not in but:
            found.append(mutant)
        seen.add(mutant.source)
    return found


def _function(tree: ast.AST, name: str) -> Function:
    for found, node in functions(tree):
        if found == name:
            return node
    raise KeyError(name)


def _gutted(source: str, name: str) -> Iterator[tuple[str, Make]]:
    returns = _function(ast.parse(source), name).returns
    kind = ast.unparse(returns).split("[")[0] if returns is not None else "None"
    for answer in FIXED.get(kind, ("None",)):

        def make(answer: str = answer) -> Mutant:
            tree = ast.parse(source)
            node = _function(tree, name)
            yields = any(isinstance(one, ast.Yield | ast.YieldFrom) for one in ast.walk(node))
            node.body = [node.body[0], *ast.parse(f"return {answer}" if not yields else "return\nyield").body]
            return Mutant("gutted", f"line {node.lineno}: answers {answer} at once", ast.unparse(tree))

        yield "gutted", make


def _changed(source: str, name: str) -> Iterator[tuple[str, Make]]:
    function = _function(ast.parse(source), name)
    walked = _body(function)
    silent = {part for one in walked if _is_silent(one) for part in ast.walk(one)}
    for place, seen in enumerate(walked):
        if seen in silent:
            continue
        for number, (kind, words, _) in enumerate(_changes(seen, function)):
            what = f"line {getattr(seen, 'lineno', function.lineno)}: {words}"

            def make(place: int = place, number: int = number, kind: str = kind, what: str = what) -> Mutant:
                tree = ast.parse(source)
                node = _function(tree, name)
                _, _, change = list(_changes(_body(node)[place], node))[number]
                change()
                return Mutant(kind, what, ast.unparse(ast.fix_missing_locations(tree)))

            yield kind, make


def _body(function: Function) -> list[ast.AST]:
    """Not what stands before it: a decorator or a default holds no rule."""
    return [function, *chain.from_iterable(map(ast.walk, function.body))]


def _changes(node: ast.AST, function: Function) -> Iterator[tuple[str, str, Change]]:
    """Kind, words, and what to do, for one node."""
    match node:
        case ast.Compare():
            for at, operator in enumerate(node.ops):
                other = COMPARISONS[type(operator)]
                words = f"{_short(node)}: {type(operator).__name__} -> {other.__name__}"
                yield "comparison", words, lambda at=at, other=other: node.ops.__setitem__(at, other())  # type: ignore[misc]
        case ast.BoolOp():
            other_op: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield "boolean", f"{_short(node)}: the other of and/or", lambda: setattr(node, "op", other_op)
        case ast.If() | ast.IfExp():
            negated = ast.UnaryOp(ast.Not(), node.test)
            yield "condition", f"if not ({_short(node.test)})", lambda: setattr(node, "test", negated)
        case ast.comprehension(ifs=[first, *_]):
            yield "condition", f"without: if {_short(first)}", lambda: node.ifs.pop(0)
        case ast.Return(value=ast.expr() as value) if _is_bool(function):
            yield (
                "answer",
                f"return not ({_short(value)})",
                lambda: setattr(node, "value", ast.UnaryOp(ast.Not(), value)),
            )
        case ast.Return(value=ast.Constant(value=str() as text)):
            yield (
                "answer",
                f"another answer than {text!r}",
                lambda: setattr(node, "value", ast.Constant("" if text else "x")),
            )
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            turned: ast.operator = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            yield "arithmetic", f"{_short(node)}: the other of + and -", lambda: setattr(node, "op", turned)
        case ast.keyword(value=ast.Constant(value=bool() as flag)):
            yield "flag", f"{node.arg}={not flag}", lambda: setattr(node, "value", ast.Constant(not flag))
        case ast.Call(func=ast.Name(id="min" | "max" as which)):
            swapped = "max" if which == "min" else "min"
            yield (
                "arithmetic",
                f"{swapped} for {_short(node)}",
                lambda: setattr(node, "func", ast.Name(swapped, ast.Load())),
            )
    yield from _left_out(node)


def _left_out(node: ast.AST) -> Iterator[tuple[str, str, Change]]:
    """Statements of this node's bodies that may go: raises, and calls for their effect."""
    for part in ("body", "orelse", "finalbody"):
        statements = getattr(node, part, None)
        if not isinstance(statements, list):
            continue
        for at, statement in enumerate(statements):
            if isinstance(statement, ast.Raise) or _acts(statement):
                words = f"without: {_short(statement)}"
                kind = "raise" if isinstance(statement, ast.Raise) else "deed"
                yield kind, words, lambda at=at, held=statements: held.__setitem__(at, ast.Pass())  # type: ignore[misc]


def _acts(statement: ast.AST) -> bool:
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value.value if isinstance(statement.value, ast.Await) else statement.value
    if not isinstance(value, ast.Call):
        return False
    return not _only_says(statement) and ast.unparse(value.func) != "asyncio.sleep"


def _is_silent(node: ast.AST) -> bool:
    """It decides nothing: what is said, or whether."""
    says = isinstance(node, ast.If) and not node.orelse and all(map(_only_says, node.body))
    return says or _only_says(node)


def _only_says(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and isinstance(called := statement.value.func, ast.Attribute)
        and called.attr in _LOGGING
        and isinstance(called.value, ast.Name)
        and called.value.id == "log"
    )


def _is_bool(function: Function) -> bool:
    return function.returns is not None and ast.unparse(function.returns) == "bool"


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else text[:67] + "..."
