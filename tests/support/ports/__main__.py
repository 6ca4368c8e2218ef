"""Lists the bugs: `python -m tests.support.ports --list` (names), `--counts` (how many of each family)."""

from __future__ import annotations

import sys
from collections import Counter

from . import BUGS, CONTROLS, HOPELESS, PAIRS

ALL = [*BUGS, *PAIRS, *CONTROLS, *HOPELESS]

if sys.argv[1:] == ["--counts"]:
    for family, count in Counter(bug.family for bug in ALL).items():
        print(f"{count:4} {family}")
elif sys.argv[1:] == ["--list"]:
    for bug in ALL:
        print(f"{bug.family:12} {bug.name:28} {bug.says}")
else:
    sys.exit(__doc__)
