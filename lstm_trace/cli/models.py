"""Options with which a command takes a model instead of a problem: its input, which LSTM, how arrays are stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..model import Model
    from ..trace import Trace

Command = Callable[..., Any]
_FILE = click.Path(allow_dash=True)
#: Keywords that `input_options` and `layout_options` give to a command.
INPUTS = ("input", "key", "h0", "c0", "lengths", "mask", "batch_first")
STORED = (
    "name",
    "layout",
    "gate_order",
    "transposed",
    "joined",
    "bias",
    "forget_bias",
    "activation",
    "recurrent_activation",
    "go_backwards",
    "merge",
    "padded_output",
)


def input_options(command: Command) -> Command:
    """`--input`, `--key`, `--h0`, `--c0`, `--lengths`, `--mask`, `--batch-first`."""
    for option in (
        click.option("--batch-first/--time-first", default=None, help="x is (B, T, I), or (T, B, I)."),
        click.option("--mask", type=_FILE, help="1 at valid steps, 0 at padding: (T, B), or (B, T) as x."),
        click.option("--lengths", type=_FILE, help="Length of each row of the batch."),
        click.option("--c0", type=_FILE, help="Initial cell states (L·D, B, H)."),
        click.option("--h0", type=_FILE, help="Initial hidden states (L·D, B, H)."),
        click.option("--key", help="Which array of several, or which columns of a table."),
        click.option("--input", type=_FILE, help="x: .npy, .npz, .csv, .tsv, .parquet or .json."),
    ):
        command = option(command)
    return command


def layout_options(command: Command) -> Command:
    """`--name`, `--layout` and its parts; what a file of weights does not say: `--activation` … `--padded-output`."""
    for option in (
        click.option(
            "--padded-output",
            type=click.Choice(["zero", "repeat", "carry"]),
            help="What a layer gives out at padding (Keras zero_output_for_mask: zero; else repeat).",
        ),
        click.option(
            "--merge",
            type=click.Choice(["concat", "sum", "mean", "product", "none"]),
            help="How two directions are joined (Keras merge_mode; ave is mean, mul is product).",
        ),
        click.option(
            "--go-backwards", is_flag=True, default=None, help="Every layer runs from the last step to the first."
        ),
        click.option("--recurrent-activation", help="Of the gates: sigmoid, hard_sigmoid, hard_sigmoid_keras, …"),
        click.option("--activation", help="Of the candidate and of the output: tanh, relu, … (docs/options.md)."),
        click.option("--forget-bias", type=float, help="Number added to the forget gate at run time."),
        click.option("--bias", type=click.Choice(["one", "two", "8H", "column"]), help="How biases are stored."),
        click.option("--joined", type=click.Choice(["xh", "hx"]), help="One kernel for [x; h], or for [h; x]."),
        click.option("--transposed/--not-transposed", default=None, help="Matrices are (I, 4H) and (H, 4H)."),
        click.option("--gate-order", help="Order in which the gates are stacked, for example ifco."),
        click.option("--layout", help="How the weights are stored: pytorch, keras, onnx, tf1, … (docs/layouts.md)."),
        click.option("--name", help="Which LSTM of several; lstm-trace inspect lists them."),
    ):
        command = option(command)
    return command


def stored_layout(given: dict[str, Any]) -> dict[str, Any] | None:
    """The layout that the options describe; None where they say nothing."""
    facts = {
        "name": given.get("layout"),
        "order": given.get("gate_order"),
        **{name: given.get(name) for name in ("transposed", "joined", "bias", "forget_bias")},
    }
    said = {name: value for name, value in facts.items() if value is not None}
    return said or None


def asked_options(given: dict[str, Any]) -> dict[str, Any]:
    """What the options say of a model beside the layout of its weights, as options of the cell and the network."""
    both = given.get("activation")
    said = {
        "candidate_activation": both,
        "output_activation": both,
        "gate_activation": given.get("recurrent_activation"),
        "direction": "reverse" if given.get("go_backwards") else None,
        "merge": given.get("merge"),
        "padding": given.get("padded_output"),
    }
    return {name: value for name, value in said.items() if value is not None}


def traced(source: str, given: dict[str, Any], allow_nonfinite: bool = False, **arguments: Any) -> Trace:
    """The trace of a model or a problem over its input, with a bar where it takes long; see `prepared`."""
    from .progress import Bar

    model, found = prepared(source, given, allow_nonfinite)
    with Bar() as bar:
        return model.run(**found, **arguments, progress=bar)


def prepared(source: str, given: dict[str, Any], allow_nonfinite: bool = False) -> tuple[Model, dict[str, Any]]:
    """A model, or the one of a problem, and the arguments of its run.

    given: the values of `input_options` and `layout_options` by name. Raises LstmTraceError; click.UsageError for a
    model without an input.
    """
    from dataclasses import replace

    from ..api import prepare
    from ..weights import is_model
    from ..weights.inputs import read_input

    model_file = is_model(source)
    stored = stored_layout(given)
    asked = asked_options(given)
    if not model_file and (stored or asked or given.get("name")):
        raise click.UsageError(f"{source} is a problem: it has its name, layout, activations and directions in itself")
    if model_file and not given.get("input"):
        raise click.UsageError(f"{source} is a model: give its input with --input X")
    if given.get("key") and not given.get("input"):
        raise click.UsageError("--key says which array of --input: give --input X, or leave it out")
    model = prepare(
        source,
        name=given.get("name") or "",
        layout=stored,
        options=asked or None,
        allow_nonfinite=allow_nonfinite,
    )
    arguments: dict[str, Any] = {}
    if given.get("input"):
        arguments["x"], names = read_input(given["input"], given.get("key"))
        if names:
            model = replace(model, header=replace(model.header, names={**model.header.names, "x": names}))
    for name in ("h0", "c0", "lengths", "mask"):
        if given.get(name):
            arguments[name] = read_input(given[name]).values
    if given.get("batch_first") is not None:
        arguments["batch_first"] = given["batch_first"]
    return model, arguments


def opened_with(source: str, given: dict[str, Any], allow_nonfinite: bool = False, other: str | None = None) -> Trace:
    """The trace in a file; of the problem in it; or of the model in it over its input.

    other: a second source, for which the options may be meant where the first is a trace, which has its input in it.
    """
    from ..store import is_trace
    from ..weights import is_model
    from .common import opened

    chosen = [name for name in (*INPUTS, *STORED) if given.get(name) is not None]
    if is_trace(source):
        if chosen and (other is None or is_trace(other)):
            option = chosen[0].replace("_", "-")
            raise click.UsageError(f"{source} is a trace: its weights and its input are in it; leave --{option} out")
        return opened(source)
    return traced(source, given, allow_nonfinite) if chosen or is_model(source) else opened(source, allow_nonfinite)
