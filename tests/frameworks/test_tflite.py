"""TensorFlow Lite: random operators, computed by LiteRT itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from ..support.tflite_cases import Case, lstm_case, rnn_case, step_case
from ..support.tiers import seeds

interpreter = pytest.importorskip("ai_edge_litert.interpreter")


def by_litert(case: Case) -> Any:
    """What LiteRT computes, without its faster kernels; an operator of one step is called for each step."""
    kernels = interpreter.OpResolverType.BUILTIN_REF
    made = interpreter.Interpreter(model_content=case.content, experimental_op_resolver_type=kernels)
    made.allocate_tensors()
    x, *states = made.get_input_details()
    values, found = [np.zeros(state["shape"], "f4") for state in states], []
    once = len(x["shape"]) == 3
    for step in [case.x] if once else case.x:
        made.set_tensor(x["index"], step)
        for state, value in zip(states, values, strict=True):
            made.set_tensor(state["index"], value)
        made.invoke()
        outputs = [made.get_tensor(one["index"]) for one in made.get_output_details()]
        values = outputs[: len(states)]
        found.append(outputs[0])
    return found[0] if once else np.array(found)


def ours(folder: Path, case: Case) -> Any:
    path = folder / "m.tflite"
    path.write_bytes(case.content)
    return lt.run(path, case.x).output


def both(seed: int) -> Case:
    """Batch first, LiteRT mixes the states of sequences of two directions up (the first alone is right)."""
    return lstm_case(seed, both=True, **({"time_major": True} if seed % 2 else {"B": 1, "time_major": False}))


MAKERS = {
    "lstm": lstm_case, "lstm, both": both, "rnn": rnn_case, "rnn, both": lambda n: rnn_case(n, both=True),
    **{kind: lambda n, kind=kind: step_case(n, kind) for kind in ("full", "basic", "plain")},
}  # fmt: skip


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("seed", seeds(40))
def test_random_operators(tmp_path: Path, maker: str, seed: int) -> None:
    case = MAKERS[maker](seed)
    theirs = by_litert(case)
    np.testing.assert_allclose(theirs, case.expected, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(ours(tmp_path, case), theirs, rtol=2e-5, atol=2e-6)
