"""A record is a record: `==`, `in` and `hash` never raise, a line is read-only, and a trace is compared by `equals`."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.documents.result import Result
from lstm_trace.errors import MissingError, OptionError, ShapeError
from lstm_trace.plot.figure import Figure
from lstm_trace.plot.kinds import KINDS, maker, required
from lstm_trace.results import EXPLANATIONS
from lstm_trace.trace.trace import Trace

RNG = np.random.default_rng(9)
X = RNG.normal(size=(4, 2, 2))


def weights(layers: int = 1, directions: tuple[str, ...] = ("forward",)) -> dict[str, Any]:
    """H = 3, I = 2."""
    found = {}
    for layer in range(layers):
        for direction in directions:
            width = 2 if layer == 0 else 3 * len(directions)
            for gate in "ifco":
                found[f"{layer}/{direction}/W_x{gate}"] = RNG.normal(size=(3, width))
                found[f"{layer}/{direction}/W_h{gate}"] = RNG.normal(size=(3, 3))
    return found


WEIGHTS = weights()
STACK = weights(2, ("forward", "reverse"))


def small(**options: Any) -> Trace:
    return lt.run(WEIGHTS, X, **options)


#: One of every class that the public functions return.
RECORDS: dict[str, Callable[[], Any]] = {
    "trace": small,
    "model": lambda: lt.prepare(WEIGHTS),
    "picture": lambda: small().plot(),
    "verification": lambda: lt.verify(small()),
    "changes": lambda: lt.diff(small(), small(h0=np.ones((2, 3)))).changes,
    "comparison": lambda: lt.diff(small(), lt.run(STACK, X).at(layer=0, direction="forward")),
    "explanation": lambda: lt.explain(small(), "3/0/h_t[1]", "gradient"),
    "derivation": lambda: lt.derivation(small(), "3/0/h_t[1]"),
    "sheet": lambda: lt.sheet([small()]),
    "profile": lambda: lt.profile(small()),
}


@pytest.mark.few(0)
@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_itself_and_no_other(name: str) -> None:
    one, other = RECORDS[name](), RECORDS[name]()
    assert one == one
    assert one != other
    assert one in [other, one]
    assert one not in [3, None, "h_t"]
    assert one not in [np.zeros(2), [np.zeros(2)]]
    assert one != np.zeros(2)
    assert len({one, other, one}) == 2


#: The results of the other functions, and every kind of picture.
RESULTS: dict[str, Callable[[], Any]] = RECORDS | {
    "comparisons": lambda: lt.diff(small(), small(lengths=[4, 2]), small(hold={"c_t[0]": 0.0})),
    "difference": lambda: lt.attribute(small(), small(h0=np.ones((2, 3))), "3/0/h_t[1]"),
    "identification": lambda: lt.identify(WEIGHTS, X, small().output),
    **{how: partial(lambda how: lt.explain(small(), OF.get(how), how), how) for how in EXPLANATIONS},
    **{f"picture {kind}": partial(lambda kind: drawn(kind), kind) for kind in KINDS},
    "picture of comparisons": lambda: RESULTS["comparisons"]().plot(),
}
OF = dict.fromkeys(("gradient", "contribution", "ablation", "training"), "3/0/h_t[1]") | {"memory": "3/0/c_t[1]"}


def drawn(kind: str) -> Figure:
    given = {"against": small(hold={"c_t[0]": 0.0}), "of": OF["memory"], "to": OF["memory"]}
    return maker(kind)(small(), **{name: given[name] for name in required(kind)})


def readings(found: Any) -> list[Any]:
    """What can be read from a result as text."""
    if isinstance(found, Figure):
        return [found.svg(), found.to_vega(), found.data.to_csv()]
    if isinstance(found, Trace):
        return [found.to_csv(None)]
    return [found.report("md")] if hasattr(found, "report") else [repr(found)]


@pytest.mark.few(2)
@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_pickled_and_copied(name: str) -> None:
    one = RESULTS[name]()
    for copied in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one)):  # noqa: S301 - our own bytes
        assert type(copied) is type(one)
        assert readings(copied) == readings(one)


def results(kind: type = Result) -> list[type]:
    return [one for direct in kind.__subclasses__() for one in (direct, *results(direct))]


def test_no_result_compares_its_arrays() -> None:
    import lstm_trace.corpus.verification
    import lstm_trace.results.overview
    import lstm_trace.tracking.ablate
    import lstm_trace.tracking.probe
    import lstm_trace.tracking.units  # noqa: F401

    found = [kind for kind in results() if kind.__module__.startswith("lstm_trace") and not issubclass(kind, dict)]
    assert len(found) > 12
    assert [kind for kind in found if kind.__eq__ is not object.__eq__ or kind.__hash__ is not object.__hash__] == []
    header = small().header
    assert {header: 1}[copy.deepcopy(header)] == 1


def test_a_line_is_read_only_and_its_storage_is_not() -> None:
    trace = small()
    before = trace["h_t"].copy()
    for write in ("h_t", "0/forward/h_t"):
        with pytest.raises(ValueError, match="read-only"):
            trace[write][0] = 1
        with pytest.raises(ValueError, match="read-only"):
            trace[write] *= 2
    with pytest.raises(ValueError, match="read-only"):
        trace.output[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        next(iter(dict(trace.items()).values()))[0] = 1
    for view in (trace["h_t"], trace["0/forward/h_prev"], trace["x_t"], trace.output, lt.run(WEIGHTS, X).output):
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.setflags(write=True)
    np.testing.assert_array_equal(trace["h_t"], before)
    assert np.shares_memory(trace["h_t"], trace.lines["0/forward"]["h_t"])
    again = lt.prepare(WEIGHTS).run(2 * X, out=lt.prepare(WEIGHTS).run(X))
    np.testing.assert_array_equal(again["h_t"], lt.run(WEIGHTS, 2 * X)["h_t"])


def test_a_line_of_one_layer_and_direction() -> None:
    trace = lt.run(STACK, X)
    for scope in ("0/forward", "1/reverse"):
        np.testing.assert_array_equal(trace[f"{scope}/h_t"], trace.lines[scope]["h_t"])
        assert f"{scope}/h_t" in trace
        assert f"{scope}/h_x" not in trace
    np.testing.assert_array_equal(trace["1/forward/h_prev"][1:], trace.lines["1/forward"]["h_t"][:-1])
    assert "2/forward/h_t" not in trace
    for other in (3, None, b"h_t", ["h_t"], np.zeros(3), trace):
        assert other not in trace
    with pytest.raises(MissingError, match=r"0/joined has no 'c_t'; it is in 0/forward, 0/reverse, 1/forward, 1/rev"):
        _ = trace["0/joined/c_t"]
    back = lt.backward(small(), of="3/0/h_t[1]")
    with pytest.raises(MissingError, match=r"d_W_xi was summed over all steps: it is trace\.sums"):
        _ = back["0/adjoint-forward/d_W_xi"]


def test_a_trace_is_no_array() -> None:
    for call in (np.asarray, np.array, lambda trace: np.asarray(trace, np.float32)):
        with pytest.raises(
            OptionError, match=r"a trace has 21 lines: write np.asarray\(trace\['W_xi @ x_t'\]\) for one"
        ):
            call(small())
    with pytest.raises(ShapeError, match="x: a trace has 21 lines"):
        lt.run(WEIGHTS, small())


def changed(part: str, change: Callable[[Any], Any], name: str = "W_xi") -> Trace:
    trace = small()
    here = getattr(trace, part)["0/forward"]
    return replace(trace, **{part: {"0/forward": {**here, name: change(here[name].copy())}}})


def poked(array: Any) -> Any:
    array.flat[1] = np.nextafter(array.flat[1], 9)
    return array


def test_equals() -> None:
    trace = small()
    assert trace.equals(small())
    assert trace.equals(trace)
    assert trace.equals(replace(trace, memory=object()))
    padded = small(lengths=[4, 2])
    titled = replace(trace, header=replace(trace.header, title="another"))
    others: list[Any] = [
        None, 3, trace["h_t"], lt.run(WEIGHTS, X, dtype="float32"), titled, trace.at(steps=slice(1, 3)), padded,
        lt.run(WEIGHTS, poked(X.copy())), small(record=["h_t"]),
        changed("parameters", poked), changed("lines", poked, "c_t"), changed("initial", poked, "h_prev"),
        changed("lines", lambda array: array.astype(np.float32), "c_t"),
    ]  # fmt: skip
    for other in others:
        assert not trace.equals(other)
    assert padded.equals(small(lengths=[4, 2]))
    assert not padded.equals(replace(padded, lengths=np.array([4, 3])))
    whole = changed("lines", np.round, "c_t")  # the same numbers in both types
    assert whole.equals(changed("lines", np.round, "c_t"))
    assert not whole.equals(changed("lines", lambda array: np.round(array).astype(np.float32), "c_t"))
    nan = changed("lines", lambda array: np.where(array > 0, np.nan, array), "c_t")
    assert nan.equals(changed("lines", lambda array: np.where(array > 0, np.nan, array), "c_t"))
    assert not nan.equals(trace)
    back = lt.backward(trace, of="3/0/h_t[1]")
    assert back.equals(lt.backward(small(), of="3/0/h_t[1]"))
    assert not back.equals(lt.backward(small(), of="3/0/h_t[2]"))


def test_a_verdict_is_called_one() -> None:
    wrong = small().with_values({"3/0/c_t[1]": 9.0})
    for found, verdict in (
        (lt.verify(small()), "verified"), (lt.verify(wrong), "failed"),
        (lt.diff(small(), small()), "same"), (lt.diff(small(), wrong), "different"),
    ):  # fmt: skip
        facts = json.loads(found.as_json())
        assert found.verdict == facts["verdict"] == verdict
        assert all(isinstance(sentence, str) for sentence in facts["sentences"])
        assert not hasattr(found, "status")
        assert "status" not in facts
