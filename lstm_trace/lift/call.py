"""A call of somebody's step function: which argument is x, h, c or weights, and what it returns."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError, some

_X = ("x", "xt", "x_t", "inputs", "input", "inp", "input_t", "xs", "X")
_WEIGHTS = ("parameters", "params", "param", "weights", "theta", "p", "w", "W")
_STATE = {"h": ("h", "a", "hidden", "s", "state", "hx"), "c": ("c", "cell", "memory", "cx", "m")}


@dataclass
class Call:
    """How a function is called. places: a parameter to the role of its argument: `x`, a state, a tuple of states,
    `weights`, or `weight` and its name. other: arguments that are passed as they are."""

    function: Callable[..., Any]
    places: dict[str, Any] = field(default_factory=dict)
    positional: bool = False

    def arguments(self, x: Any, states: Mapping[str, Any], weights: Any) -> dict[str, Any]:
        """The arguments, by parameter."""
        found: dict[str, Any] = {}
        for name, role in self.places.items():
            match role:
                case "x":
                    found[name] = x
                case "weights":
                    found[name] = weights
                case ("weight", key):
                    found[name] = weights[key]
                case tuple():
                    found[name] = tuple(states[one] for one in role)
                case _:
                    found[name] = states[role]
        return found


def understood(step: Any, weights: Any, states: list[str]) -> Call:
    """Which parameter is which. Raises OptionError that names the parameters."""
    function = step if inspect.isroutine(step) else getattr(step, "forward", step)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise OptionError(f"step: expected a function or module, found {type(step).__name__}") from None
    parameters = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in parameters]
    call = Call(step)
    if isinstance(weights, Mapping):
        call.places |= {name: ("weight", name) for name in names if name in weights}
        if call.places and (lost := [key for key in weights if key not in names]) and not _whole(names, call):
            raise OptionError(f"weights: {some(lost, 6)}: {function.__name__} has no such parameter; its parameters are {', '.join(names)}")
    rest = [name for name in names if name not in call.places]
    if weights is not None and not call.places:
        whole = next((name for name in _WEIGHTS if name in rest), None)
        if whole is None:
            required = [p.name for p in parameters if p.default is p.empty and p.name in rest]
            whole = required[-1] if len(required) > 1 + (len(states) > 0) else None
        if whole is None:
            raise OptionError(f"weights: no parameter of {function.__name__} takes them; its parameters are {', '.join(names)}")
        call.places[whole] = "weights"
        rest.remove(whole)
    for state in states:  # by its own name
        if state in rest:
            call.places[state] = state
            rest.remove(state)
    x = next((name for name in _X if name in rest), rest[0] if rest else None)
    if x is None:
        raise OptionError(f"{function.__name__} has no parameter for x; its parameters are {', '.join(names)}")
    call.places[x] = "x"
    rest.remove(x)
    open_states = [state for state in states if state not in call.places.values()]
    for state in list(open_states):
        if (name := next((n for n in rest if _means(n, state)), None)) is not None and not (len(open_states) > 1 and len(_required(parameters, rest)) == 1):
            call.places[name] = state
            rest.remove(name)
            open_states.remove(state)
    if len(open_states) > 1 and len(rest) == 1 or (len(open_states) > 1 and len(_required(parameters, rest)) == 1):
        name = (_required(parameters, rest) or rest)[0]
        call.places[name] = tuple(open_states)
        rest.remove(name)
        open_states = []
    for state in open_states:
        if not rest:
            raise OptionError(f"{state}: {function.__name__} has no parameter for it; its parameters are {', '.join(names)}")
        call.places[rest.pop(0)] = state
    missing = _required(parameters, rest)
    if missing:
        raise OptionError(f"{function.__name__} needs {', '.join(missing)} too; give them in weights, or as states={{'{missing[0]}': …}}")
    return call


def _whole(names: list[str], call: Call) -> bool:
    return any(name in _WEIGHTS for name in names if name not in call.places)


def _required(parameters: list[inspect.Parameter], rest: list[str]) -> list[str]:
    return [p.name for p in parameters if p.name in rest and p.default is p.empty]


def _means(name: str, state: str) -> bool:
    """Whether a parameter is called like a state: `prev_h`, `hx`, `a_prev`, `h_tm1`."""
    words = name.lower().strip("_").split("_")
    core = [word for word in words if word not in ("prev", "previous", "t", "tm1", "old", "last", "in", "state", "0", "next")] or words
    short = core[0].removesuffix("prev").removesuffix("x").removesuffix("0") or core[0]
    return short in _STATE.get(state, (state,)) or core[0] in _STATE.get(state, (state,))


def flat(value: Any) -> Iterator[Any]:
    """Every array in what a function returned, in order, tuples opened."""
    if isinstance(value, (tuple, list)):
        for one in value:
            yield from flat(one)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from flat(one)
    elif value is not None and hasattr(value, "shape"):
        yield value


def returned(value: Any, names: str) -> dict[str, Any]:
    """What a function returned, by the names that `returns` gives: "h, c, cache", "out, (h, c)"."""
    import ast

    try:
        tree = ast.parse(names.strip() or "()", mode="eval").body
    except SyntaxError:
        raise OptionError(f"returns: expected names as in 'h, c, cache' or 'out, (h, c)', found {names!r}") from None
    found: dict[str, Any] = {}

    def walk(node: ast.expr, one: Any) -> None:
        if isinstance(node, ast.Name):
            found[node.id] = one
            return
        if not isinstance(node, (ast.Tuple, ast.List)):
            raise OptionError(f"returns: expected names as in 'h, c, cache' or 'out, (h, c)', found {names!r}")
        if not isinstance(one, (tuple, list)) or len(one) != len(node.elts):
            there = f"{len(one)} values" if isinstance(one, (tuple, list)) else "one value"
            raise OptionError(f"returns: {names!r} has {len(node.elts)} names, and the function returned {there}")
        for part, own in zip(node.elts, one, strict=True):
            walk(part, own)

    walk(tree, value)
    return found
