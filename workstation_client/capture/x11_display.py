"""One connection to an X server, with the extensions capture needs; and memory shared with that server.

It knows requests, formats and clocks of X. It must never know rules, pictures of a recording or a codec.
"""

from __future__ import annotations

import ctypes
import os
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import xcffib
import xcffib.composite
import xcffib.damage
import xcffib.render
import xcffib.res
import xcffib.screensaver
import xcffib.shape
import xcffib.shm
import xcffib.xfixes
import xcffib.xproto

from workstation_client.capture.base import CaptureUnavailable, DisplayLost

_NEEDED = ("Composite", "DAMAGE", "XFIXES", "RENDER", "X-Resource")
_IPC_CREAT_PRIVATE = 0o1000 | 0o600
_MILLISECONDS_WRAP = 1 << 32

LOST: tuple[type[BaseException], ...] = (xcffib.ConnectionException, OSError)
"""What xcffib raises once the server is gone."""


class Display:
    """A connection, its root window and what was agreed with the server.

    Raises: CaptureUnavailable when there is no server, or one without per-window capture.
    """

    def __init__(self, name: str | None) -> None:
        try:
            connection: Any = xcffib.connect(name)
        except xcffib.ConnectionException as fault:
            shown = name or os.environ.get("DISPLAY", "")
            raise CaptureUnavailable(
                f"no X display at {shown!r}; is DISPLAY set, and the session an Xorg one?"
            ) from fault
        self.connection, self.core = connection, connection.core
        self._check_extensions()
        self.composite = connection(xcffib.composite.key)
        self.damage = connection(xcffib.damage.key)
        self.fixes = connection(xcffib.xfixes.key)
        self.render = connection(xcffib.render.key)
        self.res = connection(xcffib.res.key)
        self.composite.QueryVersion(0, 4).reply()
        self.damage.QueryVersion(1, 1).reply()
        self.fixes.QueryVersion(5, 0).reply()
        self.render.QueryVersion(0, 11).reply()
        self.res.QueryVersion(1, 2).reply()
        setup = connection.get_setup()
        screen = setup.roots[connection.pref_screen]
        self.root: int = screen.root
        self.root_depth: int = screen.root_depth
        self.size: tuple[int, int] = (screen.width_in_pixels, screen.height_in_pixels)
        self._client_mask: int = 0xFFFFFFFF & ~setup.resource_id_mask
        deep = [f for f in setup.pixmap_formats if f.depth == self.root_depth]
        if self.root_depth != 24 or not deep or deep[0].bits_per_pixel != 32 or setup.image_byte_order != 0:
            raise CaptureUnavailable(
                "the screen must have 24-bit colour in 32-bit little-endian pixels (the usual depth)"
            )
        self._read_ahead: Any = None
        self._read_formats(screen.root_visual)
        self._atoms: dict[str, int] = {}
        self._fastest_ms: int | None = None
        self._check_own_process()

    def _check_extensions(self) -> None:
        asked = {
            name: self.core.QueryExtension(len(name), name)
            for name in (*_NEEDED, "MIT-SHM", "MIT-SCREEN-SAVER")
        }
        present = {name for name, cookie in asked.items() if cookie.reply().present}
        missing = [name for name in _NEEDED if name not in present]
        if missing:
            raise CaptureUnavailable(
                f"this X server has no {', '.join(missing)}: one window alone cannot be recorded from it"
            )
        self.shm: Any = self.connection(xcffib.shm.key) if "MIT-SHM" in present else None
        self.saver: Any = self.connection(xcffib.screensaver.key) if "MIT-SCREEN-SAVER" in present else None

    def _read_formats(self, root_visual: int) -> None:
        reply = self.render.QueryPictFormats().reply()
        direct = {f.id: f for f in reply.formats}
        self.formats: dict[int, int] = {}
        """RENDER's format of each visual."""
        for screen in reply.screens:
            for depth in screen.depths:
                self.formats.update({visual.visual: visual.format for visual in depth.visuals})
        self.translucent: set[int] = {f.id for f in direct.values() if f.direct.alpha_mask}
        self.root_format = self.formats[root_visual]

    def _check_own_process(self) -> None:
        """P3: XRes must tell *our* process right, else it is not believed about others (forwarding, containers)."""
        # The server tells a connection by the bits of an id, whether or not something has it.
        if self.process_of(self.new_id()) != os.getpid():
            raise CaptureUnavailable(
                "the X server does not know this process (forwarded display, or another container)"
            )

    def process_of(self, window: int) -> int | None:
        """The process whose connection made `window`, by the server's own knowledge of its socket (X-Resource 1.2)."""
        return self.process_answer(self.ask_process(window))

    def ask_process(self, window: int) -> Any:
        spec = xcffib.res.ClientIdSpec.synthetic(window, xcffib.res.ClientIdMask.LocalClientPID)
        return self.res.QueryClientIds(1, [spec])

    def process_answer(self, cookie: Any) -> int | None:
        for found in cookie.reply().ids:
            if found.spec.mask == xcffib.res.ClientIdMask.LocalClientPID and found.length:
                return int(found.value[0])
        return None

    def client_of(self, resource: int) -> int:
        """Which X connection made a resource: the part of its id that the server gives out."""
        return resource & self._client_mask

    def atom(self, name: str) -> int:
        if name not in self._atoms:
            self._atoms[name] = self.core.InternAtom(False, len(name), name).reply().atom
        return self._atoms[name]

    def new_id(self) -> int:
        return int(self.connection.generate_id())

    def new_region(self) -> int:
        region = self.new_id()
        self.fixes.CreateRegion(region, 0, [])
        return region

    def events(self) -> Iterator[Any]:
        """What has arrived, without waiting. Errors of requests nobody waits for are dropped: windows vanish at any time."""
        while (event := self._next_event()) is not None:
            yield event

    def has_events(self) -> bool:
        """Whether `events` has something to tell. Ask before waiting on the socket: while an answer was read, events that
        came before it were read as well, and the socket wakes nobody for them."""
        try:
            self._read_ahead = self._next_event()
        except DisplayLost:
            return True  # `events` says so where somebody listens
        return self._read_ahead is not None

    def _next_event(self) -> Any:
        event, self._read_ahead = self._read_ahead, None
        while event is None:
            try:
                return self.connection.poll_for_event()
            except xcffib.ConnectionException as fault:
                raise DisplayLost from fault
            except (xcffib.XcffibException, LookupError, struct.error):
                continue  # a window that vanished, or a made-up event some client sent us
        return event

    def monotonic_ns(self, server_ms: int) -> int:
        """CLOCK_MONOTONIC of a server time stamp, to the millisecond: late reading of an event does not shift its time.

        The stamp that arrived fastest so far fixes the offset between the two clocks.
        """
        now_ns = time.monotonic_ns()
        behind = (now_ns // 1_000_000 - server_ms) % _MILLISECONDS_WRAP
        if (
            self._fastest_ms is None
            or (behind - self._fastest_ms) % _MILLISECONDS_WRAP >= _MILLISECONDS_WRAP // 2
        ):
            self._fastest_ms = behind
        return now_ns - ((behind - self._fastest_ms) % _MILLISECONDS_WRAP) * 1_000_000

    def close(self) -> None:
        try:
            self.connection.disconnect()
        except LOST:
            return


class SharedMemory:
    """A System V segment the X server writes pictures into: 0600, and removed as soon as both sides hold it.

    Raises: OSError or xcffib.Error when server and client share no memory (then pictures come over the socket).
    """

    def __init__(self, display: Display, size: int) -> None:
        self._display, self._libc = display, ctypes.CDLL(None, use_errno=True)
        self._libc.shmat.restype = ctypes.c_void_p
        self._libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
        self._libc.shmget.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_int]
        self._libc.shmdt.argtypes = [ctypes.c_void_p]
        handle = self._libc.shmget(0, size, _IPC_CREAT_PRIVATE)
        if handle < 0:
            raise OSError(ctypes.get_errno(), "shmget")
        self._address = self._libc.shmat(handle, None, 0)
        self.segment = display.new_id()
        try:
            if self._address == ctypes.c_void_p(-1).value:
                raise OSError(ctypes.get_errno(), "shmat")
            display.shm.Attach(self.segment, handle, False, is_checked=True).check()
        finally:
            self._libc.shmctl(handle, 0, None)
        self.bytes = memoryview((ctypes.c_uint8 * size).from_address(self._address)).cast("B")

    def close(self) -> None:
        """Give the memory back. Views of it must be gone by now."""
        with suppress(*LOST):
            self._display.shm.Detach(self.segment)
        self.bytes.release()
        self._libc.shmdt(self._address)
