"""Which workstations are enrolled, and the invitations that are open. Small files under the bridge's state directory.

    stations/NAME.json        name, public key, times of enrolment and revocation, login it may speak for
    invitations/HASH.json     name, login where one was given, expiry; the code itself is kept nowhere

`pbx-bridge station ...` writes here while `serve` runs in another process: every change replaces a file, so the
directory's own time of change tells the server that it must look again (`stamp`). It knows no connection.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import StationId, parse_name
from pbx_bridge.wire import Digest, Key, Login, Name
from pbx_bridge.wire_json import Malformed, Whole, read_fields, read_object, write_fields
from pbx_bridge.wire_proof import CODE_LIFETIME_S, hash_secret, new_invite

T = TypeVar("T")
_UnixTime = Annotated[int, Whole(0, 2**40)]
MAX_OPEN_INVITATIONS: Final = 200
"""A roll-out invites a floor of desks within a quarter of an hour."""
_MAX_FILE_BYTES: Final = 4096
_SETTLED_NS: Final = 100_000_000
"""A directory's time is as fine as the kernel's tick: what was read sooner after a change may be half of it."""


class InvitationRefused(Exception):
    """Unknown, used or expired; which of them is not told to whoever tries."""


@dataclass(frozen=True, slots=True)
class Station:
    """An enrolled workstation."""

    name: Name
    key: Key
    enrolled_at: _UnixTime
    revoked_at: _UnixTime | None
    login: Login | None
    """The only account it may speak for; None until it connected for the first time."""

    @property
    def station(self) -> StationId:
        return StationId(self.name)


@dataclass(frozen=True, slots=True)
class _Invitation:
    name: Name
    secret_hash: Digest
    expires_at: _UnixTime
    login: Login | None


class Registry:
    """The enrolled stations. `ca_sha256` goes into every code, so that the client knows whom to trust."""

    def __init__(self, state_dir: Path, ca_sha256: bytes, *, now: Callable[[], float] = time.time) -> None:
        self._stations = state_dir / "stations"
        self._invitations = state_dir / "invitations"
        self._ca_sha256 = ca_sha256
        self._now = now
        self._cached: tuple[int, list[Station]] | None = None
        for folder in (self._stations, self._invitations):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                _give_to_owner(folder)

    def invite(self, name: str, login: str | None = None) -> str:
        """A one-time code for a station called `name`, bound to `login` where one is given. Raises: OperatorError."""
        try:
            parse_name(name)
        except ValueError as error:
            raise OperatorError(str(error), where=f"station {name[:64]!r}") from None
        there = self.find(name)
        if there and there.revoked_at is None:
            raise OperatorError(
                "it is enrolled already",
                where=f"station {name}",
                do=f"Choose another name, or first: pbx-bridge station revoke {name}",
            )
        self._drop_expired()
        if len(list(self._invitations.glob("*.json"))) >= MAX_OPEN_INVITATIONS:
            raise OperatorError(
                f"{MAX_OPEN_INVITATIONS} invitations are open",
                do="Wait until some are used or expire (15 minutes)",
            )
        code = new_invite(self._ca_sha256)
        open_one = _Invitation(name, code.secret_hash, int(self._now()) + CODE_LIFETIME_S, login)
        try:
            _replace(self._invitations / f"{code.secret_hash}.json", open_one)
        except Malformed:
            raise OperatorError("this can be no login", where=f"login {login!r:.70}") from None
        return str(code)

    def enrol(self, secret: bytes, key: bytes) -> Station:
        """Uses an invitation up and enrols `key`. Raises: InvitationRefused."""
        path = self._invitations / f"{hash_secret(secret)}.json"
        try:
            found = _read(_Invitation, path)
            path.unlink()  # of several that try at once, one succeeds
        except (FileNotFoundError, Malformed):
            raise InvitationRefused("the invitation is unknown, used or expired") from None
        now = int(self._now())
        if not 0 <= found.expires_at - now <= CODE_LIFETIME_S:
            raise InvitationRefused("the invitation is unknown, used or expired")
        station = Station(found.name, key, now, None, found.login)
        with self._alone():
            there = self.find(found.name)
            if self.find_key(key) or (there and there.revoked_at is None):
                raise InvitationRefused("this key or this station is enrolled already")
            _replace(self._stations / f"{station.name}.json", station)
        return station

    def claim(self, key: bytes, login: str) -> bool:
        """P18: whether the station with this key is its `login`'s; the first login of one bound to none is written down."""
        with self._alone():
            there = self.find_key(key)
            if there is None or there.revoked_at is not None:
                return False
            if there.login is None:
                there = replace(there, login=login)
                _replace(self._stations / f"{there.name}.json", there)
        return there.login == login

    def revoke(self, name: str) -> Station:
        """Ends a station's right to connect, at once for a live link. Raises: OperatorError when there is none."""
        with self._alone():
            there = self.find(name)
            if there is None:
                raise OperatorError(
                    "there is no such station",
                    where=f"station {name[:64]!r}",
                    do="See: pbx-bridge station list",
                )
            if there.revoked_at is None:
                there = replace(there, revoked_at=int(self._now()))
                _replace(self._stations / f"{name}.json", there)
        return there

    def find(self, name: str) -> Station | None:
        """The station called `name`, revoked ones too."""
        try:
            return _read(Station, self._stations / f"{parse_name(name)}.json")
        except (ValueError, FileNotFoundError):
            return None

    def find_key(self, key: bytes) -> Station | None:
        """The station with this public key, revoked ones too."""
        return next((s for s in self.stations() if s.key == key), None)

    def stations(self) -> list[Station]:
        """All of them, by name. A file that cannot be read enrols nobody."""
        stamp = self.stamp()
        if self._cached and self._cached[0] == stamp:
            return self._cached[1]
        found = []
        for path in sorted(self._stations.glob("*.json")):
            with contextlib.suppress(Malformed, FileNotFoundError):
                found.append(_read(Station, path))
        if time.time_ns() - stamp > _SETTLED_NS:
            self._cached = (stamp, found)
        return found

    def stamp(self) -> int:
        """Changes whenever a station was enrolled or revoked, by whichever process."""
        return self._stations.stat().st_mtime_ns

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Among all processes: what was read is what is replaced, or writing a login down could undo a revocation."""
        folder = os.open(self._stations, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _drop_expired(self) -> None:
        for path in self._invitations.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                try:
                    if _read(_Invitation, path).expires_at >= self._now():
                        continue
                except Malformed:
                    pass
                path.unlink()


def _read(kind: type[T], path: Path) -> T:
    with path.open("rb") as file:
        return read_fields(kind, read_object(file.read(_MAX_FILE_BYTES)))


def _replace(path: Path, value: Station | _Invitation) -> None:
    """Writes whole or not at all, readable by the bridge's user only. Raises: Malformed, before anything is written."""
    text = json.dumps(write_fields(value))
    new = path.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _give_to_owner(new)
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _give_to_owner(path: Path) -> None:
    """What root writes for the bridge belongs to the bridge: to whoever owns the directory."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
