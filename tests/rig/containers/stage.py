"""What the demonstration's containers share: a folder in memory with the one-time codes, and the desktop's socket.

The desktop does what it is asked by a line (desk.py). It is the demonstration's stage direction and knows nothing of
calls. As a program it asks one thing: `python -m tests.rig.containers.stage ready` is the desktop's health.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.rig.commands import BridgeError, Invitation, invitation

STAGE = Path("/stage")
SOCKET = STAGE / "desk.sock"
ANSWER_DEADLINE_S = 60.0


def invited(name: str, stage: Path = STAGE) -> Invitation | None:
    """What `enrol.sh` left for `name`: the command to type, as `pbx-bridge` printed it. None: they joined before."""
    file = stage / f"{name}.invitation"
    return invitation(file.read_text()) if file.exists() else None


async def ask(word: str) -> str:
    """What the desktop answers to one line. Raises: BridgeError when it could not do it."""
    reader, writer = await asyncio.open_unix_connection(SOCKET)
    try:
        writer.write(word.encode() + b"\n")
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            answer = (await reader.read()).decode()
    finally:
        writer.close()
    if not answer.startswith("ok"):
        raise BridgeError(f"the desktop could not do {word!r}: {answer or 'it ended'}")
    return answer.removeprefix("ok").strip()


if __name__ == "__main__":
    try:
        print(asyncio.run(ask(sys.argv[1])))
    except (OSError, TimeoutError, BridgeError) as error:
        sys.exit(f"desktop: {error or type(error).__name__}")
