"""`serve` from the command line to a running bridge: secrets, the two processes, signals.

As root it starts the keeper under its own user and becomes the bridge's user itself, so that the recording side can
never read the keeper's secret (DESIGN decision 10). Not as root, both run as whoever started them. Where the keeper is
apart, each is started by itself, as the user it is to be: containers, in which nobody is root.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import threading
from contextlib import nullcontext
from pathlib import Path

import structlog

from pbx_bridge import memory
from pbx_bridge.app import Bridge
from pbx_bridge.app_child import KEEPER_START_S, keeper_running
from pbx_bridge.app_folders import admin_gid, allow_files, become_bridge, only_one, prepare_folders, user_of
from pbx_bridge.app_parts import Parts
from pbx_bridge.app_pbx import pbx_of
from pbx_bridge.app_places import catalogue_of, keeper_socket, keeping_of, recorder_key
from pbx_bridge.app_recordings import Archive
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.archive.keeper_process import KeeperSettings, run_keeper
from pbx_bridge.archive.witness import Witness
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.telephony.pbx import Pbx
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

log = structlog.get_logger()


def keeper_settings(config: Config) -> KeeperSettings:
    """What the keeper's process needs, from the same file."""
    root, apart = os.geteuid() == 0, config.bridge.keeper_apart
    recorder = user_of(config.bridge.user).pw_uid if root or apart else os.geteuid()
    return KeeperSettings(
        folder=config.bridge.state_dir / "keeper",
        socket_path=keeper_socket(config),
        keeping=keeping_of(config),
        recorder_uids=frozenset({recorder}),
        administrator_uids=frozenset({0, os.geteuid()}),
        administrator_gids=frozenset({admin_gid(config)} if apart and not root else ()),
        user=config.bridge.keeper_user if root else None,
        session_needed=not config.bridge.demonstration,
        end_with_parent=not apart,
    )


def keep(config: Config) -> None:
    """`pbx-bridge keeper`: serves until its parent ends; until SIGTERM where it is apart. Raises: OperatorError.

    The kernel's own signal for that (prctl PDEATHSIG) does not cross users, so the end of standard input says it.
    """
    settings = keeper_settings(config)
    if config.bridge.keeper_apart:
        settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        only_one(settings.folder / "keeper.lock", "keeper")
    else:
        threading.Thread(target=_end_with_input, name="parent", daemon=True).start()
    run_keeper(settings)


def _end_with_input() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def serve(config: Config, path: Path) -> None:
    """`pbx-bridge serve`: runs until SIGTERM or Ctrl-C. Raises: OperatorError when it cannot start."""
    prepare_folders(config)
    only_one(config.bridge.state_dir / "serve.lock")
    pbx = pbx_of(config)
    with nullcontext() if config.bridge.keeper_apart else keeper_running(path) as keeper:
        become_bridge(config)
        memory.no_core_dumps()
        allow_files()
        log.info("swap", state=memory.lock_or_keep_off_swap())
        asyncio.run(_serve(config, pbx, keeper))


async def _serve(config: Config, pbx: Pbx, keeper: int | None) -> None:
    """`keeper`: its process; None where it is apart, and its socket alone tells whether it lives."""
    link = KeeperLink(keeper_socket(config))
    if keeper is not None:
        asyncio.get_running_loop().add_reader(os.pidfd_open(keeper), _end_without_keeper)
    try:
        await link.wait_ready(KEEPER_START_S)
        if keeper is None:
            _end_with(keeper_socket(config))
        recorder = recorder_key(config.bridge.state_dir / "recorder", secrets.token_bytes(32))
        await link.introduce(recorder.public)
    except (KeeperUnreachable, Refused) as error:
        raise OperatorError(str(error), do="Look above for what the keeper said") from error
    archive = Archive(
        config.bridge.state_dir / "sealed",
        link,
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


def _end_with(keeper: Path) -> None:
    """Ends this process when the keeper at that socket ends, which is when its connections do.

    Raises: KeeperUnreachable.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(keeper))
    except OSError as error:
        raise KeeperUnreachable(f"{keeper}: the keeper cannot be asked: {error.strerror}") from error
    asyncio.get_running_loop().add_reader(connection, _end_without_keeper)


def _end_without_keeper() -> None:
    """At once, as a crash would: this user may not start another keeper, and what an orderly end would have to register
    or destroy nobody answers for. The next start finds every recording as its last checkpoint left it.
    """
    log.critical("the keeper ended, so the bridge ends too: start it again")
    os._exit(1)
