"""What one recorded call needs while it runs: its sealed file, its key at the keeper, the tap's voices.

Joins media.Recording (pictures and voices into WebM), archive.SealedFile (a file only the keeper can open) and the
keeper's put / finish / recover / destroy. It decides nothing: the session orders, this obeys and reports. A recording
whose key the keeper did not take is destroyed: what nobody could release must not lie on a disk.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from time import time as clock
from typing import Any, Protocol

import structlog

from pbx_bridge.age import X25519Identity, read_header
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.manifest import Assignment, Manifest, ManifestError, RecorderKey
from pbx_bridge.archive.restart import rebuild
from pbx_bridge.archive.retention_wire import End
from pbx_bridge.archive.rules import Keeping, not_after
from pbx_bridge.archive.sealed import RecordingFiles, SealedDigest, SealedFile
from pbx_bridge.archive.witness import Witness
from pbx_bridge.calls.facts import VoiceChunk
from pbx_bridge.calls.reasons import Reason
from pbx_bridge.ids import RecordingId, TraineeId
from pbx_bridge.media.outcome import Discarded, Failed, Failure, RecordingEvent, Safe, Sealed
from pbx_bridge.media.recording import Recording
from pbx_bridge.stations.events import PictureArrived
from pbx_bridge.training.plans import Plan, plan_digest
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

log = structlog.get_logger()

FAILURES = {
    Failure.NO_PICTURES: Reason.TOO_FEW_PICTURES,
    Failure.LATE_FACT: Reason.UNREADABLE,
    Failure.BAD_PICTURES: Reason.CAPTURE_FAILED,
    Failure.BAD_VOICE: Reason.AUDIO_MISSING,
    Failure.OVERFLOW: Reason.OVERLOAD,
    Failure.STORAGE: Reason.DISK,
    Failure.NOT_ERASED: Reason.DISK,
    Failure.DEFECT: Reason.BRIDGE_FAULT,
}


RETRY_S = 2.0
"""Until a full disk, or a keeper that does not answer, is tried again. What is sealed there waits meanwhile."""


class Reports(Protocol):
    """Whom a recording reports to; called in the event loop."""

    def sealed(self, recording: RecordingId, duration_ns: int) -> None: ...

    def failed(self, recording: RecordingId, reason: Reason, *, kept: bool) -> None: ...

    def safe(self, recording: RecordingId, seq: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Archive:
    """What every recording is sealed with."""

    folder: Path
    keeper: KeeperLink
    recorder: RecorderKey
    keeping: Keeping
    witness: Witness


class _Late:
    """The sealed file, created by the recording's own thread at its first word: a slow disk never stops the loop."""

    def __init__(self, create: Callable[[], SealedFile]) -> None:
        self._create = create
        self._file: SealedFile | None = None

    def let_go(self) -> None:
        """What its last checkpoint covered stays for the keeper."""
        if self._file is not None:
            self._file.close()

    def __getattr__(self, name: str) -> Any:
        if self._file is None:
            self._file = self._create()
        return getattr(self._file, name)


def first_manifest(
    recording: RecordingId, trainee: TraineeId, plan: Plan, start_unix: int, keeping: Keeping, device_key: str
) -> Manifest:
    """What is known of a recording when it begins. The trainer's assignment ends with the plan's last day's retention."""
    begin = int(datetime.combine(plan.first_day, time()).astimezone().timestamp())
    last = plan.last_day + timedelta(days=1 + keeping.keep_days)
    end = int(datetime.combine(last, time()).astimezone().timestamp())
    return Manifest(
        recording=recording,
        trainee=trainee,
        plan=plan_digest(plan),
        trainers=(Assignment(plan.trainer, begin, end),),
        applications=tuple(application.name for application in plan.applications),
        start=start_unix,
        not_after=not_after(start_unix, keeping),
        device_key=device_key,
    )


class LiveRecording:
    """One call's file from the first order to its name, its key's registration included. Use it from the loop."""

    def __init__(self, archive: Archive, manifest: Manifest, start_ns: int, reports: Reports) -> None:
        self._archive, self._manifest, self._reports = archive, manifest, reports
        self.recording = manifest.recording
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = self._over = False
        self._broken: Failed | None = None
        identity = X25519Identity.generate()
        recipient = identity.recipient()
        self._sink = _Late(lambda: SealedFile(archive.folder, self.recording, recipient))
        self._media = Recording(self._sink, start_ns, self._on_event)
        self._put = asyncio.ensure_future(self._register(identity))

    # -- orders -------------------------------------------------------------------------------------------------

    def picture(self, picture: PictureArrived) -> None:
        self._media.picture(picture)

    def voice(self, chunk: VoiceChunk) -> None:
        self._media.voice(chunk)

    def pause(self, at_ns: int, *, hold: bool) -> None:
        self._media.pause(at_ns, hold=hold)

    def talk(self, at_ns: int) -> None:
        self._media.talk(at_ns)

    def close(self, end_ns: int) -> None:
        self._closing = True
        if self._broken is None:
            self._media.close(end_ns)
        else:
            self._spawn(self._rescue(self._broken))

    def discard(self, reason: Reason) -> None:
        """Destroy the key first, then the bytes, whatever state the file is in."""
        if self._broken is None and not self._over:
            self._media.discard()
        self._over = True
        self._spawn(self._destroy(reason))

    async def settled(self) -> None:
        """Returns when nothing of this recording is under way any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- the keeper ---------------------------------------------------------------------------------------------

    async def _register(self, identity: X25519Identity) -> None:
        signed = self._archive.recorder.sign(self._manifest)
        try:
            await self._archive.keeper.put(signed, identity)
        except (Refused, KeeperUnreachable) as error:
            log.error("the keeper did not take a recording's key", recording=self.recording, why=str(error))
            if not self._over:
                self._reports.failed(self.recording, _why_not_put(error), kept=False)

    async def _finish(self, digest: SealedDigest, duration_ns: int) -> None:
        await self._put

        async def finish() -> int:
            path = RecordingFiles(self._archive.folder, self.recording).sealed
            header, size = await asyncio.to_thread(read_sealed_header, path)
            done = self._manifest.sealed(digest.payload_sha256.hex(), size, duration_ns // 1_000_000)
            await self._archive.keeper.finish(self._archive.recorder.sign(done), header)
            return duration_ns

        await self._until_kept(finish, Reason.BRIDGE_FAULT)

    async def _rescue(self, broken: Failed) -> None:
        """What was written before the failure is rebuilt by the keeper."""
        await self._put

        async def rescue() -> int:
            await asyncio.to_thread(self._sink.let_go)
            archive = self._archive
            duration_ms = await rebuild(archive.keeper, archive.recorder, archive.folder, self.recording)
            return max(1, duration_ms) * 1_000_000

        await self._until_kept(rescue, FAILURES[broken.failure])

    async def _until_kept(self, keep: Callable[[], Coroutine[Any, Any, int]], otherwise: Reason) -> None:
        """Reports the recording sealed, or failed for good. What may pass is waited out: nothing is lost by it."""
        while not self._over:
            try:
                duration_ns = await keep()
            except (Refused, KeeperUnreachable, ManifestError, OSError) as error:
                log.error("a recording cannot be registered", recording=self.recording, why=str(error))
                if not may_pass(error):
                    self._reports.failed(self.recording, otherwise, kept=False)
                    return
                await asyncio.sleep(RETRY_S)
            else:
                self._over = True
                self._reports.sealed(self.recording, duration_ns)

    async def _destroy(self, reason: Reason) -> None:
        await destroy(self._archive, self.recording, reason)
        await asyncio.to_thread(self._media.join, 5.0)
        await destroy(self._archive, self.recording, reason)

    # -- the recording's thread reports -------------------------------------------------------------------------

    def _on_event(self, event: RecordingEvent) -> None:
        self._loop.call_soon_threadsafe(self._take, event)

    def _take(self, event: RecordingEvent) -> None:
        match event:
            case Safe():
                self._reports.safe(self.recording, event.seq)
            case Sealed():
                assert isinstance(event.digest, SealedDigest)
                facts = event.facts
                log.info(
                    "sealed",
                    recording=self.recording,
                    seconds=round(facts.duration_ns / 1e9, 3),
                    bytes=facts.size,
                    pictures=facts.pictures,
                    error_ms=round(facts.max_error_ns / 1e6, 2),
                )
                self._spawn(self._finish(event.digest, facts.duration_ns))
            case Failed():
                log.warning(
                    "a recording failed", recording=self.recording, failure=event.failure.value, why=event.why
                )
                self._broken = event
                if self._closing and not event.failure.discards:
                    self._spawn(self._rescue(event))
                else:
                    self._reports.failed(
                        self.recording, FAILURES[event.failure], kept=not event.failure.discards
                    )
            case Discarded():
                pass

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _why_not_put(error: Exception) -> Reason:
    """Why the keeper did not take a recording's key, in the ledger's words."""
    if isinstance(error, Refused) and error.word in (Reason.CLOCK.value, Reason.NOT_APPROVED.value):
        return Reason(
            error.word
        )  # the plan was withdrawn or changed, or the clock set, since the call was drawn
    if isinstance(error, Refused) and error.word == "audit-unwritable":
        return Reason.AUDIT
    return Reason.DISK if may_pass(error) else Reason.BRIDGE_FAULT


def may_pass(error: Exception) -> bool:
    """Whether the same may succeed later: a full disk, a keeper that does not answer, a writer that still lives."""
    match error:
        case KeeperUnreachable():
            return True
        case Refused():
            return error.word in ("disk", "audit-unwritable", "busy")
        case OSError():
            return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def read_sealed_header(path: Path) -> tuple[bytes, int]:
    """The age header of a sealed file, and the bytes that follow it."""
    with path.open("rb") as file:
        size = read_header(file).size
        whole = file.seek(0, 2)
        file.seek(0)
        return file.read(size), whole - size


async def destroy(archive: Archive, recording: RecordingId, reason: Reason) -> None:
    """P16: remembered before it is done, so that a bridge that is killed meanwhile does it at its next start; then the key,
    so that what the disk still holds is noise; then the bytes. Returns when the key is gone: a keeper that does not answer
    is asked until it does."""
    try:
        ended = End(int(clock()), recording, reason.value)
        await asyncio.to_thread(archive.witness.note, ended)
    except OSError as error:
        log.error("a destruction could not be witnessed", recording=recording, why=error.strerror)
    gone = await _key_destroyed(archive, recording, reason)
    files = RecordingFiles(archive.folder, recording)
    try:
        await asyncio.to_thread(files.remove_unfinished)
        await asyncio.to_thread(files.sealed.unlink, True)
    except OSError as error:
        log.error("a recording's bytes could not be removed", recording=recording, why=error.strerror)
    while not gone:
        await asyncio.sleep(RETRY_S)
        gone = await _key_destroyed(archive, recording, reason)


async def _key_destroyed(archive: Archive, recording: RecordingId, reason: Reason) -> bool:
    """False: the keeper has not answered."""
    try:
        await archive.keeper.destroy(recording, reason.value)
    except (Refused, KeeperUnreachable) as error:
        log.error("a key could not be destroyed", recording=recording, why=str(error))
        return not may_pass(error)
    return True
