"""The first value that is no finite number: in the order in which the steps were visited, with what it came from."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.lines import Line, expression
from lstm_trace.cell.ops import OPS
from lstm_trace.errors import OptionError
from lstm_trace.languages import languages
from lstm_trace.languages.strings import words
from lstm_trace.trace import not_finite
from lstm_trace.trace.not_finite import Cause, NotFinite, first_not_finite

TEXT = "u_t = exp(x_t)\ns_t = W @ u_t + s_prev\ncarry: s_prev <- s_t\noutput: s_t"


def run(x: list[float], scope: str) -> lt.Trace:
    steps = np.array([[[v, -v], [0.0, 0.5]] for v in x])  # (T, 2 rows, 2 units)
    return lt.run({f"0/{scope}/W": [[1.0, 2.0], [0.5, -1.0]]}, steps, cell={"equations": TEXT})


@pytest.mark.parametrize(("scope", "first"), [("forward", 1), ("reverse", 3)])
def test_the_first_in_the_order_of_the_run(scope: str, first: int) -> None:
    trace = run([1.0, 1000.0, 2.0, 1000.0, 3.0], scope)
    with np.errstate(all="ignore"):
        found = first_not_finite(trace)
    assert found is not None
    assert str(found.address) == f"0/{scope}/{first}/0/u_t[0]"
    assert (found.value, found.op, found.cause) == (np.inf, "exp", "exp")
    assert found.operands == (("x_t[0]", 1000.0),)
    assert trace.not_finite == found
    assert first_not_finite(run([1.0, 2.0, 3.0], scope)) is None


def test_where_it_comes_from_is_an_operand() -> None:
    trace = run([1.0, 2.0, 3.0], "forward")
    trace.lines["0/forward"]["s_t"][1:, 1, 1] = np.nan
    found = first_not_finite(trace)
    assert found is not None
    assert str(found.address) == "0/forward/1/1/s_t[1]"
    assert dict(found.operands) == {
        "W @ u_t[1]": trace["W @ u_t"][1, 1, 1], "s_prev[1]": trace["s_t"][0, 1, 1]
    }  # fmt: skip
    bad = lt.run({"W": [[1.0, np.nan], [0.5, -1.0]]}, [[1.0, 2.0]], cell={"equations": TEXT}, allow_nonfinite=True)
    found = first_not_finite(bad)
    assert found is not None
    assert (str(found.address), found.cause) == ("0/forward/0/0/W @ u_t[0]", "weight")
    name, worst = found.operands[0]
    assert name == "W[0,1]"
    assert np.isnan(worst)


@pytest.mark.parametrize(
    ("equation", "unit", "operands"),
    [
        ("y_t = x_t @ W", 1, {"x_t[0]": 1.0, "W[0,1]": np.inf}),  # the column of the unit
        ("y_t = v[1:3]", 1, {"v[2]": np.inf}),  # the unit that the slice has there
        ("y_t = concat(x_t, v)", 4, {"x_t[1]": 2.0, "v[2]": np.inf}),  # v has no unit 4
        ("y_t = sum(v)", 0, {"v[2]": np.inf}),
        ("y_t = v > 1\nq_t = v * y_t", 2, {"v[2]": np.inf, "y_t[2]": 1.0}),  # a comparison is finite
    ],
)
def test_the_unit_of_an_operand_that_is_not_finite_is_shown(
    equation: str, unit: int, operands: dict[str, float]
) -> None:
    arrays = {"W": [[1.0, np.inf], [0.5, -1.0]], "v": [3.0, 4.0, np.inf]}
    weights = {name: array for name, array in arrays.items() if name in equation}
    found = first_not_finite(lt.run(weights, [[1.0, 2.0]], cell={"equations": equation}, allow_nonfinite=True))
    assert found is not None
    assert found.address.unit == (unit,)
    assert (found.value, dict(found.operands), found.cause) == (np.inf, operands, "weight")


def test_lines_that_were_not_recorded_are_not_looked_at() -> None:
    trace = run([1.0, 1000.0, 2.0], "forward")
    del trace.lines["0/forward"]["u_t"]
    found = first_not_finite(trace)
    assert found is not None
    assert str(found.address) == "0/forward/1/0/W @ u_t[0]"
    assert (found.cause, found.operands, found.missing) == ("unrecorded", (), ("u_t",)), "u_t is not there"


@pytest.mark.filterwarnings("error")
def test_a_small_value_is_no_rounding_beside_products_that_are_not_finite() -> None:
    """A file may say that a product is 1e-9 where W u is 0 times inf, or overflows: it is shown, not taken for 0."""
    for w, x in ((0.0, np.inf), (1e200, 1e200)):
        trace = lt.run({"W": [[1.0, 2.0], [0.5, -1.0]]}, [[1.0, 2.0]], cell={"equations": TEXT}, record=["W @ u_t"])
        trace.lines["0/forward"]["W @ u_t"][0, 0, 0] = 1e-9
        trace.parameters["0/forward"]["W"] = np.array([[w, 2.0], [0.5, -1.0]])
        trace.lines["0/forward"]["u_t"] = np.array([[[x, 1.0]]])
        assert "≈ 1.0000e-9\n" in trace.report(format="text")


# -- edges -------------------------------------------------------------------------------------------------------------

SUM = {"equations": "s_t = s_prev + x_t\ncarry: s_prev <- s_t\noutput: s_t"}
X = np.ones((4, 2, 1))


def with_value(x: np.ndarray, at: tuple[int, ...], value: float) -> np.ndarray:
    changed = x.copy()
    changed[at] = value
    return changed


def known(trace: lt.Trace) -> NotFinite:
    assert trace.not_finite is not None
    return trace.not_finite


def test_padding_does_not_count() -> None:
    """What is computed there is dropped; the value is not among those that are counted either."""
    bad = with_value(X, (3, 1, 0), np.nan)
    options = {"cell": SUM, "lengths": [4, 3]}
    assert lt.run({}, bad, allow_nonfinite=True, **options).not_finite is None
    found = known(lt.run({}, with_value(bad, (2, 1, 0), np.inf), allow_nonfinite=True, **options))
    assert str(found.address) == "0/forward/2/1/s_t[0]"
    # s_t at 7 valid steps, then the output and the state that is kept, which count at padding too
    assert (found.bad, found.of, found.output) == (1 + 1 + 2, 7 + 8 + 8, 2)


def test_padding_of_an_earlier_sequence() -> None:
    bad = with_value(with_value(X, (2, 0, 0), np.nan), (2, 1, 0), np.inf)
    found = known(lt.run({}, bad, cell=SUM, lengths=[1, 4], allow_nonfinite=True))
    assert str(found.address) == "0/forward/2/1/s_t[0]"


def test_a_reverse_direction_begins_at_the_last_step() -> None:
    bad = with_value(with_value(X, (1, 0, 0), np.nan), (3, 1, 0), np.inf)
    cell, weights = {"equations": SUM["equations"].replace("x_t", "w * x_t")}, {"0/reverse/w": [1.0]}
    found = known(lt.run(weights, bad, cell=cell, allow_nonfinite=True))
    assert (str(found.address), found.output) == ("0/reverse/3/1/w * x_t[0]", 3)
    trace = lt.run(weights, X, cell=cell)
    trace.lines["0/reverse"]["w * x_t"][1], trace.lines["0/reverse"]["s_t"][2] = np.nan, np.nan
    assert str(known(trace).address) == "0/reverse/2/0/s_t[0]", "of two lines that which is visited first"
    initial = {"s_prev": [[[0.0], [np.nan]]]}
    found = known(lt.run(weights, X, cell=cell, initial=initial, allow_nonfinite=True))
    assert (str(found.address), found.cause) == ("0/reverse/3/1/s_t[0]", "initial")


@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("scope", ["0/forward", "0/reverse"])
def test_a_long_trace_is_read_in_pieces(scope: str, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cell, x = {"equations": SUM["equations"].replace("x_t", "w * x_t")}, np.ones((9, 2, 1))
    x[[first, 5, 6], [1, 0, 1]] = np.nan
    trace = lt.run({f"{scope}/w": [1.0]}, x, cell=cell, allow_nonfinite=True)
    whole = known(trace)
    monkeypatch.setattr(not_finite, "PIECE", 4)
    assert str(known(trace)) == str(whole)
    assert whole.address.t == (6 if scope == "0/reverse" else first)


def test_a_value_that_was_written_into_the_trace() -> None:
    trace = lt.run({}, X, cell=SUM)
    trace.lines["0/forward"]["s_t"][2, 1, 0] = np.nan
    found = known(trace)
    assert (found.cause, found.expected) == ("foreign", 3.0)
    result = lt.verify(trace)
    assert (result.verdict, result.failures[0].address) == ("failed", found.address)
    assert found.said(words()) not in result.report("text", width=1000), "verify names the place already"
    assert "its operands give 3" in lt.diff(trace, trace).report("text", width=1000)


def test_a_sum_that_overflows_in_another_order_of_its_terms() -> None:
    """3e38 - 3e38 + 3e38 is finite from left to right, and a plan of ours may add the last two numbers first."""
    cell = {"equations": "y_t = W @ x_t\noutput: y_t"}
    trace = lt.run({"W": np.array([[3e38, -3e38, 3e38]])}, [[1.0, 1.0, 1.0]], cell=cell, dtype="float32")
    trace.lines["0/forward"]["y_t"][0] = np.inf
    assert known(trace).cause == "overflow"
    other = replace(trace, header=replace(trace.header, plan="foreign"))
    assert known(other).cause == "foreign"


def test_an_overflow_in_each_format() -> None:
    square = {"equations": "y_t = x_t * x_t\noutput: y_t"}
    for options, x, form, limit in (
        ({}, 1e200, "float64", "1.79769e+308"), ({"dtype": "float32"}, 1e20, "float32", "3.40282e+38"),
        ({"arithmetic": "float16"}, 300.0, "float16", "65504"),
        ({"arithmetic": "bfloat16"}, 1e20, "bfloat16", "3.38953e+38"),
    ):  # fmt: skip
        found = known(lt.run({}, [[x]], cell=square, **options))  # type: ignore[arg-type]
        assert (found.cause, found.format) == ("overflow", form)
        assert f"its magnitude exceeds {limit}, the largest {form} number (x_t[0] = " in found.said(words())
    ones = lt.run({}, [[1.0]], cell=square, arithmetic="by-hand-2")
    ones.lines["0/forward"]["y_t"][0, 0, 0] = np.nan
    assert (known(ones).cause, known(ones).expected) == ("foreign", 1.0)


def test_the_largest_argument_of_exp() -> None:
    cell = {"equations": "y_t = exp(x_t)\noutput: y_t"}
    for dtype, limit in (("float64", 709.783), ("float32", 88.7228)):
        assert lt.run({}, [[limit - 0.01]], cell=cell, dtype=dtype).not_finite is None
        found = known(lt.run({}, [[limit + 0.01]], cell=cell, dtype=dtype))
        assert f"above {limit:g} it exceeds {dtype}" in found.said(words())


def test_partial_sums_that_overflow_both_ways() -> None:
    """numpy sums 16 numbers in 8 parts, of which one overflows up and another down."""
    x = np.zeros((1, 16))
    x[0, [0, 8]], x[0, [1, 9]] = 1.7e308, -1.7e308
    found = known(lt.run({}, x, cell={"equations": "y_t = sum(x_t)\noutput: y_t"}))
    assert (found.cause, np.isnan(found.value)) == ("cancelled", True)


def test_a_gradient_that_overflows_as_a_sum() -> None:
    """Each term is 1e308; the largest of each factor is named."""
    trace = lt.run({"W": [[1.0]]}, [[1e150], [1.5e150], [1e150]], cell={"equations": "y_t = W @ x_t\noutput: y_t"})
    found = known(lt.backward(trace, output=[[1e158], [1e158], [1e158]]))
    assert (str(found.address), found.op, found.cause) == ("0/adjoint-forward/d_W[0,0]", "gathered", "overflow")
    assert found.operands == (("d_y_t[0]", 1e158), ("x_t[0]", 1.5e150))
    assert (found.bad, found.output) == (1, "finite")
    changed = lt.backward(lt.run({"W": [[1.0]]}, [[2.0]], cell={"equations": "y_t = W @ x_t"}), of="y_t[0]")
    changed.sums["0/adjoint-forward"]["d_W"][:] = np.nan
    assert (known(changed).cause, known(changed).expected) == ("foreign", 2.0)


def test_an_infinity_that_dies_in_a_gate() -> None:
    cell = {"equations": "z_t = w * x_t\nf_t = sigmoid(z_t)\nh_t = f_t * x_t\noutput: h_t"}
    found = known(lt.run({"w": [np.inf]}, [[1.0], [2.0]], cell=cell, allow_nonfinite=True))
    assert (found.bad, found.of, found.output) == (2, 6, "finite")
    assert found.said(words()).endswith("; 2 of 6 values are not finite, the output stays finite")
    part = lt.run({"w": [np.inf]}, [[1.0], [2.0]], cell=cell, allow_nonfinite=True, record=["z_t"])
    assert known(part).output is None
    assert known(part).said(words()).endswith("; 2 of 2 values are not finite")


def test_a_held_line_is_finite_though_its_equation_is_not() -> None:
    trace = lt.run({}, with_value(X, (1, 0, 0), np.inf), cell=SUM, hold={"1/0/s_t[0]": 2.0}, allow_nonfinite=True)
    found = known(trace)
    assert (found.cause, found.bad, found.output) == ("input", 1, "finite")
    assert trace.locate(str(found.address)) == found.address


def test_the_chosen_one_of_two_is_named() -> None:
    cell = {"equations": "y_t = where(x_t > 0, u, v)\noutput: y_t"}
    found = known(lt.run({"u": [np.inf], "v": [np.nan]}, [[-1.0]], cell=cell, allow_nonfinite=True))
    assert found.said(words()).split(": ")[1].startswith("the weight v[0] = nan")


def test_a_number_that_the_format_cannot_hold() -> None:
    found = known(lt.run({}, [[1.0]], cell={"equations": "y_t = 1e300 * x_t\noutput: y_t"}, dtype="float32"))
    assert (found.cause, found.operands[0]) == ("operand", ("1e+300", np.inf))


def test_a_window_and_a_layer_say_the_same() -> None:
    found = known(lt.run({}, with_value(X, (2, 1, 0), np.nan), cell=SUM, allow_nonfinite=True))
    trace = lt.run({}, with_value(X, (2, 1, 0), np.nan), cell=SUM, allow_nonfinite=True)
    assert known(trace.at(steps=slice(1, 4))).address == found.address
    later = known(trace.at(steps=slice(3, 4)))
    assert (str(later.address), later.cause, later.operands[0][0]) == ("0/forward/3/1/s_t[0]", "initial", "s_prev[0]")


@pytest.mark.few(0)
@pytest.mark.parametrize("name", OPS)
def test_every_operation_has_its_own_cause(name: str) -> None:
    """Of finite operands, the largest ones of both signs and 0: a value that is not finite never seems changed."""
    op, huge = OPS[name], np.finfo(np.float64).max
    constants = {"slice": (0.0, 2.0), "clip": (-1.0, 1.0), "elu": (1.0,)}.get(name, ())
    own = {"exp": {"exp"}, "log": {"log"}, "sqrt": {"sqrt"}, "div": {"division", "overflow"}}
    allowed = own.get(name, {"overflow", "cancelled"})
    count = op.arity or 2
    for values in np.ndindex(*(3,) * count):
        names = [f"v{k}" for k in range(count)]
        line = Line("y_t", name, tuple(names), (1.0,) * count if name == "add" else constants)
        weights = {n: np.full(3, (-huge, 0.0, huge)[at]) for n, at in zip(names, values, strict=True)}
        x = np.ones((1, 1))
        if pair := line.product or line.memory:
            weights[pair[0]] = np.full((3, 3), weights[pair[0]][0])
        if name == "vecmat":
            line, x = line._replace(operands=("x_t", "v1")), weights.pop("v0")[None]
        text = f"y_t = {expression(line)}\noutput: y_t"
        if line.memory:  # by a matrix that is computed
            text = text.replace(line.memory[0], "M") + f"\nmatrix: {line.memory[0]}"
            text = f"M = 1 * {line.memory[0]}\n{text}"
        with np.errstate(all="ignore"):
            trace = lt.run(weights, x, cell={"equations": text})
        assert name in {line.op for line in trace.stages[0].lines}
        found = trace.not_finite
        assert found is None or found.cause in allowed, (values, found)


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("cause", get_args(Cause))
def test_every_cause_has_words(cause: str, language: str) -> None:
    found = known(lt.run({}, with_value(X, (2, 1, 0), np.nan), cell=SUM, allow_nonfinite=True))
    said = found._replace(cause=cause, missing=("z_t",) if cause == "unrecorded" else ()).said(words(language))  # type: ignore[arg-type]
    for part in ("0/forward/2/1/s_t[0]", "nan", "z_t" if cause == "unrecorded" else ""):
        assert part in said
    assert not re.search(r"[{}]", said)
    assert language == "en" or said != found._replace(cause=cause).said(words("en"))  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["memory", "contribution", "ablation"])
def test_a_value_that_is_not_finite_is_not_explained_by_its_parts(how: Any) -> None:
    """It has a cause instead; the values before it are explained as before."""
    cell = {"equations": "c_t = 0.5 * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({}, [[1.0], [2.0], [np.nan]], cell=cell)
    cause = re.escape(known(trace).said(words()))
    with pytest.raises(OptionError, match=r"2/c_t\[0\] is nan, and only a finite value can be explained: " + cause):
        lt.explain(trace, "2/c_t[0]", how)
    assert "nan" not in lt.explain.memory(trace, "1/c_t[0]").to_frame().to_csv()
