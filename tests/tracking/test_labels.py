"""Labels and targets that cannot be decoded are refused in one sentence; what has no label is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_trace.corpus import ablate, run
from lstm_trace.errors import LstmTraceError

from . import quotes

pytestmark = pytest.mark.usefixtures("sklearn")


@pytest.fixture(scope="module")
def every() -> dict[str, dict[str, Any]]:
    found = quotes.sequences(40)
    for one in found.values():
        one["nan"], one["inf"] = ([value] * len(one["tokens"]) for value in (np.nan, np.inf))
        one["huge"] = [1e308 * (-1) ** k for k in range(len(one["tokens"]))]
    return found


@pytest.fixture(scope="module")
def found(every: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The states."""
    there = tmp_path_factory.mktemp("quotes")
    quotes.write(there / "q.parquet", every)
    return run(quotes.model(), there / "q.parquet", there / "states")


def labels(path: Path, every: dict[str, dict[str, Any]], head: str, row: str, count: int, shift: int = 0) -> Path:
    """A row for each step of the first sequences."""
    rows = [
        row.format(id=id_, t=t + shift, word="pq"[t % 2])
        for id_ in [*every][:count]
        for t in range(len(every[id_]["tokens"]))
    ]
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("target", "head", "row", "count", "shift", "said"),
    [
        ("lab", "seq_id,t,lab", "{id},{t},0.5", 2, 0, "at least 4 are needed"),
        ("lab", "seq_id,t,lab,lab", "{id},{t},{word},{word}", 40, 0, "more than one column is called lab"),
        ("t", "seq_id,t,lab", "{id},{t},{word}", 40, 0, "t says which step a label is of"),
        ("seq_id", "seq_id,t,lab", "{id},{t},{word}", 40, 0, "seq_id says which step a label is of"),
        ("lab", "seq_id,t,lab", "{id},{t},{word}", 40, 1000, "no step of the labels is in the states"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(
    found: Any, every: Any, tmp_path: Path, target: str, head: str, row: str, count: int, shift: int, said: str
) -> None:
    path = labels(tmp_path / "l.csv", every, head, row, count, shift)
    with pytest.raises(LstmTraceError, match=said):
        found.probe(target, labels=path)


def test_sequences_without_labels_are_counted(found: Any, every: Any, tmp_path: Path) -> None:
    path = labels(tmp_path / "l.csv", every, "seq_id,t,lab", "{id},{t},{word}", 30)
    probe = found.probe("lab", labels=path)
    assert (probe.every, probe.unlabelled) == (30, 10)
    assert "10 more sequences of the states without any label left out" in str(probe.report())
    assert found.probe("inside").unlabelled == 0


@pytest.mark.parametrize(
    ("target", "said"),
    [("nan", "nan is present in 0 of"), ("inf", "inf is present in 0 of"), ("huge", "huge has numbers")],
)
def test_numbers_that_cannot_be_decoded_are_refused(found: Any, target: str, said: str) -> None:
    with pytest.raises(LstmTraceError, match=said):
        found.probe(target)
    with pytest.raises(LstmTraceError, match=said):
        ablate(found, None, ["c_t[0]"], target)


def test_a_manifest_that_is_some_other_json_is_one_sentence(tmp_path: Path) -> None:
    from lstm_trace.corpus import open

    (tmp_path / "_manifest.json").write_text('{"name": "web", "start_url": "/", "icons": []}')
    with pytest.raises(LstmTraceError, match="not the manifest of a corpus; give a folder") as raised:
        open(tmp_path)
    assert len(raised.value.problems) == 1


def test_a_class_that_is_a_mark_has_quotation_marks(found: Any) -> None:
    text = str(found.probe("token").report())
    assert '| "."' in text
    assert "| a " in text
