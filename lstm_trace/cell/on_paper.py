"""Equations as they stand on paper or in LaTeX, and how they are typed: for messages only; nothing is read by this.

`W_xi x_t`, `h_{t-1}`, `x(t)`, `\\sigma(…)`, `⊙`: what a textbook, and our own pictures, write. The grammar has one
way to write each, and who types another is told which.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

#: Signs that are printed, and how they are typed.
TYPED = {"⊙": "*", "∘": "*", "·": "*", "⋅": "*", "×": "* or @", "÷": "/", "−": "-", "–": "-", "σ": "sigmoid"}
#: Sentences of a message, and characters of the equation in it.
MOST, LONGEST = 3, 200
_COMMANDS = {"odot": "*", "circ": "*", "cdot": "*", "times": "*", "sigma": "sigmoid", "left": "", "right": ""}
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>\d[\d.]*(?:[eE][+-]?\d+)?)
      | \\(?P<command>[A-Za-z]+)
      | (?P<base>[^\W\d]\w*?)(?:_?\{(?P<below>[^{}]*)\}|\s?[(\[](?P<at>\s*t\s*(?:[-−–]\s*1\s*)?)[)\]])
      | (?P<tight>[^\W\d]\w*?)_t[-−–]1(?!\w)
      | (?P<name>[^\W\d]\w*)
      | (?P<sign>.)""",
    re.X | re.S,
)


class Slip(NamedTuple):
    """What is not typed as it is written: at which character, and what is said of it."""

    at: int
    said: str


class _Part(NamedTuple):
    at: int
    typed: str
    kind: str  # operand, open, close, sign, space


def slips(text: str) -> tuple[list[Slip], str]:
    """What of a text is written as on paper, and the text as it would be typed.

    >>> found, typed = slips("σ(W_xi x_t + W_{hi} h_{t-1})")
    >>> typed
    'sigmoid(W_xi @ x_t + W_hi @ h_prev)'
    >>> found[1]
    Slip(at=2, said='a matrix times a vector is written `W_xi @ x_t`')
    """
    found: list[Slip] = []
    parts: list[_Part] = []
    before: _Part | None = None
    for part in _parts(text, found):
        if part.kind != "space" and before and _beside(before, part):
            sign = "@" if before.typed[0].isupper() else "*"
            left, right = ("(…)" if one.kind in ("open", "close") else one.typed for one in (before, part))
            what = "a matrix times a vector" if sign == "@" else "a product"
            found.append(Slip(before.at, f"{what} is written `{left} {sign} {right}`"))
            while parts[-1].kind == "space":
                parts.pop()
            parts.append(_Part(part.at, f" {sign} ", "sign"))
        parts.append(part)
        before = before if part.kind == "space" else part
    return sorted(found), "".join(part.typed for part in parts)


def _beside(one: _Part, other: _Part) -> bool:
    """Whether two parts stand beside each other as factors do; before a parenthesis a name may be a function."""
    value = (
        one.kind == "close" or one.typed[0].isupper() or one.typed[0].isdigit() or one.typed.endswith(("_t", "_prev"))
    )
    return one.kind in ("operand", "close") and (other.kind == "operand" or (other.kind == "open" and value))


def _parts(text: str, found: list[Slip]) -> Iterator[_Part]:
    """The text in pieces as they are typed; what is typed otherwise than it is written is added to `found`."""
    for token in _TOKEN.finditer(text):
        written, kind, typed = token[0], "operand", token[0]
        if token["space"]:
            kind = "space"
        elif token["command"]:
            typed = _COMMANDS.get(token["command"], token["command"])
            kind = "operand" if typed.isidentifier() else "sign"
            found.append(Slip(token.start(), f"{written} is typed {typed}" if typed else f"{written} is left out"))
        elif token["sign"]:
            kind = "open" if written == "(" else "close" if written in ")]" else "sign"
            if written in TYPED:
                typed = TYPED[written].split()[0]
                found.append(Slip(token.start(), f"{written} is typed {TYPED[written]}"))
        elif token["tight"] or token["base"]:
            base, below = token["tight"] or token["base"], re.sub(r"[\s,]", "", token["below"] or token["at"] or "t-1")
            back = re.fullmatch("t[-−–]1", below)
            typed = (
                base.removesuffix("_t") + "_prev" if back else f"{base}_{''.join(re.findall('[0-9A-Za-z]+', below))}"
            )
            said = f"the previous step's state is written {typed}" if back else f"{written} is typed {typed}"
            found.append(Slip(token.start(), said))
        elif written in TYPED:
            typed = TYPED[written]
            found.append(Slip(token.start(), f"{written} is typed {typed}"))
        yield _Part(token.start(), typed, kind)


def told(text: str, at: int | None = None) -> Slip | None:
    """What to say of a text that cannot be read, at the first thing in it that is written as on paper.

    None where there is nothing, or nothing at character `at`.

    >>> told("W_xi x_t + h_{t-1}").said
    "a matrix times a vector is written `W_xi @ x_t`; the previous step's state is written h_prev"
    """
    found, _ = slips(text)
    if not any(at in (None, slip.at) for slip in found):
        return None
    causes: dict[str, str] = {}
    for slip in found:  # each cause once, with its first instance
        causes.setdefault(re.sub(r"`.*`|^.*[{(\[].* is typed .*", "", slip.said), slip.said)
    return Slip(found[0].at, "; ".join([*causes.values()][:MOST]))


def as_typed(text: str) -> str:
    """What to type for a text that is written as on paper; empty where that is no expression either, or is long."""
    _, typed = slips(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(typed, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return typed if typed != text and len(typed) <= LONGEST else ""
