"""Make the files of traces/: for every example that ships, the problem, its trace, the report and the CSV."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from lstm_trace import prepare
from lstm_trace.cli import main
from lstm_trace.examples import examples, text

HERE = Path(__file__).parent


def make(folder: Path, names: Iterable[str] | None = None) -> None:
    """Write the files of every example below `folder`, or those of some."""
    for name in examples() if names is None else names:
        here = folder / name
        here.mkdir(parents=True, exist_ok=True)
        problem = here / "problem.yaml"
        problem.write_text(text(name), encoding="utf-8")
        trace = prepare(problem).run(plan="planned")  # auto depends on what was compiled before
        trace.save(here / "trace.json")
        for arguments in (("report", "report.md"), ("export", "trace.csv")):
            verb, target = arguments
            main([verb, str(here / "trace.json"), "-o", str(here / target)], standalone_mode=False)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
