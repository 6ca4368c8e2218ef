"""The suite in real engines: onnxruntime is right, ONNX's checker accepts the files, other engines do what is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstm_trace.cli.verbs.conformance import judged
from lstm_trace.mistakes.conformance.cases import NodeCase, catalogue, chosen, write
from lstm_trace.mistakes.conformance.engines import engine
from lstm_trace.results.conformance import Conformance

onnx = pytest.importorskip("onnx")


def run(name: str, cases: list[NodeCase], opset: int = 14) -> Conformance:
    found = engine("engine", name)
    return judged(found.title, cases, lambda case: found.run(case, opset, 120))


@pytest.mark.parametrize("opset", [7, 14, 22])
def test_onnxruntime_is_right_and_the_files_are_valid(tmp_path: Path, opset: int) -> None:
    pytest.importorskip("onnxruntime")
    write(str(tmp_path / "cases"), cases := chosen("full", (), opset, None), opset)
    for path in tmp_path.glob("cases/*/model.onnx"):
        onnx.checker.check_model(onnx.load(path), full_check=True)
    found = run("onnxruntime", cases, opset)
    assert {one.case.folder for one in found.verdicts if one.verdict != "ok"} == {
        case.folder for case in cases if "layout" in case.attributes
    }
    assert all(one.reading in ("", "onnxruntime") for one in found.verdicts)


@pytest.mark.parametrize("name", ["reference", "openvino", "tract"])
def test_what_other_engines_do_is_explained(name: str) -> None:
    pytest.importorskip({"reference": "onnx"}.get(name, name))
    names = ("lstm_plain_forward", "lstm_input_forget", "lstm_peephole_reverse", "lstm_g_relu", "gru_lengths_forward")
    found = run(name, [catalogue()[one] for one in names])
    assert [one.verdict for one in found.verdicts][:2] == ["ok", "wrong"]
    assert "ignored:input_forget" in {cause.keys[0] for cause in found.causes}
    explained = {one for cause in found.causes for one in cause.cases}
    assert explained == {one.case.folder for one in found.verdicts if one.verdict == "wrong"}
