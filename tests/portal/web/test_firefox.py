"""A real Firefox joins, plays and seeks, and is stopped by damage: what it does otherwise than Chromium shows here."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from pbx_bridge.age import Reader, X25519Identity, seal_bytes
from pbx_bridge.trainer.play import Player
from pbx_bridge.wire_portal import Role
from tests.access.logs import lines_of
from tests.portal.web.person import Pages, Person, pages
from tests.portal.web.test_office_browser import verifies
from tests.portal.web.test_player import SEEK, clip, opens, plays, views

__all__ = ["clip"]
PUPPETEER = "puppeteer-core@25.16.0"
INSTALL_WITHIN_S = 300


class Firefox:
    """One page. As a context it ends."""

    def __init__(self, folder: Path) -> None:
        shutil.copy(Path(__file__).with_name("firefox.mjs"), folder)
        command = [
            "npm",
            "install",
            "--no-fund",
            "--no-audit",
            "--ignore-scripts",
            "--prefix",
            str(folder),
            PUPPETEER,
        ]
        subprocess.run(command, capture_output=True, timeout=INSTALL_WITHIN_S, check=True)
        self._process = subprocess.Popen(
            ["node", folder / "firefox.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def open(self, url: str) -> None:
        self._do("go", url)

    def goes_to(self, url: str) -> None:
        self._do("go", url)

    def evaluate(self, script: str) -> Any:
        return self._do("eval", script)

    def wait(self, condition: str) -> None:
        self._do("wait", condition)

    def _do(self, *words: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer["value"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write('["end"]\n')
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what drives Firefox is installed, once."""
    return tmp_path_factory.mktemp("firefox")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Pages]:
    async with pages(tmp_path) as found:
        yield found


async def test_firefox_joins_plays_seeks_and_stops_at_damage(site: Pages, clip: bytes, folder: Path) -> None:
    recording = (await site.home.record(clip)).recording
    hurt = (await site.home.record(clip)).recording
    path = site.home.archive / f"{hurt}.age"
    sealed = bytearray(path.read_bytes())
    sealed[len(sealed) * 3 // 4] ^= 1
    path.write_bytes(bytes(sealed))
    alice = Person(site, "alice", Firefox(folder))
    with alice.browser:
        await alice.join(await site.invited("alice", Role.TRAINEE))
        await site.home.confirm("alice")
        await opens(alice, recording)
        await plays(alice)
        for second in (30, 5, 38, 20):
            assert await alice.script(SEEK % second) == [second, 640, None]
        await alice.until(
            "parseInt(document.getElementById('drawn').textContent.match(/\\d+/)?.[0] ?? '0') > 5"
        )
        # twenty pages that were left without giving their video back, and Firefox played no further one (measured)
        left = "dispatchEvent(new PageTransitionEvent('pagehide')); document.getElementById('video').hasAttribute('src')"
        assert await alice.script(left) is False
        await nothing_lies_on_the_disk(site, alice, clip)
        await opens(alice, hurt)
        await plays(alice)
        await alice.script("document.getElementById('video').currentTime = 30; 0")
        await alice.until("document.getElementById('alarm').textContent.includes('not as it was sealed')")
        await views(site, lambda found: any(line.reason == "damaged" for line in found))


async def nothing_lies_on_the_disk(site: Pages, alice: Person, clip: bytes) -> None:
    """P17: of a film of more than 8 MiB Firefox kept all that it played in a temporary file, in clear."""
    (site.folder / "short.webm").write_bytes(clip)
    loop = ["ffmpeg", "-v", "error", "-stream_loop", "3", "-i", "short.webm", "-c", "copy", "long.webm"]
    await asyncio.to_thread(subprocess.run, loop, cwd=site.folder, check=True)
    film = (site.folder / "long.webm").read_bytes()
    (site.folder / "short.webm").unlink()
    (site.folder / "long.webm").unlink()
    assert len(film) > 9 << 20
    recording = (await site.home.record(film)).recording
    await opens(alice, recording)
    await plays(alice)
    for second in (150, 70, 110, 2):
        found = await alice.script(SEEK % second)
        assert found == [second, 640, None], await alice.reads()
    assert await asyncio.to_thread(held_files, film[len(film) // 2 :][:32]) == []
    identity = X25519Identity.generate()
    sealed = seal_bytes(film, [identity.recipient()])
    player = Player(Reader(io.BytesIO(sealed), [identity]), "alice")
    try:  # `pbx-bridge play` opens whatever browser the person has
        await asyncio.to_thread(alice.browser.goes_to, player.start())
        await alice.until("document.getElementById('video').readyState > 2")
        for second in (150, 70, 110, 2):
            assert await alice.script(SEEK % second) == [second, 640, None]
        assert await asyncio.to_thread(held_files, film[len(film) // 2 :][:32]) == []
    finally:
        player.close()


def held_files(marker: bytes) -> list[str]:
    """The files that a Firefox holds open, those without a name too, in which `marker` stands."""
    found = []
    for held in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if "firefox" in str((held.parents[1] / "exe").readlink()) and held.stat().st_size > 1 << 20:
                name = str(held.readlink())
                if name.startswith("/") and not name.startswith("/dev/") and marker in held.read_bytes():
                    found.append(name)
    return found


async def test_firefox_shows_the_auditor_the_record_and_verifies_it(site: Pages, folder: Path) -> None:
    """P19: signatures and the chain are checked by Firefox itself, and what it saw before is compared."""
    await site.home.record(b"call")
    carla = Person(site, "carla", Firefox(folder))
    with carla.browser:
        await carla.join(await site.invited("carla", Role.AUDITOR))
        await site.home.confirm("carla")
        await carla.go("/audit?act=put")
        entry = "document.querySelectorAll('main tbody tr').length"
        assert await carla.script(entry) == 1
        await carla.go("/audit")
        assert int(await carla.script(entry)) > 5
        assert str(len(lines_of(site.home.folder / "keeper"))) in await carla.reads()
        await verifies(site, carla)
        await carla.go("/audit/verify")
        await carla.until("!document.getElementById('known').hidden")
