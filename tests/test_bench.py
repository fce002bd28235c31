"""`./run bench` calls each table the same way."""

from __future__ import annotations

import importlib
import inspect

import pytest

from tests.bench.__main__ import TABLES, main


@pytest.mark.parametrize("name", TABLES)
def test_each_table_takes_its_words(name: str) -> None:
    inspect.signature(importlib.import_module(f"tests.bench.{name}").main).bind([])


def test_a_table_that_is_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed"]) == 2
    assert "'speed' is none of esl" in capsys.readouterr().err
