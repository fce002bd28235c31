"""P4, live: whatever happens around the business window, no pixel of a foreign window gets into the film.

Every scenario of the facts on capture, with and without a compositing manager, with four kinds of application. Foreign
windows are red; red pixels are counted in the decoded packets. test_leak_controls.py shows that the count finds leaks.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.capture.applications import BLUE, Application, bare, chromium, tk, xterm
from tests.capture.filming import Shot, Station, images, is_card, near, red
from tests.rig.desktop import Desktop, until
from tests.rig.install import Installed
from tests.rig.window_hand import WindowHand

STAGES = [
    *((name, around) for around in ("openbox", "picom") for name in ("tk", "xterm", "chromium", "bare")),
    ("bare", "no-manager"),
]
"""Application, and what is around it. Without a window manager the window lies on the screen itself: the hardest case."""


class Stage:
    """One desktop, one application on it, one recorder; scenarios follow each other on it."""

    def __init__(
        self, desktop: Desktop, hand: WindowHand, station: Station, application: Application
    ) -> None:
        self.desktop, self.hand, self.station, self.application = desktop, hand, station, application
        self._process: subprocess.Popen[bytes] | None = None
        self.window = self.first_shot = 0
        self.film: list[Shot] = []

    def open(self) -> None:
        """The application's window at its usual place, its program running."""
        if self._process is None or self._process.poll() is not None or not self.hand.viewable(self.window):
            if self._process is not None:
                self.desktop.end(self._process)
            self._process = self.application.open(self.desktop)
            self.window = self.hand.find(self.application.find)
        self.hand.move(self.window, 100, 100, 480, 360)
        until("the window is in place", self._in_place, 5)

    def _in_place(self) -> bool:
        """Terminals and browsers have sizes of their own near the one asked for."""
        x, _, width, height = self.hand.place(self.window)
        return abs(x - 100) < 20 and abs(width - 480) < 40 and abs(height - 360) < 40

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def cover(self, part: float = 0.5) -> int:
        """A foreign window over the right part of the business window."""
        x, y, width, height = self.hand.place(self.window)
        left = int(width * (1 - part))
        return self.hand.red_window(x + left, y - 20, width - left + 40, height + 40)

    def start(self) -> None:
        self.first_shot = len(self.station.shots)
        self.station.start(self.application.rule)
        self.station.wait_shot("the first picture", lambda shot: True, after=self.first_shot)

    def later(self, seconds: float = 0.3) -> None:
        self.station.wait_later(seconds)

    def until_shown(self) -> None:
        """Until the film's latest picture shows the business window; a browser first shows an empty page."""

        def shown() -> bool:
            *_, (shot, image) = images(self.station.shots[self.first_shot :])
            return not shot.card and near(image, BLUE) > 40_000

        until("the business window is in the film", shown, 15)

    def stop(self) -> None:
        count = len(self.station.events)
        self.station.tell("stop")
        self.station.wait("Stopped", after=count)
        self.film = self.station.shots[self.first_shot :]

    def close(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGCONT)
            self.desktop.end(self._process)


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, installed: Installed, programs: Path) -> Iterator[Stage]:
    name, around = request.param
    with contextlib.ExitStack() as stack:
        desktop = stack.enter_context(
            Desktop(compositor=around == "picom", window_manager=around != "no-manager")
        )
        application = {
            "tk": lambda: tk(programs),
            "xterm": lambda: xterm(programs),
            "bare": lambda: bare(programs, installed),
            "chromium": lambda: stack.enter_context(chromium(desktop)),
        }[name]()
        hand = stack.enter_context(WindowHand(desktop))
        station = stack.enter_context(Station(desktop, installed.python, programs / "station.py"))
        opened = Stage(desktop, hand, station, application)
        stack.callback(opened.close)
        yield opened


def unobscured(stage: Stage) -> None:
    stage.start()
    stage.later()


def half_covered_at_start(stage: Stage) -> None:
    foreign = stage.cover()
    stage.start()
    stage.later()
    stage.hand.destroy(foreign)
    stage.later()


def popup_in_the_middle(stage: Stage) -> None:
    stage.start()
    x, y, width, height = stage.hand.place(stage.window)
    foreign = stage.hand.red_window(x + width // 4, y + height // 4, width // 2, height // 2)
    stage.later()
    stage.hand.destroy(foreign)
    stage.later()


def popup_that_claims_to_be_a_dialog(stage: Stage) -> None:
    stage.start()
    x, y, width, height = stage.hand.place(stage.window)
    foreign = stage.hand.red_window(
        x + 40, y + 40, width // 2, height // 2, managed=True, transient_for=stage.window
    )
    stage.later()
    stage.hand.destroy(foreign)


def partly_off_screen(stage: Stage) -> None:
    stage.hand.move(stage.window, -200, 100)
    stage.start()
    foreign = stage.hand.red_window(0, 100, 200, 200)
    stage.later()
    stage.hand.destroy(foreign)


def iconified_and_restored(stage: Stage) -> None:
    stage.start()
    stage.later()
    foreign = stage.cover(1.0)
    stage.hand.iconify(stage.window)
    stage.station.wait_shot("the card", lambda shot: shot.card, after=stage.first_shot)
    count = len(stage.station.shots)
    stage.hand.restore(stage.window)
    stage.hand.raise_up(foreign)
    stage.station.wait_shot("the window again", lambda shot: not shot.card, after=count)
    stage.later()
    stage.hand.destroy(foreign)


def iconified_at_start(stage: Stage) -> None:
    foreign = stage.hand.red_window(100, 100, 480, 360)
    for _ in range(5):
        stage.hand.iconify(stage.window)
        stage.start()
        if stage.station.shots[-1].card:
            break
        assert stage.hand.viewable(stage.window), "filmed while it was iconified"
        stage.stop()  # a browser that is still starting brings its window back by itself
    assert stage.station.shots[-1].card
    count = len(stage.station.shots)
    stage.hand.restore(stage.window)
    stage.hand.raise_up(foreign)
    stage.station.wait_shot("the window", lambda shot: not shot.card, after=count)
    stage.later()
    stage.hand.destroy(foreign)


def moved_and_resized(stage: Stage) -> None:
    stage.start()
    foreign = stage.hand.red_window(200, 50, 600, 600)
    for x, y, width, height in (
        (150, 120, 480, 360),
        (160, 90, 640, 480),
        (300, 200, 360, 300),
        (250, 150, 700, 520),
    ):
        stage.hand.move(stage.window, x, y, width, height)
        stage.later(0.15)
    stage.hand.destroy(foreign)
    stage.later()


def closed_and_reopened(stage: Stage) -> None:
    stage.start()
    stage.later()
    place = stage.hand.place(stage.window)
    stage.hand.close_window(stage.window)
    foreign = stage.hand.red_window(*place)
    stage.station.wait_shot("the card", lambda shot: shot.card, after=stage.first_shot)
    count = len(stage.station.shots)
    stage.open()
    stage.hand.raise_up(foreign)
    stage.station.wait_shot("the new window", lambda shot: not shot.card, after=count, within_s=20)
    stage.later()
    stage.hand.destroy(foreign)


def other_desktop(stage: Stage) -> None:
    stage.start()
    stage.later()
    stage.hand.go_to_desktop(1)
    foreign = stage.hand.red_window(100, 100, 480, 360, managed=True)
    stage.station.wait_shot("the card", lambda shot: shot.card, after=stage.first_shot)
    count = len(stage.station.shots)
    stage.hand.go_to_desktop(0)
    stage.station.wait_shot("the window again", lambda shot: not shot.card, after=count)
    stage.later()
    stage.hand.destroy(foreign)


def hung_and_covered(stage: Stage) -> None:
    foreign = stage.cover()
    os.killpg(stage.pid, signal.SIGSTOP)
    stage.start()
    stage.later(0.5)
    os.killpg(stage.pid, signal.SIGCONT)
    stage.later()
    stage.hand.destroy(foreign)


def hung_and_resized(stage: Stage) -> None:
    stage.start()
    foreign = stage.hand.red_window(80, 80, 800, 600)
    stage.later(0.2)
    os.killpg(stage.pid, signal.SIGSTOP)
    stage.hand.move(stage.window, 120, 120, 600, 450)
    stage.later(0.5)
    os.killpg(stage.pid, signal.SIGCONT)
    stage.later()
    stage.hand.destroy(foreign)


def foreign_window_inside(stage: Stage) -> None:
    stage.start()
    foreign = stage.hand.red_window(700, 500, 200, 150)
    stage.hand.put_inside(foreign, stage.window, 60, 60)
    stage.later(0.5)
    stage.hand.destroy(foreign)
    stage.later()


def screen_locker(stage: Stage) -> None:
    stage.start()
    stage.later()
    foreign = stage.hand.red_window(0, 0, *stage.desktop.size)
    stage.station.wait_shot("the card", lambda shot: shot.card, after=stage.first_shot)
    stage.hand.destroy(foreign)
    count = len(stage.station.shots)
    stage.station.wait_shot("the window again", lambda shot: not shot.card, after=count)


SCENARIOS: list[Callable[[Stage], None]] = [
    unobscured,
    half_covered_at_start,
    popup_in_the_middle,
    popup_that_claims_to_be_a_dialog,
    partly_off_screen,
    iconified_and_restored,
    iconified_at_start,
    moved_and_resized,
    other_desktop,
    hung_and_covered,
    hung_and_resized,
    foreign_window_inside,
    screen_locker,
    closed_and_reopened,
]


NEED_MANAGER = (
    popup_that_claims_to_be_a_dialog,
    iconified_and_restored,
    iconified_at_start,
    other_desktop,
    closed_and_reopened,
)


@pytest.mark.parametrize(
    ("stage", "scenario"),
    [
        pytest.param(stage, scenario, id=f"{'-'.join(stage)}-{scenario.__name__}")
        for stage in STAGES
        for scenario in SCENARIOS
        if stage[1] != "no-manager" or scenario not in NEED_MANAGER
    ],
    indirect=["stage"],
)
def test_no_foreign_pixel_is_filmed(stage: Stage, scenario: Callable[[Stage], None]) -> None:
    stage.open()
    scenario(stage)
    stage.until_shown()
    stage.stop()
    film = list(images(stage.film))
    assert max(red(image) for _, image in film) == 0
    for shot, image in film:
        assert is_card(image) or not shot.card
