"""Runs the recorder under the desktop's user, keeps what it tells, and looks at the film it made: decoded packets only."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from pbx_bridge.wire import ApplicationRule
from tests.rig.desktop import Desktop
from workstation_client.capture.base import NEUTRAL

PROGRAMS = Path(__file__).parent / "programs"
RECORDING = "a" * 26
T = TypeVar("T")
Image: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture as it came."""

    pts_ns: int
    taken_ns: int
    came_ns: int
    keyframe: bool
    card: bool
    width: int
    height: int
    data: bytes


class Station:
    """The recorder's process. `shots`, `events` grow while it runs."""

    def __init__(
        self, desktop: Desktop, python: Path, program: Path, *, weaken: str = "", **environment: str
    ) -> None:
        self._desktop = desktop
        self.shots: list[Shot] = []
        self.events: list[dict[str, Any]] = []
        self._news = threading.Condition()
        weakening: tuple[str, ...] = ("--weaken", weaken) if weaken else ()
        arguments: tuple[str | Path, ...] = (python, "-P", program, *weakening)
        self.process = desktop.spawn(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, environment=environment
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait("Ready")

    def __enter__(self) -> Station:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            assert self.process.stdin is not None
            self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self._desktop.end(self.process)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event, now = json.loads(line), time.monotonic_ns()
            with self._news:
                if event["event"] == "Picture":
                    data = self.process.stdout.read(event["size"])
                    names = ("pts_ns", "taken_ns", "keyframe", "card", "width", "height")
                    self.shots.append(Shot(came_ns=now, data=data, **{name: event[name] for name in names}))
                else:
                    self.events.append(event)
                self._news.notify_all()

    def tell(self, do: str, **more: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
        self.process.stdin.flush()

    def start(self, *rules: ApplicationRule, fps: int = 10, canvas: tuple[int, int] | None = None) -> None:
        self.tell(
            "start", recording=RECORDING, rules=[asdict(rule) for rule in rules], fps=fps, canvas=canvas
        )

    def wait(self, name: str, within_s: float = 20.0, *, after: int = 0) -> dict[str, Any]:
        """The first event of that name from number `after` on."""

        def look() -> dict[str, Any] | None:
            return next((event for event in self.events[after:] if event["event"] == name), None)

        return self._await(f"event {name}", look, within_s)

    def wait_shot(
        self, what: str, fits: Callable[[Shot], bool], *, after: int = 0, within_s: float = 10.0
    ) -> Shot:
        """The first picture that fits, from number `after` on."""

        def look() -> Shot | None:
            return next((shot for shot in self.shots[after:] if fits(shot)), None)

        return self._await(what, look, within_s)

    def wait_later(self, seconds: float = 0.5) -> None:
        """Until pictures taken `seconds` after now have come: what has happened by now is in the film, or never will be."""
        end = time.monotonic_ns() + int(seconds * 1e9)
        self.wait_shot("a later picture", lambda shot: shot.taken_ns >= end)

    def stop(self) -> dict[str, Any]:
        self.tell("stop")
        return self.wait("Stopped")

    def figures(self) -> dict[str, float]:
        count = len(self.events)
        self.tell("figures")
        return self.wait("Figures", after=count)

    def _await(self, what: str, look: Callable[[], T | None], within_s: float) -> T:
        with self._news:
            if not self._news.wait_for(
                lambda: look() is not None or self.process.poll() is not None, within_s
            ):
                raise AssertionError(
                    f"{what}: not within {within_s:g} s; events {self.events[-3:]}\n{self._desktop.tail()}"
                )
            found = look()
            if found is None:
                raise AssertionError(
                    f"{what}: the recorder's process ended with {self.process.returncode}\n{self._desktop.tail()}"
                )
            return found


def images(shots: Sequence[Shot]) -> Iterator[tuple[Shot, Image]]:
    """Each picture as a viewer sees it: height x width x RGB."""
    codec = av.CodecContext.create("libvpx-vp9", "r")
    assert isinstance(codec, VideoCodecContext)
    for shot in shots:
        frames = codec.decode(av.Packet(shot.data))
        assert len(frames) == 1, "one packet, one picture"
        yield shot, frames[0].to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def red(image: Image) -> int:
    """Pixels of the foreign marker colour; a margin for what 4:2:0 and quantising do at edges."""
    r, g, b = (image[:, :, part].astype(np.int16) for part in range(3))
    return int(np.count_nonzero((r > 140) & (g < 90) & (b < 90)))


def near(image: Image, colour: tuple[int, int, int], tolerance: int = 24) -> int:
    """Pixels of about this colour."""
    return int(np.count_nonzero((np.abs(image.astype(np.int16) - np.array(colour)) <= tolerance).all(axis=2)))


def is_card(image: Image) -> bool:
    """Whether it is the neutral card and nothing else."""
    height, width, _ = image.shape
    return near(image, NEUTRAL, 8) == int(height * width)


def worst_red(shots: Sequence[Shot]) -> int:
    """The most foreign pixels in any picture of the film."""
    return max((red(image) for _, image in images(shots)), default=0)
