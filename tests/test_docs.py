"""The documents: their examples run, every command is documented and has help, links lead somewhere."""

from __future__ import annotations

import doctest
import re
import tomllib
from collections.abc import Collection
from pathlib import Path

import pytest
from click.testing import CliRunner

from lstm_trace import __version__
from lstm_trace.cell.named_cells import KINDS
from lstm_trace.cli import VERBS, main
from lstm_trace.remote.client import RemoteRun
from lstm_trace.results import EXPLANATIONS

from . import ROOT
from .test_rooms import PACKAGE, ROOMS

PAGES = sorted((ROOT / "docs").glob("*.md"))
#: The pages at the top of the repository.
TOP = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.few(1)
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


@pytest.mark.parametrize("page", [*TOP, *PAGES], ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


def test_the_index_has_every_page() -> None:
    listed = re.findall(r"^- \[.*?\]\((.*?)\)", (ROOT / "docs" / "index.md").read_text("utf-8"), re.M)
    assert len(set(listed)) == len(listed)
    assert {(ROOT / "docs" / page).resolve() for page in listed} == {
        *(page for page in PAGES if page.name != "index.md"),
        *TOP,
        ROOT / "CHANGELOG.md",
        *(ROOT / "docs").glob("*.ipynb"),
    }


@pytest.mark.few(1)
@pytest.mark.parametrize("page", TOP[1:], ids=lambda p: p.name)
def test_files_and_names_in_the_code_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    files = re.findall(r"`((?:[\w-]+/)*[\w-]+\.(?:py|md|toml|yaml))`", text)
    assert files
    assert not [file for file in files if not ((ROOT / file).exists() or (PACKAGE / file).exists())]
    folders = re.findall(r"`((?:[\w-]+/)+)`", text)
    tops = (PACKAGE, ROOT / "tests", ROOT / "docs")
    there = {f"{path.relative_to(ROOT)}/" for top in tops for path in top.rglob("*/")}
    there |= {f"{path.name}/" for path in ROOT.iterdir()}
    assert not [folder for folder in folders if not any(f"/{one}".endswith(f"/{folder}") for one in there)]
    named = re.findall(r"`([\w/]+\.py)`(?::| \|)\s`(\w+)`((?:, `\w+`)*)", text)
    for file, first, more in named:
        code = (PACKAGE / file).read_text("utf-8")
        for name in (first, *re.findall(r"\w+", more)):
            assert re.search(rf"^\s*((async )?def|class) {name}\b|^{name}\b", code, re.M), f"{file} has no {name}"


def test_the_architecture_has_every_room_in_order() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("| room in")[2].partition("\n\n")[0]
    rows = [re.findall(r"`(\w+)(?:/|\.py)`", row.split("|")[1]) for row in table.splitlines()[2:]]
    assert [name for row in rows for name in row] == sorted(
        {room.split(".")[0] for room in ROOMS}, key=[room.split(".")[0] for room in ROOMS].index
    )


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", ".ci/run", ".github/workflows/ci.yml", *PAGES])
def test_every_target_of_make_is_there(file: str | Path) -> None:
    called = re.findall(r"(?:`|run: |^)make (?:[A-Z]+=\S+ )?([a-z-]+)", (ROOT / file).read_text("utf-8"), re.M)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert set(called) <= set(targets)
    assert called or file in PAGES


@pytest.mark.parametrize(
    ("page", "names"), [("explain.md", EXPLANATIONS), ("results.md", EXPLANATIONS), ("problems.md", KINDS)]
)
def test_lists_of_the_docs_are_whole(page: str, names: Collection[str]) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    missing = [name for name in names if not re.search(rf"\b{name}`|^\*\*{name}\*\*", text, re.M)]
    assert not missing


def test_the_client_names_every_explanation() -> None:
    said = RemoteRun.explain.__doc__ or ""
    assert not [name for name in EXPLANATIONS if f"`{name}`" not in said]


def test_what_make_tests_is_there() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    quick = re.findall(r"QUICK := \$\(addprefix tests/,(.*?)\)", text, re.S)[0].replace("\\", "").split()
    named = {f"tests/{path}" for path in quick} | set(re.findall(r"\btests/[\w/.]+", text)) - {"tests/,"}
    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).exists()]


def test_the_readme_has_every_extra_of_users() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    developers = {"frameworks", "test", "browser", "load", "docs", "lint"}
    listed = (ROOT / "README.md").read_text("utf-8").partition("Some formats need an optional")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z]+)`|\.\[([a-z]+)\]", listed)) == {
        (name, "") if name != "pdf" else ("", name) for name in {*extras} - developers
    }


def test_the_version_is_the_same_everywhere() -> None:
    for file, pattern in (("pyproject.toml", r'^version = "(.*)"'), ("CITATION.cff", r"^version: (.*)")):
        assert re.findall(pattern, (ROOT / file).read_text("utf-8"), re.M) == [__version__]
    assert f"\n## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")
