"""Where a real Asterisk 22 comes from: Debian sid's packages, only unpacked, never installed.

Debian 12 has no asterisk. `mmdebstrap --variant=extract` unpacks it and its closure in half a minute; it runs through
its own loader, so the host's packages stay untouched. The tree is kept outside the checkout and shared by every test
and demo.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.rig.deadlines import within

CACHE = Path(os.environ.get("PBX_BRIDGE_CACHE", "/var/cache/pbx-bridge"))
"""Outside the checkout, so that a fresh clone finds what an earlier one fetched."""
DEADLINE_S = 600.0
"""Half a minute on a good line; ten on a bad one."""


@dataclass(frozen=True, slots=True)
class AsteriskRoot:
    path: Path

    @property
    def libraries(self) -> Path:
        return next(self.path.glob("usr/lib/*-linux-gnu"))

    @property
    def modules(self) -> Path:
        return self.libraries / "asterisk" / "modules"

    @property
    def data(self) -> Path:
        return self.path / "usr/share/asterisk"

    def command(self, *arguments: str) -> list[str]:
        """What starts this tree's asterisk through this tree's loader."""
        loader = next((self.path / "usr/lib64").glob("ld-linux*"))
        paths = [self.libraries, self.libraries / "blas", self.libraries / "lapack"]
        binary = self.path / "usr/sbin/asterisk"
        return [
            str(loader), "--library-path", ":".join(map(str, paths)), "--argv0", "asterisk", str(binary), *arguments
        ]  # fmt: skip


def host_mirror() -> str:
    """The Debian mirror of the host's own apt sources, so that the tree comes from where the host's packages do."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for file in files:
        if not file.is_file():
            continue
        for line in file.read_text(errors="replace").splitlines():
            found = re.match(r"(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+/debian)/?(?:\s|$)", line.strip())
            if found:
                return found.group(1)
    raise RuntimeError(
        "this machine's apt sources name no Debian mirror (…/debian): add one, Asterisk comes from it"
    )


async def asterisk_root(told: Callable[[str], None] = lambda _: None) -> AsteriskRoot:
    """The unpacked Asterisk 22, fetched when it is not there yet.

    Several processes may ask at once: one fetches, the others wait. Raises: RuntimeError with mmdebstrap's last words.
    """
    kept = CACHE / "asterisk-22"
    with await asyncio.to_thread(_locked, CACHE / "asterisk-22.lock"):
        if not (kept / "usr/sbin/asterisk").exists():
            told("fetching Asterisk 22 from Debian sid (once, about 250 MB unpacked)")
            await _fetch(kept)
    return AsteriskRoot(kept)


def _locked(file: Path) -> IO[str]:
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = file.open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


async def _fetch(kept: Path) -> None:
    raw = kept.with_name(f"asterisk-22.{os.getpid()}")
    process = await asyncio.create_subprocess_exec(
        "mmdebstrap", "--variant=extract", "--include=base-files,asterisk",
        # a lagging mirror's dates are old; signatures are still checked
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
        "sid", str(raw), host_mirror(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await within(process.communicate(), DEADLINE_S)
        if process.returncode != 0:
            raise RuntimeError(f"mmdebstrap failed: {said.decode(errors='replace')[-800:]}")
        raw.rename(kept)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        shutil.rmtree(raw, ignore_errors=True)
