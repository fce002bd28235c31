"""The whole bridge behind a FreeSWITCH double: the recorded calls as bytes, both voices through real pipes."""

from __future__ import annotations

import asyncio
import grp
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pbx_bridge.app_freeswitch import FreeswitchPbx
from pbx_bridge.config_pbx import Freeswitch
from pbx_bridge.config_section import Address
from pbx_bridge.ids import ChannelId
from tests.bridge.whole import Whole, whole
from tests.rig.esl_double import EslDouble, event, recorded
from tests.stations.rig import until

HASH = "0123abcd"
SOUNDS = "/usr/share/freeswitch/sounds"
DEVICES = ("user/1001@127.0.0.1",)
"""Alice's phone in the recorded calls."""
MEMBER = "1001@127.0.0.1"
"""Her name in the recorded queue."""
_HEADER = re.compile(rb"(?:\A|\n)(Event-Name|Unique-ID): (\S+)")


@dataclass
class Called:
    """A recorded call, told part by part; the recorded site's own recorder is left out."""

    site: OnFreeswitch
    name: str
    _events: Iterator[bytes] = field(init=False)
    legs: list[ChannelId] = field(default_factory=list)
    """In the order of their births."""
    hears: bool = True
    """The first leg's party hears the notice to its end."""

    def __post_init__(self) -> None:
        kept = [one for one in recorded(self.name) if _kind(one) not in (b"RECORD_START", b"MEDIA_BUG_START")]
        self.legs = [ChannelId(_of(one)) for one in kept if _kind(one) == b"CHANNEL_CREATE"]
        self._events = iter(kept)

    async def up_to(self, kind: str, leg: ChannelId | None = None) -> None:
        """All that came up to this event, itself too; the first leg's party hears the notice on the way."""
        for one in self._events:
            await self._told(one)
            if _kind(one) == kind.encode() and leg in (None, _of(one)):
                return
        raise AssertionError(f"{self.name} has no further {kind}")

    async def ends(self) -> None:
        """All that is left; FreeSWITCH closes the pipes of legs that hang up."""
        for one in self._events:
            if _kind(one) == b"CHANNEL_HANGUP":
                self.site.double.recorder.hung_up(_of(one))
            await self._told(one)

    async def _told(self, one: bytes) -> None:
        await self.site.double.play([one])
        if self.hears and _kind(one) == b"CHANNEL_CREATE" and _of(one) == self.legs[0]:
            await self.says("notice", self.legs[0], Notice=HASH)

    async def says(self, word: str, leg: ChannelId, **more: str) -> None:
        """The dialplan reports this of a leg."""
        own = event("CUSTOM", b"", Event_Subclass=f"pbx_bridge::{word}", Unique_ID=leg, **more)
        await self.site.double.say(own)


@dataclass
class OnFreeswitch:
    """The site; the bridge's own parts are all real."""

    whole: Whole
    double: EslDouble
    pipes: Path
    serve: Callable[[Whole], Awaitable[None]]
    """Again, after a stop."""

    def calls(self, name: str) -> Called:
        return Called(self, name)

    async def recording(self, name: str = "06_hold_unhold") -> Called:
        """A call that is being recorded: both voices come through the pipe and its file grows."""
        call = self.calls(name)
        await call.up_to("CHANNEL_BRIDGE")
        here = self.whole.here.recorder
        await until(lambda: here.recording is not None)
        self._filming = asyncio.create_task(self.whole._film())
        part = f"{here.recording}*"
        await until(lambda: any(one.stat().st_size for one in self.whole.home.archive.glob(part)))
        await until(lambda: bool(self.double.recorder.running))
        return call

    def asked_to_record(self) -> list[str]:
        """What FreeSWITCH was asked of recordings, in order: start, mask, unmask, stop."""
        return [one.split(" ")[0] for one in self.double.recorder.asked]

    def lying(self) -> list[str]:
        """What is in the folder of pipes."""
        return sorted(one.name for one in self.pipes.iterdir())


@asynccontextmanager
async def on_freeswitch(
    folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> AsyncIterator[OnFreeswitch]:
    async with EslDouble() as double:
        double.answers["global_getvar sounds_dir"] = SOUNDS
        secret = folder / "esl.secret"
        secret.write_text(double.password)
        secret.chmod(0o600)
        section = Freeswitch(
            esl=Address(host="127.0.0.1", port=double.port),
            esl_secret_file=secret,
            pipe_dir=folder / "pipes",
            **{"group": grp.getgrgid(os.getegid()).gr_name} | changes,
        )

        async def serve(site: Whole) -> None:
            """Up once the dialplan was told."""
            pbx = FreeswitchPbx(site.config, section)
            before = len(double.told("api global_setvar pbxb_alive="))
            await site.serve_with(pbx, lambda: len(double.told("api global_setvar pbxb_alive=")) > before)

        async with whole(
            folder, monkeypatch, section=section, serve=serve, devices=DEVICES, member=MEMBER
        ) as site:
            yield OnFreeswitch(site, double, section.pipe_dir, serve)


def _kind(body: bytes) -> bytes:
    return _header(body, b"Event-Name").encode()


def _of(body: bytes) -> str:
    """The leg an event is about."""
    return _header(body, b"Unique-ID")


def _header(body: bytes, name: bytes) -> str:
    return next((value.decode() for found, value in _HEADER.findall(body) if found == name), "")
