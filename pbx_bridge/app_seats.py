"""Who sits where: each connected station's trainee by its login, its desktop's state, and the notice it is sent."""

from __future__ import annotations

from dataclasses import replace

import structlog

from pbx_bridge import wire
from pbx_bridge.app_enrolment import Enrolment
from pbx_bridge.app_parts import Parts
from pbx_bridge.calls.desk import Desk
from pbx_bridge.ids import StationId, TraineeId
from pbx_bridge.stations import events as se

log = structlog.get_logger()


class Seats:
    def __init__(self, parts: Parts, enrolment: Enrolment, desk: Desk) -> None:
        self._parts, self._enrolment, self._desk = parts, enrolment, desk
        self._trainees: dict[StationId, TraineeId] = {}
        self._ups: dict[StationId, se.StationUp] = {}
        """What each connected station told of itself, an unknown person's too."""

    def of(self, trainee: TraineeId) -> list[StationId]:
        """Where this trainee sits."""
        return [station for station, one in self._trainees.items() if one == trainee]

    def trainee(self, station: StationId) -> TraineeId:
        """Who sits there; "" for nobody who is enrolled."""
        return self._trainees.get(station, TraineeId(""))

    def up(self, event: se.StationUp) -> None:
        self._ups[event.station] = event
        self._belongs(event)
        self._tell(event.station)

    def down(self, station: StationId) -> None:
        self._desk.station_gone(station)
        self._trainees.pop(station, None)
        self._ups.pop(station, None)

    def enrolled_anew(self) -> None:
        """The catalogue changed: whose each station is, and what its trainee must know (P14)."""
        for event in list(self._ups.values()):
            self._belongs(event)
        self.tell_notices()

    def tell_notices(self) -> None:
        for station in self._trainees:
            self._tell(station)

    def desktop_changed(self, event: se.DesktopChanged) -> None:
        if (up := self._ups.get(event.station)) is not None:
            self._ups[event.station] = replace(up, active=event.active, locked=event.locked)
        self._desk.desktop_changed(event.station, active=event.active, locked=event.locked)

    def acknowledged(self, event: se.NoticeAcknowledged) -> None:
        if (up := self._ups.get(event.station)) is not None:
            self._ups[event.station] = replace(up, acknowledged=event.notice_hash)
        if trainee := self.trainee(event.station):
            self._parts.acknowledgements.keep(trainee, event)
            self._desk.acknowledged(event.station, event.notice_hash)

    def _belongs(self, event: se.StationUp) -> None:
        """Whose the station is by its login, as the catalogue now says."""
        enrolled = self._enrolment.now.trainees
        logins = {trainee.login: trainee.id for trainee in enrolled if trainee.login}
        trainee = logins.get(event.trainee_login)
        if trainee is None:
            log.warning("nobody with this station's login is enrolled", station=event.station)
            self._trainees.pop(event.station, None)
            self._desk.station_gone(event.station)
            return
        self._trainees[event.station] = trainee
        usable = event.active and event.kind not in (wire.DesktopKind.WAYLAND, wire.DesktopKind.NONE)
        self._desk.station_seen(
            event.station, trainee, active=usable, locked=event.locked, acknowledged=event.acknowledged or ""
        )

    def _tell(self, station: StationId) -> None:
        trainee = self.trainee(station)
        if trainee and (notice := self._enrolment.notice(trainee)) is not None:
            self._parts.stations.send(station, notice)
