"""How long an edit takes on the bench as a page: script, style and layout until everything that follows is drawn.

A weight is dragged in headless Chromium: in question 22, and in an LSTM of 32 units over 50 steps. Printed are the
median and the 90th percentile of the processor time of the page's thread (which other programs do not slow down), and
of the time on the clock, in milliseconds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

import lstm_trace as lt
from lstm_trace.examples import text
from tests.browser.chromium import PROGRAM

ADDRESS = "0/forward/W_xi[0,0]"
MOVES = 60
#: What a pointer does: `[what, address, way]`. A move is over when everything that follows is computed and laid out.
POINTER = """async ([what, address, way]) => {
  const cell = document.querySelector(`td[role=gridcell][data-address="${address}"]`);
  const how = { bubbles: true, button: 0, pointerId: 1, pointerType: "mouse", clientY: 0, clientX: 10 + 3 * way };
  cell.setPointerCapture = () => {};
  const begun = performance.now();
  if (what) cell.dispatchEvent(new PointerEvent(what, { ...how, clientX: what === "pointerdown" ? 0 : how.clientX }));
  const { port1, port2 } = new MessageChannel();
  await new Promise((done) => { port1.onmessage = done; port2.postMessage(0); });
  document.body.getBoundingClientRect();
  return performance.now() - begun;
}"""


def large() -> lt.Trace:
    draw = np.random.default_rng(0)
    weights = {f"W_{s}{g}": 0.2 * draw.normal(size=(32, 16 if s == "x" else 32)) for s in "xh" for g in "ifco"}
    return lt.run(weights | {f"b_{g}": draw.normal(size=32) for g in "ifco"}, draw.normal(size=(50, 16)))


def measured(page: Any) -> tuple[list[float], list[float]]:
    """Processor time and time on the clock of each edit, in milliseconds."""
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        found = {one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]}
        return 1000 * found["TaskDuration"]

    processor, clock = [], []
    page.evaluate(POINTER, ["pointerdown", ADDRESS, 0])
    for move in range(MOVES):
        start = busy()
        page.evaluate(POINTER, ["", ADDRESS, 0])  # what it takes to look on
        before = busy()
        clock.append(page.evaluate(POINTER, ["pointermove", ADDRESS, move % 7 + 1]))
        processor.append(busy() - before - (before - start))
        page.wait_for_timeout(30)
    page.evaluate(POINTER, ["pointerup", ADDRESS, 0])
    return processor[10:], clock[10:]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        q22 = Path(folder) / "q22.yaml"
        q22.write_text(text("q22"), encoding="utf-8")
        for name, source in (("question 22", q22), ("32 units, 50 steps", large())):
            path = Path(folder) / "bench.html"
            lt.bench(source).save(path)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.goto(path.as_uri())
            page.locator("#value").wait_for()
            processor, clock = (np.percentile(times, [50, 90]) for times in measured(page))
            size = path.stat().st_size // 1000
            print(
                f"{name}: processor {processor[0]:.1f} ({processor[1]:.1f}) ms, "
                f"clock {clock[0]:.1f} ({clock[1]:.1f}) ms; the file has {size} kB"
            )
        browser.close()


if __name__ == "__main__":
    main()
