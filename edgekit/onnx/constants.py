"""Computes nodes of which all inputs are constants: exporters compute shapes from shapes in the graph."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.onnx.model import MOST_VALUES, first_line

# Operators that a model may apply to constants: none of them runs for long, or makes more values than it is given,
# except those whose size is checked before.
COMPUTED = """
    Abs Add And BitShift Cast CastLike Ceil Concat Constant ConstantOfShape Div Equal Exp Expand Flatten Floor Gather
    GatherElements GatherND Greater GreaterOrEqual Identity Less LessOrEqual Log Max Min Mod Mul Neg Not Or Pow Range
    Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Reshape Round ScatterElements ScatterND Shape Sign
    Size Slice Split Sqrt Squeeze Sub Sum Tile Transpose Trilu Unsqueeze Where Xor
"""


def computed(onnx: Any, node: Any, inputs: Sequence[np.ndarray | None], opset: int) -> list[np.ndarray]:
    """The outputs of a node, from ONNX's reference.

    Args:
        onnx: the package.
        node: an `onnx.NodeProto` of one of the operators in `COMPUTED`.
        inputs: its inputs; None for one that is left out.
        opset: the version of the operators.

    Raises:
        ValueError: it cannot be computed, or its output is too large.
    """
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    if _size(node, inputs) > MOST_VALUES:
        raise InvalidValue(f"node {node.name!r} ({node.op_type}) makes a constant of more than {MOST_VALUES:,} values")
    names = [name for name, value in zip(node.input, inputs, strict=True) if value is not None]
    feeds = dict(zip(names, [value for value in inputs if value is not None], strict=True))
    given = [helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in feeds]
    made = [helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in node.output if name]
    graph = helper.make_graph([node], "constant", given, made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        with np.errstate(all="ignore"):
            results = iter(ReferenceEvaluator(model).run(None, feeds))
    except Exception as error:  # NumPy raises whatever wrong inputs lead it to
        raise InvalidValue(f"node {node.name!r} ({node.op_type}) cannot be computed: {first_line(error)}") from None
    return [np.asarray(next(results)) if name else np.zeros(0) for name in node.output]


def _size(node, inputs):
    """At most so many values come out."""
    known = [value for value in inputs if value is not None]
    if node.op_type in ("ConstantOfShape", "Expand", "Tile"):
        sizes = prod(int(n) for n in np.ravel(known[-1]))
        return sizes * (known[0].size if node.op_type != "ConstantOfShape" else 1)
    if node.op_type == "Range":
        start, limit, step = (float(np.ravel(value)[0]) for value in known)
        return abs((limit - start) / step) if step else 0
    if node.op_type == "Concat":
        return sum(value.size for value in known)
    if node.op_type in ("Gather", "GatherND"):
        return known[0].size * max(known[1].size, 1)
    try:
        return prod(np.broadcast_shapes(*(value.shape for value in known)))
    except ValueError:  # its inputs are of another kind
        return sum(value.size for value in known)
