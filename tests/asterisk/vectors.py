"""Recorded AMI streams and the facts they must give: tests/vectors/asterisk/<scenario>/{ami.raw,facts.jsonl}.

Those that begin with `lab-` were recorded before this code existed, with another client, and reduced to the classes
this product subscribes to; the others are what its own AMI user received on the rig. To record again, or to write the
facts down after a change of the table (read the difference before you keep it):

    python -m tests.asterisk.vectors record parking pickup
    python -m tests.asterisk.vectors facts
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from pbx_bridge.calls.facts import Fact
from pbx_bridge.telephony.asterisk.framing import AmiFraming
from pbx_bridge.telephony.asterisk.stamps import parse_stamp
from pbx_bridge.telephony.asterisk.translate import translate

HOME = Path(__file__).parents[1] / "vectors/asterisk"
DIGEST_KEY = b"vectors"


def names() -> list[str]:
    return sorted(path.parent.name for path in HOME.glob("*/ami.raw"))


def raw(name: str) -> bytes:
    return (HOME / name / "ami.raw").read_bytes()


def read(text: str) -> dict[str, object]:
    """One message as the library would give it."""
    fields: dict[str, object] = {}
    for line in text.split("\r\n"):
        key, colon, value = line.partition(": ")
        if colon:
            fields[key] = value
    return fields


def facts_of(messages: list[str]) -> Iterator[Fact]:
    """The PBX's own stamps stand for the bridge's clock."""
    for text in messages:
        event = read(text)
        stamp = event.get("Timestamp")
        at_ns = parse_stamp(stamp) if isinstance(stamp, str) else 0
        yield from translate(event, at_ns, DIGEST_KEY)


def written(fact: Fact) -> str:
    return json.dumps({"fact": type(fact).__name__, **dataclasses.asdict(fact)})


def expected(name: str) -> list[str]:
    return (HOME / name / "facts.jsonl").read_text().splitlines()


async def _record(scenario: str) -> None:
    from tests.asterisk.line import Line
    from tests.rig import scenarios
    from tests.rig.asterisk import Asterisk
    from tests.rig.asterisk_proxy import Proxy

    async with Asterisk() as pbx, Proxy(pbx.ports.ami) as proxy, Line(pbx, ami_port=proxy.port) as line:
        async with scenarios.Stage(pbx) as stage:
            await getattr(scenarios, scenario)(stage)
        await pbx.no_channels(40)
        await line.until_quiet()
        folder = HOME / scenario
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ami.raw").write_bytes(bytes(proxy.said))


def _write_facts() -> None:
    for name in names():
        lines = [written(fact) + "\n" for fact in facts_of(AmiFraming().feed(raw(name)))]
        (HOME / name / "facts.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    if sys.argv[1] == "record":
        for one in sys.argv[2:]:
            asyncio.run(_record(one))
    _write_facts()
