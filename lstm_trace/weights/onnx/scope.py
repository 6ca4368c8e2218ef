"""One graph of an ONNX model: its nodes, stored tensors and inputs by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: The sizes of a value's axes, None for those that are not known; None where nothing is.
Shape = tuple[int | None, ...] | None


@dataclass(eq=False)
class Scope:
    """One graph: the model's own, or the body of an If, Loop or Scan, which sees the names of those around it."""

    path: str
    parent: Scope | None
    tensors: dict[str, Any] = field(default_factory=dict)
    producers: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)  # of values, as the file notes them

    def home(self, name: str) -> Scope | None:
        """The innermost scope that has `name`."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.producers or name in scope.tensors or name in scope.inputs:
                return scope
            scope = scope.parent
        return None


def scope_of(graph: Any, path: str, parent: Scope | None) -> Scope:
    """The names of a graph. path: where it stands in the model. parent: the graph around it."""
    scope = Scope(path, parent)
    scope.tensors = {tensor.name: tensor for tensor in graph.initializer}
    scope.tensors |= {sparse.values.name: sparse for sparse in graph.sparse_initializer}
    # up to IR version 3 stored tensors stand among the inputs too: they are default values
    scope.inputs = {value.name: value for value in graph.input if value.name not in scope.tensors}
    noted = (v for v in (*graph.value_info, *graph.input, *graph.output) if v.type.tensor_type.HasField("shape"))
    scope.shapes = {v.name: tuple(d.dim_value or None for d in v.type.tensor_type.shape.dim) for v in noted}
    scope.producers = {output: node for node in graph.node for output in node.output if output}
    return scope


def standard(node: Any) -> bool:
    """Whether a node's operator is one of ONNX's own."""
    return node.domain in ("", "ai.onnx")
