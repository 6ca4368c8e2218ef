"""`lt.diff` and `lt.attribute` over everything that the command takes: the same verdict, whatever the two are."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import LstmTraceError, OptionError

T, WIDTH, H = 5, 2, 3
DRAW = np.random.default_rng(17)
#: As Keras stores them; its weights have no layout of their own.
KERAS = {
    "kernel": DRAW.normal(size=(WIDTH, 4 * H)),
    "recurrent_kernel": DRAW.normal(size=(H, 4 * H)),
    "bias": DRAW.normal(size=4 * H),
}
X = DRAW.normal(size=(T, WIDTH))
#: What needs an input.
MODELS = ("model file", "prepared model", "arrays")
KINDS = ("trace", "trace file", "problem", "problem file", *MODELS)
#: Pairs of files, as the command takes them.
COMMANDS = [("trace file", "problem file"), ("model file", "trace file"), ("problem file", "model file")]


def arrays(by: float) -> dict[str, Any]:
    """The weights with another forget bias in unit 1."""
    found = {name: array.copy() for name, array in KERAS.items()}
    found["bias"][H + 1] += by
    return found


def plain(by: float) -> dict[str, Any]:
    """The same by our names, sliced by hand."""
    stored, found = arrays(by), {}
    for k, gate in enumerate("ifco"):
        some = slice(k * H, (k + 1) * H)
        found |= {f"W_x{gate}": stored["kernel"][:, some].T, f"W_h{gate}": stored["recurrent_kernel"][:, some].T}
        found[f"b_{gate}"] = stored["bias"][some]
    return found


def problem(by: float) -> dict[str, Any]:
    return {"weights": {name: array.tolist() for name, array in plain(by).items()}, "x": X.tolist()}


def source(kind: str, folder: Path, by: float) -> Any:
    path = folder / f"{kind.replace(' ', '-')}-{by}"
    if kind == "model file":
        np.savez(path, **arrays(by))
        return path.with_name(f"{path.name}.npz")
    if kind == "trace file":
        lt.run(plain(by), X).save(path.with_name(f"{path.name}.safetensors"))
        return str(path.with_name(f"{path.name}.safetensors"))
    if kind == "problem file":
        path.with_name(f"{path.name}.json").write_text(json.dumps(problem(by)))
        return path.with_name(f"{path.name}.json")
    makers: dict[str, Any] = {
        "trace": lambda: lt.run(plain(by), X),
        "problem": lambda: problem(by),
        "prepared model": lambda: lt.prepare(arrays(by), layout="keras"),
        "arrays": lambda: plain(by),
    }
    return makers[kind]()


@pytest.mark.few(0)
@pytest.mark.parametrize(("one", "two"), [*product(KINDS, KINDS)])
def test_any_two_sources(one: str, two: str, tmp_path: Path) -> None:
    given = {"x": X} if {one, two} & {*MODELS} else {}
    for by, verdict in ((0.0, "same"), (0.5, "different")):
        found = lt.diff(source(one, tmp_path, 0.0), source(two, tmp_path, by), **given)
        assert found.verdict == verdict, found
        if by:
            assert found.changes is not None
            (change,) = found.changes.most
            assert (change.place, change.b) == ("0/forward/b_f[1]", KERAS["bias"][H + 1] + 0.5)


@pytest.mark.few(1)
@pytest.mark.parametrize(("one", "two"), COMMANDS)
def test_the_command_says_the_same(one: str, two: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    a, b = source(one, tmp_path, 0.0), source(two, tmp_path, 0.5)
    x = {"x": tmp_path / "x.npy"} if "model file" in (one, two) else {}
    given = ["--input", str(x["x"])] if x else []
    done = CliRunner().invoke(main, ["diff", str(a), str(b), *given, "--format", "json"])
    assert done.exit_code == 1, done.output
    said, found = json.loads(done.stdout), lt.diff(a, b, **x)
    assert json.loads(found.as_json())["verdict"] == said["verdict"]
    assert f"Difference of {Path(a).name} and {Path(b).name}" in found.report("md")
    split = lt.attribute(a, b, f"{T - 1}/h_t[1]", **x)
    assert split.to_frame()["contribution"].abs().max() > 0


def test_values_that_another_program_printed(tmp_path: Path) -> None:
    trace = lt.run(plain(0.0), X)
    rows = [f"{t},h_t,{unit},{float(trace['h_t'][t, 0, unit])!r}" for t in range(T) for unit in range(H)]
    path = tmp_path / "port.csv"
    path.write_text("\n".join(["t,line,unit,value", *rows[:-1]]))
    found = lt.diff(problem(0.0), path)
    assert found.same
    assert "0/forward/h_t: 14 of 15 values are in the file" in found.notes, "a note of the result"
    assert "14 of 15 values are in the file" in found.report("text")
    done = CliRunner().invoke(main, ["diff", source("trace file", tmp_path, 0.0), str(path)])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "14 of 15 values are in the file" in done.stdout
    with pytest.raises(OptionError, match=r"port\.csv: values that another program printed are compared with a trace"):
        lt.diff(path, trace)
    with pytest.raises(OptionError, match="printed are not held"):
        lt.diff(trace, path, hold={"c_t[0]": 0.0})
    for at, name in enumerate("abcd"):
        with pytest.raises(OptionError, match=f"^{name}: expected weights by name, .*; found nothing$"):
            lt.diff(*(None if k == at else trace for k in range(4)))


def test_lines_are_held_in_the_second() -> None:
    for kind in ("trace", "problem", "arrays"):
        a, b = (source(kind, Path(), 0.0) for _ in range(2))
        found = lt.diff(a, b, **({"x": X} if kind == "arrays" else {}), hold={"2/c_t[1]": 0.25})
        assert found.notes == ("a holds nothing", "b holds 0/forward/2/0/c_t[1] at 0.25")


def test_arguments_of_a_run(tmp_path: Path) -> None:
    """They are for both that are run; a trace beside them is taken as it is."""
    single = lt.run(plain(0.0), X, dtype="float32")
    assert single.header.dtype == "float32"
    found = lt.diff(single, plain(0.5), x=X, dtype="float32", c0=[0.0] * H)
    assert found.verdict == "different"
    assert found.changes is not None
    assert {one.kind for one in found.changes.most} == {"parameter"}, "both are in float32"
    with pytest.raises(OptionError, match="x, layout: both are traces, which contain their weights and inputs"):
        lt.diff(single, source("trace file", tmp_path, 0.0), x=X, layout="keras")
    with pytest.raises(OptionError, match="expected weights by name"):
        lt.diff(single, 1e-5)
    with pytest.raises(LstmTraceError):
        lt.diff(plain(0.0), plain(0.5))  # without an input
    with pytest.raises(OptionError, match="a tolerance is a keyword, as in rtol=1e-05"):
        lt.diff(single, single, 1e-5)
