"""Loaded by schemathesis (SCHEMATHESIS_HOOKS): what the document's own formats mean, and two promises of every problem."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import schemathesis
from hypothesis import strategies as st

from pbx_bridge.wire_problem import PROBLEM_TYPE

FORM = ("body", "query", "path", "Range", "Content-Type", "Content-Encoding")
"""Where a request can be other than the document says."""
LONG = 12
"""Shorter texts stand in sentences by chance."""

schemathesis.openapi.format("printable", st.text(st.characters().filter(str.isprintable)))
schemathesis.openapi.format(
    "printable-lines", st.text(st.characters().filter(lambda c: c.isprintable() or c in "\n\t"))
)


@schemathesis.check
def what_the_document_allows_has_a_good_form(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """It may be refused for what it asks, not for how it is written. (Its own check of this knows statuses only.)"""
    if case.meta is None or not case.meta.generation.mode.is_positive or not problem(response):
        return
    if any(isinstance(leaf, float) for leaf in leaves(case.body)):
        return  # to a schema 1.0 is a whole number
    assert response.json()["where"] not in FORM, response.json()["detail"]


@schemathesis.check
def no_problem_repeats_what_was_sent(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    if problem(response):
        said = response.json()["detail"]
        sent = [leaf for leaf in leaves(case.body) if isinstance(leaf, str) and len(leaf) >= LONG]
        assert not [text for text in sent if text in said]


def problem(response: schemathesis.Response) -> bool:
    return response.headers.get("content-type", [""])[0] == PROBLEM_TYPE


def leaves(value: object) -> Iterator[object]:
    """Every value in a body, and every name that is not of a field's form."""
    match value:
        case dict():
            yield from (name for name in value if not re.fullmatch("[a-z_]{1,40}", name))
            for inside in value.values():
                yield from leaves(inside)
        case list():
            for inside in value:
                yield from leaves(inside)
        case _:
            yield value
