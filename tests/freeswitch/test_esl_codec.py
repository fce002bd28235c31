"""The event socket's bytes: limits at their edge; every recorded stream whole, its first 120 kB byte by byte, and mutated.

Cut in two at every point: the first 9 kB of one stream, greeting, answers and six events.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.errors import PeerError
from pbx_bridge.telephony.freeswitch.esl_codec import (
    ANSWER_LIMIT,
    BLOCK_LIMIT,
    EVENT_LIMIT,
    Answer,
    AuthWanted,
    Broken,
    EslEvent,
    EslFraming,
    Farewell,
    Frame,
    PlainEvent,
    Turned,
)
from tests.rig.esl_double import FAREWELL, GREETING, VECTORS, bodies, event, framed, reply, stream

NAMES = sorted(path.name for path in VECTORS.iterdir() if path.is_dir())


def frames(pieces: Iterable[bytes]) -> list[Frame]:
    framing = EslFraming()
    return [frame for piece in pieces for frame in framing.feed(piece)]


def cut(raw: bytes, size: int) -> Iterable[bytes]:
    return (raw[at : at + size] for at in range(0, len(raw), size))


def shown(found: Iterable[Frame]) -> list[object]:
    """Frames as values that can be compared, every header decoded."""
    return [(dict(one), one.body) if isinstance(one, EslEvent) else one for one in found]


def plain(body: bytes) -> dict[str, str]:
    """An event as a second, simpler reader sees it."""
    lines = body.partition(b"\n\n")[0].decode("ascii").split("\n")
    pairs = (line.split(": ", 1) for line in lines)
    return {name: unquote(value).replace("_undef_", "") for name, value in reversed(list(pairs))}


def test_there_are_recorded_streams() -> None:
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_stream_read_whole_is_what_a_second_reader_sees(name: str) -> None:
    raw = stream(name)
    assert shown(frames([raw])) == [
        AuthWanted(),
        Answer("+OK accepted"),
        Answer("+OK event listener enabled plain"),
        *((plain(body), b"") for body in bodies(raw)),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_stream_byte_by_byte_gives_the_same(name: str) -> None:
    raw = stream(name)[:120_000]
    assert shown(frames(cut(raw, 1))) == shown(frames([raw]))


@pytest.mark.parametrize("size", [2, 3, 7, 1448, 65536])
def test_a_recorded_stream_in_pieces_of_any_size_gives_the_same(size: int) -> None:
    raw = stream("30_fifo_and_resync")
    assert shown(frames(cut(raw, size))) == shown(frames([raw]))


def test_a_stream_cut_anywhere_gives_the_same_and_nothing_early() -> None:
    raw = stream("04_busy")[:9_000]
    whole = shown(frames([raw]))
    for at in range(len(raw) + 1):
        framing = EslFraming()
        first = framing.feed(raw[:at])
        assert shown(first) == whole[: len(first)]
        assert shown(first + framing.feed(raw[at:])) == whole


@pytest.mark.parametrize("name", NAMES)
def test_a_mutated_stream_gives_frames_or_is_refused(name: str) -> None:
    dice = random.Random(name)
    for _ in range(25):
        raw = bytearray(stream(name)[: dice.randrange(200, 30_000)])
        for _ in range(dice.randrange(1, 20)):
            at = dice.randrange(len(raw))
            match dice.randrange(4):
                case 0:
                    raw[at] = dice.randrange(256)
                case 1:
                    del raw[at : at + dice.randrange(1, 200)]
                case 2:
                    raw[at:at] = dice.choice([b"\n\n", b"\n", b"%", b"Content-Length: 7\n", b"\xff\0", b": "])
                case _:
                    raw[at:at] = raw[at : at + dice.randrange(1, 500)]
            raw = raw or bytearray(b"C")
        try:
            shown(frames(cut(bytes(raw), 1448)))
        except PeerError as refused:
            assert str(refused)  # noqa: PT017 - either outcome is right, another exception is not


@given(st.binary(max_size=600))
def test_any_bytes_after_a_greeting_give_frames_or_are_refused(raw: bytes) -> None:
    try:
        shown(frames([GREETING + raw]))
    except PeerError as refused:
        assert str(refused)  # noqa: PT017


@given(st.binary(max_size=400))
def test_any_bytes_in_an_events_body_cost_no_other_frame(body: bytes) -> None:
    found = frames([GREETING, framed(body) if body else b"", reply("+OK")])
    assert found[-1] == Answer("+OK")
    shown(found)


# ---------------------------------------------------------------- values


def one(raw: bytes) -> EslEvent:
    (_, found) = frames([GREETING + raw])
    assert isinstance(found, EslEvent)
    return found


def test_a_callers_name_injects_no_header() -> None:
    found = one(
        framed(b"Event-Name: X\nCaller-Caller-ID-Name: a%0AUnique-ID: evil%0A%0Ab\nUnique-ID: good\n\n")
    )
    assert found["Unique-ID"] == "good"
    assert found["Caller-Caller-ID-Name"] == "a\nUnique-ID: evil\n\nb"
    assert list(found) == ["Event-Name", "Caller-Caller-ID-Name", "Unique-ID"]


def test_bytes_that_are_no_utf8_survive_and_cost_no_frame() -> None:
    raw = framed(b"Event-Name: X\nCaller-Caller-ID-Name: M%FCller %E9\nBare: \xff\xfe\nUnique-ID: 1\n\n")
    found = one(raw)
    assert found.raw("Caller-Caller-ID-Name") == b"M\xfcller \xe9"
    assert found.raw("Bare") == b"\xff\xfe"
    assert found["Caller-Caller-ID-Name"] == "M\ufffdller \ufffd"
    assert found["Unique-ID"] == "1"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (b"", ""), (b"_undef_", ""), (b"%", "%"), (b"%%", "%%"), (b"%4", "%4"), (b"%zz", "%zz"), (b"a%2", "a%2"),
        (b"%25", "%"), (b"%2525", "%25"), (b"a+b", "a+b"), (b" x ", " x "), (b"a: b", "a: b"), (b"M%C3%BCller", "Müller"),
    ],
)  # fmt: skip
def test_a_values_escapes(written: bytes, value: str) -> None:
    assert one(framed(b"Event-Name: X\nN: " + written + b"\nUnique-ID: 1\n\n"))["N"] == value


def test_names_are_exact_and_the_first_of_two_counts() -> None:
    found = one(
        framed(
            b"Event-Name: X\nA-Unique-ID: no\nUnique-ID-B: no\nunique-id: low\nUnique-ID: 1\nUnique-ID: 2\n\n"
        )
    )
    assert (found["Unique-ID"], found["unique-id"]) == ("1", "low")
    assert len(found) == 5
    assert dict(found)["Unique-ID"] == "1"
    assert "Unique" not in found
    assert found.get("Unique-I") is None


def test_the_first_and_the_last_header_are_found() -> None:
    found = PlainEvent(b"First: 1\nLast: 2")
    assert (found["First"], found["Last"], found.name) == ("1", "2", "")


def test_an_events_own_body_is_bare_and_not_searched() -> None:
    found = one(event("BACKGROUND_JOB", b"+OK\nUnique-ID: x\n\n%41\xff", Job_UUID="7"))
    assert found.body == b"+OK\nUnique-ID: x\n\n%41\xff"
    assert found.get("Unique-ID") is None
    assert found["Job-UUID"] == "7"


@pytest.mark.parametrize(
    "body",
    [
        b"Event-Name: X\nContent-Length: 5\n\nabcd", b"Event-Name: X\nContent-Length: 5\n\n",
        b"Event-Name: X\nContent-Length: -1\n\n", b"Event-Name: X\nContent-Length: 1e3\n\nabc",
        b"Event-Name: X\nContent-Length: _undef_\n\n", b"Event-Name: X\n\nabc",
        b"Event-Name: X\nContent-Length: 99999999999999999999\n\nabc", b"Event-Name: X\nContent-Length: \xb2\n\nabc",
    ],
)  # fmt: skip
def test_an_event_whose_own_length_is_wrong_is_broken_and_the_next_frame_is_read(body: bytes) -> None:
    _, broken, answer = frames([GREETING + framed(body) + reply("+OK")])
    assert isinstance(broken, Broken)
    assert answer == Answer("+OK")


def test_nothing_of_an_event_is_shown() -> None:
    assert "Müller" not in repr(one(event("CHANNEL_BRIDGE", Caller_Caller_ID_Name="Müller")))


# ---------------------------------------------------------------- frames


def test_each_kind_of_frame() -> None:
    printed = b"Content-Type: api/response\nContent-Length: 9\n\n+OK\n\nM\xfcl\n"
    other = b"Content-Type: log/data\nContent-Length: 2\nLog-Level: 7\n\nhi"
    raw = GREETING + reply("+OK accepted") + printed + other + FAREWELL
    _, accepted, answer, broken, farewell = frames([raw])
    assert accepted == Answer("+OK accepted")
    assert answer == Answer("+OK\n\nM\ufffdl\n")
    assert isinstance(broken, Broken)
    assert farewell == Farewell()
    rejection = b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"
    assert frames([rejection]) == [Turned()]


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("+OK", False),
        ("-ERR invalid", True),
        ("-USAGE: <uuid>", True),
        ("", False),
        ("true", False),
        ("-1", False),
    ],
)
def test_what_is_a_refusal(text: str, refused: bool) -> None:
    assert Answer(text).refused is refused


def test_a_bgapi_reply_and_blank_lines_between_frames() -> None:
    raw = (
        GREETING
        + b"Content-Type: command/reply\nReply-Text: +OK Job-UUID: 7\nJob-UUID: 7\n\n\n\n"
        + reply("+OK")
    )
    assert frames(cut(raw, 1))[1:] == [Answer("+OK Job-UUID: 7"), Answer("+OK")]


@pytest.mark.parametrize(
    "raw", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"Asterisk Call", b"\n", b"\0"]
)
def test_something_else_on_the_port_is_refused_at_once(raw: bytes) -> None:
    with pytest.raises(PeerError, match="no FreeSWITCH"):
        EslFraming().feed(raw)


@pytest.mark.parametrize(
    "head",
    [
        b"Reply-Text: +OK\n\n", b"Content-Length: 5\nContent-Typ: x\n\n", b"x\n\n",
        b"Content-Type: api/response\nContent-Length: x\n\n", b"Content-Type: api/response\nContent-Length: -5\n\n",
        b"Content-Type: api/response\nContent-Length: \n\n", b"Content-Type: api/response\nContent-Length: 12345678901\n\n",
    ],
)  # fmt: skip
def test_a_block_that_frames_nothing_is_refused(head: bytes) -> None:
    with pytest.raises(PeerError):
        frames([GREETING + head])


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("kind", "limit"), [(b"text/event-plain", EVENT_LIMIT), (b"api/response", ANSWER_LIMIT)]
)
def test_a_body_over_the_limit_is_refused_before_it_comes(kind: bytes, limit: int) -> None:
    head = b"Content-Type: " + kind + b"\nContent-Length: %d\n\n"
    assert frames([GREETING + head % limit]) == [AuthWanted()]  # waits for it
    with pytest.raises(PeerError, match="longer than"):
        frames([GREETING + head % (limit + 1)])


def test_an_event_of_exactly_the_limit_is_read() -> None:
    head = b"Event-Name: X\nV: "
    found = one(framed(head + b"y" * (EVENT_LIMIT - len(head) - 2) + b"\n\n"))
    assert len(found["V"]) == EVENT_LIMIT - len(head) - 2


@pytest.mark.parametrize(("more", "fits"), [(-1, True), (0, True), (1, False)])
@pytest.mark.parametrize("piece", [1000, 1 << 20])
def test_a_header_block_of_about_the_limit(more: int, fits: bool, piece: int) -> None:
    head = b"Content-Type: command/reply\nReply-Text: "
    raw = GREETING + head + b"x" * (BLOCK_LIMIT - len(head) + more) + b"\n\n"
    if fits:
        assert isinstance(frames(cut(raw, piece))[1], Answer)
    else:
        with pytest.raises(PeerError, match="longer than"):
            frames(cut(raw, piece))


def test_a_header_block_without_end_is_refused() -> None:
    with pytest.raises(PeerError, match="longer than"):
        frames([GREETING, *itertools.repeat(b"Content-", BLOCK_LIMIT)])
