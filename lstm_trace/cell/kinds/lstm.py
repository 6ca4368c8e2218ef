"""The LSTM: options choose the terms.

Sources: the cell Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000; peepholes
Gers & Schmidhuber 2000 (the output gate sees the new cell state); projection Sak, Senior & Beaufays 2014; coupled
gates Greff et al. 2017; layer normalisation Ba, Kiros & Hinton 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ..lines import number
from .kind import Kind, apply, clipped


@dataclass(frozen=True)
class LSTM(Kind):
    """Options of the cell `lstm`.

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
        """Why the equations do not read the weight `name`; empty where no option brings it in."""
        if self.coupled and name.rstrip("f") in ("W_x", "W_h", "w_c", "b_", "b_x", "b_h", "gamma_", "beta_"):
            return ": with coupled: true the forget gate is 1 - i_t and has no weights"
        return super().unread(name)

    def misfits(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """A projection that is as wide as the hidden state.

        >>> LSTM(projection=True).misfits({"W_hr": (3, 3)})
        ['W_hr has shape (3, 3): P = 3 projected units from H = 3; a projection must be narrower than the hidden state']
        """
        shape = shapes.get("W_hr", ())
        if not self.projection or len(shape) != 2 or shape[0] < shape[1]:
            return []
        turned = " (it looks transposed)" if shape[0] > shape[1] else ""
        return [
            f"W_hr has shape {shape}: P = {shape[0]} projected units from H = {shape[1]}; "
            f"a projection must be narrower than the hidden state{turned}"
        ]
