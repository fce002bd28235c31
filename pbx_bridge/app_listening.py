"""An address that is taken, said so that a person can act on it."""

from __future__ import annotations

from collections.abc import Awaitable

from pbx_bridge.errors import OperatorError


async def listening(start: Awaitable[None], address: str, key: str) -> None:
    """Awaits a server's start. Raises: OperatorError naming the configuration's key."""
    try:
        await start
    except OSError as error:
        raise OperatorError(
            f"cannot listen on {address}: {error.strerror}", where=key, do="Free the port or set another"
        ) from error
