"""An output is never an input: for every command and every path among its parameters, by whatever name or link."""

from __future__ import annotations

import os
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace import examples
from lstm_trace.cli import VERBS, main
from lstm_trace.cli.commands import OutputPath
from lstm_trace.errors import FileError
from lstm_trace.results import EXPLANATIONS

PRECIOUS = b'{"precious": 1}'


#: Every command, and every explanation.
COMMANDS = [*(verb for verb in VERBS if verb != "explain"), *(f"explain {name}" for name in EXPLANATIONS)]


def command(verb: str) -> click.Command:
    name, _, explanation = verb.partition(" ")
    found: click.Command = main.load(name)  # type: ignore[attr-defined]
    return found.load(explanation) if explanation else found  # type: ignore[attr-defined, no-any-return]


def paths(verb: str, outputs: bool) -> list[click.Parameter]:
    """The parameters of a command that are paths: what it writes, or what it reads."""
    there = [p for p in command(verb).params if isinstance(p.type, click.Path)]
    return [p for p in there if isinstance(p.type, OutputPath) == outputs]


#: Every command that writes, with each of its inputs, from the definitions themselves.
PAIRS = [
    (verb, source.name, out.opts[0]) for verb in COMMANDS for out in paths(verb, True) for source in paths(verb, False)
]


def test_the_commands_that_write_are_known_by_their_options() -> None:
    writing = {"run", "report", "export", "diff", "plot", "show", "verify", "identify", "mistakes", "inspect", "lines"}
    writing |= {"bench"} | {f"explain {name}" for name in EXPLANATIONS}
    assert {verb for verb, _, _ in PAIRS} == writing
    assert {name for verb, name, _ in PAIRS if verb.startswith("explain")} == {
        "source", "seed", "baseline", "input", "h0", "c0", "state_from", "lengths", "mask", "tokens",
    }  # fmt: skip
    for verb in COMMANDS:
        for parameter in command(verb).params:  # what is called a file, and is no path, would not be looked at
            said = f"{parameter.name} {getattr(parameter, 'help', '') or ''}".lower()
            if parameter.name in ("output", "source", "input", "weights", "seed", "baseline", "h0", "c0", "lengths"):
                assert isinstance(parameter.type, click.Path), (verb, said)


def call(verb: str, name: str, option: str, source: str, output: str) -> list[str]:
    """A call in which the input `name` is `source`, and every other path is the file `other`."""
    arguments = verb.split()
    for parameter in command(verb).params:
        if isinstance(parameter.type, OutputPath):
            arguments += [parameter.opts[0], output]
        elif isinstance(parameter, click.Argument):
            arguments.append(source if parameter.name == name else "other.json")
        elif parameter.name == name or (isinstance(parameter.type, click.Path) and parameter.required):
            arguments += [parameter.opts[0], source if parameter.name == name else "other.json"]
    of = any(parameter.name == "of" and parameter.required for parameter in command(verb).params)
    more = ["--of", "0/h_t[0]"] if of else ["--kind", "unit"] if verb == "plot" else []
    return [*arguments, *more]


WAYS = ("the same name", "another spelling", "a symbolic link", "a hard link", "an open file")


@pytest.mark.few(7)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("verb", "name", "option"), PAIRS, ids=[f"{v}-{n}" for v, n, _ in PAIRS])
def test_an_output_that_is_an_input_is_refused_before_anything_is_computed(
    verb: str, name: str, option: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.json").write_bytes(PRECIOUS)
    Path("other.json").write_bytes(b"{}")
    Path("folder").mkdir()
    with open("in.json", "rb+") as opened:
        if way == "an open file" and not os.path.exists(f"/dev/fd/{opened.fileno()}"):
            pytest.skip("there is no /dev/fd here")
        target = {
            "the same name": "in.json",
            "another spelling": "folder/../in.json",
            "a symbolic link": "link.json",
            "a hard link": "hard.json",
            "an open file": f"/dev/fd/{opened.fileno()}",
        }[way]
        if way == "a symbolic link":
            os.symlink("../in.json", "folder/first.json")
            os.symlink("folder/first.json", "link.json")
        elif way == "a hard link":
            os.link("in.json", "hard.json")
        before = sorted(os.listdir())
        for source, output in ((target, "in.json"), ("in.json", target)):
            result = CliRunner().invoke(main, call(verb, name, option, source, output))
            assert (result.exit_code, result.stdout) == (2, ""), result.output
            also = "" if source == output else f" {source} by another name,"
            assert (
                result.stderr
                == f"error: {output}: this is{also} an input, which would be lost; write to another file\n"
            )
        assert sorted(os.listdir()) == before
    assert Path("in.json").read_bytes() == PRECIOUS


@pytest.mark.few(0)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_bytes(PRECIOUS)
    long = f"{'long' * 70}.json"
    said = {"no/x.json": "no such file or directory", "file/x.json": "not a directory", long: "file name too long"}
    for verb in COMMANDS:
        for output in said if paths(verb, True) else ():
            result = CliRunner().invoke(main, call(verb, "", "", "", output))  # the sources do not exist
            assert (result.exit_code, result.stdout) == (2, ""), verb
            assert result.stderr == f"error: {output}: {said[output]}\n", verb
    assert os.listdir() == ["file"]


def test_a_result_without_a_picture_is_refused_as_one_before_it_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstm_trace.verification.plans.examine", None)
    for words in (["-o", "x.svg"], ["-o", "x.png"], ["--format", "svg"]):
        result = CliRunner().invoke(main, ["doctor", *words])
        assert (result.exit_code, result.stdout) == (2, "")
        assert "not .svg" in result.stderr or "not .png" in result.stderr or "leave --format svg out" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "a.json", "--line", "h_t", "--only", "c_t"], "--only and --line"),
        (["plot", "a.json", "--t", "1", "--steps", "2"], "--steps and --t"),
        (["run", "a.json", "--batch-first", "--time-first"], "--batch-first and --time-first"),
        (["explain", "memory", "a.json", "-o", "a.md", "--output=b.md"], "-o and --output"),
        (["corpus", "units", "states", "-n", "3", "--count", "4"], "-n and --count"),
    ],
)
def test_an_option_is_given_under_one_of_its_names(words: list[str], said: str) -> None:
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {said} set the same option: leave one of them out\n"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["run", "q.yaml", "-o", "1.json", "-o2.json"], "--output"),
        (["run", "m.npz", "--input", "x.npy", "--input=y.npy"], "--input"),
        (["run", "m.npz", "--option", "clip=1", "--option", "clip=2"], "--option"),
        (["explain", "training", "q.yaml", "--of", "L", "--of", "M"], "--of"),
    ],
)
def test_an_option_of_one_value_is_given_once(words: list[str], option: str) -> None:
    result = CliRunner().invoke(main, words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {option} takes one value, and 2 are given: leave all but one of them out\n"


@pytest.mark.few(0)
def test_a_file_that_is_no_input_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("q.yaml").write_text(examples.text("q22"), encoding="utf-8")
    for _ in range(2):
        assert CliRunner().invoke(main, ["run", "q.yaml", "-o", "t.json"]).exit_code == 0
        assert CliRunner().invoke(main, ["report", "t.json", "-o", "r.md"]).exit_code == 0
    assert lt.verify(lt.load("t.json")).verdict == "verified"


def test_the_picture_beside_a_report_is_no_input_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = examples.text("q22")
    Path("q.yaml").write_text(text, encoding="utf-8")
    os.symlink("q.yaml", "r.svg")
    result = CliRunner().invoke(main, ["report", "q.yaml", "-o", "r.md"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: r.svg: this is q.yaml by another name, an input")
    assert CliRunner().invoke(main, ["report", "q.yaml", "-o", "r.md", "--no-diagram"]).exit_code == 0
    assert CliRunner().invoke(main, ["report", "q.yaml", "-o", "s.svg", "--format", "md"]).exit_code == 0
    assert Path("s.svg").read_text(encoding="utf-8").startswith("# Question 22")
    assert Path("q.yaml").read_text(encoding="utf-8") == text


@pytest.mark.few(0)
@pytest.mark.parametrize("words", [["diff", "q.yaml", "other.yaml"], ["explain", "memory", "q.yaml", "--of", "c_t[0]"]])
def test_nor_is_the_picture_beside_a_result(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = examples.text("q22")
    Path("q.yaml").write_text(text, encoding="utf-8")
    Path("other.yaml").write_text(text.replace("x: [1.0, 2.0, 3.0]", "x: [1.0, 2.0, 4.0]"), encoding="utf-8")
    os.symlink("q.yaml", "r.svg")
    result = CliRunner().invoke(main, [*words, "-o", "r.md"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: r.svg: this is q.yaml by another name, an input")
    assert not Path("r.md").exists()
    assert CliRunner().invoke(main, [*words, "-o", "r.md", "--no-picture"]).exit_code == (words[0] == "diff")
    assert Path("q.yaml").read_text(encoding="utf-8") == text


def test_a_model_in_python_does_not_overwrite_its_file(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    rng = np.random.default_rng(6)
    shapes = {"weight_ih_l0": (8, 3), "weight_hh_l0": (8, 2), "bias_ih_l0": (8,), "bias_hh_l0": (8,)}
    path, link = tmp_path / "model.safetensors", tmp_path / "link.safetensors"
    save_file({key: rng.normal(size=shape) for key, shape in shapes.items()}, path)
    os.symlink(path, link)
    before = path.read_bytes()
    x = rng.normal(size=(4, 3))
    for out in (path, str(path), link):
        with pytest.raises(FileError, match="which would be lost"):
            lt.run(path, x, out=out)
        with pytest.raises(FileError, match="which would be lost"):
            lt.prepare(str(path)).run(x, out=out)
    assert path.read_bytes() == before
    trace = lt.run(path, x, out=tmp_path / "trace.safetensors")
    assert lt.verify(trace).verdict == "verified"


def test_a_trace_goes_through_a_pipe_as_safetensors(tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text(examples.text("three-steps"), encoding="utf-8")
    made = CliRunner().invoke(main, ["run", str(tmp_path / "q.yaml"), "--format", "safetensors"])
    assert made.exit_code == 0, made.stderr
    assert made.stdout_bytes[8:9] == b"{"
    for command in (["verify", "-"], ["report", "-"], ["show", "-"]):
        read = CliRunner().invoke(main, command, input=made.stdout_bytes)
        assert read.exit_code == 0, read.stderr
    broken = CliRunner().invoke(main, ["verify", "-"], input=made.stdout_bytes[:200])
    assert broken.exit_code == 2
    assert broken.stderr.startswith("error: ")
    assert broken.stderr.count("\n") == 1
