"""Pictures to VP9 packets, one packet out for each picture in, at once. The client's only `import av`.

Only the blocks of rows that changed are converted to the codec's colours (BT.709, said in the stream). It knows pixels and
packets; it must never know windows, calls or the network, and has no way to write a picture (P1).

Options were measured on scrolled, typed and turned pages of text at 1920x1080 (tests/bench/capture.py): VP9 realtime with
screen content is a quarter of x264's size at the same text quality. Speed 5 would write 43 % less for up to 20 % more
processor time; the trainee's softphone runs on the same processor, so speed 8, and one thread, which spends 7 % less than
two. One thread needs no tiles: a single column writes 10 % less in 8 % less time. `lag-in-frames=0` and a bare codec
context hold nothing back.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from workstation_client.capture.base import ALIGNMENT, BYTES_PER_PIXEL, NEUTRAL, ROW_BLOCK
from workstation_client.events import EncoderFailed
from workstation_client.keyframes import SinceKeyframe

MICROSECONDS = Fraction(1, 1_000_000)
_OPTIONS = {
    "deadline": "realtime",
    "cpu-used": "8",
    "tune-content": "screen",
    "crf": "32",
    "b": "0",
    "lag-in-frames": "0",
    "tile-columns": "0",
    "threads": "1",
}
_BT709 = 1
REFINED_AFTER = 2
"""A picture that stays is encoded this many times more, each sharper; after that it is shown again without encoding."""


class Encoder:
    """One VP9 stream of a fixed size."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        codec = av.CodecContext.create("libvpx-vp9", "w")
        assert isinstance(codec, VideoCodecContext)
        codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
        codec.time_base, codec.bit_rate = MICROSECONDS, 0
        codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
        codec.color_range = ColorRange.MPEG
        codec.options = dict(_OPTIONS)
        try:
            codec.open()
        except av.FFmpegError as fault:
            raise EncoderFailed(f"VP9 at {width}x{height}: {fault}") from fault
        self._codec = codec
        self._blocks: dict[int, tuple[VideoFrame, VideoReformatter]] = {}
        self.card = self._neutral()
        self.picture = self._neutral()
        self._started_ns: int | None = None
        self._last_us = -1
        self._since_key = SinceKeyframe()
        self._encoded: VideoFrame | None = None
        self._same = 0
        """How many times in a row the frame encoded last was asked for again, unchanged."""
        self._repeat = b""
        """The packet that shows it once more."""

    def _neutral(self) -> VideoFrame:
        red, green, blue = NEUTRAL
        dot = VideoFrame(ALIGNMENT, ALIGNMENT, "bgr0")
        pixels = memoryview(dot.planes[0]).cast("B")
        pixels[:] = bytes((blue, green, red, 0)) * (len(pixels) // BYTES_PER_PIXEL)
        colour = _to_codec(VideoReformatter(), dot)
        frame = VideoFrame(self.width, self.height, "yuv420p")
        for plane, source in zip(frame.planes, colour.planes, strict=True):
            view = memoryview(plane).cast("B")
            view[:] = memoryview(source).cast("B")[:1].tobytes() * len(view)
        return frame

    def load(self, memory: memoryview, blocks: Iterable[int]) -> None:
        """Convert these blocks of the canvas's `memory` into `picture`."""
        self._encoded = None
        stride = self.width * BYTES_PER_PIXEL
        targets = [
            (memoryview(plane).cast("B"), plane.line_size, 1 if i == 0 else 2)
            for i, plane in enumerate(self.picture.planes)
        ]
        for block in blocks:
            top = block * ROW_BLOCK
            rows = min(ROW_BLOCK, self.height - top)
            if rows not in self._blocks:
                self._blocks[rows] = (VideoFrame(self.width, rows, "bgr0"), VideoReformatter())
            frame, reformatter = self._blocks[rows]
            memoryview(frame.planes[0]).cast("B")[: rows * stride] = memory[
                top * stride : (top + rows) * stride
            ]
            converted = _to_codec(reformatter, frame)
            for plane, (target, line, halved) in zip(converted.planes, targets, strict=True):
                start, size = top // halved * line, rows // halved * line
                target[start : start + size] = memoryview(plane).cast("B")[:size]

    def copy(self) -> VideoFrame:
        """`picture` as it is now, for the quarantine."""
        frame = VideoFrame(self.width, self.height, "yuv420p")
        for plane, source in zip(frame.planes, self.picture.planes, strict=True):
            memoryview(plane).cast("B")[:] = memoryview(source).cast("B")
        return frame

    def encode(self, frame: VideoFrame, at_ns: int, *, keyframe: bool) -> tuple[bytes, bool]:
        """The packet that shows `frame` from `at_ns` on, and whether it is a keyframe. Raises: EncoderFailed."""
        if self._started_ns is None:
            self._started_ns = at_ns
        due = self._since_key.due
        self._same = self._same + 1 if frame is self._encoded else 0
        self._encoded = frame
        if self._same > REFINED_AFTER and self._repeat and not keyframe and not due:
            self._since_key.add(len(self._repeat), keyframe=False, new=False)
            return self._repeat, False
        frame.pict_type = PictureType.I if keyframe or due else PictureType.NONE
        frame.pts = self._last_us = max((at_ns - self._started_ns) // 1000, self._last_us + 1)
        frame.time_base = MICROSECONDS
        try:
            packets = self._codec.encode(frame)
        except av.FFmpegError as fault:
            raise EncoderFailed(str(fault)) from fault
        if len(packets) != 1:
            raise EncoderFailed(f"{len(packets)} packets for one picture")
        data = bytes(packets[0])
        self._since_key.add(len(data), keyframe=packets[0].is_keyframe, new=self._same == 0)
        self._repeat = _show_again(data)
        return data, packets[0].is_keyframe


def _show_again(packet: bytes) -> bytes:
    """One byte that shows the frame of `packet` once more (`show_existing_frame`), b"" when no reference keeps it.

    VP9 Bitstream & Decoding Process Specification v0.6, 6.2: marker 10, profile 00, then show_existing_frame,
    frame_type, show_frame, error_resilient_mode; a shown inter frame goes on with reset_frame_context (2 bits) and
    refresh_frame_flags (8 bits). A keyframe refreshes every reference.
    """
    first = packet[0]
    if first & 0b1111_1011 == 0b1000_0010:
        return bytes([0b1000_1000])
    if first != 0b1000_0110:
        return b""
    refreshed = int.from_bytes(packet[1:3]) >> 6 & 0xFF
    return bytes([0b1000_1000 | (refreshed & -refreshed).bit_length() - 1]) if refreshed else b""


def _to_codec(reformatter: VideoReformatter, frame: VideoFrame) -> VideoFrame:
    return reformatter.reformat(
        frame,
        format="yuv420p",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=Interpolation.AREA,
        threads=1,
    )
