"""Measures the suite of `lstm-trace conformance` and the engines that are installed: `python -m docs.conformance`.

Writes what the cases show of the table of mistakes (`core.json`), and the table of engines in `docs/conformance.md`.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from pathlib import Path

from lstm_trace.base.extras import versions
from lstm_trace.cli.verbs.conformance import judged
from lstm_trace.languages.strings import words
from lstm_trace.mistakes.conformance import suite
from lstm_trace.mistakes.conformance.child import ENGINES
from lstm_trace.mistakes.conformance.explaining import measure
from lstm_trace.mistakes.conformance.judging import VERDICTS
from lstm_trace.mistakes.conformance.running import engine
from lstm_trace.results.conformance import Conformance

from .generated import ROOT, table

CORE = Path(suite.__file__).with_name("core.json")
PAGE = ROOT / "docs" / "conformance.md"
MARKED = re.compile(r"(<!-- measured: engines -->\n).*?(<!-- end -->)", re.S)


def core() -> str:
    """What the cases show of the table of mistakes."""
    return json.dumps(measure(), indent=1) + "\n"


def row(result: Conformance) -> list[str]:
    """An engine: its version, how many cases have each verdict, and what is wrong."""
    counts = Counter(one.verdict for one in result.verdicts)
    readings = sum(one.verdict == "ok" and one.reading == "onnxruntime" for one in result.verdicts)
    said = [f"{', '.join(f'`{key}`' for key in one.keys[:2])} ({len(one.cases)})" for one in result.causes]
    known = {name for one in result.causes for name in one.cases}
    wrong = (one for one in result.verdicts if one.verdict == "wrong" and one.name not in known)
    left = [f"{one.name} (off by {one.off:.2g})" for one in wrong]
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
    with tempfile.TemporaryDirectory() as folder:
        cases = suite.write(folder, suite.chosen("full", (), 14, None), 14)
        for name, (package, *_) in ENGINES.items():
            if versions([package]):
                found = engine("engine", name)
                rows.append(row(judged(found.title, cases, lambda case, found=found: found.run(cases, case, 60.0))))
    heads = ["engine", *(words().word(f"conformance.{one}", n="").strip() for one in VERDICTS[:3])]
    return table([*heads, "crashed or hung", "what it does (cases)", "smallest cases"], rows)


def write() -> None:
    """Write both files."""
    CORE.write_text(core(), encoding="utf-8")
    suite.measured.cache_clear()
    page = MARKED.sub(lambda found: f"{found[1]}\n{engines()}\n\n{found[2]}", PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write()
