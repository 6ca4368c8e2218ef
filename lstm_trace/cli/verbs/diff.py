"""`lstm-trace diff`: two traces side by side."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..model_options import MODELS, layout_options_of_two, model_options
from ..options import conclude, echo
from ..results import result_options

if TYPE_CHECKING:
    from ...documents.result import Result
    from ...trace.trace import Trace


#: So many places that are held stand in a title.
HELD = 3


@click.command("diff", epilog=MODELS)
@click.argument("a", type=click.Path(allow_dash=True))
@click.argument("b", type=click.Path(allow_dash=True))
@result_options()
@click.option("--rtol", type=float, help="Relative tolerance.")
@click.option("--atol", type=float, help="Absolute tolerance.")
@click.option("--ulps", type=float, help="Tolerance in units in the last place.")
@click.option("--attribute", metavar="ADDRESS", help="Split the difference of this value exactly, b minus a.")
@click.option("--bound", is_flag=True, help="Judge by the rounding bound (the default).")
@partial(model_options, layouts=layout_options_of_two)
def command(
    a: str,
    b: str,
    rtol: float | None,
    atol: float | None,
    ulps: float | None,
    attribute: str | None,
    bound: bool,
    **given: Any,
) -> Result:
    """Compare B with A (the reference): traces, problems, or models with --input.

    B may also be values that another program printed (.csv with our columns, .jsonl). Each option on how weights are
    stored can be given for one side: --name-a, --layout-b, --option-b. What --hold names is held in B.

    Exit codes: 0 all common values agree within the tolerance, 1 a value differs or the comparison is inconclusive (the
    rounding bound is not finite), 2 error.
    """
    from ...results.difference import difference
    from ...results.divergence import compared
    from ...trace.files.external_values import is_external, read_external
    from ...verification.compare import Tolerance, judge
    from ...weights.formats.arrays import told_apart
    from ...weights.read import is_model
    from ..model_options import of_side, opened_two, opened_with

    if bound and (rtol, atol, ulps) != (None, None, None):
        raise click.UsageError("--bound cannot be combined with --rtol, --atol or --ulps, which replace it")
    tolerance = Tolerance(rtol, atol, ulps)
    remarks: list[str] = []
    notes: list[str] = []
    if is_external(b):
        if given["hold"]:
            raise click.UsageError(f"--hold holds lines of a run, and {b} has values that another program computed")
        of_side((a, b), given, 1)  # what is said of b alone is refused
        reference = opened_with(a, of_side((a, b), given, 0))
        other, remarks = read_external(b, reference)
    else:
        reference, other = opened_two(a, b, given)
        if is_model(a) and is_model(b):  # over one x
            notes = told_apart(Path(a), Path(b), reference["x_t"].shape[-1])
    result: Result
    if attribute is not None:
        verdict, result = judge(reference, other, tolerance), difference(reference, other, attribute)
        remarks += notes
    else:
        comparison = compared(reference, other, tolerance)
        names = _named((a, b), (reference, other), given)
        result = replace(comparison, notes=(*notes, *comparison.notes), names=names)
        verdict = comparison.verdict
    conclude(0 if verdict == "same" else 1)
    for remark in remarks:
        echo(f"note: {remark}", err=True)
    return result


def _named(paths: tuple[str, str], traces: tuple[Trace, Trace], given: dict[str, Any]) -> str:
    """Both sides by name, with what sets them apart where the name does not."""
    from ...cell.network import forward_stages
    from ...trace.held import entries
    from ..model_options import STORED

    names = [Path(path).name for path in paths]
    if names[0] == names[1]:
        own = [[(n, given.get(f"{n}_{side}")) for n in STORED] for side in "ab"]
        said = [", ".join(f"{n.replace('_', ' ')} {v}" for n, v in one if v is not None) for one in own]
        names = [f"{name} ({text})" if text else name for name, text in zip(names, said, strict=True)]
    short = len(forward_stages(traces[0].stages)) == 1
    held = [
        [f"{e.short if short else e.address} held at {e.said}" for e in islice(entries(t), HELD + 1)] for t in traces
    ]
    if held[0] == held[1]:
        return " and ".join(names)
    told = [", ".join(one[:HELD]) + (", …" if len(one) > HELD else "") for one in held]
    return ", and ".join(f"{name} with {text}" if text else name for name, text in zip(names, told, strict=True))
