"""The files in traces/, schemas/, tests/golden/ and docs/images/ are what the program makes today."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import TypeAdapter

from docs.images import make as images
from lstm_trace.examples import examples
from lstm_trace.trace.files.schema import json_schema

from . import ROOT
from .golden.make import HERE, make


def same(a: Any, b: Any) -> bool:
    """Equal, numbers to 1e-14: the last digit of exp and tanh depends on the machine."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-14 * max(1.0, abs(a))
    return bool(a == b)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", sorted(examples()))
def test_traces_are_current(tmp_path: Path, name: str) -> None:
    kept, made = ROOT / "traces" / name, tmp_path / name
    runpy.run_path(str(ROOT / "traces" / "make.py"))["make"](tmp_path, [name])
    for file in ("problem.yaml", "report.md"):
        expected, found = ((folder / file).read_text(encoding="utf-8") for folder in (kept, made))
        assert found == expected, f"{name}/{file} differs; `make traces` writes it anew"
    assert same(*(json.loads((folder / "trace.json").read_text()) for folder in (kept, made)))
    rows = [(folder / "trace.csv").read_text().splitlines() for folder in (kept, made)]
    assert [r.rsplit(",", 1)[0] for r in rows[0]] == [r.rsplit(",", 1)[0] for r in rows[1]]


@pytest.mark.parametrize("name", ["problem", "trace"])
def test_schemas_are_current(name: str) -> None:
    kept = json.loads((ROOT / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    found = json_schema(name)
    if "propertyNames" not in TypeAdapter(dict[Literal["x"], int]).json_schema():  # an old pydantic
        found, kept = told_by_old(found), told_by_old(kept)
    assert found == kept, "`make schemas` writes it anew"


def told_by_old(schema: Any) -> Any:
    """Without what old versions of pydantic do not write: names of keys, a default, a list of one beside a constant."""
    if isinstance(schema, list):
        return list(map(told_by_old, schema))
    if not isinstance(schema, dict):
        return schema
    left = {"propertyNames"} | ({"enum"} if "const" in schema else set())
    left |= {"additionalProperties"} if schema.get("additionalProperties") is True else set()
    return {key: told_by_old(value) for key, value in schema.items() if key not in left}


def test_goldens_are_what_make_golden_writes(tmp_path: Path) -> None:
    make(tmp_path)
    others = (".py", ".json", ".safetensors")  # the latter are traces that earlier versions wrote
    kept = {
        path.name: path.read_text("utf-8") for path in HERE.iterdir() if path.is_file() and path.suffix not in others
    }
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == kept, "`make golden` writes them anew"


def test_the_picture_of_the_readme_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "PROGRAM", None)
    images.make(tmp_path)
    assert (tmp_path / "cell.svg").read_text("utf-8") == (images.HERE / "cell.svg").read_text("utf-8"), "`make images`"
