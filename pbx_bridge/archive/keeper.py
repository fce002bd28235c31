"""The keeper: holds every recording's key, and lets a person have one only by the rule, and only after the record.

Order of every release (P18, P19): who asks is proven by their own key; `release.may_open` decides from the recorder's
signed manifest; the audit record is on the disk; then, and only if granted, the 16-byte file key is wrapped for the key
that person joined with. No plaintext and no bare key ever leaves this process.

This is the keeper without its socket (keeper_server.py) and without its process (keeper_process.py). Each request is
one synchronous call, so two never interleave.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import structlog

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access, AuditLog, AuditUnwritable
from pbx_bridge.access.people import People, PeopleError, Person
from pbx_bridge.access.proof import seal
from pbx_bridge.access.visits import Visits
from pbx_bridge.age import (
    AgeError,
    NoIdentityMatches,
    X25519Identity,
    X25519Recipient,
    open_bytes,
    read_header,
    rewrap_header,
    seal_bytes,
    unwrap_file_key,
)
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive.keystore import Entry, KeyStore
from pbx_bridge.archive.manifest import Manifest, ManifestError, State, verify
from pbx_bridge.archive.rebuilding import Remade
from pbx_bridge.archive.release import (
    Answer,
    Asker,
    Granted,
    Holding,
    Refusal,
    may_hand_over,
    may_know,
    may_list,
    may_open,
    visible_reason,
)
from pbx_bridge.archive.rules import Keeping
from pbx_bridge.archive.sentences import sentence
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_proof import hand_over_statement, is_signed

log = structlog.get_logger()

CLOCK_TOLERANCE_S: Final = 300
"""P20: a recording that claims to start further from now than this was dated by a wrong clock."""
BRIDGE: Final = "(bridge)"
ADMINISTRATOR: Final = "(administrator)"
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

    identity: X25519Identity
    store: KeyStore
    audit: AuditLog
    people: People
    recorders: RecorderBook
    clock: Callable[[], int]
    """Unix seconds."""
    keeping: Keeping
    session_needed: bool = True
    """P21: opening states the training session."""
    confirmation_needed: bool = False
    """P22: a new key waits for its confirmation."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What rebuilding needs; it stays in this process."""

    signed: words.SignedManifest
    known: tuple[X25519Identity, ...]
    """The recording's identity, and the one of an earlier attempt to rebuild it."""
    fresh: X25519Identity


class Keeper:
    """One method per request of keeper_wire. Raises: words.Refused from every one of them."""

    def __init__(self, parts: Parts) -> None:
        self._ = parts
        self._visits = Visits()
        self._verified: dict[RecordingId, words.SignedManifest] = {}
        self._handlers: dict[type[Any], Callable[[Any], Any]] = {
            wire.Introduce: self._introduce,
            wire.Put: self._put,
            wire.Finish: self._finish,
            wire.Destroy: self._destroy,
            wire.HandOver: self._hand_over,
            wire.TraineesOwn: self._trainees_own,
            wire.Begin: self._begin,
            words.Prove: self._prove,
            wire.List: self._list,
            wire.Open: self._open,
            wire.Invite: self._invite,
            wire.Confirm: self._confirm,
            wire.Revoke: self._revoke,
            wire.Reassign: self._reassign,
            wire.Status: self._status,
        }

    def handle(self, request: Any) -> Any:
        """The answer to one request whose sender may say it. Raises: words.Refused."""
        with _refusals():
            return self._handlers[type(request)](request)

    # the recorder's side

    def _introduce(self, request: wire.Introduce) -> wire.KeeperFacts:
        if not self._.recorders.introduce(request.recorder):
            raise words.Refused(
                "recorder", "another recorder's key is known here: this bridge lost its signing key"
            )
        return wire.KeeperFacts(str(self._.identity.recipient()))

    def _put(self, request: wire.Put) -> wire.Done:
        manifest = verify(request.signed, self._.recorders.keys)
        if manifest.state is not State.RECORDING:
            raise words.Refused("manifest", "state: a recording begins unfinished")
        if abs(self._.clock() - manifest.start) > CLOCK_TOLERANCE_S:
            raise words.Refused(
                "clock", "the bridge's clock and the keeper's differ by more than five minutes (P20)"
            )
        key = bytes.fromhex(request.key)
        self._opened_key(key)
        self._record(Access(BRIDGE, "put", manifest.recording))
        try:
            self._.store.create(manifest.recording, key, Entry(request.signed))
        except FileExistsError:
            raise words.Refused("twice", "this recording was put before") from None
        return wire.Done()

    def _finish(self, request: wire.Finish) -> wire.Done:
        manifest = verify(request.signed, self._.recorders.keys)
        entry, before = self._entry(manifest.recording)
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
        store = self._.store
        renewed = rebuilt and store.has_new_key(manifest.recording)
        key = store.new_key(manifest.recording) if renewed else store.key(manifest.recording)
        header = bytes.fromhex(request.header)
        unwrap_file_key(read_header(io.BytesIO(header)), [self._opened_key(key)])
        self._record(Access(BRIDGE, "finish", manifest.recording, reason=manifest.state.value))
        if renewed:
            store.take_new_key(manifest.recording)
        else:
            store.drop_new_key(manifest.recording)
        finished = replace(entry, signed=request.signed, header=request.header, rebuilt=None)
        store.replace(manifest.recording, finished)
        return wire.Done()

    def begin_recovery(self, request: wire.Recover) -> Recovery:
        """The keys for rebuilding a recording. Raises: words.Refused when there is none to rebuild."""
        with _refusals():
            entry, manifest = self._entry(request.recording)
            if entry.destroyed is not None:
                raise words.Refused("destroyed", "this recording was destroyed")
            if manifest.state is not State.RECORDING:
                raise words.Refused("finished", "this recording is finished")
            self._record(Access(BRIDGE, "recover", request.recording, reason=request.left.value))
            keys = [self._opened_key(self._.store.key(request.recording))]
            if self._.store.has_new_key(request.recording):
                keys.append(self._opened_key(self._.store.new_key(request.recording)))
            return Recovery(entry.signed, tuple(keys), X25519Identity.generate())

    def end_recovery(self, request: wire.Recover, made: Remade, key: X25519Identity | None) -> bool:
        """Keeps the key of the file that was made (None: one that is kept already); whether it is a rebuilt one."""
        with _refusals():
            entry, _ = self._entry(request.recording)
            if entry.destroyed is not None:
                raise words.Refused("destroyed", "this recording was destroyed")
            if key is not None:
                sealed = seal_bytes(str(key).encode(), [self._.identity.recipient()])
                self._.store.put_new_key(request.recording, sealed)
            header = read_header(io.BytesIO(made.header))
            if entry.rebuilt == bytes.fromhex(made.payload):
                return True  # rebuilt before, and cut between that and its registration
            with suppress(NoIdentityMatches):
                unwrap_file_key(header, [self._opened_key(self._.store.key(request.recording))])
                return False
            self._.store.replace(request.recording, replace(entry, rebuilt=bytes.fromhex(made.payload)))
            return True

    def _destroy(self, request: wire.Destroy) -> wire.Done:
        """P16, P20: the key first. Destroying never waits for a disk that is full or a log that cannot be written."""
        self._.store.destroy(request.recording)
        found = self._.store.find(request.recording)
        if found is not None and found[0].destroyed is None:
            gone = replace(found[0], header="", destroyed=request.reason, destroyed_at=self._.clock())
            try:
                self._.store.replace(request.recording, gone)
                self._record(Access(BRIDGE, "destroy", request.recording, reason=request.reason))
            except (AuditUnwritable, OSError) as error:
                log.error("destroyed, but not recorded", recording=request.recording, fault=str(error))
        return wire.Done()

    def _hand_over(self, request: wire.HandOver) -> wire.Done:
        now = self._.clock()
        answer = may_hand_over(request.trainee, self._holding(request.recording), now)
        if isinstance(answer, Granted) and not self._signed_by_device(request):
            self._record(Access(request.trainee, "hand-over", request.recording, "refused", "signature"))
            raise words.Refused(
                "signature", "only the workstation that filmed it can hand this recording over"
            )
        self._answered(request.trainee, "hand-over", request.recording, answer)
        entry, _ = self._entry(request.recording)
        if entry.handed_over_at is None:
            self._.store.replace(request.recording, replace(entry, handed_over_at=now))
        return wire.Done()

    def _signed_by_device(self, request: wire.HandOver) -> bool:
        """P18: whether the workstation that filmed signed the handing over, where its key is known."""
        _, manifest = self._entry(request.recording)
        if not manifest.device_key:
            return True
        statement = hand_over_statement(request.recording)
        signature = request.signature
        return signature is not None and is_signed(bytes.fromhex(manifest.device_key), statement, signature)

    def _trainees_own(self, request: wire.TraineesOwn) -> words.Items:
        return self._items(Asker(request.trainee, Role.TRAINEE, confirmed=True))

    # people

    def _begin(self, request: wire.Begin) -> words.Begun:
        now = self._.clock()
        invitation = None
        if request.code is not None:
            invitation = self._.people.invited(request.code, now)
            if invitation is None:
                self._record(Access(NOBODY, "join", outcome="refused", reason="code"))
                raise words.Refused(
                    "code", "this code is wrong, was used, or is older than 15 minutes: ask for a new one"
                )
        elif self._.people.holding(request.recipient) is None:
            self._record(Access(NOBODY, "prove", outcome="refused", reason="unknown-key"))
            raise words.Refused(
                "not-joined", "this key is not known here, or no longer: ask for an invitation and join"
            )
        name, challenge = self._visits.begin(
            request.recipient, request.client_nonce, request.certificate, invitation, now
        )
        return words.Begun(name, seal(challenge).hex())

    def _prove(self, request: words.Prove) -> words.Proven:
        now = self._.clock()
        pending = self._visits.answered(request.challenge, request.answer, now)
        if pending is None:
            self._record(Access(NOBODY, "prove", outcome="refused", reason="wrong-answer"))
            raise words.Refused("proof", "the proof is wrong or too late: try again")
        transcript = pending.challenge.transcript
        if pending.invitation is not None:
            confirmed = not self._.confirmation_needed
            self._record(Access(pending.invitation.name, "join", reason=pending.invitation.role.value))
            person = self._.people.join(pending.invitation, transcript.recipient, now, confirmed=confirmed)
        else:
            person = self._person(transcript.recipient)
        token, visit = self._visits.open(transcript.recipient, now)
        recorders = tuple(sorted(self._.recorders.keys))
        return words.Proven(token, visit.expires_at, person.name, person.role, transcript.purpose, recorders)

    def _list(self, request: wire.List) -> words.Items:
        asker = self._asker(request.token)
        self._record(Access(asker.name, "list"))
        return self._items(asker)

    def _open(self, request: wire.Open) -> words.Released:
        """P18, P19: the one place where a file key is wrapped for somebody."""
        asker = self._asker(request.token)
        session = request.session.strip()
        if self._.session_needed and asker.role is not Role.TRAINEE and not session:
            self._record(Access(asker.name, "open", request.recording, "refused", "no-session"))
            raise words.Refused(
                "no-session", "say which training session this opening serves (P21): --session TEXT"
            )
        answer = may_open(
            asker, self._holding(request.recording), self._.clock(), self._.keeping.trainee_first_h
        )
        self._answered(asker.name, "open", request.recording, answer, session)
        entry, _ = self._entry(request.recording)
        identity = self._opened_key(self._.store.key(request.recording))
        visit = self._visits.visit(request.token, self._.clock())
        if visit is None:
            raise _visit_ended()
        recipient = X25519Recipient.parse(visit.recipient)
        wrapped = rewrap_header(bytes.fromhex(entry.header), [identity], [recipient])
        return words.Released(wrapped.header.hex(), wrapped.payload_at, entry.signed)

    # the administrator's side

    def _invite(self, request: wire.Invite) -> wire.Invited:
        now = self._.clock()
        self._record(Access(ADMINISTRATOR, "invite", reason=request.role.value, person=request.name))
        code = self._.people.invite(request.name, request.role, now)
        found = self._.people.invited(code, now)
        assert found is not None
        return wire.Invited(code, found.expires_at)

    def _confirm(self, request: wire.Confirm) -> wire.Done:
        known = self._.people.named(request.name)
        if known is None or known.recipient != request.recipient:
            raise words.Refused("person", f"{request.name} has not joined with this key")
        self._record(Access(ADMINISTRATOR, "confirm", person=request.name))
        self._.people.change(request.name, confirmed=True)
        return wire.Done()

    def _revoke(self, request: wire.Revoke) -> wire.Done:
        self._record(Access(ADMINISTRATOR, "revoke", person=request.name))
        self._.people.change(request.name, revoked=True)
        return wire.Done()

    def _reassign(self, request: wire.Reassign) -> wire.Done:
        manifest = verify(request.signed, self._.recorders.keys)
        entry, before = self._entry(manifest.recording)
        if replace(before, trainers=manifest.trainers) != manifest:
            raise words.Refused("manifest", "reassigning changes the trainers and nothing else")
        self._record(Access(ADMINISTRATOR, "reassign", manifest.recording))
        self._.store.replace(manifest.recording, replace(entry, signed=request.signed))
        return wire.Done()

    def _status(self, request: wire.Status) -> wire.KeeperStatus:
        unfinished = tuple(
            m.recording for entry, m in self._.store if m.state is State.RECORDING and entry.destroyed is None
        )
        head = self._.audit.head
        recipient = str(self._.identity.recipient())
        return wire.KeeperStatus(recipient, len(self._.store), unfinished[:10_000], head.number, head.digest)

    # common

    def _record(self, access: Access) -> None:
        self._.audit.append(access, self._.clock())

    def _answered(
        self, who: str, act: str, recording: RecordingId, answer: Answer, session: str = ""
    ) -> None:
        """P19: records the answer; only then lets a grant pass. Raises: words.Refused."""
        if isinstance(answer, Granted):
            self._record(Access(who, act, recording, "granted", session=session))
            return
        self._record(Access(who, act, recording, "refused", answer.refusal.value, session))
        raise words.Refused(answer.refusal.value, sentence(answer), answer.until)

    def _asker(self, token: bytes) -> Asker:
        visit = self._visits.visit(token, self._.clock())
        if visit is None:
            raise _visit_ended()
        person = self._person(visit.recipient)
        return Asker(person.name, person.role, person.confirmed)

    def _person(self, recipient: str) -> Person:
        person = self._.people.holding(recipient)
        if person is None:
            raise words.Refused("not-joined", "this key is no longer known here: ask for an invitation")
        return person

    def _entry(self, recording: RecordingId) -> tuple[Entry, Manifest]:
        found = self._.store.find(recording)
        if found is None:
            raise words.Refused("unknown", "there is no such recording")
        return found

    def _holding(self, recording: RecordingId) -> Holding | None:
        """What the rule sees: the manifest as the recorder signed it, checked. An edited one is no manifest."""
        found = self._.store.find(recording)
        if found is None:
            return None
        entry, manifest = found
        try:
            if self._verified.get(recording) is not entry.signed:  # 0.8 ms each, once per start
                verify(entry.signed, self._.recorders.keys)
                self._verified[recording] = entry.signed
        except ManifestError as error:
            log.error("manifest not as signed", recording=recording, fault=str(error))
            return None
        gone = "key-missing" if not self._.store.has_key(recording) else None
        return Holding(manifest, entry.handed_over_at, entry.destroyed or gone)

    def _opened_key(self, sealed: bytes) -> X25519Identity:
        return X25519Identity.parse(open_bytes(sealed, [self._.identity]).decode("ascii"))

    def _items(self, asker: Asker) -> words.Items:
        now = self._.clock()
        known = [manifest for _, manifest in self._.store if may_know(asker, manifest, now)]
        known.sort(key=lambda manifest: manifest.start, reverse=True)
        held = (self._holding(manifest.recording) for manifest in known[: words.MAX_LISTED])
        shown = (holding for holding in held if holding is not None and may_list(asker, holding))
        return words.Items(tuple(self._item(asker, holding, now) for holding in shown))

    def _item(self, asker: Asker, holding: Holding, now: int) -> words.Item:
        manifest = holding.manifest
        answer = may_open(asker, holding, now, self._.keeping.trainee_first_h)
        state, until, reason = "open", 0, ""
        if not isinstance(answer, Granted):
            state = answer.refusal.value
            until = answer.until if answer.refusal is Refusal.TRAINEE_FIRST else 0
            reason = visible_reason(asker, holding.destroyed or "")
        return words.Item(
            manifest.recording,
            state,
            manifest.trainee,
            manifest.start,
            manifest.duration_ms,
            manifest.not_after,
            manifest.applications,
            until,
            reason,
        )


def _visit_ended() -> words.Refused:
    return words.Refused("visit-ended", "this visit has ended: prove who you are again")


@contextmanager
def _refusals() -> Iterator[None]:
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
