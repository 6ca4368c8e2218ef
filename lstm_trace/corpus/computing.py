"""The states of some sequences: sorted by length, computed in batches, given back without padding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..base.resources import at_most
from ..engine.plan_choice import Choice
from ..engine.request import RecordChoice
from ..model.model import Model
from .rows import Rows

#: A batch is closed where more than so much of it would be padding, if it is not small anyhow.
MOST_PADDED, SMALL = 0.5, 1 << 14


class Way(NamedTuple):
    """How states are computed: all that their bits depend on, beside the model, the input and the kind of machine.

    plan: fixed for all parts, since two plans differ by rounding. batch: sequences in a batch at most.
    """

    plan: Choice
    batch: int
    record: RecordChoice


def batches(lengths: Array, most: int, steps: float = math.inf) -> Iterator[Array]:
    """The places of the sequences of each batch: neighbours by length, since the longest decides for all of them.

    most: sequences in a batch. steps: in a batch, with its padding, if it is not one sequence alone.

    >>> [found.tolist() for found in batches(np.array([9, 2, 3, 2]), 3)]
    [[1, 3, 2], [0]]
    >>> [found.tolist() for found in batches(np.array([9, 2, 3, 2]), 3, steps=5)]
    [[1, 3], [2], [0]]
    """
    order = np.argsort(lengths, kind="stable")
    first, valid = 0, 0
    for at, length in enumerate(lengths[order]):
        size = (at - first + 1) * length
        if at > first and (
            at - first == most or size > steps or (size > SMALL and valid + length < MOST_PADDED * size)
        ):
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
            lengths = rows.lengths[batch]
            x = np.zeros((lengths.max(), len(batch), rows.x.shape[1]), rows.x.dtype)
            for b, k in enumerate(batch):
                x[: lengths[b], b] = rows.x[starts[k] : starts[k + 1]]
            trace = model.run(x, lengths=lengths, record=way.record, plan=way.plan, batch_first=False, hold=hold)
            for scope, lines in trace.lines.items():
                for name, values in lines.items():
                    if (scope, name) not in found:
                        found[scope, name] = np.empty((len(rows.x), values.shape[-1]), values.dtype)
                    here = found[scope, name]
                    for b, k in enumerate(batch):
                        here[starts[k] : starts[k + 1]] = values[: lengths[b], b]
    return found
