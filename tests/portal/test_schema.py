"""The schemas say what is checked: what they allow is read, what they forbid is not, for every body there is."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge import wire_portal as words
from pbx_bridge.portal.operations import OPERATIONS
from pbx_bridge.portal.schema import PRINTABLE, PRINTABLE_LINES, Schemas
from pbx_bridge.wire_json import Hex, Malformed, Many, Text, Whole, read_fields, write_fields
from pbx_bridge.wire_problem import Problem

KINDS = sorted(
    {kind for one in OPERATIONS for kind in (one.asked, one.answer) if isinstance(kind, type)} | {Problem},
    key=lambda kind: kind.__name__,
)
FORMATS: dict[str, Callable[[str], bool]] = {
    PRINTABLE: str.isprintable,
    PRINTABLE_LINES: lambda text: all(c.isprintable() or c in "\n\t" for c in text),
}


def validator(kind: type[Any]) -> jsonschema_rs.Validator:
    schemas = Schemas()
    whole = {**schemas.refer(kind), "components": {"schemas": schemas.found}}
    return jsonschema_rs.Draft202012Validator(whole, formats=FORMATS, validate_formats=True)


def is_read(kind: type[Any], value: object) -> bool:
    try:
        return write_fields(read_fields(kind, value)) == value
    except Malformed:
        return False


TEXTS = st.one_of(
    st.text(max_size=12),
    st.text(st.sampled_from("0123456789abcdef"), max_size=70),
    st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567-_ \n\t\0\u2028"), max_size=30),
    st.sampled_from(
        ["", "\n", "a\n", "00" * 16, "00" * 32, "00" * 32 + "\n", "alice", "begin", "approve", "0"]
    ),
)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-2, 2**64), TEXTS, st.lists(TEXTS, max_size=3))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_schema_and_its_reader_agree(kind: type[Any], data: st.DataObject) -> None:
    """A good value, with one place of it changed to anything."""
    value = good(kind)
    assert is_read(kind, value)
    checks = validator(kind)
    assert checks.is_valid(value)
    if not value:
        return
    name = data.draw(st.sampled_from([*value, "another"]))
    if data.draw(st.booleans()):
        value.pop(name, None)
    else:
        value[name] = data.draw(VALUES)
    assert checks.is_valid(value) == is_read(kind, value), json.dumps(value)[:300]


def good(kind: type[Any]) -> dict[str, Any]:
    """Some value that is allowed."""

    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: _good(hints[field.name]) for field in dataclasses.fields(kind)}


SAMPLES = (
    "a" * 26,
    "alice",
    "0" * 64,
    "age1" + "0" * 58,
    "00",
    "word",
    "a" * 8,
    "urn:pbx-bridge:problem:word",
    "",
    "2026-10",
    "2026-11-30",
)


def _good(hint: Any) -> Any:

    args = typing.get_args(hint)
    if typing.get_origin(hint) is Annotated:
        inner, marker = args
        match marker:
            case Whole():
                return max(marker.low, 0)
            case Hex():
                return "0" * 2 * marker.size
            case Text():
                fit = [text for text in SAMPLES if _fits(marker, text)]
                return fit[0]
            case Many():
                return [_good(typing.get_args(inner)[0])]
    if type(None) in args:
        return _good(next(one for one in args if one is not type(None)))
    if hint is bool:
        return True
    if issubclass(hint, Enum):
        return next(iter(hint)).value
    return good(hint)


def _fits(marker: Text, text: str) -> bool:
    try:
        marker.read(text)
    except Malformed:
        return False
    return True


def test_what_stands_below_a_field_is_its_description() -> None:
    schemas = Schemas()
    schemas.refer(words.Proven)
    schemas.refer(words.BeginAsked)
    proven, begin = (schemas.found[name]["properties"] for name in ("Proven", "BeginAsked"))
    assert (
        proven["recorders"]["description"]
        == "Public keys of this bridge's recorders, to check manifests with."
    )
    assert "description" not in proven["name"]
    assert begin["act"]["description"] == "What the proof is to bring about."
    assert schemas.found["Proven"]["description"].startswith("`token` speaks for the person")


def test_two_classes_of_one_name_do_not_share_a_schema() -> None:
    first, second = (dataclasses.make_dataclass("Same", [("a", bool)]) for _ in range(2))
    schemas = Schemas()
    schemas.refer(first)
    schemas.refer(first)
    with pytest.raises(TypeError, match="Same"):
        schemas.refer(second)


def test_what_is_no_wire_field_has_no_schema() -> None:
    with pytest.raises(TypeError, match="no schema"):
        Schemas().refer(dataclasses.make_dataclass("Wrong", [("a", float)]))
