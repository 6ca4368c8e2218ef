"""`lstm-trace plot`: a picture of a trace, as SVG, PNG, page or Vega-Lite specification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...languages import languages
from ..model_options import INPUTS, STORED, input_options, layout_options
from ..options import (
    FORMAT,
    against,
    baseline_options,
    example_of,
    nonfinite_option,
    output_option,
    place_options,
    source_argument,
    unit_list,
)

if TYPE_CHECKING:
    from ...plot.figure import Figure

#: The kinds of pictures: the keys of `plot.table.KINDS`, which imports pictures and numpy with them.
KINDS = ("states", "unit", "text", "memory", "saturation", "gradient", "contribution", "weights", "diff")
#: Options whose keyword is another word.
_OPTION = {"lines": "line"}


@click.command("plot")
@source_argument
@click.option("--kind", type=click.Choice(KINDS), required=True, help="Which picture.")
@output_option("Write here: .svg, .png (needs [pdf]), .html or .json (Vega-Lite); SVG to standard output if not given.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["svg", "png", "html", "json"]),
    help="Output format, if the suffix does not determine it.",
)
@place_options
@click.option("--of", help="memory, gradient, contribution: address of the value, as 3/h_t[1]; weights: names.")
@click.option("--low", type=click.FloatRange(0, 1), help="saturation: a gate below it is shut (0.1).")
@click.option("--high", type=click.FloatRange(0, 1), help="saturation: a gate above it is open (0.9).")
@baseline_options
@click.option("--unit", callback=unit_list, metavar="N,…", help="Only these units (from 0).")
@click.option(
    "--order",
    type=click.Choice(["index", "cluster", "memory", "activity"]),
    help="states: order of the units (cluster for more than 16).",
)
@click.option(
    "--against",
    type=click.Path(allow_dash=True),
    metavar="OTHER",
    help="weights, diff: the other source.",
)
@click.option("--language", type=click.Choice(languages()), help="Language of the words in the picture (en).")
@input_options
@layout_options
@nonfinite_option
def command(source: str, kind: str, output: str, form: str | None, allow_nonfinite: bool, **given: Any) -> None:
    """Draw SOURCE, a trace or problem (or a model with --input).

    \b
    states        gates and states of every unit over time
    unit          gates, candidate and states of a unit over time
    text          the text of the steps, coloured by a unit
    memory        what each step wrote into a carried value, and what is left
    saturation    how often each gate is shut and open, a point for each unit
    gradient      how far a gradient reaches back
    contribution  what each step contributed to a value, beside exact occlusion
    weights       the weights of a model or trace; with --against: other - source
    diff          where SOURCE and --against differ, unit by step
    """
    from ...base.writing import format_of, written
    from ...plot.figure import SUFFIXES
    from ..screen import in_colours

    said = form
    form = form or format_of(output, SUFFIXES, "pictures", "svg", FORMAT)
    figure = _figure(source, kind, allow_nonfinite, given)
    if figure.terminal is not None and not said and output == "-":
        with written(output) as file:
            file.write(in_colours(figure.terminal))
        return
    figure.save(output, form)


def _figure(source: str, kind: str, allow_nonfinite: bool, given: dict[str, Any]) -> Figure:
    """The picture. Raises click.UsageError for an option that belongs to another kind, before anything is read."""
    from ...plot.table import maker, options, required

    given["lines"] = given.pop("only")
    own = {name: value for name, value in given.items() if name not in (*INPUTS, *STORED, "hold") and value is not None}
    if foreign := [name for name in own if name not in options(kind)]:
        name = foreign[0]
        *some, last = (other for other in KINDS if name in options(other))
        ways = f"{', '.join(some)} and {last}" if some else last
        raise click.UsageError(f"--{_OPTION.get(name, name)} belongs to --kind {ways}, not to --kind {kind}")
    if "of" in required(kind) and "of" not in own:
        raise click.UsageError(f"--kind {kind} needs a value: {example_of(kind)}")
    if "against" in required(kind) and "against" not in own:
        raise click.UsageError(f"--kind {kind} needs a second trace: --against OTHER")
    found = {**own, **against(own)}
    if "against" in own:
        first, found["against"] = _two(source, own["against"], kind, given, allow_nonfinite)
    else:
        first = _opened(source, kind, given, allow_nonfinite)
    return maker(kind)(first, **found)


def _opened(source: str, kind: str, given: dict[str, Any], allow_nonfinite: bool) -> Any:
    """The trace of a source; of weights a model without an input, too."""
    from ..model_options import opened_with, weights_of

    if kind == "weights" and (model := weights_of(source, given, allow_nonfinite)) is not None:
        return model
    return opened_with(source, given, allow_nonfinite)


def _two(source: str, other: str, kind: str, given: dict[str, Any], allow_nonfinite: bool) -> tuple[Any, Any]:
    """Two sources, whose options are those that each can have."""
    from ..model_options import of_side, opened_two

    if kind != "weights":
        first, second = opened_two(source, other, given)
        return first, second
    pair = (source, other)
    first, second = (_called(one, _opened(one, kind, of_side(pair, given, at), allow_nonfinite))
                     for at, one in enumerate(pair))  # fmt: skip
    return first, second


def _called(path: str, source: Any) -> Any:
    """A source with the name of its file as its title, which tells it from the other."""
    from dataclasses import replace
    from pathlib import Path

    return replace(source, header=replace(source.header, title=Path(path).name))
