"""The operations as vector code: a table from operation to code, correct within the ulp of `ops.OPS`.

exp, tanh and sigmoid are based on one reduction: x = n ln 2 + r, |r| <= ln 2 / 2, expm1(r) = r + r^2 q(r) with q from
Chebyshev interpolation. No float is converted to an integer, so NaN stays NaN, and no exponential of a large number is
taken, so nothing overflows on the way. log is that of fdlibm (Sun Microsystems 1993). sin and cos, which gates are not
made of, are calls of the C library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .llvm import Vector

Function = Callable[[Vector, Sequence[str], Sequence[float]], str]

# fmt: off
_Q32 = (0.5, 0.16666576845993977, 0.04166655443768594, 0.008363202971575855, 0.0013926213466332444)
_Q64 = (0.5000000000000001, 0.16666666666666669, 0.04166666666662399, 0.008333333333330051, 0.0013888888917281794,
        0.00019841269863105968, 2.480152119021773e-05, 2.7557268378684192e-06, 2.7620138719733994e-07,
        2.5100424157005067e-08)
_LOG32 = (0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841)
_LOG64 = (6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
          1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860510658591e-01)
# fmt: on
#: ln 2 in two parts, the first short enough that n times it is exact.
_LN2_EXP = {
    True: (0.693359375, -0.000212194440054691),
    False: (float.fromhex("0x1.62e42fee00000p-1"), 1.9082149292705878e-10),
}
_LN2_LOG = {True: (6.9313812256e-01, 9.0580006145e-06), False: (6.93147180369123816490e-01, 1.90821492927058770002e-10)}


def _polynomial(v: Vector, r: str, r2: str, coefficients: Sequence[float]) -> str:
    """Estrin's scheme: a short chain of dependent products."""
    terms, power = [v.number(c) for c in coefficients], r
    while len(terms) > 1:
        pairs = range(0, len(terms), 2)
        terms = [v.fma(power, terms[k + 1], terms[k]) if k + 1 < len(terms) else terms[k] for k in pairs]
        if len(terms) > 1:
            power = r2 if power is r else v.mul(power, power)
    return terms[0]


def _magic(v: Vector) -> float:
    """A number that, added to a small number, leaves the nearest integer in the low bits."""
    return 1.5 * 2.0**v.mantissa


def _reduced(v: Vector, x: str) -> tuple[str, str]:
    """(bits with n in their low end, expm1(r)) for x = n ln 2 + r."""
    magic = v.number(_magic(v))
    t = v.fma(x, v.number(1.4426950408889634), magic)
    n = v.sub(t, magic)
    high, low = _LN2_EXP[v.single]
    r = v.fma(n, v.number(-low), v.fma(n, v.number(-high), x))
    r2 = v.mul(r, r)
    return v.bits(t), v.fma(r2, _polynomial(v, r, r2, _Q32 if v.single else _Q64), r)


def _power(v: Vector, bits: str, plus: int = 0) -> str:
    """2^(n + plus), by setting the exponent bits."""
    shifted = v.whole_op("shl", bits, v.whole(v.mantissa))
    return v.float(v.whole_op("add", shifted, v.whole((v.bias + plus) << v.mantissa)))


def _exp_low(v: Vector, x: str) -> str:
    """exp(x) for x <= 0, down to the smallest subnormal."""
    t, s = _reduced(v, v.above(x, -104.5 if v.single else -746.0))
    up = 64 if v.single else 128
    return v.mul(v.mul(v.add(s, v.number(1.0)), _power(v, t, up)), v.number(2.0**-up))


def _expm1_low(v: Vector, x: str) -> str:
    """exp(x) - 1 for x <= 0; -1 to the last digit from -20 (float64: -40) downwards."""
    t, s = _reduced(v, v.above(x, -20.0 if v.single else -40.0))
    p = _power(v, t)
    return v.fma(p, s, v.sub(p, v.number(1.0)))


def _exp(v: Vector, x: str) -> str:
    x = v.below(v.above(x, -104.5 if v.single else -746.0), 89.0 if v.single else 710.0)
    t, s = _reduced(v, x)
    n = v.whole_op("sub", t, v.whole(v.bits_of(_magic(v))))
    half = v.whole_op("ashr", n, v.whole(1))
    rest = v.whole_op("sub", n, half)  # in two steps, so that subnormal results and infinity are correct
    return v.mul(v.mul(v.add(s, v.number(1.0)), _power(v, half)), _power(v, rest))


def _sigmoid(v: Vector, z: str) -> str:
    """With e = exp(-|z|): 1 / (1 + e), or e / (1 + e) for negative z; 0 if exp(-z) overflows, as in the definition."""
    e = _exp_low(v, v.neg(v.call("fabs", z)))
    top = v.pick("olt", z, v.number(0.0), e, v.number(1.0))
    lowest = v.number(-88.72283172607422 if v.single else -709.782712893384)  # the last z with a finite exp(-z)
    return v.pick("olt", z, lowest, v.number(0.0), v.div(top, v.add(e, v.number(1.0))))


def _tanh(v: Vector, z: str) -> str:
    """With m = expm1(-2|z|): -m / (2 + m), which never cancels."""
    m = _expm1_low(v, v.mul(v.call("fabs", z), v.number(-2.0)))
    return v.call("copysign", v.div(v.neg(m), v.add(m, v.number(2.0))), z)


def _log_normal(v: Vector, x: str, shift: str | None = None) -> str:
    """log of a positive normal number; shift: added to the exponent."""
    half = v.bits_of(0.7071067811865476)
    bits = v.whole_op("add", v.bits(x), v.whole(v.bits_of(1.0) - half))
    exponent = v.whole_op("lshr", bits, v.whole(v.mantissa))
    m = v.float(v.whole_op("add", v.whole_op("and", bits, v.whole((1 << v.mantissa) - 1)), v.whole(half)))
    k = v.float(v.whole_op("add", exponent, v.whole(v.bits_of(_magic(v)))))
    k = v.sub(k, v.number(_magic(v) + v.bias))
    k = k if shift is None else v.add(k, shift)
    f = v.sub(m, v.number(1.0))
    s = v.div(f, v.add(f, v.number(2.0)))
    z = v.mul(s, s)
    w = v.mul(z, z)
    table = _LOG32 if v.single else _LOG64
    odd, even = table[0::2], table[1::2]
    w2 = v.mul(w, w)
    r = v.add(v.mul(z, _polynomial(v, w, w2, odd)), v.mul(w, _polynomial(v, w, w2, even)))
    square = v.mul(v.mul(f, f), v.number(0.5))
    high, low = _LN2_LOG[v.single]
    rest = v.sub(v.fma(k, v.number(low), v.mul(s, v.add(square, r))), square)
    return v.add(v.add(rest, f), v.mul(k, v.number(high)))


def _log(v: Vector, x: str) -> str:
    tiny = v.number(2.0 ** (-126 if v.single else -1022))
    up = 25 if v.single else 54
    scaled = v.pick("olt", x, tiny, v.mul(x, v.number(2.0**up)), x)
    result = _log_normal(v, scaled, v.pick("olt", x, tiny, v.number(-up), v.number(0.0)))
    infinity = v.number(float("inf"))
    result = v.pick("oeq", x, infinity, infinity, result)
    result = v.pick("oeq", x, v.number(0.0), v.number(float("-inf")), result)
    result = v.pick("olt", x, v.number(0.0), v.number(float("nan")), result)
    return v.pick("uno", x, x, x, result)


def _softplus(v: Vector, z: str) -> str:
    """max(z, 0) + log1p(e), e = exp(-|z|) <= 1; log1p(e) = log(u) + (e - (u - 1)) / u for u = 1 + e, rounded."""
    e = _exp_low(v, v.neg(v.call("fabs", z)))
    u = v.add(e, v.number(1.0))
    lost = v.sub(e, v.sub(u, v.number(1.0)))
    soft = v.add(_log_normal(v, u), v.div(lost, u))
    return v.add(v.above(z, 0.0), v.pick("uno", z, z, z, soft))


def _elu(v: Vector, z: str, alpha: float) -> str:
    low = v.mul(v.number(alpha), _expm1_low(v, v.below(z, 0.0)))
    return v.pick("olt", z, v.number(0.0), low, z)


def _add(v: Vector, terms: Sequence[str], signs: Sequence[float]) -> str:
    total = terms[0] if signs[0] > 0 else v.neg(terms[0])
    for term, sign in zip(terms[1:], signs[1:], strict=True):
        total = v.add(total, term) if sign > 0 else v.sub(total, term)
    return total


def _unary(function: Callable[..., str]) -> Function:
    return lambda v, a, c: function(v, a[0], *c)


def _intrinsic(name: str) -> Function:
    return lambda v, a, c: v.call(name, a[0])


#: Operations on operands of one width (width 1 broadcasts), and of a row and a column. The others have special shapes:
#: see `program`.
ELEMENTWISE: dict[str, Function] = {
    "add": _add,
    **dict.fromkeys(("mul", "outer"), lambda v, a, c: v.mul(a[0], a[1])),
    "div": lambda v, a, c: v.div(a[0], a[1]),
    "neg": lambda v, a, c: v.neg(a[0]),
    "copy": lambda v, a, c: a[0],
    "greater": lambda v, a, c: v.pick("ogt", a[0], a[1], v.number(1.0), v.number(0.0)),
    "sigmoid": _unary(_sigmoid),
    "tanh": _unary(_tanh),
    "exp": _unary(_exp),
    "log": _unary(_log),
    **{op: _intrinsic(op) for op in ("sqrt", "sin", "cos", "floor")},
    "relu": lambda v, a, c: v.above(a[0], 0.0),
    "elu": _unary(_elu),
    "softplus": _unary(_softplus),
    "clip": lambda v, a, c: v.below(v.above(a[0], c[0]), c[1]),
    "where": lambda v, a, c: v.pick("une", a[0], v.number(0.0), a[1], a[2]),
    "maximum": lambda v, a, c: v.larger(a[0], a[1]),
}
