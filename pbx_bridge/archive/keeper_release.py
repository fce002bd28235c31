"""The keeper's side for opening: who sees what in a list, who gets a key, who hands over.

The one place where a file key is wrapped for somebody: rule, then record, then rewrap.
"""

from __future__ import annotations

from dataclasses import replace

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import Access
from pbx_bridge.access.roles import Person
from pbx_bridge.age import X25519Recipient, rewrap_header
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import opening_wire, recording_wire
from pbx_bridge.archive.keeper_people import PeopleSide
from pbx_bridge.archive.keeper_room import Room
from pbx_bridge.archive.release import (
    Answer,
    Asker,
    Granted,
    Holding,
    Refusal,
    Refused,
    may_hand_over,
    may_know,
    may_list,
    may_open,
    may_review,
    states_session,
    visible_reason,
)
from pbx_bridge.archive.sentences import sentence
from pbx_bridge.ids import RecordingId, parse_recording_id
from pbx_bridge.wire_portal import Role
from pbx_bridge.wire_proof import hand_over_statement, is_signed


class ReleaseSide:
    def __init__(self, room: Room, people: PeopleSide) -> None:
        self._room, self._people, self._store = room, people, room.parts.store

    def listing(self, request: opening_wire.List) -> words.Items:
        """P18, P22, P24: what this visitor may know of; the looking is recorded too. A key that waits learns that alone."""
        asker, _ = self._people.visitor(request.token)
        if not asker.confirmed:
            refusal = Refused(Refusal.KEY_UNCONFIRMED)
            self._room.record(Access(asker.name, "list", outcome="refused", reason=refusal.refusal.value))
            raise words.Refused(refusal.refusal.value, sentence(refusal))
        self._room.looked(Access(asker.name, "list"))
        return self._items(asker)

    def open(self, request: opening_wire.Open) -> words.Released:
        """P18, P19: the one place where a file key is wrapped for somebody."""
        asker, recipient = self._people.visitor(request.token)
        session, act = request.session.strip(), "fetch" if request.fetch else "open"
        if not states_session(asker, session, needed=self._room.parts.session_needed):
            self._room.record(Access(asker.name, act, request.recording, "refused", "no-session"))
            raise words.Refused(
                "no-session", "say which training session this opening serves (P21): --session TEXT"
            )
        answer = may_open(
            asker,
            self._room.holding(request.recording),
            self._room.parts.time.now(),
            self._room.parts.keeping,
        )
        self._room.answered(asker.name, act, request.recording, answer, session)
        entry, _ = self._room.entry(request.recording)
        identity = self._room.opened_key(self._store.key(request.recording))
        self._room.parts.book.note_released(request.recording, asker.name, self._room.parts.clock())
        wrapped = rewrap_header(bytes.fromhex(entry.header), [identity], [X25519Recipient.parse(recipient)])
        return words.Released(wrapped.header.hex(), wrapped.payload_at, entry.signed)

    def trainees_own(self, request: recording_wire.TraineesOwn) -> words.Items:
        """The same for a trainee at their own workstation, which the bridge has proven."""
        return self._items(Asker(request.trainee, Role.TRAINEE, confirmed=True))

    def hand_over(self, request: recording_wire.HandOver) -> wire.Done:
        """P18: the trainee ends their own first hours. Twice is once."""
        now = self._room.parts.time.now()
        held = self._room.holding(request.recording)
        answer = may_hand_over(request.trainee, held, now, self._room.parts.keeping)
        if isinstance(answer, Granted) and not self._signed_by_device(request):
            self._room.record(Access(request.trainee, "hand-over", request.recording, "refused", "signature"))
            raise words.Refused(
                "signature", "only the workstation that filmed it can hand this recording over"
            )
        self._hand_over(request.trainee, request.recording, answer, now)
        return wire.Done()

    def hand_over_proven(self, person: Person, act: words.Act) -> None:
        """P18: the same by the trainee's own confirmed key, proven for this very recording; no device need sign then."""
        try:
            recording = parse_recording_id(act.text)
        except ValueError:
            raise words.Refused("unknown", sentence(Refused(Refusal.UNKNOWN))) from None
        now, keeping = self._room.parts.time.now(), self._room.parts.keeping
        if Role.TRAINEE in person.roles:
            asker = Asker(person.name, Role.TRAINEE, person.confirmed)
            answer = may_open(asker, self._room.holding(recording), now, keeping)
        else:
            answer = Refused(Refusal.UNKNOWN)
        self._hand_over(person.name, recording, answer, now)

    def _hand_over(self, who: str, recording: RecordingId, answer: Answer, now: int | None) -> None:
        """Records the answer; then, if granted, it is done. Twice is once. Raises: words.Refused."""
        self._room.answered(who, "hand-over", recording, answer)
        entry, _ = self._room.entry(recording)
        if entry.handed_over_at is None:
            self._store.replace(recording, replace(entry, handed_over_at=now))

    def viewed(self, request: opening_wire.Viewed) -> wire.Done:
        """P19: what went to somebody who was given its key before; only they add to what is told of them."""
        asker = self._people.viewer(request.token)
        answer = may_open(
            asker,
            self._room.holding(request.recording),
            self._room.parts.time.now(),
            self._room.parts.keeping,
        )
        if isinstance(answer, Granted) and request.broke is not None:
            broke = Access(asker.name, "view", request.recording, "refused", request.broke.value)
            self._room.record(replace(broke, subject=request.parts))
            return wire.Done()
        self._room.answered(asker.name, "view", request.recording, answer, subject=request.parts)
        return wire.Done()

    def review(self, request: opening_wire.Review) -> wire.Done:
        """P15: a trainer says that it was discussed in a training session with the trainee. Twice is once."""
        asker, _ = self._people.visitor(request.token)
        session = request.session.strip()
        if not session:
            self._room.record(Access(asker.name, "review", request.recording, "refused", "no-session"))
            raise words.Refused(
                "no-session", "say in which training session it was discussed (P15): --session TEXT"
            )
        now = self._room.parts.time.now()
        answer = may_review(asker, self._room.holding(request.recording), now, self._room.parts.keeping)
        self._room.answered(asker.name, "review", request.recording, answer, session)
        entry, _ = self._room.entry(request.recording)
        if entry.reviewed_at is None:
            self._store.replace(request.recording, replace(entry, reviewed_at=now))
        return wire.Done()

    def _signed_by_device(self, request: recording_wire.HandOver) -> bool:
        """P18: whether the workstation that filmed signed the handing over, where its key is known."""
        _, manifest = self._room.entry(request.recording)
        if not manifest.device_key:
            return True
        statement = hand_over_statement(request.recording)
        signature = request.signature
        return signature is not None and is_signed(bytes.fromhex(manifest.device_key), statement, signature)

    def _items(self, asker: Asker) -> words.Items:
        now = self._room.parts.time.known.high
        known = [manifest for _, manifest in self._store.of_person(asker.name)]
        known = [manifest for manifest in known if may_know(asker, manifest, now)]
        known.sort(key=lambda manifest: manifest.start, reverse=True)
        held = (self._room.holding(manifest.recording) for manifest in known[: words.MAX_LISTED])
        shown = (holding for holding in held if holding is not None and may_list(asker, holding))
        return words.Items(tuple(self._item(asker, holding, now) for holding in shown))

    def _item(self, asker: Asker, holding: Holding, now: int) -> words.Item:
        manifest = holding.manifest
        answer = may_open(asker, holding, now, self._room.parts.keeping)
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
            holding.end(self._room.parts.keeping).at,
            manifest.applications,
            until,
            reason,
        )
