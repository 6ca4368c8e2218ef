"""The README is true: every command of every path runs in a shell, in a folder of its own, and so does the Python."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from . import test_readme
from .test_readme import SECTIONS

folder = test_readme.folder


#: What cannot run by itself: it is about a model of the reader's.
NEEDS_A_MODEL = "lt.capture(model)"


@pytest.mark.skipif(os.name != "posix", reason="the commands are for a POSIX shell")
@pytest.mark.parametrize("title", [title for title, text in SECTIONS.items() if "```sh\n" in text])
def test_every_path_runs(title: str, folder: Path) -> None:
    for kind, text in re.findall(r"```(python|sh)\n(.*?)```", SECTIONS[title], re.S):
        if kind == "python":
            if NEEDS_A_MODEL not in text:
                exec(compile(text, title, "exec"), {})  # noqa: S102
            continue
        for line in text.splitlines():
            expected = int(code[1]) if (code := re.search(r"exit code (\d)", line)) else 0
            ran = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True)  # noqa: S603
            assert ran.returncode == expected, f"{line}\n{ran.stdout}{ran.stderr}"
            assert not ran.stderr, f"{line}\n{ran.stderr}"
