"""P7: a masked part of the window is neutral in every picture, at every size; without the masks the count finds it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace

from pbx_bridge.wire import ApplicationRule, Mask
from tests.capture.filming import Station, images, near, worst_red
from tests.rig.desktop import until
from tests.rig.window_hand import WindowHand
from workstation_client.capture.base import NEUTRAL

MASKS = (Mask(100, 200, 150, 60), Mask(-60, -40, 60, 40), Mask(-480, -90, 480, 30))
SECRETS = ("100 200 150 60", "-60 -40 60 40", "-480 -90 480 30")
"""Where the desk shows something secret: exactly under the masks."""
LEAK = 1_000
"""Red pixels the secrets have at least: together 23,000."""


def tell(desk: subprocess.Popen[bytes], order: str) -> None:
    assert desk.stdin is not None
    desk.stdin.write(order.encode() + b"\n")
    desk.stdin.flush()


def film_secrets(
    station: Station, desk: subprocess.Popen[bytes], hand: WindowHand, rule: ApplicationRule
) -> None:
    """Secrets appear, the window grows beyond the canvas and shrinks again, a dialog opens over a mask."""
    window = hand.find("Desk")
    station.start(replace(rule, masks=MASKS))
    station.wait_later(0.3)
    for secret in SECRETS:
        tell(desk, f"secret {secret}")
    station.wait_later(0.3)
    for width, height in ((960, 720), (500, 380), (480, 360)):
        hand.move(window, 50, 50, width, height)
        until("resized", lambda size=(width, height): hand.place(window)[2:] == size)  # type: ignore[misc]
        station.wait_later(0.3)
    tell(desk, "dialog")
    hand.find("Toplevel")
    station.wait_later(0.3)
    tell(desk, "close-dialog")
    station.wait_later(0.3)
    station.stop()


def test_what_lies_under_a_mask_is_in_no_picture(
    desk: subprocess.Popen[bytes],
    desk_rule: ApplicationRule,
    station_of: Callable[..., Station],
    hand: WindowHand,
) -> None:
    station = station_of()
    film_secrets(station, desk, hand, desk_rule)
    assert worst_red(station.shots) == 0
    *_, (_, last) = images(station.shots)
    assert near(last[200:260, 100:250], NEUTRAL) > 0.95 * 150 * 60, "less what the codec does at edges"
    assert near(last[270:300], NEUTRAL) > 0.95 * 480 * 30
    assert near(last[100:190], (0x20, 0x40, 0xC0)) > 40_000, "the rest is shown"


def test_without_the_masks_it_is(
    desk: subprocess.Popen[bytes],
    desk_rule: ApplicationRule,
    station_of: Callable[..., Station],
    hand: WindowHand,
) -> None:
    station = station_of(weaken="masks")
    film_secrets(station, desk, hand, desk_rule)
    assert worst_red(station.shots) > LEAK
