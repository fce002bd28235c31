"""Frozen dataclasses to JSON objects and back, strictly. Shared with the workstation client.

It knows types and limits: a field's `Annotated` marker says what may stand there. It never knows what a message
means, and never guesses: a missing, additional, doubled or out-of-range field is an error that names the field,
not its content. What is written is checked by the same rules as what is read, so a fault shows on the side that
made it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


class Malformed(ValueError):
    """The text is not the JSON it should be. The sentence names the field, never its content."""


@dataclasses.dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a closed range; the default range is signed 64 bits."""

    low: int = -(2**63)
    high: int = 2**63 - 1

    def read(self, value: object) -> object:
        if type(value) is not int or not self.low <= value <= self.high:
            raise Malformed(f"a whole number from {self.low} to {self.high} is needed")
        return value

    def write(self, value: Any) -> object:
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """Text of `least` to `most` characters without control characters (line breaks where `lines`)."""

    most: int
    least: int = 1
    pattern: str = ""
    lines: bool = False

    def read(self, value: object) -> object:
        if not isinstance(value, str) or not self.least <= len(value) <= self.most:
            raise Malformed(f"text of {self.least} to {self.most} characters is needed")
        # the whole text first: of a hundred thousand entries that is half a keeper's start
        if not value.isprintable() and any(
            not c.isprintable() and not (self.lines and c in "\n\t") for c in value
        ):
            raise Malformed("text without control characters is needed")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise Malformed(f"text of the form {self.pattern} is needed")
        return value

    def write(self, value: Any) -> object:
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Hex:
    """Exactly `size` bytes, written as lower-case hexadecimal digits."""

    size: int

    def read(self, value: object) -> object:
        if not isinstance(value, str) or not re.fullmatch(f"[0-9a-f]{{{2 * self.size}}}", value):
            raise Malformed(f"{2 * self.size} lower-case hexadecimal digits are needed")
        return bytes.fromhex(value)

    def write(self, value: Any) -> object:
        return bytes(value).hex()


@dataclasses.dataclass(frozen=True, slots=True)
class Many:
    """At most `most` items; marks a tuple."""

    most: int


def _read_object(kind: type[T], value: object) -> T:
    if not isinstance(value, dict):
        raise Malformed("an object is needed")
    fields = _fields(kind)
    if value.keys() != fields.keys():
        wrong = sorted(map(_said, value.keys() ^ fields.keys()))
        raise Malformed("missing or unknown: " + ", ".join(wrong[:5]))
    found: dict[str, object] = {}
    for name, (read, _) in fields.items():
        try:
            found[name] = read(value[name])
        except Malformed as error:
            raise Malformed(f"{name}: {error}") from None
    return kind(**found)


def _said(name: str) -> str:
    """A field's name as a message may repeat it: what somebody put in its place may be content, or no text at all."""
    return name if re.fullmatch("[a-z_]{1,40}", name) else "(another name)"


def _write_object(kind: type[Any], value: Any) -> dict[str, object]:
    return {name: write(getattr(value, name)) for name, (_, write) in _fields(kind).items()}


def _read_many(item: Callable[[object], object], most: int, value: object) -> object:
    if not isinstance(value, list) or len(value) > most:
        raise Malformed(f"a list of at most {most} is needed")
    return tuple(item(v) for v in value)


def _read_bool(value: object) -> object:
    if not isinstance(value, bool):
        raise Malformed("true or false is needed")
    return value


def _read_enum(kind: type[Enum], value: object) -> object:
    try:
        return kind(value) if isinstance(value, str) else kind(None)
    except ValueError:
        raise Malformed("not one of the words allowed") from None


_Pair = tuple[Callable[[object], object], Callable[[Any], object]]


def _pair(hint: Any, marker: object = None) -> _Pair:
    """How one field is read and written."""
    if typing.get_origin(hint) is typing.Annotated:
        inner, marker = typing.get_args(hint)
        return _pair(inner, marker)
    if isinstance(marker, Whole | Text | Hex):
        return marker.read, marker.write
    if isinstance(marker, Many):
        read, write = _pair(typing.get_args(hint)[0])
        return functools.partial(_read_many, read, marker.most), lambda v: [write(i) for i in v]
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        (present,) = (a for a in typing.get_args(hint) if a is not type(None))
        read, write = _pair(present)
        return lambda v: None if v is None else read(v), lambda v: None if v is None else write(v)
    if hint is bool:
        return _read_bool, lambda v: v
    if isinstance(hint, type) and issubclass(hint, Enum):
        return functools.partial(_read_enum, hint), lambda v: v.value
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return functools.partial(_read_object, hint), functools.partial(_write_object, hint)
    raise TypeError(f"no rule for {hint!r}")


_known: dict[type[Any], dict[str, _Pair]] = {}


def _fields(kind: type[Any]) -> dict[str, _Pair]:
    """Every field's reader and writer, worked out once for each class."""
    if kind not in _known:
        _known[kind] = _work_out(kind)
    return _known[kind]


def _work_out(kind: type[Any]) -> dict[str, _Pair]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return {f.name: _pair(hints[f.name]) for f in dataclasses.fields(kind)}


def _no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a name stands twice in one object")
    return found


def _no_constant(_: str) -> object:
    raise Malformed("NaN and Infinity are not numbers here")


def read_object(text: str | bytes) -> dict[str, object]:
    """The JSON object in `text`, UTF-8 if it is bytes (RFC 8259, 8.1). The caller checks the length first.

    Raises: Malformed.
    """
    try:
        # json.loads would take UTF-16 and UTF-32 too, and lone surrogates in UTF-8
        text = text.decode() if isinstance(text, bytes) else text
        value = json.loads(text, object_pairs_hook=_no_doubles, parse_constant=_no_constant)
    except Malformed:
        raise
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(value, dict):
        raise Malformed("an object is needed")
    return value


def read_fields(kind: type[T], value: object) -> T:
    """A `kind` from a parsed JSON object. Raises: Malformed."""
    return _read_object(kind, value)


def write_fields(value: object) -> dict[str, object]:
    """The JSON object for `value`, a dataclass. Raises: Malformed when a field breaks its own rule."""
    found = _write_object(type(value), value)
    _read_object(type(value), found)
    return found


def canonical(value: object) -> bytes:
    """One byte string per value, for hashes and signatures: sorted names, no blanks, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
