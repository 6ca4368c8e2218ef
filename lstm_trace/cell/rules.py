"""What each operation passes back to its operands, as text in the grammar of cells: one row per operation.

In a row `d` is the gradient of the line, `y` its value, `a`, `b`, `c` are its operands, and constants have the names
of the operation table. A row has one expression per operand, empty if nothing flows back. At a kink the value is
PyTorch's: relu 0, clip 1 at its bounds, a maximum of two shares a tie, that of all units shares it evenly.

A secant is the slope between two traces: `a` is an operand in the trace, `a0` in the baseline, and a matrix is the mean
of the two. The secants of a line add up exactly: y - y0 is the sum over its operands of slope * (a - a0). They are
closed forms, never differences of values over differences of operands, which are noise if the difference is small;
only piecewise linear functions are ratios, since there both differences are exact. The value of the line is expressed
by its operands, so that a wrong recorded value does not spoil a slope.
"""

from __future__ import annotations

from ..base.packaged import packaged

Rule = tuple[str, ...]

_TABLE = packaged("cell/rules.toml")
#: `add`, `concat` and `slice` vary in their operands or constants, so their rows are written by `adjoint`.
DERIVATIVE: dict[str, Rule] = {op: tuple(row) for op, row in _TABLE["derivative"].items()}
#: Functions used by the secants.
BETWEEN: tuple[str, ...] = tuple(_TABLE["between"])
SECANT: dict[str, Rule] = {op: tuple(row) for op, row in _TABLE["secant"].items()}
