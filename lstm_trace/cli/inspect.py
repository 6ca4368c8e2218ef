"""`lstm-trace inspect`: the LSTMs in a model file."""

from __future__ import annotations

from typing import Any

import click

from .common import echo
from .models import layout_options


@click.command("inspect")
@click.argument("model", type=click.Path())
@layout_options
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="text or json.")
def command(model: str, form: str, **given: Any) -> None:
    """List the LSTMs in MODEL: sizes, layers, directions, biases, options, layout, parameters."""
    from ..printable import json_text
    from ..weights import choose, read_model
    from ..weights.summary import listing, records
    from .models import stored_layout

    found = read_model(model, stored_layout(given), given["recurrent_activation"])
    if given["name"]:
        found = [choose(found, given["name"], model)]
    if form == "json":
        echo(json_text(records(found), indent=2))
    else:
        echo(listing(model, found))
