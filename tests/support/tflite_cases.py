"""Random operators of TensorFlow Lite as files, and what their reference kernels compute, number by number."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, tanh
from typing import Any, NamedTuple

import numpy as np

from .tflite_files import File

ACTIVATIONS: dict[int, Callable[[float], float]] = {
    0: lambda z: z, 1: lambda z: max(z, 0.0), 2: lambda z: min(max(z, -1.0), 1.0), 3: lambda z: min(max(z, 0.0), 6.0),
    4: tanh,
}  # fmt: skip
WORDS = {"i": "input", "f": "forget", "c": "cell", "o": "output"}


class Case(NamedTuple):
    """An operator: its file, an input as the file takes it, and what it computes, in the same order of axes."""

    content: bytes
    x: Any
    expected: Any


def numbers(rng: Any, *shape: int) -> Any:
    return rng.normal(size=shape).astype("f4")


def weights_of(rng: Any, width: int, facts: dict[str, Any]) -> dict[str, Any]:
    """The weights of one direction by role and gate."""
    hidden, out = facts["H"], facts.get("P") or facts["H"]
    gates = "fco" if facts.get("coupled") else "ifco"
    found = {f"x{g}": numbers(rng, hidden, width) for g in gates} | {f"h{g}": numbers(rng, hidden, out) for g in gates}
    found |= {f"b{g}": numbers(rng, hidden) for g in gates}
    if facts.get("peephole"):
        found |= {f"p{g}": numbers(rng, hidden) for g in gates if g != "c"}
    if facts.get("P"):
        found |= {"proj": numbers(rng, out, hidden)}
        found |= {"proj_bias": numbers(rng, out)} if facts.get("projection_bias") else {}
    return found


def lstm_steps(x: Any, w: dict[str, Any], facts: dict[str, Any]) -> Any:
    """The outputs (T, B, P) of an LSTM, each number in double precision."""
    squash, bound, edge = ACTIVATIONS[facts["activation"]], facts.get("cell_clip", 0.0), facts.get("proj_clip", 0.0)
    hidden, out, steps, batch = facts["H"], facts.get("P") or facts["H"], *x.shape[:2]
    made = np.zeros((steps, batch, out))
    for b in range(batch):
        h, c = [0.0] * out, [0.0] * hidden
        for t in range(steps):
            m, new = [0.0] * hidden, [0.0] * hidden
            for k in range(hidden):

                def total(gate: str, seen: float, k: int = k, now: Any = x[t, b], h: list[float] = h) -> float:
                    z = float(w[f"b{gate}"][k]) + (float(w[f"p{gate}"][k]) * seen if f"p{gate}" in w else 0.0)
                    z += sum(float(v) * float(u) for v, u in zip(w[f"x{gate}"][k], now, strict=True))
                    return z + sum(float(v) * u for v, u in zip(w[f"h{gate}"][k], h, strict=True))

                forget = 1 / (1 + exp(-total("f", c[k])))
                put = 1 - forget if "xi" not in w else 1 / (1 + exp(-total("i", c[k])))
                new[k] = forget * c[k] + put * squash(total("c", 0.0))
                new[k] = min(max(new[k], -bound), bound) if bound else new[k]
                m[k] = squash(new[k]) / (1 + exp(-total("o", new[k])))
            c = new
            h = m
            if "proj" in w:
                h = [sum(float(v) * u for v, u in zip(row, m, strict=True)) for row in w["proj"]]
                h = [v + float(w["proj_bias"][k]) for k, v in enumerate(h)] if "proj_bias" in w else h
                h = [min(max(v, -edge), edge) for v in h] if edge else h
            made[t, b] = h
    return made


def lstm_inputs(file: File, w: dict[str, Any], hidden: int, out: int, batch: int) -> tuple[list[int], list[int]]:
    """The inputs 1 to 17 of an LSTM, and its two states. Gates in the order of the kernels."""
    listed = [f"{letter}{g}" for letter in "xh" for g in "ifco"] + ["pi", "pf", "po"] + [f"b{g}" for g in "ifco"]
    listed += ["proj", "proj_bias"]
    inputs = [file.tensor(f"arith.constant{n}", w[key]) if key in w else -1 for n, key in enumerate(listed)]
    states = [file.tensor("state", shape=(batch, size), variable=True) for size in (out, hidden)]
    return inputs, states


def lstm_case(seed: int, both: bool = False, **given: Any) -> Case:
    """A UNIDIRECTIONAL_SEQUENCE_LSTM, or a BIDIRECTIONAL_SEQUENCE_LSTM. given: facts that are not drawn."""
    rng = np.random.default_rng(seed)
    hidden = int(rng.integers(2, 5))
    facts: dict[str, Any] = {
        "H": hidden, "P": int(rng.integers(1, hidden)) if rng.random() < 0.4 else 0, "activation":
        int(rng.choice([4, 4, 4, 1, 2, 3])), "cell_clip": float(rng.choice([0.0, 0.4, 10.0])),
        "peephole": bool(rng.random() < 0.5), "coupled": bool(rng.random() < 0.3),
        "projection_bias": bool(rng.random() < 0.5), "time_major": bool(rng.random() < 0.5),
        "B": int(rng.integers(1, 3)),
    }  # fmt: skip
    facts |= given
    facts["proj_clip"] = float(rng.choice([0.0, 0.3])) if facts["P"] else 0.0
    width, steps, batch, out = int(rng.integers(1, 5)), 4, facts["B"], facts["P"] or facts["H"]
    each = [weights_of(rng, width, facts) for _ in range(1 + both)]
    x, file = numbers(rng, steps, batch, width), File()
    shape = (steps, batch) if facts["time_major"] else (batch, steps)
    inputs, states = [file.tensor("x", shape=(*shape, width))], []
    for w in each:
        more, own = lstm_inputs(file, w, facts["H"], out, batch)
        inputs, states = inputs + more, states + own
    made = file.tensor("y", shape=(*shape, out * (1 + both)))
    options = {key: facts[key] for key in ("activation", "cell_clip", "proj_clip", "time_major")}
    if both:
        name, inputs = "BIDIRECTIONAL_SEQUENCE_LSTM", [*inputs, *states, *[-1] * 9]
        options["merge"] = True
    else:
        name, inputs = "UNIDIRECTIONAL_SEQUENCE_LSTM", [*inputs, *states, *[-1] * 4]
    file.operator(name, inputs, [made], **options)
    runs = [lstm_steps(x, each[0], facts)]
    runs += [lstm_steps(x[::-1], each[1], facts)[::-1]] if both else []
    y = np.concatenate(runs, axis=2)
    turn = (lambda a: a) if facts["time_major"] else (lambda a: a.swapaxes(0, 1))
    return Case(file.content([0], [made]), turn(x), turn(y))


def rnn_case(seed: int, both: bool = False) -> Case:
    """A UNIDIRECTIONAL_SEQUENCE_RNN, or a BIDIRECTIONAL_SEQUENCE_RNN."""
    rng = np.random.default_rng(seed)
    width, hidden, steps, batch = 3, int(rng.integers(1, 4)), 4, 2
    activation, major = int(rng.choice([4, 0, 1, 3])), bool(rng.random() < 0.5)
    x, file, runs = numbers(rng, steps, batch, width), File(), []
    shape = (steps, batch) if major else (batch, steps)
    inputs = [file.tensor("x", shape=(*shape, width))]
    for back in range(1 + both):
        w, r, b = numbers(rng, hidden, width), numbers(rng, hidden, hidden) * np.float32(0.4), numbers(rng, hidden)
        inputs += [file.tensor(name, array) for name, array in (("w", w), ("r", r), ("b", b))]
        inputs.append(file.tensor("state", shape=(batch, hidden), variable=True))
        h, made = np.zeros((batch, hidden)), []
        for step in x[::-1] if back else x:
            z = step.astype(float) @ w.T.astype(float) + h @ r.T.astype(float) + b
            h = np.vectorize(ACTIVATIONS[activation], otypes=[float])(z)
            made.append(h)
        runs.append(np.array(made[::-1] if back else made))
    y = file.tensor("y", shape=(*shape, hidden * (1 + both)))
    name, more = ("BIDIRECTIONAL_SEQUENCE_RNN", {"merge": True}) if both else ("UNIDIRECTIONAL_SEQUENCE_RNN", {})
    file.operator(name, inputs + [-1] * 3 * both, [y], activation=activation, time_major=major, **more)
    expected = np.concatenate(runs, axis=2)
    turn = (lambda a: a) if major else (lambda a: a.swapaxes(0, 1))
    return Case(file.content([0], [y]), turn(x), turn(expected))


def step_case(seed: int, kind: str) -> Case:
    """An operator that computes one step: `full` and `basic` LSTM, or a `plain` RNN. x and expected are (T, B, …)."""
    rng = np.random.default_rng(seed)
    facts: dict[str, Any] = {"H": 3, "activation": 4, "cell_clip": 0.5 if kind == "full" else 0.0}
    width, steps, batch, hidden = 2, 4, 2, 3
    x, file = numbers(rng, steps, batch, width), File()
    at = file.tensor("x", shape=(batch, width))
    if kind == "plain":
        w, r, b = numbers(rng, hidden, width), numbers(rng, hidden, hidden), numbers(rng, hidden)
        inputs = [at, *(file.tensor(name, array) for name, array in (("w", w), ("r", r), ("b", b)))]
        inputs.append(file.tensor("state", shape=(batch, hidden), variable=True))
        y = file.tensor("y", shape=(batch, hidden))
        file.operator("RNN", inputs, [y], activation=4)
        h, made = np.zeros((batch, hidden)), []
        for step in x:
            h = np.tanh(step.astype(float) @ w.T + h @ r.T + b)
            made.append(h)
        return Case(file.content([at], [y]), x, np.array(made))
    weights = weights_of(rng, width, facts)
    expected = lstm_steps(x, weights, facts)
    if kind == "full":
        inputs, states = lstm_inputs(file, weights, hidden, hidden, batch)
        y = file.tensor("y", shape=(batch, hidden))
        file.operator("LSTM", [at, *inputs, *states, *[-1] * 4], [y], activation=4, cell_clip=0.5)
        return Case(file.content([at], [y]), x, expected)
    h, c = (file.tensor(name, shape=(batch, hidden)) for name in "hc")
    blocks = [np.concatenate([weights[f"x{g}"], weights[f"h{g}"]], axis=1) for g in "icfo"]
    kernel = file.tensor("kernel", np.concatenate(blocks))
    bias = file.tensor("bias", np.concatenate([weights[f"b{g}"] for g in "icfo"]))
    outputs = [file.tensor(name, shape=(batch, size)) for name, size in (
        ("y", hidden), ("new_c", hidden), ("joined", width + hidden), ("gates", 4 * hidden))]  # fmt: skip
    unused = {"activation": seed % 5, "cell_clip": 0.1}
    file.operator("LSTM", [at, h, kernel, bias, c], outputs, kernel=1, **unused)
    return Case(file.content([at, h, c], outputs[:2]), x, expected)
