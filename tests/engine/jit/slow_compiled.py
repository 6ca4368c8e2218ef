"""The compiled plan: every line has the value that its definition gives on the recorded operands."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from lstm_trace.cell.parse import parse

from ..plan.test_plan import Case
from .test_compiled import TARGETS, compiled, spread

pytest.importorskip("llvmlite", reason="the extra jit is not installed")


def test_without_llvmlite_everything_else_works() -> None:
    """A fresh interpreter in which llvmlite cannot be imported."""
    program = (
        "import sys, importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'llvmlite' else real(n, *a)\nsys.modules['llvmlite'] = None\n"
        "import lstm_trace as lt\n"
        "t = lt.run({'W_xi': [[1.0]], 'W_hi': [[1.0]]}, [[1.0]], ask='i_t')\nprint(t.header.plan)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert found.stdout == "planned\n"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_exact_equals_numpy_bit_for_bit(dtype: Any) -> None:
    x = spread(dtype)
    with np.errstate(all="ignore"):
        y = np.random.default_rng(2).permutation(x)
    rows = ["s = h_prev + y_prev - 0.1", "p = h_prev * y_prev", "d = h_prev / y_prev", "n = -h_prev + y_prev",
            "r = sqrt(h_prev)", "a = relu(h_prev)", "k = clip(h_prev, -0.3, 0.7)", "k0 = clip(h_prev, 0, 1)",
            "k1 = clip(h_prev, -1, 0)", "l = leaky_relu(h_prev, 0.1)", "t = thresholded_relu(h_prev, 0.2)",
            "g = hard_sigmoid(h_prev)", "f = affine(h_prev, 1.3, 0.1)",
            "w = where(h_prev, y_prev, s)", "m = max(h_prev, y_prev)", "v = h_prev"]  # fmt: skip
    cell = parse("\n".join([*rows, "carry: h_prev <- v, y_prev <- s", "output: v"]))
    case = Case(cell, "forward", {}, {"x_t": np.zeros((1, 1, 1), dtype)}, {"h_prev": x[None], "y_prev": y[None]})
    for name, expected in case.by_lines().items():
        for target in TARGETS:
            found = compiled(case, target)[name]
            np.testing.assert_array_equal(found, expected, err_msg=name)
            number = ~np.isnan(expected)
            np.testing.assert_array_equal(np.signbit(found)[number], np.signbit(expected)[number], err_msg=name)
