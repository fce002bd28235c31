"""P17: nothing recorded lies in clear on any disk, the PBX's and the workstation's included, also after kill -9.

Every disk of the house is one small loop device; its raw image is searched for what really was filmed and said. Each
search has a control that finds.
"""

from __future__ import annotations

import asyncio
import audioop
import os
from pathlib import Path

import pytest

from tests.faults.house import FaultHouse, kill
from tests.faults.search import descendants, found_in, packets, slices, swap_areas, written_elsewhere
from tests.live.house import ALICE, Line
from tests.rig.rtp_voices import Voice
from tests.rig.scenarios import Stage
from tests.rig.sdp import PCMU
from tests.rig.vault import open_as_keeper, sealed_file

pytestmark = pytest.mark.asyncio(loop_scope="package")

TALK_S = 2.0
ENOUGH = 100


def noise() -> Voice:
    """Three seconds of it: no two packets alike, nowhere else to be found."""
    packets = tuple(os.urandom(PCMU.samples) for _ in range(150))
    return Voice(packets, bytes(PCMU.samples), again=True)


def said(voice: Voice) -> set[bytes]:
    """Slices of what this voice is on the wire, and as the PBX hands it to the bridge."""
    return {
        piece
        for packet in voice.packets
        for form in (packet, audioop.ulaw2lin(packet, 2))
        for piece in slices(form)
    }


async def recorded(house: FaultHouse, line: Line) -> set[bytes]:
    """Slices of every packet of the sealed film."""
    webm = await asyncio.to_thread(open_as_keeper, house.bridge.state, line.recording)
    return {piece for packet in packets(webm) for piece in slices(packet)}


async def test_nothing_is_in_clear_on_any_disk(house: FaultHouse) -> None:
    """A call that ends well, one in which all of the product is killed, one that is discarded."""
    voices = noise(), noise()
    clear = said(voices[0]) | said(voices[1])
    await house.desk.order("busy on")
    lines = []
    for fault in ("none", "kill", "private"):
        house.forget_week()
        async with house.stage(agent_voice=voices[0], customer_voice=voices[1]) as stage:
            await talk_and(house, stage, fault)
        lines.append(await house.only_line())
    first, killed, discarded = lines
    await house.desk.order("busy off")
    for line in (first, killed):
        clear |= await recorded(house, line)
    assert discarded.trainee == ALICE
    assert not discarded.recording
    sealed = {
        piece
        for line in (first, killed)
        for piece in ciphertext(sealed_file(house.bridge.state, line.recording))
    }
    packet = sorted(clear)[ENOUGH]
    leak = house.disk.folder / "leak"
    leak.write_bytes(b"....." + packet)
    await asyncio.to_thread(house.disk.written_through)
    leak.unlink()
    await asyncio.to_thread(house.disk.written_through)

    assert len(clear) > 10 * ENOUGH
    assert len(sealed) > ENOUGH
    found = await asyncio.to_thread(found_in, house.disk.image, clear | sealed)
    assert found & sealed == sealed, "the search does not find what surely is there"
    assert found & clear == {packet}, (
        "clear media on the disk, or the packet that was planted and removed is not found"
    )
    for area in swap_areas():
        assert not await asyncio.to_thread(found_in, area, clear), f"clear media in the swap {area}"


def ciphertext(file: Path) -> set[bytes]:
    """Slices of the sealed bytes behind age's header."""
    return set(slices(file.read_bytes()[1000:]))


async def talk_and(house: FaultHouse, stage: Stage, fault: str) -> None:
    """One call that is recorded until its end, or until everything that holds clear media is killed at once."""
    await house.until_listening()
    await house.desk.until_connected()
    talking, calling = await stage.connect(await stage.agent(), await stage.customer())
    await stage.talk(TALK_S / 2)
    pids = {house.bridge.pid, house.keeper_pid, house.client_pid, house.pbx.pid}
    everyone = {child for pid in pids for child in descendants(pid)}
    assert written_elsewhere(everyone, house.disk.folder) == set()
    await stage.talk(TALK_S / 2)
    if fault == "kill":
        for pid in (house.client_pid, house.bridge.pid, house.pbx.pid):
            kill(pid)
        await house.pbx.killed()
        await house.pbx.start()
        await house.bridge.start()
        await house.desk.start_client()
        return
    if fault == "private":
        await house.desk.command("private")
    talking.hang_up()
    await calling.until_ended()
