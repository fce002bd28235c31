"""`./run mutate`: breaks each function that holds a rule, in turn, and says which test catches it.

    ./run mutate [--all] [--most N] [--jobs N] [TEXT ...]   functions whose `file::name` contains a TEXT; all without

Works in copies; the repository is only read. Which tests call which function is asked once and kept in the cache until the
product or the tests change. Exit code 1 when a broken version survived, or a function has no test.
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

from tests.mutate.callers import Callers, Kept
from tests.mutate.mapping import EQUIVALENT, chosen_tests
from tests.mutate.mutants import Mutant, mutants
from tests.mutate.rules import ROOT, RuleFunction, rule_functions
from tests.mutate.worker import Worker, copied

Result: TypeAlias = tuple[RuleFunction, list[tuple[Mutant, str]]]
MOST: Final = 2
"""Of each function, in the ordinary run."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./run mutate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("text", nargs="*", help="only functions whose name or file contains one of these")
    parser.add_argument("--all", action="store_true", help="every way to break each function")
    parser.add_argument("--most", type=int, default=MOST, help="of each function (default %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    wanted = [
        one for one in rule_functions() if not chosen.text or any(text in one.key for text in chosen.text)
    ]
    return _run(wanted, None if chosen.all else chosen.most, chosen.jobs)


def _run(wanted: list[RuleFunction], most: int | None, jobs: int) -> int:
    started = time.monotonic()
    files = sorted({file for function in wanted for file in chosen_tests(function)})
    with tempfile.TemporaryDirectory(prefix="pbx-bridge-mutate-") as where:
        Path(where).chmod(0o755)  # some tests start the copy as another user
        free: SimpleQueue[Worker] = SimpleQueue()
        callers = Callers()
        workers = [Worker(copied(Path(where) / str(number)), callers) for number in range(max(1, jobs))]
        print(f"asking the sound product which tests call which of {len(wanted)} functions ...", flush=True)
        kept, every = Kept(ROOT), rule_functions()
        with ThreadPoolExecutor(len(workers)) as pool:
            learning = [
                pool.submit(worker.learn, every, files[number :: len(workers)], kept)
                for number, worker in enumerate(workers)
            ]
            for one_part in learning:
                one_part.result()
        print(f"known after {time.monotonic() - started:.0f} s", flush=True)
        for worker in workers:
            worker.collect(files)
            free.put(worker)

        def one(function: RuleFunction) -> Result:
            tests = chosen_tests(function)
            if not tests:
                return function, []
            source = (ROOT / function.path).read_text()
            worker = free.get()
            try:
                made = mutants(source, function.name, most, frozenset(EQUIVALENT.get(function.key, {})))
                return function, [(mutant, worker.killer(function, mutant, tests)) for mutant in made]
            finally:
                free.put(worker)

        with ThreadPoolExecutor(len(workers)) as pool:
            results = list(_told(pool.map(one, wanted)))
        for worker in workers:
            worker.close()
    return _summed(results, time.monotonic() - started)


def _told(results: Iterable[Result]) -> Iterator[Result]:
    for result in results:
        function, outcomes = result
        print(f"{function.rules:<14} {function.path} {function.name}")
        for mutant, killer in outcomes:
            print(f"    {'caught' if killer else 'SURVIVED':<9} {mutant.what}")
            if killer:
                print(f"              by {killer}")
        for change, why in EQUIVALENT.get(function.key, {}).items():
            print(f"    no break  {change}\n              {why}")
        if not outcomes:
            print("    NO TEST calls it")
        sys.stdout.flush()
        yield result


def _summed(results: list[Result], seconds: float) -> int:
    survived = [(function, mutant) for function, outcomes in results for mutant, by in outcomes if not by]
    ran = sum(len(outcomes) for _, outcomes in results)
    lost = [function for function, outcomes in results if not outcomes]
    print(f"\n{len(results)} functions, {ran} broken versions, {ran - len(survived)} caught, {seconds:.0f} s")
    for function in lost:
        print(f"no test calls {function.key}")
    for function, mutant in survived:
        print(f"survived: {function.key}: {mutant.what}")
    return 1 if survived or lost else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
