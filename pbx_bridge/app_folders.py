"""Whose the bridge's folders are, and that only one bridge uses them: users, modes, the lock."""

from __future__ import annotations

import fcntl
import grp
import os
import pwd
import resource
import stat
from pathlib import Path
from typing import Final

from pbx_bridge import memory
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError

OF_THE_BRIDGE = (
    "ledger",
    "sealed",
    "registry",
    "tls",
    "recorder",
    "acknowledgements",
    "catalogue",
    "retention",
    "tokens",
    "numbers",
    "accounts",
)
"""Folders of the state that the bridge's user alone may enter."""
FILES: Final = 16_384


def allow_files() -> None:
    """As many open files as the machine allows this user, within reason: a station has one connection, a browser up to six,
    and systemd begins with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def only_one(path: Path, what: str = "bridge") -> None:
    """A second bridge on the same state would take the first one's live recordings for interrupted ones."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OperatorError(
            f"the {what} runs already",
            where=str(path),
            do="End it first (systemctl stop pbx-bridge), or use it",
        ) from None
    # Held, open, until this process ends.


def user_of(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise OperatorError(
            f"there is no user {name!r}",
            where="bridge.user, bridge.keeper_user",
            do=f"Run: useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin {name}",
        ) from None


def admin_gid(config: Config) -> int:
    """The group whose commands are the administrator's where nobody is root. Raises: OperatorError."""
    name = config.bridge.admin_group
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise OperatorError(
            f"there is no group {name!r}", where="bridge.admin_group", do=f"Run: groupadd --system {name}"
        ) from None


def prepare_folders(config: Config) -> None:
    """State and run folders, each readable by the one user that needs it. A keeper that is apart makes its own."""
    state, run, apart = config.bridge.state_dir, config.bridge.run_dir, config.bridge.keeper_apart
    try:
        for folder, mode in ((state, 0o711), (run, 0o711), *([] if apart else [(run / "keeper", 0o711)])):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
            folder.chmod(mode)
        for name in (*OF_THE_BRIDGE, *([] if apart else ["keeper"])):
            (state / name).mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            _give(config)
    except OSError as error:
        raise OperatorError(
            f"cannot prepare the folder: {error.strerror}",
            where=str(error.filename),
            do="Check its owner and space",
        ) from error


def readable_by_all(file: Path) -> None:
    """Python loads parts of itself when they are first needed, long after root's rights are gone.

    Raises: OperatorError naming the folder or file that others may not read.
    """
    for path in (*reversed(file.resolve().parents), file.resolve()):
        needed = stat.S_IXOTH if path.is_dir() else stat.S_IROTH
        if not path.stat().st_mode & needed:
            raise OperatorError(
                "the bridge's own users cannot read the Python that lies here",
                where=str(path),
                do="Make the environment from the system's: /usr/bin/python3 -m venv /opt/pbx-bridge",
            )


def _give(config: Config) -> None:
    readable_by_all(Path(os.__file__))
    bridge = user_of(config.bridge.user)
    user_of(config.bridge.keeper_user)
    state = config.bridge.state_dir
    for name in OF_THE_BRIDGE:
        for path in (state / name, *(state / name).rglob("*")):
            os.chown(path, bridge.pw_uid, bridge.pw_gid, follow_symlinks=False)


def become_bridge(config: Config) -> None:
    """From root to the bridge's own user, for good (DESIGN decision 10); as another user it stays that one."""
    if os.geteuid() != 0:
        return
    user = user_of(config.bridge.user)
    memory.allow_locking()
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    os.umask(0o077)
