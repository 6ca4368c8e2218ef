"""Numbers as displayed, in JavaScript: equal to those of Python, digit by digit, for both dtypes and every style."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

from lstm_trace.formulas.numbers import Style, decimal, fraction, percent

from ..support.page_modules import computed
from ..support.tiers import seeds

_STYLES = (
    Style(),
    Style(4, kept=True, written=True),
    Style(5, kept=True, written=True, comma=True),
    Style(None),
    Style(0, kept=True),
    Style(2, kept=True, written=True, given=8, lines={"c_t": 3}),
    Style(17, kept=True),
    Style(significant=3),
    Style(significant=1, kept=True, written=True),
    Style(significant=6, kept=True, written=True, lines={"c_t": 0}),
)


def _values(random: Random) -> list[float]:
    """Numbers of every size, many of them short decimals or at the edge of rounding."""
    found = [0.0, -0.0, 1.0, -1.0, 0.1, 0.5, 1e12, 999999999999.9, 1e-7, 5e-324, 1.7976931348623157e308, 2.0**-44]
    found += [
        float("nan"),
        float("inf"),
        float("-inf"),
        0.99999,
        0.999999999,
        9.9999e-7,
        123456.5,
        99.95,
        2.5,
        3.5,
        1e22,
        3e21,
    ]
    for _ in seeds(120, 30):
        size = 10.0 ** random.uniform(-12, 14)
        found += [random.choice((-1, 1)) * random.random() * size, round(random.uniform(-9, 9), random.randrange(7))]
        found.append(random.randrange(-(10**6), 10**6) / 10 ** random.randrange(9) + 5 / 10 ** random.randrange(1, 9))
    return found


def test_numbers_are_displayed_as_python_displays_them() -> None:
    values = _values(Random(7))  # noqa: S311 - it has to be the same each time
    cases: list[dict[str, Any]] = []
    expected = []
    for single in (False, True):
        for value in values:
            with np.errstate(over="ignore"):
                own = np.float32(value) if single else np.float64(value)
            for style in _STYLES:
                for name, given in (("", False), ("c_t", False), ("", True)):
                    noise = 2 * abs(float(own)) if len(cases) % 13 == 0 else 0.0
                    shown = style.show(own, name, noise, given)
                    expected.append([shown.negative, shown.digits, shown.exponent])
                    how = {"name": name, "given": given, "noise": noise > 0, "single": single}
                    cases.append({"value": repr(float(own)), "style": vars(style), "how": how})
    script = """
      import { styled } from "LINES/numbers.js";
      const number = (text) => ({ nan: NaN, inf: Infinity, "-inf": -Infinity })[text] ?? Number(text);
      export const answer = (cases) =>
        cases.map(({ value, style, how }) => Object.values(styled(style, number(value), how)));
    """
    found = computed(script, cases)
    wrong = [(case, one, other) for case, one, other in zip(cases, found, expected, strict=True) if one != other]
    assert not wrong, wrong[:5]


def test_fractions_shortest_decimals_and_percent() -> None:
    values = [value for value in _values(Random(3)) if np.isfinite(value)]  # noqa: S311 - likewise
    shares = [abs(value) % 1 for value in values] + [0.0, 1.0, 0.005, 0.995, 0.0049, 0.125, 0.145]
    script = """
      import { exactly, fraction, percent, shortest } from "LINES/numbers.js";
      const told = ({ n, d }) => [String(n), String(d)];
      export const answer = (data) => [
        data.values.map((value) => [told(fraction(value)), told(exactly(value))]),
        data.singles.map((value) => shortest(value, true)),
        data.shares.map((value) => percent(value)),
      ];
    """
    with np.errstate(over="ignore"):
        singles = [np.float32(value) for value in values]
    singles = [value for value in singles if np.isfinite(value)]
    data = {"values": values, "singles": list(map(float, singles)), "shares": shares}
    fractions, shortest, percents = computed(script, data)
    for value, found in zip(values, fractions, strict=True):
        known, exact = fraction(value), value.as_integer_ratio()
        assert known is not None
        assert found == [[str(known.numerator), str(known.denominator)], list(map(str, exact))], value
    assert [decimal(float(text)) for text in shortest] == [decimal(value) for value in singles]
    assert [tuple(pair) for pair in percents] == [percent(share) for share in shares]
