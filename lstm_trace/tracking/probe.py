"""A linear probe: how much of a target can be read linearly from the states, compared with what is predictable anyway.

Sequences are drawn by a seeded hash and split whole, never by steps; they are also the units of the intervals. The
probe is compared with the majority class (for numbers: the mean), and with a control task (Hewitt & Liang 2019), in
which each token, or each step if there are no tokens, has a random label; selectivity is how much better the probe
is at the target than at the control task.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.display import visible
from ..base.extras import missing
from ..base.resources import at_most
from ..cell.network import layer_and_direction
from ..corpus.rows import SEQUENCE, STEP, TOKEN, Block, checked_seed, compute, pa, shuffled
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..errors import FileError, MissingError, OptionError, counted, nearest, some
from ..languages.strings import Words

if TYPE_CHECKING:
    from ..corpus.states import States


#: Resamples of a bootstrap, and the share of them that an interval contains.
RESAMPLES, INSIDE = 1000, 0.95
#: The fewest sequences, 2 to learn from and 2 to test.
FEWEST = 4
#: The most bytes that a sample may take as float64, however many steps it has.
BYTES = 1 << 28


def generator(seed: int) -> np.random.Generator:
    """Random numbers. Raises OptionError for a seed below 0."""
    return np.random.default_rng(checked_seed(seed))


def drawn(ids: Array, lengths: Array, seed: int, steps: int, width: int) -> Array:
    """The places of whole sequences with at most this many steps in total. width: numbers of a step.

    Raises OptionError if there are fewer than `FEWEST`.
    """
    order = shuffled(ids, seed)
    if len(order := order[np.cumsum(lengths[order]) <= min(steps, BYTES // (8 * width))]) < FEWEST:
        said = f"{len(order)} of {len(ids):,} sequences were drawn, with at most {steps:,} steps (max_steps) in total"
        raise OptionError(f"{said}; at least {FEWEST} are needed")
    return order


def enough(steps: Array, target: str) -> Array:
    """(n,), whether a sequence has a target at any step. steps: (n,), how many steps have one.

    Raises OptionError if there are fewer than `FEWEST`.
    """
    found = steps > 0
    if (there := np.count_nonzero(found)) < FEWEST:
        said = f"{target} is present in {there} of {counted(len(steps), 'sequence')} that were drawn"
        raise OptionError(f"{said}; at least {FEWEST} are needed")
    return found


def tested(ids: Array, share: float, seed: int) -> Array:
    """(n,), whether a sequence is used for testing. Raises OptionError."""
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
    """The range of 95 % of resampled values."""
    low, high = np.quantile(values, [(1 - INSIDE) / 2, (1 + INSIDE) / 2])
    return float(low), float(high)


#: Whole numbers with at most this many different values are classes; and the most classes that a probe tells apart.
FEW, MOST = 20, 200
#: The largest size of a number that is decoded: sums of squares must be finite.
LARGEST = 1e140


class Sample(NamedTuple):
    """R steps of n sequences, one after the other.

    x: (R, F), states. y: (R,), numbers, or places in `classes`, which is empty for numbers. tokens: (R,), or None.
    ids, lengths: (n,). missing: how many of the steps have no target. every: the sequences from which they were drawn.
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
    """Draw sequences with at most this many steps in total. Raises MissingError, OptionError, FileError."""
    known = [name for name in states.place_columns if name != SEQUENCE]
    if labels is None and target not in known:
        said = f"the states have no column {target!r}{nearest(target, known, 'they have')}"
        raise MissingError(f"{said}; or give labels, a file with the columns {SEQUENCE}, {STEP} and the target")
    lengths = [np.diff(part.starts) for part in states.parts()]
    ids = np.concatenate([part.ids for part in states.parts()])
    table = None if labels is None else _labels(labels, target, next(states.parts()).places.field(SEQUENCE).type)
    candidates = np.arange(len(ids))
    if table is not None:
        theirs = table.column(SEQUENCE).drop_null().combine_chunks()
        if not len(candidates := np.flatnonzero(compute.is_in(pa.array(ids), theirs).to_pylist())):
            first, own = (repr(some[0])[:60] if some else "none" for some in (theirs.to_pylist(), ids.tolist()))
            said = f"no {SEQUENCE} is that of a sequence of the states; it has {first}, they have {own}"
            raise FileError(f"{labels}: {said}")
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
        as_ids = csv.ConvertOptions(column_types={SEQUENCE: kind})  # "007" is a text if the ids of the states are
        table = parquet.ParquetFile(path).read() if is_parquet else csv.read_csv(path, convert_options=as_ids)
        names, there = [SEQUENCE, STEP, target], table.column_names
        if lost := [name for name in names if name not in there]:
            raise FileError(f"{path}: no column {' and no column '.join(lost)}; it has {some(there, 20)}")
        if twice := [name for name in names if there.count(name) > 1]:
            raise FileError(f"{path}: more than one column is called {' and '.join(twice)}; expected one")
        types = [kind, pa.int64(), table.schema.field(target).type]
        return table.select(names).cast(pa.schema(zip(names, types, strict=True)))
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise FileError(f"{path}: cannot be read as labels: {' '.join(str(error).split())[:300]}") from None


def _joined(places: Any, labels: Any) -> Any:
    """The labels of the rows, null if there is none. Raises FileError."""
    order = "row of the sample"
    left = [places.column(SEQUENCE), places.column(STEP).cast(pa.int64()), np.arange(len(places))]
    found = pa.table(left, names=[SEQUENCE, STEP, order]).join(labels, [SEQUENCE, STEP], join_type="left outer")
    if len(found) > len(places):
        raise FileError(f"labels: a step has more than one; expected each {SEQUENCE} and {STEP} once")
    return found.sort_by(order)


#: The most iterations of a fit; how many single units are tried, those whose variance the target explains most.
ITERATIONS, TRIED = 500, 4
#: Columns of the weights, and of the classes.
COLUMNS = ("unit", "layer", "direction", "line", "class", "weight", "standardized", "explained")
CLASSES = ("class", "steps", "recall", "precision", "taken for")
#: Weights and classes that a document shows; with fewer test sequences an interval is reported as rough.
SHOWN, ROUGH = 12, 20


class Score(NamedTuple):
    """Accuracy, or R² for numbers, on the test sequences, with a 95 % interval over sequences.

    ahead: the probe's score minus this one, and the lower end of the interval of that difference.
    """

    value: float
    low: float
    high: float
    ahead: float
    ahead_low: float


@dataclass(frozen=True, eq=False, repr=False)
class Probe(Finding):
    """What a probe found, for F units and K classes that it has weights for (the second of two; one row for numbers).

    classes: of the target, empty if it is numeric; weighed: those of the rows of weights. units: (address, layer,
    direction, line) of each. best: the unit that is best alone on the training part. scores: by name, of the `probe`,
    the `baseline` (majority class or mean), the `best unit` alone, the `control` task and its own baseline. weights:
    (K, F), per unit of the state; standardized: times the standard deviation of the state. explained: (F,), the share
    of a state's variance that the classes explain (r² for numbers), on the training part. confusion: steps by class
    and by the probe's prediction. sequences, steps: trained on, and tested; every: the sequences from which they were
    drawn. missing: steps without a target. unlabelled: further sequences, which the labels do not name. tokens: how
    many different tokens the control task has. selective: whether the probe gains more, as a share of what can be
    gained over its baseline, than the control task does.
    """

    target: str
    units: tuple[tuple[str, int, str, str], ...]
    classes: tuple[Any, ...]
    weighed: tuple[Any, ...]
    baseline: Any
    best: str
    scores: dict[str, Score]
    weights: Array
    standardized: Array
    intercept: Array
    explained: Array
    confusion: Array
    sequences: tuple[int, int]
    steps: tuple[int, int]
    every: int
    missing: int
    unlabelled: int
    tokens: int | None
    selective: bool
    converged: bool

    @property
    def measure(self) -> str:
        """The measure of a score."""
        return "accuracy" if self.classes else "R²"

    @property
    def better(self) -> bool:
        """Whether the probe is better than the baseline by more than chance explains."""
        return self.scores["baseline"].ahead_low > 0 and (bool(self.classes) or self.scores["probe"].low > 0)

    @property
    def selectivity(self) -> float:
        """The score minus that of the control task."""
        return self.scores["control"].ahead

    def __repr__(self) -> str:
        found, base = self.scores["probe"], self.scores["baseline"]
        return f"<Probe of {self.target!r}: {self.measure} {found.value:.4g}, baseline {base.value:.4g}>"

    def title(self, words: Words) -> str:
        """What was decoded, and from which lines."""
        return words.word("probe.title", target=self.target, lines=", ".join(dict.fromkeys(u[3] for u in self.units)))

    def sentences(self, words: Words) -> Iterator[str]:
        """The score against the baseline and the control task, the best unit, and what was left out."""
        probe, base, best = (self.scores[name] for name in ("probe", "baseline", "best unit"))
        (learned, steps), (others, sequences) = self.steps, self.sequences
        yield words.word(
            "probe.score", measure=words.word("probe.accuracy") if self.classes else self.measure,
            score=f"{probe.value:.4g}", low=f"{probe.low:.4g}", high=f"{probe.high:.4g}",
            steps=words.count("counted.steps", steps), sequences=words.count("counted.sequences", sequences),
            learned=words.count("counted.steps", learned), others=words.number(others), every=words.number(self.every),
        )  # fmt: skip
        always = words.word("probe.always", value=_seen(self.baseline))
        baseline, value = always if self.classes else words.word("probe.average"), f"{base.value:.4g}"
        if not self.better:
            yield words.word("probe.worse", baseline=baseline, value=value, target=self.target)
        else:
            yield words.word("probe.better", baseline=baseline, value=value, less=f"{base.ahead:.4g}")
            each = words.word("probe.each")
            if self.tokens is not None:
                each = words.word("probe.each.token", tokens=words.count("counted.tokens", self.tokens))
            yield words.word(
                "probe.selectivity", value=f"{self.selectivity:.4g}", each=each,
                score=f"{self.scores['control'].value:.4g}",
                usual=words.word("probe.usual" if self.classes else "probe.usual.mean"),
                baseline=f"{self.scores['control baseline'].value:.4g}",
            )  # fmt: skip
            if not self.selective:
                yield words.word("probe.unselective")
            share = f"{(best.value - base.value) / base.ahead:.0%}"
            yield words.word("probe.best", unit=self.best, value=f"{best.value:.4g}", share=share)
        if sequences < ROUGH:
            yield words.word("probe.few", n=sequences)
        if self.missing:
            yield words.word("probe.missing", steps=words.count("counted.steps", self.missing), target=self.target)
        if self.unlabelled:
            yield words.count("probe.unlabelled", self.unlabelled)
        if not self.converged:
            yield words.word("probe.unconverged")

    def tables(self, words: Words, most: int | None = None) -> tuple[LongTable, ...]:
        """Scores, classes and weights. most: how many of the weights, the largest first."""
        size = np.abs(self.standardized)
        places = np.unravel_index(np.argsort(-size, axis=None, kind="stable")[:most], size.shape)
        numbers = (self.weights, self.standardized, np.broadcast_to(self.explained, size.shape))
        rows = [
            (*self.units[j], _seen(self.weighed[k]) if self.classes else None, *(float(one[k, j]) for one in numbers))
            for k, j in zip(*places, strict=True)
        ]
        notes = [words.word("probe.note.class" if self.classes else "probe.note", target=self.target)]
        if len(rows) < size.size:
            notes.append(words.word("probe.left", n=words.number(size.size - len(rows))))
        shown = ("unit", *(("class",) if self.classes else ()), "weight", "standardized", "explained")
        weights = LongTable(COLUMNS, rows, words.word("probe.weights"), shown, tuple(notes))
        kind = "class" if self.classes else "mean"  # the rows of the scores, in their order
        keys = "probe", kind, "best", "control", f"control.{kind}"
        names = (words.word(f"probe.row.{key}", value=_seen(self.baseline), unit=self.best) for key in keys)
        lines = [(name, *score[:3]) for name, score in zip(names, self.scores.values(), strict=True)]
        scores = LongTable(("what", self.measure, "low", "high"), lines, words.word("probe.scores"))
        if not self.classes:
            return scores, weights
        return scores, LongTable(CLASSES, [*self._by_class()], words.word("probe.classes")), weights

    def shown_tables(self, words: Words) -> tuple[LongTable, ...]:
        """The tables with the largest weights."""
        return self.tables(words, SHOWN)

    def _by_class(self) -> Iterator[tuple[Any, ...]]:
        table = self.confusion
        wrong = table - np.diag(np.diag(table))
        for k in np.argsort(-table.sum(axis=1), kind="stable")[:SHOWN]:
            right, here, said = (int(n) for n in (table[k, k], table[k].sum(), table[:, k].sum()))
            other = _seen(self.classes[np.argmax(wrong[k])]) if wrong[k].any() else ""
            shares = right / here if here else None, right / said if said else None
            if here or said:  # tested, or predicted
                yield _seen(self.classes[k]), here, *shares, other


def _seen(value: Any) -> str:
    text = visible(str(value))
    return text if any(map(str.isalnum, text)) else f'"{text}"'  # a mark or a space would not be recognized as a class


def probe(
    states: States, target: str, line: str | None, labels: str | Path | None, test: float, seed: int, max_steps: int
) -> Probe:
    """See `States.probe`."""
    checked_seed(seed)
    needs_sklearn()
    blocks = states.layout.chosen(line)
    sample = gathered(states, blocks, target, labels, max_steps, seed)
    every = ((block, unit) for block in blocks for unit in range(block.width))
    units = tuple((states.layout.address(b, unit), *layer_and_direction(b.scope), b.line) for b, unit in every)
    with at_most(1):
        return _probed(sample, target, units, tested(sample.ids, test, seed), seed)


def _probed(sample: Sample, target: str, units: tuple[Any, ...], held: Array, seed: int) -> Probe:
    y, classes, test = sample.y, sample.classes, np.repeat(held, sample.lengths)
    train = ~test
    for side in (y[train], *(() if classes else (y[test],))):
        something_to_decode(side, target)
    x, mean, scale = standardized(sample.x, train)
    x_train, x_test = x[train], x[test]
    del x
    kinds, which = np.unique(np.arange(len(y)) if sample.tokens is None else sample.tokens, return_inverse=True)
    control = generator(seed).choice(y[train], len(kinds))[which]
    explained = _explained(x_train, y[train], len(classes))
    fit, other = (fitted(x_train, truth[train], bool(classes)) for truth in (y, control))
    first = np.argsort(-explained, kind="stable")[:TRIED].tolist()
    tried = {j: fitted(x_train[:, [j]], y[train], bool(classes)) for j in first}
    best = max(tried, key=lambda j: float(tried[j].score(x_train[:, [j]], y[train])))
    alone = tried[best].predict(x_test[:, [best]])
    majority, control_baseline = (np.bincount(v[train]).argmax() if classes else v[train].mean() for v in (y, control))
    predicted = {"probe": (fit.predict(x_test), y), "baseline": (majority, y), "best unit": (alone, y),
            "control": (other.predict(x_test), control), "control baseline": (control_baseline, control)}  # fmt: skip
    weights = np.atleast_2d(np.asarray(fit.coef_, np.float64))
    k = len(classes)
    confusion = np.bincount(y[test] * k + predicted["probe"][0] if k else [], minlength=k * k).reshape(k, k)
    pairs = {name: (prediction, truth[test]) for name, (prediction, truth) in predicted.items()}
    scores, selective = _scores(pairs, sample.lengths[held], classes, seed)
    return Probe(
        target=target, units=units, classes=classes, baseline=classes[majority] if classes else float(majority),
        weighed=tuple(classes[k] for k in fit.classes_[-len(weights) :]) if classes else (), best=units[best][0],
        scores=scores, selective=selective,
        weights=weights / scale, standardized=weights, explained=explained, confusion=confusion,
        intercept=np.atleast_1d(fit.intercept_) - weights @ (mean / scale),
        sequences=(int((~held).sum()), int(held.sum())), steps=(int(train.sum()), int(test.sum())), every=sample.every,
        missing=sample.missing, unlabelled=sample.unlabelled, tokens=None if sample.tokens is None else len(kinds),
        converged=not classes or bool(fit.n_iter_.max() < ITERATIONS),
    )  # fmt: skip


def needs_sklearn() -> None:
    """Raise OptionError if scikit-learn is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise OptionError(missing("a probe", "scikit-learn")) from None


def something_to_decode(y: Array, target: str) -> None:
    """Raise OptionError for a target that is the same everywhere. y: (R,)."""
    if len(np.unique(y)) < 2:
        raise OptionError(f"{target} is the same in all steps that were drawn: there is nothing to decode")


def standardized(x: Array, train: Array) -> tuple[Array, Array, Array]:
    """x with mean 0 and standard deviation 1 in the rows `train`, those means and deviations (1 if it is 0)."""
    mean = x[train].mean(axis=0, dtype=np.float64)
    z = x - mean.astype(x.dtype)
    sd = np.sqrt(np.einsum("ij,ij->j", z[train], z[train], dtype=np.float64) / np.count_nonzero(train))
    scale = np.where(sd > 0, sd, 1.0)
    z /= scale.astype(x.dtype)
    return z, mean, scale


def fitted(x: Array, y: Array, classes: bool) -> Any:
    """What scikit-learn has learned. x: standardized."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression, Ridge

    if not classes:
        return Ridge(solver="cholesky").fit(x, y)
    if len(np.unique(y)) == 1:  # the control task of a few tokens
        return DummyClassifier().fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the result says that it has not converged
        return LogisticRegression(max_iter=ITERATIONS).fit(x, y)


def _explained(x: Array, y: Array, classes: int) -> Array:
    """(F,), the share of the variance of each column of standardized x that classes, or a line in y, explain."""
    if not classes:
        return np.asarray(((y - y.mean()) / y.std() @ x / len(y)) ** 2)
    sums = np.stack([x[y == k].sum(axis=0, dtype=np.float64) for k in range(classes)])
    counts = np.maximum(np.bincount(y, minlength=classes), 1)
    return np.asarray((sums**2 / counts[:, None]).sum(axis=0) / len(y))


def _scores(
    predicted: dict[str, tuple[Any, Array]], lengths: Array, classes: tuple[Any, ...], seed: int
) -> tuple[dict[str, Score], bool]:
    """1 - (sum of errors) / (sum of sizes): for classes each step counts 1; for numbers squares, from the mean.

    Also whether the probe is selective.
    """
    pairs = [
        ((prediction != y).astype(float), np.ones(len(y))) if classes else ((prediction - y) ** 2, (y - y.mean()) ** 2)
        for prediction, y in predicted.values()
    ]
    sums = np.add.reduceat(np.array(pairs), np.cumsum(lengths) - lengths, axis=2).T  # sequences, error or size, name
    with np.errstate(all="ignore"):
        whole, again = (1 - one[..., 0, :] / one[..., 1, :] for one in (sums.sum(axis=0), resampled(sums, seed)))
    base = again[:, [1, 4]]  # of what can be gained over a baseline the part that is; 0 where that is always right
    gained = np.divide(again[:, [0, 3]] - base, 1 - base, out=np.zeros_like(base), where=base < 1)
    scores = {}
    for k, name in enumerate(predicted):
        ahead = float(whole[0] - whole[k]), interval(again[:, 0] - again[:, k])[0]
        scores[name] = Score(float(whole[k]), *interval(again[:, k]), *ahead)
    return scores, interval(gained[:, 0] - gained[:, 1])[0] > 0
