"""The symbols of the gradients that adjoint stages compute: ∂L/∂c_t, ∂L/∂c_t|next, and w for the weights of L."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import partial
from typing import Any

from ...cell.adjoint import read_by
from ...cell.network import SEED, Stage, scope_and_name
from ...formulas.plain import Plain
from ...formulas.symbols import Symbol, symbol
from ...formulas.tree import Baseline, Call, Gradient, Node, Num, Sym, value
from ...formulas.whole import on_paper


def gradient_symbols(
    stages: Iterable[Stage],
    own: Mapping[str, Any],
    place: Callable[[Stage], str] = lambda stage: stage.owner,
    equal: Callable[[str, str], bool] = lambda scope, name: False,
) -> dict[str, Symbol]:
    """For each gradient of the adjoint stages among `stages` its symbol.

    own: symbols that the author gave, which stay. place: a stage in words, for what an upper layer brings back.
    equal: of secants, whether a parameter of a scope is the same in both traces.
    """
    scopes = {stage.scope: stage for stage in stages}
    adjoints = [stage for stage in scopes.values() if stage.cell.gradient]
    seeds = [name for stage in adjoints for name in stage.weights]
    read = {s.scope: read_by(scopes[s.owner].active, s.cell) for s in adjoints if s.owner in scopes}
    slope = partial(Gradient, between=any(read.values()))
    found: dict[str, Symbol] = {}
    for stage in adjoints:
        # of several values that have one gradient the first is the one that it was made for
        gradient = dict(reversed(stage.cell.gradient))
        functions = scopes[stage.owner].cell if stage.owner in scopes else stage.cell
        of = {new: on_paper(value(name, functions)) for new, name in gradient.items()}
        found |= {new: Symbol(node=slope(node)) for new, node in of.items()}
        for new, (side, name) in read.get(stage.scope, {}).items():
            node = on_paper(value(name, functions))
            found[new] = _mean(name, own, equal(stage.owner, name)) if side == "mean" else Symbol(node=_base(node))
        times = Counter(gradient[state] for state in stage.cell.states)
        for state, line in stage.cell.carry:
            several = times[gradient[state]] > 1
            which = f", {Plain(own)(Sym(_state(stage, state, line)))}" if several else ""
            found[state] = Symbol(node=slope(of[state], f"next{which}"))
        for name, source in stage.sources.items():
            scope, line = scope_and_name(source)
            if name in stage.weights:
                weight = name.removeprefix(SEED)
                found[name] = Symbol("w", "t") if len(seeds) == 1 else Symbol("w", weight, word=True)
            elif scope in scopes and scopes[scope].cell.gradient:
                found[name] = Symbol(node=slope(_above(scopes[scope], line), place(scopes[scope])))
            elif stage.borrows(name) and name != line and name.isidentifier():  # what has no name got one
                found[name] = Symbol(node=on_paper(value(line, functions)))
    return {name: symbol for name, symbol in found.items() if name not in own}


def _base(node: Any) -> Any:
    """A formula of the values that the baseline has."""
    if isinstance(node, Sym):
        return Baseline(node)
    if isinstance(node, tuple):
        return tuple(map(_base, node))
    if isinstance(node, Num) or not is_dataclass(node) or isinstance(node, type):
        return node
    return replace(node, **{f.name: _base(getattr(node, f.name)) for f in fields(node)})


def _mean(name: str, own: Mapping[str, Any], equal: bool) -> Symbol:
    """The symbol of the mean of a matrix and the baseline's: a bar over its letter, where it is one."""
    plain = symbol(name, own)
    if equal:
        return Symbol(node=Sym(name))
    if plain.base and not (plain.tex or plain.name or plain.node or plain.accent or plain.upright or plain.power):
        return plain._replace(accent="bar")
    return Symbol(node=Call("mean", (Sym(name), Baseline(Sym(name)))))


def _state(stage: Stage, state: str, line: str) -> str:
    """The state of the forward pass whose gradient a state of the adjoint brings: the one with its name."""
    names = [name for new, name in stage.cell.gradient if new == line]
    stem = state.removeprefix("d_").removesuffix("_next")
    return next((name for name in names if name.removesuffix("_prev") == stem), names[0])


def _above(stage: Stage, line: str) -> Node:
    """The input of an upper stage of which `line` is the gradient."""
    inputs = {source.rpartition("/")[2] for source in stage.sources.values()}
    names = [name for new, name in stage.cell.gradient if new == line]
    return on_paper(value(next((n for n in names if n in inputs), names[0]), stage.cell))
