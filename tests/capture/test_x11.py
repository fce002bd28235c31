"""The X capture itself, in this process, on a real X server with a real application: what it may see, masks and pauses.

It has the rights of the desktop's user, as always: root could change every program, so for root nothing is allowed (P3).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pbx_bridge.wire import ApplicationRule, Mask
from tests.capture.test_masks import tell
from tests.rig.desktop import Desktop, until
from tests.rig.install import SYSTEM_PYTHON
from tests.rig.screen_saver import become_saver
from tests.rig.window_hand import WindowHand
from workstation_client.capture.base import NEUTRAL, CaptureUnavailable, Nothing, Shown
from workstation_client.capture.x11 import X11Capture
from workstation_client.capture.x11_display import Display
from workstation_client.capture.x11_windows import TopLevel, Windows
from workstation_client.guard import Allowed, Refused, Verdict, Why

BLUE = (0x20, 0x40, 0xC0)
WIDTH, HEIGHT = 480, 360
Asked = subprocess.Popen[bytes]
RELAY = """
import os, select, socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
print("ready", flush=True)
here, _ = listening.accept()
there = socket.socket(socket.AF_UNIX)
there.connect(sys.argv[2])
while True:
    for one, other in ((here, there), (there, here)):
        if select.select([one], [], [], 0.005)[0]:
            data = one.recv(65536)
            if not data:
                sys.exit()
            other.sendall(data)
"""
"""Stands between a client and its X server, as forwarding does: the server sees the relay's process."""


@contextmanager
def users_rights(desktop: Desktop) -> Iterator[None]:
    os.setegid(desktop.user.pw_gid)
    os.seteuid(desktop.user.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


class UsersCapture(X11Capture):
    """Each question asked with the rights of the desktop's user."""

    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop
        with users_rights(desktop):
            super().__init__(desktop.display)

    def aim(self, rules: tuple[ApplicationRule, ...]) -> tuple[int, int] | None:
        with users_rights(self._desktop):
            return super().aim(rules)

    def open_canvas(self, width: int, height: int) -> memoryview:
        with users_rights(self._desktop):
            return super().open_canvas(width, height)

    def take(self) -> Shown | Nothing | None:
        with users_rights(self._desktop):
            return super().take()

    def verdict(self) -> Verdict:
        with users_rights(self._desktop):
            return super().verdict()

    def tells_secret(self) -> bool:
        with users_rights(self._desktop):
            return super().tells_secret()


@pytest.fixture
def capture(desktop: Desktop) -> Iterator[X11Capture]:
    opened = UsersCapture(desktop)
    yield opened
    opened.close()


def aimed(capture: X11Capture, rule: ApplicationRule) -> None:
    """Once the window stands where it will stay: a window manager may still be moving it."""
    until("the application is found", lambda: capture.aim((rule,)) == (WIDTH, HEIGHT))


def is_allowed(capture: X11Capture) -> bool:
    return isinstance(capture.verdict(), Allowed)


def why(capture: X11Capture) -> Why | None:
    verdict = capture.verdict()
    return verdict.why if isinstance(verdict, Refused) else None


# ---- P4: whether it may still be seen


def test_the_application_may_be_seen_until_it_may_not(
    capture: X11Capture, desk: Asked, desk_rule: ApplicationRule, hand: WindowHand, desktop: Desktop
) -> None:
    assert capture.verdict() == Refused(Why.NO_WINDOW)
    aimed(capture, desk_rule)
    allowed = capture.verdict()
    assert isinstance(allowed, Allowed)
    assert allowed.rule.name == "desk"
    window = hand.find("Desk")
    hand.iconify(window)
    until("it is hidden", lambda: why(capture) is Why.HIDDEN)
    hand.restore(window)
    until("it is back", lambda: is_allowed(capture))
    capture.locked = True
    assert why(capture) is Why.LOCKED
    capture.locked = False
    desktop.end(desk)
    until("it is gone", lambda: why(capture) in (Why.PROCESS_UNKNOWN, Why.HIDDEN))


def test_root_may_see_nothing(desktop: Desktop, desk: Asked, desk_rule: ApplicationRule) -> None:
    """Control for every test here: the same window, the same rule."""
    opened = X11Capture(desktop.display)
    assert opened.aim((desk_rule,)) is None
    assert opened.verdict() == Refused(Why.PROGRAM_CHANGEABLE)
    opened.close()


# ---- P7: masks


def picture(capture: X11Capture) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    memory = capture.open_canvas(WIDTH, HEIGHT)

    def painted() -> bool:
        capture.forget_picture()
        assert not isinstance(capture.take(), Nothing)
        seen = np.frombuffer(memory, np.uint8).reshape(HEIGHT, WIDTH, 4)
        return bool((seen[340, 470, :3] == BLUE[::-1]).all())

    until("the window's own colour", painted)
    return np.frombuffer(memory, np.uint8).reshape(HEIGHT, WIDTH, 4)[:, :, 2::-1].copy()


def test_a_masked_part_is_neutral_and_the_rest_is_not(
    capture: X11Capture, desk: Asked, desk_rule: ApplicationRule
) -> None:
    aimed(capture, replace(desk_rule, masks=(Mask(100, 200, 150, 60),)))
    seen = picture(capture)
    assert (seen[200:260, 100:250] == NEUTRAL).all()
    beside = (seen[199, 100:250], seen[260, 100:250], seen[200:260, 99], seen[200:260, 250])
    assert all((edge == BLUE).all() for edge in beside)


def test_without_a_mask_nothing_is_neutral(
    capture: X11Capture, desk: Asked, desk_rule: ApplicationRule
) -> None:
    aimed(capture, desk_rule)
    assert (picture(capture)[200:260, 100:250] == BLUE).all()


def test_where_nothing_is_shown_nothing_is_masked(capture: X11Capture, desk_rule: ApplicationRule) -> None:
    assert capture.aim((replace(desk_rule, masks=(Mask(0, 0, 10, 10),)),)) is None
    assert capture._masks() == []
    capture.open_canvas(WIDTH, HEIGHT)
    assert capture.take() == Nothing(Why.NO_WINDOW)


# ---- P7: titles that tell of a secret


@pytest.fixture
def paying(desk_rule: ApplicationRule) -> ApplicationRule:
    return replace(desk_rule, pause_titles=("^Payment",))


def test_a_title_tells_of_a_payment_while_it_says_so(
    capture: X11Capture, desk: Asked, paying: ApplicationRule
) -> None:
    aimed(capture, paying)
    assert not capture.tells_secret()
    tell(desk, "title Payment 12")
    until("the payment is seen", capture.tells_secret)
    assert capture.tells_secret(), "asked again without any change"
    tell(desk, "title Customer 12")
    until("its end is seen", lambda: not capture.tells_secret())


def test_a_payment_that_was_there_before_is_seen_at_once(
    capture: X11Capture, desk: Asked, paying: ApplicationRule, hand: WindowHand
) -> None:
    tell(desk, "title Payment 12")
    hand.find("Desk", title="Payment 12")
    aimed(capture, paying)
    assert capture.tells_secret()


def test_no_pause_title_means_no_pause(
    capture: X11Capture, desk: Asked, desk_rule: ApplicationRule, hand: WindowHand
) -> None:
    tell(desk, "title Payment 12")
    hand.find("Desk", title="Payment 12")
    aimed(capture, desk_rule)
    assert not capture.tells_secret()


def test_another_programs_title_pauses_nothing(
    capture: X11Capture,
    desk: Asked,
    desktop: Desktop,
    paying: ApplicationRule,
    hand: WindowHand,
    programs: Path,
) -> None:
    aimed(capture, paying)
    other = desktop.spawn(
        [SYSTEM_PYTHON, programs / "desk.py", "--class-name", "Mail", "--title", "Payment 12"],
        stdin=subprocess.PIPE,
    )
    hand.find("Mail")
    for _ in range(3):
        capture.restack()
        assert not capture.tells_secret()
    desktop.end(other)


def test_a_hidden_window_of_the_application_tells_too(
    capture: X11Capture, desk: Asked, desktop: Desktop, paying: ApplicationRule, hand: WindowHand
) -> None:
    aimed(capture, paying)
    tell(desk, "second")
    tell(desk, "title Payment 12")
    window = hand.find("Desk", title="Payment 12")
    hand.raise_up(window)
    until("the payment is seen", capture.tells_secret)
    capture.locked = True
    assert capture.tells_secret()


# ---- P3: the server's word about processes


def region_count(display: Display) -> int:
    counted = display.res.QueryClientResources(display.new_id()).reply().types
    names = {one.resource_type: one.count for one in counted}
    return sum(
        count
        for kind, count in names.items()
        if display.core.GetAtomName(kind).reply().name.to_string() == "XFixesRegion"
    )


def test_a_server_that_knows_this_process_is_believed(desktop: Desktop) -> None:
    display = Display(desktop.display)
    assert display.process_of(display.new_region()) == os.getpid()
    assert region_count(display) == 1, "what the question needed is gone again"
    display.close()


def test_a_server_that_takes_us_for_another_process_is_not(desktop: Desktop, tmp_path: Path) -> None:
    number = 200 + os.getpid() % 10_000
    path = Path(f"/tmp/.X11-unix/X{number}")
    there = f"/tmp/.X11-unix/X{desktop.display.removeprefix(':')}"
    relay = subprocess.Popen([sys.executable, "-c", RELAY, str(path), there], stdout=subprocess.PIPE)
    try:
        assert relay.stdout is not None
        assert relay.stdout.readline() == b"ready\n"
        with pytest.raises(CaptureUnavailable, match="does not know this process"):
            Display(f":{number}")
    finally:
        relay.kill()
        relay.wait()
        path.unlink(missing_ok=True)


# ---- P4: lock screens


def window_at(*place: int, unmanaged: bool = True) -> TopLevel:
    return TopLevel(1, 1, unmanaged, (place[0], place[1], place[2], place[3]))


@pytest.fixture
def display(desktop: Desktop) -> Iterator[Display]:
    opened = Display(desktop.display)
    yield opened
    opened.close()


def test_a_running_screen_saver_locks(display: Display) -> None:
    windows = Windows(display)
    assert not windows.screen_locked([])
    display.core.ForceScreenSaverChecked(1).check()
    assert not windows.screen_locked([]), "the server's own blanking, while the trainee only listens"
    display.core.ForceScreenSaverChecked(0).check()
    become_saver(display.connection)
    display.core.ForceScreenSaverChecked(1).check()
    assert windows.screen_locked([])
    display.core.ForceScreenSaverChecked(0).check()
    assert not windows.screen_locked([])
    display.saver = None  # a server without the extension: only windows can tell
    assert not windows.screen_locked([])
    assert windows.screen_locked([window_at(0, 0, *display.size)])


@pytest.mark.parametrize(
    ("change", "locked"),
    [
        ((0, 0, 0, 0), True),
        ((-5, -5, 10, 10), True),
        ((-5, -5, 5, 5), True),
        ((1, 0, 0, 0), False),
        ((0, 1, 0, 0), False),
        ((1, 0, 9, 0), False),
        ((0, 1, 0, 9), False),
        ((0, 0, -1, 0), False),
        ((0, 0, 0, -1), False),
        ((-1, 0, 0, 0), False),
        ((0, -1, 0, 0), False),
    ],
)
def test_an_unmanaged_window_over_all_of_the_screen_locks(
    display: Display, change: tuple[int, int, int, int], locked: bool
) -> None:
    windows, (width, height) = Windows(display), display.size
    x, y, more, higher = change
    place = (x, y, width + more, height + higher)
    small = window_at(10, 10, 100, 100)
    assert windows.screen_locked([small, window_at(*place)]) is locked
    assert not windows.screen_locked([small, window_at(*place, unmanaged=False)]), "a program's full screen"
