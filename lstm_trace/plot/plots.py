"""`trace.plot`: call it to draw gates and states over time; each kind of picture is a method.

The methods are the functions of `kinds/`, which are imported on use. `plots.pyi` declares them for editors; `make
golden` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MethodType
from typing import TYPE_CHECKING, Any

from .kinds import KINDS, USUAL, maker

if TYPE_CHECKING:
    from ..trace.trace import Trace
    from .figure import Figure


class _Kind:
    """A kind of picture as a method, bound to the trace of its object."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __get__(self, plots: Plots | None, owner: type) -> Any:
        return maker(self.kind) if plots is None else MethodType(maker(self.kind), plots.trace)


@dataclass(frozen=True)
class Plots:
    """The pictures of a trace: each method returns one, whose `data` has the values behind it.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="i_t", given={"h_t": [0.0]})
    >>> trace.plot().data.round(2)
       i_t[0]
    t
    0    0.62
    1    0.73
    """

    trace: Trace = field(repr=False)

    def __call__(self, *values: Any, **options: Any) -> Figure:
        """Draw gates and states over time, like `unit`."""
        return maker(USUAL)(self.trace, *values, **options)


for _kind in KINDS:
    setattr(Plots, _kind, _Kind(_kind))
