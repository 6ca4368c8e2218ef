"""One walker over formula trees, for every format: what is printed in which order, and where parentheses are needed.

A format is one file with one record, a `Format`, that defines how it writes each piece: a number, a letter, a product
sign, the arguments of a function, a matrix. `NODES` defines the pieces of each kind of node.
To add a format for formulas, write such a file, modelled on `tex.py` for one with markup, on `plain.py` for one
without: the record, and a `Printer` that uses it. The type checker reports missing fields without a default. Then add
the printer to the list in `tests/formulas/test_printer.py`, which prints every kind of node with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, get_args

from ..cell.ops import OPS
from ..printable import printable
from . import tree
from .numbers import Shown
from .symbols import FUNCTIONS, Symbol, at, symbol
from .user_tex import formula, translated

# -- parentheses: which parts need them, so that no two signs are adjacent
# ----------------------------------------------

#: How tightly each kind binds; a looser one inside a tighter one is put in parentheses.
BINDING: dict[type, int] = {
    **dict.fromkeys(get_args(tree.Node), 5),
    **{tree.Sum: 1, tree.Neg: 2},
    **dict.fromkeys((tree.Prod, tree.Factors, tree.MatVec, tree.Quot), 3),
    **dict.fromkeys((tree.Square, tree.Transposed, tree.Baseline), 4),
}
#: How tightly a right factor, and the part below a slash, must bind.
RIGHT = 4


def loose(node: tree.Node, least: int) -> bool:
    """Whether a part of a formula needs parentheses: it binds more loosely than `least`, or is a negative number as a
    right factor or under a power.
    """
    return BINDING[type(node)] < least or (least >= RIGHT and isinstance(node, tree.Num) and node.shown.negative)


def minus_first(node: tree.Node, slash: bool) -> bool:
    """Whether a term is printed with a minus at its beginning; slash: for a format that writes quotients on one
    line.
    """
    if isinstance(node, tree.Prod | tree.MatVec):
        first, second = map(alone, vars(node).values())
        both = isinstance(first, tree.Num) and isinstance(second, tree.Num)  # each in parentheses
        return not both and minus_first(first, slash)
    if isinstance(node, tree.Quot):
        return slash and minus_first(node.over, slash)
    return isinstance(node, tree.Num) and node.shown.negative


def alone(node: tree.Node) -> tree.Node:
    """The only entry of a vector or matrix, since it is printed as that number; anything else unchanged."""
    if isinstance(node, tree.Vec) and len(node.entries) == 1:
        return node.entries[0]
    return node.rows[0][0] if isinstance(node, tree.Mat) and len(node.rows) == len(node.rows[0]) == 1 else node


# -- formats ----------------------------------------------------------------------------------------------------------


def letters(f: Format, found: Symbol) -> str:
    """A symbol of the tables, made of the same pieces as one that an author wrote."""
    base = (f.upright if found.upright else f.letter)(found.base)
    base = f.accent(found.accent, base) if found.accent else base
    words_apart = (  # every second part is a word, the others are letters, numbers and signs in a row
        [f.upright(text)] if k % 2 else map(f.letter, re.findall("[0-9]+|.", text))
        for k, text in enumerate(found.lower)
    )
    sub = f.joined(list(chain.from_iterable(words_apart)))
    return f.scripts(base, sub, upper(f, found.power)) if sub or found.power else base


def upper(f: Format, power: str) -> str:
    """The superscript after it: see `Symbol.power`."""
    return f.transposed if power == "T" else f.letter(power).strip() if power else ""


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a format writes each piece of a formula: signs, and functions of the printed parts."""

    # numbers: minus, infinity and NaN, digits with a point or comma, a number times a power of ten; one in a formula
    negative: str = "-"
    infinity: str = "∞"
    nan: str = "NaN"
    digits: Callable[[str], str] = str
    scaled: Callable[[str, int], str]
    num: Callable[[Printer, tree.Num], str] = lambda p, node: p.number(node.shown)
    dots: Mapping[str, str]  # replacement for parts that are left out, by direction

    # symbols: a letter, number or sign (Greek and signs by their TeX command), a word and an accent by theirs
    # (`user_tex`), a base with index and power, a sequence, a group in an author's braces; words and powers of the
    # tables; names that are neither letters nor words with an index; post-processing of the whole
    letter: Callable[[str], str]
    word: Callable[[str, str], str]
    accent: Callable[[str, str], str]
    scripts: Callable[[str, str, str], str]
    joined: Callable[[list[str]], str] = "".join
    group: Callable[[str], str] = str
    upright: Callable[[str], str]
    transposed: str
    name: Callable[[str], str]
    symbol: Callable[[str], str] = str

    # sums and products: a minus before something, the signs between two terms; between a number or matrix and what it
    # multiplies, between factors element by element; parts beside each other; parentheses, and those that grow
    minus: str = "-"
    plus: str = " + "
    less: str = " - "
    space: str
    times: str = " ⊙ "
    row: Callable[[Iterable[str]], str] = "".join
    parens: Callable[[str], str] = "({})".format
    around: Callable[[str], str] = "({})".format

    # functions: by their operation; between function and arguments; arguments, with their nodes; which part of a value
    function: Callable[[str], str]
    apply: str = ""
    arguments: Callable[[Sequence[tree.Node], list[str]], str]
    at: Callable[[str], str] = "[{}]".format
    fraction: Callable[[str, str], str]
    slash: bool = False  # whether a quotient needs parentheses, around it and inside it
    holds: Callable[[str, str, str], str] = "[{} {} {}]".format  # left, sign, right
    gradient: Callable[[str, str, str], str]  # of what, by which path (may be empty), and its differential sign
    squared: Callable[[str], str]
    tanh_squared: str = ""  # the sign of a squared tanh; without one the whole call is squared
    enclosed: Mapping[str, Callable[[str], str]]  # functions of one argument that are signs around it

    # a matrix by its rows; a vector, one column of a matrix if None; vectors one below the other, like a vector if None
    matrix: Callable[[list[list[str]]], str]
    vector: Callable[[list[str]], str] | None = None
    concatenated: Callable[[list[str]], str] | None = None

    # an answer box with room for this many digits; an input field, which most formats show as its value or as a blank
    blank: Callable[[int], str]
    field: Callable[[tree.Field], str] | None = None


class Printer:
    """Prints a tree in a format; `own` has the symbols given by the author of the problem, TeX text or a `Symbol`."""

    format: Format

    def __init__(self, own: Mapping[str, Any] | None = None, format: Format | None = None) -> None:
        self.own = {} if own is None else own  # may be filled later
        self.format = format or self.format

    def __call__(self, node: tree.Node) -> str:
        """The text of a tree."""
        return NODES[type(node)](self, self.format, node)

    def inside(self, node: tree.Node, least: int) -> str:
        """The text of a tree, in parentheses if it binds more loosely than `least`."""
        node = alone(node)
        needed = loose(node, least) and (self.format.slash or least > RIGHT or not isinstance(node, tree.Quot))
        return self.format.around(self(node)) if needed else self(node)

    def found(self, node: tree.Sym) -> Symbol:
        """The symbol of a name."""
        known = symbol(node.name, self.own)
        return known if node.steps is None else at(known, node.steps)

    def symbol(self, found: Symbol) -> str:
        """A symbol."""
        f = self.format
        if found.node is not None:
            return self(found.node)
        own = found.tex and translated(found.tex, f)
        return f.symbol(own or (f.name(found.name) if found.name else letters(f, found)))

    def number(self, shown: Shown) -> str:
        """A number."""
        f = self.format
        digits = {"inf": f.infinity, "nan": f.nan}.get(shown.digits) or f.digits(shown.digits)
        text = f.negative + digits if shown.negative else digits
        return text if shown.exponent is None else f.scaled(text, shown.exponent)


def _sum(p: Printer, f: Format, node: tree.Sum) -> str:
    parts = []
    for k, (sign, term) in enumerate(zip(node.signs, node.terms, strict=True)):
        after = k > 0 or sign < 0 or node.goes_on
        term = alone(term)
        part = p.inside(term, 3 if after else 2)
        if after and minus_first(term, f.slash):
            part = f.row([f.parens(part)])
        parts += [(f.less if sign < 0 else f.plus) if k else f.minus if sign < 0 else "", part]
    return f.row(parts)


def _product(p: Printer, f: Format, node: tree.Prod | tree.MatVec) -> str:
    left, right = map(alone, vars(node).values())
    if isinstance(left, tree.Num) and isinstance(right, tree.Num):
        return _factors(p, f, (left, right))
    sign = f.times if isinstance(node, tree.Prod) and not isinstance(left, tree.Num) else f.space
    # (a ⊙ b) cᵀ and (a bᵀ) ⊙ C: a product of vectors that is a matrix is kept apart from one of their units
    row = left.vector if isinstance(left, tree.MatVec) else node.vector if isinstance(node, tree.MatVec) else None
    apart = isinstance(row, tree.Transposed | tree.Mat) and type(left) is not type(node)
    return f.row([p.inside(left, RIGHT if apart else 3), sign, p.inside(right, RIGHT)])


def _factors(p: Printer, f: Format, parts: Sequence[tree.Node]) -> str:
    return f.row([f.parens(p(part)) for part in parts])


def _square(p: Printer, f: Format, node: tree.Square) -> str:
    of = alone(node.of)
    if isinstance(of, tree.Gradient):  # its contents are not squared
        return f.squared(f.around(p(of)))
    if f.tanh_squared and isinstance(of, tree.Call) and of.op == "tanh":
        return f.row([f.tanh_squared, f.parens(p(of.args[0]))])
    return f.squared(_factors(p, f, (of,)) if isinstance(of, tree.Num) else p.inside(of, 5))


def _raised(p: Printer, f: Format, node: tree.Transposed | tree.Baseline, power: str) -> str:
    """A symbol of the tables with its power, or without one if it was transposed before; anything else followed by
    it.
    """
    of = node.of
    while isinstance(of, tree.Sym) and (inner := p.found(of).node) is not None:
        of = inner
    if isinstance(of, tree.Gradient):  # not of what it is a gradient of
        return f.symbol(f.scripts(f.around(p(of)), "", upper(f, power)))
    found = p.found(of) if isinstance(of, tree.Sym) else None
    if found and not found.tex and not found.name and found.power in ("", power):
        return p.symbol(found._replace(power="" if found.power else power))
    return f.symbol(f.scripts(f.group(p.inside(of, 5)), "", upper(f, power)))


def _single(node: tree.Node) -> bool:
    """Whether a formula is clearly a single number."""
    if isinstance(node, tree.Sum):
        return all(map(_single, node.terms))
    return isinstance(node, tree.Num) or (isinstance(node, tree.Call) and node.op in OPS and OPS[node.op].reduces)


def _quotient(p: Printer, f: Format, node: tree.Quot) -> str:
    if isinstance(node.over, tree.Vec) and len(node.over.entries) > 1 and _single(node.under) and not f.slash:
        # no column fits on one line
        return f.row([f.fraction(p(tree.number(1)), p(node.under)), f.space, p(node.over)])
    if f.slash:
        return f.fraction(p.inside(node.over, 3), p.inside(node.under, RIGHT))
    return f.fraction(p(node.over), p(node.under))


def _negative(p: Printer, f: Format, node: tree.Neg) -> str:
    of = alone(node.of)
    return f.row([f.minus, f.parens(p(of)) if minus_first(of, f.slash) else p.inside(of, 3)])


def _call(p: Printer, f: Format, node: tree.Call) -> str:
    args = (*node.args, *map(tree.number, node.constants))
    texts = list(map(p, args))
    if node.op == "concat":
        return f.concatenated(texts) if f.concatenated else _vector(f, texts)
    if node.op in f.enclosed and len(texts) == 1:
        return f.enclosed[node.op](texts[0])
    return f.row([f.function(node.op), f.apply, f.arguments(args, texts)])


def _vector(f: Format, entries: list[str]) -> str:
    """A vector; if it has a single entry, that entry."""
    if len(entries) == 1:
        return entries[0]
    return f.vector(entries) if f.vector else f.matrix([[entry] for entry in entries])


def _matrix(f: Format, rows: list[list[str]]) -> str:
    """A matrix; if it has a single entry, that entry, unless only brackets distinguish it from a vector."""
    return rows[0][0] if len(rows) == len(rows[0]) == 1 and not f.vector else f.matrix(rows)


def _written(p: Printer, f: Format, node: tree.Written) -> str:
    def atom(name: str) -> str:
        if name[0].isdigit():
            return p(tree.Num(Shown(False, name.replace("{,}", ","))))
        # `log*` is one that the author did not call ln
        return f.function(name) + " " * (not f.slash) if name in (*FUNCTIONS, "log*") else p(tree.Sym(name))

    try:
        return f.symbol(formula(node.text, replace(f, name=atom)))
    except ValueError:  # in a trace that was not made from a problem
        return f.upright(" ".join(printable(node.text).split()))


#: Kind of node to how it is printed, in terms of the pieces of a format.
NODES: dict[type, Callable[[Printer, Format, Any], str]] = {
    tree.Sym: lambda p, f, node: p.symbol(p.found(node)),
    tree.Index: lambda p, f, node: f.row([p.inside(node.of, 5), f.at(node.at)]),
    tree.Num: lambda p, f, node: f.num(p, node),
    tree.Sum: _sum,
    tree.Prod: _product,
    tree.Factors: lambda p, f, node: _factors(p, f, node.parts),
    tree.Square: _square,
    tree.MatVec: _product,
    tree.Transposed: lambda p, f, node: _raised(p, f, node, "T"),
    tree.Baseline: lambda p, f, node: _raised(p, f, node, "0"),
    tree.Holds: lambda p, f, node: f.holds(p(node.left), node.sign, p(node.right)),
    tree.Gradient: lambda p, f, node: f.gradient(p.inside(node.of, 5), node.through, "Δ" if node.between else "∂"),
    tree.Quot: _quotient,
    tree.Neg: _negative,
    tree.Call: _call,
    tree.Fn: lambda p, f, node: f.times.strip() if node.op == "product" else f.function(node.op),
    tree.Vec: lambda p, f, node: _vector(f, list(map(p, node.entries))),
    tree.Mat: lambda p, f, node: _matrix(f, [list(map(p, row)) for row in node.rows]),
    tree.Written: _written,
    tree.Dots: lambda p, f, node: f.dots[node.way],
    tree.Blank: lambda p, f, node: f.blank(node.width),
    # if nobody can type, its value or a blank
    tree.Field: lambda p, f, node: (
        f.field(node) if f.field else f.upright(node.value) if node.value else f.blank(node.width)
    ),
}
