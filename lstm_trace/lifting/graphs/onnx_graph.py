"""ONNX graphs without a node of a known cell: the recurrences that they compute, written out in other operators.

The graph is run once on a tape, over a sequence of random numbers; a graph of a single step is run several times, each
on the states of the one before. What is read of the tape is compared with its numbers.
"""

from __future__ import annotations

import re
from collections import ChainMap, Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np

from ...errors import FileError, LiftError, LstmTraceError, some
from ...weights.layouts import NOUNS, OWN
from ...weights.names import distinct
from ...weights.onnx.constants import Tensors, data_type, inner_graphs
from ...weights.onnx.graph import sizes
from ...weights.read import Defaults, Found
from ..arrays import Recorded
from ..call import means
from ..recurrence import RecordedLayer, RecordedRecurrence, stored_in
from ..tape import INITIAL, Ids
from .onnx_run import GraphRun, Indices, OutOfRangeError, Value, flat

#: The calls of a graph of one step, and the steps of a sequence whose length the file leaves open.
STEPS = 5
#: The sequences of a batch whose size the file leaves open: of a single one, a graph for two would make two.
BATCH = 2
#: More steps, if the graph reads so many.
_LONGER = (50, 500)
#: So many ways to call a graph are tried.
MOST_CALLS = 8


class GraphInput(NamedTuple):
    """An input of a graph. dims: sizes, names of sizes, or None. whole: whether it holds indices."""

    name: str
    dims: tuple[int | str | None, ...]
    whole: bool

    def shape(self, sizes: Mapping[Any, int] | None = None) -> tuple[int, ...]:
        """Its sizes; those that the file leaves open by their names, or that of the batch."""
        return tuple(one if isinstance(one, int) else (sizes or {}).get(one, BATCH) for one in self.dims)

    def of_times(self, run: GraphRun, times: Any) -> Value:
        """Its values in a run, as x. times: of each of its numbers or indices, the time of its step."""
        return times.view(Indices) if self.whole else run.given("x", times.shape, times, self.name)


class GraphCall(NamedTuple):
    """A way to call a graph. axis: of x that is time; None for a graph of one step. states: the other inputs."""

    x: GraphInput
    axis: int | None
    states: tuple[GraphInput, ...]


def read(model: Any, tensors: Tensors) -> list[Found]:
    """The cells that the graph of a model computes. Raises LiftError, FileError."""
    return cells(GraphReader(model.graph, tensors))


def cells(reader: GraphReader) -> list[Found]:
    """The cells that a graph computes. Raises LiftError, FileError."""
    refused: list[LstmTraceError] = []
    for call in reader.calls():
        try:
            with np.errstate(all="ignore"):
                return reader.read(call)
        except FileError:
            raise  # the file itself is at fault
        except LstmTraceError as error:
            refused.append(error)
        except RecursionError:
            refused.append(LiftError("its equations are nested too deeply"))
    if not refused:
        listed = some([f"{one.name}{sizes(one.dims)}" for one in reader.inputs], 6) or "none"
        raise LiftError(f"its inputs are {listed}: none is a sequence of vectors or indices, or a vector beside states")
    raise refused[0]


class GraphReader:
    """The graph of a model, and what it is given. kind: what it is called."""

    kind = "ONNX graph"

    def __init__(self, graph: Any, tensors: Tensors) -> None:
        self.graph, self.tensors = graph, tensors
        self.names: Sequence[str] = [value.name for value in graph.output]
        stored = {tensor.name for tensor in graph.initializer}
        self.inputs = [_input(one) for one in graph.input if one.name not in stored]
        self.operators = _operators(graph)

    def calls(self) -> list[GraphCall]:
        """The ways in which the graph may be meant to be called, the likeliest first."""
        found: list[GraphCall] = []
        for x in sorted(self.inputs, key=lambda one: any(means(one.name, state) for state in "hc")):
            others = tuple(one for one in self.inputs if one is not x and not one.whole)
            vectors = len(x.dims) + x.whole  # axes with that of the numbers of a vector
            whole = [GraphCall(x, axis, others) for axis in ((0,), (1, 0))[vectors > 2] if vectors in (2, 3)]
            single = [GraphCall(x, None, others)] if others and vectors in (1, 2, 3) else []
            found += whole + single if vectors == 3 else single + whole
        return found[:MOST_CALLS]

    # -- runs --

    def _run(self) -> GraphRun:
        return GraphRun(self.tensors, sum(self.operators.values()))

    def _values(self, run: GraphRun, call: GraphCall, steps: int, back: bool) -> tuple[int, dict[str, Value]]:
        """The inputs of a run over a sequence, and its steps. back: the last position of x has the time of step 0."""
        x, axis = call.x, call.axis or 0
        shape, size = [*x.shape()], x.dims[axis]
        shape[axis] = total = size if isinstance(size, int) else steps
        along = np.arange(total)[:: -1 if back else 1].reshape([-1 if n == axis else 1 for n in range(len(shape))])
        given = {x.name: x.of_times(run, np.broadcast_to(along, shape))}
        for one in call.states:
            given[one.name] = run.given("state", one.shape({size: total} if size else {}), INITIAL, one.name)
        return total, given

    def read(self, call: GraphCall) -> list[Found]:
        """The cells, if the graph is meant to be called in this way."""
        if call.axis is None:
            run, outputs = self._steps(call)
            return self._found(call, [(layer, "forward") for layer in self._recurrence(run, STEPS, outputs).layers()])
        *fewer, most = (STEPS,) if isinstance(call.x.dims[call.axis], int) else (STEPS, *_LONGER)
        for steps in fewer:
            with suppress(OutOfRangeError):
                return self._sequence(call, steps)
        return self._sequence(call, most)

    def _sequence(self, call: GraphCall, steps: int) -> list[Found]:
        """The cells of a graph over a sequence, in both directions."""
        layers: list[tuple[RecordedLayer, str]] = []
        refused: list[LiftError] = []
        for direction in ("forward", "reverse"):
            run = self._run()
            total, given = self._values(run, call, steps, direction == "reverse")
            outputs = run.graph(self.graph, ChainMap(), given)
            try:
                layers += [(layer, direction) for layer in self._recurrence(run, total, outputs).layers()]
            except LiftError as error:
                refused.append(error)
        if not layers:
            raise refused[0]
        return self._found(call, layers)

    def _recurrence(self, run: GraphRun, total: int, outputs: Sequence[Value]) -> RecordedRecurrence:
        """What a run recorded, of the first sequence of the batch."""
        tape = run.tape
        rows: list[list[Ids]] = [[] for _ in range(total)]
        others: list[Ids] = []
        batch = 1
        for node in (one for one in tape.nodes if one.op == "x"):
            ids = np.arange(node.numbers.start, node.numbers.stop)
            for t in {*tape.times[ids].tolist()}:
                here = ids[tape.times[ids] == t].reshape(-1, node.shape[-1])
                rows[t].append(here[0])
                others.append(here[1:].reshape(-1))
                batch = len(here)
        if not all(rows):
            raise LiftError("it does not read every step of its input")
        for node in (one for one in tape.nodes if one.op == "state"):
            if len(node.shape) > 1 and node.shape[-2] == batch > 1:
                ids = np.arange(node.numbers.start, node.numbers.stop).reshape(node.shape)
                others.append(ids[..., 1:, :].reshape(-1))
        numbers = [one.ids.reshape(-1) for one in flat(outputs) if isinstance(one, Recorded)]
        ends = np.concatenate([np.zeros(0, np.int64), *numbers])
        x = [np.concatenate(one) for one in rows[: 1 + max(0, tape.times[ends].max(initial=0))]]
        return RecordedRecurrence(tape, x, ends, "the graph", np.concatenate(others), batch)

    def _steps(self, call: GraphCall) -> tuple[GraphRun, list[Value]]:
        """A run of a graph of one step on several steps, each on the states of the one before."""
        run, pairs, outputs = self._run(), dict[str, int](), list[Value]()
        states = {one.name: run.given("state", one.shape(), INITIAL, one.name) for one in call.states}
        for t in range(STEPS):
            x = call.x.of_times(run, np.full(call.x.shape(), t))
            outputs = run.graph(self.graph, ChainMap(), {call.x.name: x, **states})
            pairs = pairs or self._pairs(run, states, outputs)
            states = {name: outputs[pairs[name]] for name in states}
        return run, outputs

    def _pairs(self, run: GraphRun, states: Mapping[str, Recorded], outputs: Sequence[Value]) -> dict[str, int]:
        """The output that is the new value of each state: by shape, names, what is computed from what, or order."""
        names = self.names
        fitting = {
            name: [k for k, one in enumerate(outputs) if isinstance(one, Recorded) and one.shape == state.shape]
            for name, state in states.items()
        }
        for name, places in fitting.items():
            if not places:
                said = f"no output has the shape of the input {name}, {states[name].shape}, which a step would return"
                raise LiftError(said)
            called = next((state for state in "hc" if means(name, state)), name)
            alike = [k for k in places if means(names[k], called)]
            fitting[name] = alike if len(alike) == 1 else places
        every = sorted({k for places in fitting.values() for k in places})
        if all(len(places) == 1 for places in fitting.values()):
            found = {name: places[0] for name, places in fitting.items()}
        else:
            found = self._in_order(run, states, outputs, every)
        if len({*found.values()}) != len(states) or len(every) > len(found):
            raise LiftError(
                f"which of the outputs {some([names[k] for k in every], 6)} are the new values of the inputs "
                f"{', '.join(states)} cannot be told: export the model with the outputs named h and c"
            )
        return found

    def _in_order(
        self, run: GraphRun, states: Mapping[str, Recorded], outputs: Sequence[Value], every: list[int]
    ) -> dict[str, int]:  # fmt: skip
        """States and outputs in order; of two, h stands first: weights multiply it, and it is computed from c."""
        if len(names := [*states]) == len(every) == 2:
            inside = [one for node in run.tape.nodes if node.op == "dot" for one in node.operands]
            read = [any(np.isin(one, state.ids).any() for one in inside) for state in states.values()]
            first, second = (outputs[k].ids.reshape(-1) for k in every)
            names = names[:: -1 if read == [False, True] else 1]
            every = every[:: -1 if run.tape.behind([second])[first].all() else 1]
        return dict(zip(names, every, strict=False))

    # -- what was found --

    def _found(self, call: GraphCall, layers: Sequence[tuple[RecordedLayer, str]]) -> list[Found]:
        chains = _joined(layers)
        names = distinct(["+".join(dict.fromkeys(filter(None, map(_name, chain.values())))) for chain in chains])
        read = {name for layer, _ in layers for name in stored_in(layer.of.tape, layer.cell.parts.values())}
        of = layers[0][0].of
        others = [name for name in stored_in(of.tape, [of.outputs]) if name not in read]
        said = [f"what the graph computes with {some(others, 6)} is left out"] if others else []
        return [self._one(call, *one, said) for one in zip(chains, names, strict=True)]

    def _one(self, call: GraphCall, chain: Chain, name: str, left: list[str]) -> Found:
        """One cell with as many layers and directions as the chain has. left: what is said of the rest of the graph."""
        first, *others = chain.values()
        kind, options = _cell(first)
        weights = {f"{at}/{key}": array for at, layer in chain.items() for key, array in layer.cell.weights.items()}
        written = ", ".join(f"{count} {op}" for op, count in self.operators.most_common() if op != "Constant")
        said = [*left, f"the equations are read from the graph, in which they are written out ({written})"]
        if others and "0/reverse" in chain:
            options["merge"] = "concat"
        elif others:
            noun = NOUNS.get(kind, OWN)
            said.append(f"{len(chain)} {noun}s, each of which reads the one before, are the layers of one stack")
        x = f"input {call.x.name}{sizes(call.x.dims)}"
        own = first.x[0] is first.of.x[1]
        facts = {"input": f"the model's {x}" if own else f"what the model computes from its {x}"}
        top = {id(layer.of): layer for layer in chain.values()}  # of each direction
        if not all(layer.of.returns(layer) for layer in top.values()):
            facts["returns"] = "what the model computes from the states; it is left out, and the trace has the states"
        initial, more = _starts(chain)
        defaults = Defaults(initial=initial, batch_first=call.axis == 1)
        return Found(name, self.kind, weights, options, defaults, tuple(said), facts=facts | more, cell=kind)


Chain = dict[str, RecordedLayer]


def _cell(layer: RecordedLayer) -> tuple[str, dict[str, Any]]:
    """What a layer is among our cells, and its options."""
    cell = layer.cell
    if cell.model.header.kind == "equations":
        return "equations", {"equations": cell.model.cell.text}
    return cell.naming.kind, dict(cell.naming.options)


def _joined(layers: Sequence[tuple[RecordedLayer, str]]) -> list[Chain]:
    """The layers by scope, with those of a stack joined, and those of two directions."""
    chains: list[Chain] = []
    for layer, direction in layers:
        under = [*chains[-1].values()][-1] if chains else None
        if (
            under is not None and under.of is layer.of and _alike(under, layer)
            and all(np.array_equal(*one) for one in zip(layer.x, under.states["h"][1:], strict=True))
        ):  # fmt: skip
            chains[-1][f"{len(chains[-1])}/{direction}"] = layer
        else:
            chains.append({f"0/{direction}": layer})
    if [[*one] for one in chains] == [["0/forward"], ["0/reverse"]]:
        ahead, back = (next(iter(one.values())) for one in chains)
        if _alike(ahead, back) and ahead.of.merges(ahead, back):
            return [chains[0] | chains[1]]
    return chains


def _alike(one: RecordedLayer, other: RecordedLayer) -> bool:
    """Whether two layers are the same named cell with the same options."""
    return _cell(one) == _cell(other) and _cell(one)[0] in NOUNS


def _starts(chain: Chain) -> tuple[dict[str, Any], dict[str, str]]:
    """Initial states in the file, (L·D, B, H), and where they come from, in words."""
    found: dict[str, Any] = {}
    facts: dict[str, str] = {}
    for state in next(iter(chain.values())).states:
        known = [(layer.of, ids) for layer in chain.values() if (ids := layer.initial.get(state)) is not None]
        if given := dict.fromkeys(of.tape.label(ids) for of, ids in known if (of.tape.times[ids] == INITIAL).all()):
            facts[f"{state}0"] = f"the model's input {', '.join(given)}; zeros if it is not given"
        elif any(of.tape.values[ids].any() for of, ids in known):
            rows = [layer.of.rows(layer.initial.get(state), len(layer.states[state][0])) for layer in chain.values()]
            found[f"{state}_prev"] = np.stack(rows) if len({one.shape for one in rows}) == 1 else rows
            facts[f"{state}0"] = "fixed by the file"
    return found, facts


def _input(value: Any) -> GraphInput:
    noted = value.type.tensor_type
    dtype = data_type(noted.elem_type)
    dims = tuple(d.dim_value or d.dim_param or None for d in noted.shape.dim)
    return GraphInput(value.name, dims, dtype is not None and dtype.kind in "iu")


def _operators(graph: Any) -> Counter[str]:
    """How often each operator occurs, in the bodies too."""
    found: Counter[str] = Counter()
    todo = [graph]
    while todo:
        for node in todo.pop().node:
            found[node.op_type] += 1
            todo += [inner for _, inner in inner_graphs(node)]
    return found


def _name(layer: RecordedLayer) -> str:
    """The module that has the weights of a layer, as far as their names say it."""
    modules = [re.split(r"[./]", layer.of.tape.label(ids))[:-1] for ids in layer.cell.parts.values()]
    alike = takewhile(lambda names: len({*names}) == 1, zip(*modules, strict=False))
    return ".".join(names[0] for names in alike)
