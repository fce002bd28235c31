"""What a film shows, live: the application's own windows, sizes, titles, times; and when nothing may be shown."""

from __future__ import annotations

import itertools
import os
import select
import signal
import statistics
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge.wire import ApplicationRule
from tests.capture.filming import Station, images, near, red, worst_red
from tests.rig.desktop import Desktop, until
from tests.rig.install import SYSTEM_PYTHON
from tests.rig.window_hand import WindowHand
from workstation_client.capture.base import NEUTRAL

BLUE, GREEN, CYAN, YELLOW = (0x20, 0x40, 0xC0), (0, 0xC0, 0), (0, 0xC0, 0xC0), (0xC0, 0xC0, 0)
StationOf = Callable[..., Station]
ROUNDS = 10
"""A starved machine may not look at all between the red and its title."""


class Desk:
    """desk.py, spoken to."""

    def __init__(self, desktop: Desktop, programs: Path, *options: str) -> None:
        command: list[str | Path] = [SYSTEM_PYTHON, programs / "desk.py", *options]
        self.process = desktop.spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def answer(self) -> int:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 5)[0], "desk.py does not answer"
        return int(self.process.stdout.readline())


@pytest.fixture
def open_desk(desktop: Desktop, programs: Path, hand: WindowHand) -> Iterator[Callable[..., Desk]]:
    opened: list[Desk] = []

    def open_one(*options: str) -> Desk:
        opened.append(Desk(desktop, programs, *options))
        hand.find("Desk", pid=opened[-1].process.pid)
        return opened[-1]

    yield open_one
    for one in opened:
        desktop.end(one.process)
        for pipe in (one.process.stdin, one.process.stdout):
            assert pipe is not None
            pipe.close()


def test_own_dialogs_and_menus_are_filmed_and_foreign_windows_over_them_are_not(
    open_desk: Callable[..., Desk], hand: WindowHand, desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    desk, station = open_desk(), station_of()
    station.start(desk_rule)
    desk.tell("dialog")
    hand.find("Toplevel")
    station.wait_later(0.3)
    with_dialog = len(station.shots)
    foreign = hand.red_window(*hand.place(hand.find("Toplevel")))
    station.wait_later(0.3)
    hand.destroy(foreign)
    desk.tell("close-dialog")
    station.wait_later(0.3)
    without = len(station.shots)
    desk.tell("menu")
    hand.find("Menu")
    station.wait_later(0.3)
    with_menu = len(station.shots)
    desk.tell("close-menu")
    station.wait_later(0.3)
    station.stop()
    film = [image for _, image in images(station.shots)]
    assert near(film[with_dialog - 1], GREEN) > 10_000
    assert near(film[without - 1], GREEN) == 0
    assert near(film[with_menu - 1], CYAN) > 200
    assert near(film[-1], CYAN) == 0
    assert max(red(image) for image in film) == 0


def test_the_canvas_survives_a_smaller_and_a_larger_window(
    open_desk: Callable[..., Desk], hand: WindowHand, desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    desk, station = open_desk(), station_of()
    window = hand.find("Desk", pid=desk.process.pid)
    station.start(desk_rule)
    station.wait_later(0.2)
    marks = []
    for width, height in ((240, 180), (960, 720), (480, 720), (480, 360)):
        hand.move(window, 50, 50, width, height)
        until("resized", lambda size=(width, height): hand.place(window)[2:] == size)  # type: ignore[misc]
        station.wait_later(0.4)
        marks.append(len(station.shots) - 1)
    station.stop()
    film = [image for _, image in images(station.shots)]
    assert {image.shape for image in film} == {(360, 480, 3)}
    small, large, tall, same = (film[mark] for mark in marks)
    assert near(small[:180, :240], BLUE) > 0.85 * 240 * 180
    assert near(small[190:, :], NEUTRAL, 8) == small[190:, :].size // 3
    assert near(large, BLUE) > 0.9 * 480 * 360
    assert near(tall[:, :230], BLUE) > 0.85 * 230 * 360
    assert near(tall[:, 260:], NEUTRAL, 8) == tall[:, 260:].size // 3
    assert near(same, BLUE) > 0.9 * 480 * 360


def test_a_title_only_narrows_and_what_is_shown_before_the_title_says_so_stays_out(
    open_desk: Callable[..., Desk], desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    desk, station = open_desk("--title", "Customer 1"), station_of()
    station.start(replace(desk_rule, title="^Customer [0-9]+$"))
    station.wait_shot("the window", lambda shot: not shot.card)
    desk.tell("title Customer 2")
    station.wait_later(0.5)
    assert not station.shots[-1].card
    desk.tell("private")
    station.wait_shot("the card", lambda shot: shot.card, after=len(station.shots))
    station.wait_later(0.3)
    station.stop()
    assert worst_red(station.shots) == 0
    assert near(next(image for shot, image in images(station.shots) if not shot.card), BLUE) > 100_000


def test_without_the_quarantine_the_same_change_of_title_leaks(
    open_desk: Callable[..., Desk], desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    desk, station = open_desk("--title", "Customer 1"), station_of(weaken="quarantine")
    station.start(replace(desk_rule, title="^Customer [0-9]+$"), fps=30)
    for _ in range(ROUNDS):
        station.wait_shot("the window", lambda shot: not shot.card, after=len(station.shots))
        desk.tell("private")
        station.wait_shot("the card", lambda shot: shot.card, after=len(station.shots))
        if worst_red(station.shots) > 10_000:
            break
        desk.tell("customer")
    station.stop()
    assert worst_red(station.shots) > 10_000


def test_nothing_moves_and_still_each_second_has_a_picture(
    open_desk: Callable[..., Desk], desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    """P2."""
    open_desk("--still")
    station = station_of()
    station.start(desk_rule)
    station.wait_later(3.2)
    station.stop()
    times = [shot.pts_ns for shot in station.shots]
    assert all(b - a <= 1_000_000_000 for a, b in itertools.pairwise(times))
    assert len(times) <= 7, "a still window costs next to nothing"


def test_a_picture_has_the_time_its_change_was_painted(
    open_desk: Callable[..., Desk], desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    desk, station = open_desk("--still"), station_of()
    station.start(desk_rule)
    station.wait_later(0.2)
    late = []
    for _ in range(5):
        count = len(station.shots)
        desk.tell("flash")
        painted = desk.answer()
        # the flash is some 300 bytes, or comes in two parts; its end and a repeat are some 30
        shot = station.wait_shot("the change", lambda shot: len(shot.data) > 80, after=count)
        late.append((shot.pts_ns - painted) / 1e6)
        station.wait_later(0.25)
    station.stop()
    assert abs(statistics.median(late)) < 10


def test_of_two_allowed_windows_the_upper_one_is_shown(
    open_desk: Callable[..., Desk], hand: WindowHand, desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    desk, station = open_desk(), station_of()
    first = hand.find("Desk")
    station.start(desk_rule)
    station.wait_later(0.2)
    desk.tell("second")
    until("the second window", lambda: hand.find("Desk") != first)
    second = hand.find("Desk")
    station.wait_later(0.4)
    mark = len(station.shots)
    hand.iconify(second)
    station.wait_later(0.4)
    station.stop()
    film = [image for _, image in images(station.shots)]
    assert near(film[mark - 1], YELLOW) > 40_000
    assert near(film[-1], BLUE) > 100_000


def test_the_application_crashes_and_comes_back(
    open_desk: Callable[..., Desk], desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    desk, station = open_desk(), station_of()
    station.start(desk_rule)
    station.wait_later(0.2)
    os.killpg(desk.process.pid, signal.SIGKILL)
    station.wait_shot("the card", lambda shot: shot.card)
    count = len(station.shots)
    open_desk()
    station.wait_shot("the window", lambda shot: not shot.card, after=count)
    station.stop()


def test_a_locked_session_shows_the_card(
    open_desk: Callable[..., Desk], desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    open_desk()
    station = station_of()
    station.start(desk_rule)
    station.wait_shot("the window", lambda shot: not shot.card)
    station.tell("lock", locked=True)
    station.wait_shot("the card", lambda shot: shot.card)
    station.wait_later(0.3)
    assert station.shots[-1].card
    count = len(station.shots)
    station.tell("lock", locked=False)
    station.wait_shot("the window", lambda shot: not shot.card, after=count)
    station.stop()


def test_nothing_taken_after_the_order_to_stop_or_pause_goes_out(
    open_desk: Callable[..., Desk], desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    """P8."""
    open_desk()
    station = station_of()
    station.start(desk_rule, fps=30)
    for _ in range(5):
        station.wait_later(0.1)
        count = len(station.shots)
        station.tell("pause")
        card = station.wait_shot("the card", lambda shot: shot.card, after=count)
        assert all(shot.taken_ns <= card.taken_ns for shot in station.shots if not shot.card)
        count = len(station.shots)
        station.tell("resume")
        station.wait_shot("the window", lambda shot: not shot.card, after=count)
    stopped = station.stop()
    assert max(shot.taken_ns for shot in station.shots) <= stopped["at_ns"]
    assert station.shots[-1].pts_ns == stopped["at_ns"]


@pytest.mark.parametrize(
    ("change", "fps", "reason"),
    [
        ({}, 4, "not-allowed"),
        ({}, 31, "not-allowed"),
        ({"main_program": None}, 10, "not-allowed"),
        ({"wm_class": ""}, 10, "not-allowed"),
        ({"executable": "/usr/lib/chromium/chromium"}, 10, "not-allowed"),
    ],
)
def test_an_order_that_cannot_be_kept_is_refused(
    change: dict[str, Any], fps: int, reason: str, desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    station = station_of()
    station.start(replace(desk_rule, **change), fps=fps)
    assert station.wait("Refused")["reason"] == reason
    assert station.shots == []


def test_an_empty_list_and_a_second_order_are_refused(
    open_desk: Callable[..., Desk], desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    open_desk()
    station = station_of()
    station.start()
    assert station.wait("Refused")["reason"] == "not-allowed"
    station.start(desk_rule)
    station.wait("Started")
    station.start(desk_rule)
    assert station.wait("Refused", after=2)["reason"] == "busy"
    station.wait_shot("a picture", lambda shot: not shot.card)
    station.stop()


def test_a_lost_display_ends_the_recording_with_its_reason(
    programs: Path, desk_rule: ApplicationRule, installed_python: Path
) -> None:
    with Desktop(window_manager=False) as other:
        Desk(other, programs)
        with WindowHand(other) as hand:
            hand.find("Desk")
        with Station(other, installed_python, programs / "station.py") as station:
            station.start(desk_rule)
            station.wait_shot("the window", lambda shot: not shot.card)
            os.kill(other.server_pid, signal.SIGKILL)
            assert station.wait("Stopped")["reason"] == "no-desktop"
            count = len(station.events)
            station.start(desk_rule)
            assert station.wait("Refused", after=count)["reason"] == "no-desktop"
            assert station.process.poll() is None
