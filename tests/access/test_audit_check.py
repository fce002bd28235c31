"""`audit verify`: every way to spoil a log is found, and the first bad record is named; a sound one is never blamed."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.access.audit import Access, open_log
from pbx_bridge.access.audit_chain import encode, standing_at
from pbx_bridge.access.audit_check import Broken, check, key_of, read_second
from pbx_bridge.access.checkpoint import EMPTY, parse_notes, parse_verifier_key, verifier_key
from pbx_bridge.errors import OperatorError
from tests.access.logs import ACCESSES, NOVEMBER, begun, lines_of, month_after, other_letters, written

Spoil = Callable[[list[bytes]], list[bytes]]


def rehashed(lines: list[bytes], at: int) -> list[bytes]:
    """Record `at` + 1 replaced, and the chain mended behind it by somebody who does not have the keeper's key."""
    head, made = EMPTY, list(lines[:at])
    for line in made:
        head, _ = standing_at(line)
    for number in range(at, len(lines)):
        line, head, _ = encode(Access(f"forged{number}", "open"), head, NOVEMBER, b"\7" * 32)
        made.append(line + b"\n")
    return made


SPOILED: dict[str, tuple[Spoil, int]] = {
    "a changed name": (lambda lines: [*lines[:2], lines[2].replace(b"bruno2", b"carla2"), *lines[3:]], 3),
    "the first changed": (lambda lines: [lines[0].replace(b"bruno0", b"carla0"), *lines[1:]], 1),
    "the last changed": (lambda lines: [*lines[:-1], lines[-1].replace(b"bruno5", b"carla5")], 6),
    "a changed time": (lambda lines: [*lines[:3], lines[3].replace(b'"at":', b'"at":1'), *lines[4:]], 4),
    "a changed link": (
        lambda lines: [*lines[:3], lines[3].replace(b'"prev":"', b'"prev":"0', 1), *lines[4:]],
        4,
    ),
    "a changed signature": (lambda lines: [*lines[:3], _other_signature(lines[3]), *lines[4:]], 4),
    "the last signature": (lambda lines: [*lines[:-1], _other_signature(lines[-1])], 6),
    "the first signature in other letters": (lambda lines: [other_letters(lines[0]), *lines[1:]], 1),
    "the last signature in other letters": (lambda lines: [*lines[:-1], other_letters(lines[-1])], 6),
    "a deleted record": (lambda lines: lines[:3] + lines[4:], 4),
    "the first deleted": (lambda lines: lines[1:], 1),
    "the last deleted": (lambda lines: lines[:-1], 6),
    "the last four deleted": (lambda lines: lines[:2], 3),
    "all deleted": (lambda lines: [], 1),
    "two swapped": (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 3),
    "one repeated": (lambda lines: lines[:3] + lines[2:], 4),
    "one inserted": (lambda lines: [*lines[:3], lines[0], *lines[3:]], 4),
    "one added": (lambda lines: [*lines, lines[0]], 7),
    "a cut line": (lambda lines: [*lines[:-1], lines[-1][:-9]], 6),
    "a line cut in the middle": (lambda lines: [*lines[:2], lines[2][:-9], *lines[3:]], 3),
    "an empty line": (lambda lines: [*lines[:2], b"\n", *lines[2:]], 3),
    "another spelling": (lambda lines: [lines[0].replace(b'":', b'": ', 1), *lines[1:]], 1),
    "nonsense": (lambda lines: [*lines, b"\xff\xfe\n"], 7),
    "deep nonsense": (lambda lines: [*lines, b"[" * 3_000 + b"\n"], 7),
    "a long line": (lambda lines: [*lines, b"[" * 9_000 + b"\n"], 7),
    "all replaced": (lambda lines: rehashed(lines, 0), 1),
    "replaced from the third on": (lambda lines: rehashed(lines, 2), 3),
    "the last replaced": (lambda lines: rehashed(lines, 5), 6),
    "one forged at the end": (lambda lines: rehashed([*lines, b""], 6), 7),
    "three forged at the end": (lambda lines: rehashed([*lines, b"", b"", b""], 6), 7),
}


def _other_signature(line: bytes) -> bytes:
    at = line.index(b'"sig":"') + 20
    return line[:at] + (b"A" if line[at : at + 1] != b"A" else b"B") + line[at + 1 :]


@pytest.mark.parametrize("name", SPOILED)
def test_the_first_bad_record_is_named(tmp_path: Path, name: str) -> None:
    path = written(tmp_path)
    assert check(path.parent).head.number == 6
    spoil, number = SPOILED[name]
    path.write_bytes(b"".join(spoil(lines_of(tmp_path))))
    with pytest.raises(Broken) as broken:
        check(path.parent)
    assert broken.value.number == number, str(broken.value)
    assert f"record {number}:" in str(broken.value)


MIDDLE = (
    "a changed name",
    "a changed link",
    "a changed signature",
    "a deleted record",
    "two swapped",
    "one repeated",
    "one inserted",
    "an empty line",
    "a line cut in the middle",
)


@pytest.mark.parametrize("name", MIDDLE)
def test_it_is_found_in_an_older_segment_too(tmp_path: Path, name: str) -> None:
    """With a month before and one after; the record is named by its number in the whole log, and by its file."""
    written(tmp_path, month_after(-1))
    path = written(tmp_path)
    written(tmp_path, month_after(1))
    spoil, number = SPOILED[name]
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(Broken) as broken:
        check(path.parent)
    assert broken.value.number == number + 6, str(broken.value)
    assert broken.value.where == f"2026-11.jsonl, line {number}"


@given(data=st.data())
def test_any_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    keeper = tmp_path_factory.mktemp("log")
    path = written(keeper)
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    path.write_bytes(whole[:at] + bytes([other]) + whole[at + 1 :])
    number = whole.count(b"\n", 0, at) + 1
    with pytest.raises(Broken) as broken:
        check(path.parent)
    assert broken.value.number == number


@given(cut=st.integers(1, 2_600))
def test_any_cut_is_found(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    keeper = tmp_path_factory.mktemp("log")
    path = written(keeper)
    whole = path.read_bytes()
    left = whole[: -min(cut, len(whole))]
    path.write_bytes(left)
    with pytest.raises(Broken) as broken:
        check(path.parent)
    assert broken.value.number == left.count(b"\n") + 1


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_segment_that_went_without_a_record_is_missed(tmp_path: Path, gone: int) -> None:
    for months in range(3):
        written(tmp_path, month_after(months))
    paths = sorted((tmp_path / "audit").glob("*.jsonl"))
    paths[gone].unlink()
    with pytest.raises(Broken) as broken:
        check(tmp_path / "audit")
    assert broken.value.number == 6 * gone + 1


def test_a_segment_after_one_that_may_go_is_missed(tmp_path: Path) -> None:
    """Its twelve months are over, the next one's are not: who removes both is found."""
    for months in range(3):
        written(tmp_path, month_after(months))
    log = open_log(tmp_path)
    log.forget(month_after(13))
    log.close()
    assert check(tmp_path / "audit").first == 7
    (tmp_path / "audit" / "2026-12.jsonl").unlink()
    with pytest.raises(Broken) as broken:
        check(tmp_path / "audit")
    assert broken.value.number == 7


# -- with a second place


def kept(keeper: Path, to: Path) -> Path:
    """What a second place keeps: the checkpoint of now, added to its file."""
    with open(to, "ab") as file:
        file.write((keeper / "audit" / "head").read_bytes().rstrip(b"\n") + b"\n\n")
    return to


def test_checkpoints_of_a_sound_log_agree(tmp_path: Path) -> None:
    keeper, second = tmp_path / "keeper", tmp_path / "kept"
    for months in range(3):
        written(keeper, month_after(months))
        kept(keeper, second)
    written(keeper, month_after(3))
    folder = keeper / "audit"
    assert check(folder, read_second(second, key_of(folder))).compared == 3


def test_a_rolled_back_machine_is_found(tmp_path: Path) -> None:
    """Everything is as it was earlier, keys and checkpoints too: only the second place knows better."""
    keeper, second = tmp_path / "keeper", tmp_path / "kept"
    written(keeper)
    kept(keeper, second)
    shutil.copytree(keeper, tmp_path / "backup")
    written(keeper)
    kept(keeper, second)
    shutil.rmtree(keeper)
    shutil.copytree(tmp_path / "backup", keeper)
    folder = keeper / "audit"
    assert check(folder).head.number == 6  # alone it is a sound log
    with pytest.raises(Broken, match="rolled back") as broken:
        check(folder, read_second(second, key_of(folder)))
    assert broken.value.number == 7
    for _ in range(2):  # and when it was continued past what the second place knows
        written(keeper, NOVEMBER + 100)
    assert check(folder).head.number == 18
    with pytest.raises(Broken, match="rolled back and continued") as broken:
        check(folder, read_second(second, key_of(folder)))
    assert broken.value.number == 7


def test_a_copy_of_the_log_names_the_very_record(tmp_path: Path) -> None:
    keeper, copy = tmp_path / "keeper", tmp_path / "copy.jsonl"
    written(keeper)
    shutil.copytree(keeper, tmp_path / "backup")
    log = open_log(keeper)
    for n in range(3):
        log.append(ACCESSES[n], NOVEMBER + 50)
    log.close()
    copy.write_bytes(b"".join(lines_of(keeper)))
    folder = keeper / "audit"
    assert check(folder, read_second(copy, key_of(folder))).compared == 9
    assert check(folder, read_second(folder, key_of(folder))).compared == 9
    shutil.rmtree(keeper)
    shutil.copytree(tmp_path / "backup", keeper)
    log = open_log(keeper)
    log.append(ACCESSES[0], NOVEMBER + 50)  # as it was
    log.append(ACCESSES[5], NOVEMBER + 50)  # as it was not
    log.append(ACCESSES[2], NOVEMBER + 50)
    log.close()
    with pytest.raises(Broken, match="copy") as broken:
        check(folder, read_second(copy, key_of(folder)))
    assert broken.value.number == 8


def test_a_log_begun_anew_with_another_key_is_found(tmp_path: Path) -> None:
    keeper, second = tmp_path / "keeper", tmp_path / "kept"
    written(keeper)
    kept(keeper, second)
    public = key_of(keeper / "audit")
    shutil.rmtree(keeper)
    written(keeper)
    folder = keeper / "audit"
    assert check(folder).head.number == 6
    with pytest.raises(Broken, match="another key"):
        check(folder, read_second(second, key_of(folder)))
    with pytest.raises(Broken, match="all of it was replaced"):
        check(folder, keepers=public)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no checkpoint in it"),
        (b"nonsense", "no checkpoints"),
        (b"\xff\xfe", "no checkpoints"),
        (b"{nonsense\n", "the copy is damaged"),
        (b"{}\n", "the copy is damaged"),
    ],
)
def test_a_second_place_that_holds_nothing_is_no_break(tmp_path: Path, content: bytes, says: str) -> None:
    path = written(tmp_path)
    second = tmp_path / "kept"
    second.write_bytes(content)
    with pytest.raises(OperatorError, match=says):
        read_second(second, key_of(path.parent))


def test_a_checkpoint_nobody_signed_blames_nobody(tmp_path: Path) -> None:
    path = written(tmp_path)
    second = kept(tmp_path, tmp_path / "kept")
    text = second.read_text()
    second.write_text(text.replace("\n6\n", "\n9\n"))
    with pytest.raises(OperatorError, match="not signed"):
        read_second(second, key_of(path.parent))


def test_no_log_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no audit log"):
        check(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"nonsense\n"])
def test_a_missing_or_foreign_checkpoint_beside_the_log_is_found(
    tmp_path: Path, content: bytes | None
) -> None:
    path = written(tmp_path)
    head = path.parent / "head"
    if content is None:
        head.unlink()
    else:
        head.write_bytes(content)
    with pytest.raises((Broken, OperatorError)):
        check(path.parent)


def test_it_runs_beside_a_keeper_at_work(tmp_path: Path) -> None:
    """Records are added while it walks: it never blames them."""
    log = open_log(tmp_path)
    ended = threading.Event()

    def work() -> None:
        for n in range(400):
            log.append(ACCESSES[n % 6], NOVEMBER + n)
        ended.set()

    worker = threading.Thread(target=work)
    worker.start()
    walks = 0
    while not ended.is_set() or walks == 0:
        check(tmp_path / "audit")
        walks += 1
    worker.join()
    log.close()
    assert check(tmp_path / "audit").head.number == 400


# -- the notes themselves


def test_the_verifier_key_and_the_note_are_c2sps(tmp_path: Path) -> None:
    """c2sp.org/signed-note: `<name>+<hash>+<key>` and `— <name> <base64 of id and signature>`, by openssl's Ed25519."""
    written(tmp_path)
    public = key_of(tmp_path / "audit")
    name, key_id, encoded = verifier_key(public).split("+", 2)
    assert parse_verifier_key(f"{name}+{key_id}+{encoded}") == public
    note = (tmp_path / "audit" / "head").read_text().rstrip("\n") + "\n"
    text, _, signatures = note.rpartition("\n\n")
    lines = f"{text}\n".splitlines()
    assert lines[0] == name
    assert lines[1] == "6"
    assert signatures.startswith(f"\u2014 {name} ")
    raw = base64.b64decode(signatures.split(" ")[2])
    wanted = hashlib.sha256(name.encode() + b"\n\x01" + public).digest()[:4]
    assert raw[:4] == wanted == bytes.fromhex(key_id)
    (tmp_path / "text").write_bytes(f"{text}\n".encode())
    (tmp_path / "sig").write_bytes(raw[4:])
    prefix = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: SubjectPublicKeyInfo of Ed25519
    (tmp_path / "key.der").write_bytes(prefix + public)
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key.der", "-rawin"]
    done = subprocess.run([*command, "-in", "text", "-sigfile", "sig"], cwd=tmp_path, capture_output=True)
    assert b"Verified Successfully" in done.stdout, done


def test_every_record_is_its_own_checkpoint(tmp_path: Path) -> None:
    """From the log alone, the checkpoint of any moment can be written again."""
    written(tmp_path)
    notes = b"\n".join(begun(tmp_path, number) for number in range(1, 7)).decode()
    assert [found.number for found in parse_notes(notes)] == list(range(1, 7))
    second = tmp_path / "kept"
    second.write_text(notes)
    folder = tmp_path / "audit"
    assert check(folder, read_second(second, key_of(folder))).compared == 6
