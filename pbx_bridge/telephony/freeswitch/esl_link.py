"""The event socket link: one connection to one FreeSWITCH, what it says in order, commands in.

It knows when to connect, when a silent peer is dead and where on the bridge's clock an event stands; it never knows what
an event means (translate.py). Its promises: a link that is silent for 1.2 s is dead (a half-open one too) and `LinkLost`
is said at once (P10: 2 s); after a reconnect `LinkBack` comes first with all that lives there, then what happened since
(an event may tell again what the snapshot has); a consumer that raises, or an event that cannot be read, costs neither
the link nor the order; a wrong password is told once, in a sentence a person can act on, and tried again ever more
rarely; a command is never sent twice.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from pbx_bridge.errors import OperatorError, PeerError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.esl_codec import EslEvent
from pbx_bridge.telephony.freeswitch.esl_connection import (
    CommandRefused,
    Connect,
    Ears,
    EslConnection,
    LoginRefused,
    accepted,
    connect_asyncio,
    fail,
)
from pbx_bridge.telephony.freeswitch.resync import Snapshot, snapshot
from pbx_bridge.telephony.freeswitch.settings import EslSettings
from pbx_bridge.telephony.freeswitch.ticks import TickingClock, parse_stamp
from pbx_bridge.telephony.kept_link import KeptLink

log = structlog.get_logger()

ANSWER_DEADLINE_S = 1.2
"""A ping each half second and this long for its answer: a dead link is known within 1.7 s, P10 allows 2."""
RESYNC_DEADLINE_S = 5.0
"""For each answer of a resync: they wait behind one another."""
JOB_DEADLINE_S = 5.0
PING_EVERY_S = 0.5
FIRST_PINGS = 5
"""The clock's bound is that of the best exchange: a few at once, before the first event needs it."""
EARLY_LIMIT = 20_000
"""Events that wait for the end of a resync, at some 5 kB each: a PBX that makes two thousand a second is listed by then."""
JOB = "BACKGROUND_JOB"


@dataclass(frozen=True, slots=True)
class LinkBack:
    """The link works; this is all that lives there."""

    at_ns: int
    found: Snapshot


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The link is lost, or does not come up. `why` is a sentence for a person."""

    at_ns: int
    why: str


@dataclass(frozen=True, slots=True)
class Heard:
    """An event, and when FreeSWITCH made it by the bridge's CLOCK_MONOTONIC (never later than it came)."""

    at_ns: int
    event: EslEvent


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something came that is no event: what it was about is not known (P10)."""

    at_ns: int


Said: TypeAlias = LinkBack | LinkLost | Heard | Unreadable


class EslLink:
    """`start()`, then all that is said comes to `on_said` until `close()`. It runs in the event loop and must not
    block.

    `events` are Event-Names, `subclasses` those of CUSTOM events. DTMF is never among them (P7).
    """

    def __init__(
        self,
        settings: EslSettings,
        on_said: Callable[[Said], None],
        *,
        events: Iterable[str],
        subclasses: Iterable[str] = (),
        connect: Connect = connect_asyncio,
    ) -> None:
        self._settings, self._on_said, self._connect = settings, on_said, connect
        self._wanted = subscription(events, subclasses)
        self._connection: EslConnection | None = None
        self._kept = KeptLink(
            "event socket link",
            self._session,
            self._drop,
            lambda why: self._say(LinkLost(time.monotonic_ns(), why)),
            refusals=(LoginRefused, OperatorError),
            faults=(OSError, TimeoutError, CommandRefused, PeerError),
        )
        self._early: list[tuple[EslEvent | None, int]] | None = None
        self._jobs: dict[str, asyncio.Future[str]] = {}
        self.clock = TickingClock()
        """FreeSWITCH's clock as the pings show it; `clock.error_ns(now)` is the bound of every `Heard.at_ns`."""

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Begins to connect and returns at once: a PBX that is down is no reason not to start."""
        await self._kept.start()

    async def close(self) -> None:
        await self._kept.close()
        if self._connection is not None:
            self._connection.end("the bridge closed the link")

    @property
    def is_up(self) -> bool:
        return self._kept.is_up

    async def until_up(self) -> None:
        """Returns when the link works and `LinkBack` was told."""
        await self._kept.until_up()

    # ------------------------------------------------------------ commands

    async def api(self, command: str, arguments: str = "", *, deadline_s: float = ANSWER_DEADLINE_S) -> str:
        """What an API command prints. Only for what is over at once: FreeSWITCH says nothing else meanwhile.

        Raises: CommandRefused, ValueError (it cannot be sent), TimeoutError, ConnectionError.
        """
        return await self._ask(f"api {command} {arguments}".rstrip(" "), {}, deadline_s)

    async def bgapi(self, command: str, arguments: str = "", *, deadline_s: float = JOB_DEADLINE_S) -> str:
        """As `api`, for what may take its time: it runs beside the link, the result comes as an event."""
        job = str(uuid.uuid4())
        result: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._jobs[job] = result
        try:
            async with asyncio.timeout(deadline_s):
                await self._ask(f"bgapi {command} {arguments}".rstrip(" "), {"Job-UUID": job}, deadline_s)
                return accepted(f"bgapi {command}", await result)
        finally:
            self._jobs.pop(job, None)

    async def execute(self, leg: ChannelId, application: str, arguments: str = "") -> None:
        """Queues a dialplan application on a leg; returns when FreeSWITCH took it, not when it ran. Raises: as `api`."""
        headers = {"call-command": "execute", "execute-app-name": application}
        if arguments:
            headers["execute-app-arg"] = arguments
        await self._ask(f"sendmsg {one_word(leg)}", headers, ANSWER_DEADLINE_S)

    async def getvar(self, leg: ChannelId | None, name: str) -> str:
        """A leg's or (None) a global variable; "" if it is not set. Raises: as `api`."""
        if leg is None:
            value = await self.api("global_getvar", one_word(name))
        else:
            value = await self.api("uuid_getvar", f"{one_word(leg)} {one_word(name)}")
        return "" if value == "_undef_" else value

    async def setvar(self, leg: ChannelId | None, name: str, value: str) -> None:
        """Sets a leg's or (None) a global variable; "" unsets it. Raises: as `api`."""
        if leg is None:
            await self.api("global_setvar", f"{one_word(name)}={value}")
        else:
            await self.api("uuid_setvar", f"{one_word(leg)} {one_word(name)} {value}")

    async def _ask(self, command: str, headers: Mapping[str, str], deadline_s: float) -> str:
        if self._connection is None:
            raise ConnectionError("the link to FreeSWITCH is down")
        return await self._connection.ask(command, headers, deadline_s)

    # ------------------------------------------------------------ keeping it alive

    async def _session(self) -> None:
        """One connection, from connect to loss. Raises: what ended it."""
        self._early = []
        ears = Ears(event=self._on_event, broken=self._on_broken, lost=self._kept.lost)
        self._connection = await self._connect(self._settings, ears)
        for _ in range(FIRST_PINGS):
            await self._ping()
        # before the list of what lives: nothing that begins meanwhile is missed
        await self._ask(self._wanted, {}, ANSWER_DEADLINE_S)
        await self._resync()
        self._kept.came_up()
        log.info("event socket link up", where=self._settings.where)
        await self._kept.until_lost(self._pings())

    async def _pings(self) -> None:
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await self._ping()

    async def _ping(self) -> None:
        sent_ns = time.monotonic_ns()
        try:
            # the clock that stamps the events (switch_micro_time_now)
            stamp = await self.api("strmicroepoch")
        except TimeoutError:
            raise TimeoutError(f"no answer to a ping for {ANSWER_DEADLINE_S} s") from None
        assert self._connection is not None
        try:
            # not now: this task waited for its turn since the bytes came
            self.clock.exchanged(sent_ns, max(self._connection.arrived_ns, sent_ns), parse_stamp(stamp))
        except ValueError:
            raise PeerError("FreeSWITCH's clock says no time") from None

    async def _resync(self) -> None:
        async def api(command: str, arguments: str) -> str:
            return await self.api(command, arguments, deadline_s=RESYNC_DEADLINE_S)

        found = await snapshot(api)
        self._say(LinkBack(time.monotonic_ns(), found))
        early, self._early = self._early or [], None
        for event, arrived_ns in early:
            self._hear(event, arrived_ns)

    # ------------------------------------------------------------ what comes in

    def _on_event(self, event: EslEvent, arrived_ns: int) -> None:
        if event.name == JOB:
            waiting = self._jobs.get(event.get("Job-UUID", ""))
            if waiting is not None and not waiting.done():
                waiting.set_result(event.body.decode("utf-8", "replace"))
        else:
            self._take(event, arrived_ns)

    def _on_broken(self, why: str, arrived_ns: int) -> None:
        log.error("an event could not be read", why=why)
        self._take(None, arrived_ns)

    def _take(self, event: EslEvent | None, arrived_ns: int) -> None:
        """Now, or after what is being listed."""
        if self._early is None:
            self._hear(event, arrived_ns)
        elif len(self._early) < EARLY_LIMIT:
            self._early.append((event, arrived_ns))
        elif self._connection is not None:
            self._connection.end(
                f"more than {EARLY_LIMIT} events came while FreeSWITCH said what lives there"
            )

    def _hear(self, event: EslEvent | None, arrived_ns: int) -> None:
        if event is None:
            self._say(Unreadable(arrived_ns))
            return
        try:
            at_ns = self.clock.at(parse_stamp(event.get("Event-Date-Timestamp", "")), arrived_ns).at_ns
        except ValueError:
            at_ns = arrived_ns
        self._say(Heard(at_ns, event))

    def _say(self, said: Said) -> None:
        try:
            self._on_said(said)
        except Exception:
            log.exception("the consumer of an event failed", said=type(said).__name__)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.end("the link is given up")
            self._connection = None
        self.clock.forget()
        for waiting in self._jobs.values():
            fail(waiting, "the link to FreeSWITCH is down")


def subscription(events: Iterable[str], subclasses: Iterable[str]) -> str:
    """P7: the command that asks for these events, and never for digits. CUSTOM comes last: what follows it are
    subclasses."""
    names = [one_word(name) for name in dict.fromkeys((*events, JOB))]
    if {"ALL", "DTMF", "CUSTOM"} & set(names):
        raise ValueError("DTMF carries digits, ALL carries DTMF, and CUSTOM is asked for by its subclasses")
    custom = ["CUSTOM", *map(one_word, subclasses)]
    return " ".join(["event plain", *names, *(custom if len(custom) > 1 else [])])


def one_word(text: str) -> str:
    """Raises: ValueError, a name or an id that would be read as several."""
    if not text or any(letter.isspace() or letter == "\0" for letter in text):
        raise ValueError("a name for FreeSWITCH is one word")
    return text
