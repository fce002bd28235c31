"""A client of an X server that is its screen saver, as xscreensaver or xss-lock are."""

from __future__ import annotations

import io
import struct

import xcffib
import xcffib.screensaver


def become_saver(connection: xcffib.Connection) -> None:
    """From now on this client's saver runs where the server's own blanking would (MIT-SCREEN-SAVER 1.1, SetAttributes)."""
    saver = connection(xcffib.screensaver.key)
    saver.QueryVersion(1, 1).reply()
    root = connection.get_setup().roots[0].root
    # SetAttributes is request 3; xcffib's own method for it does not work.
    request = struct.pack("=xx2xIhhHHHBBII", root, 0, 0, 10, 10, 0, 0, 0, 0, 0)
    saver.send_request(3, io.BytesIO(request), is_checked=True).check()
