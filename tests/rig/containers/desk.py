"""The demonstration's desktop in a container: a trainee's session with the client running and the order desk open.

Nobody is root here: X, window manager, client and order desk run as the container's one user, from files of an image that
is read-only. When all of it stands, it listens on the stage and does what a trainee would: hand a recording over.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.rig.containers.stage import SOCKET, invited
from tests.rig.install import Installed
from tests.rig.workstation import Workstation, WorkstationError

PROGRAMS = Installed(Path("/opt/people"))
STATION = "desk-1"
MAIL_S = 4.0
RECORDED_DEADLINE_S = 30.0
"""From the end of the call to its sealed file in the trainee's list."""


class Trainee:
    """Does what the stage asks, one line at a time."""

    def __init__(self, workstation: Workstation) -> None:
        self._at = workstation
        self._show_mail: Callable[[], Awaitable[None]] | None = None
        self._known: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            word = (await reader.readline()).decode().strip()
            try:
                writer.write(f"ok {await self._do(word)}\n".encode())
            except (WorkstationError, TimeoutError) as error:
                writer.write(f"{error or type(error).__name__}\n".encode())
            await writer.drain()
        finally:
            writer.close()

    async def _do(self, word: str) -> str:
        match word:
            case "ready":
                await self._at.command("status")
            case "prepare":
                self._known = await self._recordings()
                self._show_mail = await self._at.prepare_mail(MAIL_S)
            case "mail" if self._show_mail is not None:
                await self._show_mail()
            case "hand-over":
                return await self._hand_over()
            case _:
                raise WorkstationError(f"nobody knows what {word!r} is")
        return ""

    async def _recordings(self, *, sealed: bool = False) -> list[str]:
        """Their ids. The list has a recording from the answer on, `on-its-way` until its file is sealed, then `open`."""
        listed = json.loads(await self._at.command("recordings", "--json"))
        return [one["id"] for one in listed if not sealed or one["state"] == "open"]

    async def _hand_over(self) -> str:
        """The recording of the call since `prepare`, as soon as its file is sealed; its id."""
        try:
            async with asyncio.timeout(RECORDED_DEADLINE_S):
                while True:
                    if new := [one for one in await self._recordings(sealed=True) if one not in self._known]:
                        break
                    await asyncio.sleep(0.5)  # another machine's list: nothing to wait on
        except TimeoutError:
            why = "the call was not recorded; the ledger says why: docker compose run --rm admin ledger --of alice"
            raise WorkstationError(why) from None
        await self._at.hand_over(new[0])
        return new[0]


async def main() -> int:
    """Until SIGTERM. Exit code 1 when a step fails, with what the client said."""
    invitation = invited(STATION)
    if invitation is None:
        print(f"desktop: there is no invitation for {STATION}", file=sys.stderr)
        return 1
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        async with Workstation(PROGRAMS, user=None, told=print) as workstation:
            await workstation.enrol(invitation.url, invitation.code)
            await workstation.start_client()
            print("desktop: enrolled and connected")
            await workstation.accept_notice()
            await workstation.open_business_app()
            trainee = Trainee(workstation)
            SOCKET.unlink(missing_ok=True)
            async with await asyncio.start_unix_server(trainee.answer, SOCKET):
                SOCKET.chmod(0o660)
                print("desktop: the notice is acknowledged, the order desk is open")
                await ended.wait()
    except WorkstationError as error:
        print(f"desktop: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
