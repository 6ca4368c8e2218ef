"""A headless Chromium, driven over its debugging pipe: no other package is needed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next((found for name in _NAMES if (found := shutil.which(name))), None)


@dataclass
class Browser:
    """One page. requests and complaints: what it asked the network for, what its console said."""

    reading: int
    writing: int
    session: str = ""
    count: int = 0
    rest: bytes = b""
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.writing, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self.count:
                assert "error" not in found, found
                return found["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            more = os.read(self.reading, 1 << 20)
            assert more, "the browser is gone"
            self.rest += more
        text, _, self.rest = self.rest.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        self._note(found)
        return found

    def _note(self, found: dict[str, Any]) -> None:
        method, params = found.get("method", ""), found.get("params", {})
        self.events.append(method)
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("text", "") + str(params["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(params["args"]))

    def open(self, path: Path, width: int = 1280, height: int = 900, scripts: bool = True, dark: bool = False) -> None:
        """Open a file in a window of that size."""
        self.visit(path.resolve().as_uri(), width, height, scripts, dark)

    def visit(self, url: str, width: int = 1280, height: int = 900, scripts: bool = True, dark: bool = False) -> None:
        """Open an address in a window of that size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.events.clear()
        self.call("Page.navigate", url=url)
        while "Page.loadEventFired" not in self.events:
            self._next()

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, script: str, seconds: float = 20.0) -> None:
        """Wait until an expression in the page is true."""
        until = time.monotonic() + seconds
        while not self.run(f"!!({script})"):
            assert time.monotonic() < until, script
            time.sleep(0.05)

    def hover(self, selector: str) -> None:
        """Move the mouse over the first element that fits."""
        box = self.run(
            f"(() => {{const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]})()"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])

    def picture(self, path: Path, whole: bool = True) -> None:
        """A screenshot, of the whole page or of the window."""
        extra: dict[str, Any] = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8000), "scale": 1}
            extra = {"captureBeyondViewport": True, "clip": clip}
        found = self.call("Page.captureScreenshot", format="png", **extra)
        path.write_bytes(base64.b64decode(found["data"]))

    def paper(self, path: Path) -> None:
        """The page as PDF."""
        found = self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        path.write_bytes(base64.b64decode(found["data"]))


@contextmanager
def browser() -> Iterator[Browser]:
    """A fresh browser with one page."""
    assert PROGRAM is not None
    to_browser, writing = os.pipe()
    reading, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:

        def pipes() -> None:  # the protocol is spoken on descriptors 3 and 4
            low, high = os.dup2(to_browser, 63), os.dup2(from_browser, 64)
            os.dup2(low, 3)
            os.dup2(high, 4)

        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
                 "--disable-background-networking", "--disable-dev-shm-usage", "--hide-scrollbars")  # fmt: skip
        process = subprocess.Popen(  # noqa: S603
            [PROGRAM, *flags, f"--user-data-dir={home}", "about:blank"],
            pass_fds=(3, 4), preexec_fn=pipes, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        try:
            driver = Browser(reading, writing)
            page = next(t for t in driver.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
            driver.session = driver.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
            for domain in ("Page", "Network", "Runtime", "Log"):
                driver.call(f"{domain}.enable")
            driver.call("Emulation.setFocusEmulationEnabled", enabled=True)
            yield driver
        finally:
            process.terminate()
            process.wait(20)
            os.close(writing)
            os.close(reading)
