"""Models that read text, with the embedding and the readout of their files, compared with an LSTM written out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

import lstm_trace as lt
from lstm_trace.cli import main

from ..support.plain_lstm import direction
from ..support.said import words

WORDS = [*"abcdefg \n"]
TEXT = "bad cafe"
IDS = [WORDS.index(character) for character in TEXT]
E, H, V = 5, 4, len(WORDS)
OWN: dict[str, Any] = {"vocabulary": WORDS, "embedding": "model:embedding.weight"}
LOOK = ("--input", "text.txt", "--vocabulary", "v.json", "--embedding", "model:embedding.weight")
Arrays = Mapping[str, Any]


def arrays(seed: int, wide: int = E, hidden: int = H, ways: Sequence[str] = ("",)) -> dict[str, Any]:
    """A state dict of PyTorch: an embedding, an LSTM and a readout."""
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (V, wide)}
    for way in ways:
        shapes |= {f"lstm.weight_ih_l0{way}": (4 * hidden, wide), f"lstm.weight_hh_l0{way}": (4 * hidden, hidden)}
        shapes |= {f"lstm.bias_{side}h_l0{way}": (4 * hidden,) for side in "ih"}
    shapes |= {"head.weight": (V, hidden * len(ways)), "head.bias": (V,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def outputs(a: Arrays, numbers: Sequence[int], ways: Sequence[str] = ("",)) -> Any:
    """h_t of each direction, side by side, (T, ways · H)."""
    x, size = a["embedding.weight"][numbers].astype(float), a["lstm.weight_hh_l0"].shape[1]
    found = []
    for way in ways:
        parts = {name: np.split(a[f"lstm.{name}_l0{way}"].astype(float), 4) for name in ("weight_ih", "weight_hh")}
        biases = np.split(a[f"lstm.bias_ih_l0{way}"].astype(float) + a[f"lstm.bias_hh_l0{way}"], 4)
        weights = {}
        for k, gate in enumerate("ifco"):
            weights |= {f"W_x{gate}": parts["weight_ih"][k], f"W_h{gate}": parts["weight_hh"][k]}
            weights[f"b_{gate}"] = biases[k]
        steps = range(len(x))
        found.append(direction(weights, x, np.zeros(size), np.zeros(size), steps[::-1] if way else steps))
    return np.concatenate(found, axis=1)


def softmax(z: Any) -> Any:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate("ab"):
        save_file(arrays(seed), f"{name}.safetensors")
        np.savez(f"{name}.npz", **arrays(seed))
    Path("v.json").write_text(json.dumps(WORDS))
    Path("text.txt").write_text(TEXT + "\n")
    return tmp_path


def told(*arguments: str, stdin: str | None = None) -> str:
    found = CliRunner().invoke(main, arguments, input=stdin)
    assert found.exit_code == 2, found.output
    return " ".join(found.stderr.split())


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.asarray(found).reshape(np.shape(expected)), expected, rtol=0, atol=3e-6)


@pytest.mark.parametrize("head", ["auto", "model:", "model:head.weight,head.bias", "b.npz:head.weight,head.bias"])
@pytest.mark.parametrize("file", ["a.safetensors", "a.npz"])
def test_text_is_looked_up_and_read_out(file: str, head: str) -> None:
    trace = lt.run(file, TEXT, head=head, **OWN)
    a, of = arrays(0), arrays(1 if head.startswith("b") else 0)
    y = outputs(a, IDS) @ of["head.weight"].T + of["head.bias"]
    close(trace["y_t"], y)
    close(trace["p_t"], softmax(y))
    assert np.array_equal(trace.x[:, 0], a["embedding.weight"][IDS])
    assert trace.header.step_labels == (tuple(TEXT),)
    assert trace.header.names["y"] == WORDS
    said = ("W_hy is head.weight (9, 4), b_y is head.bias (9,)", "x_t is the row of embedding.weight (9, 5)")
    assert all(part in " ".join(trace.header.imported) for part in said)
    assert lt.verify(trace).verdict == "verified"


@pytest.mark.parametrize("form", ["pt", "onnx"])
def test_the_files_of_pytorch(form: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    torch.manual_seed(3)

    class Tagger(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(V, E)
            self.lstm = torch.nn.LSTM(E, H, batch_first=True)
            self.head = torch.nn.Linear(H, V)

        def forward(self, tokens: Any) -> Any:
            return torch.softmax(self.head(self.lstm(self.embedding(tokens))[0]), -1)

    model, tokens = Tagger().eval(), torch.tensor([IDS])
    if form == "pt":
        torch.save(model.state_dict(), "m.pt")
    else:
        with pytest.warns():  # torch: the exporter is the old one
            torch.onnx.export(model, (tokens,), "m.onnx", dynamo=False, input_names=["tokens"])
    trace = lt.run(f"m.{form}", TEXT, head="auto", **OWN)
    close(trace["p_t"], model(tokens).detach().numpy()[0])
    inspected = str(lt.inspect(f"m.{form}").report("md"))
    assert "--embedding model:embedding.weight (9, 5)" in inspected
    assert "--head model:" in inspected
    # the way from the model's input to the cell
    assert form == "pt" or "tokens (1, 8), through Gather of embedding.weight (9, 5), Transpose" in inspected


def test_where_directions_meet_the_logits_are_s_t() -> None:
    ways = ("", "_reverse")
    a = arrays(2, ways=ways)
    save_file(a, "m.safetensors")
    trace = lt.run("m.safetensors", TEXT, head="auto", **OWN)
    close(trace["p_t"], softmax(outputs(a, IDS, ways) @ a["head.weight"].T + a["head.bias"]))
    assert "s_t = W_hy @ y_t + b_y" in " ".join(trace.header.imported)


def test_the_kernel_of_keras_is_transposed_also_where_it_is_square() -> None:
    rng = np.random.default_rng(4)
    dense, bias = rng.normal(size=(H, H)), rng.normal(size=H)
    a = {key: value for key, value in arrays(0).items() if not key.startswith("head")}
    np.savez("m.npz", **a, **{"dense/kernel:0": dense, "dense/bias:0": bias})
    trace = lt.run("m.npz", TEXT, head="auto", **OWN)
    close(trace["y_t"], outputs(a, IDS) @ dense + bias)
    assert "y" not in trace.header.names  # there are more tokens than outputs


def test_a_tied_head_is_the_embedding_where_asked() -> None:
    a = {key: value for key, value in arrays(5, wide=H).items() if not key.startswith("head")}
    a["tokens.weight"] = a.pop("embedding.weight")
    save_file(a, "m.safetensors")
    look = {"vocabulary": WORDS, "embedding": "model:tokens.weight"}
    trace = lt.run("m.safetensors", TEXT, head="model:tokens.weight", **look)
    close(trace["y_t"], outputs({**a, "embedding.weight": a["tokens.weight"]}, IDS) @ a["tokens.weight"].T)
    with pytest.raises(lt.OptionError, match=r"beside cell and embedding there is none$"):
        lt.run("m.safetensors", TEXT, head="auto", **look)


def without_head(**extra: Any) -> dict[str, Any]:
    return {key: value for key, value in arrays(0).items() if not key.startswith("head")} | extra


def test_a_square_matrix_whose_name_says_nothing_is_asked_about() -> None:
    w = np.random.default_rng(6).normal(size=(H, H))
    np.savez("m.npz", **without_head(**{"dense/w": w, "dense/bias": np.ones(H)}))
    with pytest.raises(lt.OptionError, match=r"dense/w is square.*write dense/w:VH for a row per output, dense/w:HV"):
        lt.run("m.npz", TEXT, head="auto", **OWN)
    h = outputs(arrays(0), IDS)
    close(lt.run("m.npz", TEXT, head="model:dense/w:HV,dense/bias", **OWN)["y_t"], h @ w + 1)
    close(lt.run("m.npz", TEXT, head="model:dense/w:VH", **OWN)["y_t"], h @ w.T)


@pytest.mark.parametrize("names", [("W_out", "class_weights"), ("out/kernel", "out/moving_mean")])
def test_a_vector_of_another_name_is_no_bias(names: tuple[str, str]) -> None:
    w = np.random.default_rng(6).normal(size=(H, V))
    np.savez("m.npz", **without_head(**{names[0]: w, names[1]: np.ones(V)}))
    ask = rf"is {names[1]} the bias of {names[0]}\? Give --head model:{names[0]}, or --head model:{names[0]},{names[1]}"
    with pytest.raises(lt.OptionError, match=ask):
        lt.run("m.npz", TEXT, head="auto", **OWN)
    close(lt.run("m.npz", TEXT, head=f"model:{names[0]}", **OWN)["y_t"], outputs(arrays(0), IDS) @ w)
    assert lt.inspect("m.npz")[0].facts["head"] == f"--head model:{names[0]} (4, 9)"


@pytest.mark.parametrize(
    ("matrix", "bias"),
    [
        ("W_out", "b_out"),
        ("W_hy", "b_y"),
        ("Why", "by"),
        ("w/kernel:0", "w/bias:0"),
        ("w.weight", "w.bias"),
        ("d/vars/0", "d/vars/1"),
    ],
)
def test_the_bias_beside_a_matrix(matrix: str, bias: str) -> None:
    w, b = np.random.default_rng(6).normal(size=(H, V)), np.arange(V)
    np.savez("m.npz", **without_head(**{matrix: w, bias: b, bias.replace("b", "gamma"): np.ones(V)} | {bias: b}))
    close(lt.run("m.npz", TEXT, head="auto", **OWN)["y_t"], outputs(arrays(0), IDS) @ w + b)


@pytest.mark.parametrize("wide", ["both", "x", "h", "deep"])
def test_of_a_graph_is_taken_what_it_computes(wide: str) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    torch.manual_seed(5)

    class Tagger(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.lstm = torch.nn.Embedding(V, H), torch.nn.LSTM(H, H, batch_first=True)
            self.inner, self.head = torch.nn.Linear(H, H), torch.nn.Linear(H, H)

        def forward(self, tokens: Any) -> Any:
            x = self.embedding(tokens)
            h = self.lstm(x * 2 if wide == "x" else x)[0]
            h = h * 2 if wide == "h" else torch.relu(self.inner(h)) if wide == "deep" else h
            return self.head(h)

    model, tokens = Tagger().eval(), torch.tensor([IDS])
    with pytest.warns():  # torch: the exporter is the old one
        torch.onnx.export(model, (tokens,), "m.onnx", dynamo=False)
    look = {"vocabulary": WORDS, "embedding": "model:embedding.weight"}
    offered = {"embedding", "head"} & lt.inspect("m.onnx")[0].facts.keys()
    if wide == "both":  # the matrix is square, and stored as (H, V)
        close(lt.run("m.onnx", TEXT, head="auto", **look)["y_t"], model(tokens).detach().numpy()[0])
        assert offered == {"embedding", "head"}
    elif wide == "x":
        assert offered == {"head"}
        said = r"embedding model:embedding.weight: x is the output of /Mul \(Mul\), through Transpose, so its rows are"
        with pytest.raises(lt.OptionError, match=said):
            lt.run("m.onnx", TEXT, **look)
        x = model.embedding(tokens).detach().numpy()[0]
        close(lt.run("m.onnx", TEXT, **look | {"embedding": "m.onnx:embedding.weight"}).x, x)
    else:
        assert offered == {"embedding"}
        with pytest.raises(lt.OptionError, match="as readouts the graph has none"):
            lt.run("m.onnx", TEXT, head="auto", **look)


def test_what_each_model_looked_up_is_compared() -> None:
    b = arrays(0)
    b["embedding.weight"][0] += 1
    np.savez("b.npz", **b)
    told = [r.key for r in lt.diff("a.npz", "b.npz", x="bb", **OWN).remarks]
    assert "diff.embeddings.own" not in told  # the row is that of a
    assert "diff.embeddings.own" in [r.key for r in lt.diff("a.npz", "b.npz", x="ab", **OWN).remarks]
    models = [lt.prepare(f"{name}.npz", **OWN) for name in "ab"]
    assert lt.diff(*models, x="bb").verdict == "same"


def test_outputs_with_other_names_are_noted() -> None:
    one, two = (lt.run("a.npz", "ab", head="auto", **OWN | {"vocabulary": [*"abcd", e, *"fg \n"]}) for e in "eX")
    said = [remark.said(words()) for remark in lt.diff(one, two).remarks]
    assert said == ["output 4 is called ‘e’ in a, ‘X’ in b: outputs are compared by their numbers, not by their names"]


def test_live_layers_in_python() -> None:
    torch = pytest.importorskip("torch")
    embedding, lstm, head = torch.nn.Embedding(V, E), torch.nn.LSTM(E, H), torch.nn.Linear(H, V)
    trace = lt.run(lstm, TEXT, vocabulary=dict(zip(WORDS, np.arange(V), strict=True)), embedding=embedding, head=head)
    close(trace["y_t"], head(lstm(embedding(torch.tensor(IDS)))[0]).detach().numpy())


def test_arrays_in_python() -> None:
    a = arrays(0)
    cell = {key.removeprefix("lstm."): value for key, value in a.items() if key.startswith("lstm.")}
    model = lt.prepare(cell, vocabulary=WORDS, embedding=a["embedding.weight"], head=(a["head.weight"],))
    for x in (TEXT, [*TEXT], IDS, np.array(IDS)):
        close(model.run(x)["y_t"], outputs(a, IDS) @ a["head.weight"].T)
        assert model.run(x).header.step_labels == (tuple(TEXT),)
    assert model.run(TEXT, tokens="12345678").header.step_labels == (tuple("12345678"),)
    close(lt.run(cell, IDS, embedding=a["embedding.weight"])["h_t"], outputs(a, IDS))


def test_without_an_embedding_x_is_one_hot() -> None:
    weights = {f"W_{s}{g}": np.arange(1.0, 5).reshape(2, 2) / (k + 2) for s in "xh" for k, g in enumerate("ifco")}
    trace = lt.run(weights, "b a  b", vocabulary=["a", "b"], split="words")
    assert trace.x[:, 0].tolist() == [[0, 1], [1, 0], [0, 1]]
    assert trace.header.names["x"] == ["a", "b"]
    assert lt.run(weights, "b?", vocabulary={"b": 1, "a": 0}, unknown="a").x[:, 0].tolist() == [[0, 1], [1, 0]]


def test_the_commands_read_text() -> None:
    close_to = softmax(outputs(arrays(0), IDS) @ arrays(0)["head.weight"].T + arrays(0)["head.bias"])
    for more, stdin in ((LOOK, None), (("--input", "-", *LOOK[2:]), TEXT + "\n")):
        run = ("run", "a.safetensors", *more, "--head", "auto", "-o", "t.json")
        assert CliRunner().invoke(main, run, input=stdin).exit_code == 0
        close(lt.load("t.json")["p_t"], close_to)
    np.save("ids.npy", IDS)
    ids = ("run", "a.npz", "--input", "ids.npy", "--embedding", "model:embedding.weight", "-o", "t.json")
    assert CliRunner().invoke(main, ids).exit_code == 0
    close(lt.load("t.json")["h_t"], outputs(arrays(0), IDS))
    report = CliRunner().invoke(main, ["report", "a.npz", *LOOK, "--head", "auto", "--detail", "worked"]).stdout
    assert r"p_t = \mathrm{softmax}(y_t)" in report
    of = CliRunner().invoke(main, ["explain", "contribution", "a.npz", *LOOK, "--head", "auto", "--of", "7/p_t[3]"])
    assert "‘c’" in of.stdout or "‘f’" in of.stdout or "‘e’" in of.stdout
    assert CliRunner().invoke(main, ["plot", "a.npz", *LOOK, "-o", "p.svg"]).exit_code == 0
    assert CliRunner().invoke(main, ["verify", "t.json"]).exit_code == 0


@pytest.mark.parametrize("sided", [False, True])
def test_each_side_of_a_diff_has_its_own_embedding(sided: bool) -> None:
    b = arrays(1)
    more = LOOK
    if sided:
        b["other.weight"] = b.pop("embedding.weight")
        more = (*LOOK[:4], "--embedding-a", "model:embedding.weight", "--embedding-b", "model:other.weight")
    save_file(b, "b.safetensors")
    found = CliRunner().invoke(main, ["diff", "a.safetensors", "b.safetensors", *more, "--format", "json"])
    assert found.exit_code == 1, found.output
    notes = json.loads(found.stdout)["notes"]
    said = "each model looked the tokens up in its own embedding, and the embeddings differ ("
    assert notes[0].startswith(said + ("embedding.weight and other.weight" if sided else "embedding.weight: up to "))
    one, two = outputs(arrays(0), IDS), outputs({"embedding.weight": b.get("other.weight"), **b}, IDS)
    long = CliRunner().invoke(main, ["diff", "a.safetensors", "b.safetensors", *more, "-o", "d.csv", "--shape", "wide"])
    assert long.exit_code == 1, long.output
    import pandas as pd

    table = pd.read_csv("d.csv")
    for k in range(H):
        columns = [column for column in table if column.endswith(f"h_t[{k}]")]
        close(sorted(table[columns].to_numpy().ravel()), sorted((two - one)[:, k]))


def test_diff_in_python_and_the_same_embedding() -> None:
    found = lt.diff("a.npz", "b.npz", x=TEXT, head="auto", **OWN)
    assert found.remarks[0].key == "diff.embeddings.own"
    assert "/0/x_t (5 entries)" in found.report("md")
    shared = lt.diff("a.npz", "b.npz", x=TEXT, vocabulary=WORDS, embedding="a.npz:embedding.weight")
    assert not [remark for remark in shared.remarks if remark.key.startswith("diff.embeddings")]


RUN = ("run", "a.npz")
REFUSED: list[tuple[tuple[str, ...], str]] = [
    (("--input", "text.txt"), "x is text: give the numbers of its tokens with --vocabulary FILE and --embedding "
     "model:embedding.weight (9, 5) (in Python vocabulary=, embedding=)"),
    (("--input", "x.npy"), "x has 7 numbers a step, and the cell reads 5, as many as a row of an embedding has: give a "
     "text with --vocabulary FILE and --embedding model:embedding.weight (9, 5)"),
    (LOOK[:4], "9 numbers, and the cell reads I = 5; give --vocabulary FILE and --embedding model:embedding.weight"),
    ((*LOOK[:4], "--embedding", "model:emb"), "a.npz: no array 'emb'; there are embedding.weight, "),
    ((*LOOK[:4], "--embedding", "model:head.bias"), "the array has the shape (9,) and the dtype float32; expected a"),
    ((*LOOK[:4], "--embedding", "none.npz:e"), "none.npz: there is no such file"),
    (("--input", "bad.txt", *LOOK[2:]), "x: t = 1: 'é' is not in the vocabulary; name the token that replaces"),
    ((*LOOK, "--unknown", "?"), "the vocabulary has no '?', which --unknown (unknown=) names"),
    (("--input", "text.txt", *LOOK[4:], "--unknown", "a"), "--unknown (unknown=) names the token for those that a "
     "vocabulary lacks: give --vocabulary FILE"),
    (("--input", "text.txt", *LOOK[2:4], "--embedding", "embedding.weight"), "embedding: there is no file "
     "embedding.weight; for arrays of the model write model:embedding.weight"),
    (("--input", "text.txt", *LOOK[2:4], "--embedding", "few.npz:e"), "x: t = 2: the token 'd' has the number 3; "
     "expected 0 to 2, since the embedding has 3 rows; the vocabulary has 9 tokens"),
    ((*LOOK, "--head", "model:lstm.weight_hh_l0"), "head: lstm.weight_hh_l0 is a weight of the cell, not"),
    (("--input", "text.txt", "--split", "words"), "unknown and split are about tokens: give --vocabulary FILE"),
    ((*LOOK, "--key", "x"), "--key says which array of --input: give an array with --input X, or leave it out"),
    (("--input", "far.npy", "--embedding", "model:embedding.weight"), "x: t = 1: the token has the number 9; expected "
     "0 to 8"),
    (("--input", "x.npy", "--embedding", "model:embedding.weight"), "x: expected one or more numbers of tokens in a "
     "list; a text needs --vocabulary FILE (vocabulary=)"),
    ((*LOOK, "--head", "model:embedding.weight"), "head: expected a matrix (V, 4) or (4, V), since h_t has 4 units, "
     "and a bias (V,); found embedding.weight (9, 5)"),
    ((*LOOK, "--head", "two.npz"), "two.npz: head: name the matrix with 4 columns or rows and its bias, as in --head "
     "model:p.weight,p.bias; beside cell and embedding there is p.weight (3, 4) and p.bias (3,), "
     "q.weight (4, 6)"),
    ((*LOOK, "--head", "nan.npz"), "W_hy[0,1] is nan; expected finite numbers (--allow-nonfinite"),
]  # fmt: skip


@pytest.mark.few(4)
@pytest.mark.parametrize(("more", "said"), REFUSED, ids=[said[:50] for _, said in REFUSED])
def test_what_does_not_fit_is_refused(more: tuple[str, ...], said: str) -> None:
    np.save("x.npy", np.zeros((3, 7)))
    np.save("far.npy", np.array([0, 9]))
    Path("bad.txt").write_text("bé", "utf-8")
    np.savez("two.npz", **{"p.weight": np.ones((3, 4)), "p.bias": np.ones(3), "q.weight": np.ones((4, 6))})
    np.savez("few.npz", e=np.ones((3, E)))
    np.savez("nan.npz", **{"p.weight": np.array([[1, np.nan, 1, 1]])})
    assert said in told(*RUN, *more)


def test_a_model_without_a_file_has_no_arrays() -> None:
    cell = {key.removeprefix("lstm."): value for key, value in arrays(0).items() if key.startswith("lstm.")}
    with pytest.raises(lt.MissingError, match=r"^embedding 'model:e': the model was not read from a file of arrays"):
        lt.run(cell, TEXT, vocabulary=WORDS, embedding="model:e")
    with pytest.raises(lt.OptionError, match=r"^x is text: give the numbers of its tokens with --vocabulary FILE \(in"):
        lt.run(cell, TEXT)
