"""One call on a test phone: what a person does with it, and the SIP dialog behind (RFC 3261, 3515, 3891).

Each step that a scenario must know the truth of is stamped with CLOCK_MONOTONIC: `answered_ns` is just before the 200
OK left or when it came, `ended_ns` the same for the BYE. It knows one dialog; the handset sends and receives.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol, Self

from tests.rig import phone_sip as sip
from tests.rig import sdp
from tests.rig.deadlines import within
from tests.rig.rtp import RtpLeg
from tests.rig.rtp_voices import Voice

DEADLINE_S = 10.0
"""For any step another party must take; a loaded machine answers in a tenth of it."""


class Progress(Enum):
    TRYING = "trying"
    UP = "up"
    ENDED = "ended"


class Handset(Protocol):
    """What a leg needs of its phone."""

    user: str
    password: str
    ip: str
    port: int
    deaf: bool
    """Sends and hears nothing any more."""

    @property
    def contact(self) -> str: ...
    def uri(self, extension: str) -> str: ...
    def send(self, raw: str) -> None: ...


@dataclass(slots=True, eq=False)
class Leg:
    """One dialog of a phone: a call it made or got."""

    phone: Handset
    call_id: str
    rtp: RtpLeg
    outgoing: bool
    local: str = ""
    remote: str = ""
    target: str = ""
    remote_tag: str = ""
    local_tag: str = field(default_factory=lambda: f"{random.getrandbits(40):x}")
    progress: Progress = Progress.TRYING
    direction: sdp.Direction = sdp.Direction.BOTH
    invited_ns: int = 0
    answered_ns: int = 0
    ended_ns: int = 0
    ended_by_me: bool = False
    refusal: int = 0
    """The final code when the other side refused."""
    ringing: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    transferred: asyncio.Event = field(default_factory=asyncio.Event)
    """A NOTIFY reported the REFER's final result."""
    _agreed: asyncio.Event = field(default_factory=asyncio.Event)
    _sequence: int = field(default_factory=lambda: random.randint(1, 9000))
    _version: int = 0
    _invite: sip.SipMessage | None = None
    _invite_sequence: int = 0
    _invite_branch: str = ""
    _proven: bool = False
    """The password was given once; a second question is a refusal."""
    _handled: set[tuple[str, str]] = field(default_factory=set)

    # ------------------------------------------------------------ what a person does

    def ring(self) -> None:
        self._respond(self._incoming(), 180, "Ringing")

    def announce(self) -> None:
        """As a network does before somebody answers: 183 with a description, and a voice."""
        self._respond(self._incoming(), 183, "Session Progress", self._description())
        self.rtp.start()

    def answer(self) -> None:
        self.progress = Progress.UP
        description = self._description()
        self.answered_ns = time.monotonic_ns()
        self._respond(self._incoming(), 200, "OK", description)
        self.rtp.start()
        self.answered.set()

    def refuse(self, code: int = 486, reason: str = "Busy Here") -> None:
        self._respond(self._incoming(), code, reason)
        self._end(by_me=True)

    def cancel(self) -> None:
        """Gives up while it rings."""
        to = self.remote
        self._request("CANCEL", sequence=self._invite_sequence, branch=self._invite_branch, to=to)

    def leave(self) -> None:
        """Hangs up whatever the state: CANCEL while it rings, BYE once it was answered (a notice answers the call)."""
        if self.progress is Progress.UP:
            self.hang_up()
        else:
            self.cancel()

    def hang_up(self) -> None:
        if self.progress is Progress.UP:
            self.ended_ns = time.monotonic_ns()
            self._request("BYE")
            self._end(by_me=True)

    async def hold(self) -> None:
        """As desk phones do: re-INVITE sendonly, then no packet."""
        await self._renew(sdp.Direction.SENDS)
        self.rtp.sending = False

    async def resume(self) -> None:
        await self._renew(sdp.Direction.BOTH)
        self.rtp.sending = True

    async def change_codec(self, codec: sdp.Codec, voice: Voice) -> None:
        """As a phone does that leaves the office's network: re-INVITE with another codec."""
        assert self.rtp.remote is not None
        self.rtp.codec, self.rtp.voice = codec, voice
        self.rtp.remote = replace(self.rtp.remote, payloads={})  # numbers are agreed anew
        await self._renew(sdp.Direction.BOTH)

    def transfer(self, extension: str) -> None:
        """Blind (RFC 3515)."""
        self._refer(self.phone.uri(extension))

    def transfer_to(self, consultation: Leg) -> None:
        """Attended (RFC 3891): joins this leg's other party to that of `consultation`."""
        call_id = consultation.call_id.replace("@", "%40")
        tags = f"%3Bto-tag%3D{consultation.remote_tag}%3Bfrom-tag%3D{consultation.local_tag}"
        self._refer(f"{sip.uri_of(consultation.remote)}?Replaces={call_id}{tags}")

    async def press(self, digits: str) -> None:
        """Keys by RFC 4733, one after the other."""
        for digit in digits:
            await self.rtp.press(digit)

    async def press_by_info(self, digits: str) -> None:
        """Keys by SIP INFO (application/dtmf-relay)."""
        for digit in digits:
            self._agreed.clear()
            self._request("INFO", f"Signal={digit}\r\nDuration=100\r\n", body_type="application/dtmf-relay")
            await within(self._agreed.wait(), DEADLINE_S)

    def vanish(self) -> None:
        """The network cable is out: no BYE, no RTP, no answer to anything."""
        self.rtp.muted = True
        self.phone.deaf = True

    async def until_answered(self, deadline_s: float = DEADLINE_S) -> Self:
        await within(self.answered.wait(), deadline_s)
        return self

    async def until_ended(self, deadline_s: float = DEADLINE_S) -> Self:
        await within(self.ended.wait(), deadline_s)
        return self

    # ------------------------------------------------------------ requests and responses

    def _incoming(self) -> sip.SipMessage:
        assert self._invite is not None, "this leg was made here, nobody called it"
        return self._invite

    def _description(self) -> str:
        self._version += 1
        numbers = self.rtp.remote.payloads if self.rtp.remote else {}
        return sdp.offer(self._version, self.rtp.address, self.rtp.codec, self.direction, numbers)

    def _take(self, body: str) -> None:
        if body and (remote := sdp.parse(body)):
            self.rtp.remote = remote

    async def _renew(self, direction: sdp.Direction) -> None:
        self.direction = direction
        self._agreed.clear()
        self._request("INVITE", self._description())
        await within(self._agreed.wait(), DEADLINE_S)

    def _refer(self, target: str) -> None:
        self.transferred.clear()
        self._request("REFER", extra=[f"Refer-To: <{target}>", f"Referred-By: {self.local}"])

    def _request(
        self, method: str, body: str = "", *, extra: list[str] | None = None, body_type: str = "application/sdp",
        sequence: int = 0, branch: str = "", to: str = "",
    ) -> None:  # fmt: skip
        if not sequence:
            self._sequence += 1
            sequence = self._sequence
        branch = branch or f"z9hG4bK{random.getrandbits(60):x}"
        if method == "INVITE":
            self._invite_sequence, self._invite_branch = sequence, branch
        to = to or self.remote + (f";tag={self.remote_tag}" if self.remote_tag else "")
        headers = [
            f"Via: SIP/2.0/UDP {self.phone.ip}:{self.phone.port};branch={branch}", "Max-Forwards: 70",
            f"From: {self.local};tag={self.local_tag}", f"To: {to}", f"Call-ID: {self.call_id}",
            f"CSeq: {sequence} {method}", f"Contact: <{self.phone.contact}>", f"Allow: {sip.ALLOW}", *(extra or []),
        ]  # fmt: skip
        self.phone.send(sip.write(f"{method} {self.target} SIP/2.0", headers, body, body_type))

    def _respond(self, to: sip.SipMessage, code: int, reason: str, body: str = "") -> None:
        target = to.one("to")
        if "tag=" not in target:
            target += f";tag={self.local_tag}"
        headers = [
            *(f"Via: {via}" for via in to.headers.get("via", ())),
            *(f"Record-Route: {route}" for route in to.headers.get("record-route", ())),
            f"From: {to.one('from')}", f"To: {target}", f"Call-ID: {self.call_id}", f"CSeq: {to.one('cseq')}",
            f"Contact: <{self.phone.contact}>", f"Allow: {sip.ALLOW}",
        ]  # fmt: skip
        self.phone.send(sip.write(f"SIP/2.0 {code} {reason}", headers, body))

    # ------------------------------------------------------------ how it begins

    def invite(self) -> None:
        """Calls."""
        self.invited_ns = time.monotonic_ns()
        self._request("INVITE", self._description())

    def invited(self, got: sip.SipMessage) -> None:
        """Somebody calls."""
        self._invite, self.invited_ns = got, time.monotonic_ns()
        self._handled.add((got.one("cseq"), got.one("via")))
        self._take(got.body)

    def stray(self, got: sip.SipMessage) -> None:
        """A request outside of any call."""
        known = got.method in ("OPTIONS", "NOTIFY")
        self._respond(got, 200 if known else 481, "OK" if known else "No Dialog")

    # ------------------------------------------------------------ what comes in

    def on_request(self, got: sip.SipMessage) -> None:
        key = (got.one("cseq"), got.one("via"))
        if got.method not in ("ACK", "CANCEL"):
            if key in self._handled:
                return
            self._handled.add(key)
        match got.method:
            case "ACK":
                return
            case "INVITE" | "UPDATE":
                self._take(got.body)
                self._respond(
                    got, 200, "OK", self._description() if got.body or got.method == "INVITE" else ""
                )
            case "BYE":
                self._respond(got, 200, "OK")
                self._end(by_me=False)
            case "CANCEL":
                self._respond(got, 200, "OK")
                if self.progress is Progress.TRYING:
                    self._respond(self._incoming(), 487, "Request Terminated")
                    self._end(by_me=False)
            case "NOTIFY":
                self._respond(got, 200, "OK")
                if re.search(r"SIP/2\.0 [2-6]\d\d", got.body):
                    self.transferred.set()
                if "SIP/2.0 200" in got.body:
                    self.hang_up()  # as desk phones do once the transfer went through
            case _:
                self._respond(got, 200, "OK")

    def on_response(self, got: sip.SipMessage) -> None:
        if got.method == "INVITE" and got.code in (401, 407) and self.phone.password and not self._proven:
            self._proven = True
            self._request("ACK", sequence=got.sequence, branch=self._invite_branch, to=got.one("to"))
            phone = self.phone
            proof = sip.credentials(got, "INVITE", self.target, phone.user, phone.password)
            self._request("INVITE", self._description(), extra=[proof])
            return
        if got.method != "INVITE":
            if got.code >= 200:
                self._agreed.set()
            return
        self.remote_tag = sip.tag_of(got.one("to")) or self.remote_tag
        if got.code in (180, 183):
            self.ringing.set()
        elif 200 <= got.code < 300:
            if contact := got.one("contact"):
                self.target = sip.uri_of(contact)
            self._take(got.body)
            self._request("ACK", sequence=got.sequence)
            self._agreed.set()
            if self.progress is Progress.TRYING:
                self.progress = Progress.UP
                self.answered_ns = time.monotonic_ns()
                self.rtp.start()
                self.answered.set()
        elif got.code >= 300:
            self._request("ACK", sequence=got.sequence, branch=self._invite_branch)
            if self.progress is Progress.TRYING:
                self.refusal = got.code
                self._end(by_me=False)

    def _end(self, *, by_me: bool) -> None:
        if self.progress is not Progress.ENDED:
            self.progress, self.ended_by_me = Progress.ENDED, by_me
            self.ended_ns = self.ended_ns or time.monotonic_ns()
            self.rtp.close()
            self.ended.set()
