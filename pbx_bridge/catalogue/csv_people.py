"""A site's list of persons as a spreadsheet writes it: text in, trainees out, each mistake with its line (P13).

Persons only: a plan is one person's, with a reason and an approver, and is entered one by one. Pure; it opens no file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId, parse_name
from pbx_bridge.training.plans import Trainee

CSV_LIMIT = 1 << 20
"""Bytes read at most: five thousand persons are half of it."""
PERSONS_LIMIT = 5000
"""Persons of the largest site; more is another file than was meant."""
FIELD_LIMIT = 1024
"""Characters of one field, more than any may have."""
COLUMNS = ("id", "endpoints", "member", "login")
OF_PLANS = frozenset(
    [
        "plan",
        "rate",
        "need",
        "reason",
        "trainer",
        "approver",
        "first_day",
        "last_day",
        "application",
        "applications",
    ]
)


def read_people(content: bytes, where: str) -> tuple[Trainee, ...]:
    """The persons in a CSV with a heading `id,endpoints,member,login` (comma or semicolon; endpoints apart by spaces).

    `member` may be left out. Raises: OperatorError with the line.
    """
    if len(content) > CSV_LIMIT:
        raise OperatorError(f"it is larger than {CSV_LIMIT} bytes", where=where, do="Is this the right file?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OperatorError(
            "it is not UTF-8", where=f"{where}: byte {error.start}", do="Save it as CSV UTF-8"
        ) from error
    if "\0" in text:
        raise OperatorError("it is not a text", where=where, do="Save it as CSV UTF-8")
    head = text.partition("\n")[0]
    lines = (f"{line}\n" for line in text.removesuffix("\n").split("\n"))
    rows = csv.reader(lines, delimiter=";" if ";" in head else ",", strict=True)
    people: dict[str, Trainee] = {}
    for line, row in _lines(rows, where):
        if line == 1:
            columns = _columns(row, where)
            continue
        if not any(row):
            continue
        person = _person(dict(zip(columns, row, strict=False)), len(columns), row, f"{where}: line {line}")
        if person.id in people:
            raise OperatorError(
                f"{person.id!r} stands there twice", where=f"{where}: line {line}", do="Take one out"
            )
        people[person.id] = person
        if len(people) > PERSONS_LIMIT:
            raise OperatorError(
                f"more than {PERSONS_LIMIT} persons", where=where, do="Is this the right file?"
            )
    if not people:
        raise OperatorError(
            "there is no person in it", where=where, do=f"Its first line is: {','.join(COLUMNS)}"
        )
    return tuple(people.values())


def _lines(rows: Iterator[list[str]], where: str) -> Iterator[tuple[int, list[str]]]:
    line = 0
    try:
        for line, row in enumerate(rows, 1):
            if any(len(field) > FIELD_LIMIT for field in row):
                raise OperatorError(
                    f"a field has more than {FIELD_LIMIT} characters",
                    where=f"{where}: line {line}",
                    do="Is a quotation mark missing before it?",
                )
            yield line, [field.strip() for field in row]
    except csv.Error as error:
        raise OperatorError(
            f"it is not CSV: {error}", where=f"{where}: line {line + 1}", do="Correct that line"
        ) from error


def _columns(row: list[str], where: str) -> list[str]:
    names = [name.lower() for name in row]
    if not OF_PLANS.isdisjoint(names):
        raise OperatorError(
            "plans are not imported: each is one person's, with its reason and approver (P13)",
            where=f"{where}: line 1",
            do="Take those columns out; pbx-bridge plan add --help",
        )
    unknown = [name for name in names if name not in COLUMNS]
    missing = [name for name in COLUMNS if name not in names and name != "member"]
    if unknown or missing or len(set(names)) != len(names):
        raise OperatorError(
            f"its first line must name the columns {','.join(COLUMNS)}",
            where=f"{where}: line 1",
            do="Write that line (member may be left out)",
        )
    return names


def _person(fields: dict[str, str], wanted: int, row: list[str], where: str) -> Trainee:
    if len(row) != wanted:
        raise OperatorError(f"{len(row)} fields instead of {wanted}", where=where, do="Correct that line")
    try:
        name = TraineeId(parse_name(fields["id"]))
    except ValueError as error:
        raise OperatorError(str(error), where=f"{where}: id", do="Choose a short name") from error
    return Trainee(name, tuple(fields["endpoints"].split()), fields.get("member", ""), fields["login"])
