"""P14, live: the sign is there while recording, stays on top, is never in the film; without it the recording ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from pbx_bridge.wire import ApplicationRule
from tests.capture.filming import Station
from tests.rig.desktop import until
from tests.rig.window_hand import WindowHand

StationOf = Callable[..., Station]
SIGN = "pbx-bridge"


@pytest.fixture
def recording(desk: subprocess.Popen[bytes], desk_rule: ApplicationRule, station_of: StationOf) -> Station:
    station = station_of()
    station.start(desk_rule)
    station.wait_shot("the window", lambda shot: not shot.card)
    return station


def test_the_sign_is_shown_while_recording_and_goes_with_it(recording: Station, hand: WindowHand) -> None:
    sign = hand.named(SIGN)
    assert hand.viewable(sign)
    recording.tell("pause")
    recording.wait_shot("the card", lambda shot: shot.card)
    assert hand.viewable(sign)
    recording.stop()
    until("the sign is gone", lambda: not hand.viewable(sign), 5)


def test_a_covered_sign_comes_back_on_top(recording: Station, hand: WindowHand) -> None:
    sign = hand.named(SIGN)
    for managed in (False, True):
        foreign = hand.red_window(*hand.place(sign), managed=managed)
        until("the sign is above", lambda foreign=foreign: hand.is_above(sign, foreign), 5)  # type: ignore[misc]
        hand.destroy(foreign)
    assert recording.process.poll() is None
    assert [event["event"] for event in recording.events] == ["Ready", "Started"]


def test_a_sign_that_was_moved_away_comes_back(recording: Station, hand: WindowHand) -> None:
    sign = hand.named(SIGN)
    place = hand.place(sign)
    hand.move(sign, -2000, 5)
    until("the sign is back", lambda: hand.place(sign) == place, 5)
    hand.move(sign, place[0], place[1], 1, 1)
    until("the sign has its size", lambda: hand.place(sign) == place, 5)


def test_a_sign_that_was_shaped_away_is_whole_again(recording: Station, hand: WindowHand) -> None:
    sign = hand.named(SIGN)
    hand.shape_away(sign)
    until("the sign is whole", lambda: hand.is_whole(sign), 5)


def test_a_sign_that_is_always_shaped_away_ends_the_recording(recording: Station, hand: WindowHand) -> None:
    sign = hand.named(SIGN)

    def fought() -> bool:
        if hand.viewable(sign):
            hand.shape_away(sign)
        return any(event["event"] == "Stopped" for event in recording.events)

    until("the recording ends", fought, 10)
    assert recording.wait("Stopped")["reason"] == "indicator-gone"


@pytest.mark.parametrize("how", ["unmap", "destroy", "put inside"])
def test_without_its_sign_the_recording_ends(recording: Station, hand: WindowHand, how: str) -> None:
    sign = hand.named(SIGN)
    if how == "unmap":
        hand.unmap(sign)
    elif how == "destroy":
        hand.destroy(sign)
    else:
        hand.put_inside(sign, hand.red_window(600, 600, 300, 100), 0, 0)
    assert recording.wait("Stopped", 3)["reason"] == "indicator-gone"


def test_a_window_that_always_covers_the_sign_ends_the_recording(
    recording: Station, hand: WindowHand
) -> None:
    foreign = hand.red_window(*hand.place(hand.named(SIGN)))

    def fought() -> bool:
        hand.raise_up(foreign)
        return any(event["event"] == "Stopped" for event in recording.events)

    until("the recording ends", fought, 10)
    assert recording.wait("Stopped")["reason"] == "indicator-gone"


def test_while_paused_the_sign_is_needed_too(recording: Station, hand: WindowHand) -> None:
    recording.tell("pause")
    recording.wait_shot("the card", lambda shot: shot.card)
    hand.unmap(hand.named(SIGN))
    assert recording.wait("Stopped", 3)["reason"] == "indicator-gone"
