"""What an engine gave: verdicts, causes, files from elsewhere, known failures, JUnit, messages."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from lstm_trace.cli import main
from lstm_trace.errors import FileError, MissingError, OptionError
from lstm_trace.languages.strings import words
from lstm_trace.mistakes.conformance import child, engines
from lstm_trace.mistakes.conformance.cases import NodeCase, catalogue, write
from lstm_trace.mistakes.conformance.engines import CaseVerdict, engine, read_outputs
from lstm_trace.mistakes.conformance.judging import FailureCause, causes, judge, refutes
from lstm_trace.results.conformance import Conformance, expected_verdicts

from ...support import conformance_engine

NAMES = ("lstm_plain_forward", "lstm_plain_reverse", "lstm_clip", "lstm_peephole_reverse", "gru_plain_reverse")


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["conformance", *map(str, arguments)])


class Suite(NamedTuple):
    folder: Path
    cases: list[NodeCase]


def suite_of(folder: Path, *names: str) -> Suite:
    suite = Suite(folder / "cases", [catalogue()[name] for name in names])
    write(str(suite.folder), suite.cases, 14)
    return suite


def facts(*arguments: Any) -> tuple[int, dict[str, str], list[str]]:
    """The exit code, the verdict of each case, and the sentences."""
    result = invoke(*arguments, "--format", "json")
    assert result.exit_code in (0, 1), result.stderr
    found = json.loads(result.stdout)
    return result.exit_code, {row["case"]: row["verdict"] for row in found["rows"]}, found["sentences"]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return suite_of(tmp_path_factory.mktemp("engines"), *NAMES)


def right(case: NodeCase) -> dict[str, Any]:
    return {name: array.astype(np.float32) for name, array in case.expected[0]["text"].items()}


def test_names_shapes_and_values_that_are_not_numbers() -> None:
    case = catalogue()["lstm_plain_reverse"]
    found = right(case)
    assert judge(CaseVerdict(case, "ok", found)).verdict == "ok"
    flat = judge(CaseVerdict(case, "ok", found | {"Y": found["Y"].ravel()}))
    assert (flat.verdict, flat.said) == ("wrong", "Y is float32 (24,); expected float32 (4, 1, 2, 3)")
    turned = found | {"Y": found["Y"].swapaxes(0, 2)}
    said = judge(CaseVerdict(case, "ok", turned)).said
    assert said == "Y is float32 (2, 1, 4, 3); expected float32 (4, 1, 2, 3)"
    assert judge(CaseVerdict(case, "ok", {"out": found["Y"]})).said == "no output Y; there are out"
    for value in (np.nan, np.inf, 1.0):
        wrong = {name: array.copy() for name, array in found.items()}
        wrong["Y"][2, 0, 1, 2] = wrong["Y"][1, 0, 0, 0] = value
        one = judge(CaseVerdict(case, "ok", wrong))
        assert (one.verdict, one.first) == ("wrong", "0/reverse/2/1/h_t[2]")  # computed before step 1
    wrong = found | {"Y_c": found["Y_c"] + np.float32(1e-3)}
    assert judge(CaseVerdict(case, "ok", wrong)).first == "0/reverse/0/0/c_t[0]"
    near = {name: array + np.float32(0.9) * np.float32(case.expected[1]) for name, array in found.items()}
    assert judge(CaseVerdict(case, "ok", near)).verdict == "ok"


def test_either_reading_is_right_and_is_said() -> None:
    case = catalogue()["lstm_clip"]
    for reading, outputs in case.expected[0].items():
        one = judge(CaseVerdict(case, "ok", outputs))
        assert (one.verdict, one.reading) == ("ok", reading)
        said = [*Conformance("x", (one,), ()).sentences(words())]
        assert len(said) == (3 if reading == "onnxruntime" else 2)


def test_outputs_that_were_written_elsewhere(tmp_path: Path, cases: Suite) -> None:
    plain, reverse, clip, peephole, _ = cases.cases
    np.savez(tmp_path / "test_lstm_plain_forward.npz", **right(plain))
    np.save(tmp_path / "test_lstm_plain_reverse.npy", right(reverse)["Y"])
    for case in (clip, peephole):
        (tmp_path / f"test_{case.name}").mkdir()
    for k, array in enumerate(right(clip).values()):
        (tmp_path / "test_lstm_clip" / f"output_{k}.bin").write_bytes(array.tobytes())
    for k in range(2):  # of three
        stored = cases.folder / peephole.folder / "test_data_set_0" / f"output_{k}.pb"
        (tmp_path / "test_lstm_peephole_reverse" / stored.name).write_bytes(stored.read_bytes())
    pytest.importorskip("onnx")  # reads the .pb
    code, verdicts, said = facts("check", cases.folder, "--outputs", tmp_path)
    assert (code, [*verdicts.values()]) == (1, ["ok", "ok", "ok", "ok", "refused"])
    assert said[-1] == "refused, test_gru_plain_reverse: there are no outputs of this name"
    (tmp_path / "test_gru_plain_reverse.npz").write_bytes(b"PK")
    (tmp_path / "test_lstm_plain_reverse.npy").write_bytes(b"\x93NUMPY\x01")
    (tmp_path / "test_lstm_peephole_reverse" / "output_1.pb").write_bytes(b"\xff\xff")
    _, verdicts, said = facts("check", cases.folder, "--outputs", tmp_path)
    assert [*verdicts.values()] == ["ok", "wrong", "ok", "wrong", "wrong"]
    assert any("not a tensor of ONNX" in one for one in said)
    assert invoke("check", cases.folder, "--outputs", tmp_path / "none").exit_code == 2


def test_the_json_is_as_its_schema_says(tmp_path: Path, cases: Suite) -> None:
    schema = json.loads(CliRunner().invoke(main, ["schema", "finding"]).stdout)
    for case in cases.cases[:2]:
        np.savez(tmp_path / f"test_{case.name}.npz", **right(case))
    found = json.loads(invoke("check", cases.folder, "--outputs", tmp_path, "--format", "json").stdout)
    assert not [*Draft202012Validator(schema).iter_errors(found)]
    row = {"case": "test_lstm_plain_forward", "verdict": "ok", "status": "ok", "reading": None, "where": None}
    assert found["rows"][0].items() >= row.items()


def test_known_failures_are_expected_and_fixed_ones_are_said(tmp_path: Path, cases: Suite) -> None:
    for case in cases.cases[:3]:
        np.savez(tmp_path / f"test_{case.name}.npz", **right(case))
    command = ("check", cases.folder, "--outputs", tmp_path)
    assert invoke(*command, "-o", tmp_path / "known.csv").exit_code == 1
    code, _, said = facts(*command, "--expected", tmp_path / "known.csv")  # its own table
    assert (code, said[1]) == (0, "2 failures are known and expected")
    known = ("# of version 3", "test_lstm_peephole_reverse,refused", "test_gru_plain_reverse, wrong  # was", "")
    (tmp_path / "known.txt").write_text("\n".join(known) + "test_lstm_clip,hung\n")
    code, _, said = facts(*command, "--expected", tmp_path / "known.txt")
    assert code == 1  # refused, where wrong is expected
    assert said[-1] == "1 case was expected to fail and is right now; take it off the list: test_lstm_clip"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("test_lstm_clip", "expected CASE,VERDICT, a verdict of ok, wrong, refused, crashed, hung; found ''"),
        ("test_lstm_clip,bad", "expected CASE,VERDICT, a verdict of ok, wrong, refused, crashed, hung; found 'bad'"),
        ("test_lstm_clop,wrong", "no case is called 'lstm_clop'; did you mean 'lstm_clip'?"),
        ("lstm_plain_forward,hung", "lstm_plain_forward is hung here and wrong above; leave one of them"),
        ("x" * 200_000 + ",wrong", "no case is called 'xxx"),
    ],
    ids=["no verdict", "unknown verdict", "unknown case", "two verdicts", "long"],
)
def test_a_list_of_known_failures_with_a_slip(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "bad.txt").write_text(f"test_lstm_plain_forward,wrong\n{line}\n")
    with pytest.raises(FileError) as found:
        expected_verdicts(str(tmp_path / "bad.txt"))
    assert str(found.value).startswith(f"{tmp_path / 'bad.txt'}, line 2: {said}")
    assert len(str(found.value)) < 1000


def test_a_list_of_known_failures_has_what_engines_said(tmp_path: Path) -> None:
    """Quotation marks and # of a message once hid the lines below it, and a long message was no csv."""
    lines = (
        "case,verdict,message",
        'test_lstm_clip,refused,"see #3, ""please',
        f"lstm_plain_reverse,hung,{'x' * 10**6}",
    )
    (tmp_path / "known.csv").write_text("\n".join(lines[:2]) + "\n" + lines[2][:200_000] + "\n")
    found = expected_verdicts(str(tmp_path / "known.csv"))
    assert found == {"test_lstm_clip": "refused", "test_lstm_plain_reverse": "hung"}
    (tmp_path / "known.csv").write_text("\n".join(lines) + " " * 10**5)
    with pytest.raises(FileError, match=r"text files up to 1,048,576 are read"):
        expected_verdicts(str(tmp_path / "known.csv"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_list_of_known_failures_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "known.csv")
    with pytest.raises(FileError, match=r"known.csv: a pipe or device, not a file"):
        expected_verdicts(str(tmp_path / "known.csv"))


def test_junit_is_as_ci_reads_it(tmp_path: Path, cases: Suite) -> None:
    statuses = [("ok", ""), ("wrong", ""), ("refused", ""), ("wrong", "wrong"), ("hung", "")]
    verdicts = [
        CaseVerdict(case, verdict, seconds=0.25, said="<&\x1b[31m\n>", known=known)
        for case, (verdict, known) in zip(cases.cases, statuses, strict=True)
    ]
    Conformance("an engine", tuple(verdicts), ()).save(tmp_path / "r.xml", "xml")  # type: ignore[arg-type]
    suite = ElementTree.parse(tmp_path / "r.xml").getroot()  # noqa: S314 - our own
    assert suite.tag == "testsuite"
    counts = {"tests": "5", "failures": "1", "errors": "2", "skipped": "1"}
    assert {key: suite.get(key) for key in counts} == counts
    kinds = [[child.tag for child in case] for case in suite]
    assert kinds == [[], ["failure"], ["error"], ["skipped"], ["error"]]
    assert suite[0].get("name") == "test_lstm_plain_forward"
    assert suite[1].get("classname") == "conformance.lstm"
    assert suite[1][0].get("type") == "wrong"
    assert "\x1b" not in str(suite[1][0].get("message"))


@pytest.mark.parametrize("form", ["md", "text", "html", "tex", "typ"])
def test_a_report_in_every_format_and_language(form: str) -> None:
    case = catalogue()["lstm_plain_reverse"]
    verdicts = (
        judge(CaseVerdict(case, "ok", right(catalogue()["lstm_plain_forward"]))),
        CaseVerdict(case, "hung"),
    )
    cause = FailureCause(
        ("ignored:direction", "time:the-other-way"), (verdicts[0].case.folder,), verdicts[0].case.folder
    )
    for language in ("en", "de", "fr", "es", "zh"):
        text = str(Conformance("x", verdicts, (cause,)).report(form, language=language))  # type: ignore[arg-type]
        assert "ignored:direction" in text.replace("\\", "").replace("{", "").replace("}", "")


def test_no_file_that_is_read_is_written_over(tmp_path: Path, cases: Suite) -> None:
    place = cases.folder / cases.cases[0].folder
    known = tmp_path / "known.csv"
    known.write_text("")
    np.savez(tmp_path / "test_lstm_clip.npz", **right(cases.cases[2]))
    dumps = ("--outputs", tmp_path, "--expected", known, "--format", "csv")
    for file in (
        cases.folder / "cases.json", place / "model.onnx", place / "trace.safetensors",
        place / "test_data_set_0" / "input_0.pb", tmp_path / "test_lstm_clip.npz", known,
    ):  # fmt: skip
        content = file.read_bytes()
        result = invoke("check", cases.folder, *dumps, "-o", file)
        assert (result.exit_code, file.read_bytes() == content) == (2, True), file
        assert "this is an input, which would be lost; write to another file" in result.stderr
    assert invoke("check", cases.folder, *dumps, "-o", cases.folder / "report.csv").exit_code == 1
    assert invoke("check", cases.folder, *dumps, "-o", cases.folder / "report.csv").exit_code == 1  # once more
    (cases.folder / "report.csv").unlink()


@pytest.mark.few(2)
@pytest.mark.parametrize("suffix", ["md", "txt", "json", "csv", "xml", "html"])
def test_a_report_in_a_file(tmp_path: Path, cases: Suite, suffix: str) -> None:
    file = tmp_path / f"report.{suffix}"
    np.savez(tmp_path / f"{cases.cases[0].folder}.npz", **right(cases.cases[1]))
    assert invoke("check", cases.folder, "--outputs", tmp_path, "-o", file).exit_code == 1
    if suffix == "xml":
        assert "<testsuite " in invoke("check", cases.folder, "--outputs", tmp_path, "--format", "xml").stdout
        assert ".parquet .xml" in " ".join(invoke("check", "--help").stdout.split())
    assert all(case.folder in file.read_text() for case in cases.cases)


def test_more_arrays_than_there_are_outputs() -> None:
    case = catalogue()["lstm_plain_forward"]
    more = {"Z": np.ones(1), "arr": np.array("text"), "none": np.zeros(0)}
    assert judge(CaseVerdict(case, "ok", right(case) | more)).verdict == "ok"
    wrong = right(catalogue()["lstm_plain_reverse"])
    assert (
        judge(CaseVerdict(case, "ok", wrong | more)).first
        == judge(CaseVerdict(case, "ok", wrong)).first
        == "0/forward/0/0/h_t[0]"
    )


def test_a_mistake_of_the_table_explains_failures(cases: Suite) -> None:
    run = conformance_engine.by_function(conformance_engine.exchanged, cases.folder)
    one = judge(run(cases.cases[0]))
    (cause,) = causes([one])
    assert (cause.keys[0], cause.cases, cause.attach) == ("order:i,f", (one.case.folder,), one.case.folder)
    assert any(key.startswith("exchange:") for key in cause.keys)  # f and i in c_t: the same h and c


def test_a_module_is_found_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by the installed command, whose path begins with the folder of the command."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    Path("own_port.py").write_text("raise SystemExit")
    assert engine("python", "own_port:run").command[-4:] == ("own_port:run", "{model}", "{inputs}", "{outputs}")


def test_what_cannot_run_is_said_before_anything_runs(tmp_path: Path, cases: Suite) -> None:
    for kind, value, error, said in (
        ("command", "no-such-program {model} {outputs}", MissingError, "there is no program no-such-program"),
        ("command", f"{sys.executable} {{model}}", OptionError, r"expected {model}, {inputs} and {outputs}"),
        ("command", "a 'b {model} {outputs}", OptionError, "--command: .*: no closing quotation"),
        ("command", "", OptionError, r"expected {model}, {inputs} and {outputs}"),
        ("command", f"{sys.executable} {{model}} {{output}} {{outputs}}", OptionError, "expected {model}"),
        ("python", "no_such_module_here:run", MissingError, "expected package.module:function"),
        ("python", "json", MissingError, "expected package.module:function"),
        ("backend", "json:loads", MissingError, "expected package.module of"),
    ):
        with pytest.raises(error, match=said):
            engine(kind, value)
    for arguments, said in (
        (("run", cases.folder), "give one of --engine, --python, --backend and --command"),
        (("run", cases.folder, "--engine", "tract", "--python", "a:b"), "give one of"),
        (("run", cases.folder, "--python", "json:loads", "--only", "clip"), "leave FOLDER out"),
        (("run", cases.folder, "--python", "json:loads", "--limit", "nan"), "--limit"),
        (("run", cases.folder, "--python", "json:loads", "--limit", "0"), "--limit"),
        (("run", cases.folder, "--python", "json:loads", "--limit", "-1"), "--limit"),
        (("run", cases.folder, "--python", "json:loads", "--limit", "inf"), "--limit"),
        (("write", cases.folder), "the folder is not empty"),
        (("write", tmp_path / "new", "--only", "clop"), "no case has the option 'clop'; did you mean 'clip'"),
        (("check", tmp_path, "--outputs", tmp_path), "cases.json: no such file"),
        (("check", cases.folder, "--outputs", tmp_path), "no outputs of any case of"),
        (("run", "--python", "json:loads", "--only", ""), "expected comma-separated options, found ''"),
        (("write", ""), "the file name is empty"),
    ):
        result = invoke(*arguments)
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_last_states_of_the_other_end_are_no_mistake_of_the_table(cases: Suite) -> None:
    """They were once explained by mistakes that change nothing, such as a clip at 10."""
    case = cases.cases[1]
    found = right(case)
    found["Y_h"] = found["Y"][-1]
    (cause,) = causes([judge(CaseVerdict(case, "ok", found))])
    assert cause.keys == ("last-states:other-end",)


def test_a_case_with_two_causes_has_both_in_the_table() -> None:
    case = catalogue()["lstm_everything_reverse"]
    plain = right(catalogue()["lstm_plain_reverse"])
    verdict = judge(CaseVerdict(case, "ok", plain))
    both = [
        FailureCause((key,), (verdict.case.folder,), verdict.case.folder) for key in ("ignored:clip", "ignored:lengths")
    ]
    (table,) = Conformance("x", (verdict,), (*both,)).tables(words())
    assert table.rows[0][table.columns.index("cause")] == "ignored:clip, ignored:lengths"


def test_what_a_right_case_refutes() -> None:
    """What changes nothing in it is not refuted, and the one direction of a case has no name in its mistakes."""
    refuted = {
        "lstm_peephole_reverse": ("ignored:peephole", "ignored:direction", "order:i,f", "reverse/order:i,f"),
        "lstm_plain_bidirectional": ("order:i,f", "reverse/order:i,f", "forward/order:i,f", "last-states:other-end"),
        "lstm_f_hard_sigmoid": ("ignored:constants of activations",),
    }
    kept = {
        "lstm_peephole_reverse": ("ignored:clip", "forward/order:i,f", "order:r,u"),
        "lstm_usual_constants": ("ignored:constants of activations", "last-states:other-end"),
    }
    for expected, each in ((True, refuted), (False, kept)):
        for name, keys in each.items():
            case = catalogue()[name]
            assert [refutes(judge(CaseVerdict(case, "ok", right(case))), k) for k in keys] == [expected] * len(keys)


def test_a_right_case_moves_a_cause_to_one_direction(cases: Suite) -> None:
    run = conformance_engine.by_function(conformance_engine.exchanged_in_reverse, cases.folder)
    found = [judge(run(case)) for case in cases.cases[:2]]
    assert [one.verdict for one in found] == ["ok", "wrong"]
    (cause,) = causes(found)
    assert (cause.keys[0], cause.attach) == ("reverse/order:i,f", "test_lstm_plain_reverse")


def test_one_file_for_each_output(tmp_path: Path) -> None:
    case = catalogue()["lstm_only_y"]
    place = tmp_path / "test_lstm_only_y"
    place.mkdir()
    np.save(place / "output_0.npy", right(case)["Y"])
    (place / "output_0.log").write_text("loading")
    (place / "output_0.npy.txt").write_text("loading")
    assert judge(read_outputs(place, case)).verdict == "ok"
    (place / "output_0.bin").write_bytes(right(case)["Y"].tobytes())
    one, two = "test_lstm_only_y/output_0.npy", "test_lstm_only_y/output_0.bin"
    found = judge(read_outputs(place, case))
    assert (found.verdict, found.said) == ("wrong", f"{one} and {two}: two files for one output; leave one of them")
    np.savez(tmp_path / "test_lstm_only_y.npz", **right(case))
    said = f"test_lstm_only_y.npz and {one}: two files for one output; leave one of them"
    assert judge(read_outputs(place, case)).said == said


def test_files_that_hold_something_else(tmp_path: Path) -> None:
    """A device writes every output of the operator, and a file that is cut off."""
    case = catalogue()["lstm_only_y"]
    place = tmp_path / "test_lstm_only_y"
    place.mkdir()
    (place / "output_0.bin").write_bytes(right(case)["Y"].tobytes())
    (place / "output_1.bin").write_bytes(bytes(24))
    assert judge(read_outputs(place, case)).verdict == "ok"
    os.mkfifo(place / "output_2.bin")
    one = judge(read_outputs(place, case))
    said = "test_lstm_only_y/output_2.bin: a pipe or device, not a file"  # no path of the system
    assert (one.verdict, one.said) == ("wrong", said)
    (place / "output_2.bin").unlink()
    (place / "output_2.bin").symlink_to("/dev/zero")
    assert judge(read_outputs(place, case)).said == said
    (place / "output_2.bin").unlink()
    (place / "output_2.bin").write_bytes(bytes(1 + (1 << 20)))
    said = "test_lstm_only_y/output_2.bin: expected at most 1,048,576 bytes, found 1,048,577"
    assert judge(read_outputs(place, case)).said == said
    (place / "output_2.bin").unlink()
    (place / "output_0.bin").write_bytes(right(case)["Y"].tobytes()[:-1])
    one = judge(read_outputs(place, case))
    assert (one.verdict, "buffer size" in one.said) == ("wrong", True)


def test_an_array_that_is_returned_alone_is_the_first_output(tmp_path: Path, cases: Suite) -> None:
    case, outputs = cases.cases[0], tmp_path / "outputs.npz"
    place = cases.folder / case.folder
    name = "tests.support.conformance_engine:first"
    assert child.main(name, str(place / "model.onnx"), str(place / "inputs.npz"), str(outputs)) == 0
    assert judge(read_outputs(tmp_path / "outputs", case)).said == "no output Y_h; there are Y"


def test_what_an_engine_said_is_shortened_between_words() -> None:
    assert engines._short("a\n /folder/x/b  c", "/folder/x") == "a b c"
    said = engines._short(
        "Fail: [ONNXRuntimeError] : 1 : FAIL : " + "the node is not supported since it is odd, " * 9, "/folder"
    )
    assert len(said) <= 160
    assert " … " in said
    words_of = "Fail: [ONNXRuntimeError] : 1 : FAIL : the node is not supported since it is odd,"
    assert {*said.replace(" … ", " ").split()} <= {*words_of.split()}
