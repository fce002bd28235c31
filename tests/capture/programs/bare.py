"""An application as hard on a capturer as can be: its window has no background, so the server paints nothing for it.

Blue, with a counter made of small squares; it repaints only what it is asked to. Runs until its window is closed.
"""

from __future__ import annotations

import select
import sys
from typing import Any

import xcffib
import xcffib.xproto

BLUE, WHITE = 0x2040C0, 0xFFFFFF
TICK_S = 0.05


def main() -> None:
    x, y, width, height = (int(word) for word in sys.argv[1:5])
    connection: Any = xcffib.connect()
    core, root = connection.core, connection.get_setup().roots[0].root
    window, gc = connection.generate_id(), connection.generate_id()
    cw, events = xcffib.xproto.CW, xcffib.xproto.EventMask
    mask = events.Exposure | events.StructureNotify
    core.CreateWindow(0, window, root, x, y, width, height, 0, 1, 0, cw.EventMask, [mask])
    atom = xcffib.xproto.Atom
    core.ChangeProperty(0, window, atom.WM_CLASS, atom.STRING, 8, 10, b"bare\0Bare\0")
    core.ChangeProperty(
        0, window, atom.WM_NORMAL_HINTS, atom.WM_SIZE_HINTS, 32, 18, [1, x, y, width, height, *[0] * 13]
    )
    core.CreateGC(gc, window, xcffib.xproto.GC.Foreground, [BLUE])
    core.MapWindow(window)
    connection.flush()
    count = 0
    while True:
        select.select([connection.get_file_descriptor()], [], [], TICK_S)
        while (event := connection.poll_for_event()) is not None:
            if isinstance(event, xcffib.xproto.ExposeEvent):
                place = xcffib.xproto.RECTANGLE.synthetic(event.x, event.y, event.width, event.height)
                core.ChangeGC(gc, xcffib.xproto.GC.Foreground, [BLUE])
                core.PolyFillRectangle(window, gc, 1, [place])
            elif isinstance(event, xcffib.xproto.DestroyNotifyEvent):
                return
        count += 1
        squares = [xcffib.xproto.RECTANGLE.synthetic(8 + 12 * bit, 8, 10, 10) for bit in range(16)]
        for bit, square in enumerate(squares):
            core.ChangeGC(gc, xcffib.xproto.GC.Foreground, [WHITE if count >> bit & 1 else BLUE])
            core.PolyFillRectangle(window, gc, 1, [square])
        connection.flush()


if __name__ == "__main__":
    main()
