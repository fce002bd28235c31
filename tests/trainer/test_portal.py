"""The portal over real TLS: what it lets through, what it tells whom, and what it refuses to read."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from pbx_bridge import wire_portal as words
from pbx_bridge.age import X25519Identity, X25519Recipient
from pbx_bridge.archive.keeper_link import ANSWER_WITHIN_S
from pbx_bridge.ids import new_recording_id
from pbx_bridge.portal import bodies, server, viewing
from pbx_bridge.stations.ca import ensure_ca
from pbx_bridge.trainer import bridge
from pbx_bridge.trainer.bridge import Bridge, BridgeError, pinned_ca
from pbx_bridge.trainer.remote import RemotePayload
from pbx_bridge.wire_portal import Refused
from pbx_bridge.wire_proof import parse_invite
from tests.access.logs import records_of
from tests.archive.house import House, house

T = TypeVar("T")
CONTENT = bytes(range(256)) * 1_000


@dataclass
class Person:
    """Somebody who has joined, with a connection of their own."""

    bridge: Bridge
    token: bytes


@dataclass
class Site:
    home: House
    ca_pem: str

    async def do(self, work: Callable[[], T]) -> T:
        """A client's blocking work, beside the portal that serves it."""
        return await asyncio.to_thread(work)

    async def join(
        self, name: str, role: words.Role = words.Role.TRAINER, *, confirmed: bool = True
    ) -> Person:
        code = parse_invite(await self.home.invite(name, role))
        bridge = Bridge(self.home.url, self.ca_pem, X25519Identity.generate())
        proven = await self.do(lambda: bridge.prove(code.secret))
        assert (proven.name, proven.roles, proven.confirmed) == (name, (role,), False)
        if confirmed:
            await self.home.confirm(name)
        return Person(bridge, proven.token)

    async def raw(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request as it stands, outside the client's program."""

        def ask() -> tuple[int, dict[str, str], bytes]:
            where = urlsplit(self.home.url)
            context = ssl.create_default_context(cadata=self.ca_pem)
            connection = http.client.HTTPSConnection(where.netloc, timeout=20, context=context)
            try:
                kind = {"Content-Type": "application/json"} if body is not None else {}
                connection.request(method, path, body, kind | (headers or {}))
                response = connection.getresponse()
                return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
            finally:
                connection.close()

        return await self.do(ask)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with house(tmp_path) as home:
        yield Site(home, home.tls.ca_cert.read_text())


def word(answer: bytes) -> str:
    return str(json.loads(answer)["word"])


async def test_guessed_and_foreign_ids_are_told_apart_by_nothing(site: Site) -> None:
    """Same status, same headers, same bytes: for an id that never was, another trainee's, another state's."""
    foreign = (await site.home.record(CONTENT)).recording
    gone = (await site.home.record(CONTENT)).recording
    await site.home.link.destroy(gone, "objection")
    carla = await site.join("carla")
    bearer = {"Authorization": f"Bearer {carla.token.hex()}"}
    seen = set()
    for recording in (foreign, gone, new_recording_id(), "x", "a" * 27, "%2e%2e", "A" * 26):
        path = words.OPEN_PATH.format(recording=recording)
        status, headers, body = await site.raw("POST", path, b'{"session":"review"}', bearer)
        seen.add((status, body, *(value for name, value in sorted(headers.items()) if name != "date")))
    assert len(seen) == 1
    assert next(iter(seen))[0] == 404


async def test_nothing_is_said_without_a_proof(site: Site) -> None:
    recording = (await site.home.record(CONTENT)).recording
    open_path = words.OPEN_PATH.format(recording=recording)
    payload = words.PAYLOAD_PATH.format(grant="00" * 16)
    asked = [("GET", words.LIST_PATH, None), ("POST", open_path, b'{"session":"x"}'), ("GET", payload, None)]
    for headers in (
        {},
        {"Authorization": "Bearer " + "0" * 64},
        {"Authorization": "Basic YWxpY2U6"},
        {"Cookie": "a=b"},
    ):
        for method, path, body in asked:
            status, _, answer = await site.raw(method, path, body, headers)
            assert (status, word(answer)) == (401, "visit-ended")
    for path in ("/", "/docs", "/openapi.json", f"/{recording}.age", "/v1", "/v1/recordings/../../ca.key"):
        assert (await site.raw("GET", path))[0] == 404


async def test_a_grant_is_its_visits_alone(site: Site) -> None:
    finished = await site.home.record(CONTENT)
    await site.home.link.hand_over(finished.recording, "alice")
    bruno, carla = await site.join("bruno"), await site.join("carla")
    opened = await site.do(lambda: bruno.bridge.open(finished.recording, "review"))
    path = words.PAYLOAD_PATH.format(grant=opened.grant.hex())
    status, _, answer = await site.raw("GET", path, headers={"Authorization": f"Bearer {carla.token.hex()}"})
    assert (status, word(answer)) == (401, "visit-ended")
    bearer = {"Authorization": f"Bearer {bruno.token.hex()}"}
    status, headers, whole = await site.raw("GET", path, headers=bearer)
    assert (status, len(whole)) == (200, finished.payload_bytes)
    assert headers["etag"] == f'"{finished.payload}"'
    size = len(whole)
    for first, last in ((0, 0), (0, size - 1), (17, 4_000), (size - 1, size - 1), (5, size * 2)):
        status, headers, part = await site.raw(
            "GET", path, headers=bearer | {"Range": f"bytes={first}-{last}"}
        )
        assert (status, part) == (206, whole[first : last + 1])
        assert headers["content-range"] == f"bytes {first}-{min(last, size - 1)}/{size}"
    for wrong in ("bytes=5-4", f"bytes={size}-", "bytes=-5", "bytes=0-1,5-6", "bytes=" + "9" * 40 + "-", "x"):
        assert (await site.raw("GET", path, headers=bearer | {"Range": wrong}))[0] == 400
    await site.home.link.destroy(finished.recording, "private")
    (site.home.archive / f"{finished.recording}.age").unlink()
    assert (await site.raw("GET", path, headers=bearer))[0] == 404


async def views(site: Site) -> list[tuple[str, str, str]]:
    found = (await site.home.link.accesses("alice")).accesses
    kinds = ("open", "fetch", "view")
    return [(line.act, line.outcome, line.reason) for line in reversed(found) if line.act in kinds]


async def test_what_a_program_watched_is_on_record_when_it_leaves(site: Site) -> None:
    """P19: by what the portal gave, whatever the program says; another visit tells nothing."""
    recording = (await site.home.record(CONTENT)).recording
    await site.home.link.hand_over(recording, "alice")
    bruno, carla = (await site.join("bruno")).bridge, (await site.join("carla")).bridge
    opened = await site.do(lambda: bruno.open(recording, "review"))
    payload = RemotePayload(bruno, opened.grant, opened.payload_bytes)
    assert await site.do(lambda: payload.read(100))
    with pytest.raises(words.Refused) as refused:
        await site.do(lambda: carla.left(opened.grant))
    assert refused.value.word == "visit-ended"
    assert await views(site) == [("open", "granted", "")]
    for _ in range(2):
        await site.do(lambda: bruno.left(opened.grant))
    assert await views(site) == [("open", "granted", ""), ("view", "granted", "")]
    await site.do(lambda: bruno.left(opened.grant, words.Broke.DAMAGED))
    assert (await views(site))[-1] == ("view", "refused", "damaged")
    told = [line["subject"] for line in records_of(site.home.folder / "keeper") if line["act"] == "view"]
    assert told[0] == "0-3/4", "all of what the portal gave"


async def test_what_a_program_watched_is_on_record_though_it_never_says_so(site: Site) -> None:
    """P19: within a minute, or at the portal's end. To have it whole is another word."""
    recording = (await site.home.record(CONTENT)).recording
    await site.home.link.hand_over(recording, "alice")
    bruno = (await site.join("bruno")).bridge
    fetched = await site.do(lambda: bruno.open(recording, "review", fetch=True))
    assert await site.do(lambda: RemotePayload(bruno, fetched.grant, fetched.payload_bytes).read(1))
    opened = await site.do(lambda: bruno.open(recording, "review"))
    payload = RemotePayload(bruno, opened.grant, opened.payload_bytes)
    assert await site.do(lambda: payload.read(100))
    await site.home.portal.close()
    assert await views(site) == [
        ("fetch", "granted", ""),
        ("open", "granted", ""),
        ("view", "granted", ""),
    ]


async def test_a_grant_that_is_written_otherwise_gives_nothing(site: Site) -> None:
    """P19: hexadecimal has many spellings, and what goes out is counted by one of them."""
    recording = (await site.home.record(CONTENT)).recording
    await site.home.link.hand_over(recording, "alice")
    bruno = await site.join("bruno")
    name = (await site.do(lambda: bruno.bridge.open(recording, "review"))).grant.hex()
    bearer = {"Authorization": f"Bearer {bruno.token.hex()}"}
    for spelled in (name.upper(), f"{name[:8]}%20{name[8:]}", f"%20{name}"):
        status, _, answer = await site.raw("GET", words.PAYLOAD_PATH.format(grant=spelled), headers=bearer)
        assert (status, word(answer)) == (401, "visit-ended"), spelled
    assert (await site.raw("GET", words.PAYLOAD_PATH.format(grant=name), headers=bearer))[0] == 200, (
        "a control"
    )


async def test_what_was_untold_when_the_keeper_ended_is_told_once_its_viewer_is_known_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P19: late rather than never: by the newest visit of the same key, since a keeper that starts knows no former ones."""
    monkeypatch.setattr(viewing, "EVERY_S", 0.3)
    monkeypatch.setattr(viewing, "TRIES", 1_000)  # a keeper may take its time to start
    recording = (await site.home.record(CONTENT)).recording
    await site.home.link.hand_over(recording, "alice")
    bruno = (await site.join("bruno")).bridge
    opened = await site.do(lambda: bruno.open(recording, "review"))
    with capture_logs() as logs:
        assert await site.do(lambda: RemotePayload(bruno, opened.grant, opened.payload_bytes).read(100))
        site.home.end_keeper()
        async with asyncio.timeout(20):
            while not any(entry["event"].startswith("a view could not be recorded") for entry in logs):  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.05)
    await site.home.restart_keeper()
    assert await site.do(bruno.recordings), "proves anew"
    async with asyncio.timeout(20):
        while (await views(site))[-1][0] != "view":  # noqa: ASYNC110 - nor has it
            await asyncio.sleep(0.05)
    assert await views(site) == [("open", "granted", ""), ("view", "granted", "")]
    (told,) = [line for line in records_of(site.home.folder / "keeper") if line["act"] == "view"]
    assert (told["who"], told["subject"]) == ("bruno", "0-3/4")


async def test_while_the_keeper_hangs_little_goes_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """P19: it is given up after ten seconds, but what many viewers were given is told one after the other."""
    monkeypatch.setattr(viewing, "EVERY_S", 0.2)
    recording = (await site.home.record(CONTENT)).recording
    await site.home.link.hand_over(recording, "alice")
    bruno = await site.join("bruno")
    opened = await site.do(lambda: bruno.bridge.open(recording, "review"))
    path = words.PAYLOAD_PATH.format(grant=opened.grant.hex())
    headers = {"Authorization": f"Bearer {bruno.token.hex()}", "Range": "bytes=0-9"}
    assert site.home.keeper is not None
    os.kill(site.home.keeper.pid, signal.SIGSTOP)
    async with asyncio.timeout(ANSWER_WITHIN_S - 2):
        while (await site.raw("GET", path, headers=headers))[0] == 206:  # noqa: ASYNC110 - it is its end that is awaited
            await asyncio.sleep(0.05)
    site.home.end_keeper()


async def test_a_view_that_cannot_be_recorded_ends(site: Site) -> None:
    recording = (await site.home.record(CONTENT)).recording
    await site.home.link.hand_over(recording, "alice")
    bruno = (await site.join("bruno")).bridge
    opened = await site.do(lambda: bruno.open(recording, "review"))
    assert b"".join(await site.do(lambda: list(bruno.payload(opened.grant, 0, 9))))
    site.home.end_keeper()
    with contextlib.suppress(words.Refused, BridgeError):
        await site.do(lambda: bruno.left(opened.grant))
    with pytest.raises(BridgeError, match="ask for the recording again"):
        await site.do(lambda: RemotePayload(bruno, opened.grant, opened.payload_bytes).read(1))


async def test_a_file_that_is_not_the_signed_one_is_not_given(site: Site) -> None:
    finished = await site.home.record(CONTENT)
    await site.home.link.hand_over(finished.recording, "alice")
    bruno = await site.join("bruno")
    sealed = site.home.archive / f"{finished.recording}.age"
    os.truncate(sealed, sealed.stat().st_size - 1)
    with pytest.raises(Refused) as refused:
        await site.do(lambda: bruno.bridge.open(finished.recording, "review"))
    assert refused.value.word == "file"
    sealed.unlink()
    with pytest.raises(Refused):
        await site.do(lambda: bruno.bridge.open(finished.recording, "review"))


BODIES = [
    b"",
    b"{}",
    b"[]",
    b'{"recipient":1}',
    b"\xff" * 50,
    b"[" * 10_000,
    b'{"recipient":"age1","client_nonce":"00"}',
]


async def test_a_body_that_is_none_is_refused(site: Site) -> None:
    for body in BODIES:
        for path in (words.BEGIN_PATH, words.PROVE_PATH):
            status, _, answer = await site.raw("POST", path, body)
            assert (status, word(answer)) == (400, "malformed"), body[:60]
            assert b"age1" not in answer
    status, _, answer = await site.raw("POST", words.PROVE_PATH, b"x" * (words.MAX_BODY_BYTES + 1))
    assert (status, word(answer)) == (413, "too-large")


async def test_a_weak_recipient_gets_no_challenge(site: Site) -> None:
    """A low-order point: whoever knows no secret could open what is sealed to it."""
    code = parse_invite(await site.home.invite("bruno"))
    body = words.write_body(words.BeginAsked(str(X25519Recipient(bytes(32))), b"\1" * 32, code.secret))
    status, _, answer = await site.raw("POST", words.BEGIN_PATH, body)
    assert (status, word(answer)) == (403, "key")


async def test_guessing_is_slowed_per_address(site: Site) -> None:
    recipient = str(X25519Identity.generate().recipient())
    statuses = []
    for _ in range(25):
        body = words.write_body(words.BeginAsked(recipient, b"\1" * 32, os.urandom(16)))
        status, headers, answer = await site.raw("POST", words.BEGIN_PATH, body)
        statuses.append((status, word(answer)))
    assert statuses[0] == (403, "code")
    assert statuses[-1] == (429, "too-often")
    assert int(headers["retry-after"]) >= 1


async def test_a_dead_keeper_is_said_and_releases_nothing(site: Site) -> None:
    bruno = await site.join("bruno")
    site.home.end_keeper()
    with pytest.raises(Refused) as refused:
        await site.do(bruno.bridge.recordings)
    assert refused.value.word == "keeper"
    await site.home.start_keeper()
    assert await site.do(bruno.bridge.recordings) == ()  # a new proof, by itself


async def test_leaving_waits_for_no_bridge_that_is_silent(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At Ctrl-C; it knows within a minute all the same."""
    monkeypatch.setattr(bridge, "LEFT_WITHIN_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = Bridge(f"https://localhost:{silent.getsockname()[1]}", site.ca_pem, X25519Identity.generate())
        async with asyncio.timeout(10):
            with pytest.raises(BridgeError, match="timed out"):
                await site.do(lambda: asked.left(bytes(16)))


async def test_another_ca_is_not_believed(site: Site, tmp_path: Path) -> None:
    other = ensure_ca(tmp_path / "other", ["localhost"])
    with pytest.raises(BridgeError, match="another CA"):
        await site.do(lambda: pinned_ca(site.home.url, other.ca_sha256()))
    bridge = Bridge(site.home.url, other.ca_cert.read_text(), X25519Identity.generate())
    with pytest.raises(BridgeError, match="certificate"):
        await site.do(bridge.recordings)
    assert await site.do(lambda: pinned_ca(site.home.url, site.home.tls.ca_sha256())) == site.ca_pem


async def test_a_relay_with_a_good_certificate_of_another_name_fails(site: Site) -> None:
    """The same CA, but the address is another: the name in the certificate decides."""
    elsewhere = site.home.url.replace("localhost", "127.0.0.2")
    bridge = Bridge(elsewhere, site.ca_pem, X25519Identity.generate())
    with pytest.raises(BridgeError):
        await site.do(bridge.recordings)


async def test_nothing_older_than_tls_1_3(site: Site) -> None:
    def old() -> Any:
        where = urlsplit(site.home.url)
        context = ssl.create_default_context(cadata=site.ca_pem)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        http.client.HTTPSConnection(where.netloc, timeout=20, context=context).request("GET", "/")

    with pytest.raises(ssl.SSLError):
        await site.do(old)


async def test_who_sends_nothing_or_slowly_keeps_no_place(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 0.3)
    monkeypatch.setattr(bodies, "BODY_WITHIN_S", 0.3)
    where = urlsplit(site.home.url)
    context = ssl.create_default_context(cadata=site.ca_pem)
    head = b"POST /api/v1/begin HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    whole = b"GET /ca.pem HTTP/1.1\r\nHost: x\r\n\r\n"
    end = b"-----END CERTIFICATE-----\n"
    for sent, ends_with in ((b"", b""), (b"GET /v1", b""), (whole + b"GET", end), (head + b"{", b"}")):
        reader, writer = await asyncio.open_connection(where.hostname, where.port, ssl=context)
        writer.write(sent)
        await writer.drain()
        async with asyncio.timeout(10):
            assert (await reader.read()).endswith(ends_with)
        writer.close()


async def test_a_trainer_marks_a_recording_reviewed(site: Site) -> None:
    """P15: by the person's own command line; from then on it ends seven days later."""
    finished = await site.home.record(CONTENT)
    await site.home.link.hand_over(finished.recording, "alice")
    bruno, carla = await site.join("bruno"), await site.join("carla")
    before = (await site.do(bruno.bridge.recordings))[0].not_after
    with pytest.raises(Refused) as refused:
        await site.do(lambda: carla.bridge.review(finished.recording, "first review"))
    assert refused.value.word == "unknown"
    await site.do(lambda: bruno.bridge.review(finished.recording, "first review"))
    after = (await site.do(bruno.bridge.recordings))[0].not_after
    assert after < before
