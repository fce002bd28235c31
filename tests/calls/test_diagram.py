"""The documentation's drawing of the session is the session's."""

from __future__ import annotations

from pathlib import Path

from pbx_bridge.calls.diagram import mermaid
from pbx_bridge.calls.session import MOVES, Session, State

DOCUMENT = Path(__file__).parents[2] / "docs" / "architecture.md"


def test_the_document_shows_the_machine_as_it_is() -> None:
    assert mermaid() in DOCUMENT.read_text(), (
        "run python -m pbx_bridge.calls.diagram and paste it into docs/architecture.md"
    )


def test_every_row_names_a_handler_and_every_state_can_end() -> None:
    assert all(hasattr(Session, move.handler) for move in MOVES.values())
    reach = {State.DONE}
    while more := {state for (state, _), move in MOVES.items() if move.to & reach} - reach:
        reach |= more
    assert reach == set(State)
