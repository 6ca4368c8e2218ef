"""Options for commands that accept a model instead of a problem: its input, which layer, how arrays are stored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import click

from ..base.option import Option
from ..base.packaged import packaged
from .commands import FILE, Command, group
from .counting import CountFrom, counted
from .options import AllowNonfinite, Hold, Tokens, opened, proven

if TYPE_CHECKING:
    from ..model.model import Model
    from ..trace.trace import Trace


class _Inputs(TypedDict):
    """The input of a model.

    Attributes:
        input: The input x: .npy, .npz, .csv, .tsv, .parquet or .json.
        key: Name of the array, or columns, to read from --input.
        h0: Initial hidden states (L·D, B, H).
        c0: Initial cell states (L·D, B, H).
        state_from: Continue from the last states of this trace.
        lengths: Length of each sequence in the batch.
        mask: 1 at valid steps, 0 at padding: (T, B), or (B, T) as x.
        batch_first: x is (B, T, I), or (T, B, I).
        token_column: Column of --input that holds the labels of the steps.
        vocabulary: Numbers of the tokens of a text, which is then the input: .json, .txt; --embedding, --unknown,
            --split and --head go with it (docs/models.md).
        embedding: The x of each token, one row per token: .npy, FILE:NAME, or model:NAME.
        unknown: Token used for those that are not in the vocabulary.
        split: The tokens of a text: characters (the default) or words.
        head: Readout that adds y_t and its softmax p_t: model:MATRIX,BIAS, FILE:MATRIX, or auto.
    """

    input: Annotated[str, FILE]
    key: str
    h0: Annotated[str, FILE]
    c0: Annotated[str, FILE]
    state_from: Annotated[str, FILE]
    lengths: Annotated[str, FILE]
    mask: Annotated[str, FILE]
    batch_first: Annotated[bool, Option(flag="--batch-first/--time-first")]
    tokens: Tokens
    token_column: Annotated[str, Option(metavar="NAME")]
    vocabulary: Annotated[str, Option(metavar="FILE")]
    embedding: Annotated[str, Option(metavar="FILE", hidden=True)]
    unknown: Annotated[str, Option(metavar="TOKEN", hidden=True)]
    split: Annotated[Literal["characters", "words"], Option(hidden=True)]
    head: Annotated[str, Option(metavar="ARRAYS", hidden=True)]
    hold: Hold


class _OfAnySource(TypedDict):
    count_from: CountFrom
    allow_nonfinite: AllowNonfinite


class _Stored(TypedDict):
    """Facts that a weights file does not record.

    Attributes:
        name: Name of the LSTM, GRU or RNN (see lstm-trace inspect).
        layout: How the weights are stored: keras, tf1, or order=icfo,bias=two … (docs/layouts.md).
        option: Options of the cell: candidate_activation=relu,merge=sum … (docs/options.md).
    """

    name: str
    layout: str
    option: str


#: Keywords that the options of inputs and stored weights pass to a command; held values are not among them.
*INPUTS, _ = _Inputs.__annotations__
STORED = tuple(_Stored.__annotations__)
#: Those of a model that reads tokens, which are keywords of `prepare` too.
TOKENS = ("vocabulary", "embedding", "unknown", "split", "head")
#: Arrays that the input file may also contain, under these names.
BESIDE = ("h0", "c0", "lengths", "mask")
#: Options of earlier versions with their replacements; options with a value pass it on there.
_EARLIER: dict[str, str] = packaged("cli/verbs.toml")["earlier"]


def _earlier_options(command: Command, side: str = "") -> Command:
    """The options of earlier versions, rejected with a pointer to their replacements."""
    for flag, new in _EARLIER.items():
        now = new.replace(" ", f"{side} ", 1)

        def refuse(_: click.Context, param: click.Parameter, value: Any, now: str = now) -> None:
            if value:
                said = f"{param.opts[0]} is now {now.format(value)}"
                raise click.UsageError(f"{said}; separate the parts of one --layout or --option by commas")

        facts: dict[str, Any] = {"is_flag": "{" not in new, "hidden": True, "expose_value": False, "callback": refuse}
        command = click.option(f"{flag}{side}", help=f"Earlier form of {now.format('…')}.", **facts)(command)
    return command


#: The options of an input, and `--hold`.
input_options = group(_Inputs)


def layout_options(command: Command) -> Command:
    """`--name`, `--layout` and `--option`, for facts that a weights file does not record."""
    return _earlier_options(group(_Stored)(command))


def layout_options_of_two(command: Command) -> Command:
    """The options of `layout_options`, and each of them for A or B alone: `--name-a`, `--layout-b`, …"""
    for side in "ba":
        for name in reversed((*STORED, *TOKENS)):
            command = click.option(f"--{name}-{side}", help=f"--{name} for {side.upper()} only.")(command)
        command = _earlier_options(command, f"-{side}")
    return layout_options(command)


#: Last paragraph of the help of a command that accepts a model as its source.
MODELS = (
    "SOURCE may also be a model. Its options (--input, --state-from, --hold, --layout, …) are listed by lstm-trace run "
    "--help; a problem takes those of the input too."
)


#: Those of the options that every command lists in its help.
SHOWN = ("count_from", "name_", "layout_", "embedding_")


def model_options(command: Command, layouts: Callable[[Command], Command] = layout_options) -> Command:
    """The options of a model as a source: accepted, but listed only in the help of `run`."""
    shown = len(getattr(command, "__click_params__", ()))
    command = group(_OfAnySource)(layouts(input_options(command)))
    for option in command.__click_params__[shown:]:  # type: ignore[attr-defined]
        option.hidden = not (option.name or "").startswith(SHOWN)
    return command


def stored(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the options state about stored weights: the layer's name, layout, and options of cell and network."""
    from ..weights.option_text import options_of_text

    options = {} if given.get("option") is None else options_of_text(given["option"])
    return {"name": given.get("name"), "layout": given.get("layout"), "options": options}


def with_bar(model: Model, found: dict[str, Any], **arguments: Any) -> Trace:
    """Run the result of `prepared`, with a progress bar if it takes long."""
    from .terminal import ProgressBar

    with ProgressBar() as bar:
        return model.run(**found, **arguments, progress=bar, check=proven)


def prepared(source: str, given: dict[str, Any], allow_nonfinite: bool = False) -> tuple[Model, dict[str, Any]]:
    """A model, read from a model file or built from a problem, and the arguments of its run.

    given: the values of `input_options` and `layout_options` by name. Raises LstmTraceError; click.UsageError for a
    model without an input.
    """
    from dataclasses import replace

    from ..model.sources import read_input
    from ..model.tokens import read_tokens
    from ..trace.files.trace_file import read_holds
    from ..weights.read import is_model

    if is_model(source) and not given.get("input") and os.path.exists(source):  # else it is said not to be there
        raise click.UsageError(f"{source} is a model: give its input with --input X")
    column: str | None = given.get("token_column")
    suffix = os.path.splitext(given.get("input") or ".npy")[1].lower()
    text = suffix == ".txt" or (suffix != ".npy" and any(given.get(name) for name in ("vocabulary", "embedding")))
    for said, of_input in (("key says which array", given.get("key")), ("token-column names a column", column)):
        if of_input is not None and (text or not given.get("input")):
            raise click.UsageError(f"--{said} of --input: give an array with --input X, or leave it out")
    if column is not None and given.get("tokens") is not None:
        raise click.UsageError("--tokens and --token-column both set the labels of the steps: leave one of them out")
    if given.get("tokens") == "-" in (source, given.get("input")):
        raise click.UsageError("standard input, -, can be read only once")
    model = model_in(source, given, allow_nonfinite)
    arguments: dict[str, Any] = {}
    if text:
        arguments["x"] = read_tokens(given["input"])
    elif given.get("input"):
        others = tuple(name for name in BESIDE if given.get(name) == given["input"])
        arguments["x"], names, arguments["tokens"] = read_input(given["input"], given.get("key"), column, others=others)
        if names:
            model = replace(model, header=replace(model.header, names={**model.header.names, "x": names}))
    for name in BESIDE:
        if given.get(name):
            values = read_input(given[name], role=name).values
            column_alone = name == "mask" and getattr(arguments.get("x"), "ndim", 3) < 3 and values.shape[1:] == (1,)
            arguments[name] = values[:, 0] if column_alone else values
    for name, read in (("state_from", str), ("hold", read_holds), ("tokens", read_tokens), ("batch_first", bool)):
        if given.get(name) not in (None, {}):
            arguments[name] = read(given[name])
    marked = *(arguments.get(name) for name in ("lengths", "mask")), model.defaults.lengths, model.defaults.mask
    if "padding" in stored(given)["options"] and all(one is None for one in marked):
        said = "--option padding has no effect unless some steps are padding: give --lengths or --mask too"
        raise click.UsageError(said)
    return model, arguments


def model_in(source: str, given: dict[str, Any], allow_nonfinite: bool = False) -> Model:
    """The model of a model file or problem. given: the values of `layout_options` by name.

    Raises LstmTraceError; click.UsageError if such an option is given for a problem.
    """
    from ..model.sources import prepare
    from ..weights.read import is_model

    said = stored(given)
    if not is_model(source) and any(said.values()):
        raise click.UsageError(f"{source} is a problem, which contains its name, layout, activations and directions")
    said |= {
        "name": said["name"] or "",
        "options": said["options"] or None,
        **{name: given.get(name) for name in TOKENS},
    }
    return prepare(source, **said, allow_nonfinite=allow_nonfinite)


def opened_with(
    source: str, given: dict[str, Any], allow_nonfinite: bool = False, ask: Sequence[str] | None = None
) -> Trace:
    """The trace in a file; or the trace of the problem in it, or of the model in it run over its input.

    ask: the requested lines, if not those of the problem.
    """
    from ..trace.files.trace_file import is_trace

    first, hold = given.get("count_from"), given.get("hold")
    if _is_run(source, given) or (ask is not None and not is_trace(source)):
        asked: dict[str, Any] = {} if ask is None else {"ask": ask}
        ready = partial(prepared, source, allow_nonfinite=allow_nonfinite)
        return counted(lambda held: with_bar(*ready(given={**given, "hold": held}), **asked), first, hold)
    return opened(source, allow_nonfinite, tokens=given.get("tokens"), hold=hold, count_from=first)


def opened_two(a: str, b: str, given: dict[str, Any], reference: Trace | None = None) -> Iterator[Trace]:
    """The traces of two sources with one x for both; an option applies to every source that accepts it, or to one side.

    Lines are held in the second source: the first is the reference. reference: its trace, if it was opened already.
    """
    from ..errors import ChoiceError
    from ..weights.read import is_model

    pair = (a, b)
    sides = [of_side(pair, given, at) for at in range(2)]
    sides[1]["hold"] = given.get("hold")
    try:
        ready = [prepared(s, mine) if _is_run(s, mine) else None for s, mine in zip(pair, sides, strict=True)]
    except ChoiceError as error:  # the name given for both matches no LSTM, or several
        both = "--name is for both models; --name-a is for the first alone, --name-b for the second"
        hint = f" ({both})" if all(map(is_model, pair)) else ""
        raise ChoiceError(*(f"{problem}{hint}" for problem in error.problems)) from None
    _one_layout(pair, [found for found in ready if found is not None])
    known = reference is not None
    if reference is not None:
        yield reference
    for source, found, mine in zip(pair[known:], ready[known:], sides[known:], strict=True):
        yield counted(partial(_opened, source, found, mine), given.get("count_from"), mine.get("hold"))


def _opened(source: str, found: tuple[Model, dict[str, Any]] | None, given: dict[str, Any], hold: Any) -> Trace:
    """The trace of a source; or of the model and arguments in `found`, if it has to be run."""
    from ..trace.files.trace_file import read_holds

    if found is None:
        return opened(source, tokens=given.get("tokens"), hold=hold)
    return with_bar(found[0], found[1] | {"hold": read_holds(hold or {})})


def _is_run(source: str, given: dict[str, Any]) -> bool:
    """Whether a source is a model, or a problem with options; click.UsageError for a trace with more than labels."""
    from ..trace.files.trace_file import is_trace
    from ..weights.read import is_model

    chosen = [name for name in (*INPUTS, *STORED) if given.get(name) is not None]
    if not chosen or not is_trace(source):
        return bool(chosen) or is_model(source)
    if others := [name.replace("_", "-") for name in chosen if name != "tokens"]:
        raise click.UsageError(f"{source} is a trace, which contains its weights and input; leave --{others[0]} out")
    return False


def of_side(pair: tuple[str, str], given: dict[str, Any], at: int) -> dict[str, Any]:
    """The options for one of two sources: the shared ones that it accepts, then its own."""
    from ..model.value_files import is_values
    from ..trace.files.trace_file import is_trace
    from ..weights.read import is_model

    source, other, side = pair[at], pair[1 - at], "ab"[at]
    model, others = (not is_values(path) and is_model(path) for path in (source, other))
    own = {name: given[f"{name}_{side}"] for name in (*STORED, *TOKENS) if given.get(f"{name}_{side}") is not None}
    if own and not model:
        option = next(iter(own)).replace("_", "-")
        raise click.UsageError(f"--{option}-{side} applies to a model, and {source} is not one; leave it out")
    common = {name: given.get(name) for name in (*INPUTS, *STORED)}
    if is_trace(source) and not (is_trace(other) or is_values(other)):
        common = {"tokens": common["tokens"]}
    elif not model and others:
        common = {name: value for name, value in common.items() if name in INPUTS}
    return {**common, **own}


def _one_layout(pair: tuple[str, str], ready: list[tuple[Model, dict[str, Any]]]) -> None:
    """Raise click.UsageError if one side would read x as (T, B, I) and the other as (B, T, I)."""
    x: Any = ready[0][1].get("x") if len(ready) == 2 else None
    if getattr(x, "ndim", 0) != 3 or "batch_first" in ready[0][1]:
        return
    own = [model.defaults.batch_first for model, _ in ready]
    if own[0] != own[1]:
        axes = ("(B, T, I)" if major else "(T, B, I)" for major in own)
        said = " and ".join(f"{source} takes {order}" for source, order in zip(pair, axes, strict=True))
        ways = "state the order: --batch-first for (B, T, I), --time-first for (T, B, I)"
        raise click.UsageError(f"the input has shape {x.shape}, and the two sides read it differently: {said}; {ways}")
