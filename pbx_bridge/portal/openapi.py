"""The OpenAPI document (3.1), made of the table the routes are mounted from and of the types bodies are checked by.

It says nothing of a site or of anybody: whoever may connect may read it. Pure.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pbx_bridge.portal.operations import PARAMETERS, Content, Needs, Operation
from pbx_bridge.portal.schema import Schemas, of_marker
from pbx_bridge.wire_problem import PROBLEM_TYPE, Problem

OPENAPI: Final = "3.1.0"
_ABOUT: Final = (
    "What persons and programs may ask of a pbx-bridge. A person proves the key they joined with (`begin`, `prove`) and "
    "visits with the token that gives, for 15 minutes; who sees and opens what is decided where the keys are, and "
    "recorded there before it is answered. Refusals are problems (RFC 9457). Whoever has no right to a recording gets "
    "exactly what a guessed id gets."
)
_BEARER: Final = {"type": "http", "scheme": "bearer", "bearerFormat": "64 hexadecimal digits"}
_SCHEMES: Final = {
    Needs.VISIT: _BEARER | {"description": "A person's visit: the token of `prove`."},
    Needs.TOKEN: _BEARER | {"description": "A program's token, with its scopes; it stands for no person."},
}


def write(operations: tuple[Operation, ...]) -> bytes:
    """The document as it is served."""
    return json.dumps(document(operations), ensure_ascii=False, indent=1).encode()


def document(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The whole document, ready to be written as JSON."""
    schemas = Schemas()
    problem = schemas.refer(Problem)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    needed = {operation.needs for operation in operations}
    return {
        "openapi": OPENAPI,
        "info": {"title": "pbx-bridge", "version": "1", "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": schemas.found,
            "responses": {
                "refused": {
                    "description": "It was refused, or cannot be done now: what, where and what to do.",
                    "content": {PROBLEM_TYPE: {"schema": problem}},
                }
            },
            "securitySchemes": {needs.value: scheme for needs, scheme in _SCHEMES.items() if needs in needed},
        },
    }


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    said: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.says,
        "security": _security(operation),
        "responses": {
            "200": {"description": "It was done.", "content": _content(operation.answer, schemas)},
            "4XX": {"$ref": "#/components/responses/refused"},
            "5XX": {"$ref": "#/components/responses/refused"},
        },
    }
    if parameters := [_parameter(name) for name in re.findall(r"{([a-z_]+)}", operation.path)]:
        said["parameters"] = parameters
    if operation.name == "payload":
        said["parameters"].append(_range())
        said["responses"]["206"] = said["responses"]["200"] | {"description": "The range that was asked for."}
    if operation.asked is not None:
        schema = schemas.refer(operation.asked)
        said["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return said


def _security(operation: Operation) -> list[dict[str, list[str]]]:
    """Any one of these lets somebody in."""
    if operation.needs is Needs.NOTHING:
        return []
    names: list[list[str]] = [[scope.value] for scope in operation.scopes] or [[]]
    return [{operation.needs.value: named} for named in names]


def _content(answer: type[Any] | Content, schemas: Schemas) -> dict[str, Any]:
    if answer is Content.SEALED:
        return {answer.value: {"schema": {"type": "string", "format": "binary"}}}
    if isinstance(answer, Content):
        return {answer.value: {"schema": {"type": "object"}}}
    return {"application/json": {"schema": schemas.refer(answer)}}


def _parameter(name: str) -> dict[str, Any]:
    marker, text = PARAMETERS[name]
    return {"name": name, "in": "path", "required": True, "description": text, "schema": of_marker(marker)}


def _range() -> dict[str, Any]:
    return {
        "name": "Range",
        "in": "header",
        "required": False,
        "description": "One range: `bytes=FIRST-` or `bytes=FIRST-LAST`.",
        "schema": {"type": "string", "pattern": "^bytes=[0-9]{1,13}-[0-9]{0,13}$"},
    }
