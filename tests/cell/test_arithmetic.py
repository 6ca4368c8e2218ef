"""Other arithmetic: by hand, small floats and fixed point, against scalar oracles that share no code with us."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace import examples
from lstm_trace.cell.arithmetic import RULES, find
from lstm_trace.cell.lines import Line
from lstm_trace.cell.ops import OPS
from lstm_trace.engine.run import in_arithmetic
from lstm_trace.errors import OptionError

T, SIZES = 3, {"x": 3, "h": 2}
NAMES = ("by-hand-3", "float32", "float16", "bfloat16", "q4.12")


def arrays(seed: int, places: int = 4) -> dict[str, Any]:
    """Weights, input and states of an LSTM with 2 units and 3 inputs, as a person would write them."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray:
        return np.round(rng.normal(size=shape), places)

    weights = {f"W_{s}{g}": drawn(2, SIZES[s]) for g in "ifco" for s in "xh"}
    weights |= {f"b_{g}": drawn(2) for g in "ifco"}
    return {"source": weights, "x": drawn(T, 3), "h0": drawn(1, 2), "c0": drawn(1, 2)}


class Scalar:
    """One scalar operation after the other. round_: what each result goes through; wide: dot products round once."""

    def __init__(self, number: Callable[[float], Any], round_: Callable[[Any], Any], wide: bool, partial: bool) -> None:
        self.number, self.round, self.wide, self.partial = number, round_, wide, partial

    def add(self, terms: list[Any]) -> Any:
        total = terms[0]
        for term in terms[1:]:
            total = self.round(total + term) if self.partial else total + term
        return self.round(total)

    def dot(self, row: Any, vector: list[Any]) -> Any:
        terms = [self.number(w) * v for w, v in zip(row, vector, strict=True)]
        return self.add(terms if self.wide else [self.round(term) for term in terms])

    def lstm(self, given: dict[str, Any], functions: dict[str, Callable[[Any], Any]]) -> dict[str, list[list[Any]]]:
        """Every line of every step: {line: [step][unit]}."""
        w = given["source"]
        h, c = ([self.number(v) for v in given[name][0]] for name in ("h0", "c0"))
        out: dict[str, list[list[Any]]] = {}
        for row in given["x"]:
            x = [self.number(v) for v in row]
            now: dict[str, list[Any]] = {}
            for gate, name in (("i", "i_t"), ("f", "f_t"), ("c", "c_tilde"), ("o", "o_t")):
                now[f"W_x{gate} @ x_t"] = [self.dot(r, x) for r in w[f"W_x{gate}"]]
                now[f"W_h{gate} @ h_prev"] = [self.dot(r, h) for r in w[f"W_h{gate}"]]
                parts = zip(now[f"W_x{gate} @ x_t"], now[f"W_h{gate} @ h_prev"], w[f"b_{gate}"], strict=True)
                now[f"z_{gate}"] = [self.add([a, b, self.number(bias)]) for a, b, bias in parts]
                function = functions["tanh" if gate == "c" else "sigmoid"]
                now[name] = [self.round(function(z)) for z in now[f"z_{gate}"]]
            now["f_t * c_prev"] = [self.round(a * b) for a, b in zip(now["f_t"], c, strict=True)]
            now["i_t * c_tilde"] = [self.round(a * b) for a, b in zip(now["i_t"], now["c_tilde"], strict=True)]
            c = now["c_t"] = [self.add([a, b]) for a, b in zip(now["f_t * c_prev"], now["i_t * c_tilde"], strict=True)]
            now["tanh(c_t)"] = [self.round(functions["tanh"](v)) for v in c]
            h = now["h_t"] = [self.round(a * b) for a, b in zip(now["o_t"], now["tanh(c_t)"], strict=True)]
            for name, values in now.items():
                out.setdefault(name, []).append(values)
        return out


def agrees(trace: lt.Trace, oracle: dict[str, list[list[Any]]]) -> None:
    for name, steps in oracle.items():
        expected = [[float(v) for v in units] for units in steps]
        np.testing.assert_array_equal(trace[name][:, 0], expected, err_msg=name)


DECIMAL = {
    "sigmoid": lambda z: 1 / (1 + (-z).exp()),
    "tanh": lambda z: (z.exp() - (-z).exp()) / (z.exp() + (-z).exp()),
}
MATH = {"sigmoid": lambda z: 1 / (1 + math.exp(-float(z))), "tanh": lambda z: math.tanh(float(z))}


# -- by hand ----------------------------------------------------------------------------------------------------------


def by_hand(given: dict[str, Any], places: int) -> dict[str, list[list[Any]]]:
    with localcontext() as context:
        context.prec = 50
        step = Decimal(1).scaleb(-places)
        scalar = Scalar(lambda v: Decimal(str(v)), lambda v: v.quantize(step, ROUND_HALF_UP), False, False)
        return scalar.lstm(given, DECIMAL)


@pytest.mark.parametrize("places", [0, 1, 2, 4, 9])
def test_by_hand_is_what_a_person_notes(places: int) -> None:
    given = arrays(places)
    agrees(lt.run(**given, arithmetic=f"by-hand-{places}"), by_hand(given, places))


def test_question_22_by_hand() -> None:
    """Worked with a pocket calculator, four decimals noted at each step."""
    trace = lt.prepare(str(Path(examples.__file__).parent / "q22.yaml")).run(arithmetic="by-hand-4")
    table = {
        "z_i": ("-0.4", "-1.6"), "i_t": ("0.4013", "0.1680"),
        "z_f": ("1.3", "0.7"), "f_t": ("0.7858", "0.6682"),
        "z_c": ("0.1", "0.1"), "c_tilde": ("0.0997", "0.0997"),
        "z_o": ("4.2", "-2.2"), "o_t": ("0.9852", "0.0998"),
        "f_t * c_prev": ("0", "0"), "i_t * c_tilde": ("0.0400", "0.0167"), "c_t": ("0.0400", "0.0167"),
        "tanh(c_t)": ("0.0400", "0.0167"), "h_t": ("0.0394", "0.0017"),
    }  # fmt: skip
    for name, values in table.items():
        assert trace[name][0, 0].tolist() == [float(v) for v in values], name


def test_a_half_goes_away_from_zero_and_weights_are_taken_as_written() -> None:
    cell = {"equations": "y_t = W @ x_t"}
    trace = lt.run({"W": [[0.125, 0.0], [-0.125, 0.0], [1.005, 0.0]]}, [[1.0, 0.0]], cell=cell, arithmetic="by-hand-2")
    assert trace["y_t"][0, 0].tolist() == [0.13, -0.13, 1.01]  # the float 1.005 is less than 1.005
    assert trace.parameters["0/forward"]["W"][2, 0] == 1.005


# -- small floats -----------------------------------------------------------------------------------------------------


def bfloat16(value: float) -> float:
    """The upper half of a float32, rounded to even by adding to its bits; from a float64 through its sticky bit."""
    near = np.float32(value)
    if near != value and not struct.unpack("<I", struct.pack("<f", near))[0] & 1:  # to odd: one rounding in all
        near = np.nextafter(near, np.float32(math.copysign(math.inf, value - float(near))))
    bits = struct.unpack("<I", struct.pack("<f", near))[0]
    bits += 0x7FFF + ((bits >> 16) & 1)
    return float(struct.unpack("<f", struct.pack("<I", bits & 0xFFFF0000))[0])


@pytest.mark.parametrize("seed", range(4))
def test_bfloat16(seed: int) -> None:
    given = arrays(seed)
    agrees(lt.run(**given, arithmetic="bfloat16"), Scalar(bfloat16, bfloat16, False, True).lstm(given, MATH))


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_small_floats_are_those_of_numpy(name: str) -> None:
    kind = np.dtype(name).type
    given = arrays(5)
    oracle = Scalar(kind, kind, False, True).lstm(given, MATH)
    assert all(type(v) is kind for units in oracle["h_t"] for v in units)  # numpy's own scalars, at every operation
    agrees(lt.run(**given, arithmetic=name), oracle)


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_rounding_to_a_small_float_is_that_of_numpy(name: str) -> None:
    rng = np.random.default_rng(1)
    info = np.finfo(name)
    values = np.ldexp(rng.normal(size=4000), rng.integers(-170, 140, 4000))
    edges = [float(info.max), float(info.max) * (1 + 2.0**-info.nmant / 4), float(info.tiny), 5e-324, 0.0, -0.0]
    edges += [float(info.smallest_subnormal) * k / 4 for k in range(1, 8)]
    edges += [1 + 2.0 ** -(info.nmant + 1), 1 + 3 * 2.0 ** -(info.nmant + 1), math.inf, -math.inf, math.nan, 1e300]
    values = np.concatenate([values, edges])
    with np.errstate(all="ignore"):
        expected = values.astype(name).astype(np.float64)
    found = find(name).read(values)
    np.testing.assert_array_equal(found, expected)
    assert (np.signbit(found) == np.signbit(expected))[~np.isnan(values)].all()


def test_functions_are_rounded_once() -> None:
    """A tie that float64 would decide wrongly: exp(x) = 1 + 2^-24 + less than float64 shows, for some x."""
    arithmetic = find("float32")
    x = arithmetic.read(2.0**-24)
    assert arithmetic.compute(Line("y", "exp", ("x",)), [x]) == 1 + 2.0**-23  # 1 + 2^-24 + 2^-49 is above the tie
    assert arithmetic.compute(Line("y", "exp", ("x",)), [arithmetic.read(0.0)]) == 1


# -- fixed point ------------------------------------------------------------------------------------------------------


def test_fixed_point_adds_up_wide_and_rounds_once() -> None:
    def q(value: Any) -> Fraction:
        steps = round(Fraction(value) * 4096)  # Python rounds half to even
        return Fraction(min(max(steps, -32768), 32767), 4096)

    functions = {name: lambda z, f=f: Fraction(f(Decimal(z.numerator) / z.denominator)) for name, f in DECIMAL.items()}
    for seed in range(3):
        given = arrays(seed)
        agrees(lt.run(**given, arithmetic="q4.12"), Scalar(q, q, True, False).lstm(given, functions))


def test_fixed_point_saturates_and_rounds_half_to_even() -> None:
    cell = {"equations": "y_t = W @ x_t\nn_t = -y_t\ns_t = y_t + y_t"}
    weights = {"W": [[7.0, 7.0], [-7.0, -7.0], [1.5 * 2**-12, 0.0], [2.5 * 2**-12, 0.0], [1.0, -1.0]]}
    trace = lt.run(weights, [[1.0, 1.0]], cell=cell, arithmetic="q4.12")
    top = 8 - 2.0**-12
    assert trace["y_t"][0, 0].tolist() == [top, -8.0, 2 * 2.0**-12, 2 * 2.0**-12, 0.0]
    assert trace["n_t"][0, 0].tolist() == [-top, top, -2 * 2.0**-12, -2 * 2.0**-12, 0.0]  # there is no +8
    assert trace["s_t"][0, 0].tolist()[:2] == [top, -8.0]
    wide = lt.run({"W": [[7.0, 7.0, -7.0]]}, [[1.0, 1.0, 1.0]], cell={"equations": "y_t = W @ x_t"}, arithmetic="q4.12")
    assert wide["y_t"].item() == 7.0  # the accumulator went beyond 8 and came back
    far = lt.run({"W": [[100.0]]}, [[math.inf]], cell={"equations": "y_t = W @ x_t"}, arithmetic="q4.12")
    assert far["y_t"].item() == top


def test_32_bits_are_exact() -> None:
    step = Fraction(1, 2**24)
    a, b = 100 + 3 * 2.0**-24, 1 - 2.0**-24
    trace = lt.run({"W": [[a, a]]}, [[b, -0.5]], cell={"equations": "y_t = W @ x_t"}, arithmetic="q8.24")
    exact = Fraction(a) * Fraction(b) - Fraction(a) / 2
    assert Fraction(trace["y_t"].item()) == round(exact / step) * step


# -- every operation --------------------------------------------------------------------------------------------------


def test_every_operation_has_a_rule() -> None:
    assert RULES.keys() == OPS.keys()


LINES = [
    Line("y", name, tuple("abc"[: op.arity or 3]), tuple(0.5 + k for k, _ in enumerate(op.constants)))
    if name != "add"
    else Line("y", "add", ("a", "b", "c"), (1.0, -1.0, 1.0))
    for name, op in OPS.items()
]


@pytest.mark.few(31)
@pytest.mark.parametrize("line", LINES, ids=lambda line: line.op)
@pytest.mark.parametrize("name", ["by-hand-15", "float32", "q8.24"])
def test_an_operation_is_near_its_definition(line: Line, name: str) -> None:
    """Many digits give what float64 gives; leading axes are steps and rows."""
    rng = np.random.default_rng(len(line.op))
    operands = [rng.normal(size=(4, 2, 3)) for _ in line.operands]
    if line.op in ("log", "sqrt"):
        operands[0] = np.abs(operands[0]) + 0.1
    if line.memory:
        operands[line.operands.index(line.memory[0])] = rng.normal(size=(4, 2, 15))
    if line.product:
        operands[line.operands.index(line.product[0])] = rng.normal(size=(5, 3) if line.op == "matvec" else (3, 5))
    arithmetic = find(name)
    operands = [np.asarray(arithmetic.read(o), np.float64) for o in operands]
    found = arithmetic.compute(line, [arithmetic.read(o) for o in operands])
    expected = OPS[line.op].array(operands, line.constants)
    assert found.shape == expected.shape
    assert found.dtype == np.float64
    bound = {"by-hand-15": 5e-15, "float32": 3e-6, "q8.24": 4e-7}[name] * max(1, np.abs(expected).max())
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
    if line.op not in ("where", "copy", "max", "maximum", "concat", "slice"):
        np.testing.assert_array_equal(arithmetic.read(found), np.asarray(arithmetic.rounded(arithmetic.read(found))))


# -- as part of a trace -----------------------------------------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize("name", NAMES)
def test_verify_derives_in_the_trace_s_arithmetic(name: str, tmp_path: Any) -> None:
    for suffix in ("json", "safetensors"):
        trace = lt.run(**arrays(7), arithmetic=name)
        file = tmp_path / f"t.{suffix}"
        trace.save(file)
        loaded = lt.load(file)
        assert loaded.header.arithmetic == name
        assert lt.verify(loaded).verdict == "verified"
    trace.lines["0/forward"]["c_t"][1, 0, 1] = np.nextafter(trace["c_t"][1, 0, 1], 1)
    failures = lt.verify(trace).failures
    assert [str(f.address) for f in failures] == ["0/forward/1/0/c_t[1]"]
    assert failures[0].bound == 0


def test_as_float64_the_same_numbers_do_not_verify() -> None:
    trace = lt.run(**arrays(7), arithmetic="by-hand-3")
    from dataclasses import replace

    assert lt.verify(replace(trace, header=replace(trace.header, arithmetic=None))).verdict == "failed"


@pytest.mark.few(0)
@pytest.mark.parametrize("name", NAMES)
def test_diff_with_the_full_run_tells_each_line_s_own_rounding(name: str) -> None:
    full, rounded = lt.run(**arrays(8)), lt.run(**arrays(8), arithmetic=name)
    found = lt.diff(full, rounded)
    assert found.premises == ()
    assert found.first is not None
    local = {line.line: line.local for line in found.lines}
    unit = {"by-hand-3": 1e-3, "float32": 2.0**-22, "float16": 2.0**-9, "bfloat16": 2.0**-6, "q4.12": 2.0**-12}[name]
    assert 0 < local["i_t"] <= unit
    assert local["c_t"] <= 2 * unit


@pytest.mark.few(0)
def test_two_layers_both_directions_and_lengths() -> None:
    rng = np.random.default_rng(3)
    weights = {}
    for layer, wide in ((0, 3), (1, 4)):
        for d in ("forward", "reverse"):
            for g in "ifco":
                weights[f"{layer}/{d}/W_x{g}"] = rng.normal(size=(2, wide))
                weights[f"{layer}/{d}/W_h{g}"] = rng.normal(size=(2, 2))
    x = rng.normal(size=(4, 2, 3))
    for name in NAMES:
        trace = lt.run(weights, x, lengths=[4, 2], arithmetic=name)
        assert lt.verify(trace).verdict == "verified"
        assert np.abs(trace.output - lt.run(weights, x, lengths=[4, 2]).output).max() < 0.05


def test_float32_weights_are_kept_exactly() -> None:
    given = {k: ({n: a.astype(np.float32) for n, a in v.items()} if k == "source" else v) for k, v in arrays(1).items()}
    trace = lt.run(**given, arithmetic="by-hand-12")
    assert trace.header.dtype == "float64"
    assert trace.parameters["0/forward"]["W_xi"].dtype == np.float64
    np.testing.assert_array_equal(trace.parameters["0/forward"]["W_xi"], given["source"]["W_xi"])


def test_a_trace_runs_again_in_another_arithmetic() -> None:
    full = lt.run(**arrays(2))
    hand = in_arithmetic(full, "by-hand-4")
    np.testing.assert_array_equal(hand["h_t"], lt.run(**arrays(2), arithmetic="by-hand-4")["h_t"])
    back = in_arithmetic(hand, None)
    np.testing.assert_allclose(back["h_t"], full["h_t"], rtol=0, atol=1e-15)
    assert back.header.arithmetic is None


def test_numbers_in_equations_are_rounded_as_the_format_holds_them() -> None:
    cell = {"equations": "y_t = 0.1 * x_t"}
    assert lt.run({}, [[1.0]], cell=cell, arithmetic="bfloat16")["y_t"].item() == bfloat16(0.1)
    assert lt.run({}, [[1.0]], cell=cell, arithmetic="by-hand-3")["y_t"].item() == 0.1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("float8", "there is no arithmetic 'float8'; expected by-hand-N"),
        ("by-hand-16", "at most 15 decimals"),
        ("q0.8", "at least 1 bit (the sign) before the point"),
        ("q16.17", "32 in all"),
    ],
)
def test_unknown_arithmetic(name: str, message: str) -> None:
    with pytest.raises(OptionError) as error:
        lt.run(**arrays(0), arithmetic=name)
    assert message in str(error.value)


def test_a_plan_or_a_stream_is_refused(tmp_path: Any) -> None:
    for wrong in ({"plan": "planned"}, {"out": tmp_path / "t.safetensors"}):
        with pytest.raises(OptionError, match="goes line by line, in memory"):
            lt.run(**arrays(0), arithmetic="float16", **wrong)
