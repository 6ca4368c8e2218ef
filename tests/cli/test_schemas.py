"""What each command writes with --format json is as its schema says, and each key of a schema is written somewhere."""

from __future__ import annotations

import json
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import lstm_trace as lt
from lstm_trace import examples
from lstm_trace.cli import main
from lstm_trace.engine.plan import kernels as numpy_plan
from lstm_trace.results import EXPLANATIONS
from lstm_trace.verification import plans

from .. import ROOT
from ..mistakes.test_identify import drawn, stored
from ..support.table_cases import filled, stacked
from ..tracking import quotes

SCHEMAS = ("verify", "diff", "identify", "inspect", "show", "finding")
#: Keys that some output had, by schema: a path, with * for the entries of a list.
MET: dict[str, set[str]] = {name: set() for name in SCHEMAS}


def invoke(*arguments: Any) -> Any:
    return CliRunner().invoke(main, [*map(str, arguments)])


@cache
def schema(name: str) -> Any:
    found = json.loads(invoke("schema", name).stdout)
    Draft202012Validator.check_schema(found)
    return found


def refuse(text: str) -> Any:
    raise AssertionError(f"{text} is not JSON")


def keys(value: Any, path: str = "") -> set[str]:
    """The paths of all keys of some data."""
    if isinstance(value, list):
        return {path}.union(*(keys(one, f"{path}/*") for one in value))
    if isinstance(value, dict):
        return {path}.union(*(keys(one, f"{path}/{name}") for name, one in value.items()))
    return {path}


def declared(part: Any, whole: Any, path: str = "") -> set[str]:
    """The paths of all keys that a schema lists by name."""
    part = whole["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    found = set().union(*(declared(one, whole, path) for one in part.get("anyOf", ())))
    for name, one in part.get("properties", {}).items():
        found |= {f"{path}/{name}"} | declared(one, whole, f"{path}/{name}")
    return found | declared(part["items"], whole, f"{path}/*") if isinstance(part.get("items"), dict) else found


def valid(name: str, *arguments: Any) -> Any:
    """The JSON that a command writes, as the schema says."""
    result = invoke(*arguments, "--format", "json")
    assert result.exit_code in (0, 1), result.stderr
    found = json.loads(result.stdout, parse_constant=refuse)
    faults = [f"{fault.json_path}: {fault.message}" for fault in Draft202012Validator(schema(name)).iter_errors(found)]
    assert not faults, (arguments, faults)
    MET[name] |= keys(found)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("schemas")
    for name in examples.examples():
        (found / f"{name}.yaml").write_text(examples.text(name), encoding="utf-8")
        lt.run(found / f"{name}.yaml").save(found / f"{name}.json")
    return found


@pytest.mark.few(0)
@pytest.mark.parametrize("name", examples.examples())
def test_examples(folder: Path, name: str) -> None:
    assert valid("verify", "verify", folder / f"{name}.json")["verdict"] == "verified"
    valid("show", "show", folder / f"{name}.yaml")
    valid("diff", "diff", folder / f"{name}.yaml", folder / f"{name}.json")
    valid("finding", "explain", "padding", folder / f"{name}.json")


@pytest.mark.few(0)
def test_verdicts_that_are_not_verified(tmp_path: Path) -> None:
    trace = stacked(lengths=[4, 2])
    filled(trace, np.array([0.5, np.nan, np.inf])).save(tmp_path / "broken.json")
    found = valid("verify", "verify", tmp_path / "broken.json")
    assert found["failures"]
    one = stacked(record={"lines": ["c_t", "h_t", "z_i"]})
    one.save(tmp_path / "part.json")
    assert valid("verify", "verify", tmp_path / "part.json")["inconclusive"]
    valid("show", "show", tmp_path / "broken.json")
    valid("finding", "explain", "gates", tmp_path / "broken.json")
    valid("diff", "diff", tmp_path / "broken.json", tmp_path / "part.json")
    stacked(lengths=[4, 2], tokens=[list("abcd"), list("ef")]).save(tmp_path / "whole.json")
    for file in (tmp_path / "whole.json", tmp_path / "part.json"):
        valid("diff", "diff", tmp_path / "whole.json", file)
    valid("show", "show", tmp_path / "whole.json")


@pytest.mark.few(0)
def test_differences(tmp_path: Path) -> None:
    weights, x = drawn(), np.random.default_rng(3).normal(size=(6, 2, 3))
    lt.run(weights, x).save(tmp_path / "a.json")
    lt.run({**weights, "W_xf": weights["W_xf"] * 1.5}, x).save(tmp_path / "b.json")
    found = valid("diff", "diff", tmp_path / "a.json", tmp_path / "b.json")
    assert found["units"]
    assert found["changes"]["most"]
    both = tmp_path / "a.json", tmp_path / "b.json"
    counted = valid("diff", "diff", *both, "--count-from", "1")["units"]
    assert {(unit["t"], unit["step"], unit["unit"], unit["unit_name"]) for unit in counted} == {
        (unit["t"], unit["t"] + 1, unit["unit"], str(unit["unit"] + 1)) for unit in found["units"]
    }
    valid("finding", "diff", *both, tmp_path / "a.json")
    wrong = lt.run(weights, x, mistake="exchange:f,i")
    np.savez(tmp_path / "port.npz", h_t=wrong.output, o_t=wrong["o_t"])
    assert valid("diff", "diff", tmp_path / "a.json", tmp_path / "port.npz")["cause"]["equal"]
    for name, by in (("a", 1.0), ("b", 1.5)):
        np.savez(tmp_path / name, **{**weights, "W_xf": weights["W_xf"] * by})
    found = valid("diff", "diff", tmp_path / "a.npz", tmp_path / "b.npz")
    assert found["content"] == ["b has a's W_xf multiplied by 1.5"]
    assert valid("finding", "diff", *both, "--attribute", "5/0/h_t[1]")["more"]
    assert "of several, and with --attribute: finding" in schema("diff")["description"]  # where a reader looks
    assert "diff of several, diff --attribute" in schema("finding")["description"]


@pytest.mark.few(0)
def test_mistakes(tmp_path: Path) -> None:
    weights, x = drawn(), np.random.default_rng(3).normal(size=(6, 2, 3))
    y = lt.run(weights, x).output
    np.savez(tmp_path / "w.npz", **stored(weights, order="ifoc"))
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "right.npz", **stored(weights))
    noise = np.random.default_rng(1).normal(size=y.shape)
    for verdict, file, values in (
        ("explained", "w", y), ("right", "right", y), ("unexplained", "w", noise), ("unexplained", "right", y * 1.001)
    ):  # fmt: skip
        np.save(tmp_path / "y.npy", values)
        given = tmp_path / f"{file}.npz", "--input", tmp_path / "x.npy", "--expected", tmp_path / "y.npy"
        found = valid("identify", "identify", *given)
        assert found["verdict"] == verdict
        assert bool(found["found"]) is (verdict == "explained")
    np.save(tmp_path / "y.npy", np.concatenate([y[:, :1], noise[:, 1:]], axis=1))  # of one sequence alone
    given = tmp_path / "w.npz", "--input", tmp_path / "x.npy", "--expected", tmp_path / "y.npy"
    assert valid("identify", "identify", *given)["nearest"][0]["equations"]
    np.savez(tmp_path / "nan.npz", **stored({**weights, "b_i": weights["b_i"] * np.nan}))
    for file in ("w.npz", "nan.npz"):
        valid("inspect", "inspect", tmp_path / file)


@pytest.mark.few(0)
@pytest.mark.parametrize("how", EXPLANATIONS)
def test_explanations(folder: Path, how: str) -> None:
    of = {"gates": (), "padding": (), "training": ("--of", "L")}.get(how, ("--of", "2/c_t[1]"))
    example = "squared-error" if how == "training" else "three-steps"
    found = valid("finding", "explain", how, folder / f"{example}.yaml", *of)
    assert found["rows"]


@pytest.mark.few(0)
def test_the_overview_of_mistakes(folder: Path) -> None:
    found = valid("finding", "mistakes", folder / "three-steps.yaml", "--place", "everywhere")
    assert found["rows"]
    assert found["more"]


@pytest.mark.few(0)
def test_examples_and_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "examine", partial(plans.examine, [2], range(2, 5)))
    valid("finding", "doctor")
    monkeypatch.setitem(numpy_plan.KERNELS, "softplus", numpy_plan.KERNELS["relu"])
    valid("finding", "doctor")
    valid("finding", "example")


@pytest.mark.few(0)
def test_corpora(folder: Path) -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("sklearn")
    quotes.write(folder / "q.parquet", quotes.sequences())
    states, model = folder / "states", folder / "quotes.yaml"
    invoke("corpus", "run", model, "--inputs", folder / "q.parquet", "--steps-per-part", 400, "-o", states)
    corpus = partial(valid, "finding", "corpus")
    corpus("status", states)
    (states / "part-00001.parquet").unlink()
    assert corpus("status", states)["rows"][1]["state"] == "missing"
    corpus("verify", states, "--sample", 2)
    corpus("units", states)
    corpus("top", states, "--unit", "c_t[1]")
    corpus("match", states, "--units", "1", "--above", "0.5")
    corpus("probe", states, "--target", "inside")
    corpus("ablate", states, "--units", "c_t[1]", "--controls", 2)


def test_each_key_of_a_schema_is_written_somewhere() -> None:
    """Those of the tests above, which run before."""
    if not all(MET.values()):
        pytest.skip("needs the tests above")
    left = {name: sorted(declared(schema(name), schema(name)) - MET[name]) for name in SCHEMAS}
    left["finding"] = [key for key in left["finding"] if key != "/verdict"]  # of `corpus verify`, which is slow
    # tests/results/test_inspection.py, tests/frameworks/test_onnx_graphs.py
    left["inspect"] = [key for key in left["inspect"] if key not in ("/*/refused", "/*/equations")]
    assert not any(left.values()), left


def test_a_schema_is_strict() -> None:
    """A key that nobody has described is a fault, and a missing one too."""
    for name in SCHEMAS:
        text = json.dumps(schema(name))
        assert text.count('"properties"') == text.count('"additionalProperties": false') == text.count('"required"')


def test_the_command_has_all_of_them() -> None:
    there = {path.stem for path in (ROOT / "lstm_trace" / "results" / "schemas").iterdir()}
    assert there == set(SCHEMAS)
    assert f" {{problem|trace|{'|'.join(SCHEMAS)}}}\n" in invoke("schema", "--help").stdout
