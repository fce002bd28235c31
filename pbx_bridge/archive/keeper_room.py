"""What the keeper's sides share: the parts it works with, its record before every answer, its view of one recording.

It holds the keeper's identity in memory and gives it to nobody; no request is understood here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from pbx_bridge import wire_portal as words
from pbx_bridge.access.approvals import Approval
from pbx_bridge.access.approved import Approved
from pbx_bridge.access.audit import Access, AuditLog, AuditUnwritable
from pbx_bridge.access.looks import Looks
from pbx_bridge.access.people import People, PeopleError
from pbx_bridge.access.turned_down import TurnedDownBook
from pbx_bridge.age import AgeError, NoIdentityMatches, X25519Identity, open_bytes
from pbx_bridge.archive.book import Book
from pbx_bridge.archive.keystore import Entry, KeyStore
from pbx_bridge.archive.manifest import Manifest, ManifestError, verify
from pbx_bridge.archive.own_identity import OwnIdentity
from pbx_bridge.archive.release import Answer, Granted, Holding
from pbx_bridge.archive.retention import Stamp
from pbx_bridge.archive.rights_book import RequestBook
from pbx_bridge.archive.rules import Keeping
from pbx_bridge.archive.sentences import sentence
from pbx_bridge.archive.timekeeper import Timekeeper
from pbx_bridge.ids import RecordingId
from pbx_bridge.rights.rules import objects

log = structlog.get_logger()

BRIDGE: Final = "(bridge)"
ADMINISTRATOR: Final = "(administrator)"
KEEPER: Final = "(keeper)"
NOBODY: Final = "(unknown)"


class RecorderBook(Protocol):
    """Which recorders' signatures count."""

    @property
    def keys(self) -> frozenset[bytes]: ...

    def introduce(self, key: bytes) -> bool:
        """Keeps the first key for good; whether `key` is a known one."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the keeper works with."""

    identity: OwnIdentity
    store: KeyStore
    book: Book
    audit: AuditLog
    people: People
    approved: Approved
    recorders: RecorderBook
    clock: Callable[[], int]
    """Unix seconds, as the machine says."""
    time: Timekeeper
    """P20: retention's time, which can be in doubt."""
    keeping: Keeping
    session_needed: bool = True
    """P21: opening states the training session."""
    requests: RequestBook = field(default_factory=RequestBook)
    """What persons concerned asked for (P23)."""
    turned_down: TurnedDownBook = field(default_factory=TurnedDownBook)
    """Which proposals were refused, and why (P22)."""


class Room:
    """The parts, and what every side does with them."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._verified: dict[RecordingId, words.SignedManifest] = {}
        self._looks = Looks()

    def record(self, access: Access) -> None:
        """P19: on the disk when it returns. Raises: AuditUnwritable."""
        self.parts.audit.append(access, self.parts.clock())

    def looked(self, look: Access) -> None:
        """P19: a look at a list is on the disk before it is answered; one of the same minute speaks for it, while the log
        could be written. Raises: AuditUnwritable."""
        now, log = self.parts.clock(), self.parts.audit
        if self._looks.covers(look, now):
            fault = log.fault()
            if not fault and not log.failed:
                return
        self.record(look)
        self._looks.recorded(look, now)

    def answered(
        self,
        who: str,
        act: str,
        recording: RecordingId,
        answer: Answer,
        session: str = "",
        *,
        subject: str = "",
    ) -> None:
        """P19: records the answer; only then lets a grant pass. Raises: words.Refused."""
        if isinstance(answer, Granted):
            self.record(Access(who, act, recording, "granted", session=session, subject=subject))
            return
        self.record(Access(who, act, recording, "refused", answer.refusal.value, session, subject=subject))
        raise words.Refused(answer.refusal.value, sentence(answer), answer.until)

    def entry(self, recording: RecordingId) -> tuple[Entry, Manifest]:
        """What is kept of a recording, not verified. Raises: words.Refused."""
        found = self.parts.store.find(recording)
        if found is None:
            raise words.Refused("unknown", "there is no such recording")
        return found

    def holding(self, recording: RecordingId) -> Holding | None:
        """What the rule sees: the manifest as the recorder signed it, checked. An edited one is no manifest."""
        found = self.parts.store.find(recording)
        if found is None:
            return None
        entry, manifest = found
        if self.parts.store.is_edited(recording):
            log.error("a key store's entry was edited: it opens for nobody", recording=recording)
            return None
        try:
            if self._verified.get(recording) is not entry.signed:  # 0.8 ms each, once per start
                verify(entry.signed, self.parts.recorders.keys)
                self._verified[recording] = entry.signed
        except ManifestError as error:
            log.error("manifest not as signed", recording=recording, fault=str(error))
            return None
        gone = "key-missing" if not self.parts.store.has_key(recording) else None
        return Holding(
            manifest,
            entry.handed_over_at,
            entry.reviewed_at,
            entry.destroyed or gone,
            entry.suspended_until,
            entry.restricted_until,
            entry.erased_from,
            objects(self.parts.requests, manifest.trainee, manifest.start),
        )

    def in_force(self) -> Iterator[Approval]:
        """P13, P23: the approvals by which something may be recorded now: no trainee's objection stands against them."""
        for approval in self.parts.approved:
            if not objects(self.parts.requests, approval.trainee, approval.at):
                yield approval

    def is_current(self, sealed: bytes) -> bool:
        """P20: whether a key is sealed to the identity in force; one sealed to the former has to be sealed anew."""
        with suppress(NoIdentityMatches):
            open_bytes(sealed, [self.parts.identity.current])
            return True
        return False

    def stamp(self, identity: str) -> None:
        """P20: the key store says which identity of the keeper it needs. Its number goes first: after a crash in between it
        is one ahead, which no backup can be. Raises: OSError."""
        time = self.parts.time
        number = time.known.stamp + 1
        self.parts.store.put_stamp(Stamp(number, time.known.high, identity))
        time.stamped(number)

    def opened_key(self, sealed: bytes) -> X25519Identity:
        """A recording's identity. Raises: AgeError."""
        return X25519Identity.parse(open_bytes(sealed, self.parts.identity.known).decode("ascii"))


@contextmanager
def refusals() -> Iterator[None]:
    """Every fault as the refusal that is told."""
    try:
        yield
    except AuditUnwritable as error:
        raise words.Refused("audit-unwritable", f"the audit log cannot be written: {error}") from error
    except ManifestError as error:
        raise words.Refused("manifest", f"manifest: {error}") from error
    except PeopleError as error:
        raise words.Refused("person", str(error)) from error
    except AgeError as error:
        raise words.Refused("key", f"a key or header cannot be used: {error}") from error
    except OSError as error:
        raise words.Refused("disk", f"the keeper's disk: {error.strerror}") from error
