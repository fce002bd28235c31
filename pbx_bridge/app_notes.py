"""Notes for every recording whose call it holds, so that an objection, or a person who asks, still finds it after a restart.

Written by one thread, in order, so that a slow disk never stops the loop. It keeps keyed hashes, no number and no channel;
it decides nothing, and nobody may open a recording because of a note.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from pbx_bridge.catalogue.recordings import Noted, Recordings
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import ChannelId, RecordingId, TraineeId

log = structlog.get_logger()
T = TypeVar("T")


class Notes:
    """`on_lost` is called in the loop for a recording that could not be noted: it may not go on (P16)."""

    def __init__(
        self, recordings: Recordings, folder: Path, key: bytes, on_lost: Callable[[RecordingId], None]
    ) -> None:
        self._recordings, self._folder, self._key, self._on_lost = recordings, folder, key, on_lost
        self._thread = ThreadPoolExecutor(1, "notes")
        self._loop = asyncio.get_running_loop()

    def began(
        self,
        recording: RecordingId,
        trainee: TraineeId,
        call: str,
        party: ChannelId,
        started_unix: int,
        customer: str = "",
    ) -> None:
        """`customer` is the keyed hash of the number, "" when the PBX did not tell it."""
        noted = Noted(recording, trainee, call, self.party(party), customer, started_unix)
        self._thread.submit(self._guarded, partial(self._recordings.note, noted), recording)

    def gone(self, recording: RecordingId) -> None:
        """It was destroyed: its note goes too."""
        self._thread.submit(self._guarded, partial(self._recordings.forget, [recording]), None)

    def tidy(self, live: Iterable[RecordingId]) -> None:
        """P20: a note lives no longer than its recording, whoever destroyed that. Those `live` may have no file yet."""
        self._thread.submit(self._guarded, partial(self._tidy, frozenset(live)), None)

    async def of_party(self, party: ChannelId) -> tuple[Noted, ...]:
        """Every recording that holds the call of the customer at this channel. Raises: OperatorError."""
        return await self._loop.run_in_executor(self._thread, self._recordings.of_party, self.party(party))

    async def of_call(self, call: str) -> tuple[Noted, ...]:
        """Every recording of this call, by the ledger's name for it. Raises: OperatorError."""
        return await self._loop.run_in_executor(self._thread, self._recordings.of_call, call)

    def party(self, channel: ChannelId) -> str:
        """The keyed hash by which a customer's channel is noted."""
        return hashlib.blake2b(f"party {channel}".encode(), key=self._key, digest_size=16).hexdigest()

    def close(self) -> None:
        """Returns when all is written."""
        self._thread.shutdown()

    def _tidy(self, live: frozenset[RecordingId]) -> None:
        kept = {file.name.partition(".")[0] for file in self._folder.iterdir()}
        gone = {noted.recording for noted in self._recordings.all()} - kept - live
        if gone:
            self._recordings.forget(gone)

    def _guarded(self, work: Callable[[], None], recording: RecordingId | None) -> None:
        try:
            work()
        except (OperatorError, OSError) as error:
            log.error("the recordings' notes could not be written", why=str(error))
            if recording is not None:
                self._loop.call_soon_threadsafe(self._on_lost, recording)
