"""`lstm-trace example`: problems that ship with the package."""

from __future__ import annotations

import click

from ..options import echo


@click.command("example")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the example problems, or print the one called NAME."""
    from ...examples import examples, text

    if name is not None:
        echo(text(name).removesuffix("\n"))
        return
    for key, title in examples().items():
        echo(f"{key:<12} {title}")
