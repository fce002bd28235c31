"""Plays scenes in three houses at once, so that a hundred calls with their own true length take five minutes.

Where the PBX is somebody else's there is one house: two bridges cannot share it.

A scene is an ordinary test coroutine that takes a house. `@scene` makes it a test that waits for its own result; the
scenes themselves are played one after the other in each house, longest first, only those that were asked for. A house
mostly waits: people talk in it.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from tests.live.house import House
from tests.rig.install import Installed
from tests.rig.pbx import RigPbx

Scene = Callable[[House], Awaitable[None]]
FoundPbx = AbstractAsyncContextManager[RigPbx]
HOUSES = True, False, False
"""Which of them have two stations."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a scene needs of its house, and how long it takes (seconds, roughly: the long ones begin first)."""

    two_stations: bool
    lasts_s: float


def scene(*, two_stations: bool = False, lasts_s: float = 6.0) -> Callable[[Scene], Callable[..., Any]]:
    """A test that is played in a house."""

    def wrap(play: Scene) -> Callable[..., Any]:
        async def test(lanes: Lanes) -> None:
            await lanes.result(play)

        functools.update_wrapper(test, play)
        test.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter("lanes", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        )
        test.scene = play, Wants(two_stations, lasts_s)  # type: ignore[attr-defined]
        return test

    return wrap


class Lanes:
    """`start` with the tests that were selected; `result` waits for one; `close` ends all houses."""

    def __init__(self, programs: Installed, found: Callable[[], FoundPbx] | None = None) -> None:
        """`found`: the PBX somebody else runs, if it is not one of our own."""
        self._programs, self._found = programs, found
        self._results: dict[Scene, asyncio.Future[None]] = {}
        self._waiting: list[tuple[Scene, Wants]] = []
        self._workers: list[asyncio.Task[None]] = []
        self._playing: set[asyncio.Task[None]] = set()

    def start(self, tests: Sequence[Callable[..., Any]]) -> None:
        self._waiting = [test.scene for test in tests if hasattr(test, "scene")]
        self._waiting.sort(key=lambda waiting: -waiting[1].lasts_s)
        loop = asyncio.get_running_loop()
        self._results = {play: loop.create_future() for play, _ in self._waiting}
        for two_stations in (True,) if self._found else HOUSES:
            self._workers.append(asyncio.create_task(self._work(two_stations)))

    async def result(self, play: Scene) -> None:
        """Raises: what the scene raised."""
        await self._results[play]

    async def close(self) -> None:
        """Breaks off what is being played, and lets the houses be cleared away to the end."""
        self._waiting.clear()
        for playing in self._playing:
            playing.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self, two_stations: bool) -> None:
        if self._next(two_stations, take=False) is None:
            return
        try:
            pbx = self._found() if self._found else None
            async with House(self._programs, two_stations=two_stations, pbx=pbx) as house:
                while (play := self._next(two_stations)) is not None:
                    playing = asyncio.create_task(self._play(play, house))
                    self._playing.add(playing)
                    await asyncio.wait([playing])
                    self._playing.discard(playing)
        except Exception as error:
            for result in self._results.values():
                if not result.done():
                    result.set_exception(error)

    async def _play(self, play: Scene, house: House) -> None:
        result = self._results[play]
        try:
            async with house.scene():
                await play(house)
        except Exception as error:
            error.add_note(house.report())
            if not result.done():
                result.set_exception(error)
        else:
            if not result.done():
                result.set_result(None)

    def _next(self, two_stations: bool, *, take: bool = True) -> Scene | None:
        for waiting in self._waiting:
            play, wants = waiting
            if two_stations or not wants.two_stations:
                if take:
                    self._waiting.remove(waiting)
                return play
        return None
