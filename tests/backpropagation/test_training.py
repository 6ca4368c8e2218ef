"""Training by hand: every update is the rule's, the loss falls, the problem with the new weights is that network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

import lstm_trace as lt
from lstm_trace.backpropagation.training import OPTIMIZERS, Training
from lstm_trace.cell.arithmetic import find
from lstm_trace.cli import main
from lstm_trace.errors import CellError, MissingError, OptionError
from lstm_trace.report.report import FORMATS
from lstm_trace.results.training import TrainingExplanation

from .. import ROOT

EXAMPLE = ROOT / "lstm_trace" / "examples" / "squared-error.yaml"


def traced() -> lt.Trace:
    return lt.run(EXAMPLE, ask=[])


def solution(done: Training, form: str, language: str = "en", **worked: Any) -> str:
    return TrainingExplanation(done.traces[0], done.of, worked, done).report(form, language=language)


def cli(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


def test_one_update_is_a_step_against_the_gradient() -> None:
    trace = traced()
    done = lt.train(trace, of="L", rate=0.25)
    gradients = lt.gradients(trace, of="L")
    for address, value in done.weights.items():
        scope, _, name = address.rpartition("/")
        np.testing.assert_array_equal(value, trace.parameters[scope][name] - 0.25 * gradients[address])
    assert done.losses[1] < done.losses[0] == float(trace["L"].sum())
    assert all(lt.verify(update).verdict == "verified" for update in (*done.traces, *done.updates.values()))


@pytest.mark.few(1)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rules_are_those_of_a_scalar_loop(optimizer: str) -> None:
    done = lt.train(traced(), of="L", rate=0.1, updates=4, optimizer=optimizer)
    slopes = [trace.gradients["0/forward/W_hi"][1, 0] for trace in done.traces[:-1]]
    w, m, v = float(done.traces[0].parameters["0/forward"]["W_hi"][1, 0]), 0.0, 0.0
    for k, slope in enumerate(slopes, 1):
        if optimizer == "sgd":
            w -= 0.1 * slope
        elif optimizer == "momentum":
            m = 0.9 * m + slope
            w -= 0.1 * m
        else:
            m, v = 0.9 * m + 0.1 * slope, 0.999 * v + 0.001 * slope * slope
            w -= 0.1 * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)) ** 0.5 + 1e-8)
        assert done.updates["0/forward/W_hi"]["w_t"][k - 1, 1, 0] == pytest.approx(w, rel=1e-12)
    assert done.weights["0/forward/W_hi"][1, 0] == pytest.approx(w, rel=1e-12)


def test_an_own_rule_and_some_weights_only() -> None:
    rule = "input: g_t\nw_t = w_prev - step * clip(g_t, -1, 1)\ncarry: w_prev <- w_t\noutput: w_t"
    trace = traced()
    done = lt.train(trace, of="L", optimizer=rule, only=["W_hy", "0/forward/b_i"], step=0.5)
    assert set(done.updates) == {"0/forward/W_hy", "0/forward/b_i"}
    slopes = np.clip(lt.gradients(trace, of="L")["0/forward/W_hy"], -1, 1)
    np.testing.assert_array_equal(done.weights["0/forward/W_hy"], trace.parameters["0/forward"]["W_hy"] - 0.5 * slopes)
    np.testing.assert_array_equal(done.weights["0/forward/W_xi"], trace.parameters["0/forward"]["W_xi"])


def test_by_hand_every_number_has_so_many_decimals() -> None:
    text = cli("training", EXAMPLE, "--of", "L", "--by-hand", 3, "--format", "json").output
    rows = yaml.safe_load(text)["rows"]
    grid = find("by-hand-3")
    assert all(float(grid.read(np.array([row["after"]]))[0]) == pytest.approx(row["after"]) for row in rows)
    assert all(round(row["after"], 3) == row["after"] for row in rows)
    assert any(row["after"] != row["before"] for row in rows)


@pytest.mark.few(0)
def test_the_new_problem_has_the_new_weights(tmp_path: Path) -> None:
    new = tmp_path / "new.yaml"
    done = cli("training", EXAMPLE, "--of", "L", "--rate", 0.2, "--updates", 3, "-o", new)
    assert (done.exit_code, done.output) == (0, "")
    expected = lt.train(traced(), of="L", rate=0.2, updates=3)
    again = lt.run(new, ask=[])
    for address, value in expected.weights.items():
        scope, _, name = address.rpartition("/")
        np.testing.assert_array_equal(again.parameters[scope][name], value)
    assert float(again["L"].sum()) == expected.losses[-1]
    data = yaml.safe_load(new.read_text())
    assert data["title"] == "A forecast and its squared error, after 3 updates"
    assert data["given"] == yaml.safe_load(EXAMPLE.read_text())["given"]


def test_a_problem_with_a_layout_becomes_one_by_our_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    arrays = {"weight_ih_l0": (8, 3), "weight_hh_l0": (8, 2), "bias_ih_l0": (8,), "bias_hh_l0": (8,)}
    problem = {
        "layout": "pytorch",
        "weights": {name: rng.normal(size=shape).tolist() for name, shape in arrays.items()},
        "x": rng.normal(size=(3, 3)).tolist(),
        "extra": "L = sum(h_t * h_t)",
    }
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(yaml.safe_dump(problem))
    assert cli("training", old, "--of", "L", "-o", new).exit_code == 0
    assert float(lt.run(new, ask=[])["L"].sum()) == lt.train(lt.run(old, ask=[]), of="L").losses[-1]


@pytest.mark.few(0)
@pytest.mark.parametrize("form", FORMATS)
def test_the_worked_solution_has_every_part(form: str) -> None:
    done = lt.train(traced(), of="L", rate=0.1, updates=2, optimizer="momentum")
    text = solution(done, form, digits=8, trim=True)
    for part in ("The updated weights", "Update 2", "With the updated weights", "The loss"):
        assert part in text
    assert f"{done.losses[-1]:.8f}".rstrip("0") in text
    new = done.weights["0/forward/W_xi"]
    assert all(f"{abs(value):.8f}".rstrip("0") in text for value in new.ravel())


@pytest.mark.few(0)
@pytest.mark.parametrize("language", ["de", "en", "es", "fr", "zh"])
def test_every_language(language: str) -> None:
    assert solution(lt.train(traced(), of="L"), "text", language=language)


@pytest.mark.few(0)
def test_the_updates_on_paper() -> None:
    text = solution(lt.train(traced(), of="L", rate=0.1), "text", digits=8, trim=True)
    assert "w_t = w_{t-1} - η ∂L/∂w_{t-1}" in text
    assert "Here η = 0.1." in text
    start = text.index("b_f⁽¹⁾ =")
    assert text[start:].split("\n")[0] == "b_f⁽¹⁾ = b_f⁽⁰⁾ - η ∂L/∂b_f⁽⁰⁾"
    assert "[1, 0.5] - 0.1 [0.0025016, 0.00214759]" in text


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("told", "kind", "text"),
    [
        ({"updates": 0}, OptionError, "updates must be 1 to 1000; found 0"),
        ({"optimizer": "sdg"}, OptionError, "there is no optimizer 'sdg'; did you mean 'sgd'"),
        ({"momentum": 0.5}, OptionError, "sgd has no constant 'momentum'"),
        ({"only": "W_xx"}, MissingError, "there is no parameter 'W_xx'; did you mean"),
        ({"rate": float("nan")}, OptionError, "rate: expected a finite number, found nan"),
        ({"only": []}, OptionError, "only: expected at least one parameter; there are 0/forward/"),
        ({"optimizer": "w_t = w_prev - x_t\ncarry: w_prev <- w_t"}, CellError, "an update rule has `input: g_t`"),
        ({"of": "M"}, MissingError, "'M'"),
        (
            {"optimizer": "input: g_t\nw_t = w_prev - a * g_t\ncarry: w_prev <- w_t"},
            OptionError,
            "the update rule needs a: give each",
        ),
    ],
)
def test_refusals(told: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        lt.train(traced(), **{"of": "L", **told})


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--rate", "0.1"], "training needs a loss: --of LINE"),
        (["--of", "L", "--constant", "momentum"], "--constant 'momentum': expected NAME=NUMBER"),
        (["--of", "L", "--constant", "momentum=x"], "--constant 'momentum=x': expected NAME=NUMBER"),
        (["--of", "L", "--seed", "w.npy"], "--seed belongs to explain gradient, not to explain training"),
        (["--of", "L", "--rate", "0"], "--rate"),
        (["--of", "L", "--constant", "rate=0.2"], "rate has its own option"),
        (["--of", "L", "--rate", "1e308", "--updates", "3", "-o", "bad.yaml"], "does not end in finite weights"),
    ],
)
def test_the_command_refuses(arguments: list[str], text: str) -> None:
    done = cli("training", EXAMPLE, *arguments)
    assert done.exit_code == 2
    assert text in done.output


def test_a_trace_gives_no_problem(tmp_path: Path) -> None:
    traced().save(tmp_path / "t.json")
    done = cli("training", tmp_path / "t.json", "--of", "L", "-o", tmp_path / "new.yaml")
    assert done.exit_code == 2
    assert not (tmp_path / "new.yaml").exists()
