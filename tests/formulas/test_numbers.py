"""How numbers are shown: rounded for display, noise as zero, never a value as zero."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from lstm_trace.formulas.numbers import DIGITS, fraction, percent, show

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (-0.39999999999999997, 8, "-0.4"),
        (1.0, 8, "1.0"),
        (3, 8, "3.0"),
        (0.0398682, 8, "0.0398682"),
        (0.401312339887548, 8, "0.40131234"),
        (0.401312339887548, 2, "0.4"),
        (2.5, 0, "2.0"),  # half to even, as everywhere else
        (0.4, 0, "4.0e-1"),
        (2 / 3, 4, "0.6667"),
        (100.0, 8, "100.0"),
        (-0.0, 8, "0.0"),
        (0.0, 17, "0.0"),
        (9.357622968840175e-14, 8, "9.35762297e-14"),
        (9.357622968840175e-14, 2, "9.36e-14"),
        (0.004, 2, "4.0e-3"),  # not 0.0: a value is never shown as zero
        (9.9999999999e-7, 8, "1.0e-6"),  # the mantissa rounds up to ten
        (1e-6, 8, "0.000001"),
        (123456.78901234567, 3, "123456.789"),
        (1e15, 8, "1.0e15"),
        (5e-324, 8, "5.0e-324"),
        (1.7976931348623157e308, 3, "1.798e308"),
        (0.1 + 0.2, None, "0.30000000000000004"),
        (1e-7, None, "1.0e-7"),
        (math.nan, 8, "nan"),
        (math.inf, 8, "inf"),
        (-math.inf, 8, "-inf"),
        (np.float32(0.1), 17, "0.1"),  # the shortest decimal of its own dtype, as a person wrote it
        (np.float32(1) / np.float32(3), 17, "0.33333334"),
    ],
)
def test_shown(value: Any, digits: int | None, text: str) -> None:
    assert str(show(value, digits)) == text


@pytest.mark.parametrize(("value", "noise", "text"), [(-5e-17, 1e-16, "0.0"), (-5e-17, 0.0, "-5.0e-17")])
def test_noise(value: float, noise: float, text: str) -> None:
    assert str(show(value, DIGITS, noise)) == text


@given(FLOATS)
def test_all_digits_read_back(value: float) -> None:
    assert float(str(show(value, None))) == value


@given(FLOATS, st.integers(0, 17))
def test_rounded_by_half_a_digit_at_most(value: float, digits: int) -> None:
    shown = show(value, digits)
    exponent = 0 if shown.exponent is None else shown.exponent
    exact = fraction(value)
    assert exact is not None
    assert shown.fraction is not None
    assert abs(shown.fraction - exact) <= Fraction(10) ** (exponent - digits) / 2
    assert (shown.fraction == 0) == (value == 0)
    assert "." in shown.digits
    assert not shown.digits.endswith("00")


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_single_precision_reads_back(value: float) -> None:
    single = np.float32(value)
    assert np.float32(str(show(single, None))) == single


def test_in_percent_none_and_all_are_just_that() -> None:
    for n in range(1001):
        near = (n + 5) // 10
        expected = ("<", 1) if near == 0 < n else (">", 99) if n < 1000 == 10 * near else ("", near)
        assert percent(n / 1000) == percent(np.float32(n / 1000)) == expected
