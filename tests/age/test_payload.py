"""Payloads: every length, every cut, every swap; in order, at random, and with a source that gives bytes one by one."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pbx_bridge import age
from tests.age.samples import SIZES, STRANGER, TRAINER, pieces_of, plaintext

CHUNK = age.CHUNK_SIZE
SEALED = {size: age.seal_bytes(plaintext(size), [TRAINER.recipient()]) for size in SIZES}


def streamed(sealed: bytes) -> bytes:
    return age.open_bytes(sealed, [TRAINER])


def at_random(sealed: bytes) -> bytes:
    return age.Reader(io.BytesIO(sealed), [TRAINER]).read()


def released_before_failing(sealed: bytes) -> tuple[bytes, age.AgeError]:
    """What the strict stream gave out, and why it stopped."""
    given = b""
    try:
        for chunk in age.open_stream(io.BytesIO(sealed), [TRAINER]):
            given += chunk
    except age.AgeError as wrong:
        return given, wrong
    raise AssertionError("the file was accepted")


both_readers = pytest.mark.parametrize("read", [streamed, at_random])


@pytest.mark.parametrize("size", SIZES)
@both_readers
def test_every_length_returns(size: int, read: Callable[[bytes], bytes]) -> None:
    assert read(SEALED[size]) == plaintext(size)


@pytest.mark.parametrize("size", SIZES)
def test_a_file_has_one_tag_a_chunk_and_no_empty_last_chunk(size: int) -> None:
    start, chunks = pieces_of(SEALED[size])
    assert len(chunks) == max(1, -(-size // CHUNK))
    assert len(SEALED[size]) == len(start) + size + 16 * len(chunks)


@given(st.lists(st.integers(0, 2 * CHUNK + 1), max_size=8))
def test_however_it_is_written_the_file_holds_the_same(sizes: list[int]) -> None:
    sink = io.BytesIO()
    with age.Writer(sink, [TRAINER.recipient()]) as writer:
        at = 0
        for size in sizes:
            assert writer.write(memoryview(plaintext(size, at))) == size
            at += size
    assert streamed(sink.getvalue()) == plaintext(sum(sizes))


def test_a_writer_that_met_an_exception_leaves_no_final_chunk() -> None:
    sink = io.BytesIO()
    with contextlib.suppress(RuntimeError), age.Writer(sink, [TRAINER.recipient()]) as writer:
        writer.write(plaintext(CHUNK + 5))
        raise RuntimeError
    given, wrong = released_before_failing(sink.getvalue())
    assert given == plaintext(CHUNK)
    assert isinstance(wrong, age.TruncatedError)


def test_a_closed_writer_refuses_more_and_closes_once() -> None:
    sink = io.BytesIO()
    writer = age.Writer(sink, [TRAINER.recipient()])
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(b"x")
    assert streamed(sink.getvalue()) == b""


@pytest.mark.parametrize("size", SIZES)
@both_readers
def test_a_file_cut_at_any_edge_is_refused(size: int, read: Callable[[bytes], bytes]) -> None:
    start, chunks = pieces_of(SEALED[size])
    edges = {len(start) - 17, len(start) - 16, len(start) - 1, len(start)}
    for number in range(len(chunks)):
        after = len(start) + sum(map(len, chunks[: number + 1]))
        edges |= {after - len(chunks[number]) + 1, after - 17, after - 16, after - 15, after - 1, after}
        edges |= {after + 1, after + 15, after + 16}
    for edge in sorted(edge for edge in edges if 0 <= edge < len(SEALED[size])):
        with pytest.raises((age.HeaderError, age.PayloadError), match=r"cut short|empty"):
            read(SEALED[size][:edge])


@given(st.data())
@settings(max_examples=60)
def test_a_cut_file_gives_out_only_whole_authentic_chunks(data: st.DataObject) -> None:
    size = 3 * CHUNK + 7
    sealed = age.seal_bytes(plaintext(size), [TRAINER.recipient()])
    start, _ = pieces_of(sealed)
    given, wrong = released_before_failing(sealed[: data.draw(st.integers(len(start), len(sealed) - 1))])
    assert given == plaintext(len(given))
    assert len(given) % CHUNK == 0
    assert isinstance(wrong, age.PayloadError)


@both_readers
def test_a_file_cut_between_chunks_says_it_is_cut_short(read: Callable[[bytes], bytes]) -> None:
    start, chunks = pieces_of(SEALED[2 * CHUNK + 1])
    with pytest.raises(age.TruncatedError, match="after chunk 1: its final chunk is missing"):
        read(start + chunks[0] + chunks[1])
    with pytest.raises(age.TruncatedError, match=r"cut short"):
        read(start + chunks[0] + chunks[1] + chunks[2][:15])


@pytest.mark.parametrize("tail", [b"x", bytes(16), bytes(200), bytes(2 * CHUNK)])
@pytest.mark.parametrize("size", SIZES)
@both_readers
def test_a_file_that_was_appended_to_is_refused(
    size: int, tail: bytes, read: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(age.PayloadError):
        read(SEALED[size] + tail)


def test_what_follows_a_full_final_chunk_is_called_so() -> None:
    given, wrong = released_before_failing(SEALED[CHUNK] + b"more")
    assert "follows the file's final chunk" in str(wrong)
    assert given == plaintext(CHUNK)


def test_an_empty_final_chunk_is_refused_though_authentic() -> None:
    file_key, nonce = age.new_file_key(), bytes(16)
    key = age.PayloadKey(file_key, nonce)
    header = age.make_header(file_key, [TRAINER.recipient()])
    forged = header + nonce + key.seal(0, plaintext(CHUNK), last=False) + key.seal(1, b"", last=True)
    for read in (streamed, at_random):
        with pytest.raises(age.PayloadError, match="empty"):
            read(forged)


@both_readers
def test_chunks_swapped_repeated_zeroed_or_taken_from_elsewhere_are_refused(
    read: Callable[[bytes], bytes],
) -> None:
    sealed = SEALED[2 * CHUNK + 1]
    start, (one, two, three) = pieces_of(sealed)
    _, (foreign, *_) = pieces_of(age.seal_bytes(plaintext(2 * CHUNK + 1), [TRAINER.recipient()]))
    for chunks in (
        [two, one, three],
        [one, one, three],
        [one, three],
        [bytes(len(one)), two, three],
        [one, bytes(len(two)), three],
        [foreign, two, three],
        [one, two, three[:16], three],
    ):
        with pytest.raises(age.PayloadError):
            read(start + b"".join(chunks))


def test_a_random_reader_finds_a_changed_chunk_when_it_comes_there_and_gives_out_the_others() -> None:
    changed = bytearray(SEALED[2 * CHUNK + 1])
    changed[len(pieces_of(bytes(changed))[0]) + age.SEALED_CHUNK_SIZE + 9] ^= 0x80
    reader = age.Reader(io.BytesIO(changed), [TRAINER])
    assert reader.read(CHUNK) == plaintext(CHUNK)
    with pytest.raises(age.PayloadError, match="chunk 1"):
        reader.read(1)
    reader.seek(2 * CHUNK)
    assert reader.read() == plaintext(1, 2 * CHUNK)


class Trickle(io.BytesIO):
    """A source that never gives more than a few bytes at once, as a socket may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(7, size) if size is not None and size >= 0 else 7)


def test_a_source_may_give_its_bytes_in_small_pieces() -> None:
    sealed = SEALED[CHUNK + 1]
    assert b"".join(age.open_stream(Trickle(sealed), [TRAINER])) == plaintext(CHUNK + 1)
    assert age.Reader(Trickle(sealed), [TRAINER]).read() == plaintext(CHUNK + 1)


def test_a_source_may_be_unbuffered(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "sealed")
    with open(path, "wb", buffering=0) as sink:
        sink.write(SEALED[CHUNK + 1])
    with open(path, "rb", buffering=0) as source:
        assert b"".join(age.open_stream(source, [TRAINER])) == plaintext(CHUNK + 1)


def test_a_stream_refuses_a_stranger_before_it_reads_the_payload() -> None:
    with pytest.raises(age.NoIdentityMatches):
        age.open_stream(io.BytesIO(SEALED[1]), [STRANGER])


class Counting(io.BytesIO):
    """Counts what is read from it."""

    given = 0

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self.given += len(block)
        return block


def test_random_access_reads_only_the_chunks_it_needs() -> None:
    size = 40 * CHUNK
    source = Counting(age.seal_bytes(bytes(size), [TRAINER.recipient()]))
    reader = age.Reader(source, [TRAINER])
    for _ in range(10):
        reader.seek(20 * CHUNK + 100)
        assert reader.read(1000) == bytes(1000)
    assert source.given <= 3 * age.SEALED_CHUNK_SIZE


def test_a_rewrapped_header_opens_a_payload_that_lies_elsewhere() -> None:
    sealed = SEALED[CHUNK + 1]
    fresh = age.rewrap_header(sealed, [TRAINER], [STRANGER.recipient()])
    payload = io.BytesIO(sealed[fresh.payload_at :])
    assert age.Reader(payload, [STRANGER], header=fresh.header).read() == plaintext(CHUNK + 1)


class RandomAccessEqualsAPlainFile(RuleBasedStateMachine):
    """Whatever a player does, the reader answers as a file that holds the plaintext would."""

    def __init__(self) -> None:
        super().__init__()
        size = 2 * CHUNK + 1
        self.sealed = age.Reader(io.BytesIO(SEALED[size]), [TRAINER])
        self.plain = io.BytesIO(plaintext(size))

    @rule(offset=st.integers(0, 3 * CHUNK))
    def seek_from_start(self, offset: int) -> None:
        assert self.sealed.seek(offset) == self.plain.seek(offset)

    @rule(offset=st.integers(-2 * CHUNK, 100))
    def seek_from_end(self, offset: int) -> None:
        assert self.sealed.seek(offset, io.SEEK_END) == self.plain.seek(offset, io.SEEK_END)

    @rule(offset=st.integers(0, CHUNK))
    def seek_on(self, offset: int) -> None:
        assert self.sealed.seek(offset, io.SEEK_CUR) == self.plain.seek(offset, io.SEEK_CUR)

    @rule(size=st.integers(0, 2 * CHUNK))
    def read(self, size: int) -> None:
        assert self.sealed.read(size) == self.plain.read(size)

    @rule()
    def read_all(self) -> None:
        assert self.sealed.read() == self.plain.read()

    @invariant()
    def both_stand_at_the_same_place(self) -> None:
        assert self.sealed.tell() == self.plain.tell()


TestRandomAccess = RandomAccessEqualsAPlainFile.TestCase
TestRandomAccess.settings = settings(max_examples=40, stateful_step_count=20)


def test_there_is_nothing_before_the_start() -> None:
    reader = age.Reader(io.BytesIO(SEALED[1]), [TRAINER])
    with pytest.raises(ValueError, match="before the start"):
        reader.seek(-1)
    assert reader.readable()
    assert reader.seekable()
    assert not reader.writable()
