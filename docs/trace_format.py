"""The tables of `docs/trace-format.md`, made from the code: operations, composite functions, names of lines."""

from __future__ import annotations

import io
import json
from typing import Any

import lstm_trace as lt
from lstm_trace.cell.composites import BUILT_IN
from lstm_trace.cell.lines import number
from lstm_trace.cell.ops import OPS, Op
from lstm_trace.cell.parse import parse
from lstm_trace.trace.files.trace_file import to_json

#: What each operation computes of operands a, b, c with units a[i]; `W` is a parameter, a matrix.
MEANINGS = {
    "matvec": ("`W @ b`", "W a parameter: Σₖ W[i,k]·b[k], one number for each row i"),
    "vecmat": ("`a @ W`", "W a parameter, a none: Σₖ a[k]·W[k,j], one number for each column j"),
    "outer": ("`outer(a, b)`", "the matrix with a[i]·b[j] in row i and column j"),
    "memvec": ("`C @ b`", "C a matrix that is a value: Σₖ C[i,k]·b[k]"),
    "vecmem": ("`a @ C`", "C a matrix that is a value: Σₖ a[k]·C[k,j]"),
    "add": ("`a - b + c`", "the signed terms, from left to right; each partial sum is rounded"),
    "mul": ("`a * b`", "a[i]·b[i]"),
    "div": ("`a / b`", "a[i] / b[i]"),
    "neg": ("`-a`", "−a[i]"),
    "copy": ("`a`", "a[i]: a named line that is another value, or a number"),
    "greater": ("`a > b`", "1 if a[i] > b[i], otherwise 0, also beside NaN; `a < b` is read as `b > a`"),
    "slice": ("`a[2:5]`", "a[2], a[3], a[4]; `a[2]` is read as `a[2:3]`"),
    "sigmoid": ("`sigmoid(a)`", "1 / (1 + e^−a[i])"),
    "tanh": ("`tanh(a)`", "the hyperbolic tangent of a[i]"),
    "exp": ("`exp(a)`", "e^a[i]"),
    "log": ("`log(a)`", "the natural logarithm of a[i]; −∞ at 0, NaN below"),
    "sqrt": ("`sqrt(a)`", "the square root of a[i], correctly rounded; NaN below 0"),
    "sin": ("`sin(a)`", "the sine of a[i], in radians"),
    "cos": ("`cos(a)`", "the cosine of a[i], in radians"),
    "floor": ("`floor(a)`", "the largest whole number ≤ a[i]"),
    "relu": ("`relu(a)`", "the larger of a[i] and 0"),
    "elu": ("`elu(a, alpha)`", "a[i] if a[i] ≥ 0 (or NaN), otherwise alpha·(e^a[i] − 1)"),
    "softplus": ("`softplus(a)`", "log(1 + e^a[i])"),
    "clip": ("`clip(a, low, high)`", "the smaller of high and (the larger of a[i] and low)"),
    "where": ("`where(a, b, c)`", "b[i] if a[i] ≠ 0 (NaN ≠ 0 holds), otherwise c[i]"),
    "maximum": ("`max(a, b)`", "the larger of a[i] and b[i]"),
    "max": ("`max(a)`", "the largest of the units"),
    "sum": ("`sum(a)`", "the sum of the units"),
    "mean": ("`mean(a)`", "the sum of the units, divided by their number"),
    "concat": ("`concat(a, b, …)`", "the units of a, then those of b, …"),
}
WIDTHS = {
    "matvec": "rows of W", "vecmat": "columns of W", "outer": "width of a · width of b",
    "memvec": "width of C / width of b", "vecmem": "width of C / width of a", "same": "same", "one": "1",
    "concat": "sum of the widths", "slice": "end − begin",
}  # fmt: skip
#: Equations, one cell each, whose lines the page lists.
EXAMPLES = (
    "c_t = f * c_prev + i * g",
    "h_t = o * tanh(W @ x_t + b)",
    "a = x_t + u - v * 2",
    "a = (x_t + u) + v",
    "a = x_t + (u + v)",
    "a = -(x_t + u) + v",
    "a = x_t - -u * -0.5",
    "a = (x_t * u) * (v * w)",
    "a = -x_t * u",
    "a = tanh(-(x_t * u) + 1e-5)",
    "a = 0.50 * x_t + 100000.0",
    "a = sigmoid((x_t > u + v) * (u > 0))",
    "a = (x_t + u)[0:2] * v[1]",
    "a = elu(x_t) + elu(x_t, 2)",
    "a = x_t + u; b = tanh(x_t + u); c = x_t + u",
    "a = mish(x_t - u)",
    "a = min(-x_t, u)",
    "f(z, k=2) = k * z + z; a = f(x_t) + f(u, 3)",
    "g(z) = z - 1; a = g(x_t + u) * g(-x_t)",
    "input: x_t, W @ x_t; a = tanh(W @ x_t + b)",
)  # fmt: skip


def _bound(op: Op) -> str:
    if op.ulp is None:
        return {"sum": "n − 1 roundings", "mean": "n roundings"}.get(op.name, "n roundings")
    return f"{number(op.ulp)} ε" if op.ulp else "exact"


def operations() -> list[list[str]]:
    """Each operation as it is written, what it computes, the width of its value, and its bound."""
    assert MEANINGS.keys() == OPS.keys()
    return [
        [MEANINGS[name][0], f"`{name}`", MEANINGS[name][1], WIDTHS[op.width], _bound(op)] for name, op in OPS.items()
    ]


def functions() -> str:
    """The definitions of the table of composite functions, as equations."""
    return "\n".join(["```text", *(function.text for function in BUILT_IN.values()), "```"])


def names() -> list[list[str]]:
    """The lines of each example, by name."""
    rows = []
    for text in EXAMPLES:
        carry = "\ncarry: c_prev <- c_t" if "c_prev" in text else ""
        cell = parse(text.replace("; ", "\n") + carry)
        rows.append([f"`{text}`", ", ".join(f"`{line.name}`" for line in cell.lines)])
    return rows


def example() -> str:
    """The smallest file of a run of two steps, whose numbers are exact on every machine."""
    cell = {"equations": "h_t = relu(W @ x_t + 0.5 * h_prev)\ncarry: h_prev <- h_t"}
    trace = lt.run({"W": [[1.0, -0.5], [0.25, 1.0]]}, [[1.0, 2.0], [3.0, 4.0]], cell=cell, h0=[1.0, 4.0])
    whole = json.loads(to_json(trace))
    kept = ("format", "cell", "dtype", "steps", "batch", "stages", "parameters", "inputs", "lines")
    text = dumped({key: whole[key] for key in kept})
    assert lt.verify(lt.load(io.StringIO(text))).verdict == "verified"
    return f"```json\n{text}\n```"


def dumped(value: Any, depth: int = 0) -> str:
    """JSON, in which what has at most 100 characters stands in one row."""
    short = json.dumps(value)
    if len(short) + depth <= 100 or not value or not isinstance(value, dict | list):
        return short
    pad = f"\n{' ' * (depth + 1)}"
    pairs = value.items() if isinstance(value, dict) else (("", one) for one in value)
    parts = [f"{json.dumps(key)}: " * bool(key) + dumped(part, depth + 1) for key, part in pairs]
    ends = "{}" if isinstance(value, dict) else "[]"
    return f"{ends[0]}{pad}{f',{pad}'.join(parts)}{pad[:-1]}{ends[1]}"
