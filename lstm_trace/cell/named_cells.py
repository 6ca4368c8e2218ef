"""The named cells: options in, equations out. To add one, add a class here and a row in `KINDS`.

Sources. The LSTM: the cell of Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000;
peepholes Gers & Schmidhuber 2000 (the output gate sees the new cell state); projection Sak, Senior & Beaufays 2014;
coupled gates Greff et al. 2017; layer normalisation Ba, Kiros & Hinton 2016. The sLSTM: Beck et al. 2024. The GRU: Cho
et al. 2014. The simple recurrent cell: Elman 1990.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import chain
from numbers import Real
from typing import Any, ClassVar, Literal, cast, get_args, get_origin, get_type_hints

from ..errors import OptionError, closest, nearest, raise_all
from .composites import BUILT_IN
from .lines import number
from .notations import spellings
from .ops import OPS

#: Activations that are a single operation, with its constants. All others are composite functions.
ACTIVATIONS = ("sigmoid", "tanh", "relu", "elu", "softplus")


def apply(activation: str, value: str) -> str:
    """The text of an activation, given as `name` or `name(alpha, beta)`, applied to the expression `value`.

    >>> apply("leaky_relu(0.1)", "z_i"), apply("silu", "z_i")
    ('leaky_relu(z_i, 0.1)', 'silu(z_i)')
    """
    name, numbers = _parts(activation)
    return f"{name}({', '.join([value, *(number(float(n)) for n in numbers)])})"


def _parts(activation: str) -> tuple[str, list[str]]:
    """'leaky_relu(0.1)' as its name and the texts of its numbers."""
    name, mark, rest = activation.partition("(")
    return name.strip(), rest.removesuffix(")").split(",") if mark else []


def clipped(value: str, bound: float | None) -> str:
    """The text of `value` clipped to ±bound; `value` itself without a bound."""
    return value if bound is None else f"clip({value}, -{number(bound)}, {number(bound)})"


def is_number(value: Any) -> bool:
    """True for a finite real number that is not a boolean."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer too large for a float
        return False


def meant(name: str, known: Iterable[str]) -> str:
    """' (did you mean …?)', or an empty string if nothing is close."""
    close = closest(name, known)
    return f" (did you mean {close}?)" if close else ""


@cache
def _words(spec: Any) -> dict[str, tuple[str, ...]]:
    """The options that accept one of several words."""
    return {name: get_args(hint) for name, hint in get_type_hints(spec).items() if get_origin(hint) is Literal}


def _problem(name: str, default: Any, value: Any, words: Sequence[str]) -> str:
    if "clip" in name or name == "layer_norm_epsilon":
        fits = (value is None and default is None) or (is_number(value) and value > 0)
        return "" if fits else "must be a positive number"
    if words:
        *most, last = words
        return "" if value in words else f"must be {', '.join(most)} or {last}"
    if name.endswith("activation"):
        return _activation_problem(value)
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "must be true or false"
    return "" if is_number(value) else "must be a number"


def _activation_problem(value: Any) -> str:
    known = {name: [constant for constant, _ in OPS[name].constants] for name in ACTIVATIONS}
    known |= {f.name: [*f.arguments[1:]] for f in BUILT_IN.values() if len(f.defaults) == len(f.arguments) - 1}
    name, numbers = _parts(str(value))
    if name not in known:
        return f"must be one of {', '.join(known)}{meant(name, known)}"
    constants = known[name]
    try:
        fits = len(numbers) <= len(constants) and all(math.isfinite(float(n)) for n in numbers)
    except ValueError:
        fits = False
    if fits and str(value).endswith(")") == bool(numbers):
        return ""
    return f"must be written {name}({', '.join(constants)}) with numbers" if constants else f"is {name} without numbers"


@dataclass(frozen=True)
class Kind:
    """A named cell. The fields are its options; `equations` returns the cell as text.

    gates: a letter for each gate: gate i has the weights `W_xi` and `W_hi` and the biases `b_i`, or `b_xi` and `b_hi`.
    brings: a weight to the option, with its value, that makes the equations use it; biases need no entry.
    needs: option to the options of which at least one must be on for it to have an effect; excludes: option to one that
    it cannot be combined with. An option that would change no equation is an error, never ignored.
    bias: none, one or two vectors per gate.
    """

    gates: ClassVar[str]
    brings: ClassVar[Mapping[str, tuple[str, Any]]] = {}
    needs: ClassVar[Mapping[str, Sequence[str]]] = {}
    excludes: ClassVar[Mapping[str, str]] = {}

    bias: Literal["none", "one", "two"] = "none"

    def __post_init__(self) -> None:
        problems, kind = [], cast(Any, type(self))
        for f in fields(self):
            value, needs, beside = getattr(self, f.name), self.needs.get(f.name, ()), self.excludes.get(f.name, "")
            problem = _problem(f.name, f.default, value, _words(kind).get(f.name, ()))
            if not problem and value != f.default:
                if needs and not any(getattr(self, other) for other in needs):
                    problem = f"changes nothing without {' or '.join(f'{other}: true' for other in needs)}"
                elif beside and getattr(self, beside):
                    problem = f"has no effect with {beside}: true"
            if problem:
                problems.append(f"option {f.name} {problem}; found {value!r}")
        raise_all(OptionError, problems)

    def equations(self) -> str:
        """The cell as text, in the grammar of `parse`."""
        raise NotImplementedError

    def terms(self, gate: str, state: str = "h_prev") -> tuple[list[str], list[str], list[str]]:
        """The terms of a gate's pre-activation: of the input, of the state, and the single bias; in this order.

        Frameworks add them in this order: W_x x, b_x, W_h h, b_h.
        """
        two = self.bias == "two"
        x, h = ([f"W_{side}{gate} @ {v}"] + [f"b_{side}{gate}"] * two for side, v in (("x", "x_t"), ("h", state)))
        return x, h, [f"b_{gate}"] * (self.bias == "one")

    def unread(self, name: str) -> str:
        """Why the equations do not use the weight `name`; empty if no option would change that."""
        option, value = self.option_of().get(name, ("", None))
        if option and getattr(self, option) != value:
            return f": it needs the option {option}: {str(value).lower()}"
        return ""

    def misfits(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """Inconsistent sizes of one layer's weights that no single equation reveals."""
        return []

    @classmethod
    def option_of(cls) -> dict[str, tuple[str, Any]]:
        """The option, with its value, for each weight that needs one."""
        biases = {f"b_{g}": ("bias", "one") for g in cls.gates}
        return biases | {f"b_{side}{g}": ("bias", "two") for g in cls.gates for side in "xh"} | dict(cls.brings)

    @classmethod
    def reads(cls, name: str) -> bool:
        """Whether the cell uses the weight `name` with some options."""
        return name in cls.option_of() or name in {f"W_{side}{g}" for g in cls.gates for side in "xh"}


@dataclass(frozen=True)
class LSTM(Kind):
    """Options of the cell `lstm`.

    bias: none, one (`b_i`) or two (`b_xi`, `b_hi`) vectors per gate.
    peephole: the gates see the cell state through `w_ci w_cf w_co`; the output gate sees the new one.
    coupled: f = 1 - i; the forget gate has no weights.
    projection: h = W_hr (o * tanh(c)) with `W_hr` (P, H); projection_bias adds `b_hr`.
    forget_bias: a number added to the forget gate's pre-activation at run time.
    clip: bound of every gate's input (ONNX); output_clip: bound of c before the output activation (ONNX's text);
    cell_clip: bound of the new cell state (TensorFlow); projection_clip: bound of the projected state.
    gate_activation, candidate_activation, output_activation: a name, or a name with numbers `leaky_relu(0.1)`.
    layer_norm: normalise each gate's pre-activation (`gamma_i`, `beta_i`, …); layer_norm_cell: the cell state before
    its activation (`gamma_cell`, `beta_cell`); layer_norm_carried: carry the normalised cell state, as in TensorFlow's
    LayerNormBasicLSTMCell; layer_norm_epsilon is added to the variance.
    """

    gates = "ifco"
    brings: ClassVar = {
        **{f"w_c{g}": ("peephole", True) for g in "ifo"},
        **{f"{name}_{g}": ("layer_norm", True) for name in ("gamma", "beta") for g in "ifco"},
        **{f"{name}_cell": ("layer_norm_cell", True) for name in ("gamma", "beta")},
        "W_hr": ("projection", True),
        "b_hr": ("projection_bias", True),
    }
    needs: ClassVar = {
        "projection_bias": ("projection",),
        "projection_clip": ("projection",),
        "layer_norm_carried": ("layer_norm_cell",),
        "layer_norm_epsilon": ("layer_norm", "layer_norm_cell"),
    }
    excludes: ClassVar = {"forget_bias": "coupled"}

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

    def equations(self) -> str:
        """The cell as text."""
        rows = self._gate("i", "i_t")
        rows += ["f_t = 1 - i_t"] if self.coupled else self._gate("f", "f_t")
        rows += self._gate("c", "c_tilde")
        cell = "c_t"
        update = [f"c_t = {clipped('f_t * c_prev + i_t * c_tilde', self.cell_clip)}"]
        if self.layer_norm_cell:
            update += self._norm("cell", "c_t", "y_cell")
            cell = "y_cell"
        # the output gate comes before the update, as in textbooks, unless it uses the new cell state
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
        """Pre-activation and activation of one gate."""
        x, h, b = self.terms(gate)
        if self.peephole and gate != "c":
            h.append(f"w_c{gate} * {'c_t' if gate == 'o' else 'c_prev'}")
        constant = self.forget_bias if gate == "f" else 0.0
        shift = f" {'-' if constant < 0 else '+'} {number(abs(constant))}" if constant else ""
        z = f"z_{gate}"
        rows = [f"{z} = {' + '.join([*x, *h, *b])}{'' if self.layer_norm else shift}"]
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

    def unread(self, name: str) -> str:
        """Why the equations do not use the weight `name`; empty if no option would change that."""
        if self.coupled and name.rstrip("f") in ("W_x", "W_h", "w_c", "b_", "b_x", "b_h", "gamma_", "beta_"):
            return ": with coupled: true the forget gate is 1 - i_t and has no weights"
        return super().unread(name)

    def misfits(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """A projection that is not narrower than the hidden state.

        >>> LSTM(projection=True).misfits({"W_hr": (3, 3)})
        ['W_hr has shape (3, 3): P = 3 projected units from H = 3; a projection must be narrower than the hidden state']
        """
        shape = shapes.get("W_hr", ())
        if not self.projection or len(shape) != 2 or shape[0] < shape[1]:
            return []
        turned = " (it looks transposed)" if shape[0] > shape[1] else ""
        must = f"a projection must be narrower than the hidden state{turned}"
        return [f"W_hr has shape {shape}: P = {shape[0]} projected units from H = {shape[1]}; {must}"]


@dataclass(frozen=True)
class SLSTM(Kind):
    """Options of the cell `slstm` (Beck et al. 2024, equations 8 to 17): exponential gates and a normaliser n.

    bias: as for `lstm`. forget_activation: sigmoid or exp. stabilised: with the stabiliser m of equations 15 to 17,
    which does not change h and keeps exp from overflowing. The states c, n and m are carried in addition to h.
    """

    gates = "ifco"

    forget_activation: Literal["sigmoid", "exp"] = "sigmoid"
    stabilised: bool = True

    def equations(self) -> str:
        """The cell as text; log(sigmoid(z)) is written -softplus(-z), which does not underflow."""
        rows = [f"z_{gate} = {' + '.join(chain(*self.terms(gate)))}" for gate in self.gates]
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


@dataclass(frozen=True)
class GRU(Kind):
    """Options of the cell `gru`: reset gate r, update gate u, candidate h.

    bias: as for `lstm`. reset_after: the reset gate multiplies W_hh h + b_hh (PyTorch, cuDNN; Keras' default, ONNX's
    linear_before_reset), not h (Cho et al. 2014, equation 8).
    update: what the update gate does with its share of the old state: keep (Cho et al. 2014, equation 7; PyTorch,
    Keras, ONNX) or write over it (Chung et al. 2014).
    clip: bound of the input of both gates and of the candidate (ONNX). gate_activation, candidate_activation: as for
    `lstm`.
    """

    gates = "ruh"

    reset_after: bool = False
    update: Literal["keep", "write"] = "keep"
    clip: float | None = None
    gate_activation: str = "sigmoid"
    candidate_activation: str = "tanh"

    def equations(self) -> str:
        """The cell as text."""
        rows = []
        for gate, name in (("r", "r_t"), ("u", "u_t"), ("h", "h_tilde")):
            x, h, b = self.terms(gate, "(r_t * h_prev)" if gate == "h" and not self.reset_after else "h_prev")
            if gate == "h" and self.reset_after:
                h = [f"r_t * ({' + '.join(h)})"]
            activation = self.candidate_activation if gate == "h" else self.gate_activation
            rows.append(f"z_{gate} = {' + '.join([*x, *h, *b])}")
            rows.append(f"{name} = {apply(activation, clipped(f'z_{gate}', self.clip))}")
        old, new = ("u_t", "(1 - u_t)") if self.update == "keep" else ("(1 - u_t)", "u_t")
        rows.append(f"h_t = {old} * h_prev + {new} * h_tilde")
        return "\n".join([*rows, "carry: h_prev <- h_t", "output: h_t"])


@dataclass(frozen=True)
class RNN(Kind):
    """Options of the cell `rnn`, which has one set of weights: `W_xh`, `W_hh`, and `b_h`, or `b_xh` and `b_hh`.

    bias, activation: as for `lstm`. clip: bound of the activation's input (ONNX).
    """

    gates = "h"

    activation: str = "tanh"
    clip: float | None = None

    def equations(self) -> str:
        """The cell as text."""
        activated = apply(self.activation, clipped("z_h", self.clip))
        rows = [f"z_h = {' + '.join(chain(*self.terms('h')))}", f"h_t = {activated}"]
        return "\n".join([*rows, "carry: h_prev <- h_t", "output: h_t"])


#: A name in `KINDS`, for type checkers.
CellName = Literal["lstm", "slstm", "gru", "rnn"]
KINDS: dict[str, type[Kind]] = {"lstm": LSTM, "slstm": SLSTM, "gru": GRU, "rnn": RNN}


def nearest_line(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The end of a message about a line that does not exist, as by `errors.nearest`.

    A line that other programs and papers call by another name is found by that: z_r looks more like z_t, but u_t is
    what it means.

    >>> nearest_line("z_t", ["z_r", "r_t", "z_u", "u_t", "z_h", "h_tilde", "h_t"])
    "; did you mean 'u_t'? It is z_t in the notation pytorch"
    >>> nearest_line("n_t", ["h_tilde", "h_t"])[:26], nearest_line("n_t", ["i_t", "h_t"])
    ("; did you mean 'h_tilde'? ", "; did you mean 'i_t'?")
    """
    names = list(known)
    for one in chain(*map(spellings, KINDS)):
        for ours, theirs in one.lines.items():
            if theirs == name != ours and ours in names:
                return f"; did you mean {ours!r}? It is {name} in the notation {one.notation}"
    return nearest(name, names, otherwise)
