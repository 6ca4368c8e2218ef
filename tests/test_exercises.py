"""Questions 19 to 22 of the exercises to all eight printed decimals: by the command line and by the six functions."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace import examples
from lstm_trace.base.files import read_data
from lstm_trace.cell import variants
from lstm_trace.cell.lines import Cell
from lstm_trace.cli import main

from .support import oracle
from .support.rounding import numbers, within

#: What the exercises print.
PRINTED = {
    "q19": {"i_t": "[0.40131234 0.16798161]"},
    "q20": {"o_t": "[0.98522597 0.09975049]"},
    "q21": {
        "f_t": "[0.78583498 0.66818777]",
        "i_t": "[0.40131234 0.16798161]",
        "c_tilde": "[0.09966799 0.09966799]",
        "c_t": "[0.039998 0.01674239]",
    },
    "q22": {
        "o_t": "[0.98522597 0.09975049]",
        "c_t": "[0.039998 0.01674239]",
        "tanh(c_t)": "[0.03997668 0.01674083]",
        "h_t": "[0.03938606 0.00166991]",
    },
}
#: What each question gives, and nothing else.
GIVEN = {
    "q19": {"W_xi", "W_hi"},
    "q20": {"W_xo", "W_ho"},
    "q21": {"W_xf", "W_hf", "W_xi", "W_hi", "W_xc", "W_hc"},
    "q22": {f"W_{side}{gate}" for side in "xh" for gate in "ifco"},
}
X, H, C = [1.0, 2.0, 3.0], [0.0, 0.0], [0.0, 0.0]
W: dict[str, Any] = read_data("q22.yaml", examples.text("q22").encode())["weights"]


def printed(values: Any) -> str:
    """As numpy prints an array of the exercise: eight decimals, without zeros at the end."""
    return "[" + " ".join(f"{value:.8f}".rstrip("0") for value in values) + "]"


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_by_the_command_line(name: str) -> None:
    problem = CliRunner().invoke(main, ["example", name])
    assert problem.exit_code == 0
    data = read_data("q.yaml", problem.stdout.encode())
    assert set(data["weights"]) == GIVEN[name]
    assert ("c_prev" in data or "c0" in data) == (name in ("q21", "q22"))
    result = CliRunner().invoke(main, ["run", "-"], input=problem.stdout)
    assert result.exit_code == 0, result.stderr
    trace = json.loads(result.stdout)
    lines = trace["lines"]["0/forward"]
    assert {line: printed(lines[line][0][0]) for line in PRINTED[name]} == PRINTED[name]
    assert trace["ask"] == list(PRINTED[name])
    assert set(trace["parameters"]["0/forward"]) == GIVEN[name]


def test_question_19_computes_the_input_gate_and_nothing_else() -> None:
    trace = lt.run({"weights": {"W_xi": W["W_xi"], "W_hi": W["W_hi"]}, "x_t": X, "h_prev": H, "ask": ["i_t"]})
    assert list(trace.lines["0/forward"]) == ["W_xi @ x_t", "W_hi @ h_prev", "z_i", "i_t"]
    assert printed(trace["i_t"][0, 0]) == PRINTED["q19"]["i_t"]


def test_by_the_six_functions() -> None:
    i_t = lt.calc_input_gate(X, H, W["W_xi"], W["W_hi"])
    f_t = lt.calc_forget_gate(X, H, W["W_xf"], W["W_hf"])
    o_t = lt.calc_output_gate(X, H, W["W_xo"], W["W_ho"])
    c_tilde = lt.calc_candidate_state(X, H, W["W_xc"], W["W_hc"])
    c_t = lt.calc_cell_state(f_t, C, i_t, c_tilde)
    h_t = lt.calc_hidden_state(o_t, c_t)
    found = {"i_t": i_t, "f_t": f_t, "o_t": o_t, "c_tilde": c_tilde, "c_t": c_t, "h_t": h_t}
    for values in found.values():
        assert values.shape == (2,)
        assert values.dtype == np.float64
    for question in PRINTED.values():
        for line, text in question.items():
            if line in found:
                assert printed(found[line]) == text, line


def test_the_six_functions_take_what_numpy_takes_and_states_that_are_not_zero() -> None:
    rng = np.random.default_rng(6)
    x, h, c = rng.normal(size=3), rng.normal(size=4), rng.normal(size=4)
    w = {f"W_{s}{g}": rng.normal(size=(4, 3 if s == "x" else 4)) for s in "xh" for g in "ifco"}
    gates = {"i": lt.calc_input_gate, "f": lt.calc_forget_gate, "o": lt.calc_output_gate, "c": lt.calc_candidate_state}
    found = {}
    for gate, function in gates.items():
        found[gate] = function(x, h, w[f"W_x{gate}"], w[f"W_h{gate}"])
    lists = {name: array.tolist() for name, array in w.items()}
    right = oracle.step(lists, numbers(x), numbers(h), numbers(c))
    for gate, line in (("i", "i_t"), ("f", "f_t"), ("o", "o_t"), ("c", "c_tilde")):
        within(found[gate], right[line], line)
    c_t = lt.calc_cell_state(found["f"], c, found["i"], found["c"])
    np.testing.assert_array_equal(c_t, found["f"] * c + found["i"] * found["c"])
    squashed = [oracle.call("tanh", v) for v in numbers(c_t)]
    within(lt.calc_hidden_state(found["o"], c_t), [o * v for o, v in zip(found["o"], squashed, strict=True)])
    assert lt.calc_hidden_state(1, 0.5).shape == (1,)


def test_the_six_functions_are_the_cells_own_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell with another sigmoid gives another input gate: there is no second implementation."""

    named = variants.named

    def changed(kind: str, options: Any = None, *rest: Any) -> tuple[Cell, dict[str, Any]]:
        return named(kind, {**(options or {}), "gate_activation": "hard_sigmoid"}, *rest)

    monkeypatch.setattr(variants, "named", changed)
    np.testing.assert_allclose(lt.calc_input_gate(X, H, W["W_xi"], W["W_hi"]), [0.42, 0.18], rtol=1e-12)


def test_a_mistake_in_an_exercise_is_told_by_name() -> None:
    with pytest.raises(lt.LstmTraceError) as error:
        lt.calc_input_gate(X, H, np.transpose(W["W_xi"]), W["W_hi"])
    assert "W_xi has shape (3, 2); line `W_xi @ x_t` needs (H, I) = (2, 3). It looks transposed." in str(error.value)
