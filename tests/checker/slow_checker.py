"""Honest and tampered traces by the thousand: the checker beside `lt.verify`, and where they disagree.

Each block makes small random runs (cells with names and cells of random equations, layers, directions, lengths, holds,
float32, other arithmetics, adjoint stages), moves one value of each by some ulp, and asks both. A disagreement about a
value must lie between the two bounds that docs/trace-format.md states; e is computed here, with fractions and decimals.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.checker import check

from .test_functions import function

BLOCKS, COUNT = 20, 500
UNARY = (
    "sigmoid({})",
    "tanh({})",
    "exp(tanh({}))",
    "log(softplus({}) + 0.1)",
    "sqrt(({}) * ({}))",
    "sin({})",
    "cos({})",
    "relu({})",
    "elu({}, 0.7)",
    "softplus({})",
    "clip({}, -0.5, 0.75)",
    "floor({})",
    "half({})",
    "-({})",
)
REDUCED = ("max({})", "sum({})", "mean({})")
OTHER = ("by-hand-3", "by-hand-6", "float32", "float16", "bfloat16", "q4.8", "q2.5")


def expression(draw: random.Random, vectors: list[str], depth: int) -> str:
    """A random expression as wide as the state."""

    def part() -> str:
        return expression(draw, vectors, depth - 1)

    if depth == 0:
        return draw.choice(vectors)
    kind = draw.randrange(10)
    if kind < 3:
        text = draw.choice(UNARY)
        return text.format(*[part()] * text.count("{}"))
    if kind < 5:
        return f"({part()} {draw.choice('+-')} {part()} {draw.choice('+-')} {draw.choice(['0.3', part()])})"
    return {
        5: lambda: f"{draw.choice(vectors)} * {draw.choice(vectors)}",
        6: lambda: f"U @ ({part()})",
        7: lambda: f"({part()}) @ U",
        8: lambda: f"where({part()} > 0.1, {part()}, {part()})",
        9: lambda: f"max({part()}, {draw.choice(REDUCED).format(part())})",
    }[kind]()


def equations(draw: random.Random) -> str:
    """A random cell with two states and a matrix that is a value."""
    vectors, rows = ["(W @ x_t)", "h_prev", "s_prev", "(b - s_prev)"], ["half(z, k=0.5) = k * z - z * z"]
    for number in range(draw.randint(1, 3)):
        rows.append(f"a{number} = {expression(draw, vectors, draw.randint(1, 3))}")
        vectors.append(f"a{number}")
    rows.append(f"q = outer({draw.choice(vectors)}, {draw.choice(vectors)}) @ tanh({draw.choice(vectors)})")
    rows.append(f"s_t = tanh({draw.choice(vectors)} + q) / (1 + {vectors[-1]} * {vectors[-1]})")
    rows.append(f"h_t = concat(s_t[0], tanh({expression(draw, vectors, 1)})[1:2])")
    return "\n".join([*rows, "carry: h_prev <- h_t, s_prev <- s_t"])


def honest(draw: random.Random) -> Any:
    """A small random run."""
    generator = np.random.default_rng(draw.getrandbits(32))
    steps, batch, inputs, size = draw.randint(2, 3), draw.randint(1, 2), draw.randint(1, 3), 2
    kind, options = draw.randrange(8), {}

    def array(*shape: int) -> Any:
        values = generator.normal(size=shape) * draw.choice([0.3, 1.0, 3.0])
        return values.astype(np.float32) if kind == 1 else values

    x = array(steps, batch, inputs)
    if kind >= 5:
        text = equations(draw)
        weights = {
            name: array(*shape) for name, shape in (("W", (2, inputs)), ("U", (2, 2)), ("b", (2,))) if name in text
        }
        given = {"initial": {"s_prev": array(batch, 2)}} if "s_prev" in text.partition("carry")[0] else {}
        arithmetic = draw.choice(OTHER) if kind == 7 else None
        return lt.run(weights, x, array(1, batch, 2), cell={"equations": text}, arithmetic=arithmetic, **given)
    gates = draw.choice(["ifco", "ruh"])
    places = ["0/forward/", "0/reverse/"] if kind == 2 else ["0/forward/", "1/forward/"] if kind == 3 else [""]
    weights = {}
    for place in places:
        wide = size if place.startswith("1") else inputs
        weights |= {f"{place}W_x{gate}": array(size, wide) for gate in gates}
        weights |= {f"{place}W_h{gate}": array(size, size) for gate in gates}
        weights |= {f"{place}b_{gate}": array(size) for gate in gates}
    if kind == 3:
        options["hold"] = {"0/forward/1/0/h_t[0]": 0.25}
    if kind in (2, 3, 4) and draw.random() < 0.5:
        options["lengths"] = [draw.randint(1, steps) for _ in range(batch)]
    if kind == 0:
        options["arithmetic"] = draw.choice(OTHER)
    states = {"h0": array(len(places), batch, size)}
    trace = lt.run(weights, x, **states, **options)
    if kind == 4:
        return lt.backward(trace, output=generator.normal(size=trace.output.shape))
    return trace


def tampered(draw: random.Random, document: dict[str, Any]) -> str:
    """Move one value, and return its address; a product or a function more often than others, and by few ulp."""
    scope = draw.choice(list(document["lines"]))
    names = list(document["lines"][scope])
    often = [name for name in names if "@" in name or "(" in name or name in ("i_t", "f_t", "o_t", "c_tilde")]
    name = draw.choice(often if often and draw.random() < 0.7 else names)
    values = np.array(document["lines"][scope][name], dtype=float)
    place = tuple(draw.randrange(n) for n in values.shape)
    value, size = values[place], document["dtype"]
    unit = abs(float(np.spacing(np.float32(value)))) if size == "float32" else math.ulp(value)
    steps = draw.choice([1, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 32, 64, 2**20]) * draw.choice([-1, 1])
    document["lines"][scope][name][place[0]][place[1]][place[2]] = value + steps * unit
    return f"{scope}/{place[0]}/{place[1]}/{name}[{place[2]}]"


def between(path: Path, address: str) -> tuple[str, bool]:
    """Which kind of value it is, and whether |r - e| is between the bounds on which the two programs differ."""
    trace = check.ReadTrace(path)
    if address.count("/") == 2 or trace.arithmetic:  # a sum, where a line was moved; one result that is right
        return "exact", True
    scope, (k, b, rest) = "/".join(address.split("/")[:2]), address.split("/", 4)[2:]
    name, _, unit = rest.rpartition("[")
    found, line, unit = check.Check(trace), trace.stages[scope].cell.lines[name], unit[:-1]
    places, at = (
        [found.place(scope, operand) for operand in line.operands],
        (int(k) - trace.first) * trace.batch + int(b),
    )
    vectors = [place.rows[at % len(place.rows)] for place in places]
    extra = places[line.op == "vecmat"].shape[1] if line.op in ("matvec", "vecmat") else line.constants
    index = int(unit.split(",")[-1])
    if "," in unit:  # of a matrix: its columns are those of an outer product, which every such cell has
        row = trace.arrays["lines"][scope][name].rows[at]
        index += int(unit.split(",")[0]) * math.isqrt(len(row))
    r = Fraction(trace.arrays["lines"][scope][name].rows[at][index])
    bits, least, normal, _ = check.FORMATS[trace.dtype]
    part, u, eta = list(check.UNITS[line.op](*vectors, extra))[index], Fraction(1, 2**bits), Fraction(2) ** least
    if line.op in check.SUMS:
        terms = [Fraction(x) * Fraction(y) for pair in part for x, y in zip(*pair, strict=True)]
        divisor = len(terms) if line.op == "mean" else 1
        size, off = sum(map(abs, terms)) / divisor, abs(r - sum(terms) / divisor)
        n = len(terms) - (line.op == "sum")
        once = n * u / (1 - n * u) * size
        return "product", once < off <= 3 * once * (1 + 16 * u) + 4 * n * eta
    if line.op not in check.EPSILONS:  # verification names the value that is to blame for it
        return "exact", True
    alpha = np.dtype(trace.dtype).type(line.constants[0] if line.constants else 1.0)
    with localcontext(Context(prec=200)):
        exact = Fraction(function(line.op, Decimal(part[0]), Decimal(float(alpha))))
    p, off = check.EPSILONS[line.op], abs(r - exact)
    edge, slack = p * 2 * u * abs(exact) + Fraction(2) ** normal, 4 * u * abs(exact)
    return "function", edge - slack <= off <= edge + slack + eta


def without_unit(address: str) -> str:
    """An address as verification writes those of values that are wrong because of an earlier one."""
    *place, line = address.rpartition("[")[0].split("/", 4)
    return "/".join([*place[:3], line])  # of a sum there is no step


@pytest.mark.few(slow=4)  # all 20 take ten minutes of processor time
@pytest.mark.parametrize("block", range(BLOCKS))
def test_checker_and_verification_differ_only_between_their_bounds(block: int, tmp_path: Path) -> None:
    draw, counts, path = random.Random(block), Counter[str](), tmp_path / "trace.json"  # noqa: S311
    while counts["honest"] < COUNT:
        trace = honest(draw)
        trace.save(path)
        found, verified = check.Check(check.ReadTrace(path)), lt.verify(lt.load(path))
        if verified.verdict == "inconclusive" or found.status == 3:  # a bound that is not finite
            counts["inconclusive"] += 1
            assert not found.refuted
            assert verified.verdict != "failed"
            continue
        assert (verified.verdict, found.status) == ("verified", 0), found.findings
        counts["honest"] += 1
        document = json.loads(path.read_text(encoding="utf-8"))
        tampered(draw, document)
        path.write_text(json.dumps(document), encoding="utf-8")
        found, verified = check.Check(check.ReadTrace(path)), lt.verify(lt.load(path))
        ours = {finding.partition(": recorded")[0] for finding in found.findings}
        theirs = {str(failure.address) for failure in verified.failures}
        caused = {name for failure in verified.failures for name in failure.consequences}
        caused |= {without_unit(str(failure.address)) for failure in verified.failures if failure.values > 1}
        ours = {address for address in ours if address in theirs or without_unit(address) not in caused}
        assert len(ours) < check.LISTED
        counts["tampered"] += 1
        counts["refuted"] += found.status == 1
        counts["failed"] += verified.verdict == "failed"
        for address in ours ^ theirs:
            kind, right = between(path, address)
            assert right, (address, address in ours, found.findings)
            counts[f"{kind}: only the {'checker' if address in ours else 'verification'} refuses"] += 1
            assert kind == "function" or address in ours, address
            assert kind != "exact" or theirs, address
    print(dict(counts))  # pytest -s
    assert counts["refuted"] > COUNT / 2
