"""Watch PyTorch's nn.LSTM and nn.LSTMCell with forward hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ..errors import counted
from .call import Call, Watch
from .live import as_array, check_dropout, from_live, precision, unpacked


@contextmanager
def watch(module: Any, name: str, watched: Watch) -> Iterator[None]:
    """Let `watched` take every call of one module within the block; those of an LSTMCell are joined to sequences."""
    loop = _Loop(module, name, watched) if isinstance(module, torch.nn.LSTMCell) else None
    hook = _sequence_hook(module, name, watched) if loop is None else loop.hook
    handle = module.register_forward_hook(hook, with_kwargs=True)
    try:
        yield
        if loop is not None:
            loop.end()
    finally:
        handle.remove()


def _sequence_hook(module: Any, name: str, watched: Watch) -> Callable[..., None]:
    def hook(_: Any, args: Any, kwargs: Any, output: Any) -> None:
        with watched.noting(name):
            check_dropout(module, name)
            watched.take(_call(module, name, *_arguments(args, kwargs), output))

    return hook


def _call(module: Any, name: str, sequence: Any, states: Any, output: Any) -> Call:
    x, lengths = unpacked(sequence)
    values, (h_n, c_n) = output
    packed = lengths is not None
    arguments = {
        "x": x,
        "h0": None if states is None else as_array(states[0]),
        "c0": None if states is None else as_array(states[1]),
        "lengths": lengths,
        "batch_first": False if packed else bool(module.batch_first),
    }
    returned = {"h": unpacked(values)[0], "h_n": as_array(h_n), "c_n": as_array(c_n)}
    what = "what the PyTorch module returned"
    # a packed sequence has no padding; what stands there in the padded form is zero
    options = {"padding": "zero"} if packed else {}
    return Call(name, from_live(module, name), arguments, returned, what, precision(h_n), options)


def _arguments(args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The input and the pair of states of a call."""
    given = dict(zip(("input", "hx"), args, strict=False)) | kwargs
    return given["input"], given.get("hx")


class _Loop:
    """The calls of one LSTMCell: a call that gets the states which the last one returned is its next step."""

    def __init__(self, module: Any, name: str, watched: Watch) -> None:
        self._module, self._name, self._watched = module, name, watched
        self._steps: list[tuple[Any, Any, Any]] = []
        self._start: Any = None
        self._found: Any = None
        self._versions: tuple[int, ...] = ()
        self._last: Any = None

    def hook(self, _: Any, args: Any, kwargs: Any, output: Any) -> None:
        """Take one call."""
        with self._watched.noting(self._name):
            self._take(args, kwargs, output)

    def _take(self, args: Any, kwargs: Any, output: Any) -> None:
        x, states = _arguments(args, kwargs)
        versions = tuple(parameter._version for parameter in self._module.parameters())
        follows = (
            self._steps
            and states is not None
            and versions == self._versions
            and all(a is b or torch.equal(a, b) for a, b in zip(states, self._last, strict=True))
            and np.shape(x) == np.shape(self._steps[-1][0])
        )
        if not follows:
            self.end()
            self._found = from_live(self._module, self._name)
            self._start = None if states is None else tuple(as_array(state).copy() for state in states)
            self._versions = versions
        step = as_array(x).copy(), *(as_array(state).copy() for state in output)
        self._last = tuple(state.detach() for state in output)
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
        with self._watched.noting(self._name):
            self._watched.take(Call(self._name, self._found, arguments, returned, what, precision(self._last[0])))
