"""P23 at the keeper, with a clock turned by hand: who gets which copy, what an open request keeps, what is erased."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.access.audit import AuditUnwritable
from pbx_bridge.age import X25519Identity
from pbx_bridge.archive import keeper_wire as wire
from pbx_bridge.archive import office_wire, opening_wire, recording_wire, retention_wire, rights_wire
from pbx_bridge.archive.keeper_rights import Order
from pbx_bridge.archive.rules import DAY_S, KEEP_CEILING_DAYS
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, new_recording_id
from pbx_bridge.media.voice import Side
from pbx_bridge.rights.rules import due_at
from pbx_bridge.wire_portal import Act, Deed, Refused, Role
from pbx_bridge.wire_rights import Closing, Party, Right, RightsRequest, RightsRequests, Visitor, grant_text
from tests.archive.house import manifest
from tests.archive.test_keeper import NOON, Desk

BRUNO, CARLA, ALICE, DORA, CUSTOMER = (X25519Identity.generate() for _ in range(5))


@dataclass
class Site:
    """A keeper with alice (trainee), bruno (trainer), carla (approver) and dora (another trainee)."""

    desk: Desk
    alice: bytes
    bruno: bytes
    carla: bytes
    dora: bytes

    def opened(self, right: Right, *recordings: RecordingId, until: int | None = None) -> RightsRequest:
        """A customer's request about these."""
        recipient = str(CUSTOMER.recipient()) if right is Right.ACCESS else ""
        asked = rights_wire.OpenRequest(right, Party.CUSTOMER, "", recordings, recipient, until)
        return self.desk.ask(asked, RightsRequest)

    def trainees(self, right: Right, until: int | None = None) -> RightsRequest:
        asked = rights_wire.OpenRequest(right, Party.TRAINEE, "alice", until=until)
        return self.desk.ask(asked, RightsRequest)

    def grant(self, request: RightsRequest, by: X25519Identity = CARLA, text: str | None = None) -> None:
        read = grant_text(request) if text is None else text
        self.desk.act(by, Act(Deed.GRANT, request.id, read))

    def exported(self, asked: rights_wire.ExportOwn | rights_wire.ExportRequested) -> Order:
        return self.desk.keeper.begin_export(asked)

    def no_export(self, asked: rights_wire.ExportOwn | rights_wire.ExportRequested) -> str:
        with pytest.raises(Refused) as refused:
            self.desk.keeper.begin_export(asked)
        return refused.value.word

    def purged(self) -> list[RecordingId]:
        gone = self.desk.ask(retention_wire.Purge(dry_run=False, by_hand=False), retention_wire.Purged)
        return [one.recording for one in gone.gone]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    desk = Desk(tmp_path)
    carla = desk.join("carla", Role.APPROVER, CARLA).token
    alice = desk.join("alice", Role.TRAINEE, ALICE).token
    dora = desk.join("dora", Role.TRAINEE, DORA).token
    bruno = desk.join("bruno", Role.TRAINER, BRUNO).token
    yield Site(desk, alice, bruno, carla, dora)
    desk.log.close()


def test_a_trainees_copy_is_their_own_voice_with_the_pictures_for_their_own_key(site: Site) -> None:
    recording = site.desk.record().recording
    order = site.exported(rights_wire.ExportOwn(site.alice, recording))
    assert (order.keep, order.pictures) == (Side.AGENT, True)
    assert str(order.recipient) == str(ALICE.recipient())
    assert site.desk.audited()[-1] == ("alice", "export", "granted", "")
    assert site.desk.book.copies(recording) == ("alice",)


def test_nobody_else_gets_a_trainees_copy(site: Site) -> None:
    """The trainer may open the recording; a copy of it is the trainee's alone."""
    recording = site.desk.record().recording
    site.desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    for token in (site.bruno, site.carla, site.dora):
        assert site.no_export(rights_wire.ExportOwn(token, recording)) == "unknown"
    assert site.no_export(rights_wire.ExportOwn(site.alice, new_recording_id())) == "unknown"
    assert site.no_export(rights_wire.ExportOwn(b"\0" * 32, recording)) == "visit-ended"
    assert ("bruno", "export", "refused", "unknown") in site.desk.audited()


def test_a_customers_copy_needs_a_second_person_and_is_their_voice_alone(site: Site) -> None:
    recording, other = site.desk.record().recording, site.desk.record().recording
    request = site.opened(Right.ACCESS, recording)
    asked = rights_wire.ExportRequested(request.id, recording)
    assert site.no_export(asked) == "not-granted"
    site.grant(request)
    assert site.desk.audited()[-1] == ("carla", "grant", "granted", "")
    order = site.exported(asked)
    assert (order.keep, order.pictures) == (Side.CUSTOMER, False)
    assert str(order.recipient) == str(CUSTOMER.recipient())
    assert site.no_export(rights_wire.ExportRequested(request.id, other)) == "unknown"
    assert site.no_export(rights_wire.ExportRequested("zzzzzzzz", recording)) == "unknown"
    assert site.desk.audited()[-3:-2] == [("(administrator)", "export", "granted", "")]


def test_only_an_approver_grants_and_only_what_they_read(site: Site) -> None:
    recording = site.desk.record().recording
    request = site.opened(Right.ACCESS, recording)
    for who in (ALICE, BRUNO):
        with pytest.raises(Refused, match="only an approver"):
            site.grant(request, by=who)
    for text in (
        grant_text(request).replace(str(CUSTOMER.recipient()), str(BRUNO.recipient())),
        grant_text(request).replace(recording, new_recording_id()),
        "x",
    ):
        with pytest.raises(Refused, match="reads like this"):
            site.grant(request, text=text)
    asked = rights_wire.ExportRequested(request.id, recording)
    assert site.no_export(asked) == "not-granted"
    site.grant(request)
    site.exported(asked)


def test_a_closed_or_overdue_request_gives_no_copy(site: Site) -> None:
    recording = site.desk.record().recording
    closed, overdue = site.opened(Right.ACCESS, recording), site.opened(Right.ACCESS, recording)
    for request in (closed, overdue):
        site.grant(request)
    site.desk.keeper.handle(rights_wire.CloseRequest(closed.id, Closing.WITHDRAWN))
    assert site.no_export(rights_wire.ExportRequested(closed.id, recording)) == "not-granted"
    site.exported(rights_wire.ExportRequested(overdue.id, recording))
    site.desk.now = overdue.due_at
    assert site.no_export(rights_wire.ExportRequested(overdue.id, recording)) == "expired"
    assert site.desk.refused(rights_wire.ExtendRequest(overdue.id)).word == "too-late"


def test_a_request_can_be_extended_once(site: Site) -> None:
    request = site.opened(Right.ACCESS, site.desk.record().recording)
    assert request.due_at == due_at(NOON, extended=False)
    longer = site.desk.ask(rights_wire.ExtendRequest(request.id), RightsRequest)
    assert (longer.due_at, longer.extended) == (due_at(NOON, extended=True), True)
    assert site.desk.refused(rights_wire.ExtendRequest(request.id)).word == "too-late"


def test_an_open_access_request_keeps_the_recording_from_the_purge_but_lets_nobody_open_it(
    site: Site,
) -> None:
    """P20. The control: without the request the same recording goes on the fourteenth day."""
    control = site.desk.record().recording
    kept = site.desk.record().recording
    request = site.opened(Right.ACCESS, kept)
    site.grant(request)
    site.desk.now = NOON + 15 * DAY_S
    token = site.desk.prove(BRUNO).token
    assert site.desk.refused(opening_wire.Open(token, kept, "review")).word == "expired"
    assert site.purged() == [control]
    site.exported(rights_wire.ExportRequested(request.id, kept))
    site.desk.keeper.handle(rights_wire.CloseRequest(request.id, Closing.ANSWERED))
    assert site.purged() == [kept]


def test_a_trainees_own_request_lets_them_have_their_copy_after_the_end(site: Site) -> None:
    recording = site.desk.record().recording
    site.trainees(Right.ACCESS)
    late = site.desk.record(manifest(start=site.desk.now)).recording
    site.desk.now = NOON + 15 * DAY_S
    token = site.desk.prove(ALICE).token
    site.exported(rights_wire.ExportOwn(token, recording))
    assert site.no_export(rights_wire.ExportOwn(token, late)) == "expired"


@pytest.mark.parametrize("extended", [False, True])
def test_nothing_is_kept_past_the_ceiling(site: Site, extended: bool) -> None:
    """P20: whatever asks for it."""
    recording = site.desk.record().recording
    until = NOON + KEEP_CEILING_DAYS * DAY_S
    site.opened(Right.RESTRICTION, recording, until=until)
    site.desk.now = until - 60
    late = site.opened(Right.ACCESS, recording)
    site.grant(late)
    if extended:
        site.desk.keeper.handle(rights_wire.ExtendRequest(late.id))
    assert site.purged() == []
    site.exported(rights_wire.ExportRequested(late.id, recording))
    site.desk.now = until
    assert site.no_export(rights_wire.ExportRequested(late.id, recording)) == "expired"
    assert site.purged() == [recording]


def test_a_restricted_recording_is_stored_and_nothing_else_until_its_end(site: Site) -> None:
    recording = site.desk.record().recording
    site.desk.keeper.handle(recording_wire.HandOver(recording, "alice"))
    site.desk.ask(opening_wire.Open(site.bruno, recording, "review"), words.Released)
    request = site.opened(Right.RESTRICTION, recording, until=NOON + 2 * DAY_S)
    for token in (site.bruno, site.alice):
        assert site.desk.refused(opening_wire.Open(token, recording, "review")).word == "restricted"
    assert site.no_export(rights_wire.ExportOwn(site.alice, recording)) == "restricted"
    site.desk.now = NOON + 2 * DAY_S
    token = site.desk.prove(BRUNO).token
    site.desk.ask(opening_wire.Open(token, recording, "review"), words.Released)
    site.desk.now = NOON
    site.desk.keeper.handle(rights_wire.CloseRequest(request.id, Closing.WITHDRAWN))
    site.desk.ask(opening_wire.Open(token, recording, "review"), words.Released)


@pytest.mark.parametrize("until", [None, 0, NOON, NOON + (KEEP_CEILING_DAYS + 1) * DAY_S])
def test_a_restriction_without_a_fitting_end_is_refused(site: Site, until: int | None) -> None:
    recording = site.desk.record().recording
    asked = rights_wire.OpenRequest(Right.RESTRICTION, Party.CUSTOMER, "", (recording,), "", until)
    assert "P23" in site.desk.refused(asked).text


def test_a_restart_keeps_what_requests_keep(site: Site) -> None:
    recording = site.desk.record().recording
    request = site.opened(Right.RESTRICTION, recording, until=NOON + 20 * DAY_S)
    entry = site.desk.keeper_entry(recording)
    assert entry.restricted_until == request.until
    site.desk.store.replace(recording, replace(entry, restricted_until=None))
    site.desk.open()
    token = site.desk.prove(ALICE).token
    assert site.desk.refused(opening_wire.Open(token, recording, "")).word == "restricted"


def test_a_grant_written_by_hand_keeps_the_keeper_from_starting(site: Site) -> None:
    """P22. The control: the book as the keeper left it is read."""
    site.opened(Right.ACCESS, site.desk.record().recording)
    path = site.desk.folder / "requests.json"
    site.desk.open()
    edited = path.read_text().replace('"granted_by":""', '"granted_by":"carla"')
    assert edited != path.read_text()
    path.write_text(edited)
    with pytest.raises(OperatorError, match="not as this keeper wrote it"):
        site.desk.open()


def test_erasure_destroys_at_once_and_nothing_of_another(site: Site) -> None:
    recording, other = site.desk.record().recording, site.desk.record().recording
    key = site.desk.folder / "keystore" / f"{recording}.key"
    assert key.exists()
    site.opened(Right.ERASURE, recording)
    assert not key.exists()
    assert site.desk.refused(opening_wire.Open(site.alice, recording, "")).word == "not-kept"
    site.desk.ask(opening_wire.Open(site.alice, other, ""), words.Released)
    assert site.desk.book.destroyed[recording].reason == "erased"


def test_a_trainee_erases_their_own_and_nobody_elses(site: Site) -> None:
    recording = site.desk.record().recording
    for token in (site.bruno, site.carla, site.dora):
        assert site.desk.refused(rights_wire.EraseOwn(token, recording)).word == "unknown"
    assert site.desk.store.has_key(recording)
    site.desk.ask(rights_wire.EraseOwn(site.alice, recording), wire.Done)
    assert not site.desk.store.has_key(recording)
    assert site.desk.refused(rights_wire.EraseOwn(site.alice, recording)).word == "not-kept"


GONE = (Right.OBJECTION, Right.ERASURE)


@pytest.mark.parametrize("right", GONE)
def test_what_an_open_access_request_keeps_opens_for_nobody_and_goes_with_it(
    site: Site, right: Right
) -> None:
    """P20 and P23: a customer's objection stops every use at once and destroys when the copy was made. The control: what no
    request keeps goes at once."""
    kept, control = site.desk.record().recording, site.desk.record().recording
    site.desk.keeper.handle(recording_wire.HandOver(kept, "alice"))
    request = site.opened(Right.ACCESS, kept)
    site.grant(request)
    site.desk.ask(opening_wire.Open(site.bruno, kept, "review"), words.Released)
    site.opened(right, kept, control)
    assert not site.desk.store.has_key(control)
    assert site.desk.store.has_key(kept)
    for token in (site.bruno, site.alice):
        assert site.desk.refused(opening_wire.Open(token, kept, "review")).word == "expired"
    assert site.no_export(rights_wire.ExportOwn(site.alice, kept)) == "expired"
    assert site.desk.refused(opening_wire.Review(site.bruno, kept, "review")).word == "expired"
    assert site.purged() == []
    site.exported(rights_wire.ExportRequested(request.id, kept))
    site.desk.keeper.handle(rights_wire.CloseRequest(request.id, Closing.ANSWERED))
    assert not site.desk.store.has_key(kept)
    assert site.desk.book.destroyed[kept].reason == "erased"


def test_a_trainees_own_request_gives_them_their_copy_before_an_objection_takes_it(site: Site) -> None:
    recording = site.desk.record().recording
    request = site.trainees(Right.ACCESS)
    site.opened(Right.OBJECTION, recording)
    assert site.desk.refused(opening_wire.Open(site.alice, recording, "")).word == "expired"
    site.exported(rights_wire.ExportOwn(site.alice, recording))
    site.desk.now = request.due_at - 60
    assert site.purged() == []
    site.desk.now = request.due_at
    assert site.purged() == [recording]
    assert site.desk.book.destroyed[recording].reason == "erased"


@pytest.mark.parametrize("closing", Closing)
def test_nobody_takes_an_objection_back(site: Site, closing: Closing) -> None:
    """However it is closed, after a restart too, and though the book of requests forgot it."""
    recording = site.desk.record().recording
    access = site.opened(Right.ACCESS, recording)
    objection = site.opened(Right.OBJECTION, recording)
    site.desk.keeper.handle(rights_wire.CloseRequest(objection.id, closing))
    site.desk.open()
    token = site.desk.prove(ALICE).token
    assert site.desk.refused(opening_wire.Open(token, recording, "")).word == "expired"
    (site.desk.folder / "requests.json").unlink()
    site.desk.open()
    token = site.desk.prove(ALICE).token
    assert site.desk.refused(opening_wire.Open(token, recording, "")).word == "expired"
    site.desk.now = access.due_at
    assert site.purged() == [recording]


def test_what_is_asked_after_an_objection_keeps_it_no_longer(site: Site) -> None:
    recording = site.desk.record().recording
    first = site.opened(Right.ACCESS, recording)
    site.desk.now += 60
    site.opened(Right.OBJECTION, recording)
    site.desk.now += 60
    site.opened(Right.ACCESS, recording)
    site.opened(Right.RESTRICTION, recording, until=NOON + 100 * DAY_S)
    site.desk.keeper.handle(rights_wire.CloseRequest(first.id, Closing.ANSWERED))
    assert not site.desk.store.has_key(recording)


def test_an_objection_in_the_call_waits_for_no_request(site: Site) -> None:
    """P16: who presses the key was told that everything goes at once."""
    recording = site.desk.record().recording
    site.opened(Right.ACCESS, recording)
    site.trainees(Right.ACCESS)
    site.desk.keeper.handle(recording_wire.Destroy(recording, "objection"))
    assert not site.desk.store.has_key(recording)


def _unwritable(*_: object) -> None:
    raise AuditUnwritable("no space left")


def test_what_an_open_request_keeps_a_trainee_erases_when_it_ends(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = site.desk.record().recording
    request = site.opened(Right.ACCESS, recording)
    site.desk.ask(opening_wire.Open(site.alice, recording, ""), words.Released)
    with monkeypatch.context() as patched:
        patched.setattr(site.desk.log, "append", _unwritable)
        assert site.desk.refused(rights_wire.EraseOwn(site.alice, recording)).word == "audit-unwritable"
    site.desk.ask(
        opening_wire.Open(site.alice, recording, ""), words.Released
    )  # nothing is done that is not recorded
    refused = site.desk.refused(rights_wire.EraseOwn(site.alice, recording))
    assert (refused.word, refused.until) == ("kept-for-request", request.due_at)
    assert site.desk.refused(opening_wire.Open(site.alice, recording, "")).word == "expired"
    site.desk.refused(rights_wire.EraseOwn(site.alice, recording))
    site.desk.keeper.handle(rights_wire.CloseRequest(request.id, Closing.ANSWERED))
    assert not site.desk.store.has_key(recording)


def test_a_restriction_keeps_what_is_to_be_erased_until_its_end(site: Site) -> None:
    recording = site.desk.record().recording
    site.opened(Right.RESTRICTION, recording, until=NOON + 2 * DAY_S)
    assert site.desk.refused(rights_wire.EraseOwn(site.alice, recording)).word == "kept-for-request"
    site.desk.now = NOON + 2 * DAY_S - 1
    assert site.purged() == []
    site.desk.now += 1
    assert site.purged() == [recording]


def test_each_sees_the_requests_that_are_theirs(site: Site) -> None:
    theirs, mine = site.opened(Right.ACCESS, site.desk.record().recording), site.trainees(Right.ACCESS)

    def seen(token: bytes) -> list[str]:
        found = site.desk.ask(rights_wire.SeeRequests(token), RightsRequests)
        return sorted(request.id for request in found.requests)

    assert seen(site.carla) == sorted([theirs.id, mine.id])
    assert seen(site.alice) == [mine.id]
    assert seen(site.bruno) == seen(site.dora) == []
    assert [one for one in site.desk.audited() if one[0] in ("alice", "bruno") and one[1] == "requests"] == [
        ("alice", "requests", "done", ""),
        ("bruno", "requests", "done", ""),
    ]
    assert mine.recipient == str(ALICE.recipient())
    assert site.desk.ask(rights_wire.Who(site.alice), Visitor).requests == (mine,)
    assert site.desk.refused(rights_wire.Who(site.bruno)).word == "role"


def test_a_key_nobody_confirmed_sees_no_request(site: Site) -> None:
    """P22: whoever was invited under a trainee's name learns nothing of that trainee by it."""
    mine = site.trainees(Right.ACCESS)
    site.desk.confirms = False
    mallory = site.desk.join("alice", Role.TRAINEE, X25519Identity.generate()).token
    assert site.desk.refused(rights_wire.SeeRequests(mallory)).word == "key-unconfirmed"
    assert site.desk.audited()[-1] == ("alice", "requests", "refused", "key-unconfirmed")
    assert site.desk.ask(rights_wire.SeeRequests(site.alice), RightsRequests).requests == (mine,)


def test_a_customers_request_names_nobody_and_a_trainees_the_trainee(site: Site) -> None:
    recording = site.desk.record().recording
    for asked in (
        rights_wire.OpenRequest(Right.ACCESS, Party.CUSTOMER, "alice", (recording,)),
        rights_wire.OpenRequest(Right.ACCESS, Party.TRAINEE, ""),
        rights_wire.OpenRequest(Right.ACCESS, Party.CUSTOMER, "", (recording,), "", NOON + DAY_S),
    ):
        assert site.desk.refused(asked).word == "malformed"
    unknown = rights_wire.OpenRequest(Right.ACCESS, Party.CUSTOMER, "", (new_recording_id(),))
    assert site.desk.refused(unknown).word == "unknown"


def test_while_the_clock_is_in_doubt_no_copy_is_made(site: Site) -> None:
    recording = site.desk.record().recording
    request = site.opened(Right.ACCESS, recording)
    site.grant(request)
    site.desk.now += 301
    site.desk.set_by_s = 301
    for asked in (
        rights_wire.ExportOwn(site.alice, recording),
        rights_wire.ExportRequested(request.id, recording),
    ):
        assert site.no_export(asked) == "clock"
    site.desk.keeper.handle(retention_wire.ConfirmClock())
    site.exported(rights_wire.ExportRequested(request.id, recording))


def test_no_administrator_names_the_key_a_trainees_copy_goes_to(site: Site) -> None:
    """P18, P22: one who asked for alice, with a key of their own, had her voice and pictures."""
    recording = site.desk.record().recording
    strange = str(CUSTOMER.recipient())
    asked = rights_wire.OpenRequest(Right.ACCESS, Party.TRAINEE, "alice", recipient=strange)
    assert site.desk.refused(asked).word == "malformed"
    request = site.desk.ask(replace(asked, recipient=str(ALICE.recipient())), RightsRequest)
    site.exported(rights_wire.ExportRequested(request.id, recording))
    site.desk.ask(office_wire.Revoke("alice"), wire.Done)
    assert site.no_export(rights_wire.ExportRequested(request.id, recording)) == "not-granted"
