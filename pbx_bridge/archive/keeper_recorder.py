"""The recorder's side of the keeper: a recording begins, is finished, destroyed, or made whole after a crash.

The recorder can put keys in and have them destroyed; it can never get one out.
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass, replace

from pbx_bridge import wire_portal as words
from pbx_bridge.access.approvals import covers
from pbx_bridge.access.audit import Access
from pbx_bridge.age import (
    AgeError,
    NoIdentityMatches,
    X25519Identity,
    read_header,
    seal_bytes,
    unwrap_file_key,
)
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import opening_wire, recording_wire
from pbx_bridge.archive.keeper_room import BRIDGE, Room
from pbx_bridge.archive.keystore import Entry
from pbx_bridge.archive.manifest import State, verify
from pbx_bridge.archive.rebuilding import Remade
from pbx_bridge.archive.rules import CLOCK_STEP_S, DAY_S
from pbx_bridge.calls.reasons import Reason


@dataclass(frozen=True, slots=True)
class Recovery:
    """What rebuilding needs; it stays in this process."""

    signed: words.SignedManifest
    known: tuple[X25519Identity, ...]
    """The recording's identity, and the one of an earlier attempt to rebuild it."""
    fresh: X25519Identity


class RecorderSide:
    def __init__(self, room: Room) -> None:
        self._room, self._store = room, room.parts.store

    def introduce(self, request: recording_wire.Introduce) -> recording_wire.KeeperFacts:
        """The keeper's recipient, for a recorder that is known or the first."""
        if not self._room.parts.recorders.introduce(request.recorder):
            raise words.Refused(
                "recorder", "another recorder's key is known here: this bridge lost its signing key"
            )
        return recording_wire.KeeperFacts(str(self._room.parts.identity.recipient))

    def put(self, request: recording_wire.Put) -> wire.Done:
        """P18, P22: a recording begins, if an approved plan covers it: its key is kept before a byte of it is sealed."""
        manifest = verify(request.signed, self._room.parts.recorders.keys)
        if manifest.state is not State.RECORDING:
            raise words.Refused("manifest", "state: a recording begins unfinished")
        if self._room.parts.time.now() is None:
            raise words.Refused("clock", "the clock is in doubt: nothing is recorded (P20)")
        if abs(self._room.parts.clock() - manifest.start) > CLOCK_STEP_S:
            raise words.Refused(
                "clock", "the bridge's clock and the keeper's differ by more than five minutes (P20)"
            )
        key = bytes.fromhex(request.key)
        if not self._room.is_current(key):
            raise words.Refused(
                recording_wire.IDENTITY_CHANGED,
                "the keeper's identity is another now: seal the key to that (P20)",
            )
        self._room.opened_key(key)
        book = self._room.parts.book
        if manifest.recording in book.recorded or manifest.recording in book.destroyed:
            raise words.Refused("twice", "this recording was put before")
        if not covers(self._room.in_force(), manifest):
            reason = Reason.NOT_APPROVED.value
            self._room.record(Access(BRIDGE, "put", manifest.recording, "refused", reason))
            raise words.Refused(
                reason,
                "no plan that its approver approved covers this recording (P13, P22): pbx-bridge proposals",
            )
        self._room.record(Access(BRIDGE, "put", manifest.recording))
        try:
            self._store.create(manifest.recording, key, Entry(request.signed))
        except FileExistsError:
            raise words.Refused("twice", "this recording was put before") from None
        try:
            book.note_recorded(manifest.recording, self._room.parts.clock())
        except OSError:
            self._store.destroy(manifest.recording)
            self._store.forget(manifest.recording)
            raise
        return wire.Done()

    def finish(self, request: recording_wire.Finish) -> wire.Done:
        """A recording is whole: nothing about its rights may have changed since it began. Twice is once."""
        manifest = verify(request.signed, self._room.parts.recorders.keys)
        entry, before = self._room.entry(manifest.recording)
        if entry.signed == request.signed and entry.header == request.header:
            return wire.Done()
        if entry.destroyed is not None:
            raise words.Refused("destroyed", "this recording was destroyed")
        if before.state is not State.RECORDING or manifest.begun() != before:
            raise words.Refused(
                "manifest", "a finished manifest keeps everything the first one said, and is given once"
            )
        rebuilt = entry.rebuilt is not None and entry.rebuilt.hex() == manifest.payload
        wanted = State.RECOVERED if rebuilt else State.SEALED
        if manifest.state is not wanted:
            raise words.Refused("manifest", f"state: {wanted.value} is expected here")
        renewed = rebuilt and self._store.has_new_key(manifest.recording)
        key = self._store.new_key(manifest.recording) if renewed else self._store.key(manifest.recording)
        header = bytes.fromhex(request.header)
        unwrap_file_key(read_header(io.BytesIO(header)), [self._room.opened_key(key)])
        self._room.record(Access(BRIDGE, "finish", manifest.recording, reason=manifest.state.value))
        if renewed:
            self._store.take_new_key(manifest.recording)
        else:
            self._store.drop_new_key(manifest.recording)
        finished = replace(entry, signed=request.signed, header=request.header, rebuilt=None)
        self._store.replace(manifest.recording, finished)
        return wire.Done()

    def begin_recovery(self, request: recording_wire.Recover) -> Recovery:
        """What rebuilding this recording needs. Raises: words.Refused when there is none to rebuild."""
        entry, manifest = self._room.entry(request.recording)
        if entry.destroyed is not None:
            raise words.Refused("destroyed", "this recording was destroyed")
        if manifest.state is not State.RECORDING:
            raise words.Refused("finished", "this recording is finished")
        self._room.record(Access(BRIDGE, "recover", request.recording, reason=request.left.value))
        known = []
        for sealed in self._store.keys(request.recording):
            with suppress(AgeError):  # a crash came while a rebuilt file's key took the old one's place
                known.append(self._room.opened_key(sealed))
        if not known:
            raise words.Refused("nothing-left", "this recording's key is gone")
        return Recovery(entry.signed, tuple(known), X25519Identity.generate())

    def end_recovery(self, request: recording_wire.Recover, made: Remade, key: X25519Identity | None) -> bool:
        """Keeps the key of the file that was made (None: one that is kept already); whether it is a rebuilt one."""
        entry, _ = self._room.entry(request.recording)
        if entry.destroyed is not None:
            raise words.Refused("destroyed", "this recording was destroyed")
        if entry.rebuilt == bytes.fromhex(made.payload):
            return True  # rebuilt before, and cut between that and its registration
        if key is None:
            with suppress(NoIdentityMatches):
                first = self._room.opened_key(self._store.key(request.recording))
                unwrap_file_key(read_header(io.BytesIO(made.header)), [first])
                return False
        else:
            sealed = seal_bytes(str(key).encode(), [self._room.parts.identity.recipient])
            self._store.put_new_key(request.recording, sealed)
        self._store.replace(request.recording, replace(entry, rebuilt=bytes.fromhex(made.payload)))
        return True

    def backlog(self, request: opening_wire.Backlog) -> opening_wire.AllWaiting:
        """P15: sealed, not reviewed, not destroyed; of each trainee, for each of their trainers."""
        sums = sorted(self._store.backlog.sums().items())
        return opening_wire.AllWaiting(tuple(opening_wire.Waiting(*pair, *figures) for pair, figures in sums))

    def status(self, request: wire.Status) -> wire.KeeperStatus:
        """What is held, without a word about whom."""
        unfinished = tuple(
            m.recording for entry, m in self._store if m.state is State.RECORDING and entry.destroyed is None
        )
        head = self._room.parts.audit.head
        identity = self._room.parts.identity
        days = max(0, self._room.parts.time.known.high - identity.made_at) // DAY_S if identity.made_at else 0
        held = len(self._store)
        return wire.KeeperStatus(
            *(str(identity.recipient), held, unfinished[:10_000], head.number, head.digest, days)
        )
