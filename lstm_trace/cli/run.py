"""`lstm-trace run`: trace a problem, or a model over an input."""

from __future__ import annotations

from typing import Any

import click

from .common import arithmetic_options, echo, name_list, nonfinite_option, output_option, step_slice
from .models import input_options, layout_options


@click.command("run")
@click.argument("source", type=click.Path(allow_dash=True))
@output_option("Write the trace here (.json, .safetensors); standard output (JSON) if not given.")
@click.option("--record", callback=name_list, help="Store these lines only: names with commas between.")
@click.option(
    "--layer", "layers", type=click.IntRange(min=0), multiple=True, help="Store this layer only (repeatable)."
)
@click.option("--steps", callback=step_slice, help="Store these steps only: A:B, A: or :B (B excluded), or T.")
@click.option("--plan", is_flag=True, help="Print how the run would be computed, and compute nothing.")
@arithmetic_options
@input_options
@layout_options
@nonfinite_option
def command(
    source: str,
    output: str,
    record: tuple[str, ...] | None,
    layers: tuple[int, ...],
    steps: slice | None,
    plan: bool,
    allow_nonfinite: bool,
    arithmetic: str | None,
    **given: Any,
) -> None:
    """Trace SOURCE: a problem (YAML, JSON, TOML; '-' is standard input), or a model with --input X.

    Models: .pt, .pth, .safetensors, .npz, .keras, .h5, .onnx. A trace that ends in .safetensors is written while it
    is computed, and may be larger than memory.
    """
    from ..store import save
    from ..tensors import is_tensors
    from .models import prepared, traced

    if plan:
        model, arguments = prepared(source, given, allow_nonfinite)
        echo("\n\n".join(f"{scope}\n{text}" for scope, text in model.plans(**arguments).items()))
        return
    wanted = {"lines": record, "layers": layers or None, "steps": steps}
    chosen = {"record": wanted} if any(part is not None for part in wanted.values()) else {}
    if arithmetic is not None:
        save(traced(source, given, allow_nonfinite, arithmetic=arithmetic, **chosen), output)
    elif is_tensors(output):
        traced(source, given, allow_nonfinite, out=output, **chosen)
    else:
        save(traced(source, given, allow_nonfinite, **chosen), output)
