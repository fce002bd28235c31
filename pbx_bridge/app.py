"""The composition root: config in, a running bridge out. The only code that knows every part.

Facts of the PBX and words of stations are told to the desk (calls/desk.py), and what it orders is obeyed: by
app_orders.py, part by part. Nothing is decided here: a question that needs a rule belongs below.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from datetime import datetime

import structlog

from pbx_bridge.app_doubts import Doubts
from pbx_bridge.app_enrolment import Enrolment
from pbx_bridge.app_erasures import Erasures
from pbx_bridge.app_lines import Lines
from pbx_bridge.app_live import Live
from pbx_bridge.app_orders import Orders
from pbx_bridge.app_parts import Parts
from pbx_bridge.app_places import keeper_socket
from pbx_bridge.app_recovery import Recovery
from pbx_bridge.app_retention import Retention
from pbx_bridge.app_seats import Seats
from pbx_bridge.app_standing import REFRESH_S, Standings, refresh
from pbx_bridge.app_stations import Stations
from pbx_bridge.app_tasks import Tasks
from pbx_bridge.app_timers import Timers
from pbx_bridge.app_voices import Voices
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.calls import commands as co
from pbx_bridge.calls.desk import Desk
from pbx_bridge.calls.facts import Fact, LinkDown, LinkUp
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import ChannelId, TraineeId, new_recording_id
from pbx_bridge.ledger import Ledger, oldest_day
from pbx_bridge.rights.figures_file import FiguresFile
from pbx_bridge.training.plans import Draw
from pbx_bridge.training.rules import who

log = structlog.get_logger()

SHUTDOWN_S = 10.0
"""How long a stopping bridge waits for its files to be sealed; what is not ready then is rebuilt at the next start."""
HOUR_S = 3600


def random_roll() -> float:
    """P11: uniform in [0, 1) from the system's random source."""
    return random.SystemRandom().random()


class Bridge:
    """Everything at work for one PBX. `run` returns when `stop` was called or a part cannot go on."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self._config, self._parts, self._tasks = config, parts, Tasks()
        state, rules = config.bridge.state_dir, config.recording
        self._enrolment = enrolment = Enrolment(config, parts.catalogue)
        self._ledger = Ledger(state / "ledger")
        self._figures = FiguresFile(state / "ledger")
        self._standings = Standings(self._ledger, lambda: enrolment.now.plans, lambda: enrolment.now.trainers)
        self._desk = desk = Desk(
            directory=lambda *asked: who(enrolment.now.trainees, *asked),
            plans=lambda: enrolment.now.plans,
            notice_of=enrolment.notice_hash,
            standing=self._standings.now,
            decided=self._log_decision,
            roll=random_roll,
            now=lambda: datetime.now().astimezone(),
            new_recording=new_recording_id,
            lists=parts.numbers.lists,
            foreign_recorders_allowed=config.pbx.foreign_recorders == "allow",
            payment_limit_ns=rules.payment_pause_s * 10**9,
        )
        self._lines = Lines(self._ledger, desk, self._standings.note, parts.call_key)
        self._doubts = Doubts(desk, self._obey)
        self._seats = Seats(parts, enrolment, desk)
        self._live = Live(parts, desk, self._lines, self._doubts, self._obey, self._tasks, rules.fps)
        self._stations = Stations(parts, self._seats, self._live, desk, self._obey, self._tasks)
        self._orders = Orders(
            parts,
            enrolment,
            self._seats,
            self._live,
            Voices(parts.pbx, desk, self._obey, self._tasks),
            Timers(self._timer_fired),
            self._lines,
            Erasures(parts, self._live, self._lines, self._tasks, rules.opt_out_months),
            self._tasks,
        )
        self._retention = Retention(
            KeeperLink(keeper_socket(config)),
            state / "sealed",
            state / "retention",
            parts.catalogue.recordings,
        )
        self._stop, self._linked = asyncio.Event(), False

    # -- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until told to stop; every recording is ended properly then."""
        keeper = self._parts.archive.keeper
        await self._retention.begin()
        await Recovery(self._parts.archive, self._ledger, self._lines, self._tasks).recover()
        await refresh(self._standings, keeper)
        async with self._parts.running(self.on_fact, self._stations.on_event, self.on_payment, self._frozen):
            listen, pages = self._config.stations.listen, self._config.portal.listen
            log.info("listening", stations=str(listen), portal=str(pages))
            for work in (
                self._tell_ready(),
                self._every_hour(),
                self._enrolment.follow(self._enrolled_anew),
                self._retention.run(),
                self._keep_standing(),
                self._retention.watch(KeeperLink(keeper_socket(self._config)), self._doubts.clock),
                self._doubts.watch_audit(KeeperLink(keeper_socket(self._config))),
            ):
                self._tasks.spawn(work)
            await self._stop.wait()
            await self._end_all()
        await asyncio.to_thread(self._live.notes.close)

    def _frozen(self) -> list[str]:
        """Why nothing is recorded at the moment."""
        lost = [] if self._linked else [Reason.LINK_LOST]
        return [reason.value for reason in (*self._desk.frozen_for, *lost)]

    def stop(self) -> None:
        self._stop.set()

    async def _tell_ready(self) -> None:
        await self._parts.pbx.until_beating()
        print("pbx-bridge: ready", flush=True)

    async def _end_all(self) -> None:
        self._obey(self._desk.shutdown(time.monotonic_ns()))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_S):
                while self._desk.open_recordings:
                    self._lines.settled.clear()
                    await self._lines.settled.wait()

    # -- what comes in ------------------------------------------------------------------------------------------

    def on_fact(self, fact: Fact) -> None:
        """One fact of the PBX, in order."""
        if isinstance(fact, LinkUp | LinkDown):
            self._linked = isinstance(fact, LinkUp)
        self._obey(self._desk.fact(fact))

    def on_payment(self, trainee: str, begins: bool) -> bool:
        """P7: somebody announces a payment in this trainee's call, or takes it back. False: no call."""
        orders = self._desk.payment_asked(TraineeId(trainee), time.monotonic_ns(), began=begins)
        self._obey(orders or [])
        return orders is not None

    def _timer_fired(self, leg: ChannelId, timer: str) -> None:
        self._obey(self._desk.timer(leg, timer, time.monotonic_ns()))

    def _obey(self, orders: list[co.Command]) -> None:
        self._orders.obey(orders)

    def _log_decision(self, leg: ChannelId, trainee: TraineeId, decision: Draw | Reason) -> None:
        """P11: each call's one decision, before anything is captured; by the ledger's name of the call."""
        word = decision.value if isinstance(decision, Reason) else decision.kind.value
        log.info("decided", call=self._lines.call(leg, trainee), decision=word)

    # -- what goes on beside the calls ----------------------------------------------------------------------------

    async def _keep_standing(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            await refresh(self._standings, self._parts.archive.keeper)
            self._obey(self._desk.recheck(time.monotonic_ns()))

    def _enrolled_anew(self) -> None:
        """P13, P14: the catalogue changed: the stations learn it, and the keeper which plans have ended."""
        self._seats.enrolled_anew()
        self._tasks.spawn(self._enrolment.end_approvals(self._parts.archive.keeper))

    async def _every_hour(self) -> None:
        """A plan may begin or end while a station stays connected; the ledger forgets in time (P24)."""
        while True:
            try:
                self._figures.fold(self._ledger.lines(), oldest_day())
            except OperatorError as error:
                log.error("the monthly figures lost days", why=str(error))
            self._ledger.forget_old()
            self._live.notes.tidy(self._live.all())
            self._seats.tell_notices()
            await self._enrolment.end_approvals(self._parts.archive.keeper)
            await self._enrolment.forget_slots()
            await asyncio.sleep(HOUR_S)
