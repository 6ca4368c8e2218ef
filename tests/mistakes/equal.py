"""Mistakes that give the same output in a network, which no test of values can tell apart: `equal.txt`.

`python -m tests.mistakes.equal` writes the file. A line that is new in it is either an equality of mathematics, or a
row of the table that does not do what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lstm_trace.mistakes.identify import Search
from lstm_trace.mistakes.programs import OUTPUT
from lstm_trace.mistakes.trials import MistakeRuns
from tests.mistakes.networks import NETWORKS, network

FILE = Path(__file__).parent / "equal.txt"
RIGHT = "the right run"
#: Outputs that differ by less are equal: sums in another order.
NEAR = 1e-11
HEAD = """Mistakes that give the same output, by network of networks.py, in two runs of each.
Written by `python -m tests.mistakes.equal`, and compared with what is computed by test_rows.py.
"""


def groups(name: str) -> list[list[str]]:
    """The mistakes of a network that have equal outputs, those without effect with the right run."""
    runs = [network(name), network(name, seed=7, scale=20.0)]
    candidates = [one for one in Search(runs[0], {}).candidates() if not one.mistakes[0].place]
    rows: dict[str, list[np.ndarray]] = {RIGHT: [trace.output.ravel() for trace in runs]}
    for trace in runs:
        place = trace.stages[-1].scope, OUTPUT
        for candidate, found in zip(candidates, MistakeRuns(trace, [place]).run(candidates), strict=True):
            if found[place].shape == trace.output.shape and not np.isnan(found[place]).all():
                values = np.nan_to_num(found[place].ravel(), nan=1e9, posinf=2e9, neginf=-2e9)
                rows.setdefault(str(candidate.mistakes[0]), []).append(np.clip(values, -3e9, 3e9))
    whole = {key: np.concatenate(parts) for key, parts in rows.items() if len(parts) == len(runs)}
    found_groups: list[list[str]] = []
    left = [*whole]
    table = np.stack([*whole.values()])
    while left:  # every mistake is compared with every other
        here = np.abs(table - table[0]).max(axis=1) <= NEAR
        if here.sum() > 1:
            found_groups.append([key for key, near in zip(left, here, strict=True) if near])
        left = [key for key, near in zip(left, here, strict=True) if not near]
        table = table[~here]
    return found_groups if found_groups and RIGHT in found_groups[0] else [[RIGHT], *found_groups]


def written(found: Sequence[Sequence[str]]) -> str:
    """Groups as text, one in each line; those without effect in a line each."""
    lines = [[RIGHT, key] for key in found[0][1:]] + [*found[1:]]
    return "".join(f"{' = '.join(line)}\n" for line in lines)


if __name__ == "__main__":
    FILE.write_text(HEAD + "".join(f"\n== {name}\n{written(groups(name))}" for name in NETWORKS), encoding="utf-8")
