"""`lstm-trace verify`: derive every line again."""

from __future__ import annotations

import click

from ..options import conclude, echo


@click.command("verify")
@click.argument("trace", type=click.Path(allow_dash=True))
@click.option("--premises", is_flag=True, help="List every premise instead of counting them.")
def command(trace: str, premises: bool) -> None:
    """Derive every line of TRACE again from its recorded operands.

    Exit codes: 0 every value verified, 1 a value failed or is inconclusive, 2 error. Premises (parameters, inputs,
    initial states, given lines) are what the check starts from; they are listed, not verified.
    """
    from ... import load, verify
    from ...tables.verification import messages

    result = verify(load(trace))
    conclude(0 if result.status == "verified" else 1)
    echo("\n".join(messages(result, premises)))
