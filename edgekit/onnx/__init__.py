"""ONNX: reads a model, such as PyTorch exports it, into a network. It needs the extra ``edgekit[onnx]``.

reading       `load`, `from_bytes`: from the file to the network
model         opens the file and checks it
layout        in which order a tensor holds its axes: ONNX has channels first, a network has them last
reader        collects the ops, one node after the other
patterns      finds operators that exporters write as several
constants     computes nodes whose inputs are constants
windows, arithmetic, activations, movements, products, recurrent
              what each operator becomes
flattened     leaves out transposes that the weights after them can take
check         compares the network with ONNX's reference, node by node and as a whole
"""

from edgekit.onnx.reading import from_bytes, load

__all__ = ["from_bytes", "load"]
