"""How long a decision takes while a phone rings: 1,000 plans, a week of 10,000 calls (`./run bench decisions`).

    python -m tests.bench.decisions [--plans N] [--calls N]

The decision alone (how things stand, and the rule), and all that the bridge does from the PBX's fact that a phone rings
to its orders, the search for who sits there included. The aim is 5 ms for 99 of 100 (issue 3). Beside it stands what
holds up a decision that comes at that moment: a line noted, a catalogue changed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from pbx_bridge.app import random_roll
from pbx_bridge.app_standing import Standings
from pbx_bridge.archive.opening_wire import Waiting
from pbx_bridge.calls import facts as fa
from pbx_bridge.calls.desk import Desk
from pbx_bridge.ids import ChannelId, TraineeId, new_recording_id
from pbx_bridge.ledger import Ledger, Line
from pbx_bridge.training.decision import decide
from pbx_bridge.training.plans import Plan, Trainee, Trainer, capacity_digest, plan_digest
from pbx_bridge.training.rules import who
from tests.calls.story import plan

PLANS, LINES, CALLS, TRAINERS = 1_000, 10_000, 5_000, 50
AIM_MS = 5.0


class Site:
    """A thousand trainees, each with a plan of today, fifty trainers, and a busy week behind them."""

    def __init__(self, folder: Path, plans: int) -> None:
        self.now = datetime.now().astimezone()
        today = self.now.date()
        self.plans: tuple[Plan, ...] = tuple(
            replace(
                plan(TraineeId(f"t{number}"), rate=0.05),
                trainer=f"r{number % TRAINERS}",
                first_day=today - timedelta(days=7),
                last_day=today + timedelta(days=30),
            )
            for number in range(plans)
        )
        self.trainers = tuple(Trainer(f"r{number}", 600) for number in range(TRAINERS))
        self.trainees = tuple(
            Trainee(TraineeId(f"t{number}"), (f"PJSIP/{number}",), "", f"login{number}")
            for number in range(plans)
        )
        self.ledger = Ledger(folder)
        lines = (self._line(number) for number in range(LINES))
        (folder / f"{today}.jsonl").write_text("".join(json.dumps(asdict(line)) + "\n" for line in lines))
        self.standings = Standings(self.ledger, lambda: self.plans, lambda: self.trainers)
        approved = {*map(plan_digest, self.plans), *map(capacity_digest, self.trainers)}
        waiting = [Waiting(it.trainee, it.trainer, 1, 60_000) for it in self.plans]
        self.standings.take(self.standings.asking(), frozenset(approved), waiting)

    def _line(self, number: int) -> Line:
        it = self.plans[number % len(self.plans)]
        recorded = number < len(self.plans)
        outcome, reason = ("recorded", "hung-up") if recorded else ("not-recorded", "not-drawn")
        at = self.now.isoformat(timespec="milliseconds")
        return Line(f"{number:016x}", at, it.trainee, outcome, reason, "", 240.0 if recorded else 0.0, it.id)

    def desk(self) -> Desk:
        return Desk(
            directory=partial(who, self.trainees),
            plans=lambda: self.plans,
            notice_of=lambda _: "",
            standing=self.standings.now,
            roll=random_roll,
            now=lambda: self.now,
            new_recording=new_recording_id,
        )


def timed_ms(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    work()
    return (clock() - started) * 1000


def alone_ms(site: Site, calls: int) -> list[float]:
    """The rule, for somebody else each time."""
    chance = random.Random(3)

    def one(trainee: TraineeId) -> object:
        return decide(site.plans, trainee, site.now, site.standings.now(), (), random_roll())

    return [timed_ms(partial(one, chance.choice(site.plans).trainee)) for _ in range(calls)]


def ringing_ms(site: Site, calls: int) -> tuple[list[float], list[float]]:
    """From the fact that a phone rings to the bridge's orders: by the wall's clock, and by this thread's processor time."""
    chance, desk = random.Random(4), site.desk()
    desk.fact(fa.LinkUp(0, ()))
    wall: list[float] = []
    own: list[float] = []
    for number in range(calls):
        customer, agent = ChannelId(f"c{number}"), ChannelId(f"a{number}")
        device = f"PJSIP/{chance.randrange(len(site.plans))}"
        facts = (
            fa.ChannelBorn(number, customer, "PJSIP/trunk", False, "from-trunk"),
            fa.ChannelBorn(number, agent, device, False, "internal"),
            fa.Dialled(number, customer, agent),
            fa.ChannelRinging(number, agent),
        )
        started = time.perf_counter()
        own.append(timed_ms(partial(_feed, desk, facts), time.thread_time))
        wall.append((time.perf_counter() - started) * 1000)
        for channel in (agent, customer):
            desk.fact(fa.ChannelGone(number, channel, 16))
    return wall, own


def _feed(desk: Desk, facts: Iterable[fa.Fact]) -> None:
    for fact in facts:
        desk.fact(fact)


def noting_ms(site: Site) -> list[float]:
    """A line of the ledger noted, as after each call."""
    return [timed_ms(partial(site.standings.note, site._line(number))) for number in range(200)]


def changed_ms(site: Site) -> list[float]:
    """The first decision after the catalogue changed."""

    def change() -> None:
        site.plans = tuple(site.plans)[:-1] + site.plans[-1:]
        site.standings.now()

    return [timed_ms(change) for _ in range(50)]


def row(what: str, values: list[float], aim: str) -> str:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{what:<48}{statistics.median(ordered):10.3f}{p99:10.3f}{ordered[-1]:10.3f}{len(values):8}  {aim}"


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Decisions while a phone rings.")
    parser.add_argument("--plans", type=int, default=PLANS)
    parser.add_argument("--calls", type=int, default=CALLS)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="pbx-bridge-bench-") as folder:
        site = Site(Path(folder), chosen.plans)
        first = [timed_ms(site.standings.now)]
        alone, (ringing, own) = alone_ms(site, chosen.calls), ringing_ms(site, chosen.calls)
        print(
            f"{f'decisions, {chosen.plans} plans':<48}{'median ms':>10}{'p99 ms':>10}{'max ms':>10}{'n':>8}  aim"
        )
        print(row("the decision alone", alone, f"p99 < {AIM_MS:.0f}"))
        print(row("from the ring to the orders", ringing, f"p99 < {AIM_MS:.0f}"))
        print(row("the same, processor time", own, ""))
        print(row("a line of the ledger noted", noting_ms(site), ""))
        print(row("the first decision after the catalogue changed", changed_ms(site), ""))
        print(row(f"the week read, {LINES} calls (at start, Mondays)", first, ""))
        print(f"{'decisions a second':<48}{1000 / statistics.mean(alone):10.0f}")


if __name__ == "__main__":
    main()
