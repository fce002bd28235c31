"""Runs chosen tests in forks of a pytest that has collected all of them: only the function's code is another in the fork.

It is the quick way to ask, and it may not be asked about every function: what called a function before a test began (a
constant, a parameter of a test) has the sound answer. `callers.py` knows those.

    python -m tests.mutate.collected FD_IN FD_OUT FILE ...

A question per line, `{"path", "name", "source", "tests", "within_s"}`, `source` null for the sound function; the answer as
of `server.py`, null when it cannot be asked here. A test of `tests` may be a whole file. A first null says that all are
collected.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from tests.mutate.asking import Told, waited


class Collected:
    """The plugin: after collecting it waits for questions, and a fork goes on with the tests of one."""

    def __init__(self, told: Told, questions: int, answers: int) -> None:
        self._told = told
        self._questions, self._answers = questions, answers

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        session.items[:] = self._asked(list(session.items))
        return (yield)

    def _asked(self, every: list[pytest.Item]) -> list[pytest.Item]:
        """In a fork, the tests it shall run; none in the process that forks, once nobody asks any more."""
        os.write(self._answers, b"null\n")
        with os.fdopen(self._questions) as questions:
            for line in questions:
                question: dict[str, Any] = json.loads(line)
                code = swapped(Path(question["path"]), question["name"], question["source"])
                answer = None
                if code is not None:
                    reading, writing = os.pipe()
                    child = os.fork()
                    if child == 0:
                        self._told.begin(writing)
                        for function, broken in code:
                            function.__code__ = broken
                        return _chosen(every, question["tests"])
                    os.close(writing)
                    answer = waited(child, reading, question["within_s"])
                os.write(self._answers, json.dumps(answer).encode() + b"\n")
        return []


def _chosen(every: list[pytest.Item], tests: list[str]) -> list[pytest.Item]:
    by_name: dict[str, list[pytest.Item]] = {}
    for item in every:
        by_name.setdefault(item.nodeid, []).append(item)
        by_name.setdefault(item.nodeid.partition("::")[0], []).append(item)
    return list({id(item): item for name in tests for item in by_name.get(name, [])}.values())


def swapped(path: Path, name: str, source: str | None) -> list[tuple[FunctionType, CodeType]] | None:
    """Each function there is that runs this code, and its code in `source`; None when it cannot be given it.

    A function within another has its code from the outermost one.
    """
    if source is None:
        return []
    outermost = name.partition(".<locals>.")[0]
    broken = _code_of(compile(source, str(path), "exec", dont_inherit=True), outermost)
    found = [
        one
        for one in gc.get_objects()
        if type(one) is FunctionType
        and one.__code__.co_qualname == outermost
        and one.__code__.co_filename == str(path)
    ]
    if broken is None or not found or any(one.__code__.co_freevars != broken.co_freevars for one in found):
        return None
    return [(one, broken) for one in found]


def _code_of(code: CodeType, name: str) -> CodeType | None:
    for within in code.co_consts:
        if isinstance(within, CodeType):
            if within.co_qualname == name:
                return within
            if (found := _code_of(within, name)) is not None:
                return found
    return None


def main(questions: int, answers: int, files: list[str]) -> None:
    told = Told()
    code = pytest.main(
        ["-x", "-q", "-p", "no:cacheprovider", *files], plugins=[told, Collected(told, questions, answers)]
    )
    if told.is_fork:
        told.end(code)
        os._exit(0)
    sys.exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
