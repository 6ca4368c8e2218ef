"""Trees as mathematics in Typst. Every text is put into a string, so that none can become markup or code."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..printable import printable
from .printer import Format, Printer
from .symbols import FUNCTIONS, SLOPES, sign
from .tree import Node
from .user_tex import NAMED, WORDS

_KNOWN = frozenset({"tanh", "exp", "ln", "sin", "cos", "max", "min", "σ"})  # function names that need no quotes
_ACCENTS = {"tilde": "tilde", "hat": "hat", "bar": "macron", "dot": "dot", "vec": "arrow", "overleftarrow": "arrow.l"}
_WAYS = {"script": "cal({})", "bold italic": "bold(italic({}))"}


def string(text: str) -> str:
    r"""Any text as a Typst string, on one line.

    >>> print(string('a "b" \\ c'))
    "a \"b\" \\ c"
    """
    escaped = printable(text).replace("\n", " ").replace("\t", " ").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _scripts(base: str, sub: str, sup: str) -> str:
    texts = [(mark, text.strip()) for mark, text in (("_", sub), ("^", sup)) if text]
    return base.strip() + "".join(mark + (text if len(text) == 1 else f"({text})") for mark, text in texts) + " "


def _function(op: str) -> str:
    if (name := sign(op)[1]) in _KNOWN:
        return name
    base, _, sub = name.partition("_") if op in FUNCTIONS or op in SLOPES else (name, "", "")
    base = base if len(base) == 1 else f"op({string(base)})"
    return f"{base}_upright({string(sub)})" if sub else f"op({string(name)})"


def _arguments(nodes: Sequence[Node], texts: list[str]) -> str:
    mark = "; " if any(re.search(r'"\d+,\d', text) for text in texts) else ", "  # a decimal comma is in quotes
    return f"({mark.join(texts)})"


def _gradient(of: str, through: str, d: str) -> str:
    text = f"display(frac({d} L, {d} {of}))"
    return f"lr({text}|)_{string(through)} " if through else text


TYPST = Format(
    nan='upright("NaN")',
    digits=lambda digits: string(digits) if "," in digits else digits,  # a comma separates arguments
    scaled="{} × 10^({})".format,
    dots={"across": "dots.c", "down": "dots.v", "diagonal": "dots.down"},
    # a letter, number or sign; Typst's special characters escaped
    letter=lambda c: "sum " if c == "Σ" else f"{NAMED.get(c) or (c if c.isalnum() or c in '+-' else chr(92) + c)} ",
    word=lambda command, text: _WAYS.get(WORDS[command], f"{WORDS[command]}({{}})").format(string(text)),
    accent=lambda name, body: f"{_ACCENTS[name]}({body.strip()})",
    scripts=_scripts,
    upright=lambda text: f"upright({string(text)})",
    transposed="⊤",
    name=lambda name: f"mono({string(name)})",
    symbol=str.strip,
    space=" thin ",
    function=_function,
    arguments=_arguments,
    at=lambda place: f" [{string(place)}]",  # without a space it would belong to the preceding index
    fraction="display(frac({}, {}))".format,
    gradient=_gradient,
    squared="{}^2".format,
    tanh_squared="tanh^2 ",
    enclosed={op: f"{op}({{}})".format for op in ("sqrt", "floor", "abs")},
    blank=lambda width: f"#box(width: {0.6 * width:g}em, height: 1.4em, stroke: 0.5pt, baseline: 0.35em);",
    matrix=lambda rows: f'display(mat(delim: "[", {"; ".join(map(", ".join, rows))}))',
)


class TypstMath(Printer):
    """Prints a tree, without the dollars; `own` has the symbols given by the author of the problem."""

    format = TYPST
