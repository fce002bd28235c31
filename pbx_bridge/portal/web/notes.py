"""Notes on a recording's time line, between the player's page and the keeper. What passes here is sealed both ways.

Who may read, write or erase one the keeper decides, and records it first.
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import Route

from pbx_bridge import wire_notes
from pbx_bridge import wire_portal as words
from pbx_bridge.portal.api import Keeper
from pbx_bridge.portal.web.asked import Asked, Door
from pbx_bridge.portal.web.signing_in import json_answer
from pbx_bridge.portal.web.trainee import named


class NotesPages:
    def __init__(self, door: Door, keeper: Keeper) -> None:
        self._door, self._keeper = door, keeper

    def routes(self) -> list[Route]:
        route = self._door.route
        return [
            route("/recordings/{recording}/notes", self._read),
            route("/recordings/{recording}/notes", self._write, "POST"),
            route("/recordings/{recording}/notes/{note}/erase", self._erase, "POST"),
        ]

    async def _read(self, asked: Asked) -> Response:
        return json_answer(await self._keeper.notes(asked.visit, named(asked)))

    async def _write(self, asked: Asked) -> Response:
        recording, wanted = named(asked), await asked.read(wire_notes.NoteAsked)
        await self._keeper.write_note(asked.visit, recording, wanted.session, wanted.sealed)
        return json_answer(words.Done())

    async def _erase(self, asked: Asked) -> Response:
        await self._keeper.erase_note(asked.visit, named(asked), asked.request.path_params["note"])
        return json_answer(words.Done())
