"""Watch Keras's recurrent layers: for the time of the block each layer's `call` notes what it gets and returns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import OptionError
from .call import Call, Watch
from .live import as_array, flat, from_live, halves, lstm_cells, precision


@contextmanager
def watch(module: Any, name: str, watched: Watch) -> Iterator[None]:
    """Let `watched` take every call of one layer within the block."""
    original = module.call

    def call(*args: Any, **kwargs: Any) -> Any:
        seen: tuple[dict[str, Any], list[Any] | None] | None = None
        with watched.noting(name):
            given = dict(zip(("sequences", "initial_state", "mask", "training"), args, strict=False)) | kwargs
            seen = given, _initial(module, given)  # before the call: a stateful layer changes its states
        output = original(*args, **kwargs)
        if seen is not None:
            with watched.noting(name):
                watched.take(_call(module, name, *seen, output))
        return output

    object.__setattr__(module, "call", call)  # past Keras's own tracking of attributes
    try:
        yield
    finally:
        object.__delattr__(module, "call")


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
    return Call(name, from_live(layer, name), arguments, returned, what, precision(first))


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
        raise OptionError(
            f"{layer.name}: its input has no numbers yet ({type(error).__name__}); call the model itself, model(x), "
            "not model.predict(x) or a compiled function"
        ) from None
