"""Spreadsheets for the tests: problems, where their numbers stand (read from the headings), formulas in Python.

Nothing here knows the package's layout or its table of formulas.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lstm_trace.examples import text
from lstm_trace.trace.trace import Trace

Value = Callable[[str, str], Any]  # (sheet, address) -> what stands there

EVERYTHING = """
    v_t = W_x @ x_t + W_h @ h_prev + b
    a_t = sigmoid(v_t) + tanh(v_t) + exp(v_t) + sqrt(v_t * v_t) + log(v_t * v_t + 0.5)
    e_t = relu(v_t) - affine(v_t, 1.5, -0.25) + leaky_relu(v_t, 0.1) - thresholded_relu(v_t, 0.25)
    d_t = scaled_tanh(v_t, 1.7, 0.6) + hard_sigmoid(v_t, 0.3, 0.4) + elu(v_t, 0.7) + softsign(v_t) - softplus(-v_t)
    g_t = clip(a_t, -0.5, 1.5) + where(relu(v_t), d_t, -2) + max(v_t, e_t) + max(v_t, 0.1) * (-d_t)
    q_t = (g_t - mean(g_t)) / (1 + max(a_t) + sum(d_t * d_t))
    n_t = (x_t @ W_p)[1:4] * (v_t > 0.1) + tanh(sum(v_t)) @ W_n - (0.2 > g_t)
    k_t = concat(q_t + 0.25 * n_t, mean(v_t), 0.5)
    h_t = W_k @ k_t
    u_t = sin(v_t) - cos(3 * v_t) * floor(2 * v_t)
    o_t = h_t
    r_t = W_o @ b
    carry: h_prev <- h_t
    output: o_t
"""

MATRICES = """
    matrix: A
    k_t = W @ x_t
    C_t = A * C_prev + outer(x_t, k_t)
    n_t = sin(C_t) - floor(C_t) * max(C_t)
    q_t = q * k_t
    y_t = C_t @ q_t + n_t @ k_t
    p_t = p * y_t
    z_t = y_t @ C_t + p_t @ n_t + sum(n_t)
    carry: C_prev <- C_t
    output: z_t
"""


def _random(seed: int, cell: Any = "lstm", steps: int = 3, batch: int | None = None, **more: Any) -> dict[str, Any]:
    """A problem with one layer of random weights: I = 2, H = 3."""
    draw = np.random.default_rng(seed)
    options = cell if isinstance(cell, dict) else {}
    inputs, units = 2, 3
    outputs = 2 if options.get("projection") else units
    weights: dict[str, Any] = {}
    for gate in "ico" if options.get("coupled") else "ifco":
        weights[f"W_x{gate}"] = draw.normal(size=(units, inputs))
        weights[f"W_h{gate}"] = draw.normal(size=(units, outputs))
        for side in {"two": "xh", "one": ("",)}.get(options.get("bias", "one"), ()):
            weights[f"b_{side}{gate}"] = draw.normal(size=units)
        if options.get("peephole") and gate != "c":
            weights[f"w_c{gate}"] = draw.normal(size=units)
        if options.get("layer_norm"):
            weights |= {f"gamma_{gate}": draw.normal(size=units), f"beta_{gate}": draw.normal(size=units)}
    if options.get("projection"):
        weights["W_hr"] = draw.normal(size=(outputs, units))
    if options.get("layer_norm_cell"):
        weights |= {"gamma_cell": draw.normal(size=units), "beta_cell": draw.normal(size=units)}
    rows = () if batch is None else (batch,)
    problem = {"cell": cell, "weights": {name: w.tolist() for name, w in weights.items()}}
    problem["x"] = draw.normal(size=(steps, *rows, inputs)).tolist()
    problem["h0"] = draw.normal(size=(*rows, outputs)).tolist()
    if options.get("kind", "lstm") == "lstm":
        problem["c0"] = draw.normal(size=(*rows, units)).tolist()
    return problem | more


def two_layers(batch: int | None = None, **more: Any) -> dict[str, Any]:
    """Three steps of two layers in both directions: I = 3, H = 2."""
    draw = np.random.default_rng(11)
    weights: dict[str, Any] = {}
    for layer in (0, 1):
        for direction in ("forward", "reverse"):
            for gate in "ifco":
                here = f"{layer}/{direction}"
                weights[f"{here}/W_x{gate}"] = draw.normal(size=(2, 4 if layer else 3)).tolist()
                weights[f"{here}/W_h{gate}"] = draw.normal(size=(2, 2)).tolist()
                weights[f"{here}/b_{gate}"] = draw.normal(size=2).tolist()
    rows = 1 if batch is None else batch
    x = draw.normal(size=(3, 3) if batch is None else (3, batch, 3)).tolist()
    h0, c0 = draw.normal(size=(2, 4, rows, 2)).tolist()
    return {"weights": weights, "x": x, "h0": h0, "c0": c0} | more


def _everything() -> dict[str, Any]:
    draw = np.random.default_rng(5)
    shapes = {"W_x": (3, 2), "W_h": (3, 2), "b": (3,), "W_k": (2, 5), "W_o": (4, 3), "W_p": (2, 4), "W_n": (1, 3)}
    weights = {name: draw.normal(size=shape).tolist() for name, shape in shapes.items()}
    x = draw.normal(size=(4, 2, 2)).tolist()
    return {"cell": {"equations": EVERYTHING}, "weights": weights, "x": x, "h0": draw.normal(size=(2, 2)).tolist()}


def _matrices() -> dict[str, Any]:
    draw = np.random.default_rng(6)
    shapes = {"W": (3, 2), "A": (2, 3), "q": (3,), "p": (2,)}
    weights = {name: draw.uniform(-0.5, 0.5, shape).tolist() for name, shape in shapes.items()}
    start = {"C_prev": draw.normal(size=(2, 3)).tolist()}
    return {
        "cell": {"equations": MATRICES},
        "weights": weights,
        "x": draw.normal(size=(3, 2)).tolist(),
        "initial": start,
    }


def _saturated() -> dict[str, Any]:
    problem = _random(9)
    return problem | {"x": [[1000.0, 0.0], [-1000.0, 1000.0], [0.0, -1000.0]]}


def _example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text(name))
    return found


#: Each problem with a weight that is changed: name, row, column (None for a vector).
PROBLEMS: dict[str, tuple[dict[str, Any], tuple[str, int, int | None]]] = {
    "question 22": (_example("q22"), ("W_xi", 1, 2)),
    "both directions, two layers": (two_layers(), ("0/reverse/W_hf", 1, 0)),
    "lengths": (two_layers(batch=2, lengths=[3, 1]), ("1/forward/b_o", 1, None)),
    "mask": (
        two_layers(batch=2, mask=[[0, 1], [1, 0], [1, 1]], cell={"kind": "lstm", "padding": "repeat"}),
        ("0/reverse/b_i", 0, None),
    ),
    "peephole": (_random(1, {"kind": "lstm", "peephole": True}), ("w_co", 2, None)),
    "coupled, two biases": (_random(2, {"kind": "lstm", "coupled": True, "bias": "two"}), ("b_hi", 0, None)),
    "projection": (_random(3, {"kind": "lstm", "projection": True}, batch=2), ("W_hr", 1, 2)),
    "layer norm": (
        _random(4, {"kind": "lstm", "layer_norm": True, "layer_norm_cell": True, "forget_bias": 1}),
        ("gamma_cell", 1, None),
    ),
    "sLSTM": (_random(6, {"kind": "slstm"}), ("W_hi", 0, 1)),
    "sLSTM, exp": (_random(7, {"kind": "slstm", "forget_activation": "exp", "stabilised": False}), ("W_xf", 1, 1)),
    "GRU": (_example("gru"), ("W_hh", 0, 1)),
    "own cell": (_example("custom-cell"), ("W_hh", 0, 1)),
    "softmax": (_example("rnn-softmax"), ("W_y", 3, 0)),
    "readout": (_example("readout"), ("W_hy", 0, 1)),
    "squared error": (_example("squared-error"), ("W_hc", 1, 1)),
    "cross entropy": (_example("cross-entropy"), ("W_hy", 2, 0)),
    "saturated": (_saturated(), ("W_xc", 0, 1)),
    "every operation": (_everything(), ("W_x", 2, 1)),
    "one unit": (
        {"weights": {f"W_{s}{g}": [[0.5 if s == "x" else -0.25]] for s in "xh" for g in "ifco"},
         "x": [[1.0], [2.0]], "h0": [0.5], "c0": [-0.5]}, ("W_xi", 0, 0)),
    **{name: (_example(name), place) for name, place in {
        "mlstm": ("W_k", 1, 0), "gated-deltanet": ("W_v", 2, 1), "mamba": ("A_log", 2, 1), "rwkv7": ("W_v", 0, 2),
        "ltc": ("mu_x", 2, 0),
    }.items()},
    "every product of matrices": (_matrices(), ("A", 1, 2)),
    "given": (_random(8, given={"f_t": [[0.5, 0.25, 1.0]] * 3}), ("b_i", 2, None)),
}  # fmt: skip
for _gate in ("W_xf", "W_hf", "b_f"):
    PROBLEMS["given"][0]["weights"].pop(_gate)


def changed(problem: dict[str, Any], place: tuple[str, int, int | None], value: float) -> dict[str, Any]:
    """The problem with one weight set to `value`."""
    name, j, k = place
    array = np.array(problem["weights"][name], float)
    array[(j,) if k is None else (j, k)] = value
    return problem | {"weights": {**problem["weights"], name: array.tolist()}}


def columns_of(book: Any, sheet: str) -> dict[str, int]:
    """The first column (from 1) of each block of a layer's sheet, from the headings."""
    return {cell.value: cell.column for cell in book[sheet][3] if isinstance(cell.value, str)}


def values(book: Any, trace: Trace, at: Value) -> Iterator[tuple[str, float, Any]]:
    """(place, recorded, what stands in the cell) of every line's every value; `book` is openpyxl's."""
    for stage in trace.stages:
        sheet = f"{'Layer' if stage.owner == stage.scope else 'Gradient'} {stage.owner.replace('/', ' ')}"
        begin = columns_of(book, sheet)
        for row in book[sheet].iter_rows(min_row=6):
            b, t = row[0].value, row[1].value
            for name, array in trace.lines[stage.scope].items():
                for j, recorded in enumerate(array[trace.span.index(t), b].tolist()):
                    cell = row[begin[name] - 1 + j]
                    yield f"{stage.scope}/{t}/{b}/{name}[{j}]", recorded, at(sheet, cell.coordinate)
    for scope, sums in trace.sums.items():
        layer, direction = scope.split("/")
        for name, array in sums.items():
            sheet, _, area = book.defined_names[
                f"{name}_{layer}{direction.removeprefix('adjoint-')[0]}"
            ].attr_text.rpartition("!")
            sheet, rows = sheet.strip("'"), book[sheet.strip("'")][area.replace("$", "")]
            for row, numbers in zip(
                rows if isinstance(rows, tuple) else ((rows,),), np.atleast_2d(array.T).T, strict=True
            ):
                for k, (cell, recorded) in enumerate(zip(row, numbers.tolist(), strict=True)):
                    yield f"{scope}/{name}[{row[0].row},{k}]", recorded, at(sheet, cell.coordinate)


def weight_cell(book: Any, place: tuple[str, int, int | None]) -> Any:
    """The cell of one weight, by its range's name."""
    name, j, k = place
    *scope, short = name.split("/")
    range_name = f"{short}_{scope[0]}{scope[1][0]}" if scope else f"{short}_0f"
    sheet, _, area = book.defined_names[range_name].attr_text.rpartition("!")
    rows = book[sheet.strip("'")][area.replace("$", "")]
    rows = rows if isinstance(rows, tuple) else ((rows,),)
    return rows[j][k or 0]


# -- formulas in Python --------------------------------------------------------------------------------------------


def _index(area: Any, i: int, j: int | None = None) -> Any:
    if j is None:
        return np.ravel(area)[i - 1]
    area = np.atleast_2d(area)
    return area[:, j - 1] if i == 0 else area[i - 1] if j == 0 else area[i - 1, j - 1]


_FUNCTIONS: dict[str, Any] = {
    "SUMPRODUCT": lambda a, b: math.fsum(np.ravel(a) * np.ravel(b)) if np.shape(a) else a * b,
    "MMULT": lambda a, b: float(np.ravel(a) @ np.ravel(b)),
    "INDEX": _index,
    "IF": lambda test, yes, no: yes if test else no,
    "EXP": lambda z: math.exp(z) if z < 709.78 else math.nan,  # #NUM! in a spreadsheet
    "LN": math.log,
    "SQRT": math.sqrt,
    "SIN": math.sin,
    "COS": math.cos,
    "INT": math.floor,
    "TANH": math.tanh,
    "ABS": abs,
    "SUM": lambda *a: float(np.sum(a[0])),
    "AVERAGE": lambda a: float(np.mean(a)),
    "MAX": lambda *a: float(np.max(np.concatenate([np.ravel(part) for part in a]))),
    "MIN": lambda a, b: min(a, b),
    "ROUND": lambda a, n: float(Decimal(repr(float(a))).quantize(Decimal(1).scaleb(-n), ROUND_HALF_UP)),
}
_TOKEN = re.compile(
    r"(?P<place>(?:'[^']+'!|[A-Za-z]+!)?\$?[A-Z]{1,3}\$?\d+(?::\$?[A-Z]{1,3}\$?\d+)?)(?![\w(])"
    r"|(?P<name>[^\W\d][\w.]*)|(?P<number>\d+\.?\d*(?:E[-+]?\d+)?|\.\d+)|(?P<sign><>|<=|>=|[-+*/(),<>=])"
)


class Sheets:
    """Computes a workbook's formulas, as far as we write them."""

    def __init__(self, path: Path) -> None:
        import openpyxl

        self.book = openpyxl.load_workbook(path)
        self.known: dict[tuple[str, str], float] = {}
        self.code: dict[str, Any] = {}

    def __call__(self, sheet: str, address: str) -> Any:
        """The value of a cell."""
        key = sheet, address
        if key not in self.known:
            content = self.book[sheet][address].value
            assert content is not None, f"{sheet}!{address} is empty"
            text = getattr(content, "text", content)
            self.known[key] = self._formula(sheet, text[1:]) if isinstance(text, str) else text
        return self.known[key]

    def area(self, sheet: str, text: str) -> Any:
        """A cell's value, or those of a range as an array."""
        if "!" in text:
            sheet, _, text = text.rpartition("!")
            sheet = sheet.strip("'")
        text = text.replace("$", "")
        if ":" not in text:
            return self(sheet, text)
        rows = self.book[sheet][text]
        found = np.array([[self(sheet, cell.coordinate) for cell in row] for row in rows])
        return found if len(found) > 1 and found.shape[1] > 1 else found.ravel() if len(found) == 1 else found

    def _name(self, name: str) -> Any:
        return self.area("", self.book.defined_names[name].attr_text)

    def _formula(self, sheet: str, text: str) -> Any:
        """Python of the same meaning, token by token; what is no token of ours is an error."""
        python, at = "", 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            assert match, f"{sheet}: {text!r} at {at}"
            kind, token = match.lastgroup, match.group()
            at = match.end()
            if kind == "place":
                python += f"area({sheet!r}, {token!r})"
            elif kind == "name":
                python += f"functions[{token!r}]" if text[at : at + 1] == "(" else f"name({token!r})"
            else:
                python += {"<>": "!=", "=": "=="}.get(token, token)
        return eval(python, {"area": self.area, "name": self._name, "functions": _FUNCTIONS, "__builtins__": {}})  # noqa: S307
