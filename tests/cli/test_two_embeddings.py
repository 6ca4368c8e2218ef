"""`diff` of two models over one x, each with an embedding of its own: that x has rows of one of them is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import save_file

from lstm_trace.cli import main

H, WIDE, TOKENS = 2, 3, 5


def arrays(seed: int, table: Any, embedding: str = "embedding.weight") -> dict[str, Any]:
    """A token model: an embedding, an LSTM, and a readout of as many inputs as the LSTM has."""
    rng = np.random.default_rng(seed)
    shapes = {
        "lstm.weight_ih_l0": (4 * H, WIDE), "lstm.weight_hh_l0": (4 * H, H), "lstm.bias_ih_l0": (4 * H,),
        "lstm.bias_hh_l0": (4 * H,), "head.weight": (4, WIDE), "head.bias": (4,),
    }  # fmt: skip
    return {embedding: table} | {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


TABLE = np.random.default_rng(0).normal(size=(TOKENS, WIDE)).astype(np.float32)
MOVED = TABLE + np.float32(0.0) + np.where(np.arange(WIDE) == 1, 0.25, 0).astype(np.float32)
SAID = "both models were given the same x, and have different embeddings ({}): where x holds rows of an embedding"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", TABLE[[0, 4, 2]])
    save_file(arrays(1, TABLE), "a.safetensors")
    return tmp_path


def diff(b: str, *more: str) -> Result:
    found = CliRunner().invoke(main, ["diff", "a.safetensors", b, "--input", "x.npy", *more])
    assert found.exit_code == 1, found.output
    return found


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("embedding", "table", "told"),
    [
        ("embedding.weight", MOVED, "embedding.weight: up to 0.25 apart"),
        ("embedding.weight", TABLE[:4], "embedding.weight: (5, 3) and (4, 3)"),
        ("emb.weight", MOVED, "embedding.weight and emb.weight: up to 0.25 apart"),  # the only one of each
    ],
)
def test_embeddings_that_differ_are_told(embedding: str, table: Any, told: str) -> None:
    save_file(arrays(2, table, embedding), "b.safetensors")
    assert f"note: {SAID.format(told)}" in " ".join(diff("b.safetensors").stdout.split())
    notes = json.loads(diff("b.safetensors", "--format", "json").stdout)["notes"]
    assert notes[0].startswith(SAID.format(told))
    assert notes[0].endswith("in its own (--input TEXT --vocabulary FILE --embedding model:NAME)")
    split = diff("b.safetensors", "--attribute", "2/h_t[0]", "--format", "md")
    assert SAID.format(told) in split.stderr
    diff("b.safetensors", "-o", "d.html")
    assert SAID.format(told) in Path("d.html").read_text("utf-8")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "other",
    [
        arrays(2, TABLE),  # both have the same
        arrays(2, MOVED[:, :2]),  # of another width: x has no rows of it
        {name: values for name, values in arrays(2, TABLE).items() if name != "embedding.weight"},
    ],
)
def test_without_two_embeddings_of_x_nothing_is_told(other: dict[str, Any]) -> None:
    save_file({name: np.ascontiguousarray(values) for name, values in other.items()}, "b.safetensors")
    assert "embedding" not in diff("b.safetensors").output


def test_stacks_have_an_x_each_layer(folder: Path) -> None:
    shapes = {"weight_ih": 3, "weight_hh": 1, "bias_ih": 0, "bias_hh": 0}
    for name in ("a", "b"):
        found = {f"{part}_l{n}": np.ones((3, (wide, 1)[n]) if wide else 3, np.float32)
                 for n in (0, 1) for part, wide in shapes.items()}  # fmt: skip
        save_file(found, f"{name}.safetensors")
    result = CliRunner().invoke(main, ["diff", "a.safetensors", "b.safetensors", "--input", "x.npy"])
    assert result.exit_code == 0, result.output


def test_traces_have_an_x_each(folder: Path) -> None:
    save_file(arrays(2, MOVED), "b.safetensors")
    for name in "ab":
        made = CliRunner().invoke(main, ["run", f"{name}.safetensors", "--input", "x.npy", "-o", f"{name}.json"])
        assert made.exit_code == 0, made.output
    found = CliRunner().invoke(main, ["diff", "a.json", "b.json"])
    assert "different embeddings" not in found.output


def test_names_without_modules() -> None:
    for name, table in (("a.npz", TABLE), ("b.npz", MOVED)):
        flat = {key.rpartition(".")[2]: v for key, v in arrays(3, table).items() if key.startswith("lstm.")}
        np.savez(name, word_embedding=table, other=table, **flat)
    found = CliRunner().invoke(main, ["diff", "a.npz", "b.npz", "--input", "x.npy"])
    assert "(word_embedding: up to 0.25 apart)" in " ".join(found.stdout.split())
