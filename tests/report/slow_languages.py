"""The languages: a file is a language, every language has every string with the same fields, every string is shown."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .. import ROOT


def test_a_file_more_is_a_language_more(tmp_path: Path) -> None:
    """Formats, picture, gradient, help and choices of the command line have it, with no line of code for it."""
    package = shutil.copytree(ROOT / "lstm_trace", tmp_path / "lstm_trace", ignore=shutil.ignore_patterns("*.pyc"))
    stub = {
        "lstm.i_t": "Porta di ingresso",
        "diagram.next": "al passo successivo",
        "back.solution": "Indietro nel tempo",
    }
    lines = [f"{json.dumps(key)} = {json.dumps(text)}\n" for key, text in stub.items()]
    (package / "languages" / "it.toml").write_text("".join(lines), encoding="utf-8")
    problem = str(ROOT / "lstm_trace" / "examples" / "q22.yaml")
    options = ["--language", "it", "-o"]
    calls = [["report", problem, *options, f"r{suffix}"] for suffix in (".md", ".txt", ".html", ".tex", ".typ", ".pdf")]
    calls += [["explain", problem, "--how", "gradient", "--of", "h_t[0]", *options, "g.md"], ["report", "--help"]]
    script = f"from lstm_trace.cli import main\nfor call in {calls}: assert main(call, standalone_mode=False) == 0"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "de|en|es|fr|it|zh" in done.stdout
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.*") if path.suffix != ".pdf"}
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    assert all("Porta di ingresso" in made[f"r{suffix}"] for suffix in (".md", ".txt", ".html", ".tex", ".typ"))
    assert all("al passo successivo" in made[name] for name in ("r.svg", "r.html"))
    assert "Indietro nel tempo" in made["g.md"]
    assert "Forget gate" in made["r.md"]  # what the file has not stands there in English
    assert 'lang="it"' in made["r.html"]
    assert 'lang: "it"' in made["r.typ"]
