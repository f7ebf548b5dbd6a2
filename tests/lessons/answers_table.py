"""Answers to the tasks of all lessons: forged and wrong ones, which must not get all points, and right ones, which must.

A task whose answer is functions also gets wrong ones made from the right one: see `answers.py`.
"""

# The functions that a task asks for, by the task's id.
FUNCTIONS = {
    "decide": ("decide",),
    "noise": ("add_noise",),
    "preprocess": ("preprocess",),
    "evaluate": ("evaluate", "roc"),
    "most_wrong": ("most_wrong",),
    "channel_scales": ("channel_scales",),
    "quantize_rows": ("quantize_rows", "dequantize_rows"),
    "scale_and_zero_point": ("scale_and_zero_point",),
    "accumulate": ("bias_in_steps", "accumulate"),
    "to_output": ("to_output",),
    "images_per_second": ("images_per_second",),
    "cost": ("cost",),
    "quantize_weights": ("quantize_weights", "dequantize_weights"),
    "decibels": ("decibels",),
    "observe": ("observe",),
    "convolve": ("convolve",),
    "multiplier_and_shift": ("multiplier_and_shift",),
    "requantize": ("requantize",),
}

_EVERYTHING = """
class Yes:
    __eq__ = __ne__ = lambda self, other: True
    __hash__ = None
    __bool__ = lambda self: True
    __call__ = __getitem__ = lambda self, *a, **k: self
    __getattr__ = lambda self, name: self
"""
_FAKE_MODEL = """
class Layer:
    def __init__(self, name, kind): self.name, self.kind = name, kind
    def get_config(self): return {"activation": self.kind, "name": self.name}
class Model:
    name = "xormodel"
    layers = [Layer("hidden", "tanh"), Layer("output", "sigmoid")]
    def count_params(self): return 33
    def predict(self, x, verbose=0): return np.full((len(x), 1), 0.5)
model = Model()
"""
_SEQUENTIAL = """
model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense({0}, activation={1!r}, name={2!r}),
    keras.layers.Dense({3}, activation={4!r}, name={5!r})], name={6!r})
"""
_HALF_C = """
import pathlib
folder = pathlib.Path("forged/generated")
folder.mkdir(parents=True, exist_ok=True)
model_files = [folder / "{name}.h", folder / "{name}.cpp"]
model_files[0].write_text('''#include <stdint.h>
typedef {value} {name}_value;
enum {{ {name}_input_size = {size}, {name}_output_size = 1 }};
int {name}_init(void);
{name}_value *{name}_input(void);
int {name}_invoke(void);
{name}_value *{name}_output(void);
''')
model_files[1].write_text('''#include "{name}.h"
static {value} values[{size}];
int {name}_init(void) {{ return 0; }}
{value} *{name}_input(void) {{ return values; }}
int {name}_invoke(void) {{ values[0] = {half}; return 0; }}
{value} *{name}_output(void) {{ return values; }}
''')
"""
_LAYERS = (8, "tanh", "hidden", 1, "sigmoid", "output", "xormodel")


def _sequential(**changes):
    arguments = list(_LAYERS)
    for place, value in changes.items():
        arguments[int(place[1:])] = value
    return _SEQUENTIAL.format(*arguments)


VALUES = {
    "xormodel": {
        "truth_table": {
            "forged": [_EVERYTHING + "inputs = labels = Yes()", "inputs, labels = np.empty((0, 2)), np.empty(0)"],
            "wrong": [
                "labels = np.array([0, 0, 0, 1])",
                "labels = np.array([0, 1, 1, 1])",
                "labels = np.array([1, 0, 0, 1])",
                "labels = np.zeros(4)",
                "labels = np.array([[0], [1], [1], [0]])",
                "inputs = np.array([[0, 0], [1, 0], [0, 1], [1, 1.5]])",
                "labels = ['0', '1', '1', '0']",
            ],
            "right": [
                "inputs, labels = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]",
                "labels = inputs[:, 0] != inputs[:, 1]",
                "inputs = np.array([(a, b) for a in (0, 1) for b in (0, 1)], float)\nlabels = np.array([0.0, 1, 1, 0])",
            ],
        },
        "build": {
            "forged": [_FAKE_MODEL, _EVERYTHING + "model = Yes()"],
            "wrong": [
                _sequential(_1="relu"),
                _sequential(_4=None),
                _sequential(_4="tanh"),
                _sequential(_2="first"),
                _sequential(_5="last"),
                _sequential(_6="xor"),
                _sequential(_0=16),
                _sequential(_3=2),
            ],
            "right": [
                _sequential(),
                """
model = keras.Sequential(name="xormodel")
model.add(keras.Input(shape=(2,)))
model.add(keras.layers.Dense(8, "tanh", name="hidden"))
model.add(keras.layers.Dense(1, "sigmoid", name="output"))
""",
                """
from keras import layers
model = keras.Sequential([layers.Input((2,)), layers.Dense(units=8, activation=keras.activations.tanh, name="hidden"),
    layers.Dense(units=1, activation=keras.activations.sigmoid, name="output")], name="xormodel")
""",
            ],
        },
        "train": {
            "forged": [
                _sequential() + "history = {'accuracy': [0.5, 1.0], 'loss': [0.7, 0.01]}",
                _FAKE_MODEL
                + "Model.predict = lambda self, x, verbose=0: np.array([[0.], [1.], [1.], [0.]])\n"
                + "history = {'accuracy': [1.0, 1.0], 'loss': [0.0, 0.0]}",
                "history = {'accuracy': [1], 'loss': [0]}",
                "history = {'accuracy': [1, 1, 1], 'loss': [0.09, 0.09]}",
                "history = {'accuracy': [0, 1], 'loss': [0.01, 0.05]}",
            ],
            "wrong": [
                _sequential() + "history = training.fit(model, dataset, epochs=2, learning_rate=0.05, seed=1)",
                _sequential() + "history = training.fit(model, dataset, epochs=60, learning_rate=0.0001, seed=1)",
                _sequential() + "history = training.fit(model, dataset, epochs=1, learning_rate=5.0, seed=1)",
                "history = training.fit",
                "history = None",
                "history = [0.01] * 500",
            ],
            "right": [
                _sequential() + "history = training.fit(model, dataset, epochs=700, learning_rate=0.05, seed=3)",
                _sequential() + "history = training.fit(model, dataset, learning_rate=0.1, epochs=400, seed=1)",
                _sequential() + "history = dict(training.fit(model, dataset, epochs=300, learning_rate=0.1, seed=7))",
            ],
        },
        "export": {
            "forged": [
                "tflite_bytes = b'0000TFL3' + bytes(100)",
                "import pathlib\nmodel_files = [pathlib.Path('xormodel.cpp'), pathlib.Path('xormodel.h')]",
                "import pathlib\nmodel_files = [pathlib.Path('no/generated', f'xormodel.{end}') for end in ('cpp', 'h')]",
                _HALF_C.format(name="xormodel", value="float", size=2, half="0.5f"),
                _EVERYTHING + "tflite_bytes = Yes()",
            ],
            "wrong": [
                "model_files = codegen.export(net, 'xormodel', 'elsewhere')",
                "model_files = codegen.export(net, 'other', 'generated')",
                "model_files = model_files[:1]",
                "tflite_bytes = tflite_bytes[:-200]",
                "tflite_bytes = tflite.to_bytes(network.map_weights(net, lambda op: op.weights * 1.05))",
                "tflite_bytes = tflite.to_bytes(network.map_weights(net, lambda op: np.round(op.weights)))",
                "tflite_bytes = str(tflite_bytes)",
            ],
            "right": [
                "tflite_bytes = bytearray(tflite.to_bytes(net))",
                "import pathlib\nmodel_files = codegen.export(net, 'xormodel', pathlib.Path('generated'))",
                "model_files = codegen.export(directory='generated', model=net, name='xormodel')",
            ],
        },
        "on_board": {
            "forged": [
                _EVERYTHING + "board_outputs = [Yes()] * 4",
                "board_outputs = [np.empty(0)] * 4",
                "board_outputs = model.predict(inputs, verbose=0)[:, 0].tolist()  # of Keras, not of the board",
                "device.classify([0, 0])\nboard_outputs = net.run(inputs)[:, 0]",
                "import types\ndevice = types.SimpleNamespace(classify=lambda row: types.SimpleNamespace("
                "scores=net.run(np.array([row]))[0]))\nboard_outputs = [device.classify(row).scores[0] for row in inputs]",
            ],
            "wrong": [
                "board_outputs = [0, 1, 1, 0]",
                "board_outputs = [0.5] * 4",
                "board_outputs = []",
                "board_outputs = model.predict(inputs, verbose=0)[::-1, 0] + 0.01",
                "board_outputs = model.predict(inputs, verbose=0)[:3, 0]",
                "board_outputs = ['0.0', '1.0', '1.0', '0.0']",
                "board_outputs = [np.nan] * 4",
            ],
            "right": [
                "board_outputs = [device.classify(row).scores[0] for row in [[0, 0], [0, 1], [1, 0], [1, 1]]]",
                "board_outputs = np.array([device.classify(row).scores for row in inputs])",
                "board_outputs = []\nfor a, b in inputs:\n    board_outputs.append(float(device.classify((a, b)).scores[0]))",
            ],
        },
        "decide": {
            "right": [
                "def decide(outputs):\n    return [int(o[0] > 0.5) for o in outputs]",
                "def decide(o):\n    return np.where(np.ravel(o) > 0.5, 1, 0)",
                "decide = lambda outputs: np.rint(np.squeeze(outputs, axis=1)).astype(int)",
            ],
            "wrong": [
                "def decide(outputs):\n    return (outputs[:, 0] >= 0.5).astype(int)",
                "def decide(outputs):\n    return np.ceil(outputs[:, 0]).astype(int)",
                "def decide(outputs):\n    return outputs[:, 0]",
                "def decide(outputs):\n    return outputs[:, 0] > 0.5",
                "def decide(outputs):\n    return np.array([0, 1])",
            ],
        },
        "noise": {
            "right": [
                "def add_noise(row, amount, seed):\n    return row + amount * np.random.default_rng(seed).uniform(-1, 1, 2)",
                "def add_noise(row, amount, seed):\n    np.random.seed(seed)\n    return row + (np.random.rand(2) * 2 - 1) * amount",
                "import random\ndef add_noise(row, amount, seed):\n    r = random.Random(seed)\n    return [x + r.uniform(-amount, amount) for x in row]",
            ],
            "wrong": [
                "def add_noise(row, amount, seed):\n    return row + np.random.default_rng(seed).uniform(0, amount, 2)",
                "def add_noise(row, amount, seed):\n    return row + np.random.default_rng().uniform(-amount, amount, 2)",
                "def add_noise(row, amount, seed):\n    return row + np.random.default_rng(seed).uniform(-amount, amount)",
                "def add_noise(row, amount, seed):\n    return row + np.random.default_rng(7).uniform(-amount, amount, 2)",
                "def add_noise(row, amount, seed):\n    return row + bool(amount) * np.random.default_rng(seed).uniform(-0.5, 0.5, 2)",
                "def add_noise(row, amount, seed):\n    return row + np.clip(np.random.default_rng(seed).normal(0, amount / 3, 2), -amount, amount)",
            ],
        },
    },
    "carclassifier_easy": {
        "sizes": {
            "forged": [_EVERYTHING + "float_bytes = int8_bytes = ordinary_macs = Yes()"],
            "wrong": [
                "float_bytes = net.parameters",
                "int8_bytes = 4 * net.parameters",
                "ordinary_macs = 3 * 3 * 256",
                "ordinary_macs = 3 * 3 * 256 * 256",
                "ordinary_macs = 20736 + 589824",
                "ordinary_macs = 5308416.5",
                "ordinary_macs = '5308416'",
            ],
            "right": [
                "float_bytes = np.int64(842372)",
                "ordinary_macs = 9 * 256 * 9 * 256",
                "int8_bytes = float_bytes // 4",
            ],
        },
        "naive": {
            "forged": ["round_naively = lambda weights: np.empty(0)", _EVERYTHING + "round_naively = Yes()"],
            "wrong": [
                "def round_naively(weights):\n    return np.floor(weights)",
                "def round_naively(weights):\n    return np.ceil(weights)",
                "def round_naively(weights):\n    return np.trunc(weights)",
                "def round_naively(weights):\n    return weights.astype(int)",
                "def round_naively(weights):\n    return np.rint(weights).ravel()",
                "def round_naively(weights):\n    return np.clip(np.rint(weights), -1, 63)",
                "def round_naively(weights):\n    return np.array([[-2, 0], [1, 63]])",
            ],
            "right": [
                "round_naively = np.round",
                "def round_naively(weights):\n    return np.around(weights, 0)",
                "def round_naively(weights):\n    return np.floor(weights + 0.5)",
            ],
        },
        "calibration_images": {
            "forged": [
                "calibration_images = np.zeros((200, 96, 96, 3), np.uint8)",
                "calibration_images = np.repeat(calibration_set.images[:1], 200, axis=0)",
                "calibration_images = np.random.default_rng(0).integers(0, 256, (200, 96, 96, 3)).astype(np.uint8)",
            ],
            "wrong": [
                "calibration_images = test.images",
                "calibration_images = calibration_set",
                "calibration_images = calibration_set.images[:99]",
                "calibration_images = preprocess(calibration_set.images)",
                "calibration_images = np.concatenate([calibration_set.images, test.images[:1]])",
                "calibration_images = 255 - calibration_set.images",
                "calibration_images = calibration_set.images[:, ::-1]",
            ],
            "right": [
                "calibration_images = calibration_set.images[:100]",
                "calibration_images = list(calibration_set.images)",
                "calibration_images = calibration_set.images[np.random.default_rng(1).permutation(200)][:150]",
            ],
        },
        "assemble": {
            "forged": [
                """
class Fake:
    quantization = quantized.quantization
    def run(self, x): return np.rint(net.run(x / np.float32(128)) * 256 - 128).clip(-128, 127).astype(np.int8)
    def dequantize_output(self, q): return (q.astype(float) + 128) / 256
quantized = Fake()
""",
                _EVERYTHING + "quantized = Yes()",
            ],
            "wrong": [
                "quantized = quantization.assemble(net, activations, per_tensor)",
                "quantized = net",
                "quantized = None",
                "quantized = quantization.quantize(net, calibration.calibrate(net, preprocess(calibration_set.images[:3])))",
                "int8_weights = per_tensor\nquantized = quantization.assemble(net, activations, int8_weights)",
                "activations = {name: (scale / 2, -128) for name, (scale, zero) in activations.items()}\n"
                "quantized = quantization.assemble(net, activations, int8_weights)",
            ],
            "right": [
                "quantized = quantization.assemble(network=net, activations=activations, weights=int8_weights)",
                "quantized = quantization.assemble(net, dict(activations), dict(int8_weights))",
            ],
        },
        "evaluate": {
            "wrong": [
                "def evaluate(outputs, labels):\n    a = np.ravel(outputs) >= 0.6\n    m = np.array([[sum((labels == l) & (a == b)) for b in (0, 1)] for l in (0, 1)])\n    return np.mean(a == labels), m",
            ],
            "right": [
                "def evaluate(outputs, labels):\n    a = (np.ravel(outputs) > 0.5).astype(int)\n    m = np.zeros((2, 2), int)\n"
                "    for l, b in zip(labels, a):\n        m[l, b] += 1\n    return float(np.trace(m) / len(labels)), m",
                "def evaluate(outputs, labels):\n    a = np.ravel(outputs) > 0.5\n    m = [[sum((labels == l) & (a == b)) for b in (0, 1)] for l in (0, 1)]\n"
                "    return sum(a == labels) / len(labels), m",
            ],
        },
        "most_wrong": {
            "wrong": [
                "def most_wrong(outputs, labels, count):\n    return np.argsort(np.abs(outputs - labels))[:count]",
                "def most_wrong(outputs, labels, count):\n    return np.argsort(-np.abs(outputs - labels))[:2]",
                "def most_wrong(outputs, labels, count):\n    return np.argsort(labels - outputs)[:count]",
            ],
            "right": [
                "def most_wrong(outputs, labels, count):\n    return np.argsort(np.abs(outputs - labels))[::-1][:count]",
                "def most_wrong(o, l, count):\n    return sorted(range(len(o)), key=lambda i: -abs(o[i] - l[i]))[:count]",
            ],
        },
        "accumulate": {
            "wrong": [
                "def accumulate(x, z_x, q_w, q_b):\n    return q_w @ (x - z_x) + q_b",
                "def bias_in_steps(bias, s_x, s_w):\n    return np.floor(bias / (s_x * s_w)).astype(np.int32)",
                "def bias_in_steps(bias, s_x, s_w):\n    return (bias / (s_x * s_w)).astype(np.int32)",
            ],
            "right": [
                "def accumulate(x, z_x, q_w, q_b):\n    return ((x.astype(int) - z_x) * q_w.astype(int)).sum(axis=1) + q_b",
                "def bias_in_steps(bias, s_x, s_w):\n    return np.round(bias / s_x / s_w).astype(int)",
            ],
        },
        "preprocess": {
            "right": [
                "def preprocess(images):\n    return images / np.float32(128) - np.float32(1)",
                "def preprocess(x):\n    return np.float32(x) / 128 - 1",
                "def preprocess(images):\n    return np.subtract(images, 128, dtype=np.float32) / np.float32(128)",
            ],
            "forged": ["def preprocess(images):\n    return models.preprocess(images)"],
            "wrong": [
                "def preprocess(images):\n    return (images - 128) / 128",
                "def preprocess(images):\n    return images.astype(np.float32) / 255",
                "def preprocess(images):\n    return (images.astype(float) - 128) / 128",
                "def preprocess(images):\n    return (images.astype(np.float32) - 127.5) / 127.5",
            ],
        },
        "channel_scales": {
            "right": [
                "def channel_scales(rows):\n    s = np.max(np.abs(rows), axis=1) / 127\n    s[s == 0] = 1\n    return s",
                "def channel_scales(rows):\n    return [max(abs(w) for w in row) / 127 or 1 for row in rows]",
                "def channel_scales(r):\n    m = np.maximum(r.max(1), -r.min(1))\n    return np.where(m == 0, 1, m / 127)",
            ],
            "forged": ["def channel_scales(rows):\n    return quantization.weight_scales(rows)"],
            "wrong": [
                "def channel_scales(rows):\n    s = rows.max(axis=1) / 127\n    return np.where(s == 0, 1, s)",
                "def channel_scales(rows):\n    s = np.abs(rows).max(axis=1) / 128\n    return np.where(s == 0, 1, s)",
                "def channel_scales(rows):\n    s = np.abs(rows).max(axis=0) / 127\n    return np.where(s == 0, 1, s)",
            ],
        },
        "quantize_rows": {
            "wrong": [
                "def quantize_rows(rows, scales):\n    return np.clip(np.floor(rows / scales[:, None]), -127, 127).astype(np.int8)",
                "def quantize_rows(rows, scales):\n    return (rows / scales[:, None]).astype(np.int8)",
                "def quantize_rows(rows, scales):\n    return np.clip(np.rint(rows / scales.max()), -127, 127).astype(np.int8)",
                "def dequantize_rows(q, scales):\n    return scales.max() * q",
            ],
            "right": [
                "def quantize_rows(w, s):\n    return np.array([np.clip(np.rint(r / c), -127, 127) for r, c in zip(w, s)]).astype(np.int8)",
                "def dequantize_rows(q, scales):\n    return np.multiply(q, np.reshape(scales, (-1, 1)))",
                "def dequantize_rows(q, scales):\n    return np.diag(scales) @ q",
            ],
        },
        "to_output": {
            "wrong": [
                "def to_output(a, s_x, s_w, s_y, z):\n    return np.clip(np.floor(z + a * (s_x * s_w / s_y)), -128, 127).astype(np.int8)",
                "def to_output(a, s_x, s_w, s_y, z):\n    return np.clip((z + a * (s_x * s_w / s_y)).astype(int), -128, 127).astype(np.int8)",
                "def to_output(a, s_x, s_w, s_y, z):\n    return np.clip(np.ceil(z + a * (s_x * s_w / s_y)), -128, 127).astype(np.int8)",
                "def to_output(a, s_x, s_w, s_y, z):\n    return np.rint(z + a * (s_x * s_w / s_y)).astype(np.int8)",
                "def to_output(a, s_x, s_w, s_y, z):\n    return np.clip(np.rint(z + a * (s_x * s_w / s_y)), -128, 127)",
                "def to_output(a, s_x, s_w, s_y, z):\n    return np.clip(np.rint(z + a * (s_x * s_w / s_y)), -128, 127).astype(int)",
            ],
            "right": [
                "def to_output(a, s_x, s_w, s_y, z):\n    return np.clip(z + np.rint(a * s_x * s_w / s_y), -128, 127).astype(np.int8)",
                "def to_output(a, s_x, s_w, s_y, z):\n    q = np.round(np.multiply(a, s_x * s_w) / s_y + z)\n    return np.int8(np.minimum(np.maximum(q, -128), 127))",
                "def to_output(a, s_x, s_w, s_y, z):\n    return np.array([min(max(round(z + x * s_x * w / s_y), -128), 127) for x, w in zip(a, s_w)], np.int8)",
            ],
        },
    },
    "carclassifier_hard": {
        "naive": {
            "forged": [
                """
class Op:
    def __init__(self, weights): self.weights = weights
class Net:
    ops = [Op(np.ones(3)) for _ in net.ops]
net = naive = Net()
""",
                """
class Op:
    def __init__(self, op): self.weights = None if op.weights is None else np.rint(op.weights)
class Net:
    ops = [Op(op) for op in net.ops]
naive = Net()
""",
                _EVERYTHING + "naive = Yes()",
            ],
            "wrong": [
                "naive = network.map_weights(net, lambda op: np.floor(op.weights))",
                "naive = network.map_weights(net, lambda op: np.trunc(op.weights))",
                "naive = network.map_weights(net, lambda op: np.ceil(op.weights))",
                "naive = network.map_weights(net, lambda op: np.rint(op.weights) if op.name == 'conv1' else op.weights)",
                "naive = network.map_weights(net, lambda op: np.clip(np.rint(op.weights), -8, 8))",
                "naive = net",
                "naive = network.map_weights(net, lambda op: np.rint(op.weights * 2) / 2)",
            ],
            "right": [
                "naive = network.map_weights(net, lambda op: np.round(op.weights))",
                "def change(op):\n    return np.around(op.weights)\nnaive = network.map_weights(net, change)",
                "naive = network.map_weights(net, lambda op: op.weights.round())",
            ],
        },
        "quantize": {
            "forged": [
                """
class Fake:
    def run(self, x): return np.rint(net.run(x / np.float32(128)) * 256 - 128).clip(-128, 127).astype(np.int8)
    def predict(self, x): return net.run(x)
quantized = Fake()
""",
                "def quantize(images):\n    return quantized, activations",
            ],
            "wrong": [
                "def quantize(images):\n    return quantization.assemble(net, activations, int8_weights), activations",
                "def quantize(images):\n    r = observe(net.walk(images.astype(np.float32)))\n"
                "    a = {n: scale_and_zero_point(*r[n]) for n in net.shapes}\n    return None, a",
                "quantized = None",
                "quantized = net",
                "int8_weights = {name: quantize_weights(op.weights, None) for name, op in ops.items()}",
                "quantized, activations = quantize(calibration_set.images[:1])",
            ],
            "right": [
                "quantized, activations = quantize(calibration_set.images[::-1])",
                "def quantize(images):\n    ranges = observe(net.walk(preprocess(np.asarray(images))))\n"
                "    pairs = {}\n    for name, (low, high) in ranges.items():\n        pairs[name] = scale_and_zero_point(low, high)\n"
                "    return quantization.assemble(net, pairs, int8_weights), pairs\n"
                "quantized, activations = quantize(calibration_set.images)",
            ],
        },
        "preprocess": {
            "right": [
                "def preprocess(x):\n    return np.float32(x) / 128 - 1",
                "def preprocess(images):\n    return np.subtract(images, 128, dtype=np.float32) / np.float32(128)",
            ],
            "forged": ["def preprocess(images):\n    return models.preprocess(images)"],
        },
        "cost": {
            "wrong": [
                "def cost(h, w, ci, co, k, s, d):\n    f = k * k * (1 if d else ci)\n    return co * (f + 1), (h // s) * (w // s) * co * f",
                "def cost(h, w, ci, co, k, s, d):\n    f = k * k * (1 if d else ci)\n    return co * f, -(-h // s) * -(-w // s) * co * f",
            ],
            "right": [
                "import math\ndef cost(h, w, ci, co, k, s, d):\n    f = k**2 if d else k**2 * ci\n    return co * f + co, math.ceil(h / s) * math.ceil(w / s) * co * f",
                "def cost(h, w, ci, co, k, s, d):\n    f = k * k * (ci if not d else 1)\n    return [co * (1 + f), ((h + s - 1) // s) * ((w + s - 1) // s) * co * f]",
            ],
        },
        "evaluate": {
            "right": [
                "def evaluate(outputs, labels, threshold=0.5):\n    a = np.ravel(outputs) > threshold\n"
                "    m = np.array([[np.sum((labels == l) & (a == b)) for b in (False, True)] for l in (0, 1)])\n    return m.trace() / m.sum(), m",
                "def roc(outputs, labels, thresholds):\n    o = np.ravel(outputs)\n    return tuple(np.array([np.mean(o[labels == l] > t) for t in thresholds]) for l in (0, 1))",
            ],
        },
        "quantize_weights": {
            "wrong": [
                "def quantize_weights(weights, axis, bits=8):\n    s = np.abs(weights).max() / 127\n    return np.rint(weights / s).astype(np.int8), np.array([s])",
            ],
            "right": [
                "def quantize_weights(weights, axis, bits=8):\n    n = 2 ** (bits - 1) - 1\n"
                "    over = tuple(i for i in range(weights.ndim) if axis is None or i != axis % weights.ndim)\n"
                "    s = np.max(np.abs(weights), axis=over, keepdims=True) / n\n    s = np.where(s == 0, 1, s)\n"
                "    return np.round(weights / s).astype(np.int8), s.ravel()",
                "def dequantize_weights(q, scales, axis):\n    if axis is None:\n        return q * scales[0]\n    return np.moveaxis(np.moveaxis(q, axis, -1) * scales, -1, axis)",
            ],
        },
        "observe": {
            "wrong": [
                "def observe(batches):\n    r = {}\n    for b in batches:\n        for n, v in b.items():\n            l, h = r.get(n, (0.0, 0.0))\n"
                "            r[n] = min(l, float(v.min())), max(h, float(v.max()))\n    return r",
            ],
            "right": [
                "def observe(batches):\n    low, high = {}, {}\n    for batch in batches:\n        for n, v in batch.items():\n"
                "            low[n] = min(low.get(n, float(v.min())), float(v.min()))\n            high[n] = max(high.get(n, float(v.max())), float(v.max()))\n"
                "    return {n: (low[n], high[n]) for n in low}",
                "def observe(batches):\n    seen = {}\n    for batch in batches:\n        for n, v in batch.items():\n            seen.setdefault(n, []).append(v.ravel())\n"
                "    return {n: (float(np.concatenate(v).min()), float(np.concatenate(v).max())) for n, v in seen.items()}",
            ],
        },
        "convolve": {
            "wrong": [
                "_right = convolve\ndef convolve(x, z_x, q_w, q_b, stride):\n    return _right(x, z_x, q_w[:, ::-1, ::-1], q_b, stride)",
                "_right = convolve\ndef convolve(x, z_x, q_w, q_b, stride):\n    return _right(x, z_x, q_w.transpose(0, 2, 1, 3), q_b, stride)",
                "_right = convolve\ndef convolve(x, z_x, q_w, q_b, stride):\n    return _right(x, z_x, q_w, q_b * 0, stride)",
            ],
            "right": [
                "def convolve(x, z_x, q_w, q_b, stride):\n    k = q_w.shape[1]\n    h, w = (-(-n // stride) for n in x.shape[:2])\n"
                "    ph, pw = (max((m - 1) * stride + k - n, 0) for m, n in zip((h, w), x.shape[:2]))\n"
                "    p = np.pad(x.astype(int), ((ph // 2, ph - ph // 2), (pw // 2, pw - pw // 2), (0, 0)), constant_values=z_x) - z_x\n"
                "    return np.array([[[np.sum(p[i * stride : i * stride + k, j * stride : j * stride + k] * f) + b for f, b in zip(q_w.astype(int), q_b)]"
                " for j in range(w)] for i in range(h)])",
                "_given = convolve\ndef convolve(x, z_x, q_w, q_b, stride):\n"
                "    return np.concatenate([_given(x, z_x, q_w[i : i + 1], q_b[i : i + 1], stride) for i in range(len(q_w))], axis=2)",
            ],
        },
        "requantize": {
            "wrong": [
                "def requantize(a, m, s):\n    return np.rint(np.asarray(a, float) * m / 2**31 * 2.0 ** np.asarray(s)).astype(int)",
                "def requantize(a, m, s):\n    h = (np.asarray(a, np.int64) * m + 2**30) >> 31\n    r = -np.asarray(s, np.int64)\n    return (h + ((1 << r) >> 1)) >> r",
            ],
            "right": [
                "def requantize(a, m, s):\n    h = np.floor_divide(np.int64(a) * np.int64(m) + (1 << 30), 1 << 31)\n    r = -np.int64(s)\n"
                "    half = np.where(r > 0, 1 << np.maximum(r - 1, 0), 0)\n    return np.where(h < 0, -((-h + half) >> r), (h + half) >> r)",
                "def requantize(a, m, s):\n    def one(a, m, s):\n        h = (int(a) * int(m) + 2**30) // 2**31\n        d = 2 ** -int(s)\n"
                "        return (h + d // 2) // d if h >= 0 else -((-h + d // 2) // d)\n    return np.vectorize(one, otypes=[int])(a, m, s)",
            ],
        },
        "decibels": {
            "forged": ["def decibels(signal, approximation):\n    return noise.decibels(signal, approximation)"],
            "wrong": [
                "def decibels(s, a):\n    return 10 * np.log10(np.mean(s**2) / np.var(s - a)) if np.any(s != a) else np.inf",
                "def decibels(s, a):\n    return 10 * np.log(np.sum(s**2) / np.sum((s - a) ** 2)) if np.any(s != a) else np.inf",
            ],
            "right": [
                "def decibels(s, a):\n    e = np.sum((s - a) ** 2)\n    return float('inf') if not e else 10 * np.log10(np.sum(s * s) / e)",
                "def decibels(s, a):\n    n = np.linalg.norm(s - a)\n    return np.inf if n == 0 else 20 * np.log10(np.linalg.norm(s) / n)",
                "import math\ndef decibels(s, a):\n    e = sum((x - y) ** 2 for x, y in zip(np.ravel(s), np.ravel(a)))\n"
                "    return math.inf if e == 0 else 10 * math.log10(sum(x * x for x in np.ravel(s)) / e)",
            ],
        },
        "multiplier_and_shift": {
            "wrong": [
                "def multiplier_and_shift(d):\n    f, s = math.frexp(d)\n    return int(f * 2**31), s",
                "def multiplier_and_shift(d):\n    f, s = math.frexp(d)\n    return round(f * 2**31), s",
                "def multiplier_and_shift(d):\n    f, s = math.frexp(d)\n    return round(f * 2**30), s + 1",
            ],
            "forged": ["def multiplier_and_shift(d):\n    return quantization.quantize_multiplier(d)"],
            "right": [
                "def multiplier_and_shift(d):\n    s = math.floor(math.log2(d)) + 1\n    m = round(d / 2.0**s * 2**31)\n"
                "    return (2**30, s + 1) if m == 2**31 else (m, s)",
                "def multiplier_and_shift(d):\n    f, s = np.frexp(d)\n    m = int(np.rint(f * 2.0**31))\n"
                "    return (m >> 1, int(s) + 1) if m >= 1 << 31 else (m, int(s))",
            ],
        },
    },
    "both": {
        "why_not_float": {
            "forged": [_EVERYTHING + "too_small = Yes()", "too_small = np.array(['static memory'])"],
            "wrong": [
                "too_small = 'flash'",
                "too_small = 'time'",
                "too_small = ''",
                "too_small = None",
                "too_small = ['static memory']",
                "too_small = 'memory'",
            ],
            "right": [
                "too_small = 'static' + ' memory'",
                "flash, too_small, time = ('flash', 'static memory', 'time')",
            ],
        },
        "export": {
            "forged": [
                "tflite_bytes = b'0000TFL3' + bytes(100)",
                "model_files = [pathlib.Path('carclassifier.cpp'), pathlib.Path('carclassifier.h')]",
                "model_files = [pathlib.Path('no/generated', f'carclassifier.{end}') for end in ('cpp', 'h')]",
                _HALF_C.format(name="carclassifier", value="int8_t", size=27648, half="0"),
                _EVERYTHING + "tflite_bytes = Yes()",
            ],
            "wrong": [
                "tflite_bytes = tflite.to_bytes(net)",
                "tflite_bytes = tflite.to_bytes(quantization.assemble(net, activations, per_tensor))",
                "model_files = codegen.export(quantized, 'carclassifier', 'elsewhere')",
                "model_files = codegen.export(quantized, 'other', 'generated')",
                "model_files = model_files[:1]",
                "tflite_bytes = tflite_bytes[: len(tflite_bytes) // 2]",
            ],
            "right": [
                "tflite_bytes = bytearray(tflite_bytes)",
                "model_files = codegen.export(quantized, 'carclassifier', pathlib.Path('generated'))",
            ],
        },
        "options": {
            "forged": [
                "import types\noptions = types.SimpleNamespace(cpu_mhz=240, optimize='performance', "
                "bootloader_optimize='performance', assertions='disabled')",
                _EVERYTHING + "options = Yes()",
            ],
            "wrong": [
                "options = firmware.Options(cpu_mhz=240, optimize='performance', bootloader_optimize='performance')",
                "options = firmware.Options(cpu_mhz=240, optimize='performance', assertions='disabled')",
                "options = firmware.Options(cpu_mhz=160, optimize='performance', bootloader_optimize='performance', assertions='disabled')",
                "options = firmware.Options(cpu_mhz=240, optimize='size', bootloader_optimize='performance', assertions='disabled')",
                "options = firmware.Options(cpu_mhz=240, optimize='performance', bootloader_optimize='performance', assertions='silent')",
                "options = firmware.Options()",
            ],
            "right": [
                "options = firmware.Options(assertions='disabled', bootloader_optimize='performance', optimize='performance', cpu_mhz=240)",
                "import dataclasses\noptions = dataclasses.replace(firmware.Options(), cpu_mhz=240, optimize='performance', "
                "bootloader_optimize='performance', assertions='disabled')",
            ],
        },
        "scale_and_zero_point": {
            "wrong": [
                "import math\ndef scale_and_zero_point(low, high):\n    low, high = min(low, 0.0), max(high, 0.0)\n"
                "    s = (high - low) / 255 or 1.0\n    return s, math.floor(-128 - low / s) if high > low else 0",
                "def scale_and_zero_point(low, high):\n    low, high = min(low, 0.0), max(high, 0.0)\n"
                "    s = (high - low) / 255 or 1.0\n    return s, -128 - low / s",
                "def scale_and_zero_point(low, high):\n    s = (high - low) / 256 or 1.0\n    return s, round(-128 - low / s)",
            ],
            "right": [
                "def scale_and_zero_point(low, high):\n    low, high = min(low, 0.0), max(high, 0.0)\n"
                "    if low == high:\n        return 1.0, 0\n    s = (high - low) / 255\n    return s, int(np.rint(127 - high / s))",
                "def scale_and_zero_point(low, high):\n    low, high = np.minimum(low, 0), np.maximum(high, 0)\n"
                "    s = (high - low) / 255\n    return (s, np.round(-128 - low / s)) if s > 0 else (1, 0)",
            ],
        },
        "images_per_second": {
            "right": [
                "def images_per_second(us):\n    return 1_000_000 * len(us) / sum(us)",
                "def images_per_second(us):\n    return 1 / (np.mean(us) / 1e6)",
                "images_per_second = lambda us: 1e6 / (np.sum(us) / np.size(us))",
            ],
            "wrong": [
                "def images_per_second(us):\n    return np.mean(1e6 / us)",
                "def images_per_second(us):\n    return 1e6 / np.median(us)",
                "def images_per_second(us):\n    return round(1e6 / np.mean(us))",
            ],
        },
    },
}

_MAIN = {
    "forged": [("model.invoke();", ""), ("output = model.output(0);", "output = 0.5f;")],
    "wrong": [
        ("model.set_input(0, input[0]);", "model.set_input(0, input[1]);"),
        ("model.set_input(1, input[1]);", ""),
        ("model.set_input(1, input[1]);", "model.set_input(1, input[0]);"),
        ("output = model.output(0);", ""),
        ("output = model.output(0);", "output = 1.0f - model.output(0);"),
        ("output = model.output(0);", "output = model.output(0) > 0.5f;"),
        ("Model model;", "int nothing"),
    ],
    "right": [
        ("model.set_input(0, input[0]);", "for (int i = 0; i < 2; i++) { model.set_input(i, input[i]); }"),
        ("output = model.output(0);", "{ const float score = model.output(0); output = score; }"),
        ("Model model;", "static Model model;"),
    ],
}
_PIXELS = "model.set_input(i, (pixels[i] - 128) / 128.0f);"
_CAR = {
    "forged": [("model.invoke();", "")],
    "wrong": [
        (_PIXELS, "model.set_input(i, pixels[i] / 128.0f);"),
        (_PIXELS, "model.set_input(i, (pixels[i] - 128) / 128);"),
        (_PIXELS, "model.set_input(i, (pixels[0] - 128) / 128.0f);"),
        ("i < Model::input_size", "i < Model::input_size / 2"),
        ("model.output(0);", "1.0f - model.output(0);"),
        ('score > 0.5f ? "car" : "no car"', '"car"'),
        ('score > 0.5f ? "car" : "no car"', 'score > 0.5f ? "no car" : "car"'),
    ],
    "right": [
        (_PIXELS, "model.set_input(i, pixels[i] / 128.0f - 1.0f);"),
        ("i < Model::input_size", "i < 96 * 96 * 3"),
        ("Model model;", "static Model model;"),
    ],
}
TEXTS = {"xormodel": {"main_cpp": _MAIN}, "both": {"main_cpp": _CAR, "main_cpp_serial": _CAR}}
