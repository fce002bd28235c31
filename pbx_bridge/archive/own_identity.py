"""The keeper's own age identity on the disk: `keeper.key`, and `keeper.key-next` while another takes its place (P20).

Every recording's key is sealed to it, so whoever destroys it makes every copy of the key store that was sealed to it noise,
wherever that copy lies. What the disk can hold, each left by a crash at some step, and what is done at the next start:

    keeper.key        keeper.key-next   meaning
    whole             none              the one identity
    whole             whole             a change goes on: new keys are sealed to the next, old ones open with the first
    noise, or none    whole             the old one is destroyed: the next takes its name

It knows two files and their times; when an identity is old, and whether every key was sealed anew, it does not know.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pbx_bridge.age import KeyTextError, X25519Identity, X25519Recipient
from pbx_bridge.durable import overwrite, overwrite_and_remove, sync_folder, write_once, write_whole
from pbx_bridge.errors import OperatorError

MAX_FILE_BYTES: Final = 1_024
_MADE: Final = re.compile(r"# made: ([0-9]{1,12})")


@dataclass(frozen=True, slots=True)
class _One:
    identity: X25519Identity
    made_at: int
    """Unix seconds; 0 in a file of an earlier build, which did not say."""

    @property
    def name(self) -> str:
        return str(self.identity.recipient()) if self.made_at else ""


class OwnIdentity:
    """The identity new keys are sealed to, and during a change the former one."""

    def __init__(self, folder: Path, at: int) -> None:
        """Makes one at the first start, `at` in Unix seconds; finishes what a crash cut. Raises: OperatorError, OSError."""
        self._path, self._next_path = folder / "keeper.key", folder / "keeper.key-next"
        for left in folder.glob(".keeper.key-next.*"):  # one that was never used
            overwrite_and_remove(left)
        if not self._path.exists() and not self._next_path.exists():
            write_once(self._path, _text(X25519Identity.generate(), at))
        first, following = _read(self._path), _read(self._next_path)
        if first is None and following is not None:
            os.replace(self._next_path, self._path)
            sync_folder(folder)
            first, following = following, None
        if first is None or (following is None and self._next_path.exists()):
            broken = self._path if first is None else self._next_path
            raise OperatorError(
                "this is no age identity", where=str(broken), do="Restore it from the keeper's backup"
            )
        self._one = following or first
        self._former: _One | None = None if following is None else first

    @property
    def current(self) -> X25519Identity:
        """Never written down anywhere else, and given to nobody."""
        return self._one.identity

    @property
    def recipient(self) -> X25519Recipient:
        """What keys are sealed to now."""
        return self._one.identity.recipient()

    @property
    def made_at(self) -> int:
        """Of the current one, Unix seconds; 0 where an earlier build did not say."""
        return self._one.made_at

    @property
    def known(self) -> tuple[X25519Identity, ...]:
        """Every identity that opens keys of this store, the current one first."""
        return (self._one.identity,) if self._former is None else (self._one.identity, self._former.identity)

    @property
    def is_changing(self) -> bool:
        return self._former is not None

    @property
    def name(self) -> str:
        """The current one's, for the key store's stamp; "" for one of an earlier build, whose stamps name none."""
        return self._one.name

    @property
    def needed(self) -> str:
        """The name of the oldest identity a key of the store may still be sealed to."""
        return (self._former or self._one).name

    def knows(self, name: str) -> bool:
        """Whether a key store with this name in its stamp can be opened here."""
        return name in {one.name for one in (self._one, self._former) if one is not None}

    def begin(self, at: int) -> None:
        """From now on there is a next one, to which new keys are sealed. Raises: OSError; then there is none."""
        assert self._former is None
        following = _One(X25519Identity.generate(), at)
        write_whole(self._next_path, _text(following.identity, at))
        self._one, self._former = following, self._one

    def finish(self) -> None:
        """P20: the former is destroyed, its very blocks overwritten, and the next takes its name. Raises: OSError."""
        assert self._former is not None
        overwrite(self._path)
        self._former = None
        os.replace(self._next_path, self._path)
        sync_folder(self._path.parent)


def _text(identity: X25519Identity, at: int) -> bytes:
    return f"# made: {at}\n{identity}\n".encode()


def _read(path: Path) -> _One | None:
    """None when there is no identity in it. Raises: OperatorError when others can read it, OSError."""
    try:
        with path.open("rb") as file:
            mode, content = os.fstat(file.fileno()).st_mode, file.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        return None
    if mode & 0o077:
        raise OperatorError("others can read the keeper's key", where=str(path), do=f"Run: chmod 600 {path}")
    lines = content.decode("ascii", "replace").splitlines()
    made = next((int(found[1]) for line in lines if (found := _MADE.fullmatch(line))), 0)
    try:
        (text,) = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return _One(X25519Identity.parse(text), made)
    except (KeyTextError, ValueError):
        return None
