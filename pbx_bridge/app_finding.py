"""One finding of `pbx-bridge doctor`, and the questions every part is asked alike: does it answer, is its secret safe."""

from __future__ import annotations

import asyncio
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from pbx_bridge.config import read_secret
from pbx_bridge.config_section import Address
from pbx_bridge.errors import OperatorError

CONNECT_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    subject: str
    good: bool
    says: str


def may_read(path: Path, user: str) -> bool:
    """Whether a user of this machine may read a file, by owner, groups and mode; True where there is no such user yet."""
    try:
        who = pwd.getpwnam(user)
    except KeyError:
        return True
    found = path.stat()
    if found.st_uid == who.pw_uid:
        return bool(found.st_mode & stat.S_IRUSR)
    if found.st_gid in os.getgrouplist(user, who.pw_gid):
        return bool(found.st_mode & stat.S_IRGRP)
    return bool(found.st_mode & stat.S_IROTH)


def secret(subject: str, path: Path) -> Finding:
    """Whether it can be used and nobody else reads it; it is not repeated."""
    try:
        read_secret(path)
    except OperatorError as error:
        return Finding(subject, False, str(error))
    return Finding(subject, True, "readable by its owner only")


async def answers(subject: str, address: Address, greeting: bytes) -> Finding:
    """Whether somebody listens there who begins with `greeting`."""
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(address.host, address.port)
            said = await reader.readline() if greeting else b""
            writer.close()
    except (OSError, TimeoutError) as error:
        return Finding(
            subject,
            False,
            f"{address} does not answer ({error or 'no answer in time'}): see docs/operations.md",
        )
    if not said.startswith(greeting):
        return Finding(subject, False, f"{address} is something else: check the port")
    return Finding(subject, True, f"{address} answers")
