"""One Asterisk behind the seam of telephony/pbx.py: its adapters built from `[asterisk]`, started and ended in order.

AMI tells the facts, ARI and AudioSocket bring the voices, FastAGI speaks the caller's notice, the heartbeat says to the
dialplan that all of it is there. It decides nothing about calls.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable

import structlog

from pbx_bridge.app_listening import listening
from pbx_bridge.app_notices import callers_notices, customers_notice
from pbx_bridge.calls.facts import Fact
from pbx_bridge.config import Config, read_secret
from pbx_bridge.config_pbx import Asterisk
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.asterisk.ami import AmiLink
from pbx_bridge.telephony.asterisk.ami_protocol import ActionRefused
from pbx_bridge.telephony.asterisk.notice_server import NoticeServer, SpokenNotice
from pbx_bridge.telephony.asterisk.resync import SAID
from pbx_bridge.telephony.asterisk.settings import AmiSettings, AriSettings
from pbx_bridge.telephony.asterisk.tap import Tap, TapServer
from pbx_bridge.telephony.asterisk.translate import not_told, noted_as
from pbx_bridge.telephony.heartbeat import Heartbeat
from pbx_bridge.telephony.watchdog import Watchdog

log = structlog.get_logger()

PRIVATE_FEATURE = "pbxb_private"
"""The trainee's key, as dialplan/asterisk/features_pbxb.conf names it."""
NOT_DONE = (ActionRefused, OSError, TimeoutError)
"""What a PBX that refuses, or a link that is down, raises."""


class AsteriskPbx:
    """A `Pbx`. Raises: OperatorError when a secret cannot be read or an address is no loopback."""

    def __init__(self, config: Config, section: Asterisk) -> None:
        self._section, self._for_customers = section, customers_notice(config)
        self._spoken = tuple(
            SpokenNotice(one.language, one.sound, one.text_hash) for one in callers_notices(config)
        )
        self._ami_settings = AmiSettings(
            section.ami.port, section.ami_user, read_secret(section.ami_secret_file), section.ami.host
        )
        self._ari_settings = AriSettings(section.ari, section.ari_user, read_secret(section.ari_secret_file))
        self._told: set[str] = set()
        """What keys said, as far as it was heard here and the PBX may still keep it."""
        self._taps: TapServer
        self._ami: AmiLink
        self._heartbeat: Heartbeat

    @contextlib.asynccontextmanager
    async def running(self, on_fact: Callable[[Fact], None], digest_key: bytes) -> AsyncIterator[None]:
        section = self._section

        def hear(fact: Fact) -> None:
            if word := noted_as(fact):
                self._told.add(word)
            on_fact(fact)

        async with contextlib.AsyncExitStack() as stack:
            watchdog = Watchdog()
            await watchdog.start()
            stack.push_async_callback(watchdog.close)
            audio = section.audiosocket_listen
            self._taps = TapServer(self._ari_settings, host=audio.host, port=audio.port)
            await listening(self._taps.start(), str(audio), "asterisk.audiosocket_listen")
            stack.push_async_callback(self._taps.close)
            self._ami = AmiLink(self._ami_settings, hear, digest_key=digest_key)
            token = secrets.token_hex(16)
            notices = NoticeServer(
                self._spoken,
                token,
                key=section.notice_key,
                host=section.fastagi_listen.host,
                port=section.fastagi_listen.port,
            )
            await listening(notices.start(), str(section.fastagi_listen), "asterisk.fastagi_listen")
            stack.push_async_callback(notices.close)
            addresses = {
                "PBXB_AGI": notices.address,
                "PBXB_TAP": self._taps.address,
                "PBXB_KEY": section.notice_key,
            }
            self._heartbeat = Heartbeat(
                self._ami, watchdog, "PBXB_ALIVE", addresses, ActionRefused, token=token
            )
            await self._ami.start()
            stack.push_async_callback(self._ami.close)
            await self._heartbeat.start()
            stack.push_async_callback(self._heartbeat.close)
            yield

    async def until_beating(self) -> None:
        await self._heartbeat.until_beating()

    def tap(self) -> Tap:
        return self._taps.tap()

    def watch(self, leg: ChannelId) -> None:
        self._ami.watch_rtp(leg)

    def unwatch(self, leg: ChannelId) -> None:
        self._ami.unwatch_rtp(leg)

    async def ask_outbound_notice(self, customer: ChannelId) -> None:
        """The dialplan speaks it, if it finds this run's token on the channel."""
        notice = self._for_customers
        try:
            await self._ami.setvar(customer, "PBXB_SOUND", notice.sound)
            await self._ami.setvar(customer, "PBXB_NOTICE", notice.text_hash)
            await self._ami.setvar(customer, "PBXB_DRAWN", self._heartbeat.token)
        except NOT_DONE as error:
            log.warning(
                "the outbound notice could not be asked for; the call is not recorded", why=str(error)
            )

    async def offer_private(self, leg: ChannelId) -> None:
        """The trainee's key stands beside the site's own features."""
        try:
            given = await self._ami.getvar(leg, "DYNAMIC_FEATURES")
            if PRIVATE_FEATURE not in given.split("#"):
                both = "#".join(filter(None, (given, PRIVATE_FEATURE)))
                await self._ami.setvar(leg, "DYNAMIC_FEATURES", both)
        except NOT_DONE as error:
            log.warning("a trainee has no key for a private call", why=str(error))

    async def forget_what_was_said(self) -> None:
        """Of what was told here alone: a key pressed meanwhile stays for a bridge that dies before it hears of it."""
        told = frozenset(self._told)
        with contextlib.suppress(*NOT_DONE):
            await self._ami.setvar(None, SAID, not_told(await self._ami.getvar(None, SAID), told))
            self._told -= told
