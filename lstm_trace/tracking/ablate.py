"""Hold units over a corpus, and measure what changes: the output, or how well it predicts a target.

Each unit alone, all together, and random groups of as many other units of the same lines, as a control.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from ..base.arrays import Array
from ..corpus.inputs import SequenceReading, opened as opened_inputs
from ..corpus.inputs.columns import first
from ..corpus.job import Way, corpus_model, line_sizes, plan_of, states
from ..corpus.manifest import MANIFEST
from ..corpus.rows import TOKEN, Rows, StateLayout, cut, layout, pa
from ..corpus.states import States, opened
from ..corpus.verification import source_of
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..engine.request import RecordChoice
from ..errors import MissingError, OptionError, counted, nearest
from ..languages.strings import Words, words as strings
from ..model.sources import prepare
from ..trace.argument_types import checked, listed
from . import probe

if TYPE_CHECKING:
    import pandas as pd

    from ..corpus.inputs.table_file import TableFile

#: Steps of the input that are read at once, and the most random groups.
READ, CONTROLS = 50_000, 1000
COLUMNS = ("held", "units", "value", "change", "low", "high")
#: Units that are named in a cell and in the table of tokens; tokens in that table.
NAMED, TOKENS = 4, 12


@dataclass(frozen=True, eq=False, repr=False)
class Ablation(Finding):
    """What holding units changes. measured: (kind, line, target) of what is measured; to: the value units are held at.

    groups: for each group (each of several units alone, `all`, `random 1`, …) its units, the mean over the steps, its
    change, and the 95 % interval of the change over sequences. by_token: for each token the mean change by each group
    that is not random, if there are tokens. sequences, steps: that count; every: the sequences from which they were
    drawn.
    """

    measured: tuple[str, str, str]
    to: str
    groups: tuple[tuple[str, str, float, float, float, float], ...]
    by_token: pd.DataFrame
    sequences: int
    steps: int
    every: int
    controls: int

    def __repr__(self) -> str:
        return f"<Ablation: {self.measure}, {self.steps:,} steps; print(…) has all>"

    @property
    def measure(self) -> str:
        """What is measured, in English."""
        return self._measure(strings())

    def _measure(self, words: Words) -> str:
        kind, line, target = self.measured
        return words.word(f"hold.{kind}", line=line, target=target)

    def title(self, words: Words) -> str:
        """What was done, and what was measured."""
        return words.word("hold.title", measure=self._measure(words))

    def sentences(self, words: Words) -> Iterator[str]:
        """The change by all units together, and by random groups of others."""
        _, units, value, change, low, high = next(row for row in self.groups if row[0] == "all")
        n = len(units.split())
        yield words.word(
            "hold.over", measure=self._measure(words), steps=words.count("counted.steps", self.steps),
            sample=words.number(self.sequences), sequences=words.count("counted.sequences", self.every),
            units=words.count("counted.units", n), to=self.to,
        )  # fmt: skip
        numbers = {"change": f"{change:+.4g}", "low": f"{low:+.4g}", "high": f"{high:+.4g}"}
        held = words.word("hold.one" if n == 1 else "hold.all", value=f"{value:.4g}", **numbers)
        yield words.word("hold.free", value=f"{value - change:.4g}", held=held) if value != change else held
        if not (others := [row[3] for row in self.groups if row[0].startswith("random")]):
            yield words.word("hold.too.few" if self.controls else "hold.unasked")
            return
        random = words.count("hold.random", len(others), least=f"{min(others):+.4g}", most=f"{max(others):+.4g}")
        yield words.word("hold.no.more", what=random) if max(map(abs, others)) >= abs(change) else random

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """The change by tokens, if there are any, and by groups of units."""
        head = self.by_token.head(TOKENS)
        head = head[[*head.columns[: NAMED + 2], *(["all"] if len(head.columns) > NAMED + 2 else [])]]
        rows = [*map(tuple, head.astype(object).to_numpy())]
        tokens = LongTable((*map(str, head.columns),), rows, words.word("hold.tokens"))
        groups = LongTable(COLUMNS, self.groups, words.word("hold.groups"), said={"units": _some, "held": _group})
        return (tokens, groups) if rows else (groups,)


def _group(name: str, words: Words) -> str:
    known = {"all": words.word("column.all"), "random": words.word("hold.group", n=name.split()[-1])}
    return known.get(name.split()[0], name)


def _some(units: str, words: Words) -> str:
    names = units.split()
    return units if len(names) <= NAMED else f"{' '.join(names[: NAMED - 1])} … ({len(names)})"


@checked
def ablate(
    model: Any, inputs: Any, units: Sequence[str] | str, metric: str = "output", *, to: float | str = 0.0,
    readout: str | None = None, controls: int = 5, max_steps: int = 50_000, batch: int = 64, seed: int = 0,
    **reading: Unpack[SequenceReading],
) -> Ablation:  # fmt: skip
    """Hold units over a corpus, and measure what changes (docs/corpus.md, Ablation).

    Args:
        model: as `corpus.run` takes it; or the states of a corpus, or their folder, which contain their model.
        inputs: the sequences, as `corpus.run` takes them; those of the states if None.
        units: addresses, such as `c_t[35]`, `1/reverse/c_t[35]`, or `C_t[2,1]` for an entry of a matrix.
        metric: `output`, the mean size of the change of the model's output, over its units; or a column of the inputs:
            for classes the accuracy, for numbers the mean size of the error.
        to: the value to hold them at, or a factor, `"*0.5"`.
        readout: the line whose largest unit is the predicted class. If `metric` is a column and there is no readout, a
            probe predicts it, which has learned from the output of other sequences, without a hold.
        controls: the number of random groups of other units, at most 1,000.
        max_steps: whole sequences are drawn, with at most this many steps in total.
        batch: how many sequences are computed at once.
        seed: random seed.
        reading: how the inputs are read; see `inputs.opened`.

    Returns:
        A table of groups of units, each with its change and a 95 % interval over sequences, and a table by token.

    Raises:
        LstmTraceError: if the model, the inputs and the arguments do not fit together.
    """
    if isinstance(model, str | Path) and Path(model, MANIFEST).exists():
        model = opened(model)
    corpus = model if isinstance(model, States) else None
    prepared = corpus_model(prepare(model)) if corpus is None else corpus.model()
    with TemporaryDirectory() as folder:
        if inputs is None and corpus is not None:
            source = source_of(corpus, prepared)
        else:
            source = opened_inputs(inputs, prepared, Path(folder), **reading)
        lines = layout(line_sizes(prepared, source.width))
        last = prepared.stages()[-1]
        seen = lines.one(f"{last.scope}/{readout or last.cell.output}")
        groups = _groups(lines, listed("units", units), controls, seed)
        rows, every = _read(source, max_steps, max(source.width, seen.width), seed)
    way = Way(plan_of(prepared), batch, RecordChoice((f"{seen.scope}/{seen.line}",)))

    def output(held: Sequence[str] = ()) -> Array:
        return states(prepared, rows, way, dict.fromkeys(held, to) or None)[seen.scope, seen.line]

    free = output()
    measured, score, counts = _metric(metric, rows, free, readout, seen.line, seed)
    value = np.where(counts, score(free), 0.0)
    change = {name: np.where(counts, score(output(held)), 0.0) - value for name, held in groups.items()}
    sums = np.add.reduceat(np.stack([counts, *change.values()], axis=1, dtype=float), rows.starts[:-1])
    sums, steps = sums[sums[:, 0] > 0], int(counts.sum())
    again = probe.resampled(sums, seed)
    base, means = float(value.sum() / steps), (sums.sum(axis=0) / steps).tolist()
    table = tuple(
        (name, " ".join(held), base + means[k], means[k], *probe.interval(again[:, k] / again[:, 0]))
        for k, (name, held) in enumerate(groups.items(), 1)
    )
    named = {name: one[counts] for name, one in change.items() if not name.startswith("random")}
    by_token = _by_token(rows.token, counts, named)
    return Ablation(measured, str(to), table, by_token, len(sums), steps, every, controls)


def _groups(lines: StateLayout, units: Sequence[str], controls: int, seed: int) -> dict[str, list[str]]:
    """The groups of units that are held together: addresses, by name. Raises OptionError, MissingError."""
    if not (chosen := list(dict.fromkeys(map(lines.unit, units)))):
        raise OptionError("units: expected at least one, as in c_t[35]")
    others = [(b, j) for b in dict.fromkeys(b for b, _ in chosen) for j in range(b.width) if (b, j) not in chosen]
    names = [lines.address(*unit) for unit in chosen]
    groups = ({name: [name] for name in names} if len(names) > 1 else {}) | {"all": names}
    if controls > CONTROLS:
        raise OptionError(f"controls: at most {CONTROLS:,} random groups, each of which is a run; found {controls:,}")
    rng = probe.generator(seed)
    drawn = (rng.permutation(len(others))[: len(names)] for _ in range(controls if len(others) >= len(names) else 0))
    for k, at in enumerate(dict.fromkeys(tuple(sorted(one.tolist())) for one in drawn), 1):
        groups[f"random {k}"] = [lines.address(*others[one]) for one in at]
    return groups


def _read(source: TableFile, steps: int, width: int, seed: int) -> tuple[Rows, int]:
    """The sequences that are drawn, and from how many."""
    index = source.index()
    chosen = np.isin(np.arange(len(index.ids)), probe.drawn(index.ids, index.lengths, seed, steps, width))
    found = []
    for span in cut(index, READ):
        here = np.flatnonzero(chosen[slice(*np.searchsorted(index.places, [span.first, span.stop]))])
        if len(here):
            found.append(source.read(span).picked(here))
    token = None if found[0].token is None else pa.chunked_array([one.token for one in found])
    targets = {name: pa.chunked_array([one.targets[name] for one in found]) for name in found[0].targets}
    arrays = {name: np.concatenate([getattr(one, name) for one in found]) for name in ("ids", "lengths", "x", "t")}
    return Rows(**arrays, token=token, targets=targets), len(index.ids)


def _metric(
    metric: str, rows: Rows, free: Array, readout: str | None, line: str, seed: int
) -> tuple[tuple[str, str, str], Callable[[Array], Array], Array]:
    """What is measured (`Ablation.measured`), for an output (R, width) at each step, and which steps count.

    Raises OptionError, MissingError.
    """
    if metric == "output":
        every = np.ones(len(free), bool)
        return ("change", line, ""), lambda held: np.abs(held - free).mean(axis=1, dtype=np.float64), every
    known = {**rows.targets, **({} if rows.token is None else {TOKEN: rows.token})}
    if metric not in known:
        raise MissingError(f"metric: there is no {metric!r}{nearest(metric, ['output', *known], 'there are')}")
    if readout is not None:
        true, counts = _classes(known[metric], metric, rows, line, free.shape[1])
        probe.enough(np.add.reduceat(counts, rows.starts[:-1], dtype=np.int64), metric)
        return ("readout", line, metric), lambda held: held.argmax(axis=1) == true, counts
    probe.needs_sklearn()
    values, classes, counts = probe.read_target(known[metric], metric)
    y = np.zeros(len(counts), values.dtype)
    y[counts] = values
    labelled = probe.enough(np.add.reduceat(counts, rows.starts[:-1], dtype=np.int64), metric)
    held_out = np.zeros(len(labelled), bool)
    held_out[labelled] = probe.tested(rows.ids[labelled], 0.25, seed)
    test = np.repeat(held_out, rows.lengths)
    train = counts & ~test
    probe.something_to_decode(y[train], metric)
    x, mean, scale = probe.standardized(free, train)
    fit = probe.fitted(x[train], y[train], bool(classes))

    def score(held: Array) -> Array:
        predicted = fit.predict((held - mean.astype(held.dtype)) / scale.astype(held.dtype))
        return predicted == y if classes else np.abs(predicted - y)

    return ("accuracy" if classes else "error", line, metric), score, counts & test


def _classes(column: Any, name: str, rows: Rows, line: str, width: int) -> tuple[Array, Array]:
    """(R,), the class of each step, a unit of the readout, and whether it has one: any number of classes, any values.

    A probe tells few classes apart and takes many whole numbers for a quantity (`read_target`); a readout's are given.
    Raises OptionError for a value that is not the number of a unit.
    """
    wanted = f"readout: {line} has {counted(width, 'unit')}, so that its classes are 0 to {width - 1}"
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind)):
        raise OptionError(f"{wanted}; {name} is of the type {kind}: give a column with the number of each step's class")
    values, counts = column.cast(kind).cast(pa.float64(), safe=False).to_numpy(), column.is_valid().to_numpy().copy()
    counts &= ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        wrong = counts & ~((values >= 0) & (values < width) & (values == np.floor(values)))
    if (at := first(wrong)) is not None:
        sequence = rows.ids[np.searchsorted(rows.starts, at, "right") - 1]
        many = f", and {int(wrong.sum()) - 1:,} more steps have others" if wrong.sum() > 1 else ""
        raise OptionError(f"{wanted}; {name} is {values[at]:.15g} in sequence {sequence} at t = {rows.t[at]}{many}")
    return np.where(counts, values, 0.0).astype(np.int64), counts


def _by_token(tokens: Any, counts: Array, changes: dict[str, Array]) -> pd.DataFrame:
    """The mean change for each token, those that change most in all first. tokens: of all steps, of Arrow, or None."""
    import pandas as pd

    if tokens is None:
        return pd.DataFrame()
    groups = pd.DataFrame(changes).groupby(tokens.to_pandas()[counts].to_numpy())
    found = pd.concat([groups.size().rename("steps"), groups.mean()], axis=1).rename_axis("token").reset_index()
    return found.iloc[np.argsort(-np.abs(found["all"] * found["steps"]), kind="stable")].reset_index(drop=True)
