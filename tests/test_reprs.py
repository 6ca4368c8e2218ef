"""What a console shows of each result: a line or two, however large it is; `print` has the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt


def weights(units: int) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    found = {f"W_x{g}": rng.normal(size=(units, 5)) for g in "ifco"}
    return found | {f"W_h{g}": rng.normal(size=(units, units)) / units for g in "ifco"}


X = np.random.default_rng(1).normal(size=(40, 5))
TRACE = lt.run(weights(30), X)
OTHER = lt.run(weights(30) | {"W_xi": np.ones((30, 5))}, X)


def broken() -> Any:
    trace = lt.run(weights(3), X)
    trace.lines["0/forward"]["f_t"][7, 0, 1] = 0.5
    return lt.verify(trace)


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (lambda: TRACE, "<Trace lstm: 0/forward; T=40 B=1, 21 lines, float64>"),
        (lambda: lt.prepare(weights(30)), "<Model lstm: 0/forward; 4,200 weights, float64>"),
        (
            lambda: lt.diff(TRACE, OTHER),
            "<Comparison different: 18 of 21 lines differ, first at 0/forward/0/0/W_xi @ x_t[0]; print(…) has all>",
        ),
        (lambda: lt.diff(TRACE, TRACE), "<Comparison same: 21 lines>"),
        (lambda: lt.verify(TRACE), "<Verification verified: 25,200 values>"),
        (
            broken,
            "<Verification failed: 2,518 values verified, 2 failed, first 0/forward/7/0/f_t[1]; print(…) has all>",
        ),
        (lambda: lt.profile(TRACE), "<Profile of lstm: 0/forward; frames layers, units, steps, gates>"),
        (lambda: TRACE.report("md"), "<Report of "),
        (lambda: lt.derivation(TRACE, "3/z_i[2]"), "<ValueDerivation 0/forward/3/0/z_i[2]: z_i = W_xi x_t"),
        (lambda: lt.identify(weights(3), X, lt.run(weights(3), X).output), "<Identification: "),
    ],
)
def test_a_result_is_a_line_in_a_console(made: Any, shown: str) -> None:
    text = repr(made())
    assert text.startswith(shown)
    assert len(text) < 300
    assert "\n" not in text


@pytest.mark.few(0)
def test_print_has_all() -> None:
    text = str(lt.diff(TRACE, OTHER))
    assert text.startswith("Difference\n══════════\n\n150 differences and their")
    assert "\n- different: first at 0/forward/0/0/W_xi @ x_t[0]" in text
    assert "\n  0/forward/c_t  " in text
    said = "- verified: 25,200 values\n- premises, not verified: 0/forward: W_xi"
    assert str(lt.verify(TRACE)).startswith(f"Verification\n════════════\n\n{said}")
    assert "failed: 0/forward/7/0/f_t[1]" in str(broken())
    assert "An LSTM cell" in str(TRACE.report("md"))
    reading = lt.identify(weights(3), X, lt.run(weights(3), X).output)
    said = "- the weights are read correctly: the model gives all 120 values (off by 0)"
    assert str(reading).startswith(f"Identification\n══════════════\n\n{said}")


def test_lists_of_what_a_file_has(tmp_path: Any) -> None:
    np.savez(tmp_path / "m.npz", **weights(30))
    (found,) = lt.inspect(tmp_path / "m.npz")
    assert repr(found) == "<Found LSTM (arrays): 0/forward; I = 5; H = 30>"


def test_a_long_title_is_cut() -> None:
    trace = lt.run({"weights": weights(2), "x": X.tolist(), "title": "word " * 100})
    assert len(repr(trace)) < 150
