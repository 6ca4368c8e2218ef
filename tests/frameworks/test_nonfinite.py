"""What `lt.capture` says of modules whose values are not finite: the sentence of every other command, as a warning."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import lstm_trace as lt
from lstm_trace.languages.strings import words
from lstm_trace.model.capture import NonFiniteWarning

torch = pytest.importorskip("torch")


def nan_input(module: object, x: object) -> str:
    x[2, 0, 1] = float("nan")  # type: ignore[index]
    return "0/forward/2/0/W_xi @ x_t[0] is nan, the first value that is not finite: the input x_t[1] = nan"


def infinite_weight(module: object, x: object) -> str:
    with torch.no_grad():
        module.weight_ih_l0[4, 0] = float("inf")  # type: ignore[attr-defined]
    return "0/forward/0/0/W_xf @ x_t[1] is inf, the first value that is not finite: the weight W_xf[1,0] = inf"


def infinite_state(module: object, x: object) -> str:
    module.h0[0, 0, 2] = float("-inf")  # type: ignore[attr-defined]
    return "the first value that is not finite: the initial state h0[2] = -inf"


def large_weight(module: object, x: object) -> str:
    with torch.no_grad():
        module.weight_ih_l0[9, 1] = 3e38  # type: ignore[attr-defined]
    x[1, 0, 1] = 100.0  # type: ignore[index]
    return "its magnitude exceeds 3.40282e+38, the largest float32 number (W_xo[0,1] = 3e+38, x_t[1] = 100)"


@pytest.mark.parametrize("plant", [nan_input, infinite_weight, infinite_state, large_weight])
def test_a_capture_warns_with_the_sentence(plant: Callable[[object, object], str]) -> None:
    torch.manual_seed(3)
    module, x = torch.nn.LSTM(2, 3), torch.rand(4, 1, 2) + 0.5
    module.h0 = torch.randn(1, 1, 3)
    said = plant(module, x)
    with pytest.warns(NonFiniteWarning) as caught, lt.capture(module) as traces:
        module(x, (module.h0, torch.zeros(1, 1, 3)))
    (warned,) = [str(one.message) for one in caught if one.category is NonFiniteWarning]
    first = traces[0].not_finite
    assert first is not None
    assert warned == f"the LSTM: {first.said(words())}"
    assert said in warned
