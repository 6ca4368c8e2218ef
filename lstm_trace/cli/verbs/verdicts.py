"""Commands whose exit code is a verdict: `verify`, `diff`, `identify`, `doctor`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import click

from ...base.option import Option
from ...base.remark import Remark
from ...documents.formats import SUFFIXES
from .. import model_options
from ..commands import FILE, FORM, command
from ..model_options import INPUTS, MODELS, STORED, model_in, of_side, opened_two, opened_with, prepared, with_bar
from ..options import conclude, echo, result_options

if TYPE_CHECKING:
    from ...trace.trace import Trace


@command("verify")
@result_options("text")
def verify(trace: Annotated[str, FILE]) -> Any:
    """Derive every line of TRACE again from its recorded operands.

    Exit codes: 0 every value verified, 1 a value failed or is inconclusive, 2 error. Premises (parameters, inputs,
    initial states, given lines) are the starting point of the check; they are listed, not verified.
    """
    from ... import load, verify as verified

    result = verified(load(trace))
    conclude(0 if result.verdict == "verified" else 1)
    return result


@command("doctor")
@result_options("text")
def doctor() -> Any:
    """Check that every execution plan computes on this machine what the operations define.

    Prints the software and hardware used (numpy, CPU, BLAS, the compiled plan and its cache), and whether each plan
    agrees with the definitions: every operation at widths of 1 to 16 units, in memory of 1 to 70 columns, in float64
    and float32. This takes some seconds, longer if nothing has been compiled yet.

    Exit codes: 0 every plan agrees, 1 a plan computes wrong values, 2 error.
    """
    from ...verification.plans import examine
    from ..terminal import ProgressBar

    with ProgressBar("checking", "sizes") as bar:
        found = examine(progress=bar)
    conclude(1 if found.faults else 0)
    return found


class _Expected(click.Path):
    """The file of `--expected`; before results could be written, that option was called `--output`."""

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "FILE has the other program's outputs; --output is the file to write the result to."


@command("identify", epilog=model_options.MODELS)
@result_options("text")
@model_options.model_options
def identify(
    source: Annotated[str | None, FILE] = None,
    *,
    weights: Annotated[str | None, Option(hidden=True), FILE] = None,
    y: Annotated[str, Option(flag="--expected"), _Expected(allow_dash=True)],
    atol: Annotated[float | None, Option(least=0)] = None,
    **given: Any,
) -> Any:
    """Find the mistake that explains the values of another program (--expected): the right and the wrong equation.

    Rewrites the equations of SOURCE by every row of the table of mistakes, everywhere and in each layer, direction and
    gate, and runs them: gate orders, transposes, biases, activations, clips, states, time, wiring, numbers, input
    (docs/identify.md). A port that is Python source needs no search: lstm-trace diff MODEL port.py names the equation.

    Exit codes: 0 the model gives these values, 1 a mistake explains them or nothing does, 2 error.

    Args:
        weights: Earlier form of SOURCE.
        y: The other program's output, or its values by name: .npy, .npz, .csv, .parquet, .json, printed text, …
        atol: How much a right value may differ (default: what the rounding of dtype and printed digits explains).
    """
    from ...mistakes.identify import identify_values
    from ...trace.files.trace_file import is_trace
    from ..terminal import ProgressBar

    if (source is None) == (weights is None):
        raise click.UsageError("give the model once: lstm-trace identify MODEL --input X --expected Y")
    source = source or weights or ""
    run = not is_trace(source)
    trace = with_bar(*prepared(source, given, given["allow_nonfinite"]), ask=[]) if run else opened_with(source, given)
    with ProgressBar("trying", "mistakes") as bar:
        result = identify_values(trace, y, atol, bar)
    conclude(0 if result.right else 1)
    return result


@command("mistakes", epilog=MODELS)
@result_options("text")
@model_options.model_options
def mistakes(
    source: Annotated[str, FILE],
    *,
    rows: Annotated[tuple[str, ...], Option(flag="--row", metavar="KIND")],
    place: Annotated[str | None, Option(metavar="PLACE")] = None,
    **given: Any,
) -> Any:
    """List the mistakes that a port of SOURCE may have, and how far each moves the output.

    SOURCE is a problem, a trace with every line, or a model with --input. Those that leave no trace in this output are
    counted, with what would show them.

    Args:
        rows: Only this kind of mistake: exchange, transposed, … (repeatable).
        place: Only there: everywhere, a layer (1), above, a direction, or a stage (1/reverse).
    """
    from ...results.mistakes import overview

    return overview(opened_with(source, given, ask=()), rows, place)


#: At most this many held addresses are listed in a title.
HELD = 3


@command("diff", epilog=MODELS)
@result_options(suffixes=SUFFIXES | {".xlsx": "xlsx"})
@partial(model_options.model_options, layouts=model_options.layout_options_of_two)
def diff(
    a: Annotated[str, FILE],
    others: Annotated[tuple[str, ...], Option(metavar="B..."), FILE],
    *,
    rtol: float | None = None,
    atol: float | None = None,
    ulps: float | None = None,
    attribute: Annotated[str | None, Option(metavar="ADDRESS")] = None,
    bound: bool,
    shape: Literal["long", "wide"] | None = None,
    **given: Any,
) -> Any:
    """Compare B with A (the reference): traces, problems, or models with --input (without it, their weights alone).

    Several B are each compared with A. B may also be values of another program (.npy, .npz, .csv, .parquet, .json, or
    .txt as printf and numpy print it; see lstm-trace lines). Options that describe stored weights can be given for one
    side: --name-a, --layout-b, --option-b. Lines named by --hold are held in B. Besides the formats of -o below, .xlsx
    has both runs as a live spreadsheet.

    Exit codes: 0 all common values agree within the tolerance, 1 a value differs or the comparison is inconclusive (the
    rounding bound is not finite), 2 error.

    Args:
        rtol: Relative tolerance.
        atol: Absolute tolerance.
        ulps: Tolerance in units in the last place.
        attribute: Split the difference of this value (h_2[1]), b minus a, exactly.
        bound: Judge by the rounding bound (the default).
        shape: Of .csv and .parquet: a row for each value (long), or for each step, with b minus a (wide).
    """
    from ...languages.strings import words
    from ...results.comparisons import Comparisons
    from ...results.difference import difference
    from ...results.divergence import compared
    from ...verification.compare import ROUNDING, Tolerance, compare_weights, judge
    from ...weights.read import is_model

    if bound and (rtol, atol, ulps) != (None, None, None):
        raise click.UsageError("--bound cannot be combined with --rtol, --atol or --ulps, which replace it")
    context = click.get_current_context()
    form, brief = context.meta[FORM], context.params["form"] is None and context.params["output"] == "-"
    if form == "xlsx" and attribute is not None:
        raise click.UsageError("a workbook has both runs, and --attribute splits one value: write .csv for its rows")
    if shape is not None and (form not in ("csv", "parquet") or attribute is not None):
        raise click.UsageError("--shape is for the table of the values, -o d.csv or -o d.parquet; leave it out")
    if len(others) > 1 and (form == "xlsx" or attribute is not None):
        what = "a workbook has two runs" if form == "xlsx" else "--attribute splits the difference of two"
        raise click.UsageError(f"{what}, and here are {1 + len(others)}: give one B at a time")
    if twice := next((b for k, b in enumerate(others) if b in others[:k]), None):
        raise click.UsageError(f"{twice} is given twice: give each B once")
    tolerance, reference = Tolerance(rtol, atol, ulps), None
    found: list[Any] = []
    needs = attribute, *(given.get(name) for name in (*INPUTS, "hold"))
    if len(others) == 1 and tolerance == ROUNDING and not any(needs) and all(map(is_model, (a, *others))):
        pair = a, others[0]
        alone = compare_weights(*(model_in(path, of_side(pair, given, at)) for at, path in enumerate(pair)))
        conclude(0 if alone.same else 1)
        return replace(alone, names=Remark("diff.names", {"a": Path(pair[0]).name, "b": Path(pair[1]).name}))
    for b in others:
        reference, other, notes = _opened(a, b, given, reference)
        if attribute is not None:
            verdict = judge(reference, other, tolerance)
            found.append(replace(difference(reference, other, attribute), brief=brief))
            for note in notes:
                echo(f"note: {note.said(words())}", err=True)
        else:
            one = compared(reference, other, tolerance, among=len(others) > 1)
            names = _named((a, b), (reference, other), given)
            found.append(replace(one, remarks=(*notes, *one.remarks), names=names, shape=shape or "long"))
            verdict = one.verdict
    result = found[0]
    if len(found) > 1:
        short = tuple(Path(path).name for path in others)
        result = Comparisons(Path(a).name, short if len({*short}) == len(short) else others, (*found,), shape or "long")
        verdict = result.verdict
    conclude(0 if verdict == "same" else 1)
    return result


def _opened(a: str, b: str, given: dict[str, Any], reference: Trace | None) -> tuple[Trace, Trace, list[Remark]]:
    """The traces of A and of one of the others, and what is noted about the two.

    reference: that of A, if it was opened already.
    """
    from ...model.sources import as_trace
    from ...model.value_files import is_values
    from ...weights.formats.arrays import told_apart

    if is_values(a):
        raise click.UsageError(f"{a}: values of another program are B; give the trace, problem or model as A, first")
    if is_values(b):
        if given["hold"]:  # before A is run
            raise click.UsageError(f"{b}: values that another program printed are not held: leave --hold out")
        of_side((a, b), given, 1)  # rejects options given for b alone
        reference = opened_with(a, of_side((a, b), given, 0)) if reference is None else reference
        return (reference, *as_trace(b, like=reference))
    reference, other = opened_two(a, b, given, reference)
    embeddings = (of_side((a, b), given, at).get("embedding") for at in range(2))
    return reference, other, told_apart(a, b, (reference.x, other.x), *embeddings)


def _named(paths: tuple[str, str], traces: tuple[Trace, Trace], given: dict[str, Any]) -> Remark:
    """Both sides by name, with a suffix that distinguishes them if the names do not."""
    from ...cell.network import forward_stages
    from ...trace.held import remark_on_holds

    names = [Path(path).name for path in paths]
    if names[0] == names[1]:
        own = [[(n, given.get(f"{n}_{side}")) for n in STORED] for side in "ab"]
        said = [", ".join(f"{n.replace('_', ' ')} {v}" for n, v in one if v is not None) for one in own]
        names = [f"{name} ({text})" if text else name for name, text in zip(names, said, strict=True)]
    short = len(forward_stages(traces[0].stages)) == 1
    held = [remark_on_holds(trace, "holds", "diff.names.hold", HELD, short) for trace in traces]
    if held[0] == held[1]:
        return Remark("diff.names", dict(zip("ab", names, strict=True)))
    each = (Remark("diff.names.with", {"name": n, "what": w}) if w else n for n, w in zip(names, held, strict=True))
    return Remark("diff.names.held", dict(zip("ab", each, strict=True)))
