"""The notebooks of the documentation: their cells run, and what they show is what those give, in Jupyter too."""

from __future__ import annotations

import subprocess
import sys

from . import ROOT


def test_they_need_no_more_than_the_readme_installs() -> None:
    """Each runs from its first cell to its last in an environment without any extra."""
    extras = ("matplotlib", "pyarrow", "typst", "torch", "sklearn", "openpyxl", "xlsxwriter", "duckdb", "xarray")
    script = f"import sys; sys.modules |= dict.fromkeys({extras}); from docs import notebook as kept\n"
    script += "for path in kept.NOTEBOOKS: kept.run(kept.read(path))"
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert found.returncode == 0, found.stderr
