"""Whatever a stranger's file holds, reading it ends in its plaintext or in an AgeError, and never in anything else."""

from __future__ import annotations

import contextlib
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx_bridge import age
from tests.age.samples import TRAINER

PASSPHRASE = age.ScryptIdentity("x", max_log_n=2)
PLAIN = b"what was said"
FILES = [
    age.seal_bytes(PLAIN, [TRAINER.recipient()]),
    age.seal_bytes(PLAIN, [age.X25519Identity.generate().recipient(), TRAINER.recipient()]),
    age.seal_bytes(PLAIN, [age.ScryptRecipient("x", log_n=1)]),
    age.armor(age.seal_bytes(PLAIN, [TRAINER.recipient()])),
]
PIECES = [
    b"-> X25519 ",
    b"-> scrypt ",
    b"--- ",
    b"\n",
    b"\r\n",
    b" ",
    b"=",
    bytes(16),
    b"A" * 64,
    b"-----END",
    b"\xff",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """One of the files after a few cuts, repetitions, changes and insertions."""
    file = bytearray(draw(st.sampled_from(FILES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(file)))
        end = draw(st.integers(at, min(len(file), at + 80)))
        match draw(st.integers(0, 4)):
            case 0:
                del file[at:end]
            case 1:
                file[at:at] = file[at:end]
            case 2:
                file[at:at] = draw(st.sampled_from(PIECES) | st.binary(max_size=20))
            case 3:
                file[at:end] = bytes(reversed(file[at:end]))
            case _:
                file[at:end] = draw(st.binary(min_size=end - at, max_size=end - at))
    return bytes(file)


def opened(read: bytes) -> bytes | None:
    try:
        return age.open_bytes(read, [TRAINER, PASSPHRASE])
    except age.AgeError:
        return None


@given(mutated())
@settings(max_examples=1500)
def test_a_mutated_file_opens_to_its_plaintext_or_is_refused(file: bytes) -> None:
    assert opened(file) in (None, PLAIN)


@given(st.binary(max_size=400) | st.binary(max_size=200).map(lambda rest: b"age-encryption.org/v1\n" + rest))
@settings(max_examples=500)
def test_a_file_of_noise_is_refused(file: bytes) -> None:
    assert opened(file) is None


@given(mutated())
@settings(max_examples=500)
def test_random_access_accepts_no_more_than_the_stream(file: bytes) -> None:
    try:
        plain = age.Reader(io.BytesIO(file), [TRAINER, PASSPHRASE]).read()
    except age.AgeError:
        return
    assert plain == PLAIN == opened(file)


@given(st.text(max_size=100) | st.text("age1qpzry9x8gf2tvdw0s3jn54khce6mual", max_size=80))
@settings(max_examples=500)
def test_any_text_is_a_key_or_refused(text: str) -> None:
    for kind in (age.X25519Recipient, age.X25519Identity):
        with contextlib.suppress(age.KeyTextError):
            kind.parse(text)


def test_the_files_that_are_mutated_do_open() -> None:
    assert [opened(file) for file in FILES] == [PLAIN] * len(FILES)
