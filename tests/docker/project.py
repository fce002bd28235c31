"""The project of docker/compose.yaml on an engine: brought up, asked, looked into from outside, taken down again."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.docker.base import base_image
from tests.docker.engine import Engine, EngineError, memlock

FILE = Path(__file__).resolve().parents[2] / "docker/compose.yaml"
NAME = "pbx-bridge-test"
BUILD_S = 1500.0
UP_S = 300.0
CALL_S = 180.0
ONCE = ("init", "enrol", "call")
"""Services that end by themselves."""
LASTING = ("net", "pbx", "keeper", "bridge", "desktop")
IMAGES = ("pbx-bridge-server", "pbx-bridge-asterisk", "pbx-bridge-people")


class Project:
    """Everything by the commands of docs/operations.md; files of volumes and processes are read as the host's root."""

    def __init__(self, engine: Engine, name: str = NAME, *overrides: Path, **settings: str) -> None:
        """`overrides`: further Compose files; `settings`: what they are told by the environment."""
        self.engine, self._name = engine, name
        self._files = [word for file in (FILE, *overrides) for word in ("-f", str(file))]
        self._settings = {"BASE": base_image(engine), "MEMLOCK": memlock(), **settings}
        self.took_s: dict[str, float] = {}

    def compose(self, *words: str, within_s: float = 120.0) -> str:
        """Raises: EngineError when it does not exit with 0."""
        whole = ("compose", "--progress", "plain", "-p", self._name, *self._files, *words)
        return self.engine.docker(*whole, within_s=within_s, **self._settings)

    def build(self) -> None:
        with _timed(self.took_s, "build"):
            self.compose("build", within_s=BUILD_S)

    def up(self) -> int:
        """`up --build`, until the call has ended: its exit code."""
        with _timed(self.took_s, "up to the end of the call"):
            self.compose("up", "--build", "--detach", within_s=UP_S)
            return int(self.engine.docker("wait", self.container("call"), within_s=CALL_S))

    def down(self) -> None:
        """With its volumes and networks; the images stay."""
        self.compose("--profile", "admin", "down", "--volumes", "--timeout", "20")

    def tidy(self) -> None:
        """Takes away what no image uses any more, so that many runs do not fill the disk."""
        self.engine.docker("image", "prune", "--force")
        self.engine.tried("builder", "prune", "--force", "--filter", "until=168h")

    def logs(self, *services: str) -> str:
        return self.compose("logs", "--no-color", "--no-log-prefix", *services)

    def container(self, service: str) -> str:
        found = self.compose("ps", "--all", "--quiet", service).split()
        if len(found) != 1:
            raise EngineError(f"{service}: {len(found)} containers")
        return found[0]

    def inspected(self, service: str) -> dict[str, Any]:
        return self.engine.inspect(self.container(service))[0]

    def admin(self, *words: str) -> str:
        return self.compose("run", "--rm", "--no-TTY", "admin", *words)

    def volume(self, name: str) -> Path:
        """Where the host keeps it."""
        words = ("volume", "inspect", "--format", "{{.Mountpoint}}", f"{self._name}_{name}")
        return Path(self.engine.docker(*words).strip())

    def processes(self, service: str) -> Iterator[tuple[int, dict[str, str]]]:
        """Each process in that container: its pid on the host, and what /proc says of it."""
        for line in self.engine.docker("top", self.container(service), "-eo", "pid").splitlines()[1:]:
            try:
                text = Path(f"/proc/{int(line)}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # a health check that has ended since
            yield int(line), dict(re.findall(r"^(\w+):\s*(.*)$", text, re.MULTILINE))


class _timed:
    """Notes how long a block took, in seconds."""

    def __init__(self, into: dict[str, float], what: str) -> None:
        self._into, self._what = into, what

    def __enter__(self) -> None:
        self._start_s = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._into[self._what] = round(time.monotonic() - self._start_s, 1)
