"""Notes a trainer writes at moments of a recording: their forms and limits, for the keeper, the portal and the browser.

A note is content about the trainee. It travels sealed: from the browser to the recording's own key, and back from the
keeper to the reader's. So the portal between them carries what it cannot read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Many, Text, Whole
from pbx_bridge.wire_portal import API, HEX_BLOB, MAX_SESSION_CHARS, NAME, RECIPIENT, RECORDING, TOKEN, UNIX

NOTES_PATH: Final = API + "/recordings/{recording}/notes"
ERASE_NOTE_PATH: Final = API + "/recordings/{recording}/notes/{note}/erase"

MAX_NOTES: Final = 50
"""Of one recording: one a minute of the longest that is usual. More is no longer a hint for a talk about it."""
MAX_NOTE_CHARS: Final = 500
"""A few sentences; a page about a person is an appraisal (P21)."""
NOTE: Final = Text(8, 8, "[a-z2-7]{8}")
MAX_GIVEN_BYTES: Final = 200_000
"""Fifty notes of five hundred characters, four bytes each, with their names and times, sealed."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a browser seals. There is no field for a score or a grade (P6)."""

    at_ms: Annotated[int, Whole(0, 1 << 32)]
    """Moment of the recording."""
    text: Annotated[str, Text(MAX_NOTE_CHARS, lines=True)]


@dataclass(frozen=True, slots=True)
class NoteAsked:
    """What a page's script sends to keep a note."""

    session: Annotated[str, Text(MAX_SESSION_CHARS, 0)]
    """P21: the training session it serves."""
    sealed: Annotated[str, HEX_BLOB]
    """An age file to the recording's own key with a `Note` as JSON, hex."""


@dataclass(frozen=True, slots=True)
class NoteShown:
    """A note as its reader gets it."""

    id: Annotated[str, NOTE]
    author: Annotated[str, NAME]
    written_at: Annotated[int, UNIX]
    at_ms: Annotated[int, Whole(0, 1 << 32)]
    text: Annotated[str, Text(MAX_NOTE_CHARS, lines=True)]


@dataclass(frozen=True, slots=True)
class NotesShown:
    notes: Annotated[tuple[NoteShown, ...], Many(MAX_NOTES)]


@dataclass(frozen=True, slots=True)
class Notes:
    """What the keeper gives of a recording's notes."""

    recipient: Annotated[str, RECIPIENT]
    """The recording's own: new notes are sealed to it."""
    sealed: Annotated[str, Text(2 * MAX_GIVEN_BYTES, 2, "([0-9a-f]{2})+")]
    """An age file to the reader's key with `NotesShown` as JSON, hex."""
    may_write: bool


@dataclass(frozen=True, slots=True)
class ReadNotes:
    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]


@dataclass(frozen=True, slots=True)
class WriteNote:
    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]
    session: Annotated[str, Text(MAX_SESSION_CHARS, 0)]
    sealed: Annotated[str, HEX_BLOB]


@dataclass(frozen=True, slots=True)
class EraseNote:
    token: Annotated[bytes, TOKEN]
    recording: Annotated[RecordingId, RECORDING]
    note: Annotated[str, NOTE]
