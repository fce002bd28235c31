"""One leg's RTP (RFC 3550): sends a voice packet by packet on time, keys by RFC 4733, keeps what it hears.

It knows packets and clocks, no SIP. Each sent and heard packet carries its CLOCK_MONOTONIC time, so that a test knows
the truth.
"""

from __future__ import annotations

import asyncio
import audioop
import contextlib
import gc
import random
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass, field

from tests.rig.rtp_voices import Voice
from tests.rig.sdp import KEYS_PAYLOAD, Codec, Remote

KEYS = "0123456789*#"
KEY_PACKETS = 8
"""Five of the tone, three times its end: 100 ms of key at 20 ms."""
KEY_PAUSE_PACKETS = 4


@dataclass(frozen=True, slots=True)
class Packet:
    at_ns: int
    payload: bytes


@dataclass(slots=True)
class Sent:
    """A voice packet that left: when, and which sample of the voice it starts with."""

    at_ns: int
    sample: int


@dataclass(slots=True)
class _Key:
    number: int
    timestamp: int
    step: int = 0


@dataclass(slots=True)
class RtpLeg:
    """Sends `voice` to the other side while `sending`; a leg that is not sending keeps its clock."""

    ip: str
    codec: Codec
    voice: Voice
    sending: bool = True
    muted: bool = False
    """No packet at all: a phone that vanished, or silence suppression."""
    remote: Remote | None = None
    heard: list[Packet] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    pressed: str = ""
    """The keys that came from the other side (RFC 4733)."""
    _socket: socket.socket | None = None
    _task: asyncio.Task[None] | None = None
    _keys: deque[int] = field(default_factory=deque)
    _keys_sent: asyncio.Event = field(default_factory=asyncio.Event)
    _key_at: bytes = b""
    """The timestamp of the last one: each comes in several packets."""

    @property
    def address(self) -> tuple[str, int]:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.bind((self.ip, 0))
            asyncio.get_running_loop().add_reader(self._socket, self._read)
        return self.ip, int(self._socket.getsockname()[1])

    def start(self) -> None:
        if self._task is None and self.remote is not None:
            self._task = asyncio.create_task(self._send())

    def close(self) -> None:
        self._keys_sent.set()  # nobody is left to hear them
        if self._task is not None:
            self._task.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    async def press(self, digit: str) -> None:
        """One key, 100 ms long; returns when it has been sent whole."""
        self._keys_sent.clear()
        self._keys.append(KEYS.index(digit))
        await self._keys_sent.wait()

    @property
    def _keys_payload(self) -> int:
        return self.remote.payloads.get("telephone-event", KEYS_PAYLOAD) if self.remote else KEYS_PAYLOAD

    def heard_pcm(self) -> bytes:
        """What this leg heard as 8 kHz s16le, packet after packet (G.711 only)."""
        return audioop.ulaw2lin(b"".join(packet.payload for packet in self.heard), 2)

    def _read(self) -> None:
        assert self._socket is not None
        while True:
            try:
                raw = self._socket.recv(2048)
            except (BlockingIOError, OSError):
                return
            number = (
                self.remote.payloads.get(self.codec.name.lower(), self.codec.payload) if self.remote else -1
            )
            if len(raw) > 12 and raw[1] & 0x7F == number:
                self.heard.append(Packet(time.monotonic_ns(), raw[12:]))
            elif len(raw) == 16 and raw[1] & 0x7F == self._keys_payload and raw[13] & 0x80:
                self._key(raw)

    def _key(self, raw: bytes) -> None:
        if raw[4:8] != self._key_at:
            self._key_at = raw[4:8]
            self.pressed += KEYS[raw[12]] if raw[12] < len(KEYS) else "?"

    async def _send(self) -> None:
        gc.freeze()  # looking through all that is loaded takes 60 ms, in which nobody would speak
        sequence, ssrc = random.getrandbits(15), random.getrandbits(32)
        timestamp = random.getrandbits(31)
        start_ns, count = time.monotonic_ns(), 0
        key: _Key | None = None
        while self._socket is not None and self.remote is not None:
            if key is None and self._keys:
                key = _Key(self._keys.popleft(), timestamp)
            if key is not None:
                if key.step < KEY_PACKETS and not self.muted:
                    self._send_key(key, sequence, ssrc)
                    sequence += 1
                key.step += 1
                if key.step >= KEY_PACKETS + KEY_PAUSE_PACKETS:
                    key = None
                    if not self._keys:
                        self._keys_sent.set()
            elif self.sending and not self.muted:
                number = self.remote.payloads.get(self.codec.name.lower(), self.codec.payload)
                self._put(_header(number, sequence, timestamp, ssrc) + self.voice.packet(count))
                self.sent.append(Sent(time.monotonic_ns(), count * self.codec.samples))
                sequence += 1
            count += 1
            timestamp += self.codec.ticks
            next_ns = start_ns + count * self.codec.ptime_ms * 1_000_000
            await asyncio.sleep(max(next_ns - time.monotonic_ns(), 0) / 1e9)

    def _send_key(self, key: _Key, sequence: int, ssrc: int) -> None:
        assert self.remote is not None
        number = self._keys_payload
        ended = key.step >= KEY_PACKETS - 3
        duration = self.codec.ptime_ms * 8 * min(key.step + 1, KEY_PACKETS - 2)
        marker = 0x80 if key.step == 0 else 0
        body = struct.pack("!BBH", key.number, (0x80 if ended else 0) | 10, duration)
        self._put(_header(number | marker, sequence, key.timestamp, ssrc) + body)

    def _put(self, raw: bytes) -> None:
        if self._socket is not None and self.remote is not None and self.remote.address[1]:
            with contextlib.suppress(OSError):  # the other side's port just closed
                self._socket.sendto(raw, self.remote.address)


def _header(payload: int, sequence: int, timestamp: int, ssrc: int) -> bytes:
    return struct.pack("!BBHII", 0x80, payload, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
