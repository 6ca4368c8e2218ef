"""A run goes on where it was left, holds to its folder, and never gives other bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from safetensors.numpy import save_file

import lstm_trace as lt
from lstm_trace.base.writing import alone
from lstm_trace.corpus import open as open_states, part_file, run
from lstm_trace.corpus.part_file import Done, run_part
from lstm_trace.corpus.rows import Rows
from lstm_trace.corpus.running import laid_out
from lstm_trace.errors import FileError, MissingError, OptionError, ShapeError

from ..support.tiers import some
from .conftest import INPUTS, UNITS, write_sequences

HOW: dict[str, Any] = {"record": ["c_t", "h_t"], "steps_per_part": 60}


def content(folder: Path) -> dict[str, bytes]:
    """The bytes of the parts, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("part-")}


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the parts that are computed."""
    seen: list[int] = []
    states = part_file.write

    def write(job: Any, span: Any, *rest: Any) -> None:
        seen.append(span.number)
        states(job, span, *rest)

    monkeypatch.setattr(part_file, "write", write)
    return seen


@pytest.mark.few(0)
def test_only_what_is_missing_is_computed(
    states: Any, model: lt.Model, inputs: Path, tmp_path: Path, computed: list[int]
) -> None:
    told: list[tuple[int, int]] = []
    run(model, inputs, tmp_path, **HOW)
    assert computed == [span.number for span in states.spans] == list(range(len(computed)))
    assert content(tmp_path) == content(states.folder), "the same bytes, whatever was computed before"
    computed.clear()
    for number in (1, 3):
        (tmp_path / f"part-{number:05}.parquet").unlink()
    again = run(model, inputs, tmp_path, **HOW, progress=lambda *done: told.append(done))
    assert computed == [1, 3]
    steps = [span.steps for span in states.spans]
    assert told == [(steps[1], steps[1] + steps[3]), (steps[1] + steps[3],) * 2]
    assert content(tmp_path) == content(states.folder)
    computed.clear()
    assert len(run(model, inputs, tmp_path, **HOW).spans) == len(again.spans)
    assert computed == []
    run(model, inputs, tmp_path, **HOW, fresh=True)
    assert computed == list(range(len(steps)))


@pytest.mark.few(0)
def test_bits_do_not_depend_on_what_ran_before(states: Any, weights: Any, inputs: Path, tmp_path: Path) -> None:
    own = lt.prepare(weights)
    rng = np.random.default_rng(0)
    for _ in range(30):  # a plan that is chosen by how often it ran would change here
        own.run(rng.normal(size=(5, 3, INPUTS)), lengths=[5, 2, 1])
    run(own, inputs, tmp_path / "other", record=["o_t"], batch=3)
    run(own, inputs, tmp_path / "same", **HOW)
    assert content(tmp_path / "same") == content(states.folder)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"record": ["c_t"]}, "what is recorded (0/forward/c_t, 0/forward/h_t, "),
        ({"dtype": "float32"}, "the type of the stored values (float64 there, float32 here)"),
        ({"batch": 7}, "the size of the batches (64 there, 7 here)"),
        ({"steps_per_part": 50}, "the division into parts"),
        ({"format": "safetensors"}, "the format of the files (parquet there, safetensors here)"),
        ({"model": 2.0}, "different: the model. Give another folder"),
        ({"inputs": 7}, "different: the inputs. Give another folder"),
        ({"inputs": 7, "model": 2.0}, "different: the model and the inputs. Give another folder"),
    ],
)
def test_a_folder_of_another_run(
    states: Any, weights: Any, inputs: Path, sequences: Any, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    before = content(states.folder)
    other = {name: array * changed.get("model", 1.0) for name, array in weights.items()}
    if "inputs" in changed:
        inputs = tmp_path / "others.parquet"
        write_sequences(dict(list(sequences.items())[: changed["inputs"]]), inputs)
    how = HOW | {name: value for name, value in changed.items() if name not in ("model", "inputs")}
    with pytest.raises(FileError) as told:
        run(lt.prepare(other), inputs, states.folder, **how)
    assert f"{states.folder} holds the states of another run" in str(told.value)
    assert said in str(told.value)
    assert "--fresh (fresh=True)" in str(told.value)
    assert content(states.folder) == before


@pytest.mark.few(0)
def test_fresh_leaves_nothing_of_the_other_run(states: Any, model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    run(model, inputs, tmp_path, steps_per_part=10, format="safetensors")
    (tmp_path / "notes.txt").write_text("mine")
    run(model, inputs, tmp_path, **HOW, fresh=True)
    assert content(tmp_path) == content(states.folder)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    names = {path.name for path in tmp_path.iterdir()} - set(content(tmp_path))
    assert names == {"notes.txt", "_manifest.json", "_model.safetensors", "_index.parquet"}


@pytest.mark.few(0)
@pytest.mark.parametrize("format", ["parquet", "safetensors"])
def test_parts_of_others_and_damaged_ones(model: lt.Model, inputs: Path, tmp_path: Path, format: str) -> None:
    how = HOW | {"format": format}
    run(model, inputs, tmp_path / "other", **how | {"batch": 3})
    run(model, inputs, tmp_path / "own", **how)
    part = tmp_path / "own" / f"part-00001.{format}"
    whole = part.read_bytes()
    parquet.write_table(pyarrow.table({"mine": [1]}), tmp_path / "mine.parquet")
    save_file({"mine": np.ones(1)}, tmp_path / "mine.safetensors", {"mine": "yes"})
    for said, found in {
        "is a part of another run; remove it": (tmp_path / "other" / part.name).read_bytes(),
        "not a part of a corpus; move it": (tmp_path / f"mine.{format}").read_bytes(),
    }.items():
        part.write_bytes(found)
        with pytest.raises(FileError, match=f"part-00001.*{said}"):
            run(model, inputs, tmp_path / "own", **how)
        assert part.read_bytes() == found
    told: list[str] = []
    for said, found in (
        ("is part 2", (tmp_path / "own" / f"part-00002.{format}").read_bytes()),
        ("is damaged", whole[:-40]),
        ("is damaged", whole[:40]),
        ("is damaged", b""),
        ("is damaged", b"PAR1 something else"),
        ("is damaged", whole + b" "),
        ("is damaged", whole[:900] + whole[901:]),
    ):
        part.write_bytes(found)
        run(model, inputs, tmp_path / "own", **how, tell=told.append)
        assert part.read_bytes() == whole
        assert told.pop() == f"{part.name} {said}, and is made again"
    assert not told


def test_a_file_of_a_part_in_a_folder_of_nobody_is_left_alone(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "part-00001.parquet").write_bytes(b"mine")
    for _ in range(2):
        with pytest.raises(FileError, match=r"part-00001\.parquet is damaged, and there is no _manifest\.json"):
            run(model, inputs, tmp_path, **HOW)
        assert [path.name for path in tmp_path.iterdir()] == ["part-00001.parquet"]


@pytest.mark.few(0)
def test_what_stands_beside_the_parts_is_mended(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    run(model, inputs, tmp_path, **HOW)
    for name in ("_model.safetensors", "_index.parquet"):
        path = tmp_path / name
        whole = path.read_bytes()
        for damaged in (b"", whole[:-9], bytes(len(whole))):
            path.write_bytes(damaged)
            run(model, inputs, tmp_path, **HOW)
            assert path.read_bytes() == whole


def test_a_damaged_page_is_said_when_it_is_read(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    states = run(model, inputs, tmp_path, **HOW)
    part = tmp_path / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:4] + bytes(4000) + part.read_bytes()[4004:])
    with pytest.raises(FileError, match=r"part-00000\.parquet: not a part of a corpus, or damaged"):
        states.unit("1/reverse/c_t[3]")


def test_manifests(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    run(model, inputs, tmp_path, **HOW)
    manifest = tmp_path / "_manifest.json"
    said = json.loads(manifest.read_text())
    for changed, expected in (
        (
            said | {"format": "lstm-trace-corpus/2"},
            "in version 2 of the format; this lstm-trace reads 1: update it",
        ),
        (said | {"key": "0" * 64}, "key and premises do not fit together: the manifest was edited"),
        (said | {"blocks": [said["blocks"][0] | {"width": 3}, *said["blocks"][1:]]}, "only blocks: the manifest was"),
        ({"format": said["format"]}, "key"),
    ):
        manifest.write_text(json.dumps(changed))
        with pytest.raises(FileError, match=expected):
            run(model, inputs, tmp_path, **HOW)
    manifest.write_bytes(b"\xff")
    with pytest.raises(FileError, match=r"_manifest\.json"):
        open_states(tmp_path)
    with pytest.raises(FileError, match=r"there is no _manifest.json; give a folder"):
        open_states(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["source"].pop("path"), "source.path"),
        (lambda m: m["source"].update(width=3), "unknown key 'source.width'"),
        (lambda m: m["source"].update(path=7), "source.path: expected text, found 7"),
        (lambda m: m["premises"].update(record=[1]), "premises.record"),
        (lambda m: m["parts"][1].__setitem__(4, 0), r"parts.1.4"),
        (lambda m: m["parts"][1].__setitem__(0, -1), r"parts.1.0"),
        (lambda m: m.update(parts=[]), "parts"),
        (lambda m: m["blocks"][0].update(width=1 << 40), "blocks.0.width"),
    ],
)  # fmt: skip
def test_a_manifest_of_other_kinds_is_refused(
    states: Any, tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    manifest = json.loads((states.folder / "_manifest.json").read_text())
    change(manifest)
    (tmp_path / "_manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(FileError, match=rf"_manifest\.json: {said}"):
        open_states(tmp_path)


@pytest.mark.parametrize(
    ("found", "said"), [([{"number": 1}], "part"), ([3], "expected a mapping"), ({"part": 1}, "expected a list of")]
)
def test_a_list_of_failures_of_other_kinds_is_refused(states: Any, tmp_path: Path, found: Any, said: str) -> None:
    shutil.copy(states.folder / "_manifest.json", tmp_path)
    (tmp_path / "_failed-2.json").write_text(json.dumps(found))
    with pytest.raises(FileError, match=rf"_failed-2\.json: .*{said}"):
        open_states(tmp_path).failed  # noqa: B018


@pytest.mark.few(0)
def test_other_versions_are_named_where_a_run_goes_on(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    told: list[str] = []
    run(model, inputs, tmp_path, **HOW, tell=told.append)
    run(model, inputs, tmp_path, **HOW, tell=told.append)
    assert told == []
    path = tmp_path / "_manifest.json"
    manifest = json.loads(path.read_text())
    assert manifest["versions"]["numpy"] == np.__version__
    assert manifest["versions"]["pyarrow"] == pyarrow.__version__
    manifest["versions"] |= {"numpy": "1.0", "pyarrow": "2.0"}
    path.write_text(json.dumps(manifest))
    run(model, inputs, tmp_path, **HOW, tell=told.append)
    assert told == [
        f"the finished parts were computed with other versions: here is numpy {np.__version__} instead of 1.0 and "
        f"pyarrow {pyarrow.__version__} instead of 2.0; last digits may differ"
    ]


def test_a_part_that_fails_is_tried_thrice_and_named(
    states: Any, model: lt.Model, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    compute = part_file.states

    def states_of(model: Any, rows: Any, way: Any) -> Any:
        tried.append(len(rows.x))
        if len(rows.x) == states.spans[1].steps:
            raise FileError("sequences.parquet: it is gone\x1b[31m")
        return compute(model, rows, way)

    with monkeypatch.context() as patch:
        patch.setattr(part_file, "states", states_of)
        found = run(model, inputs, tmp_path, **HOW)
    steps = [span.steps for span in states.spans]
    assert steps.count(steps[1]) == 1
    assert tried == [steps[0], *3 * [steps[1]], *steps[2:]]
    assert list(found.failed) == [1]
    assert found.failed[1].startswith("sequences.parquet: it is gone")
    assert "\x1b" not in (tmp_path / "_failed.json").read_text()
    assert len(content(tmp_path)) == len(steps) - 1
    with pytest.raises(MissingError, match="is in part 1, which does not exist yet"):
        found.rows_of(int(next(iter(list(states.parts())[1].ids))))
    assert run(model, inputs, tmp_path, **HOW).failed == {}
    assert content(tmp_path) == content(states.folder)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "MemoryError"),
        (NotImplementedError("of Arrow"), "NotImplementedError: of Arrow"),
        (ShapeError("another one"), "another one"),
    ],
)
@pytest.mark.parametrize("where", ["states", "write"])
def test_errors_of_any_kind_are_those_of_their_part(
    states: Any, model: lt.Model, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str,
    error: Exception, said: str,
) -> None:  # fmt: skip
    """Also as on a cluster, by `run_part`; what computes the same each time is not computed again."""
    tried: list[int] = []
    owner: Any = part_file
    real = getattr(owner, where)

    def failing(*arguments: Any) -> Any:
        (rows,) = [one for one in arguments if isinstance(one, Rows)]
        tried.append(len(rows.x))
        if len(rows.x) == states.spans[1].steps:
            raise error
        return real(*arguments)

    monkeypatch.setattr(owner, where, failing)
    found = run(model, inputs, tmp_path, **HOW)
    assert found.failed == {1: said}
    assert tried == [span.steps for span in states.spans]
    job, _ = laid_out(model, inputs, tmp_path, HOW["record"], None, None, "parquet", HOW["steps_per_part"], 64, {})
    assert run_part(job, model, job.manifest.parts[1]) == Done(job.manifest.parts[1], said)


def test_two_runs_in_one_folder(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def again(done: int, total: int) -> None:
        with pytest.raises(FileError) as told:
            run(model, inputs, tmp_path, **HOW)
        said.append(str(told.value))

    run(model, inputs, tmp_path, **HOW, progress=again)
    assert said[0] == f"{tmp_path}: another run is writing into it; wait until it ends, or give another folder"
    with alone(tmp_path) as free:
        assert free


@pytest.mark.few(0)
def test_shares_and_a_lone_run_keep_out_of_each_other_s_way(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def beside(done: int, total: int) -> None:
        with pytest.raises(FileError) as told:
            run(model, inputs, tmp_path, **HOW, fresh=True)
        said.append(str(told.value))
        run(model, inputs, tmp_path, **HOW, share=(2, 2))

    run(model, inputs, tmp_path, **HOW, share=(1, 2), progress=beside)
    assert said[0] == f"{tmp_path}: another run is writing into it; wait until it ends, or give another folder"

    def alone_beside(done: int, total: int) -> None:
        with pytest.raises(FileError, match="another run is writing into it"):
            run(model, inputs, tmp_path, **HOW, share=(2, 2))

    run(model, inputs, tmp_path, **HOW, fresh=True, progress=alone_beside)


@pytest.mark.few(0)
def test_parts_that_are_not_of_the_run_are_refused(states: Any, model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    """Whoever reads part-*.parquet would read them, too."""
    run(model, inputs, tmp_path, **HOW)
    left = [tmp_path / name for name in ("part-00900.parquet", "part-00001.safetensors")]
    for path in left:
        path.write_bytes(b"of another run")
    (tmp_path / "part-of-mine.txt").write_text("mine")
    last = states.spans[-1].number
    with pytest.raises(FileError) as told:
        run(model, inputs, tmp_path, **HOW)
    assert str(told.value) == (
        f"{tmp_path} has parts of another run, part-00001.safetensors, part-00900.parquet; "
        f"this has part-00000.parquet to part-{last:05}.parquet: remove the others, or use --fresh (fresh=True)"
    )
    run(model, inputs, tmp_path, **HOW, fresh=True)
    assert content(tmp_path) == content(states.folder) | {"part-of-mine.txt": b"mine"}


def test_a_refused_run_leaves_no_import_behind(model: lt.Model, sequences: Any, tmp_path: Path) -> None:
    first, *others = [{"x": one["x"]} for one in sequences.values()]
    out = tmp_path / "states"
    run(model, [first], out)
    before = sorted(out.iterdir())
    with pytest.raises(FileError, match="holds the states of another run; different: the inputs"):
        run(model, others, out)
    assert sorted(out.iterdir()) == before

    def beside(done: int, total: int) -> None:
        with pytest.raises(FileError, match="another run is writing into it"):
            run(model, others, out)
        assert sorted(path for path in out.iterdir() if path.name[0] == "_") == [p for p in before if p.name[0] == "_"]

    run(model, [first], out, fresh=True, progress=beside)
    assert sorted(out.iterdir()) == before
    run(model, [first], out)
    with pytest.raises(MissingError):
        run(model, others, tmp_path / "new", record=["nothing"])
    assert not (tmp_path / "new").exists()


def test_leftovers_of_killed_writers_are_removed(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    left = [tmp_path / f".{name}.lstm-trace-abcd1234.part" for name in ("part-00001.parquet", "part-99999.parquet")]
    for path in left:
        path.write_bytes(b"half")
    (tmp_path / ".part-00001.parquet.part").write_bytes(b"not ours")
    run(model, inputs, tmp_path, **HOW)
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == [".part-00001.parquet.part"]


def test_folders_that_cannot_be_written(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(FileError, match="give a folder that can be written"):
            run(model, inputs, folder, **HOW)
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(OptionError, match="workers are processes on this machine, 0 or more"):
        run(model, inputs, tmp_path / "new", workers=-1)
    with pytest.raises(OptionError, match="steps_per_part is a whole number of at least 1; found 0"):
        run(model, inputs, tmp_path / "new", steps_per_part=0)
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_removed_is_said(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    run(model, inputs, tmp_path, **HOW)
    part = tmp_path / "part-00001.parquet"
    part.unlink()
    part.mkdir()
    with pytest.raises(FileError, match=r"part-00001\.parquet: is a directory, so that it cannot be removed"):
        run(model, inputs, tmp_path, **HOW, fresh=True)
    with pytest.raises(FileError, match=r"part-00001\.parquet: cannot be read: is a directory"):
        run(model, inputs, tmp_path, **HOW)


# -- beside the parts ------------------------------------------------------------------------------------------------


def test_every_sequence_is_found(states: Any, sequences: dict[int, dict[str, Any]], tmp_path: Path) -> None:
    for id_, one in sequences.items():
        for asked in (id_, str(id_)):
            part, rows = states.rows_of(asked)
            assert part.places.column("seq_id").to_pylist()[rows] == [id_] * len(one["x"])
            assert part.tokens[rows] == one["tokens"]
    with pytest.raises(MissingError, match="there is no sequence 99; the nearest is 100"):
        states.rows_of(99)
    with pytest.raises(MissingError, match="there is no sequence 'a'"):
        states.rows_of("a")
    with pytest.raises(MissingError, match="the nearest is 129"):
        states.rows_of(10**18)


@pytest.mark.few(0)
def test_sequences_with_names(model: lt.Model, sequences: dict[int, dict[str, Any]], tmp_path: Path) -> None:
    named = {f"chapter {id_}": one for id_, one in sequences.items()}
    write_sequences(named, tmp_path / "named.parquet")
    states = run(model, tmp_path / "named.parquet", tmp_path / "states", **HOW)
    for id_, one in named.items():
        part, rows = states.rows_of(id_)
        assert part.tokens[rows] == one["tokens"]
    with pytest.raises(MissingError, match=r"there is no sequence 'chaptr 101'; did you mean 'chapter 101'\?"):
        states.rows_of("chaptr 101")


def models() -> dict[str, lt.Model]:
    """Models of all kinds whose values must come back from a file bit for bit."""
    rng = np.random.default_rng(3)

    def arrays(gates: str, scopes: tuple[str, ...] = ("",), width: int = UNITS) -> dict[str, np.ndarray]:
        found = {}
        for scope in scopes:
            for gate in gates:
                found[f"{scope}W_x{gate}"] = rng.normal(size=(UNITS, width if scope[:1] == "1" else INPUTS))
                found[f"{scope}W_h{gate}"] = rng.normal(size=(UNITS, UNITS))
                found[f"{scope}b_{gate}"] = rng.normal(size=UNITS)
        return found

    both = ("0/forward/", "0/reverse/", "1/forward/", "1/reverse/")
    readout = {"W_hy": rng.normal(size=(2, UNITS))}
    text = "h_t = tanh(W_x @ x_t + W_h @ h_prev)\ncarry: h_prev <- h_t\noutput: h_t"
    own = {"W_x": rng.normal(size=(UNITS, INPUTS)), "W_h": rng.normal(size=(UNITS, UNITS))}
    listed = {name: array.tolist() for name, array in arrays("ifco").items()}
    return {
        "lstm": lt.prepare(arrays("ifco")),
        "float32": lt.prepare(arrays("ifco"), dtype="float32"),
        "gru": lt.prepare(arrays("ruh", both, 2 * UNITS), cell="gru", options={"reset_after": False}),
        "bidirectional": lt.prepare(arrays("ifco", both, 2 * UNITS)),
        "summed": lt.prepare(arrays("ifco", both), options={"merge": "sum", "padding": "repeat"}),
        "keras": lt.prepare(
            arrays("ifco"), options={"gate_activation": "hard_sigmoid", "candidate_activation": "relu"}
        ),
        "reverse": lt.prepare(arrays("ifco"), options={"direction": "reverse"}),
        "readout": lt.prepare(arrays("ifco") | readout, options={"extra": "y_t = softmax(W_hy @ h_t)"}),
        "equations": lt.prepare(own, cell={"equations": text}),
        "by hand": lt.prepare({"weights": listed, "arithmetic": "by-hand-4"}),
    }


@pytest.mark.few(1)
@pytest.mark.parametrize("name", some(models(), 3))
def test_the_folder_has_the_model(name: str, inputs: Path, tmp_path: Path) -> None:
    model = models()[name]
    states = run(model, inputs, tmp_path)
    back = states.model()
    x = np.random.default_rng(4).normal(size=(6, 2, INPUTS))
    first, second = (one.run(x, lengths=[6, 3], plan="lines") for one in (model, back))
    assert {s: list(here) for s, here in first.lines.items()} == {s: list(here) for s, here in second.lines.items()}
    for scope, here in first.lines.items():
        for line, values in here.items():
            np.testing.assert_array_equal(values, second.lines[scope][line], strict=True)


def test_another_model_in_the_folder(states: Any, model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    own = run(model, inputs, tmp_path, **HOW)
    file = tmp_path / "_model.safetensors"
    content = bytearray(file.read_bytes())
    at = content.index(np.float64(model.weights["1/reverse"]["b_o"][2]).tobytes())
    content[at] ^= 1
    file.write_bytes(content)
    with pytest.raises(FileError, match=r"_model\.safetensors: not the model of these states"):
        own.model()
    file.unlink()
    with pytest.raises(FileError, match="the model is missing; run the corpus again, which writes it"):
        own.model()
    run(model, inputs, tmp_path, **HOW).model()


def test_shares_are_computed_side_by_side(states: Any, model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    """As by the jobs of an array: each has its parts, all of them together are the whole run, byte for byte."""
    for k in (2, 1, 3):
        numbers = [span.number for span in states.spans if span.number % 3 == k - 1]
        before = set(content(tmp_path))
        run(model, inputs, tmp_path, **HOW, share=(k, 3))
        assert sorted(set(content(tmp_path)) - before) == [f"part-{number:05}.parquet" for number in numbers]
    assert content(tmp_path) == content(states.folder)
    for share in ((0, 3), (4, 3)):
        with pytest.raises(OptionError, match=r"share is \(k, n\)"):
            run(model, inputs, tmp_path / "none", share=share)


@pytest.mark.parametrize("format", ["parquet", "safetensors"])
def test_a_target_that_is_called_as_a_unit_is_refused(model: lt.Model, tmp_path: Path, format: Any) -> None:
    inputs = [{"x": np.ones((2, INPUTS)), "0f_c_t_1": [1, 2]}]
    with pytest.raises(OptionError, match="have a column '0f_c_t_1', as a unit of the states is called: rename it"):
        run(model, inputs, tmp_path / "new", record=["c_t"], format=format)
    assert not (tmp_path / "new").exists()
    assert run(model, inputs, tmp_path / "other", record=["h_t"], format=format).targets == ["0f_c_t_1"]


@pytest.mark.few(0)
def test_duckdb_reads_the_rows(states: Any) -> None:
    duckdb = pytest.importorskip("duckdb")
    relation = states.to_duckdb(duckdb.connect())
    found = relation.aggregate('count(*), count(distinct seq_id), sum("0r_c_t_1")').fetchall()[0]
    every = states.unit("0/reverse/c_t[1]")
    assert found[:2] == (len(every), every["seq_id"].nunique())
    np.testing.assert_allclose(found[2], every["c_t[1]"].sum(), rtol=1e-12)


@pytest.mark.parametrize("format", ["parquet", "safetensors"])
def test_a_value_that_the_stored_type_cannot_hold_is_said(tmp_path: Path, format: Any) -> None:
    counter = lt.prepare({}, cell={"equations": "c_t = c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"})
    inputs = [np.full((3, 1), 10.0), np.full((2, 1), 40_000.0)]
    found = run(counter, inputs, tmp_path, steps_per_part=3, dtype="float16", format=format)
    assert [span.number for span in found.spans] == [0]
    expected = (
        "0/forward/c_t has a value of size 80000, and float16 goes to 65504: store a wider type, --dtype (dtype=)"
    )
    assert found.failed == {1: expected}


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_read_is_never_a_file_of_the_states(states: Any, model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    """Inputs in the folder of the states under names of ours, and a folder that is both: refused, left as they are."""
    own = tmp_path / "own"
    own.mkdir()
    for name in ("_index.parquet", "part-00000.parquet", "part-00009.parquet", "data.parquet"):
        shutil.copy(inputs, own / name)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "_index.parquet").symlink_to(inputs)
    (own / "_failed.json").write_text('["a"]')
    (own / "_failed-notes.json").write_text("{}")
    before = _tree(tmp_path)
    cases: list[tuple[Any, Path, dict[str, Any], str]] = [
        (own / "_index.parquet", own, {}, "has the name of a file of the states"),
        (own / "part-00000.parquet", own, {"fresh": True}, "has the name of a file of the states"),
        (own, own, {"fresh": True}, "the states would be written into it"),
        (inputs, own, {"vocabulary": own / "_failed.json"}, "has the name of a file of the states"),
        (inputs, own, {}, "no _manifest.json, so that its run is unknown"),
        (inputs, own, {"fresh": True}, "no _manifest.json, so that its run is unknown"),
        (inputs, tmp_path / "link", {}, "no _manifest.json, so that its run is unknown"),
    ]
    for read, folder, how, expected in cases:
        with pytest.raises(FileError, match=expected):
            run(model, read, folder, **HOW, **how)
        assert _tree(tmp_path) == before
    (own / "_index.parquet").unlink()
    with pytest.raises(FileError, match=r"has parts of another run, part-00009\.parquet; this has"):
        run(model, inputs, own, **HOW, fresh=True)
    with pytest.raises(FileError, match="would be written into it"):
        run(model, states.folder, states.folder, x="0f_c_t", fresh=True)
    assert content(states.folder)


def test_lists_of_failed_parts_are_known_by_their_whole_name(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    (tmp_path / "_failed-notes.json").write_text("{}")
    found = run(model, inputs, tmp_path, **HOW)
    assert not found.failed
    assert (tmp_path / "_failed-notes.json").exists()
