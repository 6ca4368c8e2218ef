"""The stages of a trace run by PyTorch's own operations, so that autograd differentiates what the equations say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import lstm_trace as lt
from lstm_trace.cell.lines import Line

Tensors = dict[str, Any]

OPERATIONS: dict[str, Callable[..., Any]] = {
    "matvec": lambda W, x: x @ W.T,
    "vecmat": lambda x, W: x @ W,
    "outer": lambda a, b: torch.einsum("...i,...j->...ij", a, b).flatten(-2),
    "memvec": lambda C, v: torch.einsum("...ij,...j->...i", C.unflatten(-1, (-1, v.shape[-1])), v),
    "vecmem": lambda v, C: torch.einsum("...i,...ij->...j", v, C.unflatten(-1, (v.shape[-1], -1))),
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "copy": lambda a: a + 0,
    "greater": lambda a, b: (a > b).to(torch.float64),
    "slice": lambda a, begin, end: a[..., int(begin) : int(end)],
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "sin": torch.sin,
    "cos": torch.cos,
    "floor": torch.floor,
    "relu": torch.relu,
    "elu": lambda a, alpha: torch.where(a > 0, a, alpha * torch.expm1(torch.clamp(a, max=0.0))),
    "softplus": lambda a: torch.logaddexp(a, torch.zeros_like(a)),
    "clip": lambda a, low, high: torch.clamp(a, low, high),
    "where": lambda c, a, b: torch.where(c != 0, a, b),
    "maximum": torch.maximum,
    "max": lambda a: a.amax(-1, keepdim=True),
    "sum": lambda a: a.sum(-1, keepdim=True),
    "mean": lambda a: a.mean(-1, keepdim=True),
}


def value(line: Line, operands: list[Any]) -> Any:
    """One line."""
    operands = [torch.as_tensor(o, dtype=torch.float64) for o in operands]
    if line.op == "add":
        return sum(sign * o for sign, o in zip(line.constants, operands, strict=True))
    if line.op == "concat":
        lead = torch.broadcast_shapes(*(o.shape[:-1] for o in operands if o.ndim))
        return torch.cat([(o if o.ndim else o[None]).expand(*lead, -1) for o in operands], -1)
    return OPERATIONS[line.op](*operands, *line.constants)


def run(trace: lt.Trace) -> tuple[dict[str, Tensors], dict[str, Any]]:
    """Every line by scope and name, (T, B, width), and the leaves by the names of `lt.gradients`."""
    leaves: dict[str, Any] = {}

    def leaf(name: str, array: np.ndarray) -> Any:
        if name not in leaves:
            leaves[name] = torch.tensor(np.array(array), requires_grad=True)
        return leaves[name]

    lines: dict[str, Tensors] = {}
    for stage in trace.stages:
        here = {n: leaf(f"{stage.scope}/{n}", v) for n, v in trace.parameters.get(stage.scope, {}).items()}
        fed: Tensors = {}
        for name in stage.inputs:
            source = stage.sources[name]
            if source == "x":
                fed[name] = leaf("x", trace.x)
            elif source == "valid":
                fed[name] = torch.tensor(trace.valid)
            elif source == "given":
                fed[name] = leaf(f"{stage.scope}/{name}", trace.given[stage.scope][name])
            else:
                scope, _, line = source.rpartition("/")
                fed[name] = lines[scope][line]
        state = {n: leaf(f"{stage.scope}/{n}@", v) for n, v in trace.initial.get(stage.scope, {}).items()}
        steps: list[Tensors] = [{} for _ in range(trace.steps)]
        order = range(trace.steps)
        for t in reversed(order) if stage.direction == "reverse" else order:
            values = {**here, **state, **{n: v[t] for n, v in fed.items()}}
            for line in stage.lines:
                values[line.name] = value(line, [values[o] if isinstance(o, str) else o for o in line.operands])
            steps[t] = {line.name: values[line.name] for line in stage.lines}
            state = {s: values[stage.cell.states[s]] for s in state if stage.cell.states[s] in values}
        lines[stage.scope] = {
            line.name: torch.stack([step[line.name].expand(trace.batch, -1) for step in steps]) for line in stage.lines
        }
    return lines, leaves


def gradients(trace: lt.Trace, seeds: dict[str, dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """What autograd gives for a weighted sum of lines, by scope and name; initial states as `0/forward/h_prev@`."""
    lines, leaves = run(trace)
    for scope, here in trace.lines.items():
        for name, recorded in here.items():
            np.testing.assert_allclose(lines[scope][name].detach(), recorded, rtol=1e-9, atol=1e-12, err_msg=name)
    parts = [(lines[s][n] * torch.tensor(w)).sum() for s, here in seeds.items() for n, w in here.items()]
    sum(parts).backward()
    return {n: np.zeros(v.shape) if v.grad is None else v.grad.numpy() for n, v in leaves.items()}
