"""Ten thousand random cells with matrices: plans agree, their traces are verified, and what was changed is found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings, strategies as st

from ..engine.test_matrices import PLANS, agree
from ..support.matrix_loops import matrix_cells
from .test_matrices import tampered

#: So many cells in each part; one in ten is compiled, which takes as long as ten others.
PART = 500


@pytest.mark.few(slow=8)  # all 20 take six minutes of processor time
@pytest.mark.parametrize("part", range(20))
def test_random_cells(part: int) -> None:
    @seed(part)
    @settings(max_examples=PART, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(matrix_cells(), st.integers(0, 1 << 32))
    def run(case: tuple[str, dict[str, np.ndarray], np.ndarray], at: int) -> None:
        tampered(agree(*case, PLANS[: 3 if at % 10 == 0 else 2]), np.random.default_rng(at))

    run()
