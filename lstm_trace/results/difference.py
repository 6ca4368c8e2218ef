"""The difference of one value between two traces, split exactly over parameters, inputs and states.

The tables of a split, by block, by step and by entry, are also used for contributions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backpropagation.attribution import Split, exact, secants, split
from ..base.arrays import Array
from ..cell.network import layer_and_direction, scope_and_name
from ..documents.tables import STEP, STEP_LABEL, UNIT_NAME, Entries, EntryGrid, LongTable, Run, every, largest_first
from ..errors import OptionError
from ..explanation.account import State, Step, padding_of, steps
from ..languages.strings import Words
from ..trace.address import STATE, columns_of
from ..trace.derived import total
from ..trace.labels import step_labels, unit_names
from ..trace.trace import Trace
from ..verification.alignment import side_by_side
from .changes import numbers, through
from .explanation import Solved, counted, step_named

if TYPE_CHECKING:
    import pandas as pd

#: Contributions this many times as large as their sum are reported to cancel.
CANCEL = 10
#: The formats whose document is the worked solution; the others have only the tables.
WORKED = ("text", "html", "tex", "typ")
#: Columns with an entry's address, followed by its share. `unit` is the row and `input` the column of a matrix.
COLUMNS = ("address", "kind", "layer", "direction", "t", "batch", "name", "unit", "input", "contribution")
#: Further columns of a difference: the values of the entry.
SIDES = ("a", "b")
#: Beginning and end of the names of blocks that are not arrays of the trace.
ROUNDING, LOCAL = "rounding of float32", " (local)"
#: Options whose flag has another name.
_FLAGS = {"everything": "all", "digits_of": "digits", "arithmetic": "by-hand"}
#: Parts by other measures, by column and address.
Measures = Mapping[str, Mapping[str, Array]]
NONE: Measures = MappingProxyType({})
_STEPS = ("t", "batch", "unit")
_AXES = {"input": _STEPS, "lengths": _STEPS, "mask": _STEPS, "given": _STEPS, "state": ("batch", "unit")}


@np.errstate(all="ignore")
def difference(a: Trace, b: Trace, of: str, **worked: Any) -> DifferenceExplanation:
    """The difference of one value, b minus a, split exactly, as by `changes.find`. worked: options of the worked
    solution.

    Raises OptionError if the value is NaN or infinite in one of them.
    """
    if (a.span, a.batch) != (b.span, b.batch):
        a, b = side_by_side(a, b)
    b = through(a, b)
    return DifferenceExplanation(b, of, worked, split(a, b, of), a)


@dataclass(frozen=True, eq=False, repr=False)
class SplitExplanation(Solved):
    """A split difference of a value; its worked solution has the slopes between both traces."""

    split: Split

    def without(self, words: Words) -> str:
        """Why the document has no worked steps; empty if it has them."""
        return ""

    def is_worked(self, format: str) -> bool:
        """Whether the document is the worked solution; see `Solved`."""
        why = self.without(self.words())
        if self.worked and (why or format not in WORKED):
            names = ", ".join(f"--{_FLAGS.get(name, name.replace('_', '-'))}" for name in self.worked)
            belong = f"{names} {'belong' if len(self.worked) > 1 else 'belongs'} to the worked steps of a split"
            if why:
                reason = why.partition(": ")[2].removesuffix(".")
                raise OptionError(f"{belong}, and there are none: {reason}. Leave {names} out")
            raise OptionError(f"{belong}, and {format} has only its tables: choose --format {', '.join(WORKED)} or pdf")
        return format in WORKED and not why


@dataclass(frozen=True, eq=False, repr=False)
class DifferenceExplanation(SplitExplanation):
    """The difference of a value between two traces. trace: b; other: a. brief: never the worked solution."""

    other: Trace
    brief: bool = False

    def backward(self) -> Trace:
        """The trace b with the slopes between both."""
        return secants(self.other, self.trace, str(self.of))

    def without(self, words: Words) -> str:
        """Why there are no worked steps: they need float64; on a terminal they are written only if asked for."""
        for side, one in zip(SIDES, (self.other, self.trace), strict=True):
            if not exact(one):
                return words.word("split.exact", side=side, kind=one.header.arithmetic or one.header.dtype)
        return words.word("split.brief") if self.brief else ""

    def title(self, words: Words) -> str:
        """The title, which names the value."""
        return words.word("split.difference", of=words.address(self.split.of))

    def found(self, words: Words) -> Iterator[str]:
        """Both values, the sum of the parts, and the largest of them."""
        yield from totals(self.split, "split.traces", words)
        yield from leaders(self.split, self._steps, words)

    @property
    def _steps(self) -> tuple[Step, ...]:
        return tuple(steps(self.split, labels=step_labels(self.trace, self.split.of.b or 0)))

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """By block, by step, and every nonzero entry, the largest first."""
        padding = padding_of(self.trace, self.split, self._steps)
        over = [row for row in self._steps if row.t not in padding]
        notes = [note for note in (words.word("split.note"), self.without(words)) if note]
        steps = counted(self.trace, by_step(over, words, len(padding), timed=True))
        entries = by_entry(self.split, self.trace, words, notes, _sides(self.split))
        shown = (*entries.shown[:-1], *SIDES, "contribution")
        return by_block(self.split, words), steps, replace(entries, shown=shown)

    def frame(self) -> pd.DataFrame:
        """One row per entry; see `frame_of`."""
        whole = frame_of(self.split, self.trace)
        whole.attrs["sentences"] = [*self.sentences(self.words())]
        return whole


# -- the findings of a split, in words -------------------------------------------------------------------------------


def totals(split: Split, key: str, words: Words) -> Iterator[str]:
    """Both values and the sum of the parts. key: of the sentence that names the two sides."""
    a, b = numbers(split.baseline, split.value)
    yield words.word(key, of=words.address(split.of), a=a, b=b, difference=f"{split.difference + 0.0:.6g}")
    yield words.word("split.sum", total=f"{split.total + 0.0:.6g}", residual=f"{split.residual:.2g}")
    if local := total(split.local.values()):
        yield words.word("split.local", local=f"{local:.6g}")


def leaders(split: Split, over: Sequence[Step], words: Words) -> Iterator[str]:
    """The largest blocks, the step that contributed most, steps that cancel, and contributions that belong to no
    step.
    """
    blocks = [(name, float(np.sum(part))) for name, part in _arrays(split)]
    listed = words.word("list")
    largest = sorted(blocks, key=lambda one: -abs(one[1]))[:3]
    if items := [f"{_block(name, words)} {part:+.6g}" for name, part in largest if part]:
        yield words.word("split.largest", items=listed.join(items))
    if len(over) > 1 and any(step.together for step in over):
        step = max(over, key=lambda step: abs(step.together))
        yield words.word("split.step", step=step_named(step.t, step.token, words), value=f"{step.together:+.6g}")
    ups, downs = (total([np.maximum(sign * step.together, 0.0) for step in over]) for sign in (1.0, -1.0))
    if ups and downs and ups + downs > CANCEL * abs(ups - downs):
        yield words.word("split.cancel", up=f"{ups:+.6g}", down=f"{-downs:+.6g}", rest=f"{ups - downs:+.3g}")
    timed = {name for name, kind in split.kinds.items() if kind in ("parameter", "input", "given")}
    if rest := [f"{_block(name, words)} {part:+.6g}" for name, part in blocks if part and name not in timed]:
        yield words.word("split.timeless", items=listed.join(rest))


def _arrays(split: Split) -> list[tuple[str, Array]]:
    """The parts of a split by name, including local parts and rounding errors."""
    parts = [*split.parts.items(), *((f"{name}{LOCAL}", part) for name, part in split.local.items())]
    return [*parts, (ROUNDING, np.array(split.rounding))]


# -- tables ----------------------------------------------------------------------------------------------------------


def by_block(split: Split, words: Words) -> LongTable:
    """The contribution of each array, and its share: the fraction of the difference; None if that is 0."""
    sums, whole = [(name, float(np.sum(part))) for name, part in _arrays(split) if np.any(part)], split.difference
    rows = [(name, part, part / whole if whole else None) for name, part in sorted(sums, key=lambda row: -abs(row[1]))]
    columns, notes = ("block", "contribution", "share"), (words.word("split.share"),)
    percent = lambda share, words: words.word("profile.share", n=f"{100 * share:.4g}")  # noqa: E731
    said, bounds = {"block": _block, "share": percent}, {"share": np.inf}  # a number, at the right
    heading, ranked = words.word("split.blocks"), ("contribution",)
    return LongTable(columns, rows, heading, notes=notes, ranked=ranked, bounds=bounds, said=said)


def _sides(split: Split) -> dict[str, dict[str, Array]]:
    """The values of the entries, as columns; see `_grids`."""
    return {side: {place: pair[k] for place, pair in split.sides.items()} for k, side in enumerate(SIDES)}


def _block(name: str, words: Words) -> str:
    local = words.word("split.block.local") * name.endswith(LOCAL)
    return words.word("split.rounding") if name == ROUNDING else words.address(name.removesuffix(LOCAL)) + local


def by_step(
    rows: Sequence[Step | State], words: Words, padding: int, timed: bool, unreached: Sequence[int] = ()
) -> LongTable:
    """The steps, and the states, with their address as token. Empty columns are left out.

    padding: the number of padded steps that were left out. timed: whether rows are in the order of time. unreached:
    ranges of steps that were left out because the value does not depend on them.
    """
    cells = [r if isinstance(r, Step) else (None, r.place, 0.0, r.share, r.share, r.occlusion) for r in rows]
    there = [k for k, name in enumerate(Step._fields) if any(row[k] is not None for row in cells)]
    notes = [words.count("split.padding", padding)] if padding else []
    if unreached:
        ends = {"first": words.nth(unreached[0]), "last": words.nth(unreached[-1])}
        notes.append(words.count("split.unreached", len(unreached), **ends))
    columns, found = tuple(Step._fields[k] for k in there), [tuple(row[k] for k in there) for row in cells]
    ranked = ("together", "parameters", "inputs")
    return LongTable(columns, found, words.word("split.steps"), (), tuple(notes), ranked, timed)


def by_entry(
    split: Split, trace: Trace, words: Words, notes: Sequence[str], partial: Measures, others: Measures = NONE
) -> LongTable:
    """One row per entry that any measure finds nonzero, the largest contribution first.

    notes: text below. partial, others: see `_grids`.
    """
    token = (STEP_LABEL,) if trace.header.step_labels else ()
    measures = ("contribution", *others)
    columns = (*_columns(trace, token), *others, *partial)
    rows = Entries(columns, lambda: [largest_first(list(_called(trace, _grids(split, partial, others))), measures)])
    heading, shown = words.word("explanation.entries"), ("address", *token, *measures)
    return LongTable(columns, rows, heading, shown, tuple(notes), ranked=measures)


def _columns(trace: Trace | None, token: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The columns of an entry, with those that `_called` fills."""
    beside = {"t": (STEP,), "unit": (UNIT_NAME,)} if trace is not None and trace.header.count_from else {}
    return tuple(chain.from_iterable((name, *beside.get(name, ()), *token * (name == "batch")) for name in COLUMNS))


def _called(trace: Trace | None, grids: Iterable[EntryGrid]) -> Iterator[EntryGrid]:
    """The grids with the labels of steps and, if the problem does not count from 0, how it counts and names units."""
    for grid in grids:
        first = trace.header.count_from if trace is not None else 0
        axes, of, beside = dict(grid.axes) if first else {}, grid.fixed, dict[str, tuple[str, Array]]()
        if "t" in axes:
            beside[STEP] = "t", np.arange(first, axes["t"].stop + first)
        if trace is not None and "unit" in axes:
            name, scope = str(of["name"]), f"{of['layer']}/{of['direction']}" if "layer" in of else ""
            stage = trace.stage(scope) if scope and not columns_of(trace, scope, name) else None
            names = unit_names(trace, stage, STATE.get(name, name), len(axes["unit"]), first)
            beside[UNIT_NAME] = "unit", np.array(names, object)
        yield replace(grid, labels=trace.header.step_labels if trace is not None else (), beside=beside)


# -- rows ------------------------------------------------------------------------------------------------------------


def frame_of(split: Split, trace: Trace | None = None) -> pd.DataFrame:
    """One row per parameter, input, initial state and supplied value, with its `contribution`, which may be 0, and its
    values in a and b.

    kind: parameter, input, state, given, lengths, mask; `local` for values that their line does not explain; `rounding`
    (one row) for rounding in float32. The contributions add up to `frame.attrs["difference"]` except for
    `frame.attrs["residual"]`, which is rounding; attrs also hold `of`, `value` and `baseline`.
    """

    def runs() -> Iterator[Run]:
        """All entries; for `local` only those that are not 0."""
        for grid in _called(trace, _grids(split, _sides(split))):
            if grid.fixed["kind"] == "local":
                there = np.flatnonzero(grid.values["contribution"])
                yield Run((grid,), len(there), lambda there=there: there)  # type: ignore[misc]
            else:
                yield every([grid])

    whole = Entries((*_columns(trace), *SIDES), runs).frame()
    numbers = [name for name in ("layer", "t", STEP, "batch", "unit", "input") if name in whole]
    whole = whole.astype(dict.fromkeys(numbers, "Int64"))
    whole.attrs["of"] = str(split.of)
    for name in ("value", "baseline", "difference", "residual"):
        whole.attrs[name] = getattr(split, name)
    return whole


def _grids(split: Split, partial: Measures, others: Measures = NONE) -> Iterator[EntryGrid]:
    """Every array of the split.

    others: parts by other measures; entries without a part are 0. These measures do not cover local parts and rounding.
    partial: likewise, but entries without a part, or with NaN, are empty.
    """
    for place, part in split.parts.items():
        scope, name = scope_and_name(place)
        kind = split.kinds[place]
        name = {"input": "x_t", "lengths": "valid", "mask": "valid"}.get(kind, name)
        nothing = np.broadcast_to(0.0, part.shape)
        measured = {column: parts.get(place, nothing) for column, parts in others.items()}
        some = {column: parts[place] for column, parts in partial.items() if place in parts}
        axes, shape = _matrix(split, place, _AXES.get(kind, ("unit", "input"))[: part.ndim], part.shape)
        values = {n: np.reshape(array, shape) for n, array in {"contribution": part, **measured, **some}.items()}
        yield EntryGrid(*_places(split, kind, scope, name, axes, shape), values, frozenset(some))
    for place, part in split.local.items():
        axes, shape = _matrix(split, place, _STEPS, part.shape)
        there = _places(split, "local", *scope_and_name(place), axes, shape)
        yield EntryGrid(*there, {"contribution": part.reshape(shape)})
    if split.rounding:
        yield EntryGrid("rounding", (), {"kind": "rounding"}, {"contribution": np.array(split.rounding)})


def _matrix(
    split: Split, place: str, axes: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The axes and the shape of a part, with rows and columns if it is of a matrix."""
    grid = split.grids.get(place)
    return (axes, shape) if grid is None else ((*axes, "input"), (*shape[:-1], *grid))


def _places(
    split: Split, kind: str, scope: str, name: str, axes: tuple[str, ...], shape: tuple[int, ...]
) -> tuple[str, tuple[tuple[str, range], ...], dict[str, str | int]]:
    """The address (`0/forward/W_xi[0,1]`, `3/0/x_t[1]`, `0/forward/0/h0[1]`), the axes, and the fields common to
    all.
    """
    begin = {"t": split.first, "batch": split.of.b}  # the arrays contain one sequence, that of the value
    numbers = [range(begin.get(axis, 0), begin.get(axis, 0) + n) for axis, n in zip(axes, shape, strict=True)]
    before = "%d/" * len({"t", "batch"}.intersection(axes))
    after = ",".join("%d" for axis in axes if axis in ("unit", "input"))
    fixed: dict[str, str | int] = {"kind": kind, "name": name}
    if scope:
        fixed["layer"], fixed["direction"] = layer_and_direction(scope)
    address = f"{scope}/{before}{name.replace('%', '%%')}[{after}]".removeprefix("/")
    return address, tuple(zip(axes, numbers, strict=True)), fixed
