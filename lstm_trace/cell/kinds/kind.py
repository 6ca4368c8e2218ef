"""What every named cell has: options and the values that they take, gates, and weights that an option brings in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from numbers import Real
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from ...errors import OptionError, closest, raise_all
from ..composites import BUILT_IN
from ..lines import number
from ..ops import OPS

#: Activations that are one operation, with its constants. All others are composite functions.
ACTIVATIONS = ("sigmoid", "tanh", "relu", "elu", "softplus")


def apply(activation: str, value: str) -> str:
    """The text of an activation, given as `name` or `name(alpha, beta)`, of the expression `value`.

    >>> apply("leaky_relu(0.1)", "z_i"), apply("silu", "z_i")
    ('leaky_relu(z_i, 0.1)', 'silu(z_i)')
    """
    name, numbers = _parts(activation)
    return f"{name}({', '.join([value, *(number(float(n)) for n in numbers)])})"


def _parts(activation: str) -> tuple[str, list[str]]:
    """'leaky_relu(0.1)' as its name and the texts of its numbers."""
    name, mark, rest = activation.partition("(")
    return name.strip(), rest.removesuffix(")").split(",") if mark else []


def clipped(value: str, bound: float | None) -> str:
    """The text of `value` kept within ±bound; `value` itself without a bound."""
    return value if bound is None else f"clip({value}, -{number(bound)}, {number(bound)})"


def is_number(value: Any) -> bool:
    """True for a finite real number that is no bool."""
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def meant(name: str, known: Iterable[str]) -> str:
    """' (did you mean …?)', or an empty string when nothing is close."""
    close = closest(name, known)
    return f" (did you mean {close}?)" if close else ""


@cache
def _words(spec: Any) -> dict[str, tuple[str, ...]]:
    """The options that take one of a few words."""
    return {name: get_args(hint) for name, hint in get_type_hints(spec).items() if get_origin(hint) is Literal}


def _problem(name: str, default: Any, value: Any, words: Sequence[str]) -> str:
    if "clip" in name:
        return "" if value is None or (is_number(value) and value > 0) else "must be a positive number"
    if words:
        *most, last = words
        return "" if value in words else f"must be {', '.join(most)} or {last}"
    if name.endswith("activation"):
        return _activation_problem(value)
    if name == "layer_norm_epsilon":
        return "" if is_number(value) and value > 0 else "must be a positive number"
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "must be true or false"
    return "" if is_number(value) else "must be a number"


def _activation_problem(value: Any) -> str:
    known = {name: [constant for constant, _ in OPS[name].constants] for name in ACTIVATIONS}
    known |= {f.name: [*f.arguments[1:]] for f in BUILT_IN.values() if len(f.defaults) == len(f.arguments) - 1}
    name, numbers = _parts(str(value))
    if name not in known:
        return f"must be one of {', '.join(known)}{meant(name, known)}"
    constants = known[name]
    try:
        fits = len(numbers) <= len(constants) and all(math.isfinite(float(n)) for n in numbers)
    except ValueError:
        fits = False
    if fits and str(value).endswith(")") == bool(numbers):
        return ""
    return f"must be written {name}({', '.join(constants)}) with numbers" if constants else f"is {name} without numbers"


Bias = Literal["none", "one", "two"]


@dataclass(frozen=True)
class Kind:
    """A named cell. The fields are its options; `equations` writes the cell down.

    gates: a letter for each gate: gate i has the weights `W_xi` and `W_hi` and the biases `b_i`, or `b_xi` and `b_hi`.
    brings: a weight to the option, with its value, that brings it into the equations; biases need no entry.
    needs: option to those options of which one must be on for it to mean anything; excludes: to the option that it
    cannot stand beside. An option that would change no equation is refused, never ignored.
    bias: none, one or two vectors for each gate.
    """

    gates: ClassVar[str]
    brings: ClassVar[Mapping[str, tuple[str, Any]]] = {}
    needs: ClassVar[Mapping[str, Sequence[str]]] = {}
    excludes: ClassVar[Mapping[str, str]] = {}

    bias: Bias = "none"

    def __post_init__(self) -> None:
        problems = []
        for f in fields(self):
            value, needs, beside = getattr(self, f.name), self.needs.get(f.name, ()), self.excludes.get(f.name, "")
            problem = _problem(f.name, f.default, value, _words(type(self)).get(f.name, ()))
            if not problem and value != f.default:
                if needs and not any(getattr(self, other) for other in needs):
                    problem = f"changes nothing without {' or '.join(f'{other}: true' for other in needs)}"
                elif beside and getattr(self, beside):
                    problem = f"changes nothing beside {beside}: true"
            if problem:
                problems.append(f"option {f.name} {problem}; found {value!r}")
        raise_all(OptionError, problems)

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
