"""`lt.capture`: every LSTM inside of a live model, with the inputs it really got, compared with what it returned."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, OptionError
from lstm_trace.model import capture as capturing
from lstm_trace.model.capture import compared

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = [
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def grown(module: Any) -> Any:
    """The module with weights large enough that gates leave 0.5."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=parameter.dtype) * 0.6)
    return module.eval()


class Net(nn.Module):
    """Words, an encoder over packed sequences, a decoder with given states, and a cell in a loop."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(30, 5)
        self.encoder = nn.LSTM(5, 3, 2, bidirectional=True, batch_first=True, dropout=0.5)
        self.decoder = nn.LSTM(6, 4, proj_size=2)
        self.cell = nn.LSTMCell(2, 3)

    def forward(self, ids: Any, lengths: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(self.words(ids), lengths, batch_first=True, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(self.encoder(packed)[0])
        start = torch.full((1, len(ids), 2), 0.25).to(y), torch.full((1, len(ids), 4), -0.5).to(y)
        z, _ = self.decoder(y, hx=start)
        state = torch.full((len(ids), 3), 0.1).to(y), torch.full((len(ids), 3), 0.2).to(y)
        for step in z:
            state = self.cell(step, state)
        return state[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_model(dtype: Any) -> None:
    net = grown(Net().to(dtype))
    ids, lengths = torch.randint(0, 30, (3, 7)), torch.tensor([4, 7, 1])
    with lt.capture(net) as traces:
        result = net(ids, lengths)
    assert [trace.header.title for trace in traces] == ["encoder", "decoder", "cell"]
    encoder, decoder, cell = traces
    assert encoder.lengths.tolist() == [4, 7, 1]
    np.testing.assert_allclose(encoder.x[:, 1], net.words(ids)[1].detach(), rtol=0)
    assert decoder.initial["0/forward"]["c_prev"][0, 0] == -0.5
    assert (cell.steps, cell.batch) == (7, 3)
    np.testing.assert_allclose(traces["cell"].h_n[0], result.detach(), atol=1e-6)
    for trace in traces:
        (said,) = trace.header.agreement
        assert said.startswith("agrees with what the PyTorch ")
        assert lt.verify(trace).verified if hasattr(lt.verify(trace), "verified") else True
    with lt.capture(net) as again:
        net(ids, lengths)
        net(ids, lengths)
    with pytest.raises(MissingError, match="'cell' was called 2 times; choose by position"):
        again["cell"]
    with pytest.raises(MissingError, match=r"no trace of 'encode'; did you mean 'encoder'\?"):
        again["encode"]


def test_hooks_are_gone_and_nothing_is_kept() -> None:
    net = grown(Net())
    with pytest.raises(MissingError, match=r"no LSTM, GRU or RNN was called.*encoder, decoder, cell"), lt.capture(net):
        pass
    assert not any(module._forward_hooks for module in net.modules())
    module = grown(nn.LSTM(3, 2))
    x = torch.randn(4, 3)
    with lt.capture(module, ask="f_t") as traces:
        module(x)
    assert traces[0].header.ask == ("f_t",)
    assert traces[0].header.agreement[0].startswith("agrees")
    with torch.no_grad():
        x.zero_()
        module.weight_hh_l0.zero_()
    assert np.abs(traces[0].x).max() > 0
    assert np.abs(traces[0].parameters["0/forward"]["W_hf"]).max() > 0


def test_labels_of_steps() -> None:
    module = grown(nn.LSTM(3, 2))
    with lt.capture(module, tokens=["a", "b", "c", "d"]) as traces:
        module(torch.randn(4, 3))
    assert traces[0].header.step_labels == (("a", "b", "c", "d"),)
    assert traces[0].header.agreement[0].startswith("agrees")


def test_unbatched_and_batch_first() -> None:
    for shape, first in (((6, 3), True), ((2, 6, 3), True), ((6, 2, 3), False)):
        module = grown(nn.LSTM(3, 2, batch_first=first))
        with lt.capture(module) as traces:
            y, (h, c) = module(torch.randn(shape))
        np.testing.assert_allclose(traces[0].output, y.detach(), atol=1e-6)
        np.testing.assert_allclose(traces[0].h_n, h.detach(), atol=1e-6)
        np.testing.assert_allclose(traces[0].c_n, c.detach(), atol=1e-6)


def test_a_cell_whose_states_do_not_go_on_gives_several_traces() -> None:
    cell = grown(nn.LSTMCell(3, 2))
    x = torch.randn(5, 2, 3)
    with lt.capture(cell) as traces:
        state = None
        for t in range(3):
            state = cell(x[t], state)
        cell(x[3])
        cell(x[4], (torch.ones(2, 2), torch.ones(2, 2)))
    assert [trace.steps for trace in traces] == [3, 1, 1]
    assert all("agrees" in trace.header.agreement[0] for trace in traces)


def test_half_precision_is_compared_as_such() -> None:
    module = grown(nn.LSTM(3, 2)).to(torch.bfloat16)
    with lt.capture(module) as traces:
        module(torch.randn(4, 2, 3, dtype=torch.bfloat16))
    assert traces[0].header.dtype == "float32"
    assert "agrees" in traces[0].header.agreement[0]


def test_wrong_weights_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading in another gate order does not pass as rounding, in either dtype."""
    from lstm_trace.model import calls
    from lstm_trace.weights import live_modules as live
    from lstm_trace.weights.layouts import LAYOUTS, layout

    monkeypatch.setitem(LAYOUTS, "pytorch", layout({"name": "pytorch", "order": "igfo"}))
    assert calls.from_live is live.from_live
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        module = grown(nn.LSTM(3, 2)).to(dtype)
        with pytest.warns(capturing.DisagreementWarning, match="does NOT agree"), lt.capture(module) as traces:
            module(torch.randn(4, 2, 3, dtype=dtype))
        assert "does NOT agree with what the PyTorch module returned: h is off by" in traces[0].header.agreement[0]


@pytest.mark.parametrize("off", [1e-4, np.nan, np.inf])
def test_a_single_wrong_value_is_told(off: float) -> None:
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    changed = x.copy()
    changed[2, 1] += off
    right, wrong, ulp = {"h": x}, {"h": changed}, 2.0**-23
    assert compared(right, right, right, right, "it", ulp).agrees
    assert not compared(right, right, right, wrong, "it", ulp).agrees
    found = compared(right, right, right, wrong, "it", ulp, stepwise=["h"])
    assert not found.agrees
    assert "at t = 2" in found.sentence


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_rounding_grows_it_is_told_from_the_first_steps(dtype: Any) -> None:
    """With weights this large a rounding error grows to order one; a wrong reading shows before that."""
    torch.manual_seed(3)
    module = nn.LSTM(16, 32, 2).to(dtype)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(10)
    x = torch.randn(400, 2, 16, dtype=dtype)
    with lt.capture(module) as traces:
        y, _ = module(x)
    (said,) = traces[0].header.agreement
    assert said.startswith("agrees")
    assert "steps rounding errors are too large to decide" in said
    state = dict(module.state_dict())
    state["weight_hh_l0"] = state["weight_hh_l1"]  # one layer's recurrent matrix by the other's
    other = lt.prepare({k: v.numpy() for k, v in state.items()}, layout="pytorch").run(x.numpy())
    runs = [lt.prepare(module, dtype=kind).run(x.numpy()).output for kind in ("float32", "float64")]
    ulp = torch.finfo(dtype).eps
    theirs = {"h": other.output}
    assert compared({"h": runs[1]}, {"h": runs[0]}, {"h": runs[1]}, theirs, "it", ulp, ["h"]).agrees is False
    assert compared({"h": runs[1]}, {"h": runs[0]}, {"h": runs[1]}, {"h": y.detach()}, "it", ulp, ["h"]).agrees


def test_dropout_in_training_is_refused() -> None:
    net = grown(Net()).train()
    with pytest.raises(OptionError, match=r"encoder is in training mode with dropout 0\.5"), lt.capture(net):
        net(torch.zeros(1, 3, dtype=torch.int64), torch.tensor([3]))
    with lt.capture(net.eval()) as traces:
        net(torch.zeros(1, 3, dtype=torch.int64), torch.tensor([3]))
    assert len(traces) == 3


@pytest.mark.parametrize("make", [lambda: nn.LSTM(3, 2), lambda: nn.LSTMCell(3, 2)])
def test_what_goes_wrong_in_the_capture_leaves_the_pass_alone(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call returns what it would; the fault is reported on leaving the block, once, and names the module."""
    net = nn.ModuleDict({"inner": make()})
    x = torch.randn(4, 3)
    plain = net["inner"](x)
    monkeypatch.setattr("lstm_trace.model.calls.from_live", lambda *_: 1 / 0)
    returned = []
    with pytest.raises(lt.LstmTraceError) as told, lt.capture(net):
        returned += [net["inner"](x), net["inner"](x)]
    assert torch.equal(returned[1][0], plain[0])
    assert told.value.problems == (
        "inner: cannot be traced because of a bug in lstm-trace: ZeroDivisionError: division by zero",
    )


def test_a_step_that_cannot_be_watched_ends_a_loop_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after it is a trace of its own, not the continuation of one with a hole."""
    cell, x = nn.LSTMCell(3, 2), torch.randn(5, 2, 3)
    seen = []

    def once(value: Any) -> Any:
        seen.append(value)
        if len(seen) == 8:  # within the third step
            raise ValueError("not now")
        return value.detach().numpy()

    monkeypatch.setattr("lstm_trace.model.calls.as_array", once)

    def loop() -> None:
        states = None
        for step in x:
            states = cell(step, states)

    with pytest.raises(lt.LstmTraceError, match="ValueError: not now"), lt.capture(cell) as traces:
        loop()
    assert [trace.steps for trace in traces] == [2, 2]
    assert all(trace.header.agreement[0].startswith("agrees") for trace in traces)


class GRUCell(nn.Module):
    """One of somebody's own, which lt.prepare does not read."""


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (lambda: nn.Linear(3, 2), MissingError, "Linear has no LSTM, GRU or RNN"),
        (lambda: nn.Sequential(GRUCell()), MissingError, r"what it has \(GRUCell\) is not traced as a whole; lt.lift"),
        (lambda: {"a": 1}, OptionError, "dict: expected a PyTorch module or a Keras model"),
    ],
)
def test_models_without_lstm(make: Any, kind: type[LstmTraceError], said: str) -> None:
    with pytest.raises(kind, match=said), lt.capture(make()):
        pass


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_cannot_be_watched() -> None:
    module = torch.jit.script(nn.LSTM(3, 2))
    with pytest.raises(MissingError, match="a TorchScript program cannot be watched"), lt.capture(module):
        pass


# -- Keras -----------------------------------------------------------------------------------------------------------

keras = pytest.importorskip("keras")
layers = keras.layers
IDS = np.array([[1, 2, 3, 0], [4, 5, 0, 0], [6, 7, 8, 9]])


def keras_model(*recurrent: Any) -> Any:
    entry = keras.Input((None,))
    value = layers.Embedding(12, 4, mask_zero=True)(entry)
    for layer in recurrent:
        value = layer(value)
    model = keras.Model(entry, value)
    rng = np.random.default_rng(4)
    model.set_weights([rng.normal(size=w.shape) * 0.6 for w in model.get_weights()])
    return model


@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", None])
def test_keras_model_with_masks(merge: str | None, sequences: bool) -> None:
    inner = layers.LSTM(3, return_sequences=sequences, return_state=True, recurrent_activation="hard_sigmoid")
    model = keras_model(
        layers.LSTM(4, return_sequences=True, name="first"),
        layers.LSTM(4, return_sequences=True, go_backwards=True, activation="softsign", name="back"),
        layers.Bidirectional(inner, merge_mode=merge, name="both"),
    )
    with lt.capture(model) as traces:
        model(IDS)
    assert [trace.header.title for trace in traces] == ["first", "back", "both"]
    assert traces["first"].lengths.tolist() == [3, 2, 4]
    for trace in traces:
        assert trace.header.agreement[0].startswith("agrees with what the Keras layer returned"), trace.header.title
    assert traces[2].header.merge == {"mul": "product", "ave": "mean", None: "none"}.get(merge, merge)
    assert "call" not in vars(model.get_layer("first"))


def test_keras_initial_states_and_stateful() -> None:
    layer = layers.LSTM(3, return_sequences=True, stateful=True)
    x = np.random.default_rng(1).normal(size=(2, 5, 4)).astype(np.float32)
    with lt.capture(layer_model(layer, x)) as traces:
        layer(x)
        layer(x)
        layer(x, initial_state=[np.full((2, 3), 0.5, np.float32), np.full((2, 3), -0.5, np.float32)])
    first, second, third = traces
    np.testing.assert_allclose(second.initial["0/forward"]["h_prev"], first.h_n[0], atol=1e-6)
    assert third.initial["0/forward"]["c_prev"][0, 0] == -0.5
    assert all("agrees" in trace.header.agreement[0] for trace in traces)


def layer_model(layer: Any, x: Any) -> Any:
    """A model of one layer with a fixed batch, as stateful layers need it."""
    model = keras.Sequential([keras.Input(batch_shape=x.shape), layer])
    rng = np.random.default_rng(4)
    model.set_weights([rng.normal(size=w.shape) * 0.6 for w in model.get_weights()])
    return model


def test_keras_refusals() -> None:
    model = keras_model(layers.LSTM(3, dropout=0.5, name="rec"))
    with pytest.raises(OptionError, match="rec: in training mode with dropout"), lt.capture(model):
        model(IDS, training=True)
    with lt.capture(model) as traces:
        model(IDS)
    assert len(traces) == 1
    with lt.capture(model) as traces:
        model(np.array([[0, 1, 2, 0]]))
    assert traces[0].mask.tolist() == [[False], [True], [True], [False]]


def test_an_error_in_the_model_is_its_own() -> None:
    net = grown(Net())
    with pytest.raises(RuntimeError, match="mine"), lt.capture(net):
        raise RuntimeError("mine")


class Spelling(nn.Module):  # type: ignore[misc,name-defined]
    """Letters, embedded, through two LSTMs, of which the second one reads no embedding."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.letters = nn.Embedding(5, 3)
        self.rnn, self.other = nn.LSTM(3, 4, batch_first=True), nn.LSTM(4, 3, batch_first=True)

    def forward(self, numbers: Any) -> Any:
        return self.other(self.rnn(self.letters(numbers))[0])[0]


def test_a_vocabulary_and_the_embedding_of_the_model_label_the_steps() -> None:
    model, numbers = Spelling(), torch.tensor([[0, 1, 2, 2], [4, 3, 0, 1]])
    with lt.capture(model, vocabulary=[*"abcde"], embedding="model:letters.weight") as traces:
        model(numbers)
    assert [trace.header.step_labels for trace in traces] == [(tuple("abcc"), tuple("edab")), ()]
    with torch.no_grad():  # the embedding as it is when the model runs, with a row that two tokens share
        model.letters.weight[3] = model.letters.weight[1]
    with lt.capture(model, vocabulary=[*"abcde"], embedding=model.letters.weight) as traces:
        model(numbers)
    assert traces["rnn"].header.step_labels == (("a", "", "c", "c"), ("e", "", "a", ""))


def test_a_vocabulary_labels_the_steps_of_x_that_is_a_1_at_the_number() -> None:
    module = nn.LSTM(3, 2)
    with lt.capture(module, vocabulary={"yes": 2, "no": 0}) as traces:
        module(torch.eye(3)[[2, 0, 1]])
    assert traces[0].header.step_labels == (("yes", "no", ""),)


def test_an_embedding_that_the_model_has_not_is_refused_before_it_runs() -> None:
    model = Spelling()
    said = r"the model has no array 'letter\.weight'; did you mean 'letters\.weight'\?"
    with pytest.raises(MissingError, match=said), lt.capture(model, vocabulary=["a"], embedding="model:letter.weight"):
        pass
    said = "embedding: the labels of steps need a vocabulary as well"
    with pytest.raises(OptionError, match=said), lt.capture(model, embedding="model:letters.weight"):
        pass
