"""The downloadable files of a run, each identical to the output of the command line."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from pprint import pformat
from typing import Any, NamedTuple

from ..base.packaged import packaged
from ..errors import MissingError, OptionError, nearest, require_known
from ..export.formats import TABLE_FORMATS, TableFormat
from ..export.writers import ExportJob, export
from ..formulas.numbers import Style
from ..model.problem import problem, problem_text
from ..report.options import options_of
from ..report.report import pdf, report
from ..trace.files import trace_file
from ..trace.trace import Trace
from .asked import DownloadOptions
from .kept import opened

Options = Mapping[str, Any]
#: Maximum number of characters of a title in a file name.
LONGEST = 60
#: Media type by suffix, for files of runs and of the page.
MEDIA = packaged("runs/media.toml")["media"] | {suffix: each.media for suffix, each in TABLE_FORMATS.items()}
#: Options that become part of a problem, and those of a report. A workbook is in English, as on the command line.
HEADED, REPORT = ("title", "count_from"), tuple(DownloadOptions.model_fields)


class File(NamedTuple):
    """A function that makes a file (None: stored as it is), and the options that it accepts."""

    make: Callable[[Trace, Options], bytes] | None
    options: tuple[str, ...] = ()


def download(path: str, file: str, options: Options) -> tuple[bytes | None, str]:
    """Make a file of a run.

    Args:
        path: path of the trace of the run.
        file: one of `FILES`.
        options: some of those that the file accepts.

    Returns:
        Its content, None for the trace itself; and its file name.

    Raises:
        MissingError: if the file does not exist.
        OptionError: if the file does not accept an option or its value.
    """
    require_known("file", file, FILES, kind=MissingError)
    known = FILES[file].options
    if surplus := [name for name in options if name not in known]:
        takes = f"it takes {', '.join(known)}" if known else "it takes no options"
        raise OptionError(f"{file}: there is no option {', '.join(surplus)}{nearest(surplus[0], known)}; {takes}")
    said = {name: options[name] for name in HEADED if name in options}  # these become part of the trace
    options_of("text", count_from=said.get("count_from"))
    trace, options = opened(path), {name: value for name, value in options.items() if name not in said}
    trace = replace(trace, header=replace(trace.header, **said)) if said else trace
    stem = file.partition(".")[0]
    name = f"{stem_of(trace.header.title)}{'' if stem in ('problem', 'run') else f'-{stem}'}{Path(file).suffix}"
    make = FILES[file].make
    return None if make is None else make(trace, options), name


def stem_of(title: str) -> str:
    r"""A title as part of a file name, without characters that are special to a file system, a header or a shell.

    >>> stem_of("Question 22, the ../whole\r\nstep"), stem_of("…"), stem_of("Größe: 3")
    ('Question-22-the-whole-step', 'run', 'Größe-3')
    """
    text = re.sub(r"[\W_]+", "-", title).strip("-")
    whole = text[:LONGEST].rpartition("-")[0] if len(text) > LONGEST else text
    return whole or text[:LONGEST] or "run"


def _report(suffix: str, trace: Trace, options: Options) -> bytes:
    format = "text" if suffix == "txt" else suffix
    return pdf(trace, **options) if format == "pdf" else str(report(trace, format, **options)).encode()


def _notebook(trace: Trace, options: Options) -> bytes:
    """A notebook with the report and, below it, the program that makes the run."""
    text, program = str(report(trace, "md", math="dollars", **options)), _program(trace, {}).decode()
    said, code = ({"metadata": {}, "source": one.splitlines(keepends=True)} for one in (text, program))
    cells = [
        {"cell_type": "markdown", "id": "report", **said},
        {"cell_type": "code", "id": "run", **code, "outputs": [], "execution_count": None},
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}, indent=1).encode()


def _content(name: str, write: Callable[[Path], None]) -> bytes:
    """The bytes written to a file; the writers need a real file, since a workbook is assembled from parts."""
    with tempfile.TemporaryDirectory() as folder:
        write(path := Path(folder) / name)
        return path.read_bytes()


def _table(format: TableFormat) -> File:
    def make(trace: Trace, options: Options) -> bytes:
        job = ExportJob(trace, digits=Style(options.get("digits")))
        return _content(f"values{format.suffix}", partial(export, job))

    return File(make, (*(["digits"] if format.digits else []), *(HEADED if format.workbook else ())))


def _program(trace: Trace, _: Options) -> bytes:
    """A program that repeats the run and prints the requested values."""
    text = pformat(problem(trace), width=110, sort_dicts=False, compact=True).replace("\n", "\n" + " " * 10)
    return (
        '"""Repeats a run of lstm-trace, and prints the requested values."""\n\n'
        "import lstm_trace as lt\n\n"
        f"problem = {text}\n\n"
        f"trace = lt.run(problem)\n"
        "for address in trace.asked():\n"
        "    values = trace.at(address.layer, address.direction, address.t)[address.line]\n"
        "    print(address, values.tolist())\n"
    ).encode()


#: The files of a run.
FILES: dict[str, File] = {
    "problem.yaml": File(lambda trace, _: problem_text(problem(trace)).encode(), HEADED),
    **{f"report.{end}": File(partial(_report, end), REPORT) for end in ("html", "pdf", "md", "txt", "tex", "typ")},
    "report.ipynb": File(_notebook, REPORT),
    "trace.json": File(lambda trace, _: _content("trace.json", partial(trace_file.save, trace))),
    "trace.safetensors": File(None),
    **{f"values{suffix}": _table(each) for suffix, each in TABLE_FORMATS.items()},
    "run.py": File(_program, HEADED),
}
