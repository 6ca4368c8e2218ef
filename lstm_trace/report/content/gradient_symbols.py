"""The symbols of the gradients that adjoint stages compute: ∂L/∂c_t, ∂L/∂c_t|next, and w for the weights of L."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...cell.network import GIVEN, Stage, scope_and_name
from ...formulas.plain import Plain
from ...formulas.symbols import Symbol
from ...formulas.tree import Gradient, Node, Sym, value


def gradient_symbols(
    stages: Iterable[Stage], own: Mapping[str, Any], place: Callable[[Stage], str] = lambda stage: stage.owner
) -> dict[str, Symbol]:
    """For each gradient of the adjoint stages among `stages` its symbol.

    own: symbols that the author gave, which stay. place: a stage in words, for what an upper layer brings back.
    """
    scopes = {stage.scope: stage for stage in stages}
    adjoints = [stage for stage in scopes.values() if stage.cell.gradient]
    seeds = [name for stage in adjoints for name, source in stage.sources.items() if source == GIVEN]
    found: dict[str, Symbol] = {}
    for stage in adjoints:
        # of several values that have one gradient the first is the one that it was made for
        gradient = dict(reversed(stage.cell.gradient))
        functions = scopes[stage.owner].cell if stage.owner in scopes else stage.cell
        of = {new: value(name, functions) for new, name in gradient.items()}
        found |= {new: Symbol(node=Gradient(node)) for new, node in of.items()}
        times = Counter(gradient[state] for state in stage.cell.states)
        for state, line in stage.cell.carry:
            several = times[gradient[state]] > 1
            which = f", {Plain(own)(Sym(_state(stage, state, line)))}" if several else ""
            found[state] = Symbol(node=Gradient(of[state], f"next{which}"))
        for name, source in stage.sources.items():
            scope, line = scope_and_name(source)
            if source == GIVEN:
                weight = name.removeprefix("seed_")
                found[name] = Symbol("w", "t") if len(seeds) == 1 else Symbol("w", weight, word=True)
            elif scope in scopes and scopes[scope].cell.gradient:
                found[name] = Symbol(node=Gradient(_above(scopes[scope], line), place(scopes[scope])))
    return {name: symbol for name, symbol in found.items() if name not in own}


def _state(stage: Stage, state: str, line: str) -> str:
    """The state of the forward pass whose gradient a state of the adjoint brings: the one with its name."""
    names = [name for new, name in stage.cell.gradient if new == line]
    stem = state.removeprefix("d_").removesuffix("_next")
    return next((name for name in names if name.removesuffix("_prev") == stem), names[0])


def _above(stage: Stage, line: str) -> Node:
    """The input of an upper stage of which `line` is the gradient."""
    inputs = {source.rpartition("/")[2] for source in stage.sources.values()}
    names = [name for new, name in stage.cell.gradient if new == line]
    return value(next((n for n in names if n in inputs), names[0]), stage.cell)
