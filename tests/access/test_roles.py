"""P22: which roles one person may hold, and whose word makes a key work."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from pbx_bridge.access.approved import Approved
from pbx_bridge.access.books import write_book
from pbx_bridge.access.people import People, PeopleError
from pbx_bridge.access.roles import Person, confirm_refusal, is_first_approver, roles_refusal
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_portal import Role, fingerprint
from pbx_bridge.wire_proof import CODE_LIFETIME_S

A, B = "age1" + "q" * 58, "age1" + "p" * 58
TOGETHER = [{Role.APPROVER, Role.AUDITOR}, {Role.APPROVER, Role.TRAINER}]
CARLA = Person("carla", (Role.APPROVER, Role.AUDITOR), A, 1, confirmed=True)
BRUNO = Person("bruno", (Role.TRAINER,), B, 2, confirmed=False)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(Role, 2)))
def test_every_pair_of_roles(one: Role, other: Role) -> None:
    allowed = {one, other} in TOGETHER
    assert (roles_refusal([one, other]) == "") is allowed
    assert allowed or "P22" in roles_refusal([one, other])


def test_one_role_goes_alone_and_three_never_together() -> None:
    for role in Role:
        assert roles_refusal([role, role]) == ""
    for three in itertools.combinations(Role, 3):
        assert roles_refusal(three)
    assert roles_refusal([])


def test_an_incompatible_pair_is_refused_when_it_is_assigned(tmp_path: Path) -> None:
    people = People(tmp_path / "people.json")
    with pytest.raises(PeopleError, match="P22"):
        people.invite("bruno", (Role.TRAINER, Role.AUDITOR), 0)
    people.invite("carla", (Role.AUDITOR, Role.APPROVER), 0)


def test_a_second_role_is_refused_until_the_first_is_revoked(tmp_path: Path) -> None:
    people = People(tmp_path / "people.json")
    _join(people, "bruno", A, Role.TRAINER)
    with pytest.raises(PeopleError, match="P22"):
        people.invite("bruno", (Role.AUDITOR,), 0)
    with pytest.raises(PeopleError, match="P22"):
        people.invite("bruno", (Role.TRAINER, Role.APPROVER), 0)
    people.revoke("bruno")
    people.invite("bruno", (Role.AUDITOR,), 0)


def test_a_file_with_an_incompatible_pair_is_refused(tmp_path: Path) -> None:
    """However it came there: the trainer is now the auditor too."""
    path = tmp_path / "people.json"
    people = People(path)
    _join(people, "bruno", A, Role.TRAINER)
    People(path)
    both = replace(BRUNO, roles=(Role.AUDITOR, Role.TRAINER))
    write_book(path, replace(people._book, people=(both,)), b"")
    with pytest.raises(OperatorError, match="P22"):
        People(path)


def test_a_file_edited_by_hand_is_refused(tmp_path: Path) -> None:
    """Somebody confirms his own key with an editor, empties the file, or takes another keeper's."""
    path = tmp_path / "people.json"
    _join(People(path, b"key"), "bruno", A, Role.TRAINER)
    written = path.read_bytes()
    assert People(path, b"key").everyone()[0].confirmed is False
    for edited in (
        written.replace(b'"confirmed":false', b'"confirmed":true'),
        b"",
        b"{}",
        written[:-1],
        written[: -len(b"\n") - 64],
        written + b"\n",
    ):
        path.write_bytes(edited)
        with pytest.raises(OperatorError, match="not as this keeper wrote it"):
            People(path, b"key")
    path.write_bytes(written)
    with pytest.raises(OperatorError):
        People(path, b"another")
    path.rename(tmp_path / "approvals.json")
    with pytest.raises(OperatorError):
        Approved(tmp_path / "approvals.json", b"key")


def test_the_first_approvers_key_works_by_itself_and_only_the_first(tmp_path: Path) -> None:
    people = People(tmp_path / "people.json")
    assert not _join(people, "bruno", B, Role.TRAINER).confirmed
    assert _join(people, "carla", A, Role.APPROVER).confirmed
    assert not _join(people, "dora", "age1" + "z" * 58, Role.APPROVER).confirmed


def test_whoever_opens_recordings_is_never_the_first_approver() -> None:
    assert is_first_approver([Role.APPROVER], [])
    assert is_first_approver([Role.APPROVER, Role.AUDITOR], [BRUNO])
    assert not is_first_approver([Role.APPROVER, Role.TRAINER], [])
    assert not is_first_approver([Role.AUDITOR], [])
    assert not is_first_approver([Role.APPROVER], [CARLA])
    assert not is_first_approver([Role.APPROVER], [replace(CARLA, revoked=True)])
    assert is_first_approver([Role.APPROVER], [replace(CARLA, confirmed=False)])


def test_only_a_confirmed_approver_confirms_and_nobody_their_own() -> None:
    assert confirm_refusal(CARLA, BRUNO) == ""
    for by in (
        replace(CARLA, confirmed=False),
        replace(CARLA, revoked=True),
        replace(CARLA, roles=(Role.AUDITOR,)),
        replace(BRUNO, confirmed=True),
        Person("ada", (Role.ADMINISTRATOR,), A, 0, confirmed=True),
    ):
        assert "P22" in confirm_refusal(by, BRUNO)
    assert confirm_refusal(CARLA, replace(BRUNO, revoked=True))
    assert confirm_refusal(CARLA, CARLA)
    both = Person("bruno", (Role.APPROVER, Role.TRAINER), A, 0, confirmed=True)
    assert confirm_refusal(both, replace(both, recipient=B, confirmed=False))
    assert confirm_refusal(CARLA, replace(CARLA, recipient=B, confirmed=False)) == ""  # her old key says so


def test_a_new_key_takes_nobodys_place_until_it_is_confirmed(tmp_path: Path) -> None:
    """An administrator joins in the trainer's name: the trainer goes on as before."""
    people = People(tmp_path / "people.json")
    _join(people, "bruno", A, Role.TRAINER)
    people.confirm("bruno", A)
    mallory = _join(people, "bruno", B, Role.TRAINER)
    assert not mallory.confirmed
    found = people.holding(A)
    assert found is not None
    assert found.confirmed
    for now in (people, People(tmp_path / "people.json")):
        key = now.holding(B)
        assert key is not None
        assert not key.confirmed
    people.confirm("bruno", B)
    assert people.holding(A) is None


def test_a_revoked_key_stays_revoked(tmp_path: Path) -> None:
    people = People(tmp_path / "people.json")
    _join(people, "bruno", A, Role.TRAINER)
    people.confirm("bruno", A)
    people.revoke("bruno")
    with pytest.raises(PeopleError):
        people.confirm("bruno", A)
    again = _join(people, "bruno", A, Role.TRAINER)
    assert not again.confirmed


def test_the_last_approver_stays(tmp_path: Path) -> None:
    people = People(tmp_path / "people.json")
    _join(people, "carla", A, Role.APPROVER)
    _join(people, "dora", B, Role.APPROVER)
    with pytest.raises(PeopleError, match="only approver"):
        people.revoke("carla")
    people.confirm("dora", B)
    people.revoke("carla")
    with pytest.raises(PeopleError, match="only approver"):
        people.revoke("dora")


def test_fingerprints_tell_keys_apart() -> None:
    assert fingerprint(A) == fingerprint(A) != fingerprint(B)
    assert len(fingerprint(A)) == 24


def _join(people: People, name: str, recipient: str, *roles: Role) -> Person:
    invitation = people.invited(people.invite(name, roles, 0), CODE_LIFETIME_S - 1)
    assert invitation is not None
    return people.join(invitation, recipient, 5)
