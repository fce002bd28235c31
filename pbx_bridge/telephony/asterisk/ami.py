"""The AMI link: one connection to one Asterisk, facts out in order, a few actions in.

It knows AMI and the translation table; it never decides what a call is or whether it may be recorded. Its promises: a
link that is silent for 1.2 s is dead (a half-open one too) and `LinkDown` is told at once (P10: 2 s); after a reconnect
`LinkUp` comes first with all that lives there, then what happened since; a consumer that raises, or an event that
cannot be read, costs neither the link nor the order; a wrong secret is told once, in a sentence a person can act on,
and tried again ever more rarely.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import structlog

from pbx_bridge.calls import facts
from pbx_bridge.calls.facts import Fact
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk.ami_protocol import ActionRefused, FencedProtocol
from pbx_bridge.telephony.asterisk.resync import snapshot
from pbx_bridge.telephony.asterisk.settings import AmiSettings
from pbx_bridge.telephony.asterisk.stamps import parse_stamp
from pbx_bridge.telephony.asterisk.translate import translate
from pbx_bridge.telephony.kept_link import KeptLink
from pbx_bridge.telephony.rtp_watch import POLL_S, RtpWatch
from pbx_bridge.telephony.stamps import PbxClock

log = structlog.get_logger()

CONNECT_DEADLINE_S = 2.0
ANSWER_DEADLINE_S = 1.2
"""A ping each half second and this long for its answer: a dead link is known within 1.7 s, P10 allows 2."""
PING_EVERY_S = 0.5
FIRST_PINGS = 5
"""The clock's bound is that of the fastest exchange: a few at once, before the first fact needs it."""


class _LoginRefused(Exception):
    pass


class AmiLink:
    """`start()`, then facts come to `on_fact` until `close()`. `on_fact` runs in the event loop and must not block."""

    def __init__(
        self, settings: AmiSettings, on_fact: Callable[[Fact], None], *, digest_key: bytes = b""
    ) -> None:
        self._settings, self._on_fact, self._digest_key = settings, on_fact, digest_key
        self._protocol: FencedProtocol | None = None
        self._kept = KeptLink(
            "ami link",
            self._session,
            self._drop,
            lambda why: self._give(facts.LinkDown(time.monotonic_ns(), why)),
            refusals=(_LoginRefused,),
            faults=(OSError, TimeoutError, ActionRefused),
        )
        self._found: frozenset[ChannelId] = frozenset()
        self._early: list[tuple[Mapping[str, object], int]] | None = None
        self._rtp = RtpWatch()
        self.clock = PbxClock()
        """The PBX's clock as the pings show it; `clock.error_ns(now)` is the bound of every fact's `at_ns`."""

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Begins to connect and returns at once: a PBX that is down is no reason not to start."""
        await self._kept.start()

    async def close(self) -> None:
        await self._kept.close()
        if self._protocol is not None:
            self._protocol.end("the bridge closed the link")

    @property
    def is_up(self) -> bool:
        return self._kept.is_up

    async def until_up(self) -> None:
        """Returns when the link works and `LinkUp` was told."""
        await self._kept.until_up()

    # ------------------------------------------------------------ actions

    async def getvar(self, channel: ChannelId | None, name: str) -> str:
        """A channel's or (None) a global variable. Raises: ActionRefused, ValueError, TimeoutError, ConnectionError."""
        fields = {"Action": "Getvar", "Variable": name}
        if channel is not None:
            fields["Channel"] = channel
        answers = await self._ask(fields)
        return str(answers[0].get("Value", ""))

    async def setvar(self, leg: ChannelId | None, name: str, value: str) -> None:
        """Sets a leg's or (None) a global variable. Raises: as `getvar`."""
        fields = {"Action": "Setvar", "Variable": name, "Value": value}
        if leg is not None:
            fields["Channel"] = leg
        await self._ask(fields)

    def watch_rtp(self, channel: ChannelId) -> None:
        """From now on `LegSilent` each second while no RTP comes from this phone, `LegHeard` when it comes back."""
        self._rtp.watch(channel, time.monotonic_ns())

    def unwatch_rtp(self, channel: ChannelId) -> None:
        self._rtp.unwatch(channel)

    async def _ask(self, fields: Mapping[str, str]) -> list[Mapping[str, object]]:
        if self._protocol is None:
            raise ConnectionError("the AMI link is down")
        return list(await self._protocol.ask(fields, ANSWER_DEADLINE_S))

    # ------------------------------------------------------------ keeping it alive

    async def _session(self) -> None:
        """One connection, from connect to loss. Raises: what ended it."""
        self._early = []
        loop = asyncio.get_running_loop()
        where = f"{self._settings.host}:{self._settings.port}"
        async with asyncio.timeout(CONNECT_DEADLINE_S):
            _, protocol = await loop.create_connection(
                lambda: FencedProtocol(self._on_event, self._on_broken, self._kept.lost),
                self._settings.host,
                self._settings.port,
            )
        self._protocol = protocol
        try:
            await protocol.ask(
                {
                    "Action": "Login",
                    "Username": self._settings.user,
                    "Secret": self._settings.secret,
                    "Events": "on",
                },
                CONNECT_DEADLINE_S,
            )
        except ActionRefused as refused:
            if refused.why != "Authentication failed":
                raise  # it shuts down, or has no room for another manager: that mends itself
            raise _LoginRefused(
                f"Asterisk at {where} refuses the AMI user {self._settings.user!r} ({refused.why}): "
                "compare its name and secret with manager.conf, and `permit` there with this machine's address"
            ) from None
        for _ in range(FIRST_PINGS):
            await self._ping()
        await self._resync(protocol)
        self._kept.came_up()
        log.info("ami link up", where=where, ami=protocol.version_heard)
        await self._kept.until_lost(self._pings(), self._polls())

    async def _pings(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await self._ping()

    async def _ping(self) -> None:
        sent_ns = time.monotonic_ns()
        try:
            answers = await self._ask({"Action": "Ping"})
        except TimeoutError:
            raise TimeoutError(f"no answer to a ping for {ANSWER_DEADLINE_S} s") from None
        stamp = answers[0].get("Timestamp")
        if isinstance(stamp, str):
            assert self._protocol is not None
            # not now: this task waited for its turn since the bytes came
            self.clock.exchanged(sent_ns, max(self._protocol.arrived_ns, sent_ns), parse_stamp(stamp))

    async def _resync(self, protocol: FencedProtocol) -> None:
        """All channels there are, first; then what happened while they were listed."""
        for fact in await snapshot(protocol, self._digest_key):
            if isinstance(fact, facts.LinkUp):
                self._found = frozenset(channel.channel for channel in fact.channels)
            self._give(fact)
        early, self._early = self._early or [], None
        for event, arrived_ns in early:
            self._translate(event, arrived_ns)

    async def _polls(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            for channel in self._rtp.watched():
                try:
                    count = await self.getvar(channel, "CHANNEL(rtcp,rxcount)")
                except ActionRefused:
                    self._rtp.unwatch(channel)  # it hung up meanwhile
                    continue
                for fact in self._rtp.counted(channel, count, time.monotonic_ns()):
                    self._give(fact)

    # ------------------------------------------------------------ what comes in

    def _on_event(self, event: Mapping[str, object], arrived_ns: int) -> None:
        if self._early is not None:
            self._early.append((event, arrived_ns))
        else:
            self._translate(event, arrived_ns)

    def _translate(self, event: Mapping[str, object], arrived_ns: int) -> None:
        for fact in translate(event, self._at_ns(event, arrived_ns), self._digest_key):
            if isinstance(fact, facts.ChannelBorn) and fact.channel in self._found:
                continue  # LinkUp told it already
            if isinstance(fact, facts.ChannelGone):
                self._rtp.unwatch(fact.channel)
            self._give(fact)

    def _at_ns(self, event: Mapping[str, object], arrived_ns: int) -> int:
        stamp = event.get("Timestamp")
        try:
            return (
                self.clock.at(parse_stamp(stamp), arrived_ns).at_ns if isinstance(stamp, str) else arrived_ns
            )
        except ValueError:
            return arrived_ns

    def _on_broken(self, broken: Exception, at_ns: int) -> None:
        log.error("an AMI message could not be read", error=type(broken).__name__)
        self._give(facts.Unreadable(at_ns, None, "message"))

    def _give(self, fact: Fact) -> None:
        try:
            self._on_fact(fact)
        except Exception:
            log.exception("a fact's consumer failed", fact=type(fact).__name__)

    def _drop(self) -> None:
        if self._protocol is not None:
            self._protocol.end("the link is given up")
            self._protocol = None
        self._rtp.forget()
        self.clock.forget()
