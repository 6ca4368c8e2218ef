"""Which named cell a lifted one is, and what its lines and weights are called there.

The gates are the functions of sums with products of weights. Which gate each of them is follows from the names in the
code if these name all of them, so that exchanged gates are seen; otherwise from what agrees with most equations of the
named cell. An equation agrees if it has the same value in real numbers: order and brackets do not count.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Any

from ..base.packaged import packaged
from ..cell.lines import Cell
from ..cell.variants import named
from .expressions import Expr, scaled, summed
from .tape import Ids

#: What gates are called in code, by our letter: whole names, and what follows in the name of a weight.
CALLED: Mapping[str, Mapping[str, str]] = packaged("lifting/tables.toml")["called"]
#: The line of each gate; where a gate may be one of two, it is the first.
LINES: Mapping[str, Mapping[str, str]] = packaged("lifting/tables.toml")["lines"]
ACTIVATIONS = ("sigmoid", "tanh", "relu", "softplus", "elu", "clip", "exp")
_KIND_OF_WEIGHT = re.compile(r"^(weights?|bias|linear|lin|layer|fc|gate|gamma|[wubvprk])_?")
_ENDING = re.compile(r"(_t|_gate|gate|_weights?|_bias|_layer|_linear|\d+)$")

Polynomial = frozenset[tuple[tuple[Any, ...], float]]


@dataclass
class CellNaming:
    """What the values and weights of a lifted cell are called. kind: of the named cell; empty for none.

    same: lines that agree with the named cell's, with its text. within: the named cell's lines that the code computes
    within such a line, with their text. unlike: lines that do not agree, with the named cell's text. lacking: lines of
    the named cell that no value is. bare: gates that no function is applied to, with their pre-activation.
    orders: in which order the gates stand in the arrays of the code.
    """

    kind: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    lines: dict[Expr, str] = field(default_factory=dict)
    weights: dict[Expr, str] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    within: dict[str, dict[str, str]] = field(default_factory=dict)
    unlike: dict[str, str] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    bare: dict[str, str] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """How much of the named cell agrees, for the choice among several; what is returned counts a little more."""
        return len(self.same) + 0.1 * ("h_t" in self.same) - 0.5 * len(self.unlike) - 0.75 * len(self.lacking)

    @property
    def near(self) -> bool:
        """Whether at least half of the named cell agrees; of a gate that is lacking only the gate itself counts."""
        lacking = {*LINES.get(self.kind, {}).values()} & {*self.lacking}
        return bool(self.kind) and len(self.same) >= len(self.unlike) + len(lacking)


def recognised(
    states: Mapping[str, Expr], called: Callable[[Expr], str], label: Callable[[Ids], str], lost: Sequence[int] = ()
) -> CellNaming:
    """The names of a cell. states: `h` and `c` to their new values. called: what the code calls a value, label: what it
    calls the array of a weight's numbers. lost: how long the vectors are that the code does not read.
    """
    best = CellNaming()
    gates = [*_gates([*states.values()], called)]
    weights = [one for gate in gates for one in _before(gate).inside() if one.op == "parameter"]
    for kind, lines in LINES.items():
        if [*states] != (["h", "c"] if kind == "lstm" else ["h"]) or not 0 < len(gates) <= len(lines):
            continue
        letters = {one: gate_letter(kind, label(one.leaf)) for one in weights}
        owners = letters if len({*letters.values()} - {""}) > 1 else {}
        orders = _orders(kind, gates, [*states.values()][-1], called, label)
        for options in _choices(kind, gates, states, lost):
            for order in orders:
                found = _tried(kind, options, dict(zip(order, gates, strict=True)), states, owners)
                if found.near and (not best.kind or found.score > best.score):
                    best = found
    return best


def _choices(
    kind: str, gates: Sequence[Expr], states: Mapping[str, Expr], lost: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """The options that the equations may have."""
    terms = [one for gate in gates for one in _terms(_before(gate))]
    counts = {sum(one.op == "parameter" for one, _ in _terms(_before(gate))) for gate in gates}
    normed = any(one.op == "mean" for gate in gates for one in {*gate.inside()} - {*_before(gate).inside()})
    width, many = gates[0].width, len(gates)
    forgotten = {many * width, len(LINES[kind]) * width} & {*lost} or lost.count(width) >= many  # biases, it seems
    least = 1 if forgotten and not normed else 0
    words = [word for n, word in enumerate(("none", "one", "two")) if n in counts and n >= least]
    several: dict[str, Sequence[Any]] = {"bias": words or ["one"]}
    if kind == "lstm":
        several["coupled"] = (False, True) if len(gates) < len(LINES[kind]) else (False,)
        several["peephole"] = (any(_peephole(one) is not None for one, _ in terms),)
        several["projection"] = (states["h"].op == "matvec" and states["h"].args[1].op == "mul",)
        several["layer_norm"] = (normed,)
        means = (one.args for one in states["h"].inside() if one.op == "mean")
        several["layer_norm_cell"] = (any(states["c"] in args for args in means),)
    if kind == "gru":
        several["update"] = ("keep", "write")
    yield from (dict(zip(several, values, strict=True)) for values in product(*several.values()))


# -- gates -------------------------------------------------------------------------------------------------------------


def _gates(roots: Sequence[Expr], called: Callable[[Expr], str]) -> Iterator[Expr]:
    """Functions of sums with products of weights, or such sums where none is applied, in the order of computation."""
    values = dict.fromkeys(one for root in roots for one in root.inside())
    functions = [one for one in values if one.op in ACTIVATIONS and one.args[0] not in roots]
    squashed = [one for one in functions if any(inner.op == "matvec" for inner in _unsquashed(one.args[0]))]
    taken = {inner for one in (*squashed, *filter(_linear, values)) for part in one.args for inner in part.inside()}
    sums = [one for one in values if _linear(one) and one not in taken]
    bare = [one for one in sums if one not in roots or not {*squashed} & {*one.inside()}]
    yield from dict.fromkeys(_whole(one, values, roots, called) for one in (*squashed, *bare))


def _whole(part: Expr, values: Collection[Expr], roots: Sequence[Expr], called: Callable[[Expr], str]) -> Expr:
    """The function of the same sum that everything else reads: the first that has a name in the code, or the last."""
    z = _before(part)
    of_z = {z: None}
    for one in values:
        two = one.op == "mul" and all(other in of_z and not _linear(other) for other in one.args)
        if two or not any(other in of_z and other not in roots for other in one.args):
            continue  # of two gates with the same sum each is one
        if all(other in of_z or other.op == "number" for other in one.args):
            of_z[one] = None
    if part not in of_z:  # such as a sum that is normalised
        return part
    ends = {one for one in of_z if one in roots or any(one in other.args for other in values if other not in of_z)}
    through = [one for one in of_z if not _linear(one) and not any(_reaches(end, z, one) for end in ends)]
    last = through[-1] if through else z if _linear(part) else part
    return next((one for one in through if called(one)), last)


def _reaches(expr: Expr, z: Expr, without: Expr) -> bool:
    """Whether a value is computed from z in another way than by `without`."""
    return expr is not without and (expr is z or any(_reaches(one, z, without) for one in expr.args))


def _linear(expr: Expr) -> bool:
    if expr.op == "mul":
        return any(_linear(one) and other.op in ("number", "parameter") for one, other in (expr.args, expr.args[::-1]))
    return expr.op == "matvec" or (expr.op in ("add", "neg") and any(map(_linear, expr.args)))


def _hard(gate: Expr) -> tuple[float, float, Expr] | None:
    """alpha, beta and z of clip(alpha z + beta, 0, 1)."""
    if gate.op != "clip" or gate.constants != (0.0, 1.0) or gate.args[0].op != "add":
        return None
    terms = [*zip(gate.args[0].args, gate.args[0].constants, strict=True)]
    (beta, sign), *others = sorted(terms, key=lambda term: term[0].op != "number")
    alpha, z = scaled(others[0][0])
    fits = beta.op == "number" and alpha != 1 and len(others) == 1 and others[0][1] == 1 and _linear(z)
    return (alpha, sign * beta.leaf, z) if fits else None


def _before(gate: Expr) -> Expr:
    """The pre-activation of a gate: the sum that it is a function of, or what its function is applied to."""
    if (hard := _hard(gate)) is not None:
        return hard[2]
    means = (inner.args[0] for one in gate.args for inner in _unsquashed(one) if inner.op == "mean")
    if (normalised := next(filter(_linear, means), None)) is not None:
        return normalised
    sums = {scaled(one)[1] for one in gate.inside(_linear) if _linear(one)}
    return sums.pop() if len(sums) == 1 else gate.args[0]


def _unsquashed(expr: Expr) -> set[Expr]:
    """What a value is computed from without a function in between."""
    return {one for one in expr.inside(lambda one: one.op in ACTIVATIONS) if one.op not in ACTIVATIONS}


def _orders(
    kind: str, gates: Sequence[Expr], state: Expr, called: Callable[[Expr], str], label: Callable[[Ids], str]
) -> list[tuple[str, ...]]:
    """Which gates they may be: what the code calls their weights or them, if it names two or all of them. First those
    in which the forget gate is multiplied with the old state.
    """
    inside = [{one for one in _before(gate).inside() if one.op == "parameter"} for gate in gates]
    nested = [{one for other in gates if other in _before(gate).inside() for one in other.inside()} for gate in gates]
    labels = [{label(one.leaf) for one in own - other} for own, other in zip(inside, nested, strict=True)]
    times = Counter(name for names in labels for name in names)
    said = []
    for gate, names in zip(gates, labels, strict=True):
        own = {letter for name in names if times[name] == 1 and (letter := gate_letter(kind, name))}
        texts = [*own] if len(own) == 1 else [gate_letter(kind, called(one)) for one in (gate, _before(gate))]
        said.append(next(filter(None, texts), min(own, default="")))
    if len(known := {letter for letter in said if letter and said.count(letter) == 1}) < min(2, len(gates)):
        known = set()
    products = [one.args for one in state.inside() if one.op == "mul"]
    kept = {one for args in products for one, other in (args, args[::-1]) if _reads_memory(other)}
    kept |= {inner for one in kept for inner in one.args}  # of 1 - f
    fits = (
        order
        for order in permutations(LINES[kind], len(gates))
        if all(one == letter or one not in known for one, letter in zip(said, order, strict=True))
    )
    return sorted(fits, key=lambda order: ("f", True) not in zip(order, (gate in kept for gate in gates), strict=True))


def _reads_memory(expr: Expr) -> bool:
    return any(str(one.leaf).startswith("c_prev") for one in _unsquashed(expr))


def is_multiplied(expr: Expr) -> bool:
    """Whether a weight that multiplies a value is a matrix, and no peephole: it is x or h, and not from c."""
    return not _reads_memory(expr) and any(one.op == "name" for one in _unsquashed(expr))


def gate_letter(kind: str, text: str) -> str:
    """The gate that a name in code stands for; empty if it is none.

    >>> [gate_letter("lstm", name) for name in ("W_xf", "ft", "forget_gate", "cell.i.weight", "Wx", "b")]
    ['f', 'f', 'f', 'i', '', '']
    >>> gate_letter("gru", "Uz"), gate_letter("gru", "W_hn")
    ('u', 'h')
    """
    low = re.sub(r"\.(weight|bias)$", "", text.lower()).split(".")[-1]
    low = _ENDING.sub("", low) or low
    short = _KIND_OF_WEIGHT.sub("", low)
    tried = low, low.removesuffix("t"), short, re.sub(r"^[xhi]_?", "", short), low.rsplit("_", 1)[-1]
    return next((letter for one in tried for letter, names in CALLED[kind].items() if one in names.split()), "")


def _tried(
    kind: str, options: dict[str, Any], gates: Mapping[str, Expr], states: Mapping[str, Expr],
    owners: Mapping[Expr, str],
) -> CellNaming:  # fmt: skip
    """The names if `gates` are the gates of that cell. owners: the gates that weights are called by."""
    values = {f"{state}_t": expr for state, expr in states.items()}
    if kind == "lstm" and states["c"] is states["h"]:  # then the memory is what h is computed from
        values["c_t"] = [one for one in states["h"].inside() if _reads_memory(one) or one is states["h"]][-2:][0]
    found = CellNaming(kind, lines={expr: name for name, expr in values.items() if expr.args})
    if options.get("projection"):
        matrix, values["m_t"] = states["h"].args
        _call_once(found.weights, matrix, "W_hr")
    for letter, gate in gates.items():
        z = _before(gate)
        values.setdefault(LINES[kind][letter], gate)
        values[f"z_{letter}"] = z
        if gate is z and values[LINES[kind][letter]] is z:
            found.bare[LINES[kind][letter]] = f"z_{letter}"
        _name_weights(letter, z, found.weights, {one for one, owner in owners.items() if owner not in ("", letter)})
        _name_norm(letter, gate, z, found.weights)
    for letter, gate in gates.items():
        _name_weights(letter, _before(gate), found.weights)
    if options.get("layer_norm_cell"):
        _name_norm("cell", states["h"], states["c"], found.weights)
    contrary = [[(-1.0, gate)] for gate in gates.values()]
    contraries = [one for one in states["h"].inside() if (both := summed(one))[0] == 1 and both[1] in contrary]
    if kind == "lstm" and contraries:  # 1 - f_t stands for the gate that is missing
        values |= {line: contraries[0] for line in LINES[kind].values() if line not in values}
    for name, expr in values.items():
        if expr.args:  # a state that is returned as it was has no other name
            _call_once(found.lines, expr, name)
    there = {*found.bare.values()} | {name for name, expr in values.items() if found.lines.get(expr, name) == name}
    values = {name: expr for name, expr in values.items() if name in there}
    options = options | _numbers(gates, states)
    hard = {pair[:2] if (pair := _hard(gate)) else None for letter, gate in gates.items() if letter not in "ch"}
    if len(hard) == 1 and (numbers := hard.pop()):
        options = options | {"gate_activation": f"hard_sigmoid({numbers[0]!r}, {numbers[1]!r})"}
    if kind == "gru" and {"r", "h"} <= gates.keys():
        products = (one.args for one in gates["h"].inside() if one.op == "matvec")
        after = (operand.op == "name" for weight, operand in products if found.weights.get(weight) == "W_hh")
        options = options | {"reset_after": any(after)}
    cell, full = named(kind, options)
    if options.get("coupled") and "f" in gates:
        return CellNaming()
    found.options = {name: value for name, value in full.items() if name in options}
    rest = {name: text for name, text in cell.equations.items() if name not in values}
    read: set[str] = set()
    for name in [name for name in cell.equations if name in values]:
        agrees = _of_value(values[name], found) == line_value(cell, name, values)
        (found.same if agrees else found.unlike)[name] = cell.equations[name]
        inner = {*_within(cell, name, rest)} if agrees else set()
        found.within[name] = {one: text for one, text in rest.items() if one in inner}
        read |= inner
    found.lacking = tuple(name for name in rest if name not in read)
    return CellNaming() if options.get("coupled") and found.lacking else found


def _within(cell: Cell, name: str, rest: Collection[str]) -> Iterator[str]:
    """The lines of `rest` that a line reads, one through the other."""
    for one in cell.by_name[name].reads:
        if one in rest or (one in cell.by_name and one not in cell.equations):
            yield from [one] if one in rest else []
            yield from _within(cell, one, rest)


def _numbers(gates: Mapping[str, Expr], states: Mapping[str, Expr]) -> dict[str, float]:
    """The options that are numbers."""
    found: dict[str, float] = {}
    forget = gates.get("f")
    if forget is not None and (added := summed(forget.args[0] if forget.op == "sigmoid" else _before(forget))[0]):
        found["forget_bias"] = added
    firsts = [next((one for one in gate.inside() if one.args == (_before(gate),)), gate) for gate in gates.values()]
    bounds = {one.constants if one.op == "clip" and one not in gates.values() else () for one in firsts}
    if len(bounds) == 1 and (bound := bounds.pop()) and bound[1] == -bound[0] > 0:
        found["clip"] = bound[1]
    if "c" not in states:
        return found
    state = states["c"]
    if state.op == "clip" and -state.constants[0] == state.constants[1] > 0:
        found["cell_clip"] = state.constants[1]
    roots = (one.args[0] for state in states.values() for one in state.inside() if one.op == "sqrt")
    if epsilon := next((added for one in roots if (added := summed(one)[0]) > 0), 0.0):
        found["layer_norm_epsilon"] = epsilon
    return found


def _terms(term: Expr, inner: bool = False) -> Iterator[tuple[Expr, bool]]:
    """The terms of a sum, and whether they are in brackets that a value is multiplied with."""
    if term.op in ("add", "neg") or (term.op == "mul" and _linear(term)):
        beside = {(_sides(one.args[1]) or "h")[0] for one in term.args if one.op == "matvec"}
        for one in term.args:
            yield from _terms(one, inner or term.op == "mul" or beside == {"h"})  # a bias beside a product with h
    elif term.op == "mul" and any(map(_linear, term.args)):
        yield from (pair for one in term.args if _linear(one) for pair in _terms(one, True))
    else:
        yield term, inner


def _peephole(term: Expr) -> Expr | None:
    """The weight by which a cell state is multiplied."""
    if term.op != "mul" or not any(one.op == "parameter" for one in term.args):
        return None
    own, other = term.args if term.args[0].op == "parameter" else term.args[::-1]
    return None if other.op == "number" or str(other.leaf) in ("x_t", "h_prev") else own


def _name_weights(letter: str, z: Expr, names: dict[Expr, str], others: Collection[Expr] = ()) -> None:
    """The weights of a gate, by what they multiply. others: those that are called by another gate."""
    biases: list[tuple[bool, Expr]] = []
    terms = [*_terms(z)]
    plain = [pair for pair in terms if pair[0].op == "matvec" and pair[0].args[1].leaf in ("x_t", "h_prev")]
    for term, inner in dict.fromkeys([*plain, *terms]):
        if term.op == "matvec":
            for side in _sides(term.args[1]) if term.args[0] not in others else ():
                _call_once(names, term.args[0], f"W_{side}{letter}")
        elif term.op == "parameter":
            biases.append((inner, term))
        elif (own := _peephole(term)) is not None and own not in others:
            _call_once(names, own, f"w_c{letter}")
    biases.sort(key=lambda pair: pair[0])
    for suffix, (_, one) in zip(("",) if len(biases) == 1 else ("x", "h"), biases, strict=False):
        if one not in others:
            _call_once(names, one, f"b_{suffix}{letter}")


def _sides(vector: Expr) -> str:
    """The letters of the products that a product with some vector may stand for, the likeliest first."""
    read = {str(one.leaf) for one in vector.inside() if one.op == "name"}
    if vector.op == "name" and not read & {"x_t", "h_prev", "c_prev"}:  # a part of one
        return ""
    return ("xh" if read == {"x_t"} else "hx") + "c" * (read == {"c_prev"})


def _name_norm(part: str, argument: Expr, value: Expr, names: dict[Expr, str]) -> None:
    """The weights that scale and shift a value that is normalised."""
    inner = {*value.inside()}
    for one in argument.inside():
        for weight in one.args if one not in inner and one.op in ("mul", "add") else ():
            if weight.op == "parameter":
                _call_once(names, weight, f"{'gamma' if one.op == 'mul' else 'beta'}_{part}")


def _call_once(names: dict[Expr, str], expr: Expr, name: str) -> None:
    """Give a value a name, unless one of the two is taken."""
    if name not in names.values():
        names.setdefault(expr, name)


# -- equations that agree ----------------------------------------------------------------------------------------------


def _of_value(expr: Expr, names: CellNaming, top: bool = True) -> Polynomial:
    """A value as a polynomial of named lines, inputs, weights and functions of these."""
    if not top and expr in names.lines:
        return _atom(names.lines[expr])
    if expr.op == "number":
        return frozenset({((), expr.leaf)})
    if not expr.args:
        return _atom(names.weights.get(expr, id(expr)) if expr.op == "parameter" else expr.leaf)
    return _combined(expr.op, [_of_value(one, names, False) for one in expr.args], expr.constants)


def line_value(cell: Cell, name: str, known: Collection[str], top: bool = True) -> Polynomial:
    """The same of a line of a cell. known: the lines that are not replaced by their equations."""
    if (line := cell.by_name.get(name)) is None or (not top and name in known):
        return _atom(name)
    parts = [line_value(cell, o, known, False) if isinstance(o, str) else frozenset({((), o)}) for o in line.operands]
    return _combined(line.op, parts, line.constants)


def _atom(value: Any) -> Polynomial:
    return frozenset({((value,), 1.0)})


def _combined(op: str, parts: Sequence[Polynomial], constants: Sequence[float]) -> Polynomial:
    total: dict[tuple[Any, ...], float] = defaultdict(float)
    if op in ("add", "neg"):
        for sign, part in zip(constants if op == "add" else (-1.0,), parts, strict=True):
            for factors, k in part:
                total[factors] += sign * k
    elif op == "div":
        return _combined("mul", (parts[0], _inverse(parts[1])), ())
    elif op == "mul":
        for (one, k), (other, m) in product(*parts):
            total[tuple(sorted((*one, *other), key=repr))] += k * m
    else:
        return _atom((op, tuple(parts), tuple(constants)))
    return frozenset((factors, k) for factors, k in total.items() if k)


def _inverse(part: Polynomial) -> Polynomial:
    """1 divided by a value."""
    number = dict(part).get((), 0.0) if len(part) == 1 else 0.0
    return frozenset({((), 1 / number)}) if number else _atom(("inverse", part))
