"""A named cell with its options as lines, and cells derived from a cell: padding, merged directions, a readout."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, Literal, cast

from ..base.packaged import packaged
from ..errors import CellError, MissingError, OptionError, nearest, within
from .composites import Functions
from .expressions import Builder
from .lines import Cell, Line
from .named_cells import KINDS, CellName, is_number, meant
from .parse import decided, parse, split

Padding = Literal["zero", "repeat", "carry"]
Merge = Literal["concat", "sum", "mean", "product", "none"]


def unread(name: str, kind: str, options: Mapping[str, Any], known: Iterable[str]) -> str:
    """Why no equation uses the weight `name`: the option or cell that it needs, or the nearest name that is used.

    >>> unread("w_ci", "lstm", {"peephole": False}, ["W_xi"])
    ': it needs the option peephole: true'
    """
    of_gate = [one for one in known if one[-1:] == name[-1:]]
    if kind not in KINDS:
        return nearest(name, of_gate or known)
    if said := KINDS[kind](**options).unread(name):
        return said
    others = {other: spec for other, spec in KINDS.items() if spec.reads(name)}
    for spec in others.values():
        if name in spec.brings and (option := spec.brings[name][0]) not in options:
            return f": the cell {kind!r} has no {option}"
    if others:
        return f": it is a weight of {' or '.join(f'cell: {other}' for other in others)}"
    return nearest(name, of_gate or known)


def cell_name(text: str) -> CellName:
    """The name of a cell. Raises OptionError if there is no such cell."""
    if text not in KINDS:
        said = nearest(text, KINDS, "there are")
        stop = "" if said.endswith("?") else "."
        raise OptionError(f"unknown cell {text!r}{said}{stop} A custom cell is given as {{equations: …}}")
    return cast(CellName, text)


def named(kind: str, options: Mapping[str, Any], weights: Iterable[str] = ()) -> tuple[Cell, dict[str, Any]]:
    """The cell `kind` with `options`, and the full options; without `bias` the names of the weights determine it.

    Raises OptionError for a kind or option that does not exist, or a value that an option does not accept.
    """
    kind = cell_name(kind)
    known = {f.name for f in fields(KINDS[kind])}
    unknown = [name for name in options if name not in known]
    if unknown:
        own = " and ".join(n for n in ("candidate_activation", "output_activation") if n in known)
        near = {*known, "equations"}
        close = [f"{n} (write {own})" if n == "activation" and own else f"{n}{meant(n, near)}" for n in unknown]
        there = f"Its options: {', '.join(sorted(known))}"
        raise OptionError(f"the cell {kind!r} has no option {', '.join(close)}. {there}")
    # a number of any library becomes a plain float: the equations and the trace's header are text
    chosen: dict[str, Any] = {n: float(v) if is_number(v) else v for n, v in options.items() if v is not None}
    read, gates = set(weights), KINDS[kind].gates
    one = sum(f"b_{gate}" in read for gate in gates)
    two = sum(f"b_{side}{gate}" in read for side in "xh" for gate in gates)
    chosen.setdefault("bias", "one" if one > two else "two" if two else "none")  # the other kind is then a slip
    spec = KINDS[kind](**chosen)
    return _parsed(spec.equations()), {f.name: getattr(spec, f.name) for f in fields(spec)}


def directed(
    kind: str, options: Mapping[str, Any], weights: Iterable[str] = ()
) -> tuple[Cell, Cell | None, dict[str, Any]]:
    """The cell, that of the reverse direction if it differs, and the full options (see `named`).

    options: those of `named`; `reverse` holds the options in which the reverse direction differs, and only these in the
    full options. Raises OptionError, also if `reverse` has no effect or changes the carried states.
    """
    names = list(weights)
    cell, full = named(kind, of_direction(options, "forward"), names)
    other = options.get("reverse")
    if other is None:
        return cell, None, full
    if not isinstance(other, Mapping):
        said = "a mapping of the options in which the reverse direction differs, as in {gate_activation: hard_sigmoid}"
        raise OptionError(f"option reverse must be {said}; found {other!r}")
    with within("option reverse"):
        back, whole = named(kind, of_direction(options, "reverse"), names)
    if back == cell:
        raise OptionError("option reverse changes nothing: both directions have these options; leave it out")
    if back.states.keys() != cell.states.keys():
        there = f"forward {', '.join(cell.states)}, reverse {', '.join(back.states)}"
        raise OptionError(f"option reverse: both directions carry the same states; {there}")
    return cell, back, full | {"reverse": {name: value for name, value in whole.items() if value != full[name]}}


def of_direction(options: Mapping[str, Any], direction: str) -> dict[str, Any]:
    """The options of one direction's cell.

    >>> of_direction({"clip": 3.0, "reverse": {"clip": 1.0}}, "reverse")
    {'clip': 1.0}
    """
    own = {name: value for name, value in options.items() if name != "reverse"}
    return own | dict(options.get("reverse") or {}) if direction == "reverse" else own


def masked(cell: Cell, padding: Padding, others: Iterable[str] = ()) -> Cell:
    """The cell for sequences with padding: at padding every state keeps its value.

    Adds the input `valid` (1 at valid steps, 0 at padding) and the line `y_t`, the output for the next layer: zero, the
    last valid output (`repeat`; zero before there is one, as in Keras), or the carried state (`carry`). If the cell, or
    a name in `others`, uses `y_t` already, the line is `out_t`.
    """
    taken = {*cell.by_name, *cell.states, *others}
    stem = next(stem for stem in ("y", "out", "out_out") if not taken & {f"{stem}_t", f"{stem}_prev"})
    carried = next((state for state, line in cell.carry if line == cell.output), "")
    past = {"zero": "0", "repeat": f"{stem}_prev", "carry": carried}[padding]
    if not past:
        raise OptionError("padding: carry needs a cell that carries its output; choose zero or repeat")
    carry = [f"{state} <- where(valid, {line}, {state})" for state, line in cell.carry]
    carry += [f"{stem}_prev <- {stem}_t"] if padding == "repeat" else []
    rows = [f"{name} = {right}" for name, right in cell.equations.items()]
    rows[:0] = [*(f.text for f in cell.functions), f"input: {', '.join((*cell.inputs, 'valid'))}"]
    rows += [f"matrix: {', '.join(cell.declared)}"] if cell.declared else []
    rows += [f"{stem}_t = where(valid, {cell.output}, {past})", f"carry: {', '.join(carry)}", f"output: {stem}_t"]
    return replace(_parsed("\n".join(rows)), places=cell.places)


def joined(merge: Merge) -> Cell:
    """The cell with the line `y_t` that merges the two directions of a layer."""
    right = packaged("cell/words.toml")["merged"][merge]
    return _parsed(f"input: y_forward, y_reverse\ny_t = {right}\noutput: y_t")


def extended(cell: Cell, extra: str, padded: bool = False) -> Cell:
    """The cell with more equations after its own; its states and output stay the same. Raises CellError.

    An `input:` among them declares inputs that they use in addition to those of the cell, a `carry:` states of their
    own. A total needs no `carry:`: if they assign S_t and read S_prev, it is carried. padded: whether steps may be
    padding, at which these states keep their values.
    """
    added = extra.splitlines()
    texts = [row.partition("#")[0] for row in added]
    at = next((k for k, row in enumerate(texts) if row.partition(":")[0].strip() == "carry"), len(added))
    pairs = [part for part, _ in split(texts[at].partition(":")[2]) if part] if at < len(added) else []
    named = {*cell.states, *(part.partition("<-")[0].strip() for part in pairs)}
    assigned = {row.partition("=")[0].strip() for row in texts}
    read = dict.fromkeys(re.findall(r"\b(\w+)_prev\b", "\n".join(texts)))
    pairs += (f"{stem}_prev <- {stem}_t" for stem in read if f"{stem}_t" in assigned and f"{stem}_prev" not in named)
    carry = f"carry: {', '.join([*pairs, *(f'{state} <- {line}' for state, line in cell.carry)])}"
    added[at : at + 1] = [carry] if pairs else []
    rows = [row for row in cell.text.splitlines() if not row.startswith(("input:", "carry:" if pairs else "input:"))]
    last = next(i for i, row in enumerate(rows) if row.startswith(("matrix:", "carry:", "output:")))
    whole = parse("\n".join([*rows[:last], *added, *rows[last:]]), first=1 - last, inputs=cell.inputs)
    if whole.plain is not None:
        raise CellError("the added equations have the row `hold:` or `scale:`; holds are given separately")
    places = {name: place for name, place in whole.places.items() if 0 < place.number <= len(added)}
    own = [pair for pair in whole.carry if pair[0] not in cell.states]
    whole = replace(whole, carry=(*cell.carry, *own))
    text = _kept(whole, own, cell) if padded and own else whole.text
    return replace(_parsed(text), places=places | dict(cell.places))  # as a file of the text is read


def _kept(whole: Cell, own: Iterable[tuple[str, str]], cell: Cell) -> str:
    """The text of a cell that was extended by the states `own`, which keep their values at padding.

    So does an added line that one takes over: its last value is that of the valid steps.
    """
    kept: dict[str, str] = {}
    pairs = {state: line for state, line in whole.carry if state in cell.states}
    for state, line in own:
        pairs[state] = line
        if line not in whole.equations or line in cell.by_name or line in kept:
            pairs[state] = f"where(valid, {line}, {state})"
        elif at_valid(whole, state) is None:
            value = re.sub(r"(.+) / (.+)", r"quotient(\1, \2)", whole.equations[line])  # no `/` in an expression
            kept[line] = f"where(valid, {value}, {state})"
    rows = [row for row in whole.text.splitlines() if not row.startswith(("input:", "carry:"))]
    names = (row.partition(" = ")[0] for row in rows)
    rows = [f"{name} = {kept[name]}" if name in kept else row for name, row in zip(names, rows, strict=True)]
    inputs = ", ".join(dict.fromkeys((*whole.inputs, "valid")))
    return "\n".join([f"input: {inputs}", *rows, "carry: " + ", ".join(f"{s} <- {line}" for s, line in pairs.items())])


def at_valid(cell: Cell, state: str) -> str | None:
    """The value at valid steps of the line that a state takes over, if the line keeps it at padding; otherwise None."""
    line = cell.by_name.get(cell.states[state])
    kept = line is not None and line.assigned and line.op == "where" and line.operands[::2] == ("valid", state)
    return str(line.operands[1]) if line is not None and kept else None


def supplied(cell: Cell, names: Iterable[str]) -> Cell:
    """The same cell with the lines `names` supplied as inputs; lines that only they needed are removed.

    A name may also be an input that the cell declares. Raises MissingError for any other.
    """
    given = tuple(names)
    for name in given:
        if name not in cell.by_name and name not in cell.inputs:
            hint = nearest(name, cell.by_name, "its lines are")
            raise MissingError(f"given {name!r} is not a line of the cell{hint}")
    if not given:
        return cell
    ends = [line.name for line in cell.lines if line.name not in cell.readers]
    ends += [cell.output, *cell.states.values()]
    lines = tuple(line for line in cell.lines if line.name not in given)
    fed = replace(cell, lines=lines, inputs=tuple(dict.fromkeys((*cell.inputs, *given))))
    fed = replace(fed, lines=tuple(fed.written(fed.closure(end for end in ends if end not in given))))
    matrices = dict.fromkeys((*cell.declared, *(name for name in given if name in cell.certain)))
    known = {*fed.inputs, *fed.states, *fed.parameters}
    return replace(fed, declared=tuple(name for name in matrices if name in known))


def definition(cell: Cell, call: Line) -> tuple[Cell, Line]:
    """The composite function called by the line `call`: its value in terms of its arguments, and the lines inside it.

    Numbers given in the call replace their arguments.
    """
    functions = Functions({f.name: f for f in cell.functions})
    name, *given = call.call
    arguments = [*zip(functions[str(name)].arguments, given, strict=False)]  # those with default values may be left out
    builder = Builder({}, tuple(a for a, o in arguments if o not in cell.parameters), set(), functions)
    line = builder.called(str(name), tuple(a if isinstance(o, str) else o for a, o in arguments))
    assert isinstance(line, Line)
    declared = tuple(argument for argument, operand in arguments if operand in cell.matrices)
    inner = decided(Cell((*builder.lines.values(), line), declared=declared))
    return replace(inner, lines=inner.lines[:-1]), inner.lines[-1]


@lru_cache(maxsize=256)
def _parsed(text: str) -> Cell:
    return replace(parse(text), places={})  # these rows have no author
