"""Commands that print stored values: `show`, `export`, `inspect`, `schema`, `example`, `checker`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import click

from ...base.option import Option
from ...export.formats import TABLE_FORMATS
from ..commands import FILE, OUTPUT, command
from ..counting import CountFrom, from_zero, selected
from ..model_options import layout_options, model_in, stored
from ..options import AllowNonfinite, Digits, Hold, Source, Tokens, echo, opened, result_options, selection_options

if TYPE_CHECKING:
    from ...model.model import Model

_SUFFIXES = f"Write to this file: {', '.join(TABLE_FORMATS)}. Standard output (CSV) if not given."


@command("show")
@result_options("text")
@selection_options
def show(
    source: Source,
    *,
    digits: Annotated[int, Option(least=0, most=17)] = 6,
    everything: Annotated[bool, Option(flag="--all")],
    count_from: CountFrom = None,
    hold: Hold,
    tokens: Tokens = None,
    allow_nonfinite: AllowNonfinite,
    **selection: Any,
) -> Any:
    """Show the values of SOURCE (a trace, or a problem that is traced first) as a table.

    One row per line and step, one column per unit; if the units do not fit, their min, mean and max. By default at most
    one screenful is shown, with a note of what is left out; JSON and CSV have every value.

    Args:
        digits: Decimals (display only).
        everything: Show all rows instead of one screenful.
    """
    import shutil

    from ...frames.terminal import ValueTable
    from ...trace.rows import Selection

    trace = opened(source, allow_nonfinite, tokens=tokens, hold=hold, count_from=count_from)
    chosen = Selection(**selected(trace, selection))
    return ValueTable(trace, chosen, digits, None if everything else shutil.get_terminal_size().lines)


@command("export")
@selection_options
def export(
    source: Source,
    *,
    output: Annotated[str, Option(help=_SUFFIXES, flag="-o --output"), OUTPUT] = "-",
    shape: Literal["long", "wide", "worked"] = "long",
    with_inputs: bool,
    dialect: Literal["plain", "excel", "excel-eu"] = "plain",
    padding: bool,
    all_lines: bool,
    names: Literal["plain", "safe", "labels"] = "plain",
    title_column: bool,
    title: Annotated[str | None, Option(metavar="TEXT")] = None,
    digits: Digits,
    gradient_of: Annotated[str | None, Option(metavar="ADDRESS")] = None,
    values: bool,
    count_from: CountFrom = None,
    hold: Hold,
    tokens: Tokens = None,
    allow_nonfinite: AllowNonfinite,
    **selection: Any,
) -> None:
    """Write the values of SOURCE (a trace, or a problem that is traced first) as a table.

    Columns of the long shape: layer, direction, t, batch, line, op, unit, value; also step, token and unit_name if the
    problem counts from 1 or has labels. All numbers read back to the last bit, unless --digits rounds them. Steps
    beyond a sequence's length are omitted.

    Args:
        shape: long: one row per value; wide: one row per step, one column per line and unit; worked: one row per value,
            with its formula and the numbers in it.
        with_inputs: Include parameters, inputs, initial states and given lines (wide shape: all that a step reads).
        dialect: excel: opens with a double click; excel-eu: with semicolons and decimal commas.
        padding: Keep steps beyond a sequence's length, with a column `valid` (1 or 0).
        all_lines: Include lines without a name of their own, such as W_xi @ x_t (wide shape).
        names: Column names of the wide shape: c_t[0]; c_t_0 for SQL, R, Stata and Excel tables; or c_t[rain], with the
            problem's labels.
        title_column: Add a first column `title` that identifies the source in stacked tables.
        title: Text for that column instead of the title of SOURCE.
        digits: Decimals in .csv and .tsv, for all lines or for one: c_t=6 (repeatable); in .xlsx, decimals shown (6).
        gradient_of: Add the gradient of one value (h_2[1]) or of a loss (L): every line of the backward pass; live
            formulas in .xlsx.
        values: Write plain numbers to .xlsx instead of formulas.
    """
    from dataclasses import replace

    from ...backpropagation.gradients import backward
    from ...export.excel.limits import refuse
    from ...export.writers import ExportJob, check, export as write
    from ...formulas.numbers import Style
    from ...trace.rows import Selection
    from ..terminal import ProgressBar

    options: dict[str, Any] = {
        "shape": shape, "with_inputs": with_inputs, "padding": padding, "all_lines": all_lines, "names": names,
        "title": title_column if title is None else title, "dialect": dialect, "values": values,
        "digits": Style(digits[0], lines=digits[1]),
    }  # fmt: skip
    writer = check(output, **options)  # before a long run, like the next lines

    def before(model: Model) -> None:
        first = model.header.count_from if count_from is None else count_from
        refuse(model, Selection(**from_zero(selection, first)), not values, padding)

    trace = opened(source, allow_nonfinite, before if writer.workbook else None, tokens, hold, count_from)
    if gradient_of is not None:
        trace = backward(trace, of=gradient_of)
    chosen = Selection(**selected(trace, selection))
    job = ExportJob(trace, selection=chosen, **options)
    whole = replace(job, padding=padding or writer.workbook)  # a workbook may include padding without the option
    with ProgressBar("writing", "rows", whole.rows) as bar:
        write(replace(job, progress=bar.advance), output)


@command("inspect")
@result_options("text")
@layout_options
def inspect(model: Annotated[str, click.Path()], **given: Any) -> Any:
    """List the LSTMs, GRUs and RNNs in MODEL: sizes, layers, directions, biases, options, layout, parameters."""
    from ...results.inspection import ModelInspection
    from ...weights.formats.arrays import beside
    from ...weights.read import as_asked, check_any, choose, read_model

    said = stored(given)
    found = read_model(model, said["layout"])
    if said["name"]:
        found = [choose(found, said["name"], model)]
    check_any(found, model)
    return ModelInspection(Path(model).name, beside(model, [as_asked(one, said["options"]) for one in found]))


@command("lines")
@result_options("text")
@layout_options
def lines(source: Annotated[str, FILE], *, snippet: Literal["c", "c++", "python"] | None = None, **given: Any) -> Any:
    """List the lines of SOURCE (a model, problem or trace) that a port may print for diff and identify.

    In order of computation, by layer and direction, with the number of units, and names in other notations.

    Args:
        snippet: Print a function in this language that prints values so that diff and identify read them.
    """
    from ...model.sources import open_source
    from ...results.lists import LineList
    from ...trace.files.trace_file import is_trace

    found = LineList.of(open_source(source) if is_trace(source) else model_in(source, given))
    if snippet is None:
        return found
    echo(found.snippet(snippet).strip())
    return None


@command("schema")
def schema(
    name: Literal["problem", "trace", "verify", "diff", "identify", "inspect", "show", "finding"],
) -> None:
    """Print the JSON Schema of a problem or trace file, or of what a command writes with --format json.

    `finding` is that of every command that has no schema of its own: explain, corpus, doctor, example;
    and of diff with several B or with --attribute.
    """
    import json

    from ...base.packaged import asset
    from ...trace.files.schema import MODELS, json_schema

    if name in MODELS:
        echo(json.dumps(json_schema(name), indent=2))
    else:
        echo(asset(f"results/schemas/{name}.json").removesuffix("\n"))


@command("example")
@result_options("text")
def example(name: str | None = None) -> Any:
    """List the example problems, or print the one called NAME."""
    from ...examples import examples, text

    if name is None:
        from ...results.lists import ExampleList

        return ExampleList(examples())
    if click.core.ParameterSource.COMMANDLINE in map(
        click.get_current_context().get_parameter_source, ("form", "output")
    ):
        raise click.UsageError(f"options are for the list; write the example with > {name}.yaml")
    echo(text(name).removesuffix("\n"))
    return None


@command("checker")
def checker() -> None:
    """Print a program that proves or refutes every value of a trace file, and imports nothing of this package.

    It is one file of Python with exact integers and proven bounds, written from docs/trace-format.md alone, to be kept
    beside traces: lstm-trace checker > check.py, then python3 check.py trace.json.
    """
    from ...base.packaged import asset

    echo(asset("checker/check.py").removesuffix("\n"))
