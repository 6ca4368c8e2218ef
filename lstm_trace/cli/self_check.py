"""What the command line computes is verified, in part, before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LstmTraceError

if TYPE_CHECKING:
    from ..trace.trace import Trace


def proven(trace: Trace) -> None:
    """Derive some steps of a trace that was just computed again. Raises LstmTraceError for a value that is wrong."""
    from ..verification.verify import first_failure

    wrong = first_failure(trace)
    if wrong is None:
        return
    plan = trace.header.plan
    other = "" if plan == "lines" else " `lstm-trace run SOURCE --by-plan lines -o TRACE` computes it in another way."
    raise LstmTraceError(
        f"{wrong.address} was computed wrongly by the {plan} plan: expected {wrong.derived!r} ({wrong.op} of its "
        f"operands, within {wrong.bound:.3g}), found {wrong.recorded!r}. Nothing is written.{other} This is a fault of "
        "lstm-trace or of a library that it uses: please report it with this message, the command and what "
        "`lstm-trace doctor` prints"
    )
