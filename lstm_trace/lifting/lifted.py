"""A lifted cell: its equations, its weights and its trace; a sentence about it; the names of another one.

`aligned` gives it the names that another trace has for the same lines and weights, so that a diff aligns them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from itertools import groupby
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.conveniences import Convenience
from ..base.packaged import packaged
from ..base.remark import Remark
from ..cell.lines import Cell, ending, expression, number
from ..cell.variants import named as named_cell
from ..errors import MissingError
from ..model.model import Model
from ..model.sources import prepare
from ..trace.trace import Trace
from .naming import ACTIVATIONS, CALLED, LINES, CellNaming, gate_letter, line_value


@dataclass(frozen=True, eq=False, repr=False)
class Lifted:
    """A step function as a cell.

    trace: of the given input. weights: by the names of the equations. aliases: a line's or weight's name to that in the
    code. unread: weights, and parts of weights, that nothing returned is computed from, by their names in the code.
    spare: what these are in the named cell. begin: the initial states that were given, (B, n), by name. loop: how a
    function of several states is called at each step.
    """

    trace: Trace
    model: Model
    naming: CellNaming
    weights: Mapping[str, Array]
    aliases: Mapping[str, str]
    unread: Mapping[str, Array]
    spare: Mapping[str, Array]
    begin: Mapping[str, Array]
    loop: str = ""

    def __repr__(self) -> str:
        return f"<Lifted {self.model.header.title}: {self.sentence}>"

    def __str__(self) -> str:
        rows = self.cell.text.splitlines()
        wide = max(map(len, rows))
        names = [self.aliases.get(row.partition(" = ")[0], "") for row in rows]
        rows = [f"{row:{wide}}  # {name}" if name else row for row, name in zip(rows, names, strict=True)]
        called = [(name, f"{name} = {self.aliases[name]}") for name in self.weights if name in self.aliases]
        gates = [", ".join(text for _, text in each) for _, each in groupby(called, lambda pair: pair[0][-1])]
        loop = [f"each step: {self.loop}"] * bool(self.loop)
        return "\n".join([f"{self.model.header.title}: {self.sentence}", *loop, "", *rows, *gates])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    @property
    def cell(self) -> Cell:
        """The equations."""
        return self.model.cell

    @property
    def kind(self) -> str:
        """The named cell that it is, or is a variant of: `lstm`, `gru` or `rnn`; empty for a cell of its own."""
        return self.naming.kind

    @property
    def direction(self) -> str:
        """`reverse` if it reads x from its last step to its first; else `forward`."""
        return self.trace.stages[0].direction

    @property
    def sentence(self) -> str:
        """What it is, in words."""
        back = "; it reads x from its last step to its first" if self.direction == "reverse" else ""
        return sentence(self.naming, self.cell, self.unread, self.aliases) + back

    def run(self, x: Any, h0: Any = None, c0: Any = None, **arguments: Any) -> Trace:
        """Trace another input, without running the function again.

        Args:
            x: (T, I) or (T, B, I).
            h0: the initial hidden state, (B, H); zeros if None.
            c0: the initial cell state.
            arguments: others of `Model.run`.
        """
        return self.model.run(x, h0, c0, **arguments)

    @cached_property
    def named(self) -> Trace:
        """The trace of the named cell with the same weights, input and states.

        A weight that the code has and does not read is used too; a bias that it lacks is zero.

        Raises MissingError if the cell is not like a named one, or if it lacks a matrix that the named cell has.
        """
        naming, trace = self.naming, self.trace
        title = f"{self.model.header.title} is {self.sentence}"
        if not naming.kind:
            raise MissingError(f"{title}: no named cell is like it")
        state, hidden = trace["c_t" if naming.kind == "lstm" else "h_t"].shape[-1], trace["h_t"].shape[-1]
        sizes = {"W_x": (state, trace["x_t"].shape[-1]), "W_h": (state, hidden), "W_hr": (hidden, state)}
        names = named_cell(naming.kind, naming.options)[0].parameters
        weights = {name: array for name, array in {**self.spare, **self.weights}.items() if name in names}
        lacking = []
        for name in names:
            shape = sizes.get(name, sizes.get(name[:3], (state,)))
            if name.startswith(("b_", "w_", "beta_")):  # without them a cell is the same as with zeros
                weights.setdefault(name, np.zeros(shape))
            elif name not in weights or weights[name].shape != shape:
                lacking.append(name)
        if lacking:
            raise MissingError(f"{title}: it has no {', '.join(lacking)} to compare the two with")
        cell = {"kind": naming.kind, **naming.options, "direction": self.direction}
        model = prepare(weights, cell, name=naming.kind)
        return model.run(trace.x, self.begin.get("h"), self.begin.get("c"))

    def compare(self) -> Any:
        """Compare with the named cell, the reference: which equation differs, and by how much (docs/diff.md).

        Raises MissingError as `named` does.
        """
        found, title = Convenience[Any]("lifted.compare")(self.named, self.trace), self.model.header.title
        return found if title == self.kind else replace(found, names=Remark("diff.names", {"a": self.kind, "b": title}))


_KINDS: Mapping[str, str] = packaged("lifting/tables.toml")["kinds"]
_GATES: Mapping[str, str] = packaged("lifting/tables.toml")["gates"]
_WITH: Mapping[str, str] = packaged("lifting/tables.toml")["with"]
#: Lines of the code's own that are longer are not written out in a sentence.
_LONG = 80


def sentence(naming: CellNaming, cell: Cell, unread: Iterable[str], aliases: Mapping[str, str]) -> str:
    """The named cell and what is another: `a GRU whose candidate is squashed by σ, but h_t = u_t * h_prev`."""
    names = [*unread]
    end = f"; {', '.join(names)} {'is' if len(names) == 1 else 'are'} not read" if names else ""
    label: dict[tuple[str, ...], str] = {}
    for name, order in naming.orders.items():
        label.setdefault(order, name)
    if len(label) > len({frozenset(order) for order in label}):  # products with the rows of two gates are added up
        each = (f"{', '.join(order)} in {name}" for order, name in label.items())
        end = f"; its gates stand in the order {' and '.join(each)}{end}"
    if not naming.kind:
        return f"a cell of its own with the states {', '.join(cell.states)}{end}"
    if odd := [f"{name} = {aliases[name]}" for name in _odd(naming.kind, cell, aliases) if name in aliases]:
        end = f"; {' and '.join(odd)}, unlike in the other gates{end}"
    lacking = [name for name in naming.lacking if name in _GATES]
    known = {*named_cell(naming.kind, naming.options)[0].by_name, *cell.states, *naming.lines.values()}
    written = _written(cell, known)
    unlike = {name: written[name] for name in naming.unlike}
    said = [*_options(naming.options, "r_t" not in lacking)]
    if lacking == ["r_t"] and "u_t * " in unlike.get("z_h", ""):
        said.append("whose update gate is the reset gate too (a minimal gated unit)")
        lacking = []
        del unlike["z_h"]
    said += [f"without {'an' if name[0] in 'iou' else 'a'} {_GATES[name]}" for name in lacking]
    for name, text in [*unlike.items()]:
        one, other = (re.fullmatch(r"(\w+)\((z_\w)\)", right) for right in (text, naming.unlike[name]))
        if naming.bare.get(name) or (name == "h_t" and text.startswith("W_x")):
            said.append(f"whose {_GATES[name]} is not squashed")
        elif re.fullmatch(r"1 - \w_t", text):
            said += ["with coupled gates"] * ((name, text) == ("i_t", "1 - f_t"))
            said.append(f"whose {_GATES[name]} is {text}")
        elif one and other and one[1] in ACTIVATIONS and one[2] == other[2]:
            said.append(f"whose {_GATES[name]} is squashed by {'σ' if one[1] == 'sigmoid' else one[1]}")
        else:
            continue
        del unlike[name]
    carried = [f"{old} <- {new}" for old, new in cell.states.items() if new != old.replace("_prev", "_t")]
    return f"{_KINDS[naming.kind]} {', '.join([*said, *_differing(unlike, carried)])}".strip() + end


def _written(cell: Cell, known: Collection[str]) -> dict[str, str]:
    """The equations, with lines that are not known written out where they are short."""
    found, inner = dict[str, str](), dict[Any, Any]()
    for line in cell.lines:
        operands, call = (tuple(inner.get(one, one) for one in each) for each in (line.operands, line.call))
        text = expression(line._replace(operands=operands, call=call))
        if line.assigned:
            found[line.name] = text
        if not line.assigned or (line.name not in known and len(text) < _LONG):
            inner[line.name] = text
    return found


def _options(options: Mapping[str, object], reset: bool) -> Iterator[str]:
    if "reset_after" in options and reset:
        yield f"whose reset gate stands {'after' if options['reset_after'] else 'before'} the product"
    if options.get("update") == "write":
        yield "whose update gate weighs the candidate"
    yield from dict.fromkeys(text for option, text in _WITH.items() if options.get(option))
    if isinstance(added := options.get("forget_bias"), float) and added:
        yield f"with {number(added)} added to the forget gate"
    for option, clipped in (("clip", "pre-activations are"), ("cell_clip", "cell state is")):
        if isinstance(bound := options.get(option), float):
            yield f"whose {clipped} clipped at {number(bound)}"


def _differing(unlike: Mapping[str, str], carried: Iterable[str]) -> Iterator[str]:
    """The equations that differ, of gates that have the same, one; and the states that are carried from other lines."""
    alike: dict[str, list[str]] = {}
    for name, text in unlike.items():
        gate = name.removeprefix("z_")[0]
        same = re.sub(rf"(?<=_[xhc]){gate}\b|(?<=_){gate}\b|\b{gate}(?=_t\b)", "*", f"{name} = {text}")
        alike.setdefault(same, []).append(name)
    rows = []
    for first, *others in alike.values():
        likewise = f" (and likewise {', '.join(others)})" if others else ""
        rows.append(f"{first} = {unlike[first]}{likewise}")
    if rows := [*rows, *carried]:
        yield f"but {' and '.join(rows)}"


def _odd(kind: str, cell: Cell, aliases: Mapping[str, str]) -> Iterator[str]:
    """The weights that are another part of an array than those of most gates, transposed, computed from others, or
    those of another role.
    """
    forms: dict[str, dict[str, tuple[str, str]]] = {"W_x": {}, "W_h": {}, "b_": {}}
    known = {name: aliases.get(name, name).lower() for name in cell.parameters if name[:-1] in forms}
    labels = {name: re.sub(r"(\[.*)?(\.t)?$", "", alias) for name, alias in known.items() if name[-1] in LINES[kind]}
    for name, label in labels.items():
        part = known[name].removeprefix(label)
        signs = re.sub(r"[\w.]", "", label)
        own = len({other[-1] for other, one in labels.items() if one == label}) == 1
        words = CALLED[kind].get(gate_letter(kind, label), "").split() if own else ()
        word = max((one for one in words if one in label), key=len, default="")
        role = "*".join(label.rsplit(word, 1)) if word else ""
        forms[name[:-1]][name] = role, signs + (part if word else part[part.find("]") + 1 :])
    usual = {stem: Counter(each.values()).most_common(1)[0] for stem, each in forms.items() if each}
    roles = {form[0] for form, count in usual.values() if count > 1}
    for stem, each in forms.items():
        for name, (role, part) in each.items():
            form, count = usual[stem]
            if 2 * count > len(each) and (part != form[1] or (role != form[0] and role in roles)):
                yield name


#: So far apart, relative to the largest, the values of a line may be at the first step that is taken for the same.
_NEAR = 1e-6
_NUMBER = re.compile(r"_\d+$")
_NAME = re.compile(r"\b[A-Za-z_]\w*\b(?!\()")


def aligned(source: Any, reference: Any) -> Any:
    """The trace of a lifted cell, with the names of another: of the output and the states, which go by their places
    where names differ; of weights and lines with equal values at the first step, and of what stands in the same places
    of their equations. What is no lifted cell, or is compared with none, is returned as it is.
    """
    if not isinstance(source, Lifted) or not isinstance(reference, Lifted):
        return source
    trace, one, two = source.trace, reference.cell, source.cell
    if not (names := _common_names(reference, source)):
        return trace
    text = _NAME.sub(lambda found: names.get(found[0], found[0]), two.text)
    weights = {names.get(name, name): array for name, array in source.weights.items()}
    cell = prepare(weights, {"equations": text}).cell
    ends = [row for row in cell.text.splitlines() if row.startswith(("matrix:", "carry:", "output:"))]
    rows = [f"{name} = {right}" for name, right in _in_words_of(one, cell)] + ends
    made = prepare(weights, {"equations": "\n".join(rows), "direction": source.direction}, name=trace.header.title)
    called = {name: name for name in names} | dict(trace.header.aliases)
    aliases = {names.get(name, name): text for name, text in called.items()}
    begin = {names.get(name, name): one for name, one in trace.initial.get(f"0/{source.direction}", {}).items()}
    made = replace(made, header=replace(made.header, aliases=aliases))
    return made.run(trace.x, begin.pop("h_prev", None), begin.pop("c_prev", None), initial=begin or None)


def _in_words_of(one: Cell, two: Cell) -> Iterator[tuple[str, str]]:
    """The equations of `two`, in the text of `one` where they are the same in real numbers."""
    known = two.equations.keys() & one.equations.keys()
    there = {*two.equations, *two.parameters, *two.states, *two.inputs}
    for name, text in two.equations.items():
        readable = name in known and {*_NAME.findall(one.equations[name])} <= there
        same = readable and line_value(one, name, known) == line_value(two, name, known)
        yield name, one.equations[name] if same else text


def _common_names(reference: Lifted, source: Lifted) -> dict[str, str]:
    """What one calls the lines and weights of the other that have other names."""
    one, two = reference.cell, source.cell
    lines = [{name: each.trace[name][:1] for name in each.cell.equations} for each in (reference, source)]
    stems = [Counter(_NUMBER.sub("", name) for name in each) for each in lines]
    both = {name for name in lines[0].keys() & lines[1] if not _equal(lines[0][name], lines[1][name])}
    # such as k and k_2, whose numbers do not say which is which
    loose = {name for name in both if max(each[_NUMBER.sub("", name)] for each in stems) > 1}
    common = one.states.keys() & two.states.keys()
    old = [
        sorted((name for name in each.cell.states if name not in common), key=lambda name: each.trace[name].shape[-1])
        for each in (source, reference)
    ]
    states = [*zip(*old, strict=False), *((name, name) for name in common)]
    alike = reference.trace.output.shape[-1] == source.trace.output.shape[-1]
    ends = [(two.output, one.output)] * alike
    ends += [*((two.states[theirs], one.states[ours]) for theirs, ours in states), *states]
    # whatever else has the name of an output or of a new state gets another
    loose |= {name for pair in ends if pair[0] != pair[1] for name in pair} & lines[0].keys() & lines[1].keys()
    found: dict[str, str] = {}
    ours_taken = {*two.equations, *two.parameters} - loose
    theirs_known = {*one.equations, *one.parameters} - loose

    def pair(theirs: str, ours: str) -> None:
        if not {theirs} & (theirs_known | found.keys()) and ours not in {*ours_taken, *found.values()}:
            found[theirs] = ours

    def pair_equal(ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> None:
        for name, values in theirs.items():
            for other in (other for other, array in ours.items() if _equal(array, values)):
                pair(name, other)

    for theirs, ours in ends:
        pair(theirs, ours)
    pair_equal(reference.weights, source.weights)
    pair_equal(*lines)
    todo = [name for name in two.equations if found.get(name, "" if name in loose else name) in one.equations]
    for name in todo:
        for theirs, ours in _in_places(two.equations[name], one.equations[found.get(name, name)]):
            if theirs in two.equations and ours in one.equations and theirs not in todo:
                pair(theirs, ours)
                todo += [theirs] if found.get(theirs) == ours else []
            elif theirs in two.parameters and ours in one.parameters:
                pair(theirs, ours)
    for name in sorted(loose - found.keys()):
        taken = {*found.values(), *one.equations, *two.equations} if name in found.values() else set[str]()
        found[name] = name + ending([name], taken)
    return found


def _equal(one: Array, two: Array) -> bool:
    return one.shape == two.shape and bool(np.abs(one - two).max(initial=0) <= _NEAR * np.abs(one).max(initial=0))


def _in_places(one: str, two: str) -> Iterable[tuple[str, str]]:
    """The names that stand in the same places of two equations; none if they are built in different ways."""
    shapes, names = zip(*((_NAME.split(text), _NAME.findall(text)) for text in (one, two)), strict=True)
    return zip(*names, strict=True) if shapes[0] == shapes[1] else ()
