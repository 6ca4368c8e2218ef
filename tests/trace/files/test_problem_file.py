"""The quick way to read a problem takes nothing that pydantic refuses, and takes the rest alike."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import yaml

from lstm_trace.errors import FileError
from lstm_trace.examples import examples, text
from lstm_trace.trace.files.problem_file import Problem, faultless
from lstm_trace.trace.files.schema import ProblemFile, as_problem, validate

from ...fuzz.damage import changed
from ...fuzz.problems import example, random_problem
from ...support.tiers import seeds


def alike(one: Any, other: Any) -> bool:
    """Whether two values are of one type and equal; NaN equals NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return bool(one == other or one != one)


def both_ways(data: Any) -> tuple[Problem | None, Problem | None]:
    """The problem as it is read quickly, and as pydantic reads it; None where it is refused."""
    try:
        expected = as_problem(validate(ProblemFile, data, "p"))
    except FileError:
        expected = None
    return faultless(data), expected


@pytest.mark.parametrize("name", examples())
def test_examples_are_read_quickly(name: str) -> None:
    found, expected = both_ways(yaml.safe_load(text(name)))
    assert found is not None
    assert expected is not None
    assert alike(vars(found), vars(expected))


@pytest.mark.few(0)
def test_damaged_problems_are_read_as_pydantic_reads_them() -> None:
    rng, quick, refused = random.Random(11), 0, 0  # noqa: S311 - it has to be the same each time
    for _ in seeds(1500, 1100):
        data = changed(rng, rng.choice((example, random_problem))(rng))
        if not isinstance(data, dict):
            continue
        found, expected = both_ways(data)
        if found is not None:
            assert expected is not None, data
            assert alike(vars(found), vars(expected)), data
        quick, refused = quick + (found is not None), refused + (expected is None)
    assert quick > 300  # the comparison is one of many
    assert refused > 300


TEXT_OF_A_SURROGATE = "\ud800"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title", TEXT_OF_A_SURROGATE), ("title", "x" * 1001), ("title", 3), ("notes", None), ("x", None),
        ("x", [1, "a"]), ("x", True), ("cell", {"kind": 3}), ("cell", {1: 2}), ("cell", {"reverse": {}}),
        ("weights", {1: [2]}), ("weights", {TEXT_OF_A_SURROGATE: [2]}), ("weights", [1]), ("batch_first", 1),
        ("batch_first", "yes"), ("count_from", True), ("count_from", 1.0), ("count_from", 2), ("lengths", [True]),
        ("lengths", ["1"]), ("lengths", [1.0]), ("dtype", "float"), ("names", {"z": ["a"]}), ("names", {"x": [["a"]]}),
        ("ask", "i_t"), ("ask", [1]), ("symbols", {"z_i": 1}), ("layout", {"order": "ifco"}), ("wieghts", {}),
    ],
)  # fmt: skip
def test_what_needs_another_look_is_left_to_pydantic(key: str, value: Any) -> None:
    assert faultless({key: value}) is None


def test_both_names_of_one_field_are_left_to_pydantic() -> None:
    assert faultless({"x": [1.0], "x_t": [1.0]}) is None
    found, expected = both_ways({"x_t": [1.0], "h_prev": [[0.5], [1.0, 2.0]], "mask": [1, 0], "lengths": [2]})
    assert found is not None
    assert expected is not None
    assert alike(vars(found), vars(expected))
