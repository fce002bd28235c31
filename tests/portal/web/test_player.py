"""A real Chromium plays a sealed recording: seeks, is stopped by damage, leaves a record and no trace."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pbx_bridge import wire_portal as words
from pbx_bridge.age import CHUNK_SIZE
from pbx_bridge.ids import RecordingId
from pbx_bridge.portal import viewing
from pbx_bridge.portal.web import player
from pbx_bridge.portal.web.site import Site
from pbx_bridge.wire_access import AccessLine
from pbx_bridge.wire_portal import Role
from tests.archive.house import house, manifest
from tests.portal.web.client import Client
from tests.portal.web.person import Pages, Person, pages
from tests.portal.web.test_browser import axe, violations
from tests.portal.web.test_signing_in import CONTENT, Town, no_pause

__all__ = ["axe", "no_pause"]
SECONDS = 40
VIDEO = "document.getElementById('video')"
SEEK = """new Promise((done) => {
  const video = document.getElementById("video");
  video.onseeked = () => done([Math.round(video.currentTime), video.videoWidth, video.error && video.error.message]);
  video.onerror = video.onseeked;
  video.currentTime = %d;
})"""

RENEWS = """(async () => {
  const { Sealed } = await import("/static/sealed.js");
  const { renewed } = await import("/static/site.js");
  const grant = document.getElementById("video").src.split("?")[1];
  const sealed = new Sealed(location.pathname.replace("watch", "payload/" + grant), null, 100000);
  await fetch("/key?again=yes");
  sealed.renew = () => renewed(Infinity);
  const fast = Array.from({ length: 150 }, (_, n) => sealed.fetch(n, n + 10));
  return (await Promise.all([sealed.fetch(0, 100), sealed.fetch(200, 300), ...fast])).map((bytes) => bytes.length);
})()"""
"""Reads anew after the visit of this session was given up, and more at once than one address is given."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """40 s of VP9 and two voices, some 3 MB."""
    path = tmp_path_factory.mktemp("clip") / "clear.webm"
    source = [f"testsrc2=size=640x480:rate=10:duration={SECONDS}"]
    voices = [f"sine=frequency={hertz}:duration={SECONDS}" for hertz in (440, 880)]
    inputs = [word for one in source + voices for word in ("-f", "lavfi", "-i", one)]
    joined = ["-filter_complex", "[1][2]join=inputs=2:channel_layout=stereo[a]", "-map", "0:v", "-map", "[a]"]
    video = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "600k", "-g", "20"]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *joined, *video, "-c:a", "libopus", path], check=True)
    return path.read_bytes()


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pages]:
    """So many ranges at once are enough for a short film, and soon reached."""
    monkeypatch.setattr(player, "SEEKS", {"burst": 60, "per_s": 40})
    async with pages(tmp_path) as found:
        yield found


async def ready(site: Pages, name: str = "alice", role: Role = Role.TRAINEE) -> Person:
    person = Person(site, name)
    await person.join(await site.invited(name, role))
    await site.home.confirm(name)
    return person


async def opens(person: Person, recording: RecordingId, session: str = "") -> None:
    await person.go(f"/recordings/{recording}/watch")
    await person.until("!document.querySelector('#open fieldset').disabled")
    if session:
        await person.fill(session=session)
    await person.press("#open button")


async def plays(person: Person) -> None:
    await person.until("document.getElementById('video').readyState >= 2")


async def views(site: Pages, until: Callable[[list[AccessLine]], bool]) -> list[AccessLine]:
    """Alice's accesses of the kind "view", as soon as they are as expected."""
    async with asyncio.timeout(20):
        while True:
            found = [line for line in (await site.home.link.accesses("alice")).accesses if line.act == "view"]
            if until(found):
                return found
            await asyncio.sleep(0.05)


async def test_a_trainee_watches_seeks_and_leaves_a_record(
    site: Pages, clip: bytes, axe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewing, "EVERY_S", 8.0)  # should the browser not get to say that its page was left
    recording = (await site.home.record(clip)).recording
    alice = await ready(site)
    with alice.browser:
        await opens(alice, recording)
        await plays(alice)
        assert await violations(alice, axe) == []
        for second in (30, 5, 38, 0, 20):
            assert await alice.script(SEEK % second) == [second, 640, None]
        await asyncio.to_thread(alice.browser.call, "ServiceWorker.enable")
        await asyncio.to_thread(alice.browser.call, "ServiceWorker.stopAllWorkers")
        assert await alice.script(SEEK % 12) == [12, 640, None], "it holds nothing: another is started"
        shown = "((v) => [v.poster, v.disablePictureInPicture, v.controlsList.contains('nodownload')])(%s)"
        assert await alice.script(shown % VIDEO) == ["", True, True]
        mark = str(await alice.script("document.getElementById('mark').textContent"))
        assert re.fullmatch(r"alice · 20\d\d-[01]\d-[0-3]\d [0-2]\d(:[0-5]\d){2} [A-Z]\S*", mark), mark
        menu = "new MouseEvent('contextmenu', {bubbles: true, cancelable: true})"
        assert await alice.script(f"{VIDEO}.dispatchEvent({menu})") is False, (
            "no menu that saves or snaps a frame"
        )
        await asyncio.to_thread(
            alice.browser.call,
            "Runtime.evaluate",
            expression="document.getElementById('full').click()",
            userGesture=True,
        )
        await alice.until("document.fullscreenElement?.contains(document.getElementById('mark'))")
        await alice.script("document.exitFullscreen().then(() => 0)")
        note = "seen.push(document.fullscreenElement?.id ?? '')"
        await alice.script(
            f"window.seen = []; document.addEventListener('fullscreenchange', () => {note}); 0"
        )
        alone = f"{VIDEO}.requestFullscreen()"  # as a browser's own button does, where nothing forbids it one
        await asyncio.to_thread(alice.browser.call, "Runtime.evaluate", expression=alone, userGesture=True)
        await alice.until("seen.includes('video') && seen.at(-1) !== 'video'")
        printed = "getComputedStyle(document.getElementById('frame')).display"
        await asyncio.to_thread(alice.browser.call, "Emulation.setEmulatedMedia", media="print")
        assert await alice.script(printed) == "none", "P1: no still on paper or in a PDF"
        await asyncio.to_thread(alice.browser.call, "Emulation.setEmulatedMedia", media="")
        speeds = "Array.from(document.getElementById('speed').options, (one) => Number(one.value))"
        assert await alice.script(speeds) == [0.5, 0.75, 1, 1.25, 1.5, 2, 3]
        await alice.script("document.getElementById('speed').value = '3'; "
                           "document.getElementById('speed').dispatchEvent(new Event('change')); 0")  # fmt: skip
        assert await alice.script(f"[{VIDEO}.playbackRate, {VIDEO}.preservesPitch]") == [3, True]
        await alice.script("document.activeElement.blur(); document.getElementById('video').pause(); 0")
        press = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '%s', bubbles: true})); 0"
        await alice.script(SEEK % 20)
        await alice.script(press % "ArrowRight")
        assert await alice.script("Math.round(document.getElementById('video').currentTime)") == 25
        await alice.script(press % "1")
        checked = "['agent', 'customer'].map((side) => document.getElementById(side).checked)"
        assert await alice.script(checked) == [False, True]
        await alice.script(press % "<")
        assert await alice.script(f"{VIDEO}.playbackRate") == 2
        await alice.go("/account")
        view = (await views(site, lambda found: len(found) >= 1))[0]
        assert (view.who, view.outcome, view.recording) == ("alice", "granted", recording)
        # elsewhere: a browser that lacks something says so, and asks nothing of the server
        lacking = "delete globalThis.AudioContext"
        await asyncio.to_thread(alice.browser.call, "Page.addScriptToEvaluateOnNewDocument", source=lacking)
        await alice.go(f"/recordings/{recording}/watch")
        await alice.until(
            "document.getElementById('alarm').textContent.includes('cannot play sealed recordings')"
        )
        assert await alice.script("document.querySelector('#open fieldset').disabled") is True
    marker = clip[len(clip) // 2 :][:32]
    assert [path for path in site.folder.rglob("*") if path.is_file() and marker in path.read_bytes()] == []


async def test_hundred_seeks_never_stop_it(site: Pages, clip: bytes) -> None:
    """More parts than are kept in memory, asked for side by side."""
    recording = (await site.home.record(clip)).recording
    alice = await ready(site)
    with alice.browser:
        await opens(alice, recording)
        await plays(alice)
        for n in range(100):
            second = n * 17 % SECONDS
            found = await alice.script(SEEK % second)
            assert found == [second, 640, None], await alice.reads()


async def test_what_went_out_is_recorded_though_the_viewer_never_says_so(
    site: Pages, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P19: by what the server gave."""
    monkeypatch.setattr(viewing, "EVERY_S", 0.5)
    recording = (await site.home.record(clip)).recording
    alice = await ready(site)
    with alice.browser:
        await opens(alice, recording)
        await plays(alice)
        await views(site, lambda found: len(found) >= 1)
        before = len(await views(site, lambda found: True))
        await opens(alice, recording)  # anew: a jump may find all of a short film in the browser already
        await plays(alice)
        await views(site, lambda found: len(found) > before)
        monkeypatch.setattr(viewing, "EVERY_S", 2.0)
        await alice.go(f"/recordings/{recording}/watch")
        await opens(alice, recording)
        before = len(await views(site, lambda found: True))
        await plays(alice)
    await views(site, lambda found: len(found) > before)  # the browser was killed meanwhile


async def test_a_damaged_part_stops_it_is_said_and_is_recorded(site: Pages, clip: bytes) -> None:
    recording = (await site.home.record(clip)).recording
    path = site.home.archive / f"{recording}.age"
    sealed = bytearray(path.read_bytes())
    sealed[len(sealed) * 3 // 4] ^= 1
    path.write_bytes(bytes(sealed))
    alice = await ready(site)
    with alice.browser:
        await opens(alice, recording)
        await plays(alice)
        await alice.script("document.getElementById('video').currentTime = 30; 0")
        await alice.until("document.getElementById('alarm').textContent.includes('not as it was sealed')")
        assert await alice.script(f"[{VIDEO}.paused, {VIDEO}.readyState]") == [True, 0], (
            "nor by its own button"
        )
        found = await views(site, lambda found: any(line.reason == "damaged" for line in found))
        assert {line.who for line in found} == {"alice"}


async def test_a_last_part_that_is_not_the_last_is_found_before_anything_plays(
    site: Pages, clip: bytes
) -> None:
    """Cut and filled up again to the signed length."""
    recording = (await site.home.record(clip)).recording
    path = site.home.archive / f"{recording}.age"
    sealed = path.read_bytes()
    path.write_bytes(sealed[: -(CHUNK_SIZE // 2)] + bytes(CHUNK_SIZE // 2))
    alice = await ready(site)
    with alice.browser:
        await opens(alice, recording)
        await alice.until("document.getElementById('alarm').textContent.includes('not as it was sealed')")
        assert await alice.script("document.getElementById('stage').hidden") is True
        await another_file(site, alice, clip)
        path.write_bytes(sealed[:-CHUNK_SIZE])
        await opens(alice, recording)
        await alice.until("document.getElementById('alarm').textContent.includes('missing or damaged')")
        await signed_by_another(site, alice, clip)


async def another_file(site: Pages, alice: Person, clip: bytes) -> None:
    """Every part is authentic, and the whole is not what its recorder signed: known to who goes through all of it."""
    file = await site.home.begin(described := manifest())
    file.write(clip)
    size = file.finish().sealed_size - len(header := site.home.header(described.recording))
    await site.home.link.finish(site.home.recorder.sign(described.sealed("ab" * 32, size, 40_000)), header)
    await opens(alice, described.recording)
    await plays(alice)
    await alice.until("!document.getElementById('draw').hidden")
    await alice.press("#draw")
    await alice.until("document.getElementById('alarm').textContent.includes('its recorder signed')")
    assert await alice.script("document.getElementById('video').paused") is True
    assert "whole file is" not in str(await alice.script("document.getElementById('drawn').textContent"))
    await unvouched(site, described.recording)


async def unvouched(site: Pages, recording: RecordingId) -> None:
    """The record of accesses has the word."""
    found = await views(site, lambda seen: any(one.recording == recording and one.reason for one in seen))
    assert {one.reason for one in found if one.recording == recording} - {""} == {"unvouched"}


async def signed_by_another(site: Pages, alice: Person, clip: bytes) -> None:
    """The recorder of this recording is none this browser was told of when its person joined."""
    recording = (await site.home.record(clip)).recording
    opened = "indexedDB.open('pbx-bridge', 1).onsuccess = (e) => { "
    forget = opened + "const t = e.target.result.transaction('keys', 'readwrite'); "
    other = f"t.objectStore('keys').put(['{'ab' * 32}'], 'recorders of alice'); t.oncomplete = d; }}"
    await alice.script(f"new Promise((d) => {{ {forget}{other} }}).then(() => 0)")
    await opens(alice, recording)
    await alice.until("document.getElementById('alarm').textContent.includes('its recorder signed')")
    assert await alice.script("[document.getElementById('stage').hidden, " + VIDEO + ".src]") == [True, ""]
    await unvouched(site, recording)


async def test_a_trainer_states_the_session_and_comes_second(site: Pages, clip: bytes) -> None:
    """P18, P21: not before the trainee handed over, not without a session."""
    recording = (await site.home.record(clip)).recording
    bruno = await ready(site, "bruno", Role.TRAINER)
    with bruno.browser:
        await opens(bruno, recording, "coaching of 30 November")
        await bruno.until("document.getElementById('alarm').textContent.includes('trainee')")
        await site.home.link.hand_over(recording, "alice")
        await opens(bruno, recording, "coaching of 30 November")
        await plays(bruno)
        assert await bruno.script(RENEWS) == [100, 100] + [10] * 150, "renewed, and given a little later"
    lines = (await site.home.link.accesses("alice")).accesses
    opened = [line for line in lines if line.who == "bruno" and line.act == "open"]
    assert [(line.outcome, line.session) for line in opened] == [
        ("granted", "coaching of 30 November"),
        ("refused", "coaching of 30 November"),
    ]


async def test_a_grant_is_its_sessions_alone_and_the_portal_never_sees_a_key(tmp_path: Path) -> None:
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        town = Town(home)
        recording = (await home.record(CONTENT)).recording
        alice, bea = await town.joined("alice", Role.TRAINEE), await town.joined("bea", Role.TRAINEE)
        opened = await asyncio.to_thread(
            lambda: alice.json(f"/recordings/{recording}/open", words.OpenAsked(""))
        )
        assert opened.status == 200, opened.text
        released = words.read_body(words.Opened, opened.body)
        path = f"/recordings/{recording}/payload/{released.grant.hex()}"
        first = {"Range": "bytes=0-99", "Accept": "application/json"}

        def payload(client: Client, wanted: str) -> int:
            return client.ask("GET", wanted, headers=first).status

        assert await asyncio.to_thread(payload, alice, path) == 206
        assert await asyncio.to_thread(payload, bea, path) == 404
        assert await asyncio.to_thread(payload, Client(home), path) == 401
        api = words.PAYLOAD_PATH.format(grant=released.grant.hex())
        assert await asyncio.to_thread(payload, alice, api) == 401
        other = f"/recordings/{'a' * 26}/payload/{released.grant.hex()}"
        assert await asyncio.to_thread(payload, alice, other) == 404
        refused = await asyncio.to_thread(
            lambda: bea.json(f"/recordings/{recording}/open", words.OpenAsked(""))
        )
        assert refused.status == 404
        assert b"AGE-SECRET-KEY" not in opened.body


async def test_when_too_many_are_open_the_oldest_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewing, "MAX_GRANTS", 1)
    async with house(tmp_path, site=Site(tmp_path / "accounts", "en")) as home:
        recording = (await home.record(CONTENT)).recording
        alice = await Town(home).joined("alice", Role.TRAINEE)

        def opened() -> str:
            answer = alice.json(f"/recordings/{recording}/open", words.OpenAsked(""))
            return words.read_body(words.Opened, answer.body).grant.hex()

        def status(grant: str) -> int:
            wanted = {"Range": "bytes=0-99", "Accept": "application/json"}
            return alice.ask("GET", f"/recordings/{recording}/payload/{grant}", headers=wanted).status

        first, second = await asyncio.to_thread(lambda: (opened(), opened()))
        assert await asyncio.to_thread(lambda: (status(first), status(second))) == (404, 206)
