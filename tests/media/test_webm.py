"""The bytes of the file: lengths at their limits, late pictures, the cut at the end, and what a reader makes
of them."""

from __future__ import annotations

from io import BytesIO

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.media.webm import CLUSTER_MS, LATE_MS, PICTURE, SOUND, Webm
from tests.media.rig import HEIGHT, WIDTH

OPUS_HEAD = b"OpusHead\x01\x02\x38\x01\x80\x3e\0\0\0\0\0"
CLUSTER = b"\x1f\x43\xb6\x75"

S1, P1 = b"\xfc\0", b"\x86\0"

Written = list[tuple[int, int, bytes, bool]]
"""Track, ms, packet, keyframe."""


def file_of(blocks: Written) -> bytes:
    webm = Webm(WIDTH, HEIGHT, OPUS_HEAD)
    data = bytearray(webm.head)
    for track, ms, packet, keyframe in blocks:
        data += webm.picture(ms, packet, keyframe=keyframe) if track == PICTURE else webm.sound(ms, packet)
    rest, patches = webm.finish(max((ms for _, ms, _, _ in blocks), default=0) + 20)
    data += rest
    for patch in patches:
        assert patch.at + len(patch.data) <= len(webm.head)
        data[patch.at : patch.at + len(patch.data)] = patch.data
    return bytes(data)


def read(file: bytes) -> dict[int, list[tuple[int, bytes]]]:
    """What FFmpeg reads: per track (ms, packet)."""
    found: dict[int, list[tuple[int, bytes]]] = {PICTURE: [], SOUND: []}
    with av.open(BytesIO(file), "r") as opened:
        delay_ms = {PICTURE: 0, SOUND: 7}  # 312 samples, which the reader takes off
        for packet in opened.demux():
            if packet.pts is not None:
                track = packet.stream_index + 1
                found[track].append((packet.pts + delay_ms[track], bytes(packet)))
    return found


sounds = st.tuples(
    st.just(SOUND),
    st.integers(0, 3_000),
    st.binary(max_size=40).map(lambda data: b"\xfc" + data),
    st.just(True),
)
pictures = st.tuples(
    st.just(PICTURE),
    st.integers(0, 3_000),
    # Sizes at which an element's length takes one byte more.
    st.sampled_from([1, 5, 121, 122, 123, 16_377, 16_378, 16_379]).map(lambda size: b"\x86" + bytes(size)),
    st.booleans(),
)


@given(st.lists(st.one_of(sounds, pictures), min_size=1, max_size=30))
def test_every_packet_is_read_again_at_its_time(written: Written) -> None:
    """In time order for each track, as the montage delivers them; the tracks need not be in step."""
    per_track = {
        track: sorted((b for b in written if b[0] == track), key=lambda b: b[1]) for track in (PICTURE, SOUND)
    }
    in_order = [per_track[block[0]].pop(0) for block in written]
    found = read(file_of(in_order))
    for track in (PICTURE, SOUND):
        assert sorted(found[track]) == sorted((ms, data) for t, ms, data, _ in in_order if t == track)


def test_a_picture_late_by_less_than_the_limit_keeps_its_time_and_its_cluster() -> None:
    late = [
        (SOUND, 12_000, S1, True),
        (PICTURE, 12_000 - LATE_MS, P1, False),
        (SOUND, 12_020, S1, True),
    ]
    file = file_of(late)
    assert read(file)[PICTURE] == [(12_000 - LATE_MS, P1)]
    assert file.count(CLUSTER) == 1
    assert file.index(P1) < file.index(S1)
    later = file_of([(SOUND, 32_000, S1, True), (PICTURE, 100, P1, False), (SOUND, 32_020, S1, True)])
    assert [ms for ms, _ in read(later)[SOUND]] == [32_000, 32_020]
    assert later.count(CLUSTER) == 3


def test_clusters_span_no_more_than_their_limit_and_a_keyframe_begins_one() -> None:
    webm = Webm(WIDTH, HEIGHT, OPUS_HEAD)
    assert webm.sound(0, S1) == webm.sound(CLUSTER_MS - 20, S1) == b""
    assert webm.waiting == 2
    assert webm.sound(CLUSTER_MS, S1).startswith(CLUSTER)
    assert webm.waiting == 1
    assert webm.picture(CLUSTER_MS + 20, P1, keyframe=False) == b""
    assert webm.picture(CLUSTER_MS + 40, P1, keyframe=True).startswith(CLUSTER)


@pytest.mark.parametrize("wanted_ms", [35, 45, 53])
def test_what_is_cut_off_the_last_sound_is_not_heard(wanted_ms: int) -> None:
    """A last block with a cut says so in nanoseconds (DiscardPadding)."""
    webm = Webm(WIDTH, HEIGHT, OPUS_HEAD)
    opus = av.CodecContext.create("libopus", "w")
    assert isinstance(opus, av.AudioCodecContext)
    opus.sample_rate, opus.layout, opus.format = 48_000, "stereo", "s16"
    opus.open()
    data = bytearray(webm.head)
    frame = av.AudioFrame("s16", "stereo", 960)
    frame.sample_rate, packets = 48_000, list[bytes]()
    for number in range(3):
        frame.pts = number * 960
        packets += [bytes(packet) for packet in opus.encode(frame)]
    cut_ns = (len(packets) * 960 - 312 - wanted_ms * 48) * 1_000_000_000 // 48_000
    for number, packet in enumerate(packets):
        data += webm.sound(number * 20, packet, cut_ns=cut_ns if number == len(packets) - 1 else 0)
    data += webm.finish(wanted_ms)[0]
    with av.open(BytesIO(bytes(data)), "r") as opened:
        samples = sum(frame.samples for frame in opened.decode(audio=0))
    assert samples == pytest.approx(wanted_ms * 48, abs=48)
