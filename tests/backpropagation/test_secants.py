"""The split of a difference as a trace: verified, saved, the same numbers; a wrong slope in it is found."""

from __future__ import annotations

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import secants, split
from lstm_trace.cell.adjoint import secants as written
from lstm_trace.cell.parse import parse
from lstm_trace.errors import OptionError

from ..support.walk_cases import CELLS, case, cell_of

OF = "1/joined/2/1/y_t[1]"


@pytest.mark.few(0)
@pytest.mark.parametrize("name", CELLS)
def test_every_slope_is_verified(name: str) -> None:
    a, b = (case(name, seed, lengths=[4, 3])[1] for seed in (61, 62))
    found = secants(a, b, OF)
    assert lt.verify(found).verdict == "verified"
    told = split(a, b, OF)
    scope = "0/adjoint-reverse"
    names = {of: new for new, of in found.stage(scope).cell.gradient}
    for parameter, value in b.parameters["0/reverse"].items():
        share = found.sums[scope][names[parameter]] * (value - a.parameters["0/reverse"][parameter])
        np.testing.assert_allclose(share, told.parts[f"0/reverse/{parameter}"], rtol=1e-12, atol=1e-15)


@pytest.mark.few(0)
def test_a_wrong_slope_is_found() -> None:
    a, b = (case("peephole", seed)[1] for seed in (63, 64))
    found = secants(a, b, OF)
    found.lines["0/adjoint-forward"]["d_z_f"][1, 0, 2] += 1e-6
    failed = lt.verify(found)
    assert failed.verdict == "failed"
    assert any("d_z_f" in str(failure.address) for failure in failed.failures)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", CELLS)
def test_its_equations_are_read_back(name: str) -> None:
    cell = written(cell_of(CELLS[name]), widths=None if name != "own" else _widths()).cell
    assert parse(cell.text) == cell


def _widths() -> dict[str, int]:
    from lstm_trace.trace.derived import sizes

    return sizes(case("own", 67)[1])["0/forward"]


def test_other_arithmetics_are_refused() -> None:
    a, b = (case("plain", seed, dtype="float32")[1] for seed in (68, 69))
    with pytest.raises(OptionError, match="a was computed in float32; the split as a trace needs float64"):
        secants(a, b, OF)
