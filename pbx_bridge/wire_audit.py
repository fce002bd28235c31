"""The audit log as its auditor reads it on a page: a few records at a time, by time and kind, and by nothing else (P19).

Values with their limits, shared by keeper and portal. There is no field to ask for a person by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pbx_bridge.wire_json import Many, Text, Whole
from pbx_bridge.wire_portal import API

LOOK_PATH: Final = API + "/audit-look"

MAX_SHOWN: Final = 100
"""Of one answer."""
MONTH: Final = Text(7, 7, r"[0-9]{4}-(0[1-9]|1[0-2])")
ACT: Final = Text(32, 0, "([a-z][a-z-]*)?")


@dataclass(frozen=True, slots=True)
class Looked:
    """Which records are looked at."""

    since: Annotated[int, Whole(0, 1 << 40)]
    """Unix seconds; what was written from then on."""
    until: Annotated[int, Whole(0, 1 << 40)]
    """And before then."""
    act: Annotated[str, ACT]
    """Of this kind; "" of all."""
    before: Annotated[int, Whole(0)]
    """Older than the record of this number; 0: the newest."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record, without what only a verifier needs."""

    number: Annotated[int, Whole(1)]
    at: Annotated[int, Whole(0, 1 << 40)]
    who: Annotated[str, Text(64)]
    act: Annotated[str, Text(32)]
    outcome: Annotated[str, Text(32)]
    reason: Annotated[str, Text(80, 0)]
    recording: Annotated[str, Text(26, 0)]
    session: Annotated[str, Text(200, 0)]
    person: Annotated[str, Text(64, 0)]
    subject: Annotated[str, Text(500, 0)]


@dataclass(frozen=True, slots=True)
class AuditLook:
    """What is seen, and what there is to choose from."""

    records: Annotated[tuple[Record, ...], Many(MAX_SHOWN)]
    """Newest first."""
    more: bool
    """There may be older ones: ask again, before the number `next`."""
    next: Annotated[int, Whole(0)]
    months: Annotated[tuple[Annotated[str, MONTH], ...], Many(240)]
    """Of which there are records, oldest first."""
    acts: Annotated[tuple[Annotated[str, Text(32)], ...], Many(200)]
    """Kinds that were ever seen in it."""
    first: Annotated[int, Whole(0)]
    """The oldest record kept; 0 in an empty log."""
    checkpoint: Annotated[str, Text(512, lines=True)]
    """The newest, a signed note."""
