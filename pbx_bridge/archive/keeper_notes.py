"""The keeper's side for notes on a recording's time line: rule, then record, then the note (P18, P19, P23).

The keeper is the only one who opens a note on its way: it came sealed to the recording's own identity, and goes to its
reader sealed to the key they proved.
"""

from __future__ import annotations

import base64
import secrets

from pbx_bridge import wire_notes as wire
from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access
from pbx_bridge.age import AgeError, X25519Identity, X25519Recipient, open_bytes, seal_bytes
from pbx_bridge.archive.keeper_people import PeopleSide
from pbx_bridge.archive.keeper_room import Room
from pbx_bridge.archive.keeper_wire import Done
from pbx_bridge.archive.notebook import StoredNote
from pbx_bridge.archive.release import (
    Granted,
    is_note_of,
    may_open,
    may_write_note,
    states_session,
)
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Malformed, canonical, read_fields, read_object, write_fields


class NotesSide:
    def __init__(self, room: Room, people: PeopleSide) -> None:
        self._room, self._people, self._book = room, people, room.parts.store.notebook

    def read(self, request: wire.ReadNotes) -> wire.Notes:
        """P18, P19: the notes this visitor may read, sealed to their key; and whether they may write."""
        asker, recipient = self._people.visitor(request.token)
        held, now = self._room.holding(request.recording), self._room.parts.time.now()
        answer = may_open(asker, held, now, self._room.parts.keeping)
        self._room.answered(asker.name, "read-notes", request.recording, answer)
        identity = self._room.opened_key(self._room.parts.store.key(request.recording))
        seen = [one for one in self.shown(request.recording, identity) if is_note_of(asker, one.author)]
        text = canonical(write_fields(wire.NotesShown(tuple(seen))))
        sealed = seal_bytes(text, [X25519Recipient.parse(recipient)]).hex()
        may_write = isinstance(may_write_note(asker, held, now, self._room.parts.keeping), Granted)
        return wire.Notes(str(identity.recipient()), sealed, may_write)

    def write(self, request: wire.WriteNote) -> Done:
        """P18, P21: a trainer's note, kept as it came. Raises: words.Refused."""
        asker, _ = self._people.visitor(request.token)
        session = request.session.strip()
        if not states_session(asker, session, needed=self._room.parts.session_needed):
            self._room.record(Access(asker.name, "write-note", request.recording, "refused", "no-session"))
            raise words.Refused("no-session", "say which training session this note serves (P21)")
        held, now = self._room.holding(request.recording), self._room.parts.time.now()
        answer = may_write_note(asker, held, now, self._room.parts.keeping)
        if isinstance(answer, Granted):
            assert held is not None
            self._check(request, held.manifest.duration_ms)
        self._room.answered(asker.name, "write-note", request.recording, answer, session)
        name = base64.b32encode(secrets.token_bytes(5)).decode().lower()
        new = StoredNote(name, asker.name, self._room.parts.clock(), request.sealed)
        self._book.keep(request.recording, (*self._book.of(request.recording), new))
        return Done()

    def erase(self, request: wire.EraseNote) -> Done:
        """P23: its author takes a note back, or the trainee has one about them erased."""
        asker, _ = self._people.visitor(request.token)
        held, now = self._room.holding(request.recording), self._room.parts.time.now()
        answer = may_open(asker, held, now, self._room.parts.keeping)
        notes = self._book.of(request.recording)
        left = tuple(one for one in notes if one.id != request.note or not is_note_of(asker, one.author))
        if isinstance(answer, Granted) and left == notes:
            self._room.record(Access(asker.name, "erase-note", request.recording, "refused", "note-unknown"))
            raise words.Refused("note-unknown", "there is no such note of yours: look again")
        self._room.answered(asker.name, "erase-note", request.recording, answer)
        self._book.keep(request.recording, left)
        return Done()

    def shown(self, recording: RecordingId, identity: X25519Identity) -> list[wire.NoteShown]:
        """All notes of a recording in clear, in the order of its time; for who was granted them."""
        found = []
        for one in self._book.of(recording):
            note = _opened(one.sealed, identity)
            found.append(wire.NoteShown(one.id, one.author, one.written_at, note.at_ms, note.text))
        return sorted(found, key=lambda one: one.at_ms)

    def _check(self, request: wire.WriteNote, duration_ms: int) -> None:
        """Raises: words.Refused when there is no room, or it is no note of this recording."""
        if len(self._book.of(request.recording)) >= wire.MAX_NOTES:
            raise words.Refused(
                "notes-full", f"a recording has at most {wire.MAX_NOTES} notes: erase one first"
            )
        identity = self._room.opened_key(self._room.parts.store.key(request.recording))
        try:
            note = _opened(request.sealed, identity)
        except (AgeError, Malformed):
            raise words.Refused(
                "note", f"a note is plain text of 1 to {wire.MAX_NOTE_CHARS} characters"
            ) from None
        if note.at_ms > duration_ms:
            raise words.Refused("note", "a note stands at a moment of the recording")


def _opened(sealed: str, identity: X25519Identity) -> wire.Note:
    """Raises: AgeError, Malformed."""
    return read_fields(wire.Note, read_object(open_bytes(bytes.fromhex(sealed), [identity])))
