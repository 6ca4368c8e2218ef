"""What an address of a hold means, and what is said of a wrong one."""

from __future__ import annotations

import pytest

from lstm_trace.cell.network import stack
from lstm_trace.cell.variants import named
from lstm_trace.errors import MissingError
from lstm_trace.trace.holding import places

CELL = named("lstm", {})[0]
ONE = stack(CELL, 1, ("forward",))
FOUR = stack(CELL, 2, ("forward", "reverse"))


def meant(text: str, stages: object = ONE, steps: int = 10, batch: int = 1) -> list[tuple[object, ...]]:
    widths = {stage.scope: dict.fromkeys(stage.cell.by_name, 6) for stage in stages}  # type: ignore[attr-defined]
    found = places(text, stages, range(steps), batch, widths, lambda *_: None)  # type: ignore[arg-type]
    return [(p.scope, p.line, [*p.steps], [*p.rows], [*p.units]) for p in found]


ALL, UNITS = [*range(10)], [*range(6)]


@pytest.mark.parametrize(
    ("text", "batch", "expected"),
    [
        ("c_t", 1, ("c_t", ALL, [0], UNITS)),
        (" c_t [ 2 ] ", 1, ("c_t", ALL, [0], [2])),
        ("c_t[1,4..5]", 1, ("c_t", ALL, [0], [1, 4, 5])),
        ("5..9/f_t[3]", 1, ("f_t", [5, 6, 7, 8, 9], [0], [3])),
        ("0/c_t", 1, ("c_t", [0], [0], UNITS)),
        ("0/c_t", 3, ("c_t", [0], [0, 1, 2], UNITS)),
        ("4/1..2/c_t", 3, ("c_t", [4], [1, 2], UNITS)),
        ("0/forward/c_t", 3, ("c_t", ALL, [0, 1, 2], UNITS)),
        ("0/forward/7/2/c_t[0]", 3, ("c_t", [7], [2], [0])),
        ("*/c_t[*]", 1, ("c_t", ALL, [0], UNITS)),
        ("*/2/c_t[4,1,4]", 3, ("c_t", ALL, [2], [1, 4])),
        ("tanh(c_t)[5]", 1, ("tanh(c_t)", ALL, [0], [5])),
        ("W_xi @ x_t", 1, ("W_xi @ x_t", ALL, [0], UNITS)),
    ],
)  # fmt: skip
def test_one_layer(text: str, batch: int, expected: tuple[object, ...]) -> None:
    assert meant(text, batch=batch) == [("0/forward", *expected)]


@pytest.mark.parametrize(
    ("text", "scopes", "steps"),
    [
        ("c_t", ["0/forward", "0/reverse", "1/forward", "1/reverse"], ALL),
        ("0/c_t", ["0/forward", "0/reverse"], ALL),
        ("reverse/c_t", ["0/reverse", "1/reverse"], ALL),
        ("reverse/3/c_t", ["0/reverse", "1/reverse"], [3]),
        ("1/5..6/c_t", ["1/forward", "1/reverse"], [5, 6]),
        ("5..6/c_t", ["0/forward", "0/reverse", "1/forward", "1/reverse"], [5, 6]),
        ("0..1/c_t", ["0/forward", "0/reverse", "1/forward", "1/reverse"], [0, 1]),
        ("1/forward/2/c_t", ["1/forward"], [2]),
        ("*/forward/2..3/c_t", ["0/forward", "1/forward"], [2, 3]),
        ("1/*/c_t", ["1/forward", "1/reverse"], ALL),
        ("y_t", ["0/joined", "1/joined"], ALL),
        ("joined/y_t", ["0/joined", "1/joined"], ALL),
    ],
)
def test_two_layers_of_two_directions(text: str, scopes: list[str], steps: list[int]) -> None:
    assert [(scope, at) for scope, _, at, *_ in meant(text, FOUR)] == [(scope, steps) for scope in scopes]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("c_q", "there is no line 'c_q'; did you mean 'c_t'?"),
        ("9..5/c_t", "the range 9..5 is empty; write 5..9"),
        ("5..12/c_t", "t 0 to 9"),
        ("12/c_t", "t 0 to 9"),
        ("3/4/c_t", "b 0"),
        ("a..b/c_t", "is not an address here"),
        ("..5/c_t", "is not an address here"),
        ("1/2/3/4/5/c_t", "is not an address here"),
        ("c_t[6]", "there is no c_t[6]; c_t has [0] to [5]"),
        ("c_t[4..9]", "there is no c_t[9]; c_t has [0] to [5]"),
        ("c_t[5..4]", "the range 5..4 is empty; write 4..5"),
        ("c_t[1", "expected units as in [3], [3..7] or [1,4..6], found [1"),
        ("c_t[1,*]", "expected units as in [3], [3..7] or [1,4..6], found [1,*]"),
        ("c_t[x]", "expected units as in [3], [3..7] or [1,4..6], found [x]"),
        ("c_t[]", "expected units as in [3], [3..7] or [1,4..6], found []"),
        (f"c_t[0..{10**12}]", "there is no c_t[1000000000000]; c_t has [0] to [5]"),
        (f"{'9' * 5000}/c_t", "is not an address here"),
        ("W_xi", "W_xi is a weight, not a computed line; change the weights instead"),
        ("x_t", "x_t is an input, not a computed line; change it"),
        ("h_prev", "h_prev is a carried state; hold h_t, or give another h0"),
        ("c0", "c0 is a carried state; hold c_t, or give another c0"),
    ],
)  # fmt: skip
def test_a_wrong_address_is_told_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(MissingError) as error:
        meant(text)
    (problem,) = error.value.problems
    assert problem.startswith("hold '")
    assert told in problem


def test_a_line_that_is_not_computed_is_refused() -> None:
    with pytest.raises(MissingError, match="none of the requested lines depends on 0/forward/c_t; leave it out"):
        places("c_t", ONE, range(3), 1, {"0/forward": {"i_t": 2}}, lambda *_: None)
