"""The lists of P12 and P16 on disk: one small file that the bridge and `pbx-bridge number` both read and write.

Numbers stand there as keyed hashes only, an objection with the day it ends; queues and contexts by their plain names. What
a list means is not decided here (calls/lists.py). An objection holds in this process even while it cannot be written.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from pathlib import Path

import structlog

from pbx_bridge.calls.lists import OPT_OUT_CEILING_MONTHS, Lists
from pbx_bridge.durable import write_once, write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.telephony.numbers import KEY_BYTES, NumberHashes, emergency_hashes

log = structlog.get_logger()

FILE_LIMIT = 32 << 20
"""Half a million entries: a hundred objections a day for fourteen years."""
NAME_LIMIT = 128
_MONTH = timedelta(days=365) / 12
_FILE, _LOCK, _KEY = "lists", "lock", "number.key"


class Kind(Enum):
    """Why an entry stands in the file."""

    OPTED_OUT = "opted-out"
    NEVER = "never"
    CONTEXT = "context"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Entry:
    kind: Kind
    value: str
    """A number's hash, or a context's or queue's name."""
    until: date | None = None
    """The last day on which it holds; None: until it is taken back."""


def number_key(folder: Path) -> bytes:
    """The key numbers are hashed under, made when there is none. Raises: OperatorError when it is damaged."""
    path = folder / _KEY
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        write_once(path, secrets.token_bytes(KEY_BYTES))
        _give(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OperatorError("the key of numbers is damaged", where=str(path), do="Restore it from the backup")
    return key


class NumberLists:
    """`lists()` is what holds today, looked up anew whenever the file changed."""

    def __init__(self, folder: Path, *, today: Callable[[], date] = date.today) -> None:
        self._folder, self._today = folder, today
        self.key = number_key(folder)
        self._emergency = emergency_hashes(self.key)
        self._seen: tuple[int, ...] = ()
        self._entries: tuple[Entry, ...] = ()
        self._unwritten: dict[str, date] = {}
        self._day = date.min
        self._lists = Lists(emergency=self._emergency)

    def lists(self) -> Lists:
        """Costs one look at the file's state. A file that cannot be read refuses every call (P10), and is said."""
        if (state := self._state()) != self._seen or self._today() != self._day:
            self._seen, self._day = state, self._today()
            try:
                self._entries = self._read()
                self._lists = self._made()
            except (OperatorError, OSError) as error:
                log.error("no call is recorded until the lists of numbers can be read", why=str(error))
                self._lists = Lists(unknown=True)
        return self._lists

    def entries(self) -> tuple[Entry, ...]:
        """What holds today. Raises: OperatorError."""
        return tuple(entry for entry in self._read() if self._holds(entry))

    def opt_out(self, number: str, months: int) -> None:
        """P16: from now on calls with this number (hashed) are not recorded, for so many months; it expires by itself.

        Holds in this process at once; `keep` makes it last.
        """
        if not 0 < months <= OPT_OUT_CEILING_MONTHS:
            raise OperatorError(
                f"an objection is kept 1 to {OPT_OUT_CEILING_MONTHS} months (P16)", do="Choose fewer"
            )
        until = self._today() + _MONTH * months
        self._unwritten[number] = max(until, self._unwritten.get(number, until))
        self._seen = ()

    def keep(self) -> None:
        """Writes the objections that are not written yet. Raises: OperatorError."""
        waiting = dict(self._unwritten)
        self._change(lambda entries: _joined(entries, waiting))
        for number, until in waiting.items():
            if self._unwritten.get(number) == until:
                del self._unwritten[number]
        self._seen = ()

    def add(self, kind: Kind, value: str) -> None:
        """P12: no call with this number (hashed), queue or context is recorded until it is taken back."""
        if not 0 < len(value) <= NAME_LIMIT or not value.isprintable() or " " in value:
            raise OperatorError(
                f"{value!r} cannot be the name of a {kind.value}", do="Write it as the dialplan does"
            )
        self._change(lambda entries: {*entries, Entry(kind, value)})

    def forget(self, *values: str) -> int:
        """Takes back every entry with one of these hashes or names; how many there were."""
        before = len(self.entries())
        self._change(lambda entries: {entry for entry in entries if entry.value not in values})
        return before - len(self.entries())

    # -- the file -----------------------------------------------------------------------------------------------

    def _holds(self, entry: Entry) -> bool:
        return entry.until is None or entry.until >= self._today()

    def _made(self) -> Lists:
        def of(kind: Kind) -> frozenset[str]:
            return frozenset(e.value for e in self._entries if e.kind is kind and self._holds(e))

        return Lists(
            never=of(Kind.NEVER),
            emergency=self._emergency,
            opted_out=of(Kind.OPTED_OUT) | self._unwritten.keys(),
            contexts=of(Kind.CONTEXT),
            queues=of(Kind.QUEUE),
        )

    def _state(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._folder / _FILE)
        except OSError as error:
            return (-(error.errno or 0),)
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> tuple[Entry, ...]:
        path = self._folder / _FILE
        try:
            with path.open("rb") as file:
                text = file.read(FILE_LIMIT + 1)
        except FileNotFoundError:
            return ()
        if len(text) > FILE_LIMIT:
            raise OperatorError(
                f"it is larger than {FILE_LIMIT} bytes", where=str(path), do="Is this the right file?"
            )
        try:
            return tuple(_parsed(line) for line in text.decode().splitlines())
        except ValueError:
            raise OperatorError(
                "a line of the lists cannot be read; nothing is recorded until it can",
                where=str(path),
                do="Restore it from the backup",
            ) from None

    def _change(self, change: Callable[[set[Entry]], set[Entry]]) -> None:
        path = self._folder / _FILE
        try:
            with self._locked():
                kept = {entry for entry in change(set(self._read())) if self._holds(entry)}
                lines = sorted(f"{e.kind.value} {e.value} {e.until or '-'}\n" for e in kept)
                write_whole(path, "".join(lines).encode())
                _give(path)
        except OSError as error:
            raise OperatorError(
                f"the lists of numbers cannot be written: {error.strerror}", where=str(path), do="Free space"
            ) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time: the bridge's process or a command's."""
        lock = self._folder / _LOCK
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _give(lock)
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def listed(lists: Lists, numbers: NumberHashes) -> tuple[str, ...]:
    """For a person who asks: on which lists a number stands."""
    found = (("never", lists.never), ("emergency", lists.emergency), ("opted-out", lists.opted_out))
    return tuple(name for name, members in found if members.intersection(numbers))


def _joined(entries: set[Entry], waiting: dict[str, date]) -> set[Entry]:
    """A later objection never shortens an earlier one."""
    old = {e.value: e.until for e in entries if e.kind is Kind.OPTED_OUT and e.until is not None}
    others = {e for e in entries if not (e.kind is Kind.OPTED_OUT and e.value in waiting)}
    return others | {
        Entry(Kind.OPTED_OUT, number, max(until, old.get(number, until))) for number, until in waiting.items()
    }


def _parsed(line: str) -> Entry:
    """Raises: ValueError."""
    kind, value, until = line.split(" ")
    return Entry(Kind(kind), value, None if until == "-" else date.fromisoformat(until))


def _give(path: Path) -> None:
    """What root writes is the bridge's, like the folder."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)
