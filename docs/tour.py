"""Runs the tour beside this file, `tour.md`, block by block: `python -m docs.tour` writes its pictures.

`tests/slow_tour.py` compares what the page shows with what its blocks print.
"""

from __future__ import annotations

import io
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from click.testing import CliRunner

from lstm_trace.cli import main

PAGE = Path(__file__).with_name("tour.md")
PICTURES = Path(__file__).parent / "images" / "tour"
MODEL = Path("traces") / "unicode-thai"


class Block(NamedTuple):
    """A command or a piece of Python of the page.

    shown: what the page says that it prints. printed: what it prints. code: how it exits.
    """

    source: str
    shown: str
    printed: str
    code: int


def run(folder: Path) -> Iterator[Block]:
    """Run the blocks of the page one after the other, in a folder that has the model as the repository has it."""
    shutil.copytree(Path(__file__).parents[1] / MODEL, folder / MODEL)
    names: dict[str, Any] = {}
    found = re.findall(r"```(sh|python)\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", PAGE.read_text("utf-8"), re.S)
    with chdir(folder):
        for kind, source, shown in found:
            yield Block(source, shown, *(_command(source) if kind == "sh" else _python(source, names)))


def _command(source: str) -> tuple[str, int]:
    ran = CliRunner().invoke(main, shlex.split(source.replace("\\\n", ""), comments=True)[1:])
    return ran.output, ran.exit_code


def _python(source: str, names: dict[str, Any]) -> tuple[str, int]:
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(source, PAGE.name, "exec"), names)  # noqa: S102
    return printed.getvalue(), 0


def make(target: Path) -> None:
    """Write the pictures that the commands of the page draw."""
    with tempfile.TemporaryDirectory() as name:
        for block in run(Path(name)):
            if block.code not in (0, 1):
                raise SystemExit(f"{block.source}{block.printed}")
        for picture in Path(name).glob("*.svg"):
            shutil.copyfile(picture, target / picture.name)


if __name__ == "__main__":
    make(PICTURES)
