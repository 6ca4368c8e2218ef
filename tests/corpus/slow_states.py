"""What is stored is what the network computes: against an LSTM written out in numpy, sequence by sequence."""

from __future__ import annotations

import subprocess
import sys
from typing import Any


def test_reading_a_unit_needs_no_datasets_of_arrow(states: Any) -> None:
    script = (
        "import sys; from lstm_trace import corpus; corpus.open(sys.argv[1]).unit('0/forward/c_t[1]'); "
        "print('pyarrow.dataset' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(states.folder)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own script
    assert found.stdout == "False\n"
