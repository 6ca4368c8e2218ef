"""What is zero at a place, so that its products are left out of what is worked out there."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

import numpy as np

from ...cell.lines import Line, Operand
from ...view.view import Place, View

_PRODUCTS = ("matvec", "vecmat", "mul")


@dataclass
class Zeros:
    """off: whether nothing is left out. names: the inputs and states for which something was, in order."""

    shown: View
    place: Place
    off: bool = False
    names: dict[str, None] = field(default_factory=dict)

    def adds_nothing(self, operand: Operand, inner: Container[str]) -> bool:
        """Whether a term of a sum is left out: a product with what is zero, or a parameter that is."""
        if not isinstance(operand, str):
            return False
        if operand in self.place.stage.cell.by_name:
            return self.vanishes(operand, inner)
        return operand in self._parameters and not self.off and self._is_zero(operand)

    def vanishes(self, name: str, inner: Container[str]) -> bool:
        """Whether a line is zero since it is a product with what is given as zero, or a sum of such products.

        inner: the lines that are written out where it stands; of others the value stands there.
        """
        line = self.place.stage.cell.by_name[name]
        if self.off or not self._is_zero(name) or line.call:
            return False
        if line.op in _PRODUCTS:
            return any(self._given_as_zero(operand, inner) for operand in _weights_first(line))
        if line.op == "add":
            return all(self.adds_nothing(operand, inner) for operand in line.operands)
        return line.op == "neg" and self._given_as_zero(line.operands[0], inner)

    def _given_as_zero(self, operand: Operand, inner: Container[str]) -> bool:
        if not isinstance(operand, str):
            return operand == 0
        if operand in self.place.stage.cell.by_name:
            return operand in inner and self.vanishes(operand, inner)
        if not self._is_zero(operand):
            return False
        if operand not in self._parameters:
            self.names[operand] = None
        return True

    @property
    def _parameters(self) -> Container[str]:
        return self.shown.trace.parameters.get(self.place.stage.scope, {})

    def _is_zero(self, name: str) -> bool:
        values = self.shown.values.array(self.place.stage.scope, name)
        if values is None:
            return False
        if values.ndim < 3:
            return not np.any(values)
        scope, t, b = self.place.stage.scope, self.place.t, self.place.b
        shown = (self.shown.values.num(scope, name, t, b, (j,)).shown for j in range(values.shape[-1]))
        return all(one.fraction == 0 for one in shown)  # as it is printed: but for rounding


def _weights_first(line: Line) -> tuple[Operand, ...]:
    """The operands of a product, first what is not a vector: weights are said to be zero once for all steps."""
    return (line.operands[1], line.operands[0]) if line.op == "vecmat" else line.operands
