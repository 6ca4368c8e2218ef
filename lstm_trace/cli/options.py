"""Options that mean the same in every command, and how commands use them."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import click

from ..base.option import Option
from ..documents.formats import FORMATS, UNPICTURED
from ..languages import languages
from ..printable import printable
from .commands import FILE, FORM, NAMES, OUTPUT, STEPS, VERDICT, Command, around, group, inputs_and_outputs
from .counting import counted
from .terminal import in_colours

if TYPE_CHECKING:
    from ..model.model import Model
    from ..trace.trace import Trace

#: End of a message about an output whose suffix does not determine a format.
FORMAT = "; choose one with --format"
#: Values of `--direction`; a copy of `cell.network.DIRECTIONS`, which imports numpy.
DIRECTIONS = ("forward", "reverse", "joined", "adjoint-forward", "adjoint-reverse", "adjoint-joined")


def echo(text: str, err: bool = False) -> None:
    """Print text in which no character from a file can control the terminal."""
    click.echo(printable(text), err=err)


def conclude(verdict: int) -> None:
    """Set the exit code before the result is printed, so that a reader that stops reading cannot change it."""
    click.get_current_context().meta[VERDICT] = verdict


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


def _digits(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[int | None, dict[str, int]]:
    """The decimals for all lines (or None), and those of single lines: `N` and `LINE=N`."""
    whole, single = None, {}
    for value in values:
        name, found, count = value.rpartition("=")
        if not re.fullmatch("[0-9]{1,2}", count.strip()) or int(count) > 17 or bool(found) != bool(name.strip()):
            raise click.BadParameter(f"{value!r} is neither a number in 0<=x<=17 nor LINE=NUMBER", ctx, param)
        if name:
            single[name.strip()] = int(count)
        else:
            whole = int(count)
    return whole, single


#: A trace, or a problem that is traced first; '-' is standard input.
Source = Annotated[str, FILE]
OfFile = Annotated[str, Option(flag="-o --output"), OUTPUT]
AllowNonfinite = Annotated[bool, Option(help="Accept NaN and infinity in weights.")]
_HOLD = "Hold a line at a number, a multiple (*0.5) or a trace's values (repeatable; docs/interventions.md)."
Hold = Annotated[dict[str, str], Option(help=_HOLD, metavar="ADDRESS=VALUE"), _holds]
_TOKENS = "Labels of the steps: one per line, or one text of T characters (docs/labels.md)."
Tokens = Annotated[str | None, Option(help=_TOKENS), FILE]
Digits = Annotated[Any, Option(metavar="N"), _digits]
ByHand = Annotated[int | None, Option(least=0, most=15, metavar="N")]
Significant = Annotated[int | None, Option(least=1, most=17)]


class _Selected(TypedDict):
    """Selects a part of a trace.

    Attributes:
        only: Comma-separated names of lines to include.
        layer: Only this layer (from 0).
        direction: Only this direction: forward, reverse, joined, or that of a gradient, adjoint-forward, ….
        steps: Only these steps: A:B, A: or :B, or T, as the problem counts: B is included if it counts from 1.
        batch: Only this batch element (from 0).
        unit: Only this unit, as the problem counts.
    """

    only: Annotated[Any, Option(flag="--only --line"), NAMES]
    layer: Annotated[int, Option(least=0)]
    direction: Annotated[str, Option(metavar="DIRECTION"), click.Choice(DIRECTIONS)]
    steps: Annotated[Any, Option(flag="--steps --t"), STEPS]
    batch: Annotated[int, Option(least=0)]
    unit: Annotated[int, Option(least=0)]


#: Selects a part of a trace.
selection_options = group(_Selected)


def arithmetic_options(command: Command) -> Command:
    """`--by-hand N` and `--arithmetic NAME`, combined into one keyword `arithmetic`: the name, or None."""

    def named(*, by_hand: ByHand = None, arithmetic: str | None = None, **given: Any) -> Any:
        """Call the command.

        Args:
            by_hand: Round every intermediate result to N decimals.
            arithmetic: Compute in float32, float16, bfloat16 or qM.N (docs/arithmetic.md); float64 overrides the
                problem's arithmetic.
        """
        if by_hand is not None and arithmetic is not None:
            raise click.UsageError("--by-hand N is an arithmetic itself: leave --arithmetic out")
        return command(arithmetic=arithmetic if by_hand is None else f"by-hand-{by_hand}", **given)

    return around(command, named)


def number_options(command: Command) -> Command:
    """`--digits`, `--significant`, `--trim`, `--decimal-comma`: how numbers are shown, as keywords of `report`."""

    def styled(
        *, digits: Digits, trim: bool, significant: Significant = None, decimal_comma: bool, **given: Any
    ) -> Any:
        """Call the command.

        Args:
            digits: Decimals (4 or 5 at hand size, else 8), or of one line: c_t=6 (repeatable). Display only.
            trim: Drop trailing zeros: 0.04 instead of 0.0400.
            significant: Significant digits instead of decimals.
            decimal_comma: Write 0,5 instead of 0.5.
        """
        style = {"digits": digits[0], "significant": significant, "digits_of": digits[1] or None}
        return command(style={**style, "decimal_comma": decimal_comma or None, "trim": trim or None}, **given)

    return around(command, styled)


# -- results ----------------------------------------------------------------------------------------------------------

LANGUAGES = click.Choice(languages())
Language = Annotated[str | None, LANGUAGES]
OfFormat = Annotated[str | None, Option(flag="--format"), click.Choice(FORMATS)]


def default_format(output: str, otherwise: str = "md") -> str:
    """The format of a document if neither `--format` nor a suffix says: text on a terminal, `otherwise` in a pipe."""
    return "text" if output == "-" and sys.stdout.isatty() else otherwise


def result_options(otherwise: str = "md", suffixes: Mapping[str, str] = UNPICTURED) -> Callable[[Command], Command]:
    """`-o`, `--format`, `--language`, `--no-picture` for a command that returns a result; they write the result.

    otherwise: see `default_format`. suffixes: the format of each; SUFFIXES if there may be a picture. The command finds
    the format in the context, under `FORM`.
    """

    def decorated(command: Command) -> Command:
        def written(
            *, output: OfFile = "-", form: OfFormat = None, language: Language = None, no_picture: bool = False,
            **given: Any,
        ) -> None:  # fmt: skip
            """Call the command, and write its result.

            Args:
                output: Write to this file: .md .txt .html .pdf .tex .typ, .json .csv .parquet, and .svg .png if
                    there is a picture.
                form: Output format, if the suffix does not determine it (in a terminal: text).
                language: Language of the text (that of the problem, or en).
                no_picture: Do not write a picture (x.svg) next to a file x.md.
            """
            from ..base.writing import format_of
            from ..documents.result import save

            default = default_format(output, otherwise)
            chosen = form or format_of(output, suffixes, "results", default, FORMAT)  # before anything is computed
            if chosen not in suffixes.values():
                raise click.UsageError(f"there is no picture of this: leave --format {chosen} out")
            context = click.get_current_context()
            context.meta[FORM] = chosen
            if (result := command(**given)) is not None:
                language = language or result.language
                inputs, _ = inputs_and_outputs(context.command, context.params)
                screen = partial(result.terminal, result.words(language))
                if chosen == "text" and output == "-" and (text := in_colours(screen)):
                    click.echo(text, nl=False)
                    return
                width = min(shutil.get_terminal_size().columns, result.widest) if output == "-" else None
                save(result, output, chosen, language=language, picture=not no_picture, spared=inputs, width=width)

        made = around(command, written)
        options: list[Any] = getattr(made, "__click_params__", [])
        for option in options if ".svg" not in suffixes else ():  # the help of what has no picture
            if option.name == "output":
                more = "".join(f" {suffix}" for suffix in suffixes if suffix not in UNPICTURED)
                option.help = option.help.replace(", and .svg .png if there is a picture", more)
            elif option.name == "form":
                option.type = click.Choice([*dict.fromkeys((*FORMATS, *suffixes.values()))])
                option.metavar = f"[{'|'.join(dict.fromkeys(suffixes.values()))}]"
            option.hidden = option.hidden or option.name == "no_picture"
        return made

    return decorated


# -- sources ----------------------------------------------------------------------------------------------------------


def example_of(what: str) -> str:
    """How to give the value that is explained or drawn; for a memory, a carried one.

    >>> example_of("memory")
    "--of ADDRESS, for example --of 'c_3[1]' as printed, or '0/forward/3/0/c_t[1]' (layer, direction, step, sequence, from 0)"
    """  # noqa: E501
    line = "c" if what == "memory" else "h"
    full = f"'0/forward/3/0/{line}_t[1]' (layer, direction, step, sequence, from 0)"
    return f"--of ADDRESS, for example --of '{line}_3[1]' as printed, or {full}"


def against(name: str, text: str) -> Any:
    """The value of `baseline` or `occlusion`: a number, one of their words, or a baseline in a file."""
    from ..trace.address import whole

    if (number := whole(text)) is not None:
        return number
    return opened(text) if name == "baseline" and text not in ("zero-input", "zero-state") else text


def opened(
    source: str, allow_nonfinite: bool = False, before: Callable[[Model], None] | None = None,
    tokens: str | None = None, hold: Mapping[str, str] | None = None, count_from: int | None = None,
) -> Trace:  # fmt: skip
    """The trace in a file, or of the problem in it; before, hold: see `model.sources.open_source`.

    tokens: a file with the labels of its steps. count_from: see `counted`.
    """
    from ..model.sources import open_source
    from ..model.tokens import read_tokens

    if source == tokens == "-":
        raise click.UsageError("standard input, -, can be read only once")
    told = None if tokens is None else read_tokens(tokens)
    return counted(
        lambda held: open_source(source, allow_nonfinite, before, told, held, check=proven), count_from, hold
    )


def proven(trace: Trace) -> None:
    """Derive some steps of a newly computed trace again. Raises LstmTraceError if a value is wrong."""
    from ..errors import LstmTraceError
    from ..verification.verify import first_failure

    if (wrong := first_failure(trace)) is None:
        return
    plan = trace.header.plan
    other = "" if plan == "lines" else " `lstm-trace run SOURCE --by-plan lines -o TRACE` computes it in another way."
    raise LstmTraceError(
        f"{wrong.address} was computed wrongly by the {plan} plan: expected {wrong.derived!r} ({wrong.op} of its "
        f"operands, within {wrong.bound:.3g}), found {wrong.recorded!r}. Nothing is written.{other} This is a bug in "
        "lstm-trace or in a library that it uses: please report it with this message, the command and the output of "
        "`lstm-trace doctor`"
    )
