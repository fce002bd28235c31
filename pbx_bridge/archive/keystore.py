"""The key store: per recording its own age identity, sealed to the keeper, and what the recorder signed about it.

Two small files per recording: `<id>.key`, written once and overwritten in place when it is destroyed, and
`<id>.json`, replaced atomically; and `<id>.notes` where there are notes (notebook.py).
A recording without its `.key` is destroyed, whatever else stands anywhere (P20).
After a crash a recording that is rebuilt has `<id>.key-new` beside it until its new manifest is in.
It never opens a key, and decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pbx_bridge.access.books import closed, opened
from pbx_bridge.archive.backlog import Backlog
from pbx_bridge.archive.manifest import Manifest, decode
from pbx_bridge.archive.notebook import Notebook
from pbx_bridge.archive.retention import Stamp
from pbx_bridge.durable import (
    destroy_secret,
    finish_replacing,
    overwrite,
    overwrite_and_remove,
    replace_secrets,
    sync_folder,
    write_once,
    write_whole,
)
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import RecordingId
from pbx_bridge.wire_json import Hex, Malformed, Text, canonical, read_fields, read_object, write_fields
from pbx_bridge.wire_portal import UNIX, WORD, SignedManifest

MAX_KEY_BYTES: Final = 1_024
"""A sealed identity has under 300 bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the store keeps of one recording beside its key."""

    signed: SignedManifest
    header: Annotated[str, Text(8_192, 0, "([0-9a-f]{2})*")] = ""
    """The sealed file's age header, hex; "" while it is on its way and after destruction."""
    handed_over_at: Annotated[int, UNIX] | None = None
    reviewed_at: Annotated[int, UNIX] | None = None
    """When a trainer said that it was discussed in a training session."""
    suspended_until: Annotated[int, UNIX] | None = None
    """P20: until when an open request keeps it from being destroyed."""
    restricted_until: Annotated[int, UNIX] | None = None
    """P23: until when it is stored and nothing else."""
    erased_from: Annotated[int, UNIX] | None = None
    """P23: since when a person concerned wants it gone; nobody takes that back. It goes when nothing suspends it."""
    destroyed: Annotated[str, WORD] | None = None
    destroyed_at: Annotated[int, UNIX] | None = None
    rebuilt: Annotated[bytes, Hex(32)] | None = None
    """Payload digest of the file the keeper rebuilt and whose manifest it awaits."""


_OPEN: Final = b"edited"
"""No keeper's key: what it closes is not closed."""
_ADDED: Final[dict[str, object]] = dict.fromkeys(
    ("reviewed_at", "suspended_until", "restricted_until", "erased_from")
)
"""Fields an entry written by an earlier version does not have."""


class KeyStore:
    """The folder, read whole at start: an entry has about 1 KiB."""

    def __init__(self, folder: Path, key: bytes) -> None:
        """`key` closes the entries (access/books.py). Raises: OperatorError naming an entry that cannot be read."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self._close_key = folder, key
        self.notebook = Notebook(folder, key)
        self._edited: set[RecordingId] = set()
        self._entries: dict[RecordingId, tuple[Entry, Manifest]] = {}
        self.backlog = Backlog()
        self._of: dict[str, set[RecordingId]] = {}
        """Short name -> the recordings in whose manifest it stands, as trainee or trainer."""
        for path in folder.glob(".*.json.*"):  # half a replacement, of a crash: it names persons
            overwrite_and_remove(path)
        finish_replacing(folder)
        for path in sorted(folder.glob("*.json")):
            try:
                text, genuine = opened(path.name, path.read_bytes(), key)
                entry = read_fields(Entry, _ADDED | read_object(text))
                manifest = decode(entry.signed.text)
            except ValueError as error:
                raise OperatorError(
                    str(error), where=str(path), do="Restore it from the key store's backup"
                ) from None
            if path.stem != manifest.recording:
                raise OperatorError("it holds another recording's entry", where=str(path))
            if not genuine:
                self._edited.add(manifest.recording)
            self._remember(entry, manifest)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[tuple[Entry, Manifest]]:
        """Entries with their manifests, read but not verified."""
        return iter(self._entries.values())

    def find(self, recording: RecordingId) -> tuple[Entry, Manifest] | None:
        """The entry with its manifest, read but not verified."""
        return self._entries.get(recording)

    def _drop_names(self, recording: RecordingId) -> None:
        known = self._entries.get(recording)
        for name in _names(known[1]) if known is not None else ():
            self._of[name].discard(recording)

    def has_key(self, recording: RecordingId) -> bool:
        return self._key(recording).exists()

    def create(self, recording: RecordingId, key: bytes, entry: Entry) -> None:
        """Keeps a new recording. Raises: FileExistsError, OSError; then nothing of it stays."""
        write_once(self._key(recording), key)
        try:
            self.replace(recording, entry)
        except OSError:
            overwrite_and_remove(self._key(recording))
            raise

    def replace(self, recording: RecordingId, entry: Entry) -> None:
        name = f"{recording}.json"
        key = (
            _OPEN if self.is_edited(recording) else self._close_key
        )  # what was edited stays so, whatever is changed since
        write_whole(self.folder / name, closed(name, canonical(write_fields(entry)), key))
        self._remember(entry, decode(entry.signed.text))

    def is_edited(self, recording: RecordingId) -> bool:
        """Whether the entry is not as the keeper wrote it: somebody may have handed over, reviewed or suspended it by hand.

        What it says still counts for destroying; nothing opens by it.
        """
        return recording in self._edited

    def of_person(self, name: str) -> list[tuple[Entry, Manifest]]:
        """The entries in whose manifest this short name stands, read but not verified."""
        return [self._entries[recording] for recording in self._of.get(name, ())]

    def _remember(self, entry: Entry, manifest: Manifest) -> None:
        self._drop_names(manifest.recording)
        for name in _names(manifest):
            self._of.setdefault(name, set()).add(manifest.recording)
        self._entries[manifest.recording] = (entry, manifest)
        self.backlog.note(manifest, over=entry.reviewed_at is not None or entry.destroyed is not None)

    def key(self, recording: RecordingId) -> bytes:
        """The sealed identity. Raises: FileNotFoundError when it was destroyed."""
        with open(self._key(recording), "rb") as file:
            return file.read(MAX_KEY_BYTES)

    def keys(self, recording: RecordingId) -> list[bytes]:
        """The sealed identity and that of a rebuilt file, as far as they are there."""
        return [path.read_bytes()[:MAX_KEY_BYTES] for path in self._paths(recording) if path.exists()]

    def sealed(self, recording: RecordingId) -> list[tuple[str, bytes]]:
        """The same with the names of their files."""
        return [
            (path.name, path.read_bytes()[:MAX_KEY_BYTES]) for path in self._paths(recording) if path.exists()
        ]

    def replace_keys(self, anew: Sequence[tuple[str, bytes]]) -> None:
        """P20: these keys, sealed anew, in place of those of the same names, whose very blocks are overwritten. Raises:
        OSError; then each is the old or the new one."""
        replace_secrets(self.folder, anew)

    def put_new_key(self, recording: RecordingId, key: bytes) -> None:
        """Keeps the rebuilt file's key beside the old one; one from an earlier attempt is overwritten."""
        overwrite_and_remove(self._new_key(recording))
        write_once(self._new_key(recording), key)

    def new_key(self, recording: RecordingId) -> bytes:
        """Raises: FileNotFoundError."""
        with open(self._new_key(recording), "rb") as file:
            return file.read(MAX_KEY_BYTES)

    def has_new_key(self, recording: RecordingId) -> bool:
        return self._new_key(recording).exists()

    def take_new_key(self, recording: RecordingId) -> None:
        """The rebuilt file's key becomes the recording's; the old one's blocks are overwritten."""
        overwrite(self._key(recording))
        os.replace(self._new_key(recording), self._key(recording))
        sync_folder(self.folder)

    def drop_new_key(self, recording: RecordingId) -> None:
        """Overwrites what an attempt to rebuild left beside."""
        overwrite_and_remove(self._new_key(recording))

    def stamp(self) -> Stamp | None:
        """The stamp that lies in the folder, and in each of its backups. Raises: OperatorError."""
        path = self.folder / "stamp"
        try:
            return read_fields(Stamp, {"identity": ""} | read_object(path.read_bytes()))
        except FileNotFoundError:
            return None
        except Malformed as error:
            raise OperatorError(
                str(error), where=str(path), do="Restore the key store from its backup"
            ) from None

    def put_stamp(self, stamp: Stamp) -> None:
        write_whole(self.folder / "stamp", canonical(write_fields(stamp)))

    def present(self) -> frozenset[RecordingId]:
        """Every recording of which a key lies in the folder, as the disk has it now."""
        names = (Path(entry.name) for entry in os.scandir(self.folder))
        return frozenset(RecordingId(name.stem) for name in names if name.suffix in (".key", ".key-new"))

    def forget(self, recording: RecordingId) -> None:
        """Removes the entry of a destroyed recording; it names persons, so its blocks are overwritten."""
        overwrite_and_remove(self.folder / f"{recording}.json")
        self._drop_names(recording)
        self._entries.pop(recording, None)
        self.backlog.forget(recording)

    def destroy(self, recording: RecordingId) -> bool:
        """P20: overwrites and removes the key; from here the recording and its notes are gone from every backup of their
        files. The notes' own file goes too."""
        new = destroy_secret(self._new_key(recording))
        there = destroy_secret(self._key(recording)) or new
        self.notebook.destroy(recording)
        return there

    def _paths(self, recording: RecordingId) -> tuple[Path, Path]:
        return self._key(recording), self._new_key(recording)

    def _key(self, recording: RecordingId) -> Path:
        return self.folder / f"{recording}.key"

    def _new_key(self, recording: RecordingId) -> Path:
        return self.folder / f"{recording}.key-new"


def _names(manifest: Manifest) -> frozenset[str]:
    return frozenset({manifest.trainee, *(assignment.trainer for assignment in manifest.trainers)})
