"""The command line: verbs, '-' in and out, exit codes, one message on stderr, nothing half-written, a quick --help."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, Literal, get_origin

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

import lstm_trace as lt
from lstm_trace import examples
from lstm_trace.base.extras import NEEDED
from lstm_trace.cli import VERBS, main

from ..support.tiers import some

Q22 = examples.text("q22")


def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


def program(*arguments: str, code: str = "", **options: Any) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    command = [sys.executable, "-c", code] if code else [sys.executable, "-m", "lstm_trace", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, **options)  # noqa: S603


# -- help ------------------------------------------------------------------------------------------------------------


HEAVY = ("numpy", "pydantic", "pandas", "yaml", "rich", "safetensors", "torch")


def imported(arguments: list[str], names: tuple[str, ...]) -> str:
    """Which of these modules the program imports, as the last line of its output."""
    code = (
        f"import sys; sys.argv = ['lstm-trace', *{arguments!r}]\n"
        "from lstm_trace.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('IMPORTED', [m for m in {names!r} if m in sys.modules])"
    )
    return program(code=code).stdout.splitlines()[-1]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "arguments", some([["--help"], ["-h"], ["--version"], ["nonsense"], *([verb, "--help"] for verb in VERBS)], 4)
)
def test_nothing_heavy_is_imported_for_help(arguments: list[str]) -> None:
    assert imported(arguments, HEAVY) == "IMPORTED []"


#: What a report of an exercise does not need; each takes some milliseconds of its start (tests/cli/slow_cli.py).
UNUSED = (
    "pydantic.main", "pandas", "csv", "email", "hashlib", "concurrent.futures",
    "lstm_trace.engine.jit.machine", "lstm_trace.engine.stream", "lstm_trace.backpropagation.gradients",
    "lstm_trace.plot.panels", "lstm_trace.report.sections.training", "lstm_trace.report.sections.profile",
    "lstm_trace.report.sections.long_run", "lstm_trace.documents.latex", "lstm_trace.documents.typst",
)  # fmt: skip


@pytest.mark.few(0)
def test_a_report_imports_only_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "q22.yaml"
    path.write_text(examples.text("q22"), encoding="utf-8")
    assert imported(["report", str(path)], UNUSED) == "IMPORTED []"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_option_has_help(verb: str) -> None:
    command = main.load(verb)  # type: ignore[attr-defined]
    assert command.name == verb
    assert command.help
    assert command.get_short_help_str()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, (verb, parameter.opts)
    result = invoke(verb, "--help")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_help_lists_every_verb_and_the_exit_codes() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    width = max(map(len, VERBS))
    for verb, line in VERBS.items():
        assert f"\n  {verb:{width}}  {line}\n" in result.stdout
    said = "Exit codes: 0 success (no differences), 1 differences found or verification failed, 2 error."
    assert said in " ".join(result.stdout.split())


def test_the_version_has_what_a_report_of_a_fault_needs() -> None:
    first, python, needed, optional, place = invoke("--version").stdout.splitlines()
    assert first == f"lstm-trace {lt.__version__}"
    assert python.startswith(f"Python {sys.version.split()[0]} ({sys.implementation.name.replace('cp', 'CP')}, ")
    assert f"numpy {np.__version__}, " in needed
    assert [part.split()[0] for part in needed.split(", ")] == list(NEEDED)
    assert optional.startswith("optional: ")
    assert (Path(place) / "cli" / "__init__.py").exists()


# -- run, show, example, schema --------------------------------------------------------------------------------------


def test_run_writes_a_trace_to_a_file_or_to_standard_output(tmp_path: Path) -> None:
    problem, trace = tmp_path / "p.yaml", tmp_path / "t.json"
    problem.write_text(Q22, encoding="utf-8")
    result = invoke("run", str(problem), "-o", str(trace))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    for arguments, stdin in ((["run", str(problem)], None), (["run", "-"], Q22), (["run", "-", "-o", "-"], Q22)):
        result = invoke(*arguments, stdin=stdin)
        assert result.exit_code == 0
        assert json.loads(result.stdout) == json.loads(trace.read_text(encoding="utf-8"))
    assert lt.verify(lt.load(trace)).verdict == "verified"


@pytest.mark.parametrize("name", ["q22.json", "q22.toml"])
def test_run_reads_all_three_formats_from_files_and_pipes(name: str, tmp_path: Path) -> None:
    data = json.dumps({"weights": {"W_xi": [[1.0]], "W_hi": [[2.0]]}, "x": [1.0], "ask": ["i_t"]})
    text = data if name.endswith("json") else 'x = [1.0]\nask = ["i_t"]\n[weights]\nW_xi = [[1.0]]\nW_hi = [[2.0]]'
    (tmp_path / name).write_text(text, encoding="utf-8")
    results = [invoke("run", str(tmp_path / name)), invoke("run", "-", stdin=text)]
    assert [r.exit_code for r in results] == [0, 0]
    assert results[0].stdout == results[1].stdout


def test_what_run_gives_can_be_piped_on() -> None:
    trace = invoke("run", "-", stdin=Q22).stdout
    for verb in ("report", "show", "verify", "export"):
        result = invoke(verb, "-", stdin=trace)
        assert result.exit_code == 0, (verb, result.output)
        assert result.stdout
        if verb != "verify":
            assert invoke(verb, "-", stdin=Q22).stdout == result.stdout, "a problem is traced first"


def test_example_lists_and_prints() -> None:
    listed = invoke("example").stdout.splitlines()
    assert [row.split()[0] for row in listed] == list(examples.examples())
    assert "Question 22" in "\n".join(listed)
    assert max(map(len, listed)) <= 80
    titles = examples.examples()
    assert {row.index(titles[row.split()[0]]) for row in listed} == {max(map(len, titles)) + 2}
    assert invoke("example", "q22").stdout == Q22
    rows = json.loads(invoke("example", "--format", "json").stdout)["rows"]
    assert {row["name"]: row["title"] for row in rows} == titles
    refused = invoke("example", "q22", "-o", "q22.md")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "write the example with > q22.yaml" in refused.stderr
    wrong = invoke("example", "q2")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: there is no example 'q2'; did you mean 'q2")
    assert f"there are {', '.join(examples.examples())}\n" in invoke("example", "zebra").stderr


def test_checker_prints_the_file_as_it_is() -> None:
    file = Path(lt.__file__).parent / "checker" / "check.py"
    assert invoke("checker").stdout == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["problem", "trace"])
def test_schema_prints_the_json_schema(name: str) -> None:
    schema = json.loads(invoke("schema", name).stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]
    assert invoke("schema", "other").exit_code == 2


# -- trouble ---------------------------------------------------------------------------------------------------------

GATE = "weights:\n  W_xi: [[1, 2], [3, 4], [5, 6]]\n  W_hi: [[1, 2, 3], [4, 5, 6], [7, 8, 9]]\nx: [1, 2]\nask: [i_t]\n"
#: Problems with a fault, and the whole of stderr.
TROUBLE: list[tuple[str, str, str]] = [
    ("a missing weight", GATE.replace("  W_hi: [[1, 2, 3], [4, 5, 6], [7, 8, 9]]\n", ""),
     "error: p.yaml: line `W_hi @ h_prev` needs W_hi, which the weights do not have\n"),
    ("a transposed weight", GATE.replace("[[1, 2], [3, 4], [5, 6]]", "[[1, 2, 3], [4, 5, 6]]"),
     "error: p.yaml: W_xi has shape (2, 3); line `W_xi @ x_t` needs (H, I) = (3, 2). It looks transposed. "
     "Known sizes: T=1 B=1, I=2 (from x), H=3 (from W_hi).\n"),
    ("two misshapen weights", GATE.replace("[[1, 2], ", "[[1, 2, 3], ").replace("[4, 5, 6], ", "[4, 5], ").replace(
        "[3, 4], [5, 6]]", "[3, 4, 5], [5, 6, 7]]").replace("[[1, 2, 3], [4, 5], [7, 8, 9]]", "[[1, 2, 3], [7, 8, 9]]"),
     "error: 2 problems\n"
     "- p.yaml: W_xi has shape (3, 3); line `W_xi @ x_t` needs (H, I) = (3, 2). Or is x wrong? "
     "Known sizes: T=1 B=1, I=2 (from x), H=3 (from W_xi).\n"
     "- p.yaml: W_hi has shape (2, 3); line `W_hi @ h_prev` needs (H, H) = (3, 3). Known sizes: T=1 B=1, I=2 "
     "(from x), H=3 (from W_xi).\n"),
    ("a ragged list and an unknown key", GATE.replace("[5, 6]]", "[5]]") + "aks: [i_t]\n",
     "error: 2 problems\n"
     "- p.yaml: weights.W_xi: the list is ragged: row 2 has 1 number where row 0 has 2\n"
     "- p.yaml: unknown key 'aks'; 'ask' is there already\n"),
    ("a key that stands twice", GATE + "x: [3, 4]\n", "error: p.yaml: line 6: duplicate key 'x' (first in line 4)\n"),
    ("an empty sequence", GATE.replace("x: [1, 2]", "x: []"),
     "error: p.yaml: the sequence is empty: x needs at least one step of numbers\n"),
    ("text for a number", GATE.replace("x: [1, 2]", "x: [1, two]"),
     "error: p.yaml: x: expected a number at [1], found the text 'two'\n"),
    ("an equation with a typo", "cell:\n  equations: |\n    h_t = tanh(W @ x_t)\n    p = sigmod(h_t)\nx: [1]\n",
     "error: p.yaml: equation 2: unknown function 'sigmod'; did you mean 'sigmoid'?\n    p = sigmod(h_t)\n        ^\n"),
    ("two equations with a fault", "cell:\n  equations: |\n    h_t = tnh(W @ x_t)\n    h_t = c_prev + 1\nx: [1]\n",
     "error: 2 problems\n"
     "- p.yaml: equation 1: unknown function 'tnh'; did you mean 'tanh'?\n      h_t = tnh(W @ x_t)\n            ^\n"
     "- p.yaml: equation 2: h_t is assigned twice (first in equation 1); choose another name\n"
     "      h_t = c_prev + 1\n      ^\n"),
    ("an empty file", "", "error: p.yaml: expected a problem (title, weights, x, …), found an empty file; "
     "`lstm-trace example three-steps` prints one\n"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "message"), TROUBLE, ids=[name for name, *_ in TROUBLE])
def test_trouble_is_one_message_and_exit_code_2_and_no_file(
    name: str, text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(text, encoding="utf-8")
    result = invoke("run", "p.yaml", "-o", "t.json")
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)
    assert os.listdir() == ["p.yaml"]


#: Traces that are none, by what was done to a good one; stderr begins so.
TRACES: list[tuple[Any, str]] = [
    (lambda text: text[: len(text) // 2], "error: t.json: not complete JSON ("),
    (
        lambda text: text.replace("lstm-trace/1", "lstm-trace/9"),
        "error: t.json: written in the format lstm-trace/9; this",
    ),
    (lambda text: text.replace('"steps": 1', '"steps": 2'), "error: "),
    (lambda text: "", "error: t.json: "),
    (lambda text: "\x00\x01binary", "error: t.json: "),
    (lambda text: '{"weights": ', "error: t.json: "),
]


@pytest.mark.few(5)
@pytest.mark.parametrize(("change", "message"), TRACES, ids=[m[7:40] for _, m in TRACES])
@pytest.mark.parametrize("verb", ["report", "show", "verify", "export"])
def test_bad_traces_are_trouble_for_every_verb(
    verb: str, change: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.json").write_text(change(invoke("run", "-", stdin=Q22).stdout), encoding="utf-8")
    options = [] if verb in ("show", "verify") else ["-o", "out.md" if verb == "report" else "out.csv"]
    result = invoke(verb, "t.json", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(message)
    assert os.listdir() == ["t.json"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rnu"], "error: no command 'rnu'; did you mean 'run'?"),
        (["zebra"], "error: no command 'zebra'; there are run, report,"),
        (["run"], "error: Missing argument"),
        (["run", "q.yaml", "--h0", "none.npy"], "error: none.npy: cannot be read: no such file or directory"),
        (["run", "none.yaml"], "error: none.yaml: no such file or directory"),
        (["run", "."], "error: .: is a directory"),
        (["run", "q.yaml", "--wat"], "error: No such option"),
        (["run", "q.yaml", "-o", "t.pickle"], "error: t.pickle: "),
        (["run", "q.yaml", "-o", "no/t.json"], "error: no/t.json: no such file or directory"),
        (["report", "q.yaml", "--steps", "x"], "error: Invalid value for '--steps'"),
        (["report", "q.yaml", "--digits", "-1"], "error: Invalid value for '--digits'"),
        (["example", "q22", "q19"], "error: Got unexpected extra argument"),
    ],
)
def test_wrong_calls_are_trouble(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("q.yaml").write_text(Q22, encoding="utf-8")
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(message), result.stderr
    assert os.listdir() == ["q.yaml"]


def test_a_file_that_is_not_utf_8_is_trouble(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes("title: Größe".encode("latin-1"))
    result = invoke("run", str(path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {path}: not UTF-8 (byte 9); save it as UTF-8\n"
    assert invoke("run", "-", stdin=b"\xff\xfe").stderr == "error: -: not UTF-8 (byte 0); save it as UTF-8\n"


def test_nonfinite_weights_need_a_word(tmp_path: Path) -> None:
    text = GATE.replace("[5, 6]", "[5, .inf]")
    result = invoke("run", "-", stdin=text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "W_xi[2,1] is inf; expected finite numbers (--allow-nonfinite," in result.stderr
    assert invoke("run", "-", "--allow-nonfinite", stdin=text).exit_code == 0
    assert invoke("report", "-", "--allow-nonfinite", stdin=text).exit_code == 0


def test_a_problem_that_does_not_fit_into_memory_is_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstm_trace.base.resources.available", lambda: 1024**2)
    data = {"weights": {"W_xi": [[1, 2], [3, 4], [5, 6]]}, "x": [[1, 2]] * 60_000, "ask": ["W_xi @ x_t"]}
    result = invoke("run", "-", stdin=json.dumps(data))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "error: -: the trace would need 1.4 MiB and 1.0 MiB of memory are free; "
        "ask for fewer lines, or trace fewer steps or rows\n"
    )


def test_exit_codes_tell_proven_from_failed(tmp_path: Path) -> None:
    trace = json.loads(invoke("run", "-", stdin=Q22).stdout)
    assert invoke("verify", "-", stdin=json.dumps(trace)).exit_code == 0
    trace["lines"]["0/forward"]["i_t"][0][0][0] += 1e-9
    assert invoke("verify", "-", stdin=json.dumps(trace)).exit_code == 1


def test_the_package_offers_its_own_names_only() -> None:
    import lstm_trace as lt

    assert all(
        getattr(lt, name).__module__.startswith("lstm_trace")
        for name in dir(lt)
        if name not in ("__version__", "corpus", "testing") and get_origin(getattr(lt, name)) is not Literal
    )
    assert all(getattr(lt, name).__doc__ for name in dir(lt) if get_origin(getattr(lt, name)) is not Literal)


@pytest.mark.parametrize(
    "verb", [*(verb for verb in VERBS if verb not in ("explain", "corpus")), "explain gradient", "corpus run"]
)
def test_a_help_fits_on_a_screen(verb: str) -> None:
    shown = re.findall(r"^  (?:-\w, )?--", invoke(*verb.split(), "--help").stdout, re.M)
    assert 1 <= len(shown) <= 27


def functions(group: click.Group = main) -> Iterator[tuple[click.Command, Any]]:
    """Each command with the function that it is made from."""
    context = click.Context(group)
    for command in filter(None, (group.get_command(context, name) for name in group.list_commands(context))):
        if isinstance(command, click.Group):
            yield from functions(command)
            continue
        made: Any = command.callback
        while isinstance(made, partial) or hasattr(made, "__wrapped__"):
            made = made.args[-1] if isinstance(made, partial) else made.__wrapped__
        yield command, made


def test_every_keyword_of_a_command_is_an_option() -> None:
    """One that no docstring describes would be none, without a word."""
    put_together = {"style"}  # from the options of a style
    for command, made in functions():
        keywords = {one.name for one in signature(made).parameters.values() if one.kind is one.KEYWORD_ONLY}
        assert keywords - put_together <= {one.name for one in command.params}, command.name


def test_a_server_without_its_packages_names_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    found = invoke("serve")
    assert found.exit_code == 2
    assert "needs the packages fastapi, uvicorn and SQLAlchemy, which are not installed" in found.output


@pytest.mark.parametrize(("words", "found"), [
    ("lstm-trace exp", {"export", "explain"}),
    ("lstm-trace explain mem", {"memory"}),
    ("lstm-trace corpus st", {"status"}),
    ("lstm-trace plot x.yaml --kind stat", {"states"}),
    ("lstm-trace report x.yaml --language f", {"fr"}),
    ("lstm-trace explain gradient x --not", {"--notation"}),
])  # fmt: skip
def test_a_shell_completes(words: str, found: set[str]) -> None:
    asked = {"_LSTM_TRACE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    result = CliRunner(env=asked).invoke(main, prog_name="lstm-trace")
    assert {row.partition(",")[2] for row in result.stdout.splitlines()} == found
