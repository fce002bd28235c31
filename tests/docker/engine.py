"""A Docker engine of the tests' own: Debian's dockerd, on a socket in a temporary folder, ended by its pid.

It needs root and no more: no systemd, no privileged containers, no image registry. What it keeps between two runs (layers
that were built, Compose) lies below the cache folder. It ends every container it started.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests.rig.asterisk_root import CACHE, host_mirror

KEPT = CACHE / "docker"
START_S = 60.0
STOP_S = 60.0
COMMAND_S = 120.0
COMPOSE_SUITE = "trixie"
"""Debian 12's own Compose is the old one in Python. This one is a single program that runs there."""
CGROUP = "pbx-bridge-tests"
CGROUPS = Path("/sys/fs/cgroup")


class EngineError(Exception):
    """The engine, or a command it was given, did not do what it should; with its last words."""


class Engine:
    """`with Engine() as engine:` answers on `engine.socket`; or the engine at PBX_BRIDGE_DOCKER_HOST, left as it is."""

    def __init__(self) -> None:
        self._given = os.environ.get("PBX_BRIDGE_DOCKER_HOST", "")
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._folder = Path()

    def __enter__(self) -> Self:
        KEPT.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._lock = (KEPT / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._folder = Path(tempfile.mkdtemp(prefix="pbx-bridge-docker-"))
        try:
            self._compose_plugin()
            if not self._given:
                self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, it: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    @property
    def environment(self) -> dict[str, str]:
        """For every command: this engine, these plugins, nothing of the user's own."""
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TERM")}
        config = str(self._folder / "config")
        address = self._given or f"unix://{self._folder}/docker.sock"
        return {**kept, "HOME": str(self._folder), "DOCKER_HOST": address, "DOCKER_CONFIG": config}

    def docker(self, *words: str, within_s: float = COMMAND_S, **more: str) -> str:
        """What `docker WORDS` prints. Raises: EngineError when it does not exit with 0."""
        done = self.tried(*words, within_s=within_s, **more)
        if done.returncode != 0:
            said = f"{done.stdout}{done.stderr}"[-4000:]
            raise EngineError(f"`docker {' '.join(words[:8])}` ended with {done.returncode}:\n{said}")
        return done.stdout

    def tried(
        self, *words: str, within_s: float = COMMAND_S, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """The same, however it ends. Raises: EngineError at the deadline."""
        try:
            return subprocess.run(
                ["docker", *words], capture_output=True, text=True, timeout=within_s, check=False,
                env={**self.environment, **more}, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            said = (error.stdout or b"")[-4000:]
            raise EngineError(
                f"`docker {' '.join(words[:8])}` does not end in {within_s:.0f} s:\n{said!r}"
            ) from None

    def inspect(self, *what: str) -> list[dict[str, Any]]:
        found = json.loads(self.docker("inspect", *what))
        assert isinstance(found, list)
        return found

    def close(self) -> None:
        """Ends dockerd, which ends what it runs. What was built stays for the next run."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True, check=False)
            for group in CGROUPS.glob(f"*/{CGROUP}"):
                with suppress(OSError):
                    group.rmdir()
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    def _start(self) -> None:
        there = subprocess.run(
            ["docker", "version"], capture_output=True, check=False, env={"PATH": os.environ["PATH"]}, timeout=30
        )  # fmt: skip
        if there.returncode == 0:
            raise EngineError(
                "an engine runs on this machine already, and two would undo each other's networks: "
                "let the tests use it with PBX_BRIDGE_DOCKER_HOST=unix:///var/run/docker.sock"
            )
        _favour()
        log = (self._folder / "dockerd.log").open("wb")
        self._process = subprocess.Popen(
            # however this process ends, the engine ends with it
            ["setpriv", "--pdeathsig", "TERM", "--", "dockerd", "--data-root", str(KEPT / "engine"),
             "--exec-root", str(self._folder / "exec"), "-H", f"unix://{self._folder}/docker.sock",
             "--pidfile", str(self._folder / "docker.pid"), "--cgroup-parent", CGROUP,
             "--exec-opt", "native.cgroupdriver=cgroupfs"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + START_S
        while self.tried("version").returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self._folder / "dockerd.log").read_text(errors="replace")[-3000:]
                raise EngineError(f"dockerd does not start:\n{said}")
            time.sleep(0.2)

    def _compose_plugin(self) -> None:
        """Compose 2: the machine's own if it has one, else Debian's, only unpacked."""
        plugins = self._folder / "config/cli-plugins"
        plugins.mkdir(parents=True)
        if self.tried("compose", "version").returncode == 0:
            return
        program = KEPT / f"compose-{COMPOSE_SUITE}"
        if not program.exists():
            root = KEPT / "compose-root"
            shutil.rmtree(root, ignore_errors=True)
            quietly(
                "mmdebstrap", "--variant=extract", "--include=docker-compose", "--dpkgopt=path-exclude=/usr/share/*",
                COMPOSE_SUITE, str(root), host_mirror(),
            )  # fmt: skip
            (root / "usr/libexec/docker/cli-plugins/docker-compose").rename(program)
            shutil.rmtree(root)
        (plugins / "docker-compose").symlink_to(program)


def memlock() -> str:
    """What containers may lock: without limit, unless this machine's root may not say so."""
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if hard == resource.RLIM_INFINITY or _may(24):
        return "-1"
    return str(hard)


def _may(capability: int) -> bool:
    """capabilities(7); 24 is CAP_SYS_RESOURCE."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) >> capability & 1)


def _favour() -> None:
    """A site's PBX and desktops have processors of their own: here the containers are put before whatever else runs."""
    for name, weight in (("cpu/{}/cpu.shares", "65536"), ("{}/cpu.weight", "10000")):
        file = CGROUPS / name.format(CGROUP)
        with suppress(OSError):
            if file.parent.parent.is_dir() and (file.parent.parent / "cgroup.procs").exists():
                file.parent.mkdir(exist_ok=True)
                file.write_text(weight)


def quietly(*words: str, within_s: float = 900.0) -> None:
    """Runs a command. Raises: EngineError with its last words."""
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=within_s, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise EngineError(f"{words[0]} failed:\n{(done.stdout + done.stderr)[-2000:]}")
