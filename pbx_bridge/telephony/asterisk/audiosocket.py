"""AudioSocket's bytes (docs.asterisk.org, "AudioSocket"): frames of type, length and payload. Pure, with limits.

A frame is one byte of kind, two of length (big-endian), the payload. The first must be the call's id; audio is signed
16-bit little-endian mono. Keys that come along are dropped unread (P7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from pbx_bridge.errors import PeerError

PAYLOAD_LIMIT = 8 * 1024
"""Asterisk sends 20 ms at a time: 320 bytes at 8 kHz, 7680 at 192 kHz."""
RATES = {0x10: 8000, 0x11: 12000, 0x12: 16000, 0x13: 24000, 0x14: 32000, 0x15: 44100, 0x16: 48000}
"""Samples per second by frame kind (Asterisk 22: res_audiosocket.h AST_AUDIOSOCKET_KIND_AUDIO...)."""
_HANGUP, _ID, _KEY, _ERROR = 0x00, 0x01, 0x03, 0xFF


@dataclass(frozen=True, slots=True)
class Named:
    """The first frame: which tap this connection is."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Audio:
    pcm: bytes
    rate: int


@dataclass(frozen=True, slots=True)
class HungUp:
    """The PBX says that this channel ended."""


Frame: TypeAlias = Named | Audio | HungUp


class AudioSocketFraming:
    """Bytes in, frames out. Raises: PeerError for anything that is not AudioSocket in this order."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._named = False

    def feed(self, data: bytes) -> list[Frame]:
        self._pending += data
        frames: list[Frame] = []
        at = 0
        while len(self._pending) - at >= 3:
            kind, size = self._pending[at], int.from_bytes(self._pending[at + 1 : at + 3], "big")
            if size > PAYLOAD_LIMIT:
                raise PeerError(f"an AudioSocket frame is longer than {PAYLOAD_LIMIT} bytes")
            if not self._named and kind != _ID:
                raise PeerError("an AudioSocket connection began without its id")
            if len(self._pending) - at - 3 < size:
                break
            payload = bytes(self._pending[at + 3 : at + 3 + size])
            at += 3 + size
            if (frame := self._frame(kind, payload)) is not None:
                frames.append(frame)
        del self._pending[:at]
        return frames

    def _frame(self, kind: int, payload: bytes) -> Frame | None:
        if kind == _ID:
            if self._named or len(payload) != 16:
                raise PeerError("an AudioSocket id is 16 bytes, once, at the beginning")
            self._named = True
            return Named(UUID(bytes=payload))
        if kind == _HANGUP:
            return HungUp()
        if kind == _KEY:
            return None
        if kind == _ERROR:
            raise PeerError("the PBX reports an AudioSocket error")
        if kind not in RATES:
            raise PeerError(f"an AudioSocket frame of unknown kind {kind:#04x}")
        if len(payload) % 2:
            raise PeerError("an AudioSocket frame with half a sample")
        return Audio(payload, RATES[kind])
