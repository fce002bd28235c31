"""A real `systemd --user` manager for the desktop's user, on a machine whose PID 1 is something else.

It gets control groups of its own and, in a mount namespace, the folder by which systemd knows that it runs; the machine
itself is left as it was. Needs root.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.rig.desktop import Desktop, until

_SYSTEMD = "/lib/systemd/systemd"
_START = """
set -e
for group in $GROUPS_; do echo $$ > $group/cgroup.procs; done
mkdir -p /run/systemd; mount -t tmpfs tmpfs /run/systemd; mkdir /run/systemd/system
exec setpriv --reuid=$1 --regid=$2 --clear-groups env -i HOME=$3 XDG_RUNTIME_DIR=$4 PATH=/usr/bin:/bin \
  LANG=C.UTF-8 SYSTEMD_LOG_TARGET=console $5 --user
"""


class UserManager:
    """`with UserManager(desktop, home) as manager:` the user's manager, with `home` as their home."""

    def __init__(self, desktop: Desktop, home: Path) -> None:
        self._desktop, self._home = desktop, home
        name = f"pbx-bridge-test-{os.getpid()}"
        hybrid = [p for p in (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified")) if p.is_dir()]
        self._groups = [p / name for p in hybrid or [Path("/sys/fs/cgroup")]]

    def __enter__(self) -> Self:
        user = self._desktop.user
        for group in self._groups:
            group.mkdir()
            for path in (group, *group.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)
        arguments = (user.pw_uid, user.pw_gid, self._home, self._desktop.runtime, _SYSTEMD)
        self._process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _START, "sh", *map(str, arguments)],
            env=os.environ | {"GROUPS_": " ".join(map(str, self._groups))},
            stdout=self._desktop.log,
            stderr=self._desktop.log,
            start_new_session=True,
        )
        until("the user's manager runs", lambda: self.systemctl("is-system-running").returncode == 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        for group in self._groups:
            until("the control group is empty", lambda group=group: _remove(group))  # type: ignore[misc]

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """A command of the user's, where their manager is."""
        user = self._desktop.user
        environment = self._desktop.environment | {
            "HOME": str(self._home),
            "XDG_RUNTIME_DIR": str(self._desktop.runtime),
        }
        enter = [
            "nsenter",
            "-t",
            str(self._process.pid),
            "-m",
            "setpriv",
            f"--reuid={user.pw_uid}",
            f"--regid={user.pw_gid}",
            "--clear-groups",
        ]
        return subprocess.run(
            [*enter, *map(str, words)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            cwd="/",
        )

    def systemctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", "--user", *words)


def _remove(group: Path) -> bool:
    """Whether the group and those below it are gone."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
    return not group.exists()
