"""The inputs of a run, checked and brought into one layout: (T, B, I), (B, width) and (T, B, width)."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..base.arrays import Array, by_key, cast, to_array, to_truths
from ..cell.network import MEET, Stage, find, scope_and_name
from ..cell.shape_hints import column
from ..errors import Faults, FileError, MissingError, OptionError, ShapeError, nearest, reading, within
from ..trace.address import INITIAL, STATE
from ..trace.holding import NO_HOLDS, HeldLines

NamedValues = Mapping[str, Any]


def numbers(value: Any, name: str, dtype: Any = None) -> Array:
    """`value` as an array; with a dtype, as a copy. Raises ShapeError if it is ragged, not numeric, or too large."""
    try:
        array = to_array(value)
        return array if dtype is None else cast(array, dtype)
    except FileError:  # of an array that is read on use
        raise
    except ValueError as error:
        raise ShapeError(f"{name}: {error}") from None


def common_dtype(*arrays: Any) -> np.dtype[Any] | None:
    """The dtype in which arrays or nested lists are computed; None if one cannot be read, which is reported
    elsewhere.
    """
    try:
        return computing(np.result_type(*(to_array(array).dtype for array in arrays)))
    except (ValueError, TypeError):
        return None


def computing(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in which numbers of `dtype` are computed: half types in float32, integers in float64."""
    half = dtype.name == "bfloat16" or (dtype.kind == "f" and dtype.itemsize < 8)
    return np.dtype(np.float32 if half else np.float64)


def checked_lengths(lengths: Any, steps: int, batch: int) -> Array | None:
    """The lengths as integers, (B,), each from 0 to T. Raises ShapeError."""
    if lengths is None:
        return None
    array = numbers(lengths, "lengths")
    if not (array == np.floor(array)).all():
        raise ShapeError(f"lengths must be whole numbers; found {array.tolist()}")
    if array.shape != (batch,):
        found = f"has shape {array.shape}" if array.ndim else f"is the single number {array:g}"
        raise ShapeError(f"lengths {found}; expected one for each of the B = {batch} rows")
    if array.min() < 0 or array.max() > steps:
        wrong = int(array[(array < 0) | (array > steps)][0])
        raise ShapeError(f"lengths has {wrong}; expected 0 to T = {steps}")
    return np.array(array, np.int64)


def checked_mask(mask: Any, steps: int, batch: int, batched: bool, batch_first: bool) -> Array | None:
    """The mask as (T, B), True at the valid steps."""
    if mask is None:
        return None
    with reading("mask", ShapeError):
        array = to_truths(mask)
    shape = array.shape
    if array.ndim == 1 and not batched:
        array = array[:, None]
    elif array.ndim == 2 and batched and batch_first:
        array = array.T
    if array.shape != (steps, batch):
        form, wanted = ("(B, T)", (batch, steps)) if batch_first else ("(T, B)", (steps, batch))
        expected = f"{form} = {wanted}, as x" if batched else f"(T,) = ({steps},)"
        turned = batched and shape == wanted[::-1]
        raise ShapeError(f"mask has shape {shape}; expected {expected}{'; it looks transposed' if turned else ''}")
    return np.array(array)


def shortest(mask: Array | None) -> tuple[Array | None, Array | None]:
    """(lengths, mask): lengths if all padding in the mask is at the end, otherwise the mask itself."""
    if mask is None or not mask.size:
        return None, mask
    lengths = mask.sum(axis=0)
    if (mask == (np.arange(len(mask))[:, None] < lengths)).all():
        return lengths.astype(np.int64), None
    return None, mask


@dataclass(frozen=True)
class RunInputs:
    """The arrays of one run, all of them copies.

    x: (T, B, I) or None; lengths: (B,) or None; mask: (T, B), True at the valid steps, or None if there are lengths or
    all steps are valid; initial: (B, width) by state and scope; given: supplied lines (T, B, width) by scope and name;
    holds: the held lines, with their arrays. batched: whether the caller's arrays had a batch
    axis.
    step_labels: see `Header`.
    """

    steps: int
    batch: int
    batched: bool
    x: Array | None = None
    lengths: Array | None = None
    mask: Array | None = None
    initial: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    given: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    holds: HeldLines = NO_HOLDS
    step_labels: tuple[tuple[str, ...], ...] = ()

    @property
    def padded(self) -> str:
        """The array that defines the padding: `lengths`, `mask`, or nothing."""
        return "lengths" if self.lengths is not None else "mask" if self.mask is not None else ""

    @property
    def valid(self) -> Array | None:
        """(T, B), True at the valid steps; None if all are valid."""
        return self.mask if self.lengths is None else np.arange(self.steps)[:, None] < self.lengths


def fed(
    x: Any, states: NamedValues, supplied: NamedValues, lengths: Any, mask: Any, batch_first: bool,
    dtype: Any, width: int | None, stages: Sequence[Stage],
) -> RunInputs:  # fmt: skip
    """Check and copy the arrays of a run.

    states: by name (`h_prev`); supplied: lines by name or `layer/direction/name`; width: I if the weights determine it;
    stages: without padding. Raises one error with every fault; only those of x if it has any, since x determines how
    many steps and sequences the others must have.
    """
    carried = by_key((state, stage.scope) for stage in stages for state in stage.cell.states)
    matrices = frozenset().union(*(stage.cell.matrices for stage in stages))
    values, batched = sequence(x, batch_first, dtype, width)
    if values is not None:
        steps, batch = values.shape[:2]
    else:
        steps, batch = _extent(supplied, states, matrices, sum(s.direction != MEET for s in stages), batch_first)
        batched = batch > 1
    faults = Faults()
    with faults.gather():
        if lengths is not None and mask is not None:
            raise OptionError("lengths and mask both define the padding: give one of them")
        checked = checked_mask(mask, steps, batch, batched, batch_first)
        inside = (checked_lengths(lengths, steps, batch), None) if mask is None else shortest(checked)
    with faults.gather():
        starts = initial_states(states, carried, batch, dtype, matrices)
    with faults.gather():
        given = given_lines(supplied, steps, batch, batched, batch_first, dtype, stages)
    faults.tell()
    return RunInputs(steps, batch, batched, values, *inside, starts, given)


def sequence(x: Any, batch_first: bool, dtype: Any, width: int | None) -> tuple[Array | None, bool]:
    """x as (T, B, I), and whether it had a batch axis."""
    if x is None:
        return None, False
    array = np.atleast_1d(given := numbers(x, "x", dtype))
    shape = given.shape
    if array.size == 0:
        what = "the sequence is empty" if shape[0] == 0 else f"x has shape {shape}, which is empty"
        raise ShapeError(f"{what}: x needs at least one step of numbers")
    if array.ndim == 1:
        if width == 1 and array.size > 1:
            offer = ", ".join(f"[{v:g}]" for v in array[:3]) + (", …" if array.size > 3 else "")
            said = f"which is one step of {array.size} inputs, but the weights take I = 1 input"
            raise ShapeError(f"x has {array.size} numbers in one list, {said}; for {array.size} steps write [{offer}]")
        array = array[None]
    if array.ndim > 3:
        raise ShapeError(f"x has shape {shape}; expected (T, I) or (T, B, I)")
    batched = array.ndim == 3
    if not batched:
        array = array[:, None]
    elif batch_first:
        array = np.ascontiguousarray(np.swapaxes(array, 0, 1))
    return array, batched


def _extent(
    supplied: NamedValues, states: NamedValues, matrices: Container[str], scopes: int, batch_first: bool
) -> tuple[int, int]:
    """T and B if there is no x: from a supplied line of (T, B, width) or (T, width), otherwise one step."""
    for shape in map(_shape, supplied.values()):
        if len(shape) == 3:
            return (shape[1], shape[0]) if batch_first else (shape[0], shape[1])
        if len(shape) == 2:
            return shape[0], 1
    for state, value in states.items():
        shape = _shape(value)[:-1] if state in matrices else _shape(value)
        if len(shape) == 3 or (len(shape) == 2 and scopes == 1):
            return 1, shape[-2]
    return 1, 1


def _shape(value: Any) -> tuple[int, ...]:
    """The shape of an array, or of nested lists by their first entries; ragged lists are detected later."""
    found = []
    while isinstance(value, list | tuple) and value:
        found.append(len(value))
        value = value[0]
    return (*found, *(np.shape(value) if hasattr(value, "__array__") else ()))


def initial_states(
    states: NamedValues, carried: Mapping[str, Sequence[str]], batch: int, dtype: Any, matrices: Container[str] = ()
) -> dict[str, dict[str, Array]]:
    """For each given state its (B, width) by scope.

    carried: the scopes of each state, in the order of its values; matrices: those that may be given as (…, r, c).
    """
    found: dict[str, dict[str, Array]] = {}
    faults = Faults()
    known = [INITIAL.get(state, state) for state in carried]
    for state, value in states.items():
        name, scopes = INITIAL.get(state, state), carried.get(state, ())
        count = len(scopes)
        with faults.gather():
            if name not in known:
                hint = nearest(name, known, "it carries") or "; it carries nothing"
                raise MissingError(f"the cell carries no state {name}{hint}")
            parts = value if isinstance(value, list | tuple) and len(value) == count else ()
            axes = ("rows", "columns") if state in matrices else ("width",)
            if len({_shape(part)[-len(axes) :] for part in parts}) > 1:  # layers of different sizes
                wants = f"(B, {', '.join(axes)}) with B = {batch}"
                starts = (_starts(part, f"{name}[{k}]", 1, batch, dtype, axes, wants) for k, part in enumerate(parts))
                found[state] = {scope: start for scope, (start,) in zip(scopes, starts, strict=True)}
            else:
                found[state] = dict(zip(scopes, _starts(value, name, count, batch, dtype, axes), strict=True))
    faults.tell()
    return found


def _starts(value: Any, name: str, count: int, batch: int, dtype: Any, axes: Sequence[str], wants: str = "") -> Array:
    """A state of some scopes as (scopes, B, width).

    axes: those of a value; a matrix may also lie in a row. wants: the accepted shapes, for messages.
    """
    array = numbers(value, name, dtype)
    # of one layer, or one sequence, the axis may be left out
    leads = [lead for lead in ((count, batch), (batch,), (count,), ()) if math.prod(lead) == count * batch]
    if array.size and any(array.shape[: -k - 1] in leads for k in range(len(axes))):
        return array.reshape(count, batch, -1)
    forms = [str((*lead, *axes)).replace("'", "") for lead in dict.fromkeys(reversed(leads))]
    wants = wants or f"(L·D, B, {', '.join(axes)}) with L·D = {count}, B = {batch}: {' or '.join(forms)}"
    hint = column(array.shape) if batch == count == len(axes) == 1 else ""
    hint += f" ({name} is {STATE[name]} at the first step)" if hint and name in STATE else ""
    raise ShapeError(f"{name} has shape {array.shape}; expected {wants}{hint}")


def given_lines(
    given: NamedValues, steps: int, batch: int, batched: bool, batch_first: bool, dtype: Any, stages: Sequence[Stage]
) -> dict[str, dict[str, Array]]:
    """Supplied lines as (T, B, width) by scope."""
    found: dict[str, dict[str, Array]] = {}
    faults = Faults()
    for key, values in given.items():
        with faults.gather():
            scope, name = _place(key, stages)
            array = numbers(values, f"given {key}", dtype)
            shape = array.shape
            if array.ndim < 2:  # one value for every step and sequence
                array = np.broadcast_to(np.atleast_1d(array), (steps, batch, array.size))
            elif array.ndim == 2:
                array = array[:, None] if not batched and shape[0] == steps else array[None]
            elif batch_first:
                array = np.swapaxes(array, 0, 1)
            if array.ndim != 3 or array.shape[:2] != (steps, batch) or not array.size:
                width = "rows·columns" if any(name in stage.cell.matrices for stage in stages) else "width"
                wants = f"({width},), (T, {width}) or (T, B, {width}) with T = {steps}, B = {batch}"
                raise ShapeError(f"given {key} has shape {shape}; expected {wants}")
            found.setdefault(scope, {})[name] = np.require(array, requirements=["C", "W"])  # `numbers` has copied it
    faults.tell()
    return found


def _place(key: str, stages: Sequence[Stage]) -> tuple[str, str]:
    """Scope and name of a supplied line, written `name` or `layer/direction/name`."""
    scope, name = scope_and_name(key)
    known = [stage.scope for stage in stages]
    if any(name in stage.cell.parameters for stage in stages if scope in ("", stage.scope)):
        said = f"the equations read {name} as a weight; declare it among them, input: {name}"
        raise MissingError(f"given {key!r}: {said}")
    if scope and scope not in known:
        raise MissingError(f"given {key!r}: there is no {scope!r}{nearest(scope, known, 'there are')}")
    with within("given"):
        scopes = [scope] if scope else find(stages, name)
    if len(scopes) > 1:
        raise MissingError(f"given {name!r} is in {', '.join(scopes)}: write {scopes[0]}/{name}")
    return scopes[0], name
