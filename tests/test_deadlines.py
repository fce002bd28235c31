"""A cancellation that comes together with the answer is not lost."""

from __future__ import annotations

import asyncio

import pytest

from tests.rig.deadlines import within


@pytest.mark.parametrize("ticks", range(4))
async def test_who_is_cancelled_in_the_moment_of_the_answer_ends(ticks: int) -> None:
    answered = asyncio.Event()
    waiting = asyncio.create_task(within(answered.wait(), 10))
    for _ in range(3):
        await asyncio.sleep(0)
    answered.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    if waiting.cancel():  # it had not ended before
        with pytest.raises(asyncio.CancelledError):
            await waiting
    else:
        assert await waiting


async def test_what_does_not_come_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        await within(asyncio.Event().wait(), 0.01)
