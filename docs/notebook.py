"""Runs the notebooks beside this file and keeps their outputs in them: `python -m docs.notebook`, without Jupyter.

What a cell shows is what Jupyter would show: `tests/test_notebook.py` compares the two where Jupyter is installed.
"""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

NOTEBOOKS = tuple(Path(__file__).with_name(name) for name in ("notebook.ipynb", "tour.ipynb"))
#: What an object may say of itself, by the method that Jupyter calls.
_METHODS = {"_repr_html_": "text/html", "_repr_markdown_": "text/markdown", "_repr_svg_": "image/svg+xml"}


def read(path: Path) -> dict[str, Any]:
    """A notebook as it is kept."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with the outputs of its cells, run one after the other."""
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    cells = []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            outputs = list(_outputs("".join(cell["source"]), names, count))
            cell = {**cell, "execution_count": count, "outputs": outputs}
        cells.append(cell)
    return {**notebook, "cells": cells}


def _outputs(source: str, names: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """Run a cell; what it prints, and the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)  # noqa: S102
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307
    if printed.getvalue():
        yield {"name": "stdout", "output_type": "stream", "text": _lines(printed.getvalue())}
    if value is not None and not source.rstrip().endswith(";"):
        yield {"data": shown(value), "execution_count": count, "metadata": {}, "output_type": "execute_result"}


def shown(value: Any) -> dict[str, list[str]]:
    """What Jupyter would show of a value, by media type."""
    found = {kind: getattr(value, method)() for method, kind in _METHODS.items() if hasattr(value, method)}
    plain = _Plain()
    if hasattr(value, "_repr_pretty_"):
        value._repr_pretty_(plain, False)
    else:
        plain.text(repr(value))
    return {kind: _lines(text) for kind, text in {**found, "text/plain": plain.written}.items()}


class _Plain:
    """What `_repr_pretty_` writes to."""

    written = ""

    def text(self, text: str) -> None:
        """Take a text."""
        self.written += text


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def write(notebook: dict[str, Any], path: Path) -> None:
    """Keep a notebook, as Jupyter writes it."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    for notebook in NOTEBOOKS:
        write(run(read(notebook)), notebook)
