"""`lstm-trace corpus`: the states of a model over many sequences, and what its units track."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import click

from ...base.option import Option
from ...base.packaged import packaged
from ...documents.formats import SUFFIXES
from ...errors import LstmTraceError, counted
from ..commands import NAMES, UNITS, Text, Verbs, command, group
from ..model_options import layout_options, model_in
from ..options import AllowNonfinite, conclude, echo, result_options
from ..terminal import ProgressBar

if TYPE_CHECKING:
    from ...corpus import States

#: See `Verbs`.
VERBS: dict[str, str] = packaged("cli/verbs.toml")["corpus"]


@click.command("corpus", cls=Verbs, verbs=VERBS, load=lambda verb: globals()[verb])
def corpus() -> None:
    """Compute the states of a model over many sequences, and find what its units track (docs/corpus.md).

    Begin with `lstm-trace corpus run MODEL --inputs data.parquet -o states`, then `lstm-trace corpus units states`.
    """


# -- what several commands share -------------------------------------------------------------------------------------

#: The folder of a corpus that has been computed.
Folder = Annotated[str, click.Path(file_okay=False)]
Count = Annotated[int, Option(help="Contexts to show.", flag="-n --count", least=1, most=10_000)]
Before = Annotated[int, Option(help="Steps of context before it.", least=0, most=10_000)]
After = Annotated[int, Option(help="Steps of context after it.", least=0, most=10_000)]
Seed = Annotated[int, Option(help="Random seed.", least=0)]
MaxSteps = Annotated[int, Option(help="Maximum number of steps to draw.", least=1)]


class _Reading(TypedDict):
    """How the inputs are read, as keywords of `corpus.run` (docs/corpus.md).

    Attributes:
        id: Column with the id of the sequence that a row belongs to (seq_id).
        x: Column with lists of inputs, or stem of the columns x_0 … (x).
        ids: Column with the numbers of the tokens in the vocabulary.
        sequences: Text: the unit that is one sequence (lines).
        tokens: Text: the unit that is one step (characters).
        embedding: The x of each token, one row per token: .npy, FILE:NAME, or model:NAME.
        vocabulary: Numbers of the tokens: .json, .txt (one token per line), or model:NAME.
        unknown: Token used for those that are not in the vocabulary.
    """

    id: Annotated[str, Option(metavar="COLUMN")]
    x: Annotated[str, Option(metavar="COLUMN")]
    ids: Annotated[str, Option(metavar="COLUMN")]
    sequences: Literal["lines", "paragraphs", "files"]
    tokens: Literal["characters", "words"]
    embedding: Annotated[str, Option(metavar="FILE")]
    vocabulary: Annotated[str, Option(metavar="FILE")]
    unknown: Annotated[str, Option(metavar="TOKEN")]


READING = tuple(_Reading.__annotations__)
reading_options = group(_Reading)
_INPUTS = Option(help="Sequences: .parquet, .jsonl, .txt, or a folder of .npz files.")


def read_as(given: dict[str, Any]) -> dict[str, Any]:
    """Take the reading options that were given out of all options."""
    return {name: value for name in READING if (value := given.pop(name)) is not None}


def opened(folder: str) -> States:
    """The states in a folder."""
    from ...corpus import open

    return open(folder)


def result_of(folder: str, find: Callable[[States], Any]) -> Any:
    """What is found in a folder of states, with a note on standard error if it does not cover all of them."""
    states = opened(folder)
    result = find(states)
    note(states)
    return result


def note(states: States) -> None:
    """Print a note on standard error if parts are missing and the result therefore does not cover them."""
    there, every = len(states.spans), len(states.manifest.parts)
    if there < every:
        echo(f"note: of {counted(every, 'part')} only {there:,} are available; the result covers only these", err=True)


# -- computing -------------------------------------------------------------------------------------------------------


def _share(text: str) -> tuple[int, int]:
    """The numbers of K/N."""
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*/\s*([0-9]{1,6})\s*", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"expected K/N, for example 3/32, with K from 1 to N; found {text!r}")
    return int(match[1]), int(match[2])


@contextmanager
def _interruption_said(folder: str) -> Iterator[None]:
    """When a run is interrupted, print how far it has got."""
    try:
        yield
    except KeyboardInterrupt:
        with suppress(LstmTraceError):  # nothing has been written yet
            states = opened(folder)
            parts = f"{len(states.spans):,} of {counted(len(states.manifest.parts), 'part')}"
            echo(f"interrupted; {parts} are done; the same command resumes", err=True)
        raise


@command("run")
@reading_options
@layout_options
def run(
    model: Annotated[str, click.Path()],
    *,
    inputs: Annotated[str, _INPUTS, click.Path()],
    record: Annotated[tuple[str, ...] | None, NAMES] = None,
    layers: Annotated[tuple[int, ...], Option(flag="--layer", least=0)],
    dtype: Literal["float16", "float32", "float64"] | None = None,
    format: Literal["parquet", "safetensors"] = "parquet",
    steps_per_part: Annotated[int, Option(least=1)] = 50_000,
    batch: Annotated[int, Option(least=1)] = 64,
    workers: Annotated[int | None, Option(least=0)] = None,
    scheduler: Annotated[str | None, Option(metavar="ADDRESS")] = None,
    share: Annotated[tuple[int, int] | None, Option(metavar="K/N"), Text(_share)] = None,
    fresh: bool,
    output: Annotated[str, Option(flag="-o --output"), click.Path(file_okay=False)],
    allow_nonfinite: AllowNonfinite,
    **given: Any,
) -> None:
    """Compute the states of MODEL over all sequences of --inputs.

    An interrupted run resumes: finished parts are skipped, damaged ones computed again. A part that cannot be computed
    is reported and the others are kept; the exit code is then 1.

    Args:
        record: Comma-separated names of lines to store (the carried states).
        layers: Only this layer (repeatable).
        dtype: Data type of the stored values.
        format: File format of the states.
        steps_per_part: Approximate number of steps per part.
        batch: Maximum number of sequences per batch.
        workers: Number of Dask worker processes (default: compute in this process).
        scheduler: Address of a Dask cluster, tcp://…, instead of --workers.
        share: Only every N-th part, starting with the K-th.
        fresh: First remove the states of another run from the folder.
        output: Folder for the states.
    """
    if workers is not None and scheduler is not None:
        raise click.UsageError("--scheduler names a cluster with workers of its own: leave --workers out")
    if not output:
        raise click.UsageError("--output: the name of the folder is empty")
    from ...corpus import run
    from ...corpus.status import CorpusStatus
    from ...languages.strings import words

    reading = read_as(given)
    with _interruption_said(output), ProgressBar("computing") as bar:
        states = run(
            model_in(model, given, allow_nonfinite), inputs, output, layers=layers or None, record=record, dtype=dtype,
            format=format, steps_per_part=steps_per_part, batch=batch, share=share, fresh=fresh, workers=workers or 0,
            scheduler=scheduler, progress=bar, tell=lambda text: echo(text, err=True), **reading,
        )  # fmt: skip
    conclude(1 if states.failed else 0)
    for number, error in states.failed.items():
        echo(f"part {number} could not be computed: {error}", err=True)
    echo(CorpusStatus(states).summary(words()))


@command("status")
@result_options("text")
def status(states: Folder) -> Any:
    """Show which parts of STATES are done, missing, damaged or failed.

    A part counts as done if its file has the length with which it was written; corpus run and corpus verify also read
    its bytes. A table (.csv, .parquet) lists the parts. The exit code is 1 if any part is not done.
    """
    from ...corpus.status import CorpusStatus

    found = CorpusStatus(opened(states))
    conclude(0 if len(found.done) == len(found.parts) else 1)
    return found


def _sample(text: str) -> int | str:
    """The number of sequences, or `all`."""
    if text != "all" and not re.fullmatch("[1-9][0-9]{0,17}", text):
        raise ValueError(f"expected a number of sequences, or all; found {text!r}")
    return text if text == "all" else int(text)


@command("verify")
@result_options()
def verify(
    states: Folder,
    *,
    sample: Annotated[int | str, Option(metavar="N"), Text(_sample)] = "100",
    seed: Annotated[int, Option(least=0)] = 0,
    model: Annotated[str | None, click.Path()] = None,
    inputs: Annotated[str | None, click.Path()] = None,
) -> Any:
    """Verify a sample of STATES: recompute it line by line, and compare.

    Each stored value must be within the rounding bound, and steps, tokens and targets must equal those of the input.
    Every byte of every part is read: each part must be as it was written, and contain each sequence of the input
    exactly once. A table (.csv, .parquet) lists the wrong values.

    Exit codes: 0 verified, 1 a value or a part is wrong, or the comparison is inconclusive, 2 error.

    Args:
        sample: Number of sequences to check, or all.
        seed: Seed of the sample.
        model: The model, if not the one recorded in the folder.
        inputs: Where the input is now, if it was moved.
    """
    result = opened(states).verify(sample, seed=seed, model=model, inputs=inputs)
    conclude(0 if result.verdict == "verified" else 1)
    return result


# -- what units do ---------------------------------------------------------------------------------------------------


@command("units")
@result_options("text")
def units(
    states: Folder,
    *,
    line: str | None = None,
    sort: Annotated[str, Option(metavar="COLUMN")] = "sd",
    count: Annotated[int, Option(flag="-n --count", least=1)] = 20,
) -> Any:
    """Summarize every unit of STATES: its values, saturation and memory, and the tokens at which it changes.

    A table (.csv, .parquet) has all units and columns, and the texts around the highest and lowest values.

    Args:
        line: Only the units of this line: c_t, or 1/reverse/c_t.
        sort: Sort by this column, largest magnitude first: memory, r_…
        count: Units to show.
    """
    from ...errors import MissingError, nearest
    from ...tracking.units import SHOWN

    def measured(corpus: States) -> Any:
        known = [*SHOWN, *(f"r_{name}" for name in corpus.targets)]
        if sort not in known:  # before any work
            raise MissingError(f"units have no column {sort!r} to sort by{nearest(sort, known, 'they have')}")
        with ProgressBar("measuring") as bar:
            return corpus.units(line, progress=bar)

    found = result_of(states, measured)
    return replace(found, measured=found.sorted(sort), by=sort, most=count)


@command("top")
@result_options("text", SUFFIXES)
def top(states: Folder, *, unit: str, lowest: bool, count: Count = 20, before: Before = 30, after: After = 10) -> Any:
    """Show where --unit is highest in STATES, at most once per sequence, as text coloured by its values.

    Args:
        unit: The unit, from 0: c_t[35], or 1/reverse/c_t[35]; of a matrix C_t[2,1].
        lowest: Show where it is lowest instead.
    """
    return result_of(states, lambda found: found.top(unit, count, lowest, before, after))


@command("match")
@result_options("text", SUFFIXES)
def match(
    states: Folder, *, units: Annotated[tuple[int, ...], Option(metavar="N,…"), UNITS], line: str = "c_t",
    above: float | None = None, below: float | None = None, min_length: Annotated[int, Option(least=1)] = 1,
    max_length: Annotated[int | None, Option(least=1)] = None, exact: bool, count: Count = 20,
    before: Before = 10, after: After = 10,
) -> Any:  # fmt: skip
    """Show the stretches of STATES in which all of --units are on, longest first, as text.

    The text is coloured by the value of the unit that is closest to the level.

    Args:
        units: The units (from 0).
        line: Line of the units: c_t, or 1/reverse/c_t.
        above: A unit is on above this level (0.3 unless --below is given).
        below: A unit is on below this level.
        min_length: Minimum number of steps in a stretch.
        max_length: Maximum number of steps in a stretch.
        exact: Sort by the fewest other units that are on, then by length.
    """
    asked = units, line, above, below, min_length, max_length, count, exact, before, after
    return result_of(states, lambda found: found.match(*asked))


@command("probe")
@result_options()
def probe(
    states: Folder,
    *,
    target: Annotated[str, Option(metavar="COLUMN")],
    labels: Annotated[str | None, click.Path()] = None,
    line: str = "c_t",
    test: Annotated[float, click.FloatRange(0, 1, min_open=True, max_open=True)] = 0.25,
    seed: Seed = 0,
    max_steps: MaxSteps = 200_000,
) -> Any:
    """Decode COLUMN from the states with a linear probe (scikit-learn).

    The data is split by sequence, never within one. The accuracy (R² for numbers) is printed with a 95 % interval over
    sequences, compared with the majority class, a control task, and the best single unit. A table (.csv, .parquet) has
    the weights of all units.

    Args:
        target: Column to decode, of the states or of --labels.
        labels: File with the columns seq_id, t and COLUMN (.parquet, .csv).
        line: Line to decode from: c_t, 1/reverse/c_t; or all.
        test: Fraction of the sequences kept for testing.
    """
    lines, limits = None if line == "all" else line, {"seed": seed, "max_steps": max_steps}
    return result_of(states, lambda found: found.probe(target, lines, labels=labels, test=test, **limits))


@command("ablate")
@reading_options
@result_options()
@layout_options
def ablate(
    model: Annotated[str, click.Path()],
    *,
    inputs: Annotated[str | None, _INPUTS, click.Path()] = None,
    units: Annotated[tuple[str, ...], NAMES],
    metric: Annotated[str, Option(metavar="COLUMN")] = "output",
    to: str = "0",
    readout: Annotated[str | None, Option(metavar="LINE")] = None,
    controls: Annotated[int, Option(least=0)] = 5,
    max_steps: MaxSteps = 50_000,
    batch: Annotated[int, Option(least=1)] = 64,
    seed: Seed = 0,
    allow_nonfinite: AllowNonfinite,
    **given: Any,
) -> Any:
    """Hold units of MODEL while it runs over the sequences of --inputs, and measure what changes.

    MODEL may also be a folder of states: then its model is used, and its inputs unless --inputs is given.

    The units are held one by one, all together and, as a control, in random groups of as many other units. The change
    is given with a 95 % interval over sequences, and by token. A table (.csv, .parquet) has the groups.

    Args:
        units: Units to hold: c_t[3],c_t[17]; 1/reverse/c_t[3]; of a matrix C_t[2,1].
        metric: What to measure: the change of the output, or how well a column of the inputs is predicted.
        to: Value to hold the units at, or a factor such as *0.5.
        readout: Line whose largest unit is the predicted class.
        controls: Number of random groups used as a control.
        batch: Sequences computed at once.
    """
    from ...corpus import ablate

    reading = read_as(given)
    value: float | str = to
    with suppress(ValueError):
        value = float(to)
    source: Any = model
    if not Path(model, "_manifest.json").exists():
        if inputs is None:
            raise click.UsageError("--inputs is missing: give it, or give a folder of states instead of the model")
        source = model_in(model, given, allow_nonfinite)
    return ablate(
        source, inputs, units, metric, to=value, readout=readout, controls=controls, max_steps=max_steps, batch=batch,
        seed=seed, **reading,
    )  # fmt: skip
