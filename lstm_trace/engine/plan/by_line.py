"""The line-by-line run: the definition of what a trace holds. Plans must agree with it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...base.arrays import Array
from ...cell.arithmetic import Arithmetic
from ...cell.network import Stage
from ...cell.ops import OPS


def run_lines(
    stage: Stage,
    parameters: Mapping[str, Array],
    inputs: Mapping[str, Array],
    initial: Mapping[str, Array],
    out: Mapping[str, Array],
    arithmetic: Arithmetic | None = None,
) -> None:
    """Run the computed lines of one stage over time and write each into `out`.

    parameters: matrices (M, N) and vectors (M,); inputs: (T, B, width); initial: (B, width) for each state that a
    line reads; out: (T, B, width) for each computed line, all of one dtype. The reverse direction runs from the last
    step to the first; t stays the position in the input. arithmetic: another than that of the arrays' dtype.
    """
    if arithmetic is not None:
        read = arithmetic.read
        parameters, inputs, initial = ({n: read(a) for n, a in here.items()} for here in (parameters, inputs, initial))
    steps = next(iter(out.values())).shape[0] if out else 0
    dtype = next(iter(out.values())).dtype if out else None
    order = range(steps) if not stage.backwards else range(steps - 1, -1, -1)
    state = dict(initial)
    with np.errstate(all="ignore"):  # a saturated gate is no fault: exp may overflow to inf, 0 is the right answer
        for t in order:
            values: dict[str, Array] = {**parameters, **state}
            values.update({name: array[t] for name, array in inputs.items()})
            for line in stage.lines:
                if arithmetic is not None:
                    operands = [values[o] if isinstance(o, str) else arithmetic.read(o) for o in line.operands]
                    out[line.name][t] = arithmetic.compute(line, operands)
                    values[line.name] = arithmetic.read(out[line.name][t])
                    continue
                # a number is one of the run's dtype, as the plans have it: `0.1 + 0.2 + x_t` is no sum in float64
                operands = [values[o] if isinstance(o, str) else np.array([o], dtype) for o in line.operands]
                out[line.name][t] = OPS[line.op].array(operands, line.constants)
                values[line.name] = out[line.name][t]
            state = {s: values[stage.cell.states[s]] for s in state if stage.cell.states[s] in values}
