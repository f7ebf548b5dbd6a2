"""Reads a dilated convolution that TensorFlow's converter wrote as three operators.

SPACE_TO_BATCH_ND deals the pixels out to several small images, one for each place within a step of the dilation. A
plain convolution goes over them, and BATCH_TO_SPACE_ND puts the results together. A microcontroller does not need the
copies: this is the same as one convolution with dilation.
"""

from collections.abc import Collection, Sequence
from copy import copy
from typing import Any

import numpy as np

from edgekit.network import windows

Operators = list[tuple[str, Any]]  # (code, operator of the file)
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
_RESHAPES = ("EXPAND_DIMS", "RESHAPE", "SQUEEZE")


def with_dilation(schema: Any, model: Any, graph: Any, operators: Operators, kept: Collection[int] = ()) -> Operators:
    """Replace each such group of operators by one convolution, with a PAD before it where SAME padding does not fit.

    Args:
        schema: the generated module of the schema.
        model: the file's content; new tensors and buffers are added to it.
        graph: its graph.
        operators: the graph's operators.
        kept: indices of tensors that states keep.

    Returns:
        The operators; a group of another form stays as it is.
    """
    result = list(operators)
    for code, operator in operators:
        if code != "SPACE_TO_BATCH_ND":
            continue
        group = _group({*map(int, graph.outputs), *kept}, result, operator)
        new = group and _Group(schema, model, graph, group).replaced()
        if group and new:
            place = result.index(group[-1])
            result = [each for each in result[:place] if each not in group] + new + result[place + 1 :]
    return result


def _group(wanted, operators, first):
    """The operators from SPACE_TO_BATCH_ND to BATCH_TO_SPACE_ND, if each is the only reader of the one before."""
    group = [("SPACE_TO_BATCH_ND", first)]
    while group[-1][0] != "BATCH_TO_SPACE_ND":
        output = int(group[-1][1].outputs[0])
        readers = [each for each in operators if output in list(each[1].inputs)]
        if len(readers) != 1 or output in wanted or int(readers[0][1].inputs[0]) != output:
            return None
        group += readers
        codes = [code for code, _ in group[1:] if code != "BATCH_TO_SPACE_ND"]
        if len(codes) > 3 or any(code not in (*_CONVOLUTIONS, *_RESHAPES) for code in codes):
            return None
    return group if sum(code in _CONVOLUTIONS for code, _ in group) == 1 else None


class _Group:
    def __init__(self, schema, model, graph, group):
        self.schema, self.model, self.graph, self.group = schema, model, graph, group
        self.split, self.join = group[0][1], group[-1][1]
        self.code, self.convolution = next(each for each in group if each[0] in _CONVOLUTIONS)

    def replaced(self) -> Operators | None:
        """The operators instead of the group; None if it is no dilated convolution."""
        block, paddings, crops = (self._numbers(index) for index in (*self.split.inputs[1:], self.join.inputs[2]))
        again = self._numbers(self.join.inputs[1])
        options, shape = self.convolution.builtinOptions, self._shape(self.split.inputs[0])
        if any(values is None for values in (block, paddings, crops, again)) or len(shape) not in (3, 4):
            return None
        axes = len(shape) - 2
        pairs = paddings.shape == crops.shape == (axes, 2)
        if not pairs or block.shape != (axes,) or block.tolist() != again.tolist() or block.min() < 1:
            return None
        # Space at the end that only makes the size a multiple of the block is cut off again.
        paddings = paddings - crops
        plain = (options.strideH, options.strideW, options.dilationHFactor, options.dilationWFactor) == (1, 1, 1, 1)
        if not plain or options.padding != self.schema.Padding.VALID or crops[:, 0].any() or paddings.min() < 0:
            return None
        if not self._one_scale(self.split) or not self._one_scale(self.join):
            return None
        return self._operators(shape, [1] * (2 - axes) + block.tolist(), [(0, 0)] * (2 - axes) + paddings.tolist())

    def _operators(self, shape: Sequence[int], dilation: list[int], paddings: list) -> Operators:
        new: Operators = []
        source, output = int(self.split.inputs[0]), int(self.join.outputs[0])
        if len(shape) == 3:
            shape = (shape[0], 1, *shape[1:])
            source = self._add(new, "RESHAPE", [source], self._tensor(source, shape))
        before = tuple((int(first), int(last)) for first, last in paddings)
        reach = windows.reach(self._shape(self.convolution.inputs[1])[1:3], (dilation[0], dilation[1]))
        same = before == windows.same_padding((shape[1], shape[2]), reach, (1, 1))
        if not same and any(map(any, before)):
            padded = (shape[0], *(n + sum(pair) for n, pair in zip(shape[1:3], before, strict=True)), shape[3])
            constant = self._constant(f"{self.name(output)}/paddings", [(0, 0), *before, (0, 0)])
            source = self._add(new, "PAD", [source, constant], self._tensor(source, padded))
        convolution, options = copy(self.convolution), copy(self.convolution.builtinOptions)
        options.dilationHFactor, options.dilationWFactor = dilation
        options.padding = self.schema.Padding.SAME if same else self.schema.Padding.VALID
        convolution.builtinOptions = options
        convolution.inputs = [source, *map(int, self.convolution.inputs[1:])]
        new.append((self.code, convolution))
        if len(self._shape(self.split.inputs[0])) == 4:
            convolution.outputs = [output]
        else:
            sizes = self._shape(output)
            convolution.outputs = [self._tensor(output, (sizes[0], 1, *sizes[1:]))]
            self._add(new, "RESHAPE", list(convolution.outputs), output)
        return new

    def name(self, index):
        return self.graph.tensors[index].name

    def _shape(self, index):
        shape = self.graph.tensors[int(index)].shape
        return () if shape is None else tuple(int(n) for n in shape)

    def _numbers(self, index):
        """The whole numbers of a constant; None if it is none."""
        tensor = self.graph.tensors[int(index)]
        data = self.model.buffers[tensor.buffer].data
        size = int(np.prod(self._shape(index)))
        if tensor.type != self.schema.TensorType.INT32 or data is None or len(data) != 4 * size:
            return None
        return np.frombuffer(np.asarray(data, np.uint8).tobytes(), "<i4").reshape(self._shape(index)).astype(np.int64)

    def _one_scale(self, operator):
        scales = []
        for index in (operator.inputs[0], operator.outputs[0]):
            q = self.graph.tensors[int(index)].quantization
            known = q is not None and q.scale is not None and q.zeroPoint is not None
            scales.append((list(q.scale), list(q.zeroPoint)) if known else None)
        return scales[0] == scales[1]

    def _tensor(self, like, shape):
        """A new tensor of another shape, with the scale of this one."""
        tensor = copy(self.graph.tensors[like])
        tensor.name, tensor.shape, tensor.shapeSignature = f"{self.name(like)}/image", list(shape), None
        tensor.buffer = 0
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _constant(self, name, values):
        values = np.asarray(values, "<i4")
        buffer, tensor = self.schema.BufferT(), self.schema.TensorT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.name, tensor.shape, tensor.type = name, list(values.shape), self.schema.TensorType.INT32
        tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _add(self, operators, code, inputs, output):
        operator = self.schema.OperatorT()
        operator.inputs, operator.outputs = inputs, [output]
        operators.append((code, operator))
        return output
