"""`lstm-trace doctor`: whether this machine computes what the operations define."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ..options import conclude, echo


@click.command("doctor")
def command() -> None:
    """Check that every plan computes on this machine what the operations define.

    Prints what computes (numpy, CPU, BLAS, the compiled plan and its cache), and whether each plan agrees with the
    definitions: every operation at widths of 1 to 16 units, in memory of 1 to 70 columns, in float64 and float32. It
    takes some seconds, longer where nothing has been compiled yet.

    Exit codes: 0 every plan agrees, 1 a plan computes wrong values, 2 error.
    """
    from ...verification.plans import examine
    from ..progress import Bar

    with Bar("checking", "sizes") as bar:
        found = examine(progress=bar)
    conclude(1 if found.faults else 0)
    echo("\n".join([*_table(found.machine), "", *_table(found.checks), ""]))
    if not found.faults:
        echo("Every plan that runs here computes what the operations define.")
        return
    echo("\n".join(map(str, found.faults)))
    instead = f" Until it is mended, --by-plan {found.right[0]} computes right values." if found.right else ""
    echo(f"Values can be wrong on this machine: please report it with this output.{instead}")


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{name:13}  {text}" for name, text in rows]
