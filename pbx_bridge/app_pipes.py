"""How FreeSWITCH's voices reach the bridge without a disk: a folder of pipes for these two accounts alone (P17)."""

from __future__ import annotations

import grp
import os
import pwd

from pbx_bridge.config_pbx import Freeswitch
from pbx_bridge.errors import OperatorError


def prepare_pipes(section: Freeswitch, user: str) -> None:
    """P17: the bridge makes pipes there and FreeSWITCH writes into them; nobody else may even look.

    The folder hands FreeSWITCH's group on to each pipe, so that the bridge need not belong to it. Called while still
    root. Raises: OperatorError when there is no such group, the folder cannot be had, or others already use it.
    """
    folder = section.pipe_dir
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(not entry.is_fifo() for entry in folder.iterdir()):
            raise OperatorError(
                "something else already uses this folder: it would be taken from its owner",
                where=f"freeswitch.pipe_dir: {folder}",
                do="Name a folder of the bridge's own, such as /run/pbx-bridge-voices",
            )
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam(user).pw_uid, group_of(section))
        folder.chmod(0o2710)
    except OSError as error:
        raise OperatorError(
            f"cannot prepare it: {error.strerror}",
            where=f"freeswitch.pipe_dir: {folder}",
            do="Check its owner",
        ) from error


def group_of(section: Freeswitch) -> int:
    """Raises: OperatorError when there is none."""
    try:
        return grp.getgrnam(section.group).gr_gid
    except KeyError:
        raise OperatorError(
            f"there is no group {section.group!r}",
            where="freeswitch.group",
            do="Name the group FreeSWITCH runs as: ps -o group= -C freeswitch",
        ) from None
