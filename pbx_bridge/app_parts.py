"""The adapters of one bridge, built from the configuration, started in order and ended in reverse."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import structlog

from pbx_bridge.app_approvals import of_use
from pbx_bridge.app_booking import book
from pbx_bridge.app_notices import callers_notices
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
from pbx_bridge.ids import ChannelId, RecordingId, StationId, TraineeId
from pbx_bridge.ledger import Ledger
from pbx_bridge.portal.api import PortalSettings
from pbx_bridge.portal.payment import Payments, PaymentTokens
from pbx_bridge.portal.rights import Behind
from pbx_bridge.portal.server import make_portal
from pbx_bridge.stations.ca import TlsPaths, ensure_ca
from pbx_bridge.stations.events import NoticeAcknowledged, StationEvent
from pbx_bridge.stations.registry import Registry
from pbx_bridge.stations.server import StationServer
from pbx_bridge.telephony.asterisk.ami import AmiLink
from pbx_bridge.telephony.asterisk.ami_protocol import ActionRefused
from pbx_bridge.telephony.asterisk.heartbeat import Heartbeat
from pbx_bridge.telephony.asterisk.notice_server import NoticeServer, SpokenNotice
from pbx_bridge.telephony.asterisk.resync import SAID
from pbx_bridge.telephony.asterisk.settings import AmiSettings, AriSettings
from pbx_bridge.telephony.asterisk.tap import Tap, TapServer
from pbx_bridge.telephony.asterisk.watchdog import Watchdog
from pbx_bridge.telephony.number_lists import NumberLists
from pbx_bridge.training.plans import capacity_text, plan_text
from pbx_bridge.wire_rights import Own, Visitor

log = structlog.get_logger()

PRIVATE_FEATURE = "pbxb_private"
"""The trainee's key, as dialplan/asterisk/features_pbxb.conf names it."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Read while still root, kept in memory only."""

    ami: str
    ari: str


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

    def __init__(self, config: Config, read: Secrets, archive: Archive, catalogue: Catalogue) -> None:
        self._config = config
        self.archive, self.catalogue = archive, catalogue
        self.call_key = call_key(config.bridge.state_dir / "recorder")
        self.acknowledgements = Acknowledgements(config.bridge.state_dir / "acknowledgements", self.call_key)
        self.numbers = number_lists_of(config)
        self._tls = tls_of(config)
        self._registry = registry_of(config, self._tls)
        self._secrets = read
        pbx = config.asterisk
        self._taps = TapServer(
            AriSettings(pbx.ari, pbx.ari_user, read.ari),
            host=pbx.audiosocket_listen.host,
            port=pbx.audiosocket_listen.port,
        )
        self._spoken = tuple(
            SpokenNotice(one.language, one.sound, one.text_hash) for one in callers_notices(config)
        )
        self.ami: AmiLink
        self.stations: StationServer
        self._heartbeat: Heartbeat

    @contextlib.asynccontextmanager
    async def running(
        self,
        on_fact: Callable[[Fact], None],
        on_station: Callable[[StationEvent], None],
        on_payment: Callable[[str, bool], bool],
    ) -> AsyncIterator[None]:
        """Serves while the block runs. Raises: OperatorError when an address is taken."""
        config, pbx = self._config, self._config.asterisk
        async with contextlib.AsyncExitStack() as stack:
            watchdog = Watchdog()
            await watchdog.start()
            stack.push_async_callback(watchdog.close)
            self.stations = StationServer(
                config.stations.listen.host,
                config.stations.listen.port,
                self._tls,
                self._registry,
                on_station,
            )
            await _listening(self.stations.start(), str(config.stations.listen), "stations.listen")
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
            await _listening(self._taps.start(), str(pbx.audiosocket_listen), "asterisk.audiosocket_listen")
            stack.push_async_callback(self._taps.close)
            self.ami = AmiLink(
                AmiSettings(pbx.ami.port, pbx.ami_user, self._secrets.ami, pbx.ami.host),
                on_fact,
                digest_key=self.numbers.key,
            )
            token = secrets.token_hex(16)
            notices = NoticeServer(
                self._spoken,
                token,
                key=pbx.notice_key,
                host=pbx.fastagi_listen.host,
                port=pbx.fastagi_listen.port,
            )
            await _listening(notices.start(), str(pbx.fastagi_listen), "asterisk.fastagi_listen")
            stack.push_async_callback(notices.close)
            addresses = {
                "PBXB_AGI": notices.address,
                "PBXB_TAP": self._taps.address,
                "PBXB_KEY": pbx.notice_key,
            }
            self._heartbeat = Heartbeat(self.ami, watchdog, addresses, token=token)
            await self.ami.start()
            stack.push_async_callback(self.ami.close)
            await self._heartbeat.start()
            stack.push_async_callback(self._heartbeat.close)
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

    async def until_beating(self) -> None:
        """Returns once the PBX has this bridge's heartbeat: from then on callers hear the notice."""
        await self._heartbeat.until_beating()

    def tap(self) -> Tap:
        return self._taps.tap()

    def device_key(self, station: StationId) -> str:
        """The station's public key, hex, for the manifest. Raises: OperatorError when it was revoked meanwhile."""
        known = self._registry.find(station)
        if known is None or known.revoked_at is not None:
            raise OperatorError("it is not enrolled any more", where=f"station {station}")
        return known.key.hex()

    async def ask_outbound_notice(self, customer: ChannelId) -> None:
        """The dialplan shall speak the notice to this customer before the bridge (P16)."""
        notice = self._spoken[0]
        for spoken in self._spoken:
            if spoken.language == self._config.bridge.language:
                notice = spoken
        try:
            await self.ami.setvar(customer, "PBXB_SOUND", notice.sound)
            await self.ami.setvar(customer, "PBXB_NOTICE", notice.text_hash)
            await self.ami.setvar(customer, "PBXB_DRAWN", self._heartbeat.token)
        except (ActionRefused, OSError, TimeoutError) as error:
            log.warning(
                "the outbound notice could not be asked for; the call is not recorded", why=str(error)
            )

    async def offer_private(self, leg: ChannelId) -> None:
        """The trainee's key of a private call, beside the site's own (P16); without it the window's button remains."""
        try:
            given = await self.ami.getvar(leg, "DYNAMIC_FEATURES")
            if PRIVATE_FEATURE not in given.split("#"):
                both = "#".join(filter(None, (given, PRIVATE_FEATURE)))
                await self.ami.setvar(leg, "DYNAMIC_FEATURES", both)
        except (ActionRefused, OSError, TimeoutError) as error:
            log.warning("a trainee has no key for a private call", why=str(error))

    async def forget_what_was_said(self) -> None:
        """All that the keys of calls asked for is done: the PBX need not keep it for a bridge that was down (P16)."""
        with contextlib.suppress(
            ActionRefused, OSError, TimeoutError
        ):  # it is done once more, which harms nothing
            await self.ami.setvar(None, SAID, "")


async def _listening(start: object, address: str, key: str) -> None:
    try:
        await start  # type: ignore[misc]
    except OSError as error:
        raise OperatorError(
            f"cannot listen on {address}: {error.strerror}", where=key, do="Free the port or set another"
        ) from error
