"""What the command line computes is verified before it is written: a plan that is wrong at one unit ends the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.engine.plan import kernels
from lstm_trace.verification.verify import LONG, first_failure

from ..verification.test_verify import traced


@pytest.fixture
def _wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy's plan computes tanh of the last unit wrongly."""
    right = kernels.KERNELS["tanh"]

    def spoiled(bench: Any, out: Any, operands: Sequence[Any], constants: Sequence[float]) -> Any:
        def spoil(values: np.ndarray) -> None:
            values[..., -1] += 1e-9

        return [*right(bench, out, operands, constants), (spoil, (out,))]

    monkeypatch.setitem(kernels.KERNELS, "tanh", spoiled)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def example(name: str, folder: Path) -> Path:
    source = folder / f"{name}.yaml"
    source.write_text(command("example", name).stdout, encoding="utf-8")
    return source


def refused(done: Result) -> None:
    """Exit code 2, one message that helps, nothing on standard output."""
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    wanted = (
        "0/forward/0/0/c_tilde[1] was computed wrongly by the planned plan: expected 0.09966799462495", "(tanh of its ",
        "found 0.0996679956249", "Nothing is written", "--by-plan lines", "report", "`lstm-trace doctor`",
    )  # fmt: skip
    for text in wanted:
        assert text in done.stderr, text


@pytest.mark.usefixtures("_wrong")
@pytest.mark.parametrize("kept", [None, b"what was there before"])
@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_wrong_value_is_not_written(suffix: str, kept: bytes | None, tmp_path: Path) -> None:
    """A .safetensors file is written while the trace is computed: it never gets its name."""
    source, out = example("q22", tmp_path), tmp_path / f"out{suffix}"
    if kept is not None:
        out.write_bytes(kept)
    refused(command("run", source, "--by-plan", "planned", "-o", out))
    assert (out.read_bytes() if out.exists() else None) == kept
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["q22.yaml"] + [out.name] * (kept is not None))


@pytest.mark.usefixtures("_wrong")
def test_nor_printed_nor_explained(tmp_path: Path) -> None:
    source = example("q22", tmp_path)
    refused(command("run", source, "--by-plan", "planned"))
    for verb in ("show", "report"):
        done = command(verb, source)
        if "planned plan" not in done.stderr:  # the compiled plan, where it is installed
            assert done.exit_code == 0
        else:
            refused(done)


@pytest.mark.usefixtures("_wrong")
def test_the_plan_that_the_message_names_is_right(tmp_path: Path) -> None:
    source, out = example("q22", tmp_path), tmp_path / "out.json"
    assert command("run", source, "--by-plan", "lines", "-o", out).exit_code == 0
    assert lt.verify(lt.load(out)).verdict == "verified"


def test_a_trace_that_is_run_again_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = example("three-steps", tmp_path), tmp_path / "out.json"
    assert command("run", source, "--by-plan", "planned", "-o", out).exit_code == 0
    right = kernels.KERNELS["mul"]

    def spoiled(bench: Any, out: Any, *given: Any) -> Any:
        return [*right(bench, out, *given), (lambda values: np.add(values, 1e-6, values), (out,))]

    again = "run", out, "--hold", "1/f_t[0]=0.5", "-o", tmp_path / "held.json"
    monkeypatch.setitem(kernels.KERNELS, "mul", spoiled)
    done = command(*again)
    assert (done.exit_code, (tmp_path / "held.json").exists()) == (2, False)
    assert "f_t * c_prev[" in done.stderr
    assert "was computed wrongly by the planned plan" in done.stderr
    monkeypatch.undo()
    assert command(*again).exit_code == 0


# -- which values are looked at --------------------------------------------------------------------------------------

CASES: list[dict[str, Any]] = [
    {},
    {"lengths": [4, 2]},
    {"mask": [[0, 1], [1, 1], [1, 0], [1, 1]]},
    {"arithmetic": "q4.12"},
]


def longer(trace: lt.Trace, steps: int, rows: int, **run: Any) -> lt.Trace:
    """Another input of that many steps and rows, through the same two layers in both directions."""
    x = np.random.default_rng(2).normal(size=(steps, rows, 3))
    weights = {f"{scope}/{n}": a for scope, here in trace.parameters.items() for n, a in here.items()}
    return lt.run(weights, x, lengths=np.arange(rows) % steps + 1, **run)


@pytest.mark.few(1)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_right_is_never_refused(case: dict[str, Any]) -> None:
    assert first_failure(traced({}, **case)) is None
    assert first_failure(traced({"kind": "slstm"}, **case)) is None
    assert first_failure(lt.backward(traced({}, layers=1), output=np.ones((4, 2, 10)))) is None


@pytest.mark.few(1)
@pytest.mark.parametrize("steps", [5, LONG])
@pytest.mark.parametrize(
    "record",
    [{"lines": ["h_t"]}, {"lines": ["f_t"]}, {"lines": ["h_t", "c_t"]}, {"layers": [0]}, {"layers": [1]},
     {"steps": slice(3, None)}, {"lines": ["z_i"], "layers": [1], "steps": slice(1, 4)}],
)  # fmt: skip
def test_a_trace_of_a_part_is_not_refused(steps: int, record: dict[str, Any]) -> None:
    """The state before the first step is known; before others it is where its line is recorded."""
    assert first_failure(longer(traced({}), steps, 2, record=record)) is None


def test_steps_that_begin_later_have_their_own_addresses() -> None:
    trace = longer(traced({}), 12, 2)
    weights = {f"{scope}/{n}": a for scope, here in trace.parameters.items() for n, a in here.items()}
    part = lt.run(weights, trace.x, record={"steps": slice(5, 11)})
    part.lines["1/reverse"]["c_t"][-1, 1, 2] += 1.0
    found = first_failure(part)
    assert found is not None
    assert str(found.address) == "1/reverse/10/1/c_t[2]"
