"""Every public function and method refuses an argument of a wrong kind by our error, which names the argument."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, get_origin

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, OptionError
from lstm_trace.report.options import Options
from lstm_trace.trace.rows import Selection

from .cell.test_network import weights

ONE = {name.split("/")[-1]: array for name, array in weights(1, both=False).items()}
X = np.arange(6.0).reshape(2, 1, 3)
T = lt.run(ONE, X)


def step(x: Any, h: Any, weights: Any) -> Any:
    """A step function, to be lifted."""
    return np.tanh(x @ weights["W_xi"].T + h)


#: Of the classes with methods that take an argument, one.
INSTANCES = {"Model": lt.prepare(ONE), "Trace": T, "Traces": lt.Traces([T]), "Comparison": lt.diff(T, T)}
INSTANCES["Lifted"] = lt.lift(step, ONE, X, h=T["h_t"][0])
#: Where the `**options` of a function go.
PASSED: dict[str, tuple[Callable[..., Any], ...]] = {
    "run": (lt.prepare, lt.Model.run),
    "Trace.report": (Options, Selection),
    "Trace.pdf": (Options, Selection),
    "Trace.to_frame": (Selection,),
}
#: Arguments that fit, by name.
FITTING: dict[str, Any] = {
    **ONE, "trace": T, "a": T, "b": T, "of": "1/h_t[0]", "source": ONE, "weights": ONE, "x": X, "y": T.output,
    "edits": {"0/forward/W_xi[0,0]": 0.5}, "traces": [T], "cell": "lstm", "name": "h_t", "scope": "0/forward", "t": 0,
    "text": "1/h_t[0]", "address": "1/h_t[0]", "line": "h_t", "values": X, "model": object(), "x_t": [1.0, 2.0, 3.0],
    "step": step,
    **{name: [0.5, 0.5] for name in ("f_t", "i_t", "o_t", "c_t", "c_tilde", "h_prev", "c_prev")},
}  # fmt: skip
#: What no argument can be.
WRONG = (object(), [object()])
#: What a message calls an argument that it does not call by its name.
CALLED = {
    "source": "weights by name",
    "model": "expected a PyTorch module or a Keras model",
    "scope": "there are 0/forward",
    "Trace.grid.scope": "scope",
}
#: Arguments that may be anything, that depend on the model, or of which each traced call is the first reader.
CAPTURED = ("ask", "record", "tokens", "plan", "vocabulary", "embedding")
LATER = {"Trace.equals.other", "watch.optimizer", *(f"capture.{name}" for name in CAPTURED)}
#: What a report's options hold beside what a caller may say.
OWN = ("self", "notes", "selection")


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function, and every method of a public class that takes an argument."""
    for name in lt.__all__:
        value = getattr(lt, name)
        if get_origin(value) is Literal:
            continue
        if not inspect.isclass(value):
            yield name, value
            continue
        for own, method in vars(value).items():
            named = own == "__getitem__" or not own.startswith("_")
            if named and inspect.isfunction(method) and len(inspect.signature(method).parameters) > 1:
                yield f"{name}.{own}", method


CASES = [
    (name, parameter)
    for name, function in public()
    for parameter in dict.fromkeys(
        parameter
        for one in (function, *PASSED.get(name, ()))
        for parameter, p in inspect.signature(one).parameters.items()
        if p.kind is not p.VAR_KEYWORD and parameter not in OWN and f"{name}.{parameter}" not in LATER
    )
]


def called(name: str, path: Path, wrong: dict[str, Any]) -> None:
    """Call a public function with arguments that fit, but for those of `wrong`."""
    owner, _, method = name.rpartition(".")
    function = getattr(INSTANCES[owner], method) if owner else getattr(lt, name)
    np.savez(path / "m.npz", **ONE)
    fitting = {**FITTING, "path": path / "m.npz"}
    required = [key for key, p in inspect.signature(function).parameters.items() if p.default is p.empty]
    given = {key: fitting[key] for key in required if key in fitting}
    if name in ("run", "Model.run", "Model.plans", "identify", "mistakes_of"):
        given |= {"x": X, "y": T.output} if name == "identify" else {"x": X}
    result = function(**{**given, **wrong})
    if hasattr(result, "__enter__"):
        result.__enter__()


@pytest.mark.few(23)
@pytest.mark.parametrize("wrong", WRONG, ids=["object", "list"])
@pytest.mark.parametrize(("name", "parameter"), CASES, ids=[".".join(case) for case in CASES])
def test_an_argument_of_a_wrong_kind_is_refused_by_name(name: str, parameter: str, wrong: Any, tmp_path: Path) -> None:
    with pytest.raises(LstmTraceError) as error:
        called(name, tmp_path, {parameter: wrong})
    told = CALLED.get(f"{name}.{parameter}", CALLED.get(parameter, parameter))
    assert re.search(rf"(^|\W){re.escape(told)}(\W|$)", str(error.value))


@pytest.mark.parametrize("name", ["run", "Model.run", "Model.plans", "Trace.report", "Trace.to_frame", "diff"])
def test_an_argument_that_there_is_not_is_refused_by_name(name: str, tmp_path: Path) -> None:
    near = {"diff": "rtoll", "Trace.report": "digit", "Trace.to_frame": "layers"}.get(name, "masc")
    for wrong, told in (("colour", "; there are "), (near, "; did you mean ")):
        with pytest.raises(OptionError) as error:
            called(name, tmp_path, {wrong: 1})
        assert str(error.value).startswith(f"there is no argument {wrong!r}{told}")


@pytest.mark.parametrize("wrong", WRONG, ids=["object", "list"])
@pytest.mark.parametrize(
    ("how", "option"), [("gates", "low"), ("gates", "high"), ("contribution", "baseline"), ("contribution", "points")]
)
def test_an_option_of_an_explanation_is_refused_by_name(how: str, option: str, wrong: Any) -> None:
    with pytest.raises(LstmTraceError, match=rf"{option}\W"):
        lt.explain(T, None if how == "gates" else "1/h_t[0]", how, **{option: wrong}).to_frame()


@pytest.mark.parametrize(
    ("kind", "wrong"), [("saturation", "batch"), ("states", "low"), ("unit", "order"), ("text", "order"), ("", "order")]
)
def test_an_option_that_a_picture_has_not_is_refused_by_name(kind: str, wrong: str) -> None:
    picture = getattr(T.plot, kind) if kind else T.plot
    with pytest.raises(OptionError, match=rf"^there is no argument '{wrong}'; (there are (?!.*self)|did you mean )"):
        picture(**{wrong: 9})


@pytest.mark.parametrize(
    ("only", "told"),
    [
        (5, "only: expected a name, or a list of names, found 5"),
        ([5], "lines: expected a name, or a list of names, found 5"),
        ([], "none of the named lines can be held"),
    ],
)
def test_what_is_held_in_turn_is_named(only: Any, told: str) -> None:
    with pytest.raises(OptionError) as error:
        lt.explain(T, "1/h_t[0]", "ablation", only=only).to_frame()
    assert str(error.value).startswith(told)


def test_what_has_a_trace_stands_for_it() -> None:
    """In an argument that is a trace, and as one of two sources; what has no trace, or another one, is refused."""
    has, none, other = (SimpleNamespace(trace=trace) for trace in (T, None, "t"))
    assert lt.verify(has).verdict == "verified"  # type: ignore[arg-type]
    assert lt.diff(has, T).verdict == lt.diff(T, has).verdict == "same"
    for wrong in (none, other):
        with pytest.raises(OptionError, match="trace: expected a trace"):
            lt.verify(wrong)  # type: ignore[arg-type]
        with pytest.raises(LstmTraceError):
            lt.diff(wrong, T)
