"""P16: what a customer objected to cannot be read from any disk again: no clear media, and no key to what is left of it.

One recording is destroyed while it runs, one after it was sealed and before the call ended. The raw image of the house's
disk is searched for the voices on the wire, for every packet of the film, and for the keys; each search has a control.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.faults.house import FaultHouse
from tests.faults.search import found_in
from tests.faults.test_search import ENOUGH, TALK_S, noise, recorded, said
from tests.live.house import ALICE, SETTLE_S, Line, until

pytestmark = pytest.mark.asyncio(loop_scope="package")

OBJECTION = "*9"
JOURNAL_TURNS = 16
"""Mebibytes; the journal has four."""
OBJECTED = Line(ALICE, Outcome.DISCARDED, Reason.OBJECTION)


def keys(house: FaultHouse, recording: str) -> set[bytes]:
    """Slices of a recording's sealed identity, behind the words all of them begin with."""
    content = (house.bridge.state / "keeper/keystore" / f"{recording}.key").read_bytes()
    return {content[at : at + 16] for at in range(len(content) - 64, len(content) - 16, 8)}


async def destroyed(house: FaultHouse, before: set[str]) -> None:
    async def gone() -> bool:
        files = {file.stem for file in (house.bridge.state / "sealed").iterdir()}
        return files | set(house.keys()) <= before

    await until(gone, "what the customer objected to is destroyed", SETTLE_S)


async def new_key(house: FaultHouse, before: set[str]) -> str:
    async def there() -> bool:
        return len(set(house.keys()) - before) == 1

    await until(there, "a recording has its key", SETTLE_S)
    (recording,) = set(house.keys()) - before
    return recording


def turn_journal(file: Path) -> None:
    """The house's disk keeps data in its journal too: writes so much into blocks of its own that nothing older is in it."""
    with file.open("r+b", buffering=0) as opened:
        for _ in range(JOURNAL_TURNS):
            os.pwrite(opened.fileno(), os.urandom(1 << 20), 0)
            os.fsync(opened.fileno())


async def test_an_objection_leaves_nothing_that_could_be_read_again(house: FaultHouse) -> None:
    before = set(house.keys()) | set(house.kept())
    turned = house.disk.folder / "turned"
    turned.write_bytes(bytes(1 << 20))
    voices = noise(), noise()
    clear, secret = said(voices[0]) | said(voices[1]), set[bytes]()
    await house.desk.order("busy on")
    async with house.stage(agent_voice=voices[0], customer_voice=voices[1]) as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        running = await new_key(house, before)
        await stage.talk(TALK_S)
        secret |= keys(house, running)
        await calling.press(OBJECTION)
        await destroyed(house, before)
        await stage.talk(0.5)
        assert not talking.ended.is_set()
        talking.hang_up()
    assert str(await house.only_line()) == str(OBJECTED)
    house.forget_week()
    async with house.stage(agent_voice=voices[0], customer_voice=voices[1]) as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk(TALK_S)
        await house.desk.lock()
        await until(lambda: _sealed(house, before), "the recording is sealed", SETTLE_S)
        (ended,) = set(house.kept()) - before
        clear |= await recorded(house, Line(ALICE, Outcome.RECORDED, Reason.STATION_LOCKED, ended))
        kept = keys(house, ended)
        await asyncio.to_thread(house.disk.written_through)
        assert await asyncio.to_thread(found_in, house.disk.image, kept) == kept, "keys are not found at all"
        secret |= kept
        await calling.press(OBJECTION)
        await destroyed(house, before)
        talking.hang_up()
    await house.desk.unlock()
    await house.desk.order("busy off")
    assert str(await house.only_line()) == str(OBJECTED)

    house.forget_week()  # the second call had two answers: recorded, then discarded

    await asyncio.to_thread(turn_journal, turned)
    leak = house.disk.folder / "leak"
    packet = sorted(clear)[ENOUGH]
    leak.write_bytes(b"....." + packet)
    await asyncio.to_thread(house.disk.written_through)
    leak.unlink()
    turned.unlink()
    await asyncio.to_thread(house.disk.written_through)
    assert len(clear) > 10 * ENOUGH
    assert len(secret) > 8
    found = await asyncio.to_thread(found_in, house.disk.image, clear | secret)
    assert found & secret == set(), "a key of a destroyed recording lies on the disk"
    assert found & clear == {packet}, (
        "clear media on the disk, or the packet that was planted and removed is not found"
    )


async def _sealed(house: FaultHouse, before: set[str]) -> bool:
    return len(set(house.kept()) - before) == 1
