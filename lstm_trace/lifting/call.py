"""A call of somebody's step function: which argument is x, h, c or the weights, and which returned value is a state."""

from __future__ import annotations

import ast
import inspect
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..base.packaged import packaged
from ..errors import LiftError, OptionError, some
from .tape import CodeLine

_X = ("x", "xt", "x_t", "inputs", "input", "inp", "input_t", "xs", "x_seq", "sequence")
_WEIGHTS = ("parameters", "params", "param", "weights", "theta", "model", "p", "w")
_STATES = {"h": ("h", "a", "hidden", "s", "state", "hx"), "c": ("c", "cell", "memory", "cx")}
_AROUND = frozenset(packaged("lifting/tables.toml")["around"])

OutputPath = tuple[Any, ...]


@dataclass
class StepCall:
    """How a function is called.

    places: a parameter to the role of its argument: None for x, a state, a tuple of states, `weights`, or
    ("weight", name).
    positional: parameters whose arguments are passed by position, in order. needed: whether each parameter needs an
    argument.
    """

    function: Callable[..., Any]
    needed: Mapping[str, bool]
    positional: Sequence[str]
    places: dict[str, Any] = field(default_factory=dict)

    @property
    def named(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    @property
    def where(self) -> str:
        """Its name, after the line at which it begins if that is known."""
        code = getattr(inspect.unwrap(getattr(self.function, "forward", self.function)), "__code__", None)
        return f"{CodeLine(code.co_filename, code.co_firstlineno)}: {self.named}" if code else self.named

    def arguments(self, x: Any, states: Mapping[str, Any], weights: Any) -> tuple[list[Any], dict[str, Any]]:
        """The arguments by position, and those by parameter."""
        known: dict[Any, Any] = {**states, None: x, "weights": weights}
        if isinstance(weights, Mapping):
            known |= {("weight", name): one for name, one in weights.items()}
        for role in self.places.values():
            if role not in known:
                known[role] = namedtuple("States", role, rename=True)(*(states[one] for one in role))
        found = {name: known[role] for name, role in self.places.items()}
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
        """The same with h and c the other way round."""
        other = {"h": "c", "c": "h"}
        turned = {
            name: tuple(other.get(one, one) for one in role) if role == self.tupled else other.get(role, role)
            for name, role in self.places.items()
        }
        return replace(self, places=turned)

    # -- parameters get their roles, one kind after the other --

    @property
    def rest(self) -> list[str]:
        """The parameters without a role."""
        return [name for name in self.needed if name not in self.places]

    @property
    def required(self) -> list[str]:
        """Those of them that need an argument."""
        return [name for name in self.rest if self.needed[name]]

    def refusal(self, reason: str, end: str = "") -> OptionError:
        """The error for an argument that no parameter takes."""
        return OptionError(f"{reason}; {self.named} has the parameters {', '.join(self.needed) or 'none'}{end}")

    def give_weights(self, weights: Any, states: Sequence[str]) -> None:
        """By name if parameters are called like them, or as a whole to one parameter."""
        if isinstance(weights, Mapping):
            self.places.update({name: ("weight", name) for name in self.rest if name in weights})
            unknown = [key for key in weights if key not in self.needed]
            if self.places and unknown and not any(name in _WEIGHTS for name in self.rest):
                raise self.refusal(f"weights: no parameter is called {some(unknown, 6)}")
        if not self.places:
            last = self.required[-1:] if len(self.required) > 1 and self.required[-1] not in states else []
            whole = [name for name in self.rest if name.lower() in _WEIGHTS] or last
            if not whole:
                raise self.refusal("weights: no parameter takes them")
            self.places[whole[0]] = "weights"

    def give_named_states(self, states: Sequence[str], tuples: Mapping[str, tuple[str, ...]]) -> None:
        """Tuples of states, and states that parameters are called exactly like."""
        if lost := [name for name in tuples if name not in self.rest]:
            raise self.refusal(f"states: no parameter is called {lost[0]}")
        self.places.update(tuples)
        known = self.order
        self.places.update({state: state for state in states if state not in known and state in self.rest})

    def give_x(self, states: Sequence[str]) -> None:
        """To the parameter that is called like it, or to the first that is not called like a state."""
        if not self.rest:
            raise self.refusal("x: no parameter takes it")
        called = [name for name in self.rest if name.lower().strip("_") in _X]
        others = [name for name in self.rest if not any(means(name, state) for state in states)]
        self.places[[*called, *others, *self.rest][0]] = None

    def give_other_states(self, left: Sequence[str]) -> None:
        """To parameters that are called like them, or in order; to the only one that is left as a tuple."""
        one = [names[0] for names in (self.required, self.rest) if len(names) == 1]
        if len(left) > 1 and one:
            self.places[one[0]] = tuple(left)
            return
        for state in left:
            if alike := [name for name in self.rest if means(name, state)]:
                self.places[alike[0]] = state
        for state in [state for state in left if state not in self.order]:
            if not self.rest:
                kept = "; a state that an object keeps, such as self.h, must become an argument that is returned"
                raise self.refusal(f"{state}: no parameter takes it", kept)
            if state not in _STATES:
                raise self.refusal(f"states: no parameter is called {state}")
            self.places[self.rest[0]] = state


def understood(step: Any, weights: Any, states: Sequence[str], tuples: Mapping[str, tuple[str, ...]]) -> StepCall:
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
    call = StepCall(step, *_parameters(signature, weights, states))
    if weights is not None:
        call.give_weights(weights, states)
    call.give_named_states(states, tuples)
    call.give_x(states)
    call.give_other_states([state for state in states if state not in call.order])
    if missing := call.required:
        said = f"give them among the weights, or as states={{{missing[0]!r}: …}}"
        raise OptionError(f"{call.named} needs {', '.join(missing)} too; {said}")
    call.places = {name: call.places[name] for name in call.needed if name in call.places}
    return call


def _parameters(signature: inspect.Signature, weights: Any, states: Sequence[str]) -> tuple[dict[str, bool], list[str]]:
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
    >>> means("new_short_memory", "short_memory"), means("long_memory", "short_memory"), means("u_t", "u_prev")
    (True, False, True)
    """
    known, words = _STATES.get(state, ()), _words(name)
    if not known:  # a name of the author's own
        return words == _words(state)
    short = words[0]
    for around in ("prev", "next", "new", "t", "0"):
        if len(short) > len(around) and short not in known:
            short = short.removesuffix(around).removeprefix(around)
    return short in known


def _words(name: str) -> list[str]:
    """The words of a name without those that say which step it is of."""
    low = name.lower().strip("_")
    return [word for word in low.split("_") if word and word not in _AROUND] or [low]


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
    if len(found) < len(states):
        how = "each state must be returned, also one that is changed in place"
    return LiftError(f"it cannot be told which of the returned values ({', '.join(found)}) are {which}: {how}")
