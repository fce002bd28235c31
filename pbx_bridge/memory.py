"""Nothing of a recording may reach a disk by way of memory: no core dump, no unencrypted swap (P17).

Workstation, bridge and keeper ask here. Swap counts as encrypted when every area lies on dm-crypt or on zram (which is
memory), or when this process's control group may not swap at all (the autostart unit says MemorySwapMax=0). Otherwise
the process locks its memory; where it may not, it does not record. Hibernation is a residual risk, said in the
documentation.
"""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

from pbx_bridge.errors import OperatorError

_PR_SET_DUMPABLE: Final = 4
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def no_core_dumps() -> None:
    """prctl(2) PR_SET_DUMPABLE: neither a core dump nor another process of this user reads our memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


def keep_off_swap(root: Path = Path("/")) -> str:
    """Makes sure that no page reaches an unencrypted swap; says how. Raises: OperatorError."""
    open_areas = unencrypted_swap(root)
    if not open_areas:
        return "no unencrypted swap"
    if _may_not_swap(root):
        return "this session's control group may not swap"
    if _lock_memory():
        return "memory is locked"
    raise OperatorError(
        f"what is recorded could reach the unencrypted swap {', '.join(open_areas)}",
        do="Encrypt it (cryptsetup), switch it off (swapoff), start the program by a systemd unit with "
        "MemorySwapMax=0, or raise its user's memlock limit to unlimited (LimitMEMLOCK=infinity)",
    )


def allow_locking() -> None:
    """For a root that is about to become another user: what it may lock, that user may lock too."""
    with suppress(ValueError, OSError):  # a container's root may lack the right; the lock itself tells
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def lock_or_keep_off_swap(root: Path = Path("/")) -> str:
    """For a service that lives on while swap may be added: locked where it may be. Raises: OperatorError."""
    return "memory is locked" if _lock_memory() else keep_off_swap(root)


def unencrypted_swap(root: Path = Path("/")) -> list[str]:
    """Active swap areas that would hold plain pages. Unknown means unencrypted."""
    try:
        lines = (root / "proc/swaps").read_text().splitlines()[1:]
    except FileNotFoundError:
        return []  # a kernel without swap
    return [area for line in lines if (area := line.split()[0]) and not _is_encrypted(area, root)]


def _is_encrypted(area: str, root: Path) -> bool:
    device = os.path.realpath(root / area.lstrip("/")).rpartition("/")[2]
    if device.startswith("zram"):
        # With a backing device zram writes pages out.
        backing = root / "sys/block" / device / "backing_dev"
        return not backing.exists() or backing.read_text().strip() == "none"
    try:
        return (root / "sys/block" / device / "dm/uuid").read_text().startswith("CRYPT-")
    except OSError:
        return False


def _may_not_swap(root: Path) -> bool:
    """Control groups v2: memory.swap.max of this process's group or one above it is 0."""
    try:
        line = (root / "proc/self/cgroup").read_text().splitlines()[-1]
    except (OSError, IndexError):
        return False
    if not line.startswith("0::/"):
        return False
    group = root / "sys/fs/cgroup" / line.removeprefix("0::/")
    top = root / "sys/fs/cgroup"
    while group != top and top in group.parents:
        try:
            if (group / "memory.swap.max").read_text().strip() == "0":
                return True
        except OSError:
            pass
        group = group.parent
    return False


def _lock_memory() -> bool:
    """mlockall(2), if this user may lock without limit: with a limit a later allocation would fail in mid-call."""
    if os.geteuid() != 0 and resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] != resource.RLIM_INFINITY:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)
