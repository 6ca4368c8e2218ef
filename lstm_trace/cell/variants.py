"""The LSTM variants as equations: options choose the terms, the text is the textbook's, `parse` reads it.

Sources: the cell Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000; peepholes
Gers & Schmidhuber 2000 (the output gate sees the new cell state); projection Sak, Senior & Beaufays 2014; coupled
gates Greff et al. 2017; layer normalisation Ba, Kiros & Hinton 2016; sLSTM Beck et al. 2024 (xLSTM).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal

from ..errors import OptionError, nearest, within
from .lines import Cell, number
from .options import apply, check, clipped, is_number, meant
from .parse import parse

Bias = Literal["none", "one", "two"]
Padding = Literal["zero", "repeat", "carry"]
Merge = Literal["concat", "sum", "mean", "product", "none"]


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
    layer_norm: normalise each gate's pre-activation (`gamma_i`, `beta_i`, …); layer_norm_cell: the cell state before
    its activation (`gamma_cell`, `beta_cell`); layer_norm_carried: the normalised cell state is the one that is
    carried, as TensorFlow's LayerNormBasicLSTMCell has it; layer_norm_epsilon is added to the variance.
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
    layer_norm_carried: bool = False
    layer_norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        needs = {
            "projection_bias": ("projection",),
            "projection_clip": ("projection",),
            "layer_norm_carried": ("layer_norm_cell",),
            "layer_norm_epsilon": ("layer_norm", "layer_norm_cell"),
        }
        check(self, needs, excludes={"forget_bias": "coupled"})

    def equations(self) -> str:
        """The cell as text, in the grammar of `parse`."""
        rows = self._gate("i", "i_t")
        rows += ["f_t = 1 - i_t"] if self.coupled else self._gate("f", "f_t")
        rows += self._gate("c", "c_tilde")
        cell = "c_t"
        update = [f"c_t = {clipped('f_t * c_prev + i_t * c_tilde', self.cell_clip)}"]
        if self.layer_norm_cell:
            update += self._norm("cell", "c_t", "y_cell")
            cell = "y_cell"
        # the output gate stands before the update, as the textbooks have it, unless it looks at the new cell state
        rows += [*update, *self._gate("o", "o_t")] if self.peephole else [*self._gate("o", "o_t"), *update]
        squashed = apply(self.output_activation, clipped(cell, self.output_clip))
        if self.projection:
            rows.append(f"m_t = o_t * {squashed}")
            product = "W_hr @ m_t" + (" + b_hr" if self.projection_bias else "")
            rows.append(f"h_t = {clipped(product, self.projection_clip)}")
        else:
            rows.append(f"h_t = o_t * {squashed}")
        carried = cell if self.layer_norm_carried else "c_t"
        return "\n".join([*rows, f"carry: h_prev <- h_t, c_prev <- {carried}", "output: h_t"])

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
        shift = f" {'-' if constant < 0 else '+'} {number(abs(constant))}" if constant else ""
        z = f"z_{gate}"
        rows = [f"{z} = {' + '.join(terms)}{'' if self.layer_norm else shift}"]
        if self.layer_norm:
            z = f"y_{gate}"
            rows += self._norm(gate, f"z_{gate}", z, shift)
        activation = self.candidate_activation if gate == "c" else self.gate_activation
        return [*rows, f"{name} = {apply(activation, clipped(z, self.clip))}"]

    def _norm(self, part: str, value: str, name: str, shift: str = "") -> list[str]:
        """(v - mean) / sqrt(variance + epsilon), scaled and shifted: Ba et al. 2016, equation 4."""
        return [
            f"d_{part} = {value} - mean({value})",
            f"s_{part} = sqrt(mean(d_{part} * d_{part}) + {number(self.layer_norm_epsilon)})",
            f"n_{part} = d_{part} / s_{part}",
            f"{name} = gamma_{part} * n_{part} + beta_{part}{shift}",
        ]


@dataclass(frozen=True)
class SLSTM:
    """Options of the cell `slstm` (Beck et al. 2024, equations 8 to 17): exponential gates and a normaliser n.

    bias: as for `lstm`. forget_activation: sigmoid or exp. stabilised: with the stabiliser m of equations 15 to 17,
    which leaves h as it is and keeps exp from overflowing. The states c, n and m are carried beside h.
    """

    bias: Bias = "none"
    forget_activation: Literal["sigmoid", "exp"] = "sigmoid"
    stabilised: bool = True

    def __post_init__(self) -> None:
        check(self, needs={}, excludes={})

    def equations(self) -> str:
        """The cell as text; log(sigmoid(z)) is written -softplus(-z), which does not underflow."""
        rows = []
        for gate in "ifco":
            bias = {"none": "", "one": f" + b_{gate}", "two": ""}[self.bias]
            if self.bias == "two":
                rows.append(f"z_{gate} = W_x{gate} @ x_t + b_x{gate} + W_h{gate} @ h_prev + b_h{gate}")
            else:
                rows.append(f"z_{gate} = W_x{gate} @ x_t + W_h{gate} @ h_prev{bias}")
        if self.stabilised:
            rows += [
                f"log_f = {'z_f' if self.forget_activation == 'exp' else '-softplus(-z_f)'}",
                "m_t = max(log_f + m_prev, z_i)",
                "i_t = exp(z_i - m_t)",
                "f_t = exp(log_f + m_prev - m_t)",
            ]
        else:
            rows += ["i_t = exp(z_i)", f"f_t = {self.forget_activation}(z_f)"]
        rows += [
            "c_tilde = tanh(z_c)",
            "o_t = sigmoid(z_o)",
            "c_t = f_t * c_prev + i_t * c_tilde",
            "n_t = f_t * n_prev + i_t",
            "q_t = c_t / n_t",
            "h_t = o_t * q_t",
            f"carry: h_prev <- h_t, c_prev <- c_t, n_prev <- n_t{', m_prev <- m_t' if self.stabilised else ''}",
            "output: h_t",
        ]
        return "\n".join(rows)


KINDS: dict[str, type[LSTM] | type[SLSTM]] = {"lstm": LSTM, "slstm": SLSTM}

#: The option that brings a weight into the equations, for the message on a weight without its option.
OPTION_OF = {
    **{f"w_c{g}": ("peephole", True) for g in "ifo"},
    **{f"gamma_{g}": ("layer_norm", True) for g in "ifco"},
    **{f"beta_{g}": ("layer_norm", True) for g in "ifco"},
    "gamma_cell": ("layer_norm_cell", True),
    "beta_cell": ("layer_norm_cell", True),
    "W_hr": ("projection", True),
    "b_hr": ("projection_bias", True),
    **{f"b_{g}": ("bias", "one") for g in "ifco"},
    **{f"b_{side}{g}": ("bias", "two") for g in "ifco" for side in "xh"},
}


def unread(name: str, kind: str, options: Mapping[str, Any], known: Iterable[str]) -> str:
    """Why no equation reads the weight `name`: the option that it needs, or the nearest name that is read.

    >>> unread("w_ci", "lstm", {"peephole": False}, ["W_xi"])
    ': it needs the option peephole: true'
    """
    if options.get("coupled") and name.rstrip("f") in ("W_x", "W_h", "w_c", "b_", "b_x", "b_h", "gamma_", "beta_"):
        return ": with coupled: true the forget gate is 1 - i_t and has no weights"
    option, value = OPTION_OF.get(name, ("", None))
    if option in options and options[option] != value:
        return f": it needs the option {option}: {str(value).lower()}"
    if option and option not in options and kind in KINDS:
        return f": the cell {kind!r} has no {option}"
    return nearest(name, known)


def misfits(options: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], scope: str = "") -> list[str]:
    """What the sizes of one layer's weights get wrong that no single equation shows.

    >>> misfits({"projection": True}, {"W_hr": (3, 3)})
    ['W_hr has shape (3, 3): P = 3 projected units from H = 3; a projection must be narrower than the hidden state']
    """
    shape = shapes.get("W_hr", ())
    if not options.get("projection") or len(shape) != 2 or shape[0] < shape[1]:
        return []
    turned = " (it looks transposed)" if shape[0] > shape[1] else ""
    return [
        f"{scope}W_hr has shape {shape}: P = {shape[0]} projected units from H = {shape[1]}; "
        f"a projection must be narrower than the hidden state{turned}"
    ]


def named(kind: str, options: Mapping[str, Any], weights: Iterable[str] = ()) -> tuple[Cell, dict[str, Any]]:
    """The cell `kind` with `options`, and the options in full; without `bias` the names of the weights decide it.

    Raises OptionError for a kind or option that does not exist or a value that it cannot take.
    """
    if kind not in KINDS:
        said = nearest(kind, KINDS, "there are")
        stop = "" if said.endswith("?") else "."
        raise OptionError(f"unknown cell {kind!r}{said}{stop} An own cell is given as {{equations: …}}")
    known = {f.name for f in fields(KINDS[kind])}
    unknown = [name for name in options if name not in known]
    if unknown:
        close = [f"{n}{meant(n, known)}" for n in unknown]
        raise OptionError(
            f"the cell {kind!r} has no option {', '.join(close)}. Its options: {', '.join(sorted(known))}"
        )
    # a number of any library becomes a plain float: the equations and the trace's header are text
    chosen: dict[str, Any] = {n: float(v) if is_number(v) else v for n, v in options.items() if v is not None}
    chosen.setdefault("bias", _bias(weights))
    spec = KINDS[kind](**chosen)
    return _parsed(spec.equations()), {f.name: getattr(spec, f.name) for f in fields(spec)}


def directed(
    kind: str, options: Mapping[str, Any], weights: Iterable[str] = ()
) -> tuple[Cell, Cell | None, dict[str, Any]]:
    """The cell, that of the reverse direction where it is another, and the options in full (see `named`).

    options: those of `named`; `reverse` holds the options in which the reverse direction differs, and in the full
    options nothing else. Raises OptionError, also where `reverse` changes nothing or changes what is carried.
    """
    names = list(weights)
    cell, full = named(kind, of_direction(options, "forward"), names)
    other = options.get("reverse")
    if other is None:
        return cell, None, full
    if not isinstance(other, Mapping):
        raise OptionError(
            f"option reverse must be a mapping of the options in which the reverse direction differs, as in "
            f"{{gate_activation: hard_sigmoid}}; found {other!r}"
        )
    with within("option reverse"):
        back, whole = named(kind, of_direction(options, "reverse"), names)
    if back == cell:
        raise OptionError("option reverse changes nothing: both directions have these options; leave it out")
    if back.states.keys() != cell.states.keys():
        raise OptionError(
            f"option reverse: both directions carry the same states; forward {', '.join(cell.states)}, "
            f"reverse {', '.join(back.states)}"
        )
    return cell, back, full | {"reverse": {name: value for name, value in whole.items() if value != full[name]}}


def of_direction(options: Mapping[str, Any], direction: str) -> dict[str, Any]:
    """The options of one direction's cell.

    >>> of_direction({"clip": 3.0, "reverse": {"clip": 1.0}}, "reverse")
    {'clip': 1.0}
    """
    own = {name: value for name, value in options.items() if name != "reverse"}
    return own | dict(options.get("reverse") or {}) if direction == "reverse" else own


def masked(cell: Cell, padding: Padding, others: Iterable[str] = ()) -> Cell:
    """The cell for rows with padding: at padding every state keeps its value.

    Adds the input `valid` (1 at valid steps, 0 at padding) and the line `y_t`, what the next layer sees: zero, the
    last valid output (`repeat`; zero before there is one, as Keras has it), or the carried state (`carry`). Where the
    cell, or a name of `others`, is called `y_t` already, the line is `out_t`.
    """
    taken = {*cell.by_name, *cell.states, *others}
    stem = next(stem for stem in ("y", "out", "out_out") if not taken & {f"{stem}_t", f"{stem}_prev"})
    past = {"zero": "0", "repeat": f"{stem}_prev", "carry": ""}[padding]
    if padding == "carry":
        past = next((state for state, line in cell.carry if line == cell.output), "")
        if not past:
            raise OptionError("padding: carry needs a cell that carries its output; choose zero or repeat")
    carry = [f"{state} <- where(valid, {line}, {state})" for state, line in cell.carry]
    carry += [f"{stem}_prev <- {stem}_t"] if padding == "repeat" else []
    rows = [f"{name} = {right}" for name, right in cell.equations.items()]
    rows[:0] = [*(f.text for f in cell.functions), f"input: {', '.join((*cell.inputs, 'valid'))}"]
    rows += [f"{stem}_t = where(valid, {cell.output}, {past})", f"carry: {', '.join(carry)}", f"output: {stem}_t"]
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
    return parse("\n".join([*rows[:last], extra, *rows[last:]]), first=1 - last)


@lru_cache(maxsize=256)
def _parsed(text: str) -> Cell:
    return parse(text)


def _bias(weights: Iterable[str]) -> Bias:
    names = set(weights)
    if any(f"b_{side}{gate}" in names for side in "xh" for gate in "ifco"):
        return "two"
    return "one" if any(f"b_{gate}" in names for gate in "ifco") else "none"
