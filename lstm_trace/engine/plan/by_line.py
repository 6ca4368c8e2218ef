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
    some = next(iter(out.values()), np.empty(0))
    steps = len(some)
    order = range(steps) if not stage.backwards else range(steps - 1, -1, -1)
    state = dict(initial)
    with np.errstate(all="ignore"):  # a saturated gate is no fault: exp may overflow to inf, 0 is the right answer
        # in the dtype of the run: the negative of a Python float is a float64, and so would be a float32 sum with it
        numbers = {o: np.array([o], some.dtype) for line in stage.lines for o in line.operands if isinstance(o, float)}
        for t in order:
            values: dict[str, Array] = {**parameters, **state}
            values.update({name: array[t] for name, array in inputs.items()})
            for line in stage.lines:
                if arithmetic is not None:
                    operands = [values[o] if isinstance(o, str) else arithmetic.read(o) for o in line.operands]
                    out[line.name][t] = arithmetic.compute(line, operands)
                    values[line.name] = arithmetic.read(out[line.name][t])
                    continue
                operands = [values[o] if isinstance(o, str) else numbers[o] for o in line.operands]
                out[line.name][t] = OPS[line.op].array(operands, line.constants)
                values[line.name] = out[line.name][t]
            state = {s: values[stage.cell.states[s]] for s in state if stage.cell.states[s] in values}
