"""Findings of lower rooms as results: one file each, with blocks, rows, picture and facts.

An explanation is a file `NAME.py` with a function `NAME(trace, …)` that returns it, and a line in `explain` of
`cli/verbs.toml`.
"""

from __future__ import annotations

from typing import Literal

from ..base.packaged import packaged

#: The name of an explanation, for type checkers.
How = Literal["memory", "gradient", "contribution", "gates", "ablation", "training", "padding"]
#: The explanations by name, each with its line of `lstm-trace explain --help`.
EXPLANATIONS: dict[str, str] = packaged("cli/verbs.toml")["explain"]
