"""Model files that need no framework: .npz and .safetensors, their guards, inputs from files, and the command line."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import ChoiceError, FileError, LstmTraceError, MissingError, OptionError, ShapeError
from lstm_trace.examples import text
from lstm_trace.model.sources import SUFFIXES, read_input
from lstm_trace.weights.formats.arrays import load_npy
from lstm_trace.weights.read import is_model, read_model

from .. import ROOT
from ..support.family_oracle import sequence

MODELS = ROOT.parent / "shared" / "models"
H, WIDE, STEPS = 3, 5, 4
RNG = np.random.default_rng(11)


def ours() -> dict[str, Any]:
    """Random weights by our names, float32."""
    found: dict[str, Any] = {}
    for gate in "ifco":
        found |= {f"W_x{gate}": RNG.normal(size=(H, WIDE)), f"W_h{gate}": RNG.normal(size=(H, H))}
        found |= {f"b_x{gate}": RNG.normal(size=H), f"b_h{gate}": RNG.normal(size=H)}
    return {key: values.astype(np.float32) for key, values in found.items()}


def state_dict(w: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The same as PyTorch names and stacks them."""
    names = {"weight_ih_l0": "W_x{}", "weight_hh_l0": "W_h{}", "bias_ih_l0": "b_x{}", "bias_hh_l0": "b_h{}"}
    return {prefix + key: np.concatenate([w[name.format(g)] for g in "ifco"]) for key, name in names.items()}


W = ours()
X = RNG.normal(size=(STEPS, WIDE)).astype(np.float32)


def told(*arguments: str) -> tuple[int, str]:
    """Exit code and what was printed, stdout and stderr."""
    result = CliRunner().invoke(main, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


# -- trained models that nobody here made ----------------------------------------------------------------------------


def cells_by_loops(arrays: Mapping[str, Any], x: Any) -> Any:
    """The last c of both directions of Keras's arrays (gates i, f, c, o), (2, 1, H) in float64, by the oracle."""
    found = []
    for direction in ("forward", "backward"):
        w: dict[str, Any] = {}
        for key, name in (("kernel", "W_x{}"), ("recurrent_kernel", "W_h{}"), ("bias", "b_{}")):
            blocks = np.split(arrays[f"{direction}/{key}"].astype(np.float64), 4, axis=-1)
            w |= {name.format(gate): block.T.tolist() for gate, block in zip("ifco", blocks, strict=True)}
        zero = [0.0] * len(w["b_i"])
        found.append(sequence(w, x.astype(np.float64).tolist(), zero, zero, reverse=direction == "backward")[2])
    return np.array(found)


@pytest.mark.few(1)
@pytest.mark.skipif(not MODELS.is_dir(), reason="the word segmenters are not there")
@pytest.mark.parametrize("name", sorted(path.name for path in MODELS.glob("unicode_*")))
def test_word_segmenters(name: str) -> None:
    """Keras's weights of the Unicode word segmenters, over real sentences; expected: torch.nn.LSTM, float32.

    Over a whole sentence two float32 runs differ by the rounding of both: in c_n, which nothing squashes, by up to 11
    ulp with some CPUs' kernels. So c_n is measured from float64, as torch's is: at most torch's own error plus 8 ulp.
    """
    model = lt.prepare(MODELS / name / "keras_layout.npz")
    assert model.header.imported[0].startswith("recognised by the names of its arrays as the layout keras")
    arrays = dict(np.load(MODELS / name / "keras_layout.npz"))
    expected = np.load(MODELS / name / "expected.npz")
    for at in range(len({key.split("_")[0] for key in expected.files})):
        trace = model.run(expected[f"{at}_x"])
        ulp = np.finfo(np.float32).eps
        np.testing.assert_allclose(trace.output, expected[f"{at}_y"], rtol=0, atol=8 * ulp)
        np.testing.assert_allclose(trace.h_n, expected[f"{at}_hn"], rtol=0, atol=8 * ulp)
        exact = cells_by_loops(arrays, expected[f"{at}_x"])
        size = 1 + abs(exact)  # a c of 50 is off by more
        of_torch = (abs(expected[f"{at}_cn"] - exact) / size).max()
        assert of_torch <= 8 * ulp, "the oracle computes something else"
        assert (abs(trace.c_n - exact) / size).max() <= of_torch + 8 * ulp
    wrong = lt.prepare(MODELS / name / "keras_layout.npz", layout={"name": "keras", "order": "icfo"})
    assert not np.allclose(wrong.run(expected["0_x"]).output, expected["0_y"], atol=0.01)


EXAMPLE = ROOT / "traces" / "unicode-burmese"


def test_burmese_example() -> None:
    sentence = read_input(EXAMPLE / "sentence.csv").values
    expected = np.loadtxt(EXAMPLE / "expected.csv", delimiter=",")
    trace = lt.run(EXAMPLE / "burmese.npz", sentence)
    np.testing.assert_allclose(trace.output, expected, rtol=0, atol=8 * np.finfo(np.float32).eps)
    assert (trace.header.dtype, trace.steps) == ("float32", 13)
    assert (EXAMPLE / "LICENSE").read_text(encoding="utf-8").startswith("UNICODE LICENSE V3")
    assert sum(path.stat().st_size for path in EXAMPLE.iterdir()) < 60_000


THAI = ROOT / "traces" / "unicode-thai"


def test_thai_example() -> None:
    trace = lt.run(THAI / "thai.npz", read_input(THAI / "sentence.csv", None, "token").values)
    expected = np.loadtxt(THAI / "expected.csv", delimiter=",")
    np.testing.assert_allclose(trace.output, expected, rtol=0, atol=8 * np.finfo(np.float32).eps)
    assert (trace.header.dtype, trace.steps) == ("float32", 73)
    assert (THAI / "LICENSE").read_bytes() == (EXAMPLE / "LICENSE").read_bytes()
    assert sum(path.stat().st_size for path in THAI.iterdir()) < 100_000


@pytest.mark.few(1)
@pytest.mark.parametrize("names", [("W_y", "b_y"), ("0/joined/W_y", "0/joined/b_y")])
def test_a_readout_beside_a_model_of_keras_finds_the_words(names: tuple[str, str]) -> None:
    """All lines as one batch; the dense layer is a line of the trace, computed again by numpy."""
    lines = (THAI / "lines.txt").read_text("utf-8").splitlines()
    letters = json.loads((THAI / "letters.json").read_text("utf-8"))
    stored = dict(np.load(THAI / "thai.npz"))
    texts = [line.replace("|", "") for line in lines]
    x = np.zeros((max(map(len, texts)), len(texts), 20), np.float32)
    for b, one in enumerate(texts):
        x[: len(one), b] = stored["embedding"][[letters.index(c) if c in letters else -1 for c in one]]
    readout = dict(zip(names, (stored["dense/kernel"].T, stored["dense/bias"]), strict=True))
    model = lt.prepare({**stored, **readout}, layout="keras", cell={"kind": "lstm", "extra": "s_t = W_y @ y_t + b_y"})
    trace = model.run(x, lengths=[len(one) for one in texts])
    scores = trace.at(direction="joined")["y_t"].astype(float) @ stored["dense/kernel"] + stored["dense/bias"]
    np.testing.assert_allclose(trace["s_t"], scores, rtol=0, atol=1e-4)
    classes = trace["s_t"].argmax(axis=-1)
    found = [
        "".join(("|" if t and "bies"[classes[t, b]] in "bs" else "") + c for t, c in enumerate(one))
        for b, one in enumerate(texts)
    ]
    assert (found, len(found)) == (lines, 46)


def test_a_weight_of_a_readout_that_is_given_twice() -> None:
    weights = {**np.load(THAI / "thai.npz"), "W_y": np.ones((2, 30)), "0/joined/W_y": np.ones((2, 30))}
    with pytest.raises(MissingError, match=r"^0/joined/W_y: given as 0/forward/W_y too; give one of them$"):
        lt.prepare(weights, layout="keras", cell={"kind": "lstm", "extra": "s_t = W_y @ y_t"})


def test_a_readout_of_both_directions_where_there_is_one() -> None:
    weights = {f"0/reverse/W_{side}{gate}": np.ones((2, 2)) for side in "xh" for gate in "ifco"}
    message = "^0/joined/W_y: two directions are merged there, and there are no weights for 0/forward$"
    with pytest.raises(MissingError, match=message):
        lt.prepare({**weights, "0/joined/W_y": np.ones((1, 4))}, cell={"kind": "lstm", "extra": "s_t = W_y @ y_t"})


# -- files of arrays -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize("packed", ["ours", "pytorch", "prefixed", "full"])
def test_arrays_by_their_names(tmp_path: Path, suffix: str, packed: str) -> None:
    arrays = {
        "ours": W,
        "pytorch": state_dict(W),
        "prefixed": {**state_dict(W, "module.encoder."), "module.embedding.weight": np.zeros((7, WIDE), np.float32)},
        "full": {f"0/forward/{key}": a for key, a in W.items()},
    }[packed]
    path = tmp_path / f"model.{suffix}"
    np.savez_compressed(path, **arrays) if suffix == "npz" else save_file(arrays, path)
    (found,) = read_model(path)
    assert found.name == ("module.encoder" if packed == "prefixed" else "")
    trace = lt.run(path, X)
    np.testing.assert_array_equal(trace.output, lt.run(W, X).output)
    assert trace.header.dtype == "float32"
    assert trace.header.title == (found.name or path.name)


def test_bfloat16_without_torch(tmp_path: Path) -> None:
    """bfloat16 is the upper half of a float32; numpy has no such type, so the file is written by hand."""
    tensors, offset, header = state_dict(W), 0, {}
    blob = b""
    for name, values in tensors.items():
        half = (values.view(np.uint32) >> 16).astype("<u2")
        header[name] = {"dtype": "BF16", "shape": values.shape, "data_offsets": [offset, offset + half.nbytes]}
        offset += half.nbytes
        blob += half.tobytes()
    text = json.dumps(header).encode()
    path = tmp_path / "half.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)
    model = lt.prepare(path)
    expected = (W["W_xf"].view(np.uint32) >> 16 << 16).view(np.float32)
    np.testing.assert_array_equal(model.weights["0/forward"]["W_xf"], expected)
    assert "bfloat16 weights widened to float32" in model.header.imported


def test_lstm_among_others(tmp_path: Path) -> None:
    gru = {k.replace("enc", "gru"): a[: 3 * H] for k, a in state_dict(W, "enc.").items()}
    path = tmp_path / "model.npz"
    np.savez(path, **gru, **state_dict(W, "enc."))
    assert [(f.name, f.cell, f.refused) for f in read_model(path)] == [("gru", "gru", ""), ("enc", "lstm", "")]
    said = r"there are 1 LSTM and 1 GRU: gru \(GRU\), enc \(LSTM\); choose one by name"
    with pytest.raises(ChoiceError, match=said):
        lt.prepare(path)
    with pytest.raises(ChoiceError, match="the LSTM or GRU 'dec' does not exist"):
        lt.prepare(path, name="dec")
    assert [lt.prepare(path, name=name).header.kind for name in ("enc", "gru")] == ["lstm", "gru"]
    with pytest.raises(OptionError, match="gru: cell is 'lstm', and these are the weights of a GRU; leave cell out"):
        lt.prepare(path, name="gru", cell="lstm")


# -- what is refused -------------------------------------------------------------------------------------------------


def npy(shape: tuple[int, ...], data: bytes, kind: str = "<f4") -> bytes:
    """An .npy file with a header of its own."""
    head = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b" " * 20 + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


def zipped(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return path


@pytest.mark.few(0)
def test_zip_bomb(tmp_path: Path) -> None:
    big = npy((1 << 24,), bytes(1 << 26))  # 64 MiB of zeros in 64 KB
    path = zipped(tmp_path / "bomb.npz", {"kernel.npy": big})
    assert path.stat().st_size < 100_000
    with pytest.raises(
        FileError, match=r"kernel\.npy claims 67,108,\d+ bytes and stores \d+,\d+: not a file of weights"
    ):
        lt.prepare(path)
    with pytest.raises(FileError, match="not a file of weights"):
        read_input(path)


def test_object_arrays_are_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, kernel=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match="kernel is an array of Python objects: a pickle, which is never opened"):
        lt.prepare(path)
    np.save(tmp_path / "objects.npy", np.array([None]), allow_pickle=True)
    with pytest.raises(FileError, match="array of Python objects"):
        load_npy(tmp_path / "objects.npy")


def test_claims_beyond_the_file(tmp_path: Path) -> None:
    path = zipped(tmp_path / "claim.npz", {"kernel.npy": npy((10**6, 10**5), b"1234")})
    with pytest.raises(FileError, match=r"kernel claims 400,000,000,\d+ bytes and has \d+; is it cut off\?"):
        lt.prepare(path)
    (tmp_path / "claim.npy").write_bytes(npy((10**9, 10**5), b"1234"))
    with pytest.raises(FileError, match=r"claims 400,000,000,000,\d+ bytes and has"):
        load_npy(tmp_path / "claim.npy")


@pytest.mark.parametrize("suffix", ["npz", "safetensors", "keras", "npy"])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 1.0])
def test_truncated_and_foreign_files(tmp_path: Path, suffix: str, part: float) -> None:
    whole = tmp_path / f"whole.{'npz' if suffix == 'keras' else suffix}"
    if suffix == "safetensors":
        save_file(state_dict(W), whole)
    elif suffix == "npy":
        np.save(whole, X)
    else:
        np.savez(whole, **state_dict(W))
    data = whole.read_bytes()
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(b"these are no weights" if part == 1.0 else data[: int(len(data) * part)])
    with pytest.raises(FileError, match=f"model.{suffix}: "):
        read_input(path) if suffix == "npy" else lt.prepare(path)


REFUSED = [
    ("model.pkl", "a pickle, which is not read here; it could run code"),
    ("missing.npz", "no such file"),
]


@pytest.mark.parametrize(("name", "said"), REFUSED)
def test_refused_by_name(tmp_path: Path, name: str, said: str) -> None:
    path = tmp_path / name
    if not name.startswith("missing"):
        path.write_bytes(b"x")
    with pytest.raises(FileError, match=said):
        lt.prepare(path)


def test_unrecognised_names(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    np.savez(path, a=np.zeros((3, 4)))
    with pytest.raises(
        FileError, match=r"no LSTM, GRU or RNN was recognised by the names of its arrays \(there are a \(3, 4\)\)"
    ):
        lt.prepare(path)


def test_a_trace_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "trace.safetensors"
    save_file({"a": np.zeros(3, np.float32)}, path, {"manifest": '{"format": "lstm-trace/1"}'})
    assert not is_model(path)
    save_file({"a": np.zeros(3, np.float32)}, path)
    assert is_model(path)


# -- inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "heading", "tsv", "json", "mapping", "parquet"])
def test_inputs(tmp_path: Path, kind: str) -> None:
    values = RNG.normal(size=(STEPS, 2))
    names: tuple[str, ...] = ()
    suffix = {"heading": "csv", "mapping": "json"}.get(kind, kind)
    path = tmp_path / f"x.{suffix}"
    if kind == "npy":
        np.save(path, values)
    elif kind == "npz":
        np.savez(path, anything=values)
    elif kind == "parquet":
        pandas = pytest.importorskip("pandas")
        pytest.importorskip("pyarrow")
        names = ("u", "v")
        pandas.DataFrame(values, columns=list(names)).to_parquet(path)
    elif suffix == "json":
        path.write_text(json.dumps({"x": values.tolist(), "note": 1} if kind == "mapping" else values.tolist()))
    else:
        separator = "\t" if kind == "tsv" else ","
        names = ("hours", "pages") if kind == "heading" else ()
        lines = [separator.join(names)] if names else []
        path.write_text("\n".join([*lines, *(separator.join(map(repr, row.tolist())) for row in values)]) + "\n")
    found = read_input(path)
    np.testing.assert_array_equal(found.values, values)
    assert found.names == names
    if names:
        np.testing.assert_array_equal(read_input(path, names[1]).values, values[:, 1:])


INPUTS = [
    ("x.csv", "1,2\n3\n", ShapeError, "row 2 has 1 columns where the first has 2"),
    ("x.csv", "a,b\n1,x\n", ShapeError, "row 2, b: expected a number, found 'x'"),
    ("x.csv", "1;2\n3;4\n", FileError, "row|no rows"),
    ("x.csv", "a,b\n", FileError, "no rows of numbers"),
    ("x.json", '{"a": [1], "b": [2]}', MissingError, "several arrays; choose one with --key: a, b"),
    ("x.json", "[[1], [2, 3]]", ShapeError, "ragged"),
    ("x.txt", "1", FileError, "arrays are read from .npy, .npz"),
]


@pytest.mark.parametrize(("name", "text", "kind", "said"), INPUTS)
def test_inputs_that_do_not_fit(tmp_path: Path, name: str, text: str, kind: type[LstmTraceError], said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises((kind, FileError, ShapeError), match=said):
        read_input(tmp_path / name)


@pytest.mark.parametrize("name", ["x.npy", "x.json"])
def test_a_key_is_for_arrays_that_have_names(tmp_path: Path, name: str) -> None:
    np.save(tmp_path / "x.npy", [[1.0]])
    (tmp_path / "x.json").write_text("[[1]]")
    with pytest.raises(OptionError, match="--key q chooses by name, and the file is a single unnamed array"):
        read_input(tmp_path / name, "q")
    assert read_input(tmp_path / name).values.tolist() == [[1.0]]


def test_a_key_needs_an_input(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(text("q22"))
    for words in (["run"], ["explain", "gates"]):
        found = CliRunner().invoke(main, [*words, str(tmp_path / "p.yaml"), "--key", "q"])
        assert (found.exit_code, found.stdout) == (2, "")
        assert "--key says which array of --input: give an array with --input X, or leave it out" in found.stderr


def test_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.lib", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    for name, package in (("x.parquet", "pyarrow>=15"), ("m.pt", "torch>=2.6")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(MissingError, match=f"needs the package .* -m pip install '{package}'"):
            read_input(tmp_path / name) if name == "x.parquet" else lt.prepare(tmp_path / name)
    assert SUFFIXES


# -- command line ----------------------------------------------------------------------------------------------------


def test_run_a_model(tmp_path: Path) -> None:
    model, x, out = (str(tmp_path / name) for name in ("model.npz", "x.csv", "trace.json"))
    np.savez(model, **state_dict(W))
    header = "a,b,c,d,e"
    np.savetxt(x, X, delimiter=",", header=header, comments="", fmt="%.17g")
    np.save(tmp_path / "h0.npy", np.full((1, H), 0.25))
    code, said = told("run", model, "--input", x, "--h0", str(tmp_path / "h0.npy"), "-o", out)
    assert (code, said) == (0, "")
    trace = lt.load(out)
    np.testing.assert_array_equal(trace.output, lt.run(W, X, h0=np.full((1, H), 0.25)).output)
    assert list(trace.header.names["x"]) == header.split(",")
    assert trace.header.imported[0].startswith("recognised by the names of its arrays")


def test_run_with_the_parts_of_a_layout(tmp_path: Path) -> None:
    w = ours()
    kernel = np.concatenate([np.concatenate([w[f"W_h{g}"], w[f"W_x{g}"]], axis=1) for g in "cifo"])
    bias = np.concatenate([w[f"b_x{g}"] + w[f"b_h{g}"] for g in "cifo"])
    model, x = str(tmp_path / "model.npz"), str(tmp_path / "x.npy")
    np.savez(model, W=kernel, b=bias)
    np.save(x, X)
    code, said = told("run", model, "--input", x, "--layout", "order=gifo,joined=hx,forget_bias=1")
    assert code == 0, said
    one = {k: a for k, a in w.items() if not k.startswith("b_")}
    one |= {f"b_{g}": w[f"b_x{g}"] + w[f"b_h{g}"] for g in "ifco"}
    expected = lt.run(one, X, options={"forget_bias": 1.0})
    np.testing.assert_array_equal(np.array(json.loads(said)["lines"]["0/forward"]["h_t"], np.float32), expected["h_t"])


def test_inspect(tmp_path: Path) -> None:
    model = str(tmp_path / "model.npz")
    np.savez(model, **state_dict(W, "net.enc."), **{k: a[:9] for k, a in state_dict(W, "net.gru.").items()})
    code, said = told("inspect", model)
    assert code == 0
    assert max(map(len, said.splitlines()[1:])) <= 80
    for part in ("1 LSTM", "net.enc: LSTM (arrays)", "I = 5, H = 3", "two for each gate",
                 "120 numbers, float32; 16 arrays once split by gate",
                 "1 LSTM, 1 GRU", "net.gru: GRU (arrays)",
                 "reset gate: after the product: r_t * (W_hh @ h_prev)"):  # fmt: skip
        assert part in " ".join(said.split())
    code, said = told("inspect", model, "--format", "json", "--name", "enc")
    (record,) = json.loads(said)
    assert (record["sizes"], record["bias"], record["layers"]) == ({"I": 5, "H": 3}, "two", 1)


MISUSES = [
    (("run", "model.npz"), "model.npz is a model: give its input with --input X"),
    (("run", "model.npz", "--input", "x.npy", "--name", "foo"), "the LSTM 'foo' does not exist"),
    (("run", "model.npz", "--input", "nothing.npy"), "nothing.npy: "),
    (("run", "problem.yaml", "--layout", "keras"), "problem.yaml is a problem"),
    (("inspect", "problem.yaml"), "not a model file; models are read from .pt, .pth"),
]


@pytest.mark.parametrize(("arguments", "said"), MISUSES)
def test_misuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("model.npz", **state_dict(W))
    np.save("x.npy", X)
    Path("problem.yaml").write_text("weights: {}\n")
    code, text = told(*arguments)
    assert code == 2
    assert said in text


def test_input_takes_the_place_of_a_problems_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text("weights: {W_xi: [[0.5]], W_hi: [[0.25]]}\nx: [[1.0]]\nh0: [0.0]\nask: [z_i]\n")
    Path("x.json").write_text("[[2.0]]")
    code, said = told("run", "p.yaml", "--input", "x.json")
    assert code == 0, said
    assert json.loads(said)["lines"]["0/forward"]["z_i"] == [[[1.0]]]


def test_standard_input_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(b"[[1.0, 2.0]]")

    monkeypatch.setattr("sys.stdin", Stdin())
    np.testing.assert_array_equal(read_input("-").values, [[1.0, 2.0]])


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_options_of_a_model_beside_a_trace(tmp_path: Path, suffix: str) -> None:
    """They are the model's; where there is none they would change nothing."""
    trace, model, x = tmp_path / f"t.{suffix}", tmp_path / "m.npz", tmp_path / "x.npy"
    np.savez(model, **state_dict(W))
    np.save(x, X)
    assert told("run", str(model), "--input", str(x), "-o", str(trace)) == (0, "")
    for pair in ([trace, model], [model, trace]):
        assert told("diff", *map(str, pair), "--input", str(x))[0] == 0
    for command in (["diff", trace, trace, "--key", "a"], ["explain", "gates", trace, "--key", "a"]):
        code, said = told(*map(str, command))
        assert code == 2
        assert f"{trace} is a trace, which contains its weights and input; leave --key out" in said


def test_layout_and_name_may_be_given_for_one_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two files one holds two LSTMs, the other bare arrays in another framework's order."""
    monkeypatch.chdir(tmp_path)
    other = {key: values + 1 for key, values in W.items()}
    np.savez("two.npz", **state_dict(W, "encoder."), **state_dict(other, "decoder."))
    stacked = {"W": "W_x{}", "R": "W_h{}"}
    arrays = {key: np.concatenate([W[name.format(g)] for g in "icfo"]) for key, name in stacked.items()}
    arrays["b"] = np.concatenate([W[f"b_x{g}"] + W[f"b_h{g}"] for g in "icfo"])
    np.savez("bare.npz", kernel=np.concatenate([arrays["W"].T, arrays["R"].T]), bias=arrays["b"])
    np.save("x.npy", X)
    stored = ["--layout-{}", "tf1,forget_bias=0"]
    code, said = told("diff", "two.npz", "bare.npz", "--input", "x.npy", "--name-a", "encoder",
                      *(part.format("b") for part in stored))  # fmt: skip
    assert (code, said.split("\n")[2][:7]) == (0, "- same:"), said
    code, said = told("diff", "bare.npz", "two.npz", "--input", "x.npy", "--name-b", "decoder",
                      *(part.format("a") for part in stored))  # fmt: skip
    assert (code, "\n- different: first at 0/forward/0/0/" in said) == (1, True), said
    told("run", "two.npz", "--input", "x.npy", "--name", "encoder", "-o", "t.json")
    for pair in (("t.json", "two.npz"), ("t.json", "t.json"), ("t.json", "port.csv")):
        code, said = told("diff", *pair, "--input", "x.npy", "--layout-a", "pytorch")
        assert code == 2
        assert "--layout-a applies to a model, and t.json is not one; leave it out" in said


@pytest.mark.few(0)
def test_one_input_has_one_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two that read x in other orders neither is taken for the other's: the order must be said."""
    monkeypatch.chdir(tmp_path)
    np.savez("m.npz", **state_dict(W))
    flat = {key: values.tolist() for key, values in W.items()}
    Path("p.yaml").write_text(
        json.dumps({"weights": flat, "batch_first": True, "dtype": "float32", "x": [[1.0] * WIDE]})
    )
    x = RNG.normal(size=(STEPS, 2, WIDE)).astype(np.float32)
    np.save("time.npy", x)
    np.save("batch.npy", x.swapaxes(0, 1))
    for pair, orders in ((("m.npz", "p.yaml"), "TB"), (("p.yaml", "m.npz"), "BT")):
        code, said = told("diff", *pair, "--input", "time.npy")
        assert code == 2
        takes = [f"{p} takes {'(T, B, I)' if o == 'T' else '(B, T, I)'}" for p, o in zip(pair, orders, strict=True)]
        assert f"has shape (4, 2, 5), and the two sides read it differently: {' and '.join(takes)}" in said
        assert "--batch-first for (B, T, I), --time-first for (T, B, I)" in said
        for path, order in (("time.npy", "--time-first"), ("batch.npy", "--batch-first")):
            code, said = told("diff", *pair, "--input", path, order)
            assert code == 0, said
            assert "steps" not in said
    np.save("one.npy", X)  # (T, I) is read in one way only
    assert told("diff", "m.npz", "p.yaml", "--input", "one.npy")[0] == 0


def test_initial_states_of_a_problem_are_read(tmp_path: Path) -> None:
    problem, h0 = tmp_path / "p.yaml", tmp_path / "h0.npy"
    problem.write_text(text("three-steps"), encoding="utf-8")
    np.save(h0, np.full(2, 5.0))
    plain, moved = (told("explain", "gates", str(problem), *more)[1] for more in ([], ["--h0", str(h0)]))
    assert plain != moved


# -- what a file does not say ----------------------------------------------------------------------------------------


def test_what_the_options_say_of_a_file_without_a_configuration(tmp_path: Path) -> None:
    """The same options for every kind of file, at the command line and in Python, and a sentence for each."""
    rng = np.random.default_rng(6)
    arrays = {}
    for layer, wide in enumerate((4, 3)):
        arrays |= {f"weight_ih_l{layer}": rng.normal(size=(12, wide)), f"weight_hh_l{layer}": rng.normal(size=(12, 3))}
        arrays |= {f"bias_ih_l{layer}": rng.normal(size=12), f"bias_hh_l{layer}": rng.normal(size=12)}
    path, x = tmp_path / "m.npz", rng.normal(size=(5, 2, 4))
    np.savez(path, **arrays)
    np.save(tmp_path / "x.npy", x)
    both = "candidate_activation=softsign,output_activation=softsign"
    flags = ["--option", f"{both},gate_activation=hard_sigmoid,direction=reverse"]
    files = ["--input", str(tmp_path / "x.npy"), "-o", str(tmp_path / "t.json")]
    done = CliRunner().invoke(main, ["run", str(path), *files, *flags])
    assert done.exit_code == 0, done.stderr
    trace = lt.load(tmp_path / "t.json")
    assert trace.scopes == ("0/reverse", "1/reverse")
    assert trace.header.imported[-3:] == (
        "activation softsign, as asked", "recurrent activation hard_sigmoid, as asked", "direction reverse, as asked"
    )  # fmt: skip
    names = {f"{kind}_activation": "softsign" for kind in ("candidate", "output")} | {"gate_activation": "hard_sigmoid"}
    flipped = lt.run(path, x[::-1], options=names)  # forward over the reversed input
    np.testing.assert_allclose(trace.output[::-1], flipped.output, atol=1e-14)
    assert np.abs(lt.run(path, x).output - trace.output).max() > 0.01


def test_layers_that_differ_in_width() -> None:
    rng = np.random.default_rng(7)
    sizes = ((4, 3), (3, 2))
    weights = {f"{k}/forward/W_x{g}": rng.normal(size=(h, i)) for k, (i, h) in enumerate(sizes) for g in "ifco"}
    weights |= {f"{k}/forward/W_h{g}": rng.normal(size=(h, h)) for k, (_, h) in enumerate(sizes) for g in "ifco"}
    x, starts = rng.normal(size=(5, 2, 4)), [[rng.normal(size=(2, h)) for _, h in sizes] for _ in range(2)]
    trace = lt.run(weights, x, h0=starts[0], c0=starts[1])
    below = {key.split("/")[2]: value for key, value in weights.items() if key.startswith("0/")}
    above = {key.split("/")[2]: value for key, value in weights.items() if key.startswith("1/")}
    one = lt.run(below, x, h0=starts[0][0], c0=starts[1][0])
    two = lt.run(above, one.output, h0=starts[0][1], c0=starts[1][1])
    np.testing.assert_allclose(trace.output, two.output, atol=1e-15)
    np.testing.assert_array_equal(trace.at(layer=0).h_n, one.h_n)
    with pytest.raises(MissingError, match=r"the layers differ in width.*use trace\.at\(layer=…\)"):
        _ = trace.h_n
    with pytest.raises(ShapeError, match=r"c0\[1\] has shape \(3, 2\); expected \(B, width\) with B = 2"):
        lt.run(weights, x, c0=[starts[1][0], np.zeros((3, 2))])
    with pytest.raises(ShapeError, match=r"H = 3|h_prev"):
        lt.run(weights, x, h0=starts[0][::-1])
