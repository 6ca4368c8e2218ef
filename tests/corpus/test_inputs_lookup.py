"""x that is looked up: texts and their tokens, vocabularies, embeddings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

pa = pytest.importorskip("pyarrow")

import pyarrow.parquet as pq  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

import lstm_trace as lt  # noqa: E402
from lstm_trace import corpus  # noqa: E402
from lstm_trace.cli import main  # noqa: E402
from lstm_trace.corpus.inputs import opened  # noqa: E402
from lstm_trace.corpus.rows import Rows, cut  # noqa: E402

TEXT = "to be\r\n\nor  not\nto\n \n\nbe!"
E = np.random.default_rng(7).normal(size=(6, 3)).astype(np.float32)


def all_rows(inputs: Any, folder: Path, **reading: Any) -> Rows:
    source = opened(inputs, None, folder, **reading)
    (span,) = cut(source.index(), 10**6)
    return source.read(span)


def told(rows: Rows) -> dict[Any, list[str]]:
    """The tokens of each sequence."""
    tokens, starts = rows.token.to_pylist(), rows.starts
    return {i: tokens[a:b] for i, a, b in zip(rows.ids.tolist(), starts[:-1], starts[1:], strict=True)}


CHARACTERS = sorted({*TEXT, "\n", " "})
WORDS = ["to", "be", "or", "not", "be!"]


@pytest.mark.parametrize(
    ("sequences", "tokens", "expected"),
    [
        (None, None, {0: [*"to be"], 1: [*"or  not"], 2: [*"to"], 3: [*"be!"]}),
        ("lines", "words", {0: ["to", "be"], 1: ["or", "not"], 2: ["to"], 3: ["be!"]}),
        ("paragraphs", "characters", {0: [*"to be"], 1: [*"or  not\nto"], 2: [*"be!"]}),
        ("paragraphs", "words", {0: ["to", "be"], 1: ["or", "not", "to"], 2: ["be!"]}),
        ("files", "characters", {"in": [*TEXT.replace("\r", "")]}),
        ("files", "words", {"in": ["to", "be", "or", "not", "to", "be!"]}),
    ],
)
def test_a_text_is_cut_into_sequences_of_tokens(
    sequences: str | None, tokens: str | None, expected: dict[Any, list[str]], tmp_path: Path
) -> None:
    (tmp_path / "in.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    words = WORDS if tokens == "words" else CHARACTERS
    found = all_rows(tmp_path / "in.txt", tmp_path / "out", sequences=sequences, tokens=tokens, vocabulary=words)
    assert told(found) == expected
    assert found.x.tolist() == [[float(word == token) for word in words] for token in found.token.to_pylist()]


def test_texts_of_a_folder_go_on_counting_or_are_called_as_their_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name, text in (("b", "cd"), ("a", "ab\nba"), (".hidden", "x")):
        (tmp_path / "in" / f"{name}.txt").write_text(text)
    look: dict[str, Any] = {"vocabulary": [*"abcd\n"]}
    assert told(all_rows(tmp_path / "in", tmp_path, **look)) == {0: ["a", "b"], 1: ["b", "a"], 2: ["c", "d"]}
    assert list(told(all_rows(tmp_path / "in", tmp_path, sequences="files", **look))) == ["a", "b"]


def test_texts_in_python(tmp_path: Path) -> None:
    found = all_rows(["to be", "be"], tmp_path, tokens="words", vocabulary=["be", "to"])
    assert told(found) == {0: ["to", "be"], 1: ["be"]}
    assert found.x.tolist() == [[0, 1], [1, 0], [1, 0]]


@pytest.mark.parametrize(
    "given",
    [
        ["a", "b", "", "c"],
        {"c": 3, "a": 0, "b": 1, "": 2},
        np.array(["a", "b", "", "c"]),
        ("v.txt", b"a\r\nb\r\n\r\nc\r\n"),
        ("v.json", b'["a", "b", "", "c"]'),
        ("v.json", b'{"a": 0, "": 2, "c": 3, "b": 1}'),
        ("w.json:dic", b'{"mat": [1], "dic": {"a": 0, "b": 1, "": 2, "c": 3}}'),
        ("v.npz:words", {"words": np.array(["a", "b", "", "c"]), "x": np.ones(1)}),
    ],
    ids=str,
)
def test_forms_of_a_vocabulary(given: Any, tmp_path: Path) -> None:
    if isinstance(given, tuple):
        name, content = given
        path = tmp_path / name.partition(":")[0]
        if isinstance(content, dict):
            np.savez(path, **content)
        else:
            path.write_bytes(content)
        given = str(tmp_path / name)
    found = all_rows([{"token": ["c", "a", "", "b", "?"]}], tmp_path / "out", vocabulary=given, unknown="a")
    assert found.x.argmax(1).tolist() == [3, 0, 2, 1, 0]
    assert found.x.sum() == 5
    assert found.x.shape == (5, 4)


@pytest.mark.few(1)
@pytest.mark.parametrize("form", ["array", "half", "npy", "npz", "safetensors", "pt", "h5"])
def test_forms_of_an_embedding(form: str, tmp_path: Path) -> None:
    path, values = tmp_path / f"e.{form}", E.astype(np.float16) if form == "half" else E
    given: Any = f"{path}:layers/embedding"
    if form in ("array", "half"):
        given = values
    elif form == "npy":
        np.save(path, E)
        given = path
    elif form == "npz":
        np.savez(path, **{"layers/embedding": E, "other": np.ones(3)})
    elif form == "safetensors":
        save_file({"layers/embedding": E, "other": np.ones(3)}, path)
    elif form == "pt":
        torch = pytest.importorskip("torch")
        torch.save({"layers": {"embedding": torch.tensor(E)}}, path)
        given = f"{path}:layers.embedding"
    else:
        with pytest.importorskip("h5py").File(path, "w") as file:
            file["layers/embedding"] = E
    numbers = [[5, 0, 3], [2]]
    found = all_rows([{"n": ids} for ids in numbers], tmp_path / "out", ids="n", embedding=given)
    assert found.x.dtype == np.float32
    assert found.x.tolist() == [values[k].astype(np.float32).tolist() for k in (5, 0, 3, 2)]
    assert found.targets["n"].to_pylist() == [5, 0, 3, 2]
    assert found.token is None
    named = all_rows([{"token": ["b", "a", "b"]}], tmp_path / "out", vocabulary={"a": 4, "b": 1}, embedding=given)
    assert named.x.tolist() == [values[k].astype(np.float32).tolist() for k in (1, 4, 1)]


def test_an_array_that_is_not_there_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "e.npz", embedding=E)
    for name, said in (("embeding", "no array 'embeding'; did you mean 'embedding'"), ("", "as in e.npz:NAME; there")):
        with pytest.raises(lt.LstmTraceError, match=said):
            opened([{"n": [1]}], 3, tmp_path, ids="n", embedding=f"{tmp_path / 'e.npz'}{':' * bool(name)}{name}")


def test_numbers_are_named_by_the_vocabulary(tmp_path: Path) -> None:
    look = {"ids": "n", "vocabulary": {"a": 0, "b": 2}, "embedding": E}
    found = all_rows([{"n": [2, 0, 5]}], tmp_path, **look)
    assert found.token.to_pylist() == ["b", "a", ""]


def test_tokens_are_looked_up_for_rows_of_a_table(tmp_path: Path) -> None:
    table = pa.table({"seq_id": [1, 1, 2], "token": ["b", "a", "c"], "y": [0.5, 1.5, 2.5]})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=1)
    source = opened(tmp_path / "in.parquet", 3, tmp_path, vocabulary=["a", "b", "c"], embedding=E)
    x = np.concatenate([source.read(span).x for span in cut(source.index(), 1)])
    assert np.array_equal(x, E[[1, 0, 2]])
    described = source.described()
    assert json.loads(json.dumps(described)) == described
    assert opened(described.pop("path"), 3, tmp_path, **described).digest() == source.digest()
    others: list[dict[str, Any]] = [
        {"vocabulary": ["b", "a", "c"], "embedding": E},
        {"vocabulary": ["a", "b", "c"], "embedding": E + 1},
        {"vocabulary": ["a", "b", "c"], "embedding": E, "unknown": "c"},
        {"vocabulary": ["a", "b", "c"]},
    ]
    digests = [opened(tmp_path / "in.parquet", 3, tmp_path, **other).digest() for other in others]
    assert len({source.digest(), *digests}) == 5


def weights() -> dict[str, Any]:
    draw = np.random.default_rng(2)
    sizes = {"W_x{}": (4, 3), "W_h{}": (4, 4), "b_{}": (4,)}
    return {name.format(g): draw.normal(size=size) for name, size in sizes.items() for g in "ifco"}


def test_the_embedding_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "m.npz", **weights(), embedding=E)
    (tmp_path / "in.txt").write_text("abc\ncb\n")
    (tmp_path / "abc.txt").write_text("a\nb\nc\n")
    monkeypatch.chdir(tmp_path)
    look = ["--inputs", "in.txt", "--vocabulary", "abc.txt", "--embedding", "model:embedding"]
    run = CliRunner().invoke(main, ["corpus", "run", "m.npz", *look, "-o", "states"])
    assert run.exit_code == 0, run.output
    found = corpus.open("states").unit("h_t[1]")
    expected = [lt.run(weights(), E[numbers], ask="h_t")["h_t"][:, 0, 1] for numbers in ([0, 1, 2], [2, 1])]
    assert found["token"].tolist() == [*"abccb"]
    assert found["seq_id"].tolist() == [0, 0, 0, 1, 1]
    assert np.allclose(found["h_t[1]"], np.concatenate(expected), rtol=0, atol=1e-12)


def test_the_names_of_the_inputs_of_the_model_are_its_vocabulary(tmp_path: Path) -> None:
    problem = {"weights": {k: v.tolist() for k, v in weights().items()}, "names": {"x": ["a", "b", "other"]}}
    (tmp_path / "m.json").write_text(json.dumps(problem))
    model = lt.prepare(tmp_path / "m.json")
    one = corpus.run(model, ["ab?", "b"], tmp_path / "one", unknown="other").unit("c_t[3]")
    assert one["token"].tolist() == [*"ab?b"]
    x = np.eye(3)
    expected = np.concatenate([model.run(x[[0, 1, 2]])["c_t"][:, 0, 3], model.run(x[[1]])["c_t"][:, 0, 3]])
    assert np.allclose(one["c_t[3]"], expected, rtol=0, atol=1e-12)
    with pytest.raises(lt.LstmTraceError, match=r"'\?' is not in the vocabulary"):
        corpus.run(model, ["ab?", "b"], tmp_path / "two")
    two = corpus.run(model, ["ab?", "b"], tmp_path / "two", unknown="other", vocabulary="model")
    assert two.unit("c_t[3]").equals(one)


@pytest.mark.few(0)
def test_states_that_were_moved_find_vocabulary_and_embedding(tmp_path: Path) -> None:
    found = corpus.run(lt.prepare(weights()), ["ab", "b"], tmp_path / "one", vocabulary=["a", "b"], embedding=E)
    assert found.verify().verdict == "verified"
    assert corpus.open((tmp_path / "one").rename(tmp_path / "two")).verify().verdict == "verified"


def test_a_fresh_run_removes_what_the_other_one_read(tmp_path: Path) -> None:
    look: dict[str, Any] = {"vocabulary": ["a", "b"], "embedding": E, "out": tmp_path / "s", "model": weights()}
    corpus.run(inputs=["ab", "b"], **look)
    before = {path.name for path in (tmp_path / "s").glob("_*-*")}
    corpus.run(inputs=["bb"], fresh=True, **look)
    after = {path.name for path in (tmp_path / "s").glob("_*-*")}
    assert len(before) == len(after) == 3
    assert len(before & after) == 2  # vocabulary and embedding
    assert corpus.open(tmp_path / "s").verify().verdict == "verified"


def test_what_is_written_beside_the_states_is_kept(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("ab\n")
    look: dict[str, Any] = {"vocabulary": [*"ab"]}
    first = opened(tmp_path / "in.txt", 2, tmp_path / "out", **look)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("_inputs*")}
    again = opened(tmp_path / "in.txt", 2, tmp_path / "out", **look)
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("_inputs*")} == before
    (tmp_path / "in.txt").write_text("ba\n")
    other = opened(tmp_path / "in.txt", 2, tmp_path / "out", **look)
    assert other.digest() != first.digest()
    words = opened(tmp_path / "in.txt", 2, tmp_path / "out", tokens="words", vocabulary=["ba", "c"])
    assert words.digest() not in (first.digest(), other.digest())
    assert len(list((tmp_path / "out").glob("_inputs*"))) == 3
    assert all(path.exists() for path in before)


def test_a_vocabulary_that_has_changed_is_read_again(tmp_path: Path) -> None:
    for words in ("a\nb", "b\na", "b\na\nc"):
        (tmp_path / "v.txt").write_text(words)
        os.utime(tmp_path / "v.txt", ns=(len(words), ord(words[0])))
        found = all_rows([{"token": ["a", "b"]}], tmp_path / "out", vocabulary=tmp_path / "v.txt")
        assert found.x.argmax(1).tolist() == [words.split("\n").index(token) for token in "ab"]


def test_numbers_below_zero_are_no_tokens(tmp_path: Path) -> None:
    with pytest.raises(lt.LstmTraceError, match="sequence 0, t = 1: the token has the number -1; expected 0 to 5"):
        all_rows([{"n": [1, -1]}], tmp_path, ids="n", embedding=E)
