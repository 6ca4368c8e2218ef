"""Random cells, most of few units, by every plan: each line is what its operation gives on the recorded operands.

Values of one unit, products of products, concatenations and reductions of numbers, states that nothing reads: what
cells seldom have, and a plan may have forgotten. Every fortieth input is a width at all strides instead.
"""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from lstm_trace.cell.ops import OPS
from lstm_trace.engine.jit import installed, machine
from lstm_trace.errors import LstmTraceError
from lstm_trace.model.build import build
from lstm_trace.model.model import Model
from lstm_trace.verification.plans import COLUMNS, PLANS, WIDTHS, check_kernels, wrong_lines

from ..verification.test_plans_kernels import SIGNS, ULPS

_NUMBERS = ("0", "1", "2", "0.5", "0.1", "0.3", "3e-7")
_UNARY = sorted(op.function for op in OPS.values() if op.function and op.arity == 1 and op.width == "same"
                and not any(default is None for _, default in op.constants))  # fmt: skip
_REDUCTIONS = sorted(op.function for op in OPS.values() if op.function and op.reduces)
#: Of the cells so many are compiled too, which takes longest.
_COMPILED = 0.25


def check(rng: random.Random, folder: Path | None = None) -> str:
    """Every plan agrees with the operations on the operands that it has recorded itself."""
    if rng.random() < 1 / 40:
        faults = list(check_kernels([rng.choice(WIDTHS)], rng.sample(COLUMNS, 8), ULPS, SIGNS))
        assert not faults, str(faults[0])
        return "strides"
    text, shapes, width = cell(rng)
    dtype = rng.choice(("float64", "float32"))
    draw = np.random.default_rng(rng.getrandbits(32))
    weights = {name: draw.normal(size=shape).astype(dtype) for name, shape in shapes.items()}
    x = draw.normal(size=(rng.choice((1, 2, 3, 5, 70)), rng.choice((1, 1, 2, 5)), width)).astype(dtype)
    options = {"direction": rng.choice(("forward", "reverse"))}
    try:
        model = build(weights, {"equations": text}, options, dtype)
        model.run(x[:1], plan="lines")  # what is refused with any plan
    except LstmTraceError:
        return "refused"
    plans = PLANS if installed() and rng.random() < _COMPILED else PLANS[:2]
    with mock.patch.dict(os.environ, {machine.VARIABLE: ""}):
        agree(model, x, plans)
    return "compiled" if plans == PLANS else "planned"


def agree(model: Model, x: Any, plans: Any = PLANS) -> None:
    """Assert that each plan computes every line as its operation has it, on the operands that it recorded."""
    for plan in plans:
        trace = model.run(x, plan=plan)
        fault = next(wrong_lines(trace, plan, f"steps, rows, inputs {x.shape}", SIGNS), None)
        assert fault is None, f"{fault}\n{model.cell.text}"


def cell(rng: random.Random) -> tuple[str, dict[str, tuple[int, ...]], int]:
    """The text of a cell, the shapes of its parameters, the width of its input."""
    grown = _Cell(rng)
    width = grown.names["x_t"]
    states = {name: _width(rng) for name in ("h_prev", "c_prev")[: rng.randint(0, 2)]}
    unread = [name for name in states if rng.random() < 0.2]
    grown.names |= {name: wide for name, wide in states.items() if name not in unread}
    rows = []
    for k in range(rng.randint(1, 5)):
        wide = rng.choice((*grown.names.values(), 1))
        rows.append(f"v{k} = {grown.value(wide, rng.randint(0, 3))}")
        grown.names[f"v{k}"] = wide
    carried = []
    for k, (name, wide) in enumerate(states.items()):
        rows.append(f"n{k} = {grown.value(wide, 2)}")
        grown.names[f"n{k}"] = wide
        carried.append(f"{name} <- n{k}")
    rows += [f"carry: {', '.join(carried)}"] if carried else []
    lines = [row.partition(" ")[0] for row in rows if not row.startswith("carry")]
    read = set(re.findall(r"\w+", " ".join(rows)))  # a value that was not used after all has left its parameters
    shapes = {name: shape for name, shape in grown.shapes.items() if name in read}
    return "\n".join([*rows, f"output: {rng.choice(lines)}"]), shapes, width


def _width(rng: random.Random) -> int:
    """Few units; sometimes many, which the compiled plan computes in vectors of 4 to 16."""
    return rng.choice((1, 1, 2, 3, 5) if rng.random() < 0.93 else (12, 36, 140))


class _Cell:
    """The names that an equation may read, with their widths, and the shapes of the parameters that it has read."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.names = {"x_t": _width(rng)}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def parameter(self, *shape: int) -> str:
        """One that is there, or a new one."""
        known = [name for name, here in self.shapes.items() if here == shape]
        if known and self.rng.random() < 0.3:
            return self.rng.choice(known)
        name = f"{'b' if len(shape) == 1 else 'W'}_{len(self.shapes)}"
        self.shapes[name] = shape
        return name

    def leaf(self, width: int) -> str:
        known = [name for name, wide in self.names.items() if wide == width]
        return self.rng.choice(known) if known and self.rng.random() < 0.85 else self.parameter(width)

    def broad(self, width: int, depth: int) -> str:
        """An operand that fits: as wide, one unit, or a number."""
        kind = self.rng.randrange(6)
        if kind == 0:
            return self.rng.choice(_NUMBERS)
        return f"({self.value(1 if kind == 1 else width, depth)})"

    def value(self, width: int, depth: int) -> str:
        """An expression of that many units."""
        rng = self.rng
        if depth == 0:
            return self.leaf(width)
        kinds = ["sum", "sum", "product", "matrix", "matrix", "unary", "unary", "where", "max", "greater", "minus",
                 "part", "clip"]  # fmt: skip
        kind = rng.choice([*kinds, "reduced" if width == 1 else "joined"])
        inner = f"({self.value(width, depth - 1)})"
        if kind == "sum":
            terms = [self.broad(width, depth - 1) for _ in range(rng.randint(1, 3))]
            terms.insert(rng.randint(0, len(terms)), inner)
            return rng.choice(("", "", "-")) + "".join(f" {rng.choice('+-')} {term}" for term in terms)[3:]
        if kind in ("product", "greater", "max"):
            pair = [inner, self.broad(width, depth - 1)]
            rng.shuffle(pair)
            sign = {"product": " * ", "greater": rng.choice((" > ", " < ")), "max": ", "}[kind]
            return f"max({sign.join(pair)})" if kind == "max" else sign.join(pair)
        if kind == "matrix":  # a parameter would be another matrix
            wide = rng.choice(list(self.names.values()))
            vector = self.value(wide, depth - 1)
            vector = f"(-{vector})" if vector in self.shapes else f"({vector})"
            if rng.random() < 0.5:
                return f"{self.parameter(width, wide)} @ {vector}"
            return f"{vector} @ {self.parameter(wide, width)}"
        if kind == "where":
            rest = [inner, self.broad(width, depth - 1)]
            rng.shuffle(rest)
            return f"where({self.broad(width, depth - 1)}, {', '.join(rest)})"
        if kind == "part":
            begin, after = rng.randint(0, 2), rng.randint(0, 2)
            return f"({self.value(begin + width + after, depth - 1)})[{begin}:{begin + width}]"
        if kind == "reduced":
            number = rng.random() < 0.15
            return f"{rng.choice(_REDUCTIONS)}({rng.choice(_NUMBERS) if number else self.value(rng.randint(1, 5), 1)})"
        if kind == "joined":
            if rng.random() < 0.4:
                return f"concat({rng.choice(_NUMBERS)}, {self.value(width - 1, depth - 1)})"
            first = rng.randint(1, width - 1)
            return f"concat({self.value(first, depth - 1)}, {self.value(width - first, depth - 1)})"
        if kind == "clip":
            return f"clip({inner}, -0.5, {rng.choice(('0', '0.75'))})"
        return f"-{inner}" if kind == "minus" else f"{rng.choice(_UNARY)}{inner}"
