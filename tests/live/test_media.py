"""Whatever the phones speak and however their keys travel, both voices are there at their time."""

from __future__ import annotations

from dataclasses import replace

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live import plays
from tests.live.house import ALICE, House
from tests.live.lanes import scene
from tests.live.watched import judge, talk_of
from tests.rig import scenarios, sdp

HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)


async def _speaks(house: House, codec: sdp.Codec) -> None:
    async with house.stage(codec=codec) as stage:
        truth = await scenarios.customer_hangs_up(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene()
async def test_g722(house: House) -> None:
    await _speaks(house, sdp.G722)


@scene()
async def test_opus(house: House) -> None:
    await _speaks(house, sdp.OPUS)


@scene()
async def test_pcmu_in_packets_of_30_ms(house: House) -> None:
    await _speaks(house, sdp.PCMU_30MS)


@scene()
async def test_keys_by_sip_info(house: House) -> None:
    """The PBX lets no voice through while a key is down."""
    async with house.stage() as stage:
        truth = await scenarios.info_digits(stage, talk_s=3.0)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene()
async def test_direct_media(house: House) -> None:
    async with house.stage() as stage:
        truth = await scenarios.direct_media(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(truth))


@scene(lasts_s=9)
async def test_time_is_kept_while_neither_phone_sends(house: House) -> None:
    async with house.stage() as stage:
        truth, quiet = await plays.double_silence(stage)
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), replace(talk_of(truth), quiet=(quiet,)))
