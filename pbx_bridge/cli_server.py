"""The server's commands: serve, keeper, doctor, station, trainer, ledger. Needs the `[server]` packages.

Each command reads the configuration, does one thing and says what it did; `--json` where a script would read it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TextIO, TypeVar, cast

import structlog
import typer
from rich.console import Console
from rich.table import Table

from pbx_bridge import (
    cli_account,
    cli_audit,
    cli_catalogue,
    cli_init,
    cli_notice,
    cli_numbers,
    cli_payment,
    cli_plan,
    cli_requests,
    cli_retention,
    cli_rights,
    cli_token,
)
from pbx_bridge.app_places import catalogue_of, keeper_socket, registry_of, tls_of
from pbx_bridge.archive.keeper_link import KeeperLink
from pbx_bridge.cli_person import commands as person_commands
from pbx_bridge.cli_person import invitation
from pbx_bridge.config import DEFAULT_PATH, Config, load
from pbx_bridge.errors import OperatorError, plain
from pbx_bridge.ledger import BEGAN, Ledger, Line, shown
from pbx_bridge.wire_portal import KeeperUnreachable, Refused

T = TypeVar("T")

app = typer.Typer(
    name="pbx-bridge",
    help="Couples a PBX call with a video of one business window, for training.",
    epilog="On a person's own machine: pbx-bridge join | list | fetch | play | proposals | approve | confirm --help",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
station = typer.Typer(help="Workstations: invite, revoke, list.", no_args_is_help=True)
trainer = typer.Typer(help="Trainers: add, invite, revoke, remove, list.", no_args_is_help=True)
app.add_typer(station, name="station")
app.add_typer(trainer, name="trainer")
app.add_typer(person_commands(lambda: _config(), lambda *asked: _ask(*asked)), name="person")

AsJson = Annotated[bool, typer.Option("--json", help="For a script.")]
_chosen: dict[str, Path] = {"config": DEFAULT_PATH}


@app.callback()
def common(
    config: Annotated[Path, typer.Option(help="The configuration file.", metavar="FILE")] = DEFAULT_PATH,
) -> None:
    """Examples: pbx-bridge doctor; pbx-bridge --config ./site.toml serve"""
    _chosen["config"] = config


def _config() -> Config:
    return load(_chosen["config"])


@app.command()
def serve() -> None:
    """Run the bridge until SIGTERM or Ctrl-C. Example: pbx-bridge serve"""
    from pbx_bridge.app_start import serve as start

    _logs()
    start(_config(), _chosen["config"].resolve())


@app.command(hidden=True)
def keeper() -> None:
    """Run the keeper; `serve` starts it."""
    from pbx_bridge.app_start import keep

    _logs()
    keep(_config())


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check configuration, PBX, keeper, folders; exit code 1 when one is wrong. Example: pbx-bridge doctor --json"""
    from pbx_bridge.app_doctor import examine

    findings = asyncio.run(examine(_config()))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok   ' if finding.good else 'WRONG'} {finding.subject}: {finding.says}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


@station.command("invite")
def station_invite(
    name: Annotated[str, typer.Argument(help="A short name for the workstation.")],
    login: Annotated[
        str | None,
        typer.Option(help="The only trainee's login it may speak for; else the first it connects with."),
    ] = None,
) -> None:
    """Print a one-time code (15 minutes). Example: pbx-bridge station invite desk-12 --login amartin"""
    config = _config()
    if login is not None and login not in {person.login for person in catalogue_of(config).trainees()}:
        raise OperatorError(
            "no trainee has this login",
            where=f"login {login[:64]!r}",
            do="Enter it: pbx-bridge trainee add --help",
        )
    code = registry_of(config, tls_of(config)).invite(name, login)
    url = f"wss://{config.stations.names[0]}:{config.stations.listen.port}"
    print(f"At the workstation, within 15 minutes:\n  workstation-client enrol {url} --code {code}")


@station.command("revoke")
def station_revoke(name: str) -> None:
    """End a workstation's right to connect, at once. Example: pbx-bridge station revoke desk-12"""
    config = _config()
    registry_of(config, tls_of(config)).revoke(name)
    print(f"{name}: revoked")


@station.command("list")
def station_list(as_json: AsJson = False) -> None:
    """The enrolled workstations. Example: pbx-bridge station list"""
    config = _config()
    stations = registry_of(config, tls_of(config)).stations()
    if as_json:
        rows = [
            {"name": s.name, "login": s.login, "enrolled_at": s.enrolled_at, "revoked_at": s.revoked_at}
            for s in stations
        ]
        print(json.dumps(rows))
        return
    table = Table("name", "login", "enrolled", "state")
    for known in stations:
        login = known.login or "not connected yet"
        state = "revoked" if known.revoked_at else "enrolled"
        table.add_row(known.name, login, _local(known.enrolled_at), state)
    Console().print(table)


@trainer.command("invite")
def trainer_invite(
    name: Annotated[str, typer.Argument(help="The trainer's name in the catalogue.")],
) -> None:
    """Print a one-time code (15 minutes). Example: pbx-bridge trainer invite bruno"""
    config = _config()
    if name not in {person.id for person in catalogue_of(config).trainers()}:
        raise OperatorError(
            "no such trainer", where=f"trainer {name[:64]!r}", do="Enter them: pbx-bridge trainer add --help"
        )
    invited = _ask(config, lambda link: link.invite(name))
    print(invitation(config, invited.code, "trainer"))


@trainer.command("revoke")
def trainer_revoke(name: str) -> None:
    """End a trainer's right to fetch, at once. Example: pbx-bridge trainer revoke bruno"""
    _ask(_config(), lambda link: link.revoke(name))
    print(f"{name}: revoked")


@app.command("ledger")
def show_ledger(
    of: Annotated[
        str,
        typer.Option(help="One trainee's lines in full, to be given to that trainee (P24).", metavar="NAME"),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """One line for each call of an enrolled person: recorded, or why not. Example: pbx-bridge ledger --json"""
    lines = list(Ledger(_config().bridge.state_dir / "ledger").lines())
    answered = (line for line in lines if line.outcome != BEGAN)
    lines = [line for line in lines if line.trainee == of] if of else list(map(shown, answered))
    if as_json:
        print(json.dumps([asdict(line) for line in lines]))
        return
    if not lines:
        print("No call of an enrolled person yet.")
        return
    table = Table("when", "trainee", "outcome", "reason", "seconds", "recording")
    for line in lines:
        table.add_row(*_row(line))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _row(line: Line) -> tuple[str, ...]:
    seconds = f"{line.seconds:.1f}" if line.recording and line.seconds else ""
    return (line.at, line.trainee, line.outcome, line.reason, seconds, line.recording)


def _ask(config: Config, question: Callable[[KeeperLink], Coroutine[Any, Any, T]]) -> T:
    """One question to the running keeper. Raises: OperatorError when it does not run or refuses."""

    async def ask() -> T:
        link = KeeperLink(keeper_socket(config))
        try:
            return await question(link)
        finally:
            await link.close()

    try:
        return asyncio.run(ask())
    except KeeperUnreachable as error:
        raise OperatorError(str(error), do="Is the bridge running? Start it: pbx-bridge serve") from error
    except Refused as error:
        raise OperatorError(str(error)) from error


def _local(unix: int) -> str:
    return datetime.fromtimestamp(unix).astimezone().isoformat(timespec="seconds")


class _Unfailing:
    """The log's stream: a full disk below it, or a reader that went away, ends no call."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def _logs() -> None:
    """One line per event on standard error: journald adds the rest. Never content (P17)."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=False),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Unfailing(sys.stderr))),
    )


cli_audit.add_to(app, _config)
cli_init.add_to(app, lambda: _chosen["config"])
cli_catalogue.add_to(app, trainer, _config)
cli_plan.add_to(app, _config)
cli_payment.add_to(app, _config)
app.add_typer(cli_token.commands(_config, lambda *asked: _ask(*asked)), name="token")
cli_notice.add_to(app, _config)
cli_rights.add_to(app, _config)
app.add_typer(cli_account.commands(_config), name="account")
app.add_typer(cli_requests.commands(_config, lambda *asked: _ask(*asked)), name="request")
cli_retention.add_to(app, _config)
cli_numbers.add_to(app, _config)


def run(words: list[str]) -> int:
    """Runs the words; exit code."""
    try:
        result = app(words, standalone_mode=False)
    except typer.Exit as ended:
        return ended.exit_code
    except typer.Abort:
        return 130
    except PermissionError as error:
        raise OperatorError(
            "this user may not read it", where=str(error.filename or ""), do="Run the command as root (sudo)"
        ) from error
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "show"):
            if hasattr(error, "message"):
                error.message = plain(error.message)
            error.show()
            return 2
        raise
    return result if isinstance(result, int) else 0
