"""SavedModel folders are read through TensorFlow's converter."""

import numpy as np
import pytest
import tensorflow as tf

from edgekit import tflite


class Module(tf.Module):
    """A network of plain TensorFlow."""

    def __init__(self):
        super().__init__()
        self.weights = tf.Variable(np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((None, 4))])
    def __call__(self, x):
        return tf.nn.relu(x @ self.weights)


def test_a_saved_model_is_read(tmp_path, capfd):
    module = Module()
    tf.saved_model.save(module, tmp_path / "gesture")
    capfd.readouterr()
    net = tflite.from_saved_model(tmp_path / "gesture")
    assert net.name == "gesture"
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(net.run(x), np.asarray(module(x)), atol=1e-6)
    assert capfd.readouterr().err == ""


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        tflite.from_saved_model(tmp_path / "none")
    with pytest.raises(ValueError, match=r"is no SavedModel: there is no saved_model\.pb in it"):
        tflite.from_saved_model(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"abc")
    with pytest.raises(ValueError, match="TensorFlow's converter cannot convert the SavedModel"):
        tflite.from_saved_model(tmp_path)
