"""A corpus: the states of a model over many sequences, in files that are read a unit at a time.

`run` writes `states/part-00000.parquet`, …, each determined by its range of the input; `open` returns the `States`,
which can find out what the units track (docs/corpus.md). Needs pyarrow; several processes or machines need Dask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..base import conveniences
from .running import run
from .states import States, opened as open

if TYPE_CHECKING:
    from ..tracking.ablate import Ablation

__all__ = ["States", "ablate", "open", "run"]


def ablate(model: Any, inputs: Any = None, units: Any = (), metric: str = "output", **options: Any) -> Ablation:
    """Hold units over a corpus, and measure what changes (docs/corpus.md, Ablation).

    Args:
        model: as `run` takes it; or the states of a corpus, or their folder, which contain their model and inputs.
        inputs: the sequences, as `run` takes them; those of the states if None.
        units: addresses, such as `c_t[35]` or `1/reverse/c_t[35]`.
        metric: `output`, the mean size of the change of the model's output; or a column of the inputs: for classes the
            accuracy, for numbers the mean size of the error.
        options: `to`, `readout`, `controls`, `max_steps`, `batch`, `seed`, and how the inputs are read, as for `run`;
            see `tracking.ablate`.

    Returns:
        A table of groups of units, each with its change and a 95 % interval over sequences, and a table by token.

    Raises:
        LstmTraceError: if the model, the inputs and the arguments do not fit together.
    """
    return conveniences.call("corpus.ablate", model, inputs, units, metric, **options)  # type: ignore[no-any-return]
