"""Watch Keras's recurrent layers: for the time of the block each layer's `call` notes what it gets and returns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from threading import Lock
from typing import Any

import numpy as np

from ..errors import OptionError
from ..weights.live_modules import as_array, flat, from_live, halves, lstm_cells, precision
from .calls import Call, Watch, aside, uncompiled

#: Held while a layer's `call` is changed: captures may overlap, in several threads too.
_CHANGING = Lock()


@contextmanager
def watch(modules: Mapping[str, Any], watched: Watch) -> Iterator[None]:
    """Let `watched` take every call of these layers within the block."""
    takers = [(layer, _Taker(layer, name, watched)) for name, layer in modules.items()]
    uncompiled(_Watched.__call__)
    with _CHANGING:
        for layer, taker in takers:
            _Watched.of(layer).takers.append(taker)
    try:
        yield
        for _, taker in takers:
            taker.end()
    finally:
        with _CHANGING:
            for layer, taker in takers:
                _Watched.of(layer).remove(taker)


class _Watched:
    """What stands in place of a layer's `call` while captures watch it: one of them may end before another."""

    def __init__(self, layer: Any) -> None:
        self._layer, self._own = layer, vars(layer).get("call")
        self._original = layer.call
        torch = sys.modules.get("torch")
        self._compiling: Callable[[], bool] = torch.compiler.is_compiling if torch is not None else bool
        self.takers: list[_Taker] = []
        object.__setattr__(layer, "call", self)  # past Keras's own tracking of attributes

    @classmethod
    def of(cls, layer: Any) -> _Watched:
        """That of a layer."""
        there = vars(layer).get("call")
        return there if isinstance(there, _Watched) else cls(layer)

    def remove(self, taker: _Taker) -> None:
        """Give the layer its own `call` back once nobody watches it any more."""
        self.takers.remove(taker)
        if self.takers:
            return
        object.__delattr__(self._layer, "call")
        if self._own is not None:
            object.__setattr__(self._layer, "call", self._own)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._compiling():  # within torch.compile there are no numbers
            return self._original(*args, **kwargs)
        seen = aside(self._before, args, kwargs)
        output = self._original(*args, **kwargs)
        aside(self._after, seen, output)
        return output

    def _before(self, args: Any, kwargs: Any) -> list[tuple[_Taker, Any]]:
        return [(taker, taker.before(self._original, args, kwargs)) for taker in self.takers]

    def _after(self, seen: list[tuple[_Taker, Any]], output: Any) -> None:
        for taker, before in seen:
            taker.after(before, output)


class _Taker:
    """Takes the calls of one layer for one capture."""

    def __init__(self, layer: Any, name: str, watched: Watch) -> None:
        self._layer, self._name, self._watched = layer, name, watched
        self._taken = False
        self._empty: _NoNumbersError | None = None

    def before(self, original: Any, args: Any, kwargs: Any) -> tuple[dict[str, Any], list[Any] | None] | None:
        """What a call gets, and the states: a stateful layer changes them."""
        with self._noting():
            given = signature(original).bind(*args, **kwargs).arguments
            return given, _initial(self._layer, given)
        return None

    def after(self, seen: tuple[dict[str, Any], list[Any] | None] | None, output: Any) -> None:
        """What it returned."""
        if seen is not None:
            with self._noting():
                self._watched.take(_call(self._layer, self._name, *seen, output))
                self._taken = True

    def end(self) -> None:
        """Note that there were calls without numbers, and no other: Keras makes some when a model is built."""
        if self._empty is not None and not self._taken:
            with self._watched.noting(self._name):
                raise OptionError(*self._empty.problems)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        with self._watched.noting(self._name):
            try:
                yield
            except _NoNumbersError as error:
                self._empty = error


class _NoNumbersError(OptionError):
    """A tensor has no numbers yet: the call only finds out shapes, or is being compiled."""


def _initial(layer: Any, given: dict[str, Any]) -> list[Any] | None:
    """The initial states of a call: those that it got, or those that a stateful layer keeps."""
    states = given.get("initial_state")
    if states is None:
        states = [half.states for half in halves(layer).values() if half.stateful and half.states]
    return [_numbers(state, layer).copy() for state in flat(states)] or None


def _call(layer: Any, name: str, given: dict[str, Any], states: list[Any] | None, output: Any) -> Call:
    parts = halves(layer)
    cells = [cell for half in parts.values() for cell in lstm_cells(half)]
    if given.get("training") and any(cell.dropout or cell.recurrent_dropout for cell in cells):
        raise OptionError(f"{name}: in training mode with dropout its values are random; call with training=False")
    x = _numbers(next(iter(given.values())), layer)
    arguments = {"x": x, "mask": _mask(given.get("mask"), layer), "batch_first": True}
    if states is not None:  # h and c of each cell or direction
        arguments |= {"h0": states[0::2], "c0": states[1::2]}
    first = output[0] if isinstance(output, list | tuple) else output
    returned, what = _returned(layer, parts, output), "what the Keras layer returned"
    return Call(name, from_live(layer, name), arguments, returned, what, _precision(first.dtype))


def _returned(layer: Any, parts: dict[str, Any], output: Any) -> dict[str, Any]:
    """What the layer returned, under our names and by position in the input."""
    first = next(iter(parts.values()))
    values = [_numbers(value, layer) for value in flat(output)]
    apart = getattr(layer, "merge_mode", "") is None  # two outputs that are not joined
    outputs, states = values[: 2 if apart else 1], values[2 if apart else 1 :]
    found: dict[str, Any] = {}
    if apart and first.return_sequences:
        found |= {"h forward": outputs[0], "h reverse": outputs[1]}
    elif apart:
        found |= {"last h forward": outputs[0], "last h reverse": outputs[1]}
    elif not first.return_sequences:
        found["last h"] = outputs[0]
    else:
        found["h"] = outputs[0][:, ::-1] if len(parts) == 1 and first.go_backwards else outputs[0]
    if len({state.shape for state in states}) == 1:
        found |= {"h_n": np.stack(states[0::2]), "c_n": np.stack(states[1::2])}
    elif states:  # cells of several sizes
        ends = enumerate(zip(states[0::2], states[1::2], strict=True))
        found |= {
            f"{name} of layer {k}": end for k, pair in ends for name, end in zip(("h_n", "c_n"), pair, strict=True)
        }
    return found


def _precision(dtype: Any) -> float:
    """The distance from 1 to the next number in what Keras computes in: its products of float64 are float32."""
    backend = sys.modules["keras"].backend
    kind = backend.standardize_dtype(dtype)
    return max(precision(kind), precision(backend.result_type(kind, kind)))


def _mask(mask: Any, layer: Any) -> Any:
    """The mask of a call, (B, T); Keras takes (B, T, 1) too, and anything but 0 as true."""
    if isinstance(mask, list | tuple):
        mask = mask[0]
    if mask is None:
        return None
    valid = _numbers(mask, layer).astype(bool)
    return valid[..., 0] if valid.ndim == 3 else valid


def _numbers(value: Any, layer: Any) -> Any:
    """The numbers of a tensor. Raises OptionError for one that has none yet, in a compiled call."""
    try:
        return np.asarray(as_array(value))
    except Exception as error:
        raise _NoNumbersError(
            f"{layer.name}: its input has no numbers yet ({type(error).__name__}); call the model itself, model(x), "
            "not model.predict(x) or a compiled function"
        ) from None
