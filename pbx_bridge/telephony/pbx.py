"""What the bridge asks of a PBX: the seam behind which Asterisk and FreeSWITCH are alike. Words only.

A PBX tells facts (calls/facts.py) and does the few things below; whether and why, others decide. `app_asterisk.py` and
`app_freeswitch.py` each make one `Pbx` of their adapters, and `app_pbx.py` takes the one that is configured. No word of
one PBX (AMI, snoop, ESL, realm) is known above this file.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pbx_bridge.calls.facts import Fact, VoiceChunk
from pbx_bridge.ids import ChannelId


class Tap(Protocol):
    """Both voices of one agent's leg, into memory. `start` once, `stop` once, also when `start` is still under way."""

    async def start(
        self, channel: ChannelId, on_voice: Callable[[VoiceChunk], None], on_lost: Callable[[str], None]
    ) -> None:
        """Begins to listen; returns when both voices are on their way.

        `on_lost` comes at most once and never after `stop`: with a word of a closed list, also when the PBX refuses or
        the first sample does not come in time, within P10's two seconds. After it `on_voice` is never called.
        """

    async def pause(self) -> None:
        """Until `resume` the PBX itself leaves the voices out where it can; what it sends all the same nobody keeps (P7)."""

    async def resume(self) -> None:
        """The voices are wanted again; a PBX that does not deliver them then is told by `on_lost`, as at the start."""

    async def stop(self) -> None:
        """Ends both; no sample is handed on after the call of this, not even before it returns."""


class Pbx(Protocol):
    """One PBX. Made by whoever starts the bridge, as root if it is: it has read its secrets then, and opened nothing."""

    def running(
        self, on_fact: Callable[[Fact], None], digest_key: bytes
    ) -> AbstractAsyncContextManager[None]:
        """Serves while the block runs, in this event loop; all else below is asked only inside.

        Facts come to `on_fact` in order, times on this machine's monotonic clock. A link that comes up tells `LinkUp`
        with all that lives there, one that is lost `LinkDown`, at most two seconds after the PBX fell silent (P10). A
        PBX that is down is no reason not to start: the link tries again. Numbers are told as digests under `digest_key`,
        never in clear. Raises: OperatorError when an address is taken.
        """

    async def until_beating(self) -> None:
        """Returns once the PBX knows that this bridge lives: from then on callers hear the notice (P16)."""

    def tap(self) -> Tap:
        """For one leg; nothing happens before its `start`."""

    def watch(self, leg: ChannelId) -> None:
        """From now on `LegSilent` while nothing comes from this leg's phone, `LegHeard` when it comes back (P8)."""

    def unwatch(self, leg: ChannelId) -> None:
        """Harmless for a leg that is not watched or gone."""

    async def ask_outbound_notice(self, customer: ChannelId) -> None:
        """This customer shall hear the notice before the two talk (P16). Raises nothing: unheard is not recorded."""

    async def offer_private(self, leg: ChannelId) -> None:
        """This trainee's leg gets the key of a private call (P16). Raises nothing: the window's button remains."""

    async def forget_what_was_said(self) -> None:
        """All that the keys of calls asked for is done: the PBX need not keep it for a bridge that was down (P16).

        Raises nothing: it would be done once more, which harms nobody.
        """
