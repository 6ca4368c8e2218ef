"""Watches a live model while it trains, until a value is not finite, a gate is saturated or a gradient out of bounds.

While nothing happens, nothing is converted: calls are kept by reference until the optimizer is about to change the
weights; then the norms of the gradients are read, and what was returned only where they do not tell. What a module does
not return (an infinity behind a gate, saturation) is seen in a sample: one sequence of a call, traced whenever the time
for that is within a given share of all time. Only an alarm traces a whole call.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
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
from ..model.calls import ModuleCall, NoNumbersError, Watch, WatchedCall, block, numbers_in, watch_keras
from ..model.capture import traced, watchable
from ..trace.argument_types import checked
from ..trace.files.trace_file import SUFFIXES
from ..trace.trace import Trace
from ..weights.live_modules import as_array
from .activity import behaviour

Kind = Literal["not finite", "saturated", "vanished", "exploded"]
#: Maximum number of calls of a layer, and of a cell, that are kept; before one more is, the oldest is looked at.
CALLS, CELL_CALLS = 4, 4096
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
    _keras_call_info_injected = True  # or Keras would raise another one with its own message, and without the alarm


class WatchWarning(UserWarning):
    """What a watch has found, if it does not stop the training."""


class _Kept(NamedTuple):
    """A call of this step, the tensors that it returned, and the versions at that time, theirs last."""

    call: WatchedCall
    returned: list[Any]
    versions: list[int]


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
        self._calls: dict[str, list[_Kept]] = {}
        self._again = False
        self._begun, self._spent, self._last = perf_counter(), 0.0, 0.0

    def receive(self, call: WatchedCall) -> None:
        """Keep a call by reference, and have PyTorch keep the gradients of what it returned."""
        returned, single = _tensors([call.returned]), call.end is None
        for one in returned if single else ():
            if getattr(one, "requires_grad", False):
                one.retain_grad()  # a hook in Python would take ten times as long
        calls = self._calls.setdefault(call.name, [])
        if len(calls) == (CALLS if single else CELL_CALLS):
            self._look(calls[0])
            del calls[0]
        calls.append(_Kept(call, returned, _versions(call, returned)))

    def judge(self, gradients: Sequence[tuple[str, str, Any]], counts: bool = True) -> None:
        """Look at what was called since the last time, before the weights are changed, and count it as a step.

        gradients: module, weight, and its gradient; none if the weights are frozen. counts: whether a step ends here,
        if anything was called, or no call was ever seen, as of compiled ones.
        Raises StoppedError for an alarm, NoNumbersError if the calls were compiled.
        """
        counts = counts and bool(self._calls or (gradients and not self._taken))
        self._again = bool(gradients) and not counts  # of the step that was just counted
        with self.lock:
            try:
                self._judge(gradients)
            except Exception as error:
                self.note("", error)
            finally:
                self.steps += counts
                self._again = False
                self._calls.clear()

    def _judge(self, gradients: Sequence[tuple[str, str, Any]]) -> None:
        """What is not finite in a forward pass makes its gradients NaN. What it returned is looked at only if they are,
        or if they may be those of another call: of a later one, after a step that was left out, or if it has none."""
        norms, (vanishes, explodes) = _norms([one for _, _, one in gradients]), self._limits
        finite = bool(norms) and math.isfinite(sum(norms))
        if norms:
            self._taken.update(self._calls)
        for calls in self._calls.values():
            for one in calls:
                if not (finite and (one is calls[-1] or one.call.end is not None) and _has_gradient(one)):
                    self._look(one)
        if norms and not (min(norms) > vanishes and math.hypot(*norms) < explodes):  # else no module is beyond a limit
            each = ((module, (norm, name)) for (module, name, _), norm in zip(gradients, norms, strict=True))
            for module, those in by_key(each).items():
                norm = math.hypot(*(one for one, _ in those))
                if (norm <= vanishes and module in self._calls) or not norm < explodes:  # without a call it is not new
                    largest = max(those, key=lambda pair: (not math.isfinite(pair[0]), pair[0]))[1]
                    said = f"the gradient of its weights has the norm {norm:.3g}"
                    said += f", most of it in {largest}" if norm else ""
                    self._alarm("vanished" if norm <= vanishes else "exploded", module, None, said)
        if norms and self._saturated is not None:
            begun = perf_counter()
            if self._spent + self._last <= self._share * (begun - self._begun):
                for module in self._calls:
                    self._sample(module, self._saturated)
                self._last = perf_counter() - begun
                self._spent += self._last

    def _look(self, one: _Kept) -> None:
        """Raise an alarm if what a call returned is not finite."""
        module = one.call.name
        with suppress(NoNumbersError):  # JAX computes gradients of a forward pass that it has compiled
            values = [value.detach() if hasattr(value, "detach") else value for value in one.returned]
            good = all(map(math.isfinite, _norms(values)))
            self._taken.add(module)
            if not good:
                self._alarm("not finite", module, one)

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
        for one in calls:
            now, own = _versions(one.call, one.returned), slice(-len(one.returned))
            if now[own] != one.versions[own]:
                raise OptionError("its input or its weights were changed in place since")
        self._found.clear()
        before, self.faults = self.faults, Faults()
        try:
            for one in calls:
                one.call.process(one.call)
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
        try:
            if kept is None and module in self._calls:
                kept = self._calls[module][-1]
            if kept is None:
                unseen = "none of it was seen, as of what torch.compile has compiled"
                raise OptionError("it was not called in this step" if module in self._taken else unseen)
            trace, _ = traced(self._replayed(kept), {})
            if kind in ("vanished", "exploded") and kept.versions == _versions(kept.call, kept.returned):
                each = zip(("output", "h_n", "c_n"), kept.returned, strict=False)
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
        step = max(0, self.steps - self._again)
        alarm = Alarm(kind, step, module, "; ".join(parts), trace, path)
        self.alarms.append(alarm)
        text = f"step {step} of training, {module or 'the model'}: {alarm.sentence}"
        if not self._stop:
            warnings.warn(text, WatchWarning, stacklevel=2)
            return
        stopped = StoppedError(text)
        stopped.alarm = alarm
        raise stopped


def _has_gradient(kept: _Kept) -> bool:
    """Whether the gradients of this step say what a call returned. Only PyTorch's tensors tell whether they do not."""
    known = [one for one in kept.returned if hasattr(one, "requires_grad")]
    for one in known:
        if one.requires_grad and (one.grad is not None if one.retains_grad else kept.call.end is not None):
            return True
    return not known


def _tensors(values: Any) -> list[Any]:
    """Every tensor of real numbers in nested lists, tuples and mappings; a packed sequence is a tuple."""
    found: list[Any] = []
    for one in values.values() if isinstance(values, dict) else values:
        if "float" in str(getattr(one, "dtype", "")):
            found.append(one)
        elif isinstance(one, (list, tuple, dict)):  # `list | tuple` would be made anew each time
            found += _tensors(one)
    return found


def _versions(call: WatchedCall, returned: Sequence[Any]) -> list[int]:
    """Numbers that grow when PyTorch changes the input, a weight or a result of a call in place; none if it does not
    count: another framework, or tensors of inference mode."""
    weights = getattr(call.module, "_parameters", None)
    used = weights.values() if isinstance(weights, dict) else ()
    try:
        return [one._version for one in (*_tensors(call.read), *used, *returned)]
    except (AttributeError, RuntimeError):
        return []


def _norms(tensors: Sequence[Any]) -> list[float]:
    """Norms; those of PyTorch's tensors are read from another device all at once."""
    found = [math.nan] * len(tensors)
    if tensors and hasattr(tensors[0], "detach") and not tensors[0].is_meta:  # Keras infers shapes without numbers
        import torch

        each = torch._foreach_norm([*tensors])
        if each[0].is_cpu and each[0].dtype in (torch.float32, torch.float64):
            found = [one.item() for one in each]
        else:
            found = torch.stack([one.to(each[0].device) for one in each]).tolist()
    return [
        norm if 0 < norm < math.inf else float(np.linalg.norm(np.asarray(numbers_in(one, "the model"), np.float64)))
        for norm, one in zip(found, tensors, strict=True)  # else the squares may have vanished, or overflowed
    ]


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
@block
def watch(
    model: Any, *, vanishes: float = 0.0, explodes: float = math.inf, saturated: float | None = 0.01,
    action: Literal["stop", "warn"] = "stop", save: str | Path | None = "watch.safetensors", optimizer: Any = None,
    share: float = 0.01,
) -> Iterator[Watching]:  # fmt: skip
    """Watch the LSTMs, GRUs and RNNs of `model` in a training loop until something goes wrong, and save a trace.

    A step of training ends where an optimizer changes the weights of a watched layer that was called since the last
    one; steps count from 0. An alarm is raised if a value is NaN or infinite, if the gradient of a module's weights has
    vanished or exploded, or if every unit of a gate or of a tanh line is saturated at every step of a sampled sequence.

    Args:
        model: a PyTorch or Keras model, or one layer or cell.
        vanishes: the norm of a module's gradient at or below which it has vanished; never if negative.
        explodes: the norm at or above which it has exploded; NaN always has.
        saturated: values below this, or above 1 minus this, are saturated (tanh is rescaled to 0 to 1); None: nothing
            is sampled.
        action: `stop` raises a StoppedError out of the optimizer's step, before the weights are changed, out of a later
            call if there were many without a step, or at the end of the block; `warn` issues a WatchWarning, once for
            each kind and module.
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
    if save is not None:
        format_of(save, SUFFIXES, "traces", "json")
    names, watching = watchable(model)
    found = Watching((vanishes, explodes), saturated, action == "stop", save, share)
    if watching is watch_keras:
        optimizer = getattr(model, "optimizer", None) if optimizer is None else optimizer
        expected = "" if hasattr(optimizer, "apply") else "that of a Keras model; compile the model, or give it here"
        stepping = _keras_steps(optimizer, names, found)
    else:
        expected = "" if optimizer is None else "none for a PyTorch model: all of its optimizers are watched"
        stepping = _torch_steps(names, found)
    if expected:
        raise OptionError(f"optimizer: expected {expected}; found {describe(optimizer)}")
    with watching(names, found), stepping:
        try:
            yield found
        except StoppedError:
            raise
        except Exception:
            found.judge((), counts=False)
            raise
        found.judge((), counts=False)  # a loop may end before the optimizer's step, because its loss is NaN
    found.tell(names)


@contextmanager
def _torch_steps(names: Mapping[str, Any], found: Watching) -> Iterator[None]:
    """Judge each step before any optimizer changes weights of these modules; a closure whenever it is evaluated."""
    from torch.optim.optimizer import register_optimizer_step_pre_hook

    weights = [(name, *pair) for name, module in names.items() for pair in module.named_parameters()]
    own = {id(weight) for *_, weight in weights if weight.requires_grad}

    def judge(counts: bool = True) -> None:
        found.judge([(module, name, grad) for module, name, one in weights if (grad := one.grad) is not None], counts)

    def before(optimizer: Any, args: Any, kwargs: Any) -> Any:
        if own and not any(id(weight) in own for group in optimizer.param_groups for weight in group["params"]):
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")  # after the optimizer itself
        if not callable(closure):
            return judge()
        counts = iter([True])

        def judged() -> Any:
            loss = closure()
            judge(next(counts, False))
            return loss

        return ((args[0], judged, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "closure": judged})

    handle = register_optimizer_step_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _keras_steps(optimizer: Any, names: Mapping[str, Any], found: Watching) -> Iterator[None]:
    """The same for Keras, whose optimizer's `apply` receives the gradients, beside the weights or in their order.

    Gradients of a scaled loss are unscaled in `apply`, or by an optimizer around another one.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    own = {id(weight): (name, weight.path) for name, layer in names.items() for weight in layer.trainable_weights}
    original, before = optimizer.apply, vars(optimizer).get("apply")

    def apply(gradients: Any, trainable_variables: Any = None) -> Any:
        weights = optimizer._trainable_variables if trainable_variables is None else trainable_variables
        pairs = zip(map(id, weights), gradients, strict=True)
        scale = getattr(optimizer, "loss_scale_factor", None)
        those = [(*own[key], one / scale if scale else one) for key, one in pairs if key in own and one is not None]
        found.judge(those)
        return original(gradients, trainable_variables)

    object.__setattr__(optimizer, "apply", apply)
    try:
        yield
    finally:  # blocks that watch one optimizer end in the reverse order, as `with` does
        object.__delattr__(optimizer, "apply")
        if before is not None:
            object.__setattr__(optimizer, "apply", before)
