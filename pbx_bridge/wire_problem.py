"""How the API says no: a problem (RFC 9457, `application/problem+json`). Shared by the portal and a person's machine.

`word` is for programs, `detail` for people: what is wrong and what to do; `where` is the part of the request it lies in. No
problem repeats what was sent, and none tells a person without a right more than a guess would.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pbx_bridge.wire_json import Text, Whole, canonical, read_fields, write_fields
from pbx_bridge.wire_portal import UNIX, WORD, Refused

PROBLEM_TYPE: Final = "application/problem+json"
_KIND: Final = "urn:pbx-bridge:problem:"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was refused (RFC 9457)."""

    type: Annotated[str, Text(80, 24, "urn:pbx-bridge:problem:[a-z][a-z-]*")]
    """Ends with `word`."""
    title: Annotated[str, Text(40)]
    status: Annotated[int, Whole(400, 599)]
    detail: Annotated[str, Text(1_000)]
    """What is wrong, and what to do."""
    where: Annotated[str, Text(80, 0)]
    """`body`, `query`, `path`, `method` or a header's name; "" when the request itself is well."""
    word: Annotated[str, WORD]
    """One of a closed list, for programs."""
    until: Annotated[int, UNIX]
    """Until when it is so, where it ends by itself; else 0."""


def write_problem(refused: Refused, status: int, where: str = "") -> bytes:
    title = refused.word.replace("-", " ")
    return canonical(
        write_fields(
            Problem(f"{_KIND}{refused.word}", title, status, refused.text, where, refused.word, refused.until)
        )
    )


def read_problem(value: dict[str, object]) -> Refused:
    """Raises: Malformed."""
    problem = read_fields(Problem, value)
    return Refused(problem.word, problem.detail, problem.until)
