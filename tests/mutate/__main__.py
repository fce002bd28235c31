"""`./run mutate`: breaks each function that holds a rule, in turn, and says which test catches it.

    ./run mutate [--all] [--most N] [--live] [TEXT ...]     functions whose `file::name` contains a TEXT; all without

Works in copies; the repository is only read. Exit code 1 when a broken version survived, or a function has no test.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias

from tests.mutate.callers import Callers
from tests.mutate.mapping import EQUIVALENT, Chosen, chosen_tests
from tests.mutate.mutants import Mutant, mutants
from tests.mutate.rules import ROOT, RuleFunction, rule_functions
from tests.mutate.worker import Unsound, Worker, copied

Result: TypeAlias = tuple[RuleFunction, Chosen, list[tuple[Mutant, str]]]
MOST: Final = 2
"""Of each function, in the ordinary run."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run mutate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("text", nargs="*", help="only functions whose name or file contains one of these")
    parser.add_argument("--all", action="store_true", help="every way to break each function")
    parser.add_argument("--most", type=int, default=MOST, help="of each function (default %(default)s)")
    parser.add_argument("--live", action="store_true", help="also those only a live test can catch (an hour)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    wanted = [
        one for one in rule_functions() if not chosen.text or any(text in one.key for text in chosen.text)
    ]
    return _run(wanted, None if chosen.all else chosen.most, chosen.jobs, live=chosen.live)


def _run(wanted: list[RuleFunction], most: int | None, jobs: int, *, live: bool) -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pbx-bridge-mutate-") as where:
        free: SimpleQueue[Worker] = SimpleQueue()
        callers = Callers()
        workers = [Worker(copied(Path(where) / str(number)), callers) for number in range(max(1, jobs))]
        print(f"asking the sound product which tests call which of {len(wanted)} functions ...", flush=True)
        workers[0].learn(wanted, _files(wanted))
        for worker in workers:
            free.put(worker)

        def one(function: RuleFunction) -> tuple[RuleFunction, Chosen, list[tuple[Mutant, str]]]:
            tests = chosen_tests(function)
            if not tests.ids or (tests.live and not live):
                return function, tests, []
            source = (ROOT / function.path).read_text()
            worker = free.get()
            try:
                made = [
                    mutant
                    for mutant in mutants(source, function.name, most)
                    if f"{function.key}: {mutant.what}" not in EQUIVALENT
                ]
                return (
                    function,
                    tests,
                    [(mutant, _killer(worker, function, mutant, tests)) for mutant in made],
                )
            finally:
                free.put(worker)

        with ThreadPoolExecutor(len(workers)) as pool:
            results = list(_told(pool.map(one, wanted)))
        for worker in workers:
            worker.close()
    return _summed(results, time.monotonic() - started)


def _files(wanted: list[RuleFunction]) -> list[str]:
    """Of the ordinary run; what a live test calls runs in other processes mostly."""
    chosen = [chosen_tests(function) for function in wanted]
    return sorted({file for one in chosen if not one.live for file in one.ids})


def _killer(worker: Worker, function: RuleFunction, mutant: Mutant, tests: Chosen) -> str:
    try:
        return worker.killer(function, mutant, tests.ids)
    except Unsound as unsound:
        print(f"mutate: {unsound} fails although nothing is broken: mend it, or run again", file=sys.stderr)
        return ""


def _told(results: Iterable[Result]) -> Iterator[Result]:
    for result in results:
        function, tests, outcomes = result
        print(f"{function.rules:<14} {function.path} {function.name}")
        for mutant, killer in outcomes:
            print(f"    {'caught' if killer else 'SURVIVED':<9} {mutant.what}")
            if killer:
                print(f"              by {killer}")
        if not outcomes:
            why = "only a live test can: --live" if tests.live else "NO TEST calls it"
            print(f"    {why}")
        sys.stdout.flush()
        yield result


def _summed(results: list[Result], seconds: float) -> int:
    broken = [
        (function, mutant) for function, _, outcomes in results for mutant, killer in outcomes if not killer
    ]
    ran = sum(len(outcomes) for _, _, outcomes in results)
    lost = [function for function, tests, outcomes in results if not outcomes and not tests.live]
    later = [function for function, tests, outcomes in results if not outcomes and tests.live]
    print(f"\n{len(results)} functions, {ran} broken versions, {ran - len(broken)} caught, {seconds:.0f} s")
    for function in later:
        print(f"not asked: {function.key}: only a live test can catch it (--live)")
    if later:
        print(f"{len(later)} of {len(results)} functions were NOT asked: run it again with --live")
    for function in lost:
        print(f"no test calls {function.key}")
    for function, mutant in broken:
        print(f"survived: {function.key}: {mutant.what}")
    return 1 if broken or lost else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
