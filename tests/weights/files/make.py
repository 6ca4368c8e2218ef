"""Writes keras_lstm.tflite, as TensorFlow's own converter writes an LSTM, and its weights as keras_lstm.npz.

TensorFlow is no dependency of the tests: run this in an environment with tensorflow and tf_keras (Keras 2, whose LSTM
is converted to one operator): `python tests/weights/files/make.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def make() -> None:
    """Write both files."""
    import tensorflow as tf
    import tf_keras

    tf.random.set_seed(1)
    lstm = tf_keras.layers.LSTM(3, return_sequences=True, bias_initializer="random_normal")
    model = tf_keras.Sequential([tf_keras.Input((5, 4), batch_size=1), lstm])
    kernel, recurrent, bias = model.get_weights()
    np.savez(HERE / "keras_lstm.npz", kernel=kernel, recurrent_kernel=recurrent, bias=bias)
    (HERE / "keras_lstm.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


if __name__ == "__main__":
    make()
