"""Options that mean the same in every command."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from ..printable import printable

if TYPE_CHECKING:
    from ..model.model import Model
    from ..trace.trace import Trace

Command = Callable[..., Any]
#: How an output whose suffix says nothing gets its format, to end a message.
FORMAT = "; choose one with --format"
#: What `--direction` may be; as `cell.network.DIRECTIONS`, which imports numpy.
DIRECTIONS = ("forward", "reverse", "joined", "adjoint-forward", "adjoint-reverse", "adjoint-joined")
#: Key of `Context.meta` for the exit code that a command has found before it prints.
VERDICT = "lstm_trace.verdict"


class OutputPath(click.Path):
    """A file that a command writes; every other path among its parameters is one that it reads."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the name of a file is empty", param, ctx)
        return super().convert(value, param, ctx)


def inputs_and_outputs(command: click.Command, given: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The files that a command reads and those that it writes, from the values of its parameters."""
    inputs: list[str] = []
    outputs: list[str] = []
    for parameter in command.params:
        if isinstance(parameter.type, click.Path) and (value := given.get(str(parameter.name))) is not None:
            files = outputs if isinstance(parameter.type, OutputPath) else inputs
            files += [value] if isinstance(value, str) else value
    inputs += [*(given.get("hold") or {}).values(), *filter(None, [given.get("to")])]  # which may be traces
    return inputs, outputs


def spare_inputs(command: click.Command, callback: Command | None, /, **given: Any) -> Any:
    """Call a command, unless one of its outputs is one of its inputs. Raises FileError before anything is computed."""
    inputs, outputs = inputs_and_outputs(command, given)
    if callback is None:
        return None
    if not outputs:
        return callback(**given)
    from ..base.writing import spare, sparing

    for output in outputs:
        spare(output, inputs)
        _spare_states(output, inputs)
    with sparing(outputs):
        return callback(**given)


def _spare_states(output: str, inputs: list[str]) -> None:
    """Raise FileError where an output is a file of a folder of states among the inputs, or one that its run read."""
    for folder in inputs:
        if os.path.isfile(os.path.join(folder, "_manifest.json")):
            from ..corpus.manifest import spare_states

            spare_states(output, folder)


def echo(text: str, err: bool = False) -> None:
    """Print text, in which no character from a file commands the terminal."""
    click.echo(printable(text), err=err)


def narrow(pieces: Iterable[str], chosen: str, output: str, form: str | None) -> Iterable[str]:
    """Markdown that nobody asked for by name, wrapped as a report is where standard output is a terminal."""
    if chosen != "md" or form or output != "-" or not sys.stdout.isatty():
        return pieces
    import shutil

    from ..documents.terminal import narrowed

    return [narrowed("".join(pieces), min(shutil.get_terminal_size().columns, 100))]


def conclude(verdict: int) -> None:
    """Set the exit code, before the result is printed: a reader that stops reading does not change it."""
    click.get_current_context().meta[VERDICT] = verdict


def source_argument(command: Command) -> Command:
    """A trace, or a problem that is traced first; '-' is standard input."""
    return click.argument("source", type=click.Path(allow_dash=True))(command)


def output_option(help: str = "Write here instead of standard output.") -> Callable[[Command], Command]:
    """`-o FILE`, '-' for standard output."""
    return click.option("-o", "--output", type=OutputPath(allow_dash=True, dir_okay=False), default="-", help=help)


def nonfinite_option(command: Command) -> Command:
    """`--allow-nonfinite`."""
    return click.option("--allow-nonfinite", is_flag=True, help="Accept NaN and infinity in weights.")(command)


def hold_option(command: Command) -> Command:
    """`--hold ADDRESS=VALUE`, repeatable: lines held at other values, by address."""
    return click.option(
        "--hold",
        multiple=True,
        metavar="ADDRESS=VALUE",
        callback=_holds,
        help="Hold a line at a number, a multiple (*0.5) or a trace's values (repeatable; docs/interventions.md).",
    )(command)


def _holds(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in values:
        address, mark, value = (part.strip() for part in text.partition("="))
        if not (address and mark and value):
            raise click.BadParameter(f"expected ADDRESS=VALUE, as in c_t[3]=0, found {text!r}", ctx, param)
        if address in found:
            raise click.BadParameter(f"{address!r} is held twice; hold each value once", ctx, param)
        found[address] = value
    return found


def selection_options(command: Command) -> Command:
    """`--line`, `--layer`, `--direction`, `--steps`, `--batch`, `--unit`: which part of a trace is meant."""
    return place_options(click.option("--unit", type=click.IntRange(min=0), help="Only this unit (from 0).")(command))


def place_options(command: Command) -> Command:
    """The options of a selection but for the unit, of which some commands take several."""
    for option in (
        click.option("--batch", type=click.IntRange(min=0), help="Only this batch element (from 0)."),
        click.option(
            "--steps", "--t", "steps", callback=step_slice, help="Only these steps: A:B, A: or :B (B excluded), or T."
        ),
        click.option(
            "--direction",
            type=click.Choice(DIRECTIONS),
            metavar="DIRECTION",
            help="Only this direction: forward, reverse, joined, or adjoint-forward, … of a gradient.",
        ),
        click.option("--layer", type=click.IntRange(min=0), help="Only this layer (from 0)."),
        click.option("--only", "--line", "only", callback=name_list, help="Comma-separated names of lines to include."),
    ):
        command = option(command)
    return command


def baseline_options(command: Command) -> Command:
    """`--baseline` and `--occlusion` of a contribution, as texts: `against` reads them."""
    for option in (
        click.option(
            "--occlusion",
            metavar="RUNS",
            help="contribution: how many steps are occluded: all, none, or a number (what a second or two allows).",
        ),
        click.option(
            "--baseline",
            type=click.Path(allow_dash=True),
            metavar="BASELINE",
            help="contribution: zero-input (default), zero-state, a batch element, or a file.",
        ),
    ):
        command = option(command)
    return command


def against(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the texts of `baseline_options` mean, as far as they were given: a trace for a file, numbers for numbers."""
    from ..trace.address import whole

    found: dict[str, Any] = {}
    for name in ("baseline", "occlusion"):
        if (text := given.get(name)) is not None:
            number = whole(text)
            is_file = name == "baseline" and number is None and text not in ("zero-input", "zero-state")
            found[name] = opened(text) if is_file else text if number is None else number
    return found


def name_list(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names of lines: split at the commas that stand outside parentheses and brackets."""
    if value is None:
        return None
    names = tuple(part.strip() for part in re.split(r",(?![^(]*\))(?![^\[]*\])", value) if part.strip())
    if not names:
        raise click.BadParameter(f"expected names of lines with commas between, found {value!r}", ctx, param)
    return names


def unit_list(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """The units of `3,5,7`."""
    if value is None:
        return None
    if not re.fullmatch(r"\s*\d{1,9}\s*(,\s*\d{1,9}\s*)*", value):
        raise click.BadParameter(f"expected units (from 0) with commas between, found {value!r}", ctx, param)
    return tuple(map(int, value.split(",")))


def step_slice(ctx: click.Context, param: click.Parameter, value: str | None) -> slice | None:
    """The steps of A:B, A:, :B or one step; negative ones count from the end."""
    if value is None:
        return None
    match = re.fullmatch(r"((?:-?\d{1,18})?):((?:-?\d{1,18})?)|(-?\d{1,18})", value.strip())
    if not match or value.strip() == ":":
        raise click.BadParameter(f"expected A:B, A:, :B or one step, found {value!r}", ctx, param)
    if match[3] is not None:
        return slice(int(match[3]), int(match[3]) + 1 or None)
    return slice(int(match[1]) if match[1] else None, int(match[2]) if match[2] else None)


def arithmetic_options(command: Command) -> Command:
    """`--by-hand N` and `--arithmetic NAME`, as one keyword `arithmetic`: the name, or None."""

    @wraps(command)
    def named(*, by_hand: int | None, arithmetic: str | None, **given: Any) -> Any:
        if by_hand is not None and arithmetic is not None:
            raise click.UsageError("--by-hand N is an arithmetic itself: leave --arithmetic away")
        return command(arithmetic=arithmetic if by_hand is None else f"by-hand-{by_hand}", **given)

    for option in (
        click.option(
            "--arithmetic",
            help="Compute in float32, float16, bfloat16 or qM.N (docs/arithmetic.md); float64: not in the problem's.",
        ),
        click.option(
            "--by-hand", type=click.IntRange(0, 15), metavar="N", help="Round every intermediate result to N decimals."
        ),
    ):
        named = option(named)
    return named


def digits_option(help: str) -> Callable[[Command], Command]:
    """`--digits N` and `--digits LINE=N`, repeatable: decimals of all lines (or None), and those of single lines."""
    return click.option("--digits", multiple=True, metavar="N", callback=_digits, help=help)


def _digits(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[int | None, dict[str, int]]:
    whole, single = None, {}
    for value in values:
        name, found, count = value.rpartition("=")
        if not re.fullmatch(r"\d{1,2}", count.strip()) or int(count) > 17 or bool(found) != bool(name.strip()):
            raise click.BadParameter(f"{value!r} is neither a number in 0<=x<=17 nor LINE=NUMBER", ctx, param)
        if name:
            single[name.strip()] = int(count)
        else:
            whole = int(count)
    return whole, single


def number_options(command: Command) -> Command:
    """`--digits`, `--significant`, `--trim`, `--decimal-comma`: how numbers are shown, as keywords of `report`."""

    @wraps(command)
    def styled(*, digits: Any, significant: int | None, decimal_comma: bool, trim: bool, **given: Any) -> Any:
        whole, single = digits
        style = {"digits": whole, "significant": significant, "digits_of": single or None}
        return command(style={**style, "decimal_comma": decimal_comma or None, "trim": trim or None}, **given)

    found: Command = styled
    for option in (
        click.option("--decimal-comma", is_flag=True, help="Write 0,5 instead of 0.5."),
        click.option("--significant", type=click.IntRange(1, 17), help="Significant digits instead of decimals."),
        click.option("--trim", is_flag=True, help="Drop zeros at the end: 0.04 instead of 0.0400."),
        digits_option("Decimals (4 or 5 at hand size, else 8), or of one line: c_t=6 (repeatable). Display only."),
    ):
        found = option(found)
    return found


def tokens_option(command: Command) -> Command:
    """`--tokens FILE`: what the steps are called."""
    return click.option(
        "--tokens",
        type=click.Path(allow_dash=True),
        help="What the steps are called: a label a line, or one text of T characters (docs/labels.md).",
    )(command)


def example_of(what: str) -> str:
    """How the value is named that is explained, or drawn: of a memory one that is carried.

    >>> example_of("memory")
    "--of ADDRESS, for example --of '0/forward/3/0/c_t[0]' (layer, direction, step, sequence), or '3/c_t[0]' where there is one of each but the step"
    """  # noqa: E501
    line = "c_t[0]" if what == "memory" else "h_t[0]"
    full = f"--of ADDRESS, for example --of '0/forward/3/0/{line}' (layer, direction, step, sequence)"
    return f"{full}, or '3/{line}' where there is one of each but the step"


def opened(
    source: str,
    allow_nonfinite: bool = False,
    before: Callable[[Model], None] | None = None,
    tokens: str | None = None,
    hold: Mapping[str, str] | None = None,
) -> Trace:
    """The trace in a file, or of the problem in it; before, hold: see `model.sources.open_source`.

    tokens: a file with labels of its steps.
    """
    from ..model.sources import open_source
    from ..model.tokens import read_tokens
    from .self_check import proven

    if source == tokens == "-":
        raise click.UsageError("standard input, -, can be read once only")
    told = None if tokens is None else read_tokens(tokens)
    return open_source(source, allow_nonfinite, before, told, hold, check=proven)
