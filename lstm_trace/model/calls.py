"""Records the calls of live modules within a block: PyTorch's LSTMs, GRUs, RNNs and cells, Keras's layers.

PyTorch is only imported while one of its modules is watched.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from inspect import signature
from threading import Lock, RLock
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from ..errors import Faults, LstmTraceError, MissingError, OptionError, counted
from ..weights.layouts import ANY
from ..weights.live_modules import (
    as_array,
    cells_of,
    from_live,
    halves,
    one_step,
    precision,
    torch_cell,
    unpacked,
    weights_of,
)
from ..weights.read import Found

P = ParamSpec("P")
T = TypeVar("T")


@dataclass
class ModuleCall:
    """One call of a module: its arguments, its results under the names in `results`, and the ulp of its numbers."""

    name: str
    found: Found
    arguments: dict[str, Any]
    returned: dict[str, Any]
    what: str
    ulp: float
    options: dict[str, Any] = field(default_factory=dict)


class NoNumbersError(OptionError):
    """A tensor has no numbers yet: the call only infers shapes, or is being compiled."""


class WatchedCall(NamedTuple):
    """One call as it happens, by reference.

    process: makes it a `ModuleCall`, or a step of one, which `end` completes (a cell in a loop).
    """

    name: str
    module: Any
    read: Any
    returned: Any
    process: Callable[[WatchedCall], None]
    end: Callable[[], None] | None = None


class OneBlock(AbstractContextManager[T]):
    """What `lt.capture` and `lt.watch` return: it is entered once."""

    def __init__(self, name: str, made: AbstractContextManager[T]) -> None:
        self._name, self._made, self._entered = name, made, False

    def __enter__(self) -> T:
        if self._entered:
            raise OptionError(f"lt.{self._name} is for one block: call it again for another")
        self._entered = True
        return self._made.__enter__()

    def __exit__(self, *error: Any) -> bool | None:
        return self._made.__exit__(*error)


def block(function: Callable[P, Iterator[T]]) -> Callable[P, AbstractContextManager[T]]:
    """As `contextmanager`; if the object is entered again, the error says what to do."""
    manager = contextmanager(function)

    @wraps(function)
    def made(*values: P.args, **named: P.kwargs) -> AbstractContextManager[T]:
        return OneBlock(function.__name__, manager(*values, **named))

    return made


class Watch:
    """Receives the calls, from any thread. Errors on our side are noted and raised at the end of the block.

    The model's own forward pass is not interrupted, except by the errors that `passes` names.
    """

    passes: tuple[type[Exception], ...] = ()

    def __init__(self, take: Callable[[ModuleCall], None]) -> None:
        self._take = take
        self.faults = Faults()
        self.cause: Exception | None = None
        self.lock = RLock()
        self._taken: set[str] = set()
        self._empty: dict[str, NoNumbersError] = {}

    def receive(self, watched: WatchedCall) -> None:
        """Process one call now, while its tensors are as the module left them."""
        watched.process(watched)

    def take(self, call: ModuleCall) -> None:
        """Receive one call that was processed."""
        self._take(call)
        self._taken.add(call.name)

    @contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Note an error that is raised within, instead of raising it. name: of the watched module."""
        with self.lock:
            try:
                yield
            except Exception as error:
                self.note(name, error)

    def note(self, name: str, error: Exception) -> None:
        """The same for an error that was caught, in a block that a context manager would make too slow."""
        if isinstance(error, self.passes):
            raise error
        if isinstance(error, NoNumbersError):
            self._empty[name] = error
            return
        self.cause = error
        own = f"cannot be traced because of a bug in lstm-trace: {type(error).__name__}: {error}"
        known = error if isinstance(error, LstmTraceError) else LstmTraceError(own)
        told = [text if text.startswith(name) else f"{name}: {text}" for text in known.problems]
        with self.faults.gather():  # each only once, however many calls
            raise type(known)(*(text for text in told if text not in self.faults.problems)) from None

    def tell(self, names: Collection[str]) -> None:
        """Raise the noted errors, or MissingError if no module, of these names, was called; or do nothing.

        Calls without numbers are reported only if there was no other call: Keras makes some when a model is built.
        """
        for name, error in self._empty.items():
            if name not in self._taken:
                self.note(name, OptionError(*error.problems))
        self.faults.tell(self.cause)
        if not self._taken:
            there = ", ".join(filter(None, names)) or "it"
            compiled = "; what torch.compile has compiled cannot be watched" if "torch._dynamo" in sys.modules else ""
            said = f"call the model itself within the block ({there} would be traced){compiled}"
            raise MissingError(f"no {ANY} was called: {said}")


def outside(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of ours that torch.compile must leave alone, if it is active around us."""
    dynamo = sys.modules.get("torch._dynamo")
    return function if dynamo is None else dynamo.disable(function)


def aside(function: Callable[..., Any], *args: Any) -> Any:
    """Call such a function."""
    return outside(function)(*args)


def uncompiled(function: Any) -> None:
    """Keep torch.compile, if it is loaded, from compiling a function that calls `aside` when it encounters it alone.

    A larger unit that it compiles may still contain the function: disabling it there would break the compilation.
    """
    frames = sys.modules.get("torch._dynamo.eval_frame")
    if frames is not None:
        for one in (function, aside, outside):
            frames.skip_code(one.__code__)


@contextmanager
def watch_torch(modules: Mapping[str, Any], watched: Watch) -> Iterator[None]:
    """Let `watched` receive every call of these modules within the block; calls of a cell are joined to sequences.

    The hook is PyTorch's global one and not one on the modules: it runs before the user's hooks, which may return
    something else, and a module that is copied, saved or scripted within the block contains nothing of ours.
    """
    import torch

    cells = {name: module for name, module in modules.items() if one_step(module)}
    loops = {name: _Loop(module, name, watched) for name, module in cells.items()}
    whole = partial(_taken, watched, _sequence), None
    each = {
        id(module): (name, *((loops[name].take, loops[name].end) if name in loops else whole))
        for name, module in modules.items()
    }

    def take(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        name, process, end = each[id(module)]
        with watched.lock:
            try:
                watched.receive(WatchedCall(name, module, (args, kwargs), output, process, end))
            except Exception as error:
                watched.note(name, error)

    # where nothing is compiled around a call, `aside` would take as long as all that a watch does in a step: 30 µs
    around = getattr(torch._C._dynamo.eval_frame, "get_eval_frame_callback", bool)

    def hook(module: Any, args: Any, *more: Any) -> None:
        # kwargs are missing if another thread has just ended this block, and numbers if a call is compiled
        if id(module) not in each or len(more) < 2 or torch.compiler.is_compiling():
            return
        if around() is None:
            take(module, args, *more)
        else:
            aside(take, module, args, *more)

    uncompiled(hook)
    handle = torch.nn.modules.module.register_module_forward_hook(hook, with_kwargs=True)
    # torch.compile warns that such hooks are called once more for wrapped modules; none of ours reacts to that
    about = f"Using `torch.compile.module.` when there are global hooks(?#{id(each)})"  # one filter per block
    warnings.filterwarnings("ignore", about)
    silent = warnings.filters[0]
    try:
        yield
        for loop in loops.values():
            loop.end()
    finally:
        handle.remove()
        if silent in warnings.filters:
            warnings.filters.remove(silent)  # type: ignore[attr-defined]


def _taken(watched: Watch, make: Callable[[WatchedCall], ModuleCall], call: WatchedCall) -> None:
    watched.take(make(call))


def _arguments(args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The input and the states of a call. Raises OptionError for arguments of a custom forward."""
    given = dict(zip(("input", "hx"), args, strict=False)) | kwargs
    if "input" not in given:
        raise OptionError(f"its forward takes {', '.join(given)}; expected input and hx, as in PyTorch's own")
    return given["input"], given.get("hx")


def _sequence(call: WatchedCall) -> ModuleCall:
    """A call of an nn.LSTM, nn.GRU or nn.RNN."""
    name, module = call.name, call.module
    sequence, states = _arguments(*call.read)
    x, lengths = unpacked(sequence)
    both = torch_cell(module) == "lstm"
    try:
        values, last = call.returned
        ends = dict(zip(("h_n", "c_n"), last, strict=True)) if both else {"h_n": last}
    except (TypeError, ValueError):
        form = "(output, (h_n, c_n))" if both else "(output, h_n)"
        raise OptionError(f"it did not return {form}: a custom forward is not supported") from None
    packed = lengths is not None
    arguments = {"x": x, "lengths": lengths, "batch_first": not packed and bool(module.batch_first)}
    arguments |= {name: as_array(state) for name, state in zip(("h0", "c0"), _states(states), strict=False)}
    returned = {"h": unpacked(values)[0], **{name: as_array(state) for name, state in ends.items()}}
    # a packed sequence has no padding; in the padded form it is zero
    options = {"padding": "zero"} if packed else {}
    # the weights that the call used: reading parametrized ones again may return others, and change the next call
    used = dict(zip(module._flat_weights_names, module._flat_weights, strict=True))
    found = from_live(module, name, used)
    what, ulp = "what the PyTorch module returned", precision(ends["h_n"].dtype)
    return ModuleCall(name, found, arguments, returned, what, ulp, options)


def _states(given: Any) -> tuple[Any, ...]:
    """The states that a call takes or returns: h and c of an LSTM, h alone of a GRU or an RNN; none for None."""
    return () if given is None else (given,) if hasattr(given, "detach") else tuple(given)


class _Loop:
    """The calls of one cell: a call that receives the states returned by the previous one is its next step."""

    def __init__(self, module: Any, name: str, watched: Watch) -> None:
        self._module, self.name, self._watched = module, name, watched
        self._steps: list[tuple[Any, ...]] = []
        self._start: tuple[Any, ...] = ()
        self._found: Any = None
        self._weights: dict[str, Any] = {}
        self._last: Any = None

    def take(self, call: WatchedCall) -> None:
        """Receive one call."""
        x, given = _arguments(*call.read)
        states, returned = _states(given), _states(call.returned)
        with _still(self._module):
            weights = weights_of(self._module)
        follows = (
            self._steps
            and states
            and np.shape(x) == np.shape(self._steps[-1][0])
            and all(map(_equal, states, self._last))
            and weights.keys() == self._weights.keys()
            and all(_equal(weights[key], value) for key, value in self._weights.items())
        )
        if not follows:
            self.end()
            # copies: weights and states may be modified in place before the block ends
            self._weights = {key: value.detach().clone() for key, value in weights.items()}
            self._found = from_live(self._module, self.name, self._weights)
            self._start = tuple(as_array(state).copy() for state in states)
        step = as_array(x).copy(), *(as_array(state).copy() for state in returned)
        self._last = tuple(state.detach().clone() for state in returned)
        self._steps.append(step)

    def end(self) -> None:
        """Pass on the sequence of calls so far."""
        steps, self._steps = self._steps, []
        if not steps:
            return
        x, h, *cells = (np.stack(values) for values in zip(*steps, strict=True))
        arguments = {"x": x, "batch_first": False}
        arguments |= {name: start[None] for name, start in zip(("h0", "c0"), self._start, strict=False)}
        returned = {"h": h, **dict(zip(("c_n",), (c[-1:] for c in cells), strict=False))}
        what = f"what the PyTorch cell returned in {counted(len(x), 'call')}"
        with self._watched.noting(self.name):
            ulp = precision(self._last[0].dtype)
            self._watched.take(ModuleCall(self.name, self._found, arguments, returned, what, ulp))


def _equal(a: Any, b: Any) -> bool:
    """Whether two tensors hold the same numbers; NaN equals NaN."""
    import torch

    return bool(torch.equal(a, b) or (a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)))


@contextmanager
def _still(module: Any) -> Iterator[None]:
    """Read parametrized weights in evaluation mode: in training mode each read advances spectral normalization."""
    parts = [part for name, part in module.named_modules() if name.startswith("parametrizations.") and part.training]
    for part in parts:
        part.training = False
    try:
        yield
    finally:
        for part in parts:
            part.training = True


#: Held while a layer's `call` is replaced: captures may overlap, also in several threads.
_CHANGING = Lock()


@contextmanager
def watch_keras(modules: Mapping[str, Any], watched: Watch) -> Iterator[None]:
    """Let `watched` receive every call of these layers within the block."""
    uncompiled(_Watched.__call__)
    with _CHANGING:
        for name, layer in modules.items():
            _Watched.of(layer).takers.append((name, watched))
    try:
        yield
    finally:
        with _CHANGING:
            for name, layer in modules.items():
                _Watched.of(layer).remove((name, watched))


class _Watched:
    """Replaces a layer's `call` while captures watch it: several may, and they may end in any order."""

    def __init__(self, layer: Any) -> None:
        self._layer, self._own = layer, vars(layer).get("call")
        self._original = layer.call
        self._signature = signature(self._original)
        torch = sys.modules.get("torch")
        self._compiling: Callable[[], bool] = torch.compiler.is_compiling if torch is not None else bool
        self.takers: list[tuple[str, Watch]] = []
        object.__setattr__(layer, "call", self)  # bypasses Keras's attribute tracking

    @classmethod
    def of(cls, layer: Any) -> _Watched:
        """The replacement of a layer's `call`, new or existing."""
        there = vars(layer).get("call")
        return there if isinstance(there, _Watched) else cls(layer)

    def remove(self, taker: tuple[str, Watch]) -> None:
        """Restore the layer's own `call` once nobody watches it any more."""
        self.takers.remove(taker)
        if self.takers:
            return
        object.__delattr__(self._layer, "call")
        if self._own is not None:
            object.__setattr__(self._layer, "call", self._own)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._compiling():  # under torch.compile there are no numbers
            return self._original(*args, **kwargs)
        seen = aside(self._before, args, kwargs)
        output = self._original(*args, **kwargs)
        aside(self._after, seen, output)
        return output

    def _before(self, args: Any, kwargs: Any) -> list[tuple[str, Watch, dict[str, Any], Any]]:
        """The arguments of a call, with copies of the states, which a stateful layer changes."""
        seen = []
        for name, watched in self.takers:
            with watched.noting(name):
                given = self._signature.bind(*args, **kwargs).arguments
                seen.append((name, watched, given, _initial(self._layer, given)))
        return seen

    def _after(self, seen: list[tuple[str, Watch, dict[str, Any], Any]], output: Any) -> None:
        """Process the returned values."""
        for name, watched, given, states in seen:
            with watched.noting(name):
                process = partial(_taken, watched, partial(_call, states))
                watched.receive(WatchedCall(name, self._layer, given, output, process))


def _initial(layer: Any, given: dict[str, Any]) -> list[Any] | None:
    """The initial states of a call: those passed to it, or those kept by a stateful layer."""
    states = given.get("initial_state")
    if states is None:
        states = [half.states for half in halves(layer).values() if half.stateful and half.states]
    return [numbers_in(state, layer.name).copy() for state in _flat(states)] or None


def _call(states: list[Any] | None, call: WatchedCall) -> ModuleCall:
    name, layer, given, output, *_ = call
    parts = halves(layer)
    cells = [cell for half in parts.values() for cell in cells_of(half)]
    if given.get("training") and any(cell.dropout or cell.recurrent_dropout for cell in cells):
        raise OptionError(f"{name}: in training mode with dropout its values are random; call with training=False")
    x = numbers_in(next(iter(given.values())), layer.name)
    mask, *_ = _flat(given.get("mask")) or [None]
    if mask is not None:  # (B, T); Keras also accepts (B, T, 1), and any nonzero value as true
        mask = numbers_in(mask, layer.name).astype(bool)
        mask = mask[..., 0] if mask.ndim == 3 else mask
    arguments = {"x": x, "mask": mask, "batch_first": True}
    kept = ("h_n", "c_n") if isinstance(cells[0], sys.modules["keras"].layers.LSTMCell) else ("h_n",)
    for at, state in enumerate(kept if states is not None else ()):  # those of each cell or direction
        arguments[state.replace("_n", "0")] = (states or [])[at :: len(kept)]
    first = output[0] if isinstance(output, list | tuple) else output
    backend = sys.modules["keras"].backend
    kind = backend.standardize_dtype(first.dtype)
    ulp = max(precision(kind), precision(backend.result_type(kind, kind)))  # its float64 products are float32
    returned, what = _returned(layer, parts, output, kept), "what the Keras layer returned"
    return ModuleCall(name, from_live(layer, name), arguments, returned, what, ulp)


def _returned(layer: Any, parts: dict[str, Any], output: Any, kept: tuple[str, ...]) -> dict[str, Any]:
    """The values that the layer returned, under our names and by position in the input. kept: the states of a cell."""
    first = next(iter(parts.values()))
    values = [numbers_in(value, layer.name) for value in _flat(output)]
    apart = getattr(layer, "merge_mode", "") is None  # two separate outputs
    outputs, states = values[: 2 if apart else 1], values[2 if apart else 1 :]
    name = "h" if first.return_sequences else "last h"
    found = {f"{name} forward": outputs[0], f"{name} reverse": outputs[1]} if apart else {name: outputs[0]}
    if name == "h" and len(parts) == 1 and first.go_backwards:
        found["h"] = outputs[0][:, ::-1]
    if len({state.shape for state in states}) == 1:
        found |= {name: np.stack(states[at :: len(kept)]) for at, name in enumerate(kept)}
    elif states:  # cells of different sizes
        count = len(kept)
        found |= {f"{kept[k % count]} of layer {k // count}": state for k, state in enumerate(states)}
    return found


def _flat(values: Any) -> list[Any]:
    """Every tensor in a Keras layer's arguments or results, in order."""
    return [*sys.modules["keras"].tree.flatten(values)]


def numbers_in(value: Any, name: str) -> Any:
    """The numbers of a tensor. Raises OptionError if it has none yet, in a compiled call."""
    try:
        return np.asarray(as_array(value))
    except Exception as error:
        said = f"{name}: its input has no numbers yet ({type(error).__name__})"
        instead = "call the model itself, model(x), not model.predict(x) or a compiled function"
        raise NoNumbersError(f"{said}; {instead}") from None
