"""What every named cell has: options, gates, and weights that an option brings into the equations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from ..options import check

Bias = Literal["none", "one", "two"]


@dataclass(frozen=True)
class Kind:
    """A named cell. The fields are its options; `equations` writes the cell down.

    gates: a letter for each gate: gate i has the weights `W_xi` and `W_hi` and the biases `b_i`, or `b_xi` and `b_hi`.
    brings: a weight to the option, with its value, that brings it into the equations; biases need no entry.
    needs, excludes: see `check`.
    bias: none, one or two vectors for each gate.
    """

    gates: ClassVar[str]
    brings: ClassVar[Mapping[str, tuple[str, Any]]] = {}
    needs: ClassVar[Mapping[str, Sequence[str]]] = {}
    excludes: ClassVar[Mapping[str, str]] = {}

    bias: Bias = "none"

    def __post_init__(self) -> None:
        check(self, self.needs, self.excludes)

    def equations(self) -> str:
        """The cell as text, in the grammar of `parse`."""
        raise NotImplementedError

    def terms(self, gate: str, state: str = "h_prev") -> tuple[list[str], list[str], list[str]]:
        """The terms of a gate's pre-activation: of the input, of the state, and the single bias; in this order.

        Frameworks add them so: W_x x, b_x, W_h h, b_h.
        """
        two = self.bias == "two"
        x, h = ([f"W_{side}{gate} @ {v}"] + [f"b_{side}{gate}"] * two for side, v in (("x", "x_t"), ("h", state)))
        return x, h, [f"b_{gate}"] * (self.bias == "one")

    def unread(self, name: str) -> str:
        """Why the equations do not read the weight `name`; empty where no option brings it in."""
        option, value = self.option_of().get(name, ("", None))
        if option and getattr(self, option) != value:
            return f": it needs the option {option}: {str(value).lower()}"
        return ""

    def misfits(self, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
        """What the sizes of one layer's weights get wrong that no single equation shows."""
        return []

    @classmethod
    def option_of(cls) -> dict[str, tuple[str, Any]]:
        """The option, with its value, of each weight that needs one."""
        biases = {f"b_{g}": ("bias", "one") for g in cls.gates}
        return biases | {f"b_{side}{g}": ("bias", "two") for g in cls.gates for side in "xh"} | dict(cls.brings)

    @classmethod
    def reads(cls, name: str) -> bool:
        """Whether the cell reads the weight `name` with some options."""
        return name in cls.option_of() or name in {f"W_{side}{g}" for g in cls.gates for side in "xh"}
