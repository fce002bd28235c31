"""What is said to the keeper over its socket: one JSON object per line, one answer per line, both strictly typed.

A request is `{"do": WORD, ...fields}`, an answer `{"ok": {...fields}}` or `{"no": WORD, "text": SENTENCE}`. It knows
forms and limits, and which user of the machine may say which word; what they do stands in keeper.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from pbx_bridge import wire_notes
from pbx_bridge.archive import (
    audit_wire,
    office_wire,
    opening_wire,
    recording_wire,
    retention_wire,
    rights_wire,
)
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import (
    Malformed,
    Many,
    Whole,
    canonical,
    read_fields,
    read_object,
    write_fields,
)
from pbx_bridge.wire_portal import (
    DIGEST,
    RECIPIENT,
    RECORDING,
    Prove,
    Refused,
    read_refusal,
    write_refusal,
)

MAX_REQUEST_BYTES: Final = 64 * 1024
"""The longest, `finish`, has under 20 KiB."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Status:
    pass


@dataclass(frozen=True, slots=True)
class KeeperStatus:
    recipient: Annotated[str, RECIPIENT]
    recordings: Annotated[int, Whole(0)]
    unfinished: Annotated[tuple[Annotated[RecordingId, RECORDING], ...], Many(10_000)]
    """Put and neither finished nor destroyed: live calls, or what a crash left."""
    audit_records: Annotated[int, Whole(0)]
    audit_head: Annotated[str, DIGEST]
    identity_days: Annotated[int, Whole(0)]
    """P20: since when the keeper uses its identity."""


@dataclass(frozen=True, slots=True)
class Done:
    pass


RECORDER: Final[dict[str, type[Any]]] = {
    **recording_wire.RECORDER,
    **retention_wire.RECORDER,
    **opening_wire.RECORDER,
    **office_wire.RECORDER,
    **audit_wire.RECORDER,
    **rights_wire.RECORDER,
    "prove": Prove,
    "read-notes": wire_notes.ReadNotes,
    "write-note": wire_notes.WriteNote,
    "erase-note": wire_notes.EraseNote,
    "status": Status,
}
"""What the bridge's own process may say."""
ADMINISTRATOR: Final[dict[str, type[Any]]] = {
    **retention_wire.ADMINISTRATOR,
    **opening_wire.ADMINISTRATOR,
    **office_wire.ADMINISTRATOR,
    **audit_wire.ADMINISTRATOR,
    **rights_wire.ADMINISTRATOR,
    "status": Status,
}
"""What the administrator's commands may say."""
_WORDS: Final = {kind: word for word, kind in (RECORDER | ADMINISTRATOR).items()}


def write_request(request: Any) -> bytes:
    return canonical({"do": _WORDS[type(request)], **write_fields(request)}) + b"\n"


def read_request(line: bytes, allowed: dict[str, type[Any]]) -> Any:
    """Raises: Malformed; Refused when the peer may not say this."""
    value = read_object(line)
    word = value.pop("do", None)
    if not isinstance(word, str) or word not in RECORDER | ADMINISTRATOR:
        raise Malformed("do: not one of the words allowed")
    if word not in allowed:
        raise Refused("not-yours", f"{word}: this user of the machine may not ask the keeper for that")
    return read_fields(allowed[word], value)


def write_answer(answer: Any) -> bytes:
    if isinstance(answer, Refused):
        return write_refusal(answer) + b"\n"
    return canonical({"ok": write_fields(answer)}) + b"\n"


def read_answer(line: bytes, kind: type[T]) -> T:
    """Raises: Refused; Malformed."""
    value = read_object(line)
    if "ok" in value:
        return read_fields(kind, value["ok"])
    raise read_refusal(value)
