"""`lstm-trace inspect`: the LSTMs in a model file."""

from __future__ import annotations

from typing import Any

import click

from ..model_options import layout_options
from ..options import echo


@click.command("inspect")
@click.argument("model", type=click.Path())
@layout_options
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="text or json.")
def command(model: str, form: str, **given: Any) -> None:
    """List the LSTMs in MODEL: sizes, layers, directions, biases, options, layout, parameters."""
    from ...printable import json_text
    from ...weights.read import as_asked, check_any, choose, listing, read_model, records
    from ..model_options import asked_options, stored_layout

    found = read_model(model, stored_layout(given))
    if given["name"]:
        found = [choose(found, given["name"], model)]
    found = [as_asked(one, asked_options(given)) for one in found]
    check_any(found, model)
    if form == "json":
        echo(json_text(records(found), indent=2))
    else:
        echo(listing(model, found))
