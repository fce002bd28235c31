"""The keeper itself, with a clock turned by hand: who gets a key, what is written first, what is destroyed."""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbx_bridge import wire_portal as words
from pbx_bridge.access.approvals import approval
from pbx_bridge.access.approved import Approved
from pbx_bridge.access.audit import AuditUnwritable, open_log
from pbx_bridge.access.audit_check import check
from pbx_bridge.access.people import People
from pbx_bridge.access.proof import ProofError, answer
from pbx_bridge.age import (
    NoIdentityMatches,
    X25519Identity,
    make_header,
    new_file_key,
    read_header,
    seal_bytes,
    unwrap_file_key,
)
from pbx_bridge.archive import office_wire, opening_wire, recording_wire
from pbx_bridge.archive.book import open_book
from pbx_bridge.archive.keeper import Keeper
from pbx_bridge.archive.keeper_process import Recorders
from pbx_bridge.archive.keeper_room import Parts
from pbx_bridge.archive.keeper_wire import Done
from pbx_bridge.archive.keystore import Entry, KeyStore
from pbx_bridge.archive.manifest import Assignment, Manifest, RecorderKey
from pbx_bridge.archive.own_identity import OwnIdentity
from pbx_bridge.archive.rights_book import RequestBook
from pbx_bridge.archive.rules import DAY_S, HOUR_S, Keeping
from pbx_bridge.archive.timekeeper import Timekeeper
from pbx_bridge.ids import RecordingId, TraineeId, new_recording_id
from pbx_bridge.wire_json import canonical
from pbx_bridge.wire_portal import Deed, Purpose, Refused, Role
from pbx_bridge.wire_proof import hand_over_statement, new_seed, public_key, sign
from tests.archive.house import manifest, plan_behind

NOON = 1_790_000_000
CERTIFICATE = b"\3" * 32
RECORDER = RecorderKey(b"\7" * 32)
T = TypeVar("T")
BRUNO, CARLA, ALICE, DORA = (X25519Identity.generate() for _ in range(4))


@dataclass
class Desk:
    """A keeper and its peers in one place."""

    folder: Path
    now: int = NOON
    confirms: bool = True
    """Whether every key works at once, as if its fingerprint had been compared."""
    set_by_s: int = 0
    """How far somebody has set the wall clock."""
    boot: str = "first"
    synchronised: bool = True
    """What the kernel says of the wall clock."""
    file_keys: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.log = open_log(self.folder)
        self.open()
        self.keeper.handle(recording_wire.Introduce(RECORDER.public))

    def open(self) -> None:
        """The keeper as it starts, from what lies on the disk."""
        self.identity = OwnIdentity(self.folder, self.now)
        self.book, key = open_book(self.folder, self.identity)
        self.store = KeyStore(self.folder / "keystore", key)
        self.people = People(self.folder / "people.json")
        self.approved = Approved(self.folder / "approvals.json")
        self.keeper = Keeper(
            Parts(
                identity=self.identity,
                store=self.store,
                book=self.book,
                audit=self.log,
                people=self.people,
                approved=self.approved,
                recorders=Recorders(self.folder / "recorders.json"),
                clock=lambda: self.now,
                time=Timekeeper(
                    self.folder / "clock.json",
                    lambda: self.now,
                    lambda: self.now - self.set_by_s,
                    lambda: self.boot,
                    lambda: self.synchronised,
                ),
                keeping=Keeping(),
                requests=RequestBook(self.folder / "requests.json"),
            )
        )

    def put(self, described: Manifest) -> X25519Identity:
        identity = X25519Identity.generate()
        key = seal_bytes(str(identity).encode(), [self.identity.recipient])
        if described.trainers:
            plan = plan_behind(described.trainee, described.trainers[0].trainer, described.start)
            self.approved.add(approval(plan, "dora", self.now))
        self.keeper.handle(recording_wire.Put(RECORDER.sign(described), key.hex()))
        return identity

    def record(self, described: Manifest | None = None) -> Manifest:
        """A finished recording; only its header is real, which is all the keeper sees of a file."""
        described = described or manifest(start=self.now)
        identity = self.put(described)
        file_key = self.file_keys[described.recording] = new_file_key()
        finished = described.sealed("ab" * 32, 1_000, 60_000)
        header = make_header(file_key, [identity.recipient()])
        self.keeper.handle(recording_wire.Finish(RECORDER.sign(finished), header.hex()))
        return finished

    def join(self, name: str, role: Role, identity: X25519Identity) -> words.Proven:
        code = self.keeper.handle(office_wire.Invite(name, (role,))).code
        proven = self.prove(identity, code)
        if self.confirms:
            self.people.confirm(name, str(identity.recipient()))
        return proven

    def prove(self, identity: X25519Identity, code: bytes | None = None) -> words.Proven:
        nonce = os.urandom(32)
        begun = self.begin(identity, nonce, code)
        purpose = Purpose.SESSION if code is None else Purpose.JOIN
        proof = answer(bytes.fromhex(begun.sealed), identity, purpose, nonce, CERTIFICATE)
        return self.ask(words.Prove(begun.challenge, proof), words.Proven)

    def act(self, identity: X25519Identity, act: words.Act) -> words.Proven:
        """One proven deed, as an approver's machine does it."""
        nonce = os.urandom(32)
        begun = self.ask(
            opening_wire.Begin(str(identity.recipient()), nonce, CERTIFICATE, None, act), words.Begun
        )
        sealed = bytes.fromhex(begun.sealed)
        proof = answer(sealed, identity, Purpose.ACT, nonce, CERTIFICATE, act.digest())
        return self.ask(words.Prove(begun.challenge, proof), words.Proven)

    def begin(self, identity: X25519Identity, nonce: bytes, code: bytes | None = None) -> words.Begun:
        return self.ask(opening_wire.Begin(str(identity.recipient()), nonce, CERTIFICATE, code), words.Begun)

    def ask(self, request: Any, kind: type[T]) -> T:
        found = self.keeper.handle(request)
        assert isinstance(found, kind)
        return found

    def refused(self, request: Any) -> Refused:
        with pytest.raises(Refused) as refused:
            self.keeper.handle(request)
        return refused.value

    def keeper_entry(self, recording: RecordingId) -> Entry:
        found = self.store.find(recording)
        assert found is not None
        return found[0]

    def audited(self) -> list[tuple[str, str, str, str]]:
        """(who, act, outcome, reason) of every record."""
        check(self.folder / "audit")
        paths = sorted((self.folder / "audit").glob("*.jsonl"))
        records = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
        return [(r["who"], r["act"], r["outcome"], r["reason"]) for r in records]

    def file_key(self, released: words.Released, identity: X25519Identity) -> bytes:
        return unwrap_file_key(read_header(io.BytesIO(bytes.fromhex(released.header))), [identity])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.log.close()


def test_a_release_is_for_that_person_alone_and_recorded_first(desk: Desk) -> None:
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    released = desk.ask(opening_wire.Open(token, recording, "review"), words.Released)
    assert desk.file_key(released, BRUNO) == desk.file_keys[recording]
    for other in (ALICE, CARLA, desk.identity.current):
        with pytest.raises(NoIdentityMatches):
            desk.file_key(released, other)
    assert desk.audited()[-1] == ("bruno", "open", "granted", "")


def test_every_refusal_is_recorded(desk: Desk) -> None:
    recording = desk.record().recording
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    guessed = new_recording_id()
    assert desk.refused(opening_wire.Open(token, recording, "")).word == "no-session"
    assert desk.refused(opening_wire.Open(token, recording, "review")).word == "trainee-first"
    assert desk.refused(opening_wire.Open(token, guessed, "review")).word == "unknown"
    assert desk.refused(recording_wire.HandOver(recording, "bruno")).word == "unknown"
    assert desk.audited()[-4:] == [
        ("bruno", "open", "refused", "no-session"),
        ("bruno", "open", "refused", "trainee-first"),
        ("bruno", "open", "refused", "unknown"),
        ("bruno", "hand-over", "refused", "unknown"),
    ]


def test_without_the_record_nothing_is_released(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk refuses the record: no key, no list, no hand-over, no new recording, nobody joins; then all goes on."""
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    code = desk.keeper.handle(office_wire.Invite("carla", (Role.TRAINER,))).code

    def full(*_: object) -> None:
        raise AuditUnwritable("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(desk.log, "append", full)
        for request in (
            opening_wire.Open(token, recording, "review"),
            opening_wire.List(token),
            recording_wire.HandOver(recording, "alice"),
            office_wire.Invite("denis", (Role.TRAINER,)),
            office_wire.Revoke("bruno"),
        ):
            assert desk.refused(request).word == "audit-unwritable"
        with pytest.raises(Refused, match="audit"):
            desk.put(manifest(start=desk.now))
        with pytest.raises(Refused, match="audit"):
            desk.prove(CARLA, code)
        assert desk.people.named("carla") is None
    assert len(desk.store) == 1
    desk.ask(opening_wire.Open(token, recording, "review"), words.Released)


def test_what_went_out_is_recorded_though_its_visit_is_over(desk: Desk) -> None:
    """P19: it opens nothing any more, and still says whose view it was."""
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.ask(opening_wire.Open(token, recording, "review"), words.Released)
    desk.now += 15 * 60
    assert desk.refused(opening_wire.Open(token, recording, "review")).word == "visit-ended"
    desk.ask(opening_wire.Viewed(token, recording, "0-3/9", None), Done)
    assert desk.audited()[-1] == ("bruno", "view", "granted", "")
    assert desk.refused(opening_wire.Viewed(bytes(32), recording, "0-3/9", None)).word == "visit-ended"


def test_an_objection_destroys_even_without_the_record(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """P16: erasing never waits for a log."""
    recording = desk.record().recording
    key = desk.folder / "keystore" / f"{recording}.key"
    with monkeypatch.context() as patched:
        patched.setattr(desk.log, "append", _unwritable)
        desk.keeper.handle(recording_wire.Destroy(recording, "objection"))
    assert not key.exists()
    token = desk.join("alice", Role.TRAINEE, ALICE).token
    assert desk.refused(opening_wire.Open(token, recording, "own")).word == "not-kept"


def _unwritable(*_: object) -> None:
    raise AuditUnwritable("no space left")


def test_a_destroyed_key_is_overwritten_where_it_lay(desk: Desk) -> None:
    recording = desk.record().recording
    key = desk.folder / "keystore" / f"{recording}.key"
    with open(key, "rb") as held:
        before = held.read()
        desk.keeper.handle(recording_wire.Destroy(recording, "private"))
        held.seek(0)
        after = held.read()
    assert len(after) == len(before)
    assert not any(before[at : at + 8] in after for at in range(len(before) - 8))
    desk.keeper.handle(recording_wire.Destroy(recording, "private"))
    desk.keeper.handle(recording_wire.Destroy(new_recording_id(), "private"))


@pytest.mark.parametrize("ends", [(".key",), (".key-new",), (".key", ".key-new")])
def test_the_store_says_whether_there_was_a_key_to_destroy(tmp_path: Path, ends: tuple[str, ...]) -> None:
    store, recording = KeyStore(tmp_path, b"k" * 32), new_recording_id()
    for end in ends:
        (tmp_path / f"{recording}{end}").write_bytes(b"wrapped")
    assert store.destroy(recording)
    assert not store.destroy(recording)
    assert not list(tmp_path.glob("*.key*"))


def test_time_opens_and_closes(desk: Desk) -> None:
    recording = desk.record().recording
    desk.join("bruno", Role.TRAINER, BRUNO)

    def tried() -> str:
        try:
            desk.keeper.handle(opening_wire.Open(desk.prove(BRUNO).token, recording, "review"))
        except Refused as refused:
            return refused.word
        return "opened"

    assert tried() == "trainee-first"
    desk.now = NOON + 60 + 24 * HOUR_S - 1
    assert tried() == "trainee-first"
    desk.now += 1
    assert tried() == "opened"
    desk.now = NOON + 14 * DAY_S - 1
    assert tried() == "opened"
    desk.now += 1
    assert tried() == "expired"
    token = desk.join("alice", Role.TRAINEE, ALICE).token
    assert desk.refused(opening_wire.Open(token, recording, "own")).word == "expired"


def test_a_review_is_said_in_a_session_by_an_assigned_trainer(desk: Desk) -> None:
    """P15: opening is not reviewing; the first saying counts, and seven days later it is over."""
    recording = desk.record().recording
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    bruno, carla = (desk.join(n, Role.TRAINER, i).token for n, i in (("bruno", BRUNO), ("carla", CARLA)))
    assert desk.refused(opening_wire.Review(bruno, recording, "first review")).word == "trainee-first"
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    for session in ("", "  "):
        assert desk.refused(opening_wire.Review(bruno, recording, session)).word == "no-session"
    for other in (alice, carla):
        assert desk.refused(opening_wire.Review(other, recording, "first review")).word == "unknown"
    desk.ask(opening_wire.Open(bruno, recording, "first review"), words.Released)
    assert reviewed_at(desk, recording) is None
    desk.keeper.handle(opening_wire.Review(bruno, recording, "first review"))
    assert desk.audited()[-1] == ("bruno", "review", "granted", "")
    desk.now += DAY_S
    desk.keeper.handle(opening_wire.Review(desk.prove(BRUNO).token, recording, "again"))
    assert reviewed_at(desk, recording) == NOON
    desk.open()
    desk.now = NOON + 7 * DAY_S - 1
    desk.ask(opening_wire.Open(desk.prove(BRUNO).token, recording, "second"), words.Released)
    desk.now += 1
    for asked in (opening_wire.Open, opening_wire.Review):
        assert desk.refused(asked(desk.prove(BRUNO).token, recording, "third")).word == "expired"


def test_the_backlog_is_what_waits_for_its_review(desk: Desk) -> None:
    """P15: counted from the seal, until it is reviewed or destroyed, also after a restart."""

    def waiting() -> dict[tuple[str, str], tuple[int, int]]:
        lines = desk.ask(opening_wire.Backlog(), opening_wire.AllWaiting).waiting
        return {(line.trainee, line.trainer): (line.recordings, line.duration_ms) for line in lines}

    assert waiting() == {}
    desk.put(manifest(start=desk.now))  # a call that goes on
    assert waiting() == {}
    first, second = (desk.record().recording for _ in range(2))
    desk.record(manifest(trainee="denis", trainer="carla", start=desk.now))
    before = {("alice", "bruno"): (2, 120_000), ("denis", "carla"): (1, 60_000)}
    assert waiting() == before
    desk.open()
    assert waiting() == before
    desk.keeper.handle(recording_wire.HandOver(first, "alice"))
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.ask(opening_wire.Open(token, first, "review"), words.Released)
    assert waiting() == before
    desk.keeper.handle(opening_wire.Review(token, first, "review"))
    assert waiting() == before | {("alice", "bruno"): (1, 60_000)}
    desk.keeper.handle(recording_wire.Destroy(second, "private"))
    assert waiting() == {("denis", "carla"): (1, 60_000)}


def reviewed_at(desk: Desk, recording: RecordingId) -> int | None:
    found = desk.store.find(recording)
    assert found is not None
    return found[0].reviewed_at


PEOPLE = {"bruno": (Role.TRAINER, BRUNO), "carla": (Role.TRAINER, CARLA), "alice": (Role.TRAINEE, ALICE)}


@given(
    trainees=st.lists(st.sampled_from(["alice", "denis"]), min_size=1, max_size=3),
    trainers=st.lists(st.sampled_from(["bruno", "carla"]), min_size=3, max_size=3),
    handed=st.lists(st.booleans(), min_size=3, max_size=3),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_all_pairs_of_people_and_recordings(
    tmp_path_factory: pytest.TempPathFactory, trainees: list[str], trainers: list[str], handed: list[bool]
) -> None:
    """Through the whole keeper: exactly those with a right get a key, it is the right one, and only theirs."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    tokens = {name: desk.join(name, role, identity).token for name, (role, identity) in PEOPLE.items()}
    made = []
    for trainee, trainer, hand in zip(trainees, trainers, handed, strict=False):
        recording = desk.record(manifest(trainee=trainee, trainer=trainer, start=desk.now)).recording
        if hand:
            desk.keeper.handle(recording_wire.HandOver(recording, trainee))
        made.append((recording, trainee, trainer, hand))
    made.append((new_recording_id(), "", "", True))
    for (name, (role, identity)), (recording, trainee, trainer, hand) in itertools.product(
        PEOPLE.items(), made
    ):
        may = name == trainee if role is Role.TRAINEE else name == trainer and hand
        request = opening_wire.Open(tokens[name], recording, "review")
        if may:
            released = desk.ask(request, words.Released)
            assert desk.file_key(released, identity) == desk.file_keys[recording]
        else:
            knows = name == trainer
            assert desk.refused(request).word == ("trainee-first" if knows else "unknown")
        listed = {item.recording for item in desk.ask(opening_wire.List(tokens[name]), words.Items).items}
        assert (recording in listed) is (name in (trainee, trainer))
    desk.log.close()


def test_an_edited_entry_opens_for_nobody(desk: Desk) -> None:
    """Somebody edits the key store's file: another trainee, other trainers, later ends. The signature says no."""
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    path = desk.folder / "keystore" / f"{recording}.json"
    entry, mac = json.loads(path.read_text().splitlines()[0]), path.read_text().splitlines()[1]
    text = entry["signed"]["text"]
    desk.join("carla", Role.TRAINER, CARLA)
    for edited in (text.replace('"bruno"', '"carla"'), text.replace('"alice"', '"carla"')):
        entry["signed"]["text"] = edited
        path.write_text(f"{canonical(entry).decode()}\n{mac}\n")
        desk.open()
        for name, identity in (("carla", CARLA), ("bruno", BRUNO)):
            token = desk.join(name, Role.TRAINER, identity).token
            assert desk.refused(opening_wire.Open(token, recording, "review")).word == "unknown"
            assert desk.ask(opening_wire.List(token), words.Items).items == ()


def test_a_hand_over_written_by_hand_opens_for_nobody(desk: Desk) -> None:
    """P18: somebody ends the trainee's first hours in the key store's file, or says it was reviewed, or keeps it."""
    recording = desk.record().recording
    path = desk.folder / "keystore" / f"{recording}.json"
    whole = path.read_text()
    bruno = desk.join("bruno", Role.TRAINER, BRUNO)
    assert desk.refused(opening_wire.Open(bruno.token, recording, "review")).word == "trainee-first"
    for name in ("handed_over_at", "reviewed_at", "suspended_until"):
        path.write_text(whole.replace(f'"{name}":null', f'"{name}":{NOON + 1}'))
        assert path.read_text() != whole
        for _ in range(2):  # nor after the keeper itself has written it again
            desk.open()
            assert (
                desk.refused(opening_wire.Open(desk.prove(BRUNO).token, recording, "review")).word
                == "unknown"
            )
            assert desk.ask(opening_wire.List(desk.prove(BRUNO).token), words.Items).items == ()
            desk.store.replace(recording, desk.keeper_entry(recording))
    path.write_text(whole)
    desk.open()
    assert (
        desk.refused(opening_wire.Open(desk.prove(BRUNO).token, recording, "review")).word == "trainee-first"
    )


def test_another_recordings_manifest_does_not_fit(desk: Desk) -> None:
    """Two entries' manifests are swapped, both rightly signed: the store does not start."""
    first, second = desk.record().recording, desk.record().recording
    one, two = (desk.folder / "keystore" / f"{name}.json" for name in (first, second))
    swapped = two.read_bytes()
    two.write_bytes(one.read_bytes())
    one.write_bytes(swapped)
    with pytest.raises(Exception, match="another recording"):
        desk.open()


def test_a_finished_manifest_cannot_widen_the_first(desk: Desk) -> None:
    described = manifest(start=desk.now)
    identity = desk.put(described)
    header = make_header(new_file_key(), [identity.recipient()]).hex()
    good = described.sealed("ab" * 32, 1_000, 60_000)
    for wider in (
        replace(good, trainers=(Assignment("carla", NOON - 5, NOON + 500),)),
        replace(good, trainee=TraineeId("bruno")),
        replace(good, not_after=good.not_after + 1),
        replace(good, start=good.start + 1),
        replace(good, plan="00" * 32),
    ):
        assert desk.refused(recording_wire.Finish(RECORDER.sign(wider), header)).word == "manifest"
    stranger = RecorderKey(os.urandom(32))
    assert desk.refused(recording_wire.Finish(stranger.sign(good), header)).word == "manifest"
    another = make_header(new_file_key(), [X25519Identity.generate().recipient()]).hex()
    assert desk.refused(recording_wire.Finish(RECORDER.sign(good), another)).word == "key"
    recovered = described.sealed("ab" * 32, 1_000, 60_000, recovered=True)
    assert desk.refused(recording_wire.Finish(RECORDER.sign(recovered), header)).word == "manifest"
    desk.keeper.handle(recording_wire.Finish(RECORDER.sign(good), header))
    desk.keeper.handle(recording_wire.Finish(RECORDER.sign(good), header))
    again = described.sealed("cd" * 32, 1_000, 60_000)
    assert desk.refused(recording_wire.Finish(RECORDER.sign(again), header)).word == "manifest"


def test_what_cannot_begin(desk: Desk) -> None:
    described = manifest(start=desk.now)
    desk.put(described)
    with pytest.raises(Refused, match="before"):
        desk.put(described)
    for start in (desk.now - 301, desk.now + 301):
        with pytest.raises(Refused, match="clock"):
            desk.put(manifest(start=start))
    unreadable = recording_wire.Put(
        RECORDER.sign(manifest(start=desk.now)), seal_bytes(b"x", [BRUNO.recipient()]).hex()
    )
    assert desk.refused(unreadable).word == "identity-changed"
    for sealed in (seal_bytes(b"x", [desk.identity.recipient]), b"x"):
        assert (
            desk.refused(recording_wire.Put(RECORDER.sign(manifest(start=desk.now)), sealed.hex())).word
            == "key"
        )
    assert desk.refused(recording_wire.Introduce(os.urandom(32))).word == "recorder"
    assert len(desk.store) == 1


def test_only_the_device_that_filmed_hands_over(desk: Desk) -> None:
    seed = new_seed()
    described = replace(manifest(start=desk.now), device_key=public_key(seed).hex())
    recording = desk.record(described).recording
    statement = hand_over_statement(recording)
    elsewhere = sign(new_seed(), statement)
    another = sign(seed, hand_over_statement(new_recording_id()))
    for wrong in (None, elsewhere, another, b"\0" * 64):
        assert desk.refused(recording_wire.HandOver(recording, "alice", wrong)).word == "signature"
    desk.keeper.handle(recording_wire.HandOver(recording, "alice", sign(seed, statement)))
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.ask(opening_wire.Open(token, recording, "review"), words.Released)


# -- who a person is


def test_a_code_serves_once_and_for_a_quarter_of_an_hour(desk: Desk) -> None:
    code = desk.keeper.handle(office_wire.Invite("bruno", (Role.TRAINER,))).code
    assert code not in (desk.folder / "people.json").read_bytes()
    assert code.hex().encode() not in (desk.folder / "people.json").read_bytes()
    desk.prove(BRUNO, code)
    assert (
        desk.refused(opening_wire.Begin(str(CARLA.recipient()), b"\1" * 32, CERTIFICATE, code)).word == "code"
    )
    late = desk.keeper.handle(office_wire.Invite("carla", (Role.TRAINER,))).code
    desk.now += 15 * 60
    assert (
        desk.refused(opening_wire.Begin(str(CARLA.recipient()), b"\1" * 32, CERTIFICATE, late)).word == "code"
    )
    replaced = desk.keeper.handle(office_wire.Invite("carla", (Role.TRAINER,))).code
    desk.keeper.handle(office_wire.Invite("carla", (Role.TRAINER,)))
    assert (
        desk.refused(opening_wire.Begin(str(CARLA.recipient()), b"\1" * 32, CERTIFICATE, replaced)).word
        == "code"
    )
    guessed = os.urandom(16)
    assert (
        desk.refused(opening_wire.Begin(str(CARLA.recipient()), b"\1" * 32, CERTIFICATE, guessed)).word
        == "code"
    )


def test_two_at_once_with_one_code_are_one(desk: Desk) -> None:
    code = desk.keeper.handle(office_wire.Invite("bruno", (Role.TRAINER,))).code
    nonce = b"\1" * 32
    begun = [(who, desk.begin(who, nonce, code)) for who in (BRUNO, CARLA)]
    proofs = [
        words.Prove(b.challenge, answer(bytes.fromhex(b.sealed), who, Purpose.JOIN, nonce, CERTIFICATE))
        for who, b in begun
    ]
    desk.keeper.handle(proofs[0])
    assert desk.refused(proofs[1]).word == "person"
    person = desk.people.named("bruno")
    assert person is not None
    assert person.recipient == str(BRUNO.recipient())


def test_a_proof_serves_once_and_in_time(desk: Desk) -> None:
    desk.join("bruno", Role.TRAINER, BRUNO)
    nonce = os.urandom(32)
    begun = desk.begin(BRUNO, nonce)
    proof = answer(bytes.fromhex(begun.sealed), BRUNO, Purpose.SESSION, nonce, CERTIFICATE)
    desk.keeper.handle(words.Prove(begun.challenge, proof))
    assert desk.refused(words.Prove(begun.challenge, proof)).word == "proof"
    late = desk.begin(BRUNO, nonce)
    proof = answer(bytes.fromhex(late.sealed), BRUNO, Purpose.SESSION, nonce, CERTIFICATE)
    desk.now += 60
    assert desk.refused(words.Prove(late.challenge, proof)).word == "proof"
    wrong = desk.begin(BRUNO, nonce)
    assert desk.refused(words.Prove(wrong.challenge, os.urandom(32))).word == "proof"
    right = answer(bytes.fromhex(wrong.sealed), BRUNO, Purpose.SESSION, nonce, CERTIFICATE)
    assert desk.refused(words.Prove(wrong.challenge, right)).word == "proof"  # a wrong answer uses it up


def test_a_challenge_is_answered_only_where_it_belongs(desk: Desk) -> None:
    desk.join("bruno", Role.TRAINER, BRUNO)
    nonce = os.urandom(32)
    sealed = bytes.fromhex(desk.begin(BRUNO, nonce).sealed)
    with pytest.raises(ProofError, match="another certificate"):
        answer(sealed, BRUNO, Purpose.SESSION, nonce, b"\4" * 32)
    with pytest.raises(ProofError, match="another request"):
        answer(sealed, BRUNO, Purpose.SESSION, os.urandom(32), CERTIFICATE)
    with pytest.raises(ProofError, match="another request"):
        answer(sealed, BRUNO, Purpose.JOIN, nonce, CERTIFICATE)
    with pytest.raises(ProofError, match="cannot be read"):
        answer(sealed, CARLA, Purpose.SESSION, nonce, CERTIFICATE)
    for spoiled in (sealed[:-1], sealed[:50], b"", sealed + b"x", seal_bytes(b"{}", [BRUNO.recipient()])):
        with pytest.raises(ProofError, match="cannot be read"):
            answer(spoiled, BRUNO, Purpose.SESSION, nonce, CERTIFICATE)
    with pytest.raises(ProofError, match="bytes"):
        answer(sealed + bytes(5_000), BRUNO, Purpose.SESSION, nonce, CERTIFICATE)


def test_a_revoked_person_is_out_at_once(desk: Desk) -> None:
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.keeper.handle(office_wire.Revoke("bruno"))
    assert desk.refused(opening_wire.Open(token, recording, "review")).word == "not-joined"
    assert (
        desk.refused(opening_wire.Begin(str(BRUNO.recipient()), b"\1" * 32, CERTIFICATE)).word == "not-joined"
    )
    assert desk.refused(office_wire.Revoke("nobody")).word == "person"


def test_a_visit_ends_by_itself_and_with_the_keeper(desk: Desk) -> None:
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    desk.now += 15 * 60
    assert desk.refused(opening_wire.List(token)).word == "visit-ended"
    token = desk.prove(BRUNO).token
    desk.open()
    assert desk.refused(opening_wire.List(token)).word == "visit-ended"
    assert desk.refused(opening_wire.List(os.urandom(32))).word == "visit-ended"


def test_a_key_and_a_name_have_one_holder(desk: Desk) -> None:
    desk.join("bruno", Role.TRAINER, BRUNO)
    code = desk.keeper.handle(office_wire.Invite("carla", (Role.TRAINER,))).code
    with pytest.raises(Refused, match="another person"):
        desk.prove(BRUNO, code)
    with pytest.raises(Refused, match="P22"):
        desk.keeper.handle(office_wire.Invite("bruno", (Role.TRAINEE,)))


def test_a_new_key_waits_for_its_confirmation(tmp_path: Path) -> None:
    desk = Desk(tmp_path, confirms=False)
    desk.join("dora", Role.APPROVER, DORA)
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    assert desk.refused(opening_wire.Open(token, recording, "review")).word == "key-unconfirmed"
    desk.act(DORA, words.Act(Deed.CONFIRM, "bruno", str(BRUNO.recipient())))
    desk.ask(opening_wire.Open(token, recording, "review"), words.Released)
    token = desk.join(
        "bruno", Role.TRAINER, CARLA
    ).token  # an administrator's own key under the trainer's name
    assert desk.refused(opening_wire.Open(token, recording, "review")).word == "key-unconfirmed"
    desk.log.close()


def test_the_flood_has_a_bound(desk: Desk) -> None:
    """Challenges and visits beyond the limit push out the oldest, and nothing grows."""
    desk.join("bruno", Role.TRAINER, BRUNO)
    first = desk.begin(BRUNO, b"\1" * 32)
    for _ in range(256):
        desk.begin(BRUNO, b"\1" * 32)
    proof = answer(bytes.fromhex(first.sealed), BRUNO, Purpose.SESSION, b"\1" * 32, CERTIFICATE)
    assert desk.refused(words.Prove(first.challenge, proof)).word == "proof"


def test_recordings_of_two_keepers_do_not_mix(desk: Desk) -> None:
    recording = RecordingId(desk.record().recording)
    assert (
        desk.refused(recording_wire.Finish(RecorderKey(b"\1" * 32).sign(manifest(recording)), "00")).word
        == "manifest"
    )


def test_without_its_key_a_recording_is_gone(desk: Desk) -> None:
    """The key's file is away, whatever the entry says: an old backup of the entry brings nothing back."""
    recording = desk.record().recording
    desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    token = desk.join("bruno", Role.TRAINER, BRUNO).token
    (desk.folder / "keystore" / f"{recording}.key").unlink()
    assert desk.refused(opening_wire.Open(token, recording, "review")).word == "not-kept"
