"""Watches a live model while it trains, until a value is not finite, a gate is saturated or a gradient out of bounds.

While nothing happens, nothing is copied or converted: calls are kept by reference until the optimizer is about to
change the weights; then the sums of what they returned and the norms of the gradients are read, all at once. What a
module does not return (an infinity behind a gate, saturation) is seen in a sample: one sequence of a call, traced
whenever the time for that is within a given share of all time. Only an alarm traces a whole call.
"""

from __future__ import annotations

import math
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np

from ..backpropagation.gradients import backward
from ..base.arrays import by_key, describe
from ..base.writing import format_of
from ..errors import Faults, FileError, LstmTraceError, OptionError
from ..languages.strings import words
from ..model.build import prepare_found
from ..model.calls import ModuleCall, NoNumbersError, Watch, WatchedCall, numbers_in, watch_keras
from ..model.capture import traced, watchable
from ..trace.argument_types import checked
from ..trace.files.trace_file import SUFFIXES
from ..trace.trace import Trace
from ..weights.live_modules import as_array
from .activity import behaviour

Kind = Literal["not finite", "saturated", "vanished", "exploded"]
#: Maximum number of calls of a layer, and of a cell, that are kept for one step of training.
CALLS, CELL_CALLS = 16, 4096
#: Maximum number of steps of a sampled sequence.
SAMPLED = 256


class Alarm(NamedTuple):
    """What was found at a step of training, which counts from 0. trace: of the call, None if it cannot be replayed."""

    kind: Kind
    step: int
    module: str
    sentence: str
    trace: Trace | None
    path: Path | None


class StoppedError(LstmTraceError):
    """A watch has stopped the training; `alarm` says why."""

    alarm: Alarm | None = None


class WatchWarning(UserWarning):
    """What a watch has found, if it does not stop the training."""


class _Kept(NamedTuple):
    """A call of this step, and the versions of its tensors and of what it returned at that time."""

    call: WatchedCall
    version: int
    returned: int


class Watching(Watch):
    """A watch in progress. alarms: what it has found; steps: how many steps of training are done."""

    passes = (StoppedError, WatchWarning)  # the latter where warnings are errors

    def __init__(
        self, limits: tuple[float, float], saturated: float | None, stop: bool, save: str | Path | None, share: float
    ) -> None:
        self._found: list[ModuleCall] = []
        super().__init__(self._found.append)
        self.alarms: list[Alarm] = []
        self.steps = 0
        self._limits, self._saturated, self._stop, self._save, self._share = limits, saturated, stop, save, share
        self._calls: dict[str, deque[_Kept]] = {}
        self._begun, self._spent, self._last = perf_counter(), 0.0, 0.0

    def receive(self, call: WatchedCall) -> None:
        """Keep a call by reference, and have PyTorch add the gradients of what it returned."""
        returned = _tensors(call.returned)
        for one in returned if call.end is None else ():
            if getattr(one, "requires_grad", False):
                one.retain_grad()  # a hook in Python would take ten times as long
        if (calls := self._calls.get(call.name)) is None:
            calls = self._calls[call.name] = deque(maxlen=CALLS if call.end is None else CELL_CALLS)
        calls.append(_Kept(call, _version(call), _versions(returned)))

    def judge(self, gradients: Sequence[tuple[str, str, Any]], step: bool = True) -> None:
        """Look at a step before the weights are changed; not `step`: at what follows the last one.

        gradients: module, weight, and its gradient; none if the weights are frozen.
        What is not finite in a forward pass makes its gradients NaN. What it returned is looked at only if they are,
        or if it has none: a call for validation, or one whose loss was left out.
        Raises StoppedError for an alarm, NoNumbersError if the calls were compiled.
        """
        try:
            self._judge(gradients)
        finally:
            self.steps += step
            self._calls.clear()

    def _judge(self, gradients: Sequence[tuple[str, str, Any]]) -> None:
        norms = _norms([one for *_, one in gradients])
        self._taken.update(self._calls if gradients else ())
        kept = [one for calls in self._calls.values() for one in calls]
        finite = bool(gradients) and math.isfinite(sum(norms))
        for one in [one for one in kept if not (finite and _has_gradient(one))]:
            module, values = one.call.name, _tensors(one.call.returned)
            with suppress(NoNumbersError):  # JAX computes gradients of a forward pass that it has compiled
                good = all(np.isfinite(numbers_in(value, module)).all() for value in values)
                self._taken.add(module)
                if not good:
                    self._alarm("not finite", module, one)
        each = ((module, (norm, name)) for (module, name, _), norm in zip(gradients, norms, strict=True))
        for module, those in by_key(each).items():
            norm, (vanishes, explodes) = math.hypot(*(one for one, _ in those)), self._limits
            if (norm <= vanishes and module in self._calls) or not norm < explodes:  # without a call it is not new
                largest = max(those, key=lambda pair: (not math.isfinite(pair[0]), pair[0]))[1]
                said = f"the gradient of its weights has the norm {norm:.3g}"
                said += f", most of it in {largest}" if norm else ""
                self._alarm("vanished" if norm <= vanishes else "exploded", module, None, said)
        begun = perf_counter()
        due = self._spent + self._last <= self._share * (begun - self._begun)
        if gradients and due and self._saturated is not None:
            for module in self._calls:
                self._sample(module, self._saturated)
            self._last = perf_counter() - begun
            self._spent += self._last

    def _sample(self, module: str, low: float) -> None:
        """Trace one sequence of the last call, another one at each step."""
        kept = self._calls[module][-1]
        try:
            call = self._replayed(kept)
            model = prepare_found(call.found, options=call.options, allow_nonfinite=True)
            trace = model.run(**_one(call.arguments, self.steps))
        except LstmTraceError:  # with dropout, for one: an alarm says why there is no trace
            return
        if trace.not_finite is not None:
            self._alarm("not finite", module, kept)
        for line, each in by_key((f"{u.scope}/{u.line}", u) for u in behaviour(trace, low, 1 - low).units).items():
            if all(unit.left + unit.right == 1 for unit in each):
                self._alarm("saturated", module, kept, f"every unit of {line} is saturated at every step")

    def _replayed(self, kept: _Kept) -> ModuleCall:
        """A kept call as the call of a model. Raises LstmTraceError if it cannot be replayed."""
        calls = [kept] if kept.call.end is None else [*self._calls[kept.call.name]]
        if any(one.version != _version(one.call) for one in calls):
            raise OptionError("its input or its weights were changed in place since")
        self._found.clear()
        before, self.faults = self.faults, Faults()
        try:
            for one in calls:
                one.call.process()
            if kept.call.end is not None:
                kept.call.end()
            self.faults.tell()
        finally:
            self.faults = before
        return self._found[-1]

    def _alarm(self, kind: Kind, module: str, kept: _Kept | None, said: str = "") -> None:
        """Replay a call, the last one if None, save its trace, and stop or warn; once for each kind and module."""
        if (kind, module) in ((alarm.kind, alarm.module) for alarm in self.alarms):
            return
        trace, path, lost = None, None, ""
        kept = (self._calls.get(module) or [None])[-1] if kept is None else kept
        try:
            if kept is None:
                raise OptionError("it was not called in this step")
            trace, _ = traced(self._replayed(kept), {})
            if kind in ("vanished", "exploded") and kept.returned == _versions(
                returned := _tensors(kept.call.returned)
            ):
                each = zip(("output", "h_n", "c_n"), returned, strict=False)
                weights = {name: one.grad for name, one in each if getattr(one, "retains_grad", False)}
                trace = backward(trace, **{name: as_array(one) for name, one in weights.items() if one is not None})
        except LstmTraceError as error:
            lost = f"its call cannot be replayed: {error}" if trace is None else ""
        first = None if trace is None else trace.not_finite
        seen = "" if first is None else first.said(words())
        parts = [*filter(None, (said, seen))] or ["a value that it returned is not finite"]
        parts += [lost] if lost else []
        if trace is not None and self._save is not None:
            path = Path(self._save)
            path = path.with_stem(f"{path.stem}-{len(self.alarms) + 1}") if self.alarms else path
            steps = "" if first is None or first.address.t is None else f" --steps {first.address.t}"
            try:
                trace.save(path)
                parts.append(f"saved to {path} (lstm-trace report {path}{steps})")
            except FileError as error:  # the training stops all the same
                parts.append(f"its trace cannot be saved: {error}")
                path = None
        alarm = Alarm(kind, self.steps, module, "; ".join(parts), trace, path)
        self.alarms.append(alarm)
        text = f"step {self.steps} of training, {module or 'the model'}: {alarm.sentence}"
        if not self._stop:
            warnings.warn(text, WatchWarning, stacklevel=2)
            return
        stopped = StoppedError(text)
        stopped.alarm = alarm
        raise stopped


def _has_gradient(kept: _Kept) -> bool:
    """Whether the gradients of this step say what a call returned. Only PyTorch's tensors tell whether they do not."""
    returned = [one for one in _tensors(kept.call.returned) if hasattr(one, "requires_grad")]
    if not any(one.requires_grad for one in returned):
        return not returned
    retained = [one for one in returned if getattr(one, "retains_grad", False)]
    return not retained or any(one.grad is not None for one in retained)


def _tensors(values: Any) -> list[Any]:
    """Every tensor of real numbers in nested lists, tuples and mappings; a packed sequence is a tuple."""
    if isinstance(values, list | tuple | dict):
        return [one for part in (values.values() if isinstance(values, dict) else values) for one in _tensors(part)]
    return [values] if "float" in str(getattr(values, "dtype", "")) else []


def _version(call: WatchedCall) -> int:
    """A number that grows when PyTorch changes the input or a weight of a call in place; 0 if nothing counts that."""
    weights = getattr(call.module, "_parameters", None)
    return _versions([*_tensors(call.read), *(weights.values() if isinstance(weights, dict) else ())])


def _versions(tensors: Sequence[Any]) -> int:
    """The same for some tensors."""
    try:
        return sum([one._version for one in tensors])
    except (AttributeError, RuntimeError):  # another framework, or tensors of inference mode
        return 0


def _norms(gradients: Sequence[Any]) -> list[float]:
    """The norms of some gradients; those of PyTorch are read in place, or from another device all at once."""
    found = [math.nan] * len(gradients)
    if gradients and hasattr(gradients[0], "detach"):
        import torch

        if all(one.device.type == "cpu" and one.dtype in (torch.float32, torch.float64) for one in gradients):
            flat = [one.detach().numpy().ravel() for one in gradients]
            with np.errstate(over="ignore"):
                found = [float(one @ one) ** 0.5 for one in flat]  # for small ones in a tenth of the time
        else:
            each = torch._foreach_norm(list(gradients))
            found = torch.stack([one.to(each[0].device) for one in each]).tolist()
    for at, norm in enumerate(found):
        if not norm or not math.isfinite(norm):  # the squares may have vanished, or overflowed
            found[at] = float(np.linalg.norm(np.asarray(numbers_in(gradients[at], "the model"), np.float64)))
    return found


def _one(given: Mapping[str, Any], step: int) -> dict[str, Any]:
    """The arguments of a call for one sequence without padding, of its first steps."""
    x, states = np.asarray(given["x"]), [name for name in ("h0", "c0") if given.get(name) is not None]
    if x.ndim < 3:
        return {"x": x[:SAMPLED], **{name: given[name] for name in states}}
    b = step % x.shape[0 if given.get("batch_first") else 1]
    x = x[b] if given.get("batch_first") else x[:, b]
    if given.get("mask") is not None:
        x = x[given["mask"][b]]
    length = SAMPLED if given.get("lengths") is None else min(SAMPLED, int(given["lengths"][b]))
    return {"x": x[:length], **{name: [one[b] for one in given[name]] for name in states}}


@checked
@contextmanager
def watch(
    model: Any, *, vanishes: float = 0.0, explodes: float = math.inf, saturated: float | None = 0.01,
    action: Literal["stop", "warn"] = "stop", save: str | Path | None = "watch.safetensors", optimizer: Any = None,
    share: float = 0.01,
) -> Iterator[Watching]:  # fmt: skip
    """Watch the LSTMs, GRUs and RNNs of `model` in a training loop until something goes wrong, and save a trace.

    A step of training ends where an optimizer changes the weights of a watched layer; steps count from 0. An alarm is
    raised if a value is NaN or infinite, if the gradient of a module's weights has vanished or exploded, or if every
    unit of a gate or of a tanh line is saturated at every step of a sampled sequence.

    Args:
        model: a PyTorch or Keras model, or one layer or cell.
        vanishes: the norm of a module's gradient at or below which it has vanished; never if negative.
        explodes: the norm at or above which it has exploded; NaN always has.
        saturated: values below this, or above 1 minus this, are saturated (tanh is rescaled to 0 to 1); None: nothing
            is sampled.
        action: `stop` raises a StoppedError out of the optimizer's step, before the weights are changed, or at the end
            of the block; `warn` issues a WatchWarning, once for each kind and module.
        save: where the trace is saved; None: nowhere.
        optimizer: that of a Keras model, if it is not `model.optimizer`.
        share: the largest share of the time that samples may take.

    Returns:
        The watch: `alarms` (kind, step, module, sentence, trace, path) and `steps`.

    Raises:
        StoppedError: for an alarm, with the action `stop`; its `alarm` has the trace.
        MissingError: if the model has no such layer, or none was called.
        OptionError: at the end of the block, if Keras has compiled the calls (`run_eagerly=True` prevents that).

        with lt.watch(model):
            for x, y in batches:
                …
                optimizer.step()
    """
    if action not in ("stop", "warn"):
        raise OptionError(f"action is 'stop' or 'warn', not {describe(action)}")
    if math.isnan(vanishes) or not explodes > 0 or not share >= 0:
        raise OptionError("expected numbers: vanishes (negative: never), explodes above 0, share of at least 0")
    if saturated is not None and not 0 < saturated < 0.5:
        raise OptionError(f"saturated: expected a number between 0 and 0.5, or None; found {describe(saturated)}")
    said = "optimizer: expected that of a Keras model; compile the model first, or give it as optimizer="
    if optimizer is not None and not hasattr(optimizer, "apply"):
        raise OptionError(f"{said}; found {describe(optimizer)}")
    if save is not None:
        format_of(save, SUFFIXES, "traces", "json")
    names, watching = watchable(model)
    found = Watching((vanishes, explodes), saturated, action == "stop", save, share)
    stepping = _torch_steps
    if watching is watch_keras:
        optimizer = getattr(model, "optimizer", None) if optimizer is None else optimizer
        if not hasattr(optimizer, "apply"):
            raise OptionError(f"{said}; found {describe(optimizer)}")
        stepping = partial(_keras_steps, optimizer)
    with watching(names, found), stepping(names, found):
        ended: type[BaseException] = Exception
        try:
            yield found
        except BaseException as error:
            ended = type(error)
            raise
        finally:  # a loop may end before the optimizer's step, because its loss is NaN
            if issubclass(ended, Exception) and not issubclass(ended, StoppedError):
                with found.noting(""):
                    found.judge((), step=False)
    found.tell(names)


@contextmanager
def _torch_steps(names: Mapping[str, Any], found: Watching) -> Iterator[None]:
    """Judge each step before any optimizer changes weights of these modules."""
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    weights = [(name, *pair) for name, module in names.items() for pair in module.named_parameters()]
    own = {id(weight) for *_, weight in weights if weight.requires_grad}

    def before(optimizer: Any, *_: Any) -> None:
        if not own or any(id(weight) in own for group in optimizer.param_groups for weight in group["params"]):
            with found.noting(""):
                found.judge([(module, name, one.grad) for module, name, one in weights if one.grad is not None])

    handle = register_optimizer_step_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _keras_steps(optimizer: Any, names: Mapping[str, Any], found: Watching) -> Iterator[None]:
    """The same for Keras, whose optimizer's `apply` receives the gradients, beside the weights or in their order."""
    own = {id(weight): (name, weight.path) for name, layer in names.items() for weight in layer.trainable_weights}
    original, before = optimizer.apply, vars(optimizer).get("apply")

    def apply(gradients: Any, trainable_variables: Any = None) -> Any:
        weights = optimizer._trainable_variables if trainable_variables is None else trainable_variables
        pairs = zip(map(id, weights), gradients, strict=True)
        with found.noting(""):
            found.judge([(*own[key], one) for key, one in pairs if key in own and one is not None])
        return original(gradients, trainable_variables)

    object.__setattr__(optimizer, "apply", apply)
    try:
        yield
    finally:  # blocks that watch one optimizer end in the reverse order, as `with` does
        object.__delattr__(optimizer, "apply")
        if before is not None:
            object.__setattr__(optimizer, "apply", before)
