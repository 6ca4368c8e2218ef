"""What a layout can be told, and what it cannot."""

from __future__ import annotations

from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from lstm_trace.errors import OptionError
from lstm_trace.weights.layouts import LAYOUTS, OTHERS, Layout, layout

FACTS = {
    "bias", "direction_axis", "flat_blocks", "forget_bias", "input_transposed", "joined", "order", "peephole",
    "projection_transposed", "recurrent_transposed", "separate", "state",
}  # fmt: skip


def test_the_table_has_values_of_the_right_types() -> None:
    for name, hint in get_type_hints(Layout).items():
        kinds = get_args(hint) if get_args(hint) and get_origin(hint) not in (Literal, tuple) else (hint,)
        words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
        types = tuple(get_origin(kind) or kind for kind in kinds if get_origin(kind) is not Literal)
        for rows in (LAYOUTS, *OTHERS.values()):
            for row in rows.values():
                value = getattr(row, name)
                assert value in words or isinstance(value, types), (row.name, name)


@pytest.mark.parametrize("fact", ["names", "detect", "title", "source", "options", "coupled_input", "colour"])
def test_what_a_layout_cannot_be_told(fact: str) -> None:
    with pytest.raises(OptionError) as error:
        layout({fact: "x"})
    assert f"layout: no fact {fact!r}" in str(error.value)
    assert set(str(error.value).split("its facts: ")[1].split(", ")) == FACTS


def test_transposed_is_short_for_three_facts_of_which_each_can_be_given_by_itself() -> None:
    names = ("input_transposed", "recurrent_transposed", "projection_transposed")
    for both in (True, False):
        found = layout({"order": "ifco", "transposed": both})
        assert [getattr(found, name) for name in names] == [both] * 3
    found = layout({"order": "ifco", "transposed": True, "recurrent_transposed": False})
    assert [getattr(found, name) for name in names] == [True, False, True]


def test_facts_stand_before_those_of_a_name() -> None:
    keras = layout("keras")
    assert layout({"name": "Keras"}) == keras
    other = layout({"name": "keras", "order": "icfo"})
    assert (other.order, other.bias, other.name) == ("icfo", keras.bias, f"{keras.name}, changed")
    assert layout({"name": "keras", "order": keras.order}).name == keras.name
    assert layout({"name": "keras", "order": None}) == keras
    assert layout({"order": "ifco"}).separate is False
    assert layout({"joined": "hx"}).separate is True
    with pytest.raises(OptionError, match="layout 'kears' is not known; did you mean 'keras'"):
        layout("kears")
