"""P7: what is said, typed and keyed in while a payment is paused is in no file and no log; unpaused it would be."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ssl
import time
from collections.abc import AsyncIterator, Callable

from pbx_bridge.calls.reasons import Outcome, Reason
from pbx_bridge.calls.rules import PAYMENT_TAIL_NS
from tests.live.house import ALICE, MASK, PAUSE_TITLE, PAYMENT_PAUSE_S, House
from tests.live.lanes import scene
from tests.live.watched import EDGE_S, LOUD_DB, TRACE_DB, heard_at, judge, loudest_db, talk_of
from tests.rig import sdp
from tests.rig.phone import Leg
from tests.rig.rtp_voices import tone
from tests.rig.scenarios import TALK_S, Stage, Truth

HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)
KEY_NS = 240_000_000
"""A key and the pause after it; the PBX acts on it somewhere within."""
CARD = "4970101234567899"
ASKED_S = 0.2
"""From the card's window to the first digit: the agent asks, and nobody answers in the instant it opens."""
CARD_HERTZ = 1700
"""What the customer's voice is while they read their card's number out."""
GREEN_PX = 20_000
"""Of the dialog the number is typed into; the order desk shows no green else."""
Announced = Callable[[Stage, Leg], contextlib.AbstractAsyncContextManager[None]]


async def key(stage: Stage, leg: Leg, code: str, *, by_info: bool) -> int:
    """Presses a feature code as fingers do; CLOCK_MONOTONIC (ns) when the PBX acts on its last key."""
    for digit in code:
        await stage.talk(0.25)  # by INFO the PBX plays the keys out one after the other, 100 ms each
        down_ns = time.monotonic_ns()
        await (leg.press_by_info if by_info else leg.press)(digit)
    return down_ns + (stage.pbx.info_key_ns if by_info else KEY_NS // 2)


def paused(stage: Stage, begin_ns: int, end_ns: int) -> None:
    """A pause announced at these times: it lasts until what was said before its end has come through the PBX."""
    stage.truth.pauses.append((begin_ns, end_ns + PAYMENT_TAIL_NS))


async def pay(stage: Stage, talking: Leg, calling: Leg, *, by_info: bool = False) -> Truth:
    """The agent announces a payment by feature code, takes it back, talks on, and the customer hangs up."""
    await stage.talk(TALK_S)
    begin_ns = await key(stage, talking, "*71", by_info=by_info)
    await stage.talk(2.0)
    paused(stage, begin_ns, await key(stage, talking, "*72", by_info=by_info))
    await stage.talk(TALK_S)
    calling.hang_up()
    stage.over(calling.ended_ns)
    await talking.until_ended()
    return stage.truth


@scene(lasts_s=11)
async def test_the_agent_pauses_and_resumes_by_feature_code(house: House) -> None:
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer(), "142")
        truth = await pay(stage, talking, calling)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=11)
async def test_the_agent_pauses_and_resumes_by_sip_info(house: House) -> None:
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent("204"), await stage.customer(), "145")
        truth = await pay(stage, talking, calling, by_info=True)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene()
async def test_a_payment_line_is_not_recorded(house: House) -> None:
    """The dialplan announced it before the agent was called, and nothing ends it."""
    async with house.stage() as stage:
        kept = set(house.kept())
        talking, calling = await stage.connect(await stage.agent(), await stage.customer(), "143")
        await stage.talk()
        calling.hang_up()
        await talking.until_ended()
    await house.ledger((ALICE, Outcome.NOT_RECORDED, Reason.PAUSE_TIMEOUT))
    assert set(house.kept()) == kept


@scene(lasts_s=32)
async def test_a_payment_nobody_ends_ends_the_recording_where_it_began(house: House) -> None:
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer(), "142")
        await stage.talk(TALK_S)
        stage.over(await key(stage, talking, "*71", by_info=False))
        await stage.talk(PAYMENT_PAUSE_S + 0.5)
        await key(stage, talking, "*72", by_info=False)
        await stage.talk(TALK_S)
        calling.hang_up()
        await talking.until_ended()
    (line,) = await house.ledger((ALICE, Outcome.RECORDED, Reason.PAUSE_TIMEOUT))
    judge(await house.film(line), talk_of(stage.truth))


# ---------------------------------------------------------------- a card's number


@contextlib.asynccontextmanager
async def by_code(stage: Stage, talking: Leg) -> AsyncIterator[None]:
    begin_ns = await key(stage, talking, "*71", by_info=False)
    yield
    paused(stage, begin_ns, await key(stage, talking, "*72", by_info=False))


@contextlib.asynccontextmanager
async def by_title(stage: Stage, talking: Leg) -> AsyncIterator[None]:
    """The window says so itself: nobody announces anything."""
    begin_ns = time.monotonic_ns()
    yield
    paused(stage, begin_ns, time.monotonic_ns())


def by_software(house: House, token: str) -> Announced:
    @contextlib.asynccontextmanager
    async def announced(stage: Stage, talking: Leg) -> AsyncIterator[None]:
        assert await asyncio.to_thread(announce, house, token, "begin") == 200
        begin_ns = time.monotonic_ns()
        yield
        end_ns = time.monotonic_ns()
        assert await asyncio.to_thread(announce, house, token, "end") == 200
        paused(stage, begin_ns, end_ns)

    return announced


def by_command(house: House) -> Announced:
    @contextlib.asynccontextmanager
    async def announced(stage: Stage, talking: Leg) -> AsyncIterator[None]:
        await house.bridge.command("pause", ALICE)
        yield
        await house.bridge.command("resume", ALICE)

    return announced


@contextlib.asynccontextmanager
async def unannounced(stage: Stage, talking: Leg) -> AsyncIterator[None]:
    yield


def announce(house: House, token: str, moment: str) -> int:
    """What the site's payment software does; the HTTP status."""
    trusted = ssl.create_default_context(cafile=str(house.bridge.state / "tls" / "ca.pem"))
    link = http.client.HTTPSConnection("localhost", house.bridge.portal_port, timeout=10, context=trusted)
    try:
        body = f'{{"trainee": "{ALICE}", "moment": "{moment}"}}'
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        link.request("POST", "/api/v1/payment", body, headers)
        return link.getresponse().status
    finally:
        link.close()


async def tell_card(
    house: House, stage: Stage, announced: Announced, *, title: str = "Order 12", by_info: bool = False
) -> Truth:
    """The customer reads the number out and presses it, the agent types it, presses it at phone 204; then they talk on."""
    card_voice = await asyncio.to_thread(tone, sdp.PCMU, CARD_HERTZ)
    agent = await stage.agent("204" if by_info else "201")
    talking, calling = await stage.connect(agent, await stage.customer(), "145" if by_info else "142")
    async with house.pbx.keys_received() as keys:
        await stage.talk(TALK_S)
        async with announced(stage, talking):
            await house.alice.order(f"card {CARD} {title}")
            await stage.talk(ASKED_S)
            voice, calling.rtp.voice = calling.rtp.voice, card_voice
            await stage.talk(1.5)
            await (talking.press_by_info(CARD) if by_info else calling.press(CARD))
            await stage.talk(0.1 * len(CARD) if by_info else 0.3)  # by INFO the PBX plays them out
            calling.rtp.voice = voice
            await house.alice.order("close-dialog")
        await stage.talk(TALK_S)
        received = iter("".join(keys))  # a busy PBX may take one key for two
        assert all(key in received for key in CARD), "the PBX got the number: it passed the bridge's own link"
    calling.hang_up()
    stage.over(calling.ended_ns)
    await talking.until_ended()
    return stage.truth


def found_in_logs(house: House) -> list[str]:
    """Where the number stands, whole or half: the logs of all parts, and every file of the bridge and the desk."""
    texts = {"bridge": house.bridge.log, "PBX": house.pbx.log, "desk": house.alice.log}
    for folder in (house.bridge.folder, house.alice.home):
        for file in folder.rglob("*"):
            with contextlib.suppress(OSError):
                if file.is_file():
                    texts[str(file)] = file.read_bytes().decode("latin-1")
    return [name for name, text in texts.items() if CARD[:8] in text or CARD[8:] in text]


async def judge_card(house: House, truth: Truth) -> None:
    """Neither seen nor heard nor logged, and where it is known when the pause was, the rest of the call is all there."""
    (line,) = await house.ledger(HUNG_UP)
    film = await house.film(line)
    if truth.pauses:
        judge(film, talk_of(truth))
    pauses = [tuple(round(talk_of(truth).at_s(end_ns), 2) for end_ns in pause) for pause in truth.pauses]
    assert heard_at(film, CARD_HERTZ, TRACE_DB) == [], f"paused {pauses}"
    assert max(picture.green_px for picture in film.pictures) == 0
    assert found_in_logs(house) == []


@scene(lasts_s=22)
async def test_a_card_number_announced_by_feature_code_is_nowhere(house: House) -> None:
    async with house.stage() as stage:
        truth = await tell_card(house, stage, by_code)
    await judge_card(house, truth)


@scene(lasts_s=20)
async def test_a_card_number_in_a_window_whose_title_says_so_is_nowhere(house: House) -> None:
    async with house.stage() as stage:
        truth = await tell_card(house, stage, by_title, title=PAUSE_TITLE, by_info=True)
    await judge_card(house, truth)


@scene(lasts_s=20)
async def test_a_card_number_announced_by_payment_software_is_nowhere(house: House) -> None:
    token = (await house.bridge.command("token", "add", "shop", "--for", "payments")).split()[0]
    async with house.stage() as stage:
        truth = await tell_card(house, stage, by_software(house, token))
    await judge_card(house, truth)
    assert await asyncio.to_thread(announce, house, token, "begin") == 409, "nobody has a call now"
    await house.bridge.command("token", "remove", "shop")
    assert await asyncio.to_thread(announce, house, token, "begin") == 401
    assert token not in house.said()


@scene(lasts_s=20)
async def test_a_card_number_announced_by_command_is_nowhere(house: House) -> None:
    async with house.stage() as stage:
        truth = await tell_card(house, stage, by_command(house))
    await judge_card(house, truth)


@scene(lasts_s=20)
async def test_unannounced_it_is_seen_and_heard(house: House) -> None:
    """The control of all the above: the same call, and nobody says that it is a payment."""
    async with house.stage() as stage:
        await tell_card(house, stage, unannounced)
    (line,) = await house.ledger(HUNG_UP)
    film = await house.film(line)
    assert loudest_db(film, CARD_HERTZ) > LOUD_DB
    assert max(picture.green_px for picture in film.pictures) > GREEN_PX
    assert found_in_logs(house) == []
    planted = house.bridge.folder / "planted"
    planted.write_text(f"x{CARD[:8]}")
    assert found_in_logs(house) == [str(planted)]
    planted.unlink()


@scene()
async def test_a_masked_part_of_the_window_is_never_filmed(house: House) -> None:
    """From the catalogue to the film; the same stamp beside the mask is."""
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await house.alice.order("stamp " + " ".join(map(str, MASK)))
        await stage.talk()
        shown_ns = await house.alice.order("stamp -320 -60 150 50")
        await stage.talk()
        calling.hang_up()
        stage.over(calling.ended_ns)
        await talking.until_ended()
    await house.alice.order("no-stamp")
    (line,) = await house.ledger(HUNG_UP)
    film = await house.film(line)
    judge(film, talk_of(stage.truth))
    beside_s = talk_of(stage.truth).at_s(shown_ns) - EDGE_S
    assert max(picture.green_px for picture in film.pictures if picture.at_s < beside_s) == 0
    assert max(picture.green_px for picture in film.pictures) > GREEN_PX // 4
