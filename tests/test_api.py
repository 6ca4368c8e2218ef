"""What `import lstm_trace` offers: lazily, with help and types, and with our error for every wrong argument."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_origin

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError, OptionError, ShapeError
from lstm_trace.model.model import Model

from .cell.test_network import weights

ONE = {name.split("/")[-1]: array for name, array in weights(1, both=False).items()}
X = np.arange(6.0).reshape(2, 1, 3)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, lstm_trace; print([m for m in ('numpy', 'pydantic', 'pandas', 'yaml') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert found.stdout.strip() == "[]"


def test_every_public_name_is_there_with_help() -> None:
    names = [name for name in dir(lt) if not name.startswith("_") and name != "np"]
    assert {"run", "prepare", "load", "verify", "calc_input_gate", "calc_hidden_state", "LstmTraceError"} <= set(names)
    for name in names:
        value = getattr(lt, name)
        assert inspect.getdoc(value) or get_origin(value) is Literal, name
        if inspect.isfunction(value):
            hints = inspect.signature(value)
            assert hints.return_annotation is not inspect.Signature.empty, name
            assert all(p.annotation is not inspect.Parameter.empty for p in hints.parameters.values()), name
    assert (Path(lt.__file__).parent / "py.typed").exists()
    assert lt.__version__.count(".") == 2
    with pytest.raises(AttributeError, match="has no attribute 'runn'"):
        _ = lt.runn


def test_prepare_once_and_run_often_is_run() -> None:
    model = lt.prepare(ONE, name="mine")
    assert isinstance(model, Model)
    assert lt.prepare(model) is model
    for scale in (1.0, -2.0):
        np.testing.assert_array_equal(model.run(scale * X)["h_t"], lt.run(ONE, scale * X)["h_t"])
    assert model.run(X).header.title == "mine"
    np.testing.assert_array_equal(model.run(X, ask="c_t")["c_t"], model.run(X)["c_t"])


def test_a_model_keeps_its_own_copy_of_the_weights() -> None:
    mine = {name: array.copy() for name, array in ONE.items()}
    model = lt.prepare(mine)
    before = model.run(X)["h_t"].copy()
    for array in mine.values():
        array[...] = 0
    np.testing.assert_array_equal(model.run(X)["h_t"], before)


@pytest.mark.parametrize("plan", ["planned", "auto"])
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])  # noqa: S301
def test_a_copy_of_a_model_has_machines_of_its_own(copied: Any, plan: Any) -> None:
    model = lt.prepare(ONE)
    other = np.random.default_rng(8).normal(size=X.shape)
    expected = [model.run(x, plan=plan)["h_t"].copy() for x in (X, X, other)]
    again = copied(model)
    np.testing.assert_array_equal(again.run(other, plan=plan)["h_t"], expected[2])
    np.testing.assert_array_equal(model.run(X, plan=plan)["h_t"], expected[0])
    assert not any(array.flags.writeable for here in again.weights.values() for array in here.values())


def test_options_are_given_beside_the_cell_or_in_it() -> None:
    one = lt.run(ONE, X, cell={"kind": "lstm", "forget_bias": 1.0})
    two = lt.run(ONE, X, options={"forget_bias": 1.0})
    np.testing.assert_array_equal(one["h_t"], two["h_t"])
    assert one.header.options == two.header.options
    assert not np.allclose(one["h_t"], lt.run(ONE, X)["h_t"])


def test_a_trace_is_saved_and_loaded(tmp_path: Path) -> None:
    trace = lt.run(ONE, X)
    trace.save(tmp_path / "t.json")
    again = lt.load(tmp_path / "t.json")
    np.testing.assert_array_equal(again["h_t"], trace["h_t"])
    assert lt.verify(again).verdict == "verified"
    assert "h_t" in again.report()
    assert list(again.to_frame().columns) == ["layer", "direction", "t", "batch", "line", "op", "unit", "value"]
    with pytest.raises(FileError, match="no such file"):
        lt.load(tmp_path / "none.json")


#: Calls with something wrong in them, and what is said.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"x": [[1.0, 2.0]]}, "x has width 2; line `W_xi @ x_t` needs I = 3."),
    ({"x": [[1.0, 2.0, 3.0], [4.0]]}, "x: the list is ragged: row 1 has 1 number where row 0 has 3"),
    ({"x": [["a", "b", "c"]]}, "x: expected a number at [0,0], found the text 'a'"),
    ({"x": np.array([["a"]])}, "x: expected numbers, found the dtype <U1"),
    ({"x": X * 1j}, "x: expected numbers, found the dtype complex128"),
    ({"x": np.ma.masked_array(np.ones((2, 3)), mask=np.eye(2, 3))}, "x: some entries are masked, and a run has no"),
    ({"x": np.zeros((0, 3))}, "the sequence is empty: x needs at least one step of numbers"),
    ({"x": np.zeros((2, 0, 3))}, "x has shape (2, 0, 3), which is empty"),
    ({"x": np.zeros((1, 1, 1, 3))}, "x has shape (1, 1, 1, 3); expected (T, I) or (T, B, I)"),
    ({"x": None}, "line `W_xi @ x_t` needs the input x_t, which is not given: add x"),
    ({"h0": np.zeros(3)}, "h0 has width 3; line `W_hi @ h_prev` needs H = 2."),
    ({"h0": np.zeros((2, 2))}, "h0 has shape (2, 2); expected (L·D, B, width) with L·D = 1, B = 1:"),
    ({"c0": [[1.0], [2.0, 3.0]]}, "c0: the list is ragged"),
    ({"c0": "zero"}, "c0: expected a number, found the text 'zero'"),
    ({"initial": {"n_prev": [0.0]}}, "the cell carries no state n_prev; it carries h0, c0"),
    ({"lengths": [3]}, "lengths has 3; expected 0 to T = 2"),
    ({"lengths": [[1]]}, "lengths has shape (1, 1); expected one for each of the B = 1 rows"),
    ({"lengths": [0.5]}, "lengths must be whole numbers; found [0.5]"),
    ({"lengths": "all"}, "lengths: expected a number, found the text 'all'"),
    ({"ask": "it"}, "ask: there is no line 'it'; did you mean 'i_t'?"),
    ({"ask": ["i_t[2]"]}, "ask: there is no i_t[2]; i_t has [0] to [1]"),
    ({"given": {"ft": [1.0]}}, "given: there is no line 'ft'; did you mean 'f_t'?"),
    ({"given": {"f_t": np.zeros((3, 1, 2))}}, "given f_t has shape (3, 1, 2); expected (width,), (T, width) or (T, B"),
    ({"given": {"f_t": [1.0, 2.0, 3.0]}}, "f_t has width 3; line `f_t * c_prev` needs H = 2."),
    ({"dtype": "int32x"}, "dtype"),
    ({"dtype": "complex64"}, "dtype complex64 is not supported; use float32 or float64"),
    ({"cell": {"equations": 3}}, "equations"),
    ({"cell": "GRU"}, "unknown cell 'GRU'"),
    ({"cell": {"kind": "lstm", "bias": "three"}}, "option bias must be none, one or two; found 'three'"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_wrong_arguments_get_our_error(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(LstmTraceError) as error:
        lt.run(ONE, **{"x": X, **wrong})
    assert message in str(error.value)


@pytest.mark.parametrize("source", [3, None, [1, 2], {"weights": 3}, {1: [2.0]}, b"q22.yaml"])
def test_sources_that_are_none(source: Any) -> None:
    with pytest.raises(LstmTraceError):
        lt.run(source, X)


def test_several_wrong_arguments_are_told_at_once() -> None:
    with pytest.raises(LstmTraceError) as error:
        lt.run(ONE, X, h0=np.zeros((5, 5)), lengths=[9], given={"ft": 1.0})
    assert len(error.value.problems) == 3
    with pytest.raises(LstmTraceError) as error:
        lt.run({"W_xi": ONE["W_xi"], "W_hi": ONE["W_hi"].T[:1]}, X, ask=["c_t", "q_t"])
    text = str(error.value)
    assert "ask: there is no line 'q_t'" in text
    assert "needs W_xf" in text
    assert "W_hi has shape (1, 2); line `W_hi @ h_prev` needs (H, H) = (2, 2)." in text


T = lt.run(ONE, X)
#: Arguments of the wrong kind: what is called, and all that is said.
WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: lt.run(ONE, X, dtype="int32"), "dtype int32 is not supported; use float32 or float64"),
    (lambda: lt.run(ONE, X, dtype="longdouble"), f"dtype {np.dtype('longdouble')} is not supported; use float32 or "),
    (lambda: lt.run(ONE, X, dtype={}), "dtype void is not supported; use float32 or float64"),
    (lambda: lt.run(ONE, X, dtype=3), "dtype 3 is not known; use float32 or float64"),
    (lambda: lt.diff(T, T, rtol=-1), "rtol: expected a finite number of at least 0, found -1"),
    (lambda: lt.diff(T, T, atol=float("nan")), "atol: expected a finite number of at least 0, found nan"),
    (lambda: lt.diff(T, T, ulps=float("inf")), "ulps: expected a finite number of at least 0, found inf"),
    (lambda: lt.diff(T, T, ulps="2"), "ulps: expected a number, found the text '2'"),
    (lambda: lt.diff(T, 3), "b: expected weights by name, a problem, a path or a live module; found 3"),
    (lambda: lt.verify(3), "trace: expected a trace, as lt.run and lt.load return it, found 3"),
    (lambda: lt.explain("t", "h_t"), "trace: expected a trace, as lt.run and lt.load return it, found the text 't'"),
    (lambda: lt.gradients(trace=None), "trace: expected a trace, as lt.run and lt.load return it, found nothing"),
    (lambda: T.report(digits=-1), "digits: expected a whole number from 0 to 17, found -1"),
    (lambda: T.report(digits="a"), "digits: expected a whole number from 0 to 17, found the text 'a'"),
    (lambda: T.report(digits=True), "digits: expected a whole number from 0 to 17, found true"),
    (lambda: T.report(significant=0), "significant: expected a whole number from 1 to 17, found 0"),
    (lambda: T.report(digits_of={"c_t": 18}), "digits of c_t: expected a whole number from 0 to 17, found 18"),
    (lambda: T.save(3), "path: expected the path of a file, or a stream that is open for writing, found 3"),
    (lambda: T.to_csv(3), "path: expected the path of a file, or a stream that is open for writing, found 3"),
    (lambda: lt.load(3), "path: expected the path of a file, an open stream, or bytes, found 3"),
    (lambda: lt.inspect(3), "path: expected the path of a file, found 3"),
    (lambda: lt.run(ONE, X, batch_first="no"), "batch_first: expected true or false, found the text 'no'"),
    (lambda: lt.run(ONE, X, batch_first=1), "batch_first: expected true or false, found 1"),
    (lambda: lt.run(ONE, X, lengths=2), "lengths is the single number 2; expected one for each of the B = 1 rows"),
    (lambda: lt.run(ONE, X, lengths=[True]), "lengths: expected a number at [0], found true"),
    (lambda: lt.run(ONE, X, out=3), "out: expected a trace, or the path of one, found 3"),
    (lambda: lt.run(ONE, X, ask=3), "ask: expected a name, or a list of names, found 3"),
    (lambda: lt.run(ONE, X, options="peephole"), "options: expected a mapping, as in {'name': value}, found the text"),
    (lambda: lt.run(ONE, X, options={1: True}), "options have names, as in {'peephole': True}; found the key 1"),
    (lambda: lt.run(ONE, X, cell=3), "cell: expected a name, or a mapping as in {'kind': 'lstm', 'peephole': True}, "),
    (lambda: lt.prepare(3), "expected weights by name, a problem, a path or a live module; found 3"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_an_argument_of_the_wrong_kind_is_told(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(LstmTraceError) as error:
        call()
    assert str(error.value).startswith(message)
    assert isinstance(error.value, OptionError | ShapeError)


def test_arguments_of_the_right_kind() -> None:
    assert {lt.run(ONE, X, dtype=d).header.dtype for d in ("float16", "float32", np.float16, "<f4")} == {"float32"}
    assert {lt.run(ONE, X, dtype=d).header.dtype for d in (None, float, "float64", ">f8")} == {"float64"}
    whole = {name: np.ones(np.shape(w), np.int32) for name, w in ONE.items()}
    assert lt.run(whole, np.ones(np.shape(X), np.int8)).header.dtype == "float64"
    assert lt.run(ONE, X, batch_first=np.False_, ask=(name for name in ["h_t"]))["h_t"].shape[0] == len(X)
    assert lt.diff(T, T, rtol=0, ulps=np.float32(1)).same
    assert T.report(digits=None, digits_of={}) != T.report(digits=17, digits_of={"h_t": 0}) != T.report(digits=0)


def public() -> Iterator[tuple[str, Any]]:
    """Every function of the interface, and every method of its classes, by name."""
    for name in lt.__all__:
        found = getattr(lt, name)
        if inspect.isclass(found):
            yield from ((f"{name}.{key}", value) for key, value in vars(found).items() if not key.startswith("_"))
        else:
            yield name, found


@pytest.mark.parametrize(("name", "function"), [pair for pair in public() if inspect.isfunction(pair[1])])
def test_docstrings_have_the_sections_that_editors_read(name: str, function: Any) -> None:
    text = inspect.getdoc(function) or ""
    assert text, name
    named = [key for key in inspect.signature(function).parameters if key != "self"]
    section = text.partition("Args:")[2]
    assert not named or section, f"{name}: no Args"
    if "Args: those of" not in text:
        assert not [key for key in named if f"\n    {key}: " not in section], name
