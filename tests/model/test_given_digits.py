"""Values with the digits that other programs print and save, and those of the last step of padded sequences."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
from lstm_trace.model.given_values import given_values

HIDDEN, WIDTH, STEPS = 5, 4, 12


@cache
def drawn() -> dict[str, Any]:
    """Weights in float32."""
    rng = np.random.default_rng(21)
    sizes = {"W_x": (HIDDEN, WIDTH), "W_h": (HIDDEN, HIDDEN), "b_": (HIDDEN,)}
    return {f"{n}{g}": rng.normal(size=size).astype(np.float32) * 0.7 for n, size in sizes.items() for g in "ifco"}


X = np.random.default_rng(22).normal(size=(STEPS, 1, WIDTH)).astype(np.float32)


def port(gates: str = "ifco") -> Any:
    """An LSTM in float32; gates: whose weights are read for i, f, c and o."""
    w, h, c, rows = drawn(), np.zeros(HIDDEN, np.float32), np.zeros(HIDDEN, np.float32), []
    for x in X[:, 0]:
        i, f, g, o = (w[f"W_x{k}"] @ x + w[f"W_h{k}"] @ h + w[f"b_{k}"] for k in gates)
        i, f, o = (1 / (1 + np.exp(-z)) for z in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        rows.append(h)
    assert rows[-1].dtype == np.float32
    return np.array(rows)


def each(rows: Any, number: str) -> str:
    return "\n".join(",".join(number % value for value in row) for row in rows)


def pandas(rows: Any) -> str:
    text = StringIO()
    pd.DataFrame(rows).to_csv(text, index=False, header=False)
    return text.getvalue()


#: How programs print float32.
PRINTED: dict[str, tuple[str, Callable[[Any], str]]] = {
    "numpy": (".txt", str),
    "str": (".csv", lambda rows: each(rows, "%s")),
    "pandas": (".csv", pandas),
    "rust": (".txt", lambda rows: "\n".join(f"h[{t}] = {' '.join(map(str, row))}" for t, row in enumerate(rows))),
    "json": (".json", lambda rows: f"[[{each(rows, '%s')}]]".replace(chr(10), "],[")),
    **{form: (".csv", lambda rows, form=form: each(rows, form)) for form in ("%.8f", "%.9g", "%g", "%.4e", "%.3g")},
}


@pytest.mark.parametrize("way", PRINTED)
def test_a_right_float32_port_is_right_however_it_is_printed(way: str, tmp_path: Path) -> None:
    suffix, printed = PRINTED[way]
    path, trace = tmp_path / f"port{suffix}", lt.run(drawn(), X)
    path.write_text(printed(port()))
    assert lt.identify(drawn(), X, path).right
    assert lt.diff(trace, path).same
    path.write_text(printed(port("iocf")))
    assert "order:f,o" in {str(key) for one in lt.identify(drawn(), X, path).found for key in one.mistakes}
    assert not lt.diff(trace, path).same


def test_the_shortest_digits_of_float32_mean_these_numbers(tmp_path: Path) -> None:
    """A float64 port that prints as many digits is not taken for one in float32."""
    trace, h = lt.run(drawn(), X), port()
    (tmp_path / "h.csv").write_text(each(h, "%s"))
    for source in (tmp_path / "h.csv", np.loadtxt(tmp_path / "h.csv", delimiter=",")):
        found = given_values(source, trace)
        assert found.dtype == "float32"
        assert np.array_equal(found.values["0/forward", "h_t"][:, 0], h)
        assert not found.notes
    for number in ("%.8g", "%.9g", "%.12f", "%s"):
        (tmp_path / "h.csv").write_text(each(trace["h_t"][:, 0].astype(np.float64) + 1e-8, number))
        assert given_values(tmp_path / "h.csv", lt.run(drawn(), X, dtype="float64")).dtype == "float64"


@pytest.mark.few(3)
@pytest.mark.parametrize("digits", range(2, 8))
def test_significant_digits_of_arrays_are_recognised(digits: int) -> None:
    rounded = np.vectorize(lambda value: float(f"{value:.{digits}g}"))
    trace = lt.run(drawn(), X, dtype="float64")
    found = lt.identify(drawn(), X, rounded(port()))
    assert found.right
    assert [(one.key, one.fields["to"]) for one in found.remarks] == [("diff.given.significant", str(digits))]
    half = given_values(rounded(port()), trace).rounding["0/forward", "h_t"][:, 0]
    assert (np.abs(rounded(port()) - port()) <= half).all()
    assert (half <= np.abs(port()) * 10.0 ** (1 - digits) * 1.1).all()
    assert not lt.identify(drawn(), X, rounded(port("iocf"))).right


@pytest.mark.parametrize("decimals", [2, 4, 6])
def test_decimals_are_not_taken_for_significant_digits(decimals: int) -> None:
    found = lt.identify(drawn(), X, np.round(port().astype(np.float64), decimals))
    assert [one.fields["to"] for one in found.remarks] == [f"{10.0**-decimals:.{decimals}f}"]


# -- the last step of padded sequences ---------------------------------------------------------------------------------

LENGTHS = [6, 4, 3]


def batch() -> tuple[dict[str, Any], Any, Any]:
    """A model, its input, and the output of PyTorch's kind: zeros at padding."""
    x = np.random.default_rng(23).normal(size=(6, 3, WIDTH))
    y = lt.run(drawn(), x, lengths=LENGTHS).output.copy()
    for b, length in enumerate(LENGTHS):
        y[length:, b] = 0
    return drawn(), x, y


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["", "h_t", "output"])
def test_zeros_at_padding_are_of_the_last_step(name: str) -> None:
    weights, x, y = batch()
    found = lt.identify(weights, x, {name: y[-1]} if name else y[-1], lengths=LENGTHS)
    assert found.right
    assert [one.key for one in found.remarks] == ["diff.given.padded"]
    ends = np.stack([y[length - 1, b] for b, length in enumerate(LENGTHS)])
    for right in (ends, {"h_n": ends[None]}, {name or "h_t": y}):
        found = lt.identify(weights, x, right, lengths=LENGTHS)
        assert found.right
        assert not found.remarks
    trace = lt.run(weights, x, lengths=LENGTHS)
    for given in (ends, {"h_n": ends[None]}, {"h_n": y[-1][None]}):  # h_n is of the last valid step, whatever it has
        (there,) = given_values(given, trace).given.values()
        assert [[*there[:, b, 0].nonzero()[0]] for b in range(3)] == [[length - 1] for length in LENGTHS]
    (there,) = given_values(y[-1], trace).given.values()
    assert there[-1].all()
    assert not there[:-1].any()


def test_the_lines_of_a_model_that_stores_lengths_are_listed() -> None:
    """At lengths of more steps than are needed for a list."""
    problem = {"weights": drawn(), "lengths": LENGTHS, "batch_first": False}
    listed = lt.lines(problem)
    assert [one.line for one in listed.named if one.line.endswith("_t")][-2:] == ["h_t", "y_t"]


@pytest.mark.few(0)
def test_a_wrong_last_step_with_zeros_at_padding_is_wrong() -> None:
    weights, x, y = batch()
    assert not lt.identify(weights, x, {"h_n": y[-1][None]}, lengths=LENGTHS).right
    y[-1, 0] += 0.1
    assert not lt.identify(weights, x, y[-1], lengths=LENGTHS).right
