"""Random small runs of every kind, for what must hold of any of them: networks, options, holds, arithmetic, names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import cleandoc
from random import Random
from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.cell.parse import parse
from lstm_trace.trace.trace import Trace

from .every_cell import CELLS, ran

_ACTIVATIONS = ("sigmoid", "tanh", "relu", "hard_sigmoid", "softsign", "gelu_tanh", "leaky_relu")
_LABELS = (
    "the",
    " a",
    "\n",
    "e\u0301",
    "变",
    "שלום",
    "a\x1b",
    "",
    "k" * 40,
    "x\u200by",
    "ok",
    "\t",
    "ö",
    "\u0301",
    "&<",
)
_SYMBOLS = {
    "i_t": r"\iota_t",
    "c_t": r"\hat{c}_t^{(t-1)}",
    "h_t": r"\mathbf{h}_{t}",
    "z_f": "not \\TeX$",
    "x_t": "x^{<t>}",
}
_CUSTOM = (
    """a_t = sigmoid(W_a @ x_t + U_a @ h_prev)
    b = softplus(W_b @ concat(x_t, a_t))
    h_t = a_t * h_prev + (1 - a_t) * tanh(b) * 0.5
    carry: h_prev <- h_t
    output: h_t""",
    """k_t = W_k @ x_t
    v_t = W_v @ x_t
    g_t = sigmoid(w_g * v_t[0:1])
    C_t = g_t * C_prev + outer(v_t, k_t)
    q_t = W_q @ x_t
    k_n = exp(k_t)
    h_t = C_t @ q_t / max(abs(sum(q_t * k_n)), 1)
    carry: C_prev <- C_t
    output: h_t""",
    """mine(z, a=2) = a * z * sigmoid(z)
    s2_t = mine(W @ x_t + b) - max(s_prev, -1)
    s_t = where(s2_t > 0, s2_t, s_prev)
    y_hat = softmax(V @ s_t)
    L = -sum(log(y_hat)) + mean(s_t * s_t)
    carry: s_prev <- s_t
    output: y_hat""",
    """s_t = s_prev + x_t - 0.3
    q_t = s_t / 3
    d_t = s_t * s_t - q_t + floor(s_t)
    n_t = count(x_t) * d_t
    carry: s_prev <- s_t
    output: n_t""",
    """x2 = clip(x_t, -0.5, 0.5)
    r_t = sqrt(relu(x2)) * elu(x2)
    h_t = x_t @ W + mean(x_t) * r_t[0:1]
    output: h_t""",
)


def _network(random: Random, rng: np.random.Generator) -> dict[str, Any]:
    """A problem with an LSTM of one or two layers."""
    inputs, units, steps, rows = (
        random.randint(1, 4),
        random.randint(1, 3),
        random.choice((1, 3, 4)),
        random.randint(1, 3),
    )
    layers, both = random.choice((1, 1, 2)), random.random() < 0.3
    bias, peephole, coupled = random.choice(("none", "one", "two")), random.random() < 0.3, random.random() < 0.2
    options = {"peephole": peephole, "coupled": coupled, "bias": bias, "clip": random.choice((None, None, 0.8))}
    options |= {"candidate_activation": random.choice(_ACTIVATIONS)} if random.random() < 0.3 else {}
    digits = random.choice((1, 2, 3, 9))
    weights: dict[str, Any] = {}
    directions = ("forward", "reverse") if both else ("forward",)
    merge = random.choice(("concat", "sum", "mean", "product")) if both else "concat"
    for layer in range(layers):
        wide = inputs if layer == 0 else units * (2 if both and merge == "concat" else 1)
        for direction in directions:
            shapes: dict[str, tuple[int, ...]] = {}
            for gate in "ico" if coupled else "ifco":
                shapes |= {f"W_x{gate}": (units, wide), f"W_h{gate}": (units, units)}
                shapes |= {f"b_{side}{gate}": (units,) for side in {"none": (), "one": ("",), "two": ("x", "h")}[bias]}
                shapes |= {f"w_c{gate}": (units,)} if peephole and gate != "c" else {}
            for name, shape in shapes.items():
                key = name if layers == 1 and not both else f"{layer}/{direction}/{name}"
                weights[key] = rng.normal(size=shape).round(digits).tolist()
    x = rng.normal(size=(steps, rows, inputs)).round(digits)
    problem = {
        "cell": {"kind": "lstm", **options},
        "weights": weights,
        "x": x.tolist(),
        "title": random.choice(("", "A & B")),
    }
    problem["cell"] |= {"merge": merge} if both else {}
    if random.random() < 0.4:
        problem["lengths"] = [random.randint(0, steps) for _ in range(rows)]
        problem["cell"]["padding"] = random.choice(("zero", "carry"))
    if random.random() < 0.3:
        names = {"h": [f"u{k}" for k in range(units)], "x": [f"in {k}" for k in range(inputs)]}
        labels = [[random.choice(_LABELS) for _ in range(steps)] for _ in range(rows)]
        problem["names"] = names | ({"t": labels} if random.random() < 0.7 else {})
    if random.random() < 0.3:
        problem["extra"] = "o_2 = V @ h_t\np_t = softmax(o_2)" if not both else "o_2 = V @ y_t\np_t = softmax(o_2)"
        wide = units * (2 if both and merge == "concat" else 1)
        last = f"{layers - 1}/{'joined' if both else 'forward'}/" if layers > 1 or both else ""
        weights[f"{last}V"] = rng.normal(size=(2, wide)).tolist()
    return problem


def _custom(random: Random, rng: np.random.Generator) -> dict[str, Any]:
    """A problem with equations of its own."""
    text = cleandoc(random.choice(_CUSTOM))
    steps, rows, units = random.randint(1, 4), random.randint(1, 2), random.randint(2, 3)
    shapes = {
        "W_a": (units, 2), "U_a": (units, units), "W_b": (units, 2 + units), "W_k": (2, 2), "W_v": (units, 2),
        "W_q": (2, 2), "w_g": (1,), "W": (2, 2) if "x_t @ W" in text else (units, 2), "b": (units,), "V": (2, units),
    }  # fmt: skip
    weights = {name: rng.normal(size=shape).tolist() for name, shape in shapes.items() if name in text}
    weights = {name: values for name, values in weights.items() if name in parse(text).parameters}
    initial = {"C_prev": np.zeros((rows, units * 2)).tolist()} if "C_prev" in text else {}
    x = rng.normal(size=(steps, rows, 2)).round(random.choice((1, 9))).tolist()
    return {"cell": {"equations": text}, "weights": weights, "x": x} | ({"initial": initial} if initial else {})


def _dressed(random: Random, problem: dict[str, Any]) -> dict[str, Any]:
    """The problem with more of what a person may say."""
    more: dict[str, Any] = {}
    if random.random() < 0.4:
        more["count_from"] = random.choice((0, 1))
    if random.random() < 0.2:
        more["digits"] = random.choice((0, 3, 8))
    if random.random() < 0.2:
        more["dtype"] = "float32"
    elif random.random() < 0.25:
        more["arithmetic"] = random.choice(("by-hand-3", "float16", "q4.8", "bfloat16"))
    if random.random() < 0.3:
        more["symbols"] = {name: _SYMBOLS[name] for name in random.sample(sorted(_SYMBOLS), 3)}
    return problem | more


def _held(random: Random, trace: Trace) -> dict[str, Any]:
    """Holds of some lines of a trace."""
    stage = random.choice([stage for stage in trace.stages if not stage.is_adjoint])
    found = {}
    for line in random.sample(list(trace.lines[stage.scope]), min(2, len(trace.lines[stage.scope]))):
        value = random.choice((0, 0.5, -1, "*0.5", "*3"))
        steps = random.choice(("", f"{trace.span[0]}..{trace.span[-1]}/0/"))
        width = trace.lines[stage.scope][line].shape[-1]
        grid = trace.grid(stage.scope, line)
        unit = "" if grid or random.random() < 0.5 else f"[{random.randrange(width)}]"
        found[f"{stage.scope}/{steps}{line}{unit}"] = value
    return found


def runs(seed: int, count: int) -> Iterator[tuple[str, Trace]]:
    """Random small traces, each with a name that says what it is."""
    random, rng = Random(seed), np.random.default_rng(seed)  # noqa: S311 - it has to be the same each time
    for made in range(count):
        kind = random.choice(("network", "network", "custom", "named"))
        if kind == "named":
            sizes, loss = (random.randint(2, 3), random.randint(1, 3)), random.choice(("", "cross entropy"))
            trace = ran(random.choice(sorted(CELLS)), *sizes, loss)
        else:
            problem = _dressed(random, (_network if kind == "network" else _custom)(random, rng))
            trace = lt.run(json.loads(json.dumps(problem)))
        if random.random() < 0.3:
            trace = lt.run(lt.problem(trace), hold=_held(random, trace))
        if random.random() < 0.2 and trace.header.arithmetic is None:
            last = [stage for stage in trace.stages if not stage.is_adjoint][-1]
            trace = lt.backward(trace, of=f"{last.scope}/{trace.span[-1]}/0/{last.cell.output}[0]")
        yield f"{seed}.{made} {kind}", trace
