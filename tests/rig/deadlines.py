"""Waiting for something with a deadline, so that a cancellation is never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(waiting: Awaitable[T], seconds: float) -> T:
    """What comes of it. Raises: TimeoutError.

    `asyncio.wait_for` of Python 3.11 swallows a cancellation that comes in the moment of the answer (CPython issue 86296):
    a Ctrl-C would end nothing.
    """
    async with asyncio.timeout(seconds):
        return await waiting
