"""The page's reader of a sealed file (`sealed.js`), in node against files that `pbx_bridge.age` sealed: what it gives, what
it asks for, and what it takes for damage, however the bytes come in."""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge.age import CHUNK_SIZE, X25519Identity, read_header, seal_bytes
from pbx_bridge.portal.web.rendering import HERE

PARTS = 60
"""More than are kept in memory."""
RUN = """
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { Decrypter } from "./age.js";
import { Sealed } from "./sealed.js";
const { header, payload, identity, piece, short, steps } = JSON.parse(readFileSync(0, "utf8"));
const bytes = new Uint8Array(readFileSync(payload));
const asked = [];
globalThis.fetch = async (url, { headers }) => {
  const [, first, last] = /^bytes=(\\d+)-(\\d+)$/.exec(headers.range).map(Number);
  asked.push([first, last]);
  const sent = bytes.slice(first, last + 1 - (asked.length > 2 ? short : 0));
  let at = 0;
  return new Response(new ReadableStream({
    pull(way) {
      if (at >= sent.length) return way.close();
      way.enqueue(sent.slice(at, at + piece));
      at += piece;
    },
  }), { status: 206 });
};
const decrypter = new Decrypter();
decrypter.addIdentity(identity);
const fileKey = await decrypter.decryptHeader(Uint8Array.from(Buffer.from(header, "hex")));
const said = [];
try {
  const sealed = await new Sealed("/", fileKey, bytes.length).open();
  said.push(sealed.size);
  for (const [what, first, last] of steps) {
    const before = asked.length;
    const got = [];
    if (what === "soon") sealed.soon(first, last);
    for (let at = first; at <= last && what === "read";) {
      got.push(await sealed.read(at, last));
      at += got.at(-1).length;
    }
    const hash = createHash("sha256");
    got.forEach((one) => hash.update(one));
    said.push([hash.digest("hex"), asked.length - before]);
  }
} catch (error) {
  said.push([error.constructor.name, error.message]);
}
process.stdout.write(JSON.stringify(said));
"""


@pytest.fixture(scope="module")
def clear() -> bytes:
    return random.Random(3).randbytes(PARTS * CHUNK_SIZE - 5_000)


class Page:
    """`sealed.js` with a file, in a process of its own."""

    def __init__(self, folder: Path, clear: bytes) -> None:
        for name in ("age.js", "sealed.js"):
            (folder / name).write_text((HERE / "static" / name).read_text())
        (folder / "package.json").write_text('{"type": "module"}')
        (folder / "run.js").write_text(RUN)
        self.identity, self.folder = X25519Identity.generate(), folder
        sealed = seal_bytes(clear, [self.identity.recipient()])
        size = read_header(io.BytesIO(sealed)).size
        self.header, self.payload = sealed[:size], bytearray(sealed[size:])

    def says(self, steps: list[tuple[str, int, int]], piece: int = 50_000, short: int = 0) -> list[Any]:
        """Its size, then of each step the SHA-256 of what it read and how often it asked; or what it threw."""
        (self.folder / "payload").write_bytes(self.payload)
        case = {
            "header": self.header.hex(),
            "payload": str(self.folder / "payload"),
            "identity": str(self.identity),
            "piece": piece,
            "short": short,
            "steps": steps,
        }
        done = subprocess.run(
            ["node", self.folder / "run.js"],
            input=json.dumps(case),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert isinstance(found, list)
        return found


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("piece", [1_000, 65_552, 65_553, 10_000_000])
def test_what_was_sealed_is_read_wherever_the_way_cuts_it(tmp_path: Path, clear: bytes, piece: int) -> None:
    spans = [(0, len(clear) - 1), (1_000_000, 1_000_000), (65_535, 65_536), (len(clear) - 3, len(clear) - 1)]
    found = Page(tmp_path, clear).says([("read", first, last) for first, last in spans], piece)
    assert found[0] == len(clear)
    assert [one for one, _ in found[1:]] == [digest(clear[first : last + 1]) for first, last in spans]


def test_what_a_jump_needs_is_one_request_and_the_end_is_never_asked_for_twice(
    tmp_path: Path, clear: bytes
) -> None:
    at, end = 20 * CHUNK_SIZE + 7, 33 * CHUNK_SIZE
    steps = [("soon", at, end - 1), ("read", at, end - 1), ("read", 0, len(clear) - 1)]
    found = Page(tmp_path, clear).says([*steps, ("read", len(clear) - 70_000, len(clear) - 1)])
    assert [count for _, count in found[1:3]] == [1, 0]
    assert found[4] == [digest(clear[-70_000:]), 0], "after more parts than are kept"


def test_an_answer_that_ends_early_is_damage(tmp_path: Path, clear: bytes) -> None:
    found = Page(tmp_path, clear).says([("read", 10 * CHUNK_SIZE, 20 * CHUNK_SIZE)], short=1)
    assert found[1] == ["Damaged", "less came than was asked for"]


def test_a_part_that_was_changed_or_stands_in_another_ones_place_is_damage(
    tmp_path: Path, clear: bytes
) -> None:
    page = Page(tmp_path, clear)
    part = CHUNK_SIZE + 16
    page.payload[16 + 30 * part + 5] ^= 1
    read = ("read", 28 * CHUNK_SIZE, 32 * CHUNK_SIZE)
    assert page.says([read])[1] == ["Damaged", "part 30 is not as it was sealed"]
    page.payload[16 + 30 * part + 5] ^= 1
    page.payload[16 + 29 * part : 16 + 30 * part] = page.payload[16 + 30 * part : 16 + 31 * part]
    assert page.says([read])[1] == ["Damaged", "part 29 is not as it was sealed"]
