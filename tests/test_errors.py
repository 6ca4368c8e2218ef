"""Errors of ours are caught by the exceptions of Python that a user expects, and say the same under both names."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable
from errno import ENOENT
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace import errors
from lstm_trace.errors import CellError, FileError, LstmTraceError, MissingError, NotFoundError, OptionError, ShapeError

WEIGHTS = {"W_xi": [[0.5]], "W_hi": [[0.25]]}
TRACE = lt.run(WEIGHTS, [[1.0], [2.0]], ask="z_i", h0=[0.0], given={"h_t": [0.0]})
GONE = Path("no") / "such"
#: What is done, our error, the exception of Python.
CASES: list[tuple[Callable[[], Any], type[LstmTraceError], type[Exception]]] = [
    (lambda: TRACE["z_x"], MissingError, KeyError),
    (lambda: TRACE.to_frame(only="z_x"), MissingError, LookupError),
    (lambda: lt.run({"W_xi": [[0.5]]}, [[1.0]]), MissingError, KeyError),
    (lambda: lt.run(WEIGHTS, [[1.0, 2.0]], ask="z_i"), ShapeError, ValueError),
    (lambda: TRACE.report("pfd"), OptionError, ValueError),
    (lambda: TRACE.to_frame(shape="wid"), OptionError, ValueError),
    (lambda: lt.run({}, [[1.0]], cell={"equations": "h_t = foo(x_t)\noutput: h_t"}), CellError, ValueError),
    (lambda: lt.load(b"{}"), FileError, ValueError),
    (lambda: lt.load(GONE / "t.json"), NotFoundError, FileNotFoundError),
    (lambda: lt.load(GONE / "t.safetensors"), NotFoundError, OSError),
    (lambda: lt.run(GONE / "p.yaml"), NotFoundError, FileNotFoundError),
    *((lambda s=s: lt.prepare(GONE / f"m{s}"), NotFoundError, FileNotFoundError) for s in (".pt", ".npz", ".onnx")),
    (lambda: lt.inspect(GONE / "m.h5"), NotFoundError, FileNotFoundError),
    (lambda: TRACE.save(GONE / "t.json"), NotFoundError, FileNotFoundError),
    (lambda: TRACE.to_csv(GONE / "t.csv"), NotFoundError, FileNotFoundError),
    (lambda: lt.corpus.open(GONE), NotFoundError, FileNotFoundError),
    *((lambda s=s: TRACE.save(f"a\0.{s}"), FileError, ValueError) for s in ("json", "safetensors")),
    (lambda: TRACE.to_csv("a\0.csv"), FileError, ValueError),
    (lambda: TRACE.plot().save("a\0.svg"), FileError, ValueError),
    (lambda: lt.diff(TRACE, TRACE).save("a\0.xlsx"), FileError, ValueError),
    (lambda: lt.load("a\0.json"), FileError, ValueError),
]


@pytest.mark.parametrize(("call", "ours", "python"), CASES)
def test_an_error_is_that_of_python_too(
    call: Callable[[], Any], ours: type[LstmTraceError], python: type[Exception]
) -> None:
    with pytest.raises(python) as caught:
        call()
    error = caught.value
    assert type(error) is ours or issubclass(type(error), ours)
    assert isinstance(error, LstmTraceError)
    assert str(error) == "\n".join(error.problems)
    assert str(error)[0] not in "'\""  # a KeyError would be quoted, an OSError have a number before it
    with pytest.raises(ours) as prefixed, errors.within("again"):
        raise error
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), prefixed.value):  # noqa: S301
        problems = tuple(text.removeprefix("again: ") for text in again.problems)
        assert (type(again), problems, again.args) == (type(error), error.problems, (str(again),))
        if isinstance(error, OSError):
            where = str(GONE / "_manifest.json") if "manifest" in str(error) else str(error).partition(":")[0]
            assert isinstance(again, OSError)
            assert (again.errno, again.filename, again.strerror) == (ENOENT, where, os.strerror(ENOENT))


def test_an_error_keeps_what_was_set() -> None:
    error = lt.StoppedError("the loss is NaN")
    error.alarm = "why"  # type: ignore[assignment]
    assert pickle.loads(pickle.dumps(error)).alarm == "why"  # noqa: S301


@pytest.mark.parametrize(
    "kind", [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, LstmTraceError)]
)
def test_every_error_keeps_all_of_its_problems(kind: type[LstmTraceError]) -> None:
    error = kind("W_xi: one", "b_i: two", "three")
    assert str(error) == "W_xi: one\nb_i: two\nthree"
    assert pickle.loads(pickle.dumps(error)).problems == ("W_xi: one", "b_i: two", "three")  # noqa: S301
    with pytest.raises(kind, match=r"^a: W_xi: one\na: b_i: two\na: three$"), errors.within("a"):
        raise error


def test_a_name_that_a_file_repeats_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"x": [1], "x": [2]}')
    with pytest.raises(FileError) as error:
        lt.run(tmp_path / "p.json")
    assert str(error.value) == f"{tmp_path}/p.json: duplicate key 'x'"
    with pytest.raises(ShapeError) as wrong:
        lt.run(WEIGHTS, np.array([["a"]]), ask="z_i")
    assert str(wrong.value).count("expected numbers") == 1
