"""Playing on loopback: ranges, the secret path, nothing written, and a real Chromium that seeks."""

from __future__ import annotations

import http.client
import io
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pbx_bridge.age import CHUNK_SIZE, AgeError, Reader, X25519Identity, seal_bytes
from pbx_bridge.trainer import play
from pbx_bridge.trainer.bridge import BridgeError
from pbx_bridge.trainer.play import SHORT, Player
from tests.trainer.browser import Browser

CONTENT = os.urandom(3 * CHUNK_SIZE + 77)
IDENTITY = X25519Identity.generate()


@contextmanager
def playing(sealed: bytes) -> Iterator[Player]:
    player = Player(Reader(io.BytesIO(sealed), [IDENTITY]), "alice, today & <now>")
    player.start()
    try:
        yield player
    finally:
        player.close()


def get(
    player: Player, name: str, headers: dict[str, str] | None = None, *, method: str = "GET"
) -> tuple[int, dict[str, str], bytes]:
    where = urlsplit(player.url)
    connection = http.client.HTTPConnection(where.netloc, timeout=10)
    connection.request(method, where.path + name, headers=headers or {})
    response = connection.getresponse()
    try:
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, len(CONTENT) - 1),
        ("bytes=0-0", 0, 0),
        (f"bytes={CHUNK_SIZE - 1}-{CHUNK_SIZE}", CHUNK_SIZE - 1, CHUNK_SIZE),
        (f"bytes={len(CONTENT) - 1}-", len(CONTENT) - 1, len(CONTENT) - 1),
        (f"bytes=5-{len(CONTENT) * 2}", 5, len(CONTENT) - 1),
    ],
)
def test_any_range_is_served_exactly(asked: str, first: int, last: int) -> None:
    with playing(seal_bytes(CONTENT, [IDENTITY.recipient()])) as player:
        status, headers, body = get(player, "video", {"Range": asked})
    assert status == 206
    assert headers["content-range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert headers["cache-control"] == "no-store"
    assert body == CONTENT[first : last + 1]


def test_firefox_is_told_at_first_a_length_that_it_keeps_in_its_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P17: of more it makes a temporary file, in clear; the true length comes with the second answer."""
    monkeypatch.setattr(play, "IN_MEMORY", 2 * CHUNK_SIZE)
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    other = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"

    def ranges(player: Player, agent: str, *asked: str) -> list[str]:
        get(player, "")
        headers = [{"Range": one, "User-Agent": agent} for one in asked]
        return [get(player, "video", one)[1]["content-range"] for one in headers]

    with playing(seal_bytes(CONTENT, [IDENTITY.recipient()])) as player:
        for _ in range(2):  # the page may be loaded anew
            assert ranges(player, agent, "bytes=0-", "bytes=4096-") == [
                f"bytes 0-{SHORT - 1}/{2 * CHUNK_SIZE}",
                f"bytes 4096-{len(CONTENT) - 1}/{len(CONTENT)}",
            ]
        assert ranges(player, other, "bytes=0-") == [f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"]


@pytest.mark.parametrize(
    "asked", ["bytes=9-5", f"bytes={len(CONTENT)}-", "bytes=-5", "bytes=0-1,3-4", "rows=1-2"]
)
def test_a_range_that_is_none_is_refused(asked: str) -> None:
    with playing(seal_bytes(CONTENT, [IDENTITY.recipient()])) as player:
        assert get(player, "video", {"Range": asked})[0] == 416


def test_only_the_secret_path_and_the_own_name_are_answered() -> None:
    with playing(seal_bytes(CONTENT, [IDENTITY.recipient()])) as player:
        assert get(player, "")[0] == 200
        assert get(player, "", {"Host": "evil.example"})[0] == 404
        assert get(player, "../video")[0] == 404
        assert get(player, "poster")[0] == 404
        connection = http.client.HTTPConnection(player.host, timeout=10)
        for path in ("/", "/video", "/AAAA/video", "//video", "/" + "a" * 5_000):
            connection.request("GET", path)
            response = connection.getresponse()
            assert (response.status, response.read()) == (404, b"")
        connection.close()


def test_the_page_shows_no_still_and_escapes_its_text() -> None:
    with playing(seal_bytes(CONTENT, [IDENTITY.recipient()])) as player:
        _, headers, body = get(player, "")
    assert b"poster" not in body
    assert b"alice, today &amp; &lt;now&gt;" in body
    assert "default-src 'none'" in headers["content-security-policy"]


def test_a_changed_chunk_breaks_off_and_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    sealed = bytearray(seal_bytes(CONTENT, [IDENTITY.recipient()]))
    sealed[-2 * CHUNK_SIZE] ^= 1
    with playing(bytes(sealed)) as player:
        assert get(player, "state")[2] == b""
        with pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected)):
            get(player, "video")
        assert b"broke off" in get(player, "state")[2]
    assert "broke off" in capsys.readouterr().err


class Faltering(io.BytesIO):
    """A bridge that cannot be reached for a while."""

    away = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.away:
            raise BridgeError("the bridge cannot be reached")
        return super().read(size)


def test_damage_is_told_once_and_also_after_another_fault() -> None:
    """P19: a network that faltered before is no reason to keep it back."""
    sealed = bytearray(seal_bytes(CONTENT, [IDENTITY.recipient()]))
    sealed[-2 * CHUNK_SIZE] ^= 1
    source, told = Faltering(bytes(sealed)), list[str]()
    player = Player(Reader(source, [IDENTITY]), "alice", lambda: told.append("damaged"))
    source.away = True
    with pytest.raises(BridgeError):
        player.read(0, len(CONTENT))
    assert told == []
    source.away = False
    for _ in range(2):
        with pytest.raises(AgeError):
            player.read(0, len(CONTENT))
    assert told == ["damaged"]


SEEK = """new Promise((done) => {
  const video = document.getElementById("video");
  const said = () => done([Math.round(video.currentTime), video.videoWidth, video.error && video.error.message]);
  video.addEventListener("seeked", said);
  video.addEventListener("error", said);
  const go = () => { video.pause(); video.currentTime = 15; };
  if (video.readyState > 0) go(); else video.addEventListener("loadedmetadata", go);
})"""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """20 s of VP9, about 1 MB."""
    path = tmp_path_factory.mktemp("video") / "clear.webm"
    pattern = "testsrc2=size=640x480:rate=10:duration=20"
    encode = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M", "-g", "20"]
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", pattern, *encode, path], check=True)
    return path.read_bytes()


def test_chromium_plays_and_seeks_and_keeps_nothing(tmp_path: Path, video: bytes) -> None:
    sealed = seal_bytes(video, [IDENTITY.recipient()])
    with playing(sealed) as player, Browser(tmp_path / "chromium") as browser:
        browser.open(player.url)
        assert browser.evaluate(SEEK) == [15, 640, None]
        assert browser.evaluate("document.getElementById('alarm').hidden") is True
    marker = video[len(video) // 2 :][:32]
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and marker in path.read_bytes()]
    assert kept == []


def test_chromium_says_that_a_recording_broke_off(tmp_path: Path, video: bytes) -> None:
    sealed = bytearray(seal_bytes(video, [IDENTITY.recipient()]))
    sealed[len(sealed) * 3 // 4] ^= 1
    asked = "new Promise((done) => setInterval(() => { const a = document.getElementById('alarm'); "
    asked += "if (!a.hidden) done(a.textContent) }, 20))"
    with playing(bytes(sealed)) as player, Browser(tmp_path / "chromium") as browser:
        browser.open(player.url)
        browser.evaluate("document.getElementById('video').currentTime = 15")
        assert "broke off" in browser.evaluate(asked)
