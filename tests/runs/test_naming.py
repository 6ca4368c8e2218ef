"""What a page calls lines and numbers: symbols of a notation, units, and one way to print each number."""

from __future__ import annotations

import json
from typing import Any

from lstm_trace.runs import comparing, reading
from lstm_trace.runs.reading import Look

from ..support.kept_runs import Kept


def named(kept: Kept, run: Any, notation: str) -> Any:
    return json.loads(reading.symbols(kept.path(run), Look(notation=notation)))


def stepped(kept: Kept, run: Any, t: int = 0, unit: int | None = None, **look: Any) -> Any:
    return json.loads(reading.step(kept.path(run), None, None, t, 0, unit, 64, Look(**look)))


def test_symbols_of_lines_and_premises_follow_the_notation(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    found = named(kept, run, "pytorch")
    symbols = {line["name"]: line["symbol"] for line in found["stages"][0]["lines"]}
    assert (symbols["c_tilde"], symbols["z_c"]) == ("g_t", "z_g")
    assert found["premises"]["0/forward/W_xc"] == "W_ig"
    assert named(kept, run, "keras")["premises"]["0/forward/W_xc"] == "kernel_cᵀ"
    assert found["premises"].keys() == {one["address"] for one in run["premises"]}


def test_joined_products_stand_where_the_products_were(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    names = [line["name"] for line in named(kept, run, "joined")["stages"][0]["lines"]]
    assert names[:4] == ["concat(h_prev, x_t)", "W_i @ concat(h_prev, x_t)", "z_i", "i_t"]
    assert [line["name"] for line in stepped(kept, run, notation="joined")["lines"]] == names


def test_a_number_is_printed_alike_everywhere(kept: Kept) -> None:
    for look in ({}, {"digits": 2}):
        for spec in ({"example": "three-steps"}, {"example": "three-steps", "arithmetic": "by-hand-3"}):
            run = kept.make(**spec)
            step = stepped(kept, run, t=1, **look)
            at = json.loads(comparing.at(kept.path(run), "1/f_t[1]", None, Look(**look)))
            assert step["shown"]["f_t"][1] == at["shown"]
            decimals = look.get("digits", 3 if "arithmetic" in spec else 4)
            assert len(at["shown"].partition(".")[2]) == decimals
            assert step["shown"]["x_t"] == ["0", "2"]  # what is given stands as it was written


def test_what_units_of_inputs_are(kept: Kept) -> None:
    (stage,) = kept.make(example="cross-entropy")["stages"]
    assert stage["axes"] == {"x_t": "x", "target_t": "y", "h_prev": "h", "c_prev": "h"}


def test_gradients_have_a_target_without_an_output(kept: Kept) -> None:
    assert kept.make(example="q19")["target"] == "0/forward/0/0/i_t[0]"
    assert kept.make(example="q21")["target"] == "0/forward/0/0/c_t[0]"


def test_an_input_has_its_step_where_steps_are_counted_from_1(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    found = json.loads(comparing.at(kept.path(run), "1/0/x_t[0]", None, Look(count_from=1)))
    assert found["symbol"]["text"] == "x_2[1]"
    loss = kept.make(example="cross-entropy")
    assert json.loads(comparing.at(kept.path(loss), "1/L", None, Look()))["where"] == "step t = 1"
