"""Optional dependencies: what is said when one is missing can be typed as it stands."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from lstm_trace.base import extras

from .. import ROOT

USERS = (
    "torch",
    "keras",
    "onnx",
    "flax",
    "models",
    "parquet",
    "corpus",
    "probe",
    "duckdb",
    "xarray",
    "xlsx",
    "pdf",
    "jit",
    "serve",
    "postgres",
)  # the others are for developers


def test_what_is_asked_for_is_what_the_project_declares() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    asked = {requirement for extra in USERS for requirement in declared[extra]}
    assert asked == set(extras.REQUIREMENTS.values())
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    assert tuple(text.partition(">=")[0] for text in needed) == extras.NEEDED
    assert all(re.match(r"[\w-]+", text)[0] == name for name, text in extras.REQUIREMENTS.items())  # type: ignore[index]


def test_the_command_is_for_this_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.chdir(tmp_path)
    message = extras.missing("PDF", "typst", "write .html")
    assert message.startswith("PDF needs the package typst, which is not installed: ")
    assert message.endswith("-m pip install 'typst>=0.14', or write .html")
    assert shlex.split(message.split("installed: ")[1])[:4] == [sys.executable, "-m", "pip", "install"]
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert extras.missing("PDF", "typst").endswith(": python -m pip install 'typst>=0.14'")


def test_several_packages_are_one_command() -> None:
    said = extras.missing("serve", "uvicorn", others=["fastapi"])
    assert said.startswith("serve needs the packages fastapi and uvicorn, which are not installed: ")
    assert said.endswith("-m pip install 'uvicorn>=0.30' 'fastapi>=0.115'")


def test_without_pip_the_command_is_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert ": uv pip install --python " in extras.missing("PDF", "typst")


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_no_page_installs_from_an_index_that_does_not_have_us(page: Path) -> None:
    assert not re.search(r"(install|inject|uvx?|add) '?lstm-trace", page.read_text("utf-8"))


def test_whom_a_server_answers_is_told_what_they_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras._audience, "elsewhere", False)
    extras.speak_to_others()
    said = extras.missing("m.pt", "torch", "save its arrays as .npz")
    assert said == (
        "m.pt needs the package torch, which is not installed on this server: ask whoever runs it to install that, or "
        "save its arrays as .npz"
    )
    assert "/" not in said
