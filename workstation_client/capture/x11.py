"""Capture on X11: follows the allowed window and its own dialogs, and puts their trusted pixels on one canvas.

Joins x11_windows (which windows, what facts), guard (may it be seen), x11_surface (trusted pixels) and x11_canvas (one
picture). A picture counts only when, after its pixels were read, the window is still allowed and nothing about its windows
changed in between: the server delivers events in order, so whatever happened before the pixels were read is known by then.

It must never know a codec, a call or a lease.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import xcffib
import xcffib.damage
import xcffib.xproto

from pbx_bridge.programs import Kind, kind_of
from pbx_bridge.wire import ApplicationRule
from workstation_client.capture.base import Change, DisplayLost, Nothing, Shown, time_of
from workstation_client.capture.files import resolved
from workstation_client.capture.painted import Rectangle
from workstation_client.capture.x11_canvas import Canvas, Layer
from workstation_client.capture.x11_display import LOST, Display
from workstation_client.capture.x11_surface import Surface
from workstation_client.capture.x11_windows import Said, TopLevel, Windows
from workstation_client.guard import (
    Allowed,
    Refused,
    Verdict,
    Why,
    WindowFacts,
    masked,
    may_capture,
    telling_secrets,
)

MAX_RETRIES = 3
"""Readings in a row that may be thrown away because a window changed meanwhile; then the card is shown."""
SETTLE_NS = 40_000_000
"""Longest wait for an application to repaint itself after a binding; xterm, Tk and Chromium took 1 to 4 ms."""
GATHER_NS = 16_000_000
"""Damage is noted in steps of this between two pictures: finer than a viewer hears, and cheap."""
MAX_OWN_WINDOWS = 16
"""Dialogs and menus shown over the main window at once."""
_TELLING_PROPERTIES = (
    "_NET_CURRENT_DESKTOP",
    "_NET_WM_DESKTOP",
    "WM_STATE",
    "WM_CLASS",
    "WM_NAME",
    "_NET_WM_NAME",
)
"""Properties whose change can change the verdict; any may be forged, none can widen it (P3)."""
_NAMING_PROPERTIES = ("WM_CLASS", "WM_NAME", "_NET_WM_NAME")
_TREE_EVENTS = (
    xcffib.xproto.CreateNotifyEvent,
    xcffib.xproto.ReparentNotifyEvent,
    xcffib.xproto.MapNotifyEvent,
    xcffib.xproto.ConfigureNotifyEvent,
)


class X11Capture:
    """See base.Capture. Raises: CaptureUnavailable when opened on an unfit display, DisplayLost from any call later."""

    def __init__(self, display_name: str | None) -> None:
        self.display = display = Display(display_name)
        self._windows = Windows(display)
        self._rules: tuple[ApplicationRule, ...] = ()
        self._rule: ApplicationRule | None = None
        """The one that allows the main window."""
        self._with_hash = False
        self._main: Surface | None = None
        self._own: dict[int, Surface] = {}
        self._layers: list[Layer] = []
        self._canvas: Canvas | None = None
        self._stale_scene = True
        self._everything = True
        self._bound = False
        """A surface was bound since the last picture: its application is repainting."""
        self._changes: list[Change] = []
        """What was painted since the picture taken last."""
        self._gathered_ns = 0
        self._said: Said | None = None
        """What the shown window's properties say; None when they must be read anew."""
        self._tellers: set[int] = set()
        """Windows of the application beside the captured ones whose titles are followed (P7)."""
        self._stale_titles, self._secret = True, False
        self._why = Why.NO_WINDOW
        self.locked = False
        """Set from outside: the session is locked or disconnected as its manager tells."""
        self._screen_locked = False
        self.title_changes = 0
        """Counts what the shown window said about itself anew, its title included."""
        self.stack: list[TopLevel] = []
        """Top-level windows at the last look, bottom to top; the indicator keeps itself above them."""
        self._others: list[Any] = []
        self._telling = {display.atom(name) for name in _TELLING_PROPERTIES}
        self._naming = {display.atom(name) for name in _NAMING_PROPERTIES}
        mask = xcffib.xproto.EventMask.SubstructureNotify | xcffib.xproto.EventMask.PropertyChange
        display.core.ChangeWindowAttributes(display.root, xcffib.xproto.CW.EventMask, [mask])
        display.connection.flush()

    def fileno(self) -> int:
        return int(self.display.connection.get_file_descriptor())

    def has_events(self) -> bool:
        """Whether `pump` has something to take in; waiting for the socket alone would miss it."""
        return self.display.has_events()

    @property
    def screen_size(self) -> tuple[int, int]:
        return self.display.size

    @property
    def waiting(self) -> bool:
        """Whether there is something new to take."""
        return (
            self._stale_scene
            or bool(self._changes)
            or self.gather_due_ns is not None
            or (self._everything and self._main is not None)
        )

    def aim(self, rules: tuple[ApplicationRule, ...]) -> tuple[int, int] | None:
        self._rules = tuple(resolved(rule) for rule in rules)
        self._with_hash = any(rule.sha256 is not None for rule in rules)
        self._stale_scene = self._everything = self._stale_titles = True
        with self._living():
            self.pump()
            self._look()
            return (self._main.width, self._main.height) if self._main is not None else None

    def open_canvas(self, width: int, height: int) -> memoryview:
        with self._living():
            if self._canvas is not None:
                self._canvas.close()
            self._canvas = Canvas(self.display, width, height)
        self._everything = True
        return self._canvas.memory

    def look_again(self) -> None:
        """Look for windows anew at the next taking, whatever the server told meanwhile."""
        self._stale_scene = self._stale_titles = True

    def _settle(self) -> None:
        """After a binding, give the application a moment to repaint itself; what it has not painted by then stays neutral.

        Everything is read anew after a binding, so what changed meanwhile need not be kept.
        """
        self._bound = False
        deadline = time.monotonic_ns() + SETTLE_NS
        while not self._upset() and (left := deadline - time.monotonic_ns()) > 0:
            for layer in self._layers:
                layer.surface.gather(time.monotonic_ns())
            if all(layer.surface.complete for layer in self._layers):
                return
            if not self.has_events():
                select.select([self], [], [], left / 1e9)

    def forget_picture(self) -> None:
        """The next picture is read whole: the one before it was not used."""
        self._everything = True

    def pump(self) -> None:
        """Take in what the server told."""
        for event in self.display.events():
            if not self._note(event):
                self._others.append(event)

    def other_events(self) -> list[Any]:
        """What was told about other windows than the captured ones, since the last call: the indicator's."""
        self.pump()
        others, self._others = self._others, []
        return others

    def restack(self) -> None:
        """Look at the stack of windows only."""
        self._stale_titles = True
        with self._living():
            self.stack = self._windows.stacked()

    def tells_secret(self) -> bool:
        """P7: whether a window of the application, shown or not, says by its title that a secret is being told.

        Asked of the server only after something changed; windows of other programs may call themselves what they like.
        """
        if not any(rule.pause_titles for rule in self._rules):
            return False
        with self._living():
            self.pump()
            if self._stale_titles:
                self._stale_titles = False
                self._secret = self._find_secret()
        return self._secret

    def _find_secret(self) -> bool:
        kin = {surface.client for surface in self._surfaces}
        held = {window for surface in self._surfaces for window in surface.tree}
        told, stack = False, self._windows.stacked()
        self._tellers &= {seen.window for seen in stack}
        for seen in stack:
            own = self.display.client_of(seen.window) in kin
            if own and seen.window not in held | self._tellers:
                self._follow_title(seen.window)
            if fits := telling_secrets(self._windows.titles(seen.window), self._rules):
                told |= own or self._is_application(seen.window, fits)
        return told

    def _follow_title(self, window: int) -> None:
        self._tellers.add(window)
        follow = [xcffib.xproto.EventMask.PropertyChange]
        self.display.core.ChangeWindowAttributes(window, xcffib.xproto.CW.EventMask, follow)

    def _is_application(self, window: int, rules: tuple[ApplicationRule, ...]) -> bool:
        """P3's identity; that nobody can see the window now does not end a payment."""
        verdict = self._judge(window, rules)
        unseen = (Why.LOCKED, Why.HIDDEN, Why.OTHER_DESKTOP)
        return isinstance(verdict, Allowed) or verdict.why in unseen

    def _note(self, event: Any) -> bool:
        """Note one event. Whether it was about the stack or a captured window."""
        surfaces = self._surfaces
        if isinstance(event, xcffib.damage.NotifyEvent):
            for surface in surfaces:
                if event.damage == surface.damage and surface.damaged_ns is None:
                    surface.damaged_ns = self.display.monotonic_ns(event.timestamp)
            return True
        if isinstance(event, xcffib.xproto.PropertyNotifyEvent):
            if event.atom in self._telling:
                self._stale_scene, self._said, self._stale_titles = True, None, True
            if self._main is not None and event.window == self._main.window:
                self.title_changes += event.atom in self._naming
            return True
        reported_by = getattr(event, "event", getattr(event, "parent", None))
        subject = getattr(event, "window", None)
        if reported_by == self.display.root:
            self._windows.forget(subject or 0)
            self._stale_scene = self._stale_titles = True
        for surface in surfaces:
            if subject == surface.window:
                self._note_own(surface, event)
            elif isinstance(event, _TREE_EVENTS) and subject is not None and reported_by in surface.tree:
                surface.stale |= self.display.client_of(subject) != surface.client
                surface.tree_changed |= subject not in surface.tree
        if reported_by == self.display.root:
            return True
        return any(reported_by in surface.tree or subject in surface.tree for surface in surfaces)

    def _note_own(self, surface: Surface, event: Any) -> None:
        if isinstance(event, xcffib.xproto.ConfigureNotifyEvent):
            surface.stale |= (event.width, event.height) != (surface.width, surface.height)
            self._stale_scene = True
        elif isinstance(
            event,
            xcffib.xproto.MapNotifyEvent
            | xcffib.xproto.UnmapNotifyEvent
            | xcffib.xproto.ReparentNotifyEvent
            | xcffib.xproto.DestroyNotifyEvent,
        ):
            surface.stale = self._stale_scene = True

    @property
    def _surfaces(self) -> list[Surface]:
        return [surface for surface in (self._main, *self._own.values()) if surface is not None]

    @property
    def gather_due_ns(self) -> int | None:
        """When reported damage wants to be gathered; None when none is reported."""
        damaged = any(surface.damaged_ns is not None for surface in self._surfaces)
        return self._gathered_ns + GATHER_NS if damaged else None

    def gather(self, now_ns: int) -> None:
        """Note how much was painted when, between two pictures: the server tells of the next damage only after this."""
        due = self.gather_due_ns
        if due is not None and now_ns >= due:
            with self._living():
                self._gather(now_ns)

    def _gather(self, now_ns: int) -> None:
        self._gathered_ns = now_ns
        for surface in self._surfaces:
            if surface.damaged_ns is not None:
                self._changes.append(surface.gather(now_ns))

    def verdict(self) -> Verdict:
        """P4: whether the window of the picture last taken may still be seen, asked anew from the window system."""
        if self._main is None:
            return Refused(self._why)
        with self._living():
            return self._judge(self._main.window)

    def _judge(self, window: int, rules: tuple[ApplicationRule, ...] | None = None) -> Verdict:
        """Ask for the process each time; for the properties once one of them changed, which the server tells in order."""
        viewable, process = self._windows.owned(window, with_hash=self._with_hash)
        self.pump()
        shown = self._main is not None and window == self._main.window
        said = self._said if shown and self._said is not None else self._windows.said(window)
        if shown:
            self._said = said
        facts = WindowFacts(
            process=process,
            instance=said.instance,
            wm_class=said.wm_class,
            title=said.title,
            shown=viewable and not said.iconified,
            here=said.here,
            locked=self.locked or self._screen_locked,
        )
        return may_capture(facts, self._rules if rules is None else rules)

    def take(self) -> Shown | Nothing | None:
        with self._living():
            for _ in range(MAX_RETRIES):
                self.pump()
                if self._stale_scene:
                    self._look()
                if self._main is None:
                    return Nothing(self._why)
                for surface in (self._main, *self._own.values()):
                    if surface.tree_changed:
                        surface.walk_again()
                if self._bound:
                    self._settle()
                taken = self._read()
                if taken is not None and not self._upset():
                    return taken
                if taken is None and not self._upset():
                    return None
                self._everything = True
            return Nothing(Why.HIDDEN)

    def _upset(self) -> bool:
        """Whether something about the captured windows changed since they were read."""
        self.pump()
        if self._main is None:
            return True
        return any(surface.stale or surface.tree_changed for surface in (self._main, *self._own.values()))

    def _read(self) -> Shown | None:
        assert self._canvas is not None
        assert self._main is not None
        now = time.monotonic_ns()
        for surface in self._surfaces:
            self._changes.append(surface.gather(now))
        self._gathered_ns = now
        self._everything |= self._canvas.fit(self._main.width, self._main.height)
        if self._everything:
            dirty: list[Rectangle] = [(0, 0, *self._canvas.stage_size)]
        else:
            dirty = [
                (x + layer.x, y + layer.y, w, h)
                for layer in self._layers
                for x, y, w, h in layer.surface.dirty
            ]
        for surface in self._surfaces:
            surface.dirty = []
        changes, self._changes = self._changes, []
        touched = self._canvas.compose(self._layers, dirty, self._masks())
        if self._everything:
            touched = [(0, 0, self._canvas.width, self._canvas.height)]
        self._everything = False
        if not touched:
            return None
        blocks = self._canvas.read(touched)
        return Shown(time_of(changes, now), time.monotonic_ns(), blocks)

    def _masks(self) -> list[Rectangle]:
        """P7: of the main window; what lies over it there, a dialog or a menu of its own, is hidden too."""
        if self._main is None or self._rule is None:
            return []
        return masked(self._rule, self._rules, self._main.width, self._main.height)

    def _look(self) -> None:
        """Find the window to show, the uppermost allowed one, and its own dialogs and menus above it."""
        self._stale_scene = False
        before = [(layer.surface, layer.x, layer.y) for layer in self._layers]
        self.stack = self._windows.stacked()
        main = self._find_main()
        if main is None:
            self._let_go()
            return
        if self._main is None or self._main.window != main.window:
            self._let_go()
            self._main = Surface(self.display, main.window)
        if self._main.stale and not self._bind(self._main):
            self._let_go()
            self._why = Why.HIDDEN
            return
        self._follow_own(self._own_windows(main))
        self._lay_out()
        if [(layer.surface, layer.x, layer.y) for layer in self._layers] != before:
            self._everything = True
            area = self._main.width * self._main.height
            self._changes.append(Change(time.monotonic_ns(), area, area))

    def _find_main(self) -> TopLevel | None:
        nearest = Why.NO_WINDOW if self._rules else Why.NO_RULE
        order = list(Why)
        for index in range(len(self.stack) - 1, -1, -1):
            seen = self.stack[index]
            if seen.unmanaged:
                continue
            self._screen_locked = self._windows.screen_locked(self.stack[index + 1 :])
            verdict = self._judge(seen.window)
            if isinstance(verdict, Allowed):
                owner = self._windows.belongs_to(seen.window, 0)
                if owner is None:
                    self._rule, self._kind = verdict.rule, kind_of(verdict.rule.executable)
                    return seen
            else:
                nearest = max(nearest, verdict.why, key=order.index)
        self._why = nearest
        return None

    def _own_windows(self, main: TopLevel) -> list[TopLevel]:
        """The application's own dialogs and menus above `main`: made by the same X connection, and transient for it.

        A menu that is transient for nobody counts when that connection shows no other window it could belong to; a browser's
        never does (P5).
        """
        assert self._main is not None
        client = self._main.client
        same = [seen for seen in self.stack if self.display.client_of(seen.window) == client]
        others = [seen for seen in same if not seen.unmanaged and seen.window != main.window]
        kin = {
            seen.window: self._windows.belongs_to(seen.window, main.window)
            for seen in same
            if seen.window != main.window
        }
        alone = self._kind is not Kind.BROWSER and all(kin[seen.window] for seen in others)
        above = same[same.index(main) + 1 :]
        own = [
            seen
            for seen in above
            if kin[seen.window] or (kin[seen.window] is None and seen.unmanaged and alone)
        ]
        return own[-MAX_OWN_WINDOWS:]

    def _bind(self, surface: Surface) -> bool:
        self._bound = self._everything = True
        # What was read before the binding is not followed by PropertyNotify.
        self._said, self._stale_titles = None, True
        self._tellers.discard(surface.window)
        return surface.bind()

    def _follow_own(self, seen: list[TopLevel]) -> None:
        wanted = [one.window for one in seen]
        for gone in self._own.keys() - set(wanted):
            self._own.pop(gone).close()
        held = {window: self._own.get(window) or Surface(self.display, window) for window in wanted}
        self._own = {}
        for window, surface in held.items():
            if surface.stale and not self._bind(surface):
                surface.close()
            else:
                self._own[window] = surface

    def _lay_out(self) -> None:
        """Main window in the upper left corner; its own windows beside it as on the screen, moved inside where cut off."""
        assert self._main is not None
        origin = self._windows.place_of(self._main.window)
        self._layers = [Layer(self._main, 0, 0)]
        width, height = self._main.width, self._main.height
        if self._canvas is not None:
            width, height = max(width, self._canvas.width), max(height, self._canvas.height)
        for window, surface in self._own.items():
            place = self._windows.place_of(window)
            if origin is None or place is None:
                continue
            x, y = place[0] - origin[0], place[1] - origin[1]
            x, y = min(x, width - surface.width), min(y, height - surface.height)
            self._layers.append(Layer(surface, max(0, x), max(0, y)))

    def _let_go(self) -> None:
        for surface in (self._main, *self._own.values()):
            if surface is not None:
                surface.close()
        self._main, self._own, self._layers, self._changes = None, {}, [], []
        self._stale_titles = True
        self._everything = True

    def release(self) -> None:
        with self._living():
            self._let_go()
            if self._canvas is not None:
                self._canvas.close()
                self._canvas = None
            for window in self._tellers:
                self.display.core.ChangeWindowAttributes(window, xcffib.xproto.CW.EventMask, [0])
            self._tellers.clear()
            self._rules = ()

    def close(self) -> None:
        with suppress(DisplayLost):
            self.release()
        self.display.close()

    @contextmanager
    def _living(self) -> Iterator[None]:
        """Turns a lost connection into DisplayLost."""
        try:
            yield
        except LOST as fault:
            raise DisplayLost("the X server closed the connection") from fault
