"""`lstm-trace identify`: which reading of the weights explains another program's outputs."""

from __future__ import annotations

from typing import Any

import click

from ..model_options import asked_options, layout_options, stored_layout
from ..options import conclude, echo

_FILE = click.Path(allow_dash=True)


@click.command("identify")
@click.option("--weights", required=True, type=_FILE, help="The weights: a model file or arrays (.npz).")
@click.option("--input", "x", required=True, type=_FILE, help="The input x: .npy, .npz, .csv, .json, …")
@click.option("--output", "y", required=True, type=_FILE, help="The other program's h (or c): every step, or the last.")
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
@click.option("--json", "as_json", is_flag=True, help="The whole result as JSON.")
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
) -> None:
    """Infer the layout of WEIGHTS from another program's OUTPUT for INPUT.

    Searches gate orders, transposes, biases, forget bias, activations, peephole orders, direction, axes, state order
    and clips.

    Exit codes: 0 the weights are read correctly, 1 another layout reproduces the output or none does, 2 error.
    """
    from ...api import identify
    from ...model.sources import read_input
    from ...printable import json_text
    from ...tables.identification import as_data, sentences

    arrays = {name: None if path is None else read_input(path).values for name, path in (("h0", h0), ("c0", c0))}
    found = identify(
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
    right = bool(found.matches) and not set(found.matches[0].reading.differences(found.as_read.reading)) - {
        "batch_first"
    }
    conclude(0 if right else 1)
    if as_json:
        echo(json_text(as_data(found), indent=1))
    else:
        echo("\n".join(sentences(found)))
