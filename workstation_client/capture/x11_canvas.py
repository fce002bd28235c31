"""The recording's picture, put together on the X server: fixed size, only trusted pixels, everything else neutral.

The server copies, clips and scales; this process only asks for the rows that changed. It knows surfaces and where they
lie; it must never know why they may be shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import xcffib
import xcffib.render
import xcffib.xproto

from workstation_client.capture.base import BYTES_PER_PIXEL, NEUTRAL, ROW_BLOCK
from workstation_client.capture.painted import Rectangle
from workstation_client.capture.x11_display import LOST, Display, SharedMemory
from workstation_client.capture.x11_surface import MAX_RECTANGLES, Surface

_FIXED_POINT = 1 << 16
_SEAM = 2
"""Pixels a bilinear filter may reach beyond a scaled rectangle."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A surface and where its upper left corner lies on the stage."""

    surface: Surface
    x: int
    y: int


class Canvas:
    """A pixmap of the recording's size on the server, and the memory its rows are read into.

    A window larger than the canvas is put together on a stage of its own size and scaled from there: trust is decided at
    full size, so that no filter mixes an untrusted pixel in.
    """

    def __init__(self, display: Display, width: int, height: int) -> None:
        self._display, self.width, self.height = display, width, height
        self._region = display.new_region()
        self._pixmap, self._picture = self._surface(width, height)
        self._stage: tuple[int, int] | None = None
        self.stage_size = (width, height)
        size = width * height * BYTES_PER_PIXEL
        self._shared: SharedMemory | None = None
        if display.shm is not None:
            try:
                self._shared = SharedMemory(display, size)
            except (OSError, xcffib.Error):
                self._shared = None
        self.memory = self._shared.bytes if self._shared is not None else memoryview(bytearray(size))

    def _surface(self, width: int, height: int) -> tuple[int, int]:
        pixmap, picture = self._display.new_id(), self._display.new_id()
        self._display.core.CreatePixmap(self._display.root_depth, pixmap, self._display.root, width, height)
        self._display.render.CreatePicture(picture, pixmap, self._display.root_format, 0, [])
        return pixmap, picture

    def fit(self, width: int, height: int) -> bool:
        """Make the stage fit a window of this size. True when everything has to be put together anew."""
        larger = width > self.width or height > self.height
        wanted = (width, height) if larger else (self.width, self.height)
        if wanted == self.stage_size:
            return False
        self._fill(self._picture, [(0, 0, self.width, self.height)])
        self._drop_stage()
        self.stage_size = wanted
        if larger:
            self._stage = self._surface(width, height)
            # 1/scale, the same for both directions: the picture keeps its proportions
            step = max(width / self.width, height / self.height)
            one, fixed = _FIXED_POINT, round(step * _FIXED_POINT)
            matrix = xcffib.render.TRANSFORM.synthetic(fixed, 0, 0, 0, fixed, 0, 0, 0, one)
            self._display.render.SetPictureTransform(self._stage[1], matrix)
            self._display.render.SetPictureFilter(self._stage[1], len("bilinear"), "bilinear", 0, [])
        return True

    def compose(
        self, layers: Sequence[Layer], dirty: Iterable[Rectangle], masks: Iterable[Rectangle] = ()
    ) -> list[Rectangle]:
        """Put the dirty part of the stage together: neutral, then each layer's trusted pixels, bottom first, then `masks`.

        P7: masks are painted neutral at full size and over everything, before a pixel is scaled or leaves the server.
        Returns the rectangles of the canvas that may look different now.
        """
        display, (width, height) = self._display, self.stage_size
        rectangles = _clip(dirty, width, height)
        if not rectangles:
            return []
        stage = self._stage[1] if self._stage is not None else self._picture
        self._fill(stage, rectangles)
        for layer in layers:
            surface = layer.surface
            if surface.picture is None:
                continue
            moved = [
                xcffib.xproto.RECTANGLE.synthetic(x - layer.x, y - layer.y, w, h) for x, y, w, h in rectangles
            ]
            display.fixes.SetRegion(self._region, len(moved), moved)
            display.fixes.IntersectRegion(self._region, surface.trusted, self._region)
            display.fixes.SetPictureClipRegion(stage, self._region, layer.x, layer.y)
            how = xcffib.render.PictOp.Over if surface.translucent else xcffib.render.PictOp.Src
            place = (surface.border, surface.border, 0, 0, layer.x, layer.y, surface.width, surface.height)
            display.render.Composite(how, surface.picture, 0, stage, *place)
        if hidden := _clip(masks, width, height):
            self._fill(stage, hidden)
        return rectangles if self._stage is None else self._scale(rectangles)

    def _fill(self, picture: int, rectangles: list[Rectangle]) -> None:
        """Paint over, in the neutral colour; lifts the picture's clip."""
        wire = [xcffib.xproto.RECTANGLE.synthetic(*r) for r in rectangles]
        red, green, blue = (part * 257 for part in NEUTRAL)
        colour = xcffib.render.COLOR.synthetic(red, green, blue, 0xFFFF)
        self._display.fixes.SetPictureClipRegion(picture, 0, 0, 0)
        self._display.render.FillRectangles(xcffib.render.PictOp.Src, picture, colour, len(wire), wire)

    def _scale(self, rectangles: list[Rectangle]) -> list[Rectangle]:
        assert self._stage is not None
        display, (width, height) = self._display, self.stage_size
        step = max(width / self.width, height / self.height)
        left, top = min(r[0] for r in rectangles) / step, min(r[1] for r in rectangles) / step
        right, bottom = (
            max(r[0] + r[2] for r in rectangles) / step,
            max(r[1] + r[3] for r in rectangles) / step,
        )
        x, y = int(left) - _SEAM, int(top) - _SEAM
        reach = (int(right) + _SEAM - x, int(bottom) + _SEAM - y)
        [(x, y, w, h)] = _clip([(x, y, *reach)], int(width / step), int(height / step))
        display.render.Composite(
            xcffib.render.PictOp.Src, self._stage[1], 0, self._picture, x, y, 0, 0, x, y, w, h
        )
        return [(x, y, w, h)]

    def read(self, rectangles: Iterable[Rectangle]) -> tuple[int, ...]:
        """Bring the blocks of rows these rectangles touch into memory; which ones they were."""
        blocks = sorted(
            {b for _, y, _, h in rectangles for b in range(y // ROW_BLOCK, (y + h - 1) // ROW_BLOCK + 1)}
        )
        asked: list[tuple[Any, int]] = []
        for first, last in _runs(blocks):
            y, rows = first * ROW_BLOCK, min(last * ROW_BLOCK + ROW_BLOCK, self.height) - first * ROW_BLOCK
            offset, form = y * self.width * BYTES_PER_PIXEL, xcffib.xproto.ImageFormat.ZPixmap
            place = (self._pixmap, 0, y, self.width, rows, 0xFFFFFFFF)
            if self._shared is not None:
                cookie = self._display.shm.GetImage(*place, form, self._shared.segment, offset)
            else:
                cookie = self._display.core.GetImage(form, *place)
            asked.append((cookie, offset))
        for cookie, offset in asked:
            reply = cookie.reply()
            if self._shared is None:
                pixels = reply.data.buf()
                self.memory[offset : offset + len(pixels)] = pixels
        return tuple(blocks)

    def _drop_stage(self) -> None:
        if self._stage is not None:
            self._display.render.FreePicture(self._stage[1])
            self._display.core.FreePixmap(self._stage[0])
        self._stage = None

    def close(self) -> None:
        try:
            self._drop_stage()
            self._display.render.FreePicture(self._picture)
            self._display.core.FreePixmap(self._pixmap)
            self._display.fixes.DestroyRegion(self._region)
        except LOST:
            pass
        if self._shared is not None:
            self._shared.close()


def _clip(rectangles: Iterable[Rectangle], width: int, height: int) -> list[Rectangle]:
    """The parts inside width x height; too many pieces become their bounding box."""
    inside = []
    for x, y, w, h in rectangles:
        left, top, right, bottom = max(0, x), max(0, y), min(width, x + w), min(height, y + h)
        if right > left and bottom > top:
            inside.append((left, top, right - left, bottom - top))
    if len(inside) > MAX_RECTANGLES:
        left, top = min(r[0] for r in inside), min(r[1] for r in inside)
        right, bottom = max(r[0] + r[2] for r in inside), max(r[1] + r[3] for r in inside)
        return [(left, top, right - left, bottom - top)]
    return inside


def _runs(numbers: Sequence[int]) -> Iterable[tuple[int, int]]:
    """First and last of each unbroken run."""
    start = None
    for index, number in enumerate(numbers):
        if start is None:
            start = number
        if index + 1 == len(numbers) or numbers[index + 1] != number + 1:
            yield start, number
            start = None
