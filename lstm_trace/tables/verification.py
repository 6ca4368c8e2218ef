"""What `verify` found, in words."""

from __future__ import annotations

import textwrap

from ..cell.network import scope_and_name
from ..errors import counted
from ..printable import printable
from ..verification.verify import Verification

#: Entries of a list that are printed; the rest is counted.
SHOWN = 12
#: Columns of a terminal.
WIDTH = 80


def messages(result: Verification, premises: bool = False) -> list[str]:
    """The verdict, each failure, and what the check started from. premises: one by one."""
    held = counted(result.verified, "value")
    rows = [
        f"verified: {held}"
        if result.status == "verified"
        else f"{result.status}: {held} verified, {result.failed:,} failed"
    ]
    for failure in result.failures:
        more = f" and {failure.values - 1} more of this line and step" if failure.values > 1 else ""
        rows += [
            f"failed: {failure.address}{more}",
            f"  recorded {failure.recorded!r}",
            f"  derived  {failure.derived!r}  ({failure.op} of the recorded operands)",
            f"  off by   {abs(failure.recorded - failure.derived):.3g}; the rounding bound is {failure.bound:.3g}",
        ]
        rows += _listed("  fails only because it reads this value: ", failure.consequences)
    told = sum(failure.values + len(failure.consequences) for failure in result.failures)
    if result.failed > told:
        rows.append("more values fail; the earliest in computing order are shown")
    rows += [f"hint: {result.hint}"] if result.hint else []
    rows += _listed("inconclusive: ", [f"{u.place}: {u.reason}" for u in result.unknown])
    if premises:
        rows += [f"premise: {name}" for name in result.premises]
    else:
        rows += _by_scope("premises, not verified: ", result.premises)
    return rows


def text(result: Verification) -> str:
    """`messages` as one text."""
    return printable("\n".join(messages(result)))


def _by_scope(label: str, names: tuple[str, ...]) -> list[str]:
    """Names in one line where they fit; otherwise a line for each layer and direction, wrapped."""
    whole = label + (", ".join(names) or "none")
    if len(whole) <= WIDTH:
        return [whole]
    scopes: dict[str, list[str]] = {}
    for name in names:
        scope, short = scope_and_name(name)
        scopes.setdefault(scope, []).append(short)
    return [
        label.rstrip(),
        *(
            row
            for scope, found in scopes.items()
            for row in textwrap.wrap(
                f"{scope}: {', '.join(found)}" if scope else ", ".join(found), WIDTH,
                initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False,
            )
        ),
    ]  # fmt: skip


def _listed(label: str, names: tuple[str, ...] | list[str]) -> list[str]:
    rows = [f"{label}{name}" for name in names[:SHOWN]]
    return rows + ([f"{label}{len(names) - SHOWN} more"] if len(names) > SHOWN else [])
