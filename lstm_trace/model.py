"""A prepared model: weights checked and copied once, the network laid out, ready to run over any input."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, get_args

import numpy as np

from .address import Address, read
from .cells import Merge, Padding, misfits, named, unread
from .errors import MissingError, OptionError, ShapeError, TooLargeError, nearest, raise_all
from .lines import Cell
from .memory import available
from .ops import Array
from .parse import parse
from .by_line import run_lines
from .shapes import infer
from .stack import GIVEN, VALID, Stage, X, find, restrict, stack
from .trace import STATE, Header, Trace

#: Options of the network, beside those of its cell.
NETWORK = ("merge", "padding", "direction")


@dataclass(frozen=True)
class Defaults:
    """What a problem file fixes beside the weights; an argument of `run` takes its place."""

    x: Array | None = None
    initial: Mapping[str, Array] = field(default_factory=dict)
    given: Mapping[str, Array] = field(default_factory=dict)
    lengths: Array | None = None
    batch_first: bool = False
    ask: tuple[str, ...] = ()


class _Request(NamedTuple):
    """All that the layout of a run depends on, without a value."""

    steps: int
    batch: int
    width: int | None
    lengths: bool
    ask: tuple[str, ...]
    given: tuple[tuple[str, str, int], ...]
    initial: tuple[tuple[str, int], ...]


class _Layout(NamedTuple):
    """Stages with only the lines to compute, the width of each, and the state widths, by scope."""

    stages: tuple[Stage, ...]
    steps: int
    widths: dict[str, dict[str, int]]


@dataclass(frozen=True)
class Model:
    """Weights with their cell, checked once; `run` traces an input. Made by `lstm_trace.prepare`.

    weights: arrays by scope and name, read-only copies of one dtype.
    """

    cell: Cell
    weights: Mapping[str, Mapping[str, Array]]
    header: Header
    merge: Merge = "concat"
    padding: Padding = "zero"
    extra: str = ""
    defaults: Defaults = Defaults()
    _layouts: dict[_Request, _Layout] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def layers(self) -> int:
        """Number of layers."""
        return 1 + max(int(scope.split("/")[0]) for scope in self.weights)

    @cached_property
    def directions(self) -> tuple[str, ...]:
        """The directions of each layer."""
        found = {scope.split("/")[1] for scope in self.weights}
        return tuple(d for d in ("forward", "reverse") if d in found)

    def stages(self, lengths: bool = False, given: Mapping[str, Iterable[str]] | None = None) -> tuple[Stage, ...]:
        """The network in computing order; with `lengths`, for rows of unequal length."""
        return stack(
            self.cell, self.layers, self.directions, self.merge, self.padding if lengths else None, self.extra, given
        )

    def run(
        self,
        x: Any = None,
        h0: Any = None,
        c0: Any = None,
        *,
        initial: Mapping[str, Any] | None = None,
        given: Mapping[str, Any] | None = None,
        lengths: Any = None,
        batch_first: bool | None = None,
        ask: Sequence[str] | str | None = None,
    ) -> Trace:
        """Trace every line over the input.

        x: (T, I), (T, B, I), (B, T, I) with `batch_first`, or (I,) for one step. h0, c0: (L·D, B, H), (L·D, H) for
        unbatched x, without the first axis where L·D = 1; zeros if None; `initial` has other carried states by name.
        given: lines supplied instead of computed, by name or `layer/direction/name`. lengths: (B,) whole numbers.
        ask: names or addresses of the lines that are wanted; all lines if empty.
        Values are dimensionless; time is counted in steps.
        Raises ShapeError, MissingError, OptionError, TooLargeError.
        """
        dtype = np.dtype(self.header.dtype)
        base = self.defaults
        major = base.batch_first if batch_first is None else batch_first
        values, batched = _sequence(base.x if x is None else x, major, dtype, self._input_width)
        ask = base.ask if ask is None else (ask,) if isinstance(ask, str) else tuple(ask)
        states = {**base.initial, **(initial or {}), **_named_states(h0, c0)}
        supplied = {**base.given, **(given or {})}
        steps, batch = values.shape[:2] if values is not None else _extent(supplied, states)
        lengths = _lengths(base.lengths if lengths is None else lengths, steps, batch)
        fed = self._given(supplied, steps, batch, batched and values is not None, major, dtype)
        scopes = [f"{layer}/{d}" for layer in range(self.layers) for d in self.directions]
        starts = _initial(states, scopes, batch, dtype, self.cell)
        request = _Request(
            steps,
            batch,
            None if values is None else values.shape[2],
            lengths is not None,
            ask,
            tuple((scope, name, a.shape[-1]) for scope, arrays in fed.items() for name, a in arrays.items()),
            tuple((name, a[0].shape[-1]) for name, a in starts.items()),
        )
        layout = self._layouts.get(request)
        if layout is None:
            layout = self._layouts[request] = self._plan(request)
        header = replace(
            self.header,
            ask=ask or (self._answer(layout.stages),),
            padding=self.padding if lengths is not None else None,
            batched=batched,
            batch_first=major,
        )
        return self._compute(layout, header, values, lengths, starts, fed)

    # -- laying out ----------------------------------------------------------------------------------------------

    @cached_property
    def _input_width(self) -> int | None:
        """I, where a matrix that multiplies x_t says so."""
        for line in self.cell.lines:
            if line.op == "matvec" and line.operands[1] == "x_t":
                first = next((w for w in self.weights.values() if line.operands[0] in w), {})
                shape = np.shape(first.get(str(line.operands[0]), 0.0))
                if len(shape) == 2:
                    return shape[1]
        return None

    def _answer(self, stages: Sequence[Stage]) -> str:
        """The default question: the output of the top layer."""
        last = stages[-1]
        return f"{last.scope}/{last.cell.output}" if last.direction == "joined" else last.cell.output

    def _plan(self, request: _Request) -> _Layout:
        """Stages, sizes and checks of one request. Raises MissingError and ShapeError with every fault."""
        supplied: dict[str, list[str]] = {}
        for scope, name, _ in request.given:
            supplied.setdefault(scope, []).append(name)
        stages = self.stages(request.lengths, supplied)
        steps = request.steps
        if request.ask:
            wanted, last = self._wanted(request, stages)
            stages = restrict(stages, wanted, carried=steps > 1)
            if all(stage.direction == "forward" for stage in stages):
                steps = last + 1  # a step never depends on a later one
                stages = restrict(stages, wanted, carried=steps > 1)
        self._require(stages, request)
        widths: dict[str, dict[str, int]] = {}
        problems: list[str] = []
        for stage in stages:
            known = self._known(stage, request, widths)
            here = self.weights.get(stage.scope, {})
            shapes = {name: np.shape(here[name]) for name in stage.parameters}
            bound = f"T={request.steps} B={request.batch}"
            try:
                names = [line.name for line in stage.lines]
                widths[stage.scope] = infer(stage.cell, names, shapes, known, bound).widths
            except ShapeError as error:
                many = "" if len(self.weights) == 1 else f"{stage.scope}: "
                problems += [f"{many}{problem}" for problem in error.problems]
                break  # the next stage's input width depends on this one
        raise_all(ShapeError, problems)
        return _Layout(stages, steps, widths)

    def _wanted(self, request: _Request, stages: Sequence[Stage]) -> tuple[list[tuple[str, str]], int]:
        """(scope, line) of every asked line, and the last asked step."""
        problems: list[str] = []
        wanted: list[tuple[str, str]] = []
        last = 0
        for text in request.ask:
            try:
                address = self._address(text, request, stages)
            except MissingError as error:
                problems += error.problems
                continue
            last = max(last, request.steps - 1 if address.t is None else address.t)
            for scope in find(stages, address.line):
                layer, direction = scope.split("/")
                if address.layer in (None, int(layer)) and address.direction in (None, direction):
                    wanted.append((scope, address.line))
        raise_all(MissingError, problems)
        return wanted, last

    def _address(self, text: str, request: _Request, stages: Sequence[Stage]) -> Address:
        name = text.rsplit("/", 1)[-1].split("[")[0].strip()
        scopes = [scope.split("/") for scope in find(stages, name)]
        extents: dict[str, list[int | str]] = {
            "layer": list(dict.fromkeys(int(layer) for layer, _ in scopes)),
            "direction": list(dict.fromkeys(d for _, d in scopes)),
            "t": list(range(request.steps)),
            "b": list(range(request.batch)),
        }
        return read(text, extents, every=True)

    def _require(self, stages: Sequence[Stage], request: _Request) -> None:
        """Raise MissingError with every weight and input that a computed line needs and nobody gives."""
        problems: list[str] = []
        for stage in stages:
            here = self.weights.get(stage.scope, {})
            place = "" if len(self.weights) == 1 else f"{stage.scope}/"
            for name in stage.parameters:
                if name not in here:
                    line = next(line.name for line in stage.cell.parameters[name] if line.name in _names(stage))
                    known = [n for n in (*here, *stage.cell.by_name, *stage.cell.states) if n.isidentifier()]
                    problems.append(
                        f"line `{line}` needs {place}{name}, which the weights do not have{nearest(name, known)}"
                    )
            for name in stage.inputs:
                if stage.sources[name] == X and request.width is None:
                    line = next(line.name for line in stage.lines if name in line.reads)
                    problems.append(f"line `{line}` needs the input {name}, which is not given: add x")
                elif stage.sources[name] == GIVEN and not any(g[:2] == (stage.scope, name) for g in request.given):
                    problems.append(f"the cell declares the input {name}, which is not given: add it under given")
        raise_all(MissingError, problems)

    def _known(self, stage: Stage, request: _Request, widths: dict[str, dict[str, int]]) -> dict[str, tuple[int, str]]:
        """Widths of the inputs and states of one stage that are known before its equations are looked at."""
        known: dict[str, tuple[int, str]] = {}
        for name in stage.inputs:
            source = stage.sources[name]
            if source == X and request.width is not None:
                known[name] = request.width, "from x"
            elif source == VALID:
                known[name] = 1, "from lengths"
            elif source == GIVEN:
                width = next(w for scope, given, w in request.given if (scope, given) == (stage.scope, name))
                known[name] = width, "as given"
            elif "/" in source:
                scope, line = source.rsplit("/", 1)
                known[name] = widths[scope][line], f"from {source}"
        short = {state: s for s, state in STATE.items()}
        for name, width in request.initial:
            if name in stage.states:
                known[name] = width, f"from {short.get(name, name)}"
        return known

    # -- inputs --------------------------------------------------------------------------------------------------

    def _given(
        self, supplied: Mapping[str, Any], steps: int, batch: int, batched: bool, major: bool, dtype: Any
    ) -> dict[str, dict[str, Array]]:
        """Supplied lines as (T, B, width) by scope."""
        if not supplied:
            return {}
        stages = self.stages()
        found: dict[str, dict[str, Array]] = {}
        for key, values in supplied.items():
            scope, _, name = key.rpartition("/")
            scopes = [scope] if scope else find(stages, name)
            if len(scopes) > 1:
                raise MissingError(f"given {name!r} is in {', '.join(scopes)}: write {scopes[0]}/{name}")
            array = np.asarray(values, dtype)
            if array.ndim < 2:  # one value for every step and row
                array = np.broadcast_to(np.atleast_1d(array), (steps, batch, max(array.size, 1)))
            elif array.ndim == 2:
                array = array[:, None] if not batched and array.shape[0] == steps else array[None]
            elif major:
                array = np.swapaxes(array, 0, 1)
            if array.shape[:2] != (steps, batch):
                raise ShapeError(f"given {key} has shape {np.shape(values)}; expected (T, B, width) = {(steps, batch)}…")
            found.setdefault(scopes[0], {})[name] = np.array(array)
        return found

    # -- computing -----------------------------------------------------------------------------------------------

    def _compute(
        self,
        layout: _Layout,
        header: Header,
        x: Array | None,
        lengths: Array | None,
        starts: Mapping[str, list[Array]],
        given: dict[str, dict[str, Array]],
    ) -> Trace:
        dtype = np.dtype(header.dtype)
        steps = layout.steps
        batch = x.shape[1] if x is not None else next((a.shape[1] for g in given.values() for a in g.values()), None)
        batch = batch or next((a[0].shape[0] for a in starts.values()), 1)
        total = sum(layout.widths[s.scope][line.name] for s in layout.stages for line in s.lines)
        _affordable(steps * batch * total * dtype.itemsize)
        order = {scope: k for k, scope in enumerate(self._scopes())}
        initial: dict[str, dict[str, Array]] = {}
        for stage in layout.stages:
            widths = layout.widths[stage.scope]
            for state in stage.states:
                rows = starts.get(state)
                value = np.zeros((batch, widths[state]), dtype) if rows is None else rows[order[stage.scope]]
                initial.setdefault(stage.scope, {})[state] = value
        trace = Trace(
            header=header,
            stages=layout.stages,
            steps=steps,
            batch=batch,
            x=None if x is None or not any(X in s.sources.values() for s in layout.stages) else x[:steps].copy(),
            lengths=lengths,
            parameters={s.scope: {n: self.weights[s.scope][n] for n in s.parameters} for s in layout.stages
                        if s.parameters},
            initial=initial,
            given={scope: {n: a[:steps] for n, a in arrays.items()} for scope, arrays in given.items()},
            lines={
                s.scope: {
                    line.name: np.empty((steps, batch, layout.widths[s.scope][line.name]), dtype) for line in s.lines
                }
                for s in layout.stages
            },
        )  # fmt: skip
        for stage in layout.stages:
            inputs = {name: trace.operand(stage.scope, name) for name in stage.inputs}
            parameters = trace.parameters.get(stage.scope, {})
            run_lines(stage, parameters, inputs, initial.get(stage.scope, {}), trace.lines[stage.scope])
        return trace

    def _scopes(self) -> list[str]:
        return [f"{layer}/{d}" for layer in range(self.layers) for d in self.directions]


def build(
    weights: Mapping[str, Any],
    cell: str | Mapping[str, Any] = "lstm",
    options: Mapping[str, Any] | None = None,
    dtype: Any = None,
    header: Header | None = None,
    extra: str = "",
    defaults: Defaults | None = None,
    allow_nonfinite: bool = False,
) -> Model:
    """Check the weights against the cell and copy them.

    weights: arrays by name (`W_xi`) or full address (`1/reverse/W_xi`). cell: a name, or a mapping with `kind` and
    options, or with `equations`. dtype: the result type of the weights if None (half types compute in float32).
    Raises OptionError, CellError, MissingError (a name that the cell does not have), ShapeError.
    """
    spec: dict[str, Any] = {"kind": cell} if isinstance(cell, str) else dict(cell)
    spec.update(options or {})
    network = {name: spec.pop(name) for name in NETWORK if spec.get(name) is not None}
    _check_network(network)
    arrays = _by_scope(weights, str(network.get("direction", "forward")))
    names = {name for here in arrays.values() for name in here}
    equations = spec.pop("equations", None)
    if equations is not None:
        spec.pop("kind", None)
        if spec:
            raise OptionError(f"a cell given by equations has no option {', '.join(spec)}; write it into the equations")
        parsed, kind, full = parse(equations), "equations", {}
    else:
        kind = str(spec.pop("kind", "lstm"))
        parsed, full = named(kind, spec, names)
    kept = _dtype(dtype, arrays, defaults)
    model = Model(
        cell=parsed,
        weights=arrays,
        header=replace(header or Header(), kind=kind, options=full, dtype=kept.name, merge=network.get("merge", "concat")),
        merge=network.get("merge", "concat"),
        padding=network.get("padding", "zero"),
        extra=extra,
        defaults=defaults or Defaults(),
    )
    _check_names(model, arrays)
    many = len(arrays) > 1
    raise_all(
        ShapeError,
        (
            problem
            for scope, here in arrays.items()
            for problem in misfits(full, {n: np.shape(a) for n, a in here.items()}, f"{scope}/" if many else "")
        ),
    )
    return replace(model, weights=_copied(arrays, model, kept, allow_nonfinite))


def _check_network(network: Mapping[str, Any]) -> None:
    allowed = {"merge": get_args(Merge), "padding": get_args(Padding), "direction": ("forward", "reverse")}
    raise_all(
        OptionError,
        (
            f"option {name} must be one of {', '.join(allowed[name])}; found {value!r}"
            for name, value in network.items()
            if value not in allowed[name]
        ),
    )


def _by_scope(weights: Mapping[str, Any], direction: str) -> dict[str, dict[str, Any]]:
    """Weights by scope; a bare name belongs to the one layer and direction."""
    found: dict[str, dict[str, Any]] = {}
    problems = []
    for key, value in weights.items():
        *parts, name = key.split("/")
        if not parts:
            parts = ["0", direction]
        if len(parts) != 2 or not parts[0].isdecimal() or parts[1] not in ("forward", "reverse"):
            problems.append(f"the weight {key!r}: expected `W_xi`, or `layer/direction/W_xi` as in 1/reverse/W_xi")
            continue
        found.setdefault("/".join(parts), {})[name] = value
    if any("/" in key for key in weights) and any("/" not in key for key in weights):
        problems.append("some weights have an address (0/forward/…) and some have not; give all of them one")
    raise_all(MissingError, problems)
    if not found:
        return {f"0/{direction}": {}}
    layers = {int(scope.split("/")[0]) for scope in found}
    directions = {scope.split("/")[1] for scope in found}
    missing = [f"{n}/{d}" for n in range(max(layers) + 1) for d in sorted(directions) if f"{n}/{d}" not in found]
    if missing:
        raise MissingError(f"no weights for {', '.join(missing)}, but for {', '.join(sorted(found))}")
    return {scope: found[scope] for scope in sorted(found, key=lambda s: (int(s.split("/")[0]), s))}


def _dtype(dtype: Any, arrays: Mapping[str, Mapping[str, Any]], defaults: Defaults | None) -> np.dtype[Any]:
    """The dtype to compute in: float32 or float64; half types compute in float32, whole numbers in float64."""
    if dtype is None:
        kinds = [np.asarray(a).dtype for here in arrays.values() for a in here.values()]
        kinds += [defaults.x.dtype] if defaults is not None and defaults.x is not None else []
        dtype = np.result_type(*kinds) if kinds else np.float64
    kept = np.dtype(dtype)
    if kept.kind == "f":
        return np.dtype(np.float64 if kept.itemsize >= 8 else np.float32)
    if kept.name == "bfloat16":
        return np.dtype(np.float32)
    if kept.kind in "iub":
        return np.dtype(np.float64)
    raise OptionError(f"dtype {kept.name} is not supported; use float32 or float64")


def _check_names(model: Model, arrays: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise MissingError for weights that no equation reads."""
    known: dict[str, set[str]] = {}
    for stage in model.stages():
        known[stage.scope] = set(stage.cell.parameters)
        if stage.direction == "joined":  # a readout above both directions: its weights stand with the layer's first
            known[f"{stage.layer}/{model.directions[0]}"] |= set(stage.cell.parameters)
    problems = []
    for scope, here in arrays.items():
        for name in here:
            if name not in known[scope]:
                hint = unread(name, model.header.kind, model.header.options, known[scope])
                problems.append(f"no equation of the cell reads the weight {name!r}{hint}")
    raise_all(MissingError, problems)


def _copied(
    arrays: Mapping[str, Mapping[str, Any]], model: Model, dtype: Any, allow_nonfinite: bool
) -> dict[str, dict[str, Array]]:
    """Read-only copies of one dtype, scalars as (1, 1) or (1,); weights of a joined readout move to its stage."""
    found: dict[str, dict[str, Array]] = {}
    problems = []
    for stage in model.stages():
        matrices = {str(line.operands[0]) for line in stage.cell.lines if line.op == "matvec"}
        home = stage.scope if stage.direction != "joined" else f"{stage.layer}/{model.directions[0]}"
        for name in stage.cell.parameters:
            value = arrays.get(home, {}).get(name)
            if value is None:
                continue
            array = np.array(value, dtype=dtype)
            if array.ndim == 0:
                array = array.reshape((1, 1) if name in matrices else (1,))
            if not allow_nonfinite and not np.isfinite(array).all():
                at = ",".join(map(str, np.argwhere(~np.isfinite(array))[0]))
                problems.append(f"{name}[{at}] is {array[~np.isfinite(array)][0]}; allow it with --allow-nonfinite")
            array.flags.writeable = False
            found.setdefault(stage.scope, {})[name] = array
        found.setdefault(stage.scope, {}) if stage.direction != "joined" else None
    raise_all(ShapeError, problems)
    return found


def _names(stage: Stage) -> frozenset[str]:
    return frozenset(line.name for line in stage.lines)


def _named_states(h0: Any, c0: Any) -> dict[str, Any]:
    return {STATE[short]: value for short, value in (("h0", h0), ("c0", c0)) if value is not None}


def _sequence(x: Any, batch_first: bool, dtype: Any, width: int | None) -> tuple[Array | None, bool]:
    """x as (T, B, I), and whether it came with a batch axis. Raises ShapeError."""
    if x is None:
        return None, False
    array = np.asarray(x)
    if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
        raise ShapeError(f"x has the dtype {array.dtype}; expected numbers")
    array = array.astype(dtype, copy=False)
    if array.ndim == 0:
        array = array.reshape(1)
    if array.ndim == 1:
        if width == 1 and array.size > 1:
            offer = ", ".join(f"[{v:g}]" for v in array[:3]) + (", …" if array.size > 3 else "")
            raise ShapeError(
                f"x has {array.size} numbers in one list, which is one step of {array.size} inputs, but the weights "
                f"take I = 1 input; for {array.size} steps write [{offer}]"
            )
        array = array[None]
    if array.ndim > 3:
        raise ShapeError(f"x has shape {array.shape}; expected (T, I) or (T, B, I)")
    batched = array.ndim == 3
    if not batched:
        array = array[:, None]
    elif batch_first:
        array = np.swapaxes(array, 0, 1)
    for size, what in zip(array.shape, ("no steps", "no rows", "no inputs"), strict=True):
        if size == 0:
            raise ShapeError(f"x has shape {np.shape(x)}: {what}; at least one is needed")
    return array, batched


def _extent(supplied: Mapping[str, Any], states: Mapping[str, Any]) -> tuple[int, int]:
    """T and B where there is no x: from a supplied line of (T, B, width) or (T, width), else one step."""
    for value in supplied.values():
        shape = np.shape(value)
        if len(shape) >= 2:
            return (shape[0], shape[1]) if len(shape) == 3 else (shape[0], 1)
    for value in states.values():
        if isinstance(value, np.ndarray) and value.ndim == 3:
            return 1, value.shape[1]
    return 1, 1


def _lengths(lengths: Any, steps: int, batch: int) -> Array | None:
    if lengths is None:
        return None
    array = np.atleast_1d(np.asarray(lengths))
    if array.dtype.kind not in "iu" and not (array.dtype.kind == "f" and (array == np.floor(array)).all()):
        raise ShapeError(f"lengths must be whole numbers; found {array.tolist()}")
    if array.shape != (batch,):
        raise ShapeError(f"lengths has shape {array.shape}; expected one for each of the B = {batch} rows")
    if array.min() < 0 or array.max() > steps:
        wrong = int(array[(array < 0) | (array > steps)][0])
        raise ShapeError(f"lengths has {wrong}; expected 0 to T = {steps}")
    return array.astype(np.int64)


def _initial(
    states: Mapping[str, Any], scopes: Sequence[str], batch: int, dtype: Any, cell: Cell
) -> dict[str, list[Array]]:
    """For each state that was given its (B, width) for every scope in order."""
    found: dict[str, list[Array]] = {}
    problems = []
    short = {state: s for s, state in STATE.items()}
    for state, value in states.items():
        name = short.get(state, state)
        if state not in cell.states:
            known = [short.get(s, s) for s in cell.states]
            problems.append(f"the cell carries no state {name}{nearest(name, known)}; it carries {', '.join(known)}")
            continue
        array = np.asarray(value, dtype)
        count = len(scopes)
        shape = array.shape
        if array.ndim <= 1 and count == 1 and batch == 1:
            array = array.reshape(1, 1, -1)
        elif array.ndim == 2 and count == 1 and array.shape[0] == batch:
            array = array[None]
        elif array.ndim == 2 and batch == 1 and array.shape[0] == count:
            array = array[:, None]
        if array.ndim != 3 or array.shape[:2] != (count, batch):
            problems.append(f"{name} has shape {shape}; expected (L·D, B, width) = ({count}, {batch}, …)")
            continue
        found[state] = [np.array(row) for row in array]
    raise_all(ShapeError, problems)
    return found


def _affordable(size: int) -> None:
    """Raise TooLargeError where a trace of `size` bytes would not fit into the memory that is free."""
    free = available()
    if free is not None and size > free:
        raise TooLargeError(
            f"the trace would need {_amount(size)} and {_amount(free)} of memory are free; "
            "ask for fewer lines, or trace fewer steps or rows"
        )


def _amount(size: float) -> str:
    unit = min(int(math.log(max(size, 1), 1024)), 4)
    return f"{size / 1024**unit:.1f} {('bytes', 'KiB', 'MiB', 'GiB', 'TiB')[unit]}"
