"""What goes out of one recording when the window changes its mind between two looks at it.

A real X server cannot be made to say a thing at that very moment, so a capture that does as it is told stands here for it;
pictures are really encoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from pbx_bridge.ids import RecordingId
from pbx_bridge.wire import ApplicationRule
from workstation_client import reel
from workstation_client.capture.base import Shown
from workstation_client.encoder import Encoder
from workstation_client.events import PaymentBegan, Picture, RecorderEvent, RecordOrder
from workstation_client.guard import Allowed
from workstation_client.quarantine import TITLE_HOLD_NS
from workstation_client.reel import Reel

SIZE = (128, 128)
RULE = ApplicationRule("desk", "/usr/bin/python3", None, "Desk", None, None, pause_titles=("^Payment$",))
MS = 1_000_000


@dataclass
class Clock:
    now_ns: int = 1_000_000 * MS

    def monotonic_ns(self) -> int:
        return self.now_ns

    def thread_time_ns(self) -> int:
        return 0


@dataclass
class Window:
    """A capture of one window, which says that somebody pays when it is asked for the `pays_at_verdict`-th time."""

    clock: Clock
    pays_at_verdict: int
    verdicts: int = 0
    screen_size: tuple[int, int] = SIZE
    title_changes: int = 0
    waiting: bool = True
    gather_due_ns: int | None = None
    stack: tuple[int, ...] = ()
    memory: bytearray = field(default_factory=lambda: bytearray(SIZE[0] * SIZE[1] * 4))

    def aim(self, rules: tuple[ApplicationRule, ...]) -> tuple[int, int]:
        return SIZE

    def open_canvas(self, width: int, height: int) -> memoryview:
        return memoryview(self.memory)

    def take(self) -> Shown:
        return Shown(self.clock.now_ns, self.clock.now_ns, tuple(range(2)))

    def verdict(self) -> Allowed:
        self.verdicts += 1
        return Allowed(RULE)

    def tells_secret(self) -> bool:
        return self.verdicts >= self.pays_at_verdict

    def other_events(self) -> list[Any]:
        return []

    def gather(self, now_ns: int) -> None: ...

    def look_again(self) -> None: ...

    def forget_picture(self) -> None: ...

    def restack(self) -> None: ...


class Sign:
    gone = False

    def show(self, text: object) -> None: ...

    def note(self, events: object, now_ns: int) -> None: ...

    def keep_above(self, stack: object, now_ns: int) -> None: ...


def filmed(monkeypatch: pytest.MonkeyPatch, *, pays_at_verdict: int) -> list[RecorderEvent]:
    """What went out of half a second."""
    clock, events = Clock(), list[RecorderEvent]()
    monkeypatch.setattr(reel, "time", clock)
    window = Window(clock, pays_at_verdict)
    order = RecordOrder(RecordingId("a" * 26), (RULE,), 10, None)
    shown = Reel(order, cast(Any, window), cast(Any, Sign()), Encoder, events.append)
    shown.begin()
    for _ in range(10):
        clock.now_ns += 50 * MS
        shown.step()
    assert clock.now_ns > TITLE_HOLD_NS
    return events


def test_a_payment_told_at_the_last_look_lets_nothing_out_that_waited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P7: the pictures that waited may show what the title tells only now."""
    events = filmed(monkeypatch, pays_at_verdict=1)
    assert [event for event in events if isinstance(event, Picture) and not event.card] == []
    assert len([event for event in events if isinstance(event, PaymentBegan)]) == 1
    assert any(isinstance(event, Picture) and event.card for event in events)


def test_without_one_they_go_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    events = filmed(monkeypatch, pays_at_verdict=1_000)
    assert any(isinstance(event, Picture) and not event.card for event in events)
