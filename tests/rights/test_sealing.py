"""A copy's sealed file: any length opens with Debian's `age`, and its head may be written over until the end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge.age import CHUNK_SIZE, X25519Identity, open_bytes
from pbx_bridge.archive.exporting import SealedWithHead
from tests.archive.house import opened_by_age

ALICE = X25519Identity.generate()


def sealed(plain: bytes, pieces: int, patch: tuple[int, bytes] = (0, b"")) -> bytes:
    file = io.BytesIO()
    sink = SealedWithHead(file, [ALICE.recipient()])
    for at in range(0, len(plain), pieces):
        sink.write(plain[at : at + pieces])
    if patch[1]:
        sink.seek(patch[0])
        sink.write(patch[1])
    sink.close()
    return file.getvalue()


@pytest.mark.parametrize("chunks", [0, 1, 2, 3])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_every_length_around_a_chunk_opens_with_age(chunks: int, more: int, tmp_path: Path) -> None:
    plain = bytes(range(251)) * (chunks * CHUNK_SIZE // 251 + 2)
    plain = plain[: max(1, chunks * CHUNK_SIZE + more)]
    file, identity = tmp_path / "file.age", tmp_path / "identity.txt"
    file.write_bytes(sealed(plain, 10_000))
    identity.write_text(f"{ALICE}\n")
    assert opened_by_age(file, identity) == plain


@settings(max_examples=30, deadline=None)
@given(
    size=st.integers(64, 3 * CHUNK_SIZE),
    pieces=st.integers(1_000, 100_000),
    at=st.integers(0, 40),
    patch=st.binary(min_size=1, max_size=20),
)
def test_the_head_is_as_it_was_last_written(size: int, pieces: int, at: int, patch: bytes) -> None:
    plain = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    wanted = plain[:at] + patch + plain[at + len(patch) :]
    assert open_bytes(sealed(plain, pieces, (at, patch)), [ALICE]) == wanted


def test_nothing_behind_the_head_is_written_over() -> None:
    sink = SealedWithHead(io.BytesIO(), [ALICE.recipient()])
    sink.write(bytes(2 * CHUNK_SIZE))
    with pytest.raises(ValueError, match="head"):
        sink.seek(CHUNK_SIZE + 1)
    sink.seek(CHUNK_SIZE - 1)
    with pytest.raises(ValueError, match="head"):
        sink.write(b"ab")
