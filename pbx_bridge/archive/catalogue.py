"""Where sealed files lie and how to read their payloads. It knows ids and bytes; never a person, a key or a right.

The folder is the catalogue for now: a file's name is its recording's id, and all else stands in the manifest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from pbx_bridge.ids import RecordingId


class Shelf:
    """The folder of `<id>.age` files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, recording: RecordingId) -> Path:
        return self._folder / f"{recording}.age"

    def payload_bytes(self, recording: RecordingId, payload_at: int) -> int | None:
        """Bytes after the header; None when there is no such file."""
        try:
            return os.stat(self.path(recording)).st_size - payload_at
        except OSError:
            return None

    def read(self, recording: RecordingId, position: int, size: int) -> bytes:
        """At most `size` bytes of the file; none when it has gone."""
        try:
            with open(self.path(recording), "rb", buffering=0) as file:
                return os.pread(file.fileno(), size, position)
        except FileNotFoundError:
            return b""

    def for_copy(self, recording: RecordingId) -> tuple[BinaryIO, BinaryIO]:
        """The sealed file, and a new one without a name beside it, which is gone when it is closed. Where there is no sealed
        file an empty one stands for it: whether the asker may know that is not decided here."""
        new = self._nameless()
        try:
            return open(self.path(recording), "rb"), new
        except FileNotFoundError:
            return self._nameless(), new
        except OSError:
            new.close()
            raise

    def _nameless(self) -> BinaryIO:
        flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
        return open(os.open(self._folder, flags, 0o600), "w+b")

    def remove(self, recording: RecordingId) -> None:
        """Removes the ciphertext; its key is destroyed before, by the keeper."""
        self.path(recording).unlink(missing_ok=True)
