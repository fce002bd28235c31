"""The sign on the screen that says a recording runs: a small window of the recording process itself, always on top.

It knows one window of its own and what lies above it. It must never know what is recorded. P14 lives here: `gone` ends the
recording, whoever took the sign away.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import xcffib
import xcffib.shape
import xcffib.xproto

from workstation_client.capture.x11_display import Display
from workstation_client.capture.x11_windows import TopLevel
from workstation_client.texts import Text, language, text

PADDING = 8
"""Pixels around the text."""
MAX_RAISES = 20
"""Times in a row the sign may be covered or moved within RAISE_WINDOW_NS before it counts as gone."""
RAISE_WINDOW_NS = 2_000_000_000
_FONTS = ("-*-*-bold-r-normal--15-*-*-*-c-*-iso8859-1", "fixed")
_BACKGROUND, _RED, _WHITE = 0x202328, 0xE03131, 0xFFFFFF


class Indicator:
    """P14: while recording, a visible sign drawn by the recording process; `gone` when it is no longer certainly visible."""

    def __init__(self, display: Display) -> None:
        self._display, self._language = display, language()
        self._window: int | None = None
        self._gc = 0
        self._text = Text.RECORDING
        self._place = (0, 0, 0, 0)
        self._raised: list[int] = []
        self._stack: Sequence[TopLevel] = ()
        self.gone = False

    @property
    def window(self) -> int | None:
        return self._window

    def show(self, which: Text) -> None:
        """Show this text, creating the sign when there is none."""
        if self._window is None:
            self._create()
        if which is not self._text:
            self._text = which
            self._draw()

    def _create(self) -> None:
        display, core = self._display, self._display.core
        font = self._font()
        facts = core.QueryFont(font).reply()
        longest = max(len(text(which, self._language)) for which in Text)
        height = facts.font_ascent + facts.font_descent + 2 * PADDING
        width = longest * facts.max_bounds.character_width + 2 * PADDING + height
        self._place = (max(0, (display.size[0] - width) // 2), 0, width, height)
        window = display.new_id()
        mask = xcffib.xproto.CW.BackPixel | xcffib.xproto.CW.OverrideRedirect | xcffib.xproto.CW.EventMask
        events = xcffib.xproto.EventMask.Exposure | xcffib.xproto.EventMask.StructureNotify
        events |= xcffib.xproto.EventMask.VisibilityChange
        kind = xcffib.xproto.WindowClass.InputOutput
        where = (display.root, *self._place, 0, kind, xcffib.xproto.WindowClass.CopyFromParent)
        core.CreateWindow(
            xcffib.xproto.WindowClass.CopyFromParent, window, *where, mask, [_BACKGROUND, 1, events]
        )
        name = b"pbx-bridge"
        core.ChangeProperty(
            xcffib.xproto.PropMode.Replace,
            window,
            xcffib.xproto.Atom.WM_NAME,
            xcffib.xproto.Atom.STRING,
            8,
            len(name),
            name,
        )
        self._gc = display.new_id()
        values = [_WHITE, _BACKGROUND, font]
        gc_mask = xcffib.xproto.GC.Foreground | xcffib.xproto.GC.Background | xcffib.xproto.GC.Font
        core.CreateGC(self._gc, window, gc_mask, values)
        core.CloseFont(font)
        self._shape = display.connection(xcffib.shape.key)
        self._shape.SelectInput(window, True)
        core.MapWindow(window)
        self._window, self.gone = window, False
        self._ascent = facts.font_ascent
        self._raised.clear()
        self.raise_up()
        self._draw()

    def _font(self) -> int:
        font = self._display.new_id()
        try:
            self._display.core.OpenFont(font, len(_FONTS[0]), _FONTS[0], is_checked=True).check()
        except xcffib.Error:
            font = self._display.new_id()
            self._display.core.OpenFont(font, len(_FONTS[1]), _FONTS[1])
        return font

    def _draw(self) -> None:
        if self._window is None:
            return
        core, height = self._display.core, self._place[3]
        words = text(self._text, self._language).encode("latin-1", "replace")
        core.ClearArea(False, self._window, 0, 0, 0, 0)
        foreground = xcffib.xproto.GC.Foreground
        core.ChangeGC(self._gc, foreground, [_RED if self._text is Text.RECORDING else _WHITE])
        side = height - 2 * PADDING
        dot = xcffib.xproto.ARC.synthetic(PADDING, PADDING, side, side, 0, 360 * 64)
        core.PolyFillArc(self._window, self._gc, 1, [dot])
        core.ChangeGC(self._gc, foreground, [_WHITE])
        core.ImageText8(len(words), self._window, self._gc, height, PADDING + self._ascent, words)
        self._display.connection.flush()

    def raise_up(self) -> None:
        """Back to its place, above everything."""
        if self._window is not None:
            x, y, width, height = self._place
            cw = xcffib.xproto.ConfigWindow
            mask = cw.X | cw.Y | cw.Width | cw.Height | cw.StackMode
            above = xcffib.xproto.StackMode.Above
            self._display.core.ConfigureWindow(self._window, mask, [x, y, width, height, above])
            self._display.connection.flush()

    def note(self, events: Iterable[Any], now_ns: int) -> None:
        """Take in what happened to the sign's window."""
        for event in events:
            if isinstance(event, xcffib.shape.NotifyEvent) and event.affected_window == self._window:
                self._whole_again(event, now_ns)
            if getattr(event, "window", None) != self._window or self._window is None:
                continue
            if isinstance(event, xcffib.xproto.UnmapNotifyEvent | xcffib.xproto.DestroyNotifyEvent):
                self.gone = True
            elif isinstance(event, xcffib.xproto.ReparentNotifyEvent):
                self.gone |= event.parent != self._display.root
            elif isinstance(event, xcffib.xproto.ExposeEvent):
                self._draw()
            elif isinstance(event, xcffib.xproto.VisibilityNotifyEvent):
                self._insist(now_ns, event.state != xcffib.xproto.Visibility.Unobscured)
            elif isinstance(event, xcffib.xproto.ConfigureNotifyEvent):
                self._insist(now_ns, (event.x, event.y, event.width, event.height) != self._place)

    def _whole_again(self, event: Any, now_ns: int) -> None:
        """Another client cut the sign's shape, to nothing maybe (X Nonrectangular Window Shape Extension)."""
        if event.shaped and self._window is not None and event.shape_kind != xcffib.shape.SK.Input:
            self._shape.Mask(xcffib.shape.SO.Set, event.shape_kind, self._window, 0, 0, 0)
            self._display.connection.flush()
            self._draw()
            self._insist(now_ns, True)

    def keep_above(self, stack: Sequence[TopLevel], now_ns: int) -> None:
        """With a compositing manager the server tells no visibility: whatever overlaps the sign from above counts."""
        if self._window is None or stack is self._stack:
            return
        self._stack, tops = stack, [seen.top for seen in stack]
        if self._window not in tops:
            self.gone = True
            return
        above = stack[tops.index(self._window) + 1 :]
        self._insist(now_ns, any(_overlap(seen.place, self._place) for seen in above))

    def _insist(self, now_ns: int, disturbed: bool) -> None:
        if not disturbed:
            return
        self._raised = [at for at in self._raised if now_ns - at < RAISE_WINDOW_NS] + [now_ns]
        if len(self._raised) > MAX_RAISES:
            self.gone = True
        else:
            self.raise_up()

    def hide(self) -> None:
        """The recording has ended: take the sign away."""
        if self._window is not None:
            self._display.core.DestroyWindow(self._window)
            self._display.core.FreeGC(self._gc)
            self._display.connection.flush()
        self._window, self.gone, self._text = None, False, Text.RECORDING


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return (
        one[0] < other[0] + other[2]
        and other[0] < one[0] + one[2]
        and one[1] < other[1] + other[3]
        and other[1] < one[1] + one[3]
    )
