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

Rule = tuple[str, ...]

#: `add`, `concat` and `slice` vary in their operands or constants, so their rows are written by `adjoint`.
DERIVATIVE: dict[str, Rule] = {
    "matvec": ("outer(d, b)", "d @ a"),
    "vecmat": ("b @ d", "outer(a, d)"),
    "outer": ("d @ b", "a @ d"),
    "memvec": ("outer(d, b)", "d @ a"),
    "vecmem": ("b @ d", "outer(a, d)"),
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
    "sin": ("d * cos(a)",),
    "cos": ("-(d * sin(a))",),
    "floor": ("",),
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

#: Functions used by the secants. The slope of an operation between two values is one function: of the operand in the
#: trace and in the baseline or, if two operands are compared, of the amount by which one exceeds the other in each.
#: `elu(-u)` is exp(-u) - 1 to the last digit for u >= 0, and `softplus(log(u))` is log(1 + u).
BETWEEN: tuple[str, ...] = (
    "middle(a, b) = 0.5 * (a + b)",
    # 0 also if both are the same infinity
    "gap(a, b) = where(max(a > b, b > a), a - b, clip(a, -1, 1) - clip(b, -1, 1))",
    "distance(a, b) = max(gap(a, b), -gap(a, b))",
    "smaller(a, b) = -max(-a, -b)",
    "nonzero(u) = where(u, u, 1)",  # where the other value is not used, it is finite at least
    "over(rise, run, level) = where(run, quotient(rise, nonzero(run)), level)",
    "decline(u) = over(elu(-u), -u, 1)",  # (1 - exp(-u)) / u
    "holds(c) = where(c, 1, 0)",
    # the units with the largest value, and the mean of their values in another vector
    "leaders(a) = where(max(a) > a, 0, 1)",
    "theirs(a, z) = quotient(sum(where(max(a) > a, 0, z)), sum(leaders(a)))",
    # between the leaders of both: by how much those of the trace lead there, and lag in the baseline
    "lead(a, b) = over(max(a) - theirs(b, a), max(a) - theirs(b, a) + (max(b) - theirs(a, b)), 0.5)",
    "each(a) = quotient(leaders(a), sum(leaders(a)))",
    "sigmoid_slope(a, b) = over(tanh(0.5 * gap(a, b)), 0.5 * gap(a, b), 1)"
    " * middle(sigmoid(a) * (1 - sigmoid(b)), sigmoid(b) * (1 - sigmoid(a)))",
    "tanh_slope(a, b) = over(tanh(gap(a, b)), gap(a, b), 1) * (1 - tanh(a) * tanh(b))",
    "exp_slope(a, b) = decline(distance(a, b)) * max(exp(a), exp(b))",
    # log(1 + gap / smaller) / gap: the difference of two logs cannot overflow, but the quotient can
    "log_slope(a, b) = over(softplus(log(nonzero(distance(a, b))) - log(smaller(a, b))), distance(a, b),"
    " quotient(1, smaller(a, b)))",
    # near each other sin(a) - sin(b) is tan(gap / 2) (cos(a) + cos(b)), which needs no middle that is rounded
    "turned(u) = over(sin(u), u * cos(u), 1)",
    "sin_slope(a, b) = where(distance(a, b) > 1, over(sin(a) - sin(b), gap(a, b), 1),"
    " turned(0.5 * gap(a, b)) * middle(cos(a), cos(b)))",
    "cos_slope(a, b) = where(distance(a, b) > 1, over(cos(a) - cos(b), gap(a, b), 1),"
    " -turned(0.5 * gap(a, b)) * middle(sin(a), sin(b)))",
    "floor_slope(a, b) = over(gap(floor(a), floor(b)), gap(a, b), 0)",
    "sqrt_slope(a, b) = over(1, sqrt(a) + sqrt(b), 0)",  # between 0 and 0 any slope is exact
    "relu_slope(a, b) = over(gap(relu(a), relu(b)), gap(a, b), b > 0)",
    "elu_slope(a, b, alpha=1) = where(smaller(a, b) > 0, 1, where(max(a, b) > 0,"
    " over(elu(a, alpha) - elu(b, alpha), gap(a, b), 1),"
    " alpha * (decline(distance(a, b)) * exp(-relu(-max(a, b))))))",
    # log(1 + sigmoid(smaller) (exp(gap) - 1)) / gap, with the logarithm of the sigmoid, which does not underflow; over
    # long distances, where that would cancel, a ratio is exact enough
    "softplus_slope(a, b) = over(where(distance(a, b) > 1, distance(softplus(a), softplus(b)),"
    " softplus(log(-elu(-nonzero(distance(a, b)))) - softplus(-smaller(a, b)) + distance(a, b))),"
    " distance(a, b), sigmoid(b))",
    "clip_slope(a, b, low=-1, high=1) = over(gap(clip(a, low, high), clip(b, low, high)), gap(a, b),"
    " where(b > high, 0, where(low > b, 0, 1)))",
    "where_slope(a, b) = over(holds(a) - holds(b), gap(a, b), 0)",
    "greater_slope(p, q) = over((p > 0) - (q > 0), gap(p, q), 0)",
    # max(a, b) = b + relu(a - b): the share of the first, where a - b is p in the trace and q in the baseline
    "larger_slope(p, q) = where(smaller(p, q) > 0, 1, where(0 > max(p, q), 0, "
    "over(gap(relu(p), relu(q)), gap(p, q), where(q > 0, 1, where(0 > q, 0, 0.5)))))",
    # exact for any intermediate leaders, and the share of a unit that leads in neither is 0
    "max_slope(a, b) = lead(a, b) * each(a) + (1 - lead(a, b)) * each(b)",
)

#: The secants. A product is the mean of the two orders in which its factors could change, and so has no order.
SECANT: dict[str, Rule] = {
    **{op: DERIVATIVE[op] for op in ("neg", "copy", "sum", "mean")},
    "matvec": ("outer(d, middle(b, b0))", "d @ a"),
    "vecmat": ("b @ d", "outer(middle(a, a0), d)"),
    "mul": ("d * middle(b, b0)", "d * middle(a, a0)"),
    "outer": ("d @ middle(b, b0)", "middle(a, a0) @ d"),
    "memvec": ("outer(d, middle(b, b0))", "d @ middle(a, a0)"),
    "vecmem": ("middle(b, b0) @ d", "outer(middle(a, a0), d)"),
    # a product with the reciprocal, whose secant is -1 / (b b0)
    "div": ("d * middle(quotient(1, b), quotient(1, b0))", "-(d * (middle(a, a0) * quotient(1, b) * quotient(1, b0)))"),
    "greater": ("d * greater_slope(gap(a, b), gap(a0, b0))", "-(d * greater_slope(gap(a, b), gap(a0, b0)))"),
    **{op: (f"d * {op}_slope(a, a0)",) for op in ("sigmoid", "tanh", "exp", "log", "sqrt", "relu", "softplus", "max")},
    **{op: (f"d * {op}_slope(a, a0)",) for op in ("sin", "cos", "floor")},
    "elu": ("d * elu_slope(a, a0, alpha)",),
    "clip": ("d * clip_slope(a, a0, low, high)",),
    # c + n (b - c) with n = 1 where the condition is true: a product, and a jump over the condition's own value
    "where": (
        "where(where_slope(a, a0), d * ((middle(b, b0) - middle(c, c0)) * where_slope(a, a0)), 0)",
        "where(a, where(a0, d, 0.5 * d), where(a0, 0.5 * d, 0))",
        "where(a, where(a0, 0, 0.5 * d), where(a0, 0.5 * d, d))",
    ),
    "maximum": ("d * larger_slope(gap(a, b), gap(a0, b0))", "d * (1 - larger_slope(gap(a, b), gap(a0, b0)))"),
}
