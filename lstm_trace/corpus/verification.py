"""Verify a sample of the states: the input is read again and run line by line, and every stored value is compared.

Over a whole sequence no rounding bound is known in advance, so its scale is measured (ARCHITECTURE.md, What rounding
explains), by a run in the other precision. The run line by line is verified as `lt.verify` does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.remark import Remark, in_words
from ..base.resources import at_most
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..engine.memory import Pool
from ..errors import FileError, OptionError, counted
from ..formulas.numbers import shortest
from ..languages.strings import Words, words as strings
from ..model.capture import measured
from ..model.model import Model
from ..model.sources import prepare
from ..verification.verify import verify as verified
from .inputs import opened
from .job import batches, corpus_model, digest, line_sizes, padded, recorded
from .manifest import INDEX, MANIFEST, Manifest, is_index
from .part_file import Part, faults
from .rows import STEP, TOKEN, Block, Rows, SequenceIndex, StateLayout, pa, parts_in, shuffled

if TYPE_CHECKING:
    from .inputs.table_file import TableFile
    from .states import States


#: How many sequences are run line by line at once, every line recorded; their most values, unless it is one sequence.
BATCH, VALUES = 16, 1 << 24
#: How many wrong values, and sentences about faults, are listed.
LISTED = 12


class Damage(NamedTuple):
    """A value that rounding does not explain. bound: how far off it may be."""

    sequence: Any
    t: int
    unit: str
    stored: float
    expected: float
    bound: float


@dataclass(eq=False, repr=False)
class CorpusVerification(Finding):
    """What `verify` found.

    every: how many sequences exist; sequences, steps, values: how many were compared. wrong: values beyond the bound,
    the first of which are in `damages`. largest: deviation, in bounds. undecided: steps at which rounding has grown
    too large. lines: values of the runs line by line that were derived again. others: other faults.
    """

    every: int
    sequences: int = 0
    steps: int = 0
    values: int = 0
    wrong: int = 0
    largest: float = 0.0
    undecided: int = 0
    lines: int = 0
    damages: list[Damage] = field(default_factory=list)
    others: list[Remark | str] = field(default_factory=list)

    def fault(self, key: str, **fields: Any) -> None:
        """Something else is wrong; see `Remark`."""
        self.others.append(Remark(key, fields))

    @property
    def faults(self) -> list[str]:
        """What is wrong beside values, in sentences."""
        return [in_words(one, strings()) for one in self.others]

    @property
    def verdict(self) -> str:
        """`verified`, `failed` or `inconclusive`."""
        if self.wrong or self.others:
            return "failed"
        return "inconclusive" if self.undecided or not self.values else "verified"

    def _facts(self, tables: tuple[LongTable, ...]) -> dict[str, Any]:
        return {"verdict": self.verdict, **super()._facts(tables)}

    def __repr__(self) -> str:
        return f"<CorpusVerification {self.verdict}: {counted(self.values, 'value')}, {self.wrong:,} wrong>"

    def title(self, words: Words) -> str:
        """What was done."""
        return words.word("corpus.title")

    def sentences(self, words: Words) -> Iterator[str]:
        """What is wrong with the files and the premises, the verdict, and what was compared."""
        for k, fault in enumerate(in_words(one, words) for one in self.others[:LISTED]):  # before what was compared
            yield fault if k else words.word("corpus.failed", what=fault)
        if len(self.others) > LISTED:
            yield words.word("corpus.faults.more", n=words.number(len(self.others) - LISTED))
        compared = self._compared(words)
        yield compared if self.others else words.word(f"corpus.{self.verdict}", what=compared)
        if self.steps:
            values = words.count("counted.values", self.lines)
            yield words.word("corpus.largest", most=f"{self.largest:.2g}", values=values)
        if self.undecided:
            yield words.word("corpus.undecided", steps=words.count("counted.steps", self.undecided))

    def _compared(self, words: Words) -> str:
        sequences = words.count("counted.sequences", self.every)
        if not self.steps:
            return words.word("corpus.nothing", sequences=sequences)
        said = words.word(
            "corpus.compared.1" if self.wrong == 1 else "corpus.compared", sequences=sequences,
            values=words.count("counted.values", self.values), steps=words.count("counted.steps", self.steps),
            sample=words.number(self.sequences), n=words.number(self.wrong),
        )  # fmt: skip
        n = len(self.damages)
        return words.word("corpus.listed", what=said, n=n) if self.wrong > n else said

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """The first of the wrong values."""
        key = "none" if not self.values else "right.compared" if self.others else "right"
        notes = () if self.damages else (words.word(f"corpus.{key}"),)
        said = dict.fromkeys(("stored", "expected"), lambda value, words: shortest(value))  # the last digit may differ
        return (LongTable(Damage._fields, self.damages, notes=notes, said=said),)


def verify(
    states: States, sample: int | str | None, seed: int, model: Any, inputs: str | Path | None
) -> CorpusVerification:
    """See `States.verify`."""
    if sample is not None and (isinstance(sample, str) or sample < 1):
        raise OptionError(f"sample: expected at least 1 sequence, or all; found {sample!r}")
    there = states.manifest
    prepared = states.model() if model is None else corpus_model(prepare(model))
    source = source_of(states, prepared, inputs)
    index = source.index()
    found = CorpusVerification(len(index.ids))
    for name, now in (("model", digest(prepared)), ("inputs", source.digest())):
        if now != there.premises.get(name):
            found.fault(f"corpus.differs.{name}")
    sizes = line_sizes(prepared, source.width)
    lost = next((b for b in there.layout.blocks if sizes.get((b.scope, b.line)) != (b.width, b.across)), None)
    if found.others and lost is not None:
        found.fault("corpus.lost", line=f"{lost.scope}/{lost.line}", units=Remark("counted.units", {"n": lost.width}))
    if not found.others and (edited := _edited(there, prepared, source.width, model is None)):
        found.fault("corpus.edited", file=MANIFEST, entry=edited)
        return found  # its columns are not to be read so
    try:
        if not found.others and not is_index(states.folder, index, there.parts):
            found.fault("corpus.index", file=INDEX)
    except FileError as error:
        found.others.append(str(error))
    chosen = np.isin(np.arange(len(index.ids)), shuffled(index.ids.tolist(), seed)[:sample])
    models = prepared, _twin(prepared)
    steps = VALUES // sum(width for width, _ in sizes.values())
    with at_most(1):
        for part, at in _parts(states, index, found):
            name, places = there.files_of(part.span.number)[0], np.flatnonzero(chosen[at])
            rows = source.read(part.span).picked(places) if len(places) else None
            try:
                if (order := _in_place(part, index, at, name, found)) is None or rows is None:
                    continue
                k = np.argsort(order)[places]
                _check_columns(part, rows, k, name, found)
                stored = _stored(part, there.layout, k)
            except (FileError, KeyError, pa.ArrowException, OSError) as error:
                found.fault("corpus.unreadable", file=name, why=" ".join(str(error).split())[:200])
                continue
            for batch in () if lost else batches(rows.lengths, BATCH, steps):
                here = {block: [values[b] for b in batch] for block, values in stored.items()}
                _compare(rows.picked(batch), here, models, found)
    return found


def _edited(there: Manifest, model: Model, width: int, own: bool) -> str:
    """The first entry of a manifest that does not follow from the model; empty if all do.

    width: I. own: whether it is the model of the folder, of the same name.
    """
    wanted = recorded(model, there.layout.record, None, width)[1].blocks
    said = {f"blocks.{k}.{name}": v for k, b in enumerate(there.blocks) for name, v in b._asdict().items()}
    true = {f"blocks.{k}.{name}": v for k, b in enumerate(wanted) for name, v in b._asdict().items()}
    if own:
        said |= {"title": there.title, "cell": there.cell}
        true |= {"title": model.header.title, "cell": model.header.kind}
    return next((name for name, value in said.items() if value != true[name]), "")


def source_of(states: States, model: Model, inputs: str | Path | None = None) -> TableFile:
    """The input of the states, opened again. inputs: its present path. Raises FileError."""
    source = states.manifest.source
    path = Path(source.path if inputs is None else inputs).absolute()
    return opened(path, model, states.folder, **source.model_dump(exclude={"path"}))


def _parts(states: States, index: SequenceIndex, found: CorpusVerification) -> Iterator[tuple[Part, slice]]:
    """The parts that are as they were written, with their places in the index; together they have each once."""
    there, spans, ends = states.manifest, states.manifest.parts, index.places
    for name in parts_in(states.folder, {name for span in spans for name in there.files_of(span.number)}):
        found.fault("corpus.foreign", file=name)
    firsts = [span.first for span in spans]
    if [*firsts, ends[-1]] != [ends[0], *(span.stop for span in spans)] or not np.isin(firsts, ends).all():
        found.fault("corpus.parts")
        return
    for span in spans:
        if wrong := faults(states, span):
            found.others += wrong
        else:
            yield states.part(span), slice(*np.searchsorted(ends, [span.first, span.stop]).tolist())


def _in_place(part: Part, index: SequenceIndex, at: slice, name: str, found: CorpusVerification) -> Array | None:
    """The order of the sequences in a part; None if they are not those of the index, each once, unpadded."""
    order = np.argsort(index.ids[at], kind="stable")
    lengths = index.lengths[at][order]
    if not np.array_equal(part.ids, index.ids[at][order]) or not np.array_equal(np.diff(part.starts), lengths):
        found.fault("corpus.sequences", file=name)
        return None
    if (np.delete(np.diff(part.t), part.starts[1:-1] - 1) != 1).any():
        found.fault("corpus.steps", file=name)
    return order


def _check_columns(part: Part, rows: Rows, at: Array, name: str, found: CorpusVerification) -> None:
    """Whether steps, tokens and targets of some sequences are those of the input."""
    wanted = {STEP: pa.array(rows.t), **({} if rows.token is None else {TOKEN: rows.token}), **rows.targets}
    for column, values in wanted.items():
        for k, first, stop in zip(at, rows.starts, rows.starts[1:], strict=False):
            here = part.places.column(column)[part.starts[k] : part.starts[k + 1]].to_pylist()
            triples = zip(rows.t[first:stop], map(repr, here), map(repr, values[first:stop].to_pylist()), strict=True)
            if other := next((one for one in triples if one[1] != one[2]), None):  # by repr: NaN is not NaN
                t, stored, right = other
                place = {"file": name, "column": column, "sequence": part.ids[k], "t": t}
                found.fault("corpus.column", **place, stored=stored[:60], right=right[:60])


def _stored(part: Part, layout: StateLayout, at: Array) -> dict[Block, list[Array]]:
    """The values of some sequences; those of the whole part are held for one line at a time."""
    found = {}
    for block in layout.blocks:
        values = part.values(block)
        found[block] = [values[part.starts[k] : part.starts[k + 1]].copy() for k in at]
        del values
    return found


def _twin(model: Model) -> Model:
    """The model in the other precision; itself if it has its own arithmetic, which has no other."""
    if model.defaults.arithmetic is not None:
        return model
    dtype = "float64" if model.header.dtype == "float32" else "float32"
    with np.errstate(over="ignore"):
        weights = {s: {n: array.astype(dtype) for n, array in here.items()} for s, here in model.weights.items()}
    return replace(model, header=replace(model.header, dtype=dtype), weights=weights, _works={}, _pool=Pool())


def _compare(rows: Rows, stored: dict[Block, list[Array]], models: Sequence[Model], found: CorpusVerification) -> None:
    """Run some sequences line by line, and compare the stored values with them."""
    x = padded(rows, np.arange(len(rows.ids)))
    named: dict[str, Any] = {"lengths": rows.lengths, "batch_first": False, "plan": "lines"}
    trace = models[0].run(x, **named)
    other = models[1].run(x, record=[f"{block.scope}/{block.line}" for block in stored], **named)
    proof, dtype = verified(trace), trace.header.dtype
    found.lines += proof.verified
    if proof.verdict == "failed":
        found.fault("corpus.unverified", address=proof.failures[0].address)
    ulp = float(np.finfo(dtype).eps)
    for b, n in enumerate(rows.lengths):
        clear = np.ones(n, bool)
        for block, every in stored.items():
            mine, twin = (run.lines[block.scope][block.line][:n, b] for run in (trace, other))
            single, double = (mine, twin) if dtype == "float32" else (twin, mine)
            measure = measured(mine, single, double, every[b], (), ulp, True)
            ratio, bound = _in_bounds(every[b], double, measure.bound[:, None], ulp)
            ratio[~measure.clear], clear = 0.0, clear & measure.clear
            found.values += int(measure.clear.sum()) * block.width
            found.largest = max(found.largest, float(ratio.max(initial=0.0)))
            wrong = np.argwhere(ratio > 1)
            found.wrong += len(wrong)
            for t, unit in wrong[: LISTED - len(found.damages)]:
                step, address = int(rows.t[rows.starts[b] + t]), StateLayout(tuple(stored)).address(block, unit)
                numbers = every[b][t, unit], mine[t, unit], bound[t, unit]
                found.damages.append(Damage(rows.ids.tolist()[b], step, address, *map(float, numbers)))
        found.undecided += int((~clear).sum())
    found.sequences += len(rows.ids)
    found.steps += len(rows.x)


@np.errstate(all="ignore")
def _in_bounds(stored: Array, exact: Array, bound: Array, ulp: float) -> tuple[Array, Array]:
    """How far stored values are off, in bounds, and the bounds: with half a spacing more if the type that they are
    stored in is narrower than that of the model."""
    kept, whole = exact.astype(stored.dtype), np.broadcast_to(bound, stored.shape)
    if np.finfo(stored.dtype).eps > ulp:
        whole = whole + np.spacing(np.abs(kept)).astype(np.float64) / 2
    same = np.where(np.isfinite(kept), stored == exact, (stored == kept) | (np.isnan(stored) & np.isnan(kept)))
    ratio = np.abs(stored.astype(np.float64) - exact) / whole
    return np.where(same, 0.0, np.nan_to_num(ratio, nan=np.inf)), whole
