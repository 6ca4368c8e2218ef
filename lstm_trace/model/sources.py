"""From any source of weights (a problem, a model file, arrays, a live module) to a model, and to a trace.

Inputs, initial states, lengths and labels can also come from files: .npy, .npz, .csv, .tsv, .parquet, .json.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple, Unpack

import numpy as np

from ..base.arrays import as_texts, describe
from ..base.files import decoded, read_bytes, read_data
from ..base.remark import Remark
from ..cell.named_cells import CellName
from ..engine.inputs import common_dtype, numbers
from ..engine.plan_choice import Choice
from ..engine.run import Check, Progress, with_holds
from ..errors import FileError, MissingError, OptionError, ShapeError, nearest, reading, some, within
from ..trace.argument_types import checked, stood_for
from ..trace.files import trace_file
from ..trace.files.problem_file import Problem
from ..trace.files.safetensors import is_tensors
from ..trace.trace import Header, Trace
from ..weights.formats.arrays import told_apart
from ..weights.read import as_asked, choose, is_model, read_model
from .build import build, extra_names, in_layout, named_by_framework, prepare_found, with_lookup, with_readout
from .given_values import given_values
from .model import Model, RunArguments
from .problem import LARGER, prepare_problem, problem_of, read_problem
from .tokens import Split, readable, with_tokens
from .value_files import ARROW, arrow_table, csv_rows, is_values

#: Advice for a text file that is too large.
GIVE_ARRAY = "give the array as .npy"
SUFFIXES = (".npy", ".npz", ".csv", ".tsv", *ARROW, ".json")


class Input(NamedTuple):
    """An array from a file, the names of its columns if the file has them, and the labels of its steps."""

    values: Any
    names: tuple[str, ...] = ()
    tokens: Any = None


class Wanted(NamedTuple):
    """What to read from a file with several arrays or columns.

    role: the purpose of the array, used as its name if no `key` is given: x, h0, mask, …. key: name of the array, or
    comma-separated columns of a table. token_column: the array or column with the labels of the steps. others: names of
    arrays and columns that are read for another purpose, and are not input.
    """

    role: str = "x"
    key: str | None = None
    token_column: str | None = None
    others: tuple[str, ...] = ()

    def among(self, names: Iterable[str]) -> list[str]:
        """The candidates among these names."""
        return [name for name in names if name != self.token_column and name not in self.others]


def read_input(
    path: str | Path, key: str | None = None, token_column: str | None = None, role: str = "x",
    others: tuple[str, ...] = (),
) -> Input:  # fmt: skip
    """The array in a file; a table has one row per step and one column per input.

    key, token_column, role, others: see `Wanted`. Dates and numbers among the labels of steps become text. '-' reads
    JSON from standard input. Raises FileError, MissingError (which lists the arrays), OptionError (a key for unnamed
    data), ShapeError.
    """
    from ..weights.formats.arrays import load_npy, npz_arrays

    suffix = Path(path).suffix.lower() if str(path) != "-" else ".json"
    wanted = Wanted(role, key, token_column, others)
    if suffix == ".npz":
        with npz_arrays(path) as arrays:
            return _named(arrays, wanted, path)
    if suffix in (".csv", ".tsv"):
        return _csv(path, wanted)
    if suffix in ARROW:
        return _arrow(path, wanted)
    if suffix not in SUFFIXES:
        raise FileError(f"{path}: arrays are read from {', '.join(SUFFIXES)}")
    values = load_npy(path) if suffix == ".npy" else read_data(path, read_bytes(path, GIVE_ARRAY))
    if isinstance(values, dict):
        return _named(values, wanted, path)
    for option, name in (("--key", key), ("--token-column", token_column)):
        if name is not None:
            said = "chooses by name, and the file is a single unnamed array; leave it out"
            raise OptionError(f"{path}: {option} {name} {said}")
    return Input(numbers(values, str(path)))


def _named(arrays: Mapping[str, Any], wanted: Wanted, path: Any) -> Input:
    """One of several named arrays, and the labels in another. Raises MissingError, ShapeError."""
    tokens = None
    if (column := wanted.token_column) is not None:
        if column not in arrays:
            raise _no_labels(column, list(arrays), path, "array")
        values = arrays[column]
        tokens = _labels(np.asarray(values) if hasattr(values, "dtype") else values, column, path)
    names, key = wanted.among(arrays), wanted.key
    usual = names[0] if len(names) == 1 and wanted.role not in names else wanted.role
    name = usual if key is None else key
    if name in names:
        return Input(numbers(arrays[name], f"{path}: {name}"), (), tokens)
    listed = some(names, 12)
    if wanted.role != "x":
        raise MissingError(f"{path}: several arrays, and none is called {wanted.role}: {listed}")
    problem = f"no array {key!r}{nearest(key, names)}" if key is not None else "several arrays"
    raise MissingError(f"{path}: {problem}; choose one with --key: {listed}")


def _no_labels(name: str, known: Sequence[str], path: Any, what: str) -> MissingError:
    there = f"there are {some(known, 12) or 'no names'}"
    return MissingError(f"{path}: no {what} {name!r} for --token-column{nearest(name, known)}; {there}")


def _labels(values: Any, name: str, path: Any) -> list[Any]:
    """Labels of the steps. Raises ShapeError for anything that is not text, a number or a date."""
    with reading(f"{path}: {name}", ShapeError):
        return as_texts(values)


def _csv(path: str | Path, wanted: Wanted) -> Input:
    """The numbers, one row per step; the column names come from a heading."""
    with within(str(path)):
        separator = "\t" if Path(path).suffix.lower() == ".tsv" else ","
        rows = [row for _, row in csv_rows(decoded(path, read_bytes(path, GIVE_ARRAY)), separator)]
    heading = [name.strip() for name in rows.pop(0)] if rows and not all(map(_is_number, rows[0])) else []
    if not rows:
        raise FileError(f"{path}: no rows of numbers")
    width = len(heading or rows[0])
    fed = _fed(heading, wanted, path)
    columns = list(range(width)) if fed is None else [heading.index(name) for name in fed]
    values = np.empty((len(rows), len(columns)))
    for at, row in enumerate(rows):
        line = at + 1 + bool(heading)
        if len(row) != width:
            raise ShapeError(f"{path}: row {line} has {len(row)} columns where the first has {width}")
        wrong = next((k for k in columns if not _is_number(row[k])), None)
        if wrong is not None:
            name, hint = heading[wrong] if heading else f"column {wrong + 1}", ""
            if re.fullmatch(r"\s*[-+]?[\d.]*,\d+\s*", row[wrong]):
                hint = "; a decimal comma? write a point"
            elif heading and not any(_is_number(other[wrong]) for other in rows if len(other) == width):
                hint = f"; labels of the steps? --token-column {name!r}"
            raise ShapeError(f"{path}: row {line}, {name}: expected a number, found {row[wrong]!r}{hint}")
        values[at] = [float(row[k]) for k in columns]
    column = wanted.token_column
    return Input(values, tuple(fed or ()), None if column is None else [row[heading.index(column)] for row in rows])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _fed(names: Sequence[str], asked: Wanted, path: Any) -> list[str] | None:
    """The columns of a table that are input; None for all columns of a table without column names."""
    key, token_column = asked.key, asked.token_column
    if token_column is not None and token_column not in names:
        raise _no_labels(token_column, names, path, "column")
    if key is None:
        return [asked.role] if asked.role != "x" and asked.role in names else asked.among(names) or None
    wanted = [part.strip() for part in key.split(",")]
    if (lost := next((name for name in wanted if name not in names), None)) is not None:
        said = f"no column {lost!r}{nearest(lost, names)}; there are {', '.join(names) or 'no names'}"
        raise MissingError(f"{path}: {said}")
    if token_column in wanted:
        said = f"--key and --token-column both name {token_column}"
        raise OptionError(f"{path}: {said}: a column is input, or holds the labels of the steps")
    return wanted


def _arrow(path: str | Path, wanted: Wanted) -> Input:
    fed: list[str] = []

    def choose(schema: Any) -> list[str]:
        from pyarrow import types

        fed.extend(_fed(schema.names, wanted, path) or [])
        numeric = (types.is_floating, types.is_integer, types.is_boolean)
        wrong = [f"{f.name} ({f.type})" for f in schema if f.name in fed and not any(is_(f.type) for is_ in numeric)]
        if wrong:
            raise ShapeError(f"{path}: columns that are not numbers: {some(wrong, 6)}; choose others with --key")
        return [*fed, *([] if wanted.token_column is None else [wanted.token_column])]

    table = arrow_table(path, choose)
    if nulls := [name for name in fed if table.column(name).null_count]:
        raise ShapeError(f"{path}: {nulls[0]} has {table.column(nulls[0]).null_count} empty cells")
    columns = [table.column(name).to_numpy() for name in fed]
    values, column = np.stack(columns, axis=-1) if columns else np.empty((0, 0)), wanted.token_column
    tokens = None if column is None else _labels(table.column(column).to_pylist(), column, path)
    return Input(values, tuple(fed), tokens)


Source = Mapping[str, Any] | str | Path | Problem | Model | Any  # a live module has a class of its framework


@checked
def prepare(
    source: Source, cell: CellName | Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None,
    name: str = "", layout: Any = None, dtype: Any = None, allow_nonfinite: bool = False, vocabulary: Any = None,
    embedding: Any = None, unknown: str | None = None, split: Split | None = None, head: Any = None,
) -> Model:  # fmt: skip
    """Check and copy the weights once, and plan the network.

    Args:
        source: weights under canonical names (`W_xi` (H, I), `W_hi` (H, H), `b_i` (H,), or `1/reverse/W_xi` in a
            stack) or those of a textbook (docs/problems.md), arrays in a framework's `layout`, a live PyTorch or Keras
            layer, the path of a model file (docs/models.md) or problem file, or a problem as a mapping with `weights`.
        cell: the name of a cell (docs/options.md), or `{"equations": text}` (docs/cells.md); None means that of the
            file or module; for weights under our names the LSTM, GRU or RNN that has these names.
        options: options of the cell and the network (docs/options.md), and the `notation` of the weights' names, where
            they have several readings.
        name: name of the layer, if the source has several; otherwise a title.
        layout: how the arrays are stored, by name or by properties (docs/layouts.md).
        dtype: float32 or float64; None means the result type of the weights.
        allow_nonfinite: accept NaN and infinity in the weights.
        vocabulary: the numbers of tokens, for an x that is text (docs/models.md): a list, a mapping, a file (.json,
            .txt), `FILE:NAME` or `model:NAME`.
        embedding: x of each number, (V, I): an array, `FILE:NAME` or `model:NAME`; None sets a 1 at the number.
        unknown: the token that replaces those that are not in the vocabulary.
        split: the tokens of a text: `characters` (None) or `words`.
        head: a readout of the output, which adds logits and probabilities: `model:MATRIX,BIAS`, arrays, or `auto`.

    Returns:
        A model; its `run` traces an input.

    Raises:
        LstmTraceError: with every error found by the first check that fails.

    >>> model = prepare({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]})
    >>> model.run([[1.0, 2.0]], ask="i_t")["i_t"].round(8)
    array([[[0.18242552]]])
    """
    model = _prepared(source, cell, options, name, layout, dtype, allow_nonfinite)
    if head is not None:
        model = with_readout(model, head, embedding, allow_nonfinite)
    given = {"vocabulary": vocabulary, "embedding": embedding, "unknown": unknown, "split": split}
    return with_lookup(model, **given) if any(value is not None for value in given.values()) else model


def _prepared(source: Any, cell: Any, options: Any, name: str, layout: Any, dtype: Any, allow_nonfinite: bool) -> Model:
    if isinstance(model := getattr(source, "model", source), Model):  # that of a lifted cell
        return model
    if isinstance(source, str | Path):
        if is_model(source):
            found = choose(read_model(source, layout), name or None, str(source))
            with within(str(source)):
                found = as_asked(found, options or {})
                model = prepare_found(found, cell, options, dtype, allow_nonfinite, found.name or Path(source).name)
        else:
            model = _with_holds(prepare_problem(read_problem(source), str(source), allow_nonfinite), source)
        return replace(model, sources=(str(source), *model.sources))
    if isinstance(source, Problem):
        return prepare_problem(source, allow_nonfinite=allow_nonfinite)
    from ..weights.live_modules import as_array, framework, from_live  # an exercise needs none of it

    if framework(source):
        return prepare_found(from_live(source, name), cell, options, dtype, allow_nonfinite, name)
    if not isinstance(source, Mapping) or not all(isinstance(key, str) for key in source):
        said = describe(source) if not isinstance(source, Mapping) else "a mapping whose keys are not text"
        said += "; lt.problem(trace) is its problem" if isinstance(source, Trace) else ""
        raise OptionError(f"expected weights by name, a problem, a path or a live module; found {said}")
    if isinstance(source.get("weights"), Mapping):
        return prepare_problem(problem_of(dict(source), "the problem"), allow_nonfinite=allow_nonfinite)
    source = {key: as_array(value) for key, value in source.items()}
    if layout is not None or (isinstance(cell, str | None) and named_by_framework(source)):
        found = in_layout(source, layout, "the arrays", name or None, extra_names(source, cell, options))
        return prepare_found(found, cell, options, dtype, allow_nonfinite, name)
    return build(source, cell, options, dtype, Header(title=name), allow_nonfinite=allow_nonfinite)


#: The arguments of `run` that are those of `prepare`.
_PREPARED = tuple(signature(prepare).parameters)


@checked
def run(
    source: Source, x: Any = None, h0: Any = None, c0: Any = None, *, cell: CellName | Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None, name: str = "", layout: Any = None, dtype: Any = None,
    allow_nonfinite: bool = False, initial: Mapping[str, Any] | None = None,
    state_from: Trace | str | Path | None = None, given: Mapping[str, Any] | None = None,
    hold: Mapping[str, Any] | None = None, lengths: Any = None, mask: Any = None, tokens: Any = None,
    batch_first: bool | None = None, ask: Sequence[str] | str | None = None, record: Any = None,
    out: Trace | str | Path | None = None, plan: Choice = "auto", arithmetic: str | None = None,
    mistake: Sequence[str] | str | None = None, progress: Progress | None = None, check: Check | None = None,
    vocabulary: Any = None, embedding: Any = None, unknown: str | None = None, split: Split | None = None,
    head: Any = None,
) -> Trace:  # fmt: skip
    """Trace `source` over `x`: `prepare` and `Model.run` in one call.

    Args:
        source: weights, a live module, or the path of a model or problem, as for `prepare`.
        x: the input, (T, I), (T, B, I), (B, T, I) with `batch_first`, or (I,); a problem contains its own. A text, a
            list of tokens, or of their numbers, with a vocabulary or an embedding.
        h0: initial hidden states, (L·D, B, H); zeros if None.
        c0: initial cell states, like h0.
        cell: the name of a cell (docs/options.md), or `{"equations": text}` (docs/cells.md); None means that of the
            file or module; for weights under our names the LSTM, GRU or RNN that has these names.
        options: options of the cell and the network (docs/options.md).
        name: name of the layer, if the source has several; otherwise a title.
        layout: how the arrays are stored, by name or by properties (docs/layouts.md).
        dtype: float32 or float64; None means the result type of the weights and x, if they are arrays; half types
            compute in float32.
        allow_nonfinite: accept NaN and infinity in the weights.
        initial: initial values of other carried states, by name.
        state_from: a trace, or its file, which the run continues from its last states.
        given: lines supplied instead of computed, by name or `layer/direction/name`.
        hold: lines held at other values, by address (docs/interventions.md).
        lengths: (B,) lengths of the sequences.
        mask: True (or 1) at the valid steps, (T, B); give lengths or mask, not both.
        tokens: labels of the steps (docs/labels.md).
        batch_first: x is (B, T, I).
        ask: names or addresses of the requested lines; all lines if empty.
        record: the part of the computed values to store; everything if None.
        out: a trace to reuse, or the path of a .safetensors file into which the trace is streamed.
        plan: `lines`, `planned`, `compiled` or `auto`.
        arithmetic: an arithmetic other than that of the weights' dtype (docs/arithmetic.md).
        mistake: the key of a mistake that the run has on purpose, or several (docs/mistakes.md).
        progress: called with (steps done, total steps).
        check: called with the trace before it is returned; it may raise to reject the trace.
        vocabulary: the numbers of tokens, as for `prepare`.
        embedding: x of each number, as for `prepare`.
        unknown: the token that replaces those that are not in the vocabulary.
        split: the tokens of a text: `characters` (None) or `words`.
        head: a readout of the output, as for `prepare`.

    The arguments from `initial` on, and h0 and c0, are described in full at `Model.run`.

    Returns:
        The trace of every requested line.

    Raises:
        LstmTraceError: as for `prepare` and `Model.run`.

    >>> trace = run({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, [[1.0, 2.0], [0.0, 1.0]], ask=["z_i"], h0=[0.5])
    Traceback (most recent call last):
    ...
    lstm_trace.errors.MissingError: line `W_xf @ x_t` needs W_xf, which the weights do not have...
    """
    given = dict(locals())
    from ..weights.live_modules import as_array, unpacked

    arguments = {key: as_array(value) for key, value in given.items() if key not in _PREPARED}
    x, packed = unpacked(x)  # accepts tensors and packed sequences of a framework
    if dtype is embedding is None and hasattr(x, "dtype") and isinstance(source, Mapping) and "weights" not in source:
        dtype = common_dtype(*map(as_array, source.values()), x)
    model = prepare(**{key: given[key] for key in _PREPARED} | {"dtype": dtype})
    if packed is not None:
        arguments |= {"lengths": packed, "batch_first": False}
    return model.run(**{**arguments, "x": x})


@checked
def open_source(
    path: str | Path, allow_nonfinite: bool = False, before: Callable[[Model], None] | None = None, tokens: Any = None,
    hold: Mapping[str, Any] | None = None, check: Check | None = None,
) -> Trace:  # fmt: skip
    """Open a trace file, or trace the problem in a problem file; the content determines which it is.

    Args:
        path: a trace or problem file; `-` is standard input.
        allow_nonfinite: accept NaN and infinity in the weights.
        before: called with a problem's model before it is traced, to reject a run that would be in vain.
        tokens: labels of the steps, as for `Model.run`; None keeps the labels in the file.
        hold: lines held at other values, by address, as for `Model.run`; a text may be the path of a trace. A trace is
            run again with these holds.
        check: as for `Model.run`, for a trace that is computed here.

    Returns:
        The trace.

    Raises:
        FileError: if the file is a model, is empty, or cannot be read.
        LstmTraceError: if the problem cannot be traced.
    """
    tokens = None if tokens is None else readable(tokens)
    if is_model(path):
        raise FileError(f"{path}: a model; trace it first: lstm-trace run MODEL --input X -o TRACE")
    held = trace_file.read_holds(hold or {})
    if is_tensors(path):
        return _again(trace_file.load(path), held, tokens, path, check)
    content = read_bytes(path, f"{trace_file.LARGER}; {LARGER}").removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise FileError(f"{path}: the file is empty")
    if trace_file.looks_like_one(content) or trace_file.are_tensors(content):
        return _again(trace_file.load(path, content), held, tokens, path, check)
    model = _with_holds(prepare_problem(read_problem(path, content), str(path), allow_nonfinite), path)
    if before is not None:
        before(model)
    return model.run(hold=held, tokens=tokens, check=check)


def as_trace(source: Any, x: Any = None, like: Trace | None = None, **arguments: Any) -> tuple[Trace, list[Remark]]:
    """The trace of any source, and what should be said of it: a trace, its file, or anything that `run` accepts.

    x, arguments: as for `run`, for a source that is run; without a vocabulary x may also be the path of a file, and
    `hold` applies to every source. like: the reference, for which a file, or an array, may also have the values of
    another program (`given_values`).
    Raises LstmTraceError; OptionError for such values without a reference, or with lines to be held in them.
    """
    if is_values(source):
        if like is None or arguments.get("hold"):
            said = "are compared with a trace, a problem or a model: give that first"
            said = said if like is None else "are not held: leave the hold out"
            where = f"{source}: " if isinstance(source, str | Path) else ""
            raise OptionError(f"{where}values that another program printed {said}")
        return given_values(source, like).as_trace(like)
    if not is_run(source):
        trace, hold = source if isinstance(source, Trace) else open_source(source), arguments.get("hold")
        return (with_holds(trace, trace_file.read_holds(hold)) if hold else trace), []
    text = not {"vocabulary", "embedding"}.isdisjoint(name for name in arguments if arguments[name] is not None)
    text = text or getattr(source, "lookup", None) is not None
    return run(source, read_input(x).values if isinstance(x, str | Path) and not text else x, **arguments), []


def is_run(source: Any) -> bool:
    """Whether a source has to be run: it is no trace, no file of one, and no values that another program printed."""
    path = isinstance(source, str | Path)
    return not (isinstance(source, Trace) or is_values(source) or (path and trace_file.is_trace(source)))


def is_bare(source: Any) -> bool:
    """Whether a source is a model file, or a prepared model, without an input of its own."""
    if isinstance(source, str | Path):
        return is_model(source)
    return isinstance(source, Model) and source.defaults.x is None


def as_traces(
    a: Any, b: Any, x: Any = None, called: str = "b", /, **arguments: Unpack[RunArguments]
) -> tuple[Trace, Trace, list[Remark]]:
    """Two sources as traces, see `as_trace`; x and the arguments are for each that is run, but lines are held in b.

    called: what messages call b, if it is no file. Raises OptionError for arguments if neither is run.
    """
    a, b = stood_for(a, Trace), stood_for(b, Trace)
    given = [name for name, value in {"x": x, **arguments}.items() if value is not None and name != "hold"]
    if given and not is_run(a) and not is_run(b):
        raise OptionError(f"{', '.join(given)}: both are traces, which contain their weights and inputs; leave it out")
    places = ["" if isinstance(source, str | Path) else side for side, source in (("a", a), (called, b))]
    with within(places[0]):
        one, remarks = as_trace(a, x, None, **{name: value for name, value in arguments.items() if name != "hold"})
    with within(places[1]):
        two, others = as_trace(b, x, one, **arguments)
    apart = [] if is_values(b) else told_apart(a, b, (one.x, two.x), *[arguments.get("embedding")] * 2)
    return one, two, [*remarks, *others, *apart]


def _with_holds(model: Model, path: str | Path) -> Model:
    """The model of a problem file whose holds may be paths of traces, relative to the folder of the file."""
    hold = {address: value for layer in model.defaults.hold for address, value in layer.items()}
    if not any(isinstance(value, str) for value in hold.values()):
        return model
    folder = Path(path).parent if str(path) != "-" else Path()
    with within(str(path)):
        held = trace_file.read_holds(hold, folder)
    sources = tuple(str(folder / value.strip()) for key, value in hold.items() if held[key] is not value)
    return replace(model, defaults=replace(model.defaults, hold=(held,)), sources=sources)


def _again(trace: Trace, hold: Mapping[str, Any], tokens: Any, path: str | Path, check: Check | None) -> Trace:
    """A trace from a file, run again with holds, and with new labels."""
    if hold:
        with within(str(path)):
            trace = with_holds(trace, hold)
        if check is not None:
            check(trace)
    return trace if tokens is None else with_tokens(trace, tokens)
