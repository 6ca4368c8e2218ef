"""The options of export stand in its page, each with what it means."""

from __future__ import annotations

import re
from pathlib import Path

import click

from lstm_trace.cli.verbs.printed import export

from .. import ROOT


def test_every_option_is_in_the_tables() -> None:
    page = Path(ROOT / "docs" / "export.md").read_text("utf-8")
    cells = [re.findall(r"`(--?[a-z-]+)", row.split("|")[1]) + re.findall(r"\(or `(--[a-z]+)`", row)
             for row in page.splitlines() if row.startswith("| `-")]  # fmt: skip
    documented = {name for names in cells for name in names}
    options = {name for p in export.params if isinstance(p, click.Option) for name in (*p.opts, *p.secondary_opts)}
    assert documented == options
