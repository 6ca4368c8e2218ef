"""`lstm-trace run`: trace a problem."""

from __future__ import annotations

import click

from .common import nonfinite_option, output_option


@click.command("run")
@click.argument("problem", type=click.Path(allow_dash=True))
@output_option("Write the trace here; standard output (JSON) if not given.")
@nonfinite_option
def command(problem: str, output: str, allow_nonfinite: bool) -> None:
    """Trace PROBLEM (YAML, JSON or TOML; '-' is standard input)."""
    from ..problem import prepare_problem, read_problem
    from ..store import save

    save(prepare_problem(read_problem(problem), problem, allow_nonfinite).run(), output)
