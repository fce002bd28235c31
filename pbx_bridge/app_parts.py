"""The adapters of one bridge, built from the configuration, started in order and ended in reverse."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from pbx_bridge.app_approvals import of_use
from pbx_bridge.app_booking import book
from pbx_bridge.app_listening import listening
from pbx_bridge.app_own import erased, own_of
from pbx_bridge.app_recordings import Archive
from pbx_bridge.archive.catalogue import Shelf
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.manifest import RecorderKey
from pbx_bridge.archive.rules import Keeping
from pbx_bridge.calls.facts import Fact
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.catalogue.enrolled import sound
from pbx_bridge.config import Config
from pbx_bridge.durable import write_once
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, StationId, TraineeId
from pbx_bridge.ledger import Ledger
from pbx_bridge.portal.api import PortalSettings
from pbx_bridge.portal.payment import Payments, PaymentTokens
from pbx_bridge.portal.rights import Behind
from pbx_bridge.portal.server import make_portal
from pbx_bridge.stations.ca import TlsPaths, ensure_ca
from pbx_bridge.stations.events import NoticeAcknowledged, StationEvent
from pbx_bridge.stations.registry import Registry
from pbx_bridge.stations.server import StationServer
from pbx_bridge.telephony.number_lists import NumberLists
from pbx_bridge.telephony.pbx import Pbx
from pbx_bridge.training.plans import capacity_text, plan_text
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


def tls_of(config: Config) -> TlsPaths:
    """The bridge's own CA and server certificate, made at the first start."""
    return ensure_ca(config.bridge.state_dir / "tls", config.stations.names)


def registry_of(config: Config, tls: TlsPaths) -> Registry:
    return Registry(config.bridge.state_dir / "registry", tls.ca_sha256())


def catalogue_of(config: Config, *, dry_run: bool = False) -> Catalogue:
    """Persons, applications and plans. Made by root it belongs to the bridge's user, who must write into it too."""
    owner = None
    if os.geteuid() == 0:
        with contextlib.suppress(KeyError):  # no such user yet: `serve` gives it away at its start
            user = pwd.getpwnam(config.bridge.user)
            owner = user.pw_uid, user.pw_gid
    return Catalogue.open(config.catalogue, owner=owner, dry_run=dry_run)


def payment_tokens(config: Config) -> PaymentTokens:
    return PaymentTokens(config.bridge.state_dir / "payment")


def keeper_socket(config: Config) -> Path:
    return config.bridge.run_dir / "keeper" / "keeper.sock"


def number_lists_of(config: Config) -> NumberLists:
    """P12, P16: with whom no call is recorded."""
    return NumberLists(config.bridge.state_dir / "numbers")


def keeping_of(config: Config) -> Keeping:
    return Keeping(config.recording.retention_days, config.recording.trainee_first_hours)


def recorder_key(folder: Path, random_seed: bytes) -> RecorderKey:
    """The recorder's signing key, made at the first start. Raises: OperatorError when it is not 32 bytes."""
    path = folder / "recorder.seed"
    with contextlib.suppress(FileExistsError):
        write_once(path, random_seed)
    seed = path.read_bytes()
    if len(seed) != 32:
        raise OperatorError("the recorder's key is damaged", where=str(path), do="Restore it from the backup")
    return RecorderKey(seed)


def call_key(folder: Path) -> bytes:
    """With which the ledger names calls; made at the first start."""
    path = folder / "call.key"
    with contextlib.suppress(FileExistsError):
        write_once(path, secrets.token_bytes(32))
    return path.read_bytes()


class Parts:
    """Everything a Bridge gives orders to. Built inside the event loop; `running` brings it up."""

    def __init__(self, config: Config, pbx: Pbx, archive: Archive, catalogue: Catalogue) -> None:
        self._config = config
        self.pbx, self.archive, self.catalogue = pbx, archive, catalogue
        self.call_key = call_key(config.bridge.state_dir / "recorder")
        self.acknowledgements = Acknowledgements(config.bridge.state_dir / "acknowledgements", self.call_key)
        self.numbers = number_lists_of(config)
        self._tls = tls_of(config)
        self._registry = registry_of(config, self._tls)
        self.stations: StationServer

    @contextlib.asynccontextmanager
    async def running(
        self,
        on_fact: Callable[[Fact], None],
        on_station: Callable[[StationEvent], None],
        on_payment: Callable[[str, bool], bool],
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
                ),
                KeeperLink(keeper_socket(config)),
                Shelf(self.archive.folder),
                self._proposed,
                Payments(payment_tokens(config), on_payment),
                partial(book, self.catalogue),
                Behind(self._known, self._erased),
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
        state = self._config.bridge.state_dir
        return own_of(visitor, self.catalogue.enrolled, Ledger(state / "ledger"), state / "acknowledgements")

    def _erased(self, recording: RecordingId) -> None:
        """A trainee had it destroyed: a keeper from a backup must not bring it back (P20), and no list names it."""
        erased(recording, self.archive.witness, self.catalogue)

    def device_key(self, station: StationId) -> str:
        """The station's public key, hex, for the manifest. Raises: OperatorError when it was revoked meanwhile."""
        known = self._registry.find(station)
        if known is None or known.revoked_at is not None:
            raise OperatorError("it is not enrolled any more", where=f"station {station}")
        return known.key.hex()
