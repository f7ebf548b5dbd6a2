"""A network as plain data: named tensors and the ops between them. See `Network`.

ops         the kinds of op: facts, shapes, float32 arithmetic; activations has the functions of one value
graph       Network, and functions on it
building    collects the ops of a network while it is read, whatever its format; folding then folds and fuses them
functions   activations as the ops that compute them
keras       reads a Keras model: keras_windows its convolutions, poolings and reductions, keras_activations its
            activations, keras_arithmetic its arithmetic, keras_moves all that move values, keras_attention matrix
            products, keras_recurrent its LSTM; keras_files opens files, keras_check compares a network that was read
            with its model
moves       where each value of a moved tensor comes from, and which ops make up a movement
lstm        the arithmetic of an LSTM in float32
resizing    between which pixels a bilinear resize lies
windows     sliding windows in NumPy, shared by the float and the int8 arithmetic
states      the values that a network keeps from one inference to the next
broadcasting  two tensors of different shapes
dispatch    the table from a kind of op to a function
pixels      the real values that a network takes for pixels, where it shows them
"""

from edgekit.network import (
    activations,  # noqa: F401 (it enters its kinds)
    keras_activations,  # noqa: F401 (it enters its functions)
    keras_arithmetic,  # noqa: F401 (it enters its functions)
    keras_attention,  # noqa: F401 (it enters its functions)
    keras_moves,  # noqa: F401 (it enters its functions)
    keras_recurrent,  # noqa: F401 (it enters its layer)
    keras_windows,  # noqa: F401 (it enters its layers)
)
from edgekit.network.dispatch import Dispatch
from edgekit.network.graph import (
    Batch,
    Graph,
    Network,
    Results,
    as_results,
    batch_size,
    batches,
    by_name,
    check_images,
    check_input,
    check_network,
    check_numbers,
    last_use,
    map_weights,
    repeated_constants,
    with_ops,
)
from edgekit.network.keras import from_keras
from edgekit.network.keras_files import load_keras
from edgekit.network.ops import (
    ACTIVATIONS,
    MOVING,
    OPS,
    SAME_SCALE,
    WEIGHTED,
    Kind,
    Op,
    Shape,
    bordered,
    moved,
    op_macs,
    output_shape,
    products,
    run_op,
)
from edgekit.network.states import Session, States, in_sequence

__all__ = [
    "ACTIVATIONS",
    "MOVING",
    "OPS",
    "SAME_SCALE",
    "WEIGHTED",
    "Batch",
    "Dispatch",
    "Graph",
    "Kind",
    "Network",
    "Op",
    "Results",
    "Session",
    "Shape",
    "States",
    "as_results",
    "batch_size",
    "batches",
    "bordered",
    "by_name",
    "check_images",
    "check_input",
    "check_network",
    "check_numbers",
    "from_keras",
    "in_sequence",
    "last_use",
    "load_keras",
    "map_weights",
    "moved",
    "op_macs",
    "output_shape",
    "products",
    "repeated_constants",
    "run_op",
    "with_ops",
]
