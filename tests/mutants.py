"""Faults put into the package on purpose, to see whether the tests find them.

python -m tests.mutants --count 200 --seed 1               # 200 mutants, tried by the fast tests
python -m tests.mutants --count 200 --seed 1 --tier all    # the same mutants, by all tests
python -m tests.mutants --only 17,40                       # two of them again

A mutant is one changed line inside a function. It is made in a copy of the repository; the test functions that reach
the line are tried, those that reach few of the lines first, until one fails. Which test functions reach a line is
recorded once, in `build/mutants`, by all tests on a copy in which each of these lines reports itself, also in processes
that a test starts. Needs Linux, and an hour or two.
"""

from __future__ import annotations

import argparse
import ast
import copy
import difflib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from mmap import mmap
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

from . import ROOT
from .support.tiers import VARIABLE

KEPT = ROOT / "build" / "mutants"
#: Needed by neither tier; their tests need frameworks, a browser or minutes.
APART = tuple(f"--ignore=tests/{name}" for name in ("frameworks", "office", "browser", "load"))
#: Processor seconds for one test, after which it hangs, and for all tests of a mutant; seconds by the clock.
TEST_SECONDS, ALL_SECONDS, WALL_SECONDS = 60, 120, 3600
HANGS, OUT_OF_TIME, NO_TESTS = 98, 97, 5  # exit codes: the first two are ours, the last is pytest's
RECORD, NOW, LIMITED = "MUTANTS_RECORD", "MUTANTS_NOW", "MUTANTS_LIMITED"  # variables that turn parts of this on
#: The longest name of a test function that is told to the processes that it starts.
LONGEST = 400

#: The module through which a line reports itself: once for each test function, which a shared file names.
REPORTS = f"""
import mmap, os
_seen = set()
try:
    with open(os.environ["{NOW}"], "rb") as _file:
        _now = mmap.mmap(_file.fileno(), {LONGEST}, access=mmap.ACCESS_READ)
except (KeyError, OSError):
    _now = b""


def reached(number):
    key = number, _now[:]
    if _now and key not in _seen:
        _seen.add(key)
        with open(os.environ["{RECORD}"] + "/reached.txt", "ab") as file:
            file.write(b"%d %s\\n" % (number, key[1].rstrip(b"\\0")))
"""
REPORT = "__import__('lstm_trace._reports')._reports.reached"

_SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Div, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.Break: ast.Continue, ast.Continue: ast.Break,
}  # fmt: skip


class Mutant(NamedTuple):
    """A changed line. start, end: what is replaced, in bytes of the file."""

    file: str
    line: int
    kind: str
    start: int
    end: int
    new: str


def mutants(file: str, text: str) -> Iterator[Mutant]:
    """Every mutant of the functions in a file."""
    data = text.encode()
    starts = [0]
    for row in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(row))

    def replaced(node: Any, kind: str, new: str) -> Mutant:
        start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
        return Mutant(file, node.lineno, kind, start, end, new)

    def below(node: ast.AST) -> Iterator[ast.AST]:
        """What runs when the function is called: no annotations, and nothing in f-strings, where places are unknown."""
        for name, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                apart = isinstance(child, (ast.JoinedStr, ast.arguments, ast.MatchValue))
                if isinstance(child, ast.AST) and not apart and name not in ("annotation", "returns", "decorator_list"):
                    yield child
                    yield from below(child)

    def unparsed(node: ast.AST, **fields: Any) -> str:
        other = copy.copy(node)
        vars(other).update(fields)
        return ast.unparse(other)

    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
    nodes = {id(node): node for function in functions for node in below(function)}
    for node in nodes.values():
        match node:
            case ast.Compare(ops=[op]) if type(op) in _SWAPPED:
                yield replaced(node, "comparison", f"({unparsed(node, ops=[_SWAPPED[type(op)]()])})")
            case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in _SWAPPED:
                yield replaced(node, "operator", f"({unparsed(node, op=_SWAPPED[type(op)]())})")
            case ast.Constant(value=bool() as value):
                yield replaced(node, "constant", str(not value))
            case ast.Constant(value=int() | float() as value):
                yield replaced(node, "constant", f"({value + 1!r})")
            case ast.UnaryOp(op=ast.Not()):
                yield replaced(node, "no not", f"({ast.unparse(node.operand)})")
            case ast.Call(args=[first, second, *rest]) if ast.dump(first) != ast.dump(second):
                if not any(isinstance(argument, ast.Starred) for argument in node.args):
                    yield replaced(node, "arguments", unparsed(node, args=[second, first, *rest]))
            case ast.Return(value=ast.expr()) if not isinstance(node.value, ast.Constant):
                yield replaced(node, "no value", "return None")
            case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Raise():
                yield replaced(node, "no statement", "pass")
            case ast.Break() | ast.Continue():
                yield replaced(node, "loop", "continue" if isinstance(node, ast.Break) else "break")


def _read(file: str) -> str:
    return (ROOT / file).read_text("utf-8")


def mutated(mutant: Mutant, text: str) -> str:
    """The text of the file with the change in it."""
    data = text.encode()
    return (data[: mutant.start] + mutant.new.encode() + data[mutant.end :]).decode()


def reporting(text: str, lines: dict[int, list[int]]) -> str:
    """The text of a file with a report before each statement that holds one of the lines, of the numbers there."""
    tree = ast.parse(text)
    rows = text.splitlines(keepends=True)
    placed: dict[int, list[int]] = defaultdict(list)
    for line, numbers in lines.items():
        holding = [
            node for node in ast.walk(tree)
            if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
            and not rows[node.lineno - 1].lstrip().startswith(("elif ", "@", "async def ", "def ", "class "))
            and not rows[node.lineno - 1][: node.col_offset].strip()
        ]  # fmt: skip
        placed[max(node.lineno for node in holding)] += numbers
    for line, numbers in placed.items():
        row = rows[line - 1]
        indent = row[: len(row) - len(row.lstrip())]
        rows[line - 1] = "".join(f"{indent}{REPORT}({number})\n" for number in numbers) + row
    return "".join(rows)


# As a plugin of pytest (-p tests.mutants): says which test function runs, or ends a test that hangs.


def pytest_configure(config: Any) -> None:
    if os.environ.get(RECORD) and (not config.getoption("numprocesses", None) or hasattr(config, "workerinput")):
        os.environ[NOW] = str(Path(os.environ[RECORD]) / f"now-{os.getpid()}")
        Path(os.environ[NOW]).write_bytes(bytes(LONGEST))
        with Path(os.environ[NOW]).open("r+b") as file:
            config.mutants = mmap(file.fileno(), LONGEST)
    if os.environ.get(LIMITED):
        signal.signal(signal.SIGPROF, lambda *_: os._exit(HANGS))


def pytest_runtest_setup(item: Any) -> None:
    if hasattr(item.config, "mutants"):
        item.config.mutants[:] = item.nodeid.partition("[")[0].encode()[:LONGEST].ljust(LONGEST, b"\0")
    if os.environ.get(LIMITED):
        used = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        if used > ALL_SECONDS:
            os._exit(OUT_OF_TIME)
        signal.setitimer(signal.ITIMER_PROF, TEST_SECONDS)


def pytest_runtest_logreport(report: Any) -> None:
    if report.failed and os.environ.get(RECORD):
        with (Path(os.environ[RECORD]) / "failed.txt").open("a") as file:
            file.write(f"{report.nodeid}\n")


def copied(folder: Path) -> Path:
    """A copy of the repository."""
    return Path(shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".venv*", "build", "__pycache__")))


def recorded(drawn: list[Mutant], workers: int, root: Path) -> dict[int, set[str]]:
    """The test functions that reach the line of each mutant, by its number; `root` is a copy for it."""
    about = KEPT / "drawn.json"
    if not about.exists() or json.loads(about.read_text()) != [list(mutant) for mutant in drawn]:
        shutil.rmtree(KEPT, ignore_errors=True)
        KEPT.mkdir(parents=True)
        (root / "lstm_trace" / "_reports.py").write_text(REPORTS)
        for file in {mutant.file for mutant in drawn}:
            lines: dict[int, list[int]] = defaultdict(list)
            for number, mutant in enumerate(drawn):
                if mutant.file == file:
                    lines[mutant.line].append(number)
            (root / file).write_text(reporting(_read(file), lines), "utf-8")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.mutants",
            "-n",
            str(workers),
            "--dist",
            "loadfile",
            *APART,
        ]
        subprocess.run(command, cwd=root, env=environment("all", root) | {RECORD: str(KEPT)})  # noqa: S603
        about.write_text(json.dumps(drawn))
    found: dict[int, set[str]] = defaultdict(set)
    for row in (KEPT / "reached.txt").read_text().splitlines():
        of, _, test = row.partition(" ")
        if test:
            found[int(of)].add(test)
    return found


def environment(tier: str, root: Path) -> dict[str, str]:
    return os.environ | {VARIABLE: tier, "PYTHONPATH": str(root)}


def selected(reaching: dict[int, set[str]], number: int, tier: str) -> list[str]:
    """The test functions that reach the line of a mutant; first those that reach few of the lines."""
    counts: dict[str, int] = defaultdict(int)
    for tests in reaching.values():
        for test in tests:
            counts[test] += 1
    fast = (test for test in reaching[number] if tier == "all" or "/slow_" not in test)
    return sorted(fast, key=lambda test: (counts[test], test))


def outcome(mutant: Mutant, tests: list[str], tier: str, root: Path) -> tuple[str, str]:
    """`killed` with the test that failed, or `survived` with why it ended."""
    if not tests:
        return "survived", "no test reaches it"
    path, clean = root / mutant.file, _read(mutant.file)

    def put(text: str) -> None:
        path.write_text(text, "utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
            compiled.unlink()

    def run(some: list[str]) -> subprocess.CompletedProcess[str]:
        (root / "tests.txt").write_text("\n".join(dict.fromkeys([*without, *some])))
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-p", "no:xdist", "-p", "tests.mutants", "@tests.txt"],
            cwd=root, env=environment(tier, root) | {LIMITED: "1"},
            capture_output=True, text=True, timeout=WALL_SECONDS,
        )  # fmt: skip

    failed = (KEPT / "failed.txt").read_text().split("\n") if (KEPT / "failed.txt").exists() else []
    without = [f"--deselect={test}" for test in failed if test]  # they fail without a mutant
    code = NO_TESTS
    try:
        put(mutated(mutant, clean))
        # most mutants end at the first tests; to collect some hundred takes 10 s
        for first, last in itertools.pairwise((0, 8, 40, len(tests) + 40)):
            if some := tests[first:last]:
                done = run(some)
                if done.returncode not in (0, NO_TESTS):
                    break
                code = min(code, done.returncode)
        else:
            return "survived", "no test" if code else ""
    except subprocess.TimeoutExpired:
        return "killed", "hangs"
    finally:
        put(clean)
    if done.returncode == OUT_OF_TIME:
        return "survived", "out of time"
    rows = [row for row in done.stdout.splitlines() if row.startswith(("FAILED ", "ERROR "))]
    return "killed", "hangs" if done.returncode == HANGS else rows[0][:160] if rows else f"exit {done.returncode}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--tier", choices=("fast", "all"), default="fast")
    parser.add_argument("--only", type=lambda text: {int(n) for n in text.split(",")}, help="numbers of mutants")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "lstm_trace").rglob("*.py"))
    every = [mutant for file in files for mutant in mutants(file, _read(file))]
    drawn = random.Random(given.seed).sample(every, given.count)  # noqa: S311
    tried = [(k, m) for k, m in enumerate(drawn) if given.only is None or k in given.only]
    print(f"{len(tried)} of {len(every)} mutants, {given.tier} tests", flush=True)
    copies: SimpleQueue[Path] = SimpleQueue()

    def tell(numbered: tuple[int, Mutant]) -> bool:
        number, mutant = numbered
        root, start = copies.get(), time.monotonic()
        try:
            end, why = outcome(mutant, selected(reaching, number, given.tier), given.tier, root)
        finally:
            copies.put(root)
        head = f"{number:3} {end:8} {mutant.file}:{mutant.line} {mutant.kind}, {time.monotonic() - start:.0f} s {why}"
        before = _read(mutant.file)
        pair = before.splitlines(), mutated(mutant, before).splitlines()
        diff = [row for row in difflib.unified_diff(*pair, n=0, lineterm="") if row[:3] not in ("---", "+++")]
        print("\n    ".join([head, *(diff if end == "survived" else [])]), flush=True)
        return end == "killed"

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(given.jobs) as pool:
        reaching = recorded(drawn, given.jobs, copied(Path(folder) / "reporting"))
        for k in range(given.jobs):
            copies.put(copied(Path(folder) / str(k)))
        killed = sum(pool.map(tell, tried))
    print(f"{killed} of {len(tried)} killed by the {given.tier} tests")


if __name__ == "__main__":
    main()
