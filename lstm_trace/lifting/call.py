"""A call of somebody's step function: which argument is x, h, c or the weights, and which returned value is a state."""

from __future__ import annotations

import ast
import inspect
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import LiftError, OptionError, some

_X = ("x", "xt", "x_t", "inputs", "input", "inp", "input_t", "xs", "x_seq", "sequence")
_WEIGHTS = ("parameters", "params", "param", "weights", "theta", "model", "p", "w")
_STATES = {"h": ("h", "a", "hidden", "s", "state", "hx"), "c": ("c", "cell", "memory", "cx")}
_AROUND = ("prev", "previous", "t", "tm1", "old", "last", "in", "state", "states", "0", "next", "new", "out", "final")

OutputPath = tuple[Any, ...]


@dataclass
class StepCall:
    """How a function is called.

    places: a parameter to the role of its argument: None for x, a state, a tuple of states, `weights`, or
    ("weight", name).
    positional: parameters whose arguments are passed by position, in order.
    """

    function: Callable[..., Any]
    places: dict[str, Any] = field(default_factory=dict)
    positional: Sequence[str] = ()

    @property
    def named(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def arguments(self, x: Any, states: Mapping[str, Any], weights: Any) -> tuple[list[Any], dict[str, Any]]:
        """The arguments by position, and those by parameter."""
        found: dict[str, Any] = {}
        for name, role in self.places.items():
            if role is None:
                found[name] = x
            elif role == "weights":
                found[name] = weights
            elif role in states:
                found[name] = states[role]
            elif role[0] == "weight":
                found[name] = weights[role[1]]
            else:
                found[name] = namedtuple("States", role, rename=True)(*(states[one] for one in role))
        return [found.pop(name) for name in self.positional if name in found], found

    @property
    def order(self) -> list[str]:
        """The states in the order of the parameters."""
        roles = [(role,) if isinstance(role, str) else role for role in self.places.values() if role is not None]
        return [state for role in roles if role[0] != "weight" for state in role if state != "weights"]

    @property
    def tupled(self) -> tuple[str, ...]:
        """The states that are passed as one tuple."""
        return next((role for role in self.places.values() if isinstance(role, tuple) and role[0] != "weight"), ())

    def reordered(self) -> StepCall:
        """The same with the tuple of states the other way round."""
        turned = {name: role[::-1] if role == self.tupled else role for name, role in self.places.items()}
        return StepCall(self.function, turned, self.positional)


def understood(
    step: Any, weights: Any, states: Sequence[str], tuples: Mapping[str, tuple[str, ...]]
) -> StepCall:  # fmt: skip
    """Which parameter of a function or module is which. Raises OptionError, which names the parameters.

    tuples: parameters that take several of the states.
    """
    if isinstance(step, type):
        raise OptionError(f"step: expected a function or module, found the class {step.__name__}: make an object of it")
    step = getattr(step, "_orig_mod", getattr(step, "_torchdynamo_orig_callable", step))  # inside of torch.compile's
    if type(step).__module__.startswith("torch.jit"):
        raise OptionError("step: compiled by torch.jit: give the function or module that it was made from")
    function = step.forward if hasattr(step, "_modules") else step  # the call of a module has no signature
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise OptionError(f"step: expected a function or module, found {type(step).__name__}") from None
    if inspect.iscoroutinefunction(function):
        raise OptionError("step: expected a function or module, found one that is async: its values would come later")
    parameters, positional = _parameters(signature, weights, states)
    required = [name for name, needed in parameters.items() if needed]
    call = StepCall(step, positional=positional)
    called = f"{call.named} has the parameters {', '.join(parameters) or 'none'}"
    places, rest = call.places, list(parameters)

    def place(name: str, role: Any) -> None:
        places[name] = role
        rest.remove(name)

    if isinstance(weights, Mapping):
        for name in [name for name in rest if name in weights]:
            place(name, ("weight", name))
        unknown = [key for key in weights if key not in parameters]
        if places and unknown and not any(name in _WEIGHTS for name in rest):
            raise OptionError(f"weights: no parameter is called {some(unknown, 6)}; {called}")
    if weights is not None and not places:
        whole = next((name for name in rest if name.lower() in _WEIGHTS), None)
        if whole is None and len(required) > 1 and required[-1] not in states:
            whole = required[-1]
        if whole is None:
            raise OptionError(f"weights: no parameter takes them; {called}")
        place(whole, "weights")
    for name, role in tuples.items():
        if name not in rest:
            raise OptionError(f"states: no parameter is called {name}; {called}")
        place(name, role)
    left = [state for state in states if state not in call.order]
    for state in [state for state in left if state in rest]:
        place(state, state)
    if not rest:
        raise OptionError(f"x: no parameter takes it; {called}")
    others = [name for name in rest if not any(means(name, state) for state in states)]
    place(next((name for name in rest if name.lower().strip("_") in _X), (others or rest)[0]), None)
    left = [state for state in left if state not in call.order]
    needed = [name for name in rest if name in required]
    if len(left) > 1 and (len(needed) == 1 or len(rest) == 1):
        place((needed or rest)[0], tuple(left))
        left = []
    for state in list(left):
        if alike := [name for name in rest if means(name, state)]:
            place(alike[0], state)
            left.remove(state)
    for state in left:
        if not rest:
            kept = "a state that an object keeps, such as self.h, must become an argument that is returned"
            raise OptionError(f"{state}: no parameter takes it; {called}; {kept}")
        if state not in _STATES:
            raise OptionError(f"states: no parameter is called {state}; {called}")
        place(rest[0], state)
    if missing := [name for name in rest if name in required]:
        said = f"give them among the weights, or as states={{{missing[0]!r}: …}}"
        raise OptionError(f"{call.named} needs {', '.join(missing)} too; {said}")
    call.places = {name: places[name] for name in parameters if name in places}
    return call


def _parameters(
    signature: inspect.Signature, weights: Any, states: Sequence[str]
) -> tuple[dict[str, bool], list[str]]:  # fmt: skip
    """Whether each parameter needs an argument, by name, and the parameters that are passed by position.

    `*args` stands for x, the states and the weights, as far as no parameter before it does; `**kwargs` for weights.
    """
    found, positional = dict[str, bool](), list[str]()
    known = [*weights] if isinstance(weights, Mapping) else []
    kinds = {one.kind for one in signature.parameters.values()}
    for one in signature.parameters.values():
        if one.kind is one.VAR_POSITIONAL:
            rest = ["x", *states][len(found) :] + ([] if one.VAR_KEYWORD in kinds else known)
            found |= {name: True for name in rest if name not in found}
            positional = [*found]
        elif one.kind is one.VAR_KEYWORD:
            found |= {name: True for name in known if name not in found}
        else:
            found[one.name] = one.default is one.empty
            positional += [one.name] if one.kind is one.POSITIONAL_ONLY else []
    return found, positional


def means(name: str, state: str) -> bool:
    """Whether a variable is called like a state.

    >>> [means(name, "h") for name in ("prev_h", "hx", "a_prev", "h_tm1", "hprev", "next_c", "ht")]
    [True, True, True, True, True, False, True]
    """
    words = [word for word in name.lower().strip("_").split("_") if word not in _AROUND]
    known = _STATES.get(state, (state,))
    short = words[0] if words else name.lower()
    for around in ("prev", "next", "new", "t", "0"):
        if len(short) > len(around) and short not in known:
            short = short.removesuffix(around).removeprefix(around)
    return short in known


# -- what is returned --------------------------------------------------------------------------------------------------


def at(value: Any, path: OutputPath) -> Any:
    """The part of what a function returned that a path names."""
    for key in path:
        value = value[key]
    return value


def named_paths(value: Any, returns: str) -> dict[str, OutputPath]:
    """The paths by the names that `returns` gives: "h, c, cache", "out, (h, c)"."""
    wrong = OptionError(f"returns: expected names as in 'h, c, cache' or 'out, (h, c)', found {returns!r}")
    try:
        tree = ast.parse(returns.strip(), mode="eval").body
    except SyntaxError:
        raise wrong from None
    found: dict[str, OutputPath] = {}

    def walk(node: ast.expr, one: Any, path: OutputPath) -> None:
        if isinstance(node, ast.Name):
            found[node.id] = path
            return
        if not isinstance(node, (ast.Tuple, ast.List)):
            raise wrong
        if not isinstance(one, (tuple, list)) or len(one) != len(node.elts):
            there = f"{len(one)} values" if isinstance(one, (tuple, list)) else "one value"
            raise OptionError(f"returns: {returns!r} has {len(node.elts)} names, and the function returned {there}")
        for k, (part, own) in enumerate(zip(node.elts, one, strict=True)):
            walk(part, own, (*path, k))

    walk(tree, value, ())
    return found


def untold(states: Sequence[str], found: Sequence[str]) -> LiftError:
    """The error for a function that returns values of which it cannot be told which is a state."""
    which = " and ".join(f"the new {state}" for state in states)
    how = f"say which is which, as in returns='{', '.join([*states, 'other'])}'"
    return LiftError(f"it cannot be told which of the returned values ({', '.join(found)}) are {which}: {how}")
