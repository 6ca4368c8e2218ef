"""What `import lstm_trace` offers: prepare, run, load, save, verify, and the exercises' six functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backward.attribution import split
from .backward.gradients import gradients
from .base.arrays import Array, describe
from .base.files import read_bytes
from .engine.input_arrays import common_dtype
from .errors import FileError, LstmTraceError, OptionError
from .mistakes.identify import Identification
from .mistakes.identify import identify as search_readings
from .model.build import build
from .model.capture import Traces, capture
from .model.model import Model
from .model.prepare import named_by_framework, prepare_arrays, prepare_file, prepare_found
from .model.problem import LARGER, as_problem, prepare_problem, read_problem
from .trace.argument_types import checked
from .trace.files import trace_file, trace_json
from .trace.files.schema import Problem
from .trace.files.tensor_header import is_tensors
from .trace.trace import Header, Trace
from .verification.compare import Comparison, Tolerance, compare
from .verification.verify import Verification, verify
from .weights.find import find
from .weights.found import SAYING, as_asked
from .weights.layouts import layout as stored_as
from .weights.live import as_array, framework, from_live, unpacked
from .weights.read import Found, choose, is_model, read_model

if TYPE_CHECKING:
    import pandas as pd

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
    """Check and copy the weights once, and lay the network out.

    source: weights by our names (`W_xi` (H, I), `W_hi` (H, H), `b_i` (H,), or `1/reverse/W_xi` in a stack), arrays in
    a framework's `layout`, a live PyTorch or Keras LSTM, the path of a model file (docs/models.md) or a problem file,
    or a problem as a mapping with `weights`. cell: `lstm`, `slstm`, `gru`, `rnn`, or `{"equations": text}`. options: of
    the cell and the network (docs/options.md). name: which LSTM of several is meant, and a title. layout: how arrays
    are stored, by name or by facts (docs/layouts.md). dtype: float32 or float64; the result type of the weights if
    None.
    Raises LstmTraceError with every fault.

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
            model = prepare_problem(read_problem(source), str(source), allow_nonfinite)
        return replace(model, source=str(source))
    if isinstance(source, Problem):
        return prepare_problem(source, allow_nonfinite=allow_nonfinite)
    if framework(source):
        return prepare_found(from_live(source, name), cell, options, dtype, name, allow_nonfinite)
    if not isinstance(source, Mapping) or not all(isinstance(key, str) for key in source):
        found = describe(source) if not isinstance(source, Mapping) else "a mapping whose keys are not text"
        raise OptionError(f"expected weights by name, a problem, a path or a live module; found {found}")
    if isinstance(source.get("weights"), Mapping):
        return prepare_problem(as_problem(dict(source), "the problem"), allow_nonfinite=allow_nonfinite)
    source = {key: as_array(value) for key, value in source.items()}
    if layout is not None or (cell == "lstm" and named_by_framework(source)):
        return prepare_arrays(source, layout, name or None, cell, options, dtype, allow_nonfinite)
    return build(source, cell, options, dtype, Header(title=name), allow_nonfinite=allow_nonfinite)


def run(source: Source, x: Any = None, **arguments: Any) -> Trace:
    """Trace `source` over `x`: `prepare` and `Model.run` in one.

    Takes the arguments of both. Without x, a problem's own input is used. dtype: the result type of the weights and
    of x, where they are arrays; half types compute in float32.

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
def inspect(path: str | Path, layout: Any = None) -> list[Found]:
    """The LSTMs in a model file: name, kind, weights by our names, options; see `weights.found.Found`.

    layout: how arrays are stored, where the file does not say it. Raises FileError.
    """
    return read_model(path, layout)


def identify(
    weights: Mapping[str, Any] | str | Path,
    x: Any,
    y: Any,
    *,
    name: str | None = None,
    layout: Any = None,
    options: Mapping[str, Any] | None = None,
    **search: Any,
) -> Identification:
    """Which reading of the weights explains another program's outputs y for the input x: the porter's tool.

    weights: a model file, or arrays with a framework's names or in a `layout`. x: (T, I), (T, B, I) or (B, T, I); y:
    its h (or c) over time, or of the last step. options: of the cell, where the weights do not say them. search: h0,
    c0, atol, clips; see `mistakes.identify.identify`. Raises ShapeError where y fits no reading, OptionError for one
    with an option that is not searched.
    """
    options = options or {}
    if isinstance(weights, str | Path):
        found = read_model(weights, layout)
    else:
        found = find(weights, None if layout is None else stored_as(layout))
    one = as_asked(choose(found, name, "the weights"), options)
    others = {name: value for name, value in options.items() if name not in SAYING}
    one = replace(one, options={**one.options, **others})
    return search_readings(one, as_array(x), as_array(y), **search)


@checked
def diff(
    a: Trace, b: Trace, rtol: float | None = None, atol: float | None = None, ulps: float | None = None
) -> Comparison:
    """Compare b with a, the reference, aligned by address: `same`, `first`, `lines`, and `to_frame()`.

    Without a tolerance the rounding bound decides; see docs/diff.md. Raises OptionError for a tolerance that is no
    finite number of at least 0, ShapeError where no value is in both.
    """
    return compare(a, b, Tolerance(rtol, atol, ulps))


@checked
def explain(trace: Trace, of: str | None = None, how: str = "contribution", **options: Any) -> pd.DataFrame:
    """Explain a value of a trace, as a table.

    how: `memory` (the ledger of a carried value), `gradient` (of the value at `of`, or of a weighting `seed` of the
    output), `contribution` (against a `baseline`, split exactly), `gates` (saturation and memory of every unit; no
    `of`). Raises OptionError, MissingError; see docs/explain.md.

    >>> cell = {"equations": "c_t = 0.5 * c_prev + x_t\\ncarry: c_prev <- c_t\\noutput: c_t"}
    >>> explain(run({}, [[1.0], [2.0], [4.0]], cell=cell), "2/c_t[0]", "memory")[["step", "source", "part"]]
       step source  part
    0   NaN     c0  0.00
    1   0.0    x_t  0.25
    2   1.0    x_t  1.00
    3   2.0    x_t  4.00
    """
    from .tables.explanations import explanation

    return explanation(trace, of, how, **options).to_frame()


@checked
def load(path: str | Path) -> Trace:
    """Read a trace file. Raises FileError."""
    return trace_file.load(path)


@checked
def open_source(
    path: str | Path, allow_nonfinite: bool = False, before: Callable[[Model], None] | None = None
) -> Trace:
    """The trace in a file, or the trace of the problem in it: the content says which. Raises LstmTraceError.

    before: called with a problem's model before it is traced, to refuse what a long run would be in vain for.
    """
    if is_model(path):
        raise FileError(f"{path}: a model; trace it first: lstm-trace run MODEL --input X -o TRACE")
    if is_tensors(path):
        return trace_file.load(path)
    content = read_bytes(path, f"{trace_json.LARGER}; {LARGER}").removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise FileError(f"{path}: the file is empty")
    if trace_json.looks_like_one(content):
        return trace_file.load(path, content)
    problem = read_problem(path, content)
    model = prepare_problem(problem, str(path), allow_nonfinite)
    if before is not None:
        before(model)
    return model.run()


@checked
def attribute(a: Trace, b: Trace, of: str) -> pd.DataFrame:
    """The difference of one value, b's minus a's, split exactly over everything it came from.

    of: the value's address (`3/0/h_t[1]`). One row for each entry of a parameter, input or initial state, with the
    columns of its address and its `contribution`; see `tables.attribution_frame.frame` and docs/attribution.md.
    Raises ShapeError where the traces have other shapes or cells, MissingError for a line that was not recorded.

    >>> cell = {"equations": "h_t = tanh(W_x @ x_t + b)"}
    >>> a, b = (run({"W_x": [[w]], "b": [0.0]}, [[1.0]], cell=cell) for w in (0.5, 0.25))
    >>> attribute(a, b, of="h_t[0]")[["address", "contribution"]].round(8)
                  address  contribution
    0  0/forward/W_x[0,0]     -0.217198
    1      0/forward/b[0]      0.000000
    2          0/0/x_t[0]      0.000000
    """
    from .tables.attribution_frame import frame

    return frame(split(a, b, of))


def _step(asked: str, given: dict[str, Any], weights: dict[str, Any], **premises: Any) -> Array:
    """One asked line at one step, (H,)."""
    return run(weights, ask=asked, given=given, **premises)[asked][0, 0]


def calc_input_gate(x_t: Any, h_prev: Any, W_xi: Any, W_hi: Any) -> Array:
    """i_t = sigmoid(W_xi x_t + W_hi h_prev), (H,).

    x_t: (I,), h_prev: (H,), W_xi: (H, I), W_hi: (H, H).

    >>> calc_input_gate([1, 2, 3], [0, 0], [[-1, 0, 0.2], [-1, 0, -0.2]], [[0, 1], [0, -1]]).round(8)
    array([0.40131234, 0.16798161])
    """
    return _step("i_t", {}, {"W_xi": W_xi, "W_hi": W_hi}, x=x_t, h0=h_prev)


def calc_output_gate(x_t: Any, h_prev: Any, W_xo: Any, W_ho: Any) -> Array:
    """o_t = sigmoid(W_xo x_t + W_ho h_prev), (H,); shapes as in `calc_input_gate`."""
    return _step("o_t", {}, {"W_xo": W_xo, "W_ho": W_ho}, x=x_t, h0=h_prev)


def calc_forget_gate(x_t: Any, h_prev: Any, W_xf: Any, W_hf: Any) -> Array:
    """f_t = sigmoid(W_xf x_t + W_hf h_prev), (H,); shapes as in `calc_input_gate`."""
    return _step("f_t", {}, {"W_xf": W_xf, "W_hf": W_hf}, x=x_t, h0=h_prev)


def calc_candidate_state(x_t: Any, h_prev: Any, W_xc: Any, W_hc: Any) -> Array:
    """c_tilde = tanh(W_xc x_t + W_hc h_prev), (H,); shapes as in `calc_input_gate`."""
    return _step("c_tilde", {}, {"W_xc": W_xc, "W_hc": W_hc}, x=x_t, h0=h_prev)


def calc_cell_state(f_t: Any, c_prev: Any, i_t: Any, c_tilde: Any) -> Array:
    """c_t = f_t * c_prev + i_t * c_tilde, (H,) from four (H,).

    >>> calc_cell_state([0.5, 1.0], [2.0, -1.0], [1.0, 0.25], [0.5, 4.0])
    array([1.5, 0. ])
    """
    return _step("c_t", {"f_t": f_t, "i_t": i_t, "c_tilde": c_tilde}, {}, c0=c_prev)


def calc_hidden_state(o_t: Any, c_t: Any) -> Array:
    """h_t = o_t * tanh(c_t), (H,) from two (H,)."""
    return _step("h_t", {"o_t": o_t, "c_t": c_t}, {})


__all__ = [
    "Comparison", "Found", "Identification", "LstmTraceError", "Model", "Trace", "Traces", "Verification", "attribute",
    "calc_candidate_state", "calc_cell_state", "calc_forget_gate", "calc_hidden_state", "calc_input_gate",
    "calc_output_gate", "capture", "diff", "explain", "gradients", "identify", "inspect", "load", "open_source",
    "prepare", "run", "verify",
]  # fmt: skip
