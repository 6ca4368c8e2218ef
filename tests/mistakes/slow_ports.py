"""identify on ports with one bug each, from the last layer's output alone: what is named, and that nothing else is.

The ports (tests/support/ports) were written by people who had not seen the table; see CONTRIBUTING.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from ..support.ports import (
    BUGS,
    CONTROLS,
    FOURTH,
    FRESH,
    FRESH_CONTROLS,
    FRESH_HOPELESS,
    HOPELESS,
    PAIRS,
    THIRD,
    drawn,
)  # fmt: skip

#: Bugs that no row of the table, and no two, are: constants outside every list, and what no word says.
UNNAMED = {
    "CandidateOfResetInput", "LinearOutputNotCleared", "LayersShareOneState", "LinearNotCleared", "Float16Sums",
    "ApFixed", "NormOfAllGates", "ZeroPointSign", "CellStateWipedAndHardSigmoidInReverse",
    "FeaturesReversedAndReverseStateWiped",
}  # fmt: skip


def found(bug: Any, seed: int) -> lt.Identification:
    """What identify makes of the output of a port."""
    case = drawn(bug, seed)
    weights = {name: np.asarray(values, np.float64) for name, values in case.weights.items()}
    given = {"h0": case.h0, "c0": case.c0, "lengths": case.lengths, "cell": case.options, "dtype": "float64"}
    return lt.identify(weights, np.asarray(case.x, np.float64), case.values.h, **given)


@pytest.mark.parametrize("bug", [*BUGS, *FRESH, *THIRD, *FOURTH], ids=lambda bug: bug.name)
def test_a_bug_is_named_or_nothing_is(bug: Any) -> None:
    if bug.name == "SumForConcat":
        with pytest.raises(lt.LstmTraceError, match="shape"):
            found(bug, 4)
        return
    result = found(bug, 4)
    assert not result.right
    assert bool(result.found) is (bug.name not in UNNAMED), str(result)


@pytest.mark.parametrize("bug", PAIRS, ids=lambda bug: bug.name)
def test_two_bugs_at_once(bug: Any) -> None:
    result = found(bug, 0)
    assert bool(result.found) is (bug.name not in UNNAMED), str(result)


@pytest.mark.parametrize("control", [*CONTROLS, *FRESH_CONTROLS], ids=lambda bug: bug.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_right_port_is_read_rightly(control: Any, seed: int) -> None:
    assert found(control, seed).right


@pytest.mark.parametrize("bug", [*HOPELESS, *FRESH_HOPELESS], ids=lambda bug: bug.name)
@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_no_mistake_of_the_table_gets_no_name(bug: Any, seed: int) -> None:
    result = found(bug, seed)
    assert not result.right
    assert not result.found
