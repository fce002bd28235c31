"""`pbx-bridge plan`: individual, dated training plans and the slots booked in them (P13).

A plan that was added or changed records nothing until its approver has approved it on a machine of their own (P22).
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated

import typer

from pbx_bridge.catalogue.change import Change
from pbx_bridge.cli_change import (
    AsJson,
    DryRun,
    Load,
    a_day,
    a_rate,
    a_time,
    approved_now,
    change,
    group,
    one_of,
    plain,
    read,
    refused_now,
    show,
    today,
)
from pbx_bridge.config import Config
from pbx_bridge.errors import OperatorError
from pbx_bridge.ids import TraineeId
from pbx_bridge.training.plans import Application, Need, Plan, Slot, plan_digest, plan_text
from pbx_bridge.training.rules import last_day as last_day_of

WEEKS = 6
"""P13: how long a plan lasts when nothing else is said."""
Name = Annotated[str, typer.Argument(help="The plan's short name.")]
Trainer = Annotated[str | None, typer.Option(help="Who trains; watches the recordings.")]
Approver = Annotated[str | None, typer.Option(help="Who approves this plan; never the trainer.")]
LastDay = Annotated[str | None, typer.Option(help="The last day on which it holds, as in 2026-12-12.")]
Rate = Annotated[float | None, typer.Option(help="Share of calls drawn, 0 to 0.25 (P11).")]
Recordings = Annotated[int | None, typer.Option(help="Recordings a week, 1 to 5 (P15).")]
Minutes = Annotated[int | None, typer.Option(help="Recorded minutes a week, 1 to 60 (P15).")]
Start = Annotated[str, typer.Option(help="As in 2026-11-24T09:00, the server's time unless a zone is given.")]


def add_to(app: typer.Typer, load: Load) -> None:
    """Adds the group."""
    commands = group("Training plans: add, change, end, remove, show, list; slots.")
    app.add_typer(commands, name="plan")
    _changes(commands, load)
    _slots(commands, load)
    _looks(commands, load)


def _changes(commands: typer.Typer, load: Load) -> None:
    @commands.command("add")
    def add(
        name: Name,
        trainee: Annotated[str, typer.Option(help="Whom it trains: one person.")],
        application: Annotated[list[str], typer.Option(help="What may be filmed; repeatable.")],
        need: Annotated[Need, typer.Option(help="Why (P13).")],
        trainer: Annotated[str, typer.Option(help="Who trains; watches the recordings.")],
        approver: Annotated[str, typer.Option(help="Who approves this plan; never the trainer.")],
        first_day: Annotated[str | None, typer.Option(help="Today when not given.")] = None,
        last_day: LastDay = None,
        weeks: Annotated[
            int, typer.Option(help="How long, when --last-day is not given.", min=1, max=26)
        ] = WEEKS,
        rate: Rate = None,
        recordings: Recordings = None,
        minutes: Minutes = None,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Add one. Example: pbx-bridge plan add alice-orders --trainee alice --application orders --need new-in-post
        --trainer bruno --approver carla"""
        config = load()
        first = today() if first_day is None else a_day(first_day, "--first-day")
        until = first + timedelta(weeks=weeks, days=-1)
        new = Plan(
            id=name,
            trainee=TraineeId(trainee),
            applications=_applications(config, application),
            need=need,
            trainer=trainer,
            approver=approver,
            first_day=first,
            last_day=until if last_day is None else a_day(last_day, "--last-day"),
            rate=0.05 if rate is None else a_rate(rate),
            recordings_per_week=2 if recordings is None else recordings,
            minutes_per_week=20 if minutes is None else minutes,
        )

        def step(one: Change) -> object:
            return _shown(one.add_plan(new))

        done = (
            f"plan {name}: added; it records nothing until {approver} has approved it (pbx-bridge proposals)"
        )
        change(config, step, done=done, dry_run=dry_run, as_json=as_json)

    @commands.command("change")
    def change_(
        name: Name,
        trainer: Trainer = None,
        approver: Approver = None,
        first_day: Annotated[str | None, typer.Option(help="Before it has begun only.")] = None,
        last_day: LastDay = None,
        application: Annotated[
            list[str] | None, typer.Option(help="Before it has begun only; all of them.")
        ] = None,
        need: Annotated[Need | None, typer.Option(help="Before it has begun only.")] = None,
        rate: Rate = None,
        recordings: Recordings = None,
        minutes: Minutes = None,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Change what is given; it needs approval anew. Example: pbx-bridge plan change alice-orders --rate 0.1"""
        config = load()
        old: Plan = one_of(read(config).plans(), "plan", name)
        new = replace(
            old,
            trainer=old.trainer if trainer is None else trainer,
            approver=old.approver if approver is None else approver,
            first_day=old.first_day if first_day is None else a_day(first_day, "--first-day"),
            last_day=old.last_day if last_day is None else a_day(last_day, "--last-day"),
            applications=old.applications if application is None else _applications(config, application),
            need=old.need if need is None else need,
            rate=old.rate if rate is None else a_rate(rate),
            recordings_per_week=old.recordings_per_week if recordings is None else recordings,
            minutes_per_week=old.minutes_per_week if minutes is None else minutes,
        )

        def step(one: Change) -> object:
            return _shown(one.change_plan(new))

        done = f"plan {name}: changed; it records nothing until {new.approver} has approved it"
        if plan_digest(new) == plan_digest(old):
            done = f"plan {name}: is as it was"
        elif plan_digest(new) in (approved_now(config) or ()):
            done = f"plan {name}: changed to what {new.approver} has approved already: it holds"
        change(config, step, done=done, dry_run=dry_run, as_json=as_json)

    @commands.command("end")
    def end(
        name: Name,
        on: Annotated[str | None, typer.Option(help="The day from which it holds no more; today.")] = None,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """End it early, at once unless a day is given; nobody need approve. Example: pbx-bridge plan end alice-orders"""
        day = None if on is None else a_day(on, "--on")
        done = f"plan {name}: ends " + ("now" if day is None else f"before {day}")
        change(load(), lambda one: one.end_plan(name, day), done=done, dry_run=dry_run, as_json=as_json)

    @commands.command("remove")
    def remove(name: Name, dry_run: DryRun = False, as_json: AsJson = False) -> None:
        """Remove one that never began, or ended 24 months ago. Example: pbx-bridge plan remove alice-orders"""
        change(
            load(),
            lambda one: one.remove_plan(name),
            done=f"plan {name}: removed",
            dry_run=dry_run,
            as_json=as_json,
        )


def _slots(commands: typer.Typer, load: Load) -> None:
    @commands.command("slot")
    def slot(
        name: Name,
        start: Start,
        minutes: Annotated[
            int, typer.Option(help="How long; at most two hours a day (P15).", min=1, max=120)
        ] = 60,
        cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the slot that starts then.")] = False,
        dry_run: DryRun = False,
        as_json: AsJson = False,
    ) -> None:
        """Book a time without the draw. Example: pbx-bridge plan slot alice-orders --start 2026-11-24T09:00"""
        begins = a_time(start, "--start")
        booked = Slot(begins, begins + timedelta(minutes=minutes))

        def step(one: Change) -> object:
            if cancel:
                one.cancel_slot(name, booked)
            else:
                one.book_slot(name, booked)
            return plain(booked)

        done = f"plan {name}: slot at {begins:%Y-%m-%d %H:%M %z} {'cancelled' if cancel else 'booked'}"
        change(load(), step, done=done, dry_run=dry_run, as_json=as_json)


def _looks(commands: typer.Typer, load: Load) -> None:
    @commands.command("show")
    def show_(name: Name, as_json: AsJson = False) -> None:
        """What its approver reads and approves, and its digest. Example: pbx-bridge plan show alice-orders"""
        config = load()
        found: Plan = one_of(read(config).plans(), "plan", name)
        refused = refused_now(config).get(plan_digest(found))
        if as_json:
            print(
                json.dumps(
                    {**_shown(found), "text": plan_text(found), "refused": refused and refused.ground.value}
                )
            )
            return
        print(f"{plan_text(found)}digest: {plan_digest(found)}")
        if refused:
            print(f"refused by {refused.by}: {refused.ground.value}")

    @commands.command("list")
    def list_(
        trainee: Annotated[str | None, typer.Option(help="Of this person only.")] = None,
        as_json: AsJson = False,
    ) -> None:
        """Every plan, whether it holds and is approved ("?": no keeper answers). Example: pbx-bridge plan list"""
        config, day = load(), today()
        plans = [plan for plan in read(config).plans() if trainee in (None, plan.trainee)]
        approved = approved_now(config) if plans else None
        refused = refused_now(config) if plans else {}
        if as_json:
            rows = [
                {
                    **_shown(plan),
                    "approved": _is_approved(plan, approved),
                    "refused": refused[plan_digest(plan)].ground.value
                    if plan_digest(plan) in refused
                    else None,
                }
                for plan in plans
            ]
            print(json.dumps(rows))
            return
        show(
            plans,
            False,
            ("plan", "trainee", "applications", "need", "trainer", "approver", "from", "to", "rate", "a week", "state",
             "approved"),
            lambda one: (
                one.id,
                one.trainee,
                " ".join(a.name for a in one.applications),
                one.need.value,
                one.trainer,
                one.approver,
                str(one.first_day),
                str(last_day_of(one)),
                f"{one.rate:g}",
                f"{one.recordings_per_week} / {one.minutes_per_week} min",
                _state(one, day),
                f"refused: {refused[plan_digest(one)].ground.value}"
                if plan_digest(one) in refused
                else {True: "yes", False: "no", None: "?"}[_is_approved(one, approved)],
            ),
        )  # fmt: skip


def _is_approved(plan: Plan, approved: frozenset[str] | None) -> bool | None:
    return None if approved is None else plan_digest(plan) in approved


def _applications(config: Config, names: list[str]) -> tuple[Application, ...]:
    known = {application.name: application for application in read(config).applications()}
    for name in names:
        if name not in known:
            raise OperatorError(
                "there is none of this name",
                where=f"application {name[:64]!r}",
                do="See: pbx-bridge application list",
            )
    return tuple(known[name] for name in dict.fromkeys(names))


def _shown(plan: Plan) -> dict[str, object]:
    return {**plain(plan), "digest": plan_digest(plan)}


def _state(plan: Plan, day: date) -> str:
    if plan.holds_on(day):
        return "holds"
    return "to come" if day < plan.first_day and plan.ended_on is None else "over"
