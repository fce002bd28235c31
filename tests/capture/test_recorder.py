"""A recorder under an ordinary user on a real X server: one window by rule, real packets, looked at decoded."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from dataclasses import replace

from pbx_bridge.wire import MAX_FPS, ApplicationRule, CaptureEnd
from tests.capture.filming import Station, images, is_card, near

BLUE = (0x20, 0x40, 0xC0)


def test_the_window_of_the_rule_is_filmed(
    desk: subprocess.Popen[bytes], desk_rule: ApplicationRule, station_of: Callable[..., Station]
) -> None:
    station = station_of()
    station.start(desk_rule)
    station.wait_later(1.2)
    station.tell("pause")
    station.wait_shot("the card", lambda shot: shot.card)
    count = len(station.shots)
    station.tell("resume")
    station.wait_shot("the window again", lambda shot: not shot.card, after=count)
    stopped = station.stop()
    film = list(images(station.shots))
    assert film[0][0].keyframe
    assert film[0][0].pts_ns >= station.wait("Started")["at_ns"]
    for shot, image in film:
        assert image.shape == (360, 480, 3)
        assert is_card(image) if shot.card else near(image, BLUE) > 100_000
    assert film[-1][0].pts_ns == stopped["at_ns"]
    assert next(shot.keyframe for shot, _ in film if shot.card)
    assert all(a.pts_ns < b.pts_ns for (a, _), (b, _) in itertools.pairwise(film))
    changes = [shot for shot, _ in film if not shot.card]
    assert len(changes) >= 10


def test_an_impossible_order_is_refused_before_anything_is_opened(
    desk: subprocess.Popen[bytes], desk_rule: ApplicationRule, station_of: Callable[..., Station]
) -> None:
    """P2, P3: no application, one that nobody can name, more pictures a second than there may be; and a second order."""
    station = station_of()
    nameless = replace(desk_rule, executable="python3")
    orders: list[tuple[tuple[ApplicationRule, ...], int]] = [
        ((), 10), ((nameless,), 10), ((desk_rule, nameless), 10), ((desk_rule,), 0), ((desk_rule,), MAX_FPS + 1)
    ]  # fmt: skip
    for rules, fps in orders:
        count = len(station.events)
        station.start(*rules, fps=fps)
        assert station.wait("Refused", after=count)["reason"] == CaptureEnd.NOT_ALLOWED.value
    assert station.shots == []
    station.start(desk_rule)
    station.wait("Started")
    station.start(desk_rule)
    assert station.wait("Refused", after=count + 1)["reason"] == CaptureEnd.BUSY.value
    station.stop()
