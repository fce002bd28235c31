"""`pbx-bridge trainee | application | trainer | capacity`: who may be trained, on what, and by whom.

Each command is one change of the catalogue, kept whole or not at all. None of them lets anything be recorded: that
takes a plan (cli_plan.py) its approver has approved.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pbx_bridge.app_approvals import of_use
from pbx_bridge.catalogue.change import Change
from pbx_bridge.catalogue.csv_people import CSV_LIMIT, read_people
from pbx_bridge.cli_change import (
    AsJson,
    DryRun,
    Load,
    change,
    check_roles,
    group,
    one_of,
    plain,
    read,
    show,
    today,
)
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Application, Mask, Trainee, Trainer
from pbx_bridge.wire_portal import Role

Name = Annotated[str, typer.Argument(help="A short name; it appears in the ledger, never in a file name.")]
Endpoints = Annotated[
    list[str] | None, typer.Option("--endpoint", help='PBX device, as in "PJSIP/201"; may be repeated.')
]
Login = Annotated[str | None, typer.Option(help="The operating system's login at the workstation.")]
Member = Annotated[
    str | None, typer.Option(help="Queue member's name, where several persons share a device.")
]
Executable = Annotated[
    str | None, typer.Option(help="Resolved path of the program; the trainee may not write it (P3).")
]
Program = Annotated[
    str | None, typer.Option("--main-program", help="What an interpreter runs; a browser's --app address.")
]
WmClass = Annotated[str | None, typer.Option("--wm-class", help="The window's class (xprop WM_CLASS).")]
Title = Annotated[str | None, typer.Option(help='Regular expression that narrows further; "" for none.')]
Sha256 = Annotated[str | None, typer.Option(help='Hash of the program\'s file; "" for none.')]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask", help="X,Y,WIDTH,HEIGHT always painted over; negative X, Y from the far edge; repeatable."
    ),
]
PauseTitles = Annotated[
    list[str] | None,
    typer.Option("--pause-title", help="Regular expression: while a title matches, all pauses; repeatable."),
]
Minutes = Annotated[int, typer.Option(help="Recorded minutes this trainer can review a week, at most 600.")]


def add_to(app: typer.Typer, trainer: typer.Typer, load: Load) -> None:
    """Adds the commands; `trainer` is the group that also invites."""
    for name, commands in (
        ("trainee", _trainee(load)),
        ("application", _application(load)),
        ("capacity", _capacity(load)),
    ):
        app.add_typer(commands, name=name)
    _trainer(trainer, load)


def _trainee(load: Load) -> typer.Typer:
    commands = group("Persons who may be trained: add, import, change, retire, remove, list.")

    @commands.command("add")
    def add(
        name: Name,
        login: Login = None,
        endpoint: Endpoints = None,
        member: Member = None,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Add a person. Example: pbx-bridge trainee add alice --endpoint PJSIP/201 --login amartin"""
        new = Trainee(TraineeId(name), tuple(endpoint or ()), member or "", login or "")

        def step(one: Change) -> object:
            one.add_trainee(new)
            return plain(new)

        config = load()
        check_roles(config, [name], Role.TRAINEE)
        change(config, step, done=f"trainee {name}: added", dry_run=dry_run, as_json=as_json)

    @commands.command("import")
    def import_(
        file: Annotated[Path, typer.Argument(help="CSV with the heading id,endpoints,member,login.")],
        update: Annotated[
            bool,
            typer.Option(help="Change those who are there already; who has no member there keeps theirs."),
        ] = False,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Add persons (never plans) from a CSV, all or none. Example: pbx-bridge trainee import staff.csv --dry-run"""
        try:
            with file.open("rb") as opened:
                people = read_people(opened.read(CSV_LIMIT + 1), str(file))
        except OSError as error:
            raise OperatorError(f"cannot read it: {error.strerror}", where=str(file)) from error
        config = load()
        check_roles(config, (person.id for person in people), Role.TRAINEE)
        enrolled = read(config).enrolled()
        known = {trainee.id: trainee for trainee in enrolled.trainees}
        if update:  # without it whoever else sits at their device would pass for them (P13)
            people = tuple(
                replace(one, member=one.member or known[one.id].member) if one.id in known else one
                for one in people
            )

        def step(one: Change) -> object:
            for person in people:
                if update and person.id in known:
                    one.change_trainee(person)
            one.add_trainees(person for person in people if not update or person.id not in known)
            return [plain(person) for person in people]

        fresh = sum(person.id not in known for person in people)
        done = f"{fresh} trainees added, {len(people) - fresh} changed"
        moved = {one.id for one in people if one.id in known and one.seat != known[one.id].seat}
        if waiting := of_use((plan for plan in enrolled.plans if plan.trainee in moved), today()):
            done += f"; {len(waiting)} plans of theirs wait for approval again (pbx-bridge proposals)"
        change(config, step, done=done, dry_run=dry_run, as_json=as_json)

    @commands.command("change")
    def change_(
        name: Name,
        login: Login = None,
        endpoint: Endpoints = None,
        no_endpoints: Annotated[bool, typer.Option(help="Take all devices away.")] = False,
        member: Member = None,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Change what is given, keep the rest. Example: pbx-bridge trainee change alice --endpoint PJSIP/205"""
        config = load()
        known = read(config).enrolled()
        old: Trainee = one_of(known.trainees, "trainee", name)
        devices = () if no_endpoints else old.endpoints if endpoint is None else tuple(endpoint)
        new = replace(
            old,
            endpoints=devices,
            member=old.member if member is None else member,
            login=old.login if login is None else login,
        )

        def step(one: Change) -> object:
            one.change_trainee(new)
            return plain(new)

        done = f"trainee {name}: changed"
        if new.seat != old.seat and of_use((plan for plan in known.plans if plan.trainee == name), today()):
            done += "; their plan waits for its approver again (pbx-bridge proposals)"
        change(config, step, done=done, dry_run=dry_run, as_json=as_json)

    @commands.command("retire")
    def retire(name: Name, dry_run: DryRun = False, as_json: AsJson = False) -> None:
        """End a person's plans, free devices and login. Example: pbx-bridge trainee retire alice"""
        change(
            load(),
            lambda one: one.retire_trainee(TraineeId(name)),
            done=f"trainee {name}: retired",
            dry_run=dry_run,
            as_json=as_json,
        )

    @commands.command("remove")
    def remove(name: Name, dry_run: DryRun = False, as_json: AsJson = False) -> None:
        """Remove a person no plan names. Example: pbx-bridge trainee remove alice"""
        change(
            load(),
            lambda one: one.remove_trainee(TraineeId(name)),
            done=f"trainee {name}: removed",
            dry_run=dry_run,
            as_json=as_json,
        )

    @commands.command("list")
    def list_(as_json: AsJson = False) -> None:
        """Everybody who may be trained. Example: pbx-bridge trainee list --json"""
        show(
            read(load()).trainees(),
            as_json,
            ("trainee", "devices", "member", "login"),
            lambda one: (one.id, " ".join(one.endpoints), one.member, one.login),
        )

    return commands


def _application(load: Load) -> typer.Typer:
    commands = group("Business applications that may be filmed: add, change, remove, list.")

    @commands.command("add")
    def add(
        name: Name,
        executable: Executable = None,
        wm_class: WmClass = None,
        main_program: Program = None,
        title: Title = None,
        sha256: Sha256 = None,
        mask: Masks = None,
        pause_title: PauseTitles = None,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Add one. Example: pbx-bridge application add orders --executable /opt/orders/orders --wm-class Orders"""
        new = Application(
            name,
            executable or "",
            main_program or None,
            wm_class or "",
            title or None,
            sha256 or None,
            tuple(map(_mask, mask or ())),
            tuple(pause_title or ()),
        )

        def step(one: Change) -> object:
            one.add_application(new)
            return plain(new)

        change(load(), step, done=f"application {name}: added", dry_run=dry_run, as_json=as_json)

    @commands.command("change")
    def change_(
        name: Name,
        executable: Executable = None,
        wm_class: WmClass = None,
        main_program: Program = None,
        title: Title = None,
        sha256: Sha256 = None,
        mask: Masks = None,
        no_masks: Annotated[bool, typer.Option(help="Take all masks away.")] = False,
        pause_title: PauseTitles = None,
        no_pause_titles: Annotated[bool, typer.Option(help="Take all pause titles away.")] = False,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Change what is given; plans need approval anew. Example: pbx-bridge application change orders --title ^Order"""
        config = load()
        old: Application = one_of(read(config).applications(), "application", name, "name")
        new = replace(
            old,
            executable=old.executable if executable is None else executable,
            main_program=old.main_program if main_program is None else main_program or None,
            wm_class=old.wm_class if wm_class is None else wm_class,
            title=old.title if title is None else title or None,
            sha256=old.sha256 if sha256 is None else sha256 or None,
            masks=() if no_masks else old.masks if mask is None else tuple(map(_mask, mask)),
            pause_titles=()
            if no_pause_titles
            else old.pause_titles
            if pause_title is None
            else tuple(pause_title),
        )

        def step(one: Change) -> object:
            one.change_application(new)
            return plain(new)

        change(config, step, done=f"application {name}: changed", dry_run=dry_run, as_json=as_json)

    @commands.command("remove")
    def remove(name: Name, dry_run: DryRun = False, as_json: AsJson = False) -> None:
        """Remove an application no plan names. Example: pbx-bridge application remove orders"""
        change(
            load(),
            lambda one: one.remove_application(name),
            done=f"application {name}: removed",
            dry_run=dry_run,
            as_json=as_json,
        )

    @commands.command("list")
    def list_(as_json: AsJson = False) -> None:
        """Every application. Example: pbx-bridge application list --json"""
        show(
            read(load()).applications(),
            as_json,
            ("application", "program", "class", "title", "masks", "pause titles"),
            lambda one: (
                one.name,
                one.main_program or one.executable,
                one.wm_class,
                one.title or "",
                str(len(one.masks)),
                " ".join(one.pause_titles),
            ),
        )

    return commands


def _trainer(commands: typer.Typer, load: Load) -> None:
    @commands.command("add")
    def add(
        name: Name, review_minutes: Minutes = 0, dry_run: DryRun = False, as_json: AsJson = False
    ) -> None:
        """Add a trainer. Example: pbx-bridge trainer add bruno --review-minutes 120"""
        new = Trainer(name, review_minutes)

        def step(one: Change) -> object:
            one.add_trainer(new)
            return plain(new)

        config = load()
        check_roles(config, [name], Role.TRAINER)
        change(config, step, done=f"trainer {name}: added", dry_run=dry_run, as_json=as_json)

    @commands.command("remove")
    def remove(name: Name, dry_run: DryRun = False, as_json: AsJson = False) -> None:
        """Remove a trainer no plan names; revoke ends their key. Example: pbx-bridge trainer remove bruno"""
        change(
            load(),
            lambda one: one.remove_trainer(name),
            done=f"trainer {name}: removed",
            dry_run=dry_run,
            as_json=as_json,
        )

    @commands.command("list")
    def list_(as_json: AsJson = False) -> None:
        """Every trainer and the capacity they declared. Example: pbx-bridge trainer list"""
        _capacities(load, as_json)


def _capacity(load: Load) -> typer.Typer:
    commands = group("How much each trainer declared to be able to review a week: set, list (P15).")

    @commands.command("set")
    def set_(
        trainer: Annotated[str, typer.Argument(help="The trainer's short name.")],
        minutes: Annotated[int, typer.Argument(help="Recorded minutes a week, 0 to 600.")],
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Declare it; an approver must approve it. Example: pbx-bridge capacity set bruno 120"""
        new = Trainer(trainer, minutes)

        def step(one: Change) -> object:
            one.change_trainer(new)
            return plain(new)

        done = f"trainer {trainer}: {minutes} minutes a week declared"
        change(load(), step, done=done, dry_run=dry_run, as_json=as_json)

    @commands.command("list")
    def list_(as_json: AsJson = False) -> None:
        """Every trainer's declared capacity. Example: pbx-bridge capacity list --json"""
        _capacities(load, as_json)

    return commands


def _capacities(load: Load, as_json: bool) -> None:
    show(
        read(load()).trainers(),
        as_json,
        ("trainer", "review minutes a week"),
        lambda one: (one.id, str(one.review_minutes_per_week)),
    )


def _mask(text: str) -> Mask:
    if not re.fullmatch(r"-?[0-9]{1,5},-?[0-9]{1,5},[0-9]{1,5},[0-9]{1,5}", text, re.ASCII):
        raise OperatorError(f"{text[:32]!r} is not X,Y,WIDTH,HEIGHT in pixels (P7)", where="--mask")
    x, y, width, height = map(int, text.split(","))
    return Mask(x, y, width, height)
