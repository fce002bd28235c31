"""The recorder's side of a recovery: hands the keeper what a crash left, and registers the whole file it makes.

It knows files by name and never what is in them. Every step can be repeated after a further crash: what lies there tells
where to go on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.manifest import RecorderKey, verify
from pbx_bridge.archive.recording_wire import Left
from pbx_bridge.archive.sealed import RecordingFiles
from pbx_bridge.durable import sync_folder
from pbx_bridge.ids import RecordingId


async def rebuild(keeper: KeeperLink, recorder: RecorderKey, folder: Path, recording: RecordingId) -> int:
    """Makes an unfinished recording a finished one; milliseconds of it.

    Raises: wire_portal.Refused (word "nothing-left": destroy it; "busy": its writer lives), KeeperUnreachable,
    ManifestError, OSError (FileNotFoundError: no file is left).
    """
    files = RecordingFiles(folder, recording)
    with _left(files) as (left, handles):
        made = await keeper.recover(recording, left, handles)
        if left is not Left.SEALED:
            os.rename(_new(files), files.sealed)
            sync_folder(folder)
    begun = verify(made.signed, frozenset({recorder.public}))
    done = begun.sealed(made.payload, made.payload_bytes, made.duration_ms, recovered=made.recovered)
    await keeper.finish(recorder.sign(done), bytes.fromhex(made.header))
    files.remove_unfinished()
    return made.duration_ms


@contextmanager
def _left(files: RecordingFiles) -> Iterator[tuple[Left, list[int]]]:
    """What lies there, open, and the new file, which goes when nothing comes of it."""
    with ExitStack() as opened:
        if files.sealed.exists():
            yield Left.SEALED, [opened.enter_context(open(files.sealed, "rb")).fileno()]
            return
        handles = [opened.enter_context(open(files.part, "rb")).fileno()]
        left = Left.PART
        with suppress(FileNotFoundError):
            handles.append(opened.enter_context(open(files.tail, "rb")).fileno())
            left = Left.PART_AND_TAIL
        _new(files).unlink(missing_ok=True)
        opened.callback(_new(files).unlink, missing_ok=True)
        new = os.open(_new(files), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        opened.callback(os.close, new)
        yield left, [*handles, new]


def _new(files: RecordingFiles) -> Path:
    return files.unfinished(rebuild=True)[0]
