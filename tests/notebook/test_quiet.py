"""TensorFlow's messages are hidden when it is imported, and shown if the import fails."""

import subprocess
import sys

INSTALL = "from edgekit.notebook import quiet; quiet.install(); "


def run(code, **options):
    return subprocess.run([sys.executable, "-c", INSTALL + code], capture_output=True, text=True, **options)


def test_tensorflow_is_imported_and_used_in_silence():
    result = run("import keras, tensorflow as tf; print(float(tf.reduce_sum(tf.ones(3))))")
    assert (result.stdout.strip(), result.stderr) == ("3.0", "")


def test_a_failing_import_says_everything(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import os; os.write(2, b'a remark'); raise ImportError('broken')")
    result = run("import sys; sys.path.insert(0, '.'); import tensorflow", cwd=tmp_path)
    assert "a remark" in result.stderr
    assert "ImportError: broken" in result.stderr


def test_importing_edgekit_does_not_import_tensorflow():
    result = run("import edgekit, sys; edgekit.plots; print('tensorflow' in sys.modules, 'matplotlib' in sys.modules)")
    assert result.stdout.split() == ["False", "False"]
