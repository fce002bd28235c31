"""Under the video, in a real Chromium: pauses, both voices and notes, which no disk holds in clear."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import av

from pbx_bridge.media.chapters import Chapter
from pbx_bridge.media.webm import Webm
from pbx_bridge.wire_portal import Role
from tests.portal.web.person import Pages
from tests.portal.web.test_browser import axe, violations
from tests.portal.web.test_player import SECONDS, clip, opens, plays, ready, site

__all__ = ["axe", "clip", "site"]
MARKS = (
    Chapter(0, 10_000, "talk"),
    Chapter(10_000, 14_000, "hold"),
    Chapter(14_000, 30_000, "talk"),
    Chapter(30_000, 31_000, "pause"),
    Chapter(31_000, 40_000, "talk"),
)
LINES = (
    "Array.from(document.querySelectorAll('#marks li'), (one) => one.innerText.replace(/\\s+/g, ' ').trim())"
)
DRAWN = "parseInt(document.getElementById('drawn').textContent.match(/\\d+/)?.[0] ?? '0')"
AT = "Math.round(document.getElementById('video').currentTime)"
INK = """(() => {
  const canvas = document.querySelector('#line canvas');
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const rows = [0, 0];
  for (let at = 3; at < data.length; at += 4) rows[at / 4 < (canvas.width * canvas.height) / 2 ? 0 : 1] += data[at];
  return rows;
})()"""
"""How much is painted in the upper and the lower half."""


def marked(clear: bytes) -> bytes:
    """The same packets as the recorder lays them out, with these marks."""
    with av.open(io.BytesIO(clear), "r") as file:
        head = bytes(file.streams.audio[0].codec_context.extradata or b"")
        size = file.streams.video[0].codec_context
        webm = Webm(size.width, size.height, head)
        data = bytearray(webm.head)
        for packet in file.demux():
            if packet.pts is None:
                continue
            ms = max(0, round(packet.pts * packet.time_base * 1000))
            add = webm.picture if packet.stream.type == "video" else None
            data += (
                add(ms, bytes(packet), keyframe=packet.is_keyframe) if add else webm.sound(ms, bytes(packet))
            )
    rest, patches = webm.finish(SECONDS * 1000, MARKS)
    data += rest
    for patch in patches:
        data[patch.at : patch.at + len(patch.data)] = patch.data
    return bytes(data)


async def test_pauses_voices_and_notes_stand_on_the_time_line(site: Pages, clip: bytes, axe: str) -> None:
    recording = (await site.home.record(marked(clip))).recording
    await site.home.link.hand_over(recording, "alice")
    bruno = await ready(site, "bruno", Role.TRAINER)
    with bruno.browser:
        await opens(bruno, recording, "coaching of 30 November")
        await plays(bruno)
        await bruno.until(f"{LINES}.length === 2")
        assert await bruno.script(LINES) == ["0:10 caller on hold, 0:04", "0:30 paused, 0:01"]
        await bruno.press("#marks li:first-child button")
        await bruno.until(f"{AT} === 10 && !document.getElementById('video').seeking")
        valued = "document.querySelector('#line input').getAttribute('aria-valuetext')"
        await bruno.until(f"{valued} === '0:10 of 0:40, caller on hold'")

        await bruno.script(
            "document.getElementById('video').pause(); document.getElementById('video').currentTime = 12; 0"
        )
        await bruno.until("!document.getElementById('note').hidden")
        await bruno.fill(text="greeted\u00a0by name <b>")
        await bruno.press("#note button")
        await bruno.until(f"{LINES}.length === 3")
        assert (await bruno.script(LINES))[1] == "0:12 bruno greeted by name <b> Erase"

        await bruno.press("#draw")
        await bruno.until(f"{DRAWN} >= 99")
        await bruno.until("document.getElementById('drawn').textContent.includes('what its recorder signed')")
        both = await bruno.script(INK)
        await bruno.press("#agent")
        await bruno.until(f"{INK}[0] < {both[0]} * 0.8")
        assert (await bruno.script(INK))[1] >= both[1], "the other voice stays as it was"
        assert await violations(bruno, axe) == []
        await bruno.script("(() => { const s = document.querySelector('#line input'); s.value = 20; "
                           "s.dispatchEvent(new Event('input')); })(); 0")  # fmt: skip
        await bruno.until(f"{AT} === 20")

    alice = await ready(site)
    with alice.browser:
        await opens(alice, recording)
        await plays(alice)
        await alice.until(f"{LINES}.length === 3")
        assert await alice.script("document.getElementById('note').hidden") is True
        await alice.press("#marks button[data-note]")
        await alice.until(
            "document.querySelector('#marks button[data-note]').textContent === 'Really erase it?'"
        )
        await alice.press("#marks button[data-note]")
        await alice.until(f"{LINES}.length === 2")
    lines = (await site.home.link.accesses("alice")).accesses
    acts = {(line.who, line.act, line.outcome) for line in lines}
    assert acts >= {("bruno", "write-note", "granted"), ("alice", "erase-note", "granted")}
    assert not await asyncio.to_thread(holds, site.folder, b"greeted by name")


def holds(folder: Path, text: bytes) -> bool:
    """Whether a file under `folder` has this text, the browsers' own folders too."""
    return any(
        text in path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    )
