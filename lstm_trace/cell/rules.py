"""What each operation passes back to its operands, as text in the grammar of the cells: one row for each operation.

In a row `d` is the gradient of the line, `y` its value, `a`, `b`, `c` are its operands, and constants have the names
of the operation table. A row has one expression for each operand, empty where nothing flows back; a matrix has none,
since its gradient is an outer product (see `adjoint`). At a kink the value is PyTorch's: relu 0, clip 1 at its bounds,
a maximum of two shares a tie, that of all units shares it evenly.
"""

from __future__ import annotations

Rule = tuple[str, ...]

#: `add`, `concat` and `slice` have as many operands or such constants that their rows are written by `adjoint`.
DERIVATIVE: dict[str, Rule] = {
    "matvec": ("", "d @ a"),
    "vecmat": ("b @ d", ""),
    "mul": ("d * b", "d * a"),
    "div": ("quotient(d, b)", "-(quotient(d, b) * y)"),
    "neg": ("-d",),
    "copy": ("d",),
    "greater": ("", ""),
    "sigmoid": ("d * (y * (1 - y))",),
    "tanh": ("d * (1 - y * y)",),
    "exp": ("d * y",),
    "log": ("quotient(d, a)",),
    "sqrt": ("quotient(0.5 * d, y)",),
    "relu": ("where(y > 0, d, 0)",),
    "elu": ("where(a > 0, d, d * (alpha * exp(-relu(-a))))",),
    "softplus": ("d * sigmoid(a)",),
    "clip": ("where(a > high, 0, where(low > a, 0, d))",),
    "where": ("", "where(a, d, 0)", "where(a, 0, d)"),
    "maximum": ("where(a > b, d, where(b > a, 0, 0.5 * d))", "where(b > a, d, where(a > b, 0, 0.5 * d))"),
    "max": ("d * quotient(where(y > a, 0, 1), sum(where(y > a, 0, 1)))",),
    "sum": ("expand(d, a)",),
    "mean": ("expand(quotient(d, count(a)), a)",),
}
