"""Equations as written on paper or in LaTeX, and how to type them: for messages only; nothing is parsed by this.

`W_xi x_t`, `h_{t-1}`, `x(t)`, `\\sigma(…)`, `⊙`: notation of textbooks, and of our own pictures. The grammar has one
way to write each, and the message about any other says which.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from .composites import BUILT_IN, PRINTED
from .ops import FUNCTIONS

#: Printed signs, and how they are typed.
TYPED = {"⊙": "*", "∘": "*", "·": "*", "\u0387": "*", "⋅": "*", "∙": "*", "×": "*", "÷": "/", "−": "-", "–": "-"}
#: Signs of a product that are also used with a matrix.
_DOTS = ("·", "\u0387", "⋅", "∙", "×", "\\cdot", "\\times")
#: Functions by their names elsewhere: as printed, in other letters, without underscores.
CALLED = {
    **{name.replace("_", ""): name for name in (*sorted(FUNCTIONS), *BUILT_IN)},
    **{printed.lower(): name for name, printed in PRINTED.items()},
    "σ": "sigmoid", "sigma": "sigmoid", "logistic": "sigmoid", "Σ": "sum", "∑": "sum",
}  # fmt: skip
#: Maximum number of sentences in a message, and of characters of the equation in it.
MOST, LONGEST = 3, 200
#: Characters that Python accepts in names: W·x is a name, and xₜ equals xt.
LETTERS = re.compile(r"[\u00b7\u0387]|(?<!_)ₜ")
_COMMANDS = {"odot": "*", "circ": "*", "cdot": "*", "times": "*", "left": "", "right": ""}
_STEP = r"\s*t\s*(?:[-−–]\s*1\s*)?"
_SMALL = "[₀-₎ₐ-ₜᵢᵣᵤᵥⱼ]"
_TOKEN = re.compile(
    rf"""(?P<space>\s+)
      | (?P<number>\d[\d.]*(?:[eE][+-]?\d+)?)
      | \\(?P<command>[A-Za-z]+)
      | (?P<turned>[^\W\d]\w*?)\s?(?:\^\s?(?:T|\\top|⊤|\{{\s*(?:T|\\top)\s*\}})|ᵀ)(?!\w)
        \s*(?:[@*·⋅∙]\s*)?(?P<vector>[^\W\d]\w*(?:\{{[^{{}}]*\}}|{_SMALL}+)?)
      | (?P<base>[^\W\d]\w*?)
        (?:_?\{{(?P<below>[^{{}}]*)\}} | _?\s?[(\[](?P<at>{_STEP})[)\]] | (?P<small>{_SMALL}+)(?!\w))
      | (?P<tight>[^\W\d]\w*?)_t[-−–]1(?!\w)
      | \[(?=[^\[\]]*\])(?=[^\[\]]*[^\W\d])(?P<joined>[^\[\]]*[,;][^\[\]]*)\]
      | (?<!\|)\|(?P<size>[^|]+)\|(?!\|)
      | (?P<name>[^\W\d]\w*)
      | (?P<sign>.)""",
    re.X | re.S,
)


class Slip(NamedTuple):
    """Something not typed as it is written: its position, and the message."""

    at: int
    said: str


class _Part(NamedTuple):
    at: int
    typed: str
    kind: str  # operand, function, open, close, sign, dot
    lead: str = ""  # blanks before it

    @property
    def factor(self) -> str:
        """How it is shown as a factor of a product."""
        return "(…)" if self.kind in ("open", "close") else self.typed + "(…)" * (self.kind == "function")

    @property
    def matrix(self) -> bool:
        """Whether it has the name of a matrix: W, W_xi, Wx; not X_t, which has a value at each step."""
        capital = self.kind == "operand" and self.typed[0].isupper() and self.typed.isidentifier()
        return capital and not self.typed.endswith(("_t", "_prev")) and (len(self.typed) < 3 or "_" in self.typed)


def slips(text: str) -> tuple[list[Slip], str]:
    """The parts of a text that are written as on paper, and the text as it would be typed.

    >>> found, typed = slips("σ(W_xi x_t + W_{hi} h_{t-1})")
    >>> typed
    'sigmoid(W_xi @ x_t + W_hi @ h_prev)'
    >>> found[1]
    Slip(at=2, said='a matrix times a vector is written `W_xi @ x_t`')
    """
    found: list[Slip] = []
    parts: list[_Part] = []
    for part in _parts(text, found):
        before = parts[-1] if parts else None
        if before and part.kind == "dot":
            sign = "@" if before.matrix else "*"
            what = " between a matrix and a vector" if before.matrix else ""
            written = (_TOKEN.match(text, part.at) or [""])[0]
            found.append(Slip(part.at, f"{written} is typed {sign}{what}"))
            part = part._replace(typed=sign, kind="sign")
        elif before and _beside(before, part):
            sign = "@" if before.matrix or (part.matrix and not before.typed[0].isdigit()) else "*"
            what = "a product" if sign == "*" else "a vector times a matrix"
            what = "a matrix times a vector" if before.matrix else what
            found.append(Slip(before.at, f"{what} is written `{before.factor} {sign} {part.factor}`"))
            parts.append(_Part(part.at, sign, "sign", " "))
            part = part._replace(lead=" ")
        parts.append(part)
    for k in reversed(range(len(parts))):
        if parts[k].kind == "function":
            _called(parts, k, found)
    for k in reversed(range(len(parts))):
        _apart(parts, k)
    return sorted(found), _joined(parts)


def _joined(parts: list[_Part]) -> str:
    return "".join(part.typed if k == 0 else part.lead + part.typed for k, part in enumerate(parts))


def _beside(one: _Part, other: _Part) -> bool:
    """Whether two parts are adjacent as factors are; a name before a parenthesis may be a function."""
    value = one.kind == "close" or one.matrix or one.typed[:1].isdigit() or one.typed.endswith(("_t", "_prev"))
    return one.kind in ("operand", "close") and (
        other.kind in ("operand", "function") or (other.kind == "open" and value)
    )


def _called(parts: list[_Part], k: int, found: list[Slip]) -> None:
    """Add the missing parentheses of a function, up to a product; before a sum the extent is ambiguous."""
    first = k + 1
    if first == len(parts) or parts[first].kind not in ("operand", "function"):
        return
    found.append(Slip(parts[k].at, f"a function is written with parentheses: `{parts[k].typed}(…)`"))
    depth, last, sums = 0, 0, parts[first].typed.startswith("_")  # an index, as in a sum
    for n in range(first, len(parts)):
        depth += (parts[n].kind == "open") - (parts[n].kind == "close")
        if depth < 0 or (not depth and parts[n].typed in (",", "=")):
            break
        sums |= not depth and parts[n].typed in ("+", "-")
        if not depth and parts[n].typed in ("*", "/") and not last:
            last = n
    else:
        n = len(parts)
    if sums:
        parts[k] = parts[k]._replace(typed=f"{parts[k].typed} ")  # not an expression, so that it is not suggested
    else:
        typed = f"{parts[k].typed}({_joined(parts[first : last or n])})"
        parts[k : last or n] = [parts[k]._replace(typed=typed, kind="operand")]


def _apart(parts: list[_Part], k: int) -> None:
    """Put a matrix times a vector after * or / into parentheses, because @ does not bind more tightly than they do."""
    signs = [part.typed for part in parts[k - 1 : k + 2 : 2]] if k else []
    if not parts[k].matrix or signs not in (["*", "@"], ["/", "@"]):
        return
    depth = 0
    for n in range(k + 2, len(parts)):
        depth += (parts[n].kind == "open") - (parts[n].kind == "close")
        if not depth and parts[n].kind != "function":
            parts[k : n + 1] = [parts[k]._replace(typed=f"({_joined(parts[k : n + 1])})")]
            return


def _parts(text: str, found: list[Slip]) -> Iterator[_Part]:
    """The text in pieces, as typed; pieces that are typed differently from how they are written are added to
    `found`.
    """
    calls: list[bool] = []  # for each open parenthesis, whether it belongs to a function
    before = lead = ""
    for token in _TOKEN.finditer(text):
        written, kind, typed, at = token[0], "operand", token[0], token.start()
        if token["space"]:
            lead = written
            continue
        if keyword.iskeyword(written):
            kind = "sign"
        elif token["command"] or token["name"]:
            name = token["command"] or written
            function = name if name in FUNCTIONS or name in BUILT_IN else CALLED.get(name) or CALLED.get(name.lower())
            called = re.match(r"\s*\(|\s+[^\W\d]|\s*\\[A-Za-z]", text[token.end() :])
            if function and (called or token["command"] or name in ("σ", "Σ")):
                typed, kind = function, "function"
                why = ": functions are written in lower case" if name.lower() == function != name else ""
                if typed != written:
                    found.append(Slip(at, f"{written} is typed {typed}{why}"))
            elif token["command"] and text[token.end() :].startswith("{"):
                found.append(Slip(at, f"{written}{{…}} is LaTeX, which is not read here"))
            elif token["command"]:
                typed = _COMMANDS.get(name, name)
                kind = "dot" if written in _DOTS else "operand" if typed.isidentifier() else "sign"
                if kind != "dot":
                    found.append(Slip(at, f"{written} is typed {typed}" if typed else f"{written} is left out"))
        elif token["turned"]:
            vector = slips(token["vector"])[1]
            typed = f"{vector} @ {token['turned']}"
            typed = f"({typed})" if before in ("*", "/") else typed
            found.append(Slip(at, f"the product with the transpose is written `{vector} @ {token['turned']}`"))
        elif token["joined"]:
            typed = f"concat({', '.join(slips(one.strip())[1] for one in re.split('[,;]', token['joined']))})"
            found.append(Slip(at, f"vectors one after the other are written `{typed}`"))
        elif token["size"]:
            inner = slips(token["size"].strip())[1]
            typed = f"max({inner}, -{inner if inner.isidentifier() else f'({inner})'})"
            found.append(Slip(at, f"an absolute value is written `{typed}`"))
        elif token["sign"]:
            kind = "open" if written == "(" else "close" if written in ")]" else "dot" if written in _DOTS else "sign"
            if written == "(":
                calls.append(before.isidentifier())
            elif written == ")" and calls:
                calls.pop()
            if kind != "dot" and (sign := TYPED.get(written) or CALLED.get(written)):
                typed, kind = sign, "function" if written == "∑" else kind
                found.append(Slip(at, f"{written} is typed {typed}"))
            elif (
                written == ","
                and re.match(r"\d", text[at - 1 : at])
                and re.match(r"\d", text[at + 1 :])
                and not any(calls)
            ):
                typed, kind = ".", "sign"
                found.append(Slip(at, "a decimal comma is typed ."))
        elif not token["number"]:
            yield from _indexed(token, found, lead)
            before, lead = "x", ""
            continue
        yield _Part(at, typed, kind, lead)
        before, lead = typed, ""


def _indexed(token: re.Match[str], found: list[Slip], lead: str) -> Iterator[_Part]:
    """A name with an index in braces, in parentheses or in small letters."""
    base, at = token["tight"] or token["base"], token.start()
    below = token["below"] or token["at"] or unicodedata.normalize("NFKC", token["small"] or "") or "t-1"
    below = re.sub(r"[\s,]", "", below)
    back = re.fullmatch("t[-−–]1", below)
    if (back or below == "t") and (both := re.fullmatch("([A-Z](?:_[a-z]+)?)([a-z])", base)):  # W_hh_{t-1}
        yield _Part(at, both[1], "operand", lead)
        at, base, lead = at + len(both[1]), both[2], ""
    index = "".join(re.findall("[0-9A-Za-z]+", below))
    typed = base.removesuffix("_t") + "_prev" if back else base + "_" * (not token["small"] or "_" not in base) + index
    written = token[0][at - token.start() :]
    found.append(Slip(at, f"the previous step's state is written {typed}" if back else f"{written} is typed {typed}"))
    yield _Part(at, typed, "operand", lead)


def told(text: str, at: int | None = None) -> Slip | None:
    """The message for a text that cannot be parsed, about the first thing in it that is written as on paper.

    None if there is nothing, or nothing at character `at`.

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
    """What to type for a text that is written as on paper; empty if that is not an expression either, or is long."""
    _, typed = slips(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(typed, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return typed if typed != text and len(typed) <= LONGEST else ""
