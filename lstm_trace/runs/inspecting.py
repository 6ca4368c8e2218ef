"""Identify an uploaded file as a problem, a trace or a model, with the readers of the command line: no unpickling.

The readers use a file's suffix and quote its name. So the file is read under the client's name for it, in a folder that
contains nothing else: neither messages nor references in the file (external data of ONNX) lead to files of ours.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..base import writing
from ..base.arrays import as_plain
from ..base.display import wrapped
from ..base.files import read_bytes
from ..cell.network import forward_stages
from ..cell.variants import named
from ..errors import FileError, counted, within
from ..examples import text
from ..languages.strings import words
from ..model.problem import prepare_problem, read_problem
from ..printable import message, printable
from ..results.inspection import ModelInspection, option_text, options_text
from ..store.files import LostFileError, as_label
from ..trace.files import trace_file
from ..trace.files.safetensors import is_tensors
from ..trace.trace import Header, Trace
from ..weights.formats.arrays import beside
from ..weights.read import Found, check_any, is_model, read_model
from .describing import check_values

Facts = dict[str, Any]
#: Labels with their texts.
Rows = Sequence[tuple[str, str]]
ROOMS = ".rooms"
YAML = (".yaml", ".yml")
#: Maximum size of a YAML problem: numbers of 20 MB took longer to read than any computation may.
MOST_YAML = 4_000_000


def inspect(path: str, label: str) -> Facts:
    """Identify a file.

    Args:
        path: path of the file.
        label: the client's name for it; its suffix determines how it is read.

    Returns:
        kind (problem, trace, model), text (for people to read), title, cell, sizes, found (each LSTM, GRU
        and RNN of a model), suffix (with which it must be read again).

    Raises:
        LstmTraceError: if it cannot be read; the reader's message, with the label as the file's name.
    """
    with alone(path, as_label(label)) as name:
        return {"suffix": Path(name).suffix.lower(), **as_plain(_facts(name), printable)}


def inspect_example(name: str) -> Facts:
    """Describe an example problem, in the form of `inspect`."""
    return _problem(f"{name}.yaml", text(name).encode())


@contextmanager
def alone(path: str, name: str) -> Iterator[str]:
    """Make a folder that contains only the file, under that name, the current one.

    It is created in a folder `.rooms` next to the file, so that the file can be linked instead of copied. Leftovers of
    a worker that was killed are removed by the next one.
    """
    source = os.path.realpath(path)
    rooms = Path(source).parent / ROOMS
    rooms.mkdir(mode=0o700, exist_ok=True)
    with writing.folder(rooms / "look", ".look") as room:
        try:
            os.link(source, Path(room, name))  # a symbolic link would lead readers to the file's own folder
        except FileNotFoundError:
            raise LostFileError(f"{name}: the file was deleted meanwhile") from None
        except OSError:  # the disk does not support links
            shutil.copyfile(source, Path(room, name))
        with chdir(room):
            yield name


def _facts(name: str) -> Facts:
    if is_model(name):
        return _model(name)
    if is_tensors(name):
        return _trace(name, trace_file.load(name))
    content = read_bytes(name)
    if not content.strip():
        raise FileError(f"{name}: the file is empty")
    if Path(name).suffix.lower() in YAML and len(content) > MOST_YAML:
        raise FileError(
            f"{name}: {len(content):,} bytes of YAML; a server reads up to {MOST_YAML:,}, since each million takes "
            "half a second: save it as .json, or the weights as .npz or .safetensors"
        )
    if trace_file.looks_like_one(content):
        return _trace(name, trace_file.load(name, content))
    return _problem(name, content)


def _model(name: str) -> Facts:
    found = ModelInspection(name, beside(name, read_model(name)))
    check_any(found, name)
    described = found.facts()
    usable = [facts for facts in described if "refused" not in facts]
    first = usable[0]
    more = f" ({len(usable)} in the file)" if len(usable) > 1 else ""
    sizes = first["sizes"] | {"layers": first["layers"], "directions": len(first["directions"])}
    cell = _cell(first["cell"], first["options"]) + more
    facts: Facts = {"kind": "model", "text": str(found), "title": "", "cell": cell, "sizes": sizes}
    return facts | {"found": described}


def _problem(name: str, content: bytes) -> Facts:
    model = prepare_problem(read_problem(name, content), name)
    base, sizes = model.defaults, {}
    more = [("x", "none in the file: it is given with a run")]
    with within(name):
        check_values(base.hold)
    if base.x is not None:  # without one, a problem may be a set of weights, to be run over another input
        fed, work = model.laid_out()
        sizes = {"T": fed.steps, "B": fed.batch, "I": base.x.shape[-1]}
        more = [("padding", fed.padded and f"marked by {fed.padded}"), ("values", f"{work.numbers:,} in a trace")]
    asked = ", ".join(base.ask) or "the output of the top layer" + ", and what extra ends in" * bool(model.extra)
    more += [("given", ", ".join(base.given)), ("initial", ", ".join(base.initial)), ("asked", asked)]
    return _described(name, "problem", model.header, model.weights, sizes, more)


def _trace(name: str, trace: Trace) -> Facts:
    header, stages = trace.header, forward_stages(trace.stages)
    held = [array for lines in trace.lines.values() for array in lines.values()]
    at = f"step {trace.first}" if trace.steps == 1 else f"steps {trace.first} to {trace.span[-1]}"
    more = [
        ("lines", f"{counted(len(held), 'line')} with {sum(array.size for array in held):,} values, {at}"),
        ("padding", trace.padded and f"marked by {trace.padded}"),
        ("gradients", "yes" if len(stages) < len(trace.stages) else ""),
        ("arithmetic", header.arithmetic or ""),
        ("asked", ", ".join(header.ask)),
    ]
    sizes = {"T": trace.steps, "B": trace.batch} | ({} if trace.x is None else {"I": trace.x.shape[-1]})
    return _described(name, "trace", header, trace.parameters, sizes, more)


def _described(name: str, kind: str, header: Header, weights: Mapping[str, Any], sizes: Facts, more: Rows) -> Facts:
    """The facts of a problem or trace, with the rows that both have in their text. more: further rows, if not empty."""
    arrays = {f"{scope}/{key}": array for scope, here in weights.items() for key, array in here.items()}
    network = Found("", "", arrays)
    layers, directions = max(network.layers, 1), network.directions or ("forward",)
    options: Mapping[str, Any] = {}
    if header.kind != "equations":
        plain = named(header.kind, {"bias": header.options["bias"]})[1]
        options = {key: value for key, value in header.options.items() if value != plain.get(key)}
    sizes = {**sizes, **{size: number for size, number in network.sizes().items() if size != "P"}}
    numbers = sum(np.size(array) for array in arrays.values())
    biases = f"inspect.bias{'.rnn' if header.kind == 'rnn' else ''}.{header.options.get('bias')}"
    said = [
        ("title", header.title or "none"),
        ("cell", words("en").word(f"cell.{header.kind}")),
        ("options", options_text(options)),
        ("biases", words("en").word(biases) if "bias" in header.options else ""),
        ("layers", f"{layers}, {' and '.join(directions)}"),
        ("sizes", ", ".join(f"{size} = {number}" for size, number in sizes.items())),
        ("parameters", f"{numbers:,} numbers in {counted(len(arrays), 'array')}, {header.dtype}"),
        *more,
        *(("imported", one) for one in header.imported),
        *(("mistake", one) for one in header.mistakes),
    ]
    rows = (row for label, one in said if one for row in wrapped(message(one), 78, f"  {label:<12}", " " * 14))
    return {
        "kind": kind,
        "text": "\n".join([f"{name}: a {kind}", "", *rows]),
        "title": header.title,
        "cell": _cell(header.kind, options),
        "sizes": {**sizes, "layers": layers, "directions": len(directions)},
        "found": [],
    }


def _cell(kind: str, options: Mapping[str, Any]) -> str:
    """A cell and its special options, in a few searchable words."""
    said = (key if value is True else f"{key} {option_text(value)}" for key, value in options.items())
    return ", ".join([kind, *said])
