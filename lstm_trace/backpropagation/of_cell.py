"""The adjoint of a cell that is named, or given by its equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..cell.adjoint import adjoint as written
from ..cell.lines import Cell
from ..cell.network import Stage
from ..cell.variants import extended
from ..errors import MissingError, OptionError, nearest
from ..model.build import cell_of
from ..trace.argument_types import KINDS, checked, listed
from .stages import seed_names

KINDS["str | Mapping[str, Any] | Cell"] = (
    (str, Mapping, Cell),
    "a cell: its name, its equations, a mapping as in {'kind': 'lstm', 'peephole': True}, or a Cell",
)


@checked
def adjoint(
    cell: str | Mapping[str, Any] | Cell,
    seeds: Sequence[str] | str | None = None,
    widths: Mapping[str, int] | None = None,
) -> Cell:
    """The adjoint of a cell as a cell: back-propagation through one step, written down as equations.

    Args:
        cell: a name, a mapping with `kind` and options or with `equations`, as `lt.run` takes it; the equations
            themselves; or a cell. Where no option `bias` says otherwise, a named cell has no biases.
        seeds: the lines whose weighted sum is differentiated; the output if None.
        widths: of lines, states and inputs; needed where the cell concatenates.

    Returns:
        A cell that runs against time. Its inputs are the weights (`seed_h_t`) and the lines of the cell that it reads;
        `sums` are the gradients of the parameters; `gradient` says which line is the gradient of what. `print` shows
        its equations, and `adjoint` takes it again.

    Raises:
        OptionError: for a cell or an option that there is not.
        CellError: for wrong equations, or where a width is needed.
        MissingError: for a seed that is no line of the cell.

    >>> print(adjoint("z_t = W_x @ x_t\\nh_t = tanh(z_t)"))
    input: seed_h_t, x_t, h_t
    d_h_t = seed_h_t
    d_z_t = d_h_t * (1 - h_t * h_t)
    d_x_t = d_z_t @ W_x
    sum: d_W_x <- outer(d_z_t, x_t)
    gradient: d_h_t <- h_t, d_z_t <- z_t, d_x_t <- x_t, d_W_x <- W_x
    output: d_x_t
    """
    own = cell if isinstance(cell, Cell) else _read(cell)
    lines = (own.output,) if seeds is None else listed("seeds", seeds)
    known = {*own.by_name, *own.inputs, *own.states}
    for name in lines:
        if name not in known:
            raise MissingError(f"seeds: the cell has no line {name!r}{nearest(name, own.by_name, 'its lines are')}")
    named = seed_names(Stage(0, "forward", own, {}), lines)
    return written(own, {name: (fed,) for name, fed in named.items()}, widths)


def _read(cell: str | Mapping[str, Any]) -> Cell:
    """The cell of one direction. Raises OptionError, CellError."""
    if isinstance(cell, str):
        cell = {"equations": cell} if "=" in cell else {"kind": cell}
    spec = dict(cell)
    extra = spec.pop("extra", "")
    found, reverse, *_ = cell_of(spec, set())
    if reverse is not None:
        raise OptionError("option reverse: the adjoint is that of one direction; give the options of that direction")
    return extended(found, extra) if extra else found
