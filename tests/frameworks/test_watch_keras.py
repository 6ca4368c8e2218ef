"""`lt.watch` around `fit` of a Keras model: the alarm at its step, the trace that replays it, and nothing left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.explanation.watch import Alarm, StoppedError, WatchWarning

os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own

DRAW = np.random.default_rng(0)
X, Y = DRAW.normal(size=(40, 7, 3)).astype("float32"), DRAW.normal(size=(40, 1)).astype("float32")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def model(layer: Any = None, optimizer: str = "sgd", **options: Any) -> Any:
    keras.utils.set_random_seed(0)
    layer = keras.layers.LSTM(5, name="encoder", **options) if layer is None else layer
    made = keras.Sequential([keras.Input((7, 3)), layer, keras.layers.Dense(1)])
    made.compile(optimizer, "mse")
    return made


def fit(made: Any, x: Any = X, y: Any = Y) -> None:
    made.fit(x, y, batch_size=8, shuffle=False, verbose=0)


def stopped(made: Any, x: Any = X, y: Any = Y, **options: Any) -> Alarm:
    def loop() -> None:
        with lt.watch(made, **options):
            fit(made, x, y)

    with pytest.raises(StoppedError) as caught:
        loop()
    assert "call" not in vars(made.layers[0])
    assert "apply" not in vars(made.optimizer)
    assert caught.value.alarm is not None
    return caught.value.alarm


def bad(place: tuple[int, int, int]) -> np.ndarray:
    x = X.copy()
    x[place] = np.nan
    return x


@pytest.mark.parametrize("kind", ["LSTM", "Bidirectional", "sequences"])
def test_an_input_that_is_nan(kind: str) -> None:
    """Example 17 is the second of the third batch."""
    if kind == "Bidirectional":
        made = model(keras.layers.Bidirectional(keras.layers.LSTM(5), name="encoder"))
    else:
        made = model(**({"return_sequences": True} if kind == "sequences" else {}))
    y = np.repeat(Y[:, None], 7, axis=1) if kind == "sequences" else Y
    alarm = stopped(made, bad((17, 3, 1)), y)
    assert (alarm.kind, alarm.step, alarm.module) == ("not finite", 2, "encoder")
    assert alarm.path is not None
    first = lt.load(alarm.path).not_finite
    assert first is not None
    assert (first.address.t, first.address.b, first.cause) == (3, 1, "input")
    assert first.operands[1][0] == "x_t[1]"


def test_a_gradient_that_is_zero() -> None:
    made = model()
    made.layers[1].trainable_weights[0].assign(np.zeros((5, 1)))
    alarm = stopped(made)
    assert (alarm.kind, alarm.step) == ("vanished", 0)
    assert "the gradient of its weights has the norm 0" in alarm.sentence


def test_gates_that_are_saturated() -> None:
    made = model()
    kernel, recurrent, bias = (weight.numpy() for weight in made.layers[0].trainable_weights)
    bias[5:10] = 50.0
    made.layers[0].set_weights([kernel, recurrent, bias])
    alarm = stopped(made, share=1e9)
    assert (alarm.kind, alarm.step) == ("saturated", 0)
    assert "every unit of 0/forward/f_t is saturated" in alarm.sentence


def test_the_weights_are_those_of_a_run_without_a_watch() -> None:
    plain, watched = model(optimizer="adam"), model(optimizer="adam")
    fit(plain)
    with lt.watch(watched, share=1e9) as found:
        fit(watched)
    assert (found.steps, found.alarms) == (5, [])
    for a, b in zip(plain.get_weights(), watched.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_warning_and_another_optimizer() -> None:
    made = model()
    optimizer = made.optimizer
    alone = keras.Sequential(made.layers)
    with pytest.warns(WatchWarning), lt.watch(alone, optimizer=optimizer, action="warn", save=None) as found:
        fit(made, bad((9, 0, 0)))
    assert [(alarm.kind, alarm.step, alarm.path) for alarm in found.alarms] == [
        ("not finite", 1, None), ("exploded", 1, None),
    ]  # fmt: skip


def test_gradients_of_a_scaled_loss_are_unscaled() -> None:
    """The norms of the gradients are below 10; a step that the scaling leaves out hides no NaN in the forward pass."""

    def scaled(way: str) -> Any:
        made = model()
        inner = keras.optimizers.SGD(0.01, **({"loss_scale_factor": 2.0**15} if way == "fixed" else {}))
        made.compile(keras.optimizers.LossScaleOptimizer(inner) if way == "dynamic" else inner, "mse")
        return made

    for way in ("plain", "fixed", "dynamic"):
        with lt.watch(made := scaled(way), explodes=10.0, saturated=None) as found:
            fit(made)
        assert (found.steps, found.alarms) == (5, []), way
    alarm = stopped(made := scaled("dynamic"), bad((17, 3, 1)))
    assert "apply" not in vars(made.optimizer.inner_optimizer)
    assert (alarm.kind, alarm.step) == ("not finite", 2)
    assert alarm.path is not None


@pytest.mark.few(1)
@pytest.mark.parametrize("eager", [False, True])
def test_jax_compiles_its_calls(eager: bool, tmp_path: Path) -> None:
    """What fit compiles has no numbers, which is said in the end; uncompiled, it has gradients, but no forward pass."""
    pytest.importorskip("jax")
    script = f"""
import numpy as np, keras, lstm_trace as lt
model = keras.Sequential([keras.Input((7, 3)), keras.layers.LSTM(5), keras.layers.Dense(1)])
model.compile("sgd", "mse", run_eagerly={eager})
x = np.ones((4, 7, 3), "float32")
x[1, 2, 0] = np.nan
with lt.watch(model):
    model.fit(x, np.ones((4, 1), "float32"), verbose=0)
"""
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)  # noqa: S603
    assert done.returncode == 1
    last = done.stderr.strip()
    if eager:
        assert "step 0 of training, lstm: the gradient of its weights has the norm nan" in last
        assert "its call cannot be replayed" in last
    else:
        assert "has no numbers yet" in last
