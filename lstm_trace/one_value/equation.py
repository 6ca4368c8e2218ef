"""How a line computed one number: its equation in symbols, with the numbers that it read, and written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..cell.lines import Line
from ..cell.network import Stage
from ..cell.ops import OPS
from ..formulas.tree import HELD, Dots, Node, Num, formula, numbers, value, written_out
from ..trace.trace import Trace
from ..view.line_groups import held_at, with_held
from .places import Place
from .printing import Formula, Writing

#: So many terms of a sum are written out; of a longer one `SHORT`, with dots, so that a page can show it.
TERMS, SHORT = 64, 16


@dataclass(frozen=True)
class Equation:
    """What computed a number; nothing for a premise. The formulas and relations are those of a `Derivation`.

    numbers: those that stand in `substituted`, as often as they do; left_out: how many more it reads.
    """

    equation: Formula | None = None
    substituted: Formula | None = None
    relation: str = ""
    written_out: Formula | None = None
    written_out_relation: str = ""
    numbers: tuple[Num, ...] = ()
    left_out: int = 0


def equation(writing: Writing, place: Place, result: Num) -> Equation:
    """The equation of a number; result: as it is shown."""
    stage, line = place.stage(writing.trace), place.line(writing.trace)
    if line is None or stage is None or place.t is None or place.b is None:
        return Equation()
    shown = with_held(stage, held_at(writing.trace, stage, place.t, place.b, place.unit[0]))
    if line.name in shown.cell.by_name:
        stage, line = shown, shown.cell.by_name[line.name]
    symbols = _in_symbols(writing, stage, line, place.t)
    terms, long = _terms(writing.trace, stage, line)
    tree = writing.values.tree(stage, line, place.t, place.b, place.unit[0], SHORT if long else None)
    read = () if tree is None else tuple(number for number in numbers(tree) if number.key is not None)
    whole = _whole(writing, stage, line, place)
    return Equation(
        symbols,
        None if tree is None else writing.formula(("", tree)),
        writing.values.relation(result, None if line.call[:1] == (HELD,) else tree),
        None if whole is None else writing.formula(("", whole)),
        "" if whole is None else writing.values.relation(result, None if _dotted(whole) else whole),
        read,
        max(terms - len(read), 0) if _dotted(tree) else 0,
    )


def _in_symbols(writing: Writing, stage: Stage, line: Line, t: int) -> Formula:
    """A line in symbols: its name where it has one, what it computes, what a composite function stands for."""
    parts: list[tuple[str, Node]] = [("", value(line.name, stage.cell))]
    parts += [("=", formula(line, stage.cell))] if line.assigned else []
    whole = written_out(line, stage.cell)
    parts += [("=", whole)] if whole is not None else []
    return writing.formula(*((sign, writing.at(stage, t, node)) for sign, node in parts))


def _whole(writing: Writing, stage: Stage, line: Line, place: Place) -> Node | None:
    """A named line with the numbers of named values alone; None where its own operands all have a name."""
    inner = {name: own for name in stage.through(line) if (own := stage.cell.by_name.get(name)) and not own.assigned}
    if not (line.assigned and inner) or place.t is None or place.b is None:
        return None
    terms = sum(_terms(writing.trace, stage, one)[0] for one in (line, *inner.values()))
    most = SHORT if terms > TERMS else None  # of every sum: one within another has the product of their terms
    return writing.values.whole(stage, line, place.t, place.b, place.unit[0], most)


def _terms(trace: Trace, stage: Stage, line: Line) -> tuple[int, bool]:
    """How many numbers a unit of a line reads, and whether that is a long sum."""
    if line.product is None and not OPS[line.op].reduces:
        return len(line.operands), False
    values = trace.operand(stage.scope, line.operands[line.summed], slice(0, 1))
    if values is None:
        return 0, False
    terms = int(values.shape[-2 if line.op == "vecmat" and values.ndim == 2 else -1])
    return terms * (2 if line.product else 1), terms > TERMS


def _dotted(part: Any) -> bool:
    """Whether something was left out of a formula."""
    if isinstance(part, tuple):
        return any(map(_dotted, part))
    return isinstance(part, Dots) or (hasattr(part, "__dataclass_fields__") and _dotted(tuple(vars(part).values())))
