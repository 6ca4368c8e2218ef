"""`lift`: a function of one step as a cell."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import Arithmetic, Recorded
from .tape import LiftError, Tape
from ..cell.variants import named
from .naming import recognised
from .writing import Expr, Reader, Writer, uses


@contextmanager
def watching(tape: Tape, own: str):
    """Note which local variable holds which numbers, after every line of the user's code."""

    def note(frame: Any) -> None:
        for name, value in list(frame.f_locals.items()):
            if isinstance(value, Recorded) and value.ids.size and name.isidentifier():
                tape.names.setdefault(value.ids.tobytes(), name)

    def trace(frame: Any, event: str, _: Any) -> Any:
        file = frame.f_code.co_filename
        if file.startswith(tape.skipped) or file.startswith("<frozen"):
            return None
        note(frame)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def made_arrays(math: Arithmetic):
    """Arrays that the code makes while it is recorded are recorded too, so that values can be written into them."""
    originals = {name: getattr(np, name) for name in ("zeros", "empty", "ones", "full")}

    def maker(name: str) -> Callable[..., Any]:
        def made(shape: Any, *args: Any, **kwargs: Any) -> Any:
            plain = originals[name](shape, *args, **kwargs)
            if plain.dtype.kind != "f" or math.tape.place() is None or _internal():
                return plain
            return Recorded(np.array(np.broadcast_to(math.ids(np.zeros_like(plain) if name == "empty" else plain), plain.shape)), math)

        return made

    def _internal() -> bool:
        return sys._getframe(2).f_code.co_filename.startswith(math.tape.skipped)

    for name in originals:
        setattr(np, name, maker(name))
    try:
        yield
    finally:
        for name, function in originals.items():
            setattr(np, name, function)


def record(step: Callable[..., Any], weights: Mapping[str, Any], x: Any, states: Mapping[str, Any]) -> tuple[Tape, Any, dict]:
    tape = Tape((np.__path__[0],))
    math = Arithmetic(tape)
    def weight(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: weight(str(key), one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(weight(f"{name}_{k}", one) for k, one in enumerate(value))
        ids = tape.source("weight", value, name=name)
        tape.weights[tape.starts[-1]] = (name, ids)
        return Recorded(ids, math)
    tape.weights = {}
    inside = {name: weight(name, value) for name, value in weights.items()}
    roles = {}
    rec = {}
    for name, value, role in (("x", x, "x_t"), *((n, v, f"{n}_prev") for n, v in states.items())):
        ids = tape.source("x" if name == "x" else "state", value, 0)
        roles[tape.starts[-1]] = role
        rec[name] = Recorded(ids.copy(), math)
    parameters = list(inspect.signature(step).parameters)
    given = {name: inside[name] for name in parameters if name in inside}
    rest = [name for name in parameters if name not in given]
    names = dict(states)
    order = {}
    if "x" in rest: order["x"] = "x"
    for name in rest:
        low = name.lower()
        if name in order: continue
        for state in states:
            if state not in order.values() and (low == state or low.startswith(state) or low.endswith(state) or (state == "h" and low.startswith("a"))):
                order[name] = state
                break
    left = [n for n in rest if n not in order]
    for value in ("x", *states):
        if value not in order.values() and left:
            order[left.pop(0)] = value
    if left and len(left) == 1:
        given[left[0]] = inside
    given |= {name: rec[value] for name, value in order.items()}
    with made_arrays(math), watching(tape, ""):
        out = step(**given)
    return tape, out, roles


def lift(step, weights, x, returns, **states):
    tape, out, roles = record(step, weights, np.asarray(x)[0], states)
    reader = Reader(tape, roles)
    values = {}
    for name, value in zip(returns, out if isinstance(out, tuple) else (out,)):
        if name:
            values[name] = reader.vector(value.ids.reshape(-1))
    text, arrays, names = written(tape, {n: values[n] for n in states}, values["h"], {n: e for n, e in values.items() if n not in states})
    return text, arrays, tape


def written(tape, states, output, others):
    """The text of a cell and its weights."""
    def wanted(expr):
        first = expr.leaf.ids.reshape(-1)[0]
        node = tape.nodes[tape.owner(first)]
        return tape.weights.get(node.start, ("k", None))[0]
    names = recognised(states, output, wanted)
    writer = Writer({"x_t", *(f"{n}_prev" for n in states), *names.lines.values(), *names.weights.values()})
    roots = [*states.values(), output, *others.values()]
    writer.count = uses(roots)
    exprs = {}
    def walk(e):
        if e.key not in exprs:
            exprs[e.key] = e
            for a in e.args: walk(a)
    for root in roots: walk(root)
    def weight(expr):
        return names.weights.get(expr.key)
    writer.wanted = lambda e: names.weights.get(e.key) or wanted(e)
    writer.exact = names.weights
    order = {name: k for k, name in enumerate([*named(names.kind, names.options)[0].equations])} if names.kind else {}
    lines = sorted(((order.get(name, 99), name, key) for key, name in names.lines.items()), key=lambda p: p[0])
    if not names.kind:
        lines = [(0, f"{n}_t", e.key) for n, e in sorted(states.items(), key=lambda p: -_depends(states, p[0]))]
    writer.planned = {key: name for _, name, key in lines}
    writer.equal = names.equal
    writer.exprs = exprs
    for _, name, key in lines:
        if key not in writer.names:
            writer.line(name, exprs[key])
    for name, expr in others.items():
        if expr.key not in writer.names: writer.assign(writer.fresh(f"{name}_t"), expr)
    if output.key not in writer.names: writer.assign(writer.fresh("out"), output)
    rows = writer.rows + ["carry: " + ", ".join(f"{n}_prev <- {writer.names[e.key]}" for n, e in states.items()), f"output: {writer.names[output.key]}"]
    arrays = {name: tape.values[p.ids] for name, p in writer.parameters.items()}
    return "\n".join(rows), arrays, names


def _depends(values, name):
    """How many others read it."""
    def inside(expr, key, seen):
        if expr.key in seen: return False
        seen.add(expr.key)
        return expr.key == key or any(inside(a, key, seen) for a in expr.args)
    return sum(inside(e, values[name].key, set()) for n, e in values.items() if n != name)
