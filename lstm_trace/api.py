"""The public interface, `import lstm_trace`: prepare, run, load, save, verify, and the six textbook functions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .backpropagation.attribution import secants
from .backpropagation.gradients import backward, gradients
from .backpropagation.run import adjoint
from .backpropagation.training import train
from .base.arrays import describe
from .errors import LstmTraceError, OptionError
from .explanation.profile import profile
from .languages.strings import words
from .mistakes.identify import Identification, identify as search_readings
from .model.capture import Traces, capture
from .model.edit import edit
from .model.exercises import (
    calc_candidate_state,
    calc_cell_state,
    calc_forget_gate,
    calc_hidden_state,
    calc_input_gate,
    calc_output_gate,
)
from .model.model import Model
from .model.problem import problem
from .model.sources import open_source, prepare, run
from .model.tokens import with_tokens
from .results.divergence import compared
from .results.inspection import ModelInspection
from .trace.argument_types import checked
from .trace.chunks import concat
from .trace.files import trace_file
from .trace.trace import Trace
from .verification.compare import Comparison, Tolerance, changes, gap
from .verification.verify import Verification, verify
from .weights.find import find
from .weights.layouts import layout as stored_as
from .weights.live_modules import as_array
from .weights.read import SAYING, Found, as_asked, choose, read_model

if TYPE_CHECKING:
    from .one_value.derivation import ValueDerivation
    from .remote import Client
    from .report.report import Sheet
    from .results.difference import DifferenceExplanation
    from .results.explanation import Explanation


@checked
def inspect(path: str | Path, layout: Any = None) -> ModelInspection:
    """List the LSTMs in a model file.

    Args:
        path: a model file (docs/models.md).
        layout: how the arrays are stored, if the file does not say (docs/layouts.md).

    Returns:
        A `ModelInspection`, a result (docs/results.md) that is also a sequence with one entry per LSTM: its name, kind,
        weights under canonical names, and options; see `weights.read.Found`.

    Raises:
        FileError: if the file cannot be read.
    """
    return ModelInspection(Path(path).name, tuple(read_model(path, layout)))


@checked
def identify(
    weights: Mapping[str, Any] | str | Path,
    x: Any,
    y: Any,
    *,
    name: str | None = None,
    layout: Any = None,
    options: Mapping[str, Any] | None = None,
    h0: Any = None,
    c0: Any = None,
    atol: float | None = None,
    clips: Sequence[float] = (),
) -> Identification:
    """Infer the weight layout that reproduces another program's outputs, for porting models.

    Args:
        weights: a model file, or arrays named as in a framework or stored in a `layout`.
        x: the input, (T, I), (T, B, I) or (B, T, I).
        y: the h (or c) that the other program computed for x: at every step, or at the last one.
        name: name of the LSTM, if there are several.
        layout: how the arrays are stored, if their names do not say.
        options: options of the cell that the weights do not determine.
        h0: the initial hidden state, (B, H); zeros if None.
        c0: the initial cell state, (B, H); zeros if None.
        atol: absolute tolerance of a match; None means 1e-5 of the largest output.
        clips: clipping bounds to try in addition to the usual ones.

    Returns:
        The layouts that reproduce y, the closest of the others, and the properties that y leaves undetermined.

    Raises:
        ShapeError: if y fits no layout.
        OptionError: if the model has an option that the search does not cover.
    """
    options = options or {}
    if isinstance(weights, str | Path):
        found = read_model(weights, layout)
    else:
        found = find(weights, None if layout is None else stored_as(layout))
    one = as_asked(choose(found, name, "the weights"), options)
    others = {name: value for name, value in options.items() if name not in SAYING}
    one = replace(one, options={**one.options, **others})
    return search_readings(one, as_array(x), as_array(y), as_array(h0), as_array(c0), atol, clips)


@checked
def diff(
    a: Trace, b: Trace, rtol: float | None = None, atol: float | None = None, ulps: float | None = None
) -> Comparison:
    """Compare b with a, the reference, aligned by address (docs/diff.md).

    Args:
        a: the reference.
        b: the trace to compare with it.
        rtol: relative tolerance.
        atol: absolute tolerance.
        ulps: tolerance in units in the last place. If no tolerance is given, the rounding bound decides.

    Returns:
        `verdict` (`same`, `different`, or `inconclusive` if the rounding bound is not finite), `same`, `first`,
        `lines`, `units` (those that differ, most different first), `output` (how the output is affected, and whose
        weights explain it), `to_frame()` and `units_frame()`.

    Raises:
        OptionError: if a tolerance is negative or not finite.
        ShapeError: if the traces have no value in common.
    """
    return compared(a, b, Tolerance(rtol, atol, ulps))


@checked
def explain(trace: Trace, of: str | None = None, how: str = "contribution", **options: Any) -> Explanation:
    """Explain a value of a trace, or the trace as a whole (docs/explain.md).

    Args:
        trace: the trace.
        of: the address of the value, for example `3/h_t[1]`; not for `gates` and `padding`.
        how: `memory` (what each step wrote into a carried value), `gradient` (of the value, or of the output weighted
            by `seed`), `contribution` (relative to a `baseline`, split exactly), `gates` (saturation and memory of
            every unit), `ablation` (the value after holding each unit, step or line: `over`, `only`, `to`), `training`
            (`updates` of the weights for a loss) or `padding` (which steps are valid).
        options: options of that explanation.

    Returns:
        A result with `report(format, language=…)`, `save(path)`, `to_frame()` (one row per step, entry or unit),
        `plot()` and `as_json()`; notebooks display it. If nothing differs from the baseline, a contribution has no
        rows, and a warning is issued.

    Raises:
        OptionError: if the explanation or an option does not exist.
        MissingError: if the trace does not have the address.

    >>> cell = {"equations": "c_t = 0.5 * c_prev + x_t\\ncarry: c_prev <- c_t\\noutput: c_t"}
    >>> memory = explain(run({}, [[1.0], [2.0], [4.0]], cell=cell), "2/c_t[0]", "memory")
    >>> memory.to_frame()[["step", "source", "part"]]
       step source  part
    0   NaN     c0  0.00
    1   0.0    x_t  0.25
    2   1.0    x_t  1.00
    3   2.0    x_t  4.00
    """
    from .results.explanation import explanation

    explained = explanation(trace, of, how, **options)
    if getattr(explained, "nothing", False):  # a cell may have no gates, but a value always comes from something
        said = "; ".join(explained.sentences(words()))
        warnings.warn(f"the table is empty: {said}", stacklevel=3)  # `checked`
    return explained


@checked
def load(path: str | Path) -> Trace:
    """Read a trace file.

    Args:
        path: a `.json` or `.safetensors` file; the arrays of a `.safetensors` file are memory-mapped and read on use.

    Returns:
        The trace.

    Raises:
        FileError: if the file is not a trace, is truncated or damaged, or was written by a newer version.
    """
    return trace_file.load(path)


@checked
def sheet(traces: Sequence[Trace], title: str | None = None) -> Sheet:
    """Combine several worked solutions into one document (docs/report.md).

    Args:
        traces: the traces, in the order of their solutions.
        title: title of the document; by default a generic one in the language of the report.

    Returns:
        A sheet with the same `report(format, **options)` and `pdf(**options)` as a trace.

    Raises:
        OptionError: if the list is empty or contains anything but traces.

    >>> weights = {"W_xi": [[0.5]], "W_hi": [[0.25]]}
    >>> traces = [run(weights, [[x]], ask="i_t", h0=[0.0]) for x in (0.0, 1.0)]
    >>> [row for row in sheet(traces).report("md").splitlines() if row.startswith(("# ", "## "))]
    ['# Worked solutions', '## Problem 1', '## Problem 2']
    """
    from .report.report import Sheet

    found = tuple(traces)
    other = next((trace for trace in found if not isinstance(trace, Trace)), None)
    if other is not None or not found:
        what = "there is none" if other is None else f"one of them is {describe(other)}"
        raise OptionError(f"a sheet is made of traces, as lt.run and lt.load return them; {what}")
    return Sheet(found, title)


@checked
def attribute(a: Trace, b: Trace, of: str) -> DifferenceExplanation:
    """Split the difference of one value, b minus a, exactly over everything it was computed from (docs/attribution.md).

    Args:
        a: the first trace.
        b: the second trace, of the same cell and shape.
        of: the address of the value, for example `3/0/h_t[1]`.

    Returns:
        A result with `report(format, language=…)`, `save(path)`, `plot()` and `as_json()`; `to_frame()` has one row per
        entry of a parameter, input or initial state, with the columns of its address and its `contribution`.

    Raises:
        ShapeError: if the traces differ in cell or shape.
        MissingError: if a line that is needed was not recorded.

    >>> cell = {"equations": "h_t = tanh(W_x @ x_t + b)"}
    >>> a, b = (run({"W_x": [[w]], "b": [0.0]}, [[1.0]], cell=cell) for w in (0.5, 0.25))
    >>> attribute(a, b, of="h_t[0]").to_frame()[["address", "contribution"]].round(8)
                  address  contribution
    0  0/forward/W_x[0,0]     -0.217198
    1      0/forward/b[0]      0.000000
    2          0/0/x_t[0]      0.000000
    """
    from .results.difference import difference

    return difference(a, b, of)


@checked
def client(url: str, token: str | None = None) -> Client:
    """Connect to a server that was started with `lstm-trace serve` (docs/service.md).

    Args:
        url: URL of the server, for example `http://127.0.0.1:8000`.
        token: the token that the server was started with, if any.

    Returns:
        A client: `run`, `library`, `upload`, ….

    >>> client("http://127.0.0.1:8000")
    Client(url='http://127.0.0.1:8000')
    """
    from .remote import Client

    return Client(url, token)


@checked
def derivation(
    trace: Trace,
    address: str,
    *,
    of: str | None = None,
    notation: str = "exercise",
    language: str = "en",
    digits: Any = None,
    count_from: int | None = None,
    **options: Any,
) -> ValueDerivation:
    """Explain one number: what it is, what it was computed from, where it is used, and whether it is correct.

    Args:
        trace: the trace.
        address: address of the number: a unit of a line, or an entry of a weight, input, initial state or supplied
            line.
        of: the address of a value whose gradient with respect to this number is wanted, or a line of one unit (a loss).
        notation: the symbols, as in a report (docs/report.md); `joined` uses the names of `exercise`, since each of the
            two products has numbers of its own.
        language: language of the text.
        digits: decimals shown; as in a report if None.
        count_from: 0 or 1, the number of the first step and unit; as in the problem if None.
        options: significant, digits_of, trim and decimal_comma, as in a report.

    Returns:
        A `ValueDerivation`; its `facts()` returns a mapping of plain values.

    Raises:
        MissingError: if the trace does not have the address, or it names more than one number.
        OptionError: if the notation, language or an option does not exist.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, [[1.0, 2.0]], ask="i_t")
    >>> found = derivation(trace, "i_t[0]", of="i_t[0]")
    >>> found.equation.text, found.substituted.text, found.relation, found.shown
    ('i_t = σ(z_i)', 'σ(-1.5000)', '≈', '0.1824')
    >>> [one.address for one in found.operands], found.verified.verdict, found.gradient.value
    (['0/forward/0/0/z_i[0]'], 'verified', 1.0)
    """
    from .one_value import derivation as found

    chosen: dict[str, Any] = {"notation": notation, "language": language, "digits": digits, "count_from": count_from}
    return found.derivation(trace, address, of=of, **chosen, **options)


__all__ = [
    "Comparison", "Found", "Identification", "LstmTraceError", "Model", "Trace", "Traces", "Verification",
    "adjoint", "attribute", "backward", "calc_candidate_state", "calc_cell_state", "calc_forget_gate",
    "calc_hidden_state", "calc_input_gate", "calc_output_gate", "capture", "changes", "client", "concat", "derivation",
    "diff", "edit", "explain", "gap", "gradients", "identify", "inspect", "load", "open_source", "prepare", "problem",
    "profile", "run", "secants", "sheet", "train", "verify", "with_tokens",
]  # fmt: skip
