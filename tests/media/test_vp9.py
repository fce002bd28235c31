"""The first bits of real packets, of packets made by hand, and of anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.media.vp9 import Head, NotVp9, read_head
from tests.media.rig import vp9


def test_what_a_real_encoder_makes() -> None:
    key, *inter = (read_head(packet) for packet in vp9((60, 70, 80, 90)))
    assert key == Head(keyframe=True, shown=True, repeat=b"\x88")
    assert all(not head.keyframe and head.shown and head.repeat is not None for head in inter)


@pytest.mark.parametrize(
    ("bits", "head"),
    [
        ("10 0 0 0 0 1 0", Head(True, True, b"\x88")),
        ("10 1 0 0 0 1 0", Head(True, True, b"\xa8")),
        ("10 1 1 0 0 0 1 0", Head(True, True, b"\xb4\x00")),
        ("10 0 0 0 1 1 0 00 00000100", Head(False, True, b"\x8a")),
        ("10 0 0 0 1 1 1 10000000", Head(False, True, b"\x8f")),
        ("10 0 0 0 1 1 0 00 00000000", Head(False, True, None)),
        ("10 0 0 0 1 0 0 1 00 0000", Head(False, False, None)),
        ("10 0 0 1 011", Head(False, True, b"\x8b")),
    ],
)
def test_headers_made_by_hand(bits: str, head: Head) -> None:
    text = bits.replace(" ", "").ljust(32, "0")[: 8 if "011" in bits else 32]
    assert read_head(int(text, 2).to_bytes(len(text) // 8)) == head


@pytest.mark.parametrize("packet", [b"", b"\x00", b"\x40\0\0\0", b"\xb9", b"\x84"])
def test_what_is_no_frame(packet: bytes) -> None:
    with pytest.raises(NotVp9, match="not a VP9 frame"):
        read_head(packet)


def test_a_packet_of_several_frames_is_not_repeated() -> None:
    assert read_head(vp9((60, 70))[1] + b"\xc0") == Head(False, True, None)


@given(st.binary(max_size=16))
def test_any_bytes_are_a_frame_or_refused(packet: bytes) -> None:
    try:
        head = read_head(packet)
    except NotVp9:
        return
    assert head.repeat is None or len(head.repeat) in (1, 2, len(packet))
