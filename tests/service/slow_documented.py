"""docs/service.md is true: its shell lines run against a real server, and so does its Python."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from docs.generated import TEXTS

from .. import ROOT
from ..support.serving import serving

pytest.importorskip("fastapi")
PAGE = (ROOT / "docs" / "service.md").read_text("utf-8")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_lines_of_the_page_run(tmp_path: Path) -> None:
    shutil.copy(ROOT / "traces" / "unicode-burmese" / "burmese.npz", tmp_path)
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.S))
    assert lines.count("curl") > 15
    with serving(tmp_path) as server:
        lines = lines.replace("http://127.0.0.1:8000", server.url)
        lines = lines.replace("lstm-trace report", f"PYTHONPATH={ROOT} python3 -m lstm_trace report")
        (tmp_path / "lines.sh").write_text(f"set -e\n{lines}")
        ran = subprocess.run(["/bin/sh", "lines.sh"], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, f"{ran.stdout[-3000:]}\n{ran.stderr}"
    assert not ran.stderr
    assert "there is no example 'q23'" in ran.stdout
    assert '"application/problem+json"' not in ran.stdout


def test_the_python_of_the_page_runs(tmp_path: Path) -> None:
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    with serving(tmp_path) as server:
        exec(compile(text.replace("http://127.0.0.1:8000", server.url), "service.md", "exec"), {})  # noqa: S102


def test_the_table_of_requests_is_the_description() -> None:
    """Each route, with its parameters: one that is missing has no row, and one that is gone has no longer any."""
    (found,) = re.findall(r"^\| request \|.*\n(?:\|.*\n)+", PAGE, re.M)
    assert found.strip() == TEXTS["routes"]()


def test_every_request_of_the_page_is_in_the_description(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        from urllib.request import urlopen

        described = json.load(urlopen(f"{server.api}/openapi.json"))["paths"]  # noqa: S310
    told = {path.removeprefix("/api/v1") for path in described}
    rows = re.findall(r"^\| (`(?:GET|POST|DELETE).*?) \|", PAGE, re.M)
    paths = {
        found.replace("…", "/runs/{id}").replace("//", "/")
        for row in rows
        for found in re.findall(r"((?:/|…/)[\w{}/]+)", row)
    }
    assert len(paths) > 15
    normal = {re.sub(r"{[^}]*}", "{}", path) for path in told}
    assert {re.sub(r"{[^}]*}", "{}", path) for path in paths} <= normal
