"""Thirty seeded origins of NaN and infinity: each is found where a scalar loop of floats finds it, in every command."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.languages.strings import words

from ..support import first_bad
from ..support.first_bad import EXPONENTIAL, SOFTMAX, Bad, walked

T, B, X, H = 4, 2, 3, 2


class Case:
    """A model with its input, and the first bad value that the loop finds."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng(seed)
        self.x = self.draw.normal(size=(T, B, X))
        self.valid = np.ones((T, B), bool)
        if seed % 3 == 1:  # the second sequence is shorter
            self.valid[T - 1 :, 1] = False
        self.t = int(self.draw.integers(T - 1))
        self.b, self.j, self.k = (int(self.draw.integers(n)) for n in (B, H, X))
        self.h0, self.c0 = self.draw.normal(size=(2, 1, B, H))
        self.given: dict[str, np.ndarray] = {}
        self.cell: Any = None

    def plant(self, origin: str) -> None:
        getattr(self, f"_{origin}")()

    # -- an LSTM of two layers, the first in both directions

    def _lstm(self) -> dict[str, np.ndarray]:
        self.directions = ("forward", "reverse") if self.draw.random() < 0.5 else ("forward",)
        self.weights = {}
        for layer in range(2):
            width = X if layer == 0 else H * len(self.directions)
            for direction in self.directions:
                for gate in "ifco":
                    at = f"{layer}/{direction}/"
                    self.weights[f"{at}W_x{gate}"] = self.draw.normal(size=(H, width))
                    self.weights[f"{at}W_h{gate}"] = self.draw.normal(size=(H, H))
                    self.weights[f"{at}b_{gate}"] = self.draw.normal(size=H)
        shape = 2 * len(self.directions), B, H
        self.h0, self.c0 = self.draw.normal(size=(2, *shape))
        return self.weights

    def _place(self) -> str:
        gate, layer = self.draw.choice(list("ifco")), int(self.draw.integers(2))
        return f"{layer}/{self.draw.choice(self.directions)}/W_{self.draw.choice(['x', 'h'])}{gate}"

    def _nan_input(self) -> None:
        self._lstm()
        self.x[self.t, self.b, self.k] = np.nan

    def _infinite_weight(self) -> None:
        self._lstm()
        self.weights[self._place()][self.j, 1] = self.draw.choice([np.inf, -np.inf])

    def _nan_state(self) -> None:
        self._lstm()
        one = self.h0 if self.draw.random() < 0.5 else self.c0
        one[int(self.draw.integers(len(one))), self.b, self.j] = np.nan

    def _product(self) -> None:
        self._lstm()
        scope = f"0/{self.directions[-1]}/"
        self.weights[f"{scope}W_x{self.draw.choice(list('ifco'))}"][self.j, self.k] = 1e200
        self.x[self.t, self.b, self.k] = -1e150

    # -- an exponential gate

    def _exponential(self) -> None:
        self.cell, self.directions = {"equations": EXPONENTIAL}, ("forward",)
        self.weights = {
            "W": self.draw.normal(size=(H, X)),
            "b": self.draw.normal(size=H),
            "d": self.draw.normal(size=H),
        }

    def _exp(self) -> None:
        self._exponential()
        self.weights["W"][self.j, self.k] = 3.0
        self.x[self.t, self.b, self.k] = 1e3

    def _infinities(self) -> None:
        self._exponential()
        self.weights["b"][self.j] = self.weights["d"][self.j] = np.inf

    # -- a softmax by division

    def _softmax(self) -> None:
        self.cell, self.directions = {"equations": SOFTMAX}, ("forward",)
        self.weights = {"W": self.draw.normal(size=(H, X))}
        self.given = {name: self.draw.uniform(0.5, 2.0, (T, B, H)) for name in ("g_t", "k_t")}

    def _supplied(self) -> None:
        self._softmax()
        self.given["g_t"][self.t, self.b, self.j] = np.nan

    def _nothing(self) -> None:
        self._softmax()
        self.weights["W"][:, self.k] = 2.0
        self.x[self.t, self.b, self.k] = -1e4

    def _pole(self) -> None:
        self._softmax()
        self.given["g_t"][self.t, self.b, self.j] = 0.0

    def _logarithm(self) -> None:
        self._softmax()
        self.given["k_t"][self.t, self.b, self.j] = self.draw.choice([0.0, -2.5])

    # -- both programs

    def run(self) -> lt.Trace:
        more: dict[str, Any] = {} if self.valid.all() else {"lengths": self.valid.sum(axis=0).tolist()}
        if self.cell is None:
            more |= {"h0": self.h0, "c0": self.c0}
        else:
            name = "c_prev" if self.cell["equations"] == EXPONENTIAL else "q_prev"
            more |= {"cell": self.cell, "initial": {name: self.c0[0]}}
        if self.given:
            more["given"] = self.given
        return lt.run(self.weights, self.x, allow_nonfinite=True, **more)

    def loop(self) -> Bad:
        x, valid = self.x.tolist(), self.valid.tolist()
        if self.cell is not None:
            exponential = self.cell["equations"] == EXPONENTIAL
            function: Callable[..., Any] = first_bad.exponential if exponential else first_bad.softmax
            w = {name: array.tolist() for name, array in self.weights.items()}
            given = np.concatenate(list(self.given.values()), axis=2).tolist() if self.given else None
            start = self.c0[0].tolist()
            found = walked("0/forward", function, w, x, start, start, valid, "input", given)
            assert isinstance(found, Bad)
            return found
        for layer in range(2):
            halves = []
            for d, direction in enumerate(self.directions):
                at, scope = layer * len(self.directions) + d, f"{layer}/{direction}"
                w = {n.rpartition("/")[2]: a.tolist() for n, a in self.weights.items() if n.startswith(f"{scope}/")}
                states = self.h0[at].tolist(), self.c0[at].tolist()
                found = walked(scope, first_bad.lstm, w, x, *states, valid, "operand" if layer else "input")
                if isinstance(found, Bad):
                    return found
                halves.append(found)
            x = np.concatenate(halves, axis=2).tolist()
        raise AssertionError("every value is finite")


ORIGINS = (
    "nan_input", "infinite_weight", "nan_state", "supplied", "exp", "nothing", "pole", "logarithm", "product",
    "infinities",
)  # fmt: skip


def planted(origin: str, seed: int) -> Case:
    case = Case(100 * ORIGINS.index(origin) + seed)
    case.plant(origin)
    return case


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("origin", ORIGINS)
def test_where_the_loop_finds_it(origin: str, seed: int) -> None:
    case = planted(origin, seed)
    expected, trace = case.loop(), case.run()
    found = trace.not_finite
    assert found is not None
    assert (str(found.address), found.cause) == (expected.address, expected.cause)
    np.testing.assert_equal(found.value, expected.value)
    operands = dict(found.operands)
    np.testing.assert_allclose(operands[expected.operand], expected.operand_value, rtol=1e-12)
    shown = f"{expected.operand} = {expected.operand_value:g}"
    assert shown in found.said(words())


def squeezed(text: str) -> str:
    """A document without marks, escapes and spaces."""
    return re.sub(r"\s+", "", re.sub(r"[`\\]", "", html.unescape(re.sub(r"<[^>]+>", "", text))))


@pytest.mark.few(1)
@pytest.mark.parametrize("form", ["md", "text", "html"])
@pytest.mark.parametrize("origin", ORIGINS)
def test_the_same_sentence_in_every_command(origin: str, form: str, tmp_path: Path) -> None:
    trace = planted(origin, 1).run()
    path, other = str(tmp_path / "t.json"), str(tmp_path / "o.json")
    trace.save(path)
    lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t").save(other)
    assert trace.not_finite is not None
    sentence = squeezed(trace.not_finite.said(words()))

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code in (0, 1), done.output
        return squeezed(done.output)

    assert sentence in said("report", path, "--format", form)
    assert said("diff", path, path, "--format", form).count("inboth:" + sentence) == 1
    for command in (["verify"], ["explain", "gates"]):
        assert sentence in said(*command, path, "--format", form)
    value = str(trace.not_finite.address._replace(line=next(iter(trace.stages[0].cell.states.values()))))
    assert sentence in said("explain", "memory", path, "--of", value) if origin == "exp" else True
    for data in (lt.verify(trace).as_json(), lt.explain(trace, how="gates").as_json()):
        assert json.loads(data)["not_finite"]["address"] == str(trace.not_finite.address)


def test_the_sentence_of_a_run_is_on_standard_error(tmp_path: Path) -> None:
    problem = {
        "cell": {"equations": "e_t = exp(x_t)\ns_t = 0.5 * s_prev + e_t\ncarry: s_prev <- s_t\noutput: s_t"},
        "weights": {}, "x": [[1.0], [800.0], [1.0]],
    }  # fmt: skip
    path = tmp_path / "p.json"
    path.write_text(json.dumps(problem), encoding="utf-8")
    for output in ("t.json", "t.safetensors"):
        done = CliRunner().invoke(main, ["run", str(path), "-o", str(tmp_path / output)])
        trace = lt.load(tmp_path / output)
        assert trace.not_finite is not None
        assert (done.exit_code, done.stderr) == (0, f"note: {trace.not_finite.said(words())}\n")
    fine = json.dumps({**problem, "x": [[1.0], [8.0]]})
    path.write_text(fine, encoding="utf-8")
    assert CliRunner().invoke(main, ["run", str(path), "-o", str(tmp_path / "t.json")]).stderr == ""
