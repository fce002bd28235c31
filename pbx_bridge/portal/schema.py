"""JSON Schemas (2020-12) of what wire_json.py reads and writes, made from the very markers it checks by.

So a schema says what is checked, and nothing is written down twice. Two things no schema can say: that a name stands once
in an object, and that 1.0 is no whole number here. Pure; it knows types.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from collections.abc import Callable
from enum import Enum
from itertools import pairwise
from typing import Any, Final

from pbx_bridge.wire_json import Hex, Many, Text, Whole

PRINTABLE: Final = "printable"
"""`format` of text without control characters (Python's `str.isprintable`)."""
PRINTABLE_LINES: Final = "printable-lines"
"""The same, but for line ends and tabulators."""

Name = Callable[[type[Any]], str]
"""How a class is referred to."""


def component(kind: type[Any]) -> str:
    """Where an OpenAPI document keeps the schema of this class."""
    return f"#/components/schemas/{kind.__name__}"


class Schemas:
    """The schemas of the classes that were asked for, and of all they hold."""

    def __init__(self) -> None:
        self._kinds: dict[str, type[Any]] = {}
        self.found: dict[str, dict[str, Any]] = {}

    def refer(self, kind: type[Any]) -> dict[str, Any]:
        """A reference to the schema of `kind`, a dataclass of wire fields. Raises: TypeError when two share a name."""
        name = kind.__name__
        if self._kinds.setdefault(name, kind) is not kind:
            raise TypeError(f"two classes are called {name}: one document cannot hold both")
        if name not in self.found:
            self.found[name] = {}  # so that a class which holds itself ends
            self.found[name] = self._object(kind)
        return {"$ref": component(kind)}

    def _object(self, kind: type[Any]) -> dict[str, Any]:
        hints = typing.get_type_hints(kind, include_extras=True)
        names, said = [field.name for field in dataclasses.fields(kind)], _said(kind)
        fields = {name: self._field(hints[name]) for name in names}
        return {
            "type": "object",
            "description": _about(kind),
            "properties": {
                name: field | ({"description": said[name]} if name in said else {})
                for name, field in fields.items()
            },
            "required": names,
            "additionalProperties": False,
        }

    def _field(self, hint: Any, marker: object = None) -> dict[str, Any]:
        """As wire_json.py finds the field's reader."""
        if typing.get_origin(hint) is typing.Annotated:
            inner, marker = typing.get_args(hint)
            return self._field(inner, marker)
        if isinstance(marker, Whole | Text | Hex):
            return of_marker(marker)
        if isinstance(marker, Many):
            return {"type": "array", "items": self._field(typing.get_args(hint)[0]), "maxItems": marker.most}
        if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
            (present,) = (one for one in typing.get_args(hint) if one is not type(None))
            return {"anyOf": [self._field(present), {"type": "null"}]}
        if hint is bool:
            return {"type": "boolean"}
        if isinstance(hint, type) and issubclass(hint, Enum):
            return {"type": "string", "enum": [member.value for member in hint]}
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            return self.refer(hint)
        raise TypeError(f"no schema for {hint!r}")


def of_marker(marker: Whole | Text | Hex) -> dict[str, Any]:
    """The schema of one value."""
    if isinstance(marker, Whole):
        return {"type": "integer", "minimum": marker.low, "maximum": marker.high}
    if isinstance(marker, Hex):
        return {"type": "string", "pattern": f"^[0-9a-f]{{{2 * marker.size}}}$"}
    found: dict[str, Any] = {"type": "string", "minLength": marker.least, "maxLength": marker.most}
    if marker.pattern:
        return found | {"pattern": f"^(?:{marker.pattern})$"}
    return found | {"format": PRINTABLE_LINES if marker.lines else PRINTABLE}


def _said(kind: type[Any]) -> dict[str, str]:
    """What stands below each field in the class's source."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    except OSError:  # made at run time: it has none
        return {}
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in pairwise(body.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found


def _about(kind: type[Any]) -> str:
    """The class's own words; a dataclass without any has its signature there, which says nothing."""
    text = inspect.getdoc(kind) or ""
    return "" if text.startswith(f"{kind.__name__}(") else text
