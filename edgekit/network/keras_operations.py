"""Reads operations of Keras that are no layers: keras.ops.relu(x), or an operator between tensors.

Here are those of one tensor that become an activation. Classes are named by their place in Keras's source, because
names such as Add mean a layer in one place and an operation in another.
"""

from edgekit.network.keras import _operation, _refuse


@_operation("ops.nn.Relu")
def _relu(reader, operation, x):
    return reader.add("relu", operation.name, [x])


@_operation("ops.nn.Relu6")
def _relu6(reader, operation, x):
    return reader.add("relu6", operation.name, [x])


@_operation("ops.nn.Sigmoid", makes=("sigmoid",))
def _sigmoid(reader, operation, x):
    return reader.add("sigmoid", operation.name, [x])


@_operation("ops.numpy.Tanh", makes=("tanh",))
def _tanh(reader, operation, x):
    return reader.add("tanh", operation.name, [x])


@_operation("ops.nn.Softmax", makes=("softmax",), options=("axis",))
def _softmax(reader, operation, x):
    if operation.axis not in (-1, len(reader.shapes[x])):
        _refuse(operation, f"axis={operation.axis}")
    return reader.add("softmax", operation.name, [x])
