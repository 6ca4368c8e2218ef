"""Requests that are made up from the OpenAPI description: whatever is sent, the server never breaks."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import lstm_trace as lt

from ..support.serving import serving

pytest.importorskip("fastapi")


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="needs schemathesis")
def test_no_request_breaks_the_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        client = lt.client(server.url)
        run = client.run(example="three-steps")
        run.download("trace.json", tmp_path / "kept.json")
        item = client.upload(tmp_path / "kept.json")
        # without them nearly every request would ask for what is not there
        known = {"path.id": run.id, "path.item": item["id"]}
        rows = "".join(f'"{name}" = "{value}"\n' for name, value in known.items())
        (tmp_path / "schemathesis.toml").write_text(f"[parameters]\n{rows}")
        ran = subprocess.run(  # noqa: S603
            [
                sys.executable, "-m", "schemathesis.cli", "run", f"{server.api}/openapi.json",
                "--checks", "not_a_server_error,status_code_conformance,content_type_conformance",
                "--max-examples", "40", "--exclude-method", "DELETE", "--seed", "7",
                "--suppress-health-check", "all", "--workers", "2",
            ],
            capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
        log = (tmp_path / "serve.log").read_text()
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "Traceback" not in log, log[-4000:]
