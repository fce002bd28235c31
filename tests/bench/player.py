"""How soon a 60-minute recording plays in a browser, and what it fetches for it (`./run bench player`).

    python -m tests.bench.player [--opens N] [--seeks N] [--minutes N] [--late MS]

A real keeper and portal on loopback, behind a way that makes every byte 20 ms later in each direction; a real Chromium and a
real Firefox. The recording is made by the recorder's own layout and sealing: one encoder's pictures of a busy 1920x1080
window, over and over (about 500 MB an hour), with pauses. First frame: from the click on "Open it" to the first picture
presented. Seek: from the new time, anywhere in the film, being set to a picture of it presented, while it plays. Fetched:
bytes of the sealed file asked for until then. Beside it, in the same browser and over the same way: the same film in clear
from a plain file server (plain.py), so that what the browser's own reading and decoding takes can be told apart.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from pbx_bridge.archive.sealed import SealedFile
from pbx_bridge.ids import RecordingId
from pbx_bridge.media.chapters import of_pauses
from pbx_bridge.media.opus import Encoder
from pbx_bridge.media.spans import Pause
from pbx_bridge.media.webm import Webm
from pbx_bridge.wire_portal import Role
from tests.archive.house import House, manifest
from tests.bench.figures import Figure, table
from tests.bench.media import FPS, HEIGHT, RATE, WIDTH, busy_packets
from tests.portal.web.person import Pages, Person, pages
from tests.portal.web.test_firefox import Firefox
from workstation_client import keyframes

MB = 1_000_000
SPEECH_S = 10
READY = "document.querySelector('#open fieldset') && !document.querySelector('#open fieldset').disabled"
FETCHED = """const fetched = (from, to) => performance.getEntriesByType("resource")
  .filter((one) => one.name.includes("/payload/") && one.startTime >= from && one.startTime <= to)
  .reduce((sum, one) => sum + one.encodedBodySize, 0);
const until = (wanted) => new Promise((done) => {
  const look = (now, frame) => (wanted(frame) ? done(performance.now()) : video.requestVideoFrameCallback(look));
  video.requestVideoFrameCallback(look);
});
const settled = () => new Promise((done) => setTimeout(done, 400));
performance.setResourceTimingBufferSize(20000);
const video = document.getElementById("video");
"""
OPEN = f"""(async () => {{ {FETCHED}
  const from = performance.now();
  document.querySelector("#open button").click();
  const at = await until(() => true);
  await settled();
  return [at - from, fetched(from, at)];
}})()"""
SEEK = f"""(async () => {{ {FETCHED}
  const from = performance.now();
  video.currentTime = %.3f;
  const at = await until((frame) => Math.abs(frame.mediaTime - %.3f) < 0.5);
  await settled();
  return [at - from, fetched(from, at)];
}})()"""


@dataclass
class Measured:
    first_ms: list[float] = field(default_factory=list)
    first_mb: list[float] = field(default_factory=list)
    seek_ms: list[float] = field(default_factory=list)
    seek_mb: list[float] = field(default_factory=list)
    plain_first_ms: list[float] = field(default_factory=list)
    plain_seek_ms: list[float] = field(default_factory=list)

    def figures(self, kind: str) -> list[Figure]:
        """The table's lines."""
        return [
            Figure(f"{kind}: first frame after the click", "ms", self.first_ms, "p95 <= 500"),
            Figure("  the film in clear from a plain server", "ms", self.plain_first_ms, "-"),
            Figure("  fetched for it", "MB", self.first_mb, "<= 3"),
            Figure(f"{kind}: seek", "ms", self.seek_ms, "p95 <= 300"),
            Figure("  the film in clear from a plain server", "ms", self.plain_seek_ms, "-"),
            Figure("  fetched for it", "MB", self.seek_mb, "<= 2"),
        ]


def spoken() -> tuple[bytes, list[bytes]]:
    """The codec's head, and ten seconds of two voices in packets."""
    encoder, count = Encoder(RATE), RATE // 50
    packets: list[bytes] = []
    for number in range(SPEECH_S * 50):
        at = range(number * count, (number + 1) * count)
        loud = 0.5 + 0.5 * math.sin(number / 9)
        pcm = array(
            "h", (round(loud * 8_000 * math.sin(n * hz / RATE * 6.28)) for n in at for hz in (220, 180))
        )
        packets += encoder.encode(number * count, pcm.tobytes())
    return encoder.head, packets


def film_packets() -> list[tuple[bytes, bool]]:
    """A busy window's pictures, with keyframes where the workstation would put them."""
    shown = busy_packets(keyframes.SOON)
    since = keyframes.SinceKeyframe()
    for data, keyframe in shown[: keyframes.SOON]:
        since.add(len(data), keyframe=keyframe, new=True)
    worth = since.taken_bytes >= keyframes.WORTH * since.key_bytes
    return shown if worth else busy_packets(keyframes.EVERY)


class Both:
    """The sealed file, and the same bytes in clear beside it."""

    def __init__(self, sealed: SealedFile, clear: BinaryIO) -> None:
        self._both = (sealed, clear)

    def write(self, data: bytes) -> None:
        for one in self._both:
            one.write(data)

    def seek(self, position: int) -> None:
        for one in self._both:
            one.seek(position)


async def recorded(home: House, minutes: int, clear: BinaryIO) -> RecordingId:
    """A finished recording of that length, laid out and sealed as a call's is; `clear` gets the same in clear."""
    described = manifest()
    sealed = await home.begin(described)
    file = Both(sealed, clear)
    head, sounds = spoken()
    shown = film_packets()
    webm = Webm(WIDTH, HEIGHT, head)
    file.write(webm.head)
    for number in range(minutes * 60 * 50):
        if number % (50 // FPS) == 0:
            data, keyframe = shown[number // (50 // FPS) % len(shown)]
            file.write(webm.picture(number * 20, data, keyframe=keyframe))
        file.write(webm.sound(number * 20, sounds[number % len(sounds)]))
    end_ns = minutes * 60 * 10**9
    pauses = [Pause(n * 10**9, (n + 20) * 10**9, hold=n % 2 == 0) for n in range(301, minutes * 60 - 30, 301)]
    rest, patches = webm.finish(minutes * 60_000, of_pauses(pauses, end_ns))
    file.write(rest)
    for patch in patches:
        file.seek(patch.at)
        file.write(patch.data)
    clear.flush()
    finished = await home.finish(sealed, described)
    print(f"{finished.payload_bytes / MB:.0f} MB sealed", flush=True)
    return finished.recording


async def watched(
    person: Person, recording: RecordingId, plain: str, opens: int, seeks: int, seconds: int
) -> Measured:
    """`plain`: the address of the page that plays the same in clear."""
    found, chance = Measured(), random.Random(5)
    places = [chance.uniform(10, seconds - 10) for _ in range(seeks)]
    with person.browser:
        await person.join(await person.site.invited(person.name, Role.TRAINEE))
        await person.site.home.confirm(person.name)
        for _ in range(opens):
            await person.go(f"/recordings/{recording}/watch")
            await person.until(READY)
            took_ms, fetched = await person.script(OPEN)
            found.first_ms.append(took_ms)
            found.first_mb.append(fetched / MB)
        for second in places:
            took_ms, fetched = await person.script(SEEK % (second, second))
            found.seek_ms.append(took_ms)
            found.seek_mb.append(fetched / MB)
        await person.go("/account")
        for _ in range(opens):
            await asyncio.to_thread(person.browser.goes_to, plain)
            found.plain_first_ms.append((await person.script(OPEN))[0])
        for second in places:
            found.plain_seek_ms.append((await person.script(SEEK % (second, second)))[0])
    return found


async def measure(folder: Path, opens: int, seeks: int, minutes: int, late_ms: int) -> list[Figure]:
    figures: list[Figure] = []
    with ExitStack() as ways:
        async with pages(folder) as site:
            film = folder / "film.webm"
            with film.open("wb") as clear:
                recording = await recorded(site.home, minutes, clear)
            tls = site.home.tls
            plain = ways.enter_context(started("tests.bench.plain", film, tls.cert, tls.key))
            there, beside = (
                ways.enter_context(started("tests.rig.delay", port, late_ms))
                for port in (urlsplit(site.home.url).port, plain)
            )
            site.home.url = f"https://localhost:{there}"
            for kind in ("Chromium", "Firefox"):
                person = Person(site, "alice", browser(site, folder, kind))
                address = f"https://localhost:{beside}/"
                found = await watched(person, recording, address, opens, seeks, minutes * 60)
                figures += found.figures(kind)
                print(table(f"== {kind}", found.figures(kind)), flush=True)
    return figures


@contextmanager
def started(module: str, *words: object) -> Iterator[int]:
    """A program that says its port and listens until the end."""
    command = [sys.executable, "-m", module, *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def browser(site: Pages, folder: Path, kind: str) -> Any:
    if kind == "Chromium":
        return site.browser("alice")
    (folder / "firefox").mkdir()
    return Firefox(folder / "firefox")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.player")
    parser.add_argument("--opens", type=int, default=20)
    parser.add_argument("--seeks", type=int, default=60)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--late", type=int, default=20, metavar="MS", help="in each direction")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(Path(folder), chosen.opens, chosen.seeks, chosen.minutes, chosen.late))
    late = f"{chosen.late} ms later in each direction"
    print(table(f"A recording of {chosen.minutes} minutes in the player, {late}", figures))


if __name__ == "__main__":
    main()
