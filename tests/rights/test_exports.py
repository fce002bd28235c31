"""P23 end to end: a real keeper, a real portal, real commands; the copies opened with Debian's `age` and listened to."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pbx_bridge.age import X25519Identity
from pbx_bridge.archive.catalogue import Shelf
from pbx_bridge.archive.rights_wire import OpenRequest
from pbx_bridge.ids import RecordingId, new_recording_id
from pbx_bridge.wire_portal import Refused, Role, fingerprint
from pbx_bridge.wire_rights import Closing, Party, Right, RightsRequest
from tests.archive.house import Done, House, Machine, house, manifest, opened_by_age
from tests.media.test_excerpt import AGENT_HZ, CUSTOMER_HZ, legs, original, packets, tone_db

AGENT_S, CUSTOMER_S = (1.1, 2.9), (2.1, 4.9)


@dataclass
class Site:
    home: House
    folder: Path
    recording: RecordingId

    async def machine(self, name: str, *roles: Role) -> Machine:
        """Their own machine, joined, its key confirmed."""
        made = Machine(self.folder / name)
        code = await self.home.invite(name, *roles)
        done = await self.do(
            made, "join", self.home.url, "--code", code, "--identity-file", str(made.identity)
        )
        assert done.code == 0, done.err
        await self.home.confirm(name)
        return made

    async def do(self, machine: Machine, *words: str) -> Done:
        return await asyncio.to_thread(machine.run, *words)

    async def asked(self, right: Right, key: str = "") -> RightsRequest:
        """A customer's request about the recording."""
        return await self.home.link.open_request(
            OpenRequest(right, Party.CUSTOMER, "", (self.recording,), key)
        )

    async def copied(self, request: RightsRequest, to: Path) -> Path:
        """As `pbx-bridge request answer` does it."""
        sealed, _ = Shelf(self.home.archive).for_copy(self.recording)
        with sealed, to.open("xb+") as new:
            files = (sealed.fileno(), new.fileno())
            made = await self.home.link.export_requested(request.id, self.recording, files)
        assert made.recording == self.recording
        return to


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with house(tmp_path) as home:
        recorded = await home.record(original(), manifest(trainee="alice"))
        yield Site(home, tmp_path, recorded.recording)


async def test_a_trainees_copy_holds_their_voice_and_the_pictures_and_not_the_customer(site: Site) -> None:
    """The control: what the trainee may watch holds both voices."""
    alice = await site.machine("alice", Role.TRAINEE)
    done = await site.do(alice, "export", "--to", str(alice.folder / "copy"))
    assert (done.code, done.err) == (0, "")
    sealed = alice.folder / "copy" / f"{site.recording}.age"
    copy = opened_by_age(sealed, alice.identity)
    heard, before = legs(copy), legs(original())
    assert tone_db(before[1], CUSTOMER_HZ, *CUSTOMER_S) > -20
    for leg in heard:
        assert tone_db(leg, CUSTOMER_HZ, *CUSTOMER_S) < -75
    assert tone_db(heard[0], AGENT_HZ, *AGENT_S) > -20
    assert packets(copy, "video") == packets(original(), "video")
    assert sealed.stat().st_mode & 0o077 == 0


async def test_all_that_is_kept_of_a_trainee_comes_sealed(site: Site) -> None:
    alice = await site.machine("alice", Role.TRAINEE)
    await site.home.link.open_request(OpenRequest(Right.ACCESS, Party.TRAINEE, "alice"))
    assert (await site.do(alice, "export", "--to", str(alice.folder / "copy"))).code == 0
    own = json.loads(opened_by_age(alice.folder / "copy" / "own.json.age", alice.identity))
    assert own["name"] == "alice"
    assert [request["right"] for request in own["requests"]] == ["access"]
    assert {access["act"] for access in own["accesses"]} >= {"invite", "join", "confirm"}
    stranger = site.folder / "stranger.txt"
    stranger.write_text(f"{X25519Identity.generate()}\n")
    with pytest.raises(subprocess.CalledProcessError):
        opened_by_age(alice.folder / "copy" / "own.json.age", stranger)


async def test_a_trainer_exports_nothing(site: Site) -> None:
    bruno = await site.machine("bruno")
    done = await site.do(bruno, "export", "--to", str(bruno.folder / "copy"))
    assert done.code == 1
    assert "only a trainee" in done.err
    assert not (bruno.folder / "copy").exists()


async def test_a_customers_copy_holds_their_voice_alone_for_their_own_key(site: Site, tmp_path: Path) -> None:
    """Opened with the customer's identity; nobody granted: no copy; the trainer's key opens nothing of it."""
    customer, other = X25519Identity.generate(), X25519Identity.generate()
    carla = await site.machine("carla", Role.APPROVER)
    request = await site.asked(Right.ACCESS, str(customer.recipient()))
    with pytest.raises(Refused, match="no approver compared"):
        await site.copied(request, tmp_path / "early.age")
    wrong = await site.do(carla, "grant", request.id, "--fingerprint", fingerprint(str(other.recipient())))
    assert wrong.code == 2
    assert "another fingerprint" in wrong.err
    granted = await site.do(carla, "grant", request.id, "--fingerprint", fingerprint(request.recipient))
    assert (granted.code, granted.err) == (0, "")
    sealed = await site.copied(request, tmp_path / "copy.age")
    identity = tmp_path / "customer.txt"
    identity.write_text(f"{customer}\n")
    copy = opened_by_age(sealed, identity)
    heard = legs(copy)
    for leg in heard:
        assert tone_db(leg, AGENT_HZ, *AGENT_S) < -75
    assert tone_db(heard[1], CUSTOMER_HZ, *CUSTOMER_S) > -20
    for _, _, picture in packets(original(), "video"):
        assert picture not in copy
    assert b"V_VP9" not in copy
    identity.write_text(f"{other}\n")
    with pytest.raises(subprocess.CalledProcessError):
        opened_by_age(sealed, identity)


async def test_nothing_in_clear_lies_on_a_disk_after_an_export(site: Site) -> None:
    """The control: a picture of it is found where it was put in clear."""
    alice = await site.machine("alice", Role.TRAINEE)
    assert (await site.do(alice, "export", "--to", str(alice.folder / "copy"))).code == 0
    marks = [data[:64] for _, _, data in packets(original(), "video") if len(data) >= 64]

    def found() -> list[Path]:
        files = [path for path in site.folder.rglob("*") if path.is_file()]
        return [path for path in files if any(mark in path.read_bytes() for mark in marks)]

    assert found() == []
    control = site.folder / "clear.webm"
    control.write_bytes(original())
    assert found() == [control]


async def test_a_trainee_erases_and_the_bytes_are_gone(site: Site) -> None:
    alice = await site.machine("alice", Role.TRAINEE)
    file = site.home.archive / f"{site.recording}.age"
    assert file.exists()
    assert (await site.do(alice, "erase", site.recording)).out == "destroyed\n"
    assert not file.exists()
    assert not (site.folder / "keeper" / "keystore" / f"{site.recording}.key").exists()
    again = await site.do(alice, "erase", str(new_recording_id()))
    assert (again.code, "no such recording" in again.err) == (1, True)


async def test_a_trainee_sees_their_requests_and_when_they_are_due(site: Site) -> None:
    alice = await site.machine("alice", Role.TRAINEE)
    request = await site.home.link.open_request(OpenRequest(Right.ACCESS, Party.TRAINEE, "alice"))
    told = await site.do(alice, "requests")
    assert f"{request.id}  " in told.out
    assert "access by alice, 1 recording(s): answer by 20" in told.out
    await site.home.link.close_request(request.id, Closing.ANSWERED)
    assert "answered 20" in (await site.do(alice, "requests")).out


async def test_a_damaged_recording_gives_no_copy(site: Site, tmp_path: Path) -> None:
    customer = X25519Identity.generate()
    carla = await site.machine("carla", Role.APPROVER)
    request = await site.asked(Right.ACCESS, str(customer.recipient()))
    await site.do(carla, "grant", request.id, "--fingerprint", fingerprint(request.recipient))
    path = site.home.archive / f"{site.recording}.age"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Refused, match="not authentic"):
        await site.copied(request, tmp_path / "copy.age")
