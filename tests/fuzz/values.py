"""Values that another program printed, for diff: unchanged, off by more than the rounding bound, or damaged as text."""

from __future__ import annotations

import csv
import io
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError
from tests.support.given import read_external

from .damage import changed, flipped, torn
from .problems import random_problem

_MADE = 40
_COLUMNS = ("layer", "direction", "t", "batch", "line", "unit", "value")


def check(rng: random.Random, folder: Path) -> str:
    """Diff finds what was put in at its line, step and unit, and nothing where nothing was."""
    trace = _trace(rng.randrange(_MADE))
    rows = _rows(trace)
    what = rng.choice(("same", "off", "damaged"))
    inside = trace.valid[:, :, 0] != 0
    # what is computed at padding is of no use; the output there is
    wrong = rng.choice([row for row in rows if inside[row["t"], row["batch"]] or row["line"] == "y_t"] or rows)
    if what == "off":
        value = wrong["value"]
        wrong["value"] = rng.choice((value + 0.25, -value - 1e-3, 3 * value + 1e-2))
    form = rng.choice(("csv", "jsonl"))
    text = (_csv if form == "csv" else _json_lines)(rows)
    if what == "damaged":
        text = _damaged(rng, form, rows, text)
    path = folder / f"v.{form}"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        other, _ = read_external(path, trace)
        found = lt.diff(trace, other)
    except LstmTraceError:
        if what == "damaged":
            return "refused"
        raise
    if what == "same":
        assert found.same, found.first
    if what == "off":
        assert found.first is not None, f"not found: {wrong}"
        at = found.first.first
        place = (at.layer, at.direction, at.t, at.b, at.line, at.unit[0])
        assert place == tuple(wrong[key] for key in _COLUMNS[:6]), f"{place} instead of {wrong}"
    return what if what != "damaged" else f"damaged, {'same' if found.same else 'different'}"


@cache
def _trace(k: int) -> lt.Trace:
    rng = random.Random(k)  # noqa: S311 - it has to be the same each time
    while True:
        data = random_problem(rng) | {"dtype": "float64", "ask": []}
        try:
            return lt.run(data)
        except LstmTraceError:
            continue


def _rows(trace: lt.Trace) -> list[dict[str, Any]]:
    frame = trace.to_frame("long", padding=True)
    found: list[dict[str, Any]] = frame[list(_COLUMNS)].to_dict("records")
    return found


def _csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "value": repr(float(row["value"]))} for row in rows)
    return out.getvalue()


def _json_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def _damaged(rng: random.Random, form: str, rows: list[dict[str, Any]], text: str) -> str:
    if rng.random() < 0.4:
        content = text.encode()
        content = flipped(rng, content) if rng.random() < 0.5 else torn(rng, content)
        return content.decode("utf-8", "replace")
    data = changed(rng, json.loads(json.dumps(rows)))
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        return json.dumps(data)
    if form == "jsonl":
        return _json_lines(data)
    return "\n".join([",".join(_COLUMNS), *(",".join(str(v) for v in row.values()) for row in data)])
