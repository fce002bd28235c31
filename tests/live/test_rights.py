"""P23 on a real call: the trainee's copy and the customer's, made under the real users, opened with Debian's `age`."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime

from pbx_bridge.age import X25519Identity
from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.wire_portal import fingerprint
from tests.archive.house import opened_by_age
from tests.live.house import ALICE, House
from tests.live.lanes import scene
from tests.media.test_excerpt import legs, packets, tone_db
from tests.rig import scenarios
from tests.rig.scenarios import AGENT_HERTZ, CUSTOMER_HERTZ, NUMBER
from tests.rig.trainer import PersonsMachine
from tests.rig.vault import open_as_keeper

LOUD_DB, GONE_DB = -40.0, -60.0
"""The customer's tone is an overtone of the agent's: the telephone's codec leaves it at -70 dB in the agent's own voice."""


@scene(lasts_s=20)
async def test_each_party_of_a_call_gets_their_own_voice_and_may_have_it_destroyed(house: House) -> None:
    """The control: both voices are in the recording. The customer is found by number and day."""
    async with house.stage() as stage:
        await scenarios.agent_hangs_up(stage)
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.HUNG_UP))
    whole = await asyncio.to_thread(open_as_keeper, house.bridge.state, line.recording)
    assert heard(whole) == {AGENT_HERTZ, CUSTOMER_HERTZ}

    folder = house.bridge.folder / "alice"
    alice = PersonsMachine(house.bridge.approver.machine.programs, folder, folder / "identity.txt")
    await house.bridge.approver.confirm(ALICE, await alice.join(await house.bridge.invite(ALICE, "trainee")))
    await alice.run("export", "--to", str(folder / "copy"))
    hers = await asyncio.to_thread(opened_by_age, folder / "copy" / f"{line.recording}.age", alice.identity)
    assert heard(hers) == {AGENT_HERTZ}
    assert packets(hers, "video") == packets(whole, "video")
    own = json.loads(await asyncio.to_thread(opened_by_age, folder / "copy" / "own.json.age", alice.identity))
    assert [len(own["plans"]), len(own["acknowledgements"]) >= 1] == [1, True]
    assert line.recording in {call["recording"] for call in own["calls"]}
    assert NUMBER not in json.dumps(own)

    theirs = await customers_copy(house, line.recording)
    assert heard(theirs) == {CUSTOMER_HERTZ}
    assert b"V_VP9" not in theirs

    await alice.run("erase", line.recording)
    assert house.is_gone(line.recording)


async def customers_copy(house: House, recording: str) -> bytes:
    """From the request to the opened copy."""
    folder, customer = house.bridge.folder, X25519Identity.generate()
    today = datetime.now().astimezone().date().isoformat()
    key = str(customer.recipient())
    asked = await house.bridge.command(
        "request", "open", "access", "--number", NUMBER, "--day", today, "--key", key, "--json"
    )
    request = json.loads(asked)
    assert recording in request["recordings"]
    await house.bridge.approver.machine.run("grant", request["id"], "--fingerprint", fingerprint(key))
    await house.bridge.command("request", "answer", request["id"], "--to", str(folder / "customer"))
    await house.bridge.command("request", "close", request["id"], "answered")
    identity = folder / "customer.txt"
    await asyncio.to_thread(identity.write_text, f"{customer}\n")
    return await asyncio.to_thread(opened_by_age, folder / "customer" / f"{recording}.age", identity)


def heard(webm: bytes) -> set[int]:
    """Whose phones can be heard on either side. Raises: AssertionError for one that is neither there nor gone."""
    sides = legs(webm)
    length_s = sides.shape[1] / 48_000
    found = set()
    for hertz in (AGENT_HERTZ, CUSTOMER_HERTZ):
        loudest = max(tone_db(leg, hertz, 0.5, length_s - 0.5) for leg in sides)
        assert loudest > LOUD_DB or loudest < GONE_DB, f"{hertz} Hz at {loudest:.0f} dB"
        if loudest > LOUD_DB:
            found.add(hertz)
    return found
