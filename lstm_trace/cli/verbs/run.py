"""`lstm-trace run`: trace a problem, or a model over an input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import click

from ...base.option import Option
from ..commands import NAMES, STEPS, command
from ..counting import from_zero
from ..model_options import input_options, layout_options, opened_with, prepared, with_bar
from ..options import AllowNonfinite, OfFile, Source, arithmetic_options, echo

if TYPE_CHECKING:
    from ...trace.trace import Trace


@command("run")
@arithmetic_options
@input_options
@layout_options
def run(
    source: Source,
    *,
    output: OfFile = "-",
    form: Annotated[Literal["json", "safetensors"] | None, Option(flag="--format")] = None,
    record: Annotated[tuple[str, ...] | None, NAMES] = None,
    layers: Annotated[tuple[int, ...], Option(flag="--layer", least=0)],
    steps: Annotated[Any, STEPS] = None,
    plan: bool,
    by_plan: Annotated[str | None, click.Choice(["auto", "compiled", "planned", "lines"])] = None,
    plan_of: Annotated[str | None, Option(metavar="TRACE", hidden=True), click.Path()] = None,
    allow_nonfinite: AllowNonfinite,
    arithmetic: str | None,
    mistakes: Annotated[tuple[str, ...], Option(flag="--mistake", metavar="KEY")],
    **given: Any,
) -> None:
    """Trace SOURCE: a problem (YAML, JSON, TOML; '-' is standard input), or a model with --input X.

    Models: .pt, .pth, .pt2, .safetensors, .npz, .keras, .h5, .onnx, .msgpack, .tflite. A .safetensors trace is written
    while it is computed, and may be larger than memory.

    Args:
        output: Write the trace to this file (.json, .safetensors); standard output (JSON) if not given.
        form: Output format, for a pipe.
        record: Comma-separated names of lines to store.
        layers: Store only this layer (repeatable).
        steps: Store only these steps: A:B, A: or :B, or T, as the problem counts: B is included if it counts from 1.
        plan: Print the name of the default execution plan and the listing of the numpy plan, and exit.
        by_plan: Execution plan; auto (the default) chooses by the size of the run. --plan-of TRACE: that of a trace.
        plan_of: Use the execution plan that computed TRACE.
        mistakes: Put this mistake into the run (repeatable): exchange:f,i, 1/reverse/order:f,i … (docs/mistakes.md).
    """
    from ...cell.arithmetic import named
    from ...engine.plan_choice import CHOICES
    from ...trace.files.trace_file import is_trace, load, save, tensors_for, trace_format

    if by_plan is not None and plan_of is not None:
        raise click.UsageError("--plan-of TRACE determines the plan: leave --by-plan out")
    if mistakes and is_trace(source):
        said = f"{source} is a trace; --mistake needs the problem or model that it is of"
        raise click.UsageError(f"{said}, or in Python lt.run(lt.problem(trace), mistake=…)")
    others = {"--plan": plan or None, "--record": record, "--layer": layers or None, "--steps": steps}
    if mistakes and (flag := next((flag for flag, value in others.items() if value is not None), None)):
        raise click.UsageError(f"{flag} is for a run without --mistake, which is computed whole: leave one of them out")
    kind = None if plan else form or trace_format(output)  # before a model is read
    if given["hold"] and is_trace(source):
        if plan or record or layers or steps or by_plan or plan_of or arithmetic:
            raise click.UsageError(f"{source} is a trace; --hold runs it again as it was: leave the other options out")
        save(_noted(opened_with(source, given, allow_nonfinite)), output, kind)
        return
    model, arguments = prepared(source, given, allow_nonfinite)
    if (before := arguments.get("state_from")) is not None and model.defaults.initial:
        echo(f"note: the run continues from the last states of {before}; those of {source} are not used", err=True)
    other = named(model.defaults.arithmetic if arithmetic is None else arithmetic)
    if plan and other is not None:
        echo(f"default plan: lines, in the arithmetic {other}")
        return
    if plan:
        echo("\n\n".join(f"{scope}\n{text}" for scope, text in model.plans(**arguments).items()))
        return
    steps = from_zero({"steps": steps}, model.header.count_from)["steps"]
    wanted = {"lines": record, "layers": layers or None, "steps": steps}
    chosen: dict[str, Any] = {"record": wanted} if any(part is not None for part in wanted.values()) else {}
    chosen |= {"mistake": mistakes} if mistakes else {}
    if plan_of is not None:
        by_plan = load(plan_of).header.plan
        if by_plan not in CHOICES:
            raise click.UsageError(f"{plan_of}: its values are {by_plan}, not computed by a plan of lstm-trace")
    if by_plan is not None:
        chosen["plan"] = by_plan
    if kind == "safetensors" and other is None and not mistakes:
        with tensors_for(output) as file:
            _noted(with_bar(model, arguments, arithmetic=arithmetic, out=file, **chosen))
    else:
        save(_noted(with_bar(model, arguments, arithmetic=arithmetic, **chosen)), output, kind)


def _noted(trace: Trace) -> Trace:
    """The trace; its first value that is NaN or infinite is noted on standard error."""
    from ...languages.strings import words_for

    if (first := trace.not_finite) is not None:
        echo(f"note: {first.said(words_for(trace))}", err=True)
    return trace
