"""Fetching: a recording into a file on this machine, as a standard age file for this person's identity.

What stands in the file is the header wrapped for this person and the payload as the recorder sealed it; nothing is
decrypted here. An interrupted fetch leaves `FILE.part`, and the same command continues it: only if its header opens to the
same file key, which belongs to one payload only. The whole payload's digest is held against the recorder's signature
before the file gets its name.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pbx_bridge.age import AgeError, X25519Identity, read_header, unwrap_file_key
from pbx_bridge.archive.manifest import Manifest, ManifestError, payload_digest, verify
from pbx_bridge.durable import sync_folder
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId
from pbx_bridge.trainer.bridge import Bridge, BridgeError
from pbx_bridge.wire_portal import Opened

Progress = Callable[[int, int], None]
"""Bytes there, bytes in all."""


def vouched(opened: Opened, recording: RecordingId, recorders: frozenset[bytes]) -> Manifest:
    """The manifest of what was opened, if a recorder this machine knows signed it for this recording."""
    try:
        manifest = verify(opened.signed, recorders)
    except ManifestError as error:
        raise BridgeError(f"this recording is not vouched for: {error}. Tell the administrator") from None
    if manifest.recording != recording or manifest.payload_bytes != opened.payload_bytes:
        raise BridgeError("the bridge gave another recording's manifest: tell the administrator")
    return manifest


def fetch(
    bridge: Bridge,
    identity: X25519Identity,
    recording: RecordingId,
    session: str,
    recorders: frozenset[bytes],
    to: Path,
    progress: Progress,
) -> Manifest:
    """Fetches into `to`. Raises: OperatorError, BridgeError, Refused."""
    if to.is_dir():
        raise OperatorError("this is a folder: name a file in it", where=str(to))
    if to.exists():
        raise OperatorError("this file is already there", where=str(to), do="Name another one, or remove it")
    part = to.with_name(to.name + ".part")
    try:
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OperatorError(f"it cannot be written: {error.strerror}", where=str(part)) from None
    with open(handle, "r+b") as file:
        begun_before = os.fstat(handle).st_size > 0
        try:
            opened = bridge.open(recording, session, fetch=True)
            manifest = vouched(opened, recording, recorders)
        except BaseException:
            if not begun_before:
                part.unlink()
            raise
        try:
            start = _continue(file, identity, opened, bridge, progress)
            file.flush()
            os.fsync(handle)
            file.seek(start)
            digest = payload_digest(file).hex()
        except OSError as error:
            raise OperatorError(f"it cannot be written: {error.strerror}", where=str(part)) from None
    if digest != manifest.payload:
        part.unlink()
        raise BridgeError(
            "what came is not what the recorder signed: the file was removed. Tell the administrator"
        )
    os.replace(part, to)
    sync_folder(to.parent)
    return manifest


def _continue(
    file: BinaryIO, identity: X25519Identity, opened: Opened, bridge: Bridge, progress: Progress
) -> int:
    """Brings `file` to its end; where its payload begins."""
    header, total = bytes.fromhex(opened.header), opened.payload_bytes
    start = _payload_start(file, header, identity)
    if start is None:
        file.seek(0)
        file.truncate()
        file.write(header)
        start = len(header)
    there = min(file.seek(0, os.SEEK_END) - start, total)
    file.truncate(start + there)
    file.seek(start + there)
    progress(there, total)
    for came in bridge.payload(opened.grant, there, total):
        file.write(came)
        there += len(came)
        progress(there, total)
    return start


def _payload_start(file: BinaryIO, header: bytes, identity: X25519Identity) -> int | None:
    """Where the payload begins in an earlier attempt at the same payload; None when it is none."""
    try:
        before = read_header(file)
        wanted = unwrap_file_key(read_header(io.BytesIO(header)), [identity])
        same = unwrap_file_key(before, [identity]) == wanted
    except AgeError:
        return None
    return before.size if same else None
