"""A keyring for tests: what a desktop's does, in a file named by $TEST_KEYRING; `locked` in it refuses everything."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class FileKeyring(KeyringBackend):
    priority = 9

    def _all(self) -> dict[str, str]:
        path = Path(os.environ["TEST_KEYRING"])
        found: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if "locked" in found:
            raise KeyringLocked("the keyring is locked")
        return found

    def _keep(self, found: dict[str, str]) -> None:
        Path(os.environ["TEST_KEYRING"]).write_text(json.dumps(found))

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._keep(self._all() | {f"{service} {username}": password})

    def delete_password(self, service: str, username: str) -> None:
        self._keep({name: value for name, value in self._all().items() if name != f"{service} {username}"})
