"""A person's own machine: the base install, a home of its own, and the commands a trainer or an approver types.

The identity lies in a plain file here (`--identity-file`), because the demonstration's proof opens the sealed file with
Debian's `age`; a real trainer would use the keyring or a passphrase.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.commands import BridgeError, Invitation, run_command
from tests.rig.install import Installed

PLAY_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class PersonsMachine:
    """`folder` holds this machine's files; `identity` the person's key."""

    programs: Installed
    folder: Path
    identity: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a shell on that machine has."""
        return {"HOME": str(self.folder), "PBX_BRIDGE_PROFILE": str(self.folder / "profile")}

    def words(self, *words: str) -> list[str]:
        return [str(self.programs.bridge), *words]

    async def run(self, *words: str) -> str:
        """What `pbx-bridge WORDS` prints there. Raises: BridgeError when it does not exit with 0."""
        return await run_command(*self.words(*words), env=self.environment)

    async def join(self, invitation: Invitation) -> str:
        """Joins; the key's fingerprint, as its holder reads it out."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        words = ("join", invitation.url, "--code", invitation.code, "--identity-file", str(self.identity))
        said = await self.run(*words)
        found = re.search(r"fingerprint: (\S+)", said)
        if found is None:
            raise BridgeError(f"no fingerprint in what `join` printed:\n{said}")
        return found.group(1)

    async def list(self) -> list[dict[str, Any]]:
        found = json.loads(await self.run("list", "--json"))
        assert isinstance(found, list)
        return found

    async def fetch(self, recording: str, to: Path, session: str) -> None:
        await self.run("fetch", recording, "--to", str(to), "--session", session)

    async def play(self, what: str, session: str) -> tuple[asyncio.subprocess.Process, str]:
        """Starts `play` without a browser and returns it with the loopback address it serves."""
        process = await asyncio.create_subprocess_exec(
            *self.words("play", what, "--no-browser", "--session", session),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            cwd="/", env={"PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"} | self.environment, start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        said = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PLAY_DEADLINE_S):
                while line := (await process.stdout.readline()).decode():
                    said += line
                    if found := re.search(r"http://(127\.0\.0\.1|localhost|\[::1\]):\d+\S*", line):
                        return process, found.group()
        if process.returncode is None:
            process.kill()
        raise BridgeError(f"`pbx-bridge play` gave no address:\n{said}")
