"""A plan as it is printed: every line once, and every state where it lies."""

from __future__ import annotations

import re

import pytest

import lstm_trace as lt
from lstm_trace.cell.named_cells import LSTM
from lstm_trace.cell.parse import parse

ONE = {f"W_x{g}": [[1.0, 2.0]] for g in "ifco"} | {f"W_h{g}": [[0.5]] for g in "ifco"}


def memory(text: str) -> list[str]:
    """What the memory section lists."""
    rows = text.split("memory: what lies side by side\n")[1]
    return [
        part.strip() for part in re.sub(r"(?m)^  (before|scratch|loop|after) *", "| ", rows).split("|") if part.strip()
    ]


def test_a_state_that_nothing_is_carried_to_is_listed_by_itself() -> None:
    weights = {"W_xi": ONE["W_xi"], "W_hi": ONE["W_hi"]}
    text = lt.prepare({"weights": weights, "x": [1.0, 2.0], "ask": ["i_t"]}).plans()["0/forward"]
    assert memory(text) == ["W_xi @ x_t", "h_prev", "W_hi @ h_prev", "z_i", "i_t"]
    assert "each step" not in text


def test_a_state_that_is_carried_lies_where_its_line_does() -> None:
    text = lt.prepare(ONE).plans([[1.0, 2.0]] * 3)["0/forward"]
    found = memory(text)
    names = [line.name for line in parse(LSTM().equations()).lines]
    homes = {"h_t": "h_t (read as h_prev)", "c_t": "c_t (read as c_prev)"}
    assert sorted(found) == sorted(homes.get(name, name) for name in names)
    calls = text.split("memory:")[0]
    assert "before the loop, for many steps at once: 4 lines in 1 call\n" in calls
    assert "each step: 17 lines in 8 calls\n" in calls
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(("steps", "head"), [(3, "planned\n"), (5000, "compiled; numpy's plan of the same lines:\n")])
def test_the_text_says_which_plan_is_the_default(steps: int, head: str) -> None:
    pytest.importorskip("llvmlite")
    model, x = lt.prepare(ONE), [[1.0, 2.0]] * steps
    assert model.plans(x)["0/forward"].startswith(f"default plan: {head}")
    assert model.run(x).header.plan == re.findall("[a-z]+", head)[0]
