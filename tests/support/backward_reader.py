"""Reads a worked gradient back from its Markdown: rows, what is printed in them, what that comes to. Shares no code."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

Value = Fraction | float

FUNCTIONS: dict[str, Any] = {
    "sigma": lambda z: 1 / (1 + math.exp(-z)), "tanh": math.tanh, "tanhsquared": lambda z: math.tanh(z) ** 2,
    "exp": math.exp, "sqrt": math.sqrt, "sin": math.sin, "cos": math.cos,
}  # fmt: skip
_WAYS: dict[type, Any] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: lambda a, b: a ** int(b), ast.USub: operator.neg,
}  # fmt: skip


class Row(NamedTuple):
    """One row of one unit: the place's heading, the gradient it belongs to, and what is printed."""

    place: str
    symbol: str
    unit: int
    expression: str
    sign: str
    value: str


def rows(markdown: str) -> Iterator[Row]:
    """Every row of every unit; the expression is empty where only a value is printed."""
    text = re.sub(r" \\\\\n&(\\qquad)+ ?(\{\})?", " ", markdown).replace("  ", " ")
    place = symbol = ""
    for raw in text.splitlines():
        if raw.startswith("### ") or raw.startswith("## "):
            place = raw.lstrip("# ")
        body = re.sub(r" \\\\(\[4pt\])?$", "", raw).removeprefix("&")
        if found := re.match(r"(\\frac\{\\partial L\}\{\\partial .*?\})( = |$)", body):
            symbol = found[1]
        found = re.fullmatch(r"\\quad \\text\{unit (\d+)\}(?:\\!:\\quad (.*?))? (=|\\approx) ([^=]*?)", body)
        if found and r"\approx" not in found[4]:
            yield Row(place, symbol, int(found[1]), found[2] or "", found[3], found[4])


def matrices(markdown: str) -> Iterator[tuple[str, list[list[list[float]]]]]:
    """The name of each weight matrix with every matrix and vector that is printed behind it."""
    for row in markdown.split(r"\\[4pt]"):
        if found := re.search(r"\\frac\{\\partial L\}\{\\partial W_\{(\w+)\}\}", row):
            bodies = re.findall(r"\\begin\{bmatrix\} (.*?) \\end\{bmatrix\}", row, re.DOTALL)
            yield (
                f"W_{found[1]}",
                [[[float(number(n)) for n in line.split(" & ")] for line in body.split(r" \\ ")] for body in bodies],
            )


def number(text: str) -> Fraction:
    """A printed number."""
    found = evaluated(text)
    assert isinstance(found, Fraction)
    return found


def evaluated(tex: str) -> Value:
    """What a printed expression of numbers comes to: a fraction where it has no function in it."""
    text = re.sub(r" \\times 10\^\{(-?\d+)\}", r"e\1", tex)
    text = text.replace(r"\left(", "(").replace(r"\right)", ")").replace(r"\,", "*").replace("\\", "")
    while "frac{" in text:
        at = text.index("frac{")
        over, end = _braces(text, at + 4)
        under, end = _braces(text, end)
        text = f"{text[:at]}(({over})/({under})){text[end:]}"
    text = re.sub(r"sqrt\{([^{}]*)\}", r"sqrt(\1)", text)
    text = re.sub(r"\^\{?(\d)\}?", r"**\1", text)
    text = re.sub(r"(\d|\))\s*\(", r"\1*(", text.replace("tanh**2(", "tanhsquared("))
    return _value(ast.parse(text.strip(), mode="eval").body, text)


def _braces(text: str, at: int) -> tuple[str, int]:
    depth = 0
    for end in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[at + 1 : end], end + 1
    raise AssertionError(text)


def _value(node: ast.expr, text: str) -> Value:
    if isinstance(node, ast.Constant):
        return Fraction(str(ast.get_source_segment(text.strip(), node)))
    if isinstance(node, ast.UnaryOp):
        return _WAYS[type(node.op)](_value(node.operand, text))  # type: ignore[no-any-return]
    if isinstance(node, ast.BinOp):
        return _WAYS[type(node.op)](_value(node.left, text), _value(node.right, text))  # type: ignore[no-any-return]
    assert isinstance(node, ast.Call), text
    assert isinstance(node.func, ast.Name), text
    return FUNCTIONS[node.func.id](float(_value(node.args[0], text)))  # type: ignore[no-any-return]
