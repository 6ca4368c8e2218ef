"""What modules of the page compute: many cases in one process of Node, which lives as long as the tests."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
from functools import cache
from threading import Timer
from typing import Any

import pytest

from .. import ROOT

LINES = (ROOT / "lstm_trace" / "lines").as_uri()
NODE = shutil.which("node") or shutil.which("nodejs")
#: Answers one question a line; a module is known by its text, so that a test that asks twice has the same one.
_ANSWERING = """
import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  const [text, given] = JSON.parse(line);
  let said;
  try {
    const { asked } = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    said = JSON.stringify({ value: await asked(given) });
  } catch (error) {
    said = JSON.stringify({ error: error?.stack ?? String(error) });
  }
  process.stdout.write(`${said}\\n`);
}
"""


@cache
def _node() -> subprocess.Popen[str]:
    if NODE is None:
        pytest.skip("needs node: apt-get install nodejs")
    asked = [NODE, "--input-type=module", "--eval", _ANSWERING]
    process = subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")  # noqa: S603

    @atexit.register
    def end() -> None:
        process.kill()
        process.communicate()

    return process


def computed(script: str, given: Any) -> Any:
    """The value of `answer(given)`, a function that a module defines. Skips the test where there is no Node.

    script: the text of the module; `LINES` in it is the folder of the lines.
    """
    node = _node()
    assert node.stdin is not None
    assert node.stdout is not None
    late = Timer(300, node.kill)
    late.start()
    try:
        node.stdin.write(json.dumps([script.replace("LINES", LINES) + "\nexport { answer as asked };", given]) + "\n")
        node.stdin.flush()
        said = node.stdout.readline()
    finally:
        late.cancel()
        if node.poll() is not None:  # the next test has another one
            _node.cache_clear()
    assert said, "node has ended"
    # JavaScript has one kind of number: 1e20 is written as a whole one that Python would read exactly
    found = json.loads(said, parse_int=lambda text: int(text) if len(text) < 16 else float(text))
    assert "error" not in found, found["error"][-3000:]
    return found.get("value")
