"""Training loops that go wrong at a known step, watched: the alarm, the trace that replays it, and that nothing else
changes."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.engine.run import rerun
from lstm_trace.errors import FileError, LstmTraceError, MissingError, OptionError
from lstm_trace.explanation import watch as watching
from lstm_trace.explanation.watch import Alarm, StoppedError, WatchWarning
from lstm_trace.languages.strings import words
from lstm_trace.trace.trace import Trace

torch = pytest.importorskip("torch")

Plant = Callable[[int, Any, Any], None]
T, B, X, H = 7, 2, 3, 5


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # with more, steps of microseconds wait for each other
    yield
    torch.set_num_threads(threads)
    from torch.nn.modules.module import _global_forward_hooks
    from torch.optim.optimizer import _global_optimizer_pre_hooks

    assert not _global_forward_hooks, "a hook is left"
    assert not _global_optimizer_pre_hooks, "a hook is left"


class Model(torch.nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self, seed: int = 0, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.encoder = torch.nn.LSTM(X, H, **options)
        self.out = torch.nn.Linear(H * (1 + bool(options.get("bidirectional"))), 1)

    def forward(self, x: Any) -> Any:
        return self.out(self.encoder(x)[0])


def batches(count: int) -> Iterator[tuple[int, Any, Any]]:
    draw = torch.Generator().manual_seed(1)
    for n in range(count):
        yield n, torch.randn(T, B, X, generator=draw), torch.randn(T, B, 1, generator=draw)


def train(
    model: Any, plant: Plant | None = None, steps: int = 10, lr: float = 0.01, scale: float = 1.0, accumulate: int = 1,
    dtype: Any = torch.float32,
) -> None:  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for n, *batch in batches(steps * accumulate):
        x, y = (one.to(dtype) for one in batch)
        if plant is not None:
            plant(n, model, x)
        loss = ((model(x) - y) ** 2).mean() * scale
        loss.backward()
        if n % accumulate == accumulate - 1:
            optimizer.step()
            optimizer.zero_grad()


def halted(call: Callable[[], object]) -> Alarm:
    """The alarm with which a loop is stopped."""
    with pytest.raises(StoppedError) as caught:
        call()
    assert caught.value.alarm is not None
    return caught.value.alarm


def stopped(model: Any, options: dict[str, Any] | None = None, **training: Any) -> Alarm:
    def loop() -> None:
        with lt.watch(model, **(options or {})):
            train(model, **training)

    return halted(loop)


def replayed(alarm: Alarm) -> Trace:
    """The saved trace, which computed again has its first bad value at the same place."""
    assert alarm.path is not None
    trace, again = lt.load(alarm.path), rerun(lt.load(alarm.path))
    assert alarm.trace is not None
    first = trace.not_finite
    if first is not None:
        assert again.not_finite is not None
        assert again.not_finite.address == first.address == alarm.trace.not_finite.address  # type: ignore[union-attr]
        assert first.said(words()) in alarm.sentence
    return trace


def nan_at(step: int, t: int = 3, b: int = 1, i: int = 2) -> Plant:
    def plant(n: int, _: Any, x: Any) -> None:
        if n == step:
            x[t, b, i] = math.nan

    return plant


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True}])
def test_an_input_that_is_nan(options: dict[str, Any]) -> None:
    alarm = stopped(Model(**options), plant=nan_at(4))
    assert (alarm.kind, alarm.step, alarm.module) == ("not finite", 4, "encoder")
    trace = replayed(alarm)
    first = trace.not_finite
    assert first is not None
    t, b = (1, 3) if options.get("batch_first") else (3, 1)
    assert (first.cause, first.address.t, first.address.b) == ("input", t, b)
    assert first.operands[1][0] == "x_t[2]"
    assert trace.header.agreement[0].startswith("agrees with what the PyTorch module returned")


def test_a_learning_rate_that_is_too_large() -> None:
    """Everything is finite at step 0; the weights are not, or their gradient is not, from step 1 on."""
    alarm = stopped(Model(), lr=1e30)
    assert (alarm.kind, alarm.step) in (("exploded", 1), ("not finite", 1))
    replayed(alarm)


def test_a_weight_that_is_infinite() -> None:
    def plant(n: int, model: Any, _: Any) -> None:
        if n == 6:
            model.encoder.weight_hh_l0.data[6, 2] = math.inf

    alarm = stopped(Model(), plant=plant, options={"saturated": None})
    first = replayed(alarm).not_finite
    assert first is not None
    assert (alarm.step, first.cause) == (6, "weight")
    assert first.operands[0] == ("W_hf[1,2]", math.inf)


def test_a_loss_that_is_zero() -> None:
    alarm = stopped(Model(), scale=0.0)
    assert (alarm.kind, alarm.step) == ("vanished", 0)
    trace = replayed(alarm)
    assert trace.scopes == ("0/forward", "0/adjoint-forward")
    assert not any(values.any() for values in trace.sums["0/adjoint-forward"].values())


def test_gradients_beyond_bounds() -> None:
    """The norm is that of all weights of the module, as PyTorch computes it; the trace has the gradients."""
    plain = Model()
    _, x, y = next(batches(1))
    ((plain(x) - y) ** 2).mean().backward()
    norm = torch.nn.utils.clip_grad_norm_(plain.encoder.parameters(), math.inf).item()
    alarm = stopped(Model(), {"explodes": norm * 0.999}, steps=1)
    assert alarm.kind == "exploded"
    largest = max(plain.encoder.named_parameters(), key=lambda pair: pair[1].grad.norm().item())[0]
    assert f"the gradient of its weights has the norm {norm:.3g}, most of it in {largest}" in alarm.sentence
    ours = sum(float((values**2).sum()) for values in replayed(alarm).sums["0/adjoint-forward"].values())
    np.testing.assert_allclose(ours, norm**2, rtol=1e-5)
    assert stopped(Model(), {"vanishes": norm * 1.001}, steps=1).kind == "vanished"
    with lt.watch(model := Model(), explodes=norm * 1.001, vanishes=norm * 0.999) as found:
        train(model, steps=1)
    assert not found.alarms


@pytest.mark.filterwarnings("error")
def test_bounds_that_are_not_reached() -> None:
    model = Model()
    with lt.watch(model, explodes=1e6, vanishes=1e-9) as found:
        train(model)
    assert (found.steps, found.alarms) == (10, [])
    assert not list(Path().iterdir())


@pytest.mark.parametrize("scale", [1e25, 1e-25])
def test_squares_that_overflow_or_vanish_are_no_alarm(scale: float) -> None:
    """In float32 the norm of such a gradient, whose squares are summed, is inf or 0."""
    with lt.watch(model := Model()) as found:
        train(model, steps=1, lr=0.0, scale=scale)
    assert not found.alarms


def test_a_sample_is_one_sequence_without_its_padding() -> None:
    """Of step 4 of training sequence 1 of 3, of at most 256 steps."""
    draw = np.random.default_rng(0)
    x, h0, c0 = draw.normal(size=(300, 3, 2)), draw.normal(size=(2, 3, 4)), draw.normal(size=(2, 3, 5))
    mask = draw.uniform(size=(3, 300)) < 0.5
    states = {"h0": h0, "c0": c0}
    for more, expected in (
        ({"x": x}, x[:256, 1]), ({"x": x.swapaxes(0, 1), "batch_first": True}, x[:256, 1]),
        ({"x": x, "lengths": [300, 7, 9]}, x[:7, 1]),
        ({"x": x.swapaxes(0, 1), "batch_first": True, "mask": mask}, x[mask[1], 1][:256]),
    ):  # fmt: skip
        found = watching._one({**states, **more}, 4)  # type: ignore[arg-type, dict-item]
        np.testing.assert_array_equal(found["x"], expected)
        np.testing.assert_array_equal(found["h0"], h0[:, 1])
        np.testing.assert_array_equal(found["c0"], c0[:, 1])
    alone = watching._one({"x": x[:, 0], "h0": h0[:, 0], "c0": None}, 4)
    np.testing.assert_array_equal(alone["x"], x[:256, 0])
    assert alone.keys() == {"x", "h0"}


@pytest.mark.parametrize(("plant", "line"), [("bias", "f_t"), ("weights", "i_t")])
def test_units_that_are_all_saturated(plant: str, line: str) -> None:
    def planted(n: int, model: Any, _: Any) -> None:
        if n == 4 and plant == "bias":
            model.encoder.bias_ih_l0.data[H : 2 * H] = 50.0
        elif n == 4:
            model.encoder.weight_ih_l0.data *= 1e4

    alarm = stopped(Model(), plant=planted, options={"share": 1e9})
    assert (alarm.kind, alarm.step) == ("saturated", 4)
    assert f"every unit of 0/forward/{line} is saturated at every step" in alarm.sentence
    with lt.watch(model := Model(), saturated=None, vanishes=-1.0) as found:
        train(model, planted)
    assert not found.alarms


def test_an_infinity_that_the_output_does_not_show() -> None:
    """A weight of the input gate: the gate is 1 or 0, and all that the module returns is finite."""

    def planted(n: int, model: Any, x: Any) -> None:
        if n == 2:
            model.encoder.weight_ih_l0.data[0, 0] = math.inf

    alarm = stopped(Model(), plant=planted, options={"share": 1e9})
    first = replayed(alarm).not_finite
    assert first is not None
    assert (alarm.kind, alarm.step, first.operands[0][0]) == ("not finite", 2, "W_xi[0,0]")
    assert first.output == "finite"


def test_a_warning_does_not_stop() -> None:
    model = Model()
    with pytest.warns(WatchWarning) as caught, lt.watch(model, action="warn") as found:
        train(model, nan_at(4))
    assert [(alarm.kind, alarm.step) for alarm in found.alarms][:2] == [("not finite", 4), ("exploded", 4)]
    assert len(found.alarms) == len({(alarm.kind, alarm.module) for alarm in found.alarms}), "of each kind one"
    assert [str(one.message) for one in caught if one.category is WatchWarning] == [
        f"step {alarm.step} of training, encoder: {alarm.sentence}" for alarm in found.alarms
    ]
    assert len({alarm.path for alarm in found.alarms}) == len(found.alarms)
    assert found.steps == 10


def test_the_weights_are_those_of_a_run_without_a_watch() -> None:
    plain, model = Model(num_layers=2), Model(num_layers=2)
    train(plain)
    with lt.watch(model, share=1e9):
        train(model)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), model.parameters(), strict=True))
    other = Model()
    before = [weight.clone() for weight in other.parameters()]
    stopped(other, plant=nan_at(0))
    assert all(torch.equal(a, b) for a, b in zip(before, other.parameters(), strict=True)), "stopped before the step"


def test_several_calls_for_one_step() -> None:
    alarm = stopped(Model(), plant=nan_at(7), accumulate=3, steps=4)
    assert alarm.step == 2, "calls 6, 7 and 8"
    trace = replayed(alarm)
    assert trace.x is not None
    assert np.isnan(trace.x[3, 1, 2])


def test_a_loop_that_ends_at_a_loss_that_is_nan() -> None:
    """Because it checks its loss, or because there is no optimizer: what was called last is looked at in the end."""

    def loop(check: bool) -> None:
        model = Model()
        with lt.watch(model):
            for n, x, _ in batches(5):
                nan_at(3)(n, model, x)
                finite = torch.isfinite(model(x).mean())
                if check:
                    assert finite
                if not finite:
                    break

    for check in (True, False):
        replayed(halted(lambda check=check: loop(check)))  # type: ignore[misc]


def test_an_error_of_the_loop_is_passed_on() -> None:
    def loop() -> None:
        with lt.watch(model := Model()):
            train(model, steps=2)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        loop()


class Decoder(torch.nn.Module):  # type: ignore[misc,name-defined]
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.cell, self.out = torch.nn.LSTMCell(X, H), torch.nn.Linear(H, 1)

    def forward(self, x: Any) -> Any:
        states = torch.zeros(B, H), torch.zeros(B, H)
        outputs = []
        for step in x:
            states = self.cell(step, states)
            outputs.append(self.out(states[0]))
        return torch.stack(outputs)


def test_a_cell_in_a_loop_is_one_sequence() -> None:
    alarm = stopped(Decoder(), plant=nan_at(5))
    first = replayed(alarm).not_finite
    assert first is not None
    assert (alarm.module, alarm.step, first.address.t, first.address.b) == ("cell", 5, 3, 1)
    plain, model = Decoder(), Decoder()
    train(plain)
    with lt.watch(model, share=1e9):
        train(model)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), model.parameters(), strict=True))


def test_a_packed_sequence() -> None:
    class Packed(Model):
        def forward(self, x: Any) -> Any:
            packed = torch.nn.utils.rnn.pack_padded_sequence(x, [T, T - 2])
            output, _ = torch.nn.utils.rnn.pad_packed_sequence(self.encoder(packed)[0])
            return self.out(output)

    alarm = stopped(Packed(), plant=nan_at(2))
    first = replayed(alarm).not_finite
    assert first is not None
    assert (alarm.step, first.address.t, first.address.b) == (2, 3, 1)
    with lt.watch(model := Packed(), share=1e9) as found:
        train(model)
    assert not found.alarms


def test_two_models_with_an_optimizer_each() -> None:
    """The step of another model's optimizer is none of the watched one."""

    def loop() -> None:
        one, other = Model(), Model(1)
        optimizers = [torch.optim.Adam(model.parameters()) for model in (other, one)]
        with lt.watch(one):
            for n, x, y in batches(6):
                for model, optimizer in zip((other, one), optimizers, strict=True):
                    optimizer.zero_grad()
                    ((model(x) - y) ** 2).mean().backward()
                    optimizer.step()
                    nan_at(4)(n, one, x)

    assert halted(loop).step == 4


def test_a_step_that_a_scaler_leaves_out_is_no_alarm() -> None:
    """GradScaler finds the infinite gradient itself, halves its scale, and does not call the optimizer."""
    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, enabled=True)
    with lt.watch(model) as found:
        for _, x, y in batches(20):
            optimizer.zero_grad()
            scaler.scale(((model(x) - y) ** 2).mean() * 1e3).backward()
            scaler.step(optimizer)
            scaler.update()
    assert not found.alarms
    assert 0 < found.steps < 20


def test_what_cannot_be_replayed_says_why() -> None:
    class Overwrites(Model):
        def forward(self, x: Any) -> Any:
            buffer = x.clone()
            output = super().forward(buffer)
            buffer.zero_()
            return output

    def loop() -> None:
        with torch.no_grad(), lt.watch(model := Overwrites()):
            for n, x, _ in batches(3):
                nan_at(2)(n, model, x)
                model(x)

    alarm = halted(loop)
    assert (alarm.trace, alarm.path) == (None, None)
    assert "cannot be replayed: its input or its weights were changed in place since" in alarm.sentence
    alarm = stopped(Model(num_layers=2, dropout=0.5), plant=nan_at(3))
    assert (alarm.step, alarm.trace) == (3, None)
    assert "dropout" in alarm.sentence
    assert not list(Path().iterdir())


def test_what_is_refused() -> None:
    with pytest.raises(MissingError, match="has no LSTM"), lt.watch(torch.nn.Linear(1, 1)):
        pass
    with pytest.raises(OptionError, match="'stop' or 'warn'"), lt.watch(Model(), action="halt"):  # type: ignore[arg-type]
        pass
    with pytest.raises(MissingError, match="no LSTM, GRU or RNN was called"), lt.watch(Model()):
        pass
    assert issubclass(StoppedError, LstmTraceError)


@pytest.mark.parametrize(("dtype", "expected"), [(torch.float32, []), (torch.bfloat16, [8] * 5)])
def test_nothing_is_converted_while_nothing_happens(
    dtype: Any, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No tensor becomes an array of ours; the norms of 8 gradients are one transfer, or none where numpy reads them."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a tensor was converted")

    monkeypatch.setattr(watching, "as_array", refuse)
    monkeypatch.setattr(watching, "numbers_in", refuse)
    monkeypatch.setattr("lstm_trace.model.calls.as_array", refuse)
    transfers: list[int] = []
    original = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda self: (transfers.append(len(self)), original(self))[1])
    model = Model(num_layers=2).to(dtype)
    with lt.watch(model, saturated=None) as found:
        train(model, steps=5, dtype=dtype)
    assert found.steps == 5
    assert transfers == expected


def test_samples_keep_within_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock of ours: a step takes 1 s, a sample 3 s; a tenth of the time is sampled."""
    clock = [0.0]
    monkeypatch.setattr(watching, "perf_counter", lambda: clock[0])
    count = []

    def sampled(self: Any, *_: Any) -> None:
        count.append(clock[0])
        clock[0] += 3.0

    monkeypatch.setattr(watching.Watching, "_sample", sampled)
    model = Model()
    with lt.watch(model, share=0.1):
        train(model, lambda *_: clock.__setitem__(0, clock[0] + 1.0), steps=100)
    assert count[0] == 1.0, "the first at the first step"
    assert 0.08 < 3 * len(count) / clock[0] <= 0.1 + 3 / clock[0]


# -- what others had run into ------------------------------------------------------------------------------------------


def test_a_trace_that_cannot_be_saved_stops_the_training_too() -> None:
    model = Model()
    alarm = stopped(model, {"save": "nowhere/t.json"}, plant=nan_at(2))
    assert (alarm.step, alarm.path) == (2, None)
    assert "its trace cannot be saved: nowhere/t.json: no such file or directory" in alarm.sentence
    assert all(torch.isfinite(weight).all() for weight in model.parameters())
    with pytest.raises(FileError, match="traces are written as"), lt.watch(model, save="t.txt"):
        pass


def test_a_forward_pass_without_a_step_of_its_own() -> None:
    """Validation without gradients, and a batch whose loss is left out."""

    def validating(model: Any, x: Any) -> None:
        with torch.no_grad():
            model(x)

    for between in (validating, lambda model, x: model(x)):

        def loop(between: Any = between) -> None:
            model = Model()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            with lt.watch(model, saturated=None):
                for n, x, y in batches(4):
                    bad = x.clone()
                    nan_at(2)(n, model, bad)
                    between(model, bad)
                    ((model(x) - y) ** 2).mean().backward()
                    optimizer.step()
                    optimizer.zero_grad()

        alarm = halted(loop)
        assert (alarm.kind, alarm.step) == ("not finite", 2)


def test_a_frozen_lstm_below_a_head_that_is_trained() -> None:
    model = Model()
    for weight in model.encoder.parameters():
        weight.requires_grad = False
    alarm = stopped(model, plant=nan_at(3))
    assert (alarm.kind, alarm.step) == ("not finite", 3)


def test_a_module_that_is_not_called_has_no_new_gradient() -> None:
    pair = torch.nn.ModuleList([torch.nn.LSTM(X, 2), torch.nn.LSTM(X, 2)])
    optimizer = torch.optim.SGD(pair.parameters(), lr=0.01)
    with lt.watch(pair, saturated=None) as found:
        for n, x, _ in batches(4):
            optimizer.zero_grad(set_to_none=False)
            pair[n % 2](x)[0].sum().backward()
            optimizer.step()
    assert (found.steps, found.alarms) == (4, [])


def test_calls_that_torch_has_compiled_are_not_seen_and_their_steps_count() -> None:
    class Loop(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = torch.nn.LSTMCell(X, 2)

        def forward(self, x: Any) -> Any:
            state = None
            for each in x:
                state = self.cell(each, state)
            return state[0]  # type: ignore[index]

    loop = torch.compile(Loop(), backend="eager")
    optimizer = torch.optim.SGD(loop.parameters(), lr=0.01)

    def trained() -> None:
        with lt.watch(loop, save=None):
            for n in range(4):
                optimizer.zero_grad()
                loop(torch.full((3, 1, X), math.nan if n == 2 else 1.0)).sum().backward()
                optimizer.step()

    with pytest.raises(StoppedError, match=r"^step 2 of training, .*cell: .*: none of it was seen, as of what torch"):
        trained()


@pytest.mark.parametrize("function", [lt.watch, lt.capture])
def test_a_block_is_entered_once(function: Any) -> None:
    made = function(model := torch.nn.LSTM(X, 2))
    with made:
        model(torch.ones(2, 1, X))
    with pytest.raises(OptionError, match=f"lt.{function.__name__} is for one block"), made:
        pass


def test_the_reason_comes_first_where_there_is_no_trace() -> None:
    alarm = stopped(Model(num_layers=2, dropout=0.5), plant=nan_at(3))
    assert alarm.sentence.startswith("a value that it returned is not finite; its call cannot be replayed: ")


def test_warnings_that_are_errors_and_errors_of_others() -> None:
    def warned() -> None:
        with warnings.catch_warnings(), lt.watch(model := Model(), action="warn", save=None):
            warnings.simplefilter("error")
            train(model, plant=nan_at(1))

    with pytest.raises(WatchWarning, match="step 1 of training"):
        warned()

    def interrupted() -> None:
        with lt.watch(model := Model()):
            model(torch.full((T, B, X), math.nan))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    for bad in ({"vanishes": math.nan}, {"explodes": -1.0}, {"share": math.nan}, {"saturated": 0.5}):
        with pytest.raises(OptionError), lt.watch(Model(), **bad):  # type: ignore[arg-type]
            pass


def test_earlier_faults_are_not_those_of_a_replay() -> None:
    found = None

    def loop() -> None:
        nonlocal found
        with lt.watch(model := Model(), share=math.inf) as found:
            with found.noting("encoder"):
                raise OptionError("told at the end")
            train(model, steps=2)

    with pytest.raises(LstmTraceError, match="told at the end"):
        loop()
    assert found is not None
    assert found.steps == 2


def test_two_optimizers_of_one_model_take_one_step() -> None:
    def loop(bad: int) -> None:
        model = Model()
        ways = [torch.optim.SGD(list(model.encoder.parameters())[k::2], lr=0.01) for k in (0, 1)]
        with lt.watch(model) as found:
            for n, x, y in batches(5):
                nan_at(bad)(n, model, x)
                model.zero_grad()
                ((model(x) - y) ** 2).mean().backward()
                for optimizer in ways:
                    optimizer.step()
        assert found.steps == 5

    loop(9)
    assert halted(lambda: loop(3)).step == 3


@pytest.mark.parametrize(("name", "keyword"), [("LBFGS", False), ("SGD", True)])
def test_a_closure_is_judged_as_it_is_evaluated(name: str, keyword: bool) -> None:
    """L-BFGS evaluates it several times for a step; weights that it has changed since could not be replayed."""

    def loop(model: Any, bad: int) -> None:
        options = {"max_iter": 3} if name == "LBFGS" else {}
        optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.01, **options)
        count = 0
        with lt.watch(model) as found:
            for n, x, y in batches(4):
                nan_at(bad)(n, model, x)

                def closure(x: Any = x, y: Any = y) -> Any:
                    nonlocal count
                    count += 1
                    optimizer.zero_grad()
                    loss = ((model(x) - y) ** 2).mean()
                    loss.backward()
                    return loss

                loss = optimizer.step(**{"closure": closure}) if keyword else optimizer.step(closure)
                assert torch.isfinite(loss)
        assert (found.steps, found.alarms) == (4, [])
        assert count == (12 if name == "LBFGS" else 4)

    loop(Model(), 9)
    alarm = halted(lambda: loop(model := Model(), 2) or model)  # type: ignore[func-returns-value]
    first = replayed(alarm).not_finite
    assert first is not None
    assert (alarm.step, first.address.t, first.address.b) == (2, 3, 1)


def test_an_alarm_goes_to_another_process() -> None:
    def loop() -> None:
        with lt.watch(model := Model()):
            train(model, plant=nan_at(1))

    with pytest.raises(StoppedError) as caught:
        loop()
    again, alarm = pickle.loads(pickle.dumps(caught.value)), caught.value.alarm  # noqa: S301
    assert str(again) == str(caught.value)
    assert alarm is not None
    assert again.alarm[:4] == alarm[:4]
    np.testing.assert_array_equal(again.alarm.trace.x, alarm.trace.x)  # type: ignore[union-attr]


@pytest.mark.parametrize(("bad", "seen"), [(9, 10), (1, 6), (10, 12)])
def test_a_call_is_looked_at_before_it_is_given_up(bad: int, seen: int) -> None:
    """However many calls a step has, few are kept; the saved trace is that of the one with NaN."""
    calls = 0

    def loop() -> None:
        nonlocal calls
        model = Model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        with lt.watch(model) as found:
            for n, x, _ in batches(12):
                nan_at(bad)(n, model, x)
                calls += 1
                model(x).sum().backward()
                assert len(found._calls["encoder"]) <= watching.CALLS
                if n == 9:
                    optimizer.step()
                    optimizer.zero_grad()

    alarm = halted(loop)
    assert (alarm.kind, alarm.step) == ("not finite", int(bad > 9))
    x = replayed(alarm).x
    assert x is not None
    assert np.isnan(x[3, 1, 2])
    assert calls == seen, "with the fourth call after it, at the optimizer's step, or in the end"


def test_a_forward_pass_that_a_scaler_passes_over() -> None:
    """The step is left out, and the gradients of the next one are finite."""

    def loop() -> None:
        model = Model()
        optimizer, scaler = torch.optim.SGD(model.parameters(), lr=0.01), torch.amp.GradScaler("cpu", init_scale=8.0)
        with lt.watch(model):
            for n, x, y in batches(4):
                nan_at(1)(n, model, x)
                optimizer.zero_grad()
                scaler.scale(((model(x) - y) ** 2).mean()).backward()
                scaler.step(optimizer)
                scaler.update()
                assert n < 2

    alarm = halted(loop)
    first = replayed(alarm).not_finite
    assert first is not None
    assert (alarm.step, first.cause) == (1, "input")


def test_an_optimizer_is_for_keras_alone() -> None:
    model = Model()
    other = torch.optim.SGD(model.parameters(), lr=0.01)
    with pytest.raises(OptionError, match="none for a PyTorch model"), lt.watch(model, optimizer=other):
        pass
    for save in ("", "."):
        with pytest.raises(FileError, match="no suffix"), lt.watch(model, save=save):
            pass
