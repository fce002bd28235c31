"""Recorded event sockets and the facts they must give: tests/vectors/freeswitch/NAME/{events.raw,facts.jsonl}.

They were recorded on a FreeSWITCH 1.11.1 with the plain format. To write the facts down after a change of the table
(read the difference before you keep it): `python -m tests.freeswitch.vectors`
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

from pbx_bridge.calls.facts import Fact
from pbx_bridge.telephony.freeswitch.translate import Translator

HOME = Path(__file__).parents[1] / "vectors/freeswitch"
DIGEST_KEY = b"vectors"
OWN_PIPES = "/run/pbx-bridge/pipes"


def names() -> list[str]:
    return sorted(path.parent.name for path in HOME.glob("*/events.raw"))


def raw(name: str) -> bytes:
    return (HOME / name / "events.raw").read_bytes()


def events(name: str) -> list[dict[str, str]]:
    """Every event of a recorded stream, decoded at once: the simplest reading there is, to hold others against."""
    left, found = raw(name), []
    while left:
        head, _, rest = left.lstrip(b"\n").partition(b"\n\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\n") if line.startswith(b"Content-Length:")), 0
        )
        if b"text/event-plain" in head and len(rest) >= length:
            found.append(read(rest[:length]))
        left = rest[length:]
    return found


def read(block: bytes) -> dict[str, str]:
    """One event's headers."""
    headers = {}
    for line in block.split(b"\n\n")[0].split(b"\n"):
        name, colon, value = line.partition(b": ")
        if colon:
            headers[name.decode()] = unquote_to_bytes(value).decode("utf-8", "replace")
    return headers


def stamp_ns(event: dict[str, str]) -> int:
    """FreeSWITCH's own stamps stand for the bridge's clock."""
    return int(event["Event-Date-Timestamp"]) * 1000


def facts_of(heard: Iterable[dict[str, str]]) -> Iterator[Fact]:
    table = Translator(DIGEST_KEY, OWN_PIPES)
    for event in heard:
        yield from table.learn(event, stamp_ns(event))


def written(fact: Fact) -> str:
    return json.dumps({"fact": type(fact).__name__, **dataclasses.asdict(fact)})


def expected(name: str) -> list[str]:
    return (HOME / name / "facts.jsonl").read_text().splitlines()


if __name__ == "__main__":
    for one in names():
        lines = [written(fact) + "\n" for fact in facts_of(events(one))]
        (HOME / one / "facts.jsonl").write_text("".join(lines))
