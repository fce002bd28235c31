"""The session's state machine as a Mermaid diagram, drawn from `session.MOVES`.

`python -m pbx_bridge.calls.diagram` prints it; docs/architecture.md holds it, and a test compares the two.
"""

from __future__ import annotations

import re

from pbx_bridge.calls.session import MOVES, State

_WORDS = re.compile(r"(?<!^)(?=[A-Z])")


def mermaid() -> str:
    """One arrow per pair of states, labelled with the events that may cause it."""
    arrows: dict[tuple[State, State], set[str]] = {}
    for (state, event), move in MOVES.items():
        for to in move.to - {state}:
            arrows.setdefault((state, to), set()).add(_WORDS.sub(" ", event.__name__).lower())
    order = list(State)
    lines = ["stateDiagram-v2", "    [*] --> waiting: drawn", "    [*] --> refused: not drawn"]
    for (state, to), events in sorted(
        arrows.items(), key=lambda row: (order.index(row[0][0]), order.index(row[0][1]))
    ):
        lines.append(f"    {state.value} --> {to.value}: {', '.join(sorted(events))}")
    lines.append("    done --> [*]")
    return "\n".join(lines)


if __name__ == "__main__":
    print(mermaid())
