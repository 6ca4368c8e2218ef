"""`lstm-trace run`: trace a problem, or a model over an input."""

from __future__ import annotations

from typing import Any

import click

from .common import nonfinite_option, output_option
from .models import input_options, layout_options


@click.command("run")
@click.argument("source", type=click.Path(allow_dash=True))
@output_option("Write the trace here; standard output (JSON) if not given.")
@input_options
@layout_options
@nonfinite_option
def command(source: str, output: str, allow_nonfinite: bool, **given: Any) -> None:
    """Trace SOURCE: a problem (YAML, JSON, TOML; '-' is standard input), or a model with --input X.

    Models: .pt, .pth, .safetensors, .npz, .keras, .h5, .onnx.
    """
    from ..store import save
    from .models import traced

    save(traced(source, given, allow_nonfinite), output)
