"""`identify` searches every kind of cell: no mistake of the table ends in an error, and what is right is said to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from .. import ROOT

EXAMPLES = sorted(path.stem for path in (ROOT / "lstm_trace" / "examples").glob("*.yaml"))
#: Exercises with the weights of some gates only: the model cannot be run as a whole.
PARTIAL = {"q19", "q20", "q21"}


@pytest.mark.few(0)
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in PARTIAL])
def test_every_example_is_searched(name: str) -> None:
    path = ROOT / "lstm_trace" / "examples" / f"{name}.yaml"
    y = lt.run(path, ask=[]).output
    found = lt.identify(path, y=y)
    assert found.right
    noise: Any = np.random.default_rng(1).normal(size=y.shape)
    found = lt.identify(path, y=noise)
    assert (found.right, found.found) == (False, ())
    assert found.report("md")
    assert found.as_json()


@pytest.mark.parametrize("name", sorted(PARTIAL))
def test_a_model_without_all_of_its_weights_is_refused(name: str) -> None:
    path = ROOT / "lstm_trace" / "examples" / f"{name}.yaml"
    with pytest.raises(lt.MissingError, match=r"needs W_\w+, which the weights do not have"):
        lt.identify(path, y={"i_t": [[0.5]]})
