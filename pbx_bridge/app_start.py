"""`serve` from the command line to a running bridge: secrets, users, folders, the keeper's process, signals.

As root it starts the keeper under its own user and becomes the bridge's user itself, so that the recording side can
never read the keeper's secret (DESIGN decision 10). Not as root, both run as whoever started them.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from pbx_bridge import memory
from pbx_bridge.app import Bridge
from pbx_bridge.app_parts import Parts, catalogue_of, keeper_socket, keeping_of, recorder_key
from pbx_bridge.app_pbx import pbx_of
from pbx_bridge.app_recordings import Archive
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.keeper_process import KeeperSettings, run_keeper
from pbx_bridge.archive.witness import Witness
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.telephony.pbx import Pbx
from pbx_bridge.wire_portal import KeeperUnreachable

log = structlog.get_logger()

KEEPER_START_S = 180.0
"""A hundred thousand recordings take it some ten seconds, a minute on a starved machine (`./run bench release`)."""
KEEPER_STOP_S = 10.0
OF_THE_BRIDGE = (
    "ledger",
    "sealed",
    "registry",
    "tls",
    "recorder",
    "acknowledgements",
    "catalogue",
    "retention",
    "payment",
    "numbers",
)
"""Folders of the state that the bridge's user alone may enter."""


def keeper_settings(config: Config) -> KeeperSettings:
    """What the keeper's process needs, from the same file."""
    root = os.geteuid() == 0
    recorder = _user(config.bridge.user).pw_uid if root else os.geteuid()
    return KeeperSettings(
        folder=config.bridge.state_dir / "keeper",
        socket_path=keeper_socket(config),
        keeping=keeping_of(config),
        recorder_uids=frozenset({recorder}),
        administrator_uids=frozenset({0, os.geteuid()}),
        user=config.bridge.keeper_user if root else None,
        session_needed=not config.bridge.demonstration,
    )


def keep(config: Config) -> None:
    """`pbx-bridge keeper`: serves until its parent ends.

    The kernel's own signal for that (prctl PDEATHSIG) does not cross users, so the end of standard input says it.
    """
    threading.Thread(target=_end_with_input, name="parent", daemon=True).start()
    run_keeper(keeper_settings(config))


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def serve(config: Config, path: Path) -> None:
    """`pbx-bridge serve`: runs until SIGTERM or Ctrl-C. Raises: OperatorError when it cannot start."""
    prepare_folders(config)
    only_one(config.bridge.state_dir / "serve.lock")
    pbx = pbx_of(config)
    with keeper_running(path) as keeper:
        _become_bridge(config)
        memory.no_core_dumps()
        log.info("swap", state=memory.lock_or_keep_off_swap())
        asyncio.run(_serve(config, pbx, keeper))


async def _serve(config: Config, pbx: Pbx, keeper: int) -> None:
    asyncio.get_running_loop().add_reader(os.pidfd_open(keeper), _end_without_keeper)
    link = KeeperLink(keeper_socket(config))
    try:
        await link.wait_ready(KEEPER_START_S)
        recorder = recorder_key(config.bridge.state_dir / "recorder", secrets.token_bytes(32))
        recipient = await link.introduce(recorder.public)
    except KeeperUnreachable as error:
        raise OperatorError(str(error), do="Look above for what the keeper said") from error
    archive = Archive(
        config.bridge.state_dir / "sealed",
        link,
        recipient,
        recorder,
        keeping_of(config),
        Witness(config.bridge.state_dir / "retention"),
    )
    catalogue = catalogue_of(config)
    bridge = Bridge(config, Parts(config, pbx, archive, catalogue))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, bridge.stop)
    await bridge.run()
    await link.close()
    catalogue.close()


def _end_without_keeper() -> None:
    """At once, as a crash would: this user may not start another keeper, and what an orderly end would have to register
    or destroy nobody answers for. The next start finds every recording as its last checkpoint left it.
    """
    log.critical("the keeper ended, so the bridge ends too: start it again")
    os._exit(1)


@contextmanager
def keeper_running(path: Path) -> Iterator[int]:
    """The keeper's process (its id), alive while the block runs; it also ends by itself when this process dies."""
    command = [sys.executable, "-m", "pbx_bridge", "--config", str(path), "keeper"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    assert child.stdin is not None
    try:
        yield child.pid
    finally:
        child.stdin.close()
        try:
            child.wait(KEEPER_STOP_S)
        except subprocess.TimeoutExpired:
            log.error("the keeper did not end", pid=child.pid)


def only_one(path: Path) -> None:
    """A second bridge on the same state would take the first one's live recordings for interrupted ones."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OperatorError(
            "the bridge runs already",
            where=str(path),
            do="End it first (systemctl stop pbx-bridge), or use it",
        ) from None
    # Held, open, until this process ends.


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise OperatorError(
            f"there is no user {name!r}",
            where="bridge.user, bridge.keeper_user",
            do=f"Run: useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin {name}",
        ) from None


def prepare_folders(config: Config) -> None:
    """State and run folders, each readable by the one user that needs it."""
    state, run = config.bridge.state_dir, config.bridge.run_dir
    try:
        for folder, mode in ((state, 0o711), (run, 0o711), (run / "keeper", 0o711)):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
            folder.chmod(mode)
        for name in OF_THE_BRIDGE:
            (state / name).mkdir(mode=0o700, exist_ok=True)
        (state / "keeper").mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            _give(config)
    except OSError as error:
        raise OperatorError(
            f"cannot prepare the folder: {error.strerror}",
            where=str(error.filename),
            do="Check its owner and space",
        ) from error


def _give(config: Config) -> None:
    bridge = _user(config.bridge.user)
    _user(config.bridge.keeper_user)
    state = config.bridge.state_dir
    for name in OF_THE_BRIDGE:
        for path in (state / name, *(state / name).rglob("*")):
            os.chown(path, bridge.pw_uid, bridge.pw_gid, follow_symlinks=False)


def _become_bridge(config: Config) -> None:
    if os.geteuid() != 0:
        return
    user = _user(config.bridge.user)
    memory.allow_locking()
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    os.umask(0o077)
