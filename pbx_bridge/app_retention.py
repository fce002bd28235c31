"""The bridge's half of retention: asks the keeper to destroy keys, removes the files, counts both each day (P20).

The keeper decides what has ended and never touches a file; this decides nothing and touches no key. It knows ids and file
names. The count's result lies in `state_dir/retention/count.json` for `pbx-bridge doctor`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Protocol

import structlog

from pbx_bridge.archive import retention_wire
from pbx_bridge.archive.files import RecordingFiles, sync_folder
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.witness import REMEMBERED_S, Witness
from pbx_bridge.catalogue.recordings import Noted
from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId, parse_recording_id
from pbx_bridge.wire_json import Whole, canonical, read_fields, read_object, write_fields
from pbx_bridge.wire_portal import UNIX, KeeperUnreachable, Refused

log = structlog.get_logger()

PURGE_EVERY_S: Final = 3_600
PULSE_EVERY_S: Final = 1.0
"""P10: a wrong clock ends what runs within two seconds."""
SEEN_EVERY_S: Final = 60
"""What another than the bridge had destroyed (a right to erasure) is remembered here within a minute."""
COUNT_EVERY_S: Final = 86_400
RETRY_S: Final = 60
SETTLED_AFTER_S: Final = 3_600
"""A file whose recording the keeper does not know is on its way for a moment; after an hour it is a stray."""


@dataclass(frozen=True, slots=True)
class Count:
    """One daily count: figures without persons. All agrees when everything from `missing` on is 0."""

    at: Annotated[int, UNIX]
    recorded: Annotated[int, Whole(0)]
    destroyed: Annotated[int, Whole(0)]
    present: Annotated[int, Whole(0)]
    missing: Annotated[int, Whole(0)]
    """Keys that should be there."""
    risen: Annotated[int, Whole(0)]
    """Keys of destroyed recordings; they were destroyed again."""
    unknown: Annotated[int, Whole(0)]
    """Keys that were never recorded here."""
    files_missing: Annotated[int, Whole(0)]
    files_unknown: Annotated[int, Whole(0)]

    @property
    def wrong(self) -> int:
        keys = self.missing + self.risen + self.unknown
        return keys + self.files_missing + self.files_unknown


class Notes(Protocol):
    """The catalogue's lines of which recording holds whose call. Raises: OperatorError."""

    def all(self) -> Iterable[Noted]: ...

    def forget(self, recordings: Iterable[RecordingId]) -> None: ...


class Retention:
    """Purges, removes, counts. The keeper's refusals come out as `wire_portal.Refused`."""

    def __init__(self, keeper: KeeperLink, sealed: Path, state: Path, notes: Notes) -> None:
        """`sealed`: the folder of recordings; `state`: where the last count is kept."""
        self._keeper, self._sealed, self._state, self._notes = keeper, sealed, state, notes
        self._witness = Witness(state)

    async def begin(self) -> None:
        """P20: before anything is recorded, what this bridge had destroyed of late is destroyed again: the keeper may have
        been restored from a backup. Where it was not, that does nothing."""
        for ended in await asyncio.to_thread(self._witness.recent, int(time.time())):
            await self._keeper.destroy(ended.recording, ended.reason)

    async def watch(self, keeper: KeeperLink, on_doubt: Callable[[bool], None]) -> None:
        """P20: asks each second whether the clock is in doubt, and tells; on a link of its own, that no purge delays."""
        seen_at = self._witness.seen_at()
        while True:
            with suppress(Refused, KeeperUnreachable, OSError):
                beat = await keeper.pulse(seen_at)
                on_doubt(bool(beat.doubt))
                if not beat.doubt and beat.high >= seen_at + SEEN_EVERY_S:
                    ended = await keeper.ended(beat.high - REMEMBERED_S)
                    await asyncio.to_thread(self._witness.learn, ended, beat.high)
                    await asyncio.to_thread(self._witness.saw, beat.high)
                    seen_at = beat.high
            await asyncio.sleep(PULSE_EVERY_S)

    async def run(self) -> None:
        """At once, then each hour and each day, until cancelled. What fails is tried again after a minute."""
        purge_at = count_at = 0.0
        while True:
            now, wait_s = time.monotonic(), RETRY_S
            try:
                if now >= purge_at:
                    await self.purge()
                    purge_at = now + PURGE_EVERY_S
                if now >= count_at:
                    await self.count()
                    count_at = now + COUNT_EVERY_S
            except (Refused, KeeperUnreachable, OperatorError, OSError) as error:
                log.error("nothing is purged now; it is tried again", why=str(error), seconds=wait_s)
            await asyncio.sleep(wait_s)

    async def purge(self, *, dry_run: bool = False, by_hand: bool = False) -> list[retention_wire.Gone]:
        """P20: what has ended loses its key, then its file; what was purged, or with `dry_run` would be."""
        gone: list[retention_wire.Gone] = []
        more = True
        while more:
            purged = await self._keeper.purge(dry_run=dry_run, by_hand=by_hand)
            gone += purged.gone
            more = purged.more and not dry_run
            if not dry_run:
                over = [one.recording for one in purged.gone]
                await asyncio.to_thread(self._remove, over)
                await asyncio.to_thread(self._notes.forget, over)
                for one in purged.gone:
                    copies = len(one.copies)
                    log.info("destroyed", recording=one.recording, reason=one.reason, copies_outside=copies)
        return gone

    async def count(self) -> Count:
        """P20: recorded - destroyed = present, for keys and for files. Files of what was destroyed are removed."""
        keys = await self._keeper.reconcile()
        files = await asyncio.to_thread(lambda: dict(self._files()))
        stands = await self._standing(files)
        unknown = sum(at is retention_wire.Stands.UNKNOWN and files[name] for name, at in stands.items())
        await asyncio.to_thread(self._remove, _over(stands))
        noted = await asyncio.to_thread(self._notes.all)
        await asyncio.to_thread(
            self._notes.forget, _over(await self._standing({one.recording for one in noted}))
        )
        held = await self._keeper.held()
        there = await asyncio.to_thread(lambda: {name for name, _ in self._files()})
        count = Count(
            at=int(time.time()),
            recorded=keys.recorded,
            destroyed=keys.destroyed,
            present=keys.present,
            missing=keys.missing,
            risen=keys.risen,
            unknown=keys.unknown,
            files_missing=len(held - there),
            files_unknown=unknown,
        )
        if count.wrong:
            log.error("the count of recordings does not agree: see pbx-bridge doctor", **write_fields(count))
        await asyncio.to_thread(write_whole, self._state / "count.json", canonical(write_fields(count)))
        return count

    async def _standing(self, recordings: Iterable[RecordingId]) -> dict[RecordingId, retention_wire.Stands]:
        names, found = list(recordings), dict[RecordingId, retention_wire.Stands]()
        for first in range(0, len(names), retention_wire.MAX_ASKED):
            batch = names[first : first + retention_wire.MAX_ASKED]
            found.update(zip(batch, await self._keeper.standing(batch), strict=True))
        return found

    def _files(self) -> Iterator[tuple[RecordingId, bool]]:
        """Every recording of which a file lies there, once, and whether its newest file is older than an hour."""
        newest: dict[RecordingId, float] = {}
        for entry in os.scandir(self._sealed):
            try:
                recording = parse_recording_id(entry.name.partition(".")[0])
                changed = entry.stat(follow_symlinks=False).st_mtime
            except (ValueError, FileNotFoundError):
                continue
            newest[recording] = max(newest.get(recording, 0.0), changed)
        for recording, changed in newest.items():
            yield recording, time.time() - changed > SETTLED_AFTER_S

    def _remove(self, recordings: list[RecordingId]) -> None:
        for recording in recordings:
            files = RecordingFiles(self._sealed, recording)
            files.sealed.unlink(missing_ok=True)
            files.remove_unfinished()
        if recordings:
            sync_folder(self._sealed)


def _over(stands: dict[RecordingId, retention_wire.Stands]) -> list[RecordingId]:
    return [name for name, at in stands.items() if at is retention_wire.Stands.DESTROYED]


def last_count(state: Path) -> Count | None:
    """The last daily count; None before the first. Raises: OSError, Malformed."""
    try:
        return read_fields(Count, read_object((state / "count.json").read_bytes()))
    except FileNotFoundError:
        return None
