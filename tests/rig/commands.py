"""The product's commands as a person types them, with nothing of the tests' own environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tests.rig.deadlines import within

COMMAND_DEADLINE_S = 30.0


class BridgeError(Exception):
    """The bridge did not do what an administrator may expect; says which command and what it printed."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What an administrator hands on: where to go and the one-time code."""

    url: str
    code: str


async def run_command(*words: str, env: dict[str, str] | None = None) -> str:
    """What a command prints on its standard output. Raises: BridgeError with both outputs when it does not exit with 0."""
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd="/", env=environment() | (env or {}),
    )  # fmt: skip
    try:
        out, err = await within(process.communicate(), COMMAND_DEADLINE_S)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise
    if process.returncode != 0:
        shown = " ".join(Path(word).name if "/" in word else word for word in words)
        raise BridgeError(
            f"`{shown}` ended with {process.returncode}:\n{out.decode()}{err.decode()}".rstrip()
        )
    return out.decode()


def invitation(printed: str) -> Invitation:
    found = re.search(r"(?:enrol|join) (\S+) --code (\S+)", printed)
    if found is None:
        raise BridgeError(f"no command to type in what the invitation printed:\n{printed}")
    return Invitation(found.group(1), found.group(2))


def environment() -> dict[str, str]:
    """Nothing of the tests' own environment: the installed program must need none of it."""
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "TERM", "TZ")}
    return kept | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "PYTHONUNBUFFERED": "1"}
