"""`lstm-trace schema`: the JSON Schema of our files."""

from __future__ import annotations

import click

from ..options import echo


@click.command("schema")
@click.argument("name", type=click.Choice(["problem", "trace"]))
def command(name: str) -> None:
    """Print the JSON Schema of a problem or trace file."""
    import json

    from ...trace.files.schema import json_schema

    echo(json.dumps(json_schema(name), indent=2))
