"""Trace every LSTM, GRU and RNN inside a live model during its forward pass, and compare with the values it returned.

`compared` decides whether the two differ by more than rounding explains, measured as described in ARCHITECTURE.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial, reduce
from typing import Any, NamedTuple, SupportsIndex, cast

import numpy as np

from ..base.arrays import describe
from ..cell.network import Direction
from ..engine.plan_choice import Choice
from ..engine.run import Progress
from ..errors import MissingError, OptionError, nearest
from ..languages.strings import words
from ..trace.argument_types import checked
from ..trace.trace import Trace
from ..weights.layouts import ANY
from ..weights.live_modules import framework, hint, recurrent_layers, recurrent_modules
from .build import prepare_found
from .calls import ModuleCall, Watch, block, watch_keras, watch_torch
from .tokens import token_table, with_tokens

Arrays = Mapping[str, Any]
FACTOR = 8  # allowed error of one correct computation, relative to that of another
AMPLIFIED = 64  # the same if errors grow from step to step, or if the scale was measured in another dtype
GROWN = 128  # in ulp of 1: larger errors are amplified ones
LIMIT = 1e-3  # if float32 errors exceed this, rounding can no longer be distinguished from a fault
WINDOW = 16  # steps on each side over which the scale of rounding is taken, because it is near zero at some
COARSE = 0.25  # relative to the size of the values: a larger bound cannot detect a fault
HALF = 2.0**-10  # ulp of 1 in float16
SINGLE = float(np.finfo(np.float32).eps)


class Agreement(NamedTuple):
    """Whether the values agree (None if inconclusive), and a sentence that says so."""

    agrees: bool | None
    sentence: str


def compared(
    ours: Arrays, single: Arrays, double: Arrays, theirs: Arrays, what: str, ulp: float,
    stepwise: Collection[str] = (), rounded: Collection[Arrays] = (),
) -> Agreement:  # fmt: skip
    """Compare arrays by name, ours with a framework's.

    ours: our result in the dtype of the trace; single and double: the same run in float32 and in float64. ulp: of 1, in
    the framework's dtype. stepwise: names of arrays (T, …). Over a sequence no bound is known in advance, because
    errors grow with the weights. So the scale of the rounding errors is measured at each step, as the difference
    between float32 and float64, and converted to that ulp. The framework may deviate from the float64 run by 8 times
    that, plus 8 ulp of 1, or of the largest value if that is larger (64 times if errors are amplified, or if the
    framework's dtype is not float32); if both are float32, ours may deviate by the same multiple of the framework's
    deviation. A wrong interpretation of the weights deviates by far more, from the first steps on. If rounding errors
    exceed 1e-3 in float32, or float16 has overflowed, the comparison is inconclusive.

    rounded: float64 runs with numbers perturbed by a rounding in the framework's dtype: another measure of that scale.
    The larger one counts; for half types only this one, and the comparison is inconclusive if it allows differences
    above 1/4.
    """
    if ulp == HALF and not all(np.isfinite(values).all() for values in theirs.values()):
        return Agreement(None, f"agreement with {what} is inconclusive: float16 has overflowed")
    found: dict[str, Deviation] = {}
    for name, values in theirs.items():
        runs, timed = [run[name] for run in rounded], name in stepwise
        found[name] = measured(ours[name], single[name], double[name], values, runs, ulp, timed)
        if wrong := _fault(name, found[name], ulp, timed):
            return Agreement(False, f"does NOT agree with {what}: {wrong}")
    allowed = max((m.bound[m.clear].max(initial=0.0) for m in found.values()), default=0.0)
    if not allowed:
        said = f"rounding alone makes a difference above {'1/4' if ulp > SINGLE else '1e-3'}"
        return Agreement(None, f"agreement with {what} is inconclusive: {said}")
    *others, last = theirs
    names = f"{', '.join(others)} and {last} differ" if others else f"{last} differs"
    most = max(m.apart[m.clear].max(initial=0.0) for m in found.values())
    said = f"agrees with {what}: {names} by at most {most:.1e}, rounding explains {allowed:.1e}"
    clear = np.concatenate([[], *(m.clear for name, m in found.items() if name in stepwise)])
    if not clear.all():
        said += f"; at {int((clear == 0).sum())} of {clear.size} steps rounding errors are too large to decide"
    return Agreement(True, said)


class Deviation(NamedTuple):
    """How far the arrays of one name differ, and what rounding explains, at each step (T,), or (1,)."""

    off: Any  # the framework's deviation from the float64 run
    bound: Any  # the allowed deviation
    own: Any  # our deviation from the float64 run
    own_bound: Any
    apart: Any  # our deviation from the framework
    clear: Any  # whether the bound distinguishes rounding from a fault


@np.errstate(over="ignore", invalid="ignore")
def measured(
    ours: Any, single: Any, double: Any, theirs: Any, rounded: Sequence[Any], ulp: float, timed: bool
) -> Deviation:
    """See `compared`."""
    scale = _scale(single, double, timed)
    seen = np.max([_scale(run, double, timed) for run in rounded], axis=0) if rounded else 0 * scale
    finite = np.where(np.isfinite(double), double, 0.0)
    size = np.maximum(1.0, _scale(finite, np.zeros_like(finite), timed))
    floor = FACTOR * ulp * size
    factor = np.where((scale <= GROWN * SINGLE) & (ulp == SINGLE), FACTOR, AMPLIFIED)
    of_single = 0.0 if ulp > SINGLE and rounded else factor * scale * ulp / SINGLE
    bound = np.maximum(of_single, FACTOR * seen) + floor
    off = _peaks(theirs, double, timed)
    own_bound = factor * np.maximum(_spread(off), seen) + floor
    clear = (scale <= LIMIT) & (bound <= COARSE * size)
    return Deviation(off, bound, _scale(ours, double, timed), own_bound, _peaks(theirs, ours, timed), clear)


def _fault(name: str, m: Deviation, ulp: float, timed: bool) -> str:
    """The first step with a deviation that rounding does not explain; empty if there is none."""
    theirs, ours = m.clear & ~(m.off <= m.bound), m.clear & ~(m.own <= m.own_bound)
    at = int(np.argmax(theirs if theirs.any() else ours))
    place = f" at t = {at}" if timed else ""
    if theirs.any():
        return f"{name} is off by {m.off[at]:.1e}{place}, rounding explains {m.bound[at]:.1e}"
    if ulp == SINGLE and ours.any():  # our rounding errors must not be worse than theirs
        return f"the trace's {name} is off by {m.own[at]:.1e}{place}, its own by {m.off[at]:.1e} only"
    return ""


def _scale(a: Any, b: Any, stepwise: bool) -> Any:
    """The largest difference in the steps around each step; over the whole array if it has no steps."""
    return _spread(_peaks(a, b, stepwise))


def _peaks(a: Any, b: Any, stepwise: bool) -> Any:
    """The largest difference at each step (T,), or (1,); infinite if exactly one of two values is NaN."""
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore"):
        apart = np.nan_to_num(np.where(same, 0.0, np.abs(first - second)), nan=np.inf, posinf=np.inf)
    return apart.reshape(len(apart) if stepwise else 1, -1).max(axis=1, initial=0.0)


def _spread(values: Any) -> Any:
    """The largest of the values around each value."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(values, WINDOW, mode="edge"), 2 * WINDOW + 1).max(axis=1)


ROUNDED = 6  # number of perturbed runs


class DisagreementWarning(UserWarning):
    """A trace and the framework's own result differ by more than rounding explains."""


class NonFiniteWarning(UserWarning):
    """A value of a trace is NaN or infinite."""


class Traces(list[Trace]):
    """The traces in the order of the calls; `traces["encoder"]` is that of the module with this name."""

    def __getitem__(self, which: Any) -> Any:
        """The trace at a position, or of a module by name. Raises MissingError if the name fits none or several."""
        if not isinstance(which, str | slice | SupportsIndex):
            raise OptionError(f"which: expected a position, or the name of a module, found {describe(which)}")
        if not isinstance(which, str):
            return super().__getitem__(which)
        found = [trace for trace in self if trace.header.title == which]
        if len(found) == 1:
            return found[0]
        if found:
            raise MissingError(f"{which!r} was called {len(found)} times; choose by position")
        names = list(dict.fromkeys(trace.header.title for trace in self))
        raise MissingError(f"no trace of {which!r}{nearest(which, names, 'there are')}")


@checked
@block
def capture(
    model: Any, *, ask: Sequence[str] | str | None = None, record: Any = None, given: Mapping[str, Any] | None = None,
    tokens: Any = None, plan: Choice = "auto", arithmetic: str | None = None, progress: Progress | None = None,
    vocabulary: Any = None, embedding: Any = None,
) -> Iterator[Traces]:  # fmt: skip
    """Trace every LSTM, GRU and RNN of `model` that is called within the block, over the inputs that it receives.

    A cell (nn.LSTMCell) called in a loop gives one trace of all its steps, as long as each call receives the states
    that the previous one returned. The model's own calls return exactly what they would without tracing.

    Args:
        model: a PyTorch or Keras model, or one layer or cell.
        ask: the requested lines, as for `Model.run`, like the following ones; they apply to every trace, and the other
            arguments are taken from each call.
        record: the part of the values to store.
        given: lines supplied instead of computed.
        tokens: labels of the steps.
        plan: `lines`, `planned`, `compiled` or `auto`.
        arithmetic: an arithmetic other than that of the weights' dtype.
        progress: called with (steps done, total steps).
        vocabulary: the numbers of tokens, as for `prepare`: a step whose x is the row of one token is labelled with it.
        embedding: x of each number, (V, I): an array, `FILE:NAME`, or `model:NAME` for an array of `model` as it is at
            each call; None for a 1 at the number.

    Returns:
        The traces, filled when the block ends. Each is compared with the values that the module returned;
        `header.agreement` states the deviation.

    Raises:
        MissingError: if the model has no such layer, or none was called.
        OptionError: for other arguments; at the end of the block, for calls that could not be traced (active dropout,
            compiled calls). The traces of all other calls are available. A difference that rounding does not explain
            issues a DisagreementWarning, a value that is NaN or infinite a NonFiniteWarning.

        with lt.capture(model) as traces:
            model(batch)
        traces["encoder"]["f_t"]
    """
    arguments = {name: value for name, value in dict(locals()).items() if value is not None}
    for name in ("model", "vocabulary", "embedding"):
        arguments.pop(name, None)
    if plan == "auto":
        del arguments["plan"]
    names, watching = watchable(model)
    if embedding is not None and vocabulary is None:
        raise OptionError("embedding: the labels of steps need a vocabulary as well: vocabulary=[…] or a file")
    if vocabulary is not None:
        token_table(vocabulary, _live(model, embedding))  # what is wrong with it is said before the model runs
    traces = Traces()
    wrong: list[tuple[str, type[UserWarning]]] = []

    def take(call: ModuleCall) -> None:
        trace, found = traced(call, arguments)
        if vocabulary is not None and tokens is None and trace.x is not None:
            table = token_table(vocabulary, _live(model, embedding))
            if table.width == trace.x.shape[-1] and any(map(any, labels := table.read_back(trace.x))):
                trace = with_tokens(trace, labels)
        traces.append(trace)
        name = call.name or f"the {call.found.noun}"
        if found.agrees is False:
            wrong.append((f"{name}: {found.sentence}", DisagreementWarning))
        if (first := trace.not_finite) is not None:
            wrong.append((f"{name}: {first.said(words())}", NonFiniteWarning))

    watched = Watch(take)
    with watching(names, watched):
        yield traces
    try:
        for said, category in wrong:
            warnings.warn(said, category, stacklevel=3)
    finally:  # warnings may be turned into errors
        watched.tell(names)


def _live(model: Any, embedding: Any) -> Any:
    """The embedding, if it is `model:NAME` the model's own array of that name. Raises MissingError."""
    if not str(embedding).startswith("model:") or not isinstance(embedding, str):
        return embedding
    name = embedding.removeprefix("model:")
    own = {v.path: v for v in model.weights} if framework(model) == "keras" else dict(model.named_parameters())
    if name not in own:
        raise MissingError(f"embedding: the model has no array {name!r}{nearest(name, own, 'there are')}")
    return own[name]


def watchable(model: Any) -> tuple[dict[str, Any], Callable[[Mapping[str, Any], Watch], AbstractContextManager[None]]]:
    """The LSTMs, GRUs and RNNs of a live model by name, and what watches them. Raises OptionError, MissingError."""
    kind = framework(model)
    if not kind:
        raise OptionError(f"{type(model).__name__}: expected a PyTorch module or a Keras model")
    names = recurrent_layers(model) if kind == "keras" else recurrent_modules(model)
    if not names:
        raise MissingError(f"{type(model).__name__} has no {ANY}{hint(model)}")
    return names, watch_keras if kind == "keras" else watch_torch


def traced(call: ModuleCall, arguments: Mapping[str, Any]) -> tuple[Trace, Agreement]:
    """The trace of one call, with the agreement in its header."""
    given = {key: value for key, value in call.arguments.items() if value is not None}
    # weights that are not finite: the module itself accepts them
    prepared = partial(prepare_found, options=call.options, allow_nonfinite=True)
    trace = prepared(call.found, title=call.name).run(**given, **arguments)
    runs = {} if arguments else {trace.header.dtype: results(trace, call.returned)}
    for dtype in {"float32", "float64"} - runs.keys():
        runs[dtype] = results(prepared(call.found, dtype=dtype).run(**given), call.returned)
    axis = 1 if trace.header.batched and trace.header.batch_first else 0
    timed = {name for name in call.returned if name in ("h", "h forward", "h reverse")}

    def steps_first(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: np.moveaxis(a, axis, 0) if name in timed else a for name, a in values.items()}

    ours, single, double = (steps_first(runs[dtype]) for dtype in (trace.header.dtype, "float32", "float64"))
    rounded: list[Mapping[str, Any]] = []
    theirs, rng = steps_first(call.returned), np.random.default_rng(0)
    # rounding to half types cannot be measured with float32; and with few numbers, one perturbed run may by chance be
    # closer than most: so if the results seem to disagree, more runs are made
    for more in (ROUNDED if call.ulp > SINGLE else 0, ROUNDED):
        rounded += [steps_first(_rounded(call, given, rng)) for _ in range(more)]
        found = compared(ours, single, double, theirs, call.what, call.ulp, timed, rounded)
        if found.agrees is not False:
            break
    return replace(trace, header=replace(trace.header, agreement=(*trace.header.agreement, found.sentence))), found


def _rounded(call: ModuleCall, given: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """The result of a float64 run with numbers perturbed by a rounding in the framework's dtype."""

    def off(values: Any) -> Any:
        if isinstance(values, list | tuple):
            return [off(value) for value in values]
        exact = np.asarray(values, np.float64)
        return exact * (1 + call.ulp * rng.uniform(-1, 1, exact.shape))

    found = replace(call.found, weights={name: off(values) for name, values in call.found.weights.items()})
    run = {name: off(value) if name in ("x", "h0", "c0") else value for name, value in given.items()}
    again = prepare_found(found, options=call.options, dtype="float64", allow_nonfinite=True)
    return results(again.run(**run), call.returned)


_MERGED: dict[str, Callable[[Any, Any], Any]] = {
    "concat": lambda a, b: np.concatenate([a, b], axis=-1),
    "sum": np.add,
    "product": np.multiply,
    "mean": lambda a, b: (a + b) / 2,
}


def results(trace: Trace, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The results that a framework returns, from a trace and in the shapes of `wanted`.

    `h`: all steps, in the layout of x; `h forward` and `h reverse` if they are not merged; `last h` and so on: the
    output, not the state, at the last step that each direction visits; `h_n`, `c_n`; `h_n of layer 0` and so on.
    """

    def result(name: str) -> Any:
        state, _, layer = name.partition(" of layer ")
        if state in ("h_n", "c_n"):
            return getattr(trace.at(layer=int(layer)) if layer else trace, state)
        direction = name.removeprefix("last ").removeprefix("h").strip()
        if not name.startswith("last"):
            return (trace.at(direction=cast(Direction, direction)) if direction else trace).output
        top = [stage for stage in trace.stages if stage.layer == trace.stages[-1].layer and stage.direction != "joined"]
        ends = [slice(0, 1) if stage.backwards else slice(trace.steps - 1, None) for stage in top]
        outputs = [trace.operand(stage.scope, stage.cell.output, end) for stage, end in zip(top, ends, strict=True)]
        last = [values[0] for values in outputs if values is not None]
        return last[direction == "reverse"] if direction else reduce(_MERGED[trace.header.merge], last)

    return {name: np.asarray(result(name)).reshape(np.shape(values)) for name, values in wanted.items()}
