"""P7: when a title tells of a payment the recorder pauses itself at once; nothing painted from then on is in the film.

The desk turns red and says so in its title 100 ms later, as programs do: what it showed before it said so stays out too.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge.wire import ApplicationRule
from tests.capture.filming import Shot, Station, images, near, worst_red
from tests.capture.test_masks import tell
from tests.rig.desktop import Desktop
from tests.rig.install import SYSTEM_PYTHON
from tests.rig.window_hand import WindowHand

BLUE = (0x20, 0x40, 0xC0)
LEAK = 10_000
TRIES = 10
"""A leak of the 100 ms before the title needs a picture taken in them, which a busy machine may miss."""
StationOf = Callable[..., Station]


@pytest.fixture
def paying(desk_rule: ApplicationRule) -> ApplicationRule:
    return replace(desk_rule, pause_titles=("^Private$", "(?i)payment"))


def is_window(shot: Shot) -> bool:
    return not shot.card


def names(station: Station) -> list[str]:
    return [event["event"] for event in station.events]


def began(station: Station, *, after: int = 0) -> dict[str, Any]:
    return station.wait("PaymentBegan", after=after)


def test_nothing_of_the_payment_is_filmed_and_only_an_order_resumes(
    desk: subprocess.Popen[bytes], paying: ApplicationRule, station_of: StationOf
) -> None:
    station = station_of()
    station.start(paying)
    station.wait_shot("the window", is_window)
    tell(desk, "private")
    at_ns = began(station)["at_ns"]
    assert station.wait_shot("the card", lambda shot: shot.card).keyframe
    assert all(shot.taken_ns <= at_ns for shot in station.shots if not shot.card)
    count = len(station.shots)
    station.tell("resume")  # the bridge does not know yet: it is not obeyed
    station.wait_later(1.2)
    assert all(shot.card for shot in station.shots[count:])
    tell(desk, "customer")
    station.wait("PaymentEnded")
    station.wait_later(1.2)
    assert all(shot.card for shot in station.shots[count:])
    station.tell("resume")
    assert station.wait_shot("the window again", is_window, after=count).keyframe
    station.stop()
    assert worst_red(station.shots) == 0
    assert near(next(image for shot, image in images(station.shots) if not shot.card), BLUE) > 100_000


@pytest.mark.parametrize("weakness", ["titles", "quarantine"])
def test_without_the_rule_or_the_quarantine_it_leaks(
    weakness: str, desk: subprocess.Popen[bytes], paying: ApplicationRule, station_of: StationOf
) -> None:
    station = station_of(weaken=weakness)
    station.start(paying, fps=30)
    for number in range(TRIES):
        station.tell("resume")
        station.wait_shot("the window", is_window, after=len(station.shots))
        station.wait_later(0.03 * number)  # another moment between two pictures each time
        tell(desk, "private")
        station.wait_later(0.4)
        if worst_red(station.shots) > LEAK:
            return
        tell(desk, "customer")
        station.wait_later(0.4)
    raise AssertionError(f"nothing leaks in {TRIES} tries: the tests above could not fail")


def test_a_payment_that_stands_there_already_shows_no_window_at_all(
    desk: subprocess.Popen[bytes], paying: ApplicationRule, station_of: StationOf, hand: WindowHand
) -> None:
    tell(desk, "title Card payment")
    hand.find("Desk", title="Card payment")
    station = station_of()
    station.start(paying)
    began(station)
    station.wait_later(0.5)
    station.stop()
    assert names(station) == ["Ready", "Started", "PaymentBegan", "Stopped"]
    assert all(shot.card for shot in station.shots)


def test_dialogs_and_other_windows_of_the_application_count_and_foreign_ones_do_not(
    desktop: Desktop,
    desk: subprocess.Popen[bytes],
    paying: ApplicationRule,
    station_of: StationOf,
    hand: WindowHand,
) -> None:
    station = station_of()
    station.start(paying)
    station.wait_shot("the window", is_window)
    foreign = hand.red_window(600, 500, 100, 60, managed=True)
    hand.set_text(foreign, "WM_NAME", "Payment")
    station.wait_later(1.3)
    assert "PaymentBegan" not in names(station), "somebody else's window may be called anything"
    tell(desk, "dialog")
    hand.find("Toplevel")
    tell(desk, "dialog-title Payment")
    began(station)
    count = len(station.events)
    tell(desk, "close-dialog")
    station.wait("PaymentEnded", after=count)
    station.tell("resume")
    hand.destroy(foreign)
    station.stop()


def test_another_process_of_the_application_counts_too(
    desktop: Desktop,
    desk: subprocess.Popen[bytes],
    desk_rule: ApplicationRule,
    paying: ApplicationRule,
    station_of: StationOf,
    hand: WindowHand,
) -> None:
    assert desk_rule.main_program is not None
    station = station_of()
    station.start(paying)
    station.wait_shot("the window", is_window)
    command: list[str | Path] = [
        SYSTEM_PYTHON,
        desk_rule.main_program,
        "--title",
        "Payment",
        "--geometry",
        "200x100+700+500",
    ]
    other = desktop.spawn(command, stdin=subprocess.PIPE)
    began(station)
    count = len(station.events)
    hand.raise_up(hand.find("Desk", title="Desk"))
    station.wait_later(0.3)
    assert names(station)[count:] == []
    desktop.end(other)
    assert other.stdin is not None
    other.stdin.close()
    station.wait("PaymentEnded", after=count)
    station.stop()
