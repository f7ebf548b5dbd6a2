"""Reads ONNX's LSTM, forwards, backwards and both ways."""

import numpy as np

from edgekit.network.lstm import GATES
from edgekit.onnx.layout import Value
from edgekit.onnx.reader import Result, register

# ONNX has the gates in the order input, output, forget, cell; a network has them as input, forget, cell, output.
_ORDER = (0, 2, 3, 1)
_FUNCTIONS = ["Sigmoid", "Tanh", "Tanh"]


@register("LSTM")
def _lstm(node):
    value, ways = node.value(), {"forward": 1, "reverse": 1, "bidirectional": 2}
    direction, first = node.attribute("direction", "forward"), bool(node.attribute("layout", 0))
    _check(node, value, first, ways.get(direction))
    n, size = ways[direction], np.asarray(node.constant(2)).shape[-1]
    reader, batch = node.reader, 0 if first else 1
    source = reader.held(value, (1 - batch, 2))
    rows, lasts = [], []
    for way in range(n):
        back = direction == "reverse" or way == 1
        name = f"{node.name}_back" if back else node.name
        start = reader.backwards(f"{name}_first", source) if back else source
        output = reader.add("lstm", name, [start], **_weights(node, way, size))
        if _used(node, 1):
            lasts.append(reader.last_row(f"{name}_last", output))
        if _used(node, 0):
            rows.append(reader.backwards(f"{name}_in_order", output) if back else output)
    steps = value.shape[1 - batch]
    shapes = [(1, steps, n, size), (1, n, size)] if first else [(steps, n, 1, size), (n, 1, size)]
    axes = [(1, 2, 3), (1, 2)] if first else [(0, 1, 3), (0, 2)]
    results: list[Result] = []
    for parts, shape, kept in zip((rows, lasts), shapes, axes, strict=True):
        if not parts:
            results.append(np.zeros(0, np.float32))  # that nothing reads
        elif n == 1:
            results.append(Value(parts[0], shape, tuple(axis for axis in kept if axis != kept[-2])))
        else:
            joined = reader.join(f"{node.name}_both", parts, len(reader.shapes[parts[0]]) - 1)
            split = reader.reshape(f"{node.name}_ways", [joined], tuple(shape[axis] for axis in kept))
            results.append(Value(split, shape, kept))
    if _used(node, 2):
        node.refuse("its cell as an output (Y_c)")
    return [*results, np.zeros(0, np.float32)][: max(len(node.outputs), 1)]


def _used(node, place):
    """Whether a node reads this output, or it is one of the model's."""
    if place >= len(node.outputs) or not node.outputs[place]:
        return False
    graph, name = node.reader.graph, node.outputs[place]
    return any(name in other.input for other in graph.node) or any(name == end.name for end in graph.output)


def _check(node, value, first, ways):
    if ways is None:
        node.refuse(f"direction={node.attribute('direction')!r}")
    if len(value.shape) != 3 or value.shape[0 if first else 1] != 1:
        node.refuse(f"an input of shape {list(value.shape)}; a sequence with a batch of 1 is supported, another")
    functions = [each.decode() if isinstance(each, bytes) else each for each in node.attribute("activations", [])]
    if functions and functions != _FUNCTIONS * ways:
        node.refuse(f"the activations {', '.join(functions)}")
    for name, default in (("clip", None), ("input_forget", 0)):
        if node.attribute(name, default) != default:
            node.refuse(f"{name}={node.attribute(name)}")
    lengths = node.constant(4)
    if lengths is not None and np.any(lengths != value.shape[1 if first else 0]):
        node.refuse("sequence_lens other than all steps")
    for place, what in ((5, "initial output"), (6, "initial cell"), (7, "peephole")):
        held = node.constant(place)
        if held is not None and np.any(held):
            node.refuse(f"an {what} other than 0" if place < 7 else "peepholes")


def _weights(node, way, size):
    """The weights and biases of one direction, as the network has them."""
    of_input, of_output = (np.asarray(node.constant(place), np.float32)[way] for place in (1, 2))
    both = np.asarray(node.constant(3, np.zeros((way + 1, 2 * GATES * size))), np.float32)[way]
    weights = np.concatenate([of_input, of_output], axis=1).reshape(GATES, size, -1)
    bias = both.reshape(2, GATES, size).sum(axis=0)
    order = list(_ORDER)
    return {"weights": weights[order].reshape(GATES * size, -1), "bias": bias[order].reshape(-1)}
