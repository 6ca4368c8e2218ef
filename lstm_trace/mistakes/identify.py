"""Which weight layout reproduces another program's outputs: for porting models.

A reading (an interpretation of the weights) is a record of facts. Readings are searched from plain ones to those with
one and then two unusual facts; each is run and compared with the given outputs, first over a single step, the best ones
over all steps. This run is a search tool that computes only h and c over time, for many readings at once: its findings
are then traced, and verified, by the ordinary run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import combinations, permutations, product
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.named_cells import apply, is_number
from ..cell.network import scope_and_name
from ..cell.ops import OPS
from ..cell.parse import parse
from ..cell.variants import named
from ..documents.result import Result
from ..engine.inputs import numbers
from ..errors import MissingError, OptionError, ShapeError, counted, raise_all
from ..model.model import NETWORK
from ..trace.address import STATE
from ..weights.read import Found

GATES = "ifco"


@lru_cache(maxsize=64)
def activation(text: str) -> Callable[[Array], Array]:
    """An activation, `name` or `name(alpha, beta)`, as a function of arrays."""
    cell = parse(f"y = {apply(text, 'x_t')}\noutput: y")

    def function(z: Array) -> Array:
        values: dict[Any, Array] = {"x_t": z}
        for line in cell.lines:
            values[line.name] = OPS[line.op].array([values.get(o, o) for o in line.operands], line.constants)
        return values[cell.output]

    return function


@dataclass(frozen=True)
class Reading:
    """The facts of one reading; the defaults are how the weights were read.

    order: which gate each stored block is, block by block. recurrent, input: `as stored` or each block `transposed`.
    joined: how the joined kernel is split. bias: used, dropped, only the first or the second, halved.
    activation: of candidate and output, or of each if they differ.
    peephole: the order of the stored peephole vectors, or `dropped`; output_peephole: whether o sees the new c or
    the old. clip: (what, bound). output: h or c; last: only the last step was given. backwards: the outputs are in the
    order of computation. states: the order of the given initial states.
    """

    order: str = GATES
    input: str = "as stored"
    recurrent: str = "as stored"
    joined: str = ""
    bias: str = "used"
    forget_bias: float = 0.0
    gate_activation: str = "sigmoid"
    activation: str | tuple[str, str] = "tanh"
    peephole: str = ""
    output_peephole: str = "new"
    clip: tuple[str, float] | None = None
    direction: str = "forward"
    batch_first: bool = False
    backwards: bool = False
    states: str = "hc"
    output: str = "h"

    def differences(self, other: Reading) -> list[str]:
        """The facts in which the two differ."""
        return [f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]


@dataclass(frozen=True)
class Blocks:
    """The stored blocks, in the order in which they were read.

    input: (4, H, I), recurrent: (4, H, H), biases: up to two (4, H), peephole: (3, H) or None. joined: how a joined
    kernel was split (`xh`, `hx`); empty if there were two. gates, peepholes: the gates of the blocks, in the order in
    which the file stacks them; without f, f = 1 - i, and there is one block fewer of everything.
    """

    input: Array
    recurrent: Array
    biases: tuple[Array, ...] = ()
    peephole: Array | None = None
    joined: str = ""
    gates: str = GATES
    peepholes: str = "ifo"

    @property
    def units(self) -> int:
        """H."""
        return int(self.recurrent.shape[1])


def parts(blocks: Blocks, reading: Reading) -> tuple[Array, Array, Array]:
    """The input matrices (4, H, I), the recurrent ones (4, H, H) and the bias (4, H) according to `reading`."""
    W, U = blocks.input, blocks.recurrent
    if reading.joined and blocks.joined and reading.joined != blocks.joined:
        whole = np.concatenate([W, U] if blocks.joined == "xh" else [U, W], axis=2)
        edge = blocks.units if reading.joined == "hx" else whole.shape[2] - blocks.units
        first, second = whole[:, :, :edge], whole[:, :, edge:]
        W, U = (second, first) if reading.joined == "hx" else (first, second)
    if reading.input == "transposed":
        W = W.transpose(0, 2, 1)
    if reading.recurrent == "transposed":
        U = U.transpose(0, 2, 1)
    zero = np.zeros(U.shape[:2])
    if not (biases := blocks.biases) or reading.bias == "dropped":
        return W, U, zero
    if reading.bias in ("first", "second"):
        return W, U, biases[("first", "second").index(reading.bias)]
    total = sum(biases[1:], biases[0])
    return W, U, 0.5 * total if reading.bias == "halved" else total


def simulate(
    blocks: Blocks, reading: Reading, variants: Sequence[tuple[str, float]], x: Array, h0: Array, c0: Array
) -> Iterator[tuple[Array, Array]]:
    """h and c, each (R, B, H), after every step, for R variants (order, forget bias) of `reading`.

    x: (T, B, I) in order of computation; h0, c0: (B, H).
    """
    # This computes an LSTM a second time, in addition to the lines of the cell: all variants share the matrix products,
    # so that a search of thousands takes the time of a few runs. tests/mistakes/test_interpretations.py checks that it
    # equals the line-by-line run for every option of a reading; options added to SEARCHED must be added there too.
    W, U, bias = parts(blocks, reading)
    size, count, rows, gates = blocks.units, len(variants), x.shape[1], len(blocks.gates)
    place = np.array([[order.index(gate) for gate in blocks.gates] for order, _ in variants])
    added = np.array([extra for _, extra in variants])[:, None, None]
    flat = U.reshape(gates * size, size).T
    inputs = x @ W.reshape(gates * size, -1).T + bias.reshape(-1)
    names = reading.activation if isinstance(reading.activation, tuple) else (reading.activation,) * 2
    candidate_squash, output_squash = (activation(name) for name in names)
    gate_squash = activation(reading.gate_activation)
    what, most = reading.clip or ("", 0.0)
    weights: dict[str, Array] = {}
    if blocks.peephole is not None and reading.peephole != "dropped":
        order = reading.peephole or blocks.peepholes
        weights = {gate: blocks.peephole[order.index(gate)] for gate in blocks.peepholes}
    h = np.broadcast_to(h0, (count, rows, size))
    c = np.broadcast_to(c0, (count, rows, size))
    each = np.arange(count)[:, None]
    for step in inputs:
        z = np.broadcast_to(step.reshape(rows, gates, size), (count, rows, gates, size))
        if h.any():  # the first step of most searches has no state yet
            z = z + (h.reshape(count * rows, size) @ flat).reshape(count, rows, gates, size)
        z = z.transpose(0, 2, 1, 3)[each, place]  # (R, 4, B, H): i, f, c, o
        before_squash = {name: z[:, at] for at, name in enumerate(blocks.gates)}

        def gate(name: str, c: Array, z: Mapping[str, Array] = before_squash) -> Array:
            value = z[name] + (added if name == "f" else 0)
            if name in weights:
                value = value + weights[name] * c
            return gate_squash(np.clip(value, -most, most) if what == "gates" else value)

        z_c = before_squash["c"]
        candidate = candidate_squash(np.clip(z_c, -most, most) if what == "gates" else z_c)
        before = c
        i = gate("i", before)
        c = (gate("f", before) if "f" in blocks.gates else 1 - i) * before + i * candidate
        if what == "cell":
            c = np.clip(c, -most, most)
        output = gate("o", c if reading.output_peephole == "new" else before)
        h = output * output_squash(np.clip(c, -most, most) if what == "output" else c)
        yield h, c


#: Commonly used clipping bounds; others are given with `clips`.
CLIPS = (1.0, 3.0, 5.0, 10.0, 50.0)


#: Options of a model that clip, with what each clips in a reading.
CLIP_FACTS = {"clip": "gates", "cell_clip": "cell", "output_clip": "output"}
#: Options of a model that readings support; a model with any other is rejected.
SEARCHED = frozenset((
    *CLIP_FACTS, "bias", "peephole", "coupled", "forget_bias",
    "gate_activation", "candidate_activation", "output_activation",
))  # fmt: skip
#: Other cells, with what to change by hand.
_OTHERS = {
    "gru": "a GRU: try another order of the gates (--layout pytorch,order=zrn) and the other place of the reset gate "
    "(--option reset_after=false)",
    "rnn": "a plain RNN: try --option activation=relu",
}


def as_stored(found: Found) -> Reading:
    """The reading defined by a model's options. Raises OptionError for a cell or options that no reading supports."""
    if found.cell != "lstm":
        other = _OTHERS.get(found.cell, f"a {found.noun}")
        said = f"identify searches the layouts of an LSTM, and these are the weights of {other}"
        raise OptionError(f"{said}, or compare it with its port: lstm-trace diff")
    names = {scope_and_name(key)[1] for key in found.weights}
    cell = {name: value for name, value in found.options.items() if name not in NETWORK}
    full, usual = named("lstm", cell, names)[1], named("lstm", {}, names)[1]
    problems = [
        f"identify does not search models with {name}: {value if isinstance(value, str) else str(value).lower()}"
        for name, value in full.items()
        if name not in SEARCHED and value != usual[name]
    ]
    if len(clips := [(name, full[name]) for name in CLIP_FACTS if full[name] is not None]) > 1:
        said = " and ".join(f"{name}: {bound:g}" for name, bound in clips)
        problems.append(f"identify does not search models with more than one clip; this one has {said}")
    if found.defaults.lengths is not None:
        problems.append("identify does not search models that fix the lengths of their sequences")
    raise_all(OptionError, problems)
    squashes = full["candidate_activation"], full["output_activation"]
    return Reading(
        forget_bias=full["forget_bias"], gate_activation=full["gate_activation"],
        activation=squashes[0] if squashes[0] == squashes[1] else squashes,
        clip=(CLIP_FACTS[clips[0][0]], clips[0][1]) if clips else None, direction=found.directions[0],
    )  # fmt: skip


def blocks_of(found: Found) -> Blocks:
    """The weights of a model stacked gate by gate, in the order of its file.

    Raises MissingError if gates are missing.
    """
    weights = {scope_and_name(key)[1]: np.asarray(values, np.float64) for key, values in found.weights.items()}
    layout = found.stored
    order, peepholes = (GATES, "ifo") if layout is None or layout.separate else (layout.order, layout.peephole)
    if found.options.get("coupled"):
        order, peepholes = order.replace("f", ""), peepholes.replace("f", "")

    def stacked(pattern: str, letters: str = order) -> Array:
        if missing := [name for gate in letters if (name := pattern.format(gate)) not in weights]:
            raise MissingError(f"identify needs the weights of every gate; missing: {', '.join(missing)}")
        return np.stack([weights[pattern.format(gate)] for gate in letters])

    names = ("b_x{}", "b_h{}") if "b_xi" in weights or "b_hi" in weights else ("b_{}",) if "b_i" in weights else ()
    biases = tuple(stacked(name) for name in names if name.format("i") in weights)
    peephole = stacked("w_c{}", peepholes) if found.options.get("peephole") else None
    joined = (layout.joined if layout else None) or ""
    return Blocks(stacked("W_x{}"), stacked("W_h{}"), biases, peephole, joined, order, peepholes)


def plain_readings(blocks: Blocks, plain: Reading, h0: Array | None, c0: Array | None) -> list[Reading]:
    """The readings with the transposes, biases, directions, states and activations that ports confuse most often."""
    square = blocks.input.shape[1] == blocks.input.shape[2]
    kinds: dict[str, list[Any]] = {
        "input": ["as stored", "transposed"] if square else ["as stored"],
        "recurrent": ["as stored", "transposed"],
        "bias": ["used"] if not blocks.biases else ["used", "dropped", "halved"],
        "direction": ["forward", "reverse"],
        "states": ["hc", "ch"] if h0 is not None or c0 is not None else ["hc"],
    }
    for name in ("gate_activation", "activation", "clip"):  # facts that a port may have lost
        kinds[name] = list(dict.fromkeys((getattr(plain, name), getattr(Reading(), name))))
    if blocks.joined:
        kinds["joined"] = ["xh", "hx"]
    if len(blocks.biases) > 1:
        kinds["bias"] += ["first", "second"]
    return [replace(plain, **dict(zip(kinds, values, strict=True))) for values in product(*kinds.values())]


def unusual_facts(blocks: Blocks, plain: Reading, clips: Sequence[float]) -> Iterator[dict[str, Any]]:
    """Facts that a port rarely gets wrong, one at a time: other activations, a clip, an order of the peepholes."""
    found: list[dict[str, Any]] = [{"gate_activation": name} for name in ("hard_sigmoid", "hard_sigmoid_keras")]
    found += [{"activation": name} for name in ("relu", "softsign", "linear")]
    found += [{"clip": (what, bound)} for what in CLIP_FACTS.values() for bound in clips]
    yield from (facts for facts in found if any(getattr(plain, name) != value for name, value in facts.items()))
    if blocks.peephole is not None:
        orders = map("".join, permutations(blocks.peepholes))
        yield from ({"peephole": order} for order in orders if order != blocks.peepholes)
        yield from ({"peephole": "dropped"}, {"output_peephole": "old"})


#: Number of non-matching readings that continue from a single step to all steps.
KEPT = 24


class Match(NamedTuple):
    """A reading and the largest |its output - the given output|."""

    reading: Reading
    error: float


@dataclass(frozen=True, eq=False, repr=False)
class Identification(Result):
    """The result of the search. as_read: the reading defined by the file's names or layout, with its own error.

    matches: the readings that explain the outputs within the tolerance, plainest first; nearest: the best of the
    others. undecided: facts in which the matches differ, with the remaining values.
    """

    as_read: Match
    matches: tuple[Match, ...]
    nearest: tuple[Match, ...]
    undecided: Mapping[str, tuple[Any, ...]]
    tolerance: float
    tried: int

    def __repr__(self) -> str:
        best = f", the best off by {self.matches[0].error:.2g}" if self.matches else ""
        return f"<Identification: {len(self.matches)} of {self.tried:,} readings fit{best}; print(…) has all>"


_Way = tuple[str, bool]  # the kind of the outputs (h or c), and whether they are in order of computation


class _Case(NamedTuple):
    """Outputs aligned with the input in one way: y (T, B, H), or (B, H) for the last step."""

    batch_first: bool
    x: Array
    y: Array


def identify(
    found: Found, x: Array, y: Array, h0: Array | None = None, c0: Array | None = None, atol: float | None = None,
    clips: Sequence[float] = (),
) -> Identification:  # fmt: skip
    """Search the readings of one layer and direction for those that explain `y`.

    x: (T, I), (T, B, I) or (B, T, I); y: h (or c) over time in the same form, or of the last step (B, H) or (H,);
    h0, c0: (B, H), the model's own if None, or zeros. atol: tolerance of a match; 1e-5 of the largest |y| (at least 1)
    if None. clips: bounds to try in addition to `CLIPS`. Raises ShapeError if y fits no reading, OptionError for a
    model with several layers or directions or with an unsupported option, MissingError.
    """
    for name, values in (("atol", [] if atol is None else [atol]), ("clips", clips)):
        if any(not is_number(v) or v < 0 or (name == "clips" and v == 0) for v in values):
            raise OptionError(f"{name}: expected {'positive numbers' if values is clips else 'a number of at least 0'}")
    if found.layers != 1 or len(found.directions) != 1:
        there = f"{counted(found.layers, 'layer')}, {counted(len(found.directions), 'direction')}"
        raise OptionError(f"identify reads one layer and direction; this model has {there}: give the weights of one")
    plain = as_stored(found)
    blocks = blocks_of(found)
    read = blocks.peepholes if blocks.peephole is not None else ""
    plain = replace(plain, order=blocks.gates, joined=blocks.joined, peephole=read)
    fixed = {short: found.defaults.initial.get(STATE[short]) for short in ("h0", "c0")}  # (1, B, H)
    own = {short: None if values is None else np.asarray(values)[0] for short, values in fixed.items()}
    h0, c0 = (own[s] if given is None else numbers(given, s) for s, given in (("h0", h0), ("c0", c0)))
    x, y = numbers(x, "x", np.float64), numbers(y, "y", np.float64)
    rows = [np.size(s) // blocks.units for s in (h0, c0) if s is not None]
    if not (cases := [c for c in _cases(x, y, blocks.units) if all(n in (1, c.x.shape[1]) for n in rows)]):
        expected = f"h over time {(*x.shape[:-1], blocks.units)}, or of the last step (B, H) or (H,)"
        said = f"y has shape {y.shape}; with x of shape {x.shape} and H = {blocks.units} expected {expected}"
        raise ShapeError(f"{said}; initial states are (B, H)")
    limit = atol if atol is not None else 1e-5 * max(1.0, float(np.abs(y[np.isfinite(y)]).max(initial=0.0)))
    search = _Search(blocks, cases, h0, c0, limit, plain.forget_bias)
    for readings in _levels(blocks, plain, h0, c0, (*CLIPS, *clips), search):
        search.run(readings)
        if search.matches:
            break
    as_read = min((search.score(replace(plain, batch_first=c.batch_first), c) for c in cases), key=lambda m: m.error)
    every = search.matches.values()
    matches = sorted(every, key=lambda m: (len({*m.reading.differences(plain)} - {"batch_first"}), m.error))
    nearest = sorted(search.others.values(), key=lambda m: m.error)[:5]
    names = sorted({name for m in matches for name in m.reading.differences(matches[0].reading)})
    undecided = {name: tuple(dict.fromkeys(getattr(m.reading, name) for m in matches)) for name in names}
    return Identification(as_read, tuple(matches), tuple(nearest), undecided, limit, search.tried)


def _cases(x: Array, y: Array, size: int) -> Iterator[_Case]:
    """The ways in which y can be aligned with x."""
    sequences = [(False, x[:, None])] if x.ndim == 2 else [(False, x), (True, np.swapaxes(x, 0, 1))]
    shape = y.shape
    for batch_first, steps in sequences:
        count, rows = steps.shape[:2]
        if shape == (count, rows, size) and not batch_first:
            yield _Case(False, steps, y)
        if batch_first and shape == (rows, count, size):
            yield _Case(True, steps, np.swapaxes(y, 0, 1))
        if x.ndim == 2 and shape == (count, size):
            yield _Case(False, steps, y[:, None])
        if shape in ((rows, size), (1, rows, size)) or (rows == 1 and shape == (size,)):
            yield _Case(batch_first, steps, y.reshape(rows, size))


def _levels(
    blocks: Blocks, plain: Reading, h0: Array | None, c0: Array | None, clips: Sequence[float], search: _Search
) -> Iterator[list[Reading]]:
    """Readings from plain to unusual: the plain facts, then each unusual one, then two on the best plain ones."""
    core = plain_readings(blocks, plain, h0, c0)
    yield core
    unusual = list(unusual_facts(blocks, plain, clips))
    yield [replace(reading, **facts) for reading in core for facts in unusual]
    ranked = sorted((*search.matches.values(), *search.others.values()), key=lambda m: m.error)
    best = list(dict.fromkeys(replace(m.reading, order=blocks.gates, forget_bias=0.0) for m in ranked[:6]))
    pairs = [{**a, **b} for a, b in combinations(unusual, 2) if not set(a) & set(b)]
    yield [replace(reading, **facts) for reading in best for facts in pairs]


class _Search:
    """Runs readings against the outputs, and keeps those that explain them or come close."""

    def __init__(
        self, blocks: Blocks, cases: Sequence[_Case], h0: Array | None, c0: Array | None, limit: float, added: float
    ) -> None:
        self.blocks, self.cases, self.limit = blocks, cases, limit
        rows = (np.zeros(blocks.units) if state is None else np.asarray(state, np.float64) for state in (h0, c0))
        self.states = [state.reshape(-1, blocks.units) for state in rows]  # of h and c, (B, H) or (1, H)
        extra = dict.fromkeys((0.0, 1.0, added)) if "f" in blocks.gates else (0.0,)
        self.variants = list(product(map("".join, permutations(blocks.gates)), extra))
        self.matches: dict[Reading, Match] = {}
        self.others: dict[Reading, Match] = {}
        self.tried = 0

    def run(self, readings: Sequence[Reading]) -> None:
        """Try every reading with every order of the gates and forget bias 0, 1 and the model's, over all the cases."""
        rough: list[tuple[float, Reading, tuple[str, float], _Way, _Case]] = []
        for reading, case in product(readings, self.cases):
            here = replace(reading, batch_first=case.batch_first)
            self.tried += len(self.variants)
            for way, errors in self._errors(here, self.variants, case).items():
                near = np.argsort(errors)[: max(KEPT, int((errors <= 2 * self.limit).sum()))]
                rough += [(float(errors[k]), here, self.variants[k], way, case) for k in near]
        rough.sort(key=lambda item: item[0])
        hopeful = sum(error <= 2 * self.limit for error, *_ in rough)
        for _, reading, (order, forget_bias), (output, backwards), case in rough[: hopeful + KEPT]:
            full = replace(reading, order=order, forget_bias=forget_bias, output=output, backwards=backwards)
            match = self.score(full, case)
            # outputs of a single step fit twice: over time, and as those of the last step
            (self.matches if match.error <= self.limit else self.others)[full] = match

    def score(self, reading: Reading, case: _Case) -> Match:
        """The error of one reading over all steps and sequences."""
        way = reading.output, reading.backwards
        errors = self._errors(reading, [(reading.order, reading.forget_bias)], case, way)
        return Match(reading, float(errors[way][0]))

    def _errors(
        self, reading: Reading, variants: Sequence[tuple[str, float]], case: _Case, only: _Way | None = None
    ) -> dict[_Way, Array]:
        """The error of each variant in one way, over all steps and sequences; without a way, for h and c in either
        order,
        over the first computed step of one sequence."""
        first, last = only is None, case.y.ndim == 2
        rows = slice(0, 1 if first else None)  # one sequence is enough to rule variants out
        x, y = case.x[:, rows], case.y[..., rows, :]
        x = x[::-1] if reading.direction == "reverse" else x
        count = len(x) if last or not first else 1
        every = (np.broadcast_to(state, (case.x.shape[1], self.blocks.units))[rows] for state in self.states)
        h0, c0 = every if reading.states == "hc" else reversed([*every])
        turns = (False,) if last or reading.direction == "forward" else (False, True)
        ways = [only] if only else list(product(("h", "c"), turns))
        worst = {way: np.zeros(len(variants)) for way in ways}
        with np.errstate(all="ignore"):
            for s, (h, c) in enumerate(simulate(self.blocks, reading, variants, x[:count], h0, c0)):
                if last and s < count - 1:
                    continue
                for output, backwards in ways:
                    at = s if backwards or reading.direction == "forward" else len(x) - 1 - s
                    target = y if last else y[at]
                    gap = np.abs((h if output == "h" else c) - target).max(axis=(1, 2))
                    worst[output, backwards] = np.fmax(worst[output, backwards], np.nan_to_num(gap, nan=np.inf))
        return worst
