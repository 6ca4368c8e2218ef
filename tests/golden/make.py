"""Write the files beside this one again: `make golden`. Look at the difference before it is committed."""

from __future__ import annotations

import sys
from pathlib import Path

import lstm_trace as lt

from ..report.test_backward import worked
from ..report.test_report import q22
from ..support.matrix_cells import problem

HERE = Path(__file__).parent


def make(folder: Path) -> None:
    """Write every kept output into `folder`."""
    for form in ("md", "text", "tex", "typ"):
        (folder / f"report_q22.{form}").write_text(q22().report(form), encoding="utf-8")
    (folder / "report_mlstm.text").write_text(lt.run(problem("mlstm")).report("text"), encoding="utf-8")
    (folder / "backward_q22.md").write_text(worked(q22(), "h_t[0]"), encoding="utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
