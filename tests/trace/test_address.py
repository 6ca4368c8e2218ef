"""Addresses `layer/direction/t/b/line[j]`: each part may be left out exactly when there is only one of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lstm_trace.errors import MissingError
from lstm_trace.trace.address import PARTS, Address, read

ALL = {"layer": [0, 1], "direction": ["forward", "reverse"], "t": range(3), "b": range(2)}
ONE = {"layer": [0], "direction": ["forward"], "t": range(3), "b": [0]}

READINGS: list[tuple[str, dict[str, Any], str]] = [
    ("1/reverse/2/0/c_t[3]", ALL, "1/reverse/2/0/c_t[3]"),
    (" 1 / reverse/2/0/ c_t [3] ", ALL, "1/reverse/2/0/c_t[3]"),
    ("2/c_t", ONE, "0/forward/2/0/c_t"),
    ("0/2/c_t", ONE, "0/forward/2/0/c_t"),  # layer and step
    ("0/forward/2/c_t", ONE, "0/forward/2/0/c_t"),
    ("forward/2/0/c_t", ONE, "0/forward/2/0/c_t"),
    ("0/forward/2/0/tanh(c_t)[1]", ONE, "0/forward/2/0/tanh(c_t)[1]"),
    ("2/W_xi @ x_t[0]", ONE, "0/forward/2/0/W_xi @ x_t[0]"),
    ("1/forward/W_xi[2,3]", {"layer": [0, 1], "direction": ["forward"]}, "1/forward/W_xi[2,3]"),
    ("W_xi[ 2 , 3 ]", {"layer": [0], "direction": ["forward"]}, "0/forward/W_xi[2,3]"),
    ("2/1/x_t[0]", {"t": range(3), "b": range(2)}, "2/1/x_t[0]"),
    ("0/forward/1/h0[2]", {"layer": [0], "direction": ["forward"], "b": range(2)}, "0/forward/1/h0[2]"),
    ("h_t", {"layer": [0], "direction": ["forward"], "t": [0], "b": [0]}, "0/forward/0/0/h_t"),
]


@pytest.mark.parametrize(("text", "extents", "full"), READINGS)
def test_addresses_are_read(text: str, extents: dict[str, Any], full: str) -> None:
    address = read(text, extents)
    assert str(address) == full
    assert read(str(address), extents) == address


@pytest.mark.parametrize(
    "text", ["c_t", "1/c_t", "forward/2/0/c_t", "1/reverse/2/c_t", "1/2/0/c_t", "9/reverse/2/0/c_t"]
)
def test_a_part_of_which_there_are_several_is_required(text: str) -> None:
    with pytest.raises(MissingError) as error:
        read(text, ALL)
    assert str(error.value) == (
        f"{text!r} is not an address here; expected layer/direction/t/b/c_t[j]: "
        "layer 0..1, direction forward|reverse, t 0..2, b 0..1"
    )


@pytest.mark.parametrize(
    "text",
    ["3/c_t", "-1/c_t", "two/c_t", "reverse/1/0/c_t", "0/forward/1/0/0/c_t", "1.0/c_t", "/c_t", "٢/c_t", "01/c_t"],
)
def test_what_is_not_there_is_told_with_what_is(text: str) -> None:
    with pytest.raises(MissingError) as error:
        read(text, ONE)
    assert f"{text!r} is not an address here; expected t/c_t[j]" in str(error.value)
    assert "t 0..2" in str(error.value)


def test_a_part_that_is_left_out_can_mean_all_of_it() -> None:
    assert read("c_t", ALL, every=True) == Address("c_t")
    assert read("1/c_t", ALL, every=True) == Address("c_t", layer=1)
    assert read("reverse/c_t", ALL, every=True) == Address("c_t", direction="reverse")
    assert read("1/reverse/2/c_t", ALL, every=True) == Address("c_t", 1, "reverse", 2)
    # the reading that leaves out only what there is one of comes first: step 0 and row 1, not layer 0 and step 1
    assert read("0/1/c_t", ONE | {"b": range(2)}, every=True) == Address("c_t", 0, "forward", 0, 1)


@given(st.data())
def test_every_full_address_reads_back(data: st.DataObject) -> None:
    extents: dict[str, Any] = {
        "layer": range(data.draw(st.integers(1, 3))),
        "direction": data.draw(st.sampled_from([["forward"], ["reverse"], ["forward", "reverse"], ["joined"]])),
        "t": range(data.draw(st.integers(1, 4))),
        "b": range(data.draw(st.integers(1, 3))),
    }
    values = {part: data.draw(st.sampled_from(extents[part])) for part in PARTS}
    name = data.draw(st.sampled_from(["h_t", "tanh(c_t)", "W_xi @ x_t", "f_t * c_prev", "clip(z_i, -1, 1)"]))
    unit = data.draw(st.none() | st.tuples(st.integers(0, 99)) | st.tuples(st.integers(0, 9), st.integers(0, 9)))
    address = Address(name, unit=unit, **values)
    assert read(str(address), extents) == address
    needed = [str(values[part]) for part in PARTS if len(extents[part]) > 1]
    shortest = "/".join([*needed, name]) + ("" if unit is None else f"[{','.join(map(str, unit))}]")
    assert read(shortest, extents) == address


@given(st.text(alphabet="0123456789/[]h_tforwadevs,.- ", max_size=30))
def test_no_text_raises_anything_but_our_error(text: str) -> None:
    for every in (False, True):
        try:
            address = read(text, ALL, every)
        except MissingError:
            continue
        assert isinstance(address, Address)
