"""A corpus: the states of a model over many sequences, in files that are read a unit at a time.

`run` writes `states/part-00000.parquet`, …, each determined by its range of the input; `open` returns the `States`,
which can find out what the units track (docs/corpus.md). Needs pyarrow; several processes or machines need Dask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from ..base.conveniences import Convenience
from .inputs import SequenceReading
from .running import run
from .states import States, opened as open

if TYPE_CHECKING:
    from ..tracking.ablate import Ablation

__all__ = ["States", "ablate", "open", "run"]


def ablate(
    model: Any, inputs: Any = None, units: Sequence[str] | str = (), metric: str = "output", *, to: float | str = 0.0,
    readout: str | None = None, controls: int = 5, max_steps: int = 50_000, batch: int = 64, seed: int = 0,
    **reading: Unpack[SequenceReading],
) -> Ablation:  # fmt: skip
    """Hold units over a corpus, and measure what changes (docs/corpus.md, Ablation).

    Args:
        model: as `run` takes it; or the states of a corpus, or their folder, which contain their model and inputs.
        inputs: the sequences, as `run` takes them; those of the states if None.
        units: addresses, such as `c_t[35]` or `1/reverse/c_t[35]`.
        metric: `output`, the mean size of the change of the model's output; or a column of the inputs: for classes the
            accuracy, for numbers the mean size of the error.
        to: the value to hold them at, or a factor, `"*0.5"`.
        readout: the line whose largest unit is the predicted class.
        controls: the number of random groups of other units.
        max_steps: whole sequences are drawn, with at most this many steps in total.
        batch: how many sequences are computed at once.
        seed: random seed.
        reading: how the inputs are read, as for `run`.

    Returns:
        A table of groups of units, each with its change and a 95 % interval over sequences, and a table by token.

    Raises:
        LstmTraceError: if the model, the inputs and the arguments do not fit together.
    """
    options = {"to": to, "readout": readout, "controls": controls, "max_steps": max_steps, "batch": batch, "seed": seed}
    return Convenience["Ablation"]("corpus.ablate")(model, inputs, units, metric, **options, **reading)
