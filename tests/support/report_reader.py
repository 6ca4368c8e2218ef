"""Reads a Markdown report back: every printed line, unit, expression and value. Shares no code with the package."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

#: What the report prints before a line's units, for an LSTM with two biases, and the line's name.
LINES = {
    **{rf"W_{{x{g}}}\,x_t": f"W_x{g} @ x_t" for g in "ifco"},
    **{rf"W_{{h{g}}}\,h_{{t-1}}": f"W_h{g} @ h_prev" for g in "ifco"},
    **{
        rf"z_{g} = W_{{x{g}}}\,x_t + b_{{x{g}}} + W_{{h{g}}}\,h_{{t-1}} + b_{{h{g}}}": f"z_{g}" for g in "ifco"
    },
    **{rf"{g}_t = \sigma(z_{g})": f"{g}_t" for g in "ifo"},
    r"\tilde{c}_t = \tanh(z_c)": "c_tilde",
    r"f_t \odot c_{t-1}": "f_t * c_prev",
    r"i_t \odot \tilde{c}_t": "i_t * c_tilde",
    r"c_t = f_t \odot c_{t-1} + i_t \odot \tilde{c}_t": "c_t",
    r"\tanh(c_t)": "tanh(c_t)",
    r"h_t = o_t \odot \tanh(c_t)": "h_t",
}  # fmt: skip

FUNCTIONS = {"sigma": lambda z: 1 / (1 + math.exp(-z)), "tanh": math.tanh}


class Printed(NamedTuple):
    """One row: where it stands, what is printed before and after the sign."""

    step: int
    row: int
    line: str
    unit: int
    expression: str
    sign: str
    value: str


def rows(markdown: str) -> Iterator[Printed]:
    """Every row of every unit, in the order in which it is printed."""
    text = re.sub(r" \\\\\n&(\\qquad)+ ?(\{\})?", " ", markdown).replace("  ", " ")  # a long row goes on below
    step = row = 0
    line = ""
    for raw in text.splitlines():
        if found := re.fullmatch(r"### Step t = (\d+)(?:, sequence (\d+))?", raw):
            step, row = int(found[1]), int(found[2] or 0)
        if not raw.startswith("&"):
            continue
        body = re.sub(r" \\\\(\[4pt\])?$", "", raw[1:])
        if found := re.fullmatch(r"\\quad \\text\{unit (\d+)\}\\!:\\quad (.*) (=|\\approx) (.*)", body):
            yield Printed(step, row, line, int(found[1]), found[2], found[3], found[4])
        else:
            line = LINES.get(body, "")


def number(text: str) -> Fraction:
    """A printed number, exactly."""
    mantissa, _, power = text.partition(r" \times 10^")
    return Fraction(mantissa) * Fraction(10) ** int(power.strip("{}") or 0)


def half_digit(text: str, digits: int) -> Fraction:
    """How far a value may be from what is printed of it."""
    _, _, power = text.partition(r" \times 10^")
    return Fraction(10) ** (int(power.strip("{}") or 0) - digits) / 2


def value_of(expression: str) -> Fraction | float:
    """A printed expression, worked out: sums of products of numbers exactly, functions in floats."""
    if found := re.fullmatch(r"\\(sigma|tanh)\((.*)\)", expression):
        return FUNCTIONS[found[1]](float(number(found[2])))
    parts = re.split(r" ([+-]) ", f"+ {expression}"[2:])
    signs = ["+", *parts[1::2]]
    total = Fraction(0)
    for sign, term in zip(signs, parts[::2], strict=True):
        factors = re.findall(r"-?\d+\.?\d*(?: \\times 10\^\{-?\d+\})?", term)
        assert factors, expression
        total += (1 if sign == "+" else -1) * math.prod(map(number, factors))
    return total
