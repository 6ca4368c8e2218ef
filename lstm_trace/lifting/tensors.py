"""Recording tensors for PyTorch: PyTorch takes every function apart into the operations of `aten.py`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from .arrays import Recorded, RecordedMath
from .aten import ATEN, CONDITIONS, MADE, REFUSED, called


class RecordedTensor(torch.Tensor):
    """A tensor of a run that is recorded, without numbers of its own. array: its recording array."""

    array: Recorded

    __torch_function__ = torch._C._disabled_torch_function_impl
    __hash__ = torch.Tensor.__hash__

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kept = next(one for one in tree_leaves((args, kwargs)) if isinstance(one, RecordedTensor))
        raise kept.array.math.tape.refusal("a value of the recorded run is used after it")

    def __bool__(self) -> bool:
        reason = "the code branches on a computed value, and equations have no branches: use torch.where"
        raise self.array.math.tape.refusal(reason)

    def _as_plain(self, *_: Any, **__: Any) -> Any:
        raise self.array.math.tape.refusal(REFUSED["_local_scalar_dense"])

    numpy = tolist = __array__ = _as_plain

    def __repr__(self, **_: Any) -> str:
        return repr(self.array)

    def __format__(self, spec: str) -> str:
        return repr(self.array)


def recorded_tensor(array: Recorded, dtype: torch.dtype) -> RecordedTensor:
    """A tensor with the numbers of an array; one that cannot be written belongs to weights."""
    strides = [n // array.ids.itemsize for n in array.ids.strides]
    with torch.inference_mode(False):  # a tensor made in that mode cannot be cut into views
        made: RecordedTensor = torch.Tensor._make_wrapper_subclass(
            RecordedTensor, array.shape, strides=strides, dtype=dtype
        )
    made.array = array
    return made


class _Recorder(TorchDispatchMode):
    """Computes with recording arrays; tensors that the code makes become such arrays, to be written into."""

    def __init__(self, math: RecordedMath) -> None:
        super().__init__()
        self.math = math

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """PyTorch would import its compiler, which takes seconds, to keep it away from this."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        if not any(isinstance(one, RecordedTensor) for one in tensors):
            made = func(*args, **kwargs)
            if name not in MADE or not made.is_floating_point():
                return made
            return self._tensors(np.zeros(made.shape) if "empty" in name else made.numpy(), made.dtype)
        dtypes = [kwargs.get("dtype"), *(one.dtype for one in tensors), torch.get_default_dtype()]
        dtype = next(one for one in dtypes if one is not None and one.is_floating_point)
        target = args[0] if name.endswith("_") else kwargs.pop("out", None)
        if not isinstance(target, RecordedTensor | None):
            reason = "a computed value is written into a plain tensor, made before the function ran"
            raise self.math.tape.refusal(reason)
        own = tensors[0].dtype
        if name == "_to_copy" and own.is_floating_point and torch.finfo(dtype).eps > torch.finfo(own).eps:
            raise self.math.tape.refusal(f"a computed value is rounded to {str(dtype).removeprefix('torch.')}")
        if name.removesuffix("_") not in ATEN:
            with self:  # in inference mode PyTorch has not taken it apart
                if (parts := func.decompose(*args, **kwargs)) is not NotImplemented:
                    return parts
            if (known := self._of_weights(func, args, kwargs)) is not None:
                return self._tensors(known, dtype)
        arguments = [tree_map(self._array, one) for one in (args, kwargs)]
        if torch.Tag.inplace_view in func.tags:  # such as squeeze_, by which a tensor gets another shape
            args[0].array = called(name.removesuffix("_"), "", arguments[0], arguments[1], self.math.tape.refusal)
            with torch._C._DisableTorchDispatch():
                return func(*args, **kwargs)
        found = called(name, func._overloadname, arguments[0], arguments[1], self.math.tape.refusal)
        if target is None:
            return self._tensors(found, torch.bool if name in CONDITIONS else dtype)
        if not name.endswith("_"):
            target.array[...] = found
        return target

    def _of_weights(self, func: Any, args: Any, kwargs: Any) -> Any:
        """What PyTorch computes from weights alone, such as their spectral norm; None if a computed value goes in."""
        tape, given = self.math.tape, tree_leaves((args, kwargs))
        arrays = [one.array.ids for one in given if isinstance(one, RecordedTensor)]
        random = torch.Tag.nondeterministic_seeded in func.tags
        if random or func._schema.is_mutable or not all(map(tape.fixed, arrays)):
            return None
        plain, named = tree_map(self._plain, (args, kwargs))
        values = [one.tolist() if isinstance(one, torch.Tensor) else one for one in tree_leaves((plain, named))]
        key = func, *(one.tobytes() for one in arrays), *map(repr, values)
        made = tree_leaves(func(*plain, **named))
        each = [Recorded(tape.computed((*key, k), one.numpy(), arrays), self.math) for k, one in enumerate(made)]
        return each[0] if len(each) == 1 else tuple(each)

    def _plain(self, value: Any) -> Any:
        """A recorded tensor with the numbers that it had in this run."""
        if not isinstance(value, RecordedTensor):
            return value
        return torch.from_numpy(np.array(self.math.tape.values[value.array.ids])).to(value.dtype)

    def _array(self, value: Any) -> Any:
        """An argument: of tensors the arrays, of which those of floats are recorded."""
        if isinstance(value, torch.dtype):
            return np.float64 if value.is_floating_point else np.dtype(str(value).removeprefix("torch."))
        if not isinstance(value, torch.Tensor):
            return value
        if isinstance(value, RecordedTensor):
            return value.array
        numbers = value.detach().cpu().numpy()
        return Recorded(self.math.plain(value, numbers), self.math) if value.is_floating_point() else numbers

    def _tensors(self, found: Any, dtype: torch.dtype) -> Any:
        """What an operation returned, as tensors."""
        if isinstance(found, (list, tuple)):
            return type(found)(self._tensors(one, dtype) for one in found)
        if isinstance(found, np.ndarray) and found.dtype.kind != "f":
            return torch.from_numpy(found)
        if isinstance(found, np.ndarray):
            found = Recorded(np.array(self.math.plain(found)), self.math)
        return None if found is None else recorded_tensor(found, dtype)


@contextmanager
def recorded_factories(math: RecordedMath) -> Iterator[None]:
    """Record what the user's code does with tensors, and the tensors that it makes."""
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        if "torch._dynamo" in sys.modules:  # otherwise nothing was compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_Recorder(math))
        yield
