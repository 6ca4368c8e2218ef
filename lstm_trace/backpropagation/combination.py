"""Signed sums of addresses, as text: `28/h_t[0] + 28/h_t[3] - 28/h_t[5]`, `sum(28/h_t)`.

    combination = [sign] term {sign term}
    term        = ADDRESS | "sum" "(" ADDRESS ")"
    sign        = "+" | "-", with a space before it, or behind a bracket

The text is parsed, never evaluated. In `sum(…)` an address may be one of several values (`trace.address.read_several`).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..errors import OptionError

#: More terms than anybody writes.
MOST = 1000
_SUM = re.compile(r"sum\s*\((.*)\)", re.DOTALL)
_OPENING, _CLOSING = "([", ")]"


class Term(NamedTuple):
    """One address with its sign. summed: whether it stands in `sum(…)`."""

    sign: float
    address: str
    summed: bool


def is_sum(text: str) -> bool:
    """Whether it is more than one address.

    >>> is_sum("3/h_t[0]"), is_sum("3/h_t[0] - 3/h_t[1]"), is_sum("sum(3/h_t)")
    (False, True, True)
    """
    first, *others = terms(text)
    return bool(others) or first.summed or first.sign < 0


def terms(text: str) -> list[Term]:
    """The terms of a signed sum, in order. Raises OptionError where something is missing.

    >>> terms("28/h_t[0] - sum(1/reverse/h_t)")
    [Term(sign=1.0, address='28/h_t[0]', summed=False), Term(sign=-1.0, address='1/reverse/h_t', summed=True)]
    >>> terms("0/adjoint-forward/3/d_h_t[0]")
    [Term(sign=1.0, address='0/adjoint-forward/3/d_h_t[0]', summed=False)]
    """
    found: list[Term] = []
    sign, begin, depth = 1.0, 0, 0
    for at, letter in enumerate(text):
        depth += (letter in _OPENING) - (letter in _CLOSING)
        if letter in "+-" and depth == 0:
            before = text[begin:at]
            if not before.strip() and not found and begin == 0:
                sign, begin = _sign(letter), at + 1
            elif before[-1:].isspace() or before[-1:] in _CLOSING:
                found.append(_term(text, sign, before))
                sign, begin = _sign(letter), at + 1
    found.append(_term(text, sign, text[begin:]))
    if len(found) > MOST:
        raise OptionError(f"a sum of {len(found):,} addresses; at most {MOST:,} can be added up: use sum(…)")
    return found


def _sign(letter: str) -> float:
    return 1.0 if letter == "+" else -1.0


def _term(text: str, sign: float, part: str) -> Term:
    part = part.strip()
    inside = _SUM.fullmatch(part)
    address = inside[1].strip() if inside else part
    if not address:
        raise OptionError(f"{text!r}: an address is missing; expected for example 3/h_t[0] - 3/h_t[1], or sum(3/h_t)")
    return Term(sign, address, inside is not None)
