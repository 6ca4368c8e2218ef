"""Composite functions: those of the table against scalar mathematics, those of a cell, and what is refused."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.composites import BUILT_IN
from lstm_trace.cell.named_cells import apply
from lstm_trace.cell.ops import FUNCTIONS
from lstm_trace.cell.parse import parse
from lstm_trace.cell.variants import extended, masked, named, supplied
from lstm_trace.errors import CellError, OptionError

from .. import ROOT

PLACES = [-1000.0, -30.0, -5.0, -3.0, -1.0, -0.5, -1e-8, 0.0, 1e-8, 0.25, 0.5, 1.0, 2.5, 3.0, 6.5, 30.0, 1000.0]


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def softplus(z: float) -> float:
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


#: From the documentation of keras.activations.
SCALAR: dict[str, Callable[..., float]] = {
    "linear": lambda z: z,
    "affine": lambda z, alpha=1.0, beta=0.0: alpha * z + beta,
    "leaky_relu": lambda z, alpha=0.01: z if z >= 0 else alpha * z,
    "thresholded_relu": lambda z, alpha=1.0: z if z > alpha else 0.0,
    "scaled_tanh": lambda z, alpha=1.0, beta=1.0: alpha * math.tanh(beta * z),
    "hard_sigmoid": lambda z, alpha=0.2, beta=0.5: max(0.0, min(1.0, alpha * z + beta)),
    "softsign": lambda z: z / (1 + abs(z)),
    "exponential": lambda z: math.exp(z) if z < 700 else math.inf,
    "hard_sigmoid_keras": lambda z: 0.0 if z <= -3 else 1.0 if z >= 3 else z / 6 + 0.5,
    "hard_tanh": lambda z: -1.0 if z < -1 else 1.0 if z > 1 else z,
    "relu6": lambda z: min(max(z, 0.0), 6.0),
    "selu": lambda z: (
        1.0507009873554804934193349852946 * (z if z > 0 else 1.6732632423543772848170429916717 * math.expm1(z))
    ),
    "silu": lambda z: z * sigmoid(z),
    "swish": lambda z: z * sigmoid(z),
    "hard_silu": lambda z: 0.0 if z < -3 else z if z > 3 else z * (z + 3) / 6,
    "hard_swish": lambda z: 0.0 if z < -3 else z if z > 3 else z * (z + 3) / 6,
    "gelu_tanh": lambda z: z * sigmoid(2 * math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)),
    "mish": lambda z: z * math.tanh(softplus(z)),
    "log_sigmoid": lambda z: -softplus(-z),
    "celu": lambda z, alpha=1.0: max(0.0, z) + min(0.0, alpha * math.expm1(min(z, 0) / alpha)),
    "tanh_shrink": lambda z: z - math.tanh(z),
    "hard_shrink": lambda z, threshold=0.5: z if abs(z) > threshold else 0.0,
    "soft_shrink": lambda z, threshold=0.5: math.copysign(max(abs(z) - threshold, 0.0), z),
    "threshold": lambda z, threshold=1.0, value=0.0: z if z > threshold else value,
    "abs": abs,
    "square": lambda z: z * z,
    "squareplus": lambda z, b=4.0: (z + math.sqrt(z * z + b)) / 2,
    "sparse_plus": lambda z: 0.0 if z <= -1 else z if z >= 1 else (z + 1) ** 2 / 4,
    "sparse_sigmoid": lambda z: 0.0 if z <= -1 else 1.0 if z >= 1 else (z + 1) / 2,
}
OTHER = {
    "affine": "(1.5, -0.25)",
    "leaky_relu": "(0.3)",
    "thresholded_relu": "(0.25)",
    "scaled_tanh": "(1.7159, 0.6667)",
    "hard_sigmoid": "(0.25, 0.75)",
    "celu": "(0.25)",
    "hard_shrink": "(0.75)",
    "soft_shrink": "(0.75)",
    "threshold": "(0.25, -2)",
    "squareplus": "(1)",
}
#: Of two values; tests/model/test_losses.py has their oracles.
LOSSES = ("squared_error", "cross_entropy")
#: Of vectors beside matrices.
ALGEBRA = ("dot", "ones")
#: What the equations of adjoints call, and custom cells may.
HELPERS = ("count", "expand", "quotient", "min")
#: What is a small difference of two values by its definition, in a framework too.
CANCELS = ("gelu_tanh", "tanh_shrink", "squareplus")


def value(equations: str, x: list[float], dtype: type = np.float64) -> np.ndarray:
    """The last line of equations without weights, at each number of `x`, a step each."""
    return lt.run({}, np.array(x, dtype)[:, None], cell={"equations": equations}, dtype=dtype).output[:, 0]


def test_every_function_of_the_table_has_an_oracle_here() -> None:
    assert {*SCALAR, "softmax", "log_softmax", *HELPERS, *ALGEBRA, *LOSSES} == set(BUILT_IN)
    assert not FUNCTIONS & set(BUILT_IN)


@pytest.mark.few(22)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [*SCALAR, *(name + numbers for name, numbers in OTHER.items())])
def test_each_function_is_its_definition_wherever_it_is_called(name: str, dtype: type) -> None:
    plain, _, rest = name.rstrip(")").partition("(")
    numbers = [float(n) for n in rest.split(",")] if rest else []
    found = value(f"y_t = {apply(name, 'x_t')}\noutput: y_t", PLACES, dtype)
    for z, there in zip(np.array(PLACES, dtype).tolist(), found.tolist(), strict=True):
        right = SCALAR[plain](z, *numbers)
        size = abs(right) + (abs(z) if plain in CANCELS else 0.0)
        if right == there or (dtype == np.float32 and right > 3.4e38 and there == math.inf):
            continue
        assert abs(there - right) <= 8 * np.finfo(dtype).eps * size + np.finfo(dtype).tiny, (name, z, there, right)


@pytest.mark.parametrize("call", ["abs(x_t)", "abs(min(abs(x_t), 0))", "min(abs(x_t) + 1, 0)"])
@pytest.mark.parametrize("plan", ["lines", "planned"])
def test_zeros_have_no_sign(call: str, plan: Any) -> None:
    found = lt.run({}, [[0.0], [-0.0]], cell={"equations": f"y_t = {call}\noutput: y_t"}, plan=plan)["y_t"]
    assert not found.any()
    assert not np.signbit(found).any()


def test_softmax_over_the_units_does_not_overflow() -> None:
    trace = lt.run({}, [1000.0, 999.0, -1000.0], cell={"equations": "p = softmax(x_t)\nq = log_softmax(x_t)"})
    right = [1 / (1 + math.exp(-1)), math.exp(-1) / (1 + math.exp(-1)), 0.0]
    np.testing.assert_allclose(trace["p"][0, 0], right, rtol=1e-15)
    np.testing.assert_allclose(
        trace["q"][0, 0], [math.log(right[0]), math.log(right[1]), right[1] * 0 - 2000.3132616875182]
    )


@pytest.mark.few(8)
@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in (*HELPERS, *ALGEBRA, *LOSSES)])
@pytest.mark.parametrize("role", ["gate", "candidate", "output"])
def test_each_function_is_an_activation(name: str, role: str) -> None:
    cell, _ = named("lstm", {f"{role}_activation": name, "bias": "one"})
    assert BUILT_IN[name] in cell.functions
    assert f"{name}({'c_t' if role == 'output' else 'z_i' if role == 'gate' else 'z_c'})" in cell.text
    assert parse(cell.text) == cell
    padded = masked(cell, "carry")
    assert parse(padded.text) == padded
    assert padded.functions == cell.functions


def test_numbers_of_an_activation() -> None:
    text = named("lstm", {"candidate_activation": "celu(0.5)"})[0].text
    assert "c_tilde = celu(z_c, 0.5)" in text
    for wrong, message in [("celu(1, 2)", r"must be written celu\(alpha\)"), ("silu(1)", "is silu without numbers")]:
        with pytest.raises(OptionError, match=message):
            named("lstm", {"candidate_activation": wrong})
    with pytest.raises(OptionError, match=r"must be one of sigmoid, .*mish.*did you mean mish"):
        named("lstm", {"candidate_activation": "mesh"})


def test_the_documentation_has_every_function_and_its_definition() -> None:
    text = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+\(.*\))` \| `(.*)` \|$", text, re.MULTILINE)
    assert rows == [(f.signature, f.body) for f in BUILT_IN.values() if f.name != "quotient"]


def test_helpers_of_adjoints() -> None:
    trace = lt.run({}, [5.0, np.nan, -2.0], cell={"equations": "n_t = count(x_t)\ne_t = expand(n_t, x_t)"})
    assert trace["n_t"].ravel().tolist() == [3.0]
    assert trace["e_t"].ravel().tolist() == [3.0, 3.0, 3.0]


def test_vectors_beside_matrices() -> None:
    trace = lt.run(
        {}, [2.0, -1.0, np.nan], cell={"equations": "v_t = x_t[0:2]\nd_t = dot(v_t, 3 * v_t)\ny_t = ones(x_t)"}
    )
    assert trace["d_t"].ravel().tolist() == [15.0]
    assert trace["y_t"].ravel().tolist() == [1.0, 1.0, 1.0]


# -- functions of a cell ----------------------------------------------------------------------------------------------

OWN = """\
f(z, beta=1) = z * g(beta * z)
g(z) = sigmoid(z) / 2
silu(z) = tanh(z)
y_t = f(x_t) + f(x_t, 1) + f(x_t, 3) + silu(x_t) + mish(x_t)
output: y_t
"""


def test_a_cell_may_define_functions() -> None:
    cell = parse(OWN)
    assert [line.name for line in cell.lines] == [
        "1 * x_t", "sigmoid(1 * x_t)", "g(1 * x_t)", "f(x_t)",
        "3 * x_t", "sigmoid(3 * x_t)", "g(3 * x_t)", "f(x_t, 3)",
        "silu(x_t)",
        "softplus(x_t)", "tanh(softplus(x_t))", "mish(x_t)",
        "y_t",
    ]  # fmt: skip
    assert [f.name for f in cell.functions] == ["f", "g", "silu", "mish"]
    assert parse(cell.text) == cell
    assert cell.text.startswith("f(z, beta=1) = z * g(beta * z)\n")
    z = 0.7
    right = 2 * z * sigmoid(z) / 2 + z * sigmoid(3 * z) / 2 + math.tanh(z) + z * math.tanh(softplus(z))
    assert value(OWN, [z])[0] == pytest.approx(right, rel=1e-15)


def test_a_call_and_what_it_stands_for_are_one_line() -> None:
    cell = parse("a = silu(x_t)\nb = x_t * sigmoid(x_t)\nc = exp(silu(x_t))\noutput: c")
    assert [(line.name, line.op) for line in cell.lines] == [
        ("sigmoid(x_t)", "sigmoid"), ("a", "mul"), ("b", "copy"), ("c", "exp"),
    ]  # fmt: skip
    assert cell.equations == {"a": "silu(x_t)", "b": "a", "c": "exp(a)"}


def test_added_equations_may_define_functions_too() -> None:
    cell = named("lstm", {"output_activation": "silu"})[0]
    more = extended(cell, "f(z) = 2 * silu(z)\ny_t = f(h_t)")
    assert [f.name for f in more.functions] == ["silu", "f"]
    assert more.equations["y_t"] == "f(h_t)"
    with pytest.raises(CellError, match=r"equation 1: silu is defined twice \(the cell has it already\)"):
        extended(cell, "silu(z) = z")


def test_a_cell_means_the_same_whatever_the_table_says() -> None:
    cell, table = parse("y_t = silu(x_t)\noutput: y_t"), dict(BUILT_IN)
    try:
        BUILT_IN["silu"] = BUILT_IN["hard_tanh"]._replace(name="silu")
        assert parse(cell.text) == cell
        del BUILT_IN["silu"]
        assert parse(cell.text) == cell
    finally:  # in its order, which the documentation has
        BUILT_IN.clear()
        BUILT_IN.update(table)


def test_a_supplied_call_reads_back() -> None:
    cell = supplied(named("lstm", {"output_activation": "silu"})[0], ["silu(c_t)"])
    assert "sigmoid(c_t)" not in cell.by_name
    assert "input: x_t, silu(c_t)" in cell.text
    assert parse(cell.text) == cell


def test_arguments_are_read_as_if_they_were_written_there() -> None:
    """A sum that begins a sum is part of it and a sign is the sum's, so that each line's name reads as that line."""
    cell = parse("y = softmax(a + b) + soft_shrink(-c) + f(-log_sigmoid(a))\nf(z) = z - 2 - z\noutput: y")
    assert {"a + b - max(a + b)", "-c - 0.5", "--c - 0.5"} - set(cell.by_name) == {"--c - 0.5"}
    assert cell.by_name["c - 0.5"].operands == ("c", 0.5)
    assert cell.by_name["f(-log_sigmoid(a))"].operands == ("log_sigmoid(a)", 2.0, "log_sigmoid(a)")
    for line in cell.lines:
        fed = supplied(cell, [line.name])
        assert parse(fed.text) == fed, line.name


def test_a_cell_written_out() -> None:
    cell = parse("h_t = tanh(mish(W @ x_t))\ncarry: s_prev <- silu(h_t)\noutput: h_t").expanded
    assert cell.text == (
        "h_t = tanh(W @ x_t * tanh(softplus(W @ x_t)))\ncarry: s_prev <- h_t * sigmoid(h_t)\noutput: h_t\n"
    )
    assert parse(cell.text) == cell
    assert cell.expanded is cell


def test_the_name_of_a_function_of_the_table_may_still_be_a_value() -> None:
    assert list(parse("linear = x_t * threshold\noutput: linear").parameters) == ["threshold"]


#: What earlier versions computed, and recorded, as one line each.
ONE_OPERATION = ("affine", "leaky_relu", "thresholded_relu", "scaled_tanh", "hard_sigmoid", "softsign")


@pytest.mark.parametrize("name", ["trace_activations.json", "trace_supplied_activation.json"])
def test_traces_of_versions_that_wrote_the_functions_out(name: str) -> None:
    trace = lt.load(ROOT / "tests" / "golden" / name)
    assert lt.verify(trace).verdict == "verified"
    assert {f.name for f in trace.stages[0].cell.functions} <= set(ONE_OPERATION)
    given = {line: values[:, 0] for line, values in trace.given.get("0/forward", {}).items()}
    if not given:
        again = lt.run(trace.parameters["0/forward"], trace.x[:, 0], options=trace.header.options)
        assert again.stages[0].cell.expanded == trace.stages[0].cell.expanded
        compared = lt.diff(trace, again)
        assert compared.same
        assert not any(line.equations for line in compared.lines)


@pytest.mark.few(0)
@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_traces_of_versions_in_which_functions_were_one_operation(suffix: str, tmp_path: Path) -> None:
    """float64 in JSON, float32 in .safetensors: what is within a call is not in the file, and is derived when read."""
    trace = lt.load(ROOT / "tests" / "golden" / f"trace_one_line_functions.{suffix}")
    (stage,) = trace.stages
    assert set(ONE_OPERATION) < {f.name for f in stage.cell.functions}
    derived = stage.cell.inner - set(trace)
    assert {"0.2 * a_t", "0.2 * a_t + 0.5", "tanh(0.6667 * q_t)", "relu(a_t - 1)", "1 + max(q_t, -q_t)"} <= derived
    assert {"hard_sigmoid(r_t, 0.16666666666666666, 0.5)", "scaled_tanh(q_t, 1.7159, 0.6667)"} <= set(trace)
    assert lt.verify(trace).verdict == "verified"
    cell = {"equations": stage.cell.text}
    again = lt.run(trace.parameters["0/forward"], trace.x, cell=cell, dtype=trace.header.dtype)
    for name in trace:
        np.testing.assert_allclose(again[name], trace[name], rtol=4 * np.finfo(trace.header.dtype).eps, err_msg=name)
    for name in derived:
        assert trace[name].dtype == trace.header.dtype
        np.testing.assert_allclose(trace[name], again[name], rtol=1e-5)
    assert lt.diff(trace, again).same
    seed = "0/forward/1/0/h_t[0]"
    mine, others = lt.gradients(trace, of=seed), lt.gradients(again, of=seed)
    for name in mine:
        np.testing.assert_allclose(mine[name], others[name], rtol=1e-4)
    assert "σ_hard(" in trace.report("text")
    trace.save(tmp_path / f"t.{suffix}")
    assert list(lt.load(tmp_path / f"t.{suffix}")) == list(trace)
    wrong = {scope: {name: values.copy() for name, values in here.items()} for scope, here in trace.lines.items()}
    wrong["0/forward"]["a_t"][1, 0, 0] += 0.5
    (failure,) = lt.verify(replace(trace, lines=wrong)).failures
    assert failure.address.line == "a_t"
    assert any("hard_sigmoid(a_t)" in name for name in failure.consequences)


def test_a_trace_of_some_lines_in_which_functions_were_one_operation() -> None:
    trace = lt.load(ROOT / "tests" / "golden" / "trace_one_line_gates.safetensors")
    (stage,) = trace.stages
    assert stage.computed is not None
    assert {"0.2 * z_i", "0.2 * z_i + 0.5", "0.1 * z_c", "1 + max(c_t, -c_t)"} <= set(stage.computed)
    found = lt.verify(trace)
    assert {unknown.place for unknown in found.unknown} == {f"0/forward/{line}" for line in ("z_i", "z_c", "c_t")}
    assert found.verified == trace["i_t"].size + trace["c_tilde"].size
    trace = replace(trace, lines={"0/forward": {**trace.lines["0/forward"], "i_t": trace["i_t"] + 1e-9}})
    assert lt.verify(trace).verdict == "failed"


#: Call, its corner, and the derivative left of it, at it and right of it: that of clip at its bounds is 1.
CORNERS = [
    ("leaky_relu(x_t, 0.25)", 0.0, (0.25, 0.25, 1)),
    ("thresholded_relu(x_t, 0.75)", 0.75, (0, 0, 1)),
    ("hard_sigmoid(x_t, 0.25, 0.5)", -2.0, (0, 0.25, 0.25)),
    ("hard_sigmoid(x_t, 0.25, 0.5)", 2.0, (0.25, 0.25, 0)),
    ("softsign(x_t)", 0.0, (1, 1, 1)),
    ("affine(x_t, 2, 1)", 0.0, (2, 2, 2)),
    ("abs(x_t)", 0.0, (-1, 0, 1)),
    ("min(x_t, 0)", 0.0, (1, 0.5, 0)),
]


@pytest.mark.few(0)
@pytest.mark.parametrize(("call", "at", "slopes"), CORNERS)
def test_the_derivative_at_a_corner_and_the_chord_across_it(call: str, at: float, slopes: tuple[float, ...]) -> None:
    cell = {"equations": f"y_t = {call}\noutput: y_t"}
    found = [
        lt.gradients(lt.run({}, [[z]], cell=cell), of="0/y_t[0]")["x"].item()
        for z in (at - 2.0**-30, at, at + 2.0**-30)
    ]
    np.testing.assert_allclose(found, slopes, atol=2.0**-28)
    for a, b in itertools.permutations([at - 3.0, at - 0.5, at, at + 0.5, at + 3.0], 2):
        one, two = lt.run({}, [[a]], cell=cell), lt.run({}, [[b]], cell=cell)
        split = lt.attribute(one, two, "0/y_t[0]").to_frame()["contribution"].sum()
        assert split == pytest.approx((two["y_t"] - one["y_t"]).item(), rel=1e-14, abs=1e-15), (a, b)


@pytest.mark.parametrize("z", [0.3, 1.7, 5.0, 1e-4, -0.3, -1.9, -6.0])
def test_the_derivatives_of_smooth_functions(z: float) -> None:
    for call, right in (
        ("softsign(x_t)", 1 / (1 + abs(z)) ** 2),
        ("scaled_tanh(x_t, 1.5, 0.5)", 0.75 / math.cosh(z / 2) ** 2),
    ):
        trace = lt.run({}, [[z]], cell={"equations": f"y_t = {call}\noutput: y_t"})
        found = lt.gradients(trace, of="0/y_t[0]")["x"].item()
        assert found == pytest.approx(right, rel=1e-11)


def test_a_hard_sigmoid_by_any_name_is_a_gate() -> None:
    for name in ("hard_sigmoid", "hard_sigmoid_keras", "hard_sigmoid(0.3, 0.4)", "sparse_sigmoid"):
        cell, _ = named("lstm", {"gate_activation": name})
        assert [line.name for line in cell.lines if line.squashed] == ["i_t", "f_t", "o_t"]


# -- what is refused --------------------------------------------------------------------------------------------------

#: Text to the message, and the part of the row to which the caret points.
FAULTS = {
    "h_t = mihs(x_t)": ("unknown function 'mihs'; did you mean 'mish'?", "mihs(x_t)"),
    "f(z) = z\nh_t = ff(x_t)": ("unknown function 'ff'; did you mean 'f'?", "ff(x_t)"),
    "h_t = mish(x_t, 2)": ("mish has 2 arguments; write mish(z)", "mish(x_t, 2)"),
    "h_t = celu()": ("celu has 0 arguments; write celu(z, alpha=1)", "celu()"),
    "h_t = mish(z=x_t)": ("mish takes plain operands only, by position", "mish(z=x_t)"),
    "h_t = elu(x_t, x_t)": ("a number is expected here", "x_t)"),
    "f(z, a=1) = elu(z, a)\nh_t = f(x_t, x_t)": ("a number is expected here (in f(z, a=1) = elu(z, a))", "f(x_t, x_t)"),
    "f(z) = z * f(z)\nh_t = x_t": ("f is defined by itself (f → f)", "f(z)"),
    "f(z) = g(z)\ng(z) = f(z)\nh_t = x_t": ("f is defined by itself (f → g → f)", "g(z)"),
    "tanh(z) = z\nh_t = x_t": ("tanh is an operation; give the function another name", "tanh(z) = z"),
    "if(z) = z\nh_t = x_t": ("if cannot be a name; give the function another name", "if(z) = z"),
    "f(z) = z\nf(z) = z\nh_t = x_t": ("f is defined twice (first in equation 1)", "f(z) = z"),
    "f(z) = z * W\nh_t = f(x_t)": ("W is not an argument of f; a definition reads its arguments only", "W"),
    "f(z) = z * x_t\nh_t = f(x_t)": ("x_t is not an argument of f", "x_t"),
    "f(z) = tnh(z)\nh_t = f(x_t)": ("unknown function 'tnh'; did you mean 'tanh'?", "tnh(z)"),
    "f(z) = z / 2 + 1\nh_t = f(x_t)": ("a quotient within an expression is written quotient(a, b) here", "z / 2 + 1"),
    "f(z) =\nh_t = x_t": ("an expression is missing here", ""),
    "f() = 1\nh_t = x_t": ("expected different names as arguments of f; found ''", "f() = 1"),
    "f(z, z) = z\nh_t = x_t": ("expected different names as arguments of f; found 'z'", "f(z, z) = z"),
    "f(exp) = exp\nh_t = x_t": ("expected different names as arguments of f; found 'exp'", "f(exp) = exp"),
    "f(z_prev) = z_prev\nh_t = x_t": ("expected different names as arguments of f; found 'z_prev'", "f(z_prev)"),
    "f(z=1, y) = z\nh_t = x_t": ("the argument y of f needs a default value, as those before it have", "f(z=1, y)"),
    "f(z=inf) = z\nh_t = x_t": ("the default value of z must be a number; found 'inf'", "f(z=inf)"),
    "f(z) = sigmoid\nh_t = x_t": ("sigmoid is a function; write sigmoid(…)", "sigmoid"),
}


@pytest.mark.parametrize("text", FAULTS)
def test_every_fault_has_its_place_and_its_words(text: str) -> None:
    with pytest.raises(CellError) as error:
        parse(text)
    message, place = FAULTS[text]
    assert message in error.value.problems[0]
    _, row, caret = error.value.problems[0].splitlines()
    assert row[caret.index("^") :].startswith(place)


def test_a_fault_in_a_definition_is_told_once() -> None:
    with pytest.raises(CellError) as error:
        parse("f(z) = tnh(z)\ng(z) = z * W\na = f(x_t)\nb = g(f(a))")
    assert [problem.split(":")[0] for problem in error.value.problems] == ["equation 1", "equation 2"]


#: Texts of definitions that expand, by doubling or longer names, into more than any machine holds.
BOMBS = {
    "calls": [f"f{k}(z) = f{k - 1}(z) + f{k - 1}(z + {k})" for k in range(1, 19)] + ["h_t = f18(x_t)"],
    "names": [f"f{k}(z) = f{k - 1}(z * z * z * z * z * z)" for k in range(1, 19)] + ["h_t = f18(x_t)"],
    "depth": [f"f{k}(z) = f{k - 1}(z)" for k in range(1, 200)] + ["h_t = f199(x_t)"],
    "wide": ["g(z) = " + " + ".join(["z * z"] * 400), "h_t = " + " + ".join(f"g({k} * x_t)" for k in range(900))],
    "many": [f"g{k}(z) = " + " * ".join(["f0(f0(f0(z)))"] * 50) for k in range(80)] + ["h_t = x_t"],
}


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", BOMBS)
def test_what_definitions_expand_into_is_bounded(kind: str) -> None:
    begin = time.process_time()
    try:
        cell = parse("\n".join(["f0(z) = z * z", *BOMBS[kind]]))
    except CellError as error:
        assert any(word in str(error) for word in ("too many operations", "functions call each other"))  # noqa: PT017
    else:
        assert len(cell.lines) < 1000
    assert time.process_time() - begin < 5
