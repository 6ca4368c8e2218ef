"""Problem files: valid ones of many kinds, most of them damaged; as YAML, JSON or TOML."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError
from lstm_trace.examples import examples, text

from .damage import changed, flipped, torn
from .views import looked_at

_OPTIONS: dict[str, tuple[Any, ...]] = {
    "peephole": (True, False),
    "coupled": (True, False),
    "cell_clip": (0.5, 1),
    "gate_clip": (3.0,),
    "forget_bias": (1.0,),
    "padding": ("zero", "repeat", "carry"),
    "direction": ("forward", "reverse", "bidirectional"),
    "merge": ("concat", "sum"),
}


def check(rng: random.Random, folder: Path) -> str:
    """Refused by an error of ours; or a trace that is proven, survives a file and can be looked at."""
    form = rng.choice(("yaml", "json", "toml"))
    data = rng.choice((example, random_problem))(rng)
    if rng.random() < 0.8:
        data = changed(rng, data)
    content = _written(form, data).encode("utf-8", "surrogatepass")
    if rng.random() < 0.15:
        content = flipped(rng, content) if rng.random() < 0.5 else torn(rng, content)
    path = folder / f"p.{form}"
    path.write_bytes(content)
    try:
        trace = lt.open_source(path)
    except LstmTraceError as error:
        message = str(error)
        assert len(message) < 20_000, f"a message of {len(message)} characters"
        return "refused"
    assert lt.verify(trace).verdict != "failed"
    kept = folder / rng.choice(("t.json", "t.safetensors"))
    trace.save(kept)
    same(trace, lt.load(kept))
    looked_at(rng, trace)
    return "traced"


def same(one: lt.Trace, other: lt.Trace) -> None:
    """Two traces have equal stages and equal values."""
    assert one.stages == other.stages
    assert one.header == other.header
    for scope, lines in one.lines.items():
        for name, values in lines.items():
            np.testing.assert_array_equal(values, other.lines[scope][name], f"{scope}/{name}")
    for scope, sums in one.sums.items():
        for name, values in sums.items():
            np.testing.assert_array_equal(values, other.sums[scope][name], f"{scope}/{name}")


@cache
def _example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text(name))
    return found


def example(rng: random.Random) -> dict[str, Any]:
    """One of the examples that ship."""
    return _example(rng.choice(sorted(examples())))


def random_problem(rng: random.Random) -> dict[str, Any]:
    """A named cell with random sizes, options, weights and states."""
    units, wide, steps, rows = (rng.randint(1, 3) for _ in range(4))
    number = lambda: round(rng.uniform(-2, 2), rng.randint(1, 17))  # noqa: E731
    array = lambda *shape: [array(*shape[1:]) for _ in range(shape[0])] if shape else number()  # noqa: E731
    options = {name: rng.choice(values) for name, values in _OPTIONS.items() if rng.random() < 0.15}
    directions = {"bidirectional": ("forward", "reverse")}.get(options.get("direction", ""), ("forward",))
    weights: dict[str, Any] = {}
    layers = rng.choice((1, 1, 2))
    for layer in range(layers):
        for direction in directions:
            reads = wide if layer == 0 else units * len(directions)
            for gate in "ifco":
                own = {f"W_x{gate}": array(units, reads), f"W_h{gate}": array(units, units), f"b_{gate}": array(units)}
                own |= {f"w_c{gate}": array(units)} if options.get("peephole") and gate != "c" else {}
                plain = layers == 1 and directions == ("forward",)
                weights |= own if plain else {f"{layer}/{direction}/{name}": values for name, values in own.items()}
    several = rng.random() < 0.4
    found = {
        "title": rng.choice(("", "a title", "<&> $x_1$ #")),
        "cell": {"kind": "lstm", **options} if options else "lstm",
        "weights": weights,
        "x": array(steps, rows, wide) if several else array(steps, wide),
        "dtype": rng.choice(("float64", "float32", "float16")),
    }
    if several and rng.random() < 0.5:
        found["lengths"] = [rng.randint(0, steps) for _ in range(rows)]
    if rng.random() < 0.3:
        found["ask"] = [rng.choice(("h_t", "i_t", "c_t", "tanh(c_t)", "0/h_t[0]"))]
    return found


def _written(form: str, data: Any) -> str:
    if form == "yaml":
        return yaml.safe_dump(data, allow_unicode=True)
    if form == "json" or not isinstance(data, dict):
        return json.dumps(data, ensure_ascii=False)
    return "".join(f"{json.dumps(key)} = {_toml(value)}\n" for key, value in data.items() if value is not None)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
