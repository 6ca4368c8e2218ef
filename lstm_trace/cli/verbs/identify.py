"""`lstm-trace identify`: which reading of the weights explains another program's outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..model_options import asked_options, layout_options, stored_layout
from ..options import conclude
from ..results import result_options

if TYPE_CHECKING:
    from ...mistakes.identify import Identification

_FILE = click.Path(allow_dash=True)


class _Expected(click.Path):
    """The file of `--expected`, which `--output` was called before a result could be written."""

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "FILE has the other program's outputs; --output says where to write the answer."


@click.command("identify")
@click.option("--weights", required=True, type=_FILE, help="The weights: a model file or arrays (.npz).")
@click.option("--input", "x", required=True, type=_FILE, help="The input x: .npy, .npz, .csv, .json, …")
@click.option(
    "--expected",
    "y",
    required=True,
    type=_Expected(allow_dash=True),
    help="The other program's h (or c): every step, or the last.",
)
@click.option("--h0", type=_FILE, help="Initial hidden state (B, H).")
@click.option("--c0", type=_FILE, help="Initial cell state (B, H).")
@click.option(
    "--atol", type=click.FloatRange(min=0), help="Absolute tolerance of a match (default: 1e-5 of the largest value)."
)
@click.option(
    "--clip",
    "clips",
    multiple=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Clipping bound to try in addition to the usual ones.",
)
@click.option("--json", "as_json", is_flag=True, hidden=True, help="Earlier form of --format json.")
@result_options("text")
@layout_options
def command(
    weights: str,
    x: str,
    y: str,
    h0: str | None,
    c0: str | None,
    atol: float | None,
    clips: tuple[float, ...],
    as_json: bool,
    **stored: Any,
) -> Identification:
    """Infer the layout of WEIGHTS from the outputs that another program computed (--expected) for --input.

    Searches gate orders, transposes, biases, forget bias, activations, peephole orders, direction, axes, state order
    and clips.

    Exit codes: 0 the weights are read correctly, 1 another layout reproduces the output or none does, 2 error.
    """
    from ...api import identify
    from ...model.sources import read_input

    if as_json:
        raise click.UsageError("--json is now --format json")
    arrays = {name: None if path is None else read_input(path).values for name, path in (("h0", h0), ("c0", c0))}
    result = identify(
        weights,
        read_input(x).values,
        read_input(y).values,
        **arrays,
        atol=atol,
        clips=clips,
        name=stored.get("name"),
        layout=stored_layout(stored),
        options=asked_options(stored),
    )
    matches, read = result.matches, result.as_read.reading
    conclude(0 if matches and not set(matches[0].reading.differences(read)) - {"batch_first"} else 1)
    return result
