"""Whatever holds weights (a problem, a model file, arrays, a live module) to a model, and to a trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..base.arrays import describe
from ..base.files import read_bytes
from ..engine.input_arrays import common_dtype
from ..engine.rerun import with_holds
from ..engine.run import Check
from ..errors import FileError, OptionError, within
from ..trace.argument_types import checked
from ..trace.files import trace_file, trace_json
from ..trace.files.schema import Problem, validate
from ..trace.files.tensor_header import is_tensors
from ..trace.header import Header
from ..trace.trace import Trace
from ..weights.live_modules import as_array, framework, from_live, unpacked
from ..weights.read import is_model
from .build import build
from .input_files import read_holds
from .model import Model
from .prepare import named_by_framework, prepare_arrays, prepare_file, prepare_found
from .problem import LARGER, prepare_problem, read_problem
from .tokens.rows import readable, with_tokens

Source = Mapping[str, Any] | str | Path | Problem | Model | Any  # a live module is of its framework's class


@checked
def prepare(
    source: Source,
    cell: str | Mapping[str, Any] = "lstm",
    options: Mapping[str, Any] | None = None,
    name: str = "",
    layout: Any = None,
    dtype: Any = None,
    allow_nonfinite: bool = False,
) -> Model:
    """Check and copy the weights once, and plan the network.

    Args:
        source: weights by our names (`W_xi` (H, I), `W_hi` (H, H), `b_i` (H,), or `1/reverse/W_xi` in a stack), arrays
            in a framework's `layout`, a live PyTorch or Keras LSTM, the path of a model file (docs/models.md) or of a
            problem file, or a problem as a mapping with `weights`.
        cell: the name of a cell (docs/options.md), or `{"equations": text}` (docs/cells.md).
        options: of the cell and the network (docs/options.md).
        name: which LSTM of several is meant; otherwise a title.
        layout: how the arrays are stored, by name or by facts (docs/layouts.md).
        dtype: float32 or float64; None is the result type of the weights.
        allow_nonfinite: accept NaN and infinity in the weights.

    Returns:
        A model whose `run` traces an input.

    Raises:
        LstmTraceError: with every error of the stage of checking that found one.

    >>> model = prepare({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]})
    >>> model.run([[1.0, 2.0]], ask="i_t")["i_t"].round(8)
    array([[[0.18242552]]])
    """
    if isinstance(source, Model):
        return source
    if isinstance(source, str | Path):
        if is_model(source):
            model = prepare_file(source, name or None, layout, cell, options, dtype, allow_nonfinite)
        else:
            model = _with_holds(prepare_problem(read_problem(source), str(source), allow_nonfinite), source)
        return replace(model, sources=(str(source), *model.sources))
    if isinstance(source, Problem):
        return prepare_problem(source, allow_nonfinite=allow_nonfinite)
    if framework(source):
        return prepare_found(from_live(source, name), cell, options, dtype, name, allow_nonfinite)
    if not isinstance(source, Mapping) or not all(isinstance(key, str) for key in source):
        found = describe(source) if not isinstance(source, Mapping) else "a mapping whose keys are not text"
        raise OptionError(f"expected weights by name, a problem, a path or a live module; found {found}")
    if isinstance(source.get("weights"), Mapping):
        return prepare_problem(validate(Problem, dict(source), "the problem"), allow_nonfinite=allow_nonfinite)
    source = {key: as_array(value) for key, value in source.items()}
    if layout is not None or (cell == "lstm" and named_by_framework(source)):
        return prepare_arrays(source, layout, name or None, cell, options, dtype, allow_nonfinite)
    return build(source, cell, options, dtype, Header(title=name), allow_nonfinite=allow_nonfinite)


@checked
def run(source: Source, x: Any = None, **arguments: Any) -> Trace:
    """Trace `source` over `x`: `prepare` and `Model.run` in one.

    Args:
        source: as for `prepare`.
        x: the input, as for `Model.run`; a problem has one of its own.
        arguments: those of `prepare` and of `Model.run`. dtype: None is the result type of the weights and of x, where
            they are arrays; half types compute in float32.

    Returns:
        The trace of every line that was asked for.

    Raises:
        LstmTraceError: as `prepare` and `Model.run`.

    >>> trace = run({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, [[1.0, 2.0], [0.0, 1.0]], ask=["z_i"], h0=[0.5])
    Traceback (most recent call last):
    ...
    lstm_trace.errors.MissingError: line `W_xf @ x_t` needs W_xf, which the weights do not have; ...
    """
    known = ("cell", "options", "name", "layout", "dtype", "allow_nonfinite")
    chosen = {key: arguments.pop(key) for key in known if key in arguments}
    x, lengths = unpacked(x)  # tensors and packed sequences of a framework are understood
    if chosen.get("dtype") is None and hasattr(x, "dtype") and isinstance(source, Mapping) and "weights" not in source:
        chosen["dtype"] = common_dtype(*map(as_array, source.values()), x)
    model = prepare(source, **chosen)
    if lengths is not None:
        arguments |= {"lengths": lengths, "batch_first": False}
    return model.run(x, **{key: as_array(value) for key, value in arguments.items()})


@checked
def open_source(
    path: str | Path,
    allow_nonfinite: bool = False,
    before: Callable[[Model], None] | None = None,
    tokens: Any = None,
    hold: Mapping[str, Any] | None = None,
    check: Check | None = None,
) -> Trace:
    """The trace in a file, or the trace of the problem in it: the content says which.

    Args:
        path: a trace or problem file; `-` is standard input.
        allow_nonfinite: accept NaN and infinity in the weights.
        before: called with a problem's model before it is traced, to refuse what a long run would be in vain for.
        tokens: what the steps are called, as for `Model.run`; None leaves the labels that the file has.
        hold: lines held at other values, by address, as `Model.run` has it; a text may be the path of a trace. A
            trace is run again with them.
        check: as for `Model.run`, of a trace that is computed here.

    Returns:
        The trace.

    Raises:
        FileError: for a model file, an empty file, or one that cannot be read.
        LstmTraceError: for a problem that cannot be traced.
    """
    tokens = None if tokens is None else readable(tokens)
    if is_model(path):
        raise FileError(f"{path}: a model; trace it first: lstm-trace run MODEL --input X -o TRACE")
    held = read_holds(hold or {})
    if is_tensors(path):
        return _labelled(_held(trace_file.load(path), held, path, check), tokens)
    content = read_bytes(path, f"{trace_json.LARGER}; {LARGER}").removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise FileError(f"{path}: the file is empty")
    if trace_json.looks_like_one(content):
        return _labelled(_held(trace_file.load(path, content), held, path, check), tokens)
    problem = read_problem(path, content)
    model = _with_holds(prepare_problem(problem, str(path), allow_nonfinite), path)
    if before is not None:
        before(model)
    return model.run(hold=held, tokens=tokens, check=check)


def _with_holds(model: Model, path: str | Path) -> Model:
    """The model of a problem file whose holds may be paths of traces, from the folder of the file on."""
    hold = {address: value for layer in model.defaults.hold for address, value in layer.items()}
    if not any(isinstance(value, str) for value in hold.values()):
        return model
    folder = Path(path).parent if str(path) != "-" else Path()
    with within(str(path)):
        held = read_holds(hold, folder)
    sources = tuple(str(folder / value.strip()) for key, value in hold.items() if held[key] is not value)
    return replace(model, defaults=replace(model.defaults, hold=(held,)), sources=sources)


def _held(trace: Trace, hold: Mapping[str, Any], path: str | Path, check: Check | None) -> Trace:
    if not hold:
        return trace
    with within(str(path)):
        found = with_holds(trace, hold)
    if check is not None:
        check(found)
    return found


def _labelled(trace: Trace, tokens: Any) -> Trace:
    return trace if tokens is None else with_tokens(trace, tokens)
