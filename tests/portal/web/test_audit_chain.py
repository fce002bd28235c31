"""The browser's check of the record of accesses held against the server's own: the same log, the same first bad entry."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge.access.audit import open_log
from pbx_bridge.access.audit_chain import Access
from pbx_bridge.access.audit_check import key_of
from pbx_bridge.access.checkpoint import verifier_key
from pbx_bridge.portal.web.rendering import HERE
from pbx_bridge.portal.web.sentences import BROKEN
from tests.access.logs import begun, lines_of, month_after, other_letters, written

RUN = """
import { readFileSync } from "node:fs";
import { verify, readNotes, Broken, NoNote } from "./audit_chain.mjs";
const cases = JSON.parse(readFileSync(0, "utf8"));
const answers = [];
for (const { parts, checkpoint, key, against } of cases) {
  const asked = [];
  const told = [];
  const ask = async (after) => { asked.push(after); return { lines: parts[after] ?? "", checkpoint, key }; };
  try {
    const { first, last, compared } = await verify(ask, readNotes(against), (done, all) => told.push([done, all]));
    answers.push({ whole: [first, last, compared], asked, told });
  } catch (error) {
    if (error instanceof Broken) answers.push({ broken: [error.number, error.word] });
    else if (error instanceof NoNote) answers.push({ broken: [0, "no-note"] });
    else throw error;
  }
}
process.stdout.write(JSON.stringify(answers));
"""


def verdicts(folder: Path, *cases: dict[str, Any]) -> list[dict[str, Any]]:
    """What the module of the page says of each."""
    (folder / "audit_chain.mjs").write_text((HERE / "static" / "audit_chain.js").read_text())
    (folder / "run.mjs").write_text(RUN)
    done = subprocess.run(
        ["node", folder / "run.mjs"], input=json.dumps(cases), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found


def case(lines: list[bytes], checkpoint: bytes, key: str, against: str = "", part: int = 4) -> dict[str, Any]:
    """The log as the server would give it, so many lines at a time."""
    first = json.loads(lines[0])["n"] if lines else 1
    parts = {
        (0 if at == 0 else first - 1 + at): b64encode(b"".join(lines[at : at + part])).decode()
        for at in range(0, len(lines), part)
    }
    return {
        "parts": parts,
        "checkpoint": checkpoint.decode().rstrip("\n") + "\n",
        "key": key,
        "against": against,
    }


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen records over three months."""
    folder = tmp_path_factory.mktemp("keeper")
    written(folder, month_after(0))
    written(folder, month_after(1))
    log = open_log(folder)
    log.append(Access("élise", "open", "b" * 26, "granted", session='"quoted" \\ é\u2028'), month_after(2))
    log.close()
    return folder


def changed(lines: list[bytes], at: int, old: bytes, new: bytes) -> list[bytes]:
    assert old in lines[at]
    return [*lines[:at], lines[at].replace(old, new, 1), *lines[at + 1 :]]


def test_a_whole_log_is_whole_with_what_a_second_place_kept(keeper: Path, tmp_path: Path) -> None:
    lines, key = lines_of(keeper), verifier_key(key_of(keeper / "audit"))
    newest = begun(keeper, 13)
    notes = b"\n".join(begun(keeper, n) for n in (3, 9, 13)).decode()
    plain, kept, windows, tail = verdicts(
        tmp_path,
        case(lines, newest, key),
        case(lines, newest, key, f"\n{notes}\n\n"),
        case(lines, newest, key, notes.replace("\n", "\r\n").strip()),
        case(lines[6:], newest, key, begun(keeper, 9).decode()),
    )
    assert plain == {
        "whole": [1, 13, 0],
        "asked": [0, 4, 8, 12],
        "told": [[4, 13], [8, 13], [12, 13], [13, 13]],
    }
    assert kept["whole"] == windows["whole"] == [1, 13, 3]
    assert tail["whole"] == [7, 13, 1], "older months were let go"


def test_the_first_bad_entry_is_named(keeper: Path, tmp_path: Path) -> None:
    lines, key, newest = lines_of(keeper), verifier_key(key_of(keeper / "audit")), begun(keeper, 13)
    other = tmp_path / "other"
    written(other)
    log = open_log(other)
    for n in range(20):
        log.append(Access("x", "open"), month_after(1) + n)
    log.close()
    others, others_key = lines_of(other), verifier_key(key_of(other / "audit"))
    rolled = tmp_path / "rolled"
    spoilt: dict[str, tuple[dict[str, Any], list[object]]] = {
        "changed": (case(changed(lines, 4, b"bruno4", b"bruno5"), newest, key), [5, "changed"]),
        "the last changed": (case(changed(lines, 12, b"open", b"view"), newest, key), [13, "replaced"]),
        "the last signed in other letters": (
            case([*lines[:-1], other_letters(lines[-1])], newest, key),
            [13, "replaced"],
        ),
        "changed on a part's edge": (
            case(changed(lines, 3, b"bruno3", b"bruno5"), newest, key),
            [4, "replaced"],
        ),
        "deleted": (case([*lines[:5], *lines[6:]], newest, key), [6, "number"]),
        "reordered": (case([*lines[:5], lines[6], lines[5], *lines[7:]], newest, key), [6, "number"]),
        "cut": (case(lines[:9], newest, key), [10, "missing"]),
        "half a line": (case([*lines[:9], lines[9][:40]], newest, key), [10, "cut"]),
        "no record": (case([*lines[:5], b"[]\n", *lines[6:]], newest, key), [6, "no-entry"]),
        "another spelling": (case(changed(lines, 5, b'"n":6', b'"n": 6'), newest, key), [6, "no-entry"]),
        "an unsigned checkpoint": (
            case(lines, newest.replace(b"\n13\n", b"\n12\n"), key),
            [12, "checkpoint"],
        ),
        "another's checkpoint": (case(lines, begun(other, 3), key), [3, "checkpoint"]),
        "another key": (case(lines, newest, others_key), [13, "checkpoint"]),
        "no key": (case(lines, newest, "x+y+z"), [1, "checkpoint"]),
        "begun anew": (case(others, begun(other, 20), others_key, newest.decode()), [1, "other-key"]),
        "set back": (case(lines[:9], begun(keeper, 9), key, newest.decode()), [10, "second-knows"]),
        "an edited note": (
            case(lines, newest, key, begun(keeper, 3).decode().replace("\n3\n", "\n4\n")),
            [0, "no-note"],
        ),
        "no note": (case(lines, newest, key, "record 13 was fine"), [0, "no-note"]),
    }
    # the keeper's own key wrote another history from entry 7 on
    rolled.mkdir()
    for name in ("audit.key",):
        (rolled / name).write_bytes((keeper / name).read_bytes())
    (rolled / "audit").mkdir()
    (rolled / "audit" / "head").write_bytes(begun(keeper, 6))
    (rolled / "audit" / "2026-11.jsonl").write_bytes(b"".join(lines[:6]))
    log = open_log(rolled)
    for n in range(9):
        log.append(Access("x", "open"), month_after(0) + 100 + n)
    log.close()
    notes = (begun(keeper, 5) + b"\n" + begun(keeper, 9)).decode()
    spoilt["rolled back"] = (case(lines_of(rolled), begun(rolled, 15), key, notes), [6, "rolled-back"])
    two = (begun(keeper, 9) + b"\n" + begun(rolled, 9)).decode()
    spoilt["two histories"] = (case(lines, newest, key, two), [9, "two-of-them"])
    spoilt["not the newest"] = (case([*lines_of(rolled)[:13]], newest, key), [13, "not-newest"])
    answers = verdicts(tmp_path, *(wanted for wanted, _ in spoilt.values()))
    for (name, (_, expected)), answer in zip(spoilt.items(), answers, strict=True):
        assert answer == {"broken": expected}, name
        assert expected[1] in BROKEN or expected[1] == "no-note", "the page has a sentence for it"


def test_a_long_log_in_which_all_after_some_entry_were_written_by_another(
    keeper: Path, tmp_path: Path
) -> None:
    """The chain is remade, the checkpoint is the true one: the first entry without the keeper's signature is named."""
    lines, key = lines_of(keeper), verifier_key(key_of(keeper / "audit"))
    forged, link = lines[:6], hashlib.sha256(lines[5][:-1]).hexdigest()
    for line in lines[6:]:
        record = json.loads(line) | {"prev": link, "who": "mallory"}
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        link = hashlib.sha256(text).hexdigest()
        forged.append(text + b"\n")
    (found,) = verdicts(tmp_path, case(forged, begun(keeper, 13), key, part=100))
    assert found == {"broken": [7, "replaced"]}


def test_every_word_has_its_sentence_and_no_other() -> None:
    source = (HERE / "static" / "audit_chain.js").read_text()
    words = set(re.findall(r'Broken\([^"]*"([a-z-]+)"\)|broken\("([a-z-]+)"\)', source))
    assert {one or other for one, other in words} == BROKEN.keys()
