"""Make the pictures of README and tour with our own commands: `make images`. Pages need Chromium to be drawn."""

from __future__ import annotations

import tempfile
from pathlib import Path

from docs import tour
from lstm_trace.cli import main
from lstm_trace.examples import text
from tests.browser.chromium import PROGRAM, browser
from tests.support.serving import serving

HERE = Path(__file__).parent
#: What is pointed at in the page: a cell state of the second step, so that its equation and its operands show.
VALUE = ".step[data-t='1'] .derivation:last-child .under a"
#: The bench with a weight of the forget gate changed, and the cell state that follows from it.
BENCH = "bench?source=example:three-steps&edits=0/forward/W_xf[1,1]=-1&at=0/forward/1/0/f_t[1]"


def report(problem: str, target: Path) -> None:
    """`lstm-trace report problem -o target`."""
    main(["report", problem, "-o", str(target)], standalone_mode=False)


def make(folder: Path) -> None:
    """Write cell.svg, and page.png and bench.png where there is a browser."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        problem = work / "three-steps.yaml"
        problem.write_text(text("three-steps"), encoding="utf-8")
        report(str(problem), work / "cell.md")
        (folder / "cell.svg").write_text((work / "cell.svg").read_text("utf-8"), encoding="utf-8")
        if PROGRAM is None:
            print("no Chromium here: page.png and bench.png stay as they are")
            return
        report(str(problem), work / "page.html")
        with browser() as page:
            page.open(work / "page.html", 880, 560)
            page.run(
                "(() => {const s = document.querySelector('input[type=range]'); s.value = 1;"
                " s.dispatchEvent(new Event('input', {bubbles: true}))})()"
            )
            page.hover(VALUE)
            page.picture(folder / "page.png", whole=False)
        with serving(work) as server, browser() as page:
            page.visit(f"{server.url}/#{BENCH}", 1240, 800)
            page.wait_for("document.querySelector('#operands') && !document.body.innerText.includes('Loading …')")
            page.picture(folder / "bench.png", whole=False)


if __name__ == "__main__":
    make(HERE)
    tour.make(tour.PICTURES)
