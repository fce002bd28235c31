"""What a jump needs of a recording as the recorder lays it out (`webm.js`, in node): never less, and little more."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from pbx_bridge.media.webm import Webm
from pbx_bridge.portal.web.rendering import HERE

SECONDS, EVERY_S, PICTURE_BYTES = 60, 5, 30_000
BEYOND = 384 * 1024
RUN = """
import { readFileSync } from "node:fs";
import { cues, head, needed } from "./webm.js";
const bytes = new Uint8Array(readFileSync("film.webm"));
const said = head(bytes.subarray(0, 65536));
const places = cues(bytes.subarray(said.cuesAt), said.body);
const found = JSON.parse(process.argv[2]).map((second) => needed(places, second, bytes.length, said.cuesAt));
process.stdout.write(JSON.stringify({ places: places.map(({ at }) => at), cuesAt: said.cuesAt, found }));
"""


def film() -> bytes:
    """Pictures alone, a keyframe every five seconds."""
    webm = Webm(320, 240, b"OpusHead" + bytes(11))
    data = bytearray(webm.head)
    for number in range(SECONDS * 10):
        data += webm.picture(number * 100, bytes(PICTURE_BYTES), keyframe=number % (EVERY_S * 10) == 0)
    rest, patches = webm.finish(SECONDS * 1000)
    data += rest
    for patch in patches:
        data[patch.at : patch.at + len(patch.data)] = patch.data
    return bytes(data)


JUMPS = [
    (0, 0, 1),
    (7.3, 1, 2),
    (5, 0, 2),
    (5.09, 0, 2),
    (5.2, 1, 2),
    (9.4, 1, 2),
    (9.6, 1, 3),
    (53, 10, 11),
    (57, 11, 12),
    (60, 11, 12),
    (99, 11, 12),
]
"""A second, the place to begin from which on it is read, and the one up to which."""


def test_a_jump_needs_what_lies_between_two_places_to_begin(tmp_path: Path) -> None:
    """Just after one it needs the one before; just before the next it needs the one after that."""
    (tmp_path / "webm.js").write_text((HERE / "static" / "webm.js").read_text())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "run.js").write_text(RUN)
    data = film()
    (tmp_path / "film.webm").write_bytes(data)
    command = ["node", "run.js", json.dumps([second for second, _, _ in JUMPS])]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    places = [*said["places"], len(data)]
    assert len(places) == SECONDS // EVERY_S + 1
    for (second, first, last), found in zip(JUMPS, said["found"], strict=True):
        span = (places[first], min(places[last] + BEYOND, len(data)))
        assert (found["from"], found["to"]) == span, second
        assert found["index"] == said["cuesAt"] - 64 * 1024
