"""Sequences that are drawn by a seeded hash, and intervals that take sequences as units."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..corpus.rows import SEQUENCE, STEP, TOKEN, Block, checked_seed, compute, pa, shuffled
from ..errors import FileError, MissingError, OptionError, counted, nearest

if TYPE_CHECKING:
    from ..corpus.states import States


#: Resamples of a bootstrap, and the part of them that an interval holds.
RESAMPLES, INSIDE = 1000, 0.95
#: Sequences at least, 2 to learn from and 2 to test.
FEWEST = 4
#: Bytes that a sample may hold as float64, whatever its steps.
BYTES = 1 << 28


def generator(seed: int) -> np.random.Generator:
    """Random numbers. Raises OptionError for a seed below 0."""
    return np.random.default_rng(checked_seed(seed))


def drawn(ids: Array, lengths: Array, seed: int, steps: int, width: int) -> Array:
    """The places of whole sequences with at most so many steps together. width: numbers of a step.

    Raises OptionError where they are less than `FEWEST`.
    """
    order = shuffled(ids, seed)
    order = order[np.cumsum(lengths[order]) <= min(steps, BYTES // (8 * width))]
    if len(order) < FEWEST:
        said = f"{len(order)} of {len(ids):,} sequences were drawn, with at most {steps:,} steps (max_steps) together"
        raise OptionError(f"{said}; at least {FEWEST} are needed")
    return order


def enough(steps: Array, target: str) -> Array:
    """(n,), whether a sequence has a target at any step. steps: (n,), at which it has.

    Raises OptionError where they are less than `FEWEST`.
    """
    found = steps > 0
    if (there := np.count_nonzero(found)) < FEWEST:
        said = f"{target} is there in {there} of {counted(len(steps), 'sequence')} that were drawn"
        raise OptionError(f"{said}; at least {FEWEST} are needed")
    return found


def tested(ids: Array, share: float, seed: int) -> Array:
    """(n,), whether a sequence is one that is tested. Raises OptionError."""
    if not 0 < share < 1:
        raise OptionError(f"test is the share of the sequences that are tested, between 0 and 1; found {share}")
    first = shuffled(ids, f"{seed}/test")[: min(max(round(share * len(ids)), 2), len(ids) - 2)]
    return np.isin(np.arange(len(ids)), first)


def resampled(sums: Array, seed: int) -> Array:
    """(1000, …), sums over as many sequences as there are, drawn with replacement. sums: (n, …), of each sequence."""
    rng, n = generator(seed), len(sums)
    counts = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(RESAMPLES))
    return np.stack([np.tensordot(count, sums, 1) for count in counts])


def interval(values: Array) -> tuple[float, float]:
    """Where 95 % of resampled values are."""
    low, high = np.quantile(values, [(1 - INSIDE) / 2, (1 + INSIDE) / 2])
    return float(low), float(high)


#: Whole numbers of no more different values are classes; and so many classes a probe tells apart at most.
FEW, MOST = 20, 200
#: Size of a number that is decoded at most: sums of squares must be finite.
LARGEST = 1e140


class Sample(NamedTuple):
    """R steps of n sequences, one after the other.

    x: (R, F), states. y: (R,), numbers, or places in `classes`, which is empty where they are numbers. tokens: (R,), or
    None. ids, lengths: (n,). missing: steps of them without a target. every: sequences of which they were drawn.
    unlabelled: further sequences, which a file of labels does not name.
    """

    x: Array
    y: Array
    classes: tuple[Any, ...]
    tokens: Array | None
    ids: Array
    lengths: Array
    missing: int
    every: int
    unlabelled: int = 0


def gathered(
    states: States, blocks: tuple[Block, ...], target: str, labels: str | Path | None, steps: int, seed: int
) -> Sample:
    """Draw sequences with at most so many steps together. Raises MissingError, OptionError, FileError."""
    known = [name for name in states.place_columns if name != SEQUENCE]
    if labels is None and target not in known:
        raise MissingError(
            f"the states have no column {target!r}{nearest(target, known, 'they have')}; or give labels, a file with "
            f"the columns {SEQUENCE}, {STEP} and the target"
        )
    lengths = [np.diff(part.starts) for part in states.parts()]
    ids = np.concatenate([part.ids for part in states.parts()])
    table = None if labels is None else _labels(labels, target, next(states.parts()).places.field(SEQUENCE).type)
    labelled_ids = set(ids.tolist() if table is None else compute.unique(table.column(SEQUENCE)).to_pylist())
    candidates = np.flatnonzero([one in labelled_ids for one in ids.tolist()])
    if not len(candidates):
        theirs, ours = next((one for one in labelled_ids if one is not None), "none"), ids.tolist()[0]
        said = f"it has {repr(theirs)[:60]}, they have {repr(ours)[:60]}"
        raise FileError(f"{labels}: no {SEQUENCE} is that of a sequence of the states; {said}")
    width = sum(block.width for block in blocks)
    order = drawn(ids[candidates], np.concatenate(lengths)[candidates], seed, steps, width)
    chosen = np.isin(np.arange(len(ids)), candidates[order])
    columns = [name for name in (SEQUENCE, STEP, TOKEN, target) if name in (SEQUENCE, *known)]
    found, values = [], []
    for part, here in zip(states.parts(), np.split(chosen, np.cumsum([*map(len, lengths)])[:-1]), strict=True):
        if here.any():
            rows = np.repeat(here, np.diff(part.starts))
            found.append(part.places.select(list(dict.fromkeys(columns))).filter(pa.array(rows)))
            values.append(np.concatenate([part.values(block)[rows] for block in blocks], axis=1))
    places, x = pa.concat_tables(found), np.concatenate(values)
    del values
    if not np.isfinite(x).all():
        raise OptionError(f"{states.folder}: not all of these states are finite, as a probe needs them")
    column = (places if table is None else _joined(places, table)).column(target)
    if table is not None and column.null_count == len(column) and table.column(target).null_count < len(table):
        raise FileError(f"{labels}: no step of the labels is in the states; expected the {STEP} that they have")
    y, classes, labelled = read_target(column, target)
    counts = np.concatenate(lengths)[chosen]
    labelled_steps = np.add.reduceat(labelled, np.cumsum(counts) - counts, dtype=np.int64)  # of each sequence
    tokens = np.array(places.column(TOKEN).to_pylist(), object)[labelled] if TOKEN in known else None
    x = x if labelled.all() else x[labelled]
    x = x.astype(np.float32) if x.dtype == np.float16 else x
    kept = enough(labelled_steps, target)
    return Sample(
        x, y, classes, tokens, ids[chosen][kept], labelled_steps[kept], int(counts.sum()) - len(y), len(candidates),
        len(ids) - len(candidates),
    )  # fmt: skip


def read_target(column: Any, name: str) -> tuple[Array, tuple[Any, ...], Array]:
    """y, the classes, and which rows have a target. Raises OptionError."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind, there = column.type, column.is_valid().to_numpy().copy()
    if pa.types.is_floating(kind):
        numbers = column.to_numpy().astype(np.float64)  # null is NaN
        there &= np.isfinite(numbers)
        if (np.abs(numbers[there]) > LARGEST).any():
            raise OptionError(f"{name} has numbers beyond ±{LARGEST:g}, whose squares are infinite: scale them")
        return numbers[there], (), there
    if not (pa.types.is_boolean(kind) or pa.types.is_integer(kind) or kind in (pa.string(), pa.large_string())):
        raise OptionError(f"{name} is of the type {kind}; expected text, true or false, or numbers")
    values = column.drop_null().to_pylist()
    classes = tuple(sorted(set(values)))
    if pa.types.is_integer(kind) and len(classes) > FEW:
        return np.array(values, np.float64), (), there
    if len(classes) > MOST:
        raise OptionError(f"{name} has {len(classes):,} different values; a probe tells at most {MOST} classes apart")
    return np.array([*map({value: k for k, value in enumerate(classes)}.get, values)], np.int64), classes, there


def _labels(path: str | Path, target: str, kind: Any) -> Any:
    """The columns `seq_id`, `t` and the target of a file. kind: the type of ids. Raises FileError."""
    from pyarrow import csv, parquet

    if target in (SEQUENCE, STEP):
        raise OptionError(f"{target} says which step a label is of; it cannot be the target of labels")
    try:
        is_parquet = Path(path).suffix.lower() in (".parquet", ".pq")
        as_ids = csv.ConvertOptions(column_types={SEQUENCE: kind})  # "007" is a text, if the ids of the states are
        table = parquet.ParquetFile(path).read() if is_parquet else csv.read_csv(path, convert_options=as_ids)
        names, there = [SEQUENCE, STEP, target], table.column_names
        if lost := [name for name in names if name not in there]:
            raise FileError(f"{path}: no column {' and no column '.join(lost)}; it has {', '.join(there[:20])}")
        if twice := [name for name in names if there.count(name) > 1]:
            raise FileError(f"{path}: more than one column is called {' and '.join(twice)}; expected one")
        types = [kind, pa.int64(), table.schema.field(target).type]
        return table.select(names).cast(pa.schema(zip(names, types, strict=True)))
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise FileError(f"{path}: cannot be read as labels: {' '.join(str(error).split())[:300]}") from None


def _joined(places: Any, labels: Any) -> Any:
    """The labels of the rows, null where there is none. Raises FileError."""
    order = "row of the sample"
    left = [places.column(SEQUENCE), places.column(STEP).cast(pa.int64()), np.arange(len(places))]
    found = pa.table(left, names=[SEQUENCE, STEP, order]).join(labels, [SEQUENCE, STEP], join_type="left outer")
    if len(found) > len(places):
        raise FileError(f"labels: a step has more than one; expected each {SEQUENCE} and {STEP} once")
    return found.sort_by(order)
