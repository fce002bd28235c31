"""Whose fault it is: the operator's, a peer's, ours. Shared with the workstation client.

An error's sentence says what is wrong, where, and what to do; it never carries content, digits, titles or names.
"""

from __future__ import annotations


class OperatorError(Exception):
    """Something a person set up wrongly or can mend. Commands print it and exit with 2."""

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        super().__init__(what, where, do)
        self.what, self.where, self.do = what, where, do

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f". {self.do}" if self.do else ""
        return f"{place}{self.what}{advice}"


def plain(message: str) -> str:
    """What pydantic, or a command line read by it, says of a value, without the kind of exception it puts before it."""
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


class PeerError(Exception):
    """A peer (PBX, workstation, browser) broke the protocol: its link ends, nobody else's."""
