"""From `pbx-bridge init` on an empty machine to a serving bridge at which the printed invitations work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rig.approver import Approver
from tests.rig.asterisk import Asterisk
from tests.rig.bridge import Bridge, Site
from tests.rig.commands import BridgeError, Invitation, run_command
from tests.rig.install import Installed, install_base
from tests.rig.trainer import PersonsMachine

ANSWERS = {
    "host": "localhost",
    "controller": "Example SA; privacy@example.fr",
    "assessment": "DPIA-2026-04, 2026-03-03",
    "works-council": "consulted on 3 March 2026",
    "people": "bruno carla",
    "trainee": "alice PJSIP/201 alice",
}


async def test_the_first_invitations_work_once_the_bridge_serves(
    installed: Installed, tmp_path: Path
) -> None:
    async with Asterisk() as pbx, Bridge(pbx, installed, Site("alice")) as bridge:
        await bridge.stop()
        fresh = bridge.folder / "fresh"
        options = [f"--{name}={answer}" for name, answer in ANSWERS.items()]
        folders = [f"--state-dir={fresh}/state", f"--run-dir={fresh}/run", "--json"]
        command = [str(installed.bridge), "--config", f"{fresh}/config.toml", "init", *options, *folders]
        invited = json.loads(await run_command(*command))
        ports = bridge.toml().replace(str(bridge.state), f"{fresh}/state")
        bridge.config.write_text(ports.replace(f"{bridge.folder}/run", f"{fresh}/run"))
        await bridge.start()
        carla = Approver(install_base(), tmp_path / "carla")
        await carla.take_office(Invitation(bridge.portal_url, invited["approver"].split()[-1]))
        bruno = PersonsMachine(install_base(), tmp_path / "bruno", tmp_path / "bruno.key")
        said = await bruno.join(Invitation(bridge.portal_url, invited["trainer"].split()[-1]))
        await carla.confirm("bruno", said)
        people = json.loads(await bridge.command("person", "list", "--json"))
        assert {person["name"]: person["roles"] for person in people} == {
            "bruno": ["trainer"],
            "carla": ["approver", "auditor"],
        }
        assert [one["id"] for one in json.loads(await bridge.command("trainee", "list", "--json"))] == [
            "alice"
        ]
        for words in (("trainee", "add", "carla"), ("trainer", "add", "carla"), ("trainee", "add", "bruno")):
            with pytest.raises(BridgeError, match="P22"):
                await bridge.command(*words)
        await bridge.command("trainee", "add", "dora")
