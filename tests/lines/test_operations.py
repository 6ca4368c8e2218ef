"""Operations in the page, on numbers of all sizes: within their bounds; in other arithmetics the same bits."""

from __future__ import annotations

import struct
from decimal import Decimal, localcontext
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest

from lstm_trace.base.arrays import Array
from lstm_trace.cell.arithmetic import CONTEXT, FULL, RULES, find
from lstm_trace.cell.lines import Line
from lstm_trace.cell.ops import OPS
from lstm_trace.verification.rounding import beyond, bound

from ..support.page_modules import computed
from ..support.tiers import seeds
from .problems import ARITHMETICS

BITS = """
const VIEW = new DataView(new ArrayBuffer(8));
const bits = (value) => (VIEW.setFloat64(0, value), VIEW.getBigUint64(0).toString(16));
const number = (text) => (VIEW.setBigUint64(0, BigInt(`0x${text}`)), VIEW.getFloat64(0));
"""
PLAIN = f"""
import {{ OPERATIONS }} from "LINES/operations.js";
import {{ dtype_rounding }} from "LINES/arithmetic.js";
{BITS}
export const answer = (cases) => [Object.keys(OPERATIONS), cases.map(([dtype, op, operands, constants, width]) => {{
  const rounded = dtype_rounding(dtype), out = new Float64Array(width + 2).fill(7);
  const read = operands.map((one) => ({{ data: Float64Array.from([9, ...one.map(number)]), at: 1 }}));
  for (const one of read) Object.assign(one, {{ width: one.data.length - 1, unit: one.data.length > 2 ? 1 : 0 }});
  OPERATIONS[op](out, 1, width, read, constants.map(rounded), rounded);
  return Array.from(out, rounded).map(bits);
}})];
"""
OTHER = f"""
import {{ arithmetic }} from "LINES/arithmetic.js";
{BITS}
export const answer = (cases) => cases.map(([name, op, operands, constants, width]) => {{
  const own = arithmetic(name);
  return own.compute(op, operands.map((one) => own.read(one.map(number))), constants, width).map(bits);
}});
"""


SPECIAL = (0.0, -0.0, 1.0, -1.5, 1e-310, 1e300, np.inf, -np.inf, np.nan)


def drawn(rng: Random) -> float:
    """A number: short, long, halfway between two of a format, tiny, huge, or none."""
    kind = rng.random()
    if kind < 0.35:
        return round(rng.uniform(-4, 4), rng.randint(0, 4))
    if kind < 0.6:
        return rng.uniform(-3, 3)
    if kind < 0.7:
        return rng.gauss(0, 1) * 10.0 ** rng.randint(-45, 45)
    if kind < 0.75:
        return rng.choice([0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -0.5, 0.125])
    if kind < 0.78:
        return rng.choice([np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1.7e308, 65504.0, 65520.0, 6e-8, 3e-8])
    if kind < 0.86:
        return rng.choice([-1, 1]) * (rng.randint(0, 4096) + 0.5) / rng.choice([1, 100, 10_000, 4096, 256])
    if kind < 0.9:
        return 1 + rng.uniform(-1, 1) * 10.0 ** -rng.randint(1, 16)
    return rng.uniform(-40, 40)


def case(rng: Random, op: str) -> tuple[list[Array], list[float], int]:
    """Operands of an operation, its constants, and the width of its line."""
    width, other, one = rng.randint(1, 4), rng.randint(1, 5), lambda: rng.choice([1, width])
    constants: list[float] = []
    if op in ("matvec", "memvec"):
        shapes: list[tuple[int, ...]] = [(width, other), (other,)]
    elif op in ("vecmat", "vecmem"):
        shapes = [(other,), (other, width)]
    elif op in ("outer", "concat"):
        shapes, width = [(width,), (other,)], width * other if op == "outer" else width + other
    elif op == "add":
        shapes = [(width,), *((one(),) for _ in range(rng.randint(0, 3)))]
        constants = [rng.choice([1.0, -1.0]) for _ in shapes]
    elif op in ("mul", "div", "greater", "maximum"):
        shapes = [(width,), (one(),)]
    elif op == "where":
        shapes = [(one(),), (width,), (one(),)]
    elif OPS[op].reduces:
        shapes, width = [(other,)], 1
    elif op == "slice":
        shapes, constants = [(width + 2,)], [1, width + 1]
    else:
        shapes = [(width,)]
        constants = {"elu": [rng.choice([1.0, 0.7])], "clip": rng.choice([[-0.25, 0.75], [-1.0, 0.0]])}.get(op, [])
    return [np.reshape([drawn(rng) for _ in range(int(np.prod(s)))], s) for s in shapes], constants, width


def bits(values: Any) -> list[str]:
    return [struct.pack(">d", value).hex() for value in np.ravel(values).tolist()]


def numbers(texts: list[str]) -> Array:
    return np.array([struct.unpack(">d", bytes.fromhex(text.zfill(16)))[0] for text in texts])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_operation_is_within_its_bound(dtype: str) -> None:
    rng, cases = Random(dtype), []  # noqa: S311 - it has to be the same each time
    for op in OPS:
        for _ in seeds(400, 12):
            operands, constants, width = case(rng, op)
            with np.errstate(over="ignore"):
                cases.append((op, [array.astype(dtype) for array in operands], constants, width))
        if OPS[op].keeps and OPS[op].arity:  # every pair of special values
            with np.errstate(over="ignore"):
                pairs = np.array(list(product(SPECIAL, repeat=2))).T.astype(dtype)
            _, constants, _ = case(rng, op)
            cases.append((op, [*pairs, pairs[0][::-1]][: OPS[op].arity], constants, len(pairs[0])))
    known, found = computed(PLAIN, [(dtype, op, [*map(bits, ops)], c, w) for op, ops, c, w in cases])
    assert {*known} == {*OPS}
    for (op, operands, constants, width), texts in zip(cases, found, strict=True):
        line = Line("y", op, tuple("abcd"[: len(operands)]), tuple(constants))
        flat = [a if op in ("matvec", "vecmat") else a.reshape(1, -1) for a in operands]
        flat = [a.reshape(1, -1) if a.ndim == 1 else a for a in flat]
        with np.errstate(all="ignore"):
            expected = np.asarray(OPS[op].array(flat, constants), dtype)
            limit = np.broadcast_to(bound(line, flat, expected), expected.shape)
            values = numbers(texts)
            wrong, _ = beyond(values[1:-1].reshape(expected.shape).astype(dtype), expected, limit)
        assert not wrong.any(), (op, dtype, operands, constants, expected, values)
        assert values[[0, -1]].tolist() == [7, 7], f"{op} writes beside its place"
        assert expected.shape[-1] == width


def test_other_arithmetics_give_the_same_bits() -> None:
    rng = Random(5)  # noqa: S311 - it has to be the same each time
    every = ((name, op) for name in (*ARITHMETICS, "q1.7", "q32.0") for op in RULES for _ in seeds(60, 1))
    cases = [(name, op, *case(rng, op)) for name, op in every]
    found = computed(OTHER, [(name, op, [*map(bits, ops)], c, w) for name, op, ops, c, w in cases])
    for (name, op, operands, constants, _), texts in zip(cases, found, strict=True):
        own = find(name)
        read = [own.read(a if op in ("matvec", "vecmat") else a.ravel()) for a in operands]
        line = Line("y", op, tuple("abcd"[: len(read)]), tuple(constants))
        expected, values = np.ravel(own.compute(line, read)), numbers(texts)
        np.testing.assert_array_equal(values, expected, f"{name} {op} {operands} {constants}")
        if op not in ("max", "maximum"):  # of two zeros, numpy may take either
            there = ~np.isnan(expected)
            assert (np.signbit(values) == np.signbit(expected))[there].all(), (name, op, operands, constants)


def test_functions_have_all_digits() -> None:
    script = """
import * as exact from "LINES/exact.js";
const shown = ({ negative, digits, exponent, special }) =>
  `${negative ? "-" : ""}${special || `${digits}e${exponent}`}`;
const functions = { ...exact, sin: (x) => exact.sine(x, 0), cos: (x) => exact.sine(x, 1) };
export const answer = (cases) => cases.map(([op, value]) => shown(functions[op](exact.exactly(Number(value)))));
"""
    rng = Random(9)  # noqa: S311 - it has to be the same each time
    values = [
        0.5,
        1.0,
        3.25,
        1e-30,
        1e22,
        1 + 2.0**-52,
        1 - 2.0**-53,
        700.0,
        5e-324,
        *(drawn(rng) for _ in seeds(300, 6)),
    ]
    cases = [
        (op, v) for op in ("exp", "log", "sqrt", "sin", "cos", "floor") for v in values if abs(v) < 1e4 or op != "exp"
    ]
    found = computed(
        script, [(op, repr(value).replace("inf", "Infinity").replace("nan", "NaN")) for op, value in cases]
    )
    for (op, value), text in zip(cases, found, strict=True):
        with localcontext(CONTEXT):
            expected, got = FULL[op](Decimal(value)), Decimal(text)
            assert got == expected or (got.is_nan() and expected.is_nan()), (op, value)


def test_an_arithmetic_that_there_is_not() -> None:
    script = """
import { arithmetic } from "LINES/arithmetic.js";
export const answer = (names) => names.map((name) => {
  try { arithmetic(name); } catch (error) { return error.message; }
});
"""
    names = ["by-hand-16", "q0.4", "q20.13", "float8", "constructor", "q4.12"]
    messages = computed(script, names)
    for name, message in zip(names[:4], messages, strict=False):
        with pytest.raises(ValueError, match=name.replace(".", r"\.")) as error:
            find(name)
        assert message == str(error.value).replace("'", '"')
    assert "there is no arithmetic" in messages[4]
    assert messages[5] is None
