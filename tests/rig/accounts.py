"""Accounts of the machine that the rig needs: made once, whoever of several rigs comes first."""

from __future__ import annotations

import fcntl
import pwd
import subprocess
from pathlib import Path

LOCK = Path("/tmp/pbx-bridge-rig-accounts.lock")


def account(name: str, *options: str) -> pwd.struct_passwd:
    """The account `name`, made with these options of useradd(8) when there is none. Needs root for that."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        pass
    with LOCK.open("w") as lock:  # useradd itself gives up at once where another one runs
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return pwd.getpwnam(name)
        except KeyError:
            subprocess.run(["useradd", *options, name], check=True, capture_output=True)
    return pwd.getpwnam(name)
