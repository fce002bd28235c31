"""Sealed payloads to those who hold a grant: ciphertext by ranges, from the archive's shelf.

A grant is leave to read one recording's payload in one visit; it was given after the keeper released the recording.
What travels here opens only with the header that went to that person. It knows no key and no right.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from starlette.responses import Response, StreamingResponse

from pbx_bridge import wire_portal as words
from pbx_bridge.archive.manifest import Manifest
from pbx_bridge.archive.release import Refusal, Refused
from pbx_bridge.archive.sentences import sentence
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Malformed

MAX_GRANTS: Final = 1_024
GRANT_LIVES_S: Final = 4 * 3_600
"""Long enough for 500 MB over 0.3 Mbit/s or for watching with pauses; it gives ciphertext only."""
READ_BYTES: Final = 256 * 1024
_RANGE: Final = re.compile(r"bytes=([0-9]{1,13})-([0-9]{0,13})\Z")


class Shelf(Protocol):
    """Where sealed files lie (archive/catalogue.py)."""

    def payload_bytes(self, recording: RecordingId, payload_at: int) -> int | None:
        """Bytes after the header; None when there is no such file."""

    def read(self, recording: RecordingId, position: int, size: int) -> bytes:
        """At most `size` bytes of the file; none when it has gone."""

    def for_copy(self, recording: RecordingId) -> tuple[BinaryIO, BinaryIO]:
        """The sealed file, and a new one without a name."""

    def remove(self, recording: RecordingId) -> None:
        """Removes the ciphertext."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to read one payload's ciphertext, for the visit it was given to."""

    token: bytes
    recording: RecordingId
    payload_at: int
    payload: str
    size: int
    """As it was signed."""
    expires_s: float
    whole: bool
    """To have it whole, which is on record as such; else every part that goes out has to be counted (P19)."""


class Payloads:
    """The grants in force, and what they give."""

    def __init__(self, shelf: Shelf, monotonic_s: Callable[[], float]) -> None:
        self._shelf, self._now_s = shelf, monotonic_s
        self._grants: OrderedDict[bytes, Grant] = OrderedDict()

    def grant(
        self, token: bytes, manifest: Manifest, payload_at: int, *, whole: bool = False
    ) -> bytes | None:
        """A grant's name; None when the file is missing, or not of the length that was signed."""
        if self._shelf.payload_bytes(manifest.recording, payload_at) != manifest.payload_bytes:
            return None
        name = secrets.token_bytes(16)
        ends_s = self._now_s() + GRANT_LIVES_S
        self._grants[name] = _granted(token, manifest, payload_at, ends_s, whole=whole)
        while len(self._grants) > MAX_GRANTS:
            self._grants.popitem(last=False)
        return name

    def end(self, name: str) -> None:
        """That grant gives nothing more; a guess neither."""
        with suppress(ValueError):
            self._grants.pop(bytes.fromhex(name), None)

    def serve(self, name: str, token: bytes, asked: str | None, *, counted: bool) -> Response:
        """P19: the bytes asked for by a `Range` header, if what goes out is counted or need not be. Raises: words.Refused,
        Malformed."""
        try:
            grant = self._grants.get(bytes.fromhex(name))
        except ValueError:
            grant = None
        if (
            grant is None
            or not secrets.compare_digest(grant.token, token)
            or self._now_s() >= grant.expires_s
            or not (counted or grant.whole)
        ):
            raise grant_ended()
        size = self._shelf.payload_bytes(grant.recording, grant.payload_at)
        if size is None:
            raise words.Refused("unknown", sentence(Refused(Refusal.UNKNOWN)))
        if size != grant.size:
            raise damaged()
        first, last, partial = byte_range(asked, size)
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": f'"{grant.payload}"',
            "Content-Length": str(last - first + 1),
            "Cache-Control": "no-store",
        }
        if partial:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        body = self._bytes(grant, first, last + 1)
        return StreamingResponse(
            body, 206 if partial else 200, headers, media_type="application/octet-stream"
        )

    def whole(self, manifest: Manifest, header: bytes, payload_at: int) -> Response | None:
        """The sealed file as one: this header, which its reader's key opens, and the payload. None as for `grant`."""
        if self._shelf.payload_bytes(manifest.recording, payload_at) != manifest.payload_bytes:
            return None
        grant = _granted(b"", manifest, payload_at, self._now_s(), whole=True)

        async def content() -> AsyncIterator[bytes]:
            yield header
            async for part in self._bytes(grant, 0, manifest.payload_bytes):
                yield part

        headers = {
            "Content-Length": str(len(header) + manifest.payload_bytes),
            "Content-Disposition": f'attachment; filename="{manifest.recording}.age"',
        }
        return StreamingResponse(content(), 200, headers, media_type="application/octet-stream")

    async def _bytes(self, grant: Grant, start: int, end: int) -> AsyncIterator[bytes]:
        at = start
        while at < end:
            size = min(READ_BYTES, end - at)
            part = await asyncio.to_thread(self._shelf.read, grant.recording, grant.payload_at + at, size)
            if not part:
                return  # destroyed meanwhile: the length promised is not reached, which every client notices
            yield part
            at += len(part)


def grant_ended() -> words.Refused:
    """There is no such grant, or it is another visit's."""
    return words.Refused("visit-ended", "this grant has ended: ask for the recording again")


def damaged() -> words.Refused:
    """The file is gone, or not of the length its recorder signed."""
    return words.Refused("file", "the sealed file is missing or damaged: tell the administrator")


def _granted(token: bytes, manifest: Manifest, payload_at: int, expires_s: float, *, whole: bool) -> Grant:
    payload, size = manifest.payload, manifest.payload_bytes
    return Grant(token, manifest.recording, payload_at, payload, size, expires_s, whole)


def byte_range(header: str | None, size: int) -> tuple[int, int, bool]:
    """First and last byte asked for (RFC 9110, 14): one range `bytes=a-` or `bytes=a-b`; others are refused."""
    if header is None:
        return 0, size - 1, False
    found = _RANGE.match(header)
    if found is None:
        raise Malformed("Range: bytes=FIRST- or bytes=FIRST-LAST")
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if not first <= last:
        raise Malformed(f"Range: the payload has {size} bytes")
    return first, last, True
