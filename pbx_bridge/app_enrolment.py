"""Who is enrolled now, and what each is told: the catalogue as the bridge uses it, followed while others write to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

import structlog

from pbx_bridge import wire
from pbx_bridge.app_approvals import end_approvals
from pbx_bridge.app_notices import trainees_notice
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.enrolled import Enrolled, Fault, sound
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

log = structlog.get_logger()

LOOK_S = 1.0
"""How often the catalogue is asked whether somebody changed it: one word from a file's head."""


class Enrolment:
    """`now` is replaced, never changed: who holds it may compare."""

    def __init__(self, config: Config, catalogue: Catalogue) -> None:
        self._config, self._catalogue = config, catalogue
        self.now: Enrolled = sound(catalogue.enrolled())

    def notice(self, trainee: TraineeId) -> wire.Notice | None:
        """P14: of the plan by which calls are decided today."""
        return trainees_notice(self._config, self.now, trainee, _today())

    def notice_hash(self, trainee: TraineeId) -> str:
        """ "" when there is no notice to acknowledge."""
        notice = self.notice(trainee)
        return wire.notice_hash(notice) if notice is not None else ""

    async def follow(self, changed: Callable[[], None]) -> None:
        """P14: what a command changed holds within two seconds; `changed` tells it to whoever it concerns."""
        watch, unread = self._catalogue.watch(), True
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if await asyncio.to_thread(watch.changed) or unread:
                    self._take(await asyncio.to_thread(self._catalogue.read), changed)
                    unread = False
            except OperatorError as error:
                log.error("the catalogue cannot be read: nothing new is recorded", why=str(error))
                self.now, unread = replace(self.now, plans=()), True

    async def end_approvals(self, keeper: KeeperLink) -> None:
        """P13: asked at each change of the catalogue and each hour, so a keeper that was busy learns it later."""
        try:
            await end_approvals(keeper, self._catalogue.entered, _today())
        except (Refused, KeeperUnreachable, OperatorError) as error:
            log.warning("the keeper could not be told which plans are gone", why=str(error))

    async def forget_slots(self) -> None:
        """Of days that are over."""
        try:
            await asyncio.to_thread(self._catalogue.forget_slots)
        except OperatorError as error:
            log.warning("slots that are over are still in the catalogue", why=str(error))

    def _take(self, read: tuple[Enrolled, tuple[Fault, ...]], changed: Callable[[], None]) -> None:
        """P3, P13: only what no fault is in is used."""
        before, (found, wrong) = self.now, read
        self.now = sound(found)
        if self.now != before:
            log.info("the catalogue is read", plans=len(self.now.plans), faults=len(wrong))
            changed()


def _today() -> date:
    return datetime.now().astimezone().date()
