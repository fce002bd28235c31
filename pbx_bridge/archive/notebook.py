"""Notes beside a recording's key: `<id>.notes`, each note an age file to the recording's own identity.

So whoever destroys the recording's key makes every copy of them noise, wherever it lies; the file itself is overwritten
too, as a key is. Who wrote a note and when stands in it openly, as names do in the manifest; what and about which moment
does not. It opens nothing and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import structlog

from pbx_bridge.access.books import closed, opened
from pbx_bridge.durable import destroy_secret, replace_secrets
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Malformed, Many, canonical, read_fields, read_object, write_fields
from pbx_bridge.wire_notes import MAX_NOTES, NOTE
from pbx_bridge.wire_portal import HEX_BLOB, NAME, UNIX

log = structlog.get_logger()

MAX_FILE_BYTES: Final = 1 << 20
"""Fifty notes of the longest make 420 KiB."""


@dataclass(frozen=True, slots=True)
class StoredNote:
    id: Annotated[str, NOTE]
    author: Annotated[str, NAME]
    written_at: Annotated[int, UNIX]
    sealed: Annotated[str, HEX_BLOB]


@dataclass(frozen=True, slots=True)
class _Book:
    notes: Annotated[tuple[StoredNote, ...], Many(MAX_NOTES)]


class Notebook:
    """The notes of all recordings, in the key store's folder; read when asked for."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """`key` closes the files (access/books.py)."""
        self._folder, self._key = folder, key

    def of(self, recording: RecordingId) -> tuple[StoredNote, ...]:
        """In the order they were written; none of a file that is not as the keeper closed it."""
        try:
            with open(self._path(recording), "rb") as file:
                text, genuine = opened(self._path(recording).name, file.read(MAX_FILE_BYTES), self._key)
        except FileNotFoundError:
            return ()
        try:
            if not genuine:
                raise Malformed("it was edited or cut")
            return read_fields(_Book, read_object(text)).notes
        except Malformed as error:
            log.error("a recording's notes cannot be used", recording=recording, fault=str(error))
            return ()

    def keep(self, recording: RecordingId, notes: tuple[StoredNote, ...]) -> None:
        """These instead of those there were, whose very blocks are overwritten. Raises: OSError."""
        name = self._path(recording).name
        content = closed(name, canonical(write_fields(_Book(notes))), self._key)
        replace_secrets(self._folder, [(name, content)])

    def destroy(self, recording: RecordingId) -> None:
        """P20: overwrites and removes them."""
        destroy_secret(self._path(recording))

    def _path(self, recording: RecordingId) -> Path:
        return self._folder / f"{recording}.notes"
