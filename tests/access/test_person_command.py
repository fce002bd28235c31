"""`pbx-bridge person`: who may be invited as what, who is there, and the end of a key (P22)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pbx_bridge.age import X25519Identity
from pbx_bridge.catalogue.catalogue import Catalogue
from pbx_bridge.cli_change import check_roles
from pbx_bridge.cli_server import run
from pbx_bridge.config import load as load_config
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.portal.web.accounts import Accounts
from pbx_bridge.training.plans import Trainee, Trainer
from pbx_bridge.wire_portal import Role
from tests.archive.house import House, Machine, config_beside, house, plan_behind


@dataclass
class Site:
    home: House
    config: Path

    async def say(self, *words: str) -> int:
        """One command of the administrator, beside the keeper that answers it."""
        return await asyncio.to_thread(run, ["--config", str(self.config), "person", *words])

    async def refused(self, *words: str) -> str:
        with pytest.raises(OperatorError) as no:
            await self.say(*words)
        return str(no.value)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with house(tmp_path) as home:
        config = config_beside(home)
        catalogue = Catalogue.open(tmp_path / "catalogue")
        with catalogue.change() as change:
            change.add_trainee(Trainee(TraineeId("alice"), (), "", "alice"))
            change.add_trainer(Trainer("bruno", 60))
        catalogue.close()
        yield Site(home, config)


async def test_roles_that_do_not_go_together_are_refused_when_they_are_given(site: Site) -> None:
    for words in (
        ("alice", "--role", "approver"),
        ("alice", "--role", "trainee", "--role", "approver"),
        ("bruno", "--role", "auditor"),
        ("bruno", "--role", "trainer", "--role", "auditor"),
        ("bruno", "--role", "administrator"),
        ("ada", "--role", "administrator", "--role", "approver"),
        ("emil", "--role", "auditor", "--role", "trainer"),
    ):
        said = await site.refused("invite", *words)
        assert "P22" in said or "no such trainer" in said, words
    for words in (("nobody", "--role", "trainee"), ("nobody", "--role", "trainer")):
        assert "no such" in await site.refused("invite", *words)
    assert await site.home.link.everyone() == ()


async def test_who_has_another_role_is_not_assigned_this_one(site: Site) -> None:
    """P22: by the keys there are; a revoked one is in nobody's way, nor is another person's, nor a keeper that is down."""
    config = load_config(site.config)

    async def why_not(*names: str, role: Role = Role.TRAINEE) -> str:
        try:
            await asyncio.to_thread(check_roles, config, names, role)
        except OperatorError as no:
            return str(no)
        return ""

    machine = Machine(site.config.parent / "carlas")
    code = await site.home.invite("carla", Role.AUDITOR)
    words = ("join", site.home.url, "--code", code, "--identity-file", str(machine.identity))
    assert (await asyncio.to_thread(machine.run, *words)).code == 0
    await site.home.approve(plan_behind("alice", "bruno", 1_800_000_000))  # dora joins for it
    assert "P22" in await why_not("erik", "carla")
    assert "'carla'" in await why_not("erik", "carla")
    assert "P22" in await why_not("carla", role=Role.TRAINER)
    assert await why_not("carla", role=Role.APPROVER) == ""
    assert await why_not("erik") == ""
    await site.home.link.revoke("carla")
    assert await why_not("carla") == ""
    assert "P22" in await why_not("dora")
    site.home.end_keeper()
    assert await why_not("dora") == ""


async def test_people_are_invited_listed_and_revoked(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("carla", "--role", "approver", "--role", "auditor"),
        ("bruno", "--role", "trainer", "--role", "approver"),
        ("bruno", "--role", "trainer"),
        ("alice", "--role", "trainee"),
    ):
        capsys.readouterr()
        assert await site.say("invite", *words) == 0
        assert "pbx-bridge join https://" in capsys.readouterr().out
    await site.home.approve(plan_behind("alice", "bruno", 1_800_000_000))  # dora joins for it
    assert await site.say("list", "--json") == 0
    (dora,) = json.loads(capsys.readouterr().out)
    assert (dora["name"], dora["roles"], dora["state"]) == ("dora", ["approver"], "confirmed")
    assert "age1" not in json.dumps(dora)
    assert "only approver" in await site.refused("revoke", "dora")
    assert "nobody called" in await site.refused("revoke", "nobody")


async def test_an_invitation_for_a_browser_is_a_link_that_no_log_sees(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """The code is the fragment: browsers send it to nobody; and there is none for who would find no page."""
    assert await site.say("invite", "alice", "--role", "trainee", "--browser") == 0
    link = re.search(r"https://\S+/join#([0-9a-f]{32})$", capsys.readouterr().out.strip())
    assert link is not None
    recipient = str(X25519Identity.generate().recipient())
    assert (await site.home.link.begin(recipient, bytes(32), bytes(32), bytes.fromhex(link[1]))).sealed
    for roles in (("approver", "auditor"), ("approver",), ("auditor",)):
        asked = [word for role in roles for word in ("--role", role)]
        assert await site.say("invite", "carla", *asked, "--browser") == 0
        assert "/join#" in capsys.readouterr().out
    assert "there are pages for" in await site.refused(
        "invite", "ada", "--role", "administrator", "--browser"
    )


async def test_accounts_are_listed_and_removed(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    accounts = Accounts(load_config(site.config).bridge.state_dir / "accounts")
    accounts.make("alice", "copper ladder fossil umbrella ninety", "A" * 32, 0, 1_790_000_000)

    async def account(*words: str) -> int:
        return await asyncio.to_thread(run, ["--config", str(site.config), "account", *words])

    assert await account("list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "alice", "made_at": 1_790_000_000}]
    before = next(iter(accounts))
    assert await account("end-sessions", "alice") == 0
    assert (accounts.stands("alice", before.entry), next(iter(accounts)).passphrase) == (
        False,
        before.passphrase,
    )
    with pytest.raises(OperatorError, match="no account"):
        await account("end-sessions", "nobody")
    assert await account("remove", "alice") == 0
    assert list(accounts) == []
    with pytest.raises(OperatorError, match="no account"):
        await account("remove", "alice")
