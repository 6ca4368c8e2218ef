"""Where a value of an ONNX model comes from, past the operators that only move its numbers, and that in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .fold import FOLDS, MOVES
from .scope import Scope, standard

#: Longest chain of operators between stored numbers and a value that is folded, or between a value and its origin.
DEEPEST = 100


class Origin(NamedTuple):
    """Where a value comes from: the operators that only move its numbers, last first, then what made them.

    node: the node that made it, None for an input of a graph or a stored tensor. name: the value's name there. moved:
    the operators in words; a look-up in a stored table is followed by its indices, and names the table.
    """

    moves: tuple[Any, ...]
    scope: Scope
    node: Any
    name: str
    moved: tuple[str, ...] = ()


def origin(scope: Scope, name: str) -> Origin:
    """Where a value comes from, past the operators that only move its numbers."""
    moves: list[Any] = []
    moved: list[str] = []
    home = scope.home(name) or scope
    while name in home.producers and len(moves) < DEEPEST:
        node = home.producers[name]
        passes = node.op_type in MOVES or (node.op_type == "Dropout" and len(node.input) < 3)  # not in training
        if not standard(node) or not passes:
            break
        looked_up = node.op_type == "Gather" and _stored(home, node.input[:1]) and len(node.input) > 1
        looked_up = looked_up and not _stored(home, node.input[1:])
        moves.append(node)
        moved.append(f"Gather of {_table(home, node.input[0])}" if looked_up else node.op_type)
        name = node.input[looked_up] if node.input else ""
        home = home.home(name) or home
    return Origin(tuple(moves), home, home.producers.get(name), name, tuple(moved))


def _stored(scope: Scope, names: Sequence[str]) -> bool:
    """Whether the numbers of values are stored in the file, moved, joined or scaled at most."""
    pending = [(scope, name) for name in names]
    seen: set[tuple[Scope, str]] = set()
    while pending:
        scope, name = pending.pop()
        home = scope.home(name)
        if home is None or name in home.inputs or len(seen) > DEEPEST:
            return False
        if (home, name) in seen or name in home.tensors:
            continue
        seen.add((home, name))
        node = home.producers[name]
        if not standard(node) or node.op_type not in {"Constant", *FOLDS}:
            return False
        sized = node.op_type in MOVES - {"Gather"}  # its other inputs are axes and sizes
        pending += [(home, name) for name in (node.input[:1] if sized else node.input) if name]
    return True


def _table(scope: Scope, name: str) -> str:
    """A stored table in words: its own name, where it is only moved, and its shape."""
    at = origin(scope, name)
    own = at.scope.tensors.get(at.name)
    return name if own is None else f"{at.name}{sizes(own.dims)}"


def described(origin: Origin) -> str:
    """Where a value comes from, in words: 'the model's input x (B, T, 40), through Transpose'."""
    through = ", ".join(dict.fromkeys(reversed(origin.moved)))
    through = f", through {through}" if through else ""
    if origin.node is not None:
        kind = origin.node.op_type if standard(origin.node) else f"{origin.node.domain}.{origin.node.op_type}"
        called = origin.node.name or repr(origin.name)
        return f"the output of {called} ({kind}){through}"
    if (stored := origin.scope.tensors.get(origin.name)) is not None:
        return f"the stored {origin.name}{sizes(stored.dims)}{through}"
    value = origin.scope.inputs.get(origin.name)
    if value is None:
        return f"{origin.name!r}, which is nowhere in the file{through}"
    owner = "the model's input" if origin.scope.parent is None else f"the input of {origin.scope.path.rstrip('/')},"
    return f"{owner} {origin.name}{_shape(value)}{through}"


def _shape(value: Any) -> str:
    if not value.type.HasField("tensor_type") or not value.type.tensor_type.HasField("shape"):
        return ""
    dims = value.type.tensor_type.shape.dim
    return sizes(d.dim_param or (str(d.dim_value) if d.HasField("dim_value") else "?") for d in dims)


def sizes(dims: Iterable[Any]) -> str:
    """The sizes of axes, in brackets after a name."""
    return f" ({', '.join(map(str, dims))})"
