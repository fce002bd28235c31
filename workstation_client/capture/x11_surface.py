"""One window's own surface, and which part of it is certainly the application's own painting.

Theory. A redirected window has a pixmap of its own (Composite), so nothing in front of it enters. But the server *fills* a
new pixmap with whatever the screen shows at that place, so a hung application would show the window that covers it
(measured: facts on capture). Therefore a pixel is trusted only once XDamage reported it painted after this binding:

    grab server, redirect, name pixmap, forget old damage, ask the whole window tree to repaint, ungrab;
    trusted = {} ; at every reading: trusted |= damage reported since

A resize or remap gives a new pixmap: the binding is made anew and trust starts from nothing. Windows of *other* clients
inside the tree (embedded, or reparented into it) are never trusted.

It knows one window id and regions in that window's coordinates. It must never know rules, other windows or the canvas.
"""

from __future__ import annotations

import xcffib
import xcffib.composite
import xcffib.damage
import xcffib.xproto

from workstation_client.capture.base import Change
from workstation_client.capture.painted import Painted, Rectangle
from workstation_client.capture.x11_display import Display

MAX_TREE = 4096
"""Windows in one tree that are followed; an application with more is not bound."""
MAX_RECTANGLES = 64
"""A damage of more pieces is read as its bounding box: fetching is cheaper than counting."""
_FOLLOWED = xcffib.xproto.EventMask.StructureNotify | xcffib.xproto.EventMask.SubstructureNotify
_FOLLOWED_TOP = _FOLLOWED | xcffib.xproto.EventMask.PropertyChange


class Surface:
    """The pixmap, the damage and the trusted region of `window`."""

    def __init__(self, display: Display, window: int) -> None:
        self._display, self.window = display, window
        self.client = display.client_of(window)
        self.width = self.height = self.border = 0
        self.complete = False
        self.stale = True
        """The binding no longer fits the window: bind before reading."""
        self.tree_changed = False
        """A window appeared somewhere in the tree: walk it again before reading."""
        self.tree: set[int] = {window}
        self.picture: int | None = None
        self.translucent = False
        self._pixmap: int | None = None
        self._redirected = False
        self._foreign: list[Rectangle] = []
        self.damaged_ns: int | None = None
        """When the server reported damage that is not gathered yet."""
        self.dirty: list[Rectangle] = []
        """What changed since the picture taken last, in window coordinates."""
        self._painted = Painted()
        self.trusted = display.new_region()
        self._news = display.new_region()
        self.damage = display.new_id()
        display.damage.Create(self.damage, window, xcffib.damage.ReportLevel.NonEmpty)

    def bind(self) -> bool:
        """Take hold of the window's present pixmap, trusting nothing of it yet. False when it has none (gone, unmapped)."""
        display = self._display
        self._drop_pixmap()
        self.stale, self.complete = False, False
        display.core.GrabServer()
        try:
            return self._bind_alone()
        except xcffib.Error:
            return False
        finally:
            display.core.UngrabServer()
            display.connection.flush()

    def _bind_alone(self) -> bool:
        display = self._display
        attributes, geometry = (
            display.core.GetWindowAttributes(self.window),
            display.core.GetGeometry(self.window),
        )
        seen, shape = attributes.reply(), geometry.reply()
        if not self._redirected:
            redirect = xcffib.composite.Redirect.Automatic
            display.composite.RedirectWindow(self.window, redirect, is_checked=True).check()
            self._redirected = True
        if seen.map_state != xcffib.xproto.MapState.Viewable:
            return False
        pixmap = display.new_id()
        display.composite.NameWindowPixmap(self.window, pixmap, is_checked=True).check()
        self._pixmap = pixmap
        self.width, self.height, self.border = shape.width, shape.height, shape.border_width
        form = display.formats[seen.visual]
        self.translucent = form in display.translucent
        self.picture = display.new_id()
        display.render.CreatePicture(self.picture, pixmap, form, 0, [])
        display.damage.Subtract(self.damage, 0, 0)
        display.fixes.SetRegion(self.trusted, 0, [])
        if not self._walk():
            return False
        for window in self.tree:
            display.core.ClearArea(True, window, 0, 0, 0, 0)
        return True

    def _walk(self) -> bool:
        """Find the window's tree, follow changes in it, and note where other clients' windows sit in it."""
        display = self._display
        self.tree_changed = False
        self.tree, self._foreign = {self.window}, []
        level = [(self.window, 0, 0)]
        while level:
            for window, _, _ in level:
                followed = _FOLLOWED_TOP if window == self.window else _FOLLOWED
                display.core.ChangeWindowAttributes(window, xcffib.xproto.CW.EventMask, [followed])
            asked = [(display.core.QueryTree(window), x, y) for window, x, y in level]
            level = []
            for children, x, y in asked:
                found = [(child, display.core.GetGeometry(child)) for child in children.reply().children]
                for child, cookie in found:
                    try:
                        place = cookie.reply()
                    except xcffib.Error:
                        continue
                    left, top, edge = x + place.x, y + place.y, place.border_width
                    if display.client_of(child) != self.client:
                        self._foreign.append((left, top, place.width + 2 * edge, place.height + 2 * edge))
                    else:
                        self.tree.add(child)
                        level.append((child, left + edge, top + edge))
            if len(self.tree) > MAX_TREE:
                return False
        return True

    def walk_again(self) -> None:
        """After `tree_changed`: follow new windows too; a foreign one among them makes the binding stale."""
        before = list(self._foreign)
        try:
            self.stale |= not self._walk() or self._foreign != before
        except xcffib.Error:
            self.stale = True

    def gather(self, now_ns: int) -> Change:
        """Take what was painted since the last time, reported when `damaged_ns` says or found `now_ns`, into the trusted and
        the dirty part.

        Damage is cleared before pixels are read: what is painted in between is reported again, never lost.
        """
        display, at_ns = self._display, now_ns if self.damaged_ns is None else self.damaged_ns
        self.damaged_ns = None
        display.damage.Subtract(self.damage, 0, self._news)
        if not self.complete:
            display.fixes.UnionRegion(self.trusted, self._news, self.trusted)
            if self._foreign:
                self._distrust_foreign()
        asked = display.fixes.FetchRegion(self._news)
        trusted = None if self.complete else display.fixes.FetchRegion(self.trusted).reply()
        if trusted is not None and not self._foreign:
            whole = [(r.x, r.y, r.width, r.height) for r in trusted.rectangles]
            self.complete = whole == [(0, 0, self.width, self.height)]
        changed = asked.reply()
        pieces = changed.rectangles if len(changed.rectangles) <= MAX_RECTANGLES else [changed.extents]
        found = [(r.x, r.y, r.width, r.height) for r in pieces if r.width and r.height]
        self.dirty += found
        news = self._painted.news(at_ns, found) if found else 0
        return Change(at_ns, sum(width * height for _, _, width, height in found), news)

    def _distrust_foreign(self) -> None:
        region = self._display.new_region()
        rectangles = [xcffib.xproto.RECTANGLE.synthetic(*place) for place in self._foreign]
        self._display.fixes.SetRegion(region, len(rectangles), rectangles)
        self._display.fixes.SubtractRegion(self.trusted, region, self.trusted)
        self._display.fixes.DestroyRegion(region)

    def _drop_pixmap(self) -> None:
        if self.picture is not None:
            self._display.render.FreePicture(self.picture)
        if self._pixmap is not None:
            self._display.core.FreePixmap(self._pixmap)
        self.picture = self._pixmap = None

    def close(self) -> None:
        """Leave the window as it was. It may be gone already: the server's complaints about that are dropped."""
        display = self._display
        self._drop_pixmap()
        for window in self.tree:
            display.core.ChangeWindowAttributes(window, xcffib.xproto.CW.EventMask, [0])
        if self._redirected:
            display.composite.UnredirectWindow(self.window, xcffib.composite.Redirect.Automatic)
        display.damage.Destroy(self.damage)
        display.fixes.DestroyRegion(self.trusted)
        display.fixes.DestroyRegion(self._news)
        display.connection.flush()
