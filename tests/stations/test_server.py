"""The real server against devices that lie, flood, hang and steal; a good station beside them notices nothing."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from pbx_bridge import wire
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, StationId
from pbx_bridge.stations import events, server
from pbx_bridge.stations.registry import InvitationRefused, Registry
from pbx_bridge.wire import FarewellReason
from pbx_bridge.wire_picture import MAX_PACKET_BYTES, Picture, write_picture
from pbx_bridge.wire_proof import new_seed
from tests.stations.hostile import HostileDevice
from tests.stations.rig import DESKTOP, Bridge, bridge, desk, until
from workstation_client.enrol import enrol
from workstation_client.identity import Identity

ONE = RecordingId("a" * 26)


@pytest.fixture(autouse=True)
def _runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Bridge]:
    async with bridge(tmp_path / "bridge") as found:
        yield found


Misdeed = Callable[[HostileDevice], Awaitable[object]]


async def _recording(device: HostileDevice) -> RecordingId:
    await device.join()
    await device.bridge.told.wait(events.StationUp)
    recording = device.bridge.start("bad")
    await device.say(wire.CaptureStarted(recording, 0, time.monotonic_ns()))
    return recording


async def _picture(device: HostileDevice, *seqs: int) -> None:
    recording = await _recording(device)
    for seq in seqs:
        await device.socket.send(
            write_picture(Picture(recording, seq, time.monotonic_ns(), True, False, 640, 480, b"x"))
        )


async def _raw(device: HostileDevice, data: str | bytes) -> None:
    await device.join()
    await device.socket.send(data)


async def _twice(device: HostileDevice) -> None:
    await device.join()
    text = device.writer.write(wire.AskRecordings(1))
    await device.socket.send(text)
    await device.socket.send(text)


async def _flood(device: HostileDevice) -> None:
    await device.join()
    for n in range(1000):
        await device.say(wire.AskRecordings(n))


MISDEEDS: dict[str, Misdeed] = {
    "not JSON": lambda d: _raw(d, "hello"),
    "an unknown message": lambda d: _raw(d, '{"n":4,"type":"please"}'),
    "a message of the bridge's": lambda d: _raw(d, '{"n":4,"type":"lease"}'),
    "a message too long": lambda d: _raw(d, '"' + "x" * wire.MAX_CONTROL_BYTES + '"'),
    "a packet too short": lambda d: _raw(d, b"\x01\x00"),
    "a packet of an unknown kind": lambda d: _raw(d, b"\x09" + bytes(60)),
    "a message twice": _twice,
    "a flood": _flood,
    "a picture nobody asked for": lambda d: _raw(
        d, write_picture(Picture(ONE, 1, 0, True, False, 640, 480, b"x"))
    ),
    "pictures repeated": lambda d: _picture(d, 1, 2, 2),
    "pictures swapped": lambda d: _picture(d, 1, 3, 2),
}


@pytest.mark.parametrize("misdeed", MISDEEDS)
async def test_a_misdeed_ends_that_link_with_a_reason_and_touches_no_other(
    there: Bridge, tmp_path: Path, misdeed: str
) -> None:
    good, bad = await there.enrol("good", tmp_path / "good"), await there.enrol("bad", tmp_path / "bad")
    async with desk(good, tmp_path / "good") as here:
        await there.told.wait(events.StationUp)
        there.told.events.clear()
        recording = there.start("good")
        await there.told.wait(events.CaptureStarted)
        here.recorder.picture()
        async with HostileDevice(there, bad) as device:
            there.told.events = [e for e in there.told.events if e.station == "good"]
            await MISDEEDS[misdeed](device)
            farewell = await device.end()
            assert farewell is not None
            assert farewell.reason is FarewellReason.PROTOCOL
            assert farewell.text
        here.recorder.picture()
        await until(
            lambda: len([e for e in there.told.of(events.PictureArrived) if e.recording == recording]) == 2
        )
        assert not [
            e
            for e in there.told.events
            if e.station == "good" and not isinstance(e, events.CaptureStarted | events.PictureArrived)
        ]


async def test_a_packet_beyond_the_limit_is_not_even_read(there: Bridge, tmp_path: Path) -> None:
    async with HostileDevice(there, await there.enrol("bad", tmp_path / "bad")) as device:
        await device.join()
        await device.socket.send(bytes(MAX_PACKET_BYTES + 1))
        await device.end()
        assert device.socket.close_code == 1009
        assert (await there.told.wait(events.StationDown)).reason == "protocol"


async def test_before_the_proof_nothing_large_is_read(there: Bridge, tmp_path: Path) -> None:
    async with HostileDevice(there, await there.enrol("bad", tmp_path / "bad")) as device:
        await device.socket.send("x" * (wire.MAX_CONTROL_BYTES + 1))
        await device.end()
        assert device.socket.close_code == 1009


async def test_wrong_proofs_are_all_answered_alike(there: Bridge, tmp_path: Path) -> None:
    enrolled = await there.enrol("desk", tmp_path / "desk")
    answers = []
    for certificate, seed in ((bytes(32), None), (None, new_seed())):
        async with HostileDevice(there, enrolled) as device:
            await device.prove(certificate=certificate, seed=seed)
            answers.append(await device.end())
    async with HostileDevice(there, enrolled) as device:
        await device.say(wire.Hello(1, bytes(32), bytes(32), device.run, "1"))
        await device.hear()
        await device.say(wire.Proof(bytes(64)))
        answers.append(await device.end())
    assert len(set(answers)) == 1
    assert answers[0] is not None
    assert answers[0].reason is FarewellReason.UNKNOWN_KEY
    assert there.told.events == []


async def test_another_version_is_told_what_to_do(there: Bridge, tmp_path: Path) -> None:
    async with HostileDevice(there, await there.enrol("desk", tmp_path / "desk")) as device:
        await device.say(wire.Hello(2, bytes(32), bytes(32), bytes(16), "2"))
        farewell = await device.end()
        assert farewell is not None
        assert farewell.reason is FarewellReason.VERSION
        assert "same release" in farewell.text


async def test_a_silent_handshake_is_ended(
    there: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HANDSHAKE_S", 0.3)
    async with HostileDevice(there, await there.enrol("desk", tmp_path / "desk")) as device:
        farewell = await device.end(within_s=3)
        assert farewell is not None
        assert "handshake" in farewell.text


async def test_connections_without_proof_are_few(there: Bridge, tmp_path: Path) -> None:
    """The next one is refused; the proven ones stay, and the places come back."""
    identity = await there.enrol("desk", tmp_path / "desk")
    async with HostileDevice(there, identity) as proven:
        await proven.join()
        waiting = [HostileDevice(there, identity) for _ in range(server.MAX_UNPROVEN_OF_ONE)]
        for device in waiting:
            await device.__aenter__()
        with pytest.raises(InvalidStatus):
            await HostileDevice(there, identity).__aenter__()
        await proven.renew()
        await asyncio.gather(*(d.socket.close() for d in waiting))
        await until(lambda: there.server._unproven.total() == 0)


async def test_who_connects_and_says_nothing_takes_places_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first packet a connection costs memory already."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(server, "MAX_UNPROVEN", 2)
    async with bridge(tmp_path / "bridge") as there:
        identity = await there.enrol("desk", tmp_path / "desk")
        async with HostileDevice(there, identity) as proven:
            await proven.join()
            silent = []
            for _ in range(12):
                silent.append(await asyncio.open_connection("127.0.0.1", there.server.port))
            async with asyncio.timeout(server.HANDSHAKE_S / 2):
                for reader, _ in silent[4:]:
                    with suppress(ConnectionError):
                        assert await reader.read() == b""
            await proven.renew()
            for _, writer in silent:
                writer.close()


async def test_a_station_that_does_not_read_is_cut(
    there: Bridge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with HostileDevice(there, await there.enrol("desk", tmp_path / "desk")) as device:
        await device.join()
        up = await there.told.wait(events.StationUp)
        text = "x" * 8000
        notice = wire.Notice("fr", text, (), 10, 60)
        for _ in range(server.MAX_OUTGOING + 400):
            there.server.send(up.station, notice)
        assert (await there.told.wait(events.StationDown)).reason == "crowded"


async def test_revoke_ends_a_live_link_at_once(there: Bridge, tmp_path: Path) -> None:
    """By another process: a registry of its own on the same directory."""
    async with HostileDevice(there, await there.enrol("desk", tmp_path / "desk")) as device:
        await device.join()
        up = await there.told.wait(events.StationUp)
        there.start(up.station)
        began = time.monotonic()
        Registry(there.state, there.tls.ca_sha256()).revoke("desk")
        farewell = await device.end()
        assert time.monotonic() - began < 1.0
        assert farewell is not None
        assert farewell.reason is FarewellReason.REVOKED
        assert [type(e) for e in there.told.events[-2:]] == [events.LeaseLost, events.StationDown]
    async with HostileDevice(there, device.identity) as again:
        await again.prove()
        farewell = await again.end()
        assert farewell is not None
        assert farewell.reason is FarewellReason.UNKNOWN_KEY


async def test_a_second_live_connection_with_the_same_key_closes_both(there: Bridge, tmp_path: Path) -> None:
    identity = await there.enrol("desk", tmp_path / "desk")
    async with HostileDevice(there, identity) as first, HostileDevice(there, identity) as second:
        await first.join()
        await there.told.wait(events.StationUp)
        there.start("desk")
        await second.prove()
        await second.say(wire.Presence("eva", wire.Desktop(True, False, wire.DesktopKind.X11), None, ()))
        for device in (first, second):
            farewell = await device.end()
            assert farewell is not None
            assert farewell.reason is FarewellReason.CLONED
    assert [type(e) for e in there.told.events[1:]] == [
        events.LeaseLost,
        events.StationDown,
        events.KeyCloned,
    ]
    async with HostileDevice(there, identity) as third:
        await third.prove()
        await third.say(wire.Presence("eva", wire.Desktop(True, False, wire.DesktopKind.X11), None, ()))
        farewell = await third.end()
        assert farewell is not None
        assert farewell.reason is FarewellReason.CLONED


async def test_the_same_run_coming_back_takes_its_link_over(there: Bridge, tmp_path: Path) -> None:
    """A half-open connection is no clone."""
    identity = await there.enrol("desk", tmp_path / "desk")
    async with HostileDevice(there, identity) as first:
        recording = await _recording_of(first, "desk")
        async with HostileDevice(there, identity, run=first.run) as second:
            welcome = await second.join(wire.Spooled(recording, 0, 5))
            assert welcome.resumes == (wire.Resume(recording, 1),)
            assert (await first.end()) is not None
            await second.renew()
    assert not there.told.of(events.KeyCloned)
    assert not there.told.of(events.LeaseLost)


async def _recording_of(device: HostileDevice, name: str) -> RecordingId:
    await device.join()
    await device.bridge.told.wait(events.StationUp)
    recording = device.bridge.start(name)
    await device.say(wire.CaptureStarted(recording, 0, time.monotonic_ns()))
    await device.bridge.told.wait(events.CaptureStarted)
    return recording


async def test_a_client_that_is_killed_loses_its_lease_within_two_seconds(
    there: Bridge, tmp_path: Path
) -> None:
    async with HostileDevice(there, await there.enrol("desk", tmp_path / "desk")) as device:
        await _recording_of(device, "desk")
        began = time.monotonic()
        device.socket.transport.abort()
        await there.told.wait(events.LeaseLost)
        assert time.monotonic() - began < 2.3


async def test_a_client_killed_and_started_at_once_is_no_clone(there: Bridge, tmp_path: Path) -> None:
    identity = await there.enrol("desk", tmp_path / "desk")
    async with HostileDevice(there, identity) as first:
        await _recording_of(first, "desk")
        first.socket.transport.abort()
        await until(lambda: not there.server._connections)
        async with HostileDevice(there, identity) as second:
            await second.join()
            await there.told.wait(events.StationUp, 2, within_s=1)
            kinds = [type(e) for e in there.told.events if not isinstance(e, events.CaptureStarted)]
            assert kinds == [events.StationUp, events.LeaseLost, events.StationDown, events.StationUp]


# ---- whose station it is


async def _turned_away(there: Bridge, identity: Identity, login: str, run: bytes | None = None) -> None:
    async with HostileDevice(there, identity, run=run) as device:
        await device.prove()
        await device.say(wire.Presence(login, DESKTOP, None, ()))
        farewell = await device.end()
        assert farewell is not None
        assert farewell.reason is FarewellReason.LOGIN
        assert "another login" in farewell.text


async def test_an_invitation_for_a_login_serves_no_other(there: Bridge, tmp_path: Path) -> None:
    """P18: who has the code cannot speak for another trainee with it."""
    identity = await there.enrol("desk", tmp_path / "desk", "eva")
    await _turned_away(there, identity, "adam")
    assert there.told.events == []
    async with HostileDevice(there, identity) as device:
        await device.join()
        assert (await there.told.wait(events.StationUp)).trainee_login == "eva"


async def test_without_one_the_first_login_is_the_stations_for_good(there: Bridge, tmp_path: Path) -> None:
    """P18: also for another process and after a restart, as it stands in the record."""
    identity = await there.enrol("desk", tmp_path / "desk")
    async with HostileDevice(there, identity) as device:
        await device.join()
        await there.told.wait(events.StationUp)
        there.start("desk")
        await _turned_away(there, identity, "adam", device.run)
        assert (await there.told.wait(events.StationDown)).reason == "login"
        farewell = await device.end()
        assert farewell is not None
        assert farewell.reason is FarewellReason.LOGIN
    assert there.told.of(events.LeaseLost)
    (known,) = Registry(there.state, there.tls.ca_sha256()).stations()
    assert known.login == "eva"
    async with HostileDevice(there, identity) as again:
        await again.join()
        assert (await there.told.wait(events.StationUp, 2)).trainee_login == "eva"


def test_a_station_enrolled_anew_may_have_another_login(tmp_path: Path) -> None:
    registry = Registry(tmp_path, bytes(32))
    registry.enrol(wire_secret(registry.invite("desk", "eva")), b"1" * 32)
    assert not registry.claim(b"1" * 32, "adam")
    registry.revoke("desk")
    assert not registry.claim(b"1" * 32, "eva")
    registry.enrol(wire_secret(registry.invite("desk")), b"2" * 32)
    assert registry.claim(b"2" * 32, "adam")
    assert not registry.claim(b"2" * 32, "eva")


def test_writing_a_login_down_undoes_no_revocation(tmp_path: Path) -> None:
    """Two processes at once, many times."""
    registry, other = Registry(tmp_path, bytes(32)), Registry(tmp_path, bytes(32))
    for number in range(30):
        name, key = f"desk-{number}", number.to_bytes(32, "big")
        registry.enrol(wire_secret(registry.invite(name)), key)
        revoking = threading.Thread(target=other.revoke, args=(name,))
        revoking.start()
        registry.claim(key, "eva")
        revoking.join()
        found = Registry(tmp_path, bytes(32)).find(name)
        assert found is not None
        assert found.revoked_at is not None


@pytest.mark.parametrize("login", ["", "x" * 65, "a\nb"])
def test_a_login_that_is_none_is_refused(login: str, tmp_path: Path) -> None:
    registry = Registry(tmp_path, bytes(32))
    with pytest.raises(OperatorError, match="no login"):
        registry.invite("desk", login)
    assert list((tmp_path / "invitations").iterdir()) == []


# ---- enrolment


async def test_an_invitation_serves_once(there: Bridge, tmp_path: Path) -> None:
    code = there.registry.invite("desk")
    identity, place = await asyncio.to_thread(enrol, there.url, code, tmp_path / "a", key_in_file=True)
    assert identity.station == "desk"
    assert str(tmp_path / "a") in place
    with pytest.raises(OperatorError, match="unknown, used or expired"):
        await asyncio.to_thread(enrol, there.url, code, tmp_path / "b", key_in_file=True)
    assert not (tmp_path / "b").exists()
    kept = b"".join(p.read_bytes() for p in there.state.rglob("*") if p.is_file())
    secret = wire_secret(code)
    assert secret not in kept
    assert secret.hex().encode() not in kept


def wire_secret(code: str) -> bytes:
    from pbx_bridge.wire_proof import parse_invite

    return parse_invite(code).secret


async def test_an_invitation_expires_after_15_minutes(tmp_path: Path) -> None:
    clock = [1_000_000.0]
    registry = Registry(tmp_path, bytes(32), now=lambda: clock[0])
    codes = [registry.invite(name) for name in ("early", "late")]
    clock[0] += 15 * 60
    registry.enrol(wire_secret(codes[0]), b"1" * 32)
    clock[0] += 1
    with pytest.raises(InvitationRefused):
        registry.enrol(wire_secret(codes[1]), b"2" * 32)


async def test_of_two_that_use_one_code_one_succeeds(there: Bridge, tmp_path: Path) -> None:
    code = there.registry.invite("desk")
    results = await asyncio.gather(
        *(asyncio.to_thread(enrol, there.url, code, tmp_path / str(n), key_in_file=True) for n in range(4)),
        return_exceptions=True,
    )
    assert len([r for r in results if isinstance(r, OperatorError)]) == 3


async def test_a_bridge_with_another_ca_is_not_believed(there: Bridge, tmp_path: Path) -> None:
    """Somebody in between cannot even learn the code: the CA is compared before anything is sent."""
    async with bridge(tmp_path / "other") as impostor:
        code = there.registry.invite("desk")
        with pytest.raises(OperatorError, match="not the one that made this code"):
            await asyncio.to_thread(enrol, impostor.url, code, tmp_path / "a", key_in_file=True)
        identity, _ = await asyncio.to_thread(enrol, there.url, code, tmp_path / "a", key_in_file=True)
        moved = Identity(impostor.url, identity.ca_pem, identity.station, identity.seed)
        with pytest.raises(ssl.SSLCertVerificationError):
            await HostileDevice(impostor, moved).__aenter__()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "bridge",
        "http://localhost:1",
        "https://",
        "https://u:p@h",
        "https://h/x",
        "https://h:99999999",
        "https://[::1",
    ],
)
def test_bad_addresses_get_a_message(url: str, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="https://bridge"):
        enrol(url, "X", tmp_path)


async def test_nobody_at_the_address(tmp_path: Path, there: Bridge) -> None:
    code = there.registry.invite("desk")
    with pytest.raises(OperatorError, match="no bridge answers"):
        await asyncio.to_thread(enrol, "https://localhost:9", code, tmp_path / "a")


async def test_a_name_the_certificate_does_not_have(tmp_path: Path) -> None:
    async with bridge(tmp_path / "bridge", names=("bridge.example",)) as there:
        code = there.registry.invite("desk")
        with pytest.raises(OperatorError, match=r"stations\.names"):
            await asyncio.to_thread(enrol, there.url, code, tmp_path / "a", key_in_file=True)
        # The code was not spent on it.
        assert [json.loads(p.read_text())["name"] for p in (there.state / "invitations").iterdir()] == [
            "desk"
        ]


async def test_the_ca_can_be_had_by_those_who_know_its_fingerprint(there: Bridge) -> None:
    def fetch(path: str) -> tuple[int, bytes]:
        context = ssl._create_unverified_context()
        link = http.client.HTTPSConnection("localhost", there.server.port, context=context, timeout=5)
        link.request("GET", path)
        answer = link.getresponse()
        return answer.status, answer.read()

    status, pem = await asyncio.to_thread(fetch, "/ca.pem")
    assert status == 200
    assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem.decode())).digest() == there.tls.ca_sha256()
    assert (await asyncio.to_thread(fetch, "/"))[0] == 404
    assert (await asyncio.to_thread(fetch, "/ca.key"))[0] == 404


async def test_orders_to_nobody_say_so(there: Bridge) -> None:
    assert not there.server.send(StationId("nobody"), wire.PauseCapture(ONE))
    there.server.acknowledge(StationId("nobody"), ONE, 1)
