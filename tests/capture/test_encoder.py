"""Pictures in, packets out: colours, rows, repeats, keyframes; decoded by two decoders that share no code."""

from __future__ import annotations

from collections.abc import Sequence

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from workstation_client import keyframes
from workstation_client.capture.base import (
    BYTES_PER_PIXEL,
    MAX_SIDE,
    MIN_SIDE,
    NEUTRAL,
    ROW_BLOCK,
    canvas_size,
)
from workstation_client.encoder import REFINED_AFTER, Encoder

WIDTH, HEIGHT = 320, 200
BLOCKS = range(-(-HEIGHT // ROW_BLOCK))
SECOND_NS = 1_000_000_000
DECODERS = ["libvpx-vp9", "vp9"]
Image = NDArray[np.uint8]


def noise(seed: int) -> Image:
    """Soft noise in colour: sharp enough that a wrong row shows, soft enough for 4:2:0."""
    coarse = np.random.default_rng(seed).integers(0, 255, (HEIGHT // 8, WIDTH // 8, 4), np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1))


def decoded(packets: Sequence[bytes], decoder: str) -> list[VideoFrame]:
    codec = av.CodecContext.create(decoder, "r")
    assert isinstance(codec, VideoCodecContext)
    frames = [codec.decode(av.Packet(packet)) for packet in packets]
    if decoder == "vp9":  # with threads it holds frames back
        frames.append(codec.decode(None))
    flat = [frame for some in frames for frame in some]
    assert len(flat) == len(packets), "one packet, one picture"
    return flat


def error(frame: VideoFrame, image: Image) -> float:
    """Mean absolute difference of RGB."""
    seen = frame.to_ndarray(format="rgb24").astype(np.int16)
    return float(np.abs(seen - image[:, :, 2::-1]).mean())


@pytest.mark.parametrize("decoder", DECODERS)
def test_what_goes_in_comes_out_in_its_colours(decoder: str) -> None:
    encoder, image = Encoder(WIDTH, HEIGHT), noise(1)
    encoder.load(image.data.cast("B"), BLOCKS)
    packets = [encoder.encode(encoder.picture, at * SECOND_NS, keyframe=at == 0)[0] for at in range(3)]
    frame = decoded(packets, decoder)[-1]
    assert error(frame, image) < 6
    assert (frame.colorspace, frame.color_range) == (1, 1), "BT.709, limited range, said in the stream"


def test_only_the_blocks_named_change() -> None:
    encoder, first, second = Encoder(WIDTH, HEIGHT), noise(1), noise(2)
    encoder.load(first.data.cast("B"), BLOCKS)
    whole = Encoder(WIDTH, HEIGHT)
    mixed = first.copy()
    mixed[ROW_BLOCK : 2 * ROW_BLOCK] = second[ROW_BLOCK : 2 * ROW_BLOCK]
    mixed[3 * ROW_BLOCK :] = second[3 * ROW_BLOCK :]
    encoder.load(second.data.cast("B"), (1, 3))
    whole.load(mixed.data.cast("B"), BLOCKS)
    for one, other in zip(encoder.picture.planes, whole.picture.planes, strict=True):
        assert bytes(one) == bytes(other)


def test_converting_by_blocks_leaves_no_seam() -> None:
    encoder = Encoder(WIDTH, HEIGHT)
    ramp = np.zeros((HEIGHT, WIDTH, BYTES_PER_PIXEL), np.uint8)
    ramp[:, :, :3] = np.linspace(0, 255, HEIGHT).astype(np.uint8)[:, None, None]
    encoder.load(ramp.data.cast("B"), BLOCKS)
    luma = encoder.picture.to_ndarray(format="gray")[:, 0].astype(int)
    assert np.abs(np.diff(luma)).max() <= 3


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_still_picture_is_shown_again_in_one_byte_and_changes_go_on_from_it(decoder: str) -> None:
    encoder, images = Encoder(WIDTH, HEIGHT), [noise(seed) for seed in range(4)]
    packets, expected = list[bytes](), list[Image]()
    for number, image in enumerate(images):
        mixed = images[0].copy()
        mixed[:, : number * 80] = image[:, : number * 80]
        encoder.load(mixed.data.cast("B"), BLOCKS)
        for _ in range(REFINED_AFTER + 4):
            packets.append(encoder.encode(encoder.picture, len(packets) * SECOND_NS, keyframe=False)[0])
            expected.append(mixed)
    assert sum(len(packet) == 1 for packet in packets) == 4 * 3
    frames = decoded(packets, decoder)
    assert max(error(frame, image) for frame, image in zip(frames, expected, strict=True)) < 8


def test_the_card_is_neutral_and_a_keyframe_comes_when_asked() -> None:
    encoder = Encoder(WIDTH, HEIGHT)
    encoder.load(noise(3).data.cast("B"), BLOCKS)
    order = [(encoder.picture, True), (encoder.picture, False), (encoder.card, True), (encoder.picture, True)]
    made = [encoder.encode(frame, at * SECOND_NS, keyframe=key) for at, (frame, key) in enumerate(order)]
    assert [key for _, key in made] == [True, False, True, True]
    card = decoded([data for data, _ in made], "libvpx-vp9")[2].to_ndarray(format="rgb24")
    assert np.abs(card.astype(int) - NEUTRAL).max() <= 4


def test_a_keyframe_comes_by_itself_so_that_a_player_can_jump() -> None:
    """In motion after so many changes, in a still window after so many pictures."""
    still = Encoder(MIN_SIDE, MIN_SIDE)
    keys = [still.encode(still.card, at * SECOND_NS, keyframe=False)[1] for at in range(keyframes.SHOWN + 2)]
    assert [at for at, key in enumerate(keys) if key] == [0, keyframes.SHOWN + 1]
    moving = Encoder(MIN_SIDE, MIN_SIDE)
    keys = [
        moving.encode(moving.copy(), at * SECOND_NS, keyframe=False)[1] for at in range(keyframes.EVERY + 2)
    ]
    assert [at for at, key in enumerate(keys) if key] == [0, keyframes.EVERY + 1]


def test_in_full_motion_a_keyframe_comes_sooner() -> None:
    """Each picture another: they take as much as keyframes do."""
    moving = Encoder(WIDTH, HEIGHT)
    keys = list[bool]()
    for at in range(2 * keyframes.SOON + 4):
        moving.load(noise(at).data.cast("B"), BLOCKS)
        keys.append(moving.encode(moving.picture, at * SECOND_NS, keyframe=False)[1])
    assert [at for at, key in enumerate(keys) if key] == [0, keyframes.SOON + 1, 2 * keyframes.SOON + 2]


@pytest.mark.parametrize(
    ("size", "due_after"),
    [
        (keyframes.LEAST_BYTES // keyframes.SOON + 1, keyframes.SOON),
        (keyframes.LEAST_BYTES // 40 + 1, 40),
        (1_000, keyframes.EVERY),
    ],
)
def test_a_keyframe_is_due_when_the_changes_are_worth_it(size: int, due_after: int) -> None:
    since = keyframes.SinceKeyframe()
    since.add(10_000, keyframe=True, new=True)
    for number in range(1, due_after + 1):
        assert not since.due, number
        since.add(size, keyframe=False, new=True)
    assert since.due
    heavy = keyframes.SinceKeyframe()
    heavy.add(size * keyframes.EVERY, keyframe=True, new=True)
    for _ in range(keyframes.EVERY - 1):
        heavy.add(size, keyframe=False, new=True)
    assert not heavy.due, "not worth as much as that keyframe took"


@pytest.mark.parametrize(
    ("window", "canvas"),
    [
        ((480, 360), (480, 360)),
        ((481, 361), (496, 362)),
        ((1, 1), (MIN_SIDE, MIN_SIDE)),
        ((MAX_SIDE, MAX_SIDE), (MAX_SIDE, MAX_SIDE)),
        ((MAX_SIDE + 1, 99999), (MAX_SIDE, MAX_SIDE)),
    ],
)
def test_the_canvas_fits_the_window_in_steps_the_codec_likes(
    window: tuple[int, int], canvas: tuple[int, int]
) -> None:
    assert canvas_size(*window) == canvas
