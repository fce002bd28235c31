"""A scriptable SIP phone for scenarios: it registers, calls, answers, holds, transfers, sends keys, or just vanishes.

UDP on the loopback only; nothing here is for production use. What is done in a call is in `phone_leg.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
import time
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Self

from tests.rig import phone_sip as sip
from tests.rig import sdp
from tests.rig.deadlines import within
from tests.rig.phone_leg import DEADLINE_S, Leg, Progress
from tests.rig.rtp import RtpLeg
from tests.rig.rtp_voices import Voice, silent

__all__ = ["Leg", "OnRing", "Phone"]


class OnRing(Enum):
    """What the phone does by itself when it rings."""

    ANSWER = "answer"
    RING = "ring"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Seen:
    """One SIP message as this phone sent or got it."""

    at_ns: int
    sent: bool
    first: str
    method: str


class Phone:
    """`async with Phone("201", pbx_sip_port, voice=...) as phone:` registers itself and is ready."""

    def __init__(
        self, user: str, pbx_port: int, *, ip: str = "127.0.0.1", codec: sdp.Codec = sdp.PCMU,
        voice: Voice | None = None, on_ring: OnRing = OnRing.ANSWER, rings_s: float = 0.2, password: str = "",
    ) -> None:  # fmt: skip
        """`password`: what the phone answers with when the PBX asks for one."""
        self.password = password
        self.user, self.pbx, self.ip, self.codec = user, ("127.0.0.1", pbx_port), ip, codec
        self.voice = voice or silent(codec)
        self.on_ring, self.rings_s = on_ring, rings_s
        self.deaf = False
        self.legs: dict[str, Leg] = {}
        self.log: list[Seen] = []
        self.port = 0
        self._calls: asyncio.Queue[Leg] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._registered: asyncio.Future[sip.SipMessage] | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@{self.ip}:{self.port}"

    def uri(self, extension: str) -> str:
        return f"sip:{extension}@{self.pbx[0]}:{self.pbx[1]}"

    async def __aenter__(self) -> Self:
        self._socket.setblocking(False)
        self._socket.bind((self.ip, 0))
        self.port = int(self._socket.getsockname()[1])
        asyncio.get_running_loop().add_reader(self._socket, self._read)
        await self.register()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for leg in self.legs.values():
            leg.hang_up()
            leg.rtp.close()
        if not self.deaf:
            with contextlib.suppress(TimeoutError, RuntimeError):  # the PBX may be gone
                await within(self.register(expires_s=0), 1)
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    async def register(self, expires_s: int = 3600) -> None:
        """With 0 s: takes the registration back. Raises: RuntimeError when the PBX refuses, TimeoutError when it is
        silent."""
        home, uri = f"<{self.uri(self.user)}>", f"sip:{self.pbx[0]}:{self.pbx[1]}"
        call = f"register-{random.getrandbits(60):x}"
        answer = await self._register(home, uri, call, 1, expires_s)
        if answer.code in (401, 407) and self.password:
            proof = sip.credentials(answer, "REGISTER", uri, self.user, self.password)
            answer = await self._register(home, uri, call, 2, expires_s, proof)
        if answer.code != 200:
            raise RuntimeError(f"phone {self.user}: the PBX answered {answer.code} to REGISTER")

    async def _register(
        self, home: str, uri: str, call: str, sequence: int, expires_s: int, *proof: str
    ) -> sip.SipMessage:
        headers = [
            f"Via: SIP/2.0/UDP {self.ip}:{self.port};branch=z9hG4bK{random.getrandbits(60):x}", "Max-Forwards: 70",
            f"From: {home};tag={random.getrandbits(40):x}", f"To: {home}", f"Call-ID: {call}",
            f"CSeq: {sequence} REGISTER", f"Contact: <{self.contact}>", f"Expires: {expires_s}", *proof,
        ]  # fmt: skip
        self._registered = asyncio.get_running_loop().create_future()
        self.send(sip.write(f"REGISTER {uri} SIP/2.0", headers))
        return await within(self._registered, DEADLINE_S)

    def call(self, extension: str, *, number: str = "", voice: Voice | None = None) -> Leg:
        """Calls `extension`; `number` is the caller's number if not the phone's own name."""
        leg = Leg(self, f"{random.getrandbits(64):x}@{self.ip}", self._leg_rtp(voice), outgoing=True)
        self.legs[leg.call_id] = leg
        leg.local = f"<sip:{number or self.user}@{self.ip}>"
        leg.remote, leg.target = f"<{self.uri(extension)}>", self.uri(extension)
        leg.invite()
        return leg

    async def next_call(self, deadline_s: float = DEADLINE_S) -> Leg:
        """The next call that came in, ringing or already answered."""
        return await within(self._calls.get(), deadline_s)

    def send(self, raw: str) -> None:
        if self.deaf:
            return
        message = sip.parse(raw)
        self.log.append(Seen(time.monotonic_ns(), True, message.first, message.method))
        self._socket.sendto(raw.encode(), self.pbx)

    def _leg_rtp(self, voice: Voice | None = None) -> RtpLeg:
        return RtpLeg(self.ip, self.codec, voice or self.voice)

    def _read(self) -> None:
        while True:
            try:
                raw = self._socket.recv(65535).decode("utf-8", "replace")
            except (BlockingIOError, OSError):
                return
            if raw.strip() and not self.deaf:
                message = sip.parse(raw)
                self.log.append(Seen(time.monotonic_ns(), False, message.first, message.method))
                self._on_message(message)

    def _on_message(self, got: sip.SipMessage) -> None:
        call_id = got.one("call-id")
        leg = self.legs.get(call_id)
        if not got.is_request:
            if got.method == "REGISTER":
                if self._registered is not None and not self._registered.done():
                    self._registered.set_result(got)
            elif leg is not None:
                leg.on_response(got)
        elif leg is not None:
            leg.on_request(got)
        else:
            self._on_new(got, call_id)

    def _on_new(self, got: sip.SipMessage, call_id: str) -> None:
        leg = Leg(self, call_id, self._leg_rtp(), outgoing=False)
        leg.remote, leg.local = re.sub(r";tag=.*", "", got.one("from")), got.one("to")
        leg.remote_tag = sip.tag_of(got.one("from"))
        leg.target = sip.uri_of(got.one("contact")) if got.one("contact") else ""
        if got.method != "INVITE":
            leg.stray(got)
            return
        leg.invited(got)
        self.legs[call_id] = leg
        self._calls.put_nowait(leg)
        task = asyncio.create_task(self._by_itself(leg))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _by_itself(self, leg: Leg) -> None:
        if self.on_ring is OnRing.BUSY:
            leg.refuse()
            return
        leg.ring()
        if self.on_ring is OnRing.ANSWER:
            await asyncio.sleep(self.rings_s)
            if leg.progress is Progress.TRYING:
                leg.answer()
