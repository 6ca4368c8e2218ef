"""`lstm-trace run`: trace a problem, or a model over an input."""

from __future__ import annotations

from typing import Any

import click

from ..model_options import input_options, layout_options
from ..options import arithmetic_options, echo, name_list, nonfinite_option, output_option, step_slice


@click.command("run")
@click.argument("source", type=click.Path(allow_dash=True))
@output_option("Write the trace here (.json, .safetensors); standard output (JSON) if not given.")
@click.option("--format", "form", type=click.Choice(["json", "safetensors"]), help="Format, for a pipe.")
@click.option("--record", callback=name_list, help="Comma-separated names of lines to store.")
@click.option(
    "--layer", "layers", type=click.IntRange(min=0), multiple=True, help="Store this layer only (repeatable)."
)
@click.option("--steps", callback=step_slice, help="Store these steps only: A:B, A: or :B (B excluded), or T.")
@click.option("--plan", is_flag=True, help="Print which execution plan is the default, and numpy's plan; exit.")
@click.option(
    "--by-plan",
    type=click.Choice(["auto", "compiled", "planned", "lines"]),
    help="Execution plan; auto (the default) chooses by the size of the run.",
)
@click.option("--plan-of", type=click.Path(), metavar="TRACE", help="Use the execution plan that computed TRACE.")
@arithmetic_options
@input_options
@layout_options
@nonfinite_option
def command(
    source: str,
    output: str,
    form: str | None,
    record: tuple[str, ...] | None,
    layers: tuple[int, ...],
    steps: slice | None,
    plan: bool,
    by_plan: str | None,
    plan_of: str | None,
    allow_nonfinite: bool,
    arithmetic: str | None,
    **given: Any,
) -> None:
    """Trace SOURCE: a problem (YAML, JSON, TOML; '-' is standard input), or a model with --input X.

    Models: .pt, .pth, .safetensors, .npz, .keras, .h5, .onnx. A trace that ends in .safetensors is written while it
    is computed, and may be larger than memory.
    """
    from ...cell.arithmetic import named
    from ...trace.files.trace_file import is_trace, save, tensors_for, trace_format
    from ..model_options import opened_with, prepared, with_bar

    if by_plan is not None and plan_of is not None:
        raise click.UsageError("--plan-of TRACE names the plan: leave --by-plan out")
    kind = None if plan else form or trace_format(output)  # before a model is read
    if given["hold"] and is_trace(source):
        if plan or record or layers or steps or by_plan or plan_of or arithmetic:
            raise click.UsageError(f"{source} is a trace, which --hold runs again as it was: leave other options out")
        save(opened_with(source, given, allow_nonfinite), output, kind)
        return
    model, arguments = prepared(source, given, allow_nonfinite)
    other = named(model.defaults.arithmetic if arithmetic is None else arithmetic)
    if plan and other is not None:
        echo(f"default plan: lines, in the arithmetic {other}")
        return
    if plan:
        echo("\n\n".join(f"{scope}\n{text}" for scope, text in model.plans(**arguments).items()))
        return
    wanted = {"lines": record, "layers": layers or None, "steps": steps}
    chosen: dict[str, Any] = {"record": wanted} if any(part is not None for part in wanted.values()) else {}
    if plan_of is not None:
        by_plan = _plan_of(plan_of)
    if by_plan is not None:
        chosen["plan"] = by_plan
    if kind == "safetensors" and other is None:
        with tensors_for(output) as file:
            with_bar(model, arguments, arithmetic=arithmetic, out=file, **chosen)
    else:
        save(with_bar(model, arguments, arithmetic=arithmetic, **chosen), output, kind)


def _plan_of(path: str) -> str:
    """The plan that computed the trace in a file. Raises click.UsageError where no plan of ours did."""
    from ...engine.plan_choice import CHOICES
    from ...trace.files.trace_file import load

    found = load(path).header.plan
    if found not in CHOICES:
        raise click.UsageError(f"{path}: its values are {found}, no plan of lstm-trace computed them")
    return found
