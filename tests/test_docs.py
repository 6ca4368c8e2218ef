"""The documents: their examples run, every command is documented and has help, links lead somewhere."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from lstm_trace.cli import VERBS, main

from . import ROOT

PAGES = sorted((ROOT / "docs").glob("*.md"))
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("page", [p for p in PAGES if ">>> " in p.read_text(encoding="utf-8")], ids=lambda p: p.name)
def test_examples_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(str(page), module_relative=False, optionflags=FLAGS, encoding="utf-8")
    assert tried
    assert not failed


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_is_documented_and_has_help(verb: str) -> None:
    run = CliRunner().invoke(main, [verb, "--help"])
    assert run.exit_code == 0
    assert len(run.output.splitlines()) > 3
    pages = [(ROOT / "README.md").read_text(encoding="utf-8"), *(p.read_text(encoding="utf-8") for p in PAGES)]
    assert any(f"lstm-trace {verb}" in page for page in pages)


def test_the_readme_shows_the_example_that_it_names() -> None:
    shown = re.search(
        r"`lstm-trace example (\w+) > .*?```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S
    )
    assert shown
    assert shown[2] == CliRunner().invoke(main, ["example", shown[1]]).output


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing
