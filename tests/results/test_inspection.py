"""What `inspect` finds is a result: in words of every language, as rows, as JSON, and as a sequence."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.languages import languages
from lstm_trace.languages.strings import words
from lstm_trace.results.inspection import ModelInspection
from lstm_trace.weights.find import find
from lstm_trace.weights.read import Defaults, Found

from .. import ROOT

THAI = ROOT / "traces" / "unicode-thai" / "thai.npz"
GERMAN = """\
thai.npz: 1 LSTM
════════════════

(die Datei selbst): LSTM (arrays)
─────────────────────────────────

- Schichten: 1, vorwärts und rückwärts
- Größen: I = 20, H = 15
- Bias-Vektoren: einer je Gate
- Optionen: die der einfachen Zelle
- x: (T, I), (T, B, I) oder, mit batch_first, (B, T, I)
- Layout: keras
- Embedding: --embedding model:embedding (74, 20)
- Ausgabeschicht: --head model:dense/kernel,dense/bias (30, 4)
- Parameter: 4\u202f320 Zahlen, float32; nach Gates getrennt 24 Arrays
- beim Import: recognised by the names of its arrays as the layout keras: gates
  stacked in the order i, f, c, o; matrices transposed; one bias for each gate
- beim Import: not part of the LSTM: embedding, dense/kernel, dense/bias
"""
GATES = {f"0/{way}/W_{s}{g}": np.ones((1, 1)) for way in ("forward", "reverse") for s in "xh" for g in "ifco"}
#: The keywords of the facts that readers have about some LSTMs; an initial state is called by its symbol.
FACTS = (
    "layout", "input", "embedding", "head", "returns", "stateful", "dropout", "lengths", "nodes", "inside", "weights",
    "made by",
)  # fmt: skip
MANY = ModelInspection(
    "many.onnx",
    (
        Found("", "first", GATES | {"0/forward/W_xi": np.array([[np.nan]])}, {"merge": "sum", "peephole": False},
              Defaults(initial={"h_prev": np.ones((2, 1, 1))}, batch_first=True), facts=dict.fromkeys(FACTS, "so")),
        Found("b", "second", refused="it is not one"),
    ),
)  # fmt: skip


def printed(*options: Any) -> str:
    result = CliRunner().invoke(main, ["inspect", *map(str, options)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_in_german() -> None:
    assert printed(THAI, "--language", "de") == GERMAN


def test_everything_that_may_be_said_in_german() -> None:
    text = str(MANY.report("md", language="de"))
    assert text.startswith("# many.onnx: 1 LSTM\n\n## (die Datei selbst): first\n")
    for said in (
        "Schichten: 1, vorwärts und rückwärts, zusammengeführt mit sum", "Bias-Vektoren: keine",
        "x: (B, T, I), Batch zuerst", "Zustände: die Datei enthält Anfangswerte von h_prev",
        "nicht endlich: NaN oder unendlich in 0/forward/W_xi (1): wird ohne --allow-nonfinite abgelehnt",
        "Eingabe: so", "erstellt mit: so", "abgelehnt: it is not one",
    ):  # fmt: skip
        assert f"- {said}\n" in text.replace("\\", "")


def test_an_rnn_has_no_gates() -> None:
    arrays = {"W": (1, 3, 2), "R": (1, 3, 3), "B": (1, 6)}
    text = str(ModelInspection("n.npz", tuple(find({n: np.ones(s) for n, s in arrays.items()}, None))).report("md"))
    assert "- biases: two\n" in text
    assert "- parameters: 21 numbers, float64; 4 arrays\n" in text


@pytest.mark.parametrize("language", languages())
def test_every_label_is_in_every_language(language: str) -> None:
    for keyword in FACTS:
        assert words(language).has(f"inspect.label.{keyword}"), keyword
    labels = re.findall(r"^- (.*?)\s?[:：]", str(MANY.report("md", language=language)), re.M)
    assert len(labels) == 21
    if language != "en":
        assert {*labels} & {"layers", "sizes", "biases", "not finite", "made by", "refused"} == set()


def test_files_by_suffix(tmp_path: Path) -> None:
    for suffix in ("md", "txt", "html", "tex", "typ", "json", "csv"):
        printed(THAI, "-o", tmp_path / f"x.{suffix}", "--language", "fr")
    assert (tmp_path / "x.txt").read_text("utf-8") == printed(THAI, "--format", "text", "--language", "fr")
    assert "<h2>(le fichier lui-même)\u00a0: LSTM (arrays)</h2>" in (tmp_path / "x.html").read_text("utf-8")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [
        ".csv",
        ".html",
        ".json",
        ".md",
        ".tex",
        ".txt",
        ".typ",
    ]
    (record,) = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert (record["directions"], record["sizes"]) == (["forward", "reverse"], {"I": 20, "H": 15})
    (row,) = csv.DictReader((tmp_path / "x.csv").read_text("utf-8").splitlines())
    assert (row["directions"], row["I"], row["H"], row["P"]) == ("forward, reverse", "20", "15", "")


def test_rows_and_json_have_those_that_are_refused() -> None:
    first, second = MANY.rows.facts()["rows"]
    assert (first["name"], first["layers"], first["parameters"], first["refused"]) == ("", 1, 16, None)
    assert (second["name"], second["layers"], second["refused"]) == ("b", None, "it is not one")
    assert json.loads(MANY.as_json())[1] == {"name": "b", "kind": "second", "refused": "it is not one"}
    assert MANY.to_frame()["kind"].tolist() == ["first", "second"]


def test_it_is_a_sequence_of_what_was_found() -> None:
    found = lt.inspect(THAI)
    assert isinstance(found, Sequence)
    assert (len(found), [*found]) == (1, [found[0]])
    assert isinstance(found[0], Found)
    assert repr(found) == "<thai.npz: 1 LSTM; print(…) shows it>"
    assert str(found) + "\n" == printed(THAI)
