"""Finds operators that exporters write as several: GELU before opset 20 is x / 2 * (1 + erf(x / sqrt(2)))."""

import math
from typing import Any

import numpy as np


def with_gelu(onnx: Any, graph: Any) -> list[Any]:
    """The nodes of a graph, with one Gelu node in place of each such group.

    Args:
        onnx: the package.
        graph: an `onnx.GraphProto`; it stays as it is.

    Returns:
        Nodes in order; a group of another form stays as it is, and so does one of which another node reads a part.
    """
    nodes = list(graph.node)
    numbers = _numbers(onnx, graph)
    for node in graph.node:
        found = _Group(graph, nodes, numbers).found(node) if node.op_type == "Erf" else None
        if found:
            x, parts = found
            last = parts[-1]
            gelu = onnx.helper.make_node("Gelu", [x], list(last.output), name=last.name)
            nodes = [
                gelu if each is last else each for each in nodes if each is last or all(each is not p for p in parts)
            ]
    return nodes


def _numbers(onnx, graph):
    """Constants of one value, by name."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    small = {name: tensor for name, tensor in tensors.items() if math.prod(tensor.dims) == 1}
    found = {}
    for name, tensor in small.items():
        try:
            found[name] = float(np.ravel(onnx.numpy_helper.to_array(tensor))[0])
        except (ValueError, TypeError):  # text, or damaged: the reader refuses it where it is used
            continue
    return found


class _Group:
    def __init__(self, graph, nodes, numbers):
        self.nodes, self.numbers = nodes, numbers
        self.made = {name: node for node in nodes for name in node.output}
        self.outputs = {tensor.name for tensor in graph.output}

    def found(self, erf):
        """(name of x, the nodes of the group, the last of them last); None if it is no GELU."""
        line = self.made.get(erf.input[0])
        x = self.scaled(line, {"Div": math.sqrt(2), "Mul": math.sqrt(0.5)})
        plus = self.only_reader(erf)
        if x is None or self.scaled(plus, {"Add": 1.0}) != erf.output[0]:
            return None
        times = self.only_reader(plus)
        if times is None or times.op_type != "Mul":
            return None
        other = next((name for name in times.input if name != plus.output[0]), None)
        if other == x:
            last = self.only_reader(times)
            half = self.scaled(last, {"Mul": 0.5, "Div": 2.0}) == times.output[0]
            return (x, [line, erf, plus, times, last]) if half else None
        halved = self.made.get(other)
        if self.scaled(halved, {"Mul": 0.5, "Div": 2.0}) == x and self.only_reader(halved) is times:
            return x, [line, erf, plus, halved, times]
        return None

    def scaled(self, node, numbers):
        """The other input of an operator with one of these numbers."""
        if node is None or node.op_type not in numbers or len(node.input) != 2:
            return None
        for place in (1, 0) if node.op_type != "Div" else (1,):
            number = self.numbers.get(node.input[place])
            if number is not None and math.isclose(number, numbers[node.op_type], rel_tol=1e-3):
                return node.input[1 - place]
        return None

    def only_reader(self, node):
        """The only node that reads a node's output, if that is no output of the model."""
        readers = [each for each in self.nodes if node.output[0] in each.input]
        return readers[0] if len(readers) == 1 and node.output[0] not in self.outputs else None
