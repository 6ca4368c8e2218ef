"""A weight that no equation reads is refused, with the option that would read it; so is an activation."""

from __future__ import annotations

from typing import Any

import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError, OptionError

PLAIN: dict[str, Any] = {f"W_{s}{g}": [[0.5]] for s in "xh" for g in "ifco"}

#: Weights that a plain LSTM has no use for, and the option that each needs.
NEEDS = {f"w_c{g}": "peephole: true" for g in "ifo"}
NEEDS |= {f"{name}_{g}": "layer_norm: true" for name in ("gamma", "beta") for g in "ifco"}
NEEDS |= {f"{name}_cell": "layer_norm_cell: true" for name in ("gamma", "beta")}
NEEDS |= {"W_hr": "projection: true", "b_hr": "projection_bias: true"}


@pytest.mark.parametrize("name", NEEDS)
def test_the_option_that_a_weight_needs_is_named(name: str) -> None:
    with pytest.raises(MissingError) as error:
        lt.prepare(PLAIN | {name: [[0.5]] if name == "W_hr" else [0.5]})
    assert str(error.value) == f"no equation of the cell reads the weight {name!r}: it needs the option {NEEDS[name]}"


@pytest.mark.parametrize(("name", "value"), [("b_f", "one"), ("b_xc", "two"), ("b_ho", "two")])
def test_so_is_the_kind_of_bias(name: str, value: str) -> None:
    with pytest.raises(MissingError, match=f"no equation of the cell reads the weight {name!r}: .* bias: {value}$"):
        lt.prepare(PLAIN | {name: [0.5]}, options={"bias": "none"})


@pytest.mark.parametrize("name", ["W_xf", "W_hf", "w_cf", "b_f", "b_xf", "b_hf", "gamma_f", "beta_f"])
def test_coupled_gates_have_no_forget_gate(name: str) -> None:
    others = {n: w for n, w in PLAIN.items() if not n.endswith("f")}
    with pytest.raises(MissingError, match="with coupled: true the forget gate is 1 - i_t and has no weights"):
        lt.prepare(others | {name: [[0.5]] if name[0] == "W" else [0.5]}, options={"coupled": True, "bias": "none"})


def test_another_cell_has_no_such_option_and_a_misspelt_name_has_a_neighbour() -> None:
    with pytest.raises(MissingError, match="reads the weight 'w_ci': the cell 'slstm' has no peephole"):
        lt.prepare(PLAIN | {"w_ci": [0.5]}, "slstm")
    without = {name: values for name, values in PLAIN.items() if name != "W_xi"}
    with pytest.raises(MissingError) as error:
        lt.prepare(without | {"W_ix": [[0.5]]})
    said = "no equation of the cell reads the weight 'W_ix'; did you mean 'W_xi'?"
    reads = "W_xi, W_hi, W_xf, W_hf, W_xc, W_hc, W_xo, W_ho"
    assert error.value.problems == (said, f"the weights lack W_xi; the cell reads {reads}")


def test_no_weight_that_is_there_is_suggested() -> None:
    with pytest.raises(MissingError) as error:
        lt.prepare(PLAIN | {"W_ix": [[0.5]]})
    assert str(error.value) == "no equation of the cell reads the weight 'W_ix'; none is missing: leave it out"


@pytest.mark.parametrize(
    ("cell", "name", "ours"),
    [("gru", "W_xz", "W_xu"), ("gru", "b_hn", "b_hh"), ("gru", "W_hn", "W_hh"), ("lstm", "W_hg", "W_hc")],
)
def test_a_weight_by_the_letter_of_pytorch_is_read(cell: Any, name: str, ours: str) -> None:
    gates = "ruh" if cell == "gru" else "ifco"
    weights: dict[str, Any] = {f"W_{s}{g}": [[0.5]] for s in "xh" for g in gates}
    weights |= {f"b_{s}{g}": [0.5] for s in "xh" for g in gates}
    weights[ours] = [[0.25]] if ours[0] == "W" else [0.25]
    expected = lt.run(weights, [[1.0]], cell=cell)
    weights[name] = weights.pop(ours)
    for given in (cell, None):  # the weights have it all the same
        trace = lt.run(weights, [[1.0]], cell=given)
        assert trace.parameters["0/forward"][ours].item() == 0.25
        assert trace["h_t"] == expected["h_t"]


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        ("leaky_relu(0.1", "must be written leaky_relu(alpha) with numbers"),
        ("leaky_relu()", "must be written leaky_relu(alpha) with numbers"),
        ("leaky_relu(0.1, 0.2)", "must be written leaky_relu(alpha) with numbers"),
        ("leaky_relu(x)", "must be written leaky_relu(alpha) with numbers"),
        ("hard_sigmoid(0.2, nan)", "must be written hard_sigmoid(alpha, beta) with numbers"),
        ("tanh(1)", "is tanh without numbers"),
        ("tanh()", "is tanh without numbers"),
        ("silu(1)", "is silu without numbers"),
        ("tahn", "(did you mean tanh?)"),
    ],
)
def test_an_activation_that_cannot_be_read(activation: str, message: str) -> None:
    with pytest.raises(OptionError) as error:
        lt.prepare(PLAIN, options={"candidate_activation": activation})
    assert message in str(error.value)
    assert f"found {activation!r}" in str(error.value)


def test_an_activation_with_its_numbers_is_read() -> None:
    for activation, right in (("leaky_relu(0.1)", "leaky_relu(z_c, 0.1)"), ("affine(2)", "affine(z_c, 2, 0)")):
        assert lt.prepare(PLAIN, options={"candidate_activation": activation}).cell.equations["c_tilde"] == right


@pytest.mark.parametrize("value", [0, -1e-5, float("nan"), float("inf"), True, "1e-5"])
def test_an_epsilon_that_is_no_positive_number(value: Any) -> None:
    with pytest.raises(OptionError, match="option layer_norm_epsilon must be a positive number; found"):
        lt.prepare(PLAIN, options={"layer_norm": True, "layer_norm_epsilon": value})


@pytest.mark.parametrize("name", ["clip", "output_clip", "cell_clip"])
@pytest.mark.parametrize("value", [0, -1.0, float("inf"), "1"])
def test_a_clip_that_is_no_positive_number(name: str, value: Any) -> None:
    with pytest.raises(OptionError, match=f"option {name} must be a positive number; found"):
        lt.prepare(PLAIN, options={name: value})


@pytest.mark.parametrize(
    ("cell", "name", "ours"),
    [("gru", "z_t", "u_t"), ("gru", "n_t", "h_tilde"), ("gru", "z_z", "z_u"), ("lstm", "g_t", "c_tilde")],
)
def test_a_gate_by_the_letter_of_other_programs_leads_to_its_line(cell: Any, name: str, ours: str) -> None:
    weights: dict[str, Any] = {f"W_{s}{g}": [[0.5]] for s in "xh" for g in ("ruh" if cell == "gru" else "ifco")}
    trace = lt.run(weights, [[1.0]], cell=cell)
    said = f"{name!r}; did you mean {ours!r}\\? It is {name} in the notation pytorch"
    for asked in (
        lambda: trace.report("text", only=[name]),
        lambda: trace[name],
        lambda: trace.extents(name),
        lambda: lt.run(weights, [[1.0]], cell=cell, ask=name),
        lambda: lt.run(weights, [[1.0]], cell=cell, record=[name]),
        lambda: lt.run(weights, [[1.0]], cell=cell, hold={name: 0}),
    ):
        with pytest.raises(MissingError, match=said):
            asked()
