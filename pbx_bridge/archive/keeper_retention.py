"""The keeper's side for the end of recordings: destroying, purging by time, counting what is left.

The one place where a recording ends. Order: the book, so that a crash in between is finished at the next start; the
key, overwritten; the entry; the audit log. Destroying never waits for a disk that is full: what could not be written
then is owed and written later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import structlog

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access, AuditUnwritable
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import recording_wire, retention_wire
from pbx_bridge.archive.keeper_room import ADMINISTRATOR, BRIDGE, KEEPER, Room
from pbx_bridge.archive.keystore import Entry
from pbx_bridge.archive.retention import Due, Kept, Origin, balance, due, falls_due, may_forget, origin
from pbx_bridge.archive.rules import BACKUP_DAYS
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId

log = structlog.get_logger()

BY_TIME: Final = frozenset(why.value for why in (Reason.EXPIRED, Reason.UNREVIEWED, Reason.REVIEWED))
MAX_NAMED: Final = 100
"""Of a count that does not agree, so many recordings are named in the audit log; the figures have all."""


@dataclass(frozen=True, slots=True)
class _Owed:
    """A destruction of which something could not be written."""

    recording: RecordingId
    who: str
    reason: str


class RetentionSide:
    def __init__(self, room: Room) -> None:
        self._room, self._store, self._book = room, room.parts.store, room.parts.book
        self._owed: list[_Owed] = []
        self._due: dict[RecordingId, tuple[Entry, Due]] = {}
        self._check_origin()
        self._adopt()
        self._finish_interrupted()

    # -- one recording ------------------------------------------------------------------------------------------

    def destroy(self, request: recording_wire.Destroy) -> wire.Done:
        """P16, P20: at the bridge's word, whatever state the recording is in. Twice is once."""
        self._end(request.recording, BRIDGE, request.reason)
        return wire.Done()

    def _end(self, recording: RecordingId, who: str, reason: str) -> None:
        """P20: the key is gone when this returns, whatever could be written."""
        known = self._store.find(recording) is not None or recording in self._book.recorded
        new = known and recording not in self._book.destroyed
        written = not new or self._written(recording, who, reason, book_only=True)
        self._store.destroy(recording)
        if new and not (written and self._written(recording, who, reason)):
            self._owed.append(_Owed(recording, who, reason))

    def _written(self, recording: RecordingId, who: str, reason: str, *, book_only: bool = False) -> bool:
        now = self._room.parts.time.known.high
        try:
            self._book.note_destroyed(recording, reason, now)
            if not book_only:
                found = self._store.find(recording)
                if found is not None and found[0].destroyed is None:
                    gone = replace(found[0], header="", erased_from=None, destroyed=reason, destroyed_at=now)
                    self._store.replace(recording, gone)
                self._room.record(Access(who, "destroy", recording, reason=reason))
        except (AuditUnwritable, OSError) as error:
            log.error("a destruction could not be recorded yet", recording=recording, fault=str(error))
            return False
        return True

    def _pay(self) -> None:
        """Writes what is owed of earlier destructions, as far as the disk takes it."""
        self._owed = [owed for owed in self._owed if not self._written(owed.recording, owed.who, owed.reason)]

    def _adopt(self) -> None:
        """A key store from before there was a book is written into it."""
        if not self._book.recorded and not self._book.destroyed:
            for entry, manifest in list(self._store):
                self._book.note_recorded(manifest.recording, manifest.start)
                if entry.destroyed is not None:
                    at = entry.destroyed_at or manifest.start
                    self._book.note_destroyed(manifest.recording, entry.destroyed, at)

    def _finish_interrupted(self) -> None:
        """P20: whatever a crash or a restored backup left of what the book calls destroyed ends now."""
        for recording, note in self._book.destroyed.items():
            found = self._store.find(recording)
            left = self._store.has_key(recording) or self._store.has_new_key(recording)
            if left or (found is not None and found[0].destroyed is None):
                log.warning("a destroyed recording was there again", recording=recording)
                self._store.destroy(recording)
                if not self._written(recording, KEEPER, note.reason):
                    self._owed.append(_Owed(recording, KEEPER, note.reason))

    # -- by time ------------------------------------------------------------------------------------------------

    def purge(self, request: retention_wire.Purge) -> retention_wire.Purged:
        """P20: destroys what has ended, at most MAX_PURGED at a time; with `dry_run` only says what it would."""
        now = self._room.parts.time.now()
        if now is None:
            raise words.Refused(
                "clock", "the clock is in doubt: nothing is purged until `pbx-bridge clock confirm` (P20)"
            )
        self._pay()
        waiting = due(self._falling_due(), now)
        gone = []
        for one in waiting[: retention_wire.MAX_PURGED]:
            copies = self._book.copies(one.recording)
            gone.append(retention_wire.Gone(one.recording, one.why.value, one.since, copies))
            if not request.dry_run:
                self._end(one.recording, ADMINISTRATOR if request.by_hand else KEEPER, one.why.value)
        more = len(waiting) > retention_wire.MAX_PURGED
        if not request.dry_run and not more:
            self._forget(now)
            self._stamp()
        return retention_wire.Purged(tuple(gone), more)

    def _falling_due(self) -> Iterator[Due]:
        """When each recording that is kept falls due; worked out anew only where its entry changed."""
        before, self._due = self._due, {}
        for entry, manifest in self._store:
            if entry.destroyed is not None:
                continue
            known = before.get(manifest.recording)
            if known is None or known[0] is not entry:
                put_at = self._book.recorded.get(manifest.recording)
                kept = Kept(manifest, put_at, entry.reviewed_at, entry.suspended_until, entry.erased_from)
                if self._store.is_edited(manifest.recording):
                    kept = replace(kept, reviewed_at=None, suspended_until=None)
                known = entry, falls_due(kept, self._room.parts.keeping)
            self._due[manifest.recording] = known
            yield known[1]

    def _forget(self, now: int) -> None:
        for entry, manifest in list(self._store):
            if entry.destroyed_at is not None and may_forget(entry.destroyed_at, now):
                self._store.forget(manifest.recording)
        self._book.forget_old(now)
        try:
            self._room.parts.audit.forget(now)
        except AuditUnwritable as error:
            log.error("an old segment of the audit log stays", fault=str(error))

    # -- clock and backups --------------------------------------------------------------------------------------

    def pulse(self, request: retention_wire.Pulse) -> retention_wire.Beat:
        """P20: whether retention's time is in doubt, by the clocks and by what the bridge remembers."""
        time = self._room.parts.time
        time.witness(request.seen_at)
        known = time.known
        return retention_wire.Beat("" if known.doubt is None else known.doubt.value, known.high)

    def ended(self, request: retention_wire.Ended) -> retention_wire.AllEnded:
        """P20: for the bridge's own memory; what ends by time a restored keeper ends again by itself."""
        ended = [
            retention_wire.End(note.at, note.recording, note.reason)
            for note in self._book.destroyed.values()
            if note.at >= request.since and note.reason not in BY_TIME
        ]
        return retention_wire.AllEnded(tuple(ended[-retention_wire.MAX_ENDED :]))

    def confirm_clock(self, request: retention_wire.ConfirmClock) -> wire.Done:
        """P20: the administrator compared the clock with another one; audited first."""
        known = self._room.parts.time.known
        doubt = "" if known.doubt is None else known.doubt.value
        self._room.record(Access(ADMINISTRATOR, "confirm-clock", reason=doubt))
        if not self._room.parts.time.confirm():
            raise words.Refused(
                "restored",
                "this keeper was restored from a backup older than seven days: restore a younger one, or move its "
                "folder away and begin with an empty one (P20)",
            )
        return wire.Done()

    def _check_origin(self) -> None:
        """P20: a key store restored from day 8 is refused. Raises: OperatorError."""
        time, inside = self._room.parts.time, self._store.stamp()
        if time.is_first and inside is not None:
            time.doubt_backup()
            return
        now = max(time.known.high, self._room.parts.clock())
        opens = inside is None or self._room.parts.identity.knows(inside.identity)
        match origin(inside, time.known.stamp, now, empty=not len(self._store), opens=opens):
            case Origin.OURS:
                pass
            case Origin.BACKUP:
                log.warning("the key store was restored from a backup")
                self._room.record(Access(KEEPER, "restored", reason="key-store"))
            case Origin.CLOSED:
                raise OperatorError(
                    "this key store is sealed to an identity of the keeper that is not here: it was destroyed when the "
                    "keeper changed it, as each month, or is another keeper's (P20)",
                    where=str(self._store.folder),
                    do="Restore a copy made since then, or keeper.key and key store from one backup not older than seven "
                    "days; or move this folder away: what it holds stays closed",
                )
            case Origin.OLD_BACKUP:
                raise OperatorError(
                    f"the key store is a backup older than {BACKUP_DAYS} days, and is refused (P20)",
                    where=str(self._store.folder),
                    do="Restore a younger one, or move this folder away: what it holds stays closed",
                )
        self._stamp()

    def _stamp(self) -> None:
        try:
            self._room.stamp(self._room.parts.identity.needed)
        except OSError as error:
            log.error("the key store could not be stamped", why=error.strerror)

    # -- the count ----------------------------------------------------------------------------------------------

    def reconcile(self, request: retention_wire.Reconcile) -> retention_wire.Reconciled:
        """P20: recorded - destroyed = present, on the disk and not from memory. What differs is audited by name."""
        self._pay()
        recorded, destroyed = self._book.recorded.keys(), self._book.destroyed.keys()
        present = self._store.present()
        found = balance(recorded, destroyed, present)
        outcome = "agrees" if found.agrees else "mismatch"
        self._room.record(Access(KEEPER, "reconcile", reason=outcome))
        for word, recordings in (
            ("missing", found.missing),
            ("risen", found.risen),
            ("unknown", found.unknown),
        ):
            for recording in sorted(recordings)[:MAX_NAMED]:
                self._room.record(Access(KEEPER, "reconcile", recording, reason=word))
        self._finish_interrupted()
        figures = (len(recorded), len(destroyed), len(present))
        wrong = (len(found.missing), len(found.risen), len(found.unknown))
        return retention_wire.Reconciled(*figures, *wrong)

    def standing(self, request: retention_wire.Ask) -> retention_wire.Standing:
        """Of each of these recordings, whether its file may lie on a disk."""
        return retention_wire.Standing(tuple(self._stands(recording) for recording in request.recordings))

    def _stands(self, recording: RecordingId) -> retention_wire.Stands:
        if recording in self._book.destroyed:
            return retention_wire.Stands.DESTROYED
        if self._store.find(recording) is None:
            return retention_wire.Stands.UNKNOWN
        return retention_wire.Stands.KEPT

    def held(self, request: retention_wire.Held) -> retention_wire.AllHeld:
        """The finished recordings after this one, by id: each must have its file."""
        finished = sorted(
            manifest.recording
            for entry, manifest in self._store
            if entry.destroyed is None and entry.header and manifest.recording > request.after
        )
        return retention_wire.AllHeld(tuple(finished[: retention_wire.MAX_HELD]))
