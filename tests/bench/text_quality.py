"""The same film of busy text through our encoder and through x264 superfast: bytes at the same SSIM of the text.

The film is taken losslessly from the screen first; pictures equal to the one before are left out, as our capture does.
"""

from __future__ import annotations

import itertools
import math
import subprocess
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from tests.rig.desktop import Desktop
from workstation_client.capture.base import ROW_BLOCK
from workstation_client.encoder import Encoder

CRFS = (16, 18, 20, 22, 24, 26, 28)
BLOCK = 8
TEXT_DEVIATION = 20.0
"""Blocks of luma with more deviation than this are text."""
FPS = 10
Image = NDArray[np.uint8]


def size_beside_x264(desktop: Desktop, seconds: float) -> dict[str, float]:
    """Megabytes a minute of both at the SSIM ours reaches, x264's interpolated between its quality settings."""
    film = _film(desktop, seconds)
    minutes = seconds / 60
    ours_bytes, ours_ssim = _ours(film)
    points = [_x264(film, crf) for crf in CRFS]
    x264_bytes = _at(points, ours_ssim)
    return {
        "ssim": ours_ssim,
        "ours_mb_min": ours_bytes / 1e6 / minutes,
        "x264_mb_min": x264_bytes / 1e6 / minutes,
        "ratio": ours_bytes / x264_bytes,
        "pictures": len(film),
    }


def _film(desktop: Desktop, seconds: float) -> list[tuple[int, Image]]:
    """Distinct pictures of the screen with their times in ms, BGR0."""
    width, height = desktop.size
    grab = ["-f", "x11grab", "-framerate", str(FPS), "-video_size", f"{width}x{height}", "-draw_mouse", "0"]
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", *grab, "-i", desktop.display, "-t", str(seconds)]
    command += ["-f", "rawvideo", "-pix_fmt", "bgr0", "-"]
    process = desktop.spawn(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    film: list[tuple[int, Image]] = []
    size = width * height * 4
    for number in itertools.count():
        data = process.stdout.read(size)
        if len(data) < size:
            break
        image = np.frombuffer(data, np.uint8).reshape(height, width, 4)
        if not film or not np.array_equal(image, film[-1][1]):
            film.append((number * 1000 // FPS, image))
    process.wait(10)
    return film


def _ours(film: list[tuple[int, Image]]) -> tuple[int, float]:
    height, width, _ = film[0][1].shape
    encoder = Encoder(width, height)
    blocks = range(-(-height // ROW_BLOCK))
    packets = []
    for at_ms, image in film:
        encoder.load(memoryview(image.tobytes()), blocks)
        packets.append(encoder.encode(encoder.picture, at_ms * 1_000_000, keyframe=False)[0])
    return sum(map(len, packets)), _ssim(film, packets, "libvpx-vp9")


def _x264(film: list[tuple[int, Image]], crf: int) -> tuple[int, float]:
    height, width, _ = film[0][1].shape
    codec = av.CodecContext.create("libx264", "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt, codec.time_base = width, height, "yuv420p", Fraction(1, 1000)
    codec.options = {"preset": "superfast", "tune": "zerolatency", "crf": str(crf)}
    packets = []
    for at_ms, image in film:
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:, :, :3]), format="bgr24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
        packets += [bytes(packet) for packet in codec.encode(frame)]
    packets += [bytes(packet) for packet in codec.encode(None)]
    return sum(map(len, packets)), _ssim(film, packets, "h264")


def _ssim(film: list[tuple[int, Image]], packets: list[bytes], name: str) -> float:
    """Mean SSIM of luma over the blocks that hold text."""
    codec = av.CodecContext.create(name, "r")
    assert isinstance(codec, VideoCodecContext)
    frames = (frame for data in [*packets, None] for frame in codec.decode(av.Packet(data) if data else None))
    values = []
    for (_, image), frame in itertools.islice(zip(film, frames, strict=False), 0, None, 5):
        values.append(_text_ssim(_luma(image), frame.to_ndarray(format="gray").astype(np.float32)))
    return float(np.mean(values))


def _luma(image: Image) -> NDArray[np.float32]:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image[:, :, :3]), format="bgr24")
    frame = frame.reformat(format="gray", dst_colorspace="ITU709", dst_color_range="MPEG")
    return frame.to_ndarray().astype(np.float32)


def _text_ssim(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    height, width = (side // BLOCK * BLOCK for side in one.shape)
    shape = (height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    a, b = one[:height, :width].reshape(shape), other[:height, :width].reshape(shape)
    mean_a, mean_b = a.mean((1, 3)), b.mean((1, 3))
    var_a, var_b = a.var((1, 3)), b.var((1, 3))
    both = (a * b).mean((1, 3)) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ssim = (
        (2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    )
    return float(ssim[np.sqrt(var_a) > TEXT_DEVIATION].mean())


def _at(points: list[tuple[int, float]], ssim: float) -> float:
    """Bytes at this SSIM, between two settings; the nearest one outside of them."""
    ordered = sorted(points, key=lambda point: point[1])
    for (low_bytes, low), (high_bytes, high) in itertools.pairwise(ordered):
        if low <= ssim <= high:
            part = (ssim - low) / (high - low)
            return math.exp(math.log(low_bytes) * (1 - part) + math.log(high_bytes) * part)
    return float(ordered[0][0] if ssim < ordered[0][1] else ordered[-1][0])
