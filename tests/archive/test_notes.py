"""Notes at the keeper, with a clock turned by hand: who writes, reads, erases one; that they end with the recording."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pbx_bridge import wire_notes
from pbx_bridge.access.audit import AuditUnwritable
from pbx_bridge.age import NoIdentityMatches, X25519Identity, X25519Recipient, open_bytes, seal_bytes
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import recording_wire, rights_wire
from pbx_bridge.archive.notebook import StoredNote
from pbx_bridge.ids import RecordingId, new_recording_id
from pbx_bridge.media.chapters import Chapter
from pbx_bridge.wire_notes import MAX_NOTE_CHARS, MAX_NOTES, EraseNote, NotesShown, ReadNotes, WriteNote
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_rights import Party, Right, RightsRequest
from tests.archive.house import manifest
from tests.archive.test_keeper import NOON, Desk

ALICE, BEA, BRUNO, DAN = (X25519Identity.generate() for _ in range(4))


@dataclass
class Site:
    """A keeper with a recording of alice's, handed over; bruno trains her; bea and dan have no part in it."""

    desk: Desk
    recording: RecordingId
    tokens: dict[str, bytes]

    def read(self, who: str, identity: X25519Identity) -> list[tuple[str, int, str]]:
        """(author, moment, text) of what they get, opened with their own key."""
        return [(one.author, one.at_ms, one.text) for one in self.shown(who, identity).notes]

    def shown(self, who: str, identity: X25519Identity) -> NotesShown:
        given = self.given(who)
        text = open_bytes(bytes.fromhex(given.sealed), [identity])
        return wire_notes.NotesShown(tuple(wire_notes.NoteShown(**one) for one in json.loads(text)["notes"]))

    def given(self, who: str) -> wire_notes.Notes:
        return self.desk.ask(ReadNotes(self.tokens[who], self.recording), wire_notes.Notes)

    def sealed(self, text: str, at_ms: object = 1_000) -> str:
        """As a browser seals it."""
        recipient = X25519Recipient.parse(self.given("bruno").recipient)
        return seal_bytes(json.dumps({"at_ms": at_ms, "text": text}).encode(), [recipient]).hex()

    def write(self, who: str, text: str, at_ms: int = 1_000, session: str = "coaching") -> WriteNote:
        return WriteNote(self.tokens[who], self.recording, session, self.sealed(text, at_ms))

    def file(self) -> Path:
        return self.desk.folder / "keystore" / f"{self.recording}.notes"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    desk = Desk(tmp_path)
    recording = desk.record(manifest(start=NOON)).recording
    people = (
        ("alice", Role.TRAINEE, ALICE),
        ("bea", Role.TRAINEE, BEA),
        ("bruno", Role.TRAINER, BRUNO),
        ("dan", Role.TRAINER, DAN),
    )
    tokens = {name: desk.join(name, role, identity).token for name, role, identity in people}
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    yield Site(desk, recording, tokens)
    desk.log.close()


def test_a_note_is_read_by_its_trainee_and_its_author_and_by_nobody_else(site: Site) -> None:
    """P18: another trainer of the same recording reads only their own."""
    site.desk.keeper.handle(site.write("bruno", "greeted by name", 12_000))
    others = StoredNote("a" * 8, "carla", NOON, site.sealed("where was the order?\nask", 3_000))
    site.desk.store.notebook.keep(site.recording, (*site.desk.store.notebook.of(site.recording), others))
    site.desk.open()
    site.tokens = {
        name: site.desk.prove(identity).token
        for name, identity in (
            ("alice", ALICE),
            ("bea", BEA),
            ("bruno", BRUNO),
            ("dan", DAN),
        )
    }
    assert site.read("alice", ALICE) == [
        ("carla", 3_000, "where was the order?\nask"),
        ("bruno", 12_000, "greeted by name"),
    ]
    assert site.read("bruno", BRUNO) == [("bruno", 12_000, "greeted by name")]
    assert site.desk.refused(EraseNote(site.tokens["bruno"], site.recording, "a" * 8)).word == "note-unknown"
    assert site.desk.audited()[-1] == ("bruno", "erase-note", "refused", "note-unknown")
    for other in ("bea", "dan"):
        assert site.desk.refused(ReadNotes(site.tokens[other], site.recording)).word == "unknown"
    with pytest.raises(NoIdentityMatches):
        site.read("alice", BRUNO)
    assert [(site.given(who).may_write) for who in ("alice", "bruno")] == [False, True]


def test_only_its_trainers_write_and_in_a_session_and_each_try_is_recorded(site: Site) -> None:
    """P18, P19, P21."""
    for who, word in (("alice", "unknown"), ("bea", "unknown"), ("dan", "unknown")):
        assert site.desk.refused(site.write(who, "x")).word == word
        assert site.desk.audited()[-1] == (who, "write-note", "refused", word)
    for session in ("", "  "):
        assert site.desk.refused(site.write("bruno", "x", session=session)).word == "no-session"
        assert site.desk.audited()[-1] == ("bruno", "write-note", "refused", "no-session")
    site.desk.keeper.handle(site.write("bruno", "x"))
    assert site.desk.audited()[-1] == ("bruno", "write-note", "granted", "")
    site.given("alice")
    assert site.desk.audited()[-1] == ("alice", "read-notes", "granted", "")


def test_while_the_trainee_comes_first_no_trainer_reads_or_writes(site: Site) -> None:
    other = site.desk.record(manifest(start=NOON)).recording
    before = replace(site.write("bruno", "x"), recording=other)
    assert site.desk.refused(before).word == "trainee-first"
    assert site.desk.refused(ReadNotes(site.tokens["bruno"], other)).word == "trainee-first"


def test_without_the_record_nothing_is_written_read_or_erased(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P19."""
    site.desk.keeper.handle(site.write("bruno", "kept"))
    (note,) = site.shown("bruno", BRUNO).notes
    asked = (
        site.write("bruno", "never"),
        ReadNotes(site.tokens["alice"], site.recording),
        EraseNote(site.tokens["bruno"], site.recording, note.id),
    )

    def full(*_: object) -> None:
        raise AuditUnwritable("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(site.desk.log, "append", full)
        for request in asked:
            assert site.desk.refused(request).word == "audit-unwritable"
    assert site.read("alice", ALICE) == [("bruno", 1_000, "kept")]


def test_author_and_trainee_erase_one_and_nobody_else(site: Site) -> None:
    for text in ("first", "second", "third"):
        site.desk.keeper.handle(site.write("bruno", text))
    first, second, _ = site.shown("alice", ALICE).notes
    for who in ("dan", "bea"):
        assert site.desk.refused(EraseNote(site.tokens[who], site.recording, first.id)).word == "unknown"
        assert site.desk.audited()[-1] == (who, "erase-note", "refused", "unknown")
    before = site.file().read_bytes()
    with open(site.file(), "rb") as held:
        site.desk.keeper.handle(EraseNote(site.tokens["bruno"], site.recording, first.id))
        assert held.read() != before, "P20: the blocks it lay in are overwritten"
    assert site.desk.audited()[-1] == ("bruno", "erase-note", "granted", "")
    site.desk.keeper.handle(EraseNote(site.tokens["alice"], site.recording, second.id))
    assert site.read("alice", ALICE) == [("bruno", 1_000, "third")]
    assert site.desk.refused(EraseNote(site.tokens["bruno"], site.recording, first.id)).word == "note-unknown"


def test_nothing_of_a_note_lies_in_clear_and_all_of_it_ends_with_the_recording(site: Site) -> None:
    """P17, P20: what a backup kept of the notes opens with the recording's key alone, and that is gone."""
    marker = "a sentence nobody else would write"
    site.desk.keeper.handle(site.write("bruno", marker))
    for path in site.desk.folder.rglob("*"):
        if path.is_file():
            assert marker.encode() not in path.read_bytes(), path.name
    with open(site.file(), "rb") as held:
        backup = held.read()
        site.desk.keeper.handle(recording_wire.Destroy(site.recording, "erased"))
        held.seek(0)
        assert not any(backup[at : at + 16] in held.read() for at in range(0, len(backup), 16))
    assert not site.file().exists()
    assert site.desk.refused(ReadNotes(site.tokens["alice"], site.recording)).word == "not-kept"
    assert site.desk.refused(WriteNote(site.tokens["bruno"], site.recording, "s", "00")).word == "not-kept"


def test_a_note_has_limits_that_no_browser_lifts(site: Site) -> None:
    """P6, P21: short, few, text alone, at a moment there is."""
    length = 60_000
    for bad in (
        site.sealed(""),
        site.sealed("x" * (MAX_NOTE_CHARS + 1)),
        site.sealed("a\x07b"),
        site.sealed("late", length + 1),
        site.sealed("x", "soon"),
        seal_bytes(
            b'{"at_ms":1,"text":"x","score":5}', [X25519Recipient.parse(site.given("bruno").recipient)]
        ).hex(),
        seal_bytes(b'{"at_ms":1,"text":"x"}', [BRUNO.recipient()]).hex(),
        "00",
    ):
        asked = WriteNote(site.tokens["bruno"], site.recording, "coaching", bad)
        assert site.desk.refused(asked).word == "note"
    site.desk.keeper.handle(site.write("bruno", "é" * MAX_NOTE_CHARS, length))
    for _ in range(MAX_NOTES - 1):
        site.desk.keeper.handle(site.write("bruno", "é" * MAX_NOTE_CHARS))
    assert site.desk.refused(site.write("bruno", "one more")).word == "notes-full"
    assert len(site.read("alice", ALICE)) == MAX_NOTES
    wire.write_answer(site.given("alice"))


def test_an_edited_file_of_notes_is_none(site: Site) -> None:
    site.desk.keeper.handle(site.write("bruno", "true"))
    site.file().write_bytes(site.file().read_bytes().replace(b"bruno", b"carla"))
    assert site.read("alice", ALICE) == []
    assert site.read("bruno", BRUNO) == []


def test_the_trainees_copy_has_the_notes_and_a_customers_has_not(site: Site) -> None:
    """P23: exported with the recording, as marks on its time line."""
    site.desk.keeper.handle(site.write("bruno", "greeted by name", 12_000))
    order = site.desk.keeper.begin_export(rights_wire.ExportOwn(site.tokens["alice"], site.recording))
    assert order.notes == (Chapter(12_000, 12_000, "bruno: greeted by name"),)
    customer = str(X25519Identity.generate().recipient())
    asked = rights_wire.OpenRequest(Right.ACCESS, Party.CUSTOMER, "", (site.recording,), customer)
    request = site.desk.ask(asked, RightsRequest)
    site.desk.keeper._rights._book.change(request, NOON, granted_by="dora")
    theirs = site.desk.keeper.begin_export(rights_wire.ExportRequested(request.id, site.recording))
    assert theirs.notes == ()


def test_nothing_of_an_unknown_recording(site: Site) -> None:
    guessed = new_recording_id()
    for request in (
        ReadNotes(site.tokens["bruno"], guessed),
        WriteNote(site.tokens["bruno"], guessed, "coaching", "00"),
        EraseNote(site.tokens["bruno"], guessed, "a" * 8),
    ):
        assert site.desk.refused(request).word == "unknown"
