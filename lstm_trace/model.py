"""A prepared model: weights checked and copied once, the network laid out, ready to run over any input."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple, get_args

import numpy as np

from .address import Address, read
from .by_line import run_lines
from .cells import Merge, Padding, misfits, named, unread
from .errors import Faults, MissingError, OptionError, ShapeError, TooLargeError, gathered, nearest, raise_all
from .inputs import Fed, fed, numbers
from .lines import Cell
from .memory import available
from .ops import Array
from .parse import parse
from .shapes import infer
from .stack import GIVEN, VALID, Stage, X, find, restrict, stack
from .trace import STATE, Header, Trace

#: Options of the network, beside those of its cell.
NETWORK = ("merge", "padding", "direction")
_UNKNOWN = 1 << 40  # steps or rows, where x cannot be read: any address is in range


@dataclass(frozen=True)
class Defaults:
    """What a problem file fixes beside the weights; an argument of `run` takes its place.

    unread: weights, and `x`, that are in the file but could not be read; they are not missing.
    """

    x: Array | None = None
    initial: Mapping[str, Array] = field(default_factory=dict)
    given: Mapping[str, Array] = field(default_factory=dict)
    lengths: Array | None = None
    batch_first: bool = False
    ask: tuple[str, ...] = ()
    unread: frozenset[str] = frozenset()


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
        ask = self.defaults.ask if ask is None else (ask,) if isinstance(ask, str) else tuple(ask)
        fed = self._fed(x, {**(initial or {}), **_named_states(h0, c0)}, given or {}, lengths, batch_first)
        layout = self._layout(fed, ask)
        header = replace(
            self.header,
            ask=ask or (self._answer(layout.stages),),
            padding=self.padding if fed.lengths is not None else None,
            batched=fed.batched,
            batch_first=self.defaults.batch_first if batch_first is None else batch_first,
        )
        lengths = None if fed.lengths is None else np.minimum(fed.lengths, layout.steps)
        return self._compute(layout, header, fed.x, lengths, fed.initial, fed.given)

    def check(self) -> None:
        """Raise every fault that `run` would find without computing: for the whole list of a problem file's faults."""
        if "x" in self.defaults.unread:  # all sizes hang on those of x: only names can be checked
            self._plan(_Request(_UNKNOWN, _UNKNOWN, None, False, self.defaults.ask, (), ()))
        else:
            self._layout(self._fed(None, {}, {}, None, None), self.defaults.ask)

    def _fed(
        self,
        x: Any,
        states: Mapping[str, Any],
        supplied: Mapping[str, Any],
        lengths: Any,
        batch_first: bool | None,
    ) -> Fed:
        """The arrays of a run, the problem's own where the caller gives none."""
        base = self.defaults
        return fed(
            base.x if x is None else x,
            {**base.initial, **states},
            {**base.given, **supplied},
            base.lengths if lengths is None else lengths,
            base.batch_first if batch_first is None else batch_first,
            np.dtype(self.header.dtype),
            self._input_width,
            self.stages(),
            self._scopes(),
            self.cell.states,
        )

    def _layout(self, fed: Fed, ask: tuple[str, ...]) -> _Layout:
        """What to compute, from the cache where the same was asked before."""
        request = _Request(
            fed.steps,
            fed.batch,
            None if fed.x is None else fed.x.shape[2],
            fed.lengths is not None,
            ask,
            tuple((scope, name, a.shape[-1]) for scope, arrays in fed.given.items() for name, a in arrays.items()),
            tuple((name, a[0].shape[-1]) for name, a in fed.initial.items()),
        )
        if request not in self._layouts:
            self._layouts[request] = self._plan(request)
        return self._layouts[request]

    # -- laying out ----------------------------------------------------------------------------------------------

    @cached_property
    def _input_width(self) -> int | None:
        """I, where a matrix that multiplies x_t says so."""
        for line in self.cell.lines:
            if line.op == "matvec" and line.operands[1] == "x_t":
                first = next((w for w in self.weights.values() if line.operands[0] in w), {})
                shape: tuple[int, ...] = np.shape(first.get(str(line.operands[0]), 0.0))
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
        faults = Faults()
        wanted: list[tuple[str, str]] = []
        units: list[Address] = []
        if request.ask:
            with faults.gather():
                wanted, last, units = self._wanted(request, stages)
            if faults.problems and not wanted:
                faults.tell()
            stages = restrict(stages, wanted, carried=steps > 1)
            if not faults.problems and all(stage.direction == "forward" for stage in stages):
                steps = last + 1  # a step never depends on a later one
                stages = restrict(stages, wanted, carried=steps > 1)
        with faults.gather():
            self._require(stages, request)
        widths: dict[str, dict[str, int]] = {}
        with faults.gather():
            self._measure(stages, request, widths)
        faults.tell()
        for address in units:
            width = max(widths[s.scope].get(address.line, 0) for s in stages if address.line in widths[s.scope])
            if address.unit is not None and (len(address.unit) > 1 or address.unit[0] >= width):
                raise MissingError(f"there is no {address}; {address.line} has the units 0..{width - 1}")
        return _Layout(stages, steps, widths)

    def _measure(self, stages: Sequence[Stage], request: _Request, widths: dict[str, dict[str, int]]) -> None:
        """Put the width of every line into `widths`. Raises ShapeError."""
        bound = "" if request.steps == _UNKNOWN else f"T={request.steps} B={request.batch}"
        for stage in stages:
            here = self.weights.get(stage.scope, {})
            shapes = {name: np.shape(here[name]) for name in stage.parameters if name in here}
            known = self._known(stage, request, widths)
            names = [line.name for line in stage.lines]
            try:
                widths[stage.scope] = infer(stage.cell, names, shapes, known, bound).widths
            except ShapeError as error:  # the next stage's input width depends on this one
                many = "" if len(self.weights) == 1 else f"{stage.scope}: "
                raise ShapeError(*(f"{many}{problem}" for problem in error.problems)) from None

    def _wanted(self, request: _Request, stages: Sequence[Stage]) -> tuple[list[tuple[str, str]], int, list[Address]]:
        """(scope, line) of every asked line, the last asked step, and the addresses of single units."""
        problems: list[str] = []
        wanted: list[tuple[str, str]] = []
        units: list[Address] = []
        last = 0
        for text in request.ask:
            try:
                address = self._address(text, request, stages)
            except MissingError as error:
                problems += (f"ask: {problem}" for problem in error.problems)
                continue
            last = max(last, request.steps - 1 if address.t is None else address.t)
            units += [address] if address.unit is not None else []
            for scope in find(stages, address.line):
                layer, direction = scope.split("/")
                if address.layer in (None, int(layer)) and address.direction in (None, direction):
                    wanted.append((scope, address.line))
        raise_all(MissingError, problems)
        return wanted, last, units

    def _address(self, text: str, request: _Request, stages: Sequence[Stage]) -> Address:
        name = text.rsplit("/", 1)[-1].split("[")[0].strip()
        scopes = [scope.split("/") for scope in find(stages, name)]
        for stage in stages:
            if name in stage.cell.states:
                raise MissingError(
                    f"{name} is the state that is carried in, no line; ask for {stage.cell.states[name]}"
                )
            if stage.sources.get(name) in (X, VALID):
                raise MissingError(f"{name} is an input, no line")
        extents: dict[str, Sequence[int | str]] = {
            "layer": list(dict.fromkeys(int(layer) for layer, _ in scopes)),
            "direction": list(dict.fromkeys(d for _, d in scopes)),
            "t": range(request.steps),
            "b": range(request.batch),
        }
        return read(text, extents, every=True)

    def _require(self, stages: Sequence[Stage], request: _Request) -> None:
        """Raise MissingError with every weight and input that a computed line needs and nobody gives."""
        problems: list[str] = []
        for stage in stages:
            here = self.weights.get(stage.scope, {})
            place = "" if len(self.weights) == 1 else f"{stage.scope}/"
            for name in stage.parameters:
                if name not in here and f"{place}{name}" not in self.defaults.unread:
                    line = next(line.name for line in stage.cell.parameters[name] if line.name in _names(stage))
                    problems.append(
                        f"line `{line}` needs {place}{name}, which the weights do not have{self._instead(name, stage)}"
                    )
            for name in stage.inputs:
                if stage.sources[name] == X and request.width is None and "x" not in self.defaults.unread:
                    line = next((line.name for line in stage.lines if name in line.reads), name)
                    problems.append(f"line `{line}` needs the input {name}, which is not given: add x")
                elif stage.sources[name] == GIVEN and not any(g[:2] == (stage.scope, name) for g in request.given):
                    problems.append(f"the cell declares the input {name}, which is not given: add it under given")
        raise_all(MissingError, problems)

    def _instead(self, name: str, stage: Stage) -> str:
        """The nearest name that is there: of an own cell also a line, which its author may have meant."""
        here = [*self.weights.get(stage.scope, {})]
        if self.header.kind != "equations" and not self.extra:  # every name of a named cell is right
            close = nearest(name, here).removeprefix("; did you mean ").removesuffix("?")
            return f"; the nearest that is there is {close}" if close else ""
        known = (*here, *stage.cell.by_name, *stage.cell.states, *stage.cell.inputs)
        return nearest(name, [n for n in known if n.isidentifier()])

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
                width = next((w for scope, given, w in request.given if (scope, given) == (stage.scope, name)), None)
                if width is not None:
                    known[name] = width, "as given"
            elif "/" in source:
                scope, line = source.rsplit("/", 1)
                if scope in widths:
                    known[name] = widths[scope][line], f"from {source}"
        short = {state: s for s, state in STATE.items()}
        for name, width in request.initial:
            if name in stage.states:
                known[name] = width, f"from {short.get(name, name)}"
        return known

    # -- computing -----------------------------------------------------------------------------------------------

    def _compute(
        self,
        layout: _Layout,
        header: Header,
        x: Array | None,
        lengths: Array | None,
        starts: Mapping[str, list[Array]],
        given: Mapping[str, Mapping[str, Array]],
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
            x=None if x is None or not any(X in s.sources.values() for s in layout.stages) else x[:steps],
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
        parsed, kind = parse(equations), "equations"
        full: dict[str, Any] = {}
    else:
        kind = str(spec.pop("kind", "lstm"))
        parsed, full = named(kind, spec, names)
    kept = _dtype(dtype, arrays, defaults)
    model = Model(
        cell=parsed,
        weights=arrays,
        header=replace(
            header or Header(), kind=kind, options=full, dtype=kept.name, merge=network.get("merge", "concat")
        ),
        merge=network.get("merge", "concat"),
        padding=network.get("padding", "zero"),
        extra=extra,
        defaults=defaults or Defaults(),
    )
    faults = Faults()
    with faults.gather():
        _check_names(model, arrays)
    with faults.gather():
        many = len(arrays) > 1
        shapes = {f"{scope}/" if many else "": {n: a.shape for n, a in here.items()} for scope, here in arrays.items()}
        raise_all(ShapeError, (problem for scope, here in shapes.items() for problem in misfits(full, here, scope)))
    copies = _copied(arrays, model, kept)
    model = replace(model, weights=copies)
    with faults.gather():
        if not allow_nonfinite:
            _check_finite(copies)
    if faults.problems and defaults is not None:  # a file's faults are told all at once
        with faults.gather():
            model.check()
    faults.tell()
    return model


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


def _by_scope(weights: Mapping[str, Any], direction: str) -> dict[str, dict[str, Array]]:
    """Weights by scope; a bare name belongs to the one layer and direction."""
    found: dict[str, dict[str, Array]] = {}
    problems: list[str] = []
    for key, value in weights.items():
        *parts, name = key.split("/")
        if not parts:
            parts = ["0", direction]
        if len(parts) != 2 or not parts[0].isdecimal() or parts[1] not in ("forward", "reverse"):
            problems.append(f"the weight {key!r}: expected `W_xi`, or `layer/direction/W_xi` as in 1/reverse/W_xi")
            continue
        with gathered(problems):
            found.setdefault("/".join(parts), {})[name] = numbers(value, key)
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


def _dtype(dtype: Any, arrays: Mapping[str, Mapping[str, Array]], defaults: Defaults | None) -> np.dtype[Any]:
    """The dtype to compute in: float32 or float64; half types compute in float32, whole numbers in float64."""
    if dtype is None:
        kinds = [array.dtype for here in arrays.values() for array in here.values()]
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


def _check_names(model: Model, arrays: Mapping[str, Mapping[str, Array]]) -> None:
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


def _copied(arrays: Mapping[str, Mapping[str, Array]], model: Model, dtype: Any) -> dict[str, dict[str, Array]]:
    """Read-only copies of one dtype, scalars as (1, 1) or (1,); weights of a joined readout move to its stage."""
    found: dict[str, dict[str, Array]] = {}
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
            array.flags.writeable = False
            found.setdefault(stage.scope, {})[name] = array
        found.setdefault(stage.scope, {}) if stage.direction != "joined" else None
    return found


def _check_finite(weights: Mapping[str, Mapping[str, Array]]) -> None:
    """Raise ShapeError with the first NaN or infinity of each weight."""
    problems = []
    for scope, arrays in weights.items():
        place = f"{scope}/" if len(weights) > 1 else ""
        for name, array in arrays.items():
            bad = np.argwhere(~np.isfinite(array))
            if len(bad):
                at = ",".join(map(str, bad[0]))
                more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
                problems.append(
                    f"{place}{name}[{at}] is {array[tuple(bad[0])]}{more}; expected finite numbers "
                    "(--allow-nonfinite, in Python allow_nonfinite=True, lets them in)"
                )
    raise_all(ShapeError, problems)


def _names(stage: Stage) -> frozenset[str]:
    return frozenset(line.name for line in stage.lines)


def _named_states(h0: Any, c0: Any) -> dict[str, Any]:
    return {STATE[short]: value for short, value in (("h0", h0), ("c0", c0)) if value is not None}


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
