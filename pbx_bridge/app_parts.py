"""The adapters of one bridge, built from the configuration, started in order and ended in reverse."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from pbx_bridge.app_approvals import of_use
from pbx_bridge.app_booking import book
from pbx_bridge.app_current import Current
from pbx_bridge.app_ledger import LedgerTail
from pbx_bridge.app_listening import listening
from pbx_bridge.app_notices import trainees_notice
from pbx_bridge.app_own import erased, own_of
from pbx_bridge.app_places import (
    call_key,
    given_of,
    keeper_socket,
    number_lists_of,
    registry_of,
    tls_of,
    tokens_of,
)
from pbx_bridge.app_recordings import Archive
from pbx_bridge.app_report import make_report
from pbx_bridge.app_training import week_of
from pbx_bridge.archive.catalogue import Shelf
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.calls.facts import Fact
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.enrolled import sound
from pbx_bridge.config import Config
from pbx_bridge.durable import write_once
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, StationId, TraineeId
from pbx_bridge.portal.api import PortalSettings
from pbx_bridge.portal.payment import Payments
from pbx_bridge.portal.rights import Behind, Told
from pbx_bridge.portal.server import make_portal
from pbx_bridge.portal.training import Week
from pbx_bridge.portal.web.site import Site
from pbx_bridge.rights.record import Report
from pbx_bridge.stations.events import NoticeAcknowledged, StationEvent
from pbx_bridge.stations.server import StationServer
from pbx_bridge.telephony.pbx import Pbx
from pbx_bridge.training.plans import capacity_text, plan_text
from pbx_bridge.wire import notice_hash
from pbx_bridge.wire_rights import Own, Visitor


class Acknowledgements:
    """P14: who acknowledged which text when, signed by the device: one small file per trainee and text.

    Its name is a keyed hash: no person stands in a file's name (P17).
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder, self._key = folder, key
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, trainee: TraineeId, event: NoticeAcknowledged) -> None:
        text = f"{trainee} {event.station} {event.notice_hash} {event.at} {event.signature.hex()}\n"
        with contextlib.suppress(FileExistsError):
            name = hashlib.blake2b(f"{trainee} {event.notice_hash}".encode(), key=self._key, digest_size=16)
            write_once(self._folder / name.hexdigest(), text.encode())


class Parts:
    """Everything a Bridge gives orders to. Built inside the event loop; `running` brings it up."""

    def __init__(self, config: Config, pbx: Pbx, archive: Archive, catalogue: Catalogue) -> None:
        self._config = config
        self.pbx, self.archive, self.catalogue = pbx, archive, catalogue
        self.call_key = call_key(config.bridge.state_dir / "recorder")
        self.acknowledgements = Acknowledgements(config.bridge.state_dir / "acknowledgements", self.call_key)
        self.numbers = number_lists_of(config)
        self._enrolled = Current(catalogue)
        self._lines = LedgerTail(config.bridge.state_dir / "ledger")
        self._tls = tls_of(config)
        self._registry = registry_of(config, self._tls)
        self.stations: StationServer

    @contextlib.asynccontextmanager
    async def running(
        self,
        on_fact: Callable[[Fact], None],
        on_station: Callable[[StationEvent], None],
        on_payment: Callable[[str, bool], bool],
        frozen: Callable[[], list[str]],
    ) -> AsyncIterator[None]:
        """Serves while the block runs. Raises: OperatorError when an address is taken."""
        config = self._config
        async with contextlib.AsyncExitStack() as stack:
            self.stations = StationServer(
                config.stations.listen.host,
                config.stations.listen.port,
                self._tls,
                self._registry,
                on_station,
            )
            await listening(self.stations.start(), str(config.stations.listen), "stations.listen")
            stack.push_async_callback(self.stations.close)
            portal = make_portal(
                PortalSettings(
                    config.portal.listen.host,
                    config.portal.listen.port,
                    self._tls.ca_cert,
                    self._tls.cert,
                    self._tls.key,
                    given_of(config),
                    config.stations.names,
                ),
                KeeperLink(keeper_socket(config)),
                Shelf(self.archive.folder),
                self._proposed,
                tokens_of(config),
                Payments(on_payment),
                partial(book, self.catalogue),
                Behind(self._known, self._erased, self._told, self._week, frozen, self._reported),
                Site(config.bridge.state_dir / "accounts", config.bridge.language),
            )
            await portal.start()
            stack.push_async_callback(portal.close)
            await stack.enter_async_context(self.pbx.running(on_fact, self.numbers.key))
            yield

    def _proposed(self) -> list[str]:
        """What an approver may be asked about (P13, P22)."""
        found = sound(self.catalogue.enrolled())
        plans = of_use(found.plans, datetime.now().astimezone().date())
        return [*map(plan_text, plans), *map(capacity_text, found.trainers)]

    def _known(self, visitor: Visitor) -> Own:
        """What is kept of this trainee (P23)."""
        given = self._config.bridge.state_dir / "acknowledgements"
        return own_of(visitor, self._enrolled(), self._lines, given)

    def _week(self, trainer: str) -> Week:
        """What this trainer may know of their own trainees' week (P15, P24)."""
        return week_of(trainer, self._enrolled(), self._lines, datetime.now().astimezone().date())

    def _reported(self, language: str) -> Report:
        """The site's own report, without a person (P23)."""
        return make_report(self._config, language)

    def _told(self, trainee: str, language: str) -> Told | None:
        """P14: what this trainee is told today, and which text their workstation asks to acknowledge."""
        enrolled, today = self._enrolled(), datetime.now().astimezone().date()
        name = TraineeId(trainee)
        asked = trainees_notice(self._config, enrolled, name, today)
        read = trainees_notice(self._config, enrolled, name, today, "fr" if language == "fr" else "en")
        return Told(read.text, notice_hash(asked)) if asked is not None and read is not None else None

    def _erased(self, recording: RecordingId) -> None:
        """A trainee had it destroyed: a keeper from a backup must not bring it back (P20), and no list names it."""
        erased(recording, self.archive.witness, self.catalogue)

    def device_key(self, station: StationId) -> str:
        """The station's public key, hex, for the manifest. Raises: OperatorError when it was revoked meanwhile."""
        known = self._registry.find(station)
        if known is None or known.revoked_at is not None:
            raise OperatorError("it is not enrolled any more", where=f"station {station}")
        return known.key.hex()
