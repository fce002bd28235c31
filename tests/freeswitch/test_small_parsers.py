"""Two voices in one stream, packet counts, notes and what lives: at their limits, cut, damaged, and beyond."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Collection, Mapping
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.errors import PeerError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.esl_connection import CommandRefused
from pbx_bridge.telephony.freeswitch.media_stats import packets_in
from pbx_bridge.telephony.freeswitch.resync import UUID_LIMIT, Said, leg_of, said_in, uuids_of
from pbx_bridge.telephony.freeswitch.stereo import CHUNK, CHUNK_BYTES, Piece, Stereo
from tests.rig.esl_double import VECTORS

LEG = "65c768cf-ac8d-4b80-b838-9668ff09c775"

# ---------------------------------------------------------------- stereo


def stream(chunks: int) -> bytes:
    """Each sample tells its number on the left, and its complement on the right."""
    return b"".join(
        number.to_bytes(2, "little") + (0xFFFF - number).to_bytes(2, "little")
        for number in range(chunks * CHUNK)
    )


def test_left_is_the_agent_and_right_the_customer() -> None:
    pieces = list(Stereo().feed(stream(2)))
    assert [(piece.leg, piece.index) for piece in pieces] == [
        ("agent", 0),
        ("customer", 0),
        ("agent", CHUNK),
        ("customer", CHUNK),
    ]
    for piece in pieces:
        numbers = [int.from_bytes(piece.pcm[at : at + 2], "little") for at in range(0, len(piece.pcm), 2)]
        wanted = list(range(piece.index, piece.index + CHUNK))
        assert numbers == (wanted if piece.leg == "agent" else [0xFFFF - number for number in wanted])


@given(st.lists(st.integers(0, 3 * CHUNK_BYTES), max_size=12))
def test_wherever_it_is_cut_the_voices_are_the_same(sizes: list[int]) -> None:
    raw, stereo = stream(4), Stereo()
    cuts = [0, *(min(at, len(raw)) for at in accumulate(sizes)), len(raw)]
    pieces: list[Piece] = []
    for begin, end in pairwise(cuts):
        pieces += stereo.feed(raw[begin:end])
    assert pieces == list(Stereo().feed(raw))


def test_byte_by_byte() -> None:
    raw, stereo = stream(2), Stereo()
    assert [piece for byte in raw for piece in stereo.feed(bytes([byte]))] == list(Stereo().feed(raw))


@pytest.mark.parametrize(
    ("size", "count"), [(0, 0), (1, 0), (CHUNK_BYTES - 1, 0), (CHUNK_BYTES, 2), (CHUNK_BYTES + 1, 2)]
)
def test_nothing_is_told_before_it_is_whole(size: int, count: int) -> None:
    assert len(list(Stereo().feed(stream(2)[:size]))) == count


# ---------------------------------------------------------------- packets


def answered(response: object, status: str = "success") -> str:
    return json.dumps(
        {"command": "mediaStats", "data": {"uuid": LEG}, "status": status, "response": response}
    )


def test_a_legs_packets_are_counted() -> None:
    assert packets_in(answered({"audio": {"in_packet_count": 12, "out_packet_count": 7}})) == 12


def test_a_voice_that_bypasses_has_no_count() -> None:
    assert packets_in(answered({})) is None


def test_a_leg_that_is_gone_is_a_refusal() -> None:
    with pytest.raises(CommandRefused):
        packets_in(answered({"response": "Session does not exist"}, "error"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[" * 5000,
        "[]",
        answered(None),
        answered({"audio": 7}),
        answered({"audio": {}}),
        answered({"audio": {"in_packet_count": True}}),
        answered({"audio": {"in_packet_count": "12"}}),
        answered({"audio": {"in_packet_count": math.inf}}),
        answered({"audio": {"in_packet_count": math.nan}}),
        answered({"audio": {"in_packet_count": 0}}).replace(": 0}", ": 1e999}"),
        answered({"audio": {"in_packet_count": 10**400}}),
        answered({"audio": {"in_packet_count": 2**64}}),
        answered({"audio": {"in_packet_count": -1}}),
    ],
)
def test_what_counts_no_packets_is_told(text: str) -> None:
    with pytest.raises(PeerError):
        packets_in(text)


# ---------------------------------------------------------------- notes


def test_notes_are_found_among_all_globals() -> None:
    text = (
        "hostname=pbx\n"
        f"pbxb_said_{LEG}=objection\n"
        "pbxb_said_call-2=private\n"
        "pbxb_said_=private\npbxb_said_a b=objection\npbxb_said_x=\npbxb_said_y=OBJECTION\n"
        f"pbxb_said_{'z' * 65}=private\n"
        "my_pbxb_said_x=objection\npbxb_said\n"
    )
    assert said_in(text) == (Said(ChannelId(LEG), private=False), Said(ChannelId("call-2"), private=True))
    assert said_in("") == ()
    assert Said(ChannelId(LEG), private=True).variable == f"pbxb_said_{LEG}"


# ---------------------------------------------------------------- what lives there

RESYNC = VECTORS / "30_fifo_and_resync"


def test_the_recorded_answers_of_a_resync_name_their_legs() -> None:
    legs = uuids_of((RESYNC / "show_calls.json").read_text())
    assert LEG in legs
    assert len(legs) == 2
    assert leg_of((RESYNC / "uuid_dump_x.json").read_text())["Unique-ID"] == LEG


@pytest.mark.parametrize(("name", "parse"), [("show_calls", uuids_of), ("uuid_dump_x", leg_of)])
def test_an_answer_of_a_resync_that_is_cut_is_refused_wherever(
    name: str, parse: Callable[[str], object]
) -> None:
    text = (RESYNC / f"{name}.json").read_text().rstrip()
    for at in range(len(text)):
        with pytest.raises(PeerError):
            parse(text[:at])


@pytest.mark.parametrize(("name", "parse"), [("show_calls", uuids_of), ("uuid_dump_x", leg_of)])
def test_a_damaged_answer_of_a_resync_names_legs_or_is_refused(
    name: str, parse: Callable[[str], Collection[str]]
) -> None:
    text, dice, refused = (RESYNC / f"{name}.json").read_text(), random.Random(name), 0
    for _ in range(300):
        at = dice.randrange(len(text))
        put = dice.choice(["", "\x00", "é", '"', "{", "]", "null", "1e999", "\n\napi status"])
        try:
            found = parse(text[:at] + put + text[at + dice.randrange(3) :])
        except PeerError:
            refused += 1
            continue
        legs = [found["Unique-ID"]] if isinstance(found, Mapping) else found
        assert all(0 < len(leg) <= UUID_LIMIT and not set(leg) & set(" \n\0") for leg in legs)
    assert 0 < refused < 300
