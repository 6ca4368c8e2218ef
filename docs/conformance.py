"""Measures the suite of `lstm-trace conformance` and the engines that are installed: `python -m docs.conformance`.

Writes what the cases show of the table of mistakes (`core.json`), and the table of engines in `docs/conformance.md`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstm_trace.base.arrays import Array
from lstm_trace.base.extras import versions
from lstm_trace.cli.verbs.conformance import judged
from lstm_trace.languages.strings import words
from lstm_trace.mistakes.conformance import cases as suite
from lstm_trace.mistakes.conformance.child import ENGINES
from lstm_trace.mistakes.conformance.engines import engine
from lstm_trace.mistakes.conformance.judging import VERDICTS, made
from lstm_trace.results.conformance import Conformance
from lstm_trace.weights.onnx.node import OPERATORS

from .generated import ROOT, table

CORE = Path(suite.__file__).with_name("core.json")
PAGE = ROOT / "docs" / "conformance.md"
MARKED = re.compile(r"(<!-- measured: engines -->\n).*?(<!-- end -->)", re.S)


def measure() -> dict[str, Any]:
    """A smallest set of cases, found greedily, that shows every mistake of the table and tells every two apart.

    Returns the names of the `cases`; by cell the keys of the mistakes that no case shows (`unseen`), and those that no
    case tells apart (`alike`). A mistake is made everywhere at once here.
    """
    every, unseen, alike = set[str](), dict[str, list[str]](), dict[str, list[list[str]]]()
    for cell in OPERATORS:
        cases = [case for case in suite.catalogue().values() if case.cell == cell]
        found = [{k: outputs[0] for k, outputs in made(case) if "/" not in k.partition(":")[0]} for case in cases]
        keys = sorted({key for each in found for key in each})
        shown = {case.name: _apart(case, each, keys) for case, each in zip(cases, found, strict=True)}
        whole, seen = np.logical_or.reduce([*shown.values()]), np.zeros((len(keys),) * 2, bool)
        while (seen != whole).any():
            best = max(shown, key=lambda name: int((shown[name] & ~seen).sum()))
            seen |= shown[best]
            every.add(best)
        unseen[cell] = [key for key, there in zip(keys, whole[0], strict=True) if key and not there]
        classes = {tuple(np.flatnonzero(~whole[k] & whole[0])) for k in np.flatnonzero(whole[0])}
        alike[cell] = [[keys[k] for k in each] for each in sorted(classes) if len(each) > 1]
    return {"cases": [name for name in suite.catalogue() if name in every], "unseen": unseen, "alike": alike}


def _apart(case: suite.NodeCase, found: Mapping[str, suite.Outputs], keys: Sequence[str]) -> Array:
    """Which of the mistakes a case tells apart; the first is none, and one that cannot be made here is like it."""
    rows = [np.concatenate([array.ravel() for array in one.values()]) for one in found.values()]
    values = np.nan_to_num(np.stack(rows), nan=1e30, posinf=1e30, neginf=-1e30)
    place = {key: k for k, key in enumerate(found)}
    apart = np.zeros((len(keys),) * 2, bool)
    for column in values[[place.get(key, 0) for key in keys]].T:
        apart |= np.abs(column[:, None] - column) > case.expected[1]
    return apart


def row(result: Conformance) -> list[str]:
    """An engine: its version, how many cases have each verdict, and what is wrong."""
    counts = Counter(one.verdict for one in result.verdicts)
    readings = sum(one.verdict == "ok" and one.reading == "onnxruntime" for one in result.verdicts)
    said = [f"{', '.join(f'`{key}`' for key in one.keys[:2])} ({len(one.cases)})" for one in result.causes]
    known = {name for one in result.causes for name in one.cases}
    wrong = (one for one in result.verdicts if one.verdict == "wrong" and one.case.folder not in known)
    left = [f"{one.case.folder} (off by {one.off:.2g})" for one in wrong]
    refused = sorted({name for one in result.verdicts if one.verdict == "refused" for name in one.case.options})
    refused = [name for name in refused if not any(
        name in one.case.options for one in result.verdicts if one.verdict != "refused"
    )]  # fmt: skip
    said += [f"not explained: {', '.join(left)}"] if left else []
    said += [f"{readings} cases as onnxruntime reads ONNX"] if readings else []
    said += [f"always refused: {', '.join(refused)}"] if refused else []
    numbers = [str(counts[one]) for one in VERDICTS[:3]] + [str(counts["crashed"] + counts["hung"])]
    attach = ", ".join(dict.fromkeys(f"`{one.attach}`" for one in result.causes))
    return [result.engine, *numbers, "; ".join(said), attach]


def engines() -> str:
    """The table of the engines that are installed."""
    rows = []
    cases = suite.chosen("full", (), 14, None)
    for name, package in ENGINES.items():
        if versions([package]):
            found = engine("engine", name)
            rows.append(row(judged(found.title, cases, lambda case, found=found: found.run(case, 14, 60.0))))
    heads = ["engine", *(words().word(f"conformance.{one}", n="").strip() for one in VERDICTS[:3])]
    return table([*heads, "crashed or hung", "what it does (cases)", "smallest cases"], rows)


def write() -> None:
    """Write both files."""
    CORE.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    page = MARKED.sub(lambda found: f"{found[1]}\n{engines()}\n\n{found[2]}", PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write()
