"""`lstm-trace verify`: derive every line again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..options import conclude
from ..results import result_options

if TYPE_CHECKING:
    from ...verification.verify import Verification


@click.command("verify")
@click.argument("trace", type=click.Path(allow_dash=True))
@result_options("text")
def command(trace: str) -> Verification:
    """Derive every line of TRACE again from its recorded operands.

    Exit codes: 0 every value verified, 1 a value failed or is inconclusive, 2 error. Premises (parameters, inputs,
    initial states, given lines) are what the check starts from; they are listed, not verified.
    """
    from ... import load, verify

    result = verify(load(trace))
    conclude(0 if result.status == "verified" else 1)
    return result
