"""The compiled plan: every line has the value that its definition gives on the recorded operands."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
