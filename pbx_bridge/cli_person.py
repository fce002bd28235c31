"""The server's commands about people with keys: invite, list, revoke (P22).

An administrator invites; whether a key works is the approver's word, on the approver's own machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, Final, Protocol, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from pbx_bridge.access.roles import roles_refusal
from pbx_bridge.app_places import catalogue_of, tls_of
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.wire_portal import Role, said
from pbx_bridge.wire_proof import InviteCode

T = TypeVar("T")
HAVE_PAGES: Final = frozenset(Role) - {Role.ADMINISTRATOR}
"""Roles whose work can be done in a browser; an administrator's key would lie where it serves nothing."""


class Ask(Protocol):
    """One question to the running keeper. Raises: OperatorError."""

    def __call__(self, config: Config, question: Callable[[KeeperLink], Coroutine[Any, Any, T]]) -> T: ...


def commands(config: Callable[[], Config], ask: Ask) -> typer.Typer:
    """The group `pbx-bridge person`."""
    group = typer.Typer(help="People with keys: invite, list, revoke.", no_args_is_help=True)

    @group.command("invite")
    def invite(
        name: Annotated[str, typer.Argument(help="Their short name.")],
        role: Annotated[
            list[Role], typer.Option(help="What they do here; approver and auditor go together.")
        ],
        browser: Annotated[
            bool,
            typer.Option(
                "--browser", help="A link for their browser instead of a command; not for administrators."
            ),
        ] = False,
    ) -> None:
        """Print a one-time code (15 minutes). Example: pbx-bridge person invite carla --role approver --role auditor"""
        site = config()
        _check(site, name, set(role))
        if browser and not set(role) <= HAVE_PAGES:
            raise OperatorError(
                f"there are pages for {said(HAVE_PAGES)} only",
                where="--browser",
                do="Leave it out: a command is printed",
            )
        invited = ask(site, lambda link: link.invite(name, *role))
        print(link(site, invited.code) if browser else invitation(site, invited.code, said(role)))

    @group.command("list")
    def everyone(
        as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
    ) -> None:
        """Who joined, and whose key waits for the approver. Example: pbx-bridge person list"""
        people = ask(config(), lambda link: link.everyone())
        if as_json:
            rows = [
                {
                    "name": p.name,
                    "roles": [r.value for r in p.roles],
                    "joined_at": p.joined_at,
                    "state": p.state,
                }
                for p in people
            ]
            print(json.dumps(rows))
            return
        table = Table("name", "role", "joined", "key")
        for known in people:
            joined = datetime.fromtimestamp(known.joined_at).astimezone().isoformat(timespec="seconds")
            table.add_row(known.name, said(known.roles), joined, known.state)
        Console().print(table)

    @group.command("revoke")
    def revoke(name: Annotated[str, typer.Argument(help="Their short name.")]) -> None:
        """End a person's right to anything here, at once. Example: pbx-bridge person revoke bruno"""
        ask(config(), lambda link: link.revoke(name))
        print(f"{name}: revoked")

    return group


def invitation(config: Config, code: bytes, whose: str) -> str:
    """What an administrator hands on."""
    url = f"https://{config.stations.names[0]}:{config.portal.listen.port}"
    shown = InviteCode(code, tls_of(config).ca_sha256())
    return f"On the {whose}'s machine, within 15 minutes:\n  pbx-bridge join {url} --code {shown}"


def link(config: Config, code: bytes) -> str:
    """The same for a browser. The code is the fragment, which no browser sends: it stands in no log."""
    url = f"https://{config.stations.names[0]}:{config.portal.listen.port}"
    return f"In the browser of that person, within 15 minutes:\n  {url}/join#{code.hex()}"


def _check(config: Config, name: str, roles: set[Role]) -> None:
    """P22: a name of the catalogue keeps to its role here; the keeper refuses what goes together in nobody."""
    catalogue = catalogue_of(config)
    trainees, trainers = {str(t.id) for t in catalogue.trainees()}, {t.id for t in catalogue.trainers()}
    where = f"person {name[:64]!r}"
    if name in trainers and (why := roles_refusal(roles | {Role.TRAINER})):
        raise OperatorError(f"a trainer has this name, and {why}", where=where, do="Invite another person")
    if name in trainees and roles != {Role.TRAINEE}:
        raise OperatorError("a trainee has no other role (P22)", where=where, do="Invite another person")
    for role, known, entry in ((Role.TRAINEE, trainees, "trainee"), (Role.TRAINER, trainers, "trainer")):
        if role in roles and name not in known:
            raise OperatorError(
                f"no such {entry}", where=where, do=f"Enter them: pbx-bridge {entry} add --help"
            )
