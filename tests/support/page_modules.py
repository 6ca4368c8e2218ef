"""What modules of the page compute: many cases in one process of Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from .. import ROOT

LINES = (ROOT / "lstm_trace" / "lines").as_uri()
NODE = shutil.which("node") or shutil.which("nodejs")


def computed(script: str, given: Any) -> Any:
    """The value of `answer(given)`, a function that a module defines. Skips the test where there is no Node.

    script: the text of the module; `LINES` in it is the folder of the lines.
    """
    if NODE is None:
        pytest.skip("needs node: apt-get install nodejs")
    text = script.replace("LINES", LINES) + (
        "\nlet text = ''; for await (const part of process.stdin.setEncoding('utf8')) text += part;"
        "\nprocess.stdout.write(JSON.stringify(await answer(JSON.parse(text))));"
    )
    asked = [NODE, "--input-type=module", "--eval", text]
    ran = subprocess.run(asked, input=json.dumps(given), capture_output=True, encoding="utf-8", timeout=300)  # noqa: S603
    assert not ran.returncode, ran.stderr[-3000:]
    # JavaScript has one kind of number: 1e20 is written as a whole one that Python would read exactly
    return json.loads(ran.stdout, parse_int=lambda text: int(text) if len(text) < 16 else float(text))
