"""`lstm-trace diff`: two traces side by side."""

from __future__ import annotations

from typing import Any

import click

from .common import conclude, echo, output_option
from .models import input_options, layout_options


@click.command("diff")
@click.argument("a", type=click.Path(allow_dash=True))
@click.argument("b", type=click.Path(allow_dash=True))
@output_option("Write here: .md, .csv or .json; Markdown to standard output if not given.")
@click.option(
    "--format", "form", type=click.Choice(["md", "csv", "json"]), help="Format, where the suffix does not say."
)
@click.option("--rtol", type=click.FloatRange(min=0), help="Relative tolerance.")
@click.option("--atol", type=click.FloatRange(min=0), help="Absolute tolerance.")
@click.option("--ulps", type=click.FloatRange(min=0), help="Tolerance in units in the last place.")
@click.option("--attribute", metavar="ADDRESS", help="Split the difference of this value exactly, b minus a.")
@click.option("--bound", is_flag=True, help="The rounding bound decides (the default).")
@input_options
@layout_options
def command(
    a: str,
    b: str,
    output: str,
    form: str | None,
    rtol: float | None,
    atol: float | None,
    ulps: float | None,
    attribute: str | None,
    bound: bool,
    **given: Any,
) -> None:
    """Compare B with A (the reference): traces, problems, or models with --input.

    B may also be values that another program printed (.csv with our columns, .jsonl).

    Exit 0 when all values that both have are the same within the tolerance, 1 when one differs, 2 on trouble.
    """
    from ..files import written
    from ..foreign import is_foreign, read_foreign
    from ..views import diff as view
    from ..views.attribution import difference
    from ..walks.compare import Tolerance, compare
    from .models import opened_with

    if bound and (rtol, atol, ulps) != (None, None, None):
        raise click.UsageError("--bound goes alone: --rtol, --atol and --ulps take its place")
    reference = opened_with(a, given, other=b)
    remarks: list[str] = []
    if is_foreign(b):
        other, remarks = read_foreign(b, reference)
    else:
        other = opened_with(b, given, other=a)
    found = compare(reference, other, Tolerance(rtol, atol, ulps))
    if attribute is not None:
        text = difference(reference, other, attribute).render(form or view.form_of(output))
    else:
        text = view.render(found, form or view.form_of(output))
    conclude(0 if found.same else 1)
    with written(output) as file:
        file.write(text)
    for remark in remarks:
        echo(f"note: {remark}", err=True)
