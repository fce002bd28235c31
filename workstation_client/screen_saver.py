"""Whether a program saves the screen, by the X server's own word: MIT-SCREEN-SAVER 1.1, QueryInfo."""

from __future__ import annotations

from typing import Any

from xcffib.screensaver import Kind, State


def saves(answer: Any) -> bool:
    """P4, P10: a saver of a program's runs, which may be a lock.

    The server's own blanking is none: it comes after minutes of listening to a customer, and under it lies the window that
    was there before. `answer` is a QueryInfo reply.
    """
    return bool(answer.state in (State.On, State.Cycle) and answer.kind == Kind.External)
