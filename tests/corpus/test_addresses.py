"""What names a unit or a sequence, and numbers that are too large: each wrong one is one message."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cli.verbs.corpus import READING
from lstm_trace.corpus import run
from lstm_trace.corpus.rows import layout
from lstm_trace.errors import MissingError, OptionError

from .conftest import INPUTS, UNITS


@pytest.mark.parametrize(
    ("address", "expected"), [("c_t_3", 3), (" c_t_03 ", 3), ("c_t[2]", 2), ("0/forward/c_t[ 1 ]", 1)]
)
def test_a_unit_has_an_address_or_a_column(address: str, expected: int) -> None:
    found = layout({("0/forward", "c_t"): (4, None)})
    assert found.unit(address) == (found.blocks[0], expected)


def test_an_entry_of_a_matrix_has_a_row_and_a_column() -> None:
    found = layout({("0/forward", "C_t"): (6, 2)})
    assert [found.unit(said)[1] for said in ("C_t[2,1]", "0/forward/C_t[ 1 , 0 ]", "C_t[5]", "C_t_5")] == [5, 2, 5, 5]
    assert found.address(found.blocks[0], 5) == "C_t[2,1]"
    for wrong in ("C_t[6]", "C_t[3,0]", "C_t[0,2]"):
        with pytest.raises(MissingError, match=r"C_t is a matrix, .* with rows 0 to 2 and columns 0 to 1"):
            found.unit(wrong)


@pytest.mark.parametrize(
    "address", ["c_t_²", "c_t_١", "c_t[²]", "c_t[١]", "c_t_", "c_t_" + "9" * 5000, f"c_t[{'9' * 5000}]", "c_t_1_0", ""]
)
def test_what_is_no_address_of_a_unit_is_said(address: str) -> None:
    with pytest.raises(OptionError, match="expected a unit of a line, as in c_t"):
        layout({("0/forward", "c_t"): (40, None)}).unit(address)


@pytest.mark.parametrize("sequence", ["1_02", "١٠٢", " 102", "+102", "1" * 5000, "102.0", ""])
def test_an_id_that_is_a_number_is_written_as_one(states: Any, sequence: str) -> None:
    assert states.rows_of("102")
    with pytest.raises(MissingError, match="there is no sequence "):
        states.rows_of(sequence)


def test_a_part_may_be_of_any_number_of_steps(model: lt.Model, inputs: Path, states: Any, tmp_path: Path) -> None:
    found = run(model, inputs, tmp_path, record=["c_t", "h_t"], steps_per_part=10**30)
    assert [span.steps for span in found.spans] == [sum(span.steps for span in states.spans)]


@pytest.mark.few(0)
def test_verify_takes_all_as_the_command_does(states: Any) -> None:
    assert states.verify("all").sequences == states.verify(None).sequences == 30
    with pytest.raises(OptionError, match="sample: expected at least 1 sequence, or all; found 'some'"):
        states.verify("some")


def test_a_run_whose_parts_all_failed_says_why(states: Any, tmp_path: Path) -> None:
    shutil.copytree(states.folder, tmp_path / "states")
    copied = lt.corpus.open(tmp_path / "states")
    for path in copied.folder.glob("part-*"):
        path.unlink()
    with pytest.raises(MissingError, match="no part is there yet; run the corpus first"):
        copied.place_columns  # noqa: B018 - it is asked for
    (copied.folder / "_failed.json").write_text('[{"part": 3, "error": "not finite"}]')
    with pytest.raises(MissingError, match="no part is there; part 3 failed: not finite"):
        lt.corpus.open(copied.folder).units()


def test_units_are_counted(states: Any) -> None:
    assert len(states.units("c_t")) == 4 * UNITS


def test_help_names_how_the_inputs_are_read() -> None:
    said = run.__doc__ or ""
    assert all(f"`{name}`" in said for name in READING)


def test_a_seed_is_not_below_0(states: Any) -> None:
    for draw in (
        lambda: states.verify(seed=-1),
        lambda: states.probe("quoted", "0/forward/c_t", seed=-1),
        lambda: lt.corpus.ablate(states, None, ["0/forward/c_t[0]"], seed=-1),
    ):
        with pytest.raises(OptionError, match="seed: expected a whole number of at least 0; found -1"):
            draw()


@pytest.mark.parametrize(("layers", "units"), [(1, UNITS), (2, UNITS + 1)])
def test_a_model_of_other_lines_is_a_fault(states: Any, layers: int, units: int) -> None:
    rng = np.random.default_rng(4)
    weights = {}
    for layer in range(layers):
        for direction in ("forward", "reverse"):
            width = 2 * units if layer else INPUTS
            for gate in "ifco":
                for name, shape in (("W_x", (units, width)), ("W_h", (units, units)), ("b_", (units,))):
                    weights[f"{layer}/{direction}/{name}{gate}"] = rng.normal(size=shape)
    found = states.verify(model=weights)
    assert (found.verdict, found.values) == ("failed", 0)
    assert found.faults[0] == "the model differs from what the states were computed from"
    lost = "1/forward" if layers == 1 else "0/forward"
    assert found.faults[1:] == [f"the model has no {lost}/c_t of 4 units, so that nothing can be compared"]
