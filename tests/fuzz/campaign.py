"""Run parts of the campaign, count outcomes, and print how to repeat what failed.

python -m tests.fuzz.campaign                              # 2,000 inputs of each part
python -m tests.fuzz.campaign --part cells --count 1000000
python -m tests.fuzz.campaign --repeat 1/cells/4711        # one input again, with its traceback
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

#: Each part with the inputs of an ordinary run. Its module's `check(random, folder)` makes one input and gives the
#: outcome in a word or two, or raises.
PARTS = {
    "cells": 20_000, "equations": 10_000, "documents": 300, "files": 30, "plans": 2_000, "problems": 2_000,
    "traces": 2_000, "models": 1_000, "values": 1_000, "commands": 1_000, "service": 1_000, "corpus": 400, "kills": 40,
    "experiments": 2_000,
}  # fmt: skip
#: Seconds for one input, and bytes that a process of the campaign may ask for.
SECONDS, MEMORY = 60, 6 << 30
_CHUNK = 50
_SHOWN = 10  # failures that are printed in full

Outcome = tuple[str, str]  # the input's seed, and what happened; a failure begins with "FAILED"


def one(seed: str, folder: Path) -> str:
    """The outcome of the input that a seed names."""
    part = seed.split("/")[1]
    check: Callable[[random.Random, Path], str] = import_module(f".{part}", __package__).check
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return check(random.Random(seed), folder)  # noqa: S311 - it has to be the same each time


def chunk(seeds: list[str]) -> list[Outcome]:
    """The outcomes of some inputs, each within its time."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                outcome = one(seed, Path(folder))
            except Exception as error:
                last = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{Path(last.filename).name}:{last.lineno}"
                outcome = f"FAILED {type(error).__name__}: {str(error)[:300]} ({place})"
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            found.append((seed, outcome))
    return found


def _limited() -> None:
    """What each process of the campaign begins with: a bound on its memory, an alarm that raises."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def slow(*_: Any) -> None:
        raise TimeoutError(f"longer than {SECONDS} s")

    signal.signal(signal.SIGALRM, slow)


def outcomes(seed: int, part: str, count: int, processes: int) -> Iterator[Outcome]:
    """The outcome of each input; a process that dies is a failure of its whole chunk."""
    waiting = [[f"{seed}/{part}/{k}" for k in range(at, min(at + _CHUNK, count))] for at in range(0, count, _CHUNK)]
    waiting.reverse()
    context = get_context("spawn")
    while waiting:
        with ProcessPoolExecutor(processes, mp_context=context, initializer=_limited) as pool:
            running: dict[Any, list[str]] = {}
            while waiting or running:
                while waiting and len(running) < 2 * processes:
                    seeds = waiting.pop()
                    running[pool.submit(chunk, seeds)] = seeds
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                dead = [running[future] for future in done if future.exception()]
                for future in done:
                    if not future.exception():
                        del running[future]
                        yield from future.result()
                if dead:  # the pool is broken, and all that ran in it: one of these chunks did it
                    lost = sorted(running.values(), key=len)
                    if len(lost) == 1 and len(lost[0]) == 1:
                        yield lost[0][0], "FAILED the process died"
                    else:  # in smaller pieces, until one input is left
                        waiting += [piece for seeds in lost for piece in _halves(seeds)]
                        if all(len(seeds) == 1 for seeds in lost):
                            yield from ((seeds[0], "FAILED the process died, or one beside it") for seeds in lost)
                            del waiting[-len(lost) :]
                    break


def _halves(seeds: list[str]) -> list[list[str]]:
    middle = len(seeds) // 2
    return [half for half in (seeds[:middle], seeds[middle:]) if half]


def main() -> int:
    """Run what the command line asks for: 0 where nothing failed."""
    said = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    said.add_argument("--part", choices=PARTS, action="append", help="this part only (repeatable)")
    said.add_argument("--count", type=int, help="inputs of each part")
    said.add_argument("--seed", type=int, default=1)
    said.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    said.add_argument("--repeat", metavar="SEED/PART/K", help="run one input again")
    given = said.parse_args()
    if given.repeat:
        with tempfile.TemporaryDirectory() as folder:
            print(one(given.repeat, Path(folder)))
        return 0
    failed = 0
    for part in given.part or PARTS:
        begin, counted, shown = time.perf_counter(), Counter[str](), 0
        for seed, outcome in outcomes(given.seed, part, given.count or PARTS[part], given.processes):
            bad = outcome.startswith("FAILED")
            counted["FAILED" if bad else outcome] += 1
            if bad and (shown := shown + 1) <= _SHOWN:
                print(f"  {seed}: {outcome}", flush=True)
        failed += counted["FAILED"]
        told = ", ".join(f"{count:,} {outcome}" for outcome, count in counted.most_common())
        print(f"{part}: {counted.total():,} inputs in {time.perf_counter() - begin:.0f} s: {told}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
