"""What `lt.capture` must stand: whatever the model does, its pass is as without us, and the sentence is right."""

from __future__ import annotations

import copy
import io
import os
import pickle
import threading
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import lstm_trace as lt
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.model import capture as capturing

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
nn, layers = torch.nn, keras.layers

pytestmark = [  # a disagreement is a warning, and that an error here
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
X = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))


def said(traces: Any) -> list[str]:
    """The first word of each sentence of agreement."""
    return [trace.header.agreement[0].split()[0] for trace in traces]


def grown(module: Any, seed: int, scale: float) -> Any:
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape) * scale)
    return module.eval()


# -- agreement -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("cell", [False, True])
def test_few_and_large_numbers_are_no_disagreement(cell: bool, dtype: Any) -> None:
    """Of one unit and one step, float32 is closer to float64 than most rounding now and then; c of 30 is off by more
    than an ulp of 1.
    """
    for seed in (*range(20), 244):
        module = grown(nn.LSTMCell(2, 1) if cell else nn.LSTM(2, 1), seed, 3.0).to(dtype)
        x = torch.randn(1, 1, 2)[0 if cell else slice(None)].to(dtype) * 30
        states = [torch.randn(1, 1, 1)[0 if cell else slice(None)].to(dtype) * size for size in (1, 30)]
        with lt.capture(module) as traces:
            module(x, tuple(states))
        assert said(traces)[0] in ("agrees", "cannot"), (seed, traces[0].header.agreement)


def test_rounding_of_ours_that_is_worse_than_theirs_is_said_as_such() -> None:
    right, ours = {"h": np.full((3, 1), 0.5)}, {"h": np.full((3, 1), 0.5 + 1e-4)}
    found = capturing.compared(ours, ours, right, right, "it", 2.0**-23, ["h"])
    assert found.agrees is False
    assert "the trace's h is off by 1.0e-04 at t = 0, its own by 0.0e+00 only" in found.sentence
    assert capturing.compared(ours, ours, right, right, "it", 2.0**-23, ["h"], [ours]).agrees


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_wrong_gates_are_told_in_half_types(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What rounding to them may do is measured, not taken from float32 by far too large a factor."""
    from lstm_trace.weights.layouts import LAYOUTS, layout

    monkeypatch.setitem(LAYOUTS, "pytorch", layout({"name": "pytorch", "order": "figo"}))
    for seed in range(10, 20):
        torch.manual_seed(seed)
        module = nn.LSTM(4, 8).to(dtype)
        with pytest.warns(capturing.DisagreementWarning, match="does NOT agree"), lt.capture(module):
            module(torch.randn(12, 3, 4).to(dtype) * 2)


def test_where_float16_overflows_nothing_is_told() -> None:
    layer = layers.LSTM(2, activation="relu", return_sequences=True, dtype="float16", recurrent_initializer="zeros")
    layer.build((1, 6, 2))
    layer.set_weights([np.full(w.shape, 3.0) for w in layer.get_weights()])
    with lt.capture(layer) as traces:
        y = keras.ops.convert_to_numpy(layer(np.full((1, 6, 2), 100.0)))
    assert np.isinf(y).any()
    assert traces[0].header.agreement[0].endswith("float16 has overflowed")


def test_float64_of_keras_has_products_in_float32() -> None:
    """`keras.ops.matmul` of float64 gives float32; without a mask PyTorch's own LSTM runs, in float64."""
    layer = layers.LSTM(3, return_sequences=True, dtype="float64")
    layer.build((4, 2, 5))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) * 2 for w in layer.get_weights()])
    x = rng.normal(size=(4, 2, 5))
    with lt.capture(layer) as traces:
        layer(x, mask=np.ones((4, 2), bool))
        layer(x)
    assert said(traces) == ["agrees"] * 2


# -- the pass of the model -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda o: (2 * o[0], o[1]), lambda o: o[0]], ids=["doubled", "h alone"])
def test_hooks_of_the_user_come_after_ours(change: Any) -> None:
    module = nn.LSTM(3, 2)
    module.register_forward_hook(lambda _, __, output: change(output))
    with lt.capture(module) as traces:
        module(X)
    assert said(traces) == ["agrees"]


class Dropped(nn.Module):
    """A parametrization that drops weights."""

    def forward(self, weight: Any) -> Any:
        return nn.functional.dropout(weight, 0.5, self.training)


@pytest.mark.parametrize("kind", ["spectral_norm", "dropout"])
@pytest.mark.parametrize("cell", [False, True])
def test_parametrized_weights_are_not_moved(cell: bool, kind: str) -> None:
    """In training they change, or draw a random number, each time that they are read."""
    torch.manual_seed(5)
    module, name = (nn.LSTMCell(3, 5), "weight_hh") if cell else (nn.LSTM(3, 5), "weight_hh_l0")
    if kind == "dropout":
        nn.utils.parametrize.register_parametrization(module, name, Dropped())
    else:
        nn.utils.parametrizations.spectral_norm(module, name)
    with torch.no_grad():
        module.parametrizations[name].original.mul_(9)
    kept = copy.deepcopy(module.state_dict())

    def passes() -> list[Any]:
        module.load_state_dict(kept)
        torch.manual_seed(1)
        states = (torch.ones(2, 5), torch.ones(2, 5)) if cell else (torch.ones(1, 2, 5), torch.ones(1, 2, 5))
        found = []
        for part in X if cell else (X, X):
            output, *rest = module(part, states)
            states = (output, *rest) if cell else states
            found.append(output)
        return found

    passes()
    plain = passes()
    if cell and kind == "dropout":  # the weights of each step are gone: that the trace has others is reported
        with pytest.warns(capturing.DisagreementWarning), lt.capture(module):
            watched = passes()
    else:
        with lt.capture(module) as traces:
            watched = passes()
        assert set(said(traces)) == {"agrees"}
    assert all(map(torch.equal, plain, watched))


def test_a_module_is_copied_saved_and_scripted_within_the_block() -> None:
    module = nn.LSTM(3, 2)
    content = io.BytesIO()
    with lt.capture(module) as traces:
        copied = copy.deepcopy(module)
        torch.save(module, content)
        torch.jit.script(module)
        copied(X)
        module(X)
    copied(X)
    assert len(traces) == 1
    assert not copied._forward_hooks


def test_threads_that_capture_the_same_module() -> None:
    """Each capture has the calls of all; one that ends while another thread is in a call does not break it."""
    module, cell = nn.LSTM(3, 2), nn.LSTMCell(3, 2)
    problems: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(6):
                with lt.capture(nn.ModuleDict({"a": module, "b": cell})) as traces:
                    module(X)
                    states = cell(X[0])
                    cell(X[1], states)
                assert set(said(traces)) == {"agrees"}
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_torch_compile() -> None:
    """It leaves an nn.LSTM alone, and so do we its pass; what it compiled is not seen, and said."""
    dynamo = pytest.importorskip("torch._dynamo")
    for module, seen in ((nn.LSTM(3, 2), True), (nn.LSTMCell(3, 2), False)):
        dynamo.reset()
        net, x = nn.Sequential(module), X if seen else X[0]
        plain = net(x)[0]
        compiled = torch.compile(net, backend="eager", fullgraph=not seen)
        returned = []
        if seen:
            with lt.capture(net) as traces:
                returned.append(compiled(x)[0])
            assert said(traces) == ["agrees"]
        else:
            with pytest.raises(MissingError, match=r"what torch\.compile has compiled"), lt.capture(net):
                returned.append(compiled(x)[0])
        assert torch.equal(returned[0], plain)
    dynamo.reset()


# -- an LSTMCell in a loop -------------------------------------------------------------------------------------------


def test_what_changes_between_the_steps_begins_a_new_trace() -> None:
    cell = nn.LSTMCell(3, 2)
    x = X[:, :1]
    with torch.no_grad(), lt.capture(cell) as traces:
        h, c = cell(x[0])
        h, c = cell(x[1], (h, c))
        h.mul_(0.5)
        h, c = cell(x[2], (h, c))
        cell.weight_ih.data.mul_(3)
        h, c = cell(x[3], (h, c))
        cell.weight_hh.zero_()  # after the last call: its trace keeps what it ran with
    assert [trace.steps for trace in traces] == [2, 1, 1]
    assert said(traces) == ["agrees"] * 3


def test_a_cell_made_in_inference_mode() -> None:
    with torch.inference_mode():
        cell = nn.LSTMCell(3, 2)
        with lt.capture(cell) as traces:
            states = cell(X[0])
            cell(X[1], states)
    assert said(traces) == ["agrees"]


# -- what is reported ------------------------------------------------------------------------------------------------


class HAlone(nn.LSTM):
    def forward(self, input: Any, hx: Any = None) -> Any:
        return super().forward(input, hx)[0]


class OtherNames(nn.LSTM):
    def forward(self, sequence: Any, start: Any = None) -> Any:
        return super().forward(sequence, start)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: (HAlone(3, 2), X), r"it did not return \(output, \(h_n, c_n\)\)"),
        (lambda: (nn.LSTM(3, 2, device="meta"), X.to("meta")), r"a tensor has no numbers that can be read"),
    ],
    ids=["h alone", "meta"],
)
def test_calls_that_cannot_be_followed(make: Any, message: str) -> None:
    module, x = make()
    with pytest.raises(OptionError, match=message), lt.capture(module):
        module(x)


def test_a_forward_with_arguments_of_its_own() -> None:
    module = OtherNames(3, 2)
    with pytest.raises(OptionError, match="its forward takes sequence; expected input and hx"), lt.capture(module):
        module(sequence=X)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"recrod": "h_t"}, "no argument 'recrod'; did you mean 'record'"), ({"x": X}, "no argument 'x'")],
)
def test_arguments_that_are_not_passed_on(given: dict[str, Any], message: str) -> None:
    module = nn.LSTM(3, 2)
    with pytest.raises(OptionError, match=message), lt.capture(module, **given):
        raise AssertionError("the block is not entered")


# -- Keras -----------------------------------------------------------------------------------------------------------

BATCH = X.numpy()


def built(layer: Any) -> Any:
    layer.build(BATCH.shape)
    return layer


def test_captures_of_a_layer_within_and_over_each_other() -> None:
    layer = built(layers.LSTM(2))
    with lt.capture(layer) as outer:
        with lt.capture(layer) as inner:
            layer(BATCH)
        layer(BATCH)
    assert (len(outer), len(inner)) == (2, 1)
    first, second = lt.capture(layer), lt.capture(layer)
    one, two = first.__enter__(), second.__enter__()
    layer(BATCH)
    first.__exit__(None, None, None)
    layer(BATCH)
    second.__exit__(None, None, None)
    assert (len(one), len(two)) == (1, 2)
    assert "call" not in vars(layer)


def test_a_call_of_the_layers_own_comes_back() -> None:
    layer = built(layers.LSTM(2))
    own = layer.call
    object.__setattr__(layer, "call", own)
    with lt.capture(layer) as traces:
        layer(BATCH)
    assert said(traces) == ["agrees"]
    assert vars(layer)["call"] is own


def test_a_model_that_is_built_within_the_block() -> None:
    """Keras finds out shapes by calls without numbers first; that is no fault of the real one."""

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent = layers.LSTM(2)

        def call(self, x: Any) -> Any:
            return self.recurrent(x)

    net = Net()
    with lt.capture(net) as traces:
        net(BATCH)
    assert said(traces) == ["agrees"]
    other = Net()
    with pytest.raises(OptionError, match="its input has no numbers yet") as told, lt.capture(other):
        other(keras.Input((4, 3)))
    assert type(told.value) is OptionError


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float32", "float64"])
def test_states_that_a_layer_keeps_in_any_dtype(kind: str) -> None:
    layer = layers.LSTM(2, stateful=True, dtype=kind, recurrent_initializer="zeros")
    model = keras.Sequential([keras.Input(batch_shape=BATCH.shape), layer])
    with lt.capture(model) as traces:
        model(BATCH)
        model(BATCH)
    assert said(traces) == ["agrees"] * 2
    assert traces[1].initial["0/forward"]["c_prev"].any()


def test_arguments_of_a_layer_in_any_order() -> None:
    layer = built(layers.LSTM(2))
    with lt.capture(layer) as traces:
        layer(mask=np.ones(BATCH.shape[:2], bool), sequences=BATCH)
    np.testing.assert_array_equal(traces[0].x, BATCH.swapaxes(0, 1))


def test_a_layer_is_copied_and_pickled_within_the_block() -> None:
    layer = built(layers.LSTM(2))
    with lt.capture(layer) as traces:
        layer(BATCH)
        copies = copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))  # noqa: S301  # our own
        for one in copies:
            one(BATCH)
    assert len(traces) == 1
    assert not any("call" in vars(one) for one in copies)
