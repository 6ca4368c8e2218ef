"""What a corpus is computed from, the key by which a finished part is recognized, and how its states are computed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from .. import __version__
from ..base.arrays import Array
from ..base.resources import at_most
from ..cell.lines import Cell, Operand
from ..cell.network import Scope
from ..engine.jit import installed
from ..engine.plan_choice import Choice
from ..engine.request import RecordChoice
from ..errors import OptionError
from ..explanation.memory import recurrence
from ..model.model import Model
from ..trace.address import columns_of
from .rows import Range, Rows, Sizes, Span, StateLayout, layout, pa

if TYPE_CHECKING:
    from .inputs.table_file import TableFile
    from .manifest import Manifest

#: A batch is closed if more than this share of it would be padding, unless it is small anyway.
MOST_PADDED, SMALL = 0.5, 1 << 14


class Way(NamedTuple):
    """How states are computed: everything their bits depend on besides the model, the input and the kind of machine.

    plan: fixed for all parts, since two plans differ by rounding. batch: the most sequences in a batch.
    """

    plan: Choice
    batch: int
    record: RecordChoice


def batches(lengths: Array, most: int, steps: float = math.inf) -> Iterator[Array]:
    """The places of the sequences of each batch: neighbours by length, since the longest decides for all of them.

    most: sequences in a batch. steps: in a batch, including padding, unless it is a single sequence.

    >>> [found.tolist() for found in batches(np.array([9, 2, 3, 2]), 3)]
    [[1, 3, 2], [0]]
    >>> [found.tolist() for found in batches(np.array([9, 2, 3, 2]), 3, steps=5)]
    [[1, 3], [2], [0]]
    """
    order = np.argsort(lengths, kind="stable")
    first, valid = 0, 0
    for at, length in enumerate(lengths[order]):
        size = (at - first + 1) * length
        full = at - first == most or size > steps or (size > SMALL and valid + length < MOST_PADDED * size)
        if full and at > first:
            yield order[first:at]
            first, valid = at, 0
        valid += length
    yield order[first:]


def states(model: Model, rows: Rows, way: Way, hold: Mapping[str, Any] | None = None) -> dict[tuple[str, str], Array]:
    """The recorded lines by scope and name, (R, width), in the order of the rows. hold: as `Model.run` takes it.

    On one thread: the number of threads decides in which order products are summed.
    """
    found: dict[tuple[str, str], Array] = {}
    starts = rows.starts
    with at_most(1, wait=True):
        for batch in batches(rows.lengths, way.batch):
            x, lengths = padded(rows, batch), rows.lengths[batch]
            trace = model.run(x, lengths=lengths, record=way.record, plan=way.plan, batch_first=False, hold=hold)
            for stage, line, values in trace.recorded():
                if (stage.scope, line.name) not in found:
                    found[stage.scope, line.name] = np.empty((len(rows.x), values.shape[-1]), values.dtype)
                here = found[stage.scope, line.name]
                for b, k in enumerate(batch):
                    here[starts[k] : starts[k + 1]] = values[: lengths[b], b]
    return found


def padded(rows: Rows, batch: Array) -> Array:
    """x of some of the sequences, by their places, with zeros after the shorter ones: (T, B, I)."""
    lengths, starts = rows.lengths[batch], rows.starts
    x = np.zeros((lengths.max(), len(batch), rows.x.shape[1]), rows.x.dtype)
    for b, k in enumerate(batch):
        x[: lengths[b], b] = rows.x[starts[k] : starts[k + 1]]
    return x


#: The version of the files; another version makes another part. 2: they are sealed.
VERSION = 2
#: Types in which states are stored: the model's type, or half of it.
Stored = Literal["float16", "float32", "float64"]
Files = Literal["parquet", "safetensors"]


def digest(model: Model) -> str:
    """SHA-256 of all that determines the values of a run besides its input: equations, network, weights, dtype."""
    found = hashlib.sha256()
    stages = [[s.layer, s.direction, s.cell.text, sorted(s.sources.items())] for s in model.stages(padded=True)]
    found.update(json.dumps([stages, model.header.dtype, model.defaults.arithmetic]).encode())
    for scope, here in sorted(model.weights.items()):
        for name, array in sorted(here.items()):
            found.update(json.dumps([scope, name, array.shape, str(array.dtype)]).encode())
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


@dataclass(frozen=True)
class CorpusJob:
    """A corpus that is to be computed; it can be pickled, and is small.

    folder: of the parts. source: of the sequences. way: how they are computed. manifest: the folder's description.
    """

    folder: Path
    source: TableFile
    way: Way
    manifest: Manifest

    def paths(self, number: int) -> list[Path]:
        """The files of a part; once the last one exists, the part is complete."""
        return [self.folder / name for name in self.manifest.files_of(number)]


def key_of(premises: Mapping[str, Any]) -> str:
    """SHA-256 of the premises of a job."""
    return hashlib.sha256(json.dumps(premises, sort_keys=True).encode()).hexdigest()


def premises_of(
    model: Model, inputs: str, way: Way, layout: StateLayout, dtype: Stored, format: Files, spans: Sequence[Span]
) -> dict[str, Any]:
    """Everything that determines the bytes of the parts, as plain data. inputs: their digest."""
    found = {"version": VERSION, "model": digest(model), "inputs": inputs, "plan": way.plan, "batch": way.batch}
    return found | said_again(layout, dtype, format, spans)


def said_again(layout: StateLayout, dtype: Stored, format: Files, spans: Sequence[Span]) -> dict[str, Any]:
    """The premises that a manifest also states in another place."""
    parts = hashlib.sha256(json.dumps(spans).encode()).hexdigest()
    return {"record": layout.record, "dtype": dtype, "format": format, "parts": parts}


def versions(plan: str) -> dict[str, str]:
    """The versions that digits of a part and bytes of its file depend on, in this process. plan: that computes it."""
    found = {"lstm-trace": __version__, "numpy": np.__version__, "pyarrow": pa.__version__}
    return found | {"llvmlite": version("llvmlite")} if plan == "compiled" else found


def others(wanted: Mapping[str, str], here: Mapping[str, str]) -> str:
    """In words, which versions are installed here instead of those wanted; empty if they are the same.

    >>> others({"numpy": "2.0.1", "pyarrow": "20.0"}, {"numpy": "2.3.0", "pyarrow": "20.0"})
    'numpy 2.3.0 instead of 2.0.1'
    """
    names = [name for name in here if name in wanted and here[name] != wanted[name]]
    return " and ".join(f"{name} {here[name]} instead of {wanted[name]}" for name in names)


def corpus_model(model: Model) -> Model:
    """A model as it is run over a corpus, in which every sequence begins from zero states.

    Raises OptionError for a problem with states, lines or holds of its own.
    """
    own = model.defaults
    if names := ", ".join((*own.initial, *own.given, *(["hold"] if own.hold else []))):
        said = f"{own.where or 'the model'} sets {names}"
        raise OptionError(f"{said}; in a corpus every sequence starts from zero states: remove it")
    return replace(model, defaults=type(own)(arithmetic=own.arithmetic, where=own.where), lookup=None, _works={})


def plan_of(model: Model) -> Choice:
    """The plan of all parts: never chosen by size, so that each part is the same whoever runs it, and when."""
    return "lines" if model.defaults.arithmetic is not None else "compiled" if installed() else "planned"


def recorded(
    model: Model, record: Sequence[str] | None, layers: Sequence[int] | None, width: int
) -> tuple[RecordChoice, StateLayout]:
    """What is stored. record: names of lines; the states that the cell carries if None. width: I.

    Raises MissingError for a line or layer that does not exist.
    """
    names = tuple(record or dict.fromkeys(line for stage in model.stages() for _, line in stage.cell.carry))
    wanted = RecordChoice(names, None if layers is None else tuple(layers))
    sizes = line_sizes(model, width, wanted)
    return wanted, layout(sizes, {key: _kind(model, *key) for key in sizes})


def line_sizes(model: Model, width: int, record: RecordChoice | None = None) -> Sizes:
    """The size of each line. width: I. record: all lines if None."""
    trace = model.run(np.zeros((2, 1, width)), lengths=[2], record=record, plan="lines", batch_first=False)
    every = ((scope, name, values) for scope, here in trace.lines.items() for name, values in here.items())
    return {(scope, name): (values.shape[-1], columns_of(trace, scope, name)) for scope, name, values in every}


def _kind(model: Model, scope: Scope, name: str) -> tuple[Range, str]:
    """The range of a line's values, and the gate by which the previous state is kept in it."""
    if (stage := next((stage for stage in model.stages() if stage.scope == scope), None)) is None:
        return "", ""
    ends = _ends(stage.cell, name)
    before = any(line.op == "tanh" and line.operands == (name,) for line in stage.cell.lines)
    found: Range = "before tanh" if ends is None and before else _RANGES[ends]
    if name in stage.carried and not model.defaults.hold:  # what is held does not follow its gate
        with suppress(OptionError):
            *_, (_, gate) = keeps = recurrence(stage, name).keeps
            return found, gate if len(keeps) == 1 and isinstance(gate, str) else ""
    return found, ""


_RANGES: dict[tuple[int, int] | None, Range] = {(0, 1): "gate", (-1, 1): "tanh", None: ""}


def _ends(cell: Cell, name: Operand) -> tuple[int, int] | None:
    """The bounds of the values of a line: gates, tanh, and products of them."""
    if (line := cell.by_name.get(str(name))) is None:
        return None
    if cell.opens(line):
        return 0, 1
    if line.op == "tanh":
        return -1, 1
    factors = [_ends(cell, operand) for operand in line.operands] if line.op == "mul" else [None]
    return None if None in factors else min(filter(None, factors))
