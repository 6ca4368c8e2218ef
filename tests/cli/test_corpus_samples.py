"""`lstm-trace corpus probe`, `verify`, `ablate`: what is printed, the table in a file, exit codes, messages."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lstm_trace import examples
from lstm_trace.cli import main

from ..support.tiers import some
from ..tracking import quotes

pytest.importorskip("pyarrow")


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["corpus", *map(str, arguments)])


def refused(arguments: tuple[str, ...], said: str) -> Result:
    """A call that ends with exit code 2 and a message in which `said` is."""
    found = invoke(*arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert said in found.stderr
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`quotes.yaml`, `q.parquet`, and their `states`."""
    from lstm_trace.corpus import run

    found = tmp_path_factory.mktemp("quotes")
    (found / "quotes.yaml").write_text(examples.text("quotes"), encoding="utf-8")
    quotes.write(found / "q.parquet", quotes.sequences())
    run(found / "quotes.yaml", found / "q.parquet", found / "states", steps_per_part=400)
    return found


def test_probe_prints_what_it_found_and_writes_the_weights(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    import pandas as pd

    assert invoke("probe", folder / "states", "--target", "inside", "-o", tmp_path / "w.csv").stdout == ""
    found = invoke("probe", folder / "states", "--target", "inside")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.startswith("# Probe of inside by c_t\n\n- accuracy 1 (95 % interval 1 to 1) on ")
    assert "c_t[1] is the best single unit: alone it reaches 1" in found.stdout
    frame = pd.read_csv(tmp_path / "w.csv")
    assert frame.columns.tolist() == [
        "unit",
        "layer",
        "direction",
        "line",
        "class",
        "weight",
        "standardized",
        "explained",
    ]
    assert frame["unit"].tolist()[0] == "c_t[1]"
    invoke("probe", folder / "states", "--target", "inside", "--line", "all", "-o", tmp_path / "w.parquet")
    whole = pd.read_parquet(tmp_path / "w.parquet")
    assert sorted(whole["unit"]) == sorted(f"{line}[{j}]" for line in ("c_t", "h_t") for j in range(4))
    table = [row for row in found.stdout.splitlines() if row.startswith("|")]
    assert max(map(len, table)) <= 80


def test_a_probe_of_a_part_of_the_states_is_told(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    for path in (folder / "states").iterdir():
        if path.name != "part-00001.parquet":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    found = invoke("probe", tmp_path, "--target", "inside")
    assert found.exit_code == 0
    assert found.stderr == "note: of 4 parts only 3 are available; the result covers only these\n"


@pytest.mark.few(0)
def test_verify_says_with_its_exit_code_whether_it_is_right(folder: Path, tmp_path: Path) -> None:
    found = invoke("verify", folder / "states", "--sample", 20)
    assert (found.exit_code, found.stderr) == (0, "")
    assert "- verified: " in found.stdout
    assert " of 20 of 80 sequences compared with a run line by line; 0 differ" in found.stdout
    whole = "verify", folder / "states", "--model", folder / "quotes.yaml", "--sample", "all"
    all_ = invoke(*whole)
    assert invoke(*whole, "-o", tmp_path / "d.csv").stdout == ""
    assert " of 80 of 80 sequences " in all_.stdout
    assert (tmp_path / "d.csv").read_text() == "sequence,t,unit,stored,expected,bound\n"
    other = examples.text("quotes").replace("b_i: [-0.1", "b_i: [-0.2")
    (tmp_path / "other.yaml").write_text(other, encoding="utf-8")
    wrong = invoke("verify", folder / "states", "--model", tmp_path / "other.yaml", "--sample", 5)
    assert wrong.exit_code == 1
    assert "- failed: the model differs from what the states were computed from" in wrong.stdout
    assert "| s0" in wrong.stdout


@pytest.mark.few(0)
def test_ablate_prints_what_changes_and_writes_the_groups(folder: Path, tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "a.parquet"
    arguments = ["ablate", folder / "quotes.yaml", "--inputs", folder / "q.parquet", "--units", "c_t[1],c_t[2]"]
    assert invoke(*arguments, "-o", path, "--to", "*0.5").stdout == ""
    found = invoke(*arguments, "--to", "*0.5")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.startswith("# Ablation: mean change of h_t\n")
    assert "2 units held at *0.5" in found.stdout
    assert pd.read_parquet(path)["held"].tolist() == ["c_t[1]", "c_t[2]", "all", "random 1"]  # of the two others
    own = invoke("ablate", folder / "states", "--units", "c_t[1],c_t[2]", "--to", "*0.5")
    assert own.stdout == found.stdout
    pytest.importorskip("sklearn")
    target = invoke(*arguments, "--metric", "inside", "--controls", 1, "--max-steps", 900)
    assert target.stdout.startswith("# Ablation: accuracy of a probe of h_t for inside\n")
    assert "a random group of as many other units changes it by" in target.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("probe", "states", "--target", "inside"), "error: a probe needs the package scikit-learn"),
        (
            ("probe", "states", "--target", "inside", "-o", "w.xyz"),
            "results are written as .md, ",
        ),
        (("probe", ".", "--target", "inside"), "there is no _manifest.json"),
        (
            ("run", "quotes.yaml", "--inputs", "q.parquet", "-o", "s", "--share", "5/3"),
            "with K from 1 to N; found '5/3'",
        ),
        (("run", "quotes.yaml", "--inputs", "q.parquet", "-o", "s", "--share", "5"), "expected K/N, for example 3/32"),
        (("verify", "states", "--sample", "some"), "--sample': expected a number of sequences, or all; found 'some'"),
        (("verify", "states", "--model", "quotes.yaml", "--inputs", "q.parquet", "-o", "q.parquet"), "q.parquet"),
        (("ablate", "quotes.yaml", "--units", "c_t[1]"), "--inputs is missing: give it, or give a folder of states"),
        (("ablate", "quotes.yaml", "--inputs", "q.parquet", "--units", "c_t[9]"), "c_t has the units 0 to 3"),
        (("ablate", "quotes.yaml", "--inputs", "q.parquet", "--units", "c_t[1]", "--to", "much"), "much"),
    ],
)
def test_what_cannot_be_done_is_one_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "sklearn", None)  # whether it is there or not
    found = refused(arguments, said)
    assert found.stderr.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["q.parquet", "quotes.yaml", "states"]


def test_a_column_to_decode_that_is_not_there(folder: Path) -> None:
    pytest.importorskip("sklearn")
    said = "error: the states have no column 'insid'; did you mean 'inside'?"
    refused(("probe", str(folder / "states"), "--target", "insid"), said)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("arguments", "output"),
    some(
        [
            (("ablate", "states", "--units", "c_t[0]"), "q.parquet"),  # that of the manifest, not on the line
            (("verify", "states"), "q.parquet"),
            (("probe", "states", "--target", "inside"), "q.parquet"),
            (("units", "states"), "q.parquet"),
            (("top", "states", "--unit", "c_t[1]"), "q.parquet"),
            (("match", "states", "--units", "1"), "q.parquet"),
            (("verify", "states"), "link.parquet"),
            (("units", "states"), "states/part-00000.parquet"),
            (("top", "states", "--unit", "c_t[1]"), "states/part-00001.parquet"),
            (("verify", "states"), "states/_index.parquet"),
            (("probe", "states", "--target", "inside"), "states/part-00001.parquet"),  # which another run is to write
            (("ablate", "states", "--units", "c_t[0]"), "states/part-00000.parquet"),
            (("ablate", "states", "--inputs", "q.parquet", "--units", "c_t[0]"), "states/part-00000.parquet"),
        ],
        4,
    ),
)
def test_no_file_of_the_states_and_none_that_they_were_computed_from_is_written_over(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], output: str
) -> None:
    from lstm_trace.corpus import run

    monkeypatch.chdir(tmp_path)
    for name in ("quotes.yaml", "q.parquet"):
        shutil.copy(folder / name, name)
    run("quotes.yaml", "q.parquet", "states", steps_per_part=400)
    Path("link.parquet").symlink_to("q.parquet")
    if arguments[0] == "probe" and output.startswith("states"):
        Path(output).unlink()
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    found = invoke(*arguments, "-o", output)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith(f"error: {output}: ")
    assert found.stderr.endswith("; write to another file\n")
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_another_file_in_the_folder_of_the_states_is_written(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "states", tmp_path / "states")
    for _ in range(2):  # the second time it is there
        found = invoke("top", tmp_path / "states", "--unit", "c_t[1]", "-o", tmp_path / "states" / "top.csv")
        assert (found.exit_code, found.stderr) == (0, "")


def test_of_numbers_the_control_is_their_mean(folder: Path) -> None:
    pytest.importorskip("sklearn")
    for target in ("noise", "inside"):
        text = " ".join(invoke("probe", folder / "states", "--target", target).stdout.split())
        assert ("control, the mean" in text, "most frequent" in text) == (target == "noise", target == "inside")


@pytest.mark.few(0)
def test_status_says_which_parts_are_missing(folder: Path, tmp_path: Path) -> None:
    from pyarrow import parquet

    from lstm_trace.corpus import run

    states = tmp_path / "states"
    run(folder / "quotes.yaml", folder / "q.parquet", states, steps_per_part=100, record=["c_t", "h_t", "i_t", "f_t"])
    for number in (1, 3, 4, 5):
        (states / f"part-{number:05}.parquet").unlink()
    found = invoke("status", states)
    assert found.exit_code == 1
    text = " ".join(found.stdout.split())
    assert text.count("- missing: parts 1, 3-5 - ") == 1
    title = "A unit that counts quotation marks"
    assert text.count(f"- model: {title}, lstm, ") == 1
    facts = json.loads(invoke("status", states, "--format", "json").stdout)
    there = [(row["part"], row["state"]) for row in facts["rows"]]
    assert there[:7] == [(number, "missing" if number in (1, 3, 4, 5) else "done") for number in range(7)]
    part = parquet.read_table(states / "part-00000.parquet")
    first = facts["rows"][0]
    assert (first["steps"], first["sequences"]) == (part.num_rows, len(set(part["seq_id"].to_pylist())))
    size = sum(path.stat().st_size for path in states.glob("part-*"))
    assert f"{size / 1e6:.1f} MB" in text


@pytest.mark.few(0)
def test_a_damaged_part_is_not_done_and_made_again(folder: Path, tmp_path: Path) -> None:
    states = tmp_path / "states"
    again = "run", folder / "quotes.yaml", "--inputs", folder / "q.parquet", "--steps-per-part", 400, "-o", states
    assert ": 4 of 4 parts, " in invoke(*again).stdout
    part = states / "part-00002.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:2000] + whole[2001:])
    damaged = f"{part.name} is damaged: run the corpus again, which makes it"
    found = invoke("status", states)
    assert found.exit_code == 1
    assert ": 3 of 4 parts, " in " ".join(found.stdout.split())
    assert f"- damaged: {damaged}" in " ".join(found.stdout.split())
    part.write_bytes(whole[:2000] + bytes([whole[2000] ^ 4]) + whole[2001:])
    said = " ".join(invoke("status", states).stdout.split())
    assert "The contents of the parts were not read; lstm-trace corpus verify reads them." in said
    for arguments in (("--sample", 1), ("--sample", "all")):
        found = invoke("verify", states, *arguments)
        assert found.exit_code == 1
        assert f"- failed: {damaged}\n" in found.stdout
        assert "No value of the sample is wrong" not in found.stdout
    found = invoke(*again)
    assert (found.exit_code, found.stderr) == (0, f"{part.name} is damaged, and is made again\n")
    assert ": 4 of 4 parts, " in found.stdout
    assert part.read_bytes() == whole
    assert invoke("status", states).exit_code == 0
    shutil.copy(part, states / "part-00004.parquet")
    found = invoke("verify", states, "--sample", 1)
    assert (found.exit_code, "part-00004.parquet is not part of this run: remove it" in found.stdout) == (1, True)


def test_a_run_that_is_interrupted_says_how_far_it_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lstm_trace.corpus import running

    whole = running.by_loop

    def interrupted(*given: Any) -> Any:
        for k, one in enumerate(whole(*given)):
            yield one
            if k == 1:
                raise KeyboardInterrupt

    monkeypatch.setattr(running, "by_loop", interrupted)
    arguments = "run", folder / "quotes.yaml", "--inputs", folder / "q.parquet", "-o", tmp_path / "s"
    found = invoke(*arguments, "--steps-per-part", 400)
    assert (found.exit_code, found.stdout) == (130, "")
    assert found.stderr.rstrip() == "interrupted; 2 of 4 parts are done; the same command resumes"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "states", "--sample", "9" * 5000), "expected a number of sequences, or all; found '999"),
        (("verify", "states", "--sample", "0"), "expected a number of sequences, or all; found '0'"),
        (("verify", "states", "--seed", "-1"), "--seed': -1 is not in the range x>=0"),
        (("probe", "states", "--target", "inside", "--seed", "-1"), "--seed': -1 is not in the range x>=0"),
        (("ablate", "states", "--units", "c_t[0]", "--seed", "-1"), "--seed': -1 is not in the range x>=0"),
        (("top", "states", "--unit", "c_t_²"), "expected a unit of a line"),
        (("top", "states", "--unit", "c_t_" + "9" * 5000), "expected a unit of a line"),
    ],
)
def test_a_number_that_is_none_is_one_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(folder)
    found = refused(arguments, said)
    assert "unexpected" not in found.stderr
    assert len(found.stderr) < 600
