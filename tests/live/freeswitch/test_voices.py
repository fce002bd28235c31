"""How FreeSWITCH's voices come to the bridge: by pipes and by no disk, or not at all (P17)."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from pbx_bridge.calls.reasons import Outcome, Reason
from tests.live.house import ALICE, SETTLE_S, House, until
from tests.live.lanes import scene
from tests.live.test_objections import filmed
from tests.live.watched import judge, talk_of
from tests.rig import scenarios
from tests.rig.freeswitch import Freeswitch

HUNG_UP = (ALICE, Outcome.RECORDED, Reason.HUNG_UP)
BOOKS = re.compile(r".*/(freeswitch\.(log|pid)|\w+\.db(-\w+)?)\Z")
"""What FreeSWITCH keeps of itself."""


def freeswitch(house: House) -> Freeswitch:
    assert isinstance(house.pbx, Freeswitch)
    return house.pbx


def open_files(pid: int) -> list[Path]:
    """What a process has opened itself by a name, pipes too."""
    folder, found = Path(f"/proc/{pid}/fd"), []
    for name in set(os.listdir(folder)) - {"0", "1", "2"}:
        try:
            target = Path(os.readlink(folder / name))
        except OSError:
            continue
        if target.is_absolute() and not str(target).startswith(("/dev/null", "/proc/")):
            found.append(target)
    return found


@scene(lasts_s=9)
async def test_while_they_talk_freeswitch_writes_into_a_pipe_and_no_file(house: House) -> None:
    """Nothing is left of it afterwards, neither pipe nor file."""
    pbx = freeswitch(house)
    before = pbx.files()
    async with house.stage() as stage:
        talking, calling = await stage.connect(await stage.agent(), await stage.customer())
        await filmed(house)
        await stage.talk()
        opened = open_files(pbx.pid)
        pipes = [file for file in opened if file.parent == pbx.pipes]
        assert len(pipes) == 1
        assert stat.S_ISFIFO(pipes[0].stat().st_mode)
        assert pipes[0].stat().st_mode & 0o007 == 0, "nobody else may read or write it"
        written = [file for file in opened if file.is_file() and not BOOKS.match(str(file))]
        assert written == []
        calling.hang_up()
        stage.over(calling.ended_ns)
        await talking.until_ended()
    (line,) = await house.ledger(HUNG_UP)
    judge(await house.film(line), talk_of(stage.truth))
    assert list(pbx.pipes.iterdir()) == []
    assert {file for file in pbx.files() - before if not BOOKS.match(str(file))} == set()


@scene()
async def test_a_file_the_site_records_into_would_be_seen(house: House) -> None:
    """The control of the scene above."""
    pbx = freeswitch(house)
    before = pbx.files()
    async with house.stage() as stage:
        await stage.connect(await stage.agent(), await stage.customer())
        await stage.talk(0.5)
        await pbx.record("201")
        await stage.talk(0.5)
        assert [file for file in open_files(pbx.pid) if not BOOKS.match(str(file)) and file.is_file()]
    await house.final_lines(1)
    (left,) = {file for file in pbx.files() - before if not BOOKS.match(str(file))}
    left.unlink()


@scene(lasts_s=8)
async def test_voices_that_pass_by_freeswitch_are_not_recorded(house: House) -> None:
    """bypass_media: the phones talk with each other directly, and the bridge says why there is nothing."""
    kept = house.kept()
    async with house.stage() as stage:
        await scenarios.customer_hangs_up(stage, 2.5, "106")
    (line,) = await house.final_lines(1)
    assert (line.trainee, line.reason) == (ALICE, Reason.AUDIO_MISSING)
    assert line.outcome is not Outcome.RECORDED, (
        "whether the workstation had begun to film already, nothing is kept"
    )
    assert "tap-bypassed" in house.said()
    assert house.kept() == kept


@scene(lasts_s=30)
async def test_the_second_driver_tells_the_same(house: House) -> None:
    """python-ESL in its own thread: a call, holds, and a link that is cut and comes back."""
    pbx = freeswitch(house)
    await use(house, pbx, "python-esl")
    try:
        async with house.stage() as stage:
            truth = await scenarios.agent_holds(stage)
        (line,) = await house.ledger(HUNG_UP)
        judge(await house.film(line), talk_of(truth))
        house.forget_week()
        seen = len(house.said())
        await pbx.cut_link()

        async def back() -> bool:
            return "link up" in house.said()[seen:]

        await until(back, "the link comes back", SETTLE_S)
        await house.until_listening()
        async with house.stage() as stage:
            truth = await scenarios.customer_hangs_up(stage)
        (line,) = await house.ledger(HUNG_UP)
        judge(await house.film(line), talk_of(truth))
    finally:
        await use(house, pbx, "asyncio")


async def use(house: House, pbx: Freeswitch, driver: str) -> None:
    """The bridge is started again with this driver."""
    await house.bridge.stop()
    pbx.driver = driver
    house.bridge.configure(house.site)
    await house.bridge.start()
    await house.until_connected()
    await house.until_listening()
