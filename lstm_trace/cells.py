"""The LSTM variants as equations: options choose the terms, the text is the textbook's, `parse` reads it.

Sources: the cell Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000; peepholes
Gers & Schmidhuber 2000 (the output gate sees the new cell state); projection Sak, Senior & Beaufays 2014; coupled
gates Greff et al. 2017; layer normalisation Ba, Kiros & Hinton 2016; sLSTM Beck et al. 2024 (xLSTM).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal, get_args

from .errors import OptionError
from .lines import Cell
from .ops import OPS
from .parse import parse

Bias = Literal["none", "one", "two"]
Padding = Literal["zero", "repeat", "carry"]
Merge = Literal["concat", "sum", "mean", "product", "none"]

#: Other names of activations, with the constants that they stand for.
ALIASES = {
    "hard_sigmoid_keras": ("hard_sigmoid", (1 / 6, 0.5)),  # Keras 3: x/6 + 0.5; ONNX and Keras 2: 0.2 x + 0.5
    "linear": ("affine", (1.0, 0.0)),
}
ACTIVATIONS = tuple(
    name
    for name in (
        "sigmoid", "tanh", "relu", "affine", "leaky_relu", "thresholded_relu", "scaled_tanh", "hard_sigmoid", "elu",
        "softsign", "softplus",
    )
)  # fmt: skip


@dataclass(frozen=True)
class LSTM:
    """Options of the cell `lstm`; `equations` writes the cell down.

    bias: none, one (`b_i`) or two (`b_xi`, `b_hi`) vectors for each gate.
    peephole: the gates see the cell state through `w_ci w_cf w_co`; the output gate sees the new one.
    coupled: f = 1 - i; the forget gate has no weights.
    projection: h = W_hr (o * tanh(c)) with `W_hr` (P, H); projection_bias adds `b_hr`.
    forget_bias: a number added to the forget gate's pre-activation at run time.
    clip: bound of every gate's input (ONNX); output_clip: bound of c before the output activation (ONNX's text);
    cell_clip: bound of the new cell state (TensorFlow); projection_clip: bound of the projected state.
    gate_activation, candidate_activation, output_activation: a name, or a name with numbers `leaky_relu(0.1)`.
    layer_norm: normalise each gate's pre-activation (`gamma_i`, `beta_i`, …); layer_norm_cell: also the cell state
    before its activation (`gamma_cell`, `beta_cell`); layer_norm_epsilon is added to the variance.
    """

    bias: Bias = "none"
    peephole: bool = False
    coupled: bool = False
    projection: bool = False
    projection_bias: bool = False
    forget_bias: float = 0.0
    clip: float | None = None
    output_clip: float | None = None
    cell_clip: float | None = None
    projection_clip: float | None = None
    gate_activation: str = "sigmoid"
    candidate_activation: str = "tanh"
    output_activation: str = "tanh"
    layer_norm: bool = False
    layer_norm_cell: bool = False
    layer_norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        _check(self)
        if self.projection_bias and not self.projection:
            raise OptionError("projection_bias needs projection: true")
        if self.projection_clip is not None and not self.projection:
            raise OptionError("projection_clip needs projection: true")

    def equations(self) -> str:
        """The cell as text, in the grammar of `parse`."""
        gates = ["i", "c", "o"] if self.coupled else ["i", "f", "c", "o"]
        rows: list[str] = []
        for gate in gates:
            name = {"c": "c_tilde"}.get(gate, f"{gate}_t")
            if gate == "o" and not self.peephole:
                rows += self._gate(gate, name)
            elif gate != "o":
                rows += self._gate(gate, name)
            if gate == "i" and self.coupled:
                rows.append("f_t = 1 - i_t")
        update = "f_t * c_prev + i_t * c_tilde"
        rows.append(f"c_t = {_clipped(update, self.cell_clip)}")
        if self.peephole:
            rows += self._gate("o", "o_t")
        cell = "c_t"
        if self.layer_norm_cell:
            rows += self._norm("cell", "c_t", "y_cell")
            cell = "y_cell"
        squashed = _apply(self.output_activation, _clipped(cell, self.output_clip))
        if self.projection:
            rows.append(f"m_t = o_t * {squashed}")
            product = "W_hr @ m_t" + (" + b_hr" if self.projection_bias else "")
            rows.append(f"h_t = {_clipped(product, self.projection_clip)}")
        else:
            rows.append(f"h_t = o_t * {squashed}")
        return "\n".join([*rows, "carry: h_prev <- h_t, c_prev <- c_t", "output: h_t"])

    def _gate(self, gate: str, name: str) -> list[str]:
        """Pre-activation and activation of one gate; the framework order of the terms (W_x x, b_x, W_h h, b_h)."""
        terms = [f"W_x{gate} @ x_t", f"W_h{gate} @ h_prev"]
        if self.bias == "two":
            terms[1:1] = [f"b_x{gate}"]
            terms.append(f"b_h{gate}")
        if self.peephole and gate != "c":
            terms.append(f"w_c{gate} * {'c_t' if gate == 'o' else 'c_prev'}")
        if self.bias == "one":
            terms.append(f"b_{gate}")
        constant = self.forget_bias if gate == "f" else 0.0
        shift = f" {'-' if constant < 0 else '+'} {abs(constant)!r}" if constant else ""
        z = f"z_{gate}"
        rows = [f"{z} = {' + '.join(terms)}{'' if self.layer_norm else shift}"]
        if self.layer_norm:
            z = f"y_{gate}"
            rows += self._norm(gate, f"z_{gate}", z, shift)
        activation = self.candidate_activation if gate == "c" else self.gate_activation
        return [*rows, f"{name} = {_apply(activation, _clipped(z, self.clip))}"]

    def _norm(self, part: str, value: str, name: str, shift: str = "") -> list[str]:
        """(v - mean) / sqrt(variance + epsilon), scaled and shifted: Ba et al. 2016, equation 4."""
        return [
            f"d_{part} = {value} - mean({value})",
            f"s_{part} = sqrt(mean(d_{part} * d_{part}) + {self.layer_norm_epsilon!r})",
            f"n_{part} = d_{part} / s_{part}",
            f"{name} = gamma_{part} * n_{part} + beta_{part}{shift}",
        ]


@dataclass(frozen=True)
class SLSTM:
    """Options of the cell `slstm` (Beck et al. 2024, equations 8 to 18): exponential gates, normaliser n, stabiliser m.

    bias: as for `lstm`. forget_activation: sigmoid or exp. Three states beside h are carried: c, n and m.
    """

    bias: Bias = "none"
    forget_activation: Literal["sigmoid", "exp"] = "sigmoid"

    def __post_init__(self) -> None:
        _check(self)

    def equations(self) -> str:
        """The cell as text; log(sigmoid(z)) is written -softplus(-z), which does not underflow."""
        rows = []
        for gate in "ifco":
            bias = {"none": "", "one": f" + b_{gate}", "two": ""}[self.bias]
            if self.bias == "two":
                rows.append(f"z_{gate} = W_x{gate} @ x_t + b_x{gate} + W_h{gate} @ h_prev + b_h{gate}")
            else:
                rows.append(f"z_{gate} = W_x{gate} @ x_t + W_h{gate} @ h_prev{bias}")
        rows += [
            f"log_f = {'z_f' if self.forget_activation == 'exp' else '-softplus(-z_f)'}",
            "m_t = max(log_f + m_prev, z_i)",
            "i_t = exp(z_i - m_t)",
            "f_t = exp(log_f + m_prev - m_t)",
            "c_tilde = tanh(z_c)",
            "o_t = sigmoid(z_o)",
            "c_t = f_t * c_prev + i_t * c_tilde",
            "n_t = f_t * n_prev + i_t",
            "q_t = c_t / n_t",
            "h_t = o_t * q_t",
            "carry: h_prev <- h_t, c_prev <- c_t, n_prev <- n_t, m_prev <- m_t",
            "output: h_t",
        ]
        return "\n".join(rows)


KINDS: dict[str, type[LSTM] | type[SLSTM]] = {"lstm": LSTM, "slstm": SLSTM}

#: The option that brings a weight into the equations, for the message on a weight without its option.
OPTION_OF = {
    **{f"w_c{g}": "peephole: true" for g in "ifo"},
    **{f"gamma_{g}": "layer_norm: true" for g in "ifco"},
    **{f"beta_{g}": "layer_norm: true" for g in "ifco"},
    **{n: "layer_norm_cell: true" for n in ("gamma_cell", "beta_cell")},
    "W_hr": "projection: true",
    "b_hr": "projection_bias: true",
}


def named(kind: str, options: Mapping[str, Any], weights: Iterable[str] = ()) -> tuple[Cell, dict[str, Any]]:
    """The cell `kind` with `options`, and the options in full; without `bias` the names of the weights decide it.

    Raises OptionError for a kind or option that does not exist or a value that it cannot take.
    """
    if kind not in KINDS:
        close = difflib.get_close_matches(kind, KINDS, n=1)
        said = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(KINDS)}"
        raise OptionError(f"unknown cell {kind!r}; {said} An own cell is given as {{equations: …}}")
    known = {f.name for f in fields(KINDS[kind])}
    unknown = [name for name in options if name not in known]
    if unknown:
        close = [f"{n}{_meant(n, known)}" for n in unknown]
        raise OptionError(
            f"the cell {kind!r} has no option {', '.join(close)}. Its options: {', '.join(sorted(known))}"
        )
    chosen = {name: value for name, value in options.items() if value is not None}
    chosen.setdefault("bias", _bias(weights))
    spec = KINDS[kind](**chosen)
    return _parsed(spec.equations()), {f.name: getattr(spec, f.name) for f in fields(spec)}


def masked(cell: Cell, padding: Padding) -> Cell:
    """The cell for rows of unequal length: past a row's length every state keeps its value.

    Adds the input `valid` (1 within the length, 0 past it) and the line `y_t`, what the next layer sees: zero, the
    last valid output (`repeat`; zero before there is one, as Keras has it), or the carried state (`carry`).
    """
    past = {"zero": "0", "repeat": "y_prev", "carry": ""}[padding]
    if padding == "carry":
        past = next((state for state, line in cell.carry if line == cell.output), "")
        if not past:
            raise OptionError("padding: carry needs a cell that carries its output; choose zero or repeat")
    carry = [f"{state} <- where(valid, {line}, {state})" for state, line in cell.carry]
    carry += ["y_prev <- y_t"] if padding == "repeat" else []
    rows = [f"{name} = {right}" for name, right in cell.equations.items()]
    rows.insert(0, f"input: {', '.join((*cell.inputs, 'valid'))}")
    rows += [f"y_t = where(valid, {cell.output}, {past})", f"carry: {', '.join(carry)}", "output: y_t"]
    return _parsed("\n".join(rows))


def joined(merge: Merge) -> Cell:
    """The line `y_t` in which the two directions of a layer meet."""
    right = {
        "concat": "concat(y_forward, y_reverse)",
        "sum": "y_forward + y_reverse",
        "mean": "0.5 * (y_forward + y_reverse)",
        "product": "y_forward * y_reverse",
    }[merge]
    return _parsed(f"input: y_forward, y_reverse\ny_t = {right}\noutput: y_t")


def extended(cell: Cell, extra: str) -> Cell:
    """The cell with more equations after its own; what it carries and gives out stays. Raises CellError."""
    rows = cell.text.splitlines()
    last = next(i for i, row in enumerate(rows) if row.startswith(("carry:", "output:")))
    return parse("\n".join([*rows[:last], extra, *rows[last:]]))


@lru_cache(maxsize=256)
def _parsed(text: str) -> Cell:
    return parse(text)


def _bias(weights: Iterable[str]) -> Bias:
    names = set(weights)
    if any(f"b_{side}{gate}" in names for side in "xh" for gate in "ifco"):
        return "two"
    return "one" if any(f"b_{gate}" in names for gate in "ifco") else "none"


def _clipped(value: str, bound: float | None) -> str:
    return value if bound is None else f"clip({value}, -{bound!r}, {bound!r})"


def _apply(activation: str, value: str) -> str:
    """The call text of an activation given as `name` or `name(alpha, beta)`."""
    name, _, rest = activation.partition("(")
    if name in ALIASES:
        name, constants = ALIASES[name]
        return f"{name}({value}, {', '.join(map(repr, constants))})"
    return f"{name}({value}, {rest}" if rest else f"{name}({value})"


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _check(spec: LSTM | SLSTM) -> None:
    """Raise OptionError with every value of `spec` that its option cannot take."""
    problems = []
    for f in fields(spec):
        value = getattr(spec, f.name)
        problem = ""
        if "clip" in f.name and value is not None:
            problem = "" if _is_number(value) and value > 0 else "must be a positive number"
        elif f.name.endswith("_activation") and f.name != "forget_activation":
            problem = _activation_problem(value)
        elif f.name in ("forget_bias", "layer_norm_epsilon"):
            ok = _is_number(value) and (f.name == "forget_bias" or value > 0)
            problem = "" if ok else f"must be a {'' if f.name == 'forget_bias' else 'positive '}number"
        elif f.name == "bias" and value not in get_args(Bias):
            problem = "must be none, one or two"
        elif f.name == "forget_activation" and value not in ("sigmoid", "exp"):
            problem = "must be sigmoid or exp"
        elif f.default in (True, False) and not isinstance(value, bool) and isinstance(f.default, bool):
            problem = "must be true or false"
        if problem:
            problems.append(f"option {f.name} {problem}; found {value!r}")
    if problems:
        raise OptionError(*problems)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _activation_problem(value: Any) -> str:
    names = [*ACTIVATIONS, *ALIASES]
    name, mark, rest = str(value).partition("(")
    if name not in names:
        return f"must be one of {', '.join(names)}{_meant(name, names)}"
    numbers = rest.removesuffix(")").split(",") if mark else []
    most = 0 if name in ALIASES else len(OPS[name].constants)
    try:
        fits = len(numbers) <= most and all(math.isfinite(float(n)) for n in numbers)
    except ValueError:
        fits = False
    return "" if fits and rest.endswith(")") == bool(mark) else f"takes at most {most} numbers: {name}(alpha, beta)"
