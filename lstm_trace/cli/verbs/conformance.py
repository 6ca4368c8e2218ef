"""`lstm-trace conformance`: does an engine compute the LSTM, GRU and RNN of ONNX, and if not, what does it do?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import click

from ...base.option import Option, name_list
from ...base.packaged import packaged
from ...documents.formats import UNPICTURED
from ..commands import FILE, OutputPath, Text, Verbs, command, group
from ..options import conclude, echo, result_options
from ..terminal import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...mistakes.conformance.cases import NodeCase
    from ...mistakes.conformance.engines import CaseVerdict
    from ...results.conformance import Conformance

#: See `Verbs`.
VERBS: dict[str, str] = packaged("cli/verbs.toml")["conformance"]


@click.command("conformance", cls=Verbs, verbs=VERBS, load=lambda verb: globals()[verb])
def conformance() -> None:
    """Test an engine that runs ONNX models: does it compute every option of LSTM, GRU and RNN? (docs/porting.md)

    Begin with `lstm-trace conformance run --engine onnxruntime`, or with `lstm-trace conformance write cases`.
    """


class _Chosen(TypedDict):
    """Which cases.

    Attributes:
        only: Only the cases that use one of these options: peephole, lengths, clip, gru, …
        model: Only the options that this ONNX model uses, and a case with the attributes of each of its nodes.
        opset: Set of operators of the files (14).
    """

    only: Annotated[Any, Text(partial(name_list, what="options"))]
    model: Annotated[str, FILE]
    opset: Annotated[int, Option(least=7, most=22)]


chosen_options = group(_Chosen)
Folder = Annotated[str, click.Path(file_okay=False)]
NewFolder = Annotated[str, OutputPath(file_okay=False)]
Expected = Annotated[
    str | None, Option(help="Cases that are known to fail: lines CASE,VERDICT, or a .csv of run."), FILE
]
_RESULTS = result_options("text", UNPICTURED | {".xml": "xml"})


@command("write")
@chosen_options
def write(folder: NewFolder, *, level: Literal["core", "full"] = "full", **given: Any) -> None:
    """Write the cases to a new FOLDER: models, inputs and outputs as ONNX's backend tests have them, and as .npz.

    Each case also has a trace with every line. The files are byte by byte the same on every machine.

    Args:
        level: All cases, or a smallest set of them that shows every mistake of the table.
    """
    from ...errors import counted
    from ...mistakes.conformance import cases as suite

    cases, opset = _chosen(level, **given)
    suite.write(folder, cases, opset)
    echo(f"{counted(len(cases), 'case')} in {folder}")


def _chosen(
    level: str, only: Any = None, model: str | None = None, opset: int | None = None
) -> tuple[list[NodeCase], int]:
    from ...mistakes.conformance import cases as suite

    return suite.chosen(level, only or (), opset or 14, model), opset or 14


@command("run")
@chosen_options
@_RESULTS
def run(
    folder: Annotated[str | None, click.Path(file_okay=False)] = None,
    *,
    engine: Literal["onnxruntime", "openvino", "tract", "reference"] | None = None,
    python: Annotated[str | None, Option(metavar="MODULE:FUNCTION")] = None,
    backend: Annotated[str | None, Option(metavar="MODULE")] = None,
    command: Annotated[str | None, Option(metavar="COMMAND")] = None,
    limit: Annotated[float, Option(least=0, above=True, most=86_400, metavar="SECONDS")] = 60.0,
    expected: Expected = None,
    **given: Any,
) -> Any:
    """Run an engine on the cases of FOLDER (without it: on all), each in a process of its own with a time limit.

    Exit codes: 0 every case is right or known to fail, 1 failures, 2 error.

    Args:
        engine: An engine that is installed here; reference is that of the onnx package.
        python: A function of (path of the model, inputs by name) that returns the outputs, by name or in order.
        backend: A module with `prepare`, as for onnx.backend.test.
        command: Any program, as in './infer {model} {inputs} {outputs}': reads .npz, writes .npz.
        limit: Time limit of a case.
    """
    from ...mistakes.conformance import cases as suite, engines

    kinds = {"engine": engine, "python": python, "backend": backend, "command": command}
    chosen = {kind: value for kind, value in kinds.items() if value is not None}
    if len(chosen) != 1:
        raise click.UsageError("give one of --engine, --python, --backend and --command: what runs the models")
    found = engines.engine(*chosen.popitem())
    if folder is not None and any(given[name] is not None for name in ("only", "model", "opset")):
        raise click.UsageError("--only, --model and --opset choose the cases that are written: leave FOLDER out")
    cases, opset = _chosen("full", **given) if folder is None else suite.read(folder)
    return judged(found.title, cases, lambda case: found.run(case, opset, limit), expected)


@command("check")
@_RESULTS
def check(
    folder: Folder, *, outputs: Annotated[str, click.Path(exists=True, file_okay=False)], expected: Expected = None
) -> Any:  # fmt: skip
    """Check the OUTPUTS of an engine that ran elsewhere on the cases of FOLDER: a device, a simulator.

    A case's outputs are CASE.npz, CASE.npy (the first output), or CASE/output_0.npy, .pb or .bin (float32).

    Exit codes: 0 every case is right or known to fail, 1 failures, 2 error.

    Args:
        outputs: The folder of the outputs.
    """
    from ...errors import FileError
    from ...mistakes.conformance import cases as suite, engines

    cases, _ = suite.read(folder)
    found = {case: engines.read_outputs(Path(outputs, case.folder), case) for case in cases}
    if all(one.verdict == "refused" for one in found.values()):
        name = cases[0].folder
        raise FileError(f"{outputs}: no outputs of any case of {folder}; expected {name}.npz, {name}/output_0.npy, …")
    return judged(outputs, cases, found.__getitem__, expected)


def judged(
    title: str, cases: Sequence[NodeCase], run: Callable[[NodeCase], CaseVerdict], expected: str | None = None
) -> Conformance:
    """The verdict on every case, and what explains the failures; sets the exit code within a command.

    run: what an engine gave of a case. expected: a file of known failures.
    """
    from ...mistakes.conformance.judging import causes, judge
    from ...results.conformance import Conformance, expected_verdicts

    known = {} if expected is None else expected_verdicts(expected)
    verdicts = []
    with ProgressBar("running", "cases", len(cases)) as bar, ThreadPoolExecutor(4) as pool:
        for one in pool.map(run, cases):
            verdicts.append(judge(one)._replace(known=known.get(one.case.folder, "")))
            bar.advance(1)
    with ProgressBar("explaining", "cases") as bar:
        result = Conformance(title, tuple(verdicts), causes(verdicts, bar))
    if click.get_current_context(silent=True) is not None:
        conclude(1 if result.failed else 0)
    return result
