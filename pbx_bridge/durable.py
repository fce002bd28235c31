"""Small files that must survive a power cut: written beside, synced, renamed; and destroyed by overwriting in place.

It knows bytes and paths, nothing of what they mean.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_ANEW: Final = "-anew"
"""Ends the name of a whole secret that is about to take the place of another."""


def sync_folder(folder: Path) -> None:
    """Makes names in `folder` durable (a rename or removal is not before this)."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, content: bytes) -> None:
    """Replaces `path` by `content`, 0600: after a crash the old or the new content stands there, never a mixture."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def overwrite_and_remove(path: Path) -> bool:
    """Overwrites `path`, then removes it. False when there was none."""
    if not overwrite(path):
        return False
    path.unlink()
    sync_folder(path.parent)
    return True


def overwrite(path: Path) -> bool:
    """Overwrites the very blocks `path` lies in, with noise. False when there is none.

    A key is written once and never by rename, so no older copy lies in free blocks. A copying file system or a
    wear-levelling disk may still keep one: the keeper's own identity changes for that case.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        os.pwrite(handle, secrets.token_bytes(os.fstat(handle).st_size), 0)
        os.fsync(handle)
    finally:
        os.close(handle)
    return True


def write_once(path: Path, content: bytes) -> None:
    """Creates `path`, 0600, synced. Raises: FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def replace_secrets(folder: Path, contents: Sequence[tuple[str, bytes]]) -> None:
    """Replaces small secret files by others of the same names, and overwrites the very blocks of the old ones.

    After a crash, or an error, each is the old or the new one: what is there beside it, whole, takes its place at the next
    call about it or at `finish_replacing`. Raises: OSError.
    """
    if not contents:
        return
    names = [name for name, _ in contents]
    _swap_in(folder, names)
    for name, content in contents:
        with open(folder / f".{name}{_ANEW}", "wb", opener=_owners) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    for name in names:
        os.replace(folder / f".{name}{_ANEW}", folder / f"{name}{_ANEW}")
    sync_folder(folder)
    _swap_in(folder, names)


def finish_replacing(folder: Path) -> None:
    """What a crash left of `replace_secrets` anywhere in `folder`. Raises: OSError."""
    for path in folder.glob(f".*{_ANEW}"):
        overwrite_and_remove(path)
    _swap_in(folder, [path.name.removesuffix(_ANEW) for path in folder.glob(f"*{_ANEW}")])


def destroy_secret(path: Path) -> bool:
    """Overwrites and removes `path`, and what was about to take its place. False when there was neither."""
    there = [
        overwrite_and_remove(path.with_name(name))
        for name in (f".{path.name}{_ANEW}", f"{path.name}{_ANEW}", path.name)
    ]
    return any(there)


def _swap_in(folder: Path, names: Iterable[str]) -> None:
    waiting = [name for name in names if (folder / f"{name}{_ANEW}").exists()]
    for name in waiting:
        overwrite(folder / name)
    for name in waiting:
        os.replace(folder / f"{name}{_ANEW}", folder / name)
    if waiting:
        sync_folder(folder)


def _owners(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
