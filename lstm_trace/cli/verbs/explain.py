"""`lstm-trace explain`: what a value came from, what a cell remembers, how its gates behave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...languages import languages
from ..model_options import input_options, layout_options
from ..options import (
    FORMAT,
    arithmetic_options,
    baseline_options,
    example_of,
    narrow,
    nonfinite_option,
    number_options,
    output_option,
    selection_options,
)

WAYS = ("memory", "gradient", "contribution", "gates", "ablation", "training")
#: The suffix of a problem with new weights.
RESERVED = ("rate", "updates", "of", "trace", "optimizer", "only")
PROBLEMS = {".yaml": "problem", ".yml": "problem"}


@click.command("explain")
@click.argument("source", type=click.Path(allow_dash=True))
@click.option("--of", help="Address of the value, for example 3/h_t[1]; not for gates.")
@click.option("--how", type=click.Choice(WAYS), required=True, help="Which explanation.")
@output_option(
    "Write here: .md, .csv, .json, .html, .pdf, .txt, .tex or .typ; Markdown to standard output if not given."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "csv", "json", "text", "html", "tex", "typ", "pdf"]),
    help="Output format, if the suffix does not determine it.",
)
@click.option(
    "--points",
    type=click.IntRange(1, 10_000),
    help="contribution: points of the path (50 to 400, fewer for a large trace).",
)
@baseline_options
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), help="training: the learning rate (0.1; adam 0.001)."
)
@click.option("--updates", type=click.IntRange(1, 1000), help="training: how many updates (1).")
@click.option("--optimizer", help="training: sgd (default), momentum, adam, or equations of an own rule.")
@click.option("--constant", "constants", multiple=True, metavar="NAME=NUMBER", help="training: a constant of the rule.")
@click.option("--parameters", help="training: names of the weights that are updated; all if not given.")
@click.option("--seed", type=click.Path(allow_dash=True), help="gradient: weights of the output, instead of --of.")
@click.option(
    "--detail",
    type=click.Choice(["scalar", "vector", "summary"]),
    help="Of a report: every term of every unit, vectors, or gates and states only; by size if not given.",
)
@click.option("--equations", is_flag=True, help="gradient: the equations of the way back alone.")
@click.option(
    "--notation",
    type=click.Choice(["exercise", "pytorch", "keras"]),
    help="Of a report: symbols of the exercises, of PyTorch or of Keras.",
)
@click.option("--width", type=click.IntRange(min=40), help="Of a report: columns of text (80).")
@click.option(
    "--language",
    type=click.Choice(languages()),
    help="Of a report: language of headings and sentences (en).",
)
@click.option("--count-from", type=click.IntRange(0, 1), help="Of a report: count steps and units from 0 or 1.")
@click.option("--all", "everything", is_flag=True, help="Of a report: do not truncate.")
@click.option("--over", type=click.Choice(["units", "steps", "lines"]), help="ablation: what is held in turn (units).")
@click.option("--to", help="ablation: a number (0), a multiple (*0.5), or a trace file, at which it is held.")
@click.option("--low", type=click.FloatRange(0, 1), help="gates: a value below it is left-saturated (0.1).")
@click.option("--high", type=click.FloatRange(0, 1), help="gates: a value above it is right-saturated (0.9).")
@click.option("--no-picture", is_flag=True, help="Do not write a picture (x.svg) next to a Markdown file x.md.")
@number_options
@arithmetic_options
@selection_options
@input_options
@layout_options
@nonfinite_option
def command(
    source: str,
    of: str | None,
    how: str,
    output: str,
    form: str | None,
    no_picture: bool,
    allow_nonfinite: bool,
    style: dict[str, Any],
    **given: Any,
) -> None:
    """Explain a value of SOURCE, a trace or problem (or a model with --input).

    \b
    memory        what each step wrote into a carried value
    gradient      back-propagation through time, line by line, and all gradients
    contribution  the value against a baseline, split over inputs and steps
    gates         saturation, units always shut or open, half-life; first NaN
    ablation      what the value becomes when each unit, step or line is held
    training      forward, loss, back-propagation and updated weights; -o new.yaml
                  writes the problem with them
    """
    import os

    from ...base.writing import format_of, spare, written
    from ...report.report import SUFFIXES as WORKED
    from ...tables.explanation import SUFFIXES
    from ...tables.explanations import explanation
    from ...tables.training import Course
    from ..model_options import opened_with

    if of is None and how != "gates" and not given["seed"]:
        example = "a loss: --of LINE, for example --of L" if how == "training" else f"a value: {example_of(how)}"
        raise click.UsageError(f"--how {how} needs {example}")
    if how == "training" and not form and Path(output).suffix in PROBLEMS:
        _needs_problem(source)
    arguments = _arguments(how, {"of": of, **style, **given})
    suffixes = SUFFIXES | WORKED | (PROBLEMS if how == "training" else {})
    chosen = form or format_of(output, suffixes, "explanations", "md", FORMAT)
    trace = opened_with(source, given, allow_nonfinite)
    found = explanation(trace, how=how, **arguments)
    if chosen == "problem" and isinstance(found, Course):
        solved = found.problem(source)
        with written(output) as file:
            file.write(solved)
    elif chosen == "pdf":
        made = found.pdf()
        with written(output, "wb") as file:
            file.write(made)
    else:
        picture = os.path.splitext(output)[0] + ".svg" if _beside(chosen, output, no_picture) else ""
        drawn = found.picture() if picture else None
        if drawn is not None:
            spare(picture, [source, output])
        text = found.pieces(chosen, os.path.basename(picture) if drawn is not None else "")
        with written(output) as file:
            file.writelines(narrow(text, chosen, output, form))
            if drawn is not None:  # while the text has not appeared yet: where one cannot be written, neither appears
                drawn.save(picture)


def _beside(form: str, output: str, no_picture: bool) -> bool:
    """Whether a picture stands beside the text: beside a Markdown file, that is."""
    from ...base.writing import is_device

    return form == "md" and output != "-" and not no_picture and not is_device(output)


def _arguments(how: str, given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, which all belong to the explanation `how`."""
    from ...model.sources import read_holds, read_input
    from ...tables.attribution import typed
    from ...tables.explanations import READS, misplaced
    from ..options import against

    known = {name for names in READS.values() for name in names}
    chosen: dict[str, Any] = {"of": None}
    chosen |= {
        name: value
        for name, value in given.items()
        if name in known and value is not None and value is not False and value != ()
    }
    for name, ways in misplaced(how, (name for name, value in chosen.items() if value is not None)).items():
        raise click.UsageError(f"{typed(name)} belongs to --how {' and '.join(ways)}, not to --how {how}")
    if "parameters" in chosen:
        chosen["parameters"] = tuple(name.strip() for name in chosen["parameters"].split(","))
    if "constants" in chosen:
        chosen["constants"] = dict(map(_constant, chosen["constants"]))
    if "seed" in chosen:
        chosen["seed"] = read_input(chosen["seed"]).values
    if "to" in chosen:
        chosen["to"] = read_holds({"--to": chosen["to"]})["--to"]
    return chosen | against(chosen)


def _needs_problem(source: str) -> None:
    """Refuse to write a problem where SOURCE is no problem file that can be read a second time."""
    from ...errors import LstmTraceError
    from ...model.problem import read_problem

    wanted = "a problem with new weights (.yaml) is written from a problem file"
    if source == "-":
        raise click.UsageError(f"{wanted}; SOURCE is standard input: save it first, or write .csv")
    try:
        read_problem(source)
    except LstmTraceError:
        raise click.UsageError(f"{wanted}; {source} is none: write .csv for the new weights") from None


def _constant(text: str) -> tuple[str, float]:
    name, mark, value = text.partition("=")
    if name.strip() in RESERVED:
        raise click.UsageError(
            f"--constant {text!r}: {name.strip()} has an option of its own, or is none of the rule's"
        )
    try:
        return name.strip(), float(value if mark else "none")
    except ValueError:
        raise click.UsageError(f"--constant {text!r}: expected NAME=NUMBER, as in momentum=0.5") from None
