"""= and ≈: decided in exact arithmetic, checked here with fractions that share no code with the package."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lstm_trace as lt
from lstm_trace.cell.composites import BUILT_IN
from lstm_trace.cell.ops import OPS
from lstm_trace.documents.blocks import (
    Block,
    Boxed,
    Chains,
    Derivation,
    Heading,
    Items,
    Listing,
    Para,
    Picture,
    Premises,
    Stacked,
    Table,
)
from lstm_trace.documents.html import HtmlPrinter
from lstm_trace.documents.latex import LatexPrinter
from lstm_trace.documents.markdown import MarkdownPrinter
from lstm_trace.documents.terminal import TerminalPrinter
from lstm_trace.documents.typst import TypstPrinter
from lstm_trace.formulas.exact import EXACT
from lstm_trace.formulas.plain import Plain
from lstm_trace.formulas.printer import BINDING, NODES
from lstm_trace.formulas.symbols import FUNCTIONS
from lstm_trace.formulas.tree import SCALAR, SYMBOLIC, Node
from lstm_trace.formulas.values import Values
from lstm_trace.report.sections.equations import DEFINED
from lstm_trace.trace.trace import Trace


def own(equations: str, weights: dict[str, Any], x: Any, **arguments: Any) -> Trace:
    return lt.run(weights, x, cell={"equations": equations}, **arguments)


def printed(trace: Trace, name: str, unit: int = 0, t: int = 0, digits: int | None = 8) -> str:
    """One row of the report: expression, sign, value."""
    values, plain = Values(trace, digits), Plain()
    stage = trace.stages[0]
    found = values.scalar(stage, stage.cell.by_name[name], t, 0, unit)
    assert found.tree is not None
    return f"{plain(found.tree)} {found.relation} {plain(found.result)}"


def affine(weights: list[float], x: list[float], name: str = "y_t", then: str = "", **more: Any) -> Trace:
    text = f"z_t = W @ x_t\n{then or 'y_t = z_t'}\noutput: y_t"
    return own(text, {"W": [weights]} | more, x)


@pytest.mark.parametrize(
    ("weights", "x", "digits", "row"),
    [
        # recorded -0.39999999999999997: the exact decimal is -0.4, and that is what is shown
        ([-1.0, 0.0, 0.2], [1.0, 2.0, 3.0], 8, "(-1.0)(1.0) + (0.0)(2.0) + (0.2)(3.0) = -0.4"),
        # 0.1 + 0.2 - 0.3 leaves noise in floats and nothing on paper
        ([0.1, 0.2, -0.3], [1.0, 1.0, 1.0], 8, "(0.1)(1.0) + (0.2)(1.0) + (-0.3)(1.0) = 0.0"),
        # the same to all digits: the recorded value is what it is
        ([0.1, 0.2], [1.0, 1.0], 17, "(0.1)(1.0) + (0.2)(1.0) ≈ 0.30000000000000004"),
        # the result is exact, but the operand that is printed is rounded: the printed equality would be false
        ([0.12345], [2.0], 4, "(0.1234)(2.0) ≈ 0.2469"),
        # what is printed is true, whatever was rounded before
        ([0.00001], [1.0], 4, "(1.0e-5)(1.0) = 1.0e-5"),
        ([0.123456], [1.0], 4, "(0.1235)(1.0) = 0.1235"),
        ([1e-7, 1.0], [1.0, 1.0], 8, "(1.0e-7)(1.0) + (1.0)(1.0) = 1.0000001"),
        ([1e-9, 1.0], [1.0, 1.0], 8, "(1.0e-9)(1.0) + (1.0)(1.0) ≈ 1.0"),
    ],
)
def test_products(weights: list[float], x: list[float], digits: int, row: str) -> None:
    assert printed(affine(weights, x), "z_t", digits=digits) == row


@pytest.mark.parametrize(
    ("equation", "x", "row"),
    [
        ("y_t = sigmoid(z_t)", 0.0, "σ(0.0) = 0.5"),
        ("y_t = sigmoid(z_t)", 1.0, "σ(1.0) ≈ 0.73105858"),
        ("y_t = sigmoid(z_t)", 800.0, "σ(800.0) ≈ 1.0"),  # recorded as 1, but no sigmoid is
        ("y_t = tanh(z_t)", 0.0, "tanh(0.0) = 0.0"),
        ("y_t = tanh(z_t)", 0.5, "tanh(0.5) ≈ 0.46211716"),
        ("y_t = exp(z_t)", 0.0, "exp(0.0) = 1.0"),
        ("y_t = log(z_t)", 1.0, "ln(1.0) = 0.0"),
        ("y_t = sqrt(z_t)", 2.25, "√(2.25) = 1.5"),
        ("y_t = sqrt(z_t)", 2.0, "√(2.0) ≈ 1.41421356"),
        ("y_t = relu(z_t)", -1.5, "ReLU(-1.5) = 0.0"),
        ("y_t = hard_sigmoid(z_t)", 0.7, "clip(0.64, 0, 1) = 0.64"),
        ("y_t = leaky_relu(z_t)", -0.3, "where(0.0, -0.3, -0.003) = -0.003"),
        ("y_t = softsign(z_t)", 1.0, "1.0 / 2.0 = 0.5"),
        ("y_t = softsign(z_t)", 2.0, "2.0 / 3.0 ≈ 0.66666667"),
        ("y_t = elu(z_t)", 2.0, "ELU(2.0) = 2.0"),
        ("y_t = elu(z_t)", -2.0, "ELU(-2.0) ≈ -0.86466472"),
        ("y_t = softplus(z_t)", 0.0, "softplus(0.0) ≈ 0.69314718"),
        ("y_t = clip(z_t, -1, 1)", 3.0, "clip(3.0, -1, 1) = 1.0"),
        ("y_t = max(z_t, 0.5)", 0.25, "max(0.25, 0.5) = 0.5"),
        ("y_t = where(z_t, 2, z_t)", 0.0, "where(0.0, 2, 0.0) = 0.0"),
        ("y_t = 1 - z_t", 0.4, "1 - 0.4 = 0.6"),
        ("y_t = -z_t", -0.4, "-(-0.4) = 0.4"),
        ("y_t = z_t / 4", 0.5, "0.5 / 4 = 0.125"),
        ("y_t = z_t / 3", 1.0, "1.0 / 3 ≈ 0.33333333"),
    ],
)
def test_functions(equation: str, x: float, row: str) -> None:
    assert printed(affine([1.0], [x], then=equation), "y_t") == row


@pytest.mark.parametrize(
    ("equations", "row"),
    [
        # zero times anything is zero, though the other factor is rounded
        ("a_t = tanh(x_t)\ny_t = a_t * V", "(0.46211716)(0.0) = 0.0"),
        # a rounded value clearly beyond a bound gives the bound exactly
        ("a_t = tanh(x_t)\ny_t = clip(a_t, -0.25, 0.25)", "clip(0.46211716, -0.25, 0.25) = 0.25"),
        ("a_t = tanh(x_t)\ny_t = max(a_t, 0.5)", "max(0.46211716, 0.5) = 0.5"),
        ("a_t = tanh(x_t)\ny_t = max(a_t, 0.25)", "max(0.46211716, 0.25) = 0.46211716"),
        ("a_t = -tanh(x_t)\ny_t = relu(a_t)", "ReLU(-0.46211716) = 0.0"),
        # a number minus itself
        ("a_t = tanh(x_t)\ny_t = a_t - max(a_t)", "0.46211716 - 0.46211716 = 0.0"),
        ("a_t = tanh(x_t)\ny_t = a_t + V", "0.46211716 + 0.0 = 0.46211716"),
        ("y_t = mean(concat(x_t, x_t))", "(0.5 + 0.5) / 2 = 0.5"),
    ],
)
def test_rounded_operands(equations: str, row: str) -> None:
    assert printed(own(f"{equations}\noutput: y_t", {"V": [0.0]} if "V" in equations else {}, [0.5]), "y_t") == row


def test_not_finite() -> None:
    trace = affine([1e300, -1e300], [1e300, 1e300], then="y_t = z_t + 1")
    assert printed(trace, "z_t").endswith(("≈ NaN", "≈ ∞", "≈ -∞"))
    nan = own("y_t = 2 * x_t\noutput: y_t", {}, [float("nan")])
    assert printed(nan, "y_t") == "(2)(NaN) = NaN"
    assert nan.report("text").count("NaN") == 4  # x_t, twice in the line, and the answer


def test_single_precision_means_the_same_decimals() -> None:
    trace = affine([0.1, 0.2], [1.0, 2.0])  # type: ignore[arg-type]
    single = own(
        "y_t = W @ x_t\noutput: y_t", {"W": np.array([[0.1, 0.2]], "float32")}, np.array([1.0, 2.0], "float32")
    )
    assert printed(single, "y_t", digits=6) == printed(trace, "z_t", digits=6) == "(0.1)(1.0) + (0.2)(2.0) = 0.5"


NUMBERS = st.integers(-9, 9).map(lambda n: n / 10)


@given(st.lists(NUMBERS, min_size=11, max_size=11), st.sampled_from([1, 2, 4, 8]))
def test_a_sign_is_right_over_steps(drawn: list[float], digits: int) -> None:
    """A recurrent cell of sums, products and relu: = where the printed terms add up to the printed sum."""
    w, v, b, *x = drawn
    text = "z_t = W * x_t + V * h_prev + b\nh_t = relu(z_t)\ncarry: h_prev <- h_t\noutput: h_t"
    trace = own(text, {"W": [w], "V": [v], "b": [b]}, [[value] for value in x])
    for t in range(len(x)):
        left, sign, shown = printed(trace, "z_t", t=t, digits=digits).rsplit(" ", 2)
        terms = [Fraction(term.strip("()")) for term in left.split(" + ")]
        assert (sum(terms) == Fraction(shown)) is (sign == "="), (t, left, sign, shown)


def test_the_reverse_direction_goes_back_in_time() -> None:
    text = "z_t = W * x_t + V * h_prev\nh_t = relu(z_t)\ncarry: h_prev <- h_t\noutput: h_t"
    weights = {"0/reverse/W": [0.1], "0/reverse/V": [0.1]}
    trace = own(text, weights, [[3.0], [3.0], [3.0]], initial={"h_prev": [0.1]})  # 0.1 · 3 is noisy in floats
    rows = [printed(trace, "z_t", t=t) for t in (2, 1, 0)]
    assert rows == ["0.3 + 0.01 = 0.31", "0.3 + 0.031 = 0.331", "0.3 + 0.0331 = 0.3331"]
    order = trace.report("text")
    assert order.index("Step t = 2") < order.index("Step t = 1") < order.index("Step t = 0")


# -- every operation, every printer -------------------------------------------------------------

CELLS = {
    "matvec": "y_t = W @ x_t",
    "vecmat": "y_t = (2 * x_t[0:2]) @ W",
    "slice": "y_t = x_t[1:3]",
    "greater": "y_t = x_t > v",
    "add": "y_t = x_t - v + 1 - (-x_t)",
    "mul": "y_t = x_t * (v * x_t)",
    "div": "q_t = (x_t + v) / v\ny_t = q_t",
    "neg": "y_t = -(x_t + v)",
    "copy": "y_t = x_t",
    "maximum": "y_t = max(x_t, v)",
    "where": "y_t = where(x_t, v, 0.5)",
    "clip": "y_t = clip(x_t, -0.5, 0.5)",
    "concat": "y_t = concat(x_t, v, x_t)",
    "outer": "y_t = outer(x_t, v[0:2])",
    "memvec": "y_t = outer(x_t, v[0:2]) @ v[1:3]",
    "vecmem": "y_t = v[1:3] @ outer(v[0:2], x_t)",
    **{op: f"y_t = {op}(x_t)" for op in ("sum", "mean", "max")},
}


@pytest.mark.few(2)
@pytest.mark.parametrize("op", OPS)
def test_every_operation_prints(op: str) -> None:
    constants = "".join(f", {0.25 + n}" for n, _ in enumerate(OPS[op].constants))
    texts = [CELLS[op]] if op in CELLS else [f"y_t = {op}(x_t)", f"y_t = {op}(x_t{constants})"]
    for text in texts:
        weights = {"W": [[1.0, 0.5, 2.0], [0.5, 0.25, 1.0]], "v": [0.5, 0.25, 2.0]}
        trace = own(f"{text}\noutput: y_t", {n: w for n, w in weights.items() if n in text}, [0.75, 1.5, 3.0])
        assert op in {line.op for line in trace.stages[0].lines}
        for detail in ("scalar", "compact", "vector", "summary"):
            for format in ("md", "text"):
                report = trace.report(format, detail=detail, digits=8, trim=True)
                assert "Answers" in report
                assert str(round(float(trace["y_t"][0, 0, 0]), 8)) in report


def test_tables_cover_the_operations_and_the_nodes() -> None:
    functions = {name for name, op in OPS.items() if op.function}
    assert set(SYMBOLIC) == set(SCALAR) == set(OPS)
    assert set(EXACT) == set(FUNCTIONS) - set(BUILT_IN) == set(DEFINED) == functions
    nodes = set(Node.__args__)
    assert set(NODES) == set(BINDING) == nodes
    kinds = {Heading, Para, Items, Table, Listing, Derivation, Stacked, Premises, Chains, Boxed, Picture}
    assert set(Block.__args__) == kinds
    for printer in (MarkdownPrinter, TerminalPrinter, LatexPrinter, TypstPrinter, HtmlPrinter):
        assert {kind for kind in kinds if callable(getattr(printer, kind.__name__.lower(), None))} == kinds


# -- what rounding left of a zero --------------------------------------------------------------------------------------

SCORED = """
s_t = W @ x_t
e_t = exp(s_t - max(s_t))
p_t = e_t / sum(e_t)
loss = -log(sum(p_t))
kept = h_prev * 3
output: p_t
carry: h_prev <- s_t
"""


def scored(noise: float) -> Trace:
    """Two scores that are zero, or what rounding may leave of that: other versions of numpy leave something else."""
    trace = own(SCORED, {"W": [[-3.0, -3.0], [3.0, 3.0]]}, [[0.1, -0.1], [0.7, -0.7]])
    lines = trace.lines["0/forward"]
    s = np.array([noise, -noise])
    rest = s - s.max()
    for t in range(2):
        made = {"s_t": s, "max(s_t)": s.max(), "s_t - max(s_t)": rest, "e_t": np.exp(rest)}
        made |= {"sum(e_t)": made["e_t"].sum(), "p_t": np.array([0.5, 0.5]), "sum(p_t)": 1 + noise}
        made |= {"log(sum(p_t))": np.log(1 + noise), "loss": -np.log(1 + noise), "kept": 3 * (s if t else np.zeros(2))}
        for name, value in made.items():
            lines[name][t, 0] = value
    return trace


@pytest.mark.few(2)
@pytest.mark.parametrize("form", ["text", "md", "tex"])
@pytest.mark.parametrize("detail", ["scalar", "vector", "compact"])
def test_what_rounding_left_of_a_zero_is_zero_in_a_solution(form: str, detail: str) -> None:
    """Also a value that is computed from nothing else: a maximum, a difference, a logarithm, a state."""
    noisy = str(scored(2**-52).report(form, detail=detail))
    assert noisy == str(scored(0.0).report(form, detail=detail))
    assert "e-1" not in noisy
    assert "10^" not in noisy


def test_the_trace_and_a_report_of_everything_have_what_rounding_left() -> None:
    trace = scored(2**-52)
    assert trace["max(s_t)"][0, 0, 0] == 2**-52
    assert "2.22" in (text := str(trace.report("text", everything=True)))
    assert "10⁻¹⁶" in text or "e-16" in text
    assert "2.220446049250313e-16" in printed(trace, "max(s_t)", digits=None)


def test_a_small_value_that_is_given_or_comes_of_one_is_shown() -> None:
    trace = own(
        "y_t = W @ x_t\nz_t = tanh(3 * y_t) * c\nm = max(z_t)\noutput: m", {"W": [[2.0]], "c": [2.0]}, [[1e-17]]
    )
    assert "2.0e-17" in printed(trace, "y_t")
    assert "1.2e-16" in printed(trace, "m")
    near = own("y_t = 1 - x_t\nz_t = 5 * y_t\noutput: z_t", {}, [[0.9999999]])
    assert "5.0e-7" in printed(near, "z_t")
    saturated = own("y_t = sigmoid(x_t)\nz_t = 2 * y_t\noutput: z_t", {}, [[-40.0]])
    assert "e-18" in printed(saturated, "z_t")


def test_long_chains_of_small_values_are_followed_a_part_of_the_way() -> None:
    """Of a cell with more lines in a row than Python calls functions within each other, and over as many steps."""
    rows = "".join(f"v{n + 1} = 0.5 * v{n}\n" for n in range(400))
    trace = own(
        f"v0 = W @ x_t + 1e-9 * h_prev\n{rows}output: v400\ncarry: h_prev <- v400", {"W": [[1e-9]]}, np.ones((3, 1))
    )
    assert "e-1" in printed(trace, "v400", t=2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("first", "weights", "x"),
    [
        # given numbers, of which a large part cancels: what remains is exact on paper
        ("s_t = W @ x_t", {"W": [[128.0, -128.0, 1.0]]}, [1.0, 1.0, 2.0**-17]),
        ("s_t = x_t @ W", {"W": [[128.0], [-128.0], [1.0]]}, [1.0, 1.0, 2.0**-17]),
        ("s_t = a + x_t - b", {"a": [1024.0], "b": [1024.0]}, [2.0**-13]),
        ("s_t = sum(x_t)", {}, [1024.0, -1024.0, 2.0**-13]),
        ("s_t = x_t - a", {"a": [1 - 2.0**-24]}, [1.0]),
        # a small term beside large ones that cancel before it is added, and a function that is almost 1
        ("s_t = cross_entropy(x_t, a)", {"a": [1.0, 0.0]}, [20.0, 8.0]),
        ("s_t = 1 - sigmoid(x_t)", {}, [14.0]),
    ],
)
def test_a_value_that_is_not_zero_is_not_shown_as_zero(
    dtype: type[np.floating[Any]], first: str, weights: dict[str, Any], x: list[float]
) -> None:
    given = {n: np.array(w, dtype) for n, w in weights.items()}
    trace = own(f"{first}\ny_t = 1000 * s_t\noutput: y_t", given, np.array([x], dtype))
    found = printed(trace, "s_t").rsplit(" ", 1)[1]
    assert 0 != float(found) == pytest.approx(float(trace["s_t"][0, 0, 0]), rel=1e-2)
    assert f"({found})" in printed(trace, "y_t")


def test_a_difference_of_the_last_digit_of_given_numbers_is_one() -> None:
    assert printed(own("y_t = W @ x_t\noutput: y_t", {"W": [[1.0, -1.0]]}, [1.0, 1 - 2**-52]), "y_t").endswith("e-16")
    assert printed(own("y_t = a - x_t\noutput: y_t", {"a": [0.3]}, [0.1 + 0.2]), "y_t").endswith("≈ -5.55111512e-17")
    assert printed(own("y_t = 1 - tanh(x_t)\noutput: y_t", {}, [18.0]), "y_t").endswith("≈ 4.4408921e-16")


@pytest.mark.parametrize("between", ["max(s_t)", "2 * s_t - s_t", "3 * s_t"])
@pytest.mark.parametrize("read", ["s_t", "m_t"])
def test_what_rounding_left_is_shown_where_something_else_is_not_right_without_it(between: str, read: str) -> None:
    """Also where that reads it in the next step, or through another value; and all that are computed of it alike."""
    text = f"s_t = 0.1 + x_t - 0.3\nm_t = {between}\ny_t = {{}} * h_prev + 1\noutput: y_t\ncarry: h_prev <- {read}"
    for factor, hidden in ((2, True), (1e12, False)):
        trace = own(text.format(factor), {}, [[0.2], [0.2]])
        assert [printed(trace, name).endswith(" 0.0") for name in ("s_t", "m_t")] == [hidden, hidden], factor


#: How a line is written, and what it is of two numbers and a factor: in floats, or of fractions.
MADE: list[tuple[str, Any]] = [
    ("{c} * {a}", lambda a, b, c: c * a),
    ("{a} - {b}", lambda a, b, c: a - b),
    ("{a} + {b}", lambda a, b, c: a + b),
    ("{a} * {b}", lambda a, b, c: a * b),
    ("max({a}, {b})", lambda a, b, c: max(a, b)),
]
FACTORS = ["0.1", "0.2", "0.3", "3", "-1", "1000", "10000000", "1000000000000"]
GIVEN = ["0.1", "0.2", "0.3", "0.7", "1", "1000000", "0.0000000001", "0.30000000000000004"]


@given(st.data(), st.booleans())
def test_a_page_does_not_contradict_itself_about_what_is_zero(data: st.DataObject, rational: bool) -> None:
    """Of cells of a few lines: a value that reads another which is shown as 0 is printed as it is with that 0."""
    x = data.draw(st.lists(st.sampled_from(GIVEN), min_size=3, max_size=3))
    names, rules, text = ["p", "q", "r"], {}, "all = concat(p, q, r)\n"
    if not rational:
        names, text = ["p", "q", "r", "u", "v"], f"{text}u = sigmoid(p)\nv = 1 - sigmoid(-p)\n"
    for n in range(data.draw(st.integers(2, 7))):
        form, rule = data.draw(st.sampled_from(MADE))
        a, b, c = (data.draw(st.sampled_from(some)) for some in (names, names[::-1], FACTORS))
        names.append(name := f"w{n}")
        text += f"{name} = {form.format(a=a, b=b, c=c)}\n"
        rules[name] = rule, a, b, c
    trace = own(f"{text}output: {names[-1]}", dict(zip("pqr", ([float(v)] for v in x), strict=True)), [[1.0]])
    values, stage = Values(trace, 8), trace.stages[0]
    floats = {n: np.float64(v) for n, v in zip("pqr", x, strict=True)}
    exact = {n: Fraction(v) for n, v in zip("pqr", x, strict=True)}
    seen = dict(floats)
    for line in stage.lines:
        floats[line.name] = trace[line.name][0, 0, 0]
        shown = values.num(stage.scope, line.name, 0, 0, (0,)).shown
        seen[line.name] = np.float64(0) if shown.fraction == 0 else floats[line.name]
        if line.name not in rules:
            continue
        rule, a, b, c = rules[line.name]
        if rational:
            exact[line.name] = rule(exact[a], exact[b], Fraction(c))
            assert shown.fraction != 0 or exact[line.name] == 0, (text, x, line.name)
        if (seen[a], seen[b]) != (floats[a], floats[b]):
            again = rule(seen[a], seen[b], np.float64(c))
            rounding = 4 * np.finfo(float).eps * max(abs(seen[a]), abs(seen[b]))
            assert values.style.show(again) == shown or (shown.fraction == 0 and abs(again) <= rounding), (text, x)
