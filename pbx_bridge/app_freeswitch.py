"""One FreeSWITCH behind the seam of telephony/pbx.py: its adapters built from `[freeswitch]`, started and ended in order.

The event socket tells the facts and takes the commands, named pipes bring the voices, the heartbeat says to the dialplan
that all of it is there. The caller's notice is the dialplan's own: it plays without asking anybody. It decides nothing
about calls.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import PurePosixPath

import structlog

from pbx_bridge.app_notices import callers_notices, customers_notice
from pbx_bridge.app_pipes import prepare_pipes
from pbx_bridge.calls.facts import Fact
from pbx_bridge.config import Config, read_secret
from pbx_bridge.config_pbx import Freeswitch
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import ChannelId
from pbx_bridge.telephony.freeswitch.esl_connection import CommandRefused, Connect, connect_asyncio
from pbx_bridge.telephony.freeswitch.esl_python import client_module, connect_python_esl
from pbx_bridge.telephony.freeswitch.link import FreeswitchLink
from pbx_bridge.telephony.freeswitch.pipes import Pipes
from pbx_bridge.telephony.freeswitch.settings import EslSettings
from pbx_bridge.telephony.freeswitch.tap import Tap
from pbx_bridge.telephony.freeswitch.taps import CODEC, Taps
from pbx_bridge.telephony.heartbeat import Heartbeat
from pbx_bridge.telephony.watchdog import Watchdog

log = structlog.get_logger()

DIALPLAN = "XML:${conf_dir}/pbxb/pbxb.xml pbxb"
"""Where our extensions stand, whatever serves the site's own; FreeSWITCH itself puts in `conf_dir`."""
TRAINEES_KEYS = f"pbxb_trainee {DIALPLAN}"
SOUND = ".wav"
"""FreeSWITCH plays a file by its ending."""
NOT_DONE = (CommandRefused, OSError, TimeoutError, ValueError)
"""What a PBX that refuses, a link that is down, or a name that is none raises."""


class FreeswitchPbx:
    """A `Pbx`. Raises: OperatorError when the secret cannot be read, the driver is not installed, or there is no folder
    for pipes."""

    def __init__(self, config: Config, section: Freeswitch) -> None:
        self._section, self._language = section, config.bridge.language
        self._notices, self._for_customers = callers_notices(config), customers_notice(config)
        self._settings = EslSettings(section.esl.port, read_secret(section.esl_secret_file), section.esl.host)
        self._connect: Connect = connect_asyncio
        if section.driver == "python-esl":
            client_module()
            self._connect = connect_python_esl
        prepare_pipes(section, config.bridge.user)
        self._sounds_dir = ""
        self._said_to_dialplan: dict[str, str] = {}
        self._link: FreeswitchLink
        self._taps: Taps
        self._heartbeat: Heartbeat

    @contextlib.asynccontextmanager
    async def running(self, on_fact: Callable[[Fact], None], digest_key: bytes) -> AsyncIterator[None]:
        def hear(fact: Fact) -> None:
            self._taps.told(fact)
            on_fact(fact)

        async with contextlib.AsyncExitStack() as stack:
            watchdog = Watchdog()
            await watchdog.start()
            stack.push_async_callback(watchdog.close)
            folder = self._section.pipe_dir
            self._link = FreeswitchLink(
                self._settings,
                hear,
                digest_key=digest_key,
                own_pipes=str(folder),
                connect=self._connect,
                on_back=self._back,
                on_event=lambda event: self._taps.heard(event),
                more_events=(CODEC,),
            )
            self._taps = Taps(self._link.esl, Pipes(folder))
            try:
                self._taps.open()
            except OSError as error:
                raise OperatorError(
                    f"cannot be used: {error.strerror}",
                    where=f"freeswitch.pipe_dir: {folder}",
                    do="Check its owner",
                ) from error
            self._heartbeat = Heartbeat(
                self._link, watchdog, "pbxb_alive", self._said_to_dialplan, CommandRefused
            )
            await self._link.start()
            stack.push_async_callback(self._link.close)
            stack.push_async_callback(self._taps.close)
            await self._heartbeat.start()
            stack.push_async_callback(self._heartbeat.close)
            yield

    async def until_beating(self) -> None:
        await self._heartbeat.until_beating()

    def tap(self) -> Tap:
        return self._taps.tap()

    def watch(self, leg: ChannelId) -> None:
        self._link.watch(leg)

    def unwatch(self, leg: ChannelId) -> None:
        self._link.unwatch(leg)

    async def ask_outbound_notice(self, customer: ChannelId) -> None:
        """The dialplan speaks it, if it finds this run's token on the channel."""
        notice = self._for_customers
        try:
            await self._link.esl.setvar(customer, "pbxb_sound", sound_path(self._sounds_dir, notice.sound))
            await self._link.esl.setvar(customer, "pbxb_notice", notice.text_hash)
            await self._link.esl.setvar(customer, "pbxb_drawn", self._heartbeat.token)
        except NOT_DONE as error:
            log.warning(
                "the outbound notice could not be asked for; the call is not recorded", why=str(error)
            )

    async def offer_private(self, leg: ChannelId) -> None:
        """The dialplan binds the trainee's keys: a private call, a payment's beginning and end."""
        try:
            await self._link.esl.execute(leg, "execute_extension", TRAINEES_KEYS)
        except NOT_DONE as error:
            log.warning("a trainee has no keys for a private call or a payment", why=str(error))

    async def forget_what_was_said(self) -> None:
        with contextlib.suppress(*NOT_DONE):
            await self._link.forget_what_was_said()

    # -- each time the link comes up --------------------------------------------------------------------------------

    async def _back(self) -> None:
        await self._taps.end_left()
        self._sounds_dir = await self._link.esl.getvar(None, "sounds_dir")
        self._said_to_dialplan.update(self._for_dialplan())

    def _for_dialplan(self) -> dict[str, str]:
        """The globals dialplan/freeswitch reads, besides the heartbeat's own."""
        section = self._section
        said = {"pbxb_key": section.notice_key, "pbxb_language": self._language}
        said |= {f"pbxb_{name}": code for name, code in section.codes.items()}
        for notice in self._notices:
            said[f"pbxb_sound_{notice.language}"] = sound_path(self._sounds_dir, notice.sound)
            said[f"pbxb_notice_{notice.language}"] = notice.text_hash
        return said


def sound_path(sounds_dir: str, sound: str) -> str:
    """The whole path as FreeSWITCH plays it, its ending too: a relative one would depend on the channel's own language.

    "" when FreeSWITCH has not said yet where its sounds are: then no notice is played, and nothing recorded.
    """
    if not sounds_dir and not sound.startswith("/"):
        return ""
    path = PurePosixPath(sounds_dir) / sound
    return str(path if path.suffix else path.with_name(path.name + SOUND))
