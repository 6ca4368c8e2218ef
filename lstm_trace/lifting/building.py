"""A cell from the values of its states: recognised, written, and prepared with its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ..base.arrays import Array
from ..cell.variants import named as named_cell
from ..model.model import Model
from ..model.sources import prepare
from .expressions import Expr
from .naming import CellNaming, is_multiplied, recognised
from .reading import Reader
from .tape import Ids
from .weight_parts import orders, part_name, spare, transposed, unread
from .writing import EquationWriter


class BuiltCell(NamedTuple):
    """A cell with its weights.

    definition: what `prepare` makes the model of, beside the weights. lines: of each state, and of each other value, by
    its name; output: that of the output. parts: the numbers of each weight.
    """

    model: Model
    definition: Mapping[str, Any]
    naming: CellNaming
    weights: Mapping[str, Array]
    aliases: Mapping[str, str]
    unread: Mapping[str, Array]
    spare: Mapping[str, Array]
    lines: Mapping[str, str]
    output: str
    parts: Mapping[str, Ids]


def built(
    reader: Reader, states: Mapping[str, Expr], others: Mapping[str, Expr], dtype: Any, title: str,
    returned: Iterable[Ids],
) -> BuiltCell:  # fmt: skip
    """The cell. states: `h` and `c` to their new values; others: further values to be computed, by name; returned: all
    that the function returns.
    """
    tape = reader.tape

    def label(weight: Expr) -> str:
        """What the code calls a weight, or the one that it is cut from."""
        owner = int(tape.owners(weight.leaf.reshape(-1)[:1])[0])
        return tape.given.get(tape.nodes[owner].start, "")

    free = unread(tape, returned)
    lost = [ids.size for ids in free.values() if ids.size == max(ids.shape, default=1)]
    naming = recognised(states, reader.called, label, lost)
    if all(one.width == 1 for one in states.values()):
        units = reader.exprs.multiplied([*states.values(), *others.values()], is_multiplied)
        reader.variables |= {units[one]: name for one, name in [*reader.variables.items()] if one in units}
        matrices = {name: units[one] for name, one in states.items()}
        if (found := recognised(matrices, reader.called, label, lost)).kind:
            naming, states, others = found, matrices, {name: units[one] for name, one in others.items()}
    values = {name: expr for expr, name in naming.lines.items()}
    order = named_cell(naming.kind, naming.options)[0].equations if naming.kind else {}
    roots = {name: values[name] for name in order if name in values}
    roots |= {f"{name}_t": expr for name, expr in states.items()} | {**others}
    text = EquationWriter(
        naming,
        reader.called,
        lambda weight: part_name(tape, weight.leaf),
        ("x_t", *(f"{name}_prev" for name in states)),
    )
    names = text.write(roots)
    lines = {name: names[f"{name}_t"] for name in states} | {name: names[name] for name in others}
    carry = ", ".join(f"{name}_prev <- {lines[name]}" for name in states)
    rows = [*text.rows, f"carry: {carry}", f"output: {lines[next(iter(states))]}"]
    known = {name: expr.leaf for name, expr in text.weights.items()}
    lacking = named_cell(naming.kind, naming.options)[0].parameters.keys() - known if naming.kind else ()
    naming.orders = orders(tape, known) if naming.kind else {}
    weights, left, fitting = (
        {name: tape.values[ids].astype(dtype) for name, ids in each.items()}
        for each in (known, free, spare(tape, naming.kind, lacking, known, free))
    )
    same = not naming.unlike and not naming.lacking and lines == {name: f"{name}_t" for name in states}
    exact = naming.kind and same and not others
    cell = {"kind": naming.kind, **naming.options} if exact else {"equations": "\n".join(rows)}
    model = prepare(weights, cell, name=title)
    turned = transposed(known) if naming.kind else ()
    parts = {name: part_name(tape, ids) + ".T" * (name in turned) for name, ids in known.items()}
    aliases = text.aliases | {name: part for name, part in parts.items() if part not in ("", name)}
    model = replace(model, header=replace(model.header, aliases=aliases))
    return BuiltCell(model, cell, naming, weights, aliases, left, fitting, lines, lines[next(iter(states))], known)


def state_names(values: Mapping[str, Expr], out: Expr | None, known: Mapping[str, str]) -> dict[str, str]:
    """What states are called: h is the output, or multiplied by weights, or computed last. known: the names of some."""
    products = {one.args[1].leaf for value in values.values() for one in value.inside() if one.op == "matvec"}

    def likely(state: str) -> tuple[bool, bool, int]:
        inside = {*values[state].inside()}
        return values[state] is out, f"{state}_prev" in products, sum(one in inside for one in values.values())

    left = [state for state in values if state not in known]
    h = max(left, key=likely, default="")
    free = [name for name in ("h", "c", *(f"s{k}" for k in range(2, len(values)))) if name not in known.values()]
    return {**known, **dict(zip(sorted(left, key=lambda state: free[0] == "h" and state != h), free, strict=False))}
