"""`lstm-trace plot`: a picture of a trace, as SVG, PNG, HTML page or Vega-Lite specification."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import click

from ...base.option import Option
from ...plot.kinds import KINDS, USUAL, maker, options, required
from ..commands import FILE, NAMES, STEPS, UNITS, Command, command
from ..counting import counted, from_zero
from ..model_options import INPUTS, MODELS, STORED, model_in, model_options, of_side, opened_two, opened_with
from ..options import DIRECTIONS, FORMAT, LANGUAGES, OfFile, Source, against, example_of

if TYPE_CHECKING:
    from ...plot.figure import Figure

#: How an option is parsed, by its control (`plot.kinds.PictureOption`).
_CONTROLS: dict[str, dict[str, Any]] = {
    "units": {"type": UNITS, "metavar": "N,…"},
    "lines": {"type": NAMES, "metavar": "NAME,…"},
    "gates": {"type": NAMES, "metavar": "NAME,…"},
    "number": {"type": click.IntRange(min=0)},
    "direction": {"type": click.Choice(DIRECTIONS), "metavar": "DIRECTION"},
    "steps": {"type": STEPS, "metavar": "A:B"},
    "share": {"type": click.FloatRange(0, 1)},
    "source": {"type": FILE, "metavar": "OTHER"},
    "baseline": {"type": FILE, "metavar": "BASELINE"},
    "runs": {"metavar": "RUNS"},
    "language": {"type": LANGUAGES},
}
#: Names of options on the command line that differ from those in Python.
_FLAGS = {"lines": ("--line", "--only"), "steps": ("--steps", "--t")}


def _kind_options(command: Command) -> Command:
    """The options of all kinds, from their signatures; the help of each option names its kinds."""
    meanings: dict[str, dict[str, list[str]]] = {}
    facts: dict[str, dict[str, Any]] = {}
    for kind, known in KINDS.items():
        for option in known["options"]:
            meanings.setdefault(option["name"], {}).setdefault(option["help"], []).append(kind)
            facts.setdefault(option["name"], option)
    for name, option in reversed(facts.items()):
        parts = [
            f"{', '.join(kinds)}: {meaning}" if len(kinds) < len(KINDS) else meaning
            for meaning, kinds in meanings[name].items()
        ]
        choice = {"type": click.Choice(option["choices"])} if option["control"] == "choice" else {}
        shape: dict[str, Any] = _CONTROLS.get(option["control"], choice)
        command = click.option(*_FLAGS.get(name, [f"--{name}"]), name, help="; ".join(parts) + ".", **shape)(command)
    return command


def _line(kind: str) -> str:
    """The name of a kind and what it draws, wrapped for a terminal."""
    about = KINDS[kind]["about"].partition(":")[0].rstrip(".")
    return textwrap.fill(about, 78, initial_indent=f"{kind:13} ", subsequent_indent=" " * 14)


@command("plot", epilog=MODELS, more="\n\n\b\n" + "\n".join(map(_line, KINDS)))
@_kind_options
@model_options
def plot(
    source: Source,
    *,
    kind: Annotated[str, click.Choice(list(KINDS))] = USUAL,
    output: OfFile = "-",
    form: Annotated[str | None, Option(flag="--format"), click.Choice(["svg", "png", "html", "json"])] = None,
    allow_nonfinite: bool,
    **given: Any,
) -> None:
    """Draw SOURCE, a trace or problem (or a model with --input).

    Args:
        kind: Which picture.
        output: Write to this file: .svg, .png (needs [pdf]), .html or .json (Vega-Lite); SVG to standard output if not
            given.
        form: Output format, if the suffix does not determine it.
    """
    from ...base.writing import format_of, written
    from ...plot.figure import SUFFIXES
    from ..terminal import in_colours

    said = form
    form = form or format_of(output, SUFFIXES, "pictures", "svg", FORMAT)
    figure = _figure(source, kind, allow_nonfinite, given)
    if figure.terminal is not None and not said and output == "-":
        with written(output) as file:
            file.write(in_colours(figure.terminal))
        return
    figure.save(output, form)


def _figure(source: str, kind: str, allow_nonfinite: bool, given: dict[str, Any]) -> Figure:
    """The picture. Raises click.UsageError, before anything is read, if an option belongs to another kind."""
    of_source = (*INPUTS, *STORED, "hold", "count_from")
    own = {name: value for name, value in given.items() if name not in of_source and value is not None}
    if foreign := [name for name in own if name not in options(kind)]:
        name = foreign[0]
        *some, last = (other for other in KINDS if name in options(other))
        ways = f"{', '.join(some)} and {last}" if some else last
        flag = _FLAGS.get(name, (f"--{name}",))[0]
        raise click.UsageError(f"{flag} belongs to --kind {ways}, not to --kind {kind}")
    if "of" in required(kind) and "of" not in own:
        raise click.UsageError(f"--kind {kind} needs a value: {example_of(kind)}")
    if "against" in required(kind) and "against" not in own:
        raise click.UsageError(f"--kind {kind} needs a second trace: --against OTHER")
    values = own | {name: against(name, own[name]) for name in ("baseline", "occlusion") if name in own}
    if "against" in own:
        first, values["against"] = _two(source, own["against"], kind, given, allow_nonfinite)
    else:
        first = _opened(source, kind, given, allow_nonfinite)
    of_run = None if kind == "weights" else first  # or of a model, which has no steps
    return maker(kind)(first, **from_zero(values, first.header.count_from, of_run))


def _opened(source: str, kind: str, given: dict[str, Any], allow_nonfinite: bool) -> Any:
    """The trace of a source; for weights, also a model without an input."""
    from ...weights.read import is_model

    if kind != "weights" or not is_model(source) or given.get("input"):
        return opened_with(source, given, allow_nonfinite)
    model: Any = model_in(source, given, allow_nonfinite)
    return counted(lambda _: model, given.get("count_from"), None)


def _two(source: str, other: str, kind: str, given: dict[str, Any], allow_nonfinite: bool) -> Any:
    """Two sources, each with the options that it accepts; for weights, the title is the file name."""
    from dataclasses import replace
    from pathlib import Path

    if kind != "weights":
        return opened_two(source, other, given)
    pair = (source, other)
    found = [_opened(one, kind, of_side(pair, given, at), allow_nonfinite) for at, one in enumerate(pair)]
    return [replace(t, header=replace(t.header, title=Path(path).name)) for path, t in zip(pair, found, strict=True)]
