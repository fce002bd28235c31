"""Which windows there are, bottom to top, and the facts guard.py asks about one of them.

It knows how X and window managers keep windows (frames, WM_STATE, WM_TRANSIENT_FOR, desktops). It must never decide, and
keeps nothing about windows nobody asked for: no list, no title leaves it except the answer about one window (P6).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import xcffib
import xcffib.xproto

from workstation_client.capture.files import process_facts
from workstation_client.capture.x11_display import Display
from workstation_client.guard import ProcessFacts
from workstation_client.screen_saver import saves

MAX_FRAME_DEPTH = 4
"""How deep below a top-level window the application's own window may lie inside a window manager's frames."""
MAX_PROPERTY_WORDS = 1024
"""32-bit words of a property worth reading: titles and classes are short."""
MAX_TRANSIENT_CHAIN = 8
_ICONIC = 3
_ALL_DESKTOPS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class TopLevel:
    """A viewable child of the root window and the application's window in it."""

    top: int
    window: int
    unmanaged: bool
    """Override-redirect: menus, tooltips, and lock screens."""
    place: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Said:
    """What a window and its manager say about it in properties: it may narrow, never identify (P3)."""

    instance: str
    wm_class: str
    title: str | None
    iconified: bool
    here: bool


class Windows:
    """The desktop's top-level windows. `forget` whatever the server says has changed."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._window_of: dict[int, int] = {}

    def forget(self, top: int) -> None:
        self._window_of.pop(top, None)

    def stacked(self) -> list[TopLevel]:
        """Every viewable top-level window that can show something, bottom to top."""
        core = self._display.core
        tops = core.QueryTree(self._display.root).reply().children
        asked = [(top, core.GetWindowAttributes(top), core.GetGeometry(top)) for top in tops]
        seen = [(top, _reply(attributes), _reply(geometry)) for top, attributes, geometry in asked]
        found = []
        for top, attributes, geometry in seen:
            if (
                attributes is None
                or geometry is None
                or attributes._class != xcffib.xproto.WindowClass.InputOutput
            ):
                continue
            if attributes.map_state != xcffib.xproto.MapState.Viewable:
                continue
            edge = 2 * geometry.border_width
            place = (geometry.x, geometry.y, geometry.width + edge, geometry.height + edge)
            unmanaged = bool(attributes.override_redirect)
            window = self._application_window(top, unmanaged)
            found.append(TopLevel(top, window, unmanaged and window == top, place))
        return found

    def _application_window(self, top: int, unmanaged: bool) -> int:
        """The window below (or equal to) `top` that an application made: the first that carries a class or a state."""
        if top in self._window_of:
            return self._window_of[top]
        core, level = self._display.core, [top]
        for _ in range(MAX_FRAME_DEPTH):
            asked = [
                (w, self._ask(w, "WM_CLASS"), self._ask(w, "WM_STATE"), core.QueryTree(w)) for w in level
            ]
            level = []
            for window, name, state, tree in asked:
                answers = [_reply(name), _reply(state), _reply(tree)]
                if any(answer is not None and answer.type for answer in answers[:2]):
                    self._window_of[top] = window
                    return window
                if answers[2] is not None:
                    level.extend(answers[2].children)
            if unmanaged and not level:
                break
        return top

    def place_of(self, window: int) -> tuple[int, int] | None:
        """Where the window's inside begins on the screen."""
        try:
            there = self._display.core.TranslateCoordinates(window, self._display.root, 0, 0).reply()
        except xcffib.Error:
            return None
        return there.dst_x, there.dst_y

    def belongs_to(self, window: int, owner: int) -> bool | None:
        """Whether WM_TRANSIENT_FOR leads from `window` to `owner`; None when it is for nobody in particular."""
        first = True
        for _ in range(MAX_TRANSIENT_CHAIN):
            answer = _reply(self._ask(window, "WM_TRANSIENT_FOR"))
            words = (
                answer.value.to_atoms()
                if answer is not None and answer.format == 32 and answer.value_len
                else ()
            )
            if not words or words[0] in (0, self._display.root):
                return None if first else False
            if words[0] == owner:
                return True
            window, first = words[0], False
        return False

    def said(self, window: int) -> Said:
        """What properties say about `window` now; any change of it is told as a PropertyNotify."""
        names = ("WM_CLASS", "_NET_WM_NAME", "WM_NAME", "WM_STATE", "_NET_WM_DESKTOP")
        asked = {name: self._ask(window, name) for name in names}
        asked["_NET_CURRENT_DESKTOP"] = self._ask(self._display.root, "_NET_CURRENT_DESKTOP")
        answers = {name: _reply(cookie) for name, cookie in asked.items()}
        instance, _, wm_class = _text(answers["WM_CLASS"]).rstrip("\0").partition("\0")
        desktop, current = _word(answers["_NET_WM_DESKTOP"]), _word(answers["_NET_CURRENT_DESKTOP"])
        titles = [answers[name] for name in ("_NET_WM_NAME", "WM_NAME")]
        title = next((_text(answer) for answer in titles if answer is not None and answer.type), None)
        return Said(
            instance=instance,
            wm_class=wm_class,
            title=title,
            iconified=_word(answers["WM_STATE"]) == _ICONIC,
            here=desktop is None or current is None or desktop in (current, _ALL_DESKTOPS),
        )

    def titles(self, window: int) -> tuple[str, ...]:
        """What `window` calls itself now, in either property: they may differ. None of them when it is gone."""
        asked = [self._ask(window, name) for name in ("_NET_WM_NAME", "WM_NAME")]
        return tuple(_text(answer) for answer in map(_reply, asked) if answer is not None and answer.type)

    def owned(self, window: int, *, with_hash: bool) -> tuple[bool, ProcessFacts | None]:
        """Whether `window` is viewable now, and the process behind it, by the server's and the kernel's own knowledge."""
        process = self._display.ask_process(window)
        attributes = _reply(self._display.core.GetWindowAttributes(window))
        try:
            pid = self._display.process_answer(process)
        except xcffib.Error:
            pid = None
        viewable = attributes is not None and attributes.map_state == xcffib.xproto.MapState.Viewable
        return viewable, process_facts(pid, with_hash=with_hash) if pid is not None else None

    def screen_locked(self, above: Iterable[TopLevel]) -> bool:
        """P4: a program's screen saver runs, or an unmanaged window of somebody's covers the whole screen, as lockers do."""
        if self._display.saver is not None:
            answer = _reply(self._display.saver.QueryInfo(self._display.root))
            if answer is not None and saves(answer):
                return True
        width, height = self._display.size
        for other in above:
            x, y, w, h = other.place
            if other.unmanaged and x <= 0 and y <= 0 and x + w >= width and y + h >= height:
                return True
        return False

    def _ask(self, window: int, name: str) -> Any:
        return self._display.core.GetProperty(
            False, window, self._display.atom(name), 0, 0, MAX_PROPERTY_WORDS
        )


def _reply(cookie: Any) -> Any:
    """The answer, None when the window is gone."""
    try:
        return cookie.reply()
    except xcffib.Error:
        return None


def _text(answer: Any) -> str:
    return (
        bytes(answer.value.buf()).decode("utf-8", "replace")
        if answer is not None and answer.format == 8
        else ""
    )


def _word(answer: Any) -> int | None:
    if answer is None or answer.format != 32 or not answer.value_len:
        return None
    return int(answer.value.to_atoms()[0])
