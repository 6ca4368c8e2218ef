"""Watch PyTorch's nn.LSTM and nn.LSTMCell for the time of a block."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ..errors import OptionError, counted
from ..weights.live_modules import as_array, check_dropout, from_live, precision, unpacked, weights_of
from .calls import Call, Watch, aside, uncompiled


@contextmanager
def watch(modules: Mapping[str, Any], watched: Watch) -> Iterator[None]:
    """Let `watched` take every call of these modules within the block; those of an LSTMCell are joined to sequences.

    The hook is PyTorch's own for all modules, and not one of theirs: so it comes before those of the user, which may
    return something else, and a module that is copied, saved or scripted within the block has nothing of ours in it.
    """
    takers: dict[int, _Sequence | _Loop] = {
        id(module): (_Loop if isinstance(module, torch.nn.LSTMCell) else _Sequence)(module, name, watched)
        for name, module in modules.items()
    }

    def take(taker: _Sequence | _Loop, *call: Any) -> None:
        with watched.noting(taker.name):
            taker.take(*call)

    def hook(module: Any, args: Any, *more: Any) -> None:
        taker = takers.get(id(module))
        if taker is None or len(more) < 2:  # without kwargs where another thread has just ended this block
            return
        if torch.compiler.is_compiling():  # there are no numbers
            return
        aside(take, taker, args, *more)

    uncompiled(hook)
    handle = torch.nn.modules.module.register_module_forward_hook(hook, with_kwargs=True)
    # torch.compile warns that such hooks are called once more, for what it wrapped: which none of ours listens to
    about = f"Using `torch.compile.module.` when there are global hooks(?#{id(takers)})"  # one filter for each block
    warnings.filterwarnings("ignore", about)
    quiet = warnings.filters[0]
    try:
        yield
        for taker in takers.values():
            taker.end()
    finally:
        handle.remove()
        if quiet in warnings.filters:
            warnings.filters.remove(quiet)  # type: ignore[attr-defined]


def _arguments(args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The input and the pair of states of a call. Raises OptionError for arguments of another forward."""
    given = dict(zip(("input", "hx"), args, strict=False)) | kwargs
    if "input" not in given:
        raise OptionError(f"its forward takes {', '.join(given)}; expected input and hx, as nn.LSTM has them")
    return given["input"], given.get("hx")


class _Sequence:
    """The calls of one nn.LSTM."""

    def __init__(self, module: Any, name: str, watched: Watch) -> None:
        self._module, self.name, self._watched = module, name, watched

    def take(self, args: Any, kwargs: Any, output: Any) -> None:
        """Take one call."""
        check_dropout(self._module, self.name)
        self._watched.take(self._call(*_arguments(args, kwargs), output))

    def end(self) -> None:
        """Nothing is left over."""

    def _call(self, sequence: Any, states: Any, output: Any) -> Call:
        x, lengths = unpacked(sequence)
        try:
            values, (h_n, c_n) = output
        except (TypeError, ValueError):
            said = "it did not return (output, (h_n, c_n)): a forward of its own is not followed"
            raise OptionError(said) from None
        packed = lengths is not None
        arguments = {
            "x": x,
            "h0": None if states is None else as_array(states[0]),
            "c0": None if states is None else as_array(states[1]),
            "lengths": lengths,
            "batch_first": False if packed else bool(self._module.batch_first),
        }
        returned = {"h": unpacked(values)[0], "h_n": as_array(h_n), "c_n": as_array(c_n)}
        what = "what the PyTorch module returned"
        # a packed sequence has no padding; what stands there in the padded form is zero
        options = {"padding": "zero"} if packed else {}
        # those that the call has used: reading parametrized ones again may give others, and change the next call
        used = dict(zip(self._module._flat_weights_names, self._module._flat_weights, strict=True))
        found = from_live(self._module, self.name, used)
        return Call(self.name, found, arguments, returned, what, precision(h_n.dtype), options)


class _Loop:
    """The calls of one LSTMCell: a call that gets the states which the last one returned is its next step."""

    def __init__(self, module: Any, name: str, watched: Watch) -> None:
        self._module, self.name, self._watched = module, name, watched
        self._steps: list[tuple[Any, Any, Any]] = []
        self._start: Any = None
        self._found: Any = None
        self._weights: dict[str, Any] = {}
        self._last: Any = None

    def take(self, args: Any, kwargs: Any, output: Any) -> None:
        """Take one call."""
        x, states = _arguments(args, kwargs)
        with _still(self._module):
            weights = weights_of(self._module)
        follows = (
            self._steps
            and states is not None
            and np.shape(x) == np.shape(self._steps[-1][0])
            and all(map(_equal, states, self._last))
            and weights.keys() == self._weights.keys()
            and all(_equal(weights[key], value) for key, value in self._weights.items())
        )
        if not follows:
            self.end()
            # copies: weights and states may be changed in place before the block ends
            self._weights = {key: value.detach().clone() for key, value in weights.items()}
            self._found = from_live(self._module, self.name, self._weights)
            self._start = None if states is None else tuple(as_array(state).copy() for state in states)
        step = as_array(x).copy(), *(as_array(state).copy() for state in output)
        self._last = tuple(state.detach().clone() for state in output)
        self._steps.append(step)

    def end(self) -> None:
        """Hand over the sequence of calls so far."""
        steps, self._steps = self._steps, []
        if not steps:
            return
        x, h, c = (np.stack(values) for values in zip(*steps, strict=True))
        h0, c0 = (None, None) if self._start is None else (start[None] for start in self._start)
        arguments = {"x": x, "h0": h0, "c0": c0, "batch_first": False}
        returned = {"h": h, "c_n": c[-1:]}
        what = f"what the PyTorch cell returned in {counted(len(x), 'call')}"
        with self._watched.noting(self.name):
            self._watched.take(Call(self.name, self._found, arguments, returned, what, precision(self._last[0].dtype)))


def _equal(a: Any, b: Any) -> bool:
    """Whether two tensors hold the same numbers, NaN being NaN."""
    return bool(torch.equal(a, b) or (a.shape == b.shape and torch.allclose(a, b, rtol=0, atol=0, equal_nan=True)))


@contextmanager
def _still(module: Any) -> Iterator[None]:
    """Within, parametrized weights are read as in evaluation: in training spectral norm goes on a step each time."""
    parts = [part for name, part in module.named_modules() if name.startswith("parametrizations.") and part.training]
    for part in parts:
        part.training = False
    try:
        yield
    finally:
        for part in parts:
            part.training = True
