"""The five cells whose memory is a matrix, by the equations of their examples, against plain numpy loops."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace import examples

from .support.matrix_cells import CELLS, drawn, problem, traced

PLANS = ("lines", "planned", "compiled")
#: Inputs, rows, columns and sequences: small, and of one unit.
SIZES = [(5, 4, 3, 1), (3, 2, 5, 2), (2, 1, 1, 3), (1, 3, 2, 1), (4, 5, 1, 2)]


def near(trace: Any, name: str, expected: Any) -> None:
    """That a line is (T, B, …) of a loop's values, to 1e-12 of the largest of them."""
    expected = np.asarray(expected)
    apart = np.abs(trace[name].reshape(expected.shape) - expected)
    assert apart.max() <= 1e-12 * max(1.0, np.abs(expected).max()), f"{name} is off by {apart.max()}"


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", CELLS)
def test_examples(name: str, plan: Any) -> None:
    given = problem(name)
    trace = lt.run(given, plan=plan)
    weights, states = ({key: np.array(v) for key, v in given[what].items()} for what in ("weights", "initial"))
    for line, expected in CELLS[name](weights, np.array(given["x"]), states).items():
        near(trace, line, expected[:, None])
    assert lt.verify(trace).verdict == "verified"


@pytest.mark.few(5)
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize(("inputs", "rows", "columns", "batch"), SIZES)
@pytest.mark.parametrize("name", CELLS)
def test_random_sizes(name: str, inputs: int, rows: int, columns: int, batch: int, plan: Any) -> None:
    rng = np.random.default_rng([inputs, rows, columns, batch])
    weights, _ = drawn(name, rng, inputs, rows, columns)
    states = [drawn(name, rng, inputs, rows, columns)[1] for _ in range(batch)]
    x = rng.normal(size=(6, batch, inputs))
    together = {key: np.stack([one[key] for one in states]) for key in states[0]}
    trace = traced(name, weights, x, together, plan=plan)
    found = [CELLS[name](weights, x[:, b], states[b]) for b in range(batch)]
    for line in found[0]:
        near(trace, line, np.stack([one[line] for one in found], 1))
    assert lt.verify(trace).verdict == "verified"


@pytest.mark.parametrize("name", CELLS)
def test_an_example_names_its_paper_and_every_number_in_it_matters(name: str) -> None:
    given = problem(name)
    assert re.search(r", 20\d\d, arXiv \d{4}\.\d{5}", examples.text(name))
    x, premises = np.array(given["x"]), {**given["weights"], **given["initial"]}
    premises = {key: np.array(value) for key, value in premises.items()}
    assert len(x) == 3
    assert all(np.any(np.array(state) != 0) for state in given["initial"].values())
    out = CELLS[name](premises, x, premises)
    for key, array in premises.items():
        for at in np.ndindex(array.shape):
            other = array.copy()
            other[at] += 0.125
            moved = {**premises, key: other}
            new = CELLS[name](moved, x, moved)
            assert any((new[line] != out[line]).any() for line in out), f"{key}{list(at)} changes nothing"


#: Mistakes that were made in public programs: the cell, what its text has, what the program has, and the line.
MISTAKES = [
    ("gated-deltanet", "v_t - D_t @ k_t", "v_t - S_prev @ k_t", "e_t"),  # fla-org/flash-linear-attention#885
    ("gated-deltanet", "S_t @ q_t", "S_t @ k_t", "o_t"),
    ("mlstm", "exp(-m_t))", "1)", "u_t"),  # 1 in stabilised units
    ("mlstm", "i_t * k_t", "k_t", "n_t"),
    ("mamba", "+ b_d)", "+ b_d + b_d)", "d_t"),  # the bias of the step added twice
    ("rwkv7", "S_t @ r_t", "r_t @ S_t", "p_t"),  # the memory transposed where it is read
    ("rwkv7", "outer(S_prev @ kappa_hat, a_t * kappa_hat)", "outer(S_prev @ kappa, a_t * kappa)", "E_t"),
    ("ltc", "den = c_m + g_leak +", "den = c_m +", "den"),
]


@pytest.mark.few(2)
@pytest.mark.parametrize(("name", "right", "wrong", "line"), MISTAKES)
def test_a_mistake_is_found_in_its_line(name: str, right: str, wrong: str, line: str) -> None:
    given = problem(name)
    text = given["cell"]["equations"]
    assert right in text
    found = lt.diff(given, {**given, "cell": {"equations": text.replace(right, wrong)}})
    assert found.verdict == "different"
    assert found.first is not None
    assert found.first.line == line
    assert found.first.equations is not None


@pytest.mark.few(2)
@pytest.mark.parametrize("name", CELLS)
def test_float32_is_the_same_within_rounding(name: str) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        weights, states = drawn(name, rng, 4, 3, 2)
        x = rng.normal(size=(6, 4))
        a, b = (traced(name, weights, x, states, dtype=dtype) for dtype in ("float64", "float32"))
        assert lt.diff(a, b).verdict == "same"


@pytest.mark.few(2)
@pytest.mark.parametrize("name", CELLS)
def test_a_difference_of_two_weight_sets_is_split_exactly(name: str) -> None:
    given = problem(name)
    other = {key: (np.array(value) * 1.125).tolist() for key, value in given["weights"].items()}
    a, b = lt.run(given), lt.run({**given, "weights": other})
    output = a.stages[0].cell.output
    shares = lt.attribute(a, b, of=f"2/{output}[0]").to_frame()["contribution"]
    assert abs(shares.sum() - (b[output] - a[output])[2, 0, 0]) <= 1e-14
    assert len(shares) > len(other)
