"""`pbx-bridge audit` as an operator runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pbx_bridge import cli
from tests.access.logs import lines_of, written


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = cli.main(["audit", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_sound_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path)
    folder, kept = str(tmp_path / "audit"), str(tmp_path / "kept")
    code, out, _ = run(capsys, "verify", "--folder", folder)
    assert code == 0
    assert "whole: 6 records, 2026-11 to 2026-11" in out
    assert "--against FILE" in out
    for _ in range(2):
        assert run(capsys, "checkpoint", "--folder", folder, "--to", kept)[0] == 0
        written(tmp_path)
    code, out, _ = run(capsys, "verify", "--folder", folder, "--against", kept)
    assert (code, "2 of the second place agree" in out) == (0, True)
    code, out, _ = run(capsys, "verify", "--folder", folder, "--json")
    assert json.loads(out)["head"]["number"] == 18


def test_a_bad_record_is_named_with_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    path.write_bytes(b"".join(lines_of(tmp_path)).replace(b"bruno3", b"carla3"))
    code, _, err = run(capsys, "verify", "--folder", str(path.parent))
    assert code == 1
    assert "2026-11.jsonl, line 4: record 4: it was changed" in err
    code, out, _ = run(capsys, "verify", "--folder", str(path.parent), "--json")
    assert (code, json.loads(out)["record"]) == (1, 4)


def test_mistakes_get_a_sentence_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    for words in (
        ("verify", "--folder", str(tmp_path / "nowhere")),
        ("verify", "--folder", str(path.parent), "--against", str(tmp_path / "nothing")),
        ("checkpoint", "--folder", str(tmp_path)),
        ("nonsense",),
    ):
        code, _, err = run(capsys, *words)
        assert code == 2
        assert err


def test_the_verifier_key_is_for_the_second_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    code, out, _ = run(capsys, "checkpoint", "--key", "--folder", str(path.parent))
    assert (code, out) == (0, (path.parent / "verifier-key").read_text())
