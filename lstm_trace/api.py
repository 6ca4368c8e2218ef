"""The public interface, `import lstm_trace`: prepare, run, load, save, verify, and the six textbook functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Unpack, overload

from .backpropagation.attribution import secants
from .backpropagation.gradients import backward, gradients
from .backpropagation.run import adjoint
from .backpropagation.training import train
from .base.arrays import describe
from .base.remark import Remark
from .cell.named_cells import CellName
from .cell.notations import NotationName
from .cell.variants import cell_name as named_cell
from .documents.formats import FileFormat, Format
from .errors import (
    CellError,
    FileError,
    LiftError,
    LstmTraceError,
    MissingError,
    NotFoundError,
    OptionError,
    ShapeError,
    TooLargeError,
)
from .explanation.profile import profile
from .explanation.watch import StoppedError, WatchWarning, watch
from .formulas.numbers import Style
from .languages import Language
from .lifting.lift import lift
from .lifting.lifted import Lifted, aligned
from .mistakes.identify import Identification, identify_values as explained
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
from .model.model import Model, RunArguments
from .model.problem import problem
from .model.sources import as_trace, as_traces, is_bare, is_run, open_source, prepare, run
from .model.tokens import with_tokens
from .report.options import ReportOptions
from .results import How
from .results.comparisons import Comparisons, compared_with, letter
from .results.divergence import compared
from .results.explanation import Explain, ExplainOptions
from .results.inspection import ModelInspection
from .results.lists import LineList
from .results.mistakes import MistakeOverview, overview
from .trace.argument_types import checked, listed
from .trace.chunks import concat
from .trace.files import trace_file
from .trace.rows import Selected
from .trace.trace import Trace
from .verification.compare import ROUNDING, Comparison, Tolerance, changes, compare_weights, gap
from .verification.verify import Verification, verify
from .weights.formats.arrays import beside
from .weights.read import Found, read_model

if TYPE_CHECKING:
    from .offline.bench import Bench
    from .one_value.derivation import ValueDerivation
    from .remote import Client
    from .report.report import Sheet
    from .results.difference import DifferenceExplanation


@checked
def inspect(path: str | Path, layout: Any = None) -> ModelInspection:
    """List the LSTMs, GRUs and RNNs in a model file.

    Args:
        path: a model file (docs/models.md).
        layout: how the arrays are stored, if the file does not say (docs/layouts.md).

    Returns:
        A `ModelInspection`, a result (docs/results.md) that is also a sequence with one entry for each: its name, kind,
        weights under canonical names, and options; see `weights.read.Found`.

    Raises:
        FileError: if the file cannot be read.
    """
    return ModelInspection(Path(path).name, beside(path, read_model(path, layout)))


@checked
def lines(source: Any, *, name: str = "", layout: Any = None, options: Mapping[str, Any] | None = None) -> LineList:
    """List the lines that another program may print, for `diff` and `identify`.

    Args:
        source: a trace, or a model as for `prepare`.
        name: name of the layer, if there are several.
        layout: how the arrays are stored, if their names do not say.
        options: options of the cell that the weights do not determine.

    Returns:
        A `LineList`, a result (docs/results.md): for each line of each layer and direction, in order of computation,
        its number of units, its equation, and its names in notations; `snippet("c")`, and of `c++` and `python`, is a
        function that prints them.

    Raises:
        LstmTraceError: as for `prepare`.

    >>> found = lines(run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t"))
    >>> [(one.key, one.units, one.equation) for one in found.named]
    [('0/forward/z_i', 1, 'W_xi @ x_t + W_hi @ h_prev'), ('0/forward/i_t', 1, 'sigmoid(z_i)')]
    """
    if isinstance(source, Trace):
        return LineList.of(source)
    return LineList.of(prepare(source, options=options, name=name, layout=layout))


@checked
def identify(
    source: Any, x: Any = None, y: Any = None, *, atol: float | None = None, **arguments: Unpack[RunArguments]
) -> Identification:
    """Find the mistake that explains the values of another program, for porting models (docs/identify.md).

    Args:
        source: the model: anything that `run` accepts, or a trace of it, or the path of one.
        x: the input, as for `run`; a problem or a trace contains its own.
        y: what the other program computed: its output as an array, values by name (`{"f_t": …, "1/reverse/h_t": …}`),
            or the path of a file (docs/diff.md lists the formats). NaN is not compared, but not right either.
        atol: by how much a right value may differ; None means what rounding explains.
        arguments: those of `run`; `hold`, `arithmetic` and `given` are for values that no equation computes.

    Returns:
        `right` (whether the model gives these values), `found` (the mistakes that explain them, each with its
        equations, what else is equal, and the line that would tell them apart), and `nearest` if there is none.

    Raises:
        FileError: if y does not fit the model.
        OptionError: if y is missing, or lines are held.

    >>> weights = {"W_xh": [[0.5]], "W_hh": [[0.25]], "b_h": [1.0]}
    >>> other = run({**weights, "b_h": [0.0]}, [[1.0], [2.0]], cell="rnn").output
    >>> said = identify(weights, [[1.0], [2.0]], other, cell="rnn")
    >>> [str(one) for one in said.found[0].mistakes], said.found[0].equations[0].wrong
    (['bias-lost:z_h'], 'W_xh @ x_t + W_hh @ h_prev')
    """
    if y is None:
        raise OptionError("y has what the other program computed: an array, values by name, or a file")
    if isinstance(source, Trace) and (x is not None or arguments):
        raise OptionError("a trace contains its weights and input: leave x and the other arguments out")
    trace, _ = as_trace(source, x, None, **({"ask": []} | arguments if is_run(source) else {}))
    return explained(trace, y, Tolerance(atol=atol).atol)


@checked
def mistakes_of(
    source: Any, x: Any = None, *, rows: Sequence[str] | str | None = None, place: str | None = None,
    **arguments: Unpack[RunArguments],
) -> MistakeOverview:  # fmt: skip
    """List the mistakes that a port of this model may have, and what each does to its output (docs/mistakes.md).

    Args:
        source: a trace with every line, or anything that `run` accepts.
        x: the input, as for `run`.
        rows: kinds of mistakes, such as `exchange`; all if empty.
        place: the only place: `everywhere`, a layer (`1`), `above`, a direction, or a stage (`1/reverse`).
        arguments: those of `run`.

    Returns:
        A result with `found.effects` (each mistake with its place, how far it moves the output, and the first that
        gives the same output), `found.hidden` (those that this model and input cannot show) and `found.remedies`.

    Raises:
        OptionError: if there is no such kind or place.
        LstmTraceError: as for `run`.
    """
    trace, _ = as_trace(source, x, None, **({"ask": []} | arguments if is_run(source) else arguments))
    return overview(trace, listed("rows", rows or ()), place)


@overload
def diff(
    a: Any, b: Any, *, x: Any = None,
    rtol: float | None = None, atol: float | None = None, ulps: float | None = None, **arguments: Unpack[RunArguments],
) -> Comparison: ...  # fmt: skip
@overload
def diff(
    a: Any, b: Any, *more: Any, x: Any = None,
    rtol: float | None = None, atol: float | None = None, ulps: float | None = None, **arguments: Unpack[RunArguments],
) -> Comparisons: ...  # fmt: skip
@checked
def diff(
    a: Any, b: Any, *more: Any, x: Any = None,
    rtol: float | None = None, atol: float | None = None, ulps: float | None = None, **arguments: Unpack[RunArguments],
) -> Comparison | Comparisons:  # fmt: skip
    """Compare b with a, the reference, aligned by address (docs/diff.md).

    Args:
        a: the reference: a trace, the path of a trace, or anything that `run` accepts (a problem, a model).
        b: what to compare with it: the same, or the path of values that another program printed.
        more: further ones to compare with it.
        x: the input, as for `run`, or, unless it is text, the path of a file; for each of them that is no trace. Two
            models without one are compared by their weights alone.
        rtol: relative tolerance.
        atol: absolute tolerance.
        ulps: tolerance in units in the last place. If no tolerance is given, the rounding bound decides.
        arguments: those of `run`, for each of the two that is no trace; `hold` applies to b alone. If they differ,
            use `prepare`: `diff(prepare("a.pt", name="encoder"), "b.onnx", x=x)`.

    Returns:
        `verdict` (`same`, `different`, or `inconclusive` if the rounding bound is not finite), `same`, `first`,
        `content` (what b's weights are of a's: transposed, reordered, rounded, …), `changes` (what was changed, and its
        contribution to the change of the output), `lines`, `units` (those that differ, most different first), `output`
        (how the output is affected), `to_frame()`, `lines_frame()` and `units_frame()`. With further sources a sequence
        of these, one for each, with a `verdict` about all, a report, a picture and `to_frame()` of its own.

    Raises:
        OptionError: if a tolerance is negative or not finite, or if arguments are given for two traces.
        ShapeError: if the traces have no value in common.
        LstmTraceError: if a source cannot be read or run.

    >>> one, two = ({"weights": {"W": [[w]]}, "x": [[1.0]], "cell": {"equations": "h_t = W @ x_t"}} for w in (2, 5))
    >>> [(change.place, change.a, change.b, change.contribution) for change in diff(one, two).changes.most]
    [('0/forward/W[0,0]', 2.0, 5.0, 3.0)]
    """
    for number in (one for one in more if isinstance(one, int | float)):
        raise OptionError(f"{number} is nothing to compare; a tolerance is a keyword, as in rtol={number}")
    tolerance, found = Tolerance(rtol, atol, ulps), list[Comparison]()
    alone = x is None and not (arguments or more) and tolerance == ROUNDING and is_bare(a) and is_bare(b)
    if alone:
        found.append(compare_weights(prepare(a), prepare(b)))
    traces: list[Trace] = []
    reference, others = a, [aligned(one, a) for one in (b, *more)]
    for k, other in enumerate(others if not alone else (), 1):
        one, two, remarks = as_traces(reference, other, x, letter(k), **arguments)
        if x is None and not arguments:  # which would be for neither, if both were traces
            reference = one
        traces = [*(traces or [one]), two]
        comparison = compared(one, two, tolerance, among=bool(more))
        found.append(replace(comparison, remarks=(*remarks, *comparison.remarks)))
    names = [Path(source).name for source in (a, b, *more) if isinstance(source, str | Path)]
    named = names if len(names) == len({*names}) == 2 + len(more) else None
    if more:
        return compared_with(traces, found, named)
    called = Remark("diff.names", dict(zip("ab", named, strict=True))) if named else None
    return replace(found[0], names=called)


#: The interface of all explanations: `explain(trace, of, how)`, or `explain.memory(trace, of)`.
explain = Explain()


@checked
def cell_name(text: str) -> CellName:
    """Return the name of a cell as such, for type checkers: `prepare(…, cell=cell_name(text))`.

    Args:
        text: `lstm`, `slstm`, `gru` or `rnn` (docs/options.md).

    Returns:
        The same text.

    Raises:
        OptionError: if there is no such cell.
    """
    return named_cell(text)


@checked
def load(path: str | Path | IO[Any] | bytes) -> Trace:
    """Read a trace file.

    Args:
        path: a `.json` or `.safetensors` file, an open stream of one, or its bytes; the arrays of a `.safetensors` file
            are memory-mapped and read on use.

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
    others = [trace for trace in found if not isinstance(trace, Trace)]
    if others or not found:
        what = f"one of them is {describe(others[0])}" if others else "there is none"
        raise OptionError(f"a sheet is made of traces, as lt.run and lt.load return them; {what}")
    return Sheet(found, title)


@checked
def bench(*sources: Any, language: Language | None = None) -> Bench:
    """Make the bench as one page that computes in the browser, without a server (docs/bench.md).

    Args:
        sources: what it begins with, before the examples: traces, problems as mappings, or paths of either; all of them
            small enough for a page.
        language: of the page, until another is chosen.

    Returns:
        The page: a notebook shows it in a cell, `save("bench.html")` writes it to a file that loads nothing.

    Raises:
        TooLargeError: for a source with lines of more than 64 units, or more than 200,000 values.
        LstmTraceError: for a source that cannot be traced.

    >>> bench({"weights": {"W_xi": [[0.5]], "W_hi": [[0.25]]}, "x": [[1.0]], "ask": ["i_t"]})
    <Bench of ... kB; save('bench.html') writes it>
    """
    from .offline.bench import bench as made, named

    return made(named(sources, [as_trace(source)[0] for source in sources]), language)


@checked
def attribute(a: Any, b: Any, of: str, *, x: Any = None, **arguments: Unpack[RunArguments]) -> DifferenceExplanation:
    """Split the difference of one value, b minus a, exactly over everything it was computed from (docs/attribution.md).

    Args:
        a: the first trace, or any source of one, as for `diff`.
        b: the second; of both, what `diff` compares: the common steps, b through the equations of a.
        of: the address of the value, for example `3/0/h_t[1]`.
        x: the input, for each of the two that is no trace.
        arguments: those of `run`, likewise; `hold` applies to b alone.

    Returns:
        A result with `report(format, language=…)`, `save(path)`, `plot()` and `as_json()`; `to_frame()` has one row per
        entry of a parameter, input or initial state, with the columns of its address and its `contribution`.

    Raises:
        OptionError: if the value is NaN or infinite in one of the two.
        ShapeError: if the traces differ in layers or shapes.
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

    one, two, _ = as_traces(a, b, x, **arguments)
    return difference(one, two, of)


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
    trace: Trace, address: str, *, of: str | None = None, notation: NotationName | None = None,
    language: Language | None = None, digits: int | Style | None = None, count_from: Literal[0, 1] | None = None,
    significant: int | None = None, digits_of: Mapping[str, int] | None = None, trim: bool | None = None,
    decimal_comma: bool | None = None,
) -> ValueDerivation:  # fmt: skip
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
        significant: significant digits instead of decimals.
        digits_of: decimals of single lines, by name.
        trim: whether trailing zeros are dropped.
        decimal_comma: whether numbers have a decimal comma.

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
    options = dict(locals())
    from .one_value import derivation as found

    return found.derivation(**options)


#: All public names: `lstm_trace.__all__`. The comments are the headings of the documentation.
__all__ = [  # noqa: RUF022
    # Run, read and write
    "prepare", "run", "load", "open_source", "problem", "edit", "concat", "with_tokens", "capture", "lift",
    "client", "cell_name",
    # Verify and compare
    "verify", "diff", "changes", "gap", "attribute", "secants", "identify", "mistakes_of", "inspect", "lines",
    # Explain
    "explain", "derivation", "profile", "sheet", "bench",
    # Gradients and training
    "adjoint", "backward", "gradients", "train", "watch",
    # The functions of the exercises
    "calc_candidate_state", "calc_cell_state", "calc_forget_gate", "calc_hidden_state", "calc_input_gate",
    "calc_output_gate",
    # Records
    "Comparison", "Found", "Identification", "Lifted", "Model", "Trace", "Traces", "Verification",
    # Types of arguments
    "CellName", "ExplainOptions", "FileFormat", "Format", "How", "Language", "ReportOptions", "Selected",
    # Errors and warnings
    "CellError", "FileError", "LiftError", "LstmTraceError", "MissingError", "NotFoundError", "OptionError",
    "ShapeError", "StoppedError", "TooLargeError", "WatchWarning",
]  # fmt: skip
