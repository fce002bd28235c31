"""What scenes, houses and the rig's bridge need of a PBX, whichever it is: the seam under "the same story, two PBXs".

A real PBX on this machine's loopback with the site of `asterisk_site` or `freeswitch_site`: the same extensions, phones
and trunk. `asterisk.py` boots one of its own; `freeswitch.py` finds one that somebody else runs.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol


class RigPbx(Protocol):
    """One PBX that runs, and the site's hands on it."""

    name: str
    """For a person."""
    phone_password: str
    """What its phones answer with when they are asked; "" where nobody asks."""
    info_key_ns: int
    """How long after it a key that comes by SIP INFO is acted upon."""

    @property
    def sip_port(self) -> int: ...
    @property
    def log(self) -> str:
        """All that it wrote down."""

    @property
    def last_words(self) -> list[str]:
        """Of its log, what was said of calls."""

    def endpoint(self, phone: str) -> str:
        """How the bridge's catalogue names this phone."""

    def section(self, folder: Path, ports: tuple[int, int]) -> str:
        """The bridge's configuration for it. Secrets are written into `folder`; `ports` are free for the bridge."""

    def speak_notice(self, language: str, text: str, *, words_per_minute: int = 200) -> float:
        """Makes `text` the callers' notice in this language; returns its length in seconds."""

    async def start(self) -> None:
        """Boots it again after `killed`, and returns when it is up."""

    async def killed(self) -> None:
        """kill -9, and waits until it is gone."""

    async def no_channels(self, deadline_s: float = 10.0) -> None:
        """Waits until nothing is left. Raises: TimeoutError naming what is."""

    async def forget_phones(self) -> None:
        """Phones that a fault kept from signing off ring no more."""

    async def take_away(self, phone: str) -> int:
        """Another application takes this phone out of its call and keeps it for itself; when, by CLOCK_MONOTONIC."""

    async def listen_to(self, phone: str, by: str) -> None:
        """A supervisor's phone is called and hears this phone's call."""

    async def record(self, phone: str) -> None:
        """The site starts a recorder of its own on this phone's call."""

    async def cut_link(self) -> None:
        """The bridge's connection is closed by the PBX."""

    async def knows_bridge(self) -> bool:
        """A heartbeat has come that has not expired: callers would hear the notice."""

    async def notes_left(self) -> bool:
        """It keeps an objection or a private call that no bridge has taken away."""

    def keys_received(self) -> AbstractAsyncContextManager[list[str]]:
        """The keys phones press, as the PBX shows them to those who may see them, growing."""
