"""A pause and what comes after it can be read by itself: the bridge throws away what lies, or may lie, between."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from pbx_bridge.wire import ApplicationRule
from tests.capture.filming import Shot, Station
from tests.rig.window_hand import WindowHand
from workstation_client.reel import SURE_AFTER_NS

StationOf = Callable[..., Station]


def told(station: Station, what: str, wanted: Callable[[Shot], bool]) -> Shot:
    """The first picture that fits, after telling the recorder `what`."""
    count = len(station.shots)
    station.tell(what)
    return station.wait_shot(f"a picture after {what}", wanted, after=count)


def test_the_window_comes_as_a_keyframe_after_a_pause_and_once_more_when_no_clock_is_in_doubt(
    desk: subprocess.Popen[bytes], desk_rule: ApplicationRule, station_of: StationOf
) -> None:
    station = station_of()
    station.start(desk_rule)
    station.wait_later(0.3)
    assert told(station, "pause", lambda shot: shot.card).keyframe
    first = told(station, "resume", lambda shot: not shot.card)
    assert first.keyframe
    station.wait_later(2.5 * SURE_AFTER_NS / 1e9)
    more = [
        shot.taken_ns - first.taken_ns
        for shot in station.shots
        if shot.keyframe and shot.pts_ns > first.pts_ns
    ]
    assert len(more) == 1
    assert more[0] >= 0.9 * SURE_AFTER_NS


def test_a_pause_begins_with_a_keyframe_where_the_card_stood_already(
    desk: subprocess.Popen[bytes], desk_rule: ApplicationRule, station_of: StationOf, hand: WindowHand
) -> None:
    station = station_of()
    station.start(desk_rule)
    window = hand.find("Desk")
    count = len(station.shots)
    hand.iconify(window)
    station.wait_shot("the card of a hidden window", lambda shot: shot.card, after=count)
    assert told(station, "pause", lambda shot: shot.card).keyframe
    assert told(station, "resume", lambda shot: shot.card).keyframe
    count = len(station.shots)
    hand.restore(window)
    assert station.wait_shot("the window", lambda shot: not shot.card, after=count).keyframe
