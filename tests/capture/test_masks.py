"""P7: a masked part of the window is neutral in every picture, at every size; without the masks the count finds it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx_bridge.programs import rule_fault
from pbx_bridge.wire import ApplicationRule, Mask
from tests.capture.filming import Station, images, near, worst_red
from tests.rig.desktop import until
from tests.rig.window_hand import WindowHand
from workstation_client.capture.base import NEUTRAL
from workstation_client.guard import masked

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


RULE = ApplicationRule("desk", "/opt/desk/desk", None, "Desk", None, None)
side = st.integers(-700, 700)
size = st.integers(1, 900)


@given(side, side, size, size, st.integers(1, 640), st.integers(1, 480))
def test_a_mask_covers_exactly_its_part_of_the_window(
    x: int, y: int, width: int, height: int, window_width: int, window_height: int
) -> None:
    rule = replace(RULE, masks=(Mask(x, y, width, height),))
    left, top = (x if x >= 0 else window_width + x), (y if y >= 0 else window_height + y)
    wide = len(set(range(left, left + width)) & set(range(window_width)))
    high = len(set(range(top, top + height)) & set(range(window_height)))
    found = masked(rule, (rule,), window_width, window_height)
    assert [(w, h) for _, _, w, h in found] == ([(wide, high)] if wide and high else [])
    for at_x, at_y, _, _ in found:
        assert (at_x, at_y) == (max(left, 0), max(top, 0))


def test_every_rule_about_the_program_masks_it() -> None:
    """A title that changes to one of another rule uncovers nothing."""
    orders = replace(RULE, name="orders", title="^Order", masks=(Mask(0, 0, 10, 10),))
    people = replace(RULE, name="people", title="^Person", masks=(Mask(-10, 0, 10, 10),))
    other = replace(RULE, executable="/opt/other", masks=(Mask(0, 50, 10, 10),))
    for rule in (orders, people):
        assert masked(rule, (orders, people, other), 100, 80) == [(0, 0, 10, 10), (90, 0, 10, 10)]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"masks": (Mask(0, 0, 1, 1),) * 16, "pause_titles": ("^Payment",) * 8}, None),
        ({"masks": (Mask(0, 0, 1, 1),) * 17}, "at most 16 masks"),
        ({"pause_titles": ("^Payment",) * 9}, "8 pause titles"),
        ({"masks": (Mask(0, 0, 0, 1),)}, "width and a height"),
        ({"pause_titles": ("(",)}, "not a regular expression"),
        ({"pause_titles": ("x" * 257,)}, "longer than 256"),
        ({"pause_titles": (".*",)}, "pause everything"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused(change: dict[str, object], fault: str | None) -> None:
    found = rule_fault(replace(RULE, **change))  # type: ignore[arg-type]
    assert found is None if fault is None else found is not None and fault in found
