"""No change of a window is overlooked, however the server's words arrive."""

from __future__ import annotations

import select

import xcffib.xproto

from tests.rig.desktop import Desktop, until
from workstation_client.capture.x11_display import Display


def test_an_event_that_was_read_with_an_answer_is_not_waited_for(desktop: Desktop) -> None:
    """The socket is empty then: who waits for it alone would miss a window's change until something else happens."""
    display = Display(desktop.display)
    core, window = display.core, display.new_id()
    kind = xcffib.xproto.WindowClass.InputOnly
    mask = [xcffib.xproto.EventMask.PropertyChange]
    core.CreateWindow(0, window, display.root, 0, 0, 1, 1, 0, kind, 0, xcffib.xproto.CW.EventMask, mask)
    name = display.atom("PBX_BRIDGE_TEST")
    while display.has_events():
        list(display.events())
    core.ChangeProperty(xcffib.xproto.PropMode.Replace, window, name, xcffib.xproto.Atom.CARDINAL, 32, 1, [1])
    core.GetInputFocus().reply()
    assert not select.select([display.connection.get_file_descriptor()], [], [], 0)[0]
    assert display.has_events()
    assert display.has_events(), "asking takes nothing away"
    assert [event.atom for event in display.events()] == [name]
    assert not display.has_events()


def test_a_lost_display_is_told_where_somebody_listens() -> None:
    with Desktop(window_manager=False) as short:
        display = Display(short.display)
        assert not display.has_events()
    until("the server is gone", display.has_events)
