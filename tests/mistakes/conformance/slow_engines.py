"""Engines in processes of their own: with seeded bugs, and programs that hang, crash or refuse."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lstm_trace.cli.verbs.conformance import judged

from ...support import conformance_engine
from .test_engines import NAMES, Suite, facts, invoke, suite_of


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return suite_of(tmp_path_factory.mktemp("engines"), *NAMES)


PROGRAM = """
import os, pathlib, shutil, signal, sys, time
model, inputs, outputs = map(pathlib.Path, sys.argv[1:])
name = model.parent.name
here = pathlib.Path.cwd()
assert inputs.is_file() and outputs.parent == here == model.parent.parent == pathlib.Path(os.environ["HOME"])
assert not {key for key in os.environ if "proxy" in key.lower() or "TOKEN" in key}
if name == "test_lstm_plain_reverse":
    print("loading"); print("clip is not supported", file=sys.stderr); sys.exit(3)
if name == "test_lstm_clip":
    os.kill(os.getpid(), signal.SIGSEGV)
if name == "test_lstm_peephole_reverse":
    os.fork(); time.sleep(60)
if name != "test_gru_plain_reverse":
    shutil.copy(model.with_name("outputs.npz"), outputs)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals and no fork")
def test_a_program_that_refuses_crashes_and_hangs(
    cases: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("https_proxy", "http://proxy.invalid")
    monkeypatch.setenv("SECRET_TOKEN", "1")
    Path("infer.py").write_text(PROGRAM)
    command = f"{sys.executable} infer.py {{model}} {{inputs}} {{outputs}}"
    code, verdicts, said = facts("run", cases.folder, "--command", command, "--limit", 1.5)
    assert code == 1
    assert [*verdicts.values()] == ["ok", "refused", "crashed", "hung", "refused"]
    assert said == [
        "5 cases: 1 ok, 2 refused, 1 crashed, 1 hung",
        "refused, test_lstm_plain_reverse: clip is not supported",
        "crashed, test_lstm_clip: SIGSEGV",
        "hung, test_lstm_peephole_reverse: no answer in 1.5 s",
        "refused, test_gru_plain_reverse: exit code 0, and no outputs",
    ]


MISCHIEF = """
import os, pathlib, shutil, sys
import numpy as np
model, outputs = map(pathlib.Path, sys.argv[1:3])
name, (right,) = model.parent.name, [dict(np.load(model.with_name("outputs.npz")))]
if name == "test_lstm_plain_forward":  # spoils its files, and says much
    model.write_bytes(b"gone")
    model.with_name("new").write_text("x")
    print("\\x1b[31m\\0" * 10**6, file=sys.stderr)
    np.savez(outputs, *right.values(), np.ones(1))
if name == "test_lstm_plain_reverse":
    np.savez(outputs, **right)
    sys.exit(139)
if name == "test_lstm_clip":
    os.mkfifo(outputs)
if name == "test_lstm_peephole_reverse":
    outputs.symlink_to("/dev/zero")
if name == "test_gru_plain_reverse":
    sys.exit(f"no space for {outputs}")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes")
def test_a_program_that_writes_what_it_should_not(
    cases: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mischief.py").write_text(MISCHIEF)
    before = {path: path.read_bytes() for path in cases.folder.rglob("*") if path.is_file()}
    code, verdicts, said = facts(
        "run", cases.folder, "--command", f"{sys.executable} mischief.py {{model}} {{outputs}}"
    )
    assert (code, [*verdicts.values()]) == (1, ["ok", "crashed", "wrong", "wrong", "refused"])
    assert said[1:] == [
        "crashed, test_lstm_plain_reverse: exit code 139; SIGSEGV",
        "wrong, 2 cases (test_lstm_clip, test_lstm_peephole_reverse): outputs.npz: a pipe or device, not a file",
        "refused, test_gru_plain_reverse: no space for outputs.npz",
    ]
    assert before == {path: path.read_bytes() for path in cases.folder.rglob("*") if path.is_file()}


def test_a_right_engine(cases: Suite, tmp_path: Path) -> None:
    code, verdicts, said = facts("run", cases.folder, "--python", "tests.support.conformance_engine:right")
    assert (code, {*verdicts.values()}) == (0, {"ok"})
    assert said == ["5 cases: 5 ok", "every case is right"]
    run = ("run", cases.folder, "--python", "tests.support.conformance_engine:right", "-o", tmp_path / "s.xml")
    assert invoke(*run).exit_code == 0
    assert (tmp_path / "s.xml").read_text().count("<testcase ") == 5


EVERYTHING = ("lstm_peephole_forward", "lstm_lengths_reverse", "lstm_clip", "lstm_everything_reverse")


@pytest.mark.parametrize(
    ("bug", "names", "causes"),
    [
        ("exchanged", ("lstm_plain_forward", "gru_plain_forward"), {"order:i,f": ["test_lstm_plain_forward"]}),
        (
            "exchanged_in_reverse",
            ("lstm_plain_forward", "lstm_plain_reverse", "lstm_plain_bidirectional", "lstm_weights_only_reverse"),
            {
                "reverse/order:i,f": [
                    "test_lstm_plain_reverse", "test_lstm_plain_bidirectional", "test_lstm_weights_only_reverse",
                ],
            },
        ),
        (
            "no_peepholes",
            (*NAMES, "lstm_everything_reverse"),
            {
                "ignored:direction": [
                    "test_lstm_plain_reverse", "test_lstm_peephole_reverse", "test_gru_plain_reverse",
                    "test_lstm_everything_reverse",
                ],
                "ignored:peephole": ["test_lstm_peephole_reverse", "test_lstm_everything_reverse"],
            },
        ),
        (
            "exchanged_without_clip",
            ("lstm_plain_forward", "lstm_peephole_reverse", "lstm_clip"),
            {
                "order:i,f": ["test_lstm_plain_forward", "test_lstm_peephole_reverse", "test_lstm_clip"],
                "ignored:peephole": ["test_lstm_peephole_reverse"],
                "ignored:clip": ["test_lstm_clip"],
            },
        ),
        (
            "old_cell",
            EVERYTHING,
            {
                "ignored:lengths": ["test_lstm_lengths_reverse", "test_lstm_everything_reverse"],
                "ignored:clip": ["test_lstm_clip", "test_lstm_everything_reverse"],
                "old-cell:z_o": ["test_lstm_peephole_forward", "test_lstm_everything_reverse"],
            },
        ),
    ],
)  # fmt: skip
def test_the_mistakes_that_explain_every_failure(
    tmp_path: Path, bug: str, names: tuple[str, ...], causes: dict[str, list[str]]
) -> None:
    found = judged(
        "bugs",
        suite_of(tmp_path, *names).cases,
        conformance_engine.by_function(getattr(conformance_engine, bug), tmp_path / "cases"),
    )
    assert {cause.keys[0]: [*cause.cases] for cause in found.causes} == causes
    assert all(cause.attach in cause.cases for cause in found.causes)
    assert not [said for said in found.sentences(found.words()) if "first wrong" in said]


def test_a_function_that_is_not_there_is_an_error(cases: Suite) -> None:
    for kind, value, name in (("--python", "json:nope", "nope"), ("--backend", "json", "prepare")):
        result = invoke("run", cases.folder, kind, value)
        said = f"error: {value} cannot be called: AttributeError: module 'json' has no attribute '{name}'\n"
        assert (result.exit_code, result.stderr[-len(said) :]) == (2, said)
    program = f"{sys.executable} -c raise(SystemExit(77)) {{outputs}}"  # means nothing in a program of others
    assert {*facts("run", cases.folder, "--command", program)[1].values()} == {"refused"}


def test_a_cause_that_a_right_case_refutes_is_not_named(tmp_path: Path) -> None:
    suite = suite_of(tmp_path, "lstm_peephole_forward", "lstm_peephole_reverse")
    functions = (lambda *given: conformance_engine._run(*given), lambda *given: conformance_engine._run(*given, "P"))
    forward, reverse = (conformance_engine.by_function(one, suite.folder) for one in functions)
    found = judged("x", suite.cases, lambda case: (reverse if case.direction == "reverse" else forward)(case))
    assert [one.verdict for one in found.verdicts] == ["ok", "wrong"]
    assert not found.causes
    assert "test_lstm_peephole_reverse (wrong): first wrong at" in [*found.sentences(found.words())][1]


def test_a_program_that_gives_no_numbers(cases: Suite) -> None:
    code, verdicts, said = facts("run", cases.folder, "--python", "json:dumps")
    assert (code, {*verdicts.values()}) == (1, {"refused"})
    assert "TypeError" in said[1]
