"""The keeper as a process: its folder, its identity, its user, its socket; started by `serve`, ended with it.

What it holds in its folder (0700, its own user's when started as root): `keeper.key`, `books.key`, `audit.key`,
`recorders.json`, `people.json`, `approvals.json`, `in-force.json`, `refused.json`, `requests.json`, `keystore/`,
`book.jsonl`, `clock.*`, `audit/`. It leaves no core dump and cannot be traced: its secrets are in no other process's reach.
"""

from __future__ import annotations

import ctypes
import gc
import os
import pwd
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import structlog

from pbx_bridge import memory
from pbx_bridge.access.approved import Approved
from pbx_bridge.access.audit import open_log
from pbx_bridge.access.people import People
from pbx_bridge.access.turned_down import TurnedDownBook
from pbx_bridge.age import AgeError
from pbx_bridge.archive import rights_wire
from pbx_bridge.archive.book import open_book
from pbx_bridge.archive.keeper import Keeper
from pbx_bridge.archive.keeper_room import Parts
from pbx_bridge.archive.keeper_server import KeeperServer, Peers
from pbx_bridge.archive.keystore import KeyStore
from pbx_bridge.archive.own_identity import OwnIdentity
from pbx_bridge.archive.rebuilding import examine, open_files, remake, two_files
from pbx_bridge.archive.recording_wire import Left, Rebuilt, Recover
from pbx_bridge.archive.rights_book import RequestBook
from pbx_bridge.archive.rules import Keeping
from pbx_bridge.archive.timekeeper import Timekeeper, machine_uptime_s
from pbx_bridge.durable import write_whole
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_json import Hex, Malformed, Many, canonical, read_fields, read_object, write_fields
from pbx_bridge.wire_portal import Refused
from pbx_bridge.wire_rights import Exported

log = structlog.get_logger()

_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """Everything the process needs; paths are absolute."""

    folder: Path
    socket_path: Path
    keeping: Keeping
    recorder_uids: frozenset[int] = frozenset()
    administrator_uids: frozenset[int] = frozenset()
    administrator_gids: frozenset[int] = frozenset()
    user: str | None = None
    """The user to become when started as root."""
    session_needed: bool = True
    end_with_parent: bool = True


def run_keeper(settings: KeeperSettings) -> None:
    """Serves until SIGTERM or SIGINT. Raises: OperatorError when it cannot start."""
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.socket_path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    os.umask(0o077)
    if settings.user is not None and os.geteuid() == 0:
        _become(settings.user, settings)
    _shut_in(settings.end_with_parent)
    server = open_keeper(settings, lambda: int(time.time()), machine_uptime_s)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: server.stop())
    log.info("keeper ready", socket=str(settings.socket_path))
    server.serve()
    log.info("keeper ended")


def open_keeper(
    settings: KeeperSettings, clock: Callable[[], int], uptime_s: Callable[[], int]
) -> KeeperServer:
    """The keeper on its socket, in this process: `clock` in Unix seconds, `uptime_s` the one nobody can set.

    Raises: OperatorError.
    """
    folder = settings.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    gc.disable()  # a hundred thousand entries are read faster by a quarter, and never looked through again
    audit = open_log(folder)  # first: it holds the folder for this process
    time_kept = Timekeeper(folder / "clock.json", clock, uptime_s)
    identity = OwnIdentity(folder, time_kept.known.high)
    book, key = open_book(folder, identity)
    keeper = Keeper(
        Parts(
            identity=identity,
            store=KeyStore(folder / "keystore", key),
            book=book,
            audit=audit,
            people=People(folder / "people.json", key),
            approved=Approved(folder / "approvals.json", key),
            recorders=Recorders(folder / "recorders.json"),
            clock=clock,
            time=time_kept,
            keeping=settings.keeping,
            requests=RequestBook(folder / "requests.json", key),
            turned_down=TurnedDownBook(folder / "refused.json", key),
            session_needed=settings.session_needed,
        )
    )
    gc.freeze()
    gc.enable()
    turn = threading.Lock()

    def handle(request: Any, files: list[int]) -> Any:
        if isinstance(request, Recover):
            return _recover(keeper, turn, request, files)
        if isinstance(request, rights_wire.EXPORTS):
            return _export(keeper, turn, request, files)
        with turn:
            return keeper.handle(request)

    peers = Peers(settings.recorder_uids, settings.administrator_uids, settings.administrator_gids)
    try:
        return KeeperServer(settings.socket_path, peers, handle)
    except OSError as error:
        raise OperatorError(
            f"the keeper cannot listen: {error.strerror}", where=str(settings.socket_path)
        ) from None


def _recover(keeper: Keeper, turn: threading.Lock, request: Recover, files: list[int]) -> Rebuilt:
    """Rebuilding takes seconds and reads no store: other requests are answered meanwhile."""
    opened = open_files(request.left, files)
    try:
        with turn:
            recovery = keeper.begin_recovery(request)
        fresh = None
        if request.left is Left.SEALED:
            made = examine(opened[0], recovery.known)
        else:
            fresh = recovery.fresh
            made = remake(opened, recovery.known[0], fresh.recipient())
        with turn:
            rebuilt = keeper.end_recovery(request, made, fresh)
    except AgeError as error:
        raise Refused("nothing-left", f"what is left of this recording is not authentic: {error}") from None
    except OSError as error:
        raise Refused("disk", f"rebuilding failed: {error.strerror}") from None
    finally:
        for file in opened:
            with suppress(OSError):  # what a full disk did not take is not needed any more
                file.close()
    header = made.header.hex()
    return Rebuilt(recovery.signed, rebuilt, made.payload, made.payload_bytes, made.duration_ms, header)


def _export(keeper: Keeper, turn: threading.Lock, request: Any, files: list[int]) -> Exported:
    """Copying takes seconds: the decision and its record are made in turn, the copy beside it."""
    from pbx_bridge.archive.exporting import (
        export,
    )  # the codec is not locked into memory before somebody asks

    opened = two_files(files)
    try:
        with turn:
            order = keeper.begin_export(request)
        return export(order, *opened)
    except AgeError as error:
        raise Refused("unreadable", f"this recording is not authentic: {error}") from None
    except OSError as error:
        raise Refused("disk", f"copying failed: {error.strerror}") from None
    finally:
        for file in opened:
            with suppress(OSError):
                file.close()


class Recorders:
    """`recorders.json`: the signing keys that count. The first one shown is kept; another needs the administrator."""

    @dataclass(frozen=True, slots=True)
    class _Book:
        keys: Annotated[tuple[Annotated[bytes, Hex(32)], ...], Many(64)]

    def __init__(self, path: Path) -> None:
        self._path = path
        self.keys: frozenset[bytes] = frozenset()
        if path.exists():
            try:
                self.keys = frozenset(read_fields(Recorders._Book, read_object(path.read_bytes())).keys)
            except Malformed as error:
                raise OperatorError(
                    str(error), where=str(path), do="Restore it from the keeper's backup"
                ) from None

    def introduce(self, key: bytes) -> bool:
        if not self.keys:
            write_whole(self._path, canonical(write_fields(Recorders._Book((key,)))))
            self.keys = frozenset({key})
        return key in self.keys


def _become(user: str, settings: KeeperSettings) -> None:
    """Gives the folder to `user` and continues as them, with no other group."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise OperatorError(f"there is no user {user!r}", do=f"Run: useradd --system {user}") from None
    for path in (settings.folder, *settings.folder.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)
    memory.allow_locking()
    # The socket's folder is root's: the new user gets one of its own in it only if the caller made it so.
    os.chown(settings.socket_path.parent, entry.pw_uid, -1)
    os.setgroups([])
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def _shut_in(end_with_parent: bool) -> None:
    """P17: no core dump, no tracing, no page in an unencrypted swap; and no life beyond the process that started it."""
    memory.no_core_dumps()
    memory.lock_or_keep_off_swap()
    if end_with_parent:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
