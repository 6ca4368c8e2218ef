"""A small table of mistakes for the tests of `conformance`: equations rewritten as text, and run line by line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lstm_trace.cell.network import Stage
from lstm_trace.cell.ops import OPS
from lstm_trace.cell.parse import parse
from lstm_trace.trace.trace import Trace


class Slip(NamedTuple):
    """A rewriting of the equations of every direction; or the reverse direction is computed forward."""

    key: str
    pattern: str = ""
    put: str = ""
    turned: bool = False


TABLE = (
    Slip("lost:peepholes", r" \+ w_c\w \* c_\w+", ""),
    Slip("lost:bias", r" \+ b_\w+", ""),
    Slip("ignored:clip", r"clip\((z_\w|c_t), [^)]*\)", r"\1"),
    Slip("ignored:lengths", r"where\(valid, (h_t|c_t), \w+\)", r"\1"),
    Slip("usual:activations", r"([ifocru](?:_t|_tilde) = )(?:hard_sigmoid|softsign|relu)(\(\w+).*\)", r"\1sigmoid\2)"),
    Slip("usual:candidate", r"((?:c_tilde|h_tilde) = )(?!tanh)\w+\((\w+|clip\(.*?\)).*\)", r"\1tanh(\2)"),
    Slip("exchange:f,i", r"c_t = f_t \* c_prev \+ i_t \* c_tilde", "c_t = i_t * c_prev + f_t * c_tilde"),
    Slip("coupling:ignored", r"f_t = 1 - i_t", "f_t = i_t"),
    Slip("reset:other", r"W_hh @ \(r_t \* h_prev\)", "r_t * (W_hh @ h_prev)"),
    Slip("reverse:forward", turned=True),
    Slip("output:zero", r"(h_t = .*)", r"\1 - h_prev + h_prev"),
)


def equations(stage: Stage) -> str:
    return str(stage.cell.text)


class Rewritten:
    """The table as `conformance` uses it."""

    def applicable(self, trace: Trace) -> list[Slip]:
        stages = [stage for stage in trace.stages if stage.direction != "joined"]
        return [
            one
            for one in TABLE
            if any(stage.direction == "reverse" if one.turned else re.search(one.pattern, equations(stage)) for stage in stages)
        ]

    def outputs(
        self, trace: Trace, mistakes: Sequence[Slip], wanted: Sequence[tuple[str, str]]
    ) -> Mapping[Slip, Mapping[tuple[str, str], Any]]:
        return {one: self._run(trace, one, wanted) for one in mistakes}

    def _run(self, trace: Trace, slip: Slip, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        found = {}
        for stage in (stage for stage in trace.stages if stage.direction != "joined"):
            text = re.sub(slip.pattern, slip.put, equations(stage)) if slip.pattern else equations(stage)
            cell, right = parse(text), parse(equations(stage))
            backwards = stage.direction == "reverse" and not slip.turned
            states = {name: np.array(values) for name, values in trace.initial[stage.scope].items()}
            lines: dict[str, list[Any]] = {}
            steps = range(trace.steps)
            for t in reversed(steps) if backwards else steps:
                values: dict[Any, Any] = {**trace.parameters[stage.scope], **states, "x_t": trace.x[t]}
                values["valid"] = np.asarray(trace.valid)[t].astype(float) if "valid" in cell.inputs else None
                for line in cell.lines:
                    operands = [values.get(o, o) if isinstance(o, str) else o for o in line.operands]
                    values[line.name] = OPS[line.op].array(operands, line.constants)
                states = {state: values[line] for state, line in cell.carry}
                values |= {there: values[here] for (_, there), (_, here) in zip(right.carry, cell.carry, strict=True)}
                values[right.output] = values[cell.output]
                for scope, name in wanted:
                    if scope == stage.scope:
                        lines.setdefault(name, []).append(np.broadcast_to(values[name], values[right.output].shape))
            for name, rows in lines.items():
                found[stage.scope, name] = np.stack(rows[::-1] if backwards else rows)
        return found
