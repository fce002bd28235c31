"""The keeper's side for its own identity, which changes each month: every key is sealed anew, then the old one is destroyed.

So what somebody kept of the key store, a copy of its folder, blocks a disk did not overwrite, can be opened with nothing a
month later (P20). It goes on in small steps between other requests, survives a crash at each of them, and knows keys only
as sealed text.
"""

from __future__ import annotations

from typing import Final

import structlog

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access, AuditUnwritable
from pbx_bridge.age import AgeError, NoIdentityMatches, open_bytes, seal_bytes
from pbx_bridge.archive.keeper_room import KEEPER, Room
from pbx_bridge.archive.rules import renewal_is_due
from pbx_bridge.ids import RecordingId

log = structlog.get_logger()

STEP_KEYS: Final = 8
"""Sealed anew in one step, about a second's share: some twenty syncs, during which nobody is answered."""

RETRY_S: Final = 600
"""After a full disk: each attempt leaves a record."""


class RenewalSide:
    def __init__(self, room: Room) -> None:
        self._room, self._store, self._identity = room, room.parts.store, room.parts.identity
        self._left: list[RecordingId] | None = None
        """Whose keys may still be sealed to the former identity; None before they were counted."""
        self._again_at = 0

    def step(self) -> None:
        """P20: one small step of what is due; after a full disk it is tried again. Nothing while the clock is in doubt."""
        now = self._room.parts.time.now()
        if now is None or now < self._again_at:
            return
        try:
            if not self._identity.is_changing:
                if not renewal_is_due(self._identity.made_at, now):
                    return
                self._begin(now)
            if self._left is None:
                self._left = sorted(self._store.present())
            batch, rest = self._left[:STEP_KEYS], self._left[STEP_KEYS:]
            self._seal_anew(batch)
            self._left = rest
            if not rest:
                self._finish()
        except (AuditUnwritable, OSError) as error:
            self._again_at = now + RETRY_S
            log.error("the keeper's identity cannot be changed yet", why=str(error), seconds=RETRY_S)

    def _begin(self, now: int) -> None:
        self._room.record(Access(KEEPER, "renew", reason="begun"))
        self._identity.begin(now)
        self._left = None
        log.info("the keeper's identity changes", keys=len(self._store))

    def _seal_anew(self, recordings: list[RecordingId]) -> None:
        """What neither identity opens stays as it is: a key that was being overwritten when a crash came."""
        anew = []
        for recording in recordings:
            for name, sealed in self._store.sealed(recording):
                try:
                    text = open_bytes(sealed, self._identity.known[1:])
                except NoIdentityMatches:
                    continue
                except AgeError:
                    log.warning("a key could not be sealed anew: nothing opens it", recording=recording)
                    continue
                anew.append((name, seal_bytes(text, [self._identity.recipient])))
        self._store.replace_keys(anew)

    def _finish(self) -> None:
        """The store first says which identity it needs: a crash after that finds both, one before it repeats the pass."""
        self._room.record(
            Access(KEEPER, "renew", reason="done", subject=words.fingerprint(str(self._identity.recipient)))
        )
        self._room.stamp(self._identity.name)
        self._identity.finish()
        self._left = None
        log.info("the keeper's former identity is destroyed")
