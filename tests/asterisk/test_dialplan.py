"""What dialplan/asterisk promises to the administrator, read from the files and from a running Asterisk."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.asterisk.line import Line
from tests.rig.asterisk import PRODUCT_DIALPLAN, SITE, Asterisk
from tests.rig.asterisk_proxy import Proxy
from tests.rig.scenarios import Stage, info_digits

DIALPLAN = (PRODUCT_DIALPLAN / "extensions_pbxb.conf").read_text()
STEPS = [line.split(";")[0].strip() for line in DIALPLAN.splitlines() if line.split(";")[0].strip()]


def contexts() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for step in STEPS:
        if name := re.fullmatch(r"\[([a-z-]+)\]", step):
            found[name.group(1)] = []
        else:
            found[list(found)[-1]].append(step)
    return found


@pytest.mark.parametrize("context", sorted(set(contexts()) - {"pbxb-tap"}))
def test_a_subroutine_returns_and_never_ends_a_call(context: str) -> None:
    steps = contexts()[context]
    assert steps[-1].endswith("Return()")
    assert not any("Hangup(" in step for step in steps)


def test_nothing_is_inherited_by_other_channels() -> None:
    """An inherited variable would let an agent speak for a customer."""
    assert not re.search(r"Set\(_", DIALPLAN)


def test_only_one_step_waits_for_the_bridge_and_it_stands_behind_the_heartbeat() -> None:
    waiting = [
        (name, step)
        for name, steps in contexts().items()
        for step in steps
        if "AGI(agi" in step or "CURL(" in step
    ]
    assert [name for name, _ in waiting] == ["pbxb-entry"]
    entry = contexts()["pbxb-entry"]
    before = "\n".join(entry[: entry.index(waiting[0][1])])
    assert "LEN(${alive})} != 43" in before
    assert "${EPOCH} >= 0${alive:0:10}" in before


def test_the_manager_user_has_the_least_rights() -> None:
    text = (PRODUCT_DIALPLAN / "manager_pbxb.conf").read_text()
    settings = dict(
        line.split(" = ") for line in text.splitlines() if " = " in line and not line.startswith(";")
    )
    assert settings["read"] == "call,agent,user"
    assert settings["write"] == "call"
    assert settings["permit"] == "127.0.0.1/255.255.255.255"


def test_the_modules_the_readme_names_are_those_the_tests_load() -> None:
    readme = (PRODUCT_DIALPLAN / "README.md").read_text()
    block = readme.split("## Modules")[1].split("\n\n")[2]
    named = set(re.findall(r"[a-z]+_[a-z_]+", block))
    loaded = set(re.findall(r"^load = (\w+)\.so", (SITE / "modules.conf").read_text(), re.MULTILINE))
    assert len(named) > 15
    assert named <= loaded


async def test_asterisk_reads_every_step(pbx: Asterisk) -> None:
    for context, steps in contexts().items():
        shown = await pbx.cli(f"dialplan show {context}")
        assert f"{len(steps)} priorities" in shown or f"({len(steps)} priorit" in shown, shown
    assert not re.search(r"(WARNING|ERROR).*pbxb", pbx.log)


async def test_the_manager_user_can_neither_run_programs_nor_read_files(pbx: Asterisk) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", pbx.ports.ami)
    login = f"Action: Login\r\nUsername: {pbx.ami_user}\r\nSecret: {pbx.ami_secret}\r\nEvents: off\r\n\r\n"
    writer.write(login.encode())
    assert b"Success" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    refused = (
        "Command\r\nCommand: core show version",
        "MixMonitor\r\nChannel: x\r\nFile: /tmp/x.wav",
        "Originate\r\nChannel: Local/100@from-trunk\r\nApplication: System\r\nData: id",
        "GetConfig\r\nFilename: manager.conf",
        "ModuleLoad\r\nLoadType: reload",
    )
    for action in refused:
        writer.write(f"Action: {action}\r\n\r\n".encode())
        assert b"Response: Error" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5), action
    writer.close()


async def everything(pbx: Asterisk) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The wire of an AMI user that may read all classes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", pbx.ports.ami, limit=1 << 24)
    writer.write(f"Action: Login\r\nUsername: rig\r\nSecret: {pbx.rig_secret}\r\n\r\n".encode())
    return reader, writer


async def test_no_digit_comes_over_the_wire(pbx: Asterisk) -> None:
    """P7: neither those of RFC 4733 nor those by INFO; another user sees that there were some."""
    reader, writer = await everything(pbx)
    async with Proxy(pbx.ports.ami) as proxy, Line(pbx, with_notice=False, ami_port=proxy.port) as line:
        async with Stage(pbx) as stage:
            talking, calling = await stage.connect(await stage.agent(), await stage.customer(), "171")
            await talking.press("753")
            await calling.press("951")
            talking.hang_up()
        async with Stage(pbx) as stage:
            await info_digits(stage, 0.5, "753951")
        await line.until_quiet()
    # of one key Asterisk may tell the end alone
    await asyncio.wait_for(reader.readuntil(b"Event: DTMF"), 5)
    await asyncio.wait_for(reader.readuntil(b"Digit: 7"), 5)
    writer.close()
    assert b"BridgeEnter" in proxy.said
    assert not re.search(rb"DTMF|Digit", proxy.said)
