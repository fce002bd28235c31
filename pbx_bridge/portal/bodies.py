"""Bodies of requests within their limits, and the status each refusal's word is answered with. Shared by API and pages."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from pbx_bridge import wire_portal as words
from pbx_bridge.wire_json import Malformed

BODY_WITHIN_S: Final = 10.0
"""16 KiB over the slowest line there is."""
STATUS: Final = {
    "unknown": 404,
    "not-found": 404,
    "token": 401,
    "scope": 403,
    "no-call": 409,
    "on-its-way": 409,
    "changed": 409,
    "approved": 409,
    "trainee-first": 403,
    "not-kept": 410,
    "expired": 410,
    "key-unconfirmed": 403,
    "visit-ended": 401,
    "session": 401,
    "sign-in": 401,
    "malformed": 400,
    "method": 405,
    "too-large": 413,
    "media-type": 415,
    "fault": 500,
    "passphrase": 400,
    "second-factor": 400,
    "no-session": 400,
    "note": 400,
    "note-unknown": 404,
    "notes-full": 409,
    "too-often": 429,
    "audit-unwritable": 503,
    "keeper": 503,
    "clock": 503,
    "disk": 503,
    "unavailable": 503,
}
"""Of each refusal's word; all others are 403."""


class TooLarge(Malformed):
    """More than a body may have."""


async def read_bytes(request: Request) -> bytes:
    """The whole body. Raises: TooLarge; Malformed when it is cut, or slow."""
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for part in request.stream():
                body += part
                if len(body) > words.MAX_BODY_BYTES:
                    raise TooLarge(f"a body has at most {words.MAX_BODY_BYTES} bytes")
    except (ClientDisconnect, TimeoutError):
        raise Malformed("the body was cut, or came too slowly") from None
    return body
