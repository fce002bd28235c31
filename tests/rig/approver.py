"""The approver of the rig's site, at a machine of her own: approves what waits, confirms keys by what is read to her."""

from __future__ import annotations

import json
from pathlib import Path

from tests.rig.commands import Invitation
from tests.rig.install import Installed
from tests.rig.trainer import PersonsMachine


class Approver:
    """`take_office`, then `approve` whenever a plan changed, and `confirm` a key."""

    def __init__(self, programs: Installed, folder: Path) -> None:
        self.machine = PersonsMachine(programs, folder, folder / "identity.txt")
        self.approved: dict[str, str] = {}
        """What was approved last under each name: its digest."""

    async def take_office(self, invitation: Invitation) -> None:
        """Joins as the first approver, whose key works by itself, and approves what waits."""
        await self.machine.join(invitation)
        await self.approve()

    async def approve(self) -> None:
        """Approves every plan and capacity that waits, each by the digest of the text that was shown."""
        waiting = json.loads(await self.machine.run("proposals", "--json"))["proposals"]
        for one in waiting:
            await self.machine.run("approve", one["about"], "--digest", one["digest"])
            self.approved[one["about"]] = one["digest"]

    async def withdraw(self, name: str) -> None:
        """Takes the approval of that plan or capacity back."""
        await self.machine.run("withdraw", self.approved.pop(name))

    async def confirm(self, name: str, fingerprint: str) -> None:
        """Confirms the key whose holder read out this fingerprint."""
        await self.machine.run("confirm", name, "--fingerprint", fingerprint)
