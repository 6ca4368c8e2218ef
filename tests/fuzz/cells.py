"""Texts of equations: by the grammar, then damaged in half of the cases."""

from __future__ import annotations

import random
import re
from pathlib import Path

from lstm_trace.cell.composites import BUILT_IN, function, head
from lstm_trace.cell.ops import FUNCTIONS, OPS
from lstm_trace.cell.parse import parse
from lstm_trace.errors import CellError

_NUMBERS = ("0", "1", "2.", ".5", "1e-3", "1e300", "1_000", "0x10", "3.0000000000000004", "5e-324")
_ODD_NUMBERS = ("1e999", "007", "1j", "True", "None", "9" * 400)
_VECTORS = ("x_t", "x_t", "a", "b_i", "é", "ﬁ", "z_1")
_STATES = ("h_prev", "c_prev", "s_prev")
_INPUTS = ("x_t", "x_t, a", "x_t, W_9 @ x_t", "x_t, valid", "x_t, x_t + a")
_ODD_NAMES = ("ℌ", "lambda", "exp", "x_t", "h_prev", "W_1", "a.b")
_DEFINITIONS = ("f(z, a=2) = z * g(a * z) + a", "g(é)=tanh(é) / (1 + mish(-é))", "silu( z ) = f(z) - z", "f(z) = f(z)",
                "h_t(x_t) = x_t", "exp(z) = z")  # fmt: skip
_OWN = {said.name: function(said, text[said.start :]) for text in _DEFINITIONS[:2] if (said := head(text))}
_COMPOSITES = {**BUILT_IN, **_OWN}
_FUNCTIONS = sorted({*FUNCTIONS, *_COMPOSITES})
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
_DUST = ("", "(", ")", "@", "+", "--", "*", "**", "/", ",", "=", ":", "<-", "#", "\t", "\x00", "\u2028", "\ud800", ";",
         "x.y", "[0]", "'a'", "\\", "0" * 50, "if", "é\u0301", "\r", "\x1b[31m")  # fmt: skip


def check(rng: random.Random, folder: Path | None = None) -> str:
    """An accepted text is written back to one that is read as the same cell."""
    text = equations(rng)
    if rng.random() < 0.3:
        text = damaged(rng, text)
    try:
        cell = parse(text)
    except CellError:
        return "refused"
    written = cell.text
    again = parse(written)
    assert again == cell, f"{text!r} became {written!r}"
    assert again.text == written, f"{written!r} became {again.text!r}"
    return "accepted"


def equations(rng: random.Random) -> str:
    """A whole text: equations that read what stands before them, and declarations somewhere."""
    states = [state for state in _STATES if rng.random() < 0.4]
    known = [*_VECTORS, *(states if rng.random() < 0.95 else _STATES)]
    before = len(known)
    rows = []
    for _ in range(rng.randint(1, 5)):
        name = f"v{len(known)}" if rng.random() < 0.98 else rng.choice(_ODD_NAMES)
        right = expression(rng, known, rng.randint(0, 4))
        if rng.random() < 0.15:
            right = f"({right}) / {expression(rng, known, 0)}"
        rows.append(f"{_space(rng)}{name}{_space(rng)}={_space(rng)}{right}{_space(rng)}{_comment(rng)}")
        known.append(name)
    lines = known[before:]
    if states:
        targets = (rng.choice(lines) if rng.random() < 0.8 else expression(rng, known, 1) for _ in states)
        rows.append("carry: " + ", ".join(map(" <- ".join, zip(states, targets, strict=True))))
    if rng.random() < 0.5:
        rows.append(f"output: {rng.choice(lines)}")
    if rng.random() < 0.2:
        inputs = rng.choice((*_INPUTS, expression(rng, known, 2)))
        rows.insert(rng.randint(0, len(rows)), f"input: {inputs}")
    if rng.random() < 0.9:
        wrong = rng.choices(_DEFINITIONS[2:], k=rng.random() < 0.1)
        rows += [*(_DEFINITIONS[:2] if rng.random() < 0.95 else ()), *wrong]
    if rng.random() < 0.1:
        rng.shuffle(rows)
    return rng.choice(("\n", "\n", "\r\n", "\n\n")).join(rows)


def expression(rng: random.Random, known: list[str], depth: int) -> str:
    """An expression of the grammar with a person's spaces, signs and parentheses."""
    kinds = "leaf", "sum", "sum", "product", "matvec", "vecmat", "part", "greater", "sign", "function", "group"
    kind = rng.choice(kinds if depth else ("leaf",))
    sub = lambda: expression(rng, known, depth - 1)  # noqa: E731
    if kind == "leaf":
        if rng.random() < 0.8:
            return rng.choice(known)
        return rng.choice(_NUMBERS if rng.random() < 0.98 else _ODD_NUMBERS)
    if kind == "sum":
        terms = [sub()]
        for _ in range(rng.randint(1, 3)):
            terms += [_space(rng), rng.choice("+-"), _space(rng), sub()]
        return "".join(terms)
    if kind == "product":
        return f"{sub()}{_space(rng)}*{_space(rng)}{rng.choice((rng.choice(known), f'({sub()})'))}"
    if kind == "matvec":
        return f"W_{rng.randint(0, 3)}{_space(rng)}@{_space(rng)}{rng.choice((rng.choice(known), f'({sub()})', sub()))}"
    if kind == "vecmat":
        return f"{rng.choice((rng.choice(known), f'({sub()})'))}{_space(rng)}@{_space(rng)}W_{rng.randint(0, 3)}"
    if kind == "part":
        begin = rng.choice((0, 0, 1, 2))
        units = rng.choice((f"{begin}", f"{begin}:{begin + 1}", f"{begin}{_space(rng)}:{_space(rng)}{begin + 2}"))
        return f"{rng.choice((rng.choice(known), f'({sub()})'))}[{units}]"
    if kind == "greater":
        return f"({sub()}{_space(rng)}{rng.choice('<>')}{_space(rng)}{sub()})"
    if kind == "sign":
        return f"{''.join(rng.choices('+-', k=rng.randint(1, 3)))}{rng.choice((f'({sub()})', sub()))}"
    if kind == "function":
        name = rng.choice(_FUNCTIONS)
        if name in _COMPOSITES:
            function = _COMPOSITES[name]
            least = len(function.arguments) - len(function.defaults)
            given = [sub() for _ in range(least if rng.random() < 0.98 else rng.randint(0, 3))]
            given += rng.choices(_NUMBERS, k=rng.randint(0, len(function.defaults)))
            return f"{name}({f',{_space(rng)}'.join(given)})"
        op = rng.choice([op for op in OPS.values() if op.function == name])
        arity = rng.randint(1, 3) if op.arity is None or rng.random() < 0.02 else op.arity
        least = sum(default is None for _, default in op.constants)
        numbers = rng.choices(_NUMBERS, k=rng.randint(least, len(op.constants)))
        return f"{name}({f',{_space(rng)}'.join([*(sub() for _ in range(arity)), *numbers])})"
    return f"({sub()})"


def damaged(rng: random.Random, text: str) -> str:
    """The text with some tokens taken away, doubled, moved or replaced."""
    tokens = _TOKEN.findall(text)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(tokens)) if tokens else 0
        what = rng.randrange(4)
        if what == 0 and tokens:
            del tokens[at]
        elif what == 1 and tokens:
            tokens.insert(at, tokens[at])
        elif what == 2 and tokens:
            other = rng.randrange(len(tokens))
            tokens[at], tokens[other] = tokens[other], tokens[at]
        else:
            tokens[at : at + rng.randint(0, 1)] = [rng.choice(_DUST)]
    return "".join(tokens)


def _space(rng: random.Random) -> str:
    return rng.choice(("", " ", " ", "  ", "\t"))


def _comment(rng: random.Random) -> str:
    return rng.choice(("", "", "", "# (a comment", "#"))
