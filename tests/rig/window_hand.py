"""A hand on other programs' windows: finds, moves, hides and closes them as a user or a pager would, and makes red ones."""

from __future__ import annotations

import struct
from typing import Any

import xcffib
import xcffib.res
import xcffib.shape
import xcffib.xproto

from tests.rig.desktop import Desktop, until

RED = 0xFF0000
_ICONIC = 3
_PAGER = 2
_CLIENT_MESSAGE = 33


class WindowHand:
    """On one desktop, over a connection of its own."""

    def __init__(self, desktop: Desktop) -> None:
        connection: Any = xcffib.connect(desktop.display)
        self._connection = connection
        self._core = connection.core
        self._res: Any = connection(xcffib.res.key)
        screen = connection.get_setup().roots[0]
        self.root: int = screen.root

    def __enter__(self) -> WindowHand:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.disconnect()

    def atom(self, name: str) -> int:
        return int(self._core.InternAtom(False, len(name), name).reply().atom)

    def find(
        self, wm_class: str, *, title: str | None = None, pid: int | None = None, within_s: float = 20.0
    ) -> int:
        """The uppermost mapped application window of that class (and title, and process, by XRes)."""

        def look() -> int | None:
            found = [w for w in self._tree(self.root) if self._fits(w, wm_class, title)]
            found = [w for w in found if pid is None or self._process_of(w) == pid]
            return found[-1] if found else None

        return until(f"a window of class {wm_class}", look, within_s)

    def _tree(self, window: int) -> list[int]:
        try:
            children = self._core.QueryTree(window).reply().children
        except xcffib.Error:
            return []
        return [w for child in children for w in (child, *self._tree(child))]

    def _fits(self, window: int, wm_class: str, title: str | None) -> bool:
        try:
            seen = self._core.GetWindowAttributes(window).reply()
            words = self.text(window, "WM_CLASS").split("\0")
            named = title is None or title in (
                self.text(window, "_NET_WM_NAME"),
                self.text(window, "WM_NAME"),
            )
        except xcffib.Error:
            return False
        return wm_class in words[:2] and named and seen.map_state == xcffib.xproto.MapState.Viewable

    def _process_of(self, window: int) -> int:
        spec = xcffib.res.ClientIdSpec.synthetic(window, xcffib.res.ClientIdMask.LocalClientPID)
        return int(self._res.QueryClientIds(1, [spec]).reply().ids[0].value[0])

    def set_text(self, window: int, name: str, text: str) -> None:
        words = text.encode()
        atom = xcffib.xproto.Atom.STRING
        self._core.ChangeProperty(0, window, self.atom(name), atom, 8, len(words), words)
        self._core.GetInputFocus().reply()

    def set_words(self, window: int, name: str, kind: str, *words: int) -> None:
        self._core.ChangeProperty(0, window, self.atom(name), self.atom(kind), 32, len(words), words)
        self._core.GetInputFocus().reply()

    def text(self, window: int, name: str) -> str:
        answer = self._core.GetProperty(False, window, self.atom(name), 0, 0, 1024).reply()
        return bytes(answer.value.buf()).decode("utf-8", "replace")

    def _managers_state(self, window: int) -> int | None:
        """WM_STATE, which the window manager keeps (ICCCM 4.1.3.1); None for a window that it does not manage."""
        atom = self.atom("WM_STATE")
        answer = self._core.GetProperty(False, window, atom, 0, 0, 2).reply()
        return int(answer.value.to_atoms()[0]) if answer.length else None

    def place(self, window: int) -> tuple[int, int, int, int]:
        shape = self._core.GetGeometry(window).reply()
        there = self._core.TranslateCoordinates(window, self.root, 0, 0).reply()
        return there.dst_x, there.dst_y, shape.width, shape.height

    def viewable(self, window: int) -> bool:
        try:
            seen = self._core.GetWindowAttributes(window).reply()
        except xcffib.Error:
            return False
        return bool(seen.map_state == xcffib.xproto.MapState.Viewable)

    def move(self, window: int, x: int, y: int, width: int | None = None, height: int | None = None) -> None:
        cw = xcffib.xproto.ConfigWindow
        mask, values = cw.X | cw.Y, [x, y]
        if width is not None and height is not None:
            mask, values = mask | cw.Width | cw.Height, [x, y, width, height]
        self._core.ConfigureWindow(window, mask, values)
        self._connection.flush()

    def raise_up(self, window: int) -> None:
        self._core.ConfigureWindow(
            window, xcffib.xproto.ConfigWindow.StackMode, [xcffib.xproto.StackMode.Above]
        )
        self._connection.flush()

    def iconify(self, window: int) -> None:
        """Asked for until it is: a window manager forgets what it is told of a window it has not taken over yet, and takes
        a window over by hiding it for a moment, so that being hidden alone says nothing."""

        def gone() -> bool:
            self._message(window, "WM_CHANGE_STATE", _ICONIC)
            return self._managers_state(window) == _ICONIC and not self.viewable(window)

        until("the window is iconified", gone)

    def restore(self, window: int) -> None:
        self._message(window, "_NET_ACTIVE_WINDOW", _PAGER)
        until("the window is back", lambda: self.viewable(window), 5)

    def close_window(self, window: int) -> None:
        self._message(window, "_NET_CLOSE_WINDOW", 0, _PAGER)
        until("the window is closed", lambda: not self.viewable(window), 5)

    def go_to_desktop(self, number: int) -> None:
        self._message(self.root, "_NET_CURRENT_DESKTOP", number)

        def there() -> bool:
            answer = self._core.GetProperty(
                False, self.root, self.atom("_NET_CURRENT_DESKTOP"), 0, 0, 1
            ).reply()
            return bool(answer.value_len) and answer.value.to_atoms()[0] == number

        until("the desktop is shown", there, 5)

    def _message(self, window: int, name: str, *values: int) -> None:
        words = [*values, 0, 0, 0, 0, 0][:5]
        event = struct.pack("=BB2xII5I", _CLIENT_MESSAGE, 32, window, self.atom(name), *words)
        mask = xcffib.xproto.EventMask.SubstructureRedirect | xcffib.xproto.EventMask.SubstructureNotify
        self._core.SendEvent(False, self.root, mask, event)
        self._connection.flush()

    def red_window(
        self,
        x: int,
        y: int,
        width: int,
        height: int,
        *,
        managed: bool = False,
        transient_for: int | None = None,
    ) -> int:
        """A foreign window that is red all over, at this place, on top; mapped when this returns."""
        cw, kind = xcffib.xproto.CW, xcffib.xproto.WindowClass
        window = self._connection.generate_id()
        mask = cw.BackPixel | cw.OverrideRedirect
        self._core.CreateWindow(
            0, window, self.root, x, y, width, height, 0, kind.InputOutput, 0, mask, [RED, int(not managed)]
        )
        names = b"foreign\0Foreign\0"
        atom = xcffib.xproto.Atom
        self._core.ChangeProperty(0, window, atom.WM_CLASS, atom.STRING, 8, len(names), names)
        if transient_for is not None:
            self._core.ChangeProperty(0, window, atom.WM_TRANSIENT_FOR, atom.WINDOW, 32, 1, [transient_for])
        self._core.MapWindow(window)
        self._connection.flush()
        until("the red window is mapped", lambda: self.viewable(window), 5)
        if managed:
            self.move(window, x, y)
        self.raise_up(window)
        self._core.GetInputFocus().reply()
        return int(window)

    def put_inside(self, window: int, parent: int, x: int, y: int) -> None:
        """Make one's own window a child of somebody else's, as embedding does."""
        self._core.ReparentWindow(window, parent, x, y)
        self._core.MapWindow(window)
        self._core.GetInputFocus().reply()

    def named(self, title: str) -> int:
        """A mapped top-level window of that WM_NAME."""

        def look() -> int | None:
            for window in self._core.QueryTree(self.root).reply().children:
                if self.viewable(window) and self.text(window, "WM_NAME") == title:
                    return int(window)
            return None

        return until(f"a window named {title}", look, 5)

    def is_above(self, window: int, other: int) -> bool:
        """Whether `window` is stacked above the top-level window that holds `other`."""
        tops = list(self._core.QueryTree(self.root).reply().children)
        while other not in tops:
            other = self._core.QueryTree(other).reply().parent
        return tops.index(window) > tops.index(other)

    def unmap(self, window: int) -> None:
        self._core.UnmapWindow(window)
        self._core.GetInputFocus().reply()

    def shape_away(self, window: int) -> None:
        """Leaves nothing of another client's window to see, without unmapping, moving or covering it."""
        shape = self._connection(xcffib.shape.key)
        shape.Rectangles(xcffib.shape.SO.Set, xcffib.shape.SK.Bounding, 0, window, 0, 0, 0, [])
        self._core.GetInputFocus().reply()

    def is_whole(self, window: int) -> bool:
        """Whether the window has no shape of its own."""
        shape = self._connection(xcffib.shape.key)
        return not shape.QueryExtents(window).reply().bounding_shaped

    def destroy(self, window: int) -> None:
        self._core.DestroyWindow(window)
        self._core.GetInputFocus().reply()
