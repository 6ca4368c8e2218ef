"""The tiers of the tests, and the mutants that measure them."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings as examples, strategies as st

from .conftest import is_named
from .mutants import REPORT, mutants, mutated, reporting
from .support.tiers import ALL, FEW, seeds, some

TRIED: list[int] = []
CODE = """
LIMIT = 3  # outside of functions nothing is changed

def first(a: int, b: float = 1) -> float | None:
    if not a or b >= 2.5:
        raise ValueError(f"{a + 1} é")
    for x in range(a, 10):
        b += x
        if x in (a, b): break
    print(b)
    return b * 2
"""


@examples(max_examples=40)
@given(st.integers())
def test_a_property_is_tried_less_often_by_the_fast_tests(number: int) -> None:
    TRIED.append(number)
    assert ALL or len(TRIED) <= FEW


@pytest.mark.few(3)
@pytest.mark.parametrize("one", "abc")
@pytest.mark.parametrize("other", "def")
def test_a_test_of_many_cases_has_few_in_the_fast_tests(one: str, other: str) -> None:
    assert ALL or one + other in ("ad", "be", "cf")


@pytest.mark.few(slow=2)
@pytest.mark.parametrize("one", "abcde")
def test_a_test_of_dear_cases_has_few_in_the_slow_tests(one: str) -> None:
    assert not ALL or one in ("a", "e")


@pytest.mark.parametrize(("argument", "named"), [
    ("tests/a/test_x.py::test_y", True), ("tests/a/test_x.py::test_y[é/1-::]", True),
    ("/r/tests/a/test_x.py::test_y", True), ("tests/a/test_x.py", False), ("tests/a", False),
    ("tests/a/test_x.py::test_yy", False), ("tests/a/test_x.py::test_y[2]", False),
    ("tests/b/test_x.py::test_y", False),
])  # fmt: skip
def test_a_test_that_is_named_has_all_its_cases(argument: str, named: bool) -> None:
    config = SimpleNamespace(args=["tests/c", argument], invocation_params=SimpleNamespace(dir=Path("/r")))
    item = SimpleNamespace(nodeid="tests/a/test_x.py::test_y[é/1-::]", path=Path("/r/tests/a/test_x.py"), config=config)
    assert is_named(item) == named  # type: ignore[arg-type]


def test_some_of_many() -> None:
    assert list(seeds(4)) == [0, 1, 2, 3]
    assert len(seeds(120)) == (120 if ALL else FEW)
    assert some(range(3), 5) == [0, 1, 2]
    assert some("abc", 0) == (list("abc") if ALL else [])
    assert some("abc", 1) == (list("abc") if ALL else ["b"])
    assert some("abcdefghi", 3) == (list("abcdefghi") if ALL else ["a", "e", "i"])


def test_mutants_are_other_functions() -> None:
    made = list(mutants("a.py", CODE))
    rows = {(m.line, m.kind): mutated(m, CODE).splitlines()[m.line - 1].strip() for m in made}
    assert rows[5, "operator"] == "if (not a and b >= 2.5):"
    assert rows[5, "comparison"] == "if not a or (b > 2.5):"
    assert rows[5, "constant"] == "if not a or b >= (3.5):"
    assert rows[5, "no not"] == "if (a) or b >= 2.5:"
    assert rows[6, "no statement"] == "pass"
    assert rows[7, "arguments"] == "for x in range(10, a):"
    assert rows[8, "no statement"] == "pass"
    assert rows[9, "comparison"] == "if (x not in (a, b)): break"
    assert rows[9, "loop"] == "if x in (a, b): continue"
    assert rows[11, "no value"] == "return None"
    whole = ast.dump(ast.parse(CODE))
    assert all(ast.dump(ast.parse(mutated(m, CODE))) != whole for m in made)
    assert not [m for m in made if m.line in (2, 4)]


def test_each_line_of_a_mutant_reports_itself() -> None:
    rows = reporting(CODE, {line: [line] for line in (5, 6, 9, 11)}).splitlines()
    reports = [(row.strip(), after.strip()) for row, after in itertools.pairwise(rows) if REPORT in row]
    assert reports == [
        (f"{REPORT}(5)", "if not a or b >= 2.5:"),
        (f"{REPORT}(6)", 'raise ValueError(f"{a + 1} é")'),
        (f"{REPORT}(9)", "if x in (a, b): break"),
        (f"{REPORT}(11)", "return b * 2"),
    ]
    assert len(rows) == len(CODE.splitlines()) + 4
