"""Values that another program computed (a C, Rust or FPGA port), from any file or array: `given_values`.

`value_files` reads what a file says as entries; here each is placed at its layer, direction, line, step, sequence and
unit, in arrays of the sizes of a run of ours (`like`). What has two readings is refused. `t`, `unit` and every index
count from 0; `step` counts as the problem does (`count_from`), and `unit_name` is the label of a unit, or its number as
the problem counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.display import MOST, unguarded
from ..base.remark import Remark
from ..cell.named_cells import nearest_line
from ..cell.network import MEET, Stage, forward_stages
from ..cell.notations import called_in, notations
from ..engine.inputs import computing
from ..errors import FileError, some, within
from ..trace.address import INITIAL, columns_of, index_text, no_entry
from ..trace.files.trace_file import is_trace, load
from ..trace.labels import safe_names, unit_names
from ..trace.trace import Trace
from ..trace.window import names
from .given_digits import Key, printed_rounding, saved_rounding, shortest_singles
from .value_files import ValueEntry, from_mapping, number, numbers_of, read_entries, spellings

_COLUMN = re.compile(r"\[:,([0-9]{1,9})\]$")  # of a sum that is a matrix
_PLACED = re.compile(r"(?:(\d{1,9})/([a-z-]+)/)?(?:(\d{1,9})/(\d{1,9})/)?(?=[^\d/])(.+)", re.DOTALL)
_AXES = ("t", "batch", "unit")
_HEAD = "layer,direction,t,batch,line,unit,value"


@dataclass(frozen=True, eq=False)
class GivenValues:
    """Values of another program by scope and line: (T, B, width), NaN where nothing was given.

    rounding: half a unit of the last digit that was printed or saved of each value, 0 of one that has all its digits.
    given: where a value was given, which may itself be NaN. Sums over all steps (gradients of weights), of a run that
    has them, have the shape of the weight. notes: what should be said about the reading. dtype: float32 if the other
    program stored values so, otherwise that of our run. source: the file, if there is one.
    """

    values: Mapping[Key, Array]
    rounding: Mapping[Key, Array]
    given: Mapping[Key, Array]
    notes: tuple[Remark, ...] = ()
    dtype: str = "float64"
    source: str = ""

    def as_trace(self, like: Trace) -> tuple[Trace, list[Remark]]:
        """A trace with these values and the premises and equations of `like`, and the notes.

        Lines of which nothing was given are not recorded in it. If only some values of a line were given, the others
        are those of `like`, with NaN as their rounding, and a note says so.
        """
        found: dict[str, dict[str, dict[str, Array]]] = {"lines": {}, "sums": {}, "rounding": {}}
        notes = list(self.notes)
        for (scope, name), values in self.values.items():
            part, given = "sums" if name in like.sums.get(scope, {}) else "lines", self.given[scope, name]
            with np.errstate(over="ignore"):  # overflowing values must not hide where the overflow began
                held = np.where(given, values, getattr(like, part)[scope][name]).astype(self.dtype)
            found[part].setdefault(scope, {})[name] = held
            half = self.rounding[scope, name]
            found["rounding"].setdefault(scope, {})[name] = half if part == "sums" else np.where(given, half, np.nan)
            needed = np.broadcast_to(part == "sums" or like.valid != 0, given.shape)  # no padding
            if (have := int((needed & given).sum())) < (whole := int(needed.sum())):
                notes.append(Remark("diff.partial", {"place": f"{scope}/{name}", "have": have, "whole": whole}))
        header = replace(like.header, plan="foreign", dtype=self.dtype)
        lines, sums, rounding = found.values()
        return replace(like, lines=lines, sums=sums, rounding=rounding, header=header), notes


def given_values(source: Any, like: Trace) -> GivenValues:
    """Read the values that another program computed.

    Args:
        source: the path of a file (docs/diff.md lists the formats), a trace, an array, or arrays by name, as in
            `{"i_t": …, "1/reverse/h_t": …}`. What has no name is the output of the network.
        like: a run of ours over the same input, which determines lines, sizes and the layout: an array that fits as (T,
            B, width) and as (B, T, width) is read as x was.

    Returns:
        The values.

    Raises:
        FileError: naming the row, for an unknown line, a place that does not exist or is missing, a value that is
            missing or not a number, a second value for the same place, or what has several readings.
    """
    path = str(source) if isinstance(source, str | Path) else ""
    if path and is_trace(path):
        source = load(path)
    named = source if isinstance(source, Mapping) else {"": source}
    if isinstance(source, Trace):
        named = {s.scope: _common(s, source, like) for s in source.stages if s.scope in like.lines}
    safe = {safe: name for name, safe in safe_names(like).items()}
    with within(path):
        read = path and not isinstance(source, Trace)
        entries = [*(read_entries(path, _Placing(like).unknown, safe) if read else from_mapping(named))]
        batch_first = like.header.batched and like.header.batch_first and not isinstance(source, Trace)
        try:
            return _Placing(like, batch_first, entries).result(path)
        except FileError:  # the axes of all arrays, and the indices of all values, have one order
            with suppress(FileError):
                found = _Placing(like, not batch_first, entries).result(path)
                turned = Remark("diff.given.time" if batch_first else "diff.given.batch", {})
                return replace(found, notes=(turned, *found.notes))
            raise


def _common(stage: Stage, source: Trace, like: Trace) -> Mapping[str, Array]:
    """The named lines of a stage of a trace that ours has; of the last stage also its output, under our name."""
    there, cell = source.lines.get(stage.scope, {}), like.stage(stage.scope).cell
    lines = {line.name: there[line.name] for line in cell.lines if line.assigned and line.name in there}
    last = stage.scope == forward_stages(like.stages)[-1].scope
    return {**lines, **({cell.output: there[stage.cell.output]} if last and stage.cell.output in there else {})}


class _Placing:
    """Entries, put into arrays of the sizes of a run; batch_first: the order of axes and indices. Raises FileError.

    held: of each line its values and decimals (see `numbers_of`), stacked. rows: those of the file, 0 where nothing was
    given.
    """

    def __init__(self, like: Trace, batch_first: bool = False, entries: Sequence[ValueEntry] = ()) -> None:
        self.like, self.order = like, ("batch", "t", "unit") if batch_first else _AXES
        self.called, self.premises = {entry.line for entry in entries}, dict[str, None]()
        self.held, self.rows = dict[Key, Array](), dict[Key, Array]()
        self.single = self.half = self.padded = False
        self.known, self.forward = names(like, "lines", "sums"), forward_stages(like.stages)
        cells = [stage.cell for stage in like.stages]
        read = {name for cell in cells for name in (*cell.parameters, *cell.inputs, *cell.states)}
        self.read = {*read, *(INITIAL.get(name, name) for name in read), "x", "lengths", "mask", "valid"}
        #: What every row of a line needs.
        self.line, self.size, self.units = cache(self._line), cache(self._size), cache(partial(_units, like))
        self.extents = cache(like.extents)
        for entry in entries:
            line = entry.line if entry.line.isprintable() else ascii(entry.line)
            with within(f"row {entry.row}" if entry.row else line):
                self._put_entry(entry)

    def unknown(self, text: str) -> str:
        """That a text names no line, no premise, and not the output; empty if it does."""
        name = _split(text, {})[0]
        if name in self.read or name in (*spellings()["final"], *spellings()["output"]) or self._meant(name):
            return ""
        said = name if len(name) <= MOST else f"{name[: MOST - 1]}…"
        if ending := next(
            (line for line in names(self.like, "lines") if re.search(rf"[\W_]{re.escape(line)}$", name)), ""
        ):
            scope = next(scope for scope, own in self.like.lines.items() if ending in own)
            return (
                f"the reference has no line {said!r}: the layer and direction of {ending} are written {scope}/{ending}"
            )
        return f"the reference has no line {said!r}{nearest_line(said, self.known, 'it has')}"

    def _meant(self, name: str) -> set[str]:
        """The recorded lines that a name may stand for."""
        header, both = self.like.header, (name, f"{name}_t")
        author = {ours for ours, theirs in header.aliases.items() if theirs in both}
        own = [called_in(header.kind, header.notation).get(one, set()) for one in both if header.notation]
        others = (called_in(header.kind, one).get(two, set()) for one in notations() for two in both)
        word = {*spellings()["words"].get(name.lower().replace(" ", "_"), ())}
        ways = (lines & self.known.keys() for lines in ({name}, author, *own, {both[1]}, word, set().union(*others)))
        return next(filter(None, ways), set())

    def _line(self, name: str) -> str | None:
        """Our name of a line; None for a premise. Raises FileError."""
        both = found = self._meant(name)
        if len(both) > 1:  # a line that has another name in this file is not meant
            others = (self._meant(_split(other, {})[0]) for other in self.called)
            found = both.difference(*(other for other in others if len(other) == 1))
        if len(found) == 1:
            return next(iter(found))
        if both:
            said = f"{name!r} means {' or '.join(sorted(both))}, which differs between notations"
            raise FileError(f"{said}: write {min(both)}")
        if problem := self.unknown(name):
            raise FileError(problem)
        return self.forward[-1].cell.output if name in spellings()["output"] else None

    def _put_entry(self, entry: ValueEntry) -> None:
        called, place = _split(unguarded(entry.line.strip()), entry.place)
        if called not in self.known and (column := _COLUMN.search(called)):
            called, place["column"] = called[: column.start()], column[1]
        name = final = None if called in self.known else spellings()["final"].get(called)
        if final is None and (name := self.line(called)) is None:
            self.premises[called] = None
            return
        kind = getattr(entry.value, "dtype", np.dtype(np.float64))
        self.single = self.single or (kind.kind == "f" and kind.itemsize > 2 and computing(kind) == np.float32)
        self.half = self.half or kind == np.float16
        held, last = numbers_of(entry.value), self.forward[-1]
        if not held.size:
            raise FileError("no value")
        whole = name == last.cell.output and "layer" not in place and called in spellings()["output"]
        # of the states after the last step (L·D, B, width), and of ONNX's output (T, D, B, width), several lines
        ends = [s for s in self.forward if s.layer == last.layer and s.direction != MEET]
        ends = ends if final is None else [s for s in self.forward if final in s.cell.states]
        axis = 2 + (self.order[0] == "batch") if final is None else 1
        if final is not None or (whole and len(ends) > 1 and held.ndim == 5):
            each = np.moveaxis(held, axis, 0) if len(ends) > 1 and held.ndim > axis else [held]
            if len(each) != len(ends):
                said = f"{called or 'the output'} has the shape {held.shape[1:]}"
                raise FileError(f"{said}; expected {len(ends)} along axis {axis - 1}, one for each layer and direction")
            for stage, values in zip(ends, each, strict=True):
                self._put(stage.scope, stage.cell.states.get(str(final), stage.cell.output), values, place, entry)
            return
        if whole and len(ends) > 1 and last.direction != MEET:
            said = " and ".join(f"{stage.scope}/{stage.cell.output}" for stage in ends)
            raise FileError(f"each direction has an output of its own: name {said}, or give (T, 2, B, width)")
        place |= {"layer": last.layer, "direction": last.direction} if whole else {}
        scope, place = self._place(str(name), place)
        self._put(scope, str(name), held, place, entry)

    def _place(self, name: str, place: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The scope, and the place with a step and a sequence from 0. Raises FileError."""
        extents, found = self.extents(name), dict(place)
        for part in ("layer", "direction", "t", "batch"):
            there, told, read, first = extents.get({"batch": "b"}.get(part, part), ()), place.get(part), part, 0
            if part == "t" and "step" in place:
                read, first, step = "step", self.like.header.count_from, place["step"]
                if told is not None and _whole("t", told) != _whole("step", step) - first:
                    said = f"t {told}, from 0, and step {step}, from {first}, are not the same step"
                    raise FileError(f"{said}: leave one out")
                told = step
            if part in ("layer", "direction") and told is None and len(there) > 1:
                said = f"{part} is missing, and {name} has {len(there)} of them"
                raise FileError(f"{said}: write {extents['layer'][0]}/{extents['direction'][0]}/{name}")
            if told is None or not there:
                found |= {part: there[0]} if part in ("layer", "direction") else {}
                continue
            found[part] = str(told).strip() if part == "direction" else _whole(read, told) - first
            if found[part] not in there:
                ends = [end + first if isinstance(end, int) else end for end in (there[0], there[-1])]
                raise FileError(f"{read} {told} does not exist; {name} has {ends[0]} to {ends[1]}")
        return f"{found['layer']}/{found['direction']}", found

    def _unit(self, scope: str, name: str, width: int, place: Mapping[str, Any]) -> dict[str, int]:
        """The unit that a place names, by number, label, or row and column. Raises FileError."""
        at = _whole("unit", place["unit"]) if "unit" in place else None
        if at is not None and not 0 <= at < width:
            raise FileError(f"unit {at} does not exist; {name} has {width}")
        if called := str(place.get("unit_name", "")).strip():
            own = self.units(scope, name, width).get(called, at)  # or another program's own name beside the number
            if own is None:
                there = unit_names(self.like, self.like.stage(scope), name, width, self.like.header.count_from)
                raise FileError(f"{name} has no unit_name {called!r}; it has {some(there, 5)}")
            if at not in (None, own):
                raise FileError(f"unit {at}, from 0, is not {called} (unit_name) of {name}: leave one of the two out")
            at = own
        if (grid := self.like.grids.get(scope, {}).get(name)) and "row" in place and "column" in place:
            both = [_whole(part, place[part]) for part in ("row", "column")]
            if fault := no_entry(name, both, grid):
                raise FileError(fault)
            if at not in (None, both[0] * grid[1] + both[1]):
                said = f"unit {at} is not row {both[0]}, column {both[1]} of {name}"
                raise FileError(f"{said}, which has {grid[1]} columns")
            at = both[0] * grid[1] + both[1]
        return {} if at is None else {"unit": at}

    def _size(self, scope: str, name: str) -> tuple[Stage, dict[str, int], bool]:
        """The stage of a line or a sum, the sizes of its axes, and whether its last step may be meant by what has none:
        of the output, and of states. Raises FileError.
        """
        stage, gathered = self.like.stage(scope), self.like.sums.get(scope, {}).get(name)
        if gathered is None and name not in self.like.lines.get(scope, {}):
            raise FileError(f"{scope} has no line {name!r}")
        final = name in (stage.cell.output, *stage.carried, *stage.cell.states.values())
        if gathered is not None:
            return stage, dict(zip(("unit", "column"), gathered.shape, strict=False)), False
        sizes = dict(zip(_AXES, self.like.lines[scope][name].shape, strict=True))
        return stage, sizes, final and (stage.direction != MEET or sizes["t"] == 1)

    def _put(self, scope: str, name: str, held: Array, place: Mapping[str, Any], entry: ValueEntry) -> None:
        """A line at some steps, sequences and units; or a sum, at some rows and columns."""
        stage, sizes, final = self.size(scope, name)
        like, steps = self.like, sizes.get("t", 1)
        placed = self._unit(scope, name, sizes["unit"], place)
        placed |= {a: _whole(a, place[a]) for a in ("t", "batch", "column") if a in place and a in sizes}
        placed |= {"t": placed["t"] - like.first} if "t" in placed else {}
        wide = sizes.get("column", math.inf)
        if not 0 <= placed.get("column", 0) < wide:
            raise FileError(f"{name} is a matrix: expected a column of it, {name}[:,0] to {name}[:,{wide - 1}]")
        if grid := like.grids.get(scope, {}).get(name):
            if held.shape[-2:] == grid and held.ndim > 2:
                held = held.reshape(*held.shape[:-2], -1)
            elif held.ndim == 3 and "t" in placed:
                turned = " It looks transposed." if held.shape[1:] == grid[::-1] else ""
                raise FileError(f"value has (rows, columns) = {held.shape[1:]}; {name} has {grid}.{turned}")
        if entry.repeated and steps > 1 and (stage.backwards or held.ndim - 1 + ("unit" in placed) < 2):
            why = ", and this direction runs backwards" if stage.backwards else f", and there are {steps}"
            raise FileError(f"{name} has no step{why}: write t=0 before the values")
        order = self.order if "t" in sizes else sizes
        free = [axis for axis in order if axis not in placed]
        at, dims = self._reading(name, held.shape[1:], free, sizes, entry, final and not entry.repeated)
        held = held.reshape(2, *(sizes[axis] for axis in dims))
        held = held.transpose(0, *(dims.index(axis) + 1 for axis in sizes if axis in dims))
        target: list[Any] = [slice(None) if axis in dims else {**placed, **at}.get(axis, 0) for axis in sizes]
        if steps > 1 and "t" not in {**placed, **at} and "t" not in dims:  # the last valid step, as this stage runs
            rows = np.arange(like.batch) if "batch" in dims else target[1]
            own = like.lines[scope][name][:, rows, target[2]]
            named = _split(unguarded(entry.line.strip()), {})[0] in spellings()["final"]
            target[:2] = self._last(held[0], own, like.valid[:, rows, 0] != 0, stage.backwards, named), rows
        self._store((scope, name), tuple(sizes.values()), tuple(target), held, entry.row)

    def _last(self, held: Array, own: Array, valid: Array, backwards: bool, final: bool) -> Array:
        """The step of values that have none, of each sequence: its last valid one; or the last of all, if those that
        are padding there have zeros, or what our run has there.

        own: ours of all steps. final: whether they are the states after the last step, which padding does not change.
        """
        steps = len(valid)
        ends: Array = valid.argmax(axis=0) if backwards else steps - 1 - valid[::-1].argmax(axis=0)
        late = ~valid[-1] & (not (backwards or final))
        theirs, there = np.asarray(held)[late], np.asarray(own[-1])[late]
        kept = np.asarray(own[ends, np.arange(len(ends))] if ends.ndim else own[ends])[late]
        if theirs.size and (not theirs.any() or (_close(theirs, there) and not _close(kept, there))):
            self.padded, ends = True, np.full_like(ends, steps - 1)
        return ends

    def _reading(
        self, name: str, shape: tuple[int, ...], free: Sequence[str], sizes: Mapping[str, int], entry: ValueEntry,
        final: bool,
    ) -> tuple[dict[str, int], tuple[str, ...]]:  # fmt: skip
        """What the indices and the axes of an array mean: the place of the indices, and the axes that have more than
        one entry, without t if the array is of the last step. Raises FileError if there is no reading, or several.

        free: the axes that have no place yet, in their order. final: whether t may be left out.
        """
        found: dict[Any, tuple[dict[str, int], tuple[str, ...]]] = {}
        dense = tuple(n for n in shape if n > 1)
        for chosen in combinations(free, len(entry.indices)):
            at = dict(zip(chosen, entry.indices, strict=True))
            rest = tuple(axis for axis in free if axis not in at and sizes[axis] > 1)
            inside = all(k < sizes[axis] for axis, k in at.items())
            if inside and all(free.index(axis) > free.index(chosen[-1]) for axis in rest if chosen):
                for dims in {rest, tuple(axis for axis in rest if axis != "t" or not final or chosen)}:
                    if dense == tuple(sizes[axis] for axis in dims):
                        found[*((axis, k) for axis, k in at.items() if sizes[axis] > 1), *dims] = at, dims
        every = tuple(axis for axis in free if sizes[axis] > 1)
        if not found and not entry.indices and len(dense) == 1 and dense[0] == math.prod(sizes[axis] for axis in every):
            return {}, every  # all numbers in one row
        if len(found) == 1:
            return next(iter(found.values()))
        called = f"{name}{''.join(f'[{k}]' for k in entry.indices)}"
        if found:
            ways = " or of ".join(", ".join((*at, *dims)) for at, dims in found.values())
            raise FileError(f"{called} may be of {ways}: write t=…, b=… or unit=… before the values")
        if len(shape) == 1 and every == ("unit",) and not entry.indices:
            raise FileError(f"{shape[0]} values; {name} has {sizes['unit']} units")
        if every and not entry.indices and len(shape) < (2 if len(free) < 3 else 1):
            raise FileError(f"{every[0]} is missing, and {name} has {sizes[every[0]]} of them")
        axes = ", ".join({"t": "T", "batch": "B", "unit": "width"}.get(axis, axis) for axis in free)
        said = f"{called} has the shape {shape}; expected ({axes}) = {tuple(sizes[axis] for axis in free)}"
        said += ", or without T, of the last step" * (final and "t" in every)
        raise FileError(said + ", counted from 0" * bool(entry.indices))

    def _store(self, key: Key, whole: tuple[int, ...], target: tuple[Any, ...], held: Array, row: int) -> None:
        """Raises FileError for a second value."""
        if key not in self.held:
            self.held[key] = np.stack([np.full(whole, np.nan), np.full(whole, np.inf)])
            self.rows[key] = np.zeros(whole, np.int64)
        same = not row and np.array_equal(self.held[key][0][target], held[0], equal_nan=True)  # output and h_n
        if (before := np.max(self.rows[key][target], initial=0)) and not same:
            told = f"{'/'.join(key)}[{','.join('…' if isinstance(n, slice) else str(n) for n in target)}]"
            if len(whole) == 3 and all(isinstance(part, int) for part in target[:2]):
                unit = index_text(target[2:], columns_of(self.like, *key)) if isinstance(target[2], int) else ""
                told = f"{key[0]}/{self.like.span[target[0]]}/{target[1]}/{key[1]}{unit}"
            begun = f"row {before} already has a" if row else "the file already has another"
            raise FileError(f"{begun} value for the same {told}")
        self.held[key][:, *target], self.rows[key][target] = held, row or 1

    def result(self, source: str) -> GivenValues:
        """All that was put. Raises FileError if it is nothing."""
        if not self.held:
            rows = f'JSON lines {{"t": 0, "line": "i_t", "value": [0.1, 0.2]}}, rows below {_HEAD}'
            raise FileError(f"the file has no values; expected {rows}, text (t=0 i_t: 0.1), or arrays (docs/diff.md)")
        given, notes = {key: rows > 0 for key, rows in self.rows.items()}, list[Remark]()
        values = {key: held[0] for key, held in self.held.items()}
        rounding = printed_rounding(self.held)
        if self.premises:
            notes.append(Remark("diff.given.premises", {"names": some(list(self.premises), 5)}))
        largest = max(np.abs(held).max(initial=0.0, where=np.isfinite(held)) for held in values.values())
        half = max(half.max(initial=0.0) for half in rounding.values())
        stored = {key: given[key] & np.isposinf(held[1]) for key, held in self.held.items()}
        own = {(s, n): {**self.like.lines.get(s, {}), **self.like.sums.get(s, {})}[n] for s, n in values}
        saved = saved_rounding(values, stored, own, self.half)
        rounding |= saved[1] if saved else {}
        dtype = "float32" if self.single else self.like.header.dtype
        if not self.single and (whole := shortest_singles(values, rounding)):
            values, rounding, dtype = *whole, "float32"
        if half > 10 * np.finfo(dtype).eps * largest:
            notes.append(Remark("diff.given.digits", {"half": f"{half:.2g}"}))
        if self.padded:
            notes.append(Remark("diff.given.padded"))
        notes += [saved[0]] if saved else []
        return GivenValues(values, rounding, given, tuple(notes), dtype, source)


def _split(text: str, place: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A name, and its place with what is written before the name: `1/reverse/h_t`, `0/forward/3/0/h_t`."""
    if (match := _PLACED.fullmatch(text)) is None:
        return text, dict(place)
    said = zip(("layer", "direction", "t", "batch"), match.groups()[:4], strict=True)
    return match[5], {**place, **{part: value for part, value in said if value is not None}}


def _units(like: Trace, scope: str, name: str, width: int) -> dict[str, int]:
    """The units of a line by label, and by number as the problem counts, unless a label is such a number."""
    first = like.header.count_from
    there = unit_names(like, like.stage(scope), name, width, first)
    numbered = [str(unit) for unit in range(first, first + width)]
    found = {} if {*numbered} & {*there} else {text: unit for unit, text in enumerate(numbered)}
    return found | {text: unit for unit, text in reversed([*enumerate(there)])}  # the first of equal labels


def _close(one: Array, other: Array) -> bool:
    """Whether values are the same but for how exactly they were computed."""
    return bool(np.allclose(one, other, rtol=1e-3, atol=1e-6))


def _whole(part: str, found: Any) -> int:
    """An integer; 2.0 is accepted, because tables with missing values write it that way. Raises FileError."""
    value = number(part, found, "a whole number")
    if not value.is_integer():
        raise FileError(f"{part} is {found!r}; expected a whole number")
    return int(value)
